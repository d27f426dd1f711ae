//! Whatever answers come one after the other: those of templates are those that are written from scratch.

use super::{
    COUNTER, GAUGE, HISTOGRAM, METRICS, OPENMETRICS, PROTOBUF, TEXT, UNTYPED, fill, label_values, numbers,
};
use crate::{
    exposition::{Coding, Compressor, Encoder, Format, Offer, Templates},
    metric::{Families, Kind, Quantiles, Value},
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::io::Read as _;

/// What may be other in some answers than in most.
#[derive(Clone, Debug)]
struct Shape {
    labels: Vec<Vec<u8>>,
    first_index: i32,
    n_slots: usize,
    help: &'static str,
    summary: bool,
    twice: bool,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let labels = vec(label_values(), 0..5);
    let seldom = || prop::bool::weighted(0.1);
    (labels, -9_i32..9, 0_usize..4, select(vec!["Help.", "Other help."]), seldom(), seldom()).prop_map(
        |(labels, first_index, n_slots, help, summary, twice)| Shape {
            labels,
            first_index,
            n_slots,
            help,
            summary,
            twice,
        },
    )
}

fn scraped(shape: &Shape, values: &[f64], out: &mut Families) {
    out.clear();
    let mut values = values.iter().copied().cycle();
    let mut next = || values.next().unwrap_or(1.0);
    for (idx, label) in shape.labels.iter().enumerate() {
        let label = if shape.twice { &shape.labels[0] } else { label };
        let labels = (label, if shape.twice { 0 } else { idx });
        out.push(COUNTER, labels, next().abs());
        out.push(GAUGE, labels, next());
        out.push(UNTYPED, labels, next());
        let slots: Vec<u64> = (0..shape.n_slots).map(|_| next() as u64 >> 20).collect();
        fill(out.push_histogram(HISTOGRAM, labels), shape.first_index, &slots);
        let name = format!("foreign_{}", idx % 3);
        out.push_foreign(
            &name,
            Kind::Gauge,
            shape.help,
            &[("l", &idx.to_string())],
            Value::Number(next()),
            None,
        );
    }
    if shape.summary {
        let quantiles = Quantiles { quantiles: vec![(0.5, next())], sum: next(), count: 3 };
        out.push_foreign("summary", Kind::Summary, "S.", &[], Value::Summary(&quantiles), None);
    }
}

/// Writes answers one after the other, and sees that each is as it would be alone. Returns how many a template packed.
fn check(accept: &str, names: &[&str], answers: &[(Shape, Vec<f64>)]) -> usize {
    let format = Format::negotiate(accept, &[Offer::Protobuf, Offer::OpenMetrics]);
    let names = names.iter().map(|&it| it.to_owned()).collect();
    let encoder = Encoder { format, names, ..Encoder::default() };
    let (mut templates, mut compressor) = (Templates::default(), Compressor::default());
    let mut families = [Families::new(METRICS), Families::new(METRICS)];
    let mut n_packed = 0;
    for (shape, values) in answers {
        scraped(shape, values, &mut families[0]);
        scraped(&Shape { labels: Vec::new(), ..shape.clone() }, values, &mut families[1]);
        let parts: Vec<&Families> = families.iter().collect();
        let (mut expected, mut plain) = (Vec::new(), Vec::new());
        let conflicts = encoder.write(&parts, &mut expected);
        assert_eq!(templates.write(&encoder, &parts, &mut plain), conflicts);
        assert!(plain == expected, "{}\nis not\n{}", plain.escape_ascii(), expected.escape_ascii());
        let mut packed = Vec::new();
        compressor.pack(Coding::Gzip, &plain, &mut templates, &mut packed).unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == expected, "{}\nis not\n{}", unpacked.escape_ascii(), expected.escape_ascii());
        n_packed += usize::from(templates.deflate(&plain, &mut packed));
    }
    n_packed
}

/// Runs of like answers, of different lengths.
fn answers() -> impl Strategy<Value = Vec<(Shape, Vec<f64>)>> {
    let run = (shapes(), vec(vec(numbers(), 1..9), 1..12));
    vec(run, 1..5).prop_map(|runs| {
        let answers =
            runs.into_iter().map(|(shape, values)| values.into_iter().map(move |it| (shape.clone(), it)));
        answers.flatten().collect()
    })
}

proptest! {
    #[test]
    fn answers_are_as_they_would_be_alone(
        answers in answers(),
        accept in select(vec![TEXT, OPENMETRICS, PROTOBUF]),
        names in select(vec![&[][..], &["node_b", "node_c_seconds"]]),
    ) {
        check(accept, names, &answers);
    }
}

fn like_each_other(n: usize, n_labels: usize) -> Vec<(Shape, Vec<f64>)> {
    let labels = (0..n_labels).map(|it| format!("device{}", it * 7919 % 1000).into_bytes()).collect();
    let shape = Shape { labels, first_index: 0, n_slots: 3, help: "Help.", summary: false, twice: false };
    let lengths = [
        0.0,
        7.0,
        -123_456.75,
        1e300 / 3.0,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1.797_693_134_862_315_7e308,
    ];
    (0..n)
        .map(|it| {
            (shape.clone(), lengths.iter().cycle().skip(it).step_by(1 + it % 3).take(7).copied().collect())
        })
        .collect()
}

/// More than deflate looks back, with values of all lengths.
#[test]
fn long_answers_are_packed_by_their_template() {
    for accept in [TEXT, OPENMETRICS] {
        assert_eq!(check(accept, &[], &like_each_other(12, 400)), 7);
    }
}

#[test]
fn short_ones_are_as_well() {
    assert_eq!(check(TEXT, &[], &like_each_other(8, 0)), 3);
}

#[test]
fn what_is_longer_than_is_kept_is_written_from_scratch() {
    assert_eq!(check(TEXT, &[], &like_each_other(8, 3000)), 0);
}

#[test]
fn two_kinds_of_answers_do_not_disturb_each_other() {
    let [text, openmetrics] = [TEXT, OPENMETRICS].map(|accept| Encoder {
        format: Format::negotiate(accept, &[Offer::OpenMetrics]),
        ..Encoder::default()
    });
    let mut templates = Templates::default();
    let mut families = Families::new(METRICS);
    let answers = like_each_other(8, 4);
    let n_packed = answers.iter().flat_map(|it| [(it, &text), (it, &openmetrics)]);
    let n_packed = n_packed.filter(|((shape, values), encoder)| {
        scraped(shape, values, &mut families);
        let mut plain = Vec::new();
        assert_eq!(templates.write(encoder, &[&families], &mut plain), []);
        templates.deflate(&plain, &mut Vec::new())
    });
    assert_eq!(n_packed.count(), 6);
    assert_eq!(templates.n_packed(), 2);
}
