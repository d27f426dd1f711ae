//! Prometheus' protobuf format: `io.prometheus.client.MetricFamily` messages, each after its length. Written straight
//! into the answer: messages made for a generated encoder would cost an allocation a label.
//! <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>

use super::{Histograms, names::Escaping, stamps::Stamps};
use crate::metric::{Buckets, Conflict, Families, Kind, Native, Row, Value, gather};

/// Appends all samples of `parts` whose family `wants`. Returns what had to be left out.
pub(super) fn write(
    parts: &[&Families],
    histograms: Histograms,
    escaping: Escaping,
    epoch: f64,
    wants: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
) -> Vec<Conflict> {
    let mut stamps = Stamps::new(epoch, write_timestamp);
    gather(parts, |family, rows| {
        if !wants(family.name) {
            return;
        }
        delimited(out, |out| {
            nested(out, family::NAME, |out| escaping.write(family.name, out));
            bytes(out, family::HELP, family.help.as_bytes());
            uint(out, family::TYPE, type_number(family.kind));
            for row in rows {
                let start = row.start().filter(|_| family.kind.counts()).map(|it| stamps.of(it));
                nested(out, family::METRIC, |out| {
                    write_labels(row, escaping, out);
                    write_value(row, family.kind, histograms, start, out);
                });
            }
        });
    })
}

/// Field numbers of `MetricFamily`.
mod family {
    pub(super) const NAME: u32 = 1;
    pub(super) const HELP: u32 = 2;
    pub(super) const TYPE: u32 = 3;
    pub(super) const METRIC: u32 = 4;
}

/// Field numbers of `Metric`; those of single values hold a message whose field 1 is the number.
mod metric {
    pub(super) const LABEL: u32 = 1;
    pub(super) const GAUGE: u32 = 2;
    pub(super) const COUNTER: u32 = 3;
    pub(super) const SUMMARY: u32 = 4;
    pub(super) const UNTYPED: u32 = 5;
    pub(super) const HISTOGRAM: u32 = 7;
}

/// Field numbers of `Histogram`; `Summary` begins alike.
mod histogram {
    pub(super) const SAMPLE_COUNT: u32 = 1;
    pub(super) const SAMPLE_SUM: u32 = 2;
    pub(super) const BUCKET_OR_QUANTILE: u32 = 3;
    pub(super) const SCHEMA: u32 = 5;
    pub(super) const ZERO_THRESHOLD: u32 = 6;
    pub(super) const ZERO_COUNT: u32 = 7;
    pub(super) const POSITIVE_SPAN: u32 = 12;
    pub(super) const POSITIVE_DELTA: u32 = 13;
    pub(super) const CREATED: u32 = 15;
}

/// The field of that name elsewhere.
const COUNTER_CREATED: u32 = 3;
const SUMMARY_CREATED: u32 = 4;

fn type_number(kind: Kind) -> u64 {
    match kind {
        Kind::Counter => 0,
        Kind::Gauge => 1,
        Kind::Summary => 2,
        Kind::Untyped => 3,
        Kind::Histogram => 4,
    }
}

fn write_labels(row: &Row<'_>, escaping: Escaping, out: &mut Vec<u8>) {
    for (name, value) in row.labels() {
        nested(out, metric::LABEL, |out| {
            nested(out, 1, |out| escaping.write(name, out));
            bytes(out, 2, value.as_bytes());
        });
    }
}

/// `start`: the timestamp, as a message after its length.
fn write_value(row: &Row<'_>, kind: Kind, histograms: Histograms, start: Option<&[u8]>, out: &mut Vec<u8>) {
    match row.value() {
        Value::Number(value) => {
            let field = match kind {
                Kind::Counter => metric::COUNTER,
                Kind::Gauge => metric::GAUGE,
                Kind::Summary | Kind::Untyped | Kind::Histogram => metric::UNTYPED,
            };
            nested(out, field, |out| {
                double(out, 1, value);
                message(out, COUNTER_CREATED, start);
            });
        }
        Value::Summary(it) => nested(out, metric::SUMMARY, |out| {
            uint(out, histogram::SAMPLE_COUNT, it.count);
            double(out, histogram::SAMPLE_SUM, it.sum);
            for &(quantile, value) in &it.quantiles {
                nested(out, histogram::BUCKET_OR_QUANTILE, |out| {
                    double(out, 1, quantile);
                    double(out, 2, value);
                });
            }
            message(out, SUMMARY_CREATED, start);
        }),
        Value::Histogram(it) => nested(out, metric::HISTOGRAM, |out| {
            write_histogram(it, histograms, out);
            message(out, histogram::CREATED, start);
        }),
    }
}

fn write_histogram(it: &Buckets, histograms: Histograms, out: &mut Vec<u8>) {
    uint(out, histogram::SAMPLE_COUNT, it.count);
    double(out, histogram::SAMPLE_SUM, it.sum);
    if it.native.is_none() || histograms == Histograms::NativeAndClassic {
        let last = (it.classic.last().is_none_or(|(upper, _)| upper.is_finite()))
            .then_some((f64::INFINITY, it.count));
        for (upper, count) in it.classic.iter().copied().chain(last) {
            nested(out, histogram::BUCKET_OR_QUANTILE, |out| {
                uint(out, 1, count);
                double(out, 2, upper);
            });
        }
    }
    if let Some(native) = &it.native {
        write_native(native, out);
    }
}

fn write_native(it: &Native, out: &mut Vec<u8>) {
    sint(out, histogram::SCHEMA, i64::from(it.schema));
    double(out, histogram::ZERO_THRESHOLD, it.zero_threshold);
    uint(out, histogram::ZERO_COUNT, it.zero_count);
    let mut is_empty = true;
    for (offset, counts) in it.spans() {
        is_empty = false;
        nested(out, histogram::POSITIVE_SPAN, |out| {
            sint(out, 1, offset.into());
            uint(out, 2, counts.len() as u64);
        });
    }
    if is_empty {
        // Without this a histogram that has seen nothing yet would pass for a classic one.
        nested(out, histogram::POSITIVE_SPAN, |out| {
            sint(out, 1, 0);
            uint(out, 2, 0);
        });
    } else {
        nested(out, histogram::POSITIVE_DELTA, |out| {
            let mut before = 0;
            for &count in it.spans().flat_map(|(_, counts)| counts) {
                varint(out, zigzag((count as i64).wrapping_sub(before)));
                before = count as i64;
            }
        });
    }
}

/// A `google.protobuf.Timestamp` after its length.
fn write_timestamp(ms: u64, out: &mut Vec<u8>) {
    delimited(out, |out| {
        uint(out, 1, ms / 1000);
        uint(out, 2, ms % 1000 * 1_000_000);
    });
}

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

fn sint(out: &mut Vec<u8>, field: u32, value: i64) {
    tag(out, field, VARINT);
    varint(out, zigzag(value));
}

fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    tag(out, field, LENGTH);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A message that was written before, after its length.
fn message(out: &mut Vec<u8>, field: u32, it: Option<&[u8]>) {
    if let Some(it) = it {
        tag(out, field, LENGTH);
        out.extend_from_slice(it);
    }
}

fn nested(out: &mut Vec<u8>, field: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, LENGTH);
    delimited(out, fill);
}

/// What `fill` appends, after its length. One byte is kept for that; what needs more is moved up.
fn delimited(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    fill(out);
    let end = out.len();
    let length = end - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    varint(out, length as u64);
    let n_bytes = out.len() - end;
    let mut prefix = [0; 10];
    prefix[..n_bytes].copy_from_slice(&out[end..]);
    out.copy_within(start + 1..end, start + n_bytes);
    out[start..start + n_bytes].copy_from_slice(&prefix[..n_bytes]);
    out.truncate(start + n_bytes + length);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}
