//! The two line formats: Prometheus text 0.0.4, byte for byte as `client_golang` writes it, and OpenMetrics 1.0.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use super::{
    names::{self, Escaping},
    number,
    stamps::Stamps,
};
use crate::metric::{Conflict, Families, Family, Kind, Row, Value, gather};

/// Where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Prometheus,
    OpenMetrics,
}

/// Appends all samples of `parts` whose family `wants`, with samples of since when they count if they may have some.
/// Returns what had to be left out.
pub(super) fn write(
    parts: &[&Families],
    dialect: Dialect,
    escaping: Escaping,
    mut created: Option<Stamps>,
    wants: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
) -> Vec<Conflict> {
    let mut writer = Writer::new(dialect, escaping, out);
    let mut seen: Vec<&str> = Vec::new();
    let conflicts = gather(parts, |family, rows| {
        if wants(family.name) {
            let kind = dialect.kind(family, &seen);
            writer.write_head(family, kind);
            for row in rows {
                writer.write_row(row, kind);
                if let Some(stamps) = &mut created
                    && kind.counts()
                    && let Some(start) = row.start()
                {
                    writer.write_created(row, stamps.of(start));
                }
            }
        }
        seen.push(family.name);
    });
    if dialect == Dialect::OpenMetrics {
        writer.out.extend_from_slice(b"# EOF\n");
    }
    conflicts
}

impl Dialect {
    /// The kind that the format can express. In OpenMetrics a counter's family is named without the `_total` of its
    /// samples, so one that lacks it, or whose bare name is another family's (`seen`, sorted), is of unknown kind.
    fn kind(self, family: &Family<'_>, seen: &[&str]) -> Kind {
        let is_counter = self == Self::OpenMetrics && family.kind == Kind::Counter;
        match family.name.strip_suffix(TOTAL) {
            Some(base) if is_counter && seen.binary_search(&base).is_err() => Kind::Counter,
            _ if is_counter => Kind::Untyped,
            _ => family.kind,
        }
    }

    fn type_word(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::OpenMetrics, Kind::Untyped) => "unknown",
            _ => kind.as_str(),
        }
    }
}

const TOTAL: &str = "_total";

pub(super) struct Writer<'a> {
    dialect: Dialect,
    escaping: Escaping,
    pub(super) out: &'a mut Vec<u8>,
    /// The family's, escaped.
    name: Vec<u8>,
    /// A name of other than the old characters stands in quotes, as the first thing between the braces.
    is_quoted: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(dialect: Dialect, escaping: Escaping, out: &'a mut Vec<u8>) -> Self {
        Self { dialect, escaping, out, name: Vec::new(), is_quoted: false }
    }

    /// Samples are of this family from now on.
    pub(super) fn begin(&mut self, family: &Family<'_>) {
        self.name.clear();
        self.escaping.write(family.name, &mut self.name);
        self.is_quoted = self.escaping == Escaping::AllowUtf8 && !names::is_legacy(family.name);
    }

    fn write_head(&mut self, family: &Family<'_>, kind: Kind) {
        self.begin(family);
        let is_openmetrics = self.dialect == Dialect::OpenMetrics;
        let base = match self.name.strip_suffix(TOTAL.as_bytes()) {
            Some(base) if is_openmetrics && kind == Kind::Counter => base.len(),
            _ => self.name.len(),
        };
        self.out.extend_from_slice(b"# HELP ");
        self.write_family_name(base);
        self.out.push(b' ');
        write_escaped(family.help, if is_openmetrics { b"\\\n\"" } else { b"\\\n" }, self.out);
        self.out.extend_from_slice(b"\n# TYPE ");
        self.write_family_name(base);
        self.out.push(b' ');
        self.out.extend_from_slice(self.dialect.type_word(kind).as_bytes());
        self.out.push(b'\n');
    }

    /// The family's.
    pub(super) fn write_name(&mut self) {
        self.write_family_name(self.name.len());
    }

    /// The first `len` bytes of the name, quoted if need be.
    fn write_family_name(&mut self, len: usize) {
        if self.is_quoted {
            self.out.push(b'"');
            write_escaped_bytes(&self.name[..len], b"\\\"\n", self.out);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(&self.name[..len]);
        }
    }

    fn write_row(&mut self, row: &Row<'_>, kind: Kind) {
        match row.value() {
            Value::Number(value) => {
                self.write_series("", row, None);
                self.write_value(value);
            }
            Value::Summary(it) => {
                for &(quantile, value) in &it.quantiles {
                    self.write_series("", row, Some(("quantile", quantile)));
                    self.write_value(value);
                }
                self.write_sum_and_count(row, it.sum, it.count);
            }
            Value::Histogram(it) => {
                debug_assert_eq!(kind, Kind::Histogram, "histograms are pushed into histogram families");
                for &(upper, count) in it.classic.iter().filter(|(upper, _)| upper.is_finite()) {
                    self.write_series("_bucket", row, Some(("le", upper)));
                    self.write_count(count);
                }
                self.write_series("_bucket", row, Some(("le", f64::INFINITY)));
                self.write_count(it.count);
                self.write_sum_and_count(row, it.sum, it.count);
            }
        }
    }

    fn write_sum_and_count(&mut self, row: &Row<'_>, sum: f64, count: u64) {
        self.write_series("_sum", row, None);
        self.write_value(sum);
        self.write_series("_count", row, None);
        self.write_count(count);
    }

    /// Since when a row counts, as a sample.
    fn write_created(&mut self, row: &Row<'_>, stamp: &[u8]) {
        let len = self.name.len();
        self.name.truncate(self.name.strip_suffix(TOTAL.as_bytes()).map_or(len, <[u8]>::len));
        self.write_series("_created", row, None);
        self.name.extend_from_slice(&TOTAL.as_bytes()[..len - self.name.len()]);
        self.out.extend_from_slice(stamp);
        self.out.push(b'\n');
    }

    /// Name, labels and the blank before the value.
    pub(super) fn write_series(&mut self, suffix: &str, row: &Row<'_>, bound: Option<(&str, f64)>) {
        let mut separator = b'{';
        if self.is_quoted {
            self.out.extend_from_slice(b"{\"");
            write_escaped_bytes(&self.name, b"\\\"\n", self.out);
            self.out.extend_from_slice(suffix.as_bytes());
            self.out.push(b'"');
            separator = b',';
        } else {
            self.out.extend_from_slice(&self.name);
            self.out.extend_from_slice(suffix.as_bytes());
        }
        for (label, text) in row.labels() {
            self.out.push(separator);
            self.write_label_name(label);
            self.out.extend_from_slice(b"=\"");
            write_escaped(text, b"\\\"\n", self.out);
            self.out.push(b'"');
            separator = b',';
        }
        if let Some((label, bound)) = bound {
            self.out.push(separator);
            self.out.extend_from_slice(label.as_bytes());
            self.out.extend_from_slice(b"=\"");
            self.write_number(bound);
            self.out.push(b'"');
            separator = b',';
        }
        if separator == b',' {
            self.out.push(b'}');
        }
        self.out.push(b' ');
    }

    fn write_label_name(&mut self, label: &str) {
        if self.escaping == Escaping::AllowUtf8 && !names::is_legacy(label) {
            self.out.push(b'"');
            write_escaped(label, b"\\\"\n", self.out);
            self.out.push(b'"');
        } else {
            self.escaping.write(label, self.out);
        }
    }

    fn write_value(&mut self, value: f64) {
        self.write_number(value);
        self.out.push(b'\n');
    }

    /// OpenMetrics says of a number without a point that it is an integer, which only counts are.
    fn write_number(&mut self, value: f64) {
        let start = self.out.len();
        number::write(value, self.out);
        let is_whole = || self.out[start..].iter().all(|&byte| byte.is_ascii_digit() || byte == b'-');
        if self.dialect == Dialect::OpenMetrics && is_whole() {
            self.out.extend_from_slice(b".0");
        }
    }

    fn write_count(&mut self, count: u64) {
        match self.dialect {
            Dialect::Prometheus => number::write(count as f64, self.out),
            Dialect::OpenMetrics => self.out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes()),
        }
        self.out.push(b'\n');
    }
}

pub(super) fn write_escaped(text: &str, special: &[u8], out: &mut Vec<u8>) {
    write_escaped_bytes(text.as_bytes(), special, out);
}

fn write_escaped_bytes(text: &[u8], special: &[u8], out: &mut Vec<u8>) {
    // Nearly no text needs it, and copying is faster than looking at each byte twice.
    if !text.iter().any(|byte| special.contains(byte)) {
        return out.extend_from_slice(text);
    }
    for &byte in text {
        match byte {
            _ if !special.contains(&byte) => out.push(byte),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.extend_from_slice(&[b'\\', byte]),
        }
    }
}
