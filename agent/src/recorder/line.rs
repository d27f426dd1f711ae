//! One line of a chart: numbers, a point a second.

use super::N_POINTS;
use std::{fmt::Write as _, iter::repeat_n};

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

    /// Appends the points of these `places` as a list, with four digits each.
    pub(super) fn write(&self, places: impl Iterator<Item = usize>, out: &mut String) {
        out.push('[');
        for (n, place) in places.enumerate() {
            if n > 0 {
                out.push(',');
            }
            let point = self.points[place % N_POINTS];
            let written = match point {
                0.0 => write!(out, "0"),
                _ if point.is_finite() => write!(out, "{point:.3e}"),
                _ => write!(out, "null"),
            };
            written.expect("a String takes any text");
        }
        out.push(']');
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
