//! How long the kernel's timers ran when they were due. One of the fine ones may interrupt one of the others, and none of
//! its own kind.

use ebpf_probes::{
    maps::{Attached, CpuWords, HistogramBy},
    probe,
};

probe! {
    name: "timer_handlers",
    constants {}
    maps {
        ATTACHED: Attached;
        /// When the one that runs on each CPU began, by [`Timer`].
        ENTERED: CpuWords<8>;
        DURATIONS: HistogramBy<2>;
    }
    programs {
        tp_btf("timer_expire_entry") fn timer_began(_, cpu) {
            ENTERED.store(cpu, Timer::Coarse as u32, ebpf_probes::now());
        }

        tp_btf("timer_expire_exit") fn timer_ended(_, cpu) {
            kernel::ended(Timer::Coarse, cpu);
        }

        tp_btf("hrtimer_expire_entry") fn hrtimer_began(_, cpu) {
            ENTERED.store(cpu, Timer::Fine as u32, ebpf_probes::now());
        }

        tp_btf("hrtimer_expire_exit") fn hrtimer_ended(_, cpu) {
            kernel::ended(Timer::Fine, cpu);
        }
    }
}

/// Kinds of timers.
#[derive(Clone, Copy, Debug)]
pub enum Timer {
    Coarse,
    Fine,
}

#[cfg(target_arch = "bpf")]
mod kernel {
    use super::*;

    #[inline(always)]
    pub(super) fn ended(timer: Timer, cpu: u32) {
        let began = ENTERED.load(cpu, timer as u32);
        if ATTACHED.since(began) {
            DURATIONS.record(timer as u32, cpu, ebpf_probes::now().saturating_sub(began));
        }
    }
}
