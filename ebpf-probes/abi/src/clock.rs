//! What the run-queue probe knows of a CPU's queue and its clock, and what it could not count.

/// All clocks in nanoseconds. Two cache lines: see [`crate::Histogram`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueClock {
    /// The queue's clock less the count of the CPU's event. The queue's clock lags behind until it is read again, so the
    /// highest that was seen is the true one.
    pub start: u64,
    /// The queue's clock, if it were read, less the monotonic one; wraps.
    pub offset: u64,
    /// The monotonic clock when `offset` was found.
    pub compared: u64,
    /// The queue's clock when it was last sampled at a switch for which it was read.
    pub sampled: u64,
    /// What the queue's clock said at the last switch that preempted a task, its stamp; and what it should have said.
    pub stale: u64,
    pub fresh: u64,
    /// The number of that task: others that were queued at once have the same stamp.
    pub preempted: u64,
    /// Waits that end before they begin, which are not counted.
    pub negative: u64,
    /// Waits of which it is not known whether their task was moved meanwhile.
    pub unknown: u64,
    /// Switches to tasks that were preempted on their way to sleep, to which the kernel gives no stamp.
    pub unqueued: u64,
    /// Waits of tasks that were moved in their sleep, which are not counted.
    pub asleep: u64,
    /// Times that the clock could not be read.
    pub unread: u64,
    /// The count of the CPU's event when it was last read: of a CPU that was gone for a while it stands still.
    pub counted: u64,
    pub unused: [u64; 3],
}

impl QueueClock {
    /// For how long the offset between the clocks is believed. They drift apart by 0.5 us in it when the monotonic clock
    /// is steered as hard as NTP may, and by 50 ns when it is not.
    pub const COMPARED_FOR: u64 = 1_000_000;

    /// How often a clock that was just read is sampled at most: the more samples, the nearer is the best of them.
    pub const SAMPLED_FOR: u64 = 1_000_000;

    /// When a task that has this stamp was queued.
    #[inline(always)]
    pub const fn correct(&self, pid: u32, stamp: u64) -> u64 {
        if stamp == self.stale && pid as u64 == self.preempted { self.fresh } else { stamp }
    }

    /// The queue's clock at a time of the monotonic one.
    #[inline(always)]
    pub const fn at(&self, ktime: u64) -> u64 {
        ktime.wrapping_add(self.offset)
    }

    /// Takes note of what the three clocks say: the monotonic one just before and just after the others. If the CPU was
    /// taken away in between, much is possible, and the offset stays what it was as far as that is.
    #[inline(always)]
    pub const fn compare(&mut self, clock: u64, [before, after]: [u64; 2], count: u64) {
        // An error of the helper, or an event that counts no more.
        if (count as i64) < 0 || count == self.counted {
            self.unread += 1;
            self.compare_alone(clock, after);
            return;
        }
        self.counted = count;
        if clock > count && clock - count > self.start {
            self.start = clock - count;
        }
        let least = (self.start + count).wrapping_sub(after);
        let most = (self.start + count).wrapping_sub(before);
        if (self.offset.wrapping_sub(least) as i64) < 0 {
            self.offset = least;
        } else if (most.wrapping_sub(self.offset) as i64) < 0 {
            self.offset = most;
        }
        self.compared = after;
    }

    /// Without a count: the queue's clock lags, so the highest offset is the true one, but for what the clocks may have
    /// drifted apart since: one part in 2048.
    #[inline(always)]
    const fn compare_alone(&mut self, clock: u64, after: u64) {
        let seen = clock.wrapping_sub(after);
        let kept = self.offset.wrapping_sub(after.wrapping_sub(self.compared) >> 11);
        self.offset = if self.compared == 0 || (kept.wrapping_sub(seen) as i64) < 0 { seen } else { kept };
        self.compared = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_not_read_is_known_from_the_others() {
        let mut row = QueueClock::default();
        // The event began at 700 of the queue's clock, and the monotonic clock is 5000 ahead of it: the queue's was read 40
        // ago, then just now, then 500 ago.
        row.compare(1000, [6040, 6040], 340);
        assert_eq!((row.start, row.at(6040)), (660, 1000));
        row.compare(2000, [7000, 7000], 1300);
        assert_eq!((row.start, row.at(7020)), (700, 2020));
        row.compare(2500, [8000, 8000], 2300);
        assert_eq!((row.at(8000), row.compared), (3000, 8000));
    }

    #[test]
    fn a_cpu_that_was_taken_away_meanwhile_moves_no_clock() {
        let mut row = QueueClock::default();
        row.compare(1000, [6000, 6000], 300);
        // 40 between the readings, and the clocks as far apart as before.
        row.compare(2000, [7000, 7040], 1320);
        assert_eq!((row.start, row.at(7000)), (700, 2000));
        // 900 before the count was read, then 900 after it.
        row.compare(3000, [8000, 8900], 3200);
        assert_eq!(row.at(8000), 3000);
        row.compare(4000, [9000, 9900], 3300);
        assert_eq!(row.at(9000), 4000);
        // The monotonic clock has lost 30.
        row.compare(5000, [9970, 9980], 4310);
        assert_eq!(row.at(9980), 5010);
    }

    #[test]
    fn without_an_event_the_clock_is_taken_as_it_is() {
        let mut row = QueueClock::default();
        row.compare(1000, [500, 500], -2i64 as u64);
        assert_eq!((row.at(500), row.unread), (1000, 1));
        let mut row = QueueClock::default();
        row.compare(1000, [500, 500], 300);
        row.compare(2000, [1600, 1600], 300);
        // What was known of it holds as long as it is higher.
        assert_eq!((row.at(1600), row.unread), (2100, 1));
        row.compare(9000, [8400, 8400], 300);
        assert_eq!((row.at(8400), row.unread), (9000, 2));
        row.compare(10_000, [2_056_400, 2_056_400], 300);
        assert_eq!((row.at(2_056_400), row.unread), (2_056_000, 3));
    }

    #[test]
    fn the_stamp_of_a_preempted_task_is_put_right() {
        let row = QueueClock { stale: 1000, fresh: 1400, preempted: 7, ..QueueClock::default() };
        assert_eq!((row.correct(7, 1000), row.correct(7, 1001), row.correct(8, 1000)), (1400, 1001, 1000));
    }
}
