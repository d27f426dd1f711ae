//! Prometheus text format 0.0.4, byte for byte as `client_golang` writes it.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use super::number;
use crate::metric::{Conflict, Families, Family, Row, Value, gather};

/// Appends all samples of `parts`. Returns what had to be left out.
pub fn write(parts: &[&Families], out: &mut Vec<u8>) -> Vec<Conflict> {
    gather(parts, |family, rows| {
        write_head(family, out);
        for row in rows {
            write_row(family.name, row, out);
        }
    })
}

fn write_head(family: &Family<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(family.name.as_bytes());
    out.push(b' ');
    write_escaped(family.help, b"\\\n", out);
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(family.name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(family.kind.as_str().as_bytes());
    out.push(b'\n');
}

fn write_row(name: &str, row: &Row<'_>, out: &mut Vec<u8>) {
    match row.value() {
        Value::Number(value) => write_sample(name, "", row, None, value, out),
        Value::Summary(it) => {
            for &(quantile, value) in &it.quantiles {
                write_sample(name, "", row, Some(("quantile", quantile)), value, out);
            }
            write_sample(name, "_sum", row, None, it.sum, out);
            write_sample(name, "_count", row, None, it.count as f64, out);
        }
        Value::Histogram(it) => {
            for &(upper, count) in it.classic.iter().filter(|(upper, _)| upper.is_finite()) {
                write_sample(name, "_bucket", row, Some(("le", upper)), count as f64, out);
            }
            write_sample(name, "_bucket", row, Some(("le", f64::INFINITY)), it.count as f64, out);
            write_sample(name, "_sum", row, None, it.sum, out);
            write_sample(name, "_count", row, None, it.count as f64, out);
        }
    }
}

fn write_sample(
    name: &str,
    suffix: &str,
    row: &Row<'_>,
    bound: Option<(&str, f64)>,
    value: f64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let mut separator = b'{';
    for (label, text) in row.labels() {
        out.push(separator);
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        write_escaped(text, b"\\\"\n", out);
        out.push(b'"');
        separator = b',';
    }
    if let Some((label, bound)) = bound {
        out.push(separator);
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        number::write(bound, out);
        out.push(b'"');
        separator = b',';
    }
    if separator == b',' {
        out.push(b'}');
    }
    out.push(b' ');
    number::write(value, out);
    out.push(b'\n');
}

fn write_escaped(text: &str, special: &[u8], out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            _ if !special.contains(&byte) => out.push(byte),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.extend_from_slice(&[b'\\', byte]),
        }
    }
}

/// The `Content-Type` of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
