//! A token bucket, as Go's `golang.org/x/time/rate`.

use super::settings::Rate;
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

pub(super) struct RateLimit {
    per_second: f64,
    burst: f64,
    state: Mutex<(f64, Option<Instant>)>,
}

impl RateLimit {
    /// `None` for no limit.
    pub(super) fn new(rate: Rate) -> Option<Self> {
        (!rate.interval.is_zero()).then(|| Self {
            per_second: 1.0 / rate.interval.as_secs_f64(),
            burst: rate.burst as f64,
            state: Mutex::new((rate.burst as f64, None)),
        })
    }

    /// Whether one more request may pass at `now`.
    pub(super) fn takes_one(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, before) = *state;
        let passed = before.map_or(0.0, |before| now.saturating_duration_since(before).as_secs_f64());
        let tokens = (tokens + passed * self.per_second).min(self.burst);
        let takes = tokens >= 1.0;
        *state = (if takes { tokens - 1.0 } else { tokens }, Some(now));
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lets_a_burst_pass_and_then_one_an_interval() {
        let limit = RateLimit::new(Rate { interval: Duration::from_secs(2), burst: 3 }).unwrap();
        let start = Instant::now();
        let at = |seconds: f64| limit.takes_one(start + Duration::from_secs_f64(seconds));
        assert_eq!(
            [at(0.0), at(0.0), at(0.1), at(0.2), at(2.1), at(2.2)],
            [true, true, true, false, true, false]
        );
        assert_eq!([at(60.0), at(60.0), at(60.0), at(60.0)], [true, true, true, false]);
        assert!(RateLimit::new(Rate::default()).is_none());
    }
}
