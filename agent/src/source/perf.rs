//! What CPUs count by perf_event_open(2).

use super::{
    Error,
    sys::perf::{self, Event},
};
use rustix::fd::{AsFd as _, OwnedFd};
use std::io;

/// Counters of one CPU that are read at once. They are closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    /// The first is read for all.
    counters: Vec<OwnedFd>,
    /// For whom each counts.
    places: Vec<usize>,
    counts: Vec<Count>,
    /// When it was read last: nanoseconds since it was opened, and those in which it counted.
    times: [u64; 2],
    answer: Vec<u8>,
}

/// What came together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    /// As it was read last.
    raw: u64,
    /// Never falls.
    total: f64,
}

impl Group {
    /// Opens those `events` of which the CPU has a counter; the others' errors go to `failed`. `None` when it has none.
    pub(crate) fn open(
        cpu: u32,
        events: &[(usize, Event)],
        mut failed: impl FnMut(io::Error),
    ) -> Option<Self> {
        let (mut counters, mut places): (Vec<OwnedFd>, _) = (Vec::new(), Vec::new());
        for &(place, event) in events {
            match perf::counter(event, cpu, counters.first().map(|it| it.as_fd())) {
                Ok(counter) => {
                    counters.push(counter);
                    places.push(place);
                }
                Err(error) => failed(error),
            }
        }
        perf::start(counters.first()?.as_fd()).map_err(failed).ok()?;
        let counts = vec![Count::default(); counters.len()];
        Some(Self { counters, places, counts, times: [0; 2], answer: Vec::new() })
    }

    /// The counts since it was opened, with the places of their events.
    pub(crate) fn read(&mut self) -> Result<impl Iterator<Item = (usize, f64)>, Error> {
        const WORD: usize = 8;
        self.answer.resize(WORD * (3 + self.counters.len()), 0);
        let n_bytes = rustix::io::read(&self.counters[0], self.answer.as_mut_slice())
            .map_err(|errno| Error::Call { call: "read counters of a CPU", source: errno.into() })?;
        let words: Vec<u64> = self.answer[..n_bytes]
            .chunks_exact(WORD)
            .map(|it| u64::from_ne_bytes(it.try_into().expect("chunks have the size of a word")))
            .collect();
        // Nothing comes from one that the kernel gave up: what was counted stays.
        if let [_, enabled, running, values @ ..] = words.as_slice() {
            let [enabled_for, running_for] =
                [enabled.saturating_sub(self.times[0]), running.saturating_sub(self.times[1])];
            for (count, raw) in self.counts.iter_mut().zip(values) {
                count.add(*raw, enabled_for, running_for);
            }
            self.times = [*enabled, *running];
        }
        Ok(self.places.iter().copied().zip(self.counts.iter().map(|it| it.total)))
    }
}

impl Count {
    /// Where events had to share the CPU's counters, what came is put at what the time that was not counted would have had
    /// at the same rate: of this time alone, so that the total never falls.
    fn add(&mut self, raw: u64, enabled_for: u64, running_for: u64) {
        let new = raw.saturating_sub(self.raw) as f64;
        self.raw = raw;
        self.total += match running_for {
            0 => 0.0,
            _ if running_for >= enabled_for => new,
            _ => new * (enabled_for as f64 / running_for as f64),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_a_counter_is_counted_at_the_rate_of_the_rest() {
        let mut count = Count::default();
        for (raw, enabled_for, running_for, total) in [
            (1000, 10, 10, 1000.0),
            // Half of the time, then not at all, then all of it.
            (1500, 10, 5, 2000.0),
            (1500, 10, 0, 2000.0),
            (1501, 10, 10, 2001.0),
            // Never backwards.
            (7, 10, 10, 2001.0),
        ] {
            count.add(raw, enabled_for, running_for);
            assert_eq!(count.total, total, "{raw}");
        }
    }
}
