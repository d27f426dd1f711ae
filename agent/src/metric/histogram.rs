//! Histograms as the agent hands them on, and how the kernel's exponential slots become one.

/// A histogram's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    /// Upper bound (inclusive) and the observations up to it, ascending. The bucket up to +Inf holds `count`, and
    /// may be left out.
    pub(crate) classic: Vec<(f64, u64)>,
    /// The same observations as a Prometheus native histogram, where the source counts that finely.
    pub(crate) native: Option<Native>,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// In seconds after the boot, if it is not since the others of its collector.
    pub(crate) start: Option<f64>,
}

/// Exponential buckets with 2^(2^-schema) from one bound to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Native {
    pub(crate) schema: i32,
    /// Observations of at most this are counted in `zero_count`.
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    /// The index of `counts[0]`: bucket `i` covers `(base^(i-1), base^i]`.
    pub(crate) first_index: i32,
    pub(crate) counts: Vec<u64>,
}

/// How a source's slots lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    /// The native bucket index of slot 1; slot 0 holds what is at most `zero_threshold`.
    pub(crate) first_index: i32,
    /// Octaves from one classic bound to the next: 1 for powers of two, 2 for powers of four.
    pub(crate) octaves_a_bound: usize,
    /// The lowest and the highest classic bound that are of use to a reader.
    pub(crate) readable: (f64, f64),
    /// As that of [`Buckets`].
    pub(crate) start: Option<f64>,
}

impl Buckets {
    /// Empties it for the next scrape, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.classic.clear();
        (self.count, self.sum, self.start) = (0, 0.0, None);
        if let Some(native) = &mut self.native {
            native.counts.clear();
        }
    }

    /// Whether both have the same classic bounds.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let same_bound = |(a, b): (&(f64, u64), &(f64, u64))| a.0.to_bits() == b.0.to_bits();
        self.classic.len() == other.classic.len() && self.classic.iter().zip(&other.classic).all(same_bound)
    }

    /// Fills an empty histogram from `counts`: slot 0, whole octaves above it, and one slot for all that is larger
    /// yet, which has a native bucket of its own and no classic one but +Inf. Classic bounds outside of what is readable
    /// are left out; what lies there is in the next bound above.
    pub(crate) fn fill(&mut self, slots: &Slots, counts: &[u64], sum: f64) {
        let [zero_count, counts @ ..] = counts else { return };
        let per_octave = 1_usize << slots.schema;
        (self.sum, self.start) = (sum, slots.start);
        self.count = *zero_count;
        let (lowest, highest) = slots.readable;
        let is_readable = |upper: f64| lowest <= upper && upper <= highest;
        if is_readable(slots.zero_threshold) {
            self.classic.push((slots.zero_threshold, *zero_count));
        }
        let mut upper = slots.zero_threshold;
        for (octave, counts) in counts.chunks_exact(per_octave).enumerate() {
            upper *= 2.0;
            self.count += counts.iter().sum::<u64>();
            if (octave + 1) % slots.octaves_a_bound == 0 && is_readable(upper) {
                self.classic.push((upper, self.count));
            }
        }
        self.count += counts.chunks_exact(per_octave).remainder().iter().sum::<u64>();
        let native = self.native.get_or_insert_default();
        native.schema = slots.schema;
        native.zero_threshold = slots.zero_threshold;
        native.zero_count = *zero_count;
        native.first_index = slots.first_index;
        native.counts.extend_from_slice(counts);
    }
}

impl Native {
    /// The stretches of buckets that are not all empty, each after its distance to the one before, the first
    /// after the index of its first. Up to two empty buckets inside cost less than another span.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (i32, &[u64])> {
        const MAX_GAP: usize = 2;
        let counts = &self.counts[..];
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = at + counts[at..].iter().position(|&count| count > 0)?;
            let mut end = start + 1;
            for (index, &count) in counts.iter().enumerate().skip(end) {
                if count > 0 {
                    end = index + 1;
                } else if index - end >= MAX_GAP {
                    break;
                }
            }
            // The first span says where it begins, the others how far they are from the one before.
            let from = if at == 0 { self.first_index } else { 0 };
            let offset = from + (start - at) as i32;
            at = end;
            Some((offset, &counts[start..end]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two buckets an octave (schema 1) from 1 to 4.
    const SLOTS: Slots = Slots {
        schema: 1,
        zero_threshold: 1.0,
        first_index: 1,
        octaves_a_bound: 1,
        readable: (0.0, f64::MAX),
        start: None,
    };

    #[test]
    fn classic_bounds_are_the_ends_of_octaves() {
        let mut buckets = Buckets::default();
        buckets.fill(&SLOTS, &[5, 1, 2, 0, 4, 7], 50.0);
        assert_eq!(buckets.classic, [(1.0, 5), (2.0, 8), (4.0, 12)]);
        assert_eq!((buckets.count, buckets.sum), (19, 50.0));
        let native = buckets.native.unwrap();
        assert_eq!((native.zero_count, native.first_index), (5, 1));
        assert_eq!(native.counts, [1, 2, 0, 4, 7]);
    }

    #[test]
    fn a_bound_may_span_two_octaves() {
        let mut buckets = Buckets::default();
        buckets.fill(&Slots { octaves_a_bound: 2, ..SLOTS }, &[5, 1, 2, 0, 4, 7], 50.0);
        assert_eq!(buckets.classic, [(1.0, 5), (4.0, 12)]);
        assert_eq!(buckets.count, 19);
    }

    #[test]
    fn classic_bounds_outside_of_what_is_readable_are_left_out() {
        let counts = [5, 1, 2, 0, 4, 7];
        let classic = |readable| {
            let mut buckets = Buckets::default();
            buckets.fill(&Slots { readable, ..SLOTS }, &counts, 50.0);
            assert_eq!(buckets.count, 19);
            buckets.classic
        };
        assert_eq!(classic((1.5, 2.0)), [(2.0, 8)]);
        assert_eq!(classic((1.0, 3.0)), [(1.0, 5), (2.0, 8)]);
    }

    #[test]
    fn memory_is_kept_and_counts_are_not() {
        let mut buckets = Buckets::default();
        buckets.fill(&SLOTS, &[5, 1, 2, 0, 4, 7], 50.0);
        buckets.clear();
        buckets.fill(&SLOTS, &[1, 0, 0, 0, 0, 0], 1.0);
        assert_eq!(buckets.classic, [(1.0, 1), (2.0, 1), (4.0, 1)]);
        assert_eq!(buckets.native.unwrap().counts, [0; 5]);
    }
}
