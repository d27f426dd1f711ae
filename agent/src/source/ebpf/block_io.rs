//! How long requests to disks took: the probe `ebpf-probes/src/probes/block_io.rs`.

use ebpf_probes::probes::block_io::{ENTRIES, OWNERS, ROWS, SKIPPED, SPEC};
use probe_abi::block::Requests;

use super::{Disks, Error, Kernel, Size, Sizes, Table, by_id::Maps};

/// The probe as it runs.
#[derive(Debug)]
pub struct BlockIo {
    pub disks: Disks<Requests>,
    skipped: Table<u64>,
}

impl BlockIo {
    pub fn load(kernel: &Kernel, size: Size) -> Result<Self, Error> {
        let maps = Maps { entries: ENTRIES, owners: OWNERS, rows: ROWS };
        let disks = Disks::load(&SPEC, maps, kernel, size, &|_| Sizes::new())?;
        Ok(Self { skipped: disks.probe().table(SKIPPED)?, disks })
    }

    /// Requests that were not counted, as their disk keeps no statistics (`queue/iostats` in sysfs is 0).
    pub fn skipped(&self) -> u64 {
        self.skipped.sum(0..1)
    }
}
