//! The same family in several texts.

use super::{Family, Kind};
use std::{borrow::Cow, collections::BTreeMap, path::Path};

/// Families of several files, sorted by name.
#[derive(Default)]
pub struct Merged<'a> {
    groups: BTreeMap<&'a str, Group<'a>>,
}

/// One family, with its parts in the order of the files.
pub struct Group<'a> {
    pub kind: Kind,
    help: Option<&'a str>,
    parts: Vec<(&'a Path, &'a Family)>,
}

impl<'a> Merged<'a> {
    /// Takes the family of a file.
    ///
    /// # Errors
    /// Why it contradicts what came earlier; then it is left out.
    pub fn add(&mut self, file: &'a Path, family: &'a Family) -> Result<(), &'static str> {
        let Family { name, kind, help, .. } = family;
        let help = help.as_deref();
        if self.has_sample_of(name)
            || kind.suffixes().iter().any(|it| self.groups.contains_key(&*format!("{name}{it}")))
        {
            return Err("a histogram or summary has samples of that name");
        }
        let group = self.groups.entry(name).or_insert(Group { kind: *kind, help, parts: Vec::new() });
        if group.kind != *kind {
            return Err("an earlier file gives it another type");
        }
        if group.help.zip(help).is_some_and(|(earlier, help)| earlier != help) {
            return Err("an earlier file gives it another help text");
        }
        group.help = group.help.or(help);
        group.parts.push((file, family));
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &Group<'a>)> {
        self.groups.iter().map(|(&name, group)| (name, group))
    }

    /// Whether a histogram or summary writes a sample as `name`.
    fn has_sample_of(&self, name: &str) -> bool {
        Kind::Histogram.suffixes().iter().any(|suffix| {
            let stem = name.strip_suffix(suffix).and_then(|stem| self.groups.get(stem));
            stem.is_some_and(|group| group.kind.suffixes().contains(suffix))
        })
    }
}

impl<'a> Group<'a> {
    /// What one of the files says, or which files they are.
    #[must_use]
    pub fn help(&self) -> Cow<'a, str> {
        if let Some(help) = self.help {
            return Cow::Borrowed(help);
        }
        let files: Vec<_> = self.parts.iter().map(|(file, _)| file.to_string_lossy()).collect();
        Cow::Owned(format!("Metric read from {}", files.join(", ")))
    }

    pub fn families(&self) -> impl Iterator<Item = &'a Family> {
        self.parts.iter().map(|&(_, family)| family)
    }
}
