//! Which of a host's devices a collector shows.

use super::{Pattern, Problem};

/// Names to leave out, names to keep, or both: a name is left out when `exclude` matches it, or when there is an
/// `include` that does not.
#[derive(Clone, Debug)]
pub struct Filter {
    include: Option<Pattern>,
    exclude: Option<Pattern>,
}

impl Filter {
    #[must_use]
    pub fn new(include: Option<Pattern>, exclude: Option<Pattern>) -> Self {
        Self { include, exclude }
    }

    /// A filter of which the user may give one side: an `include` takes the place of `default_exclude`.
    ///
    /// # Errors
    /// When both sides were given.
    pub fn either(
        include: Option<Pattern>,
        exclude: Option<Pattern>,
        default_exclude: &str,
    ) -> Result<Self, Problem> {
        match (&include, &exclude) {
            (Some(_), Some(it)) if it.as_str() != default_exclude => {
                Err(Problem::new("an include and an exclude pattern cannot be combined here"))
            }
            (Some(_), _) => Ok(Self::new(include, None)),
            (None, _) => Ok(Self::new(None, exclude)),
        }
    }

    #[must_use]
    pub fn keeps(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let is_excluded = self.exclude.as_ref().is_some_and(|it| it.is_match(name));
        let is_included = self.include.as_ref().is_none_or(|it| it.is_match(name));
        !is_excluded && is_included
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Option<Pattern> {
        Some(Pattern::new(text).unwrap())
    }

    #[test]
    fn keeps_what_is_included_and_not_excluded() {
        let filter = Filter::new(pattern("^eth"), pattern("1$"));
        assert_eq!(["eth0", "eth1", "lo"].map(|name| filter.keeps(name)), [true, false, false]);
        assert!(Filter::new(None, None).keeps("anything"));
    }

    #[test]
    fn an_include_takes_the_place_of_the_default_exclude() {
        let filter = Filter::either(pattern("^loop"), pattern("^(loop|ram)"), "^(loop|ram)").unwrap();
        assert_eq!(["loop0", "sda"].map(|name| filter.keeps(name)), [true, false]);
        assert!(Filter::either(pattern("a"), pattern("b"), "c").is_err());
    }
}
