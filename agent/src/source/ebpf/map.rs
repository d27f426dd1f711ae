//! Tables that probes write and the agent reads, in memory that both share.

use std::{marker::PhantomData, ops::Range, sync::Arc};

use probe_abi::{Histogram, Meter, QueueClock, table};

use crate::source::sys::memory::SharedWords;

/// What a table may consist of: counts that can be added up, in a whole number of words.
///
/// A probe goes on counting while a row is read, so two words of it may be an event apart.
pub trait Row: Default {
    /// Adds a row, given word by word.
    fn add(&mut self, words: impl Iterator<Item = u64>);
}

impl Row for u64 {
    fn add(&mut self, words: impl Iterator<Item = u64>) {
        *self = words.fold(*self, u64::wrapping_add);
    }
}

impl Row for Histogram {
    fn add(&mut self, words: impl Iterator<Item = u64>) {
        for (total, word) in self.slots.iter_mut().chain([&mut self.sum]).zip(words) {
            *total = total.wrapping_add(word);
        }
    }
}

impl Row for Meter {
    fn add(&mut self, words: impl Iterator<Item = u64>) {
        let totals = [&mut self.off, &mut self.runs, &mut self.time, &mut self.due, &mut self.timed];
        for (total, word) in totals.into_iter().zip(words) {
            *total = total.wrapping_add(word);
        }
    }
}

/// Of a sum, only the counts mean something.
impl Row for QueueClock {
    fn add(&mut self, words: impl Iterator<Item = u64>) {
        let totals = [
            &mut self.start,
            &mut self.offset,
            &mut self.compared,
            &mut self.sampled,
            &mut self.stale,
            &mut self.fresh,
            &mut self.preempted,
            &mut self.negative,
            &mut self.unknown,
            &mut self.unqueued,
            &mut self.asleep,
            &mut self.unread,
            &mut self.counted,
        ];
        for (total, word) in totals.into_iter().zip(words) {
            *total = total.wrapping_add(word);
        }
    }
}

/// An array map of eBPF in our memory: reading it takes no system call.
#[derive(Debug)]
pub struct Table<T> {
    words: Arc<SharedWords>,
    n_rows: usize,
    row: PhantomData<fn() -> T>,
}

impl<T: Row> Table<T> {
    pub(super) const ROW_WORDS: usize = size_of::<T>() / size_of::<u64>();

    /// `words` are those of a map whose rows are each a `T`.
    pub(super) fn new(words: Arc<SharedWords>) -> Self {
        Self { n_rows: words.n_words() / Self::ROW_WORDS, words, row: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.n_rows
    }

    pub fn is_empty(&self) -> bool {
        self.n_rows == 0
    }

    /// The sum of a range of rows; those beyond the end count for nothing.
    pub fn sum(&self, rows: Range<usize>) -> T {
        let mut total = T::default();
        for row in rows.start..rows.end.min(self.n_rows) {
            total.add(self.words(row));
        }
        total
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = T> {
        (0..self.n_rows).map(|row| self.sum(row..row + 1))
    }

    fn words(&self, row: usize) -> impl Iterator<Item = u64> {
        self.words.read(row * Self::ROW_WORDS..(row + 1) * Self::ROW_WORDS)
    }
}

/// Counters by an index, of which the last is that of all others.
#[derive(Debug)]
pub struct Counters {
    words: Table<u64>,
    n: u32,
}

impl Counters {
    pub(super) fn new(words: Table<u64>, n: u32) -> Self {
        Self { words, n }
    }

    /// All counters in order: one for each index, and that of the others.
    pub fn rows(&self) -> impl Iterator<Item = u64> {
        let banks = self.words.len() as u32 / table::counter_words(self.n);
        let word = move |index, bank| table::counter(index, bank, self.n) as usize;
        let of_bank = move |index, bank| self.words.sum(word(index, bank)..word(index, bank) + 1);
        (0..table::rows(self.n))
            .map(move |index| (0..banks).map(|bank| of_bank(index, bank)).fold(0, u64::wrapping_add))
    }
}

/// Histograms by an index, of which the last is that of all others.
#[derive(Debug)]
pub struct Histograms {
    rows: Table<Histogram>,
    n: u32,
}

impl Histograms {
    pub(super) fn new(rows: Table<Histogram>, n: u32) -> Self {
        Self { rows, n }
    }

    /// All histograms in order: one for each index, and that of the others.
    pub fn rows(&self) -> impl Iterator<Item = Histogram> {
        let banks = self.rows.len() / table::rows(self.n) as usize;
        (0..table::rows(self.n) as usize).map(move |row| self.rows.sum(row * banks..(row + 1) * banks))
    }
}
