//! Native histograms as Prometheus receives and queries them.
//!
//! The messages: <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>; the
//! quantile: `promql/quantile.go` of Prometheus 3.

use std::{collections::BTreeMap, ops::RangeInclusive};

use anyhow::{Context, Result, ensure};
use prost::Message as _;

/// What asks for the messages, each after its length.
pub const ACCEPT: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// Counts in buckets of which each octave has `2^schema`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NativeHistogram {
    pub schema: i32,
    /// What is at most this is in no bucket but in `zero_count`.
    pub zero_threshold: f64,
    pub zero_count: u64,
    pub count: u64,
    pub sum: f64,
    /// Bucket `i` holds values in `(2^((i-1)/2^schema), 2^(i/2^schema)]`.
    pub buckets: BTreeMap<i32, u64>,
}

impl NativeHistogram {
    /// The only series of a family in an answer to [`ACCEPT`].
    pub fn decode(mut answer: &[u8], name: &str) -> Result<Self> {
        while !answer.is_empty() {
            let family = Family::decode_length_delimited(&mut answer).context("read a metric family")?;
            if family.name != name {
                continue;
            }
            ensure!(family.metric.len() == 1, "{name} has {} series, not one", family.metric.len());
            let message = family.metric.into_iter().next().and_then(|it| it.histogram);
            return Self::new(&message.with_context(|| format!("{name} is no histogram"))?);
        }
        anyhow::bail!("no family {name}")
    }

    fn new(message: &Histogram) -> Result<Self> {
        ensure!(!message.positive_span.is_empty(), "a classic histogram, not a native one");
        let mut buckets = BTreeMap::new();
        let (mut index, mut count) = (0, 0);
        let mut deltas = message.positive_delta.iter();
        for span in &message.positive_span {
            index += span.offset;
            for _ in 0..span.length {
                count += deltas.next().context("fewer counts than buckets")?;
                buckets.insert(index, u64::try_from(count).context("a count below 0")?);
                index += 1;
            }
        }
        ensure!(deltas.next().is_none(), "more counts than buckets");
        Ok(Self {
            schema: message.schema,
            zero_threshold: message.zero_threshold,
            zero_count: message.zero_count,
            count: message.sample_count,
            sum: message.sample_sum,
            buckets,
        })
    }

    /// What was added since `before`, which is the same series earlier.
    pub fn since(&self, before: &Self) -> Self {
        let mut grown = self.clone();
        grown.zero_count -= before.zero_count;
        grown.count -= before.count;
        grown.sum -= before.sum;
        for (index, count) in &before.buckets {
            if let Some(it) = grown.buckets.get_mut(index) {
                *it -= count;
            }
        }
        grown
    }

    /// The bucket that a value belongs to; `None` for those that count as zero.
    pub fn index(&self, value: f64) -> Option<i32> {
        let per_octave = f64::from(self.schema).exp2();
        (value > self.zero_threshold).then(|| (value.log2() * per_octave).ceil() as i32)
    }

    /// Prometheus' `histogram_quantile`: linear in the zero bucket, else exponential within the bucket. From one half on
    /// it counts from above, so that a rank between two buckets belongs to the upper one.
    pub fn quantile(&self, q: f64) -> f64 {
        let from_above = q >= 0.5;
        let rank = if from_above { 1.0 - q } else { q } * self.count as f64;
        let zero = (self.zero_count > 0).then_some((None, self.zero_count));
        let filled = self.buckets.iter().filter(|it| *it.1 > 0).map(|(index, count)| (Some(*index), *count));
        let mut buckets: Vec<(Option<i32>, u64)> = zero.into_iter().chain(filled).collect();
        if from_above {
            buckets.reverse();
        }
        let mut seen = 0.0;
        for (index, count) in buckets {
            let count = count as f64;
            if seen + count >= rank {
                let share = (rank - seen) / count;
                return self.inside(index, if from_above { 1.0 - share } else { share });
            }
            seen += count;
        }
        f64::NAN
    }

    /// The value that has this share of a bucket below it.
    fn inside(&self, index: Option<i32>, share: f64) -> f64 {
        let Some(index) = index else { return self.zero_threshold * share };
        let bounds = self.exponents(index);
        (bounds.start() + (bounds.end() - bounds.start()) * share).exp2()
    }

    /// The binary logarithms of a bucket's bounds.
    fn exponents(&self, index: i32) -> RangeInclusive<f64> {
        let octaves = |index: i32| f64::from(index) / f64::from(self.schema).exp2();
        octaves(index - 1)..=octaves(index)
    }
}

#[derive(PartialEq, prost::Message)]
struct Family {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(PartialEq, prost::Message)]
struct Metric {
    #[prost(message, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(PartialEq, prost::Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(PartialEq, prost::Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a scrape has it: buckets 1, 2 and 5 of schema 0 with 4, 0 and 2 values, after 2 that count as zero.
    fn message() -> Histogram {
        Histogram {
            sample_count: 8,
            sample_sum: 40.0,
            schema: 0,
            zero_threshold: 0.5,
            zero_count: 2,
            positive_span: vec![Span { offset: 1, length: 2 }, Span { offset: 2, length: 1 }],
            positive_delta: vec![4, -4, 2],
        }
    }

    #[test]
    fn reads_spans_and_deltas() {
        let family = |name: &str| Family {
            name: name.to_owned(),
            metric: vec![Metric { histogram: Some(message()) }],
        };
        let answer = [family("a"), family("b")].map(|it| it.encode_length_delimited_to_vec()).concat();
        let histogram = NativeHistogram::decode(&answer, "b").unwrap();
        assert_eq!(histogram.buckets, BTreeMap::from([(1, 4), (2, 0), (5, 2)]));
        assert_eq!((histogram.zero_count, histogram.count), (2, 8));
        assert!(NativeHistogram::decode(&answer, "c").is_err());
        let cut = Histogram { positive_delta: vec![4], ..message() };
        assert!(NativeHistogram::new(&cut).is_err());
    }

    /// Those that `promtool` 3.5 gives for this histogram.
    #[test]
    fn interpolates_as_prometheus_does() {
        let histogram = NativeHistogram::new(&message()).unwrap();
        for (q, expected) in
            [(0.125, 0.25), (0.5, 2f64.sqrt()), (0.75, 16.0), (0.875, 512f64.sqrt()), (1.0, 32.0)]
        {
            let seen = histogram.quantile(q);
            assert!((seen - expected).abs() < 1e-12, "{q}: {seen}");
        }
        assert!(NativeHistogram::default().quantile(0.5).is_nan());
    }

    #[test]
    fn bounds_belong_to_the_bucket_below() {
        let histogram = NativeHistogram { schema: 3, zero_threshold: 0.1, ..NativeHistogram::default() };
        assert_eq!(histogram.index(0.1), None);
        assert_eq!(histogram.index(1.0), Some(0));
        assert_eq!(histogram.index(1.001), Some(1));
        assert_eq!(histogram.index(1_953_125.0 / 1e9), None);
        assert_eq!(histogram.index(0.5), Some(-8));
    }
}
