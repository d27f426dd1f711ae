//! `/proc/diskstats`: see Documentation/admin-guide/iostats.rst. The kernel had 11 columns of numbers at first, 15
//! since 4.18, 17 since 5.5. By hand: the procfs crate refuses the whole file when one line is short.

use crate::source::{count, number, words};

/// What one line says.
#[derive(Debug)]
pub struct Disk<'a> {
    pub major: u32,
    pub minor: u32,
    pub name: &'a [u8],
    pub counts: Counts,
    /// Whether each word that is a count is a number.
    pub is_whole: bool,
}

/// The numbers of one line, in the file's order.
#[derive(Debug)]
pub struct Counts {
    columns: [Option<u64>; 17],
}

impl Counts {
    /// A column as it is; `None` when the kernel does not have it, or it holds no count.
    #[must_use]
    pub fn count(&self, column: usize) -> Option<u64> {
        self.columns.get(column).copied().flatten()
    }

    /// A column that is in sectors of 512 bytes, whatever the device's own are.
    #[must_use]
    pub fn bytes(&self, column: usize) -> Option<f64> {
        self.count(column).map(|sectors| sectors as f64 * 512.0)
    }

    /// A column that is in milliseconds.
    #[must_use]
    pub fn seconds(&self, column: usize) -> Option<f64> {
        self.count(column).map(|milliseconds| milliseconds as f64 * 0.001)
    }
}

/// `None` for a line with fewer words than a disk ever had, as partitions were shown by Linux 2.6.
///
/// # Errors
/// What is wrong, when it does not begin with two numbers.
pub fn parse_line(line: &[u8]) -> Result<Option<Disk<'_>>, &'static str> {
    let mut words = words(line);
    let mut next_id = || match words.next() {
        Some(word) => number(word).map(Some).ok_or("expected a device number"),
        None => Ok(None),
    };
    let (Some(major), Some(minor)) = (next_id()?, next_id()?) else { return Ok(None) };
    let Some(name) = words.next() else { return Ok(None) };
    let mut columns = [None; 17];
    let mut n_columns = 0;
    let mut is_whole = true;
    for (column, word) in columns.iter_mut().zip(words) {
        let count = count(word);
        is_whole &= count.is_some();
        *column = count.flatten();
        n_columns += 1;
    }
    let counts = Counts { columns };
    Ok((n_columns >= 11).then_some(Disk { major, minor, name, counts, is_whole }))
}
