//! What programs in the kernel cost: ours, and those of others.

mod bpf_other_programs;
mod bpf_programs;

super::register! {
    "bpf":
    bpf_other_programs::BpfOtherPrograms,
    bpf_programs::BpfPrograms,
}
