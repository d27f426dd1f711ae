//! Rows that owners come to have and lose: the agent's side of [`probe_abi::by_id`].
//!
//! The probe gives rows to owners as it meets them. Which owners are gone the agent must know from elsewhere: their rows
//! it [retires](ById::retire), and [frees](ById::free_retired) them once no program can be counting there any more.

use std::{
    marker::PhantomData,
    mem::offset_of,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use ebpf_probes::maps;
use probe_abi::{
    by_id::{OTHER, Owner, entry},
    table::banked,
};

use super::{Error, Probe, map::Row};
use crate::source::sys::memory::SharedWords;

/// Longer than any program runs.
const GRACE: Duration = Duration::from_secs(1);

const OWNER_WORDS: usize = size_of::<Owner>() / size_of::<u64>();

/// A table of a probe.
#[derive(Debug)]
pub struct ById<T> {
    entries: Arc<SharedWords>,
    owners: Arc<SharedWords>,
    rows: Arc<SharedWords>,
    /// That of all others among them.
    n_rows: u32,
    banks: u32,
    /// What is to be freed, and since when nobody finds it.
    retired: Vec<(u32, Instant)>,
    row: PhantomData<fn() -> T>,
}

impl<T: Row> ById<T> {
    const ROW_WORDS: usize = size_of::<T>() / size_of::<u64>();

    /// Takes its maps out of a probe. There are as many rows as `owners` has entries, `banks` times.
    pub fn new(probe: &Probe, maps: maps::ById<T>, banks: u32) -> Result<Self, Error> {
        let (entries, _) = probe.writable(maps.entries)?;
        let (owners, n_rows) = probe.writable(maps.owners)?;
        let (rows, _) = probe.writable(maps.rows)?;
        Ok(Self::of(entries, owners, rows, n_rows as u32, banks))
    }

    fn of(
        entries: Arc<SharedWords>,
        owners: Arc<SharedWords>,
        rows: Arc<SharedWords>,
        n_rows: u32,
        banks: u32,
    ) -> Self {
        let mut it = Self { entries, owners, rows, n_rows, banks, retired: Vec::new(), row: PhantomData };
        // What another has retired and not freed; a row that is being taken is whole when it comes to that.
        let is_retired = |row: &u32| {
            let owner = it.owner(*row);
            owner.claims != 0 && !owner.is_whole()
        };
        let now = Instant::now();
        it.retired = (OTHER + 1..n_rows).filter(is_retired).map(|row| (row, now)).collect();
        it
    }

    /// The rows that are owned, and whose they are. A row that was taken a moment ago may be missing.
    pub fn owners(&self) -> Vec<(u32, Owner)> {
        let rows = OTHER + 1..self.n_rows;
        rows.map(|row| (row, self.owner(row))).filter(|(_, owner)| owner.is_whole()).collect()
    }

    /// Adds what a row has counted.
    pub fn add_to(&self, total: &mut T, row: u32) {
        for words in self.banks_of(row) {
            total.add(self.rows.read(words));
        }
    }

    /// What was counted for those who got no row.
    pub fn other(&self) -> T {
        let mut total = T::default();
        self.add_to(&mut total, OTHER);
        total
    }

    /// Gives up a row whose owner is gone: from now on nobody finds it.
    pub fn retire(&mut self, row: u32, now: Instant) {
        let Owner { key, serial, .. } = self.owner(row);
        self.entries.replace(key as usize, entry(serial, row), 0);
        self.owners.store(Self::word_of(row, offset_of!(Owner, seal)), 0);
        self.retired.push((row, now));
    }

    /// Makes rows free that were given up a while ago.
    pub fn free_retired(&mut self, now: Instant) {
        let is_due = |it: &(u32, Instant)| now.saturating_duration_since(it.1) >= GRACE;
        let (due, kept): (Vec<_>, Vec<_>) = self.retired.drain(..).partition(is_due);
        self.retired = kept;
        for (row, _) in due.iter().filter(|it| !self.owner(it.0).is_whole()) {
            for word in self.banks_of(*row).flatten() {
                self.rows.store(word, 0);
            }
            self.owners.subtract(Self::word_of(*row, offset_of!(Owner, claims)), 1);
        }
        if !due.is_empty() {
            self.aim();
        }
    }

    /// Lets the next search begin where the most free rows stand side by side.
    fn aim(&self) {
        let is_free = |row: &u32| self.owner(*row).claims == 0;
        let (mut best, mut row) = (OTHER + 1..OTHER + 1, OTHER + 1);
        while row < self.n_rows {
            let end = (row..self.n_rows).find(|it| !is_free(it)).unwrap_or(self.n_rows);
            if end - row > best.end - best.start {
                best = row..end;
            }
            row = end + 1;
        }
        self.owners.store(Self::word_of(OTHER, offset_of!(Owner, claims)), u64::from(best.start));
    }

    fn owner(&self, row: u32) -> Owner {
        let first = Self::word_of(row, 0);
        let mut words = self.owners.read(first..first + OWNER_WORDS);
        let mut next = || words.next().unwrap_or_default();
        let (claims, key, serial, created) = (next(), next(), next(), next());
        Owner { claims, key, serial, created, name: std::array::from_fn(|_| next()), seal: next() }
    }

    /// The words of a row's banks.
    fn banks_of(&self, row: u32) -> impl Iterator<Item = Range<usize>> + use<T> {
        let banks = self.banks;
        (0..banks).map(move |bank| {
            let first = banked(row, bank, banks) as usize * Self::ROW_WORDS;
            first..first + Self::ROW_WORDS
        })
    }

    fn word_of(row: u32, offset: usize) -> usize {
        row as usize * OWNER_WORDS + offset / size_of::<u64>()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::fd::AsFd as _;

    use probe_abi::by_id::{MAX_ROWS, TRIES, row_of, serial};

    use super::*;

    const KEYS: u32 = 64;
    const ROWS: u32 = 9;
    const BANKS: u32 = 2;
    const NAME: [u8; 8] = *b"loop0\0\0\0";

    /// A table in memory of our own.
    pub(in super::super) fn table(n_rows: u32) -> ById<u64> {
        let words = |n: usize| {
            let file = tempfile::tempfile().unwrap();
            file.set_len((n * 8) as u64).unwrap();
            Arc::new(SharedWords::map(file.as_fd(), n).unwrap())
        };
        let rows = words((n_rows * BANKS) as usize);
        ById::of(words(KEYS as usize), words(n_rows as usize * OWNER_WORDS), rows, n_rows, BANKS)
    }

    /// What `ebpf-probes/src/kernel/by_id.rs` does.
    impl ById<u64> {
        pub(in super::super) fn count(&self, key: u32, number: u64, name: [u8; 8], cpu: u32) {
            let found = self.entries.read(key as usize..key as usize + 1).next();
            let row = match found.map_or(OTHER, |it| row_of(it, serial(number))) {
                OTHER if found.is_some() => self.claim(key, serial(number), name),
                row => row,
            };
            let word = banked(row, cpu % BANKS, BANKS) as usize;
            let before = self.rows.read(word..word + 1).next().unwrap();
            self.rows.store(word, before + 1);
        }

        fn claim(&self, key: u32, serial: u64, name: [u8; 8]) -> u32 {
            let mut row = self.owner(OTHER).claims as u32;
            for _ in 0..TRIES {
                if row == OTHER || row >= self.n_rows {
                    row = OTHER + 1;
                } else if self.owner(row).claims == 0 {
                    let (key, created) = (u64::from(key), serial);
                    let name = [u64::from_ne_bytes(name), 0, 0, 0];
                    let seal = Owner::seal_of(key, serial, created, name);
                    let words = [1, key, serial, created, name[0], 0, 0, 0, seal];
                    for (idx, word) in words.into_iter().enumerate() {
                        self.owners.store(Self::word_of(row, 8 * idx), word);
                    }
                    self.owners.store(Self::word_of(OTHER, 0), u64::from(row + 1));
                    self.entries.store(key as usize, entry(serial, row));
                    return row;
                } else {
                    row += 1;
                }
            }
            self.owners.store(Self::word_of(OTHER, 0), u64::from(row));
            OTHER
        }

        /// Serial numbers and counts.
        fn all(&self) -> Vec<(u64, u64)> {
            let rows = self.owners().into_iter();
            let mut all: Vec<_> = rows
                .map(|(row, owner)| {
                    let mut total = 0;
                    self.add_to(&mut total, row);
                    (owner.serial, total)
                })
                .collect();
            all.sort_unstable();
            all
        }

        fn retire_serial(&mut self, serial: u64, now: Instant) {
            let (row, _) = *self.owners().iter().find(|it| it.1.serial == serial).unwrap();
            self.retire(row, now);
        }
    }

    #[test]
    fn each_owner_has_a_row_whichever_cpu_counts() {
        let table = table(ROWS);
        for cpu in 0..4 {
            table.count(3, 100, NAME, cpu);
            table.count(4, 101, NAME, cpu);
        }
        assert_eq!(table.all(), [(100, 4), (101, 4)]);
        assert_eq!(table.other(), 0);
    }

    #[test]
    fn who_gets_a_number_that_was_anothers_begins_at_0() {
        let table = table(ROWS);
        table.count(3, 100, NAME, 0);
        table.count(3, 101, NAME, 0);
        table.count(3, 101, NAME, 1);
        assert_eq!(table.all(), [(100, 1), (101, 2)]);
    }

    #[test]
    fn what_finds_no_row_is_counted_together() {
        let table = table(ROWS);
        for key in 0..KEYS {
            table.count(key, 100 + u64::from(key), NAME, 0);
        }
        // And one whose number is too high for any entry.
        table.count(KEYS, 1000, NAME, 0);
        assert_eq!(table.all().len(), 8);
        assert_eq!(table.other(), u64::from(KEYS) - 8 + 1);
    }

    #[test]
    fn a_retired_row_is_found_no_more_and_is_empty_when_it_is_free() {
        let mut table = table(2);
        let begin = Instant::now();
        table.count(3, 100, NAME, 0);
        table.retire_serial(100, begin);
        assert_eq!(table.all(), []);
        table.free_retired(begin);
        table.count(3, 100, NAME, 0);
        assert_eq!((table.all(), table.other()), (vec![], 1), "programs may still count there");
        table.free_retired(begin + GRACE);
        table.count(5, 101, NAME, 1);
        assert_eq!((table.all(), table.other()), (vec![(101, 1)], 1));
    }

    #[test]
    fn what_was_retired_before_a_reload_comes_free_after_it() {
        let mut before = table(2);
        before.count(3, 100, NAME, 0);
        before.retire_serial(100, Instant::now());
        let [entries, owners, rows] = [&before.entries, &before.owners, &before.rows].map(Arc::clone);
        let mut after = ById::<u64>::of(entries, owners, rows, 2, BANKS);
        after.free_retired(Instant::now() + GRACE);
        after.count(4, 101, NAME, 0);
        assert_eq!((after.all(), after.other()), (vec![(101, 1)], 0));
    }

    #[test]
    fn an_entry_that_is_anothers_by_now_stays() {
        let mut table = table(ROWS);
        table.count(3, 100, NAME, 0);
        table.count(3, 101, NAME, 0);
        table.retire_serial(100, Instant::now());
        table.count(3, 101, NAME, 0);
        assert_eq!(table.all(), [(101, 2)]);
    }

    #[test]
    fn rows_serve_any_number_of_owners_one_after_the_other() {
        let mut table = table(40);
        let mut now = Instant::now();
        for round in 0..200 {
            for key in 0..30 {
                table.count(key, 1000 * (round + 1) + u64::from(key), NAME, 0);
            }
            assert_eq!(table.all().len(), 30);
            // One in ten stays, and has its number from now on.
            for (serial, _) in table.all().into_iter().filter(|it| it.0 % 10 != 0) {
                table.retire_serial(serial, now);
            }
            now += GRACE;
            table.free_retired(now);
            for (serial, _) in table.all() {
                table.retire_serial(serial, now);
            }
            now += GRACE;
            table.free_retired(now);
        }
        assert_eq!(table.other(), 0);
    }

    #[test]
    fn the_next_search_begins_where_most_rows_are_free() {
        let mut table = table(MAX_ROWS / 64);
        for key in 0..60 {
            table.count(key, 100 + u64::from(key), NAME, 0);
        }
        let begin = Instant::now();
        table.retire_serial(105, begin);
        table.free_retired(begin + GRACE);
        for key in 0..60 {
            table.count(key, 200 + u64::from(key), NAME, 0);
        }
        assert_eq!(table.other(), 0);
    }
}
