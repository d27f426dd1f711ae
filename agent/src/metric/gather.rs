//! Many collectors' samples in the order of the exposition: families by name, samples by number of labels, then by
//! label values in the order of the sorted label names, all bytewise. That is the order of `client_golang`.

use super::{
    Families, Kind, Value,
    families::{Names, Sample, SampleValue},
};
use std::cmp::Ordering;

/// One family as an encoder sees it; [`gather`] hands them out in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) help: &'a str,
}

/// One sample as an encoder sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    source: &'a Families,
    names: Names,
    /// Positions of the declared labels, by name.
    order: [u8; MAX_LABELS],
    sample: Sample,
    /// Counts the family's samples in the order in which they were given.
    place: u32,
    /// Counts all samples of all parts in the order of [`Families::values`].
    index: u32,
}

/// More labels than any declared family has.
const MAX_LABELS: usize = 16;

/// What made a sample unfit for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub family: String,
    pub why: &'static str,
}

/// Calls `family` for each family that has samples, with its samples, in order. What contradicts something that
/// came earlier (by the order of `parts`) is left out and returned.
pub(crate) fn gather<'a>(
    parts: &[&'a Families],
    mut family: impl FnMut(&Family<'a>, &[Row<'a>]),
) -> Vec<Conflict> {
    let mut sources = Vec::new();
    let mut n_before = 0;
    for (rank, part) in parts.iter().enumerate() {
        let declared = part.meta.iter().zip(&part.declared).map(|(meta, samples)| {
            let family = Family { name: meta.name, kind: meta.kind, help: meta.help };
            (family, Names::Declared(meta.labels), samples)
        });
        let named = part.named.iter().map(|(name, it)| {
            let family = Family { name, kind: it.kind, help: &it.help };
            (family, it.names, &it.samples)
        });
        for (family, names, samples) in declared.chain(named).filter(|(.., samples)| !samples.is_empty()) {
            sources.push(Source { rank, family, names, samples, part, first_index: n_before });
            n_before += samples.len() as u32;
        }
    }
    sources.sort_unstable_by(|a, b| (a.family.name, a.rank).cmp(&(b.family.name, b.rank)));

    let mut conflicts = Vec::new();
    let mut rows = Vec::new();
    for group in sources.chunk_by(|a, b| a.family.name == b.family.name) {
        let first = &group[0].family;
        let mut conflict = |why| conflicts.push(Conflict { family: first.name.to_owned(), why });
        rows.clear();
        for source in group {
            if source.family.kind != first.kind {
                conflict("another collector gives it another type");
            } else if source.family.help != first.help {
                conflict("another collector gives it another help text");
            } else {
                source.rows(&mut rows);
            }
        }
        if !rows.is_sorted_by(|a, b| a.cmp_labels(b) == Ordering::Less) {
            // Not stable, which would need memory: the order in which they were given decides between equals.
            rows.sort_unstable_by(|a, b| a.cmp_labels(b).then(a.place.cmp(&b.place)));
            rows.dedup_by(|later, kept| {
                let same = later.cmp_labels(kept) == Ordering::Equal && later.labels().eq(kept.labels());
                if same {
                    conflict("the same labels were given twice");
                }
                same
            });
        }
        family(first, &rows);
    }
    conflicts
}

/// One collector's part of one family.
struct Source<'a> {
    /// The collector's place in the registry.
    rank: usize,
    family: Family<'a>,
    names: Names,
    samples: &'a [Sample],
    part: &'a Families,
    /// That of its first sample.
    first_index: u32,
}

impl<'a> Source<'a> {
    fn rows(&self, rows: &mut Vec<Row<'a>>) {
        let mut order = std::array::from_fn(|i| i as u8);
        if let Names::Declared(names) = self.names {
            order[..names.len()].sort_unstable_by_key(|&position| names[position as usize]);
        }
        for (&sample, index) in self.samples.iter().zip(self.first_index..) {
            let place = rows.len() as u32;
            rows.push(Row { source: self.part, names: self.names, order, sample, place, index });
        }
    }
}

impl<'a> Row<'a> {
    /// Name and value of each label, sorted by name. A label given as "" is no label, but is written.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let Self { source, names, order, sample, .. } = *self;
        (0..self.n_labels()).map(move |i| match names {
            Names::Declared(names) => {
                let position = order[i as usize];
                (names[position as usize], source.labels.get(sample.labels + u32::from(position)))
            }
            Names::PerSample => {
                let at = sample.labels + 2 * i;
                (source.labels.get(at), source.labels.get(at + 1))
            }
        })
    }

    pub(crate) fn value(&self) -> Value<'a> {
        self.source.value(&self.sample)
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Since when it counts, in seconds after the boot.
    pub(crate) fn start(&self) -> Option<f64> {
        match self.sample.value {
            SampleValue::Number(_) | SampleValue::Summary(_) => self.source.start,
            SampleValue::Started(index) => self.source.started[index as usize].1,
            SampleValue::Histogram(index) => self.source.buckets[index as usize].start.or(self.source.start),
        }
    }

    fn n_labels(&self) -> u32 {
        match self.names {
            Names::Declared(_) => self.sample.n_labels,
            Names::PerSample => self.sample.n_labels / 2,
        }
    }

    fn cmp_labels(&self, other: &Self) -> Ordering {
        let values = |row: &Self| row.labels().map(|(_, value)| value);
        self.n_labels().cmp(&other.n_labels()).then_with(|| values(self).cmp(values(other)))
    }
}
