//! `/proc/net/rpc/nfs` and `/proc/net/rpc/nfsd`: a word and numbers on each line; see `net/sunrpc/stats.c` and
//! `fs/nfsd/stats.c`. The procfs crate knows neither.

use crate::source::{count, words};

/// Which numbers of a line count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbers {
    /// So many, and whatever newer kernels have behind them.
    First(usize),
    /// At least so many after one that says how many.
    Counted(usize),
}

/// The numbers of a file's lines.
#[derive(Debug)]
pub(crate) struct Lines {
    known: &'static [(&'static str, Numbers)],
    /// Parallel to `known`, empty for a line that the file lacks.
    numbers: Vec<Vec<Option<u64>>>,
}

impl Lines {
    pub(crate) fn new(known: &'static [(&'static str, Numbers)]) -> Self {
        Self { known, numbers: known.iter().map(|_| Vec::new()).collect() }
    }

    /// Forgets the last text.
    pub(crate) fn clear(&mut self) {
        self.numbers.iter_mut().for_each(Vec::clear);
    }

    /// Takes in one line. `None` when it is not known, has too few numbers, or one is none: the
    /// others are taken.
    pub(crate) fn add(&mut self, line: &[u8]) -> Option<()> {
        let mut words = words(line);
        let word = words.next()?;
        let index = self.known.iter().position(|(known, _)| known.as_bytes() == word)?;
        let counts = words.map(count);
        let taken: Vec<_> = match self.known[index].1 {
            Numbers::First(n_numbers) => counts.take(n_numbers).collect(),
            Numbers::Counted(_) => counts.collect(),
        };
        let is_whole = match self.known[index].1 {
            Numbers::First(n_numbers) => taken.len() == n_numbers,
            Numbers::Counted(least) => {
                let n_counted = taken.len().checked_sub(1)?;
                taken[0] == Some(Some(n_counted as u64)) && n_counted >= least
            }
        };
        if !is_whole {
            return None;
        }
        self.numbers[index] = taken.iter().map(|it| it.flatten()).collect();
        taken.iter().all(Option::is_some).then_some(())
    }

    /// A number of a line, `None` where the kernel has no such line. Beyond the line's end stand methods that the kernel
    /// does not know, which were never asked for.
    pub(crate) fn get(&self, line: &str, index: usize) -> Option<u64> {
        let line = self.known.iter().position(|(known, _)| *known == line)?;
        let numbers = &self.numbers[line];
        if numbers.is_empty() { None } else { numbers.get(index).copied().unwrap_or(Some(0)) }
    }
}
