//! Prometheus text format 0.0.4, as strict as node_exporter's parser of text files is (prometheus/common `expfmt`).
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//!
//! Stricter in what would be shown wrong or not at all: timestamps, gauge histograms, label names that begin with
//! `__`, counts that are no whole numbers, histograms whose last bucket contradicts their count.

mod line;
mod merge;

pub use merge::{Group, Merged};

use line::Line;
use std::collections::{BTreeSet, HashMap};

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

/// Where a text is not as it must be.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Counts from 1.
    pub line: usize,
    pub problem: String,
}

/// The families of `text` that have samples, in the order in which it names them.
///
/// # Errors
/// At the first line that is not as the format asks; then nothing of the text is to be trusted.
pub fn parse(text: &[u8]) -> Result<Vec<Family>, Malformed> {
    let mut parser = Parser::default();
    let mut rest = text;
    for number in 1.. {
        let malformed = |problem| Malformed { line: number, problem };
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            if !rest.iter().all(|&byte| line::is_blank(byte)) {
                return Err(malformed("the last line has no newline: the file was cut short".to_owned()));
            }
            break;
        };
        let parsed = line::parse(&rest[..end]).and_then(|line| parser.add(line));
        parsed.map_err(malformed)?;
        rest = &rest[end + 1..];
    }
    parser.families.retain(|family| !family.samples.is_empty());
    Ok(parser.families)
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
    families: Vec<Family>,
    /// Where each stands in `families`.
    index: HashMap<String, usize>,
    /// Whether `families` have a type, said by a line or by their samples' being there without one.
    is_typed: Vec<bool>,
    /// The sample that the lines of one histogram or summary make, and its count if it was given.
    distributions: HashMap<(usize, Labels), (usize, Option<u64>)>,
}

/// What a line of a histogram or summary tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Point,
    Sum,
    Count,
}

impl Parser {
    fn add(&mut self, line: Line<'_>) -> Result<(), String> {
        match line {
            Line::Comment => Ok(()),
            Line::Help(name, text) => {
                let (family, _) = self.family(name);
                match self.families[family].help.replace(text) {
                    None => Ok(()),
                    Some(_) => Err(format!("a second HELP for `{}`", self.families[family].name)),
                }
            }
            Line::Type(name, kind) => {
                let (family, _) = self.family(name);
                self.families[family].kind = kind;
                match std::mem::replace(&mut self.is_typed[family], true) {
                    false => Ok(()),
                    true => Err(format!(
                        "a second TYPE for `{}`, or one after its samples",
                        self.families[family].name
                    )),
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
        self.is_typed.push(false);
        self.index.insert(name.to_owned(), family);
        (family, Part::Point)
    }

    fn add_sample(&mut self, name: &str, mut labels: Labels, value: f64) -> Result<(), String> {
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
            return Err(format!("the label `{}` is given twice", twice[0].0));
        }
        if !matches!(kind, Kind::Histogram | Kind::Summary) {
            self.families[family].samples.push(Sample { labels, value: Value::Number(value) });
            return Ok(());
        }
        self.add_part(family, labels, part, bound, value)
    }

    fn add_part(
        &mut self,
        family: usize,
        labels: Labels,
        part: Part,
        bound: Option<f64>,
        value: f64,
    ) -> Result<(), String> {
        let Family { kind, samples, .. } = &mut self.families[family];
        let is_histogram = *kind == Kind::Histogram;
        let (sample, known_count) =
            self.distributions.entry((family, labels)).or_insert_with_key(|(_, labels)| {
                samples.push(Sample {
                    labels: labels.clone(),
                    value: Value::Distribution(Distribution::default()),
                });
                (samples.len() - 1, None)
            });
        let Value::Distribution(distribution) = &mut samples[*sample].value else {
            unreachable!("families of this type hold nothing else");
        };
        let is_last_bucket = is_histogram && bound == Some(f64::INFINITY);
        match (part, bound) {
            (Part::Sum, _) => distribution.sum = value,
            (Part::Point, Some(bound)) if !is_last_bucket => {
                if is_histogram {
                    whole(value)?;
                }
                distribution.set_point(bound, value);
            }
            (Part::Point, None) => {}
            (Part::Count | Part::Point, _) => {
                let count = whole(value)?;
                if let Some(known) = known_count.replace(count).filter(|&known| known != count) {
                    return Err(format!(
                        "the count, which is the bucket up to +Inf too, is both {known} and {count}"
                    ));
                }
                distribution.count = count;
            }
        }
        Ok(())
    }
}

impl Distribution {
    /// Keeps the points ascending; of two with one bound the later holds.
    fn set_point(&mut self, bound: f64, value: f64) {
        let place = self.points.partition_point(|&(it, _)| it < bound);
        match self.points.get_mut(place) {
            Some(point) if point.0 == bound => point.1 = value,
            _ => self.points.insert(place, (bound, value)),
        }
    }
}

/// Takes the label that tells a bucket's or quantile's bound out of the others; NaN is none.
fn take_bound(labels: &mut Labels, name: &str) -> Result<Option<f64>, String> {
    let mut bound = None;
    while let Some(at) = labels.iter().position(|(label, _)| label == name) {
        let (_, text) = labels.remove(at);
        let number =
            line::number(text.as_bytes()).ok_or_else(|| format!("the label `{name}` is no number"))?;
        bound = Some(number).filter(|it| !it.is_nan());
    }
    Ok(bound)
}

fn whole(value: f64) -> Result<u64, String> {
    if value < 0.0 || value.trunc() != value || value > u64::MAX as f64 {
        return Err(format!("expected a count, found {value}"));
    }
    Ok(value as u64)
}

#[cfg(test)]
mod tests;
