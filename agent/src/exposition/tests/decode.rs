//! Readers of the formats that share no code with their writers.

use prost::Message as _;
use std::collections::BTreeMap;

/// A sample's name and labels, and the bits of its value.
pub(super) type Samples = BTreeMap<(String, BTreeMap<String, String>), u64>;

/// What an answer says.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    /// The words of `# TYPE` by family.
    pub(super) types: BTreeMap<String, String>,
    pub(super) samples: Samples,
    /// The native buckets that hold something, by index.
    pub(super) natives: Vec<BTreeMap<i32, u64>>,
    /// Since when series count, in milliseconds of Unix time.
    pub(super) starts: BTreeMap<(String, BTreeMap<String, String>), i64>,
}

pub(super) fn sample(
    name: &str,
    labels: &BTreeMap<String, String>,
    bound: Option<(&str, f64)>,
    value: f64,
    to: &mut Samples,
) {
    let mut labels = labels.clone();
    labels.extend(bound.map(|(label, bound)| (label.to_owned(), bound.to_string())));
    let value = if value == 0.0 { 0.0 } else { value };
    let before =
        to.insert((name.to_owned(), labels), if value.is_nan() { f64::NAN } else { value }.to_bits());
    assert_eq!(before, None, "{name} was written twice");
}

/// Reads a line format; of the families it returns the words of `# TYPE`.
pub(super) fn decode_text(text: &str) -> (BTreeMap<String, String>, Samples) {
    let (mut types, mut samples) = (BTreeMap::new(), Samples::new());
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').unwrap();
            assert_eq!(types.insert(name.to_owned(), kind.to_owned()), None);
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, mut rest) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels = BTreeMap::new();
        while rest != "}" {
            let (label, quoted) = rest.split_once("=\"").unwrap();
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at + 1,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        c => panic!("the escape \\{c} does not exist"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            labels.insert(label.to_owned(), value);
            rest = quoted[end..].strip_prefix(',').unwrap_or(&quoted[end..]);
        }
        let bound = ["le", "quantile"]
            .into_iter()
            .find_map(|it| labels.remove(it).map(|text| (it, text.parse().unwrap())));
        sample(name, &labels, bound, value.parse().unwrap(), &mut samples);
    }
    (types, samples)
}

/// The public schema, as far as it is used.
pub(super) mod schema {
    #[derive(PartialEq, prost::Message)]
    pub(crate) struct MetricFamily {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub help: String,
        #[prost(int32, tag = "3")]
        pub r#type: i32,
        #[prost(message, repeated, tag = "4")]
        pub metric: Vec<Metric>,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct Metric {
        #[prost(message, repeated, tag = "1")]
        pub label: Vec<LabelPair>,
        #[prost(message, tag = "2")]
        pub gauge: Option<Number>,
        #[prost(message, tag = "3")]
        pub counter: Option<Number>,
        #[prost(message, tag = "4")]
        pub summary: Option<Summary>,
        #[prost(message, tag = "5")]
        pub untyped: Option<Number>,
        #[prost(message, tag = "7")]
        pub histogram: Option<Histogram>,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct LabelPair {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub value: String,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct Number {
        #[prost(double, tag = "1")]
        pub value: f64,
        /// Of a counter.
        #[prost(message, tag = "3")]
        pub created_timestamp: Option<Timestamp>,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct Summary {
        #[prost(uint64, tag = "1")]
        pub sample_count: u64,
        #[prost(double, tag = "2")]
        pub sample_sum: f64,
        #[prost(message, repeated, tag = "3")]
        pub quantile: Vec<Quantile>,
        #[prost(message, tag = "4")]
        pub created_timestamp: Option<Timestamp>,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct Quantile {
        #[prost(double, tag = "1")]
        pub quantile: f64,
        #[prost(double, tag = "2")]
        pub value: f64,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct Histogram {
        #[prost(uint64, tag = "1")]
        pub sample_count: u64,
        #[prost(double, tag = "2")]
        pub sample_sum: f64,
        #[prost(message, repeated, tag = "3")]
        pub bucket: Vec<Bucket>,
        #[prost(sint32, tag = "5")]
        pub schema: i32,
        #[prost(double, tag = "6")]
        pub zero_threshold: f64,
        #[prost(uint64, tag = "7")]
        pub zero_count: u64,
        #[prost(message, repeated, tag = "12")]
        pub positive_span: Vec<BucketSpan>,
        #[prost(sint64, repeated, tag = "13")]
        pub positive_delta: Vec<i64>,
        #[prost(message, tag = "15")]
        pub created_timestamp: Option<Timestamp>,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct Bucket {
        #[prost(uint64, tag = "1")]
        pub cumulative_count: u64,
        #[prost(double, tag = "2")]
        pub upper_bound: f64,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct BucketSpan {
        #[prost(sint32, tag = "1")]
        pub offset: i32,
        #[prost(uint32, tag = "2")]
        pub length: u32,
    }

    #[derive(PartialEq, prost::Message)]
    pub(crate) struct Timestamp {
        #[prost(int64, tag = "1")]
        pub seconds: i64,
        #[prost(int32, tag = "2")]
        pub nanos: i32,
    }
}

pub(super) fn decode_families(mut bytes: &[u8]) -> Vec<schema::MetricFamily> {
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(schema::MetricFamily::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}

/// The native buckets that hold something, by index.
fn native_buckets(it: &schema::Histogram) -> BTreeMap<i32, u64> {
    let (mut index, mut count) = (0, 0);
    let mut deltas = it.positive_delta.iter();
    let mut buckets = BTreeMap::new();
    for span in &it.positive_span {
        index += span.offset;
        for _ in 0..span.length {
            count += deltas.next().unwrap();
            buckets.insert(index, count as u64);
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None);
    buckets.retain(|_, count| *count > 0);
    buckets
}

/// Samples as the line formats have them.
pub(super) fn decode_protobuf(bytes: &[u8]) -> Exposition {
    let Exposition { mut types, mut samples, mut natives, mut starts } = Exposition::default();
    for family in decode_families(bytes) {
        let name = family.name.as_str();
        for metric in &family.metric {
            let labels: BTreeMap<_, _> =
                metric.label.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
            let number = match family.r#type {
                0 => &metric.counter,
                1 => &metric.gauge,
                _ => &metric.untyped,
            };
            if let Some(it) = number {
                sample(name, &labels, None, it.value, &mut samples);
            }
            let sum_and_count = |sum, count: u64, samples: &mut Samples| {
                sample(&format!("{name}_sum"), &labels, None, sum, samples);
                sample(&format!("{name}_count"), &labels, None, count as f64, samples);
            };
            let created = number.as_ref().and_then(|it| it.created_timestamp.as_ref());
            let created = created.or(metric.summary.as_ref().and_then(|it| it.created_timestamp.as_ref()));
            let created = created.or(metric.histogram.as_ref().and_then(|it| it.created_timestamp.as_ref()));
            if let Some(it) = created {
                let ms = it.seconds * 1000 + i64::from(it.nanos) / 1_000_000;
                starts.insert((name.to_owned(), labels.clone()), ms);
            }
            if let Some(it) = &metric.summary {
                sum_and_count(it.sample_sum, it.sample_count, &mut samples);
                for it in &it.quantile {
                    sample(name, &labels, Some(("quantile", it.quantile)), it.value, &mut samples);
                }
            }
            if let Some(it) = &metric.histogram {
                sum_and_count(it.sample_sum, it.sample_count, &mut samples);
                for it in &it.bucket {
                    let bound = Some(("le", it.upper_bound));
                    sample(
                        &format!("{name}_bucket"),
                        &labels,
                        bound,
                        it.cumulative_count as f64,
                        &mut samples,
                    );
                }
                natives.push(native_buckets(it));
            }
        }
        let word = ["counter", "gauge", "summary", "untyped", "histogram"][family.r#type as usize];
        assert_eq!(types.insert(family.name, word.to_owned()), None);
    }
    Exposition { types, samples, natives, starts }
}
