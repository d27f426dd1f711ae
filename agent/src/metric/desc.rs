//! Declaring families: each is written once, in a `metrics!` table, and everything else reads it from there.

use serde::Serialize;

/// How a family's values behave; the `# TYPE` of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    /// The kernel does not say whether the value may fall. Written `untyped` in text 0.0.4.
    Untyped,
}

impl Kind {
    /// Whether it has a beginning.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::Counter | Self::Histogram | Self::Summary)
    }

    /// The word of text format 0.0.4.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
        }
    }
}

/// What is known of a family before any sample exists.
#[derive(Debug)]
pub struct Meta {
    /// The full name; a `*` stands for a part that the kernel names (`node_vmstat_*`).
    pub name: &'static str,
    pub kind: Kind,
    /// One sentence for the reader of a dashboard.
    pub help: &'static str,
    /// In the order in which collectors give the values.
    pub labels: &'static [&'static str],
    /// The declaration that it has in common with other collectors'.
    pub shared: Option<&'static Shared>,
}

/// A family that several collectors push, each with labels of its own.
#[derive(Debug)]
pub struct Shared {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

/// A family, for people and programs.
#[derive(Debug, Serialize)]
pub struct FamilyView {
    /// With `*` for the part that the kernel names.
    name: &'static str,
    r#type: &'static str,
    /// From the name, where it says one.
    unit: Option<&'static str>,
    help: &'static str,
    labels: &'static [&'static str],
}

impl FamilyView {
    #[must_use]
    pub fn of(meta: &Meta) -> Self {
        let Meta { name, kind, help, labels, .. } = *meta;
        Self { name, r#type: kind.as_str(), unit: unit(name), help, labels }
    }
}

/// Base units stand at the end of a name, before `_total`.
pub(crate) fn unit(name: &str) -> Option<&str> {
    const UNITS: [&str; 12] = [
        "seconds", "bytes", "ratio", "celsius", "volts", "amperes", "watts", "joules", "hertz", "meters",
        "percent", "rpm",
    ];
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (_, last) = name.rsplit_once('_')?;
    UNITS.contains(&last).then_some(last)
}

/// A family that a collector may push, with `N` labels. Made by [`metrics!`] only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desc<const N: usize> {
    /// Its place in the collector's `METRICS`.
    pub(super) index: usize,
}

impl<const N: usize> Desc<N> {
    pub(crate) const fn new(index: usize) -> Self {
        Self { index }
    }
}

/// Declares a collector's families as constants, and `METRICS`, the list of them.
///
/// ```ignore
/// metrics! {
///     SECONDS: Counter "node_cpu_seconds_total" ["cpu", "mode"], "Seconds each CPU spent in each mode.";
/// }
/// out.push(SECONDS, (cpu, "user"), 1.5);
/// ```
///
/// What several collectors push is a [`Shared`](crate::metric::Shared), and each says its labels.
///
/// ```ignore
/// metrics! {
///     &CPU_FREQUENCY as FREQUENCY ["cpu"];
/// }
/// ```
///
/// A table of families that are all filled from one parsed record may follow; it becomes `push_rows`. An expression
/// is a number or an `Option` of one, and `None` pushes nothing.
///
/// ```ignore
/// metrics! {
///     |it: &Averages| [];
///     Gauge "node_load1" = it.one, "Tasks running or waiting, averaged over 1 minute.";
/// }
/// push_rows(&averages, (), out);
/// ```
/// `for_each_row` is for a collector that must choose, row by row, how to push it.
macro_rules! metrics {
    (
        $($desc:ident : $kind:ident $name:literal [$($label:literal),* $(,)?], $help:literal;)*
        $(&$shared:ident as $shared_desc:ident [$($shared_label:literal),*];)*
        $(
            |$it:ident : $row:ty| $row_labels:tt;
            $($row_kind:ident $row_name:literal = $value:expr, $row_help:literal;)+
        )?
    ) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "variants are the constants' names")]
        enum FamilyIndex {
            $($desc,)*
            $($shared_desc,)*
            #[allow(dead_code, reason = "only tables with rows count the others")]
            Rows,
        }

        $(
            const $desc: $crate::metric::Desc<{
                const LABELS: &[&str] = &[$($label),*];
                LABELS.len()
            }> = $crate::metric::Desc::new(FamilyIndex::$desc as usize);
        )*
        $(
            const $shared_desc: $crate::metric::Desc<{
                const LABELS: &[&str] = &[$($shared_label),*];
                LABELS.len()
            }> = $crate::metric::Desc::new(FamilyIndex::$shared_desc as usize);
        )*

        const METRICS: &[$crate::metric::Meta] = &[
            $($crate::metric::Meta {
                name: $name,
                kind: $crate::metric::Kind::$kind,
                help: $help,
                labels: &[$($label),*],
                shared: None,
            },)*
            $($crate::metric::Meta {
                name: $shared.name,
                kind: $shared.kind,
                help: $shared.help,
                labels: &[$($shared_label),*],
                shared: Some(&$shared),
            },)*
            $($($crate::metric::Meta {
                name: $row_name,
                kind: $crate::metric::Kind::$row_kind,
                help: $row_help,
                labels: &$row_labels,
                shared: None,
            },)+)?
        ];

        $(
            /// Calls `push` with every row of the table that has a value.
            fn for_each_row(
                $it: $row,
                mut push: impl FnMut($crate::metric::Desc<{
                    const LABELS: &[&str] = &$row_labels;
                    LABELS.len()
                }>, f64),
            ) {
                let mut index = FamilyIndex::Rows as usize;
                $(
                    if let Some(value) = $crate::metric::Number::number($value) {
                        push($crate::metric::Desc::new(index), value);
                    }
                    index += 1;
                )+
                debug_assert_eq!(index, METRICS.len());
            }

            /// Pushes every row of the table that has a value.
            #[allow(dead_code, reason = "some collectors push rows in a way of their own")]
            fn push_rows(
                it: $row,
                labels: impl $crate::metric::LabelValues<{
                    const LABELS: &[&str] = &$row_labels;
                    LABELS.len()
                }> + Copy,
                out: &mut $crate::metric::Families,
            ) {
                for_each_row(it, |desc, value| out.push(desc, labels, value));
            }
        )?
    };
}
pub(crate) use metrics;
