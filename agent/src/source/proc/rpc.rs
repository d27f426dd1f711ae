//! `/proc/net/rpc/nfs` and `/proc/net/rpc/nfsd`: a word and numbers on each line; see `net/sunrpc/stats.c` and
//! `fs/nfsd/stats.c`. The procfs crate knows neither.

use crate::source::{number, words};

/// How many numbers a line has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbers {
    Exactly(usize),
    /// At least so many after one that says how many.
    Counted(usize),
    /// So many, and then others that are no whole numbers.
    First(usize),
}

/// The numbers of a file's lines.
#[derive(Debug)]
pub(crate) struct Lines {
    known: &'static [(&'static str, Numbers)],
    /// Parallel to `known`, empty for a line that the file lacks.
    numbers: Vec<Vec<u64>>,
}

impl Lines {
    pub(crate) fn new(known: &'static [(&'static str, Numbers)]) -> Self {
        Self { known, numbers: known.iter().map(|_| Vec::new()).collect() }
    }

    /// Forgets the last text.
    pub(crate) fn clear(&mut self) {
        self.numbers.iter_mut().for_each(Vec::clear);
    }

    /// Takes in one line. `None` when it is not known, or has another count of numbers.
    pub(crate) fn add(&mut self, line: &[u8]) -> Option<()> {
        let mut words = words(line);
        let word = words.next()?;
        let index = self.known.iter().position(|(known, _)| known.as_bytes() == word)?;
        let max = match self.known[index].1 {
            Numbers::First(count) => count,
            Numbers::Exactly(_) | Numbers::Counted(_) => usize::MAX,
        };
        let numbers = &mut self.numbers[index];
        numbers.clear();
        for word in words.take(max) {
            numbers.push(number(word)?);
        }
        let is_whole = match self.known[index].1 {
            Numbers::Exactly(count) | Numbers::First(count) => numbers.len() == count,
            Numbers::Counted(least) => {
                let count = numbers.len().checked_sub(1)?;
                numbers[0] == count as u64 && count >= least
            }
        };
        is_whole.then_some(())
    }

    /// A number of a line, 0 where the kernel does not have it.
    pub(crate) fn get(&self, line: &str, index: usize) -> u64 {
        let line = self.known.iter().position(|(known, _)| *known == line);
        line.and_then(|it| self.numbers[it].get(index)).copied().unwrap_or(0)
    }
}
