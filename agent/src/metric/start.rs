//! Since when counters count. Starts are told by the clock that runs from the boot on and that nobody sets, in seconds;
//! the time of day comes to it when an answer is written, as the clock has it then.

use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Since when all counters and histograms of a collector count. A row that may begin anew under the same labels while
/// the collector runs has a start of its own, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nobody says: that of a device, a mount or a namespace that came and went, or somebody may have zeroed it.
    Unknown,
    /// The kernel's own, which nothing but a boot sets back.
    Boot,
    /// Since the collector was opened; those of probes since these were attached.
    Opened,
}

/// Seconds since the boot.
pub(crate) fn uptime() -> f64 {
    seconds(ClockId::Boottime)
}

pub(crate) fn seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The Unix time of the boot. It stays the same to the bit as long as nobody sets the clock: a start that moved would pass
/// for a counter that began anew.
#[derive(Debug, Default)]
pub struct Epoch(AtomicU64);

impl Epoch {
    /// In seconds. Less than one of difference is the time between reading two clocks, or a small correction.
    pub fn unix(&self) -> f64 {
        let kept = f64::from_bits(self.0.load(Relaxed));
        let now = seconds(ClockId::Realtime) - uptime();
        if (now - kept).abs() < 1.0 {
            return kept;
        }
        self.0.store(now.to_bits(), Relaxed);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_stays_where_it_was() {
        let epoch = Epoch::default();
        let boot = epoch.unix();
        assert_eq!(epoch.unix().to_bits(), boot.to_bits());
        // As if the clock had been set back by two seconds when the boot was looked up.
        epoch.0.store((boot - 2.0).to_bits(), Relaxed);
        assert!((epoch.unix() - boot).abs() < 0.5);
    }
}
