//! A latency: a heat map with an octave a row, and quantiles out of the fine buckets that the kernel counts.

use super::line::Line;
use crate::metric::Native;

/// The quantiles that are drawn.
pub(super) const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// Upper bounds of the rows are powers of two: from 2^-20 s, which is a microsecond, to 2^5 s. What lies outside is in
/// the row at that end.
const FIRST_OCTAVE: i32 = -20;
const N_OCTAVES: usize = 26;

#[derive(Default)]
pub(super) struct Latency {
    quantiles: [Line; QUANTILES.len()],
    /// Made when there is something in it.
    octaves: [Option<Line>; N_OCTAVES],
    schema: i32,
    /// Buckets below the first and from the first on, as they were read last and as they are read now.
    before: Vec<u64>,
    now: Vec<u64>,
    first_index: i32,
    has_before: bool,
    has_now: bool,
}

impl Latency {
    /// Adds a histogram of the family. All of them have the same buckets.
    pub(super) fn add(&mut self, it: &Native) {
        let n_buckets = it.counts.len() + 1;
        if (self.schema, self.first_index, self.now.len()) != (it.schema, it.first_index, n_buckets) {
            (self.schema, self.first_index) = (it.schema, it.first_index);
            self.now = vec![0; n_buckets];
            self.has_before = false;
        }
        self.has_now = true;
        for (sum, count) in self.now.iter_mut().zip(std::iter::once(&it.zero_count).chain(&it.counts)) {
            *sum += count;
        }
    }

    /// Puts the point of what was added since the last one.
    pub(super) fn put(&mut self, place: usize, seconds: f64) {
        let has_now = std::mem::take(&mut self.has_now);
        if has_now && self.has_before && self.before.len() == self.now.len() {
            let grown = self.now.iter().zip(&self.before);
            let grown: Vec<u64> = grown.map(|(now, before)| now.saturating_sub(*before)).collect();
            self.put_grown(place, &grown, seconds);
        } else {
            self.quantiles
                .iter_mut()
                .chain(self.octaves.iter_mut().flatten())
                .for_each(|it| it.put(place, f64::NAN));
        }
        self.has_before = has_now;
        std::mem::swap(&mut self.before, &mut self.now);
        self.now.clear();
        self.now.resize(self.before.len(), 0);
    }

    fn put_grown(&mut self, place: usize, grown: &[u64], seconds: f64) {
        let bounds = |bucket: usize| {
            // Bucket 0 holds what is at most the lower bound of the next.
            let upper = self.first_index + bucket as i32 - 1;
            (self.bound(upper - 1), self.bound(upper))
        };
        let total: u64 = grown.iter().sum();
        let quantiles = QUANTILES.map(|quantile| quantile_of(quantile, grown, total, bounds));
        let mut octaves = [0_u64; N_OCTAVES];
        for (bucket, count) in grown.iter().enumerate() {
            let octave = self.octave(self.first_index + bucket as i32 - 1);
            octaves[octave] += count;
        }
        for (line, value) in self.quantiles.iter_mut().zip(quantiles) {
            line.put(place, value);
        }
        for (line, count) in self.octaves.iter_mut().zip(octaves) {
            if count > 0 && line.is_none() {
                *line = Some(Line::default());
            }
            if let Some(line) = line {
                line.put(place, count as f64 / seconds);
            }
        }
    }

    /// The upper bound of the native bucket of this index, in seconds.
    fn bound(&self, index: i32) -> f64 {
        2_f64.powf(f64::from(index) * 2_f64.powi(-self.schema))
    }

    fn octave(&self, index: i32) -> usize {
        let per_octave = 1 << self.schema;
        let exponent = (index + per_octave - 1).div_euclid(per_octave);
        (exponent - FIRST_OCTAVE).clamp(0, N_OCTAVES as i32 - 1) as usize
    }

    /// Upper bound in seconds and line of each octave that was ever hit.
    pub(super) fn rows(&self) -> impl Iterator<Item = (f64, &Line)> {
        let rows = (FIRST_OCTAVE..).zip(&self.octaves);
        rows.filter_map(|(exponent, line)| Some((2_f64.powi(exponent), line.as_ref()?)))
    }

    pub(super) fn quantiles(&self) -> impl Iterator<Item = (f64, &Line)> {
        QUANTILES.into_iter().zip(&self.quantiles)
    }
}

/// As Prometheus has it: within a bucket observations lie evenly by their logarithm.
fn quantile_of(quantile: f64, grown: &[u64], total: u64, bounds: impl Fn(usize) -> (f64, f64)) -> f64 {
    let mut left = quantile * total as f64;
    for (bucket, &count) in grown.iter().enumerate() {
        if count > 0 && left <= count as f64 {
            let (lower, upper) = bounds(bucket);
            return lower * (upper / lower).powf(left / count as f64);
        }
        left -= count as f64;
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One bucket an octave, from a microsecond on.
    fn histogram(zero_count: u64, counts: &[u64]) -> Native {
        let zero_threshold = 2_f64.powi(-20);
        Native { zero_threshold, zero_count, first_index: -19, counts: counts.to_vec(), ..Native::default() }
    }

    fn points(line: &Line) -> Vec<Option<f32>> {
        crate::recorder::told::points((0..3).map(|place| line.at(place)))
    }

    #[test]
    fn a_point_is_of_what_came_since_the_one_before() {
        let mut latency = Latency::default();
        latency.add(&histogram(7, &[5, 0]));
        latency.put(0, f64::NAN);
        // Two devices are one latency.
        latency.add(&histogram(7, &[5, 4]));
        latency.add(&histogram(2, &[0, 6]));
        latency.put(1, 2.0);
        latency.put(2, 1.0);
        // Twelve: two of at most a microsecond, ten between two and four of them, of which the fourth is the sixth.
        let quantiles: Vec<_> = latency.quantiles().map(|(_, line)| points(line)).collect();
        assert!((quantiles[0][1].unwrap() / 2_f32.powf(-19.0 + 0.4) - 1.0).abs() < 1e-3);
        assert_eq!((quantiles[0][0], quantiles[0][2]), (None, None));
        let rows: Vec<_> = latency.rows().map(|(upper, line)| (upper, points(line))).collect();
        assert_eq!(rows[0], (2_f64.powi(-20), vec![None, Some(1.0), None]));
        assert_eq!(rows[1], (2_f64.powi(-18), vec![None, Some(5.0), None]));
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn what_was_gone_begins_anew() {
        let mut latency = Latency::default();
        for (place, counts) in [Some([1, 0]), None, Some([9, 9])].iter().enumerate() {
            if let Some(counts) = counts {
                latency.add(&histogram(0, counts));
            }
            latency.put(place, 1.0);
        }
        assert_eq!(latency.rows().count(), 0);
    }
}
