//! OpenMetrics 2.0 as of its release candidate: a line a histogram, with native buckets, and since when it counts.
//! <https://prometheus.io/docs/specs/om/open_metrics_spec_2_0/>

use super::{
    Histograms, number,
    stamps::Stamps,
    text::{Writer, write_escaped},
};
use crate::metric::{Buckets, Conflict, Families, Family, Kind, Native, Quantiles, Row, Value, gather, unit};
use std::borrow::Cow;

/// Appends all samples of `parts` whose family `wants`. Returns what had to be left out.
pub(super) fn write(
    parts: &[&Families],
    histograms: Histograms,
    mut stamps: Stamps,
    mut writer: Writer<'_>,
    wants: impl Fn(&str) -> bool,
) -> Vec<Conflict> {
    let mut refused = Vec::new();
    let mut conflicts = gather(parts, |family, rows| {
        if wants(family.name) {
            let kind = kind(family, rows);
            if rows.iter().any(has_other_quantiles) {
                let why = "a quantile is not between 0 and 1, as OpenMetrics 2.0 wants it";
                refused.push(Conflict { family: family.name.to_owned(), why });
            }
            write_head(family, kind, rows, &mut writer);
            for row in rows {
                write_row(row, kind, histograms, &mut stamps, &mut writer);
            }
        }
    });
    writer.out.extend_from_slice(b"# EOF\n");
    conflicts.append(&mut refused);
    conflicts
}

fn has_other_quantiles(row: &Row<'_>) -> bool {
    matches!(row.value(), Value::Summary(it) if !it.quantiles.iter().all(is_quantile))
}

fn is_quantile((quantile, _): &(f64, f64)) -> bool {
    (0.0..=1.0).contains(quantile)
}

/// A value that no counter may have ends the whole answer for strict readers, such as Prometheus' own.
fn kind(family: &Family<'_>, rows: &[Row<'_>]) -> Kind {
    let is_broken = family.kind == Kind::Counter && !rows.iter().all(|it| it.value().may_be_counted());
    if is_broken { Kind::Untyped } else { family.kind }
}

/// Names stand as they are, so one that ends as its unit says does so in all families of the agent.
fn write_head(family: &Family<'_>, kind: Kind, rows: &[Row<'_>], writer: &mut Writer<'_>) {
    writer.begin(family);
    let word = type_word(family.name, kind, rows);
    let mut line = |field: &[u8], text: &dyn Fn(&mut Vec<u8>)| {
        writer.out.extend_from_slice(field);
        writer.write_name();
        writer.out.push(b' ');
        text(writer.out);
        writer.out.push(b'\n');
    };
    line(b"# TYPE ", &|out| out.extend_from_slice(word.as_bytes()));
    if let Some(unit) = unit(family.name).filter(|_| word != "info") {
        line(b"# UNIT ", &|out| out.extend_from_slice(unit.as_bytes()));
    }
    // No line may hold a carriage return, and there is no escape for it.
    let help = match family.help.contains('\r') {
        true => Cow::Owned(family.help.replace('\r', " ")),
        false => Cow::Borrowed(family.help),
    };
    line(b"# HELP ", &|out| write_escaped(&help, b"\\\n\"", out));
}

/// A gauge that is always 1 and named so is an info. No family is a stateset, whose label would have the family's name.
fn type_word(name: &str, kind: Kind, rows: &[Row<'_>]) -> &'static str {
    let is_one = |row: &Row<'_>| matches!(row.value(), Value::Number(1.0));
    match kind {
        Kind::Untyped => "unknown",
        Kind::Gauge if name.ends_with("_info") && rows.iter().all(is_one) => "info",
        kind => kind.as_str(),
    }
}

fn write_row(
    row: &Row<'_>,
    kind: Kind,
    histograms: Histograms,
    stamps: &mut Stamps,
    writer: &mut Writer<'_>,
) {
    writer.write_series("", row, None);
    let out = &mut *writer.out;
    match row.value() {
        Value::Number(value) => number::write(value, out),
        Value::Summary(it) => write_summary(it, out),
        Value::Histogram(it) => write_histogram(it, histograms, out),
    }
    if let Some(start) = row.start().filter(|_| kind.counts()) {
        out.extend_from_slice(b" st@");
        out.extend_from_slice(stamps.of(start));
    }
    out.push(b'\n');
}

fn write_summary(it: &Quantiles, out: &mut Vec<u8>) {
    write_count_and_sum(it.count, it.sum, out);
    let quantiles = it.quantiles.iter().filter(|it| is_quantile(it));
    write_list(",quantile:", quantiles, out, |&(quantile, value), out| {
        number::write(quantile, out);
        out.push(b':');
        number::write(value, out);
    });
    out.push(b'}');
}

fn write_histogram(it: &Buckets, histograms: Histograms, out: &mut Vec<u8>) {
    write_count_and_sum(it.count, it.sum, out);
    if let Some(native) = &it.native {
        write_native(native, out);
    }
    if it.native.is_none() || histograms == Histograms::NativeAndClassic {
        let bounds = it.classic.iter().filter(|it| it.0 != f64::INFINITY);
        let last = (f64::INFINITY, it.count);
        write_list(",bucket:", bounds.chain([&last]), out, |&(upper, count), out| {
            number::write(upper, out);
            out.push(b':');
            write_whole(count, out);
        });
    }
    out.push(b'}');
}

fn write_count_and_sum(count: u64, sum: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{count:");
    write_whole(count, out);
    out.extend_from_slice(b",sum:");
    number::write(sum, out);
}

fn write_native(it: &Native, out: &mut Vec<u8>) {
    out.extend_from_slice(b",schema:");
    write_whole(it.schema, out);
    out.extend_from_slice(b",zero_threshold:");
    number::write(it.zero_threshold, out);
    out.extend_from_slice(b",zero_count:");
    write_whole(it.zero_count, out);
    if it.spans().next().is_some() {
        write_list(",positive_spans:", it.spans(), out, |(offset, counts), out| {
            write_whole(offset, out);
            out.push(b':');
            write_whole(counts.len(), out);
        });
        let counts = it.spans().flat_map(|(_, counts)| counts);
        write_list(",positive_buckets:", counts, out, |&count, out| write_whole(count, out));
    }
}

/// A field that is a list.
fn write_list<T>(
    field: &str,
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.extend_from_slice(field.as_bytes());
    let mut before = b'[';
    for item in items {
        out.push(before);
        write(item, out);
        before = b',';
    }
    if before == b'[' {
        out.push(b'[');
    }
    out.push(b']');
}

fn write_whole(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
