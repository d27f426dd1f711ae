//! How long requests to disks took: the probe `ebpf-probes/src/probes/block_io.rs`.

use std::sync::Arc;

use ebpf_probes::probes::block_io::{KEYS, LATENCIES, SKIPPED, SPEC};
use probe_abi::{Histogram, block::Key};

use super::{Error, Kernel, Probe, Settings, Table, possible_cpus};

/// Rows for disks and operations, if nothing else is asked for: a server's dozen disks.
pub const DEFAULT_ROWS: u32 = 64;

/// More rows than any host has disks times operations.
const MAX_ROWS: u32 = 1 << 16;

/// The probe as it runs.
#[derive(Debug)]
pub struct BlockIo {
    probe: Arc<Probe>,
    latencies: Table<Histogram>,
    keys: Table<u64>,
    skipped: Table<u64>,
    banks: usize,
}

impl BlockIo {
    /// `rows`: how many pairs of disk and operation may be told apart; what exceeds them is counted together, and so
    /// may be a pair of the last third. `memory`: bytes that the counts may take in the kernel. CPUs share what they
    /// count in as far as it is too little for one each; one set of rows is always made.
    pub fn load(kernel: &Kernel, rows: u32, memory: usize) -> Result<Self, Error> {
        let rows = rows.clamp(1, MAX_ROWS);
        let row_size = (rows as usize + 1) * size_of::<Histogram>();
        let banks_for = |n_cpus| banks(n_cpus, memory / row_size);
        let banks = banks_for(possible_cpus()?);
        let settings = Settings {
            entries: &|n_cpus| {
                vec![("LATENCIES", (rows + 1) * banks_for(n_cpus)), ("KEYS", rows), ("CLAIMS", rows)]
            },
            constants: &[("ROWS", rows), ("BANKS", banks - 1)],
            ..Settings::default()
        };
        let probe = kernel.probe(&SPEC, &[], &settings)?;
        Ok(Self {
            latencies: probe.table(LATENCIES)?,
            keys: probe.table(KEYS)?,
            skipped: probe.table(SKIPPED)?,
            banks: banks as usize,
            probe,
        })
    }

    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// The latencies of each pair of disk and operation that was seen, in no particular order.
    pub fn latencies(&self) -> impl Iterator<Item = (Key, Histogram)> {
        let keys = self.keys.rows().enumerate();
        keys.filter_map(|(row, word)| Some((Key::decode(word)?, self.row(row))))
    }

    /// The latencies of requests for which there was no row left.
    pub fn other(&self) -> Histogram {
        self.row(self.keys.len())
    }

    /// Requests that were not counted, as their disk keeps no statistics (`queue/iostats` in sysfs is 0).
    pub fn skipped(&self) -> u64 {
        self.skipped.sum(0..1)
    }

    fn row(&self, row: usize) -> Histogram {
        self.latencies.sum(row * self.banks..(row + 1) * self.banks)
    }
}

/// A power of two, at most as many as asked for, and no more than spare each CPU the company of others.
fn banks(cpus: u32, at_most: usize) -> u32 {
    let wanted = cpus.next_power_of_two();
    let affordable = u32::try_from(at_most).unwrap_or(u32::MAX).max(1);
    wanted.min(1 << affordable.ilog2())
}

#[cfg(test)]
mod tests {
    use super::banks;

    #[test]
    fn each_cpu_has_a_bank_as_far_as_memory_goes() {
        assert_eq!(banks(1, 100), 1);
        assert_eq!(banks(2, 100), 2);
        assert_eq!(banks(6, 100), 8);
        assert_eq!(banks(512, 100), 64);
        assert_eq!(banks(512, 0), 1);
        assert_eq!(banks(512, usize::MAX), 512);
    }
}
