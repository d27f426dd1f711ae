//! How long threads waited for locks of the kernel, by the kind of lock.
//!
//! Both hooks are in the slow paths of locks, wherever those are taken: so nothing is kept in maps that have locks.
//! Who spins cannot be preempted, and has two words of its CPU; who sleeps has two of its thread's number. A wait that
//! begins within another one of its CPU or thread, in an interrupt or for the lock's own guard, takes their place: the
//! end of the other is told as lost.

use ebpf_probes::{
    maps::{Attached, CpuWords, Fixed, HistogramBy},
    probe,
};
use probe_abi::{lock::LOCKS, thread};

probe! {
    name: "lock_contention",
    constants {}
    maps {
        ATTACHED: Attached;
        /// Of each CPU: the lock that it spins for, and since when.
        SPINNING: CpuWords<8>;
        /// The same of threads, see [`thread::place`].
        SLEEPING: Fixed<u64, { thread::WORDS }>;
        /// By [`Lock`](probe_abi::lock::Lock).
        WAITS: HistogramBy<LOCKS>;
        /// Waits whose beginnings were not seen or not kept.
        ENDS: Fixed<u64, 1>;
    }
    programs {
        tp_btf("contention_begin") fn began(args, cpu) {
            kernel::began(args.object(0).address(), args.number(1) as u32, cpu);
        }

        tp_btf("contention_end") fn ended(args, cpu) {
            kernel::ended(args.object(0).address(), cpu);
        }
    }
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use ebpf_probes::{now, thread};
    use probe_abi::lock::Lock;

    use super::*;

    /// Bits of a beginning that are the kind of lock.
    const KIND: u64 = 15;

    #[inline(always)]
    pub(super) fn began(lock: u64, flags: u32, cpu: u32) {
        let kind = Lock::of(flags);
        let begin = now() & !KIND | kind as u64;
        if kind.spins() {
            SPINNING.store(cpu, 0, lock);
            SPINNING.store(cpu, 1, begin);
            return;
        }
        let place = thread::place(thread());
        // Who spun for a mutex in vain goes to sleep for it.
        if SLEEPING.load(place) != Some(lock) {
            SLEEPING.store(place, lock);
            SLEEPING.store(place + 1, begin);
        }
    }

    #[inline(always)]
    pub(super) fn ended(lock: u64, cpu: u32) {
        let mut begin = 0;
        if SPINNING.load(cpu, 0) == lock {
            begin = SPINNING.load(cpu, 1);
            SPINNING.store(cpu, 0, 0);
        } else {
            let place = thread::place(thread());
            if SLEEPING.load(place) == Some(lock) {
                begin = SLEEPING.load(place + 1).unwrap_or(0);
                SLEEPING.store(place, 0);
            }
        }
        if ATTACHED.since(begin) {
            WAITS.record((begin & KIND) as u32, cpu, now().saturating_sub(begin & !KIND));
        } else {
            ENDS.add(0, 1);
        }
    }
}
