//! The reader against BTF made by hand, damaged, and of the running kernel.

mod blob;
mod claims;
mod kernels;
mod reduce;

use proptest::prelude::*;

use self::blob::Blob;
use super::*;

/// A kernel of one task, with what the reader must see through.
fn kernel() -> Blob {
    let mut blob = Blob::default();
    let (int, long) = (blob.int(4), blob.int(8));
    let volatile = blob.add(VOLATILE, "", 0, int, &[]);
    let typedef = blob.add(TYPEDEF, "pid_t", 0, volatile, &[]);
    let info = blob.structure("sched_info", 16, &[("run_delay", long, 0), ("last_queued", long, 64)]);
    let anonymous = blob.structure("", 8, &[("tgid", int, 0), ("pid", typedef, 32)]);
    let members = blob.members(&[("", anonymous, 0), ("ids", long, 0)]);
    let union = blob.add(UNION, "", 2, 8, &members);
    let char = blob.int(1);
    let comm = blob.add(ARRAY, "", 0, 0, &[char, int, 16]);
    let pointer = blob.add(PTR, "", 0, info, &[]);
    let fields = [
        ("state", long, 0),
        ("", union, 64),
        ("info", info, 128),
        ("comm", comm, 256),
        ("next", pointer, 384),
    ];
    let task = blob.structure("task_struct", 56, &fields);
    let task = blob.add(CONST, "", 0, task, &[]);
    let task = blob.add(PTR, "", 0, task, &[]);
    blob.hook("sched_switch", &[int, task, task]);
    let prototype = blob.add(FUNC_PROTO, "", 2, int, &[0, long, 0, int]);
    blob.add(FUNC, "vfs_read", 0, prototype, &[]);
    blob
}

fn place(offset: u32, size: u32) -> Result<Field, FieldError> {
    Ok(Field { offset, size })
}

#[test]
fn finds_fields_and_their_sizes() {
    let btf = kernel().btf();
    assert_eq!(btf.field("task_struct.state"), place(0, 8));
    assert_eq!(btf.field("task_struct.info"), place(16, 16));
    assert_eq!(btf.field("task_struct.info.last_queued"), place(24, 8));
    assert_eq!(btf.field("task_struct.comm"), place(32, 16));
    assert_eq!(btf.field("task_struct.next"), place(48, 8));
    assert_eq!(btf.field("task_struct"), place(0, 56));
}

#[test]
fn looks_into_anonymous_structs_and_unions() {
    let btf = kernel().btf();
    assert_eq!(btf.field("task_struct.ids"), place(8, 8));
    assert_eq!(btf.field("task_struct.tgid"), place(8, 4));
    assert_eq!(btf.field("task_struct.pid"), place(12, 4));
}

#[test]
fn takes_the_first_path_that_is_there() {
    let btf = kernel().btf();
    assert_eq!(btf.field("task_struct.__state|task_struct.state"), place(0, 8));
    assert_eq!(btf.field("task_struct.pid|task_struct.state"), place(12, 4));
}

#[test]
fn names_what_is_missing() {
    let btf = kernel().btf();
    assert_eq!(btf.field("taskstruct.pid"), Err(FieldError::NoStruct("taskstruct".into())));
    assert_eq!(btf.field("task_struct.__state"), Err(FieldError::NoField("task_struct.__state".into())));
    assert_eq!(
        btf.field("task_struct.__state|task_struct.status"),
        Err(FieldError::NoField("task_struct.__state".into())),
    );
    // What lies behind a pointer is not in the struct.
    assert_eq!(
        btf.field("task_struct.next.run_delay"),
        Err(FieldError::NoField("task_struct.next.run_delay".into())),
    );
    assert_eq!(btf.field(""), Err(FieldError::NoStruct(String::new())));
}

#[test]
fn refuses_bit_fields_in_either_form() {
    let mut blob = Blob::default();
    let int = blob.int(4);
    let members =
        blob.members(&[("whole", int, 32), ("bits", int, 3 << 24 | 64), ("aligned", int, 8 << 24 | 96)]);
    blob.add_flagged(STRUCT, "new", 3, 16, &members);
    let narrow = blob.add(INT, "int", 0, 4, &[3]);
    blob.structure("old", 8, &[("whole", int, 0), ("bits", narrow, 32)]);
    let btf = blob.btf();
    assert_eq!(btf.field("new.whole"), place(4, 4));
    assert_eq!(btf.field("old.whole"), place(0, 4));
    for (path, at, width) in [("new.bits", 64, 3), ("new.aligned", 96, 8), ("old.bits", 32, 3)] {
        assert_eq!(btf.field(path), Err(FieldError::BitField(path.into())));
        assert_eq!(btf.bits(path).ok(), probe_abi::bits::constant(at, width));
    }
    assert_eq!(btf.bits("new.whole"), Err(FieldError::BitField("new.whole".into())));
}

#[test]
fn finds_arguments_of_hooks() {
    let btf = kernel().btf();
    assert_eq!(btf.arity("sched_switch"), Some(3));
    assert_eq!(btf.argument("sched_switch", "task_struct"), Some(1));
    assert_eq!(btf.argument("sched_switch", "sched_info"), None);
    assert_eq!(btf.arity("sched_swap"), None);
    assert_eq!(btf.argument("sched_swap", "task_struct"), None);
}

#[test]
fn finds_functions_by_their_kind() {
    let btf = kernel().btf();
    assert!(btf.has_function("vfs_read"));
    assert!(!btf.has_function("vfs_write"));
    assert!(!btf.has_function("task_struct"));
    assert_eq!(btf.parameters("vfs_read"), Some(2));
    assert_eq!(btf.parameters("vfs_write"), None);
}

#[test]
fn finds_enumerators_of_any_enum() {
    let mut blob = Blob::default();
    let (a, b) = (blob.name("A"), blob.name("B"));
    blob.add(ENUM, "unsigned", 2, 4, &[a, 7, b, u32::MAX]);
    let c = blob.name("C");
    blob.add_flagged(ENUM, "", 1, 4, &[c, -1i32 as u32]);
    let d = blob.name("D");
    blob.add(ENUM64, "wide", 1, 8, &[d, 2, 1]);
    let btf = blob.btf();
    assert_eq!(btf.enumerator("A"), Some(7));
    assert_eq!(btf.enumerator("B"), Some(0xffff_ffff));
    assert_eq!(btf.enumerator("C"), Some(-1));
    assert_eq!(btf.enumerator("D"), Some(0x1_0000_0002));
    assert_eq!(btf.enumerator("E"), None);
}

#[test]
fn steps_over_every_kind() {
    let mut blob = Blob::default();
    for kind in [PTR, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FLOAT, TYPE_TAG] {
        blob.add(kind, "other", 0, 0, &[]);
    }
    for kind in [INT, VAR, DECL_TAG] {
        blob.add(kind, "other", 0, 4, &[32]);
    }
    blob.add(ARRAY, "", 0, 0, &[1, 1, 1]);
    for kind in [ENUM, FUNC_PROTO] {
        blob.add(kind, "other", 2, 4, &[0; 4]);
    }
    for kind in [STRUCT, UNION, DATASEC, ENUM64] {
        blob.add(kind, "other", 2, 4, &[0; 6]);
    }
    let int = blob.int(4);
    blob.structure("last", 4, &[("field", int, 0)]);
    assert_eq!(blob.btf().field("last.field"), place(0, 4));
}

#[test]
fn refuses_what_is_not_btf() {
    let whole = kernel().bytes();
    let parse = |bytes: &[u8]| Btf::parse(bytes.to_vec()).unwrap_err();
    assert_eq!(parse(b""), Malformed::Header);
    assert_eq!(parse(b"\x7fELF and more than a header of it"), Malformed::Header);
    let mut swapped = whole.clone();
    swapped.swap(0, 1);
    assert_eq!(parse(&swapped), Malformed::Header);
    assert_eq!(parse(&whole[..whole.len() - 1]), Malformed::Section);

    let mut blob = Blob::default();
    blob.int(4);
    blob.add(31, "unknown", 0, 0, &[]);
    assert_eq!(parse(&blob.bytes()), Malformed::Kind { id: 2, kind: 31 });
    let mut blob = Blob::default();
    blob.add(STRUCT, "cut", 2, 8, &[0, 0, 0]);
    assert_eq!(parse(&blob.bytes()), Malformed::Truncated { id: 1 });
}

#[test]
fn types_that_contain_themselves_come_to_an_end() {
    let mut blob = Blob::default();
    let anonymous = ("", 1, 0);
    blob.structure("", 4, &[anonymous; 1000]);
    blob.structure("endless", 4, &[anonymous, ("alias", 3, 0), ("array", 4, 0)]);
    blob.add(TYPEDEF, "alias", 0, 3, &[]);
    blob.add(ARRAY, "", 0, 0, &[4, 4, 4]);
    let btf = blob.btf();
    for path in ["endless.missing", "endless.alias", "endless.array"] {
        assert_eq!(btf.field(path), Err(FieldError::NoField(path.into())));
    }
}

/// A reader that looked for the end of each name would be at it for hours.
#[test]
fn names_without_end_cost_nothing() {
    let mut blob = Blob { strings: vec![b'x'; 4 << 20], ..Blob::default() };
    for at in 0..200_000 {
        blob.types.extend([at, STRUCT << 24, 8]);
    }
    let btf = blob.btf();
    assert_eq!(btf.field("xxxx.x"), Err(FieldError::NoStruct("xxxx".into())));
    assert_eq!(btf.enumerator("xxxx"), None);
    assert_eq!(btf.arity("xxxx"), None);
}

/// Asks all that can be asked.
fn interrogate(bytes: Vec<u8>) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for path in ["task_struct.pid", "task_struct.info.last_queued", "task_struct.comm", "task_struct.next|."]
    {
        btf.field(path).ok();
    }
    btf.arity("sched_switch");
    btf.argument("sched_switch", "task_struct");
    btf.enumerator("A");
    btf.has_function("vfs_read");
    btf.parameters("vfs_read");
}

#[test]
fn any_truncation_is_an_answer_or_an_error() {
    let whole = kernel().bytes();
    for len in 0..whole.len() {
        interrogate(whole[..len].to_vec());
    }
}

proptest! {
    #[test]
    fn any_damage_is_an_answer_or_an_error(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = kernel().bytes();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        interrogate(bytes);
    }

    #[test]
    fn any_types_are_an_answer_or_an_error(types in prop::collection::vec(prop_oneof![0u32..64, (1u32..20).prop_map(|kind| kind << 24 | 2), any::<u32>()], 0..64)) {
        let blob = Blob { types, strings: b"\0task_struct\0btf_trace_sched_switch\0pid\0info\0".to_vec(), n_types: 0 };
        interrogate(blob.bytes());
    }
}

#[test]
#[ignore = "reads the running kernel's BTF"]
fn reads_the_running_kernel() {
    let btf = Btf::parse(std::fs::read("/sys/kernel/btf/vmlinux").unwrap()).unwrap();
    assert_eq!(btf.field("task_struct.pid").unwrap().size, 4);
    assert_eq!(btf.field("task_struct.comm").unwrap().size, 16);
    assert_eq!(btf.field("list_head.prev"), place(8, 8));
    assert_eq!(btf.argument("sched_switch", "task_struct"), Some(1));
    assert_eq!(btf.argument("block_rq_complete", "request"), Some(0));
    assert_eq!(btf.arity("block_rq_complete"), Some(3));
    assert_eq!(btf.enumerator("BPF_MAP_TYPE_ARRAY"), Some(2));
    assert!(btf.has_function("vfs_read"));
    assert!(!btf.has_function("vfs_raed"));
    assert_eq!(btf.parameters("vfs_read"), Some(4));
}
