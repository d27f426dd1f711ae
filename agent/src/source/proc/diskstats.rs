//! `/proc/diskstats`: see Documentation/admin-guide/iostats.rst. The kernel had 11 columns of numbers at first, 15
//! since 4.18, 17 since 5.5. By hand: the procfs crate refuses the whole file when one line is short.

use crate::source::{number, words};

/// What one line says.
#[derive(Debug)]
pub struct Disk<'a> {
    pub major: u32,
    pub minor: u32,
    pub name: &'a [u8],
    pub counts: Counts,
}

/// The numbers of one line, in the file's order.
#[derive(Debug)]
pub struct Counts {
    columns: [u64; 17],
    n_columns: usize,
}

impl Counts {
    /// A column as it is; `None` when the kernel does not have it.
    #[must_use]
    pub fn count(&self, column: usize) -> Option<u64> {
        self.columns[..self.n_columns].get(column).copied()
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

/// `None` for a line with fewer numbers than a disk ever had, as partitions were shown by Linux 2.6.
///
/// # Errors
/// What is wrong, when a word is no number.
pub fn parse_line(line: &[u8]) -> Result<Option<Disk<'_>>, &'static str> {
    let mut words = words(line);
    let mut next_id = || match words.next() {
        Some(word) => number(word).map(Some).ok_or("expected a device number"),
        None => Ok(None),
    };
    let (Some(major), Some(minor)) = (next_id()?, next_id()?) else { return Ok(None) };
    let Some(name) = words.next() else { return Ok(None) };
    let mut counts = Counts { columns: [0; 17], n_columns: 0 };
    for (column, word) in counts.columns.iter_mut().zip(words) {
        *column = number(word).ok_or("expected a count")?;
        counts.n_columns += 1;
    }
    Ok((counts.n_columns >= 11).then_some(Disk { major, minor, name, counts }))
}
