//! How long tasks that write to files had to pause, because the disks do not keep up.
//!
//! `balance_dirty_pages` puts a task that dirties pages to sleep for a while, as long as it says at the hook: no longer
//! than 200 ms each time, in units of the kernel's tick.

use ebpf_probes::{maps::Fixed, probe};
use probe_abi::Histogram;

probe! {
    name: "writeback_throttle",
    constants {
        /// The only signed number among the arguments, whatever their number. GCC's name for it, and Clang's.
        PAUSE = argument_of_type("balance_dirty_pages", "long int"), unless(PAUSE_OF_CLANG);
        PAUSE_OF_CLANG = argument_of_type("balance_dirty_pages", "long"), unless(PAUSE);
        /// Nanoseconds in a tick.
        TICK = setting();
    }
    maps {
        PAUSES: Fixed<Histogram, 1>;
    }
    programs {
        tp_btf("balance_dirty_pages") fn balanced(args, _) {
            let pause =
                if PAUSE.is_present() { args.number_at(&PAUSE) } else { args.number_at(&PAUSE_OF_CLANG) };
            let ticks = pause as i64;
            // It is late already: no pause.
            if ticks > 0 {
                PAUSES.record(0, ticks as u64 * u64::from(TICK.get()));
            }
        }
    }
}
