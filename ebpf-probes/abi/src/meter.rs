//! What programs cost, counted by themselves: each times some of its own runs.
//!
//! The kernel can do it, too (`BPF_ENABLE_STATS`), but for all programs of the host at once, at the cost of two clock
//! readings a run, and only for who has `CAP_SYS_ADMIN` whenever it is switched on. This takes no privilege, costs our
//! programs alone, and a clock reading in every hundredth run or so.

/// What a program has cost on one CPU, and whether it may run there. Alone in its cache line.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Other than 0: the program returns at once. Written by the agent, all else by the program.
    pub off: u64,
    /// Runs that were not off.
    pub runs: u64,
    /// Nanoseconds in them: each run that is timed stands for those since the one before.
    pub time: u64,
    /// The number of the run that is timed next, or of one before it.
    pub due: u64,
    /// The number of the run that was timed last.
    pub timed: u64,
    pub unused: [u64; 3],
}

/// A run counts with at most so many nanoseconds, 2^13, unless its program says otherwise: what takes longer was
/// interrupted, or its CPU was taken away by a hypervisor, and would weigh as much as a hundred runs.
pub const MAX_RUN: u64 = 1 << 13;

impl Meter {
    /// Whether the run that has just been counted is to be timed.
    #[inline(always)]
    pub const fn is_due(&self) -> bool {
        self.runs >= self.due
    }

    /// When a program begins, less what reading the clock takes: from two readings that follow each other.
    #[inline(always)]
    pub const fn begin(before: u64, now: u64) -> u64 {
        now.wrapping_add(now.wrapping_sub(before))
    }

    /// Takes in a timed run, from [`begin`](Self::begin) to the reading of the clock at its end; `max_run` ns of it.
    ///
    /// The next run to be timed is the 64th to 191st from here: which of them, the clock's last digits decide, so that
    /// no pattern in what happens agrees with one in what is timed.
    #[inline(always)]
    pub const fn take(&mut self, begin: u64, end: u64, max_run: u64) {
        let run = end.saturating_sub(begin);
        let run = if run > max_run { max_run } else { run };
        self.time += run * (self.runs - self.timed);
        self.timed = self.runs;
        self.due = self.runs + 64 + (end & 127);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs of given lengths, on a clock that takes `reading` to be read.
    fn run(meter: &mut Meter, clock: &mut u64, reading: u64, length: u64) {
        meter.runs += 1;
        if meter.is_due() {
            let now = *clock + reading;
            let end = now + length + reading;
            meter.take(Meter::begin(*clock, now), end, MAX_RUN);
            *clock = end;
        }
        *clock += length;
    }

    #[test]
    fn is_a_cache_line() {
        assert_eq!(size_of::<Meter>(), 64);
    }

    #[test]
    fn the_first_run_is_timed_and_the_clock_is_not() {
        let (mut meter, mut clock) = (Meter::default(), 1_000_000);
        run(&mut meter, &mut clock, 50, 700);
        assert_eq!((meter.runs, meter.time), (1, 700));
    }

    #[test]
    fn every_run_counts_once_whichever_are_timed() {
        let (mut meter, mut clock) = (Meter::default(), 123_456_789);
        let mut timed = 0;
        for _ in 0..1_000_000 {
            let before = meter.timed;
            run(&mut meter, &mut clock, 25, 100);
            timed += u64::from(meter.timed != before);
        }
        assert_eq!(meter.runs, 1_000_000);
        assert_eq!(meter.time, 100 * meter.timed);
        assert!(meter.runs - meter.timed < 192);
        assert!((7_000..9_000).contains(&timed), "{timed} of a million, not one in 128 or so");
    }

    #[test]
    fn runs_that_alternate_are_told_apart() {
        let (mut meter, mut clock) = (Meter::default(), 1);
        for idx in 0..1_000_000 {
            run(&mut meter, &mut clock, 25, if idx % 2 == 0 { 40 } else { 400 });
        }
        let mean = meter.time as f64 / meter.timed as f64;
        assert!((mean - 220.0).abs() < 10.0, "{mean}");
    }

    #[test]
    fn an_interrupted_run_is_not_believed() {
        let (mut meter, mut clock) = (Meter::default(), 1);
        run(&mut meter, &mut clock, 25, 30_000_000);
        assert_eq!(meter.time, MAX_RUN);
    }

    proptest! {
        #[test]
        fn time_never_falls(clocks in prop::collection::vec(any::<[u64; 3]>(), 1..50)) {
            let mut meter = Meter::default();
            for [before, now, end] in clocks {
                let time = meter.time;
                meter.runs += 100;
                meter.take(Meter::begin(before, now), end, MAX_RUN);
                prop_assert!(meter.time >= time && meter.due > meter.runs);
            }
        }
    }
}
