//! How long requests waited for their disk, and how long it had them: the probe
//! `ebpf-probes/src/probes/block_io_stages.rs`.

use ebpf_probes::probes::block_io_stages::{ENTRIES, ISSUES, OWNERS, ROWS, SPEC};
use probe_abi::block::Stages;

use super::{Disks, Error, Kernel, Size, by_id::Maps, disks::started};

/// The probe as it runs.
pub type BlockIoStages = Disks<Stages>;

impl BlockIoStages {
    /// `max_started`: how many requests are followed at a time; the oldest is forgotten.
    pub fn load_following(kernel: &Kernel, size: Size, max_started: u32) -> Result<Self, Error> {
        let maps = Maps { entries: ENTRIES, owners: OWNERS, rows: ROWS };
        Self::load(&SPEC, maps, kernel, size, &|n_cpus| vec![(ISSUES.name, started(max_started, n_cpus))])
    }
}
