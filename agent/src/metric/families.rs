//! The sink that a collector pushes into: one scrape's samples, grouped by family.

use super::{Buckets, Desc, Kind, LabelValues, Meta, Number, Quantiles, Value, labels::Arena};
use std::{collections::HashMap, ptr};

/// One collector's samples of one scrape. Kept between scrapes: [`clear`](Self::clear) gives no memory back, so a
/// steady host's scrape allocates nothing here.
#[derive(Clone, Debug)]
pub struct Families {
    /// What the collector declared; `declared` runs parallel to it.
    pub(super) meta: &'static [Meta],
    pub(super) declared: Vec<Vec<Sample>>,
    /// Families whose name the kernel or a file gives.
    pub(super) named: HashMap<Box<str>, NamedFamily>,
    pub(super) labels: Arena,
    /// The first `n_buckets` are this scrape's; the rest is kept memory.
    pub(super) buckets: Vec<Buckets>,
    n_buckets: usize,
    pub(super) quantiles: Vec<Quantiles>,
    /// Since when all counts, in seconds after the boot, but for `started` and histograms that say it.
    pub(super) start: Option<f64>,
    /// Numbers with their own.
    pub(super) started: Vec<(f64, Option<f64>)>,
    /// Room to put a name together in.
    name: String,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The first of its labels in the arena.
    pub(super) labels: u32,
    /// How many entries of the arena are its own.
    pub(super) n_labels: u32,
    pub(super) value: SampleValue,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum SampleValue {
    Number(f64),
    /// An index into `started`.
    Started(u32),
    /// An index into `buckets`.
    Histogram(u32),
    /// An index into `quantiles`.
    Summary(u32),
}

#[derive(Clone, Debug)]
pub(super) struct NamedFamily {
    pub(super) kind: Kind,
    pub(super) help: Box<str>,
    pub(super) names: Names,
    pub(super) samples: Vec<Sample>,
}

/// Where the label names of a family's samples stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Declared with the family.
    Declared(&'static [&'static str]),
    /// Before each value in the arena: samples of one family may differ.
    PerSample,
}

impl Families {
    /// An empty sink for the families of `meta`.
    #[must_use]
    pub fn new(meta: &'static [Meta]) -> Self {
        Self {
            meta,
            declared: meta.iter().map(|_| Vec::new()).collect(),
            named: HashMap::new(),
            labels: Arena::default(),
            buckets: Vec::new(),
            n_buckets: 0,
            quantiles: Vec::new(),
            start: None,
            started: Vec::new(),
            name: String::new(),
        }
    }

    /// The same for what counts since then, in seconds after the boot.
    #[must_use]
    pub(crate) fn starting(mut self, start: Option<f64>) -> Self {
        self.start = start;
        self
    }

    /// Since when all counts of which nothing else is said, in seconds after the boot.
    pub(crate) fn start(&self) -> Option<f64> {
        self.start
    }

    /// Forgets the samples and keeps the memory; a named family that was not pushed since the last call is dropped.
    pub fn clear(&mut self) {
        self.declared.iter_mut().for_each(Vec::clear);
        self.named.retain(|_, family| !family.samples.is_empty());
        self.named.values_mut().for_each(|family| family.samples.clear());
        self.labels.clear();
        self.n_buckets = 0;
        self.quantiles.clear();
        self.started.clear();
    }

    /// Samples pushed since the last `clear`; a histogram counts once.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        let named = self.named.values().map(|family| family.samples.len()).sum::<usize>();
        self.declared.iter().map(Vec::len).sum::<usize>() + named
    }

    /// Whether the other one holds the same samples, but for their values. The `values` of both then go together.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        // What is added here must be compared, too, if a line format without timestamps shows it.
        let Self {
            meta,
            declared,
            named,
            labels,
            buckets,
            n_buckets,
            quantiles,
            start: _,
            started: _,
            name: _,
        } = self;
        ptr::eq(*meta, other.meta)
            && declared.iter().zip(&other.declared).all(|(a, b)| are_alike(a, b))
            && named.len() == other.named.len()
            && named.iter().zip(&other.named).all(|(a, b)| a.0 == b.0 && a.1.is_alike(b.1))
            && *labels == other.labels
            && *n_buckets == other.n_buckets
            && buckets[..*n_buckets].iter().zip(&other.buckets).all(|(a, b)| a.is_alike(b))
            // They are rare.
            && quantiles.is_empty()
            && other.quantiles.is_empty()
    }

    /// Whether both are of the same collector.
    pub(crate) fn has_same_origin(&self, other: &Self) -> bool {
        ptr::eq(self.meta, other.meta)
    }

    /// The values of all samples, family by family.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let named = self.named.values().flat_map(|family| &family.samples);
        self.declared.iter().flatten().chain(named).map(|sample| self.value(sample))
    }

    /// Whether all counters have values that counters may have.
    pub(crate) fn counters_count(&self) -> bool {
        let declared = self.meta.iter().map(|it| it.kind).zip(&self.declared);
        let named = self.named.values().map(|it| (it.kind, &it.samples));
        let mut counters = declared.chain(named).filter(|it| it.0 == Kind::Counter);
        counters.all(|(_, samples)| samples.iter().all(|it| self.value(it).may_be_counted()))
    }

    pub(super) fn value(&self, sample: &Sample) -> Value<'_> {
        match sample.value {
            SampleValue::Number(number) => Value::Number(number),
            SampleValue::Started(index) => Value::Number(self.started[index as usize].0),
            SampleValue::Histogram(index) => Value::Histogram(&self.buckets[index as usize]),
            SampleValue::Summary(index) => Value::Summary(&self.quantiles[index as usize]),
        }
    }

    /// Forgets all samples but `max`, the same ones each time: those of the families declared first, then of named
    /// ones by name. Returns how many were forgotten.
    pub(crate) fn keep(&mut self, max: usize) -> usize {
        let n_before = self.n_samples();
        if n_before <= max {
            return 0;
        }
        let mut n_left = max;
        let mut named: Vec<_> = self.named.iter_mut().collect();
        named.sort_unstable_by_key(|(a, _)| *a);
        let named = named.into_iter().map(|(_, family)| &mut family.samples);
        for samples in self.declared.iter_mut().chain(named) {
            samples.truncate(n_left);
            n_left -= samples.len();
        }
        n_before - max
    }

    /// Pushes one sample of a declared family.
    pub(crate) fn push<const N: usize>(
        &mut self,
        desc: Desc<N>,
        labels: impl LabelValues<N>,
        value: impl Number,
    ) {
        let Some(number) = self.shown(desc.index, value) else { return };
        let sample = self.sample(labels, SampleValue::Number(number));
        self.declared[desc.index].push(sample);
    }

    /// No counter of ours is below zero: one that the kernel shows so has wrapped.
    fn shown(&self, family: usize, value: impl Number) -> Option<f64> {
        value.number().filter(|it| !(*it < 0.0 && self.meta[family].kind == Kind::Counter))
    }

    /// The same with a start of its own, in seconds after the boot; `None`: nobody knows.
    pub(crate) fn push_since<const N: usize>(
        &mut self,
        desc: Desc<N>,
        labels: impl LabelValues<N>,
        value: impl Number,
        start: Option<f64>,
    ) {
        let Some(number) = self.shown(desc.index, value) else { return };
        let value = self.started(number, start);
        let sample = self.sample(labels, value);
        self.declared[desc.index].push(sample);
    }

    /// Pushes one histogram of a declared family; the caller fills what it returns.
    pub(crate) fn push_histogram<const N: usize>(
        &mut self,
        desc: Desc<N>,
        labels: impl LabelValues<N>,
    ) -> &mut Buckets {
        let index = self.next_buckets();
        let sample = self.sample(labels, SampleValue::Histogram(index as u32));
        self.declared[desc.index].push(sample);
        &mut self.buckets[index]
    }

    /// Pushes one sample of the family whose name is `desc`'s with `part` for the `*`.
    pub(crate) fn push_named<const N: usize>(
        &mut self,
        desc: Desc<N>,
        part: &str,
        labels: impl LabelValues<N>,
        value: impl Number,
    ) {
        let Some(number) = self.shown(desc.index, value) else { return };
        let meta = &self.meta[desc.index];
        let (before, after) = meta.name.split_once('*').expect("a named family's declaration holds a `*`");
        let mut name = std::mem::take(&mut self.name);
        name.clear();
        name.extend([before, part, after]);
        let sample = self.sample(labels, SampleValue::Number(number));
        self.named_family(&name, meta.kind, meta.help, Names::Declared(meta.labels)).samples.push(sample);
        self.name = name;
    }

    /// Pushes one sample of a declared family with just the labels given, whatever the family declares: for
    /// families whose label set varies from device to device.
    pub(crate) fn push_labelled<const N: usize>(
        &mut self,
        desc: Desc<N>,
        labels: &[(&str, &str)],
        value: impl Number,
    ) {
        let Some(number) = self.shown(desc.index, value) else { return };
        let meta = &self.meta[desc.index];
        self.push_foreign(meta.name, meta.kind, meta.help, labels, Value::Number(number), self.start);
    }

    /// Both at once: the family that `desc` and `part` name, with just the labels given.
    pub(crate) fn push_named_labelled<const N: usize>(
        &mut self,
        desc: Desc<N>,
        part: &str,
        labels: &[(&str, &str)],
        value: impl Number,
    ) {
        let Some(number) = self.shown(desc.index, value) else { return };
        let meta = &self.meta[desc.index];
        let name = meta.name.replace('*', part);
        self.push_foreign(&name, meta.kind, meta.help, labels, Value::Number(number), self.start);
    }

    /// Pushes one sample of a family that is not ours: a file names it, and its labels. A number counts since `start`, in
    /// seconds after the boot, if that is known.
    pub(crate) fn push_foreign(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        labels: &[(&str, &str)],
        value: Value<'_>,
        start: Option<f64>,
    ) {
        let value = match value {
            Value::Number(number) => self.started(number, start),
            Value::Histogram(buckets) => {
                let index = self.next_buckets();
                self.buckets[index].clone_from(buckets);
                SampleValue::Histogram(index as u32)
            }
            Value::Summary(quantiles) => {
                self.quantiles.push(quantiles.clone());
                SampleValue::Summary(self.quantiles.len() as u32 - 1)
            }
        };
        let sample = Sample { labels: self.labels.len(), n_labels: 2 * labels.len() as u32, value };
        for (label, text) in labels {
            self.labels.push(*label);
            self.labels.push(*text);
        }
        self.named_family(name, kind, help, Names::PerSample).samples.push(sample);
    }

    fn started(&mut self, number: f64, start: Option<f64>) -> SampleValue {
        if start == self.start {
            return SampleValue::Number(number);
        }
        self.started.push((number, start));
        SampleValue::Started(self.started.len() as u32 - 1)
    }

    /// The index of an empty histogram, out of kept memory where there is some.
    fn next_buckets(&mut self) -> usize {
        let index = self.n_buckets;
        self.n_buckets += 1;
        match self.buckets.get_mut(index) {
            Some(kept) => kept.clear(),
            None => self.buckets.push(Buckets::default()),
        }
        index
    }

    fn sample<const N: usize>(&mut self, labels: impl LabelValues<N>, value: SampleValue) -> Sample {
        let first = self.labels.len();
        labels.each(&mut |label| self.labels.push(label));
        Sample { labels: first, n_labels: N as u32, value }
    }

    fn named_family(&mut self, name: &str, kind: Kind, help: &str, names: Names) -> &mut NamedFamily {
        if !self.named.contains_key(name) {
            let family = NamedFamily { kind, help: help.into(), names, samples: Vec::new() };
            self.named.insert(name.into(), family);
        }
        let family = self.named.get_mut(name).expect("it was inserted if it was missing");
        if family.samples.is_empty() && (family.kind != kind || *family.help != *help) {
            family.kind = kind;
            family.help = help.into();
        }
        family
    }
}

impl NamedFamily {
    fn is_alike(&self, other: &Self) -> bool {
        let Self { kind, help, names, samples } = self;
        (kind, help, names) == (&other.kind, &other.help, &other.names) && are_alike(samples, &other.samples)
    }
}

fn are_alike(some: &[Sample], others: &[Sample]) -> bool {
    let same = |(a, b): (&Sample, &Sample)| {
        let same_value = match (a.value, b.value) {
            (
                SampleValue::Number(_) | SampleValue::Started(_),
                SampleValue::Number(_) | SampleValue::Started(_),
            ) => true,
            (SampleValue::Histogram(a), SampleValue::Histogram(b)) => a == b,
            _ => false,
        };
        (a.labels, a.n_labels) == (b.labels, b.n_labels) && same_value
    };
    some.len() == others.len() && some.iter().zip(others).all(same)
}
