//! Rows by the kernel's own dense numbers; see [`probe_abi::by_id`].

use core::{mem::offset_of, ptr};

use probe_abi::{
    Histogram,
    by_id::{NAME_WORDS, OTHER, Owner, TRIES, entry, row_of},
    histogram::slot,
    table::banked,
};

use crate::{
    Number,
    maps::{Rows, add},
    now, opaque,
};

/// A table whose rows are claimed as owners appear, and freed by the agent. Its three maps are the probe's.
pub struct ById<T: Copy + 'static> {
    /// As many as there can be keys.
    pub entries: Rows<u64>,
    /// As many as there are rows, and that of [`OTHER`].
    pub owners: Rows<Owner>,
    /// As many, times the banks.
    pub rows: Rows<T>,
    /// Banks less one.
    pub banks: &'static Number,
}

/// A row that several CPUs may count in. Its words are told by where they are: `offset_of!(Row, field)`, in bytes.
#[derive(Clone, Copy)]
pub struct Counts<T>(*mut T);

impl<T: Copy> ById<T> {
    /// The row of who has `key` now: the one with this serial number (see [`probe_abi::by_id::serial`]). Who has none
    /// yet gets one, with the name that `name` reads; if there is none to be had, that of all others.
    #[inline(always)]
    pub fn counts(
        &self,
        key: u32,
        serial: u64,
        cpu: u32,
        name: impl FnOnce() -> [u64; NAME_WORDS],
    ) -> Option<Counts<T>> {
        let row = match self.entries.load(key) {
            Some(found) => match row_of(found, serial) {
                OTHER => self.claim(key, serial, name),
                row => row,
            },
            None => OTHER,
        };
        self.of(row, cpu)
    }

    /// The row of all who have none of their own.
    #[inline(always)]
    pub fn other(&self, cpu: u32) -> Option<Counts<T>> {
        self.of(OTHER, cpu)
    }

    #[inline(always)]
    fn of(&self, row: u32, cpu: u32) -> Option<Counts<T>> {
        let banks = self.banks.get();
        self.rows.row(banked(row, cpu & banks, banks + 1)).map(Counts)
    }

    /// Takes a free row, writes whose it is, and lets the entry lead there.
    #[inline(always)]
    fn claim(&self, key: u32, serial: u64, name: impl FnOnce() -> [u64; NAME_WORDS]) -> u32 {
        let Some(nobody) = self.owners.row(OTHER) else { return OTHER };
        // SAFETY: all pointers are to values of maps, which outlive the program. Words that others write are read and
        // written whole, and an owner is believed by its seal alone.
        unsafe {
            let next = &raw mut (*nobody).claims;
            let mut row = ptr::read_volatile(next) as u32;
            for _ in 0..TRIES {
                let owner = match self.owners.row(row) {
                    Some(owner) if row != OTHER => owner,
                    _ => {
                        row = OTHER + 1;
                        continue;
                    }
                };
                let claims = &raw mut (*owner).claims;
                if ptr::read_volatile(claims) == 0 {
                    add(claims, 1);
                    if ptr::read_volatile(claims) == 1 {
                        ptr::write_volatile(next, u64::from(row + 1));
                        let (key_word, created, name) = (u64::from(key), now(), name());
                        ptr::write_volatile(&raw mut (*owner).key, key_word);
                        ptr::write_volatile(&raw mut (*owner).serial, serial);
                        ptr::write_volatile(&raw mut (*owner).created, created);
                        ptr::write_volatile(&raw mut (*owner).name, name);
                        let seal = Owner::seal_of(key_word, serial, created, name);
                        ptr::write_volatile(&raw mut (*owner).seal, seal);
                        self.entries.store(key, entry(serial, row));
                        return row;
                    }
                    add(claims, u64::MAX);
                }
                row += 1;
            }
            ptr::write_volatile(next, u64::from(row));
        }
        OTHER
    }
}

impl<T: Copy> Counts<T> {
    /// Adds to the word at `offset`, or to one of an array there. One that is not in the row counts for nothing.
    #[inline(always)]
    pub fn add(self, offset: usize, idx: usize, n: u64) {
        let word = opaque(offset / size_of::<u64>() + idx);
        if word < size_of::<T>() / size_of::<u64>() {
            // SAFETY: it is a word of the map's value.
            unsafe { add(self.0.cast::<u64>().add(word), n) };
        }
    }

    /// Adds a time to the histogram at `offset`.
    #[inline(always)]
    pub fn record(self, offset: usize, ns: u64) {
        self.tally(offset, ns, ns);
    }

    /// Counts in the histogram at `offset`, in the slot of `ns`, what adds `n` to its sum.
    #[inline(always)]
    pub fn tally(self, offset: usize, ns: u64, n: u64) {
        self.add(offset + offset_of!(Histogram, slots), slot(ns), 1);
        self.add(offset + offset_of!(Histogram, sum), 0, n);
    }
}
