//! Prometheus text format 0.0.4, as strict as node_exporter's parser of text files is (prometheus/common `expfmt`).
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//!
//! Stricter in what would be shown wrong or not at all: timestamps, gauge histograms, label names that begin with
//! `__`, counts that are no whole numbers, histograms whose last bucket contradicts their count. Two things cost
//! themselves and not the file: a sample that was there already, and a histogram without its last bucket or with buckets
//! that fall.

mod line;
mod merge;

pub use merge::{Group, Merged};

use line::Line;
use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// All samples of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    pub name: String,
    pub kind: Kind,
    pub help: Option<String>,
    pub samples: Vec<Sample>,
}

/// What a `# TYPE` line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

impl Kind {
    /// What the names of its samples end in, beside the family's own.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Histogram => &["_sum", "_count", "_bucket"],
            Self::Summary => &["_sum", "_count"],
            Self::Counter | Self::Gauge | Self::Untyped => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub value: Value,
}

/// Names and values, sorted by name.
pub type Labels = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    /// Of a histogram or a summary.
    Distribution(Distribution),
}

/// What the lines of one histogram or summary say together; what they do not say is 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Bound and value of each bucket or quantile, ascending. A histogram's last bucket, up to +Inf, is `count`.
    pub points: Vec<(f64, f64)>,
    pub sum: f64,
    pub count: u64,
}

/// What a text holds.
#[derive(Debug, Default)]
pub struct Text {
    /// The families that have samples, in the order in which the text names them.
    pub families: Vec<Family>,
    /// The line that names each first.
    pub lines: Vec<usize>,
    pub left_out: Vec<Malformed>,
}

/// Where a text is not as it must be.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Counts from 1.
    pub line: usize,
    pub wrong: Wrong,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Without a word of the text: anybody may read it, and the text may be a secret that a link led to.
    pub problem: &'static str,
    /// What stands there, for the log alone.
    pub found: String,
}

impl Wrong {
    fn new(problem: &'static str, found: impl Into<String>) -> Self {
        Self { problem, found: found.into() }
    }
}

impl From<&'static str> for Wrong {
    fn from(problem: &'static str) -> Self {
        Self::new(problem, "")
    }
}

/// # Errors
/// At the first line that is not as the format asks; then nothing of the text is to be trusted.
pub fn parse(text: &[u8]) -> Result<Text, Malformed> {
    let mut parser = Parser::default();
    let mut rest = text;
    for number in 1.. {
        let malformed = |wrong| Malformed { line: number, wrong };
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            if !rest.iter().all(|&byte| line::is_blank(byte)) {
                return Err(malformed("the last line has no newline: the file was cut short".into()));
            }
            break;
        };
        parser.line = number;
        let parsed = line::parse(&rest[..end]).and_then(|line| parser.add(line));
        parsed.map_err(malformed)?;
        rest = &rest[end + 1..];
    }
    Ok(parser.end())
}

impl Family {
    /// Gives every sample all the labels that any of them has: what one lacks is empty.
    pub fn complete_labels(&mut self) {
        let names: BTreeSet<_> =
            self.samples.iter().flat_map(|it| &it.labels).map(|(name, _)| name.clone()).collect();
        for Sample { labels, .. } in &mut self.samples {
            for name in &names {
                if let Err(place) = labels.binary_search_by(|(it, _)| it.cmp(name)) {
                    labels.insert(place, (name.clone(), String::new()));
                }
            }
        }
    }
}

#[derive(Default)]
struct Parser {
    /// The number of the line that is read.
    line: usize,
    families: Vec<Family>,
    /// The line that names each first.
    lines: Vec<usize>,
    /// Where each stands in `families`.
    index: HashMap<String, usize>,
    /// Whether `families` have a type, said by a line or by their samples' being there without one.
    is_typed: Vec<bool>,
    /// The samples that are numbers, by family and the hash of their labels.
    numbers: HashMap<(usize, u64), usize>,
    /// What the lines of one histogram or summary make.
    distributions: HashMap<(usize, Labels), Known>,
    left_out: Vec<Malformed>,
}

/// What is known of a histogram or summary.
struct Known {
    /// Its first line.
    line: usize,
    /// Where it stands in its family.
    sample: usize,
    has_sum: bool,
    /// What its line of the count says.
    count: Option<u64>,
    /// What the bucket up to +Inf says.
    last_bucket: Option<u64>,
}

/// What a line of a histogram or summary tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Point,
    Sum,
    Count,
}

impl Parser {
    fn add(&mut self, line: Line<'_>) -> Result<(), Wrong> {
        match line {
            Line::Comment => Ok(()),
            Line::Help(name, text) => {
                let (family, _) = self.family(name);
                match self.families[family].help.replace(text) {
                    None => Ok(()),
                    Some(_) => Err(Wrong::new("a second HELP", name)),
                }
            }
            Line::Type(name, kind) => {
                let (family, _) = self.family(name);
                self.families[family].kind = kind;
                match std::mem::replace(&mut self.is_typed[family], true) {
                    false => Ok(()),
                    true => Err(Wrong::new("a second TYPE, or one after the samples", name)),
                }
            }
            Line::Sample { name, labels, value } => self.add_sample(name, labels, value),
        }
    }

    /// The family that a name belongs to, made if there is none, and what its line tells of a histogram or summary.
    fn family(&mut self, name: &str) -> (usize, Part) {
        if let Some(&family) = self.index.get(name) {
            return (family, Part::Point);
        }
        for (suffix, part) in [("_count", Part::Count), ("_sum", Part::Sum), ("_bucket", Part::Point)] {
            let Some(&family) = name.strip_suffix(suffix).and_then(|stem| self.index.get(stem)) else {
                continue;
            };
            if self.families[family].kind.suffixes().contains(&suffix) {
                return (family, part);
            }
        }
        let family = self.families.len();
        self.families.push(Family {
            name: name.to_owned(),
            kind: Kind::Untyped,
            help: None,
            samples: Vec::new(),
        });
        self.lines.push(self.line);
        self.is_typed.push(false);
        self.index.insert(name.to_owned(), family);
        (family, Part::Point)
    }

    fn add_sample(&mut self, name: &str, mut labels: Labels, value: f64) -> Result<(), Wrong> {
        let (family, part) = self.family(name);
        self.is_typed[family] = true;
        let kind = self.families[family].kind;
        let bound = match kind {
            Kind::Histogram => take_bound(&mut labels, "le")?,
            Kind::Summary => take_bound(&mut labels, "quantile")?,
            _ => None,
        };
        labels.sort_unstable();
        if let Some(twice) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Wrong::new("a label is given twice", &twice[0].0));
        }
        let is_new = match kind {
            Kind::Histogram | Kind::Summary => self.add_part(family, labels, part, bound, value)?,
            _ => self.add_number(family, labels, value),
        };
        if !is_new {
            let wrong = Wrong::new("the sample was given before", name);
            self.left_out.push(Malformed { line: self.line, wrong });
        }
        Ok(())
    }

    /// Whether it is the first of its labels; a label without a value is none.
    fn add_number(&mut self, family: usize, labels: Labels, value: f64) -> bool {
        let samples = &mut self.families[family].samples;
        let mut hasher = DefaultHasher::new();
        valued(&labels).for_each(|label| label.hash(&mut hasher));
        let first = *self.numbers.entry((family, hasher.finish())).or_insert(samples.len());
        if samples.get(first).is_some_and(|it| valued(&it.labels).eq(valued(&labels))) {
            return false;
        }
        samples.push(Sample { labels, value: Value::Number(value) });
        true
    }

    /// Whether it was not known yet.
    fn add_part(
        &mut self,
        family: usize,
        labels: Labels,
        part: Part,
        bound: Option<f64>,
        value: f64,
    ) -> Result<bool, Wrong> {
        let Family { kind, samples, .. } = &mut self.families[family];
        let is_histogram = *kind == Kind::Histogram;
        let key = (family, valued(&labels).cloned().collect());
        let known = self.distributions.entry(key).or_insert_with(|| {
            samples.push(Sample { labels, value: Value::Distribution(Distribution::default()) });
            let sample = samples.len() - 1;
            Known { line: self.line, sample, has_sum: false, count: None, last_bucket: None }
        });
        let Value::Distribution(distribution) = &mut samples[known.sample].value else {
            unreachable!("families of this type hold nothing else");
        };
        let count = match (part, bound) {
            (Part::Sum, _) => {
                let is_new = !std::mem::replace(&mut known.has_sum, true);
                if is_new {
                    distribution.sum = value;
                }
                return Ok(is_new);
            }
            (Part::Point, None) => return Ok(true),
            (Part::Point, Some(bound)) if !is_histogram || bound != f64::INFINITY => {
                if is_histogram {
                    whole(value)?;
                }
                return Ok(distribution.add_point(bound, value));
            }
            (Part::Point, Some(_)) => &mut known.last_bucket,
            (Part::Count, _) => &mut known.count,
        };
        let value = whole(value)?;
        let is_new = count.is_none();
        count.get_or_insert(value);
        if let Some((count, bucket)) = known.count.zip(known.last_bucket).filter(|(a, b)| a != b) {
            let found = format!("{count} and {bucket}");
            return Err(Wrong::new("the count and the bucket up to +Inf differ", found));
        }
        distribution.count = known.count.or(known.last_bucket).unwrap_or_default();
        Ok(is_new)
    }

    fn end(mut self) -> Text {
        let mut refused = Vec::new();
        for ((family, _), Known { line, sample, last_bucket, .. }) in self.distributions {
            let Family { kind, name, samples, .. } = &self.families[family];
            let Value::Distribution(it) = &samples[sample].value else { continue };
            let problem = match kind {
                Kind::Histogram if last_bucket.is_none() => "a histogram has no bucket up to +Inf",
                Kind::Histogram if it.falls() => "a histogram has buckets that fall",
                _ => continue,
            };
            refused.push((family, sample));
            self.left_out.push(Malformed { line, wrong: Wrong::new(problem, name) });
        }
        // From the last on, so that the places of the others stay.
        refused.sort_unstable();
        for (family, sample) in refused.into_iter().rev() {
            self.families[family].samples.remove(sample);
        }
        self.left_out.sort_unstable_by_key(|it| it.line);
        let named = self.families.into_iter().zip(self.lines).filter(|(it, _)| !it.samples.is_empty());
        let (families, lines) = named.unzip();
        Text { families, lines, left_out: self.left_out }
    }
}

fn valued(labels: &Labels) -> impl Iterator<Item = &(String, String)> {
    labels.iter().filter(|(_, value)| !value.is_empty())
}

impl Distribution {
    /// Keeps the points ascending; of two with one bound the first holds. Whether this is it.
    fn add_point(&mut self, bound: f64, value: f64) -> bool {
        let place = self.points.partition_point(|&(it, _)| it < bound);
        let is_new = self.points.get(place).is_none_or(|&(it, _)| it != bound);
        if is_new {
            self.points.insert(place, (bound, value));
        }
        is_new
    }

    /// Whether a bucket of a histogram holds less than the one before, which it includes.
    fn falls(&self) -> bool {
        let values = self.points.iter().map(|&(_, value)| value).chain([self.count as f64]);
        !values.is_sorted()
    }
}

/// Takes the label that tells a bucket's or quantile's bound out of the others; NaN is none.
fn take_bound(labels: &mut Labels, name: &'static str) -> Result<Option<f64>, Wrong> {
    let mut bound = None;
    while let Some(at) = labels.iter().position(|(label, _)| label == name) {
        let (_, text) = labels.remove(at);
        let number =
            line::number(text.as_bytes()).ok_or_else(|| Wrong::new("the bound is no number", name))?;
        bound = Some(number).filter(|it| !it.is_nan());
    }
    Ok(bound)
}

fn whole(value: f64) -> Result<u64, Wrong> {
    if value < 0.0 || value.trunc() != value || value > u64::MAX as f64 {
        return Err(Wrong::new("expected a count", value.to_string()));
    }
    Ok(value as u64)
}

#[cfg(test)]
mod tests;
