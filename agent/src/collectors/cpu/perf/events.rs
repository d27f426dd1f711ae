//! What can be counted: events of `include/uapi/linux/perf_event.h` by the names that node_exporter's flags have for them,
//! and tracepoints by the kernel's.

use super::*;
use crate::metric::Desc;

const PERF_TYPE_HARDWARE: u32 = 0;
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_TYPE_HW_CACHE: u32 = 3;

/// One of the events that have a family of their own.
pub(super) struct Profiler {
    /// In the config.
    pub(super) name: &'static str,
    pub(super) event: Event,
    pub(super) family: Desc<1>,
}

const fn hardware(name: &'static str, config: u64, family: Desc<1>) -> Profiler {
    Profiler { name, event: Event { kind: PERF_TYPE_HARDWARE, config }, family }
}

const fn software(name: &'static str, config: u64, family: Desc<1>) -> Profiler {
    Profiler { name, event: Event { kind: PERF_TYPE_SOFTWARE, config }, family }
}

const fn cache(name: &'static str, cache: u64, operation: u64, result: u64, family: Desc<1>) -> Profiler {
    let config = cache | operation << 8 | result << 16;
    Profiler { name, event: Event { kind: PERF_TYPE_HW_CACHE, config }, family }
}

pub(super) const HARDWARE: &[Profiler] = &[
    hardware("CpuCycles", 0, CPU_CYCLES),
    hardware("CpuInstr", 1, INSTRUCTIONS),
    hardware("CacheRef", 2, CACHE_REFERENCES),
    hardware("CacheMisses", 3, CACHE_MISSES),
    hardware("BranchInstr", 4, BRANCH_INSTRUCTIONS),
    hardware("BranchMisses", 5, BRANCH_MISSES),
    hardware("StalledCyclesFrontend", 7, STALLED_CYCLES_FRONTEND),
    hardware("StalledCyclesBackend", 8, STALLED_CYCLES_BACKEND),
    hardware("RefCpuCycles", 9, REFERENCE_CYCLES),
];

pub(super) const SOFTWARE: &[Profiler] = &[
    software("PageFault", 2, PAGE_FAULTS),
    software("ContextSwitch", 3, CONTEXT_SWITCHES),
    software("CpuMigration", 4, CPU_MIGRATIONS),
    software("MinorFault", 5, MINOR_FAULTS),
    software("MajorFault", 6, MAJOR_FAULTS),
];

const L1_DATA: u64 = 0;
const L1_INSTRUCTIONS: u64 = 1;
const LAST_LEVEL: u64 = 2;
const DATA_TLB: u64 = 3;
const INSTRUCTION_TLB: u64 = 4;
const BRANCH_PREDICTION: u64 = 5;
const READ: u64 = 0;
const WRITE: u64 = 1;
/// What node_exporter calls a hit is any access.
const HIT: u64 = 0;
const MISS: u64 = 1;

pub(super) const CACHE: &[Profiler] = &[
    cache("L1DataReadHit", L1_DATA, READ, HIT, CACHE_L1D_READ_HITS),
    cache("L1DataReadMiss", L1_DATA, READ, MISS, CACHE_L1D_READ_MISSES),
    cache("L1DataWriteHit", L1_DATA, WRITE, HIT, CACHE_L1D_WRITE_HITS),
    cache("L1InstrReadMiss", L1_INSTRUCTIONS, READ, MISS, CACHE_L1_INSTRUCTION_READ_MISSES),
    cache("LLReadHit", LAST_LEVEL, READ, HIT, CACHE_LL_READ_HITS),
    cache("LLReadMiss", LAST_LEVEL, READ, MISS, CACHE_LL_READ_MISSES),
    cache("LLWriteHit", LAST_LEVEL, WRITE, HIT, CACHE_LL_WRITE_HITS),
    cache("LLWriteMiss", LAST_LEVEL, WRITE, MISS, CACHE_LL_WRITE_MISSES),
    cache("InstrTLBReadHit", INSTRUCTION_TLB, READ, HIT, CACHE_TLB_INSTRUCTION_READ_HITS),
    cache("InstrTLBReadMiss", INSTRUCTION_TLB, READ, MISS, CACHE_TLB_INSTRUCTION_READ_MISSES),
    cache("DataTLBReadHit", DATA_TLB, READ, HIT, CACHE_TLB_DATA_READ_HITS),
    cache("DataTLBReadMiss", DATA_TLB, READ, MISS, CACHE_TLB_DATA_READ_MISSES),
    cache("DataTLBWriteHit", DATA_TLB, WRITE, HIT, CACHE_TLB_DATA_WRITE_HITS),
    cache("DataTLBWriteMiss", DATA_TLB, WRITE, MISS, CACHE_TLB_DATA_WRITE_MISSES),
    cache("BPUReadHit", BRANCH_PREDICTION, READ, HIT, CACHE_BPU_READ_HITS),
    cache("BPUReadMiss", BRANCH_PREDICTION, READ, MISS, CACHE_BPU_READ_MISSES),
];

/// Whether the kernel itself counts it, so that it takes none of the CPU's counters.
pub(super) fn is_software(event: Event) -> bool {
    [PERF_TYPE_SOFTWARE, PERF_TYPE_TRACEPOINT].contains(&event.kind)
}

/// One of the kernel's tracepoints.
pub(super) struct Tracepoint {
    pub(super) event: Event,
    /// What its family is named after.
    pub(super) family: String,
}

impl Tracepoint {
    /// `subsystem:event`
    pub(super) fn parse(text: &str) -> Option<(&str, &str)> {
        text.split_once(':').filter(|(_, event)| !event.contains(':'))
    }

    /// Looks `subsystem:event` up in tracefs.
    pub(super) fn find(text: &str, host: &Host) -> Result<Self, Error> {
        let (subsystem, event) = Self::parse(text).unwrap_or_default();
        let id_in = |tracefs: &str| {
            let mut file = File::new(host.sys(tracefs).join("events").join(subsystem).join(event).join("id"));
            file.parse("a number", |text| source::number::<u64>(text.trim_ascii()).ok_or(1))
        };
        let id = match id_in("kernel/tracing") {
            Err(first) if first.is_not_found() => id_in("kernel/debug/tracing")
                .map_err(|error| if error.is_not_found() { first } else { error }),
            id => id,
        };
        let config = id.map_err(|error| Error::Unavailable {
            reason: format!("the tracepoint `{text}` cannot be found: {error}"),
            remedy: "leave it out, or mount tracefs and run as root".to_owned(),
        })?;
        let family = crate::metric::legal_name(&format!("{subsystem}_{event}"));
        Ok(Self { event: Event { kind: PERF_TYPE_TRACEPOINT, config }, family })
    }
}
