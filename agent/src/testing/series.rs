//! What a collector gives, by series: to compare a host that is well with one that is not.

use crate::{
    collector::Error,
    metric::{Families, Meta, Value, gather},
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The name and the labels of a series; a label without a value is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) family: String,
    labels: BTreeMap<String, String>,
}

impl Key {
    /// Without labels.
    pub(super) fn new(family: &str) -> Self {
        Self { family: family.to_owned(), labels: BTreeMap::new() }
    }

    pub(super) fn has_garbage(&self) -> bool {
        self.family.contains("garbage") || self.labels.values().any(|it| it.contains("garbage"))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<_> = self.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        write!(f, "{}{{{}}}", self.family, labels.join(","))
    }
}

pub(super) type Series = BTreeMap<Key, String>;

/// The series that a collector gives, and whether it found nothing wrong; `None` when it panics. A host that lacks the
/// thing is not wrong.
pub(super) fn scrape(
    metrics: &'static [Meta],
    collect: impl FnOnce(&mut Families) -> Result<(), Error>,
) -> Option<(Series, bool)> {
    let mut out = Families::new(metrics);
    let collected = catch_unwind(AssertUnwindSafe(|| collect(&mut out))).ok()?;
    let is_well = matches!(collected, Ok(()) | Err(Error::Absent(_)));
    let mut series = Series::new();
    gather(&[&out], |family, rows| {
        for row in rows {
            let labels = row.labels().filter(|(_, value)| !value.is_empty());
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let value = match row.value() {
                Value::Number(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            series.insert(Key { family: family.name.to_owned(), labels }, value);
        }
    });
    Some((series, is_well))
}

/// Whether `key` is what a wound leaves of `sound`: labels are missing, cut, or of two lines.
pub(super) fn is_remnant(key: &Key, sound: &Key) -> bool {
    key.family == sound.family
        && key.labels.iter().all(|(name, value)| {
            let before = sound.labels.get(name);
            let first_line = value.lines().next().unwrap_or_default().trim_end();
            before.is_some_and(|it| it.starts_with(value.as_str()) || first_line == *it)
        })
}
