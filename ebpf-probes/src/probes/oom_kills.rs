//! Processes that the kernel chose to kill for want of memory: of the whole host, or of what a cgroup may use; and, where
//! it is wanted, which cgroup each was in.
//!
//! Both go through `out_of_memory`, one at a time (mm/oom_kill.c: `oom_lock`). Where functions cannot be traced, what
//! was short of memory is not known.

use ebpf_probes::{Object, Small, maps::Fixed, probe};

probe! {
    name: "oom_kills",
    constants {
        /// Null if the host is short of memory.
        MEMCG: Object = field("oom_control.memcg"), optional;
        /// Whether it is wanted in which cgroups victims were.
        VICTIMS = feature();
        /// Before 6.9 a number alone was told, of a process that need not be the current one.
        VICTIM = argument("mark_victim", "task_struct"), optional;
        CGROUPS: Object = field("task_struct.cgroups"), optional;
        /// A pointer for each controller.
        STATES: Small = field("css_set.subsys"), optional;
        /// The first word of anything.
        FIRST: Object = field("list_head.next");
        MEMORY = enumerator("memory_cgrp_id"), optional;
        PARENT: Object = field("cgroup_subsys_state.parent"), optional;
        CGROUP: Object = field("cgroup_subsys_state.cgroup"), optional;
        NODE: Object = field("cgroup.kn"), optional;
        NODE_ID: u64 = field("kernfs_node.id"), optional;
    }
    maps {
        /// [`Scope`] of what the kernel seeks a victim for.
        SCOPE: Fixed<u64, 8>;
        /// By [`Scope`].
        KILLS: Fixed<u64, 8>;
        /// How many [records](KEPT) were written, then how many cgroups were made.
        COUNTS: Fixed<u64, 8>;
        /// The last [`KEPT`] victims' records, see [`record`].
        RECORDS: Fixed<u64, { KEPT * RECORD_WORDS }>;
    }
    programs {
        fentry("out_of_memory") fn seeks(args, _), optional {
            if MEMCG.is_present() {
                let is_host = MEMCG.of(args.object(0)).is_null();
                SCOPE.store(0, if is_host { Scope::Host } else { Scope::Cgroup } as u64);
            }
        }

        tp_btf("mark_victim") fn marked(args, _) {
            let scope = SCOPE.load(0).unwrap_or_default();
            KILLS.add(scope as u32, 1);
            if VICTIMS.get() != 0 {
                kernel::write(args);
            }
        }

        tp_btf("cgroup_mkdir") fn made(_, _), with(VICTIMS) {
            COUNTS.add(Count::Cgroups as u32, 1);
        }
    }
}

/// What is short of memory.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    Unknown,
    Host,
    Cgroup,
}

/// What `COUNTS` counts, a word each.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    Records,
    Cgroups,
}

/// Records that are kept: more than there are kills between two scrapes, and a power of two.
pub const KEPT: usize = 64;

/// Of the victim's cgroup and those above it, as many as are told.
pub const LEVELS: usize = 7;

pub const RECORD_WORDS: usize = LEVELS + 1;

/// A victim's record: the kernel's numbers of its cgroup and of those above it, 0 behind the root's; and a word by which
/// who reads it knows that all of it is there, and is that of the victim with this number.
pub const fn record(number: u64, ids: [u64; LEVELS]) -> [u64; RECORD_WORDS] {
    let [a, b, c, d, e, f, g] = ids;
    [a, b, c, d, e, f, g, !number ^ a ^ b ^ c ^ d ^ e ^ f ^ g]
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::Args;

    use super::*;

    /// Tells where the victim is; 0 where the kernel does not say.
    #[inline(always)]
    pub(super) fn write(args: Args) {
        let Some(number) = COUNTS.load(Count::Records as u32) else { return };
        let place = (number as usize & (KEPT - 1)) * RECORD_WORDS;
        for (at, word) in record(number, ids(args)).into_iter().enumerate() {
            RECORDS.store((place + at) as u32, word);
        }
        COUNTS.store(Count::Records as u32, number + 1);
    }

    #[inline(always)]
    fn ids(args: Args) -> [u64; LEVELS] {
        let mut ids = [0; LEVELS];
        if !(VICTIM.is_present() && CGROUPS.is_present() && STATES.is_present() && MEMORY.is_present())
            || !(PARENT.is_present() && CGROUP.is_present() && NODE.is_present() && NODE_ID.is_present())
        {
            return ids;
        }
        let states = STATES.inside(CGROUPS.of(args.object_at(&VICTIM)));
        let mut state = FIRST.at(states, MEMORY.get() as usize * size_of::<Object>());
        for id in &mut ids {
            *id = NODE_ID.of(NODE.of(CGROUP.of(state)));
            state = PARENT.of(state);
        }
        ids
    }
}
