//! Settings that are one of a few words, in small letters or large ones: node_exporter takes `--log.level=WARN`.

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
