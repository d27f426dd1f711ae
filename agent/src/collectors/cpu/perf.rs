//! What each CPU counts by perf_event_open(2): cycles, instructions, misses of caches, faults, switches, and events of
//! tracepoints. Counters are opened at start; reading them takes no privilege.

mod cpu_list;
mod events;

use crate::{
    collectors::prelude::*,
    source::{cpus, perf::Group, sys::perf::Event},
};
use events::{CACHE, HARDWARE, Profiler, SOFTWARE, Tracepoint};
use std::collections::BTreeSet;
use tracing::{info, warn};

metrics! {
    BRANCH_INSTRUCTIONS: Counter "node_perf_branch_instructions_total" ["cpu"], "Branches that the CPU retired.";
    BRANCH_MISSES: Counter "node_perf_branch_misses_total" ["cpu"], "Branches that the CPU predicted wrongly.";
    CACHE_BPU_READ_HITS: Counter "node_perf_cache_bpu_read_hits_total" ["cpu"], "Reads of the branch prediction unit.";
    CACHE_BPU_READ_MISSES: Counter "node_perf_cache_bpu_read_misses_total" ["cpu"], "Reads of the branch prediction unit that found nothing.";
    CACHE_L1_INSTRUCTION_READ_MISSES: Counter "node_perf_cache_l1_instr_read_misses_total" ["cpu"], "Reads of the first-level instruction cache that found nothing.";
    CACHE_L1D_READ_HITS: Counter "node_perf_cache_l1d_read_hits_total" ["cpu"], "Reads of the first-level data cache.";
    CACHE_L1D_READ_MISSES: Counter "node_perf_cache_l1d_read_misses_total" ["cpu"], "Reads of the first-level data cache that found nothing.";
    CACHE_L1D_WRITE_HITS: Counter "node_perf_cache_l1d_write_hits_total" ["cpu"], "Writes to the first-level data cache.";
    CACHE_LL_READ_HITS: Counter "node_perf_cache_ll_read_hits_total" ["cpu"], "Reads of the last-level cache.";
    CACHE_LL_READ_MISSES: Counter "node_perf_cache_ll_read_misses_total" ["cpu"], "Reads of the last-level cache that found nothing.";
    CACHE_LL_WRITE_HITS: Counter "node_perf_cache_ll_write_hits_total" ["cpu"], "Writes to the last-level cache.";
    CACHE_LL_WRITE_MISSES: Counter "node_perf_cache_ll_write_misses_total" ["cpu"], "Writes to the last-level cache that found nothing.";
    CACHE_MISSES: Counter "node_perf_cache_misses_total" ["cpu"], "References to a cache, the last level in most CPUs, that found nothing.";
    CACHE_REFERENCES: Counter "node_perf_cache_refs_total" ["cpu"], "References to a cache, the last level in most CPUs.";
    CACHE_TLB_DATA_READ_HITS: Counter "node_perf_cache_tlb_data_read_hits_total" ["cpu"], "Reads of the data TLB.";
    CACHE_TLB_DATA_READ_MISSES: Counter "node_perf_cache_tlb_data_read_misses_total" ["cpu"], "Reads of the data TLB that found nothing.";
    CACHE_TLB_DATA_WRITE_HITS: Counter "node_perf_cache_tlb_data_write_hits_total" ["cpu"], "Writes by the data TLB.";
    CACHE_TLB_DATA_WRITE_MISSES: Counter "node_perf_cache_tlb_data_write_misses_total" ["cpu"], "Writes by the data TLB that found nothing.";
    CACHE_TLB_INSTRUCTION_READ_HITS: Counter "node_perf_cache_tlb_instr_read_hits_total" ["cpu"], "Reads of the instruction TLB.";
    CACHE_TLB_INSTRUCTION_READ_MISSES: Counter "node_perf_cache_tlb_instr_read_misses_total" ["cpu"], "Reads of the instruction TLB that found nothing.";
    CONTEXT_SWITCHES: Counter "node_perf_context_switches_total" ["cpu"], "Times that the CPU changed from one task to another.";
    CPU_MIGRATIONS: Counter "node_perf_cpu_migrations_total" ["cpu"], "Tasks that moved to another CPU.";
    CPU_CYCLES: Counter "node_perf_cpucycles_total" ["cpu"], "Cycles of the CPU, of whatever length its frequency makes them.";
    INSTRUCTIONS: Counter "node_perf_instructions_total" ["cpu"], "Instructions that the CPU retired.";
    MAJOR_FAULTS: Counter "node_perf_major_faults_total" ["cpu"], "Page faults that read from a disk.";
    MINOR_FAULTS: Counter "node_perf_minor_faults_total" ["cpu"], "Page faults that read from no disk.";
    PAGE_FAULTS: Counter "node_perf_page_faults_total" ["cpu"], "Page faults.";
    REFERENCE_CYCLES: Counter "node_perf_ref_cpucycles_total" ["cpu"], "Cycles of the CPU at a frequency that does not change.";
    STALLED_CYCLES_BACKEND: Counter "node_perf_stalled_cycles_backend_total" ["cpu"], "Cycles in which the CPU waited for a unit or for memory.";
    STALLED_CYCLES_FRONTEND: Counter "node_perf_stalled_cycles_frontend_total" ["cpu"], "Cycles in which the CPU waited for instructions.";
    TRACEPOINT: Counter "node_perf_*" ["cpu"], "Events of the kernel's tracepoint that the metric is named after.";
}

section! {
    pub(super) struct Config {
        /// CPUs to count on, such as `0-3` or `0-10:5,12`; all that are online when empty.
        cpus: String = "",
        /// Tracepoints to count, as `sched:sched_process_fork`.
        tracepoint: Vec<String> = Vec::<String>::new(),
        /// Leaves out counters of the hardware.
        disable_hardware_profilers: bool = false,
        /// Counters to use; all when empty: CpuCycles, CpuInstr, CacheRef, CacheMisses, BranchInstr, BranchMisses,
        /// StalledCyclesBackend, StalledCyclesFrontend, RefCpuCycles.
        hardware_profilers: Vec<String> = Vec::<String>::new(),
        /// Leaves out counters of the kernel.
        disable_software_profilers: bool = false,
        /// Counters to use; all when empty: PageFault, ContextSwitch, CpuMigration, MinorFault, MajorFault.
        software_profilers: Vec<String> = Vec::<String>::new(),
        /// Leaves out counters of caches.
        disable_cache_profilers: bool = false,
        /// Counters to use; all when empty: L1DataReadHit, L1DataReadMiss, L1DataWriteHit, L1InstrReadMiss, LLReadHit,
        /// LLReadMiss, LLWriteHit, LLWriteMiss, InstrTLBReadHit, InstrTLBReadMiss, DataTLBReadHit, DataTLBReadMiss,
        /// DataTLBWriteHit, DataTLBWriteMiss, BPUReadHit, BPUReadMiss.
        cache_profilers: Vec<String> = Vec::<String>::new(),
    }
}

pub(super) struct Perf {
    groups: Vec<(u32, Group)>,
    profilers: Vec<&'static Profiler>,
    /// Their places come after those of the profilers.
    tracepoints: Vec<Tracepoint>,
}

impl Spec for Perf {
    const SUMMARY: &'static str =
        "What CPUs count: cycles, instructions, cache misses, faults, tracepoints, by perf_event_open.";
    const ENABLED: bool = false;
    const COST: &'static str = "a descriptor and a reading for each counter of the hardware on each CPU";
    const START: Start = Start::Opened;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn faults(config: &Config) -> Vec<Fault> {
        let has_cpus = config.cpus.is_empty() || cpu_list::parse(&config.cpus).is_some();
        let cpus = (!has_cpus).then(|| Fault {
            key: "cpus",
            message: format!("`{}` names no CPUs", config.cpus),
            remedy: "write a list such as `0-3` or `0-10:5,12`".to_owned(),
        });
        let malformed = config.tracepoint.iter().filter(|it| Tracepoint::parse(it).is_none());
        let tracepoints = malformed.map(|it| Fault {
            key: "tracepoint",
            message: format!("`{it}` is no tracepoint"),
            remedy: "write `subsystem:event`, such as `sched:sched_process_fork`".to_owned(),
        });
        cpus.into_iter().chain(tracepoints).collect()
    }

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let cpus = if config.cpus.is_empty() {
            online(host)?
        } else {
            cpu_list::parse(&config.cpus).unwrap_or_default()
        };
        let tracepoints: Vec<Tracepoint> =
            config.tracepoint.iter().map(|it| Tracepoint::find(it, host)).collect::<Result<_, _>>()?;
        let mut profilers = Vec::new();
        for (class, is_off, names) in [
            (SOFTWARE, config.disable_software_profilers, &config.software_profilers),
            (HARDWARE, config.disable_hardware_profilers, &config.hardware_profilers),
            (CACHE, config.disable_cache_profilers, &config.cache_profilers),
        ] {
            for name in names.iter().filter(|name| !class.iter().any(|it| it.name == **name)) {
                warn!(name, "there is no such profiler");
            }
            let is_wanted =
                |it: &&Profiler| !is_off && (names.is_empty() || names.iter().any(|name| name == it.name));
            profilers.extend(class.iter().filter(is_wanted));
        }
        let events = profilers.iter().map(|it| it.event).chain(tracepoints.iter().map(|it| it.event));
        // Those of the kernel itself are always counted; each of the others takes one of the CPU's few counters.
        let (together, apart): (Vec<_>, Vec<_>) =
            events.enumerate().partition(|it| events::is_software(it.1));
        let mut first_error = None;
        let mut groups = Vec::new();
        for cpu in cpus {
            let plans = std::iter::once(&together[..]).chain(apart.chunks(1));
            let opened = plans
                .filter_map(|events| Group::open(cpu, events, |error| _ = first_error.get_or_insert(error)));
            groups.extend(opened.map(|group| (cpu, group)));
        }
        match first_error {
            Some(error) if groups.is_empty() => Err(Error::Unavailable {
                reason: format!("no counter can be had: perf_event_open: {error}"),
                remedy: "give the agent CAP_PERFMON (before Linux 5.8 CAP_SYS_ADMIN) at start, and let the seccomp \
                         profile pass perf_event_open(2)"
                    .to_owned(),
            }),
            Some(error) => {
                info!(collector = "perf", %error, "some counters cannot be had, as where there is no PMU");
                Ok(Self { groups, profilers, tracepoints })
            }
            None => Ok(Self { groups, profilers, tracepoints }),
        }
    }
}

impl Collector for Perf {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let Self { groups, profilers, tracepoints } = self;
        for (cpu, group) in groups {
            for (place, total) in errors.ok(group.read()).into_iter().flatten() {
                match profilers.get(place) {
                    Some(profiler) => out.push(profiler.family, [*cpu], total),
                    None => out.push_named(
                        TRACEPOINT,
                        &tracepoints[place - profilers.len()].family,
                        [*cpu],
                        total,
                    ),
                }
            }
        }
        Ok(errors.end()?)
    }
}

fn online(host: &Host) -> Result<BTreeSet<u32>, Error> {
    let mut file = File::new(host.sys("devices/system/cpu/online"));
    let cpus = file.parse("a set of CPUs such as `0-3,8`", |text| cpus::parse_set(text).ok_or(1))?;
    Ok(cpus.into_iter().map(u32::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_and_not_there_is_named() {
        check_error::<Perf>("cpus = \"0-\"", &[], expect!["`cpus`: `0-` names no CPUs"]);
        check_error::<Perf>(
            "",
            &[],
            expect!["read sys/devices/system/cpu/online: No such file or directory (os error 2)"],
        );
        check_error::<Perf>(
            "cpus = \"0\"\ntracepoint = [\"sched\"]",
            &[],
            expect!["`tracepoint`: `sched` is no tracepoint"],
        );
        check_error::<Perf>(
            "cpus = \"0\"\ntracepoint = [\"sched:none\"]",
            &[],
            expect![
                "the tracepoint `sched:none` cannot be found: read sys/kernel/tracing/events/sched/none/id: No such file or directory (os error 2)"
            ],
        );
        let id = ("sys/kernel/debug/tracing/events/sched/one/id", "x\n");
        check_error::<Perf>(
            "cpus = \"0\"\ntracepoint = [\"sched:one\"]",
            &[id],
            expect![
                "the tracepoint `sched:one` cannot be found: parse sys/kernel/debug/tracing/events/sched/one/id, line 1: expected a number"
            ],
        );
    }

    #[test]
    fn without_any_counter_nothing_is_shown() {
        let section = "disable_hardware_profilers = true\ndisable_software_profilers = true\ncache_profilers = [\"none\"]";
        check::<Perf>(section, &[("sys/devices/system/cpu/online", "0-1\n")], expect![[""]]);
    }
}
