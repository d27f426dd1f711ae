//! One line of a chart: numbers, a point a second.

use super::N_POINTS;
use std::iter::repeat_n;

/// The last [`N_POINTS`] numbers; NaN where there is none.
pub(super) struct Line {
    points: Box<[f32]>,
}

impl Default for Line {
    fn default() -> Self {
        Self { points: repeat_n(f32::NAN, N_POINTS).collect() }
    }
}

impl Line {
    /// Writes the point of this `place` over the one that was there a round ago.
    pub(super) fn put(&mut self, place: usize, value: f64) {
        self.points[place % N_POINTS] = value as f32;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.iter().all(|it| it.is_nan())
    }

    /// The point of this `place`.
    pub(super) fn at(&self, place: usize) -> f32 {
        self.points[place % N_POINTS]
    }
}

/// A counter as it was read last.
#[derive(Default)]
pub(super) struct Counter(Option<f64>);

impl Counter {
    /// What it grew by in a second; NaN at first, and 0 where it fell: what it sums up has become less.
    pub(super) fn rate(&mut self, value: Option<f64>, seconds: f64) -> f64 {
        let before = std::mem::replace(&mut self.0, value);
        match (before, value) {
            (Some(before), Some(value)) => (value - before).max(0.0) / seconds,
            _ => f64::NAN,
        }
    }
}
