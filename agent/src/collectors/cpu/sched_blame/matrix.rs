//! Who waited for whom, by name: what the probe has counted by numbers.

use super::{totals::Totals, watched::Watched};
use crate::{
    collectors::by_group::By,
    source::{
        cgroups::{CpuGroup, Names},
        ebpf::{
            Error, Probe, Words,
            blame::{Blame, OWN_QUOTA, PLACES, SLOTS, WATCHED, id_of},
            declared::runqueue,
        },
    },
};
use std::{
    mem::{self, offset_of},
    sync::Arc,
    time::Instant,
};

/// Words of a CPU's row.
const ROW: usize = size_of::<Blame>() / size_of::<u64>();

pub(super) struct Matrix {
    /// A row for each possible CPU.
    blames: Arc<Words>,
    n_cpus: usize,
    groups: Arc<Words>,
    watched: Watched,
    /// What the probe had counted at the last look.
    seen: Vec<u64>,
    totals: Vec<Totals>,
    begun: Instant,
}

impl Matrix {
    pub(super) fn of(probe: &Probe, top: usize, by: &[By]) -> Result<Self, Error> {
        let (groups, _) = probe.writable(runqueue::GROUPS)?;
        let (blames, n_cpus) = probe.writable(runqueue::BLAMES)?;
        let mut it = Self {
            blames,
            n_cpus,
            groups,
            watched: Watched::new(top),
            seen: Vec::new(),
            totals: By::chosen(by).map(Totals::new).collect(),
            begun: Instant::now(),
        };
        it.adopt();
        Ok(it)
    }

    /// Takes over what the probe counts already, after a reload.
    fn adopt(&mut self) {
        self.seen = self.waits();
        for slot in WATCHED..OWN_QUOTA {
            let of_slot = |at: usize| at / SLOTS == slot as usize || at % SLOTS == slot as usize;
            if self.seen.iter().enumerate().any(|(at, &ns)| ns != 0 && of_slot(at)) {
                self.watched.adopt(slot, 0, 0.0);
            }
        }
        for word in self.groups.read(0..PLACES).filter(|&it| it != 0) {
            let (slot, id) = id_of(word);
            self.watched.adopt(slot, id, 0.0);
        }
    }

    /// Nanoseconds, by who waited, then by who had the CPU.
    fn waits(&self) -> Vec<u64> {
        let mut waits = vec![0_u64; SLOTS * SLOTS];
        for cpu in 0..self.n_cpus {
            let first = cpu * ROW + offset_of!(Blame, waits) / size_of::<u64>();
            let words = self.blames.read(first..first + SLOTS * SLOTS);
            waits.iter_mut().zip(words).for_each(|(sum, ns)| *sum += ns);
        }
        waits
    }

    /// Chooses whom to watch, and tells the probe.
    pub(super) fn watch(&mut self, groups: &[CpuGroup]) {
        let changes = self.watched.look(self.begun.elapsed().as_secs_f64(), groups);
        // What was counted since for who had the number before is nobody's.
        let waits = self.waits();
        for slot in changes.given.iter().map(|&it| it as usize) {
            for other in 0..SLOTS {
                for at in [slot * SLOTS + other, other * SLOTS + slot] {
                    self.seen[at] = waits[at];
                }
            }
        }
        for (place, word) in changes.words {
            self.groups.store(place as usize, word);
        }
    }

    pub(super) fn tells_of(&self, by: By) -> bool {
        self.totals.iter().any(|it| it.by == by)
    }

    /// Adds what was counted since the last look.
    pub(super) fn add_up(&mut self, names: &Names) -> &[Totals] {
        let waits = self.waits();
        let seen = mem::replace(&mut self.seen, waits);
        let grown: Vec<u64> = self.seen.iter().zip(seen).map(|(now, seen)| now.wrapping_sub(seen)).collect();
        let paths: Vec<_> = (0..SLOTS as u32).map(|it| self.watched.path(it)).collect();
        for totals in &mut self.totals {
            totals.add(&grown, &paths, names);
        }
        &self.totals
    }
}
