//! A key is declared once, in a `section!`; parser, flags, sample file, docs and editor schema are derived from it.

use super::suggest::nearest;
use toml::Value;

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    /// The doc comment's lines.
    pub doc: &'static [&'static str],
    /// What a value may be, in words: `boolean`, `regex`, `duration` …
    pub kind: &'static str,
    /// The only values there are, if they can be counted.
    pub choices: &'static [&'static str],
    pub default: fn() -> Value,
    /// Whether a value can be used; the same rules as when it is used.
    pub check: fn(&Value) -> Result<(), Problem>,
    /// The flag's name without `--`, where it is not the mechanical one. Empty: only a file can hold the key.
    pub flag: Option<&'static str>,
}

/// Why a value cannot be used. The layer that knows file and line adds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    /// Which item of a list.
    pub item: Option<usize>,
    /// Where in the text of a string value, in bytes.
    pub at: Option<usize>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), item: None, at: None }
    }

    /// `value` is none of `choices`.
    pub(crate) fn not_among(value: &Value, choices: &[&str]) -> Self {
        let meant = value.as_str().and_then(|text| nearest(text, choices.iter().copied()));
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        Self::new(format!("expected one of {}, found `{value}`{meant}", choices.join(", ")))
    }
}

/// A type that a key can have. Its values cannot be wrong: what does not fit is refused here.
pub trait Setting: Sized {
    /// What a value may be, in words.
    const KIND: &'static str;
    /// The only values there are, if they can be counted.
    const CHOICES: &'static [&'static str] = &[];

    /// # Errors
    /// When `value` is of another type or out of range.
    fn from_value(value: &Value) -> Result<Self, Problem>;
}

/// A table of the config file, made by `section!`.
pub trait Section: Sized {
    const KEYS: &'static [Key];

    /// Takes each key's value from `value_of`, which gives checked values.
    fn from_values(value_of: &dyn Fn(&str) -> Value) -> Self;
}

/// A section whose table belongs to no collector, so that its place is known.
pub trait General: Section {
    /// The table's name in the file: `web.tls`; empty for the keys above the first table.
    const PATH: &'static str;
    /// What it is, in a few words.
    const SUMMARY: &'static str;
}

/// A collector without keys of its own.
#[derive(Debug)]
pub struct NoConfig;

impl Section for NoConfig {
    const KEYS: &'static [Key] = &[];

    fn from_values(_: &dyn Fn(&str) -> Value) -> Self {
        Self
    }
}

/// Declares a section: a struct whose fields are its keys.
///
/// ```ignore
/// section! {
///     pub(super) struct Config {
///         /// Regex over device names to leave out.
///         device_exclude: Option<Pattern> = "^loop",
///         /// Reads cache priorities too.
///         priority_stats: bool = false => "collector.bcache.priorityStats",
///     }
/// }
/// ```
/// After `=` stands what the key would hold in the file; after `=>` the flag, where node_exporter's spelling is not
/// `--<table>.<key>` with dashes, or nothing where only a file can hold the key.
///
/// `struct Web = "web"` is the table `[web]`, which belongs to no collector; its doc comment is the table's summary.
macro_rules! section {
    (
        #[doc = $summary:literal]
        $(#[$attribute:meta])*
        $visibility:vis struct $section:ident = $path:literal { $($keys:tt)* }
    ) => {
        $crate::config::section! {
            #[doc = $summary]
            $(#[$attribute])*
            $visibility struct $section { $($keys)* }
        }

        impl $crate::config::General for $section {
            const PATH: &'static str = $path;
            const SUMMARY: &'static str = $summary.trim_ascii();
        }
    };
    ($(#[$attribute:meta])* $visibility:vis struct $section:ident {
        $($(#[doc = $doc:literal])+ $key:ident : $setting:ty = $default:expr $(=> $flag:literal)?,)+
    }) => {
        $(#[$attribute])*
        #[derive(Debug)]
        $visibility struct $section {
            $($(#[doc = $doc])+ $visibility $key: $setting,)+
        }

        impl $crate::config::Section for $section {
            const KEYS: &'static [$crate::config::Key] = $crate::config::keys! {
                $($(#[doc = $doc])+ $key: $setting = $default $(=> $flag)?,)+
            };

            fn from_values(value_of: &dyn Fn(&str) -> toml::Value) -> Self {
                Self {
                    $($key: <$setting as $crate::config::Setting>::from_value(&value_of(stringify!($key)))
                        .expect("the value was checked when the config was loaded"),)+
                }
            }
        }
    };
}
pub(crate) use section;

/// The keys alone, in the notation of `section!`.
macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $key:ident : $setting:ty = $default:expr $(=> $flag:literal)?,)*) => {
        &[$($crate::config::Key {
            name: stringify!($key),
            doc: &[$($doc),+],
            kind: <$setting as $crate::config::Setting>::KIND,
            choices: <$setting as $crate::config::Setting>::CHOICES,
            default: || toml::Value::from($default),
            check: |value| <$setting as $crate::config::Setting>::from_value(value).map(drop),
            flag: { #[allow(unused_mut, unused_assignments, reason = "set where a flag is given")]
                { let mut flag: Option<&'static str> = None; $(flag = Some($flag);)? flag } },
        },)*]
    };
}
pub(crate) use keys;
