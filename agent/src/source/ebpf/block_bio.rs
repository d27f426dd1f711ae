//! How long I/O took from its submission to its end: the probe `ebpf-probes/src/probes/block_bio.rs`.

use ebpf_probes::probes::block_bio::{ENTRIES, OWNERS, ROWS, SPEC, STARTED};
use probe_abi::Histogram;

use super::{Disks, Error, Kernel, Size, by_id::Maps};

/// With less room a CPU, the kernel forgets what is still under way: see kernel/bpf/bpf_lru_list.c.
const STARTED_A_CPU: u32 = 256;

/// The probe as it runs.
pub type BlockBio = Disks<Histogram>;

impl BlockBio {
    /// `max_started`: how much I/O is followed at a time; the oldest is forgotten.
    pub fn load_following(kernel: &Kernel, size: Size, max_started: u32) -> Result<Self, Error> {
        let maps = Maps { entries: ENTRIES, owners: OWNERS, rows: ROWS };
        let started = |n_cpus| vec![(STARTED.name, max_started.max(n_cpus * STARTED_A_CPU))];
        Self::load(&SPEC, maps, kernel, size, &started)
    }
}
