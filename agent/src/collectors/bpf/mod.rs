//! What programs in the kernel cost: ours, and those of others.
super::collectors! { "bpf": bpf_other_programs::BpfOtherPrograms, bpf_programs::BpfPrograms }
