//! Counts by disk and operation as the agent sees them. The probes' side has the same names.

use crate::{maps::ById, spec::Spec};

/// What a probe counts by disk and operation: all of it, or the part that a feature is for.
#[derive(Clone, Copy, Debug)]
pub struct Part<T> {
    pub probe: &'static Spec,
    /// The constants that want it.
    pub features: &'static [&'static str],
    pub table: ById<T>,
    /// The setting that says how many banks the table has, less one.
    pub banks: &'static str,
    /// What is under way, if it is followed.
    pub followed: Option<&'static str>,
}

/// The maps of a part, whatever it counts.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub entries: &'static str,
    pub owners: &'static str,
    pub rows: &'static str,
    /// Bytes of a row.
    pub row: usize,
    pub banks: &'static str,
    pub followed: Option<&'static str>,
}

impl<T> Part<T> {
    pub const fn layout(&self) -> Layout {
        let Self { banks, followed, .. } = *self;
        let ById { entries, owners, rows } = &self.table;
        Layout {
            entries: entries.name,
            owners: owners.name,
            rows: rows.name,
            row: size_of::<T>(),
            banks,
            followed,
        }
    }
}
