//! The kinds of maps; the agent's side has the same names.

use core::{arch::asm, ptr};

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_MMAPABLE, BPF_NOEXIST},
    btf_maps::{Array, HashMap},
};
use probe_abi::{Histogram, histogram::slot};

/// In memory that the agent reads.
const SHARED: usize = BPF_F_MMAPABLE as usize;

/// A row for each possible CPU, which that CPU alone writes.
pub type PerCpu<T> = Array<T, 1, SHARED>;

/// As many rows as the agent says.
pub type Rows<T> = Array<T, 1, SHARED>;

/// `N` rows.
pub type Fixed<T, const N: usize> = Array<T, N, SHARED>;

/// A hash of as many entries as the agent says, for the programs alone.
pub type Hash<K, V> = HashMap<K, V, 1>;

/// Rows of words.
pub trait Words {
    /// The word of a row, whoever wrote it last; `None` for a row that is not there.
    fn load(&self, row: u32) -> Option<u64>;

    fn store(&self, row: u32, word: u64);

    /// Adds to a row, without losing what other CPUs add. A row that is not there counts for nothing.
    fn add(&self, row: u32, n: u64);

    /// Adds to a row that no other program and no other CPU writes at the same time.
    fn add_alone(&self, row: u32, n: u64);
}

impl<const N: usize, const FLAGS: usize> Words for Array<u64, N, FLAGS> {
    #[inline(always)]
    fn load(&self, row: u32) -> Option<u64> {
        // SAFETY: the map outlives the program; a word is read at once.
        Some(unsafe { ptr::read_volatile(self.get_ptr(row)?) })
    }

    #[inline(always)]
    fn store(&self, row: u32, word: u64) {
        if let Some(place) = self.get_ptr_mut(row) {
            // SAFETY: the map outlives the program; a word is written at once.
            unsafe { ptr::write_volatile(place, word) };
        }
    }

    #[inline(always)]
    fn add(&self, row: u32, n: u64) {
        if let Some(word) = self.get_ptr_mut(row) {
            // SAFETY: the word is in a map.
            unsafe { add(word, n) };
        }
    }

    #[inline(always)]
    fn add_alone(&self, row: u32, n: u64) {
        if let Some(word) = self.get_ptr_mut(row) {
            // SAFETY: the map outlives the program, and nobody else writes the word meanwhile.
            unsafe { *word += n };
        }
    }
}

/// Rows of histograms.
pub trait Histograms {
    /// Counts a time in nanoseconds, without losing what other CPUs count.
    fn record(&self, row: u32, ns: u64);

    /// Counts in a row that no other program and no other CPU writes at the same time.
    fn record_alone(&self, row: u32, ns: u64);
}

impl<const N: usize, const FLAGS: usize> Histograms for Array<Histogram, N, FLAGS> {
    #[inline(always)]
    fn record(&self, row: u32, ns: u64) {
        let Some(row) = self.get_ptr_mut(row) else { return };
        // SAFETY: the map outlives the program. Other CPUs may count in the same row, so no reference is made and all
        // additions are atomic.
        unsafe {
            let slot = slot(ns);
            if slot < probe_abi::histogram::SLOTS {
                add((&raw mut (*row).slots).cast::<u64>().add(slot), 1);
                add(&raw mut (*row).sum, ns);
            }
        }
    }

    #[inline(always)]
    fn record_alone(&self, row: u32, ns: u64) {
        if let Some(row) = self.get_ptr_mut(row) {
            // SAFETY: the map outlives the program, and nobody else writes the row meanwhile.
            let row = unsafe { &mut *row };
            if let Some(count) = row.slots.get_mut(slot(ns)) {
                *count += 1;
                row.sum += ns;
            }
        }
    }
}

/// Entries that programs put aside for each other.
pub trait Entries<K, V> {
    /// The value of a key, copied: another program may take the entry away at any time.
    fn copied(&self, key: K) -> Option<V>;

    /// Sets the value of a key; `false` if there is no room, or no lock to be had where this was interrupted.
    fn put(&self, key: K, value: V) -> bool;

    /// Sets the value of a key that has none yet; `false` if it has, or as [`put`](Self::put).
    fn claim(&self, key: K, value: V) -> bool;

    /// Takes the value of a key away; `None` if there is none, or another program was faster.
    fn take(&self, key: K) -> Option<V>;
}

impl<K, V: Copy, const N: usize, const FLAGS: usize> Entries<K, V> for HashMap<K, V, N, FLAGS> {
    #[inline(always)]
    fn copied(&self, key: K) -> Option<V> {
        // SAFETY: the value is copied at once; a program may see that of another key in an entry that is used again,
        // and is to be written for that.
        unsafe { self.get(key) }.copied()
    }

    #[inline(always)]
    fn put(&self, key: K, value: V) -> bool {
        self.insert(key, value, BPF_ANY.into()).is_ok()
    }

    #[inline(always)]
    fn claim(&self, key: K, value: V) -> bool {
        self.insert(key, value, BPF_NOEXIST.into()).is_ok()
    }

    #[inline(always)]
    fn take(&self, key: K) -> Option<V> {
        // SAFETY: as in `copied`.
        let value = unsafe { self.get(&key) }.copied()?;
        self.remove(&key).is_ok().then_some(value)
    }
}

/// Adds without losing another CPU's additions.
///
/// # Safety
///
/// `word` is in a map.
#[inline(always)]
pub unsafe fn add(word: *mut u64, n: u64) {
    // By hand, as Rust has only additions that fetch, which need Linux 5.12.
    // SAFETY: map values are aligned to 8 bytes and live as long as the program.
    unsafe {
        asm!("lock *(u64 *)({word} + 0) += {n}", word = in(reg) word, n = in(reg) n, options(nostack));
    }
}
