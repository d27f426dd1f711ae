//! What the three encoders write of the same samples is read back by readers that share no code with them, and must
//! be the same samples.

mod decode;
mod openmetrics2;
mod templates;

use super::{Created, Encoder, Format, Histograms, Offer, Templates};
use crate::metric::{Buckets, Families, Kind, Native, Quantiles, Value, metrics};
use decode::{Exposition, decode_families, decode_protobuf, decode_text, schema};
use expect_test::{Expect, expect};
use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::BTreeMap;

const TEXT: &str = "text/plain";
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
const OPENMETRICS_2: &str = "application/openmetrics-text;version=2.0.0";
const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

const OFFERS: &[Offer] = &[Offer::Protobuf, Offer::OpenMetrics, Offer::OpenMetrics2];
/// The Unix time of the boot.
const EPOCH: f64 = 1.75e9;

metrics! {
    COUNTER: Counter "node_a_total" ["z", "b"], "Help with \\ and\nnewline and \"quotes\".";
    GAUGE: Gauge "node_b" ["z", "b"], "Gauge.";
    HISTOGRAM: Histogram "node_c_seconds" ["z", "b"], "Histogram.";
    UNTYPED: Untyped "node_d" ["z", "b"], "Untyped.";
}

fn encode(accept: &str, histograms: Histograms, families: &Families) -> Vec<u8> {
    let format = Format::negotiate(accept, OFFERS);
    let mut out = Vec::new();
    let encoder = Encoder { format, histograms, epoch: EPOCH, ..Encoder::default() };
    let conflicts = encoder.write(&[families], &mut out);
    assert_eq!(conflicts, []);
    out
}

fn encode_text(accept: &str, families: &Families) -> String {
    String::from_utf8(encode(accept, Histograms::Native, families)).unwrap()
}

/// A histogram with the counts `slots` per native bucket from `first_index` on.
fn fill(buckets: &mut Buckets, first_index: i32, slots: &[u64]) {
    let mut cumulated = 0;
    for (slot, count) in slots.iter().enumerate() {
        cumulated += count;
        buckets.classic.push((2_f64.powf(f64::from(first_index + slot as i32) / 8.0), cumulated));
    }
    (buckets.count, buckets.sum) = (cumulated, cumulated as f64 * 0.75);
    let counts = slots.to_vec();
    buckets.native = Some(Native { schema: 3, first_index, counts, ..Native::default() });
    buckets.start = Some(2.5);
}

fn numbers() -> impl Strategy<Value = f64> {
    let special = select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, 1e21, f64::MAX]);
    prop_oneof![special, any::<f64>(), (0_u32..5000).prop_map(f64::from)]
}

/// Label values as a kernel may give them: any bytes, those that need escaping above all.
fn label_values() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![select(b"\\\"\n{},= a#".to_vec()), any::<u8>()], 0..6)
}

proptest! {
    #[test]
    fn all_formats_say_the_same(
        rows in vec((label_values(), numbers(), vec(0_u64..5, 0..20), -40_i32..40), 0..6),
    ) {
        let mut families = Families::new(METRICS).starting(Some(2.25));
        for (index, (text, value, slots, first_index)) in rows.iter().enumerate() {
            let labels = (text, index);
            // Half of the rows know no start.
            let count = if *value >= 0.0 { *value } else { 7.0 };
            families.push_since(COUNTER, labels, count, Some(2.25).filter(|_| index % 2 == 0));
            families.push(GAUGE, labels, *value);
            families.push(UNTYPED, labels, *value);
            fill(families.push_histogram(HISTOGRAM, labels), *first_index, slots);
            let quantiles = Quantiles { quantiles: vec![(0.5, *value), (0.99, *value)], sum: *value, count: 3 };
            let label = index.to_string();
            families.push_foreign("summary", Kind::Summary, "S.", &[("l", &label)], Value::Summary(&quantiles), None);
        }

        let (text_types, text) = decode_text(&encode_text(TEXT, &families));
        let (om_types, openmetrics) = decode_text(&encode_text(OPENMETRICS, &families));
        let protobuf = encode(PROTOBUF, Histograms::NativeAndClassic, &families);
        let Exposition { types: protobuf_types, samples: protobuf, natives, starts } = decode_protobuf(&protobuf);
        let openmetrics2 = encode(OPENMETRICS_2, Histograms::NativeAndClassic, &families);
        let openmetrics2 = openmetrics2::decode(str::from_utf8(&openmetrics2).unwrap());
        prop_assert_eq!(&text, &openmetrics);
        prop_assert_eq!(&text, &protobuf);
        prop_assert_eq!(&text, &openmetrics2.samples);
        prop_assert_eq!(&natives, &openmetrics2.natives);
        prop_assert_eq!(&starts, &openmetrics2.starts);
        // Half of the counters and all summaries have that of all, each histogram its own.
        let n_starting = |ms| starts.values().filter(|&&it| it == ms).count();
        prop_assert_eq!(n_starting(1_750_000_002_250), rows.len().div_ceil(2) + rows.len());
        prop_assert_eq!(n_starting(1_750_000_002_500), rows.len());
        if !rows.is_empty() {
            let words = ["counter", "gauge", "histogram", "untyped", "summary"].map(str::to_owned);
            prop_assert_eq!(text_types.into_values().collect::<Vec<_>>(), words.clone());
            let names = ["node_a", "node_b", "node_c_seconds", "node_d", "summary"].map(str::to_owned);
            prop_assert_eq!(om_types.into_keys().collect::<Vec<_>>(), names);
            prop_assert_eq!(protobuf_types.into_values().collect::<Vec<_>>(), words);
            let words = ["counter", "gauge", "histogram", "unknown", "summary"].map(str::to_owned);
            prop_assert_eq!(openmetrics2.types.into_values().collect::<Vec<_>>(), words);
        }
        // Every label value came through; what is not UTF-8 as U+FFFD, once a run.
        for (index, (bytes, value, ..)) in rows.iter().enumerate() {
            let mut expected = String::from_utf8_lossy(bytes).into_owned();
            while expected.contains("\u{fffd}\u{fffd}") && !bytes.windows(3).any(|it| it == "\u{fffd}".as_bytes()) {
                expected = expected.replace("\u{fffd}\u{fffd}", "\u{fffd}");
            }
            let labels = [("z".to_owned(), expected), ("b".to_owned(), index.to_string())].into();
            let value = if value.is_nan() { f64::NAN } else if *value == 0.0 { 0.0 } else { *value };
            prop_assert_eq!(text.get(&("node_b".to_owned(), labels)), Some(&value.to_bits()));
        }
        let mut expected: Vec<BTreeMap<i32, u64>> = rows.iter().map(|(.., slots, first)| {
            let buckets = slots.iter().enumerate().filter(|(_, count)| **count > 0);
            buckets.map(|(slot, &count)| (first + slot as i32, count)).collect()
        }).collect();
        let mut natives = natives;
        natives.sort();
        expected.sort();
        prop_assert_eq!(natives, expected);
    }
}

#[track_caller]
fn check(accept: &str, families: &Families, expect: Expect) {
    expect.assert_eq(&encode_text(accept, families));
}

#[test]
fn text_escapes_as_client_golang_does() {
    let mut families = Families::new(METRICS);
    families.push(COUNTER, ("q\"\\\n", "é"), 1e21);
    families.push(COUNTER, ("a", "b"), 3_u64);
    check(
        TEXT,
        &families,
        expect![[r#"
        # HELP node_a_total Help with \\ and\nnewline and "quotes".
        # TYPE node_a_total counter
        node_a_total{b="b",z="a"} 3
        node_a_total{b="é",z="q\"\\\n"} 1e+21
    "#]],
    );
    check(
        OPENMETRICS,
        &families,
        expect![[r#"
        # HELP node_a Help with \\ and\nnewline and \"quotes\".
        # TYPE node_a counter
        node_a_total{b="b",z="a"} 3.0
        node_a_total{b="é",z="q\"\\\n"} 1e+21
        # EOF
    "#]],
    );
}

#[test]
fn openmetrics_calls_unknown_what_its_counters_cannot_be() {
    let mut families = Families::new(&[]);
    for name in ["node_start_time", "node_x", "node_x_total", "node_y_total"] {
        let kind = if name == "node_x" { Kind::Gauge } else { Kind::Counter };
        families.push_foreign(name, kind, "Help.", &[], Value::Number(1.0), None);
    }
    check(
        OPENMETRICS,
        &families,
        expect![[r#"
        # HELP node_start_time Help.
        # TYPE node_start_time unknown
        node_start_time 1.0
        # HELP node_x Help.
        # TYPE node_x gauge
        node_x 1.0
        # HELP node_x_total Help.
        # TYPE node_x_total unknown
        node_x_total 1.0
        # HELP node_y Help.
        # TYPE node_y counter
        node_y_total 1.0
        # EOF
    "#]],
    );
}

#[test]
fn openmetrics_calls_unknown_what_no_counter_counts() {
    let counters = |value: f64| {
        let mut families = Families::new(&[]);
        for (name, value) in [("broken_total", value), ("whole_total", 1.0)] {
            families.push_foreign(name, Kind::Counter, "Help.", &[], Value::Number(value), Some(2.5));
        }
        families
    };
    let versions = [
        (OPENMETRICS, "# TYPE broken counter\n", "# TYPE whole counter\n"),
        (OPENMETRICS_2, "# TYPE broken_total counter\n", "# TYPE whole_total counter\n"),
    ];
    for (accept, broken, whole) in versions {
        let mut templates = Templates::default();
        // The last ones are written by a template, if they may be.
        for value in [0.0, 1.0, 2.0, f64::NAN, -1.0, f64::NEG_INFINITY, 3.0] {
            let encoder =
                Encoder { format: Format::negotiate(accept, OFFERS), epoch: EPOCH, ..Encoder::default() };
            let mut text = Vec::new();
            assert_eq!(templates.write(&encoder, &[&counters(value)], &mut text), []);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text.contains(broken), value >= 0.0, "{text}");
            assert_eq!(
                text.contains("# TYPE broken_total unknown\n"),
                text.matches(broken).count() == 0,
                "{text}"
            );
            assert!(text.contains(whole), "{text}");
        }
    }
    // Text says what it is told, as node_exporter does.
    assert!(
        encode_text(TEXT, &counters(f64::NAN)).contains("# TYPE broken_total counter\nbroken_total NaN\n")
    );
}

#[test]
fn openmetrics_2_has_no_quantile_beyond_1_and_no_carriage_return() {
    let mut families = Families::new(&[]);
    let quantiles = [-0.5, 0.0, 0.5, 1.0, 2.0, f64::INFINITY].map(|it| (it, 7.0)).to_vec();
    let summary = Value::Summary(&Quantiles { quantiles, sum: 3.5, count: 2 });
    families.push_foreign("a", Kind::Summary, "Two\r\nlines.\r", &[], summary, None);
    let encoder = Encoder { format: Format::negotiate(OPENMETRICS_2, OFFERS), ..Encoder::default() };
    let mut text = Vec::new();
    let conflicts = encoder.write(&[&families], &mut text);
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "# TYPE a summary\n# HELP a Two \\nlines. \na {count:2,sum:3.5,quantile:[0:7,0.5:7,1:7]}\n# EOF\n"
    );
    assert_eq!(conflicts.len(), 1);
    assert_eq!((&*conflicts[0].family, conflicts[0].why.contains("between 0 and 1")), ("a", true));
}

#[test]
fn line_formats_hold_classic_buckets() {
    let mut families = Families::new(METRICS);
    let buckets = families.push_histogram(HISTOGRAM, ("a", "b"));
    *buckets = Buckets { classic: vec![(1.0, 1), (2.0, 3)], count: 3, sum: 2.25, ..Buckets::default() };
    check(
        TEXT,
        &families,
        expect![[r#"
        # HELP node_c_seconds Histogram.
        # TYPE node_c_seconds histogram
        node_c_seconds_bucket{b="b",z="a",le="1"} 1
        node_c_seconds_bucket{b="b",z="a",le="2"} 3
        node_c_seconds_bucket{b="b",z="a",le="+Inf"} 3
        node_c_seconds_sum{b="b",z="a"} 2.25
        node_c_seconds_count{b="b",z="a"} 3
    "#]],
    );
    check(
        OPENMETRICS,
        &families,
        expect![[r#"
        # HELP node_c_seconds Histogram.
        # TYPE node_c_seconds histogram
        node_c_seconds_bucket{b="b",z="a",le="1.0"} 1
        node_c_seconds_bucket{b="b",z="a",le="2.0"} 3
        node_c_seconds_bucket{b="b",z="a",le="+Inf"} 3
        node_c_seconds_sum{b="b",z="a"} 2.25
        node_c_seconds_count{b="b",z="a"} 3
        # EOF
    "#]],
    );
}

#[test]
fn openmetrics_2_has_a_line_a_histogram_and_says_since_when_it_counts() {
    let mut families = Families::new(METRICS).starting(Some(1.0625));
    families.push(COUNTER, ("a", "b"), 3_u64);
    families.push_since(COUNTER, ("a", "c"), 4_u64, Some(7.0));
    families.push_since(COUNTER, ("a", "d"), 5_u64, None);
    families.push(GAUGE, ("a", "b"), 1.5);
    fill(families.push_histogram(HISTOGRAM, ("a", "b")), -8, &[0, 3, 1, 0, 0, 5, 0, 0, 0, 7]);
    fill(families.push_histogram(HISTOGRAM, ("a", "c")), 0, &[0, 0]);
    let buckets = families.push_histogram(HISTOGRAM, ("a", "d"));
    *buckets = Buckets { classic: vec![(1.0, 1), (2.0, 3)], count: 3, sum: 2.25, ..Buckets::default() };
    families.push_foreign("my.info", Kind::Gauge, "\"H\".", &[("la.bel", "v")], Value::Number(1.0), None);
    families.push_foreign("os_info", Kind::Gauge, "H.", &[("name", "v")], Value::Number(1.0), None);
    families.push_foreign("two_info", Kind::Gauge, "H.", &[], Value::Number(2.0), None);
    let accept = format!("{OPENMETRICS_2};escaping=allow-utf-8");
    check(
        &accept,
        &families,
        expect![[r##"
        # TYPE "my.info" gauge
        # HELP "my.info" \"H\".
        {"my.info","la.bel"="v"} 1
        # TYPE node_a_total counter
        # HELP node_a_total Help with \\ and\nnewline and \"quotes\".
        node_a_total{b="b",z="a"} 3 st@1750000001.063
        node_a_total{b="c",z="a"} 4 st@1750000007.000
        node_a_total{b="d",z="a"} 5
        # TYPE node_b gauge
        # HELP node_b Gauge.
        node_b{b="b",z="a"} 1.5
        # TYPE node_c_seconds histogram
        # UNIT node_c_seconds seconds
        # HELP node_c_seconds Histogram.
        node_c_seconds{b="b",z="a"} {count:16,sum:12,schema:3,zero_threshold:0,zero_count:0,positive_spans:[-7:5,3:1],positive_buckets:[3,1,0,0,5,7]} st@1750000002.500
        node_c_seconds{b="c",z="a"} {count:0,sum:0,schema:3,zero_threshold:0,zero_count:0} st@1750000002.500
        node_c_seconds{b="d",z="a"} {count:3,sum:2.25,bucket:[1:1,2:3,+Inf:3]} st@1750000001.063
        # TYPE os_info info
        # HELP os_info H.
        os_info{name="v"} 1
        # TYPE two_info gauge
        # HELP two_info H.
        two_info 2
        # EOF
    "##]],
    );
    assert_eq!(openmetrics2::decode(&encode_text(&accept, &families)).natives.len(), 2);
    let both = encode(OPENMETRICS_2, Histograms::NativeAndClassic, &families);
    let both = String::from_utf8(both).unwrap();
    let line = both.lines().find(|it| it.starts_with("node_c_seconds{b=\"c\"")).unwrap();
    expect![[r#"node_c_seconds{b="c",z="a"} {count:0,sum:0,schema:3,zero_threshold:0,zero_count:0,bucket:[1:0,1.0905077326652577:0,+Inf:0]} st@1750000002.500"#]].assert_eq(line);
}

#[test]
fn openmetrics_1_says_since_when_it_counts_on_demand() {
    let mut families = Families::new(METRICS).starting(Some(1.0625));
    families.push(COUNTER, ("a", "b"), 3_u64);
    families.push_since(COUNTER, ("a", "c"), 3_u64, None);
    families.push(GAUGE, ("a", "b"), 1.5);
    let buckets = families.push_histogram(HISTOGRAM, ("a", "b"));
    *buckets = Buckets { classic: vec![(1.0, 3)], count: 3, sum: 2.25, ..Buckets::default() };
    let format = Format::negotiate(OPENMETRICS, OFFERS);
    let encoder = Encoder { format, epoch: EPOCH, created: Created::Sampled, ..Encoder::default() };
    let mut out = Vec::new();
    encoder.write(&[&families], &mut out);
    expect![[r##"
        # HELP node_a Help with \\ and\nnewline and \"quotes\".
        # TYPE node_a counter
        node_a_total{b="b",z="a"} 3.0
        node_a_created{b="b",z="a"} 1750000001.063
        node_a_total{b="c",z="a"} 3.0
        # HELP node_b Gauge.
        # TYPE node_b gauge
        node_b{b="b",z="a"} 1.5
        # HELP node_c_seconds Histogram.
        # TYPE node_c_seconds histogram
        node_c_seconds_bucket{b="b",z="a",le="1.0"} 3
        node_c_seconds_bucket{b="b",z="a",le="+Inf"} 3
        node_c_seconds_sum{b="b",z="a"} 2.25
        node_c_seconds_count{b="b",z="a"} 3
        node_c_seconds_created{b="b",z="a"} 1750000001.063
        # EOF
    "##]]
    .assert_eq(str::from_utf8(&out).unwrap());
}

#[test]
fn protobuf_holds_native_buckets_and_classic_ones_on_demand() {
    let mut families = Families::new(METRICS);
    fill(families.push_histogram(HISTOGRAM, ("a", "b")), -8, &[0, 3, 1, 0, 0, 5, 0, 0, 0, 7]);
    let histogram = |histograms| {
        let family = decode_families(&encode(PROTOBUF, histograms, &families)).remove(0);
        family.metric.into_iter().next().unwrap().histogram.unwrap()
    };
    let native = histogram(Histograms::Native);
    assert_eq!((native.schema, native.sample_count, native.sample_sum), (3, 16, 12.0));
    // A gap of two is cheaper as two empty buckets, one of three as a second span.
    let spans: Vec<_> = native.positive_span.iter().map(|span| (span.offset, span.length)).collect();
    assert_eq!(spans, [(-7, 5), (3, 1)]);
    assert_eq!(native.positive_delta, [3, -2, -1, 0, 5, 2]);
    assert_eq!(
        native.created_timestamp,
        Some(schema::Timestamp { seconds: 1_750_000_002, nanos: 500_000_000 })
    );
    assert_eq!(native.bucket, []);
    assert_eq!(histogram(Histograms::NativeAndClassic).bucket.len(), 11);
}

#[test]
fn an_empty_native_histogram_is_still_native() {
    let mut families = Families::new(METRICS);
    fill(families.push_histogram(HISTOGRAM, ("a", "b")), 0, &[0, 0]);
    let family = decode_families(&encode(PROTOBUF, Histograms::Native, &families)).remove(0);
    let histogram = family.metric[0].histogram.as_ref().unwrap();
    assert_eq!(histogram.positive_span, [schema::BucketSpan { offset: 0, length: 0 }]);
}

#[test]
fn names_beyond_ascii_are_quoted_for_those_who_read_them() {
    let mut families = Families::new(&[]);
    families.push_foreign("my.metric", Kind::Counter, "Help.", &[("la.bel", "v")], Value::Number(2.0), None);
    families.push_foreign("my.total_total", Kind::Counter, "Help.", &[], Value::Number(2.0), None);
    check(
        "text/plain;escaping=allow-utf-8",
        &families,
        expect![[r#"
        # HELP "my.metric" Help.
        # TYPE "my.metric" counter
        {"my.metric","la.bel"="v"} 2
        # HELP "my.total_total" Help.
        # TYPE "my.total_total" counter
        {"my.total_total"} 2
    "#]],
    );
    check(
        TEXT,
        &families,
        expect![[r#"
        # HELP my_metric Help.
        # TYPE my_metric counter
        my_metric{la_bel="v"} 2
        # HELP my_total_total Help.
        # TYPE my_total_total counter
        my_total_total 2
    "#]],
    );
}

#[test]
fn only_the_families_asked_for_are_written() {
    let mut families = Families::new(METRICS);
    families.push(GAUGE, ("a", "b"), 1_u64);
    families.push(UNTYPED, ("a", "b"), 1_u64);
    let names = vec!["node_d".to_owned(), "node_e".to_owned()];
    let mut out = Vec::new();
    Encoder { names, ..Encoder::default() }.write(&[&families], &mut out);
    expect![[r#"
        # HELP node_d Untyped.
        # TYPE node_d untyped
        node_d{b="b",z="a"} 1
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

/// `n` samples in 50 families, as a host has them.
fn many(n: u64, families: &mut Families) {
    for index in 0..n {
        let device = format!("device{}", index / 50);
        let name = format!("node_family_{}_bytes_total", index % 50);
        let labels = [("device", device.as_str()), ("operation", "read")];
        families.push_foreign(
            &name,
            Kind::Counter,
            "Help.",
            &labels,
            Value::Number(index as f64 * 1234.5),
            None,
        );
    }
}

#[test]
fn a_sample_costs_no_allocation() {
    let (mut few, mut many_samples) = (Families::new(&[]), Families::new(&[]));
    many(500, &mut few);
    many(5000, &mut many_samples);
    for accept in [TEXT, OPENMETRICS, OPENMETRICS_2, PROTOBUF] {
        let encoder = Encoder { format: Format::negotiate(accept, OFFERS), ..Encoder::default() };
        let mut out = Vec::with_capacity(1 << 20);
        let mut count = |families: &Families| {
            out.clear();
            allocation_counter::measure(|| drop(encoder.write(&[families], &mut out))).count_total
        };
        let (for_few, for_many) = (count(&few), count(&many_samples));
        // Sorting takes room once a family, of which there are 50; rows share theirs, which grows by doubling.
        assert!(for_many <= for_few + 50 + 8, "{accept}: {for_few} for 500, {for_many} for 5000 samples");
    }
}
