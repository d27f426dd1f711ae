//! Who waited for whom, by name: what the probe counts by numbers.

use crate::{
    collectors::by_group::{By, Owner},
    source::{
        cgroups::Names,
        ebpf::blame::{IDLE, MOVED, OTHER, OWN_QUOTA, ROOT, SLOTS, UNKNOWN},
    },
};
use std::collections::BTreeMap;

/// What is shown. A group that is made anew is the same if its name is, and groups of one unit or container are one.
pub(super) struct Totals {
    pub(super) by: By,
    /// In nanoseconds, by who waited and who had the CPU.
    pub(super) waits: BTreeMap<[Owner; 2], u64>,
}

impl Totals {
    pub(super) fn new(by: By) -> Self {
        Self { by, waits: BTreeMap::new() }
    }

    /// Adds what was counted by the numbers of who waited, then of who had the CPU, and forgets those who have no number
    /// any more. `paths`: of the groups that have one.
    pub(super) fn add(&mut self, grown: &[u64], paths: &[Option<&str>], names: &Names) {
        let owners: Vec<Option<Owner>> = (0..SLOTS)
            .map(|slot| match word(slot as u32) {
                Some(word) => Some(Owner::Other(word.to_owned())),
                None => paths[slot].map(|it| Owner::of(self.by, it, names)),
            })
            .collect();
        for (at, &ns) in grown.iter().enumerate().filter(|it| *it.1 != 0) {
            if let [Some(victim), Some(culprit)] = [&owners[at / SLOTS], &owners[at % SLOTS]]
                && victim.is_shown(self.by)
            {
                *self.waits.entry([victim.clone(), culprit.clone()]).or_default() += ns;
            }
        }
        self.waits.retain(|pair, _| pair.iter().all(|it| owners.iter().flatten().any(|owner| owner == it)));
    }
}

/// What is no group's.
fn word(slot: u32) -> Option<&'static str> {
    Some(match slot {
        IDLE => "~idle",
        ROOT => "~system",
        OTHER => "~other",
        OWN_QUOTA => "~quota",
        MOVED => "~moved",
        UNKNOWN => "~unknown",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const A: usize = 3;
    const B: usize = 4;
    const C: usize = 5;
    const IN_A: &str = "/system.slice/a.service/worker";

    /// `waits`: by the numbers of victim and culprit.
    fn add(totals: &mut Totals, waits: &[(usize, usize, u64)], groups: &[(usize, &str)]) {
        let mut grown = vec![0; SLOTS * SLOTS];
        waits.iter().for_each(|it| grown[it.0 * SLOTS + it.1] = it.2);
        let mut paths = vec![None; SLOTS];
        groups.iter().for_each(|it| paths[it.0] = Some(it.1));
        totals.add(&grown, &paths, &Names::below(Path::new("/nowhere")));
    }

    fn shown(totals: &Totals) -> Vec<(String, String, u64)> {
        let text = |it: &Owner| format!("{}{}", it.name().join("/"), it.word()).replace("//", "");
        totals.waits.iter().map(|([victim, culprit], ns)| (text(victim), text(culprit), *ns)).collect()
    }

    fn row(victim: &str, culprit: &str, ns: u64) -> (String, String, u64) {
        (victim.to_owned(), culprit.to_owned(), ns)
    }

    #[test]
    fn groups_of_one_unit_are_one_and_others_are_told_by_their_path() {
        let mut totals = Totals::new(By::Unit);
        let groups = [(A, "/system.slice/a.service"), (B, IN_A), (C, "/mine")];
        let waits = [(A, B, 1), (B, A, 2), (A, C, 4), (C, A, 8), (B, OWN_QUOTA as usize, 16)];
        add(&mut totals, &waits, &groups);
        add(&mut totals, &[(A, A, 32)], &groups);
        assert_eq!(
            shown(&totals),
            [row("a.service", "a.service", 35), row("a.service", "/mine", 4), row("a.service", "~quota", 16)]
        );
        let mut all = Totals::new(By::Cgroup);
        add(&mut all, &waits, &groups);
        assert_eq!(all.waits.values().sum::<u64>(), 31, "by group nothing is left out");
    }

    #[test]
    fn pods_are_told_by_containers_and_who_is_gone_is_forgotten() {
        let mut totals = Totals::new(By::Pod);
        let uid = "0f6a2c3e-9f1b-4f6e-8a44-1d2b3c4d5e6f";
        let container = format!("/kubepods/pod{uid}/{}", "b".repeat(64));
        let name = format!("/{uid}/bbbbbbbbbbbb");
        let waits = [(A, B, 1), (B, A, 2), (A, ROOT as usize, 4)];
        add(&mut totals, &waits, &[(A, &container), (B, IN_A)]);
        assert_eq!(shown(&totals), [row(&name, "a.service", 1), row(&name, "~system", 4)]);
        add(&mut totals, &[], &[(A, &container)]);
        assert_eq!(shown(&totals), [row(&name, "~system", 4)]);
    }
}
