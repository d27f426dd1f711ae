//! Settings that are one of a few words.

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

        impl $crate::config::Setting for $choice {
            const KIND: &'static str = concat!("one of" $(, " \"", $word, "\"")+);

            fn from_value(value: &toml::Value) -> Result<Self, $crate::config::Problem> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err($crate::config::Problem::new(format!("expected {}, found `{value}`", Self::KIND))),
                }
            }
        }
    };
}
pub(crate) use choice;
