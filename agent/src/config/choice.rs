//! Settings that are one of a few words, in small letters or large ones: node_exporter takes `--log.level=WARN`.

use super::{Problem, Setting};
use toml::Value;

/// A setting made by `choice!`. A list of them is a setting, too; one word alone is a list of one.
pub trait Choice: Setting {}

impl<C: Choice> Setting for Vec<C> {
    const KIND: &'static str = "list of words";
    const CHOICES: &'static [&'static str] = C::CHOICES;

    fn from_value(value: &Value) -> Result<Self, Problem> {
        let Value::Array(items) = value else { return C::from_value(value).map(|it| vec![it]) };
        let of_item = |(index, item)| C::from_value(item).map_err(|it| Problem { item: Some(index), ..it });
        items.iter().enumerate().map(of_item).collect()
    }
}

/// Declares an enum whose variants are the words that a key takes.
///
/// ```ignore
/// choice! {
///     /// Which bounds classic buckets have.
///     pub enum ClassicBuckets { Pow2 = "pow2", Pow4 = "pow4" }
/// }
/// ```
macro_rules! choice {
    ($(#[$attribute:meta])* $visibility:vis enum $choice:ident {
        $($(#[$variant_attribute:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $choice {
            $($(#[$variant_attribute])* $variant,)+
        }

        impl $choice {
            /// The word that the config has for it.
            #[must_use]
            #[allow(dead_code, reason = "not every choice is spelled out again")]
            $visibility fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl $crate::config::Choice for $choice {}

        impl $crate::config::Setting for $choice {
            const KIND: &'static str = concat!("one of" $(, " \"", $word, "\"")+);
            const CHOICES: &'static [&'static str] = &[$($word),+];

            fn from_value(value: &toml::Value) -> Result<Self, $crate::config::Problem> {
                let text = value.as_str().unwrap_or_default();
                $(if text.eq_ignore_ascii_case($word) {
                    return Ok(Self::$variant);
                })+
                Err($crate::config::Problem::not_among(value, Self::CHOICES))
            }
        }
    };
}
pub(crate) use choice;
