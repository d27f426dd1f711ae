//! In which control groups the victims were: what the probe tells of each, added up by owner.

use crate::{
    collectors::by_group::{By, Owner},
    metric::uptime,
    source::{
        FirstError,
        cgroups::{Ids, Names},
        ebpf::{
            Error, Probe, Words,
            declared::oom_kills::{self, Count, KEPT, LEVELS, RECORD_WORDS, record},
        },
    },
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Owners that are told apart in each family; all others are one.
const MAX_OWNERS: usize = 500;

pub(super) struct Victims {
    counts: Arc<Words>,
    records: Arc<Words>,
    /// How many records were read, and how many groups had been made, at the last look.
    n_read: u64,
    n_made: Option<u64>,
    /// When that was, in seconds after the boot.
    looked: f64,
    ids: Option<Ids>,
    names: Names,
    pub(super) owners: Vec<Owners>,
}

impl Victims {
    pub(super) fn of(probe: &Probe, by: &[By], cgroups: &Path, rootfs: &Path) -> Result<Self, Error> {
        let (counts, _) = probe.writable(oom_kills::COUNTS)?;
        let (records, _) = probe.writable(oom_kills::RECORDS)?;
        Ok(Self {
            // Those of before a reload have been told.
            n_read: count(&counts, Count::Records),
            n_made: None,
            looked: uptime(),
            counts,
            records,
            ids: Ids::with_memory(cgroups),
            names: Names::below(rootfs),
            owners: By::chosen(by).map(Owners::new).collect(),
        })
    }

    /// Learns of groups, so that they are known when they are gone, and adds what was told since the last look.
    pub(super) fn look(&mut self, min_retention: Duration, errors: &FirstError) {
        let n_made = count(&self.counts, Count::Cgroups);
        if self.owners.iter().any(|it| it.by == By::Pod) {
            self.names.refresh(errors);
        }
        if let Some(ids) = &mut self.ids {
            ids.begin();
            if self.n_made != Some(n_made) {
                ids.look(errors);
            }
        }
        self.n_made = Some(n_made);
        let (now, start) = (Instant::now(), std::mem::replace(&mut self.looked, uptime()));
        for victim in self.new_records() {
            let path = victim.and_then(|ids| self.path(ids, errors)).unwrap_or_else(|| "~unknown".to_owned());
            for owners in &mut self.owners {
                owners.add(Owner::of(owners.by, &path, &self.names), now, start);
            }
        }
        self.owners.iter_mut().for_each(|it| it.expire(min_retention, now, start));
    }

    /// The numbers of the groups that each new victim was in; `None` for one whose record is gone.
    fn new_records(&mut self) -> Vec<Option<[u64; LEVELS]>> {
        let n_written = count(&self.counts, Count::Records);
        let new = self.n_read..n_written;
        self.n_read = n_written;
        new.map(|number| {
            let first = number as usize % KEPT * RECORD_WORDS;
            let mut words = self.records.read(first..first + RECORD_WORDS);
            let words: [u64; RECORD_WORDS] = std::array::from_fn(|_| words.next().unwrap_or_default());
            let ids = *words.first_chunk()?;
            (record(number, ids) == words).then_some(ids)
        })
        .collect()
    }

    /// The path of the innermost group that was ever seen.
    fn path(&mut self, ids: [u64; LEVELS], errors: &FirstError) -> Option<String> {
        let known = self.ids.as_mut()?;
        ids.into_iter().filter(|it| *it != 0).find_map(|id| known.path(id, errors).map(str::to_owned))
    }
}

fn count(counts: &Words, which: Count) -> u64 {
    counts.read(which as usize..which as usize + 1).next().unwrap_or_default()
}

/// Whose processes were killed.
pub(super) struct Owners {
    pub(super) by: By,
    pub(super) kills: BTreeMap<Owner, Kills>,
}

pub(super) struct Kills {
    pub(super) n: u64,
    /// Since when they are counted, in seconds after the boot.
    pub(super) start: f64,
    last: Instant,
}

impl Owners {
    fn new(by: By) -> Self {
        Self { by, kills: BTreeMap::new() }
    }

    fn add(&mut self, owner: Owner, now: Instant, start: f64) {
        if owner.is_shown(self.by) {
            let has_room = self.kills.contains_key(&owner) || self.kills.len() < MAX_OWNERS;
            self.count(if has_room { owner } else { other() }, 1, now, start);
        }
    }

    /// Those of whom nothing was killed for so long are among the others, so that sums never fall.
    fn expire(&mut self, min_retention: Duration, now: Instant, start: f64) {
        let is_old = |owner: &Owner, it: &Kills| {
            *owner != other() && now.saturating_duration_since(it.last) >= min_retention
        };
        let n = self.kills.extract_if(.., |owner, it| is_old(owner, it)).map(|it| it.1.n).sum();
        if n > 0 {
            self.count(other(), n, now, start);
        }
    }

    fn count(&mut self, owner: Owner, n: u64, now: Instant, start: f64) {
        let kills = self.kills.entry(owner).or_insert(Kills { n: 0, start, last: now });
        kills.n += n;
        kills.last = now;
    }
}

fn other() -> Owner {
    Owner::Other("~other".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> Owner {
        Owner::Unit(name.to_owned())
    }

    fn shown(owners: &Owners) -> Vec<(&str, u64)> {
        owners.kills.iter().map(|(owner, it)| (owner.word(), it.n)).collect()
    }

    #[test]
    fn who_had_no_kill_for_long_is_among_the_others_and_nothing_is_lost() {
        let mut owners = Owners::new(By::Unit);
        let (begin, hour) = (Instant::now(), Duration::from_hours(1));
        owners.add(unit("a.service"), begin, 1.0);
        owners.add(unit("b.service"), begin, 1.0);
        owners.add(unit("b.service"), begin + hour, 2.0);
        owners.add(Owner::Other("/none".to_owned()), begin, 1.0);
        owners.expire(hour, begin + hour - Duration::from_secs(1), 2.0);
        assert_eq!(shown(&owners), [("a.service", 1), ("b.service", 2)]);
        owners.expire(hour, begin + hour, 2.0);
        assert_eq!(shown(&owners), [("b.service", 2), ("~other", 1)]);
        owners.expire(hour, begin + 9 * hour, 9.0);
        assert_eq!(shown(&owners), [("~other", 3)]);
        assert_eq!(owners.kills[&other()].start, 2.0, "a remainder counts since it is there");
    }

    #[test]
    fn there_are_no_more_owners_than_can_be_shown() {
        let mut owners = Owners::new(By::Cgroup);
        for number in 0..2 * MAX_OWNERS {
            owners.add(Owner::Other(format!("/{number}")), Instant::now(), 1.0);
        }
        assert_eq!(owners.kills.len(), MAX_OWNERS + 1);
        assert_eq!(owners.kills[&other()].n, MAX_OWNERS as u64);
    }
}
