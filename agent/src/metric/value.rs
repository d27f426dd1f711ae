//! A sample's value: what collectors push as one, and what encoders see.

use super::Buckets;

/// A sample's value as encoders see it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Number(f64),
    Histogram(&'a Buckets),
    Summary(&'a Quantiles),
}

impl Value<'_> {
    /// Counters start at 0 and rise, so what is below it, or no number, is none's: text files may say it all the same.
    pub(crate) fn may_be_counted(&self) -> bool {
        match self {
            Self::Number(value) => *value >= 0.0,
            Self::Histogram(_) | Self::Summary(_) => true,
        }
    }
}

/// A summary's state, as files for the textfile collector give it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Quantiles {
    pub(crate) quantiles: Vec<(f64, f64)>,
    pub(crate) sum: f64,
    pub(crate) count: u64,
}

/// What `push` takes as a value. `None` is no sample.
pub(crate) trait Number {
    fn number(self) -> Option<f64>;
}

macro_rules! numbers {
    ($($int:ty)*) => {$(
        impl Number for $int {
            fn number(self) -> Option<f64> {
                Some(self as f64)
            }
        }
    )*};
}
numbers! { f64 u64 i64 u32 i32 u16 usize }

impl Number for bool {
    fn number(self) -> Option<f64> {
        Some(if self { 1.0 } else { 0.0 })
    }
}

impl<T: Number> Number for Option<T> {
    fn number(self) -> Option<f64> {
        self.and_then(T::number)
    }
}
