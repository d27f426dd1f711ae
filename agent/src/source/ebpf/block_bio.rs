//! How long I/O took from its submission to its end: the probe `ebpf-probes/src/probes/block_bio.rs`.

use ebpf_probes::probes::block_bio::{ENTRIES, OWNERS, ROWS, SPEC, STARTED};
use probe_abi::Histogram;

use super::{Disks, Error, Kernel, Size, by_id::Maps, disks::started};

/// The probe as it runs.
pub type BlockBio = Disks<Histogram>;

impl BlockBio {
    /// `max_started`: how much I/O is followed at a time; the oldest is forgotten.
    pub fn load_following(kernel: &Kernel, size: Size, max_started: u32) -> Result<Self, Error> {
        let maps = Maps { entries: ENTRIES, owners: OWNERS, rows: ROWS };
        Self::load(&SPEC, maps, kernel, size, &|n_cpus| vec![(STARTED.name, started(max_started, n_cpus))])
    }
}
