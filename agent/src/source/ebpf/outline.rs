//! The kernel's types as the loader of programs wants them. It looks for those of hooks by their names, as it needs their
//! numbers, and for nothing else: so all others become empty, and 1.5 MB are left of 5.

use std::collections::HashSet;

use ebpf_probes::spec::{Attach, Spec};

use super::btf::{Btf, FUNC, FWD, HEADER_LEN, MAGIC, TYPEDEF};

/// The types of `btf`, in their order, with the names of those alone that the programs of `probes` hook.
pub(super) fn outline(btf: &Btf, probes: &[&Spec]) -> Vec<u8> {
    let hooks: HashSet<_> = probes.iter().flat_map(|it| it.programs).map(|it| type_of(&it.attach)).collect();
    let (mut types, mut strings) = (Vec::new(), vec![0]);
    for (kind, name) in btf.names() {
        let is_hook = matches!(kind, TYPEDEF | FUNC) && hooks.contains(name);
        let (kind, place) = if is_hook { (kind, strings.len()) } else { (FWD, 0) };
        if is_hook {
            strings.extend(name);
            strings.push(0);
        }
        for word in [place as u32, kind << 24, 0] {
            types.extend(word.to_ne_bytes());
        }
    }
    let (types_len, strings_len) = (types.len() as u32, strings.len() as u32);
    let mut bytes = Vec::with_capacity(HEADER_LEN + types.len() + strings.len());
    bytes.extend(MAGIC.to_ne_bytes());
    // Version and flags.
    bytes.extend([1, 0]);
    for word in [HEADER_LEN as u32, 0, types_len, types_len, strings_len] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(types);
    bytes.extend(strings);
    bytes
}

/// The type by which the kernel knows a hook (Documentation/bpf/libbpf/program_types.rst).
fn type_of(attach: &Attach) -> Vec<u8> {
    match attach {
        Attach::TpBtf(hook) => format!("btf_trace_{hook}"),
        Attach::FEntry(function) | Attach::FExit(function) => (*function).to_owned(),
        Attach::Iter(list) => format!("bpf_iter_{list}"),
    }
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use ebpf_probes::probes::runqueue;

    use super::*;

    #[test]
    fn hooks_keep_their_numbers_and_others_have_no_name() {
        let bytes = include_bytes!("btf/kernels/6.18.btf");
        let whole = Btf::parse(bytes.to_vec()).unwrap();
        let outline = Btf::parse(outline(&whole, &[&runqueue::SPEC])).unwrap();
        let number = |btf: &Btf, name: &str| btf.names().position(|it| it == (TYPEDEF, name.as_bytes()));
        let of_switch = number(&whole, "btf_trace_sched_switch");
        assert!(of_switch.is_some());
        assert_eq!(number(&outline, "btf_trace_sched_switch"), of_switch);
        assert!(number(&whole, "btf_trace_block_rq_complete").is_some());
        assert_eq!(number(&outline, "btf_trace_block_rq_complete"), None);
        assert_eq!(outline.names().count(), whole.names().count());
    }
}
