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

/// Where a number stands in the text, and which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The sample's index, as [`Row::index`].
    pub(super) sample: u32,
    pub(super) figure: Figure,
}

/// A number out of a sample's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Number,
    /// The count up to the classic bound of this index.
    Bucket(u32),
    Sum,
    Count,
}

/// Appends all samples of `parts` whose family `wants`, with samples of since when they count if they may have some,
/// and tells `marks` where their numbers stand. Returns what had to be left out.
pub(super) fn write(
    parts: &[&Families],
    dialect: Dialect,
    escaping: Escaping,
    mut created: Option<Stamps>,
    wants: impl Fn(&str) -> bool,
    out: &mut Vec<u8>,
    marks: Option<&mut Vec<Mark>>,
) -> Vec<Conflict> {
    let mut writer = Writer { marks, ..Writer::new(dialect, escaping, out) };
    let mut seen: Vec<&str> = Vec::new();
    let conflicts = gather(parts, |family, rows| {
        if wants(family.name) {
            let kind = dialect.kind(family, rows, &seen);
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
    /// samples, so one that lacks it, or whose bare name is another family's (`seen`, sorted), is of unknown kind, as is
    /// one with a value that no counter may have.
    fn kind(self, family: &Family<'_>, rows: &[Row<'_>], seen: &[&str]) -> Kind {
        let is_counter = self == Self::OpenMetrics && family.kind == Kind::Counter;
        match family.name.strip_suffix(TOTAL) {
            Some(base)
                if is_counter
                    && seen.binary_search(&base).is_err()
                    && rows.iter().all(|it| it.value().may_be_counted()) =>
            {
                Kind::Counter
            }
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

    /// A number of the sample's value.
    pub(super) fn write_figure(self, value: &Value<'_>, figure: Figure, out: &mut Vec<u8>) {
        match (value, figure) {
            (Value::Number(value), _) => self.write_number(*value, out),
            (Value::Histogram(it), Figure::Bucket(idx)) => self.write_count(it.classic[idx as usize].1, out),
            (Value::Histogram(it), Figure::Count) => self.write_count(it.count, out),
            (Value::Histogram(it), _) => self.write_number(it.sum, out),
            (Value::Summary(it), Figure::Count) => self.write_count(it.count, out),
            (Value::Summary(it), Figure::Bucket(idx)) => self.write_number(it.quantiles[idx as usize].1, out),
            (Value::Summary(it), _) => self.write_number(it.sum, out),
        }
    }

    /// OpenMetrics says of a number without a point that it is an integer, which only counts are.
    fn write_number(self, value: f64, out: &mut Vec<u8>) {
        let start = out.len();
        number::write(value, out);
        let is_whole = || out[start..].iter().all(|&byte| byte.is_ascii_digit() || byte == b'-');
        if self == Self::OpenMetrics && is_whole() {
            out.extend_from_slice(b".0");
        }
    }

    fn write_count(self, count: u64, out: &mut Vec<u8>) {
        match self {
            Self::Prometheus => number::write(count as f64, out),
            Self::OpenMetrics => out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes()),
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
    marks: Option<&'a mut Vec<Mark>>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(dialect: Dialect, escaping: Escaping, out: &'a mut Vec<u8>) -> Self {
        Self { dialect, escaping, out, name: Vec::new(), is_quoted: false, marks: None }
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
        let value = row.value();
        match value {
            Value::Number(_) => self.write_sample("", row, None, &value, Figure::Number),
            Value::Summary(it) => {
                for (idx, &(quantile, _)) in (0..).zip(&it.quantiles) {
                    let bound = Some(("quantile", quantile));
                    self.write_sample("", row, bound, &value, Figure::Bucket(idx));
                }
                self.write_sample("_sum", row, None, &value, Figure::Sum);
                self.write_sample("_count", row, None, &value, Figure::Count);
            }
            Value::Histogram(it) => {
                debug_assert_eq!(kind, Kind::Histogram, "histograms are pushed into histogram families");
                for (idx, &(upper, _)) in (0..).zip(&it.classic).filter(|(_, (upper, _))| upper.is_finite()) {
                    self.write_sample("_bucket", row, Some(("le", upper)), &value, Figure::Bucket(idx));
                }
                self.write_sample("_bucket", row, Some(("le", f64::INFINITY)), &value, Figure::Count);
                self.write_sample("_sum", row, None, &value, Figure::Sum);
                self.write_sample("_count", row, None, &value, Figure::Count);
            }
        }
    }

    fn write_sample(
        &mut self,
        suffix: &str,
        row: &Row<'_>,
        bound: Option<(&str, f64)>,
        value: &Value<'_>,
        figure: Figure,
    ) {
        self.write_series(suffix, row, bound);
        let start = self.out.len();
        self.dialect.write_figure(value, figure, self.out);
        if let Some(marks) = &mut self.marks {
            marks.push(Mark { start, end: self.out.len(), sample: row.index(), figure });
        }
        self.out.push(b'\n');
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
            self.dialect.write_number(bound, self.out);
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
