//! Values that vary, in a few numbers.

use serde::Serialize;

#[derive(Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) first_quartile: f64,
    pub(crate) third_quartile: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        let at = |part: f64| quantile(&sorted, part).unwrap_or(f64::NAN);
        Self { median: at(0.5), first_quartile: at(0.25), third_quartile: at(0.75) }
    }
}

/// Not a number if there are no values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    median_of(values).unwrap_or(f64::NAN)
}

pub(crate) fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// Without what is no number.
fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.filter(|it| it.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Between two values in proportion.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_quantiles_between_values() {
        let spread = Spread::of([4.0, 1.0, f64::NAN, 3.0, 2.0].into_iter());
        assert_eq!((spread.first_quartile, spread.median, spread.third_quartile), (1.75, 2.5, 3.25));
        assert!(median([].into_iter()).is_nan());
    }
}
