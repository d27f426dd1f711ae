//! Holds back lines that come too often from one place in the source: who makes the agent say something again and
//! again cannot fill the disk that the log is on.

use prometheus_client::metrics::counter::Counter;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::{Level, Metadata, callsite::Identifier};

/// As many lines may come at once: every collector may have something to say at the start.
const BURST: u32 = 100;

/// And then one in each of these.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Governor {
    places: Mutex<HashMap<Identifier, Place>>,
    n_held_back: Counter,
}

struct Place {
    n_allowed: u32,
    /// Up to when `n_allowed` was counted.
    counted: Instant,
    n_held_back: u64,
}

impl Governor {
    pub(super) fn new(n_held_back: Counter) -> Self {
        Self { places: Mutex::default(), n_held_back }
    }

    /// How many lines of the same place were held back before this one; `None` if this one is, too. Who asks for debug
    /// gets all of it.
    pub(super) fn pass(&self, of: &Metadata<'_>, now: Instant) -> Option<u64> {
        if *of.level() > Level::INFO {
            return Some(0);
        }
        // No code that holds the lock can leave it half changed.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(of.callsite()).or_insert_with(|| Place::new(now));
        let passes = place.pass(now);
        if passes.is_none() {
            self.n_held_back.inc();
        }
        passes
    }
}

impl Place {
    fn new(now: Instant) -> Self {
        Self { n_allowed: BURST, counted: now, n_held_back: 0 }
    }

    fn pass(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.counted).as_secs() / INTERVAL.as_secs();
        if passed > 0 {
            let more = u32::try_from(passed).unwrap_or(BURST);
            self.n_allowed = self.n_allowed.saturating_add(more).min(BURST);
            self.counted += INTERVAL * more.max(1);
            if more >= BURST {
                self.counted = now;
            }
        }
        if self.n_allowed == 0 {
            self.n_held_back += 1;
            return None;
        }
        self.n_allowed -= 1;
        Some(std::mem::take(&mut self.n_held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_a_second_that_says_what_is_missing() {
        let start = Instant::now();
        let mut place = Place::new(start);
        let mut at = |milliseconds: u64| place.pass(start + Duration::from_millis(milliseconds));
        let written = (0..20_000).filter(|it| at(*it).is_some()).count();
        assert_eq!(written, BURST as usize + 19);
        assert_eq!(at(20_000), Some(999), "those of a second but one");
        assert_eq!(at(20_001), None);
        // After a long silence it may say as much as at first.
        let later = (0..500).filter(|it| at(86_400_000 + it).is_some()).count();
        assert_eq!(later, BURST as usize);
    }
}
