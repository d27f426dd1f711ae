//! Which control groups have which of the probe's numbers.

use crate::source::{
    cgroups::CpuGroup,
    ebpf::blame::{OWN_QUOTA, WATCHED, place_of, word},
};
use std::collections::HashMap;

/// For how many seconds a number stands for nobody else when its group is no longer watched: longer than any wait, in
/// which it may still occur.
const QUARANTINE: f64 = 60.0;

/// In which what was used counts half as much for who is watched.
const HALF_LIFE: f64 = 60.0;

/// Who has a number.
#[derive(Debug, PartialEq)]
struct Owner {
    id: u64,
    /// Empty if it is not known, as the number was given before a reload.
    path: String,
    /// Since when it is not watched.
    left: Option<f64>,
}

/// All that have one, and what each group takes.
#[derive(Debug, Default)]
pub(super) struct Watched {
    top: usize,
    looked: f64,
    owners: HashMap<u32, Owner>,
    /// By the group's id: what it had used, and how much it takes.
    weights: HashMap<u64, (f64, f64)>,
}

/// What a look has changed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// Words of the table of groups.
    pub(super) words: Vec<(u32, u64)>,
    /// Numbers that are another's from now on.
    pub(super) given: Vec<u32>,
}

impl Watched {
    pub(super) fn new(top: usize) -> Self {
        Self { top, ..Self::default() }
    }

    /// A number that is in use; 0 for a group that is not known.
    pub(super) fn adopt(&mut self, slot: u32, id: u64, now: f64) {
        let left = (id == 0).then_some(now);
        self.owners.insert(slot, Owner { id, path: String::new(), left });
    }

    /// The path of the group that has a number.
    pub(super) fn path(&self, slot: u32) -> Option<&str> {
        self.owners.get(&slot).map(|it| it.path.as_str()).filter(|it| !it.is_empty())
    }

    /// Watches those that take the most. One that is watched stays until it is out of twice as many.
    pub(super) fn look(&mut self, now: f64, groups: &[CpuGroup]) -> Changes {
        let ranked = self.rank(now, groups);
        let mut changes = Changes::default();
        self.owners.retain(|_, it| it.left.is_none_or(|left| now - left < QUARANTINE));
        let near = &ranked[..ranked.len().min(2 * self.top)];
        for owner in self.owners.values_mut() {
            match near.iter().find(|it| it.id == owner.id) {
                Some(it) => owner.path.clone_from(&it.path),
                None if owner.left.is_none() => {
                    owner.left = Some(now);
                    changes.words.push((place_of(owner.id), 0));
                }
                None => {}
            }
        }
        for group in ranked.iter().take(self.top) {
            self.watch(group, &mut changes);
        }
        changes
    }

    fn watch(&mut self, group: &CpuGroup, changes: &mut Changes) {
        let active = || self.owners.values().filter(|it| it.left.is_none());
        // A place has one word: who comes second is among the others.
        if active().count() >= self.top || active().any(|it| place_of(it.id) == place_of(group.id)) {
            return;
        }
        let own = self.owners.iter().find(|it| it.1.id == group.id).map(|it| *it.0);
        let free = || (WATCHED..OWN_QUOTA).find(|it| !self.owners.contains_key(it));
        let Some(slot) = own.or_else(free) else { return };
        if own.is_none() {
            changes.given.push(slot);
        }
        self.owners.insert(slot, Owner { id: group.id, path: group.path.clone(), left: None });
        changes.words.push((place_of(group.id), word(group.id, slot)));
    }

    fn rank<'a>(&mut self, now: f64, groups: &'a [CpuGroup]) -> Vec<&'a CpuGroup> {
        let fade = 0.5_f64.powf((now - self.looked) / HALF_LIFE);
        self.looked = now;
        let before = std::mem::take(&mut self.weights);
        for it in groups {
            let (used, weight) = before.get(&it.id).copied().unwrap_or((0.0, 0.0));
            self.weights.insert(it.id, (it.load, weight * fade + (it.load - used).max(0.0)));
        }
        let mut ranked: Vec<_> = groups.iter().collect();
        ranked.sort_by(|a, b| self.weights[&b.id].1.total_cmp(&self.weights[&a.id].1));
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(path: &str, id: u64, load: f64) -> CpuGroup {
        CpuGroup { path: path.to_owned(), id, load }
    }

    #[test]
    fn those_that_take_the_most_are_watched_until_they_take_far_less() {
        let mut watched = Watched::new(1);
        let changes = watched.look(0.0, &[group("/a", 10, 1.0), group("/b", 11, 2.0)]);
        assert_eq!(changes, Changes { words: vec![(11, word(11, WATCHED))], given: vec![WATCHED] });
        assert_eq!(watched.path(WATCHED), Some("/b"));
        let near = watched.look(10.0, &[group("/a", 10, 9.0), group("/b", 11, 2.0)]);
        assert_eq!(near, Changes::default());
        let far = [group("/a", 10, 99.0), group("/b", 11, 2.0), group("/c", 12, 99.0)];
        let changes = watched.look(20.0, &far);
        assert_eq!(changes.given, [WATCHED + 1]);
        assert_eq!(changes.words[0], (11, 0));
        assert_eq!(watched.path(WATCHED), Some("/b"), "the number is its own for a while");
    }

    #[test]
    fn a_number_is_nobody_elses_for_a_while() {
        let mut watched = Watched::new(1);
        watched.look(0.0, &[group("/a", 10, 1.0)]);
        assert_eq!(watched.look(1.0, &[]).words, [(10, 0)]);
        assert_eq!(watched.look(2.0, &[group("/b", 11, 1.0)]).given, [WATCHED + 1]);
        watched.look(3.0, &[]);
        let back = watched.look(4.0, &[group("/a", 10, 2.0)]);
        assert_eq!(back, Changes { words: vec![(10, word(10, WATCHED))], given: vec![] }, "it is its own");
        watched.look(5.0, &[]);
        watched.look(130.0, &[]);
        assert_eq!(watched.path(WATCHED), None);
        assert_eq!(watched.look(131.0, &[group("/c", 12, 1.0)]).given, [WATCHED]);
    }

    #[test]
    fn one_place_is_for_one_group() {
        let mut watched = Watched::new(5);
        let [a, b] = [group("/a", 10, 2.0), group("/b", 10 + 4096, 1.0)];
        assert_eq!(watched.look(0.0, &[a, b]).given.len(), 1);
    }
}
