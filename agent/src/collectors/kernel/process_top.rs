//! Who takes the machine: processes by name, unit or pod, from an iterator over the kernel's tasks, which the probe
//! `ebpf-probes/src/probes/process_top.rs` reads out in one pass; what those used that have ended adds up
//! `ebpf-probes/src/probes/process_events.rs`.

mod labels;

use self::labels::Labels;
use crate::{
    collectors::prelude::*,
    config::choice,
    source::{
        cgroups::Ids,
        ebpf::{
            BpfIterator, Counters, Probe, Settings, Use,
            declared::{
                process_events,
                process_top::{self, WORDS},
            },
        },
        process_groups::{Group, Groups, Task},
        sys::clock,
    },
};
use std::{sync::Arc, time::Instant};

metrics! {
    |it: &Group| ["by", "group"];
    Counter "node_process_top_cpu_seconds_total" = it.used[0] as f64 / 1e9, "CPU time of the processes of a group since it is among those that are shown; ~other is all that are not, ~ended what processes did between their last scrape and their end.";
    Counter "node_process_top_cpu_wait_seconds_total" = it.used[1] as f64 / 1e9, "Time for which threads of a group were ready to run and waited for a CPU.";
    Counter "node_process_top_read_bytes_total" = it.used[2], "Bytes that a group had read from disks; what came out of memory is not in it.";
    Counter "node_process_top_written_bytes_total" = it.used[3], "Bytes that a group had written to disks, counted when memory that is to be written is changed.";
    Gauge "node_process_top_memory_bytes" = it.now.map(|it| it.pages * rustix::param::page_size() as u64), "Memory that processes of a group have in RAM; pages that several share count for each.";
    Gauge "node_process_top_processes" = it.now.map(|it| it.processes), "Processes of a group.";
    Gauge "node_process_top_threads" = it.now.map(|it| it.threads), "Threads of a group.";
}

choice! {
    /// What makes processes a group.
    pub(super) enum By { Comm = "comm", Unit = "unit", Pod = "pod" }
}

section! {
    pub(super) struct Config {
        /// What makes processes a group: comm (their name), unit (of systemd) or pod. Units and pods need control groups
        /// of version 2, or systemd's own beside those of version 1.
        by: By = "comm",
        /// How many groups are shown for each of CPU time, wait for a CPU, I/O and memory.
        top: u64 = 10,
    }
}

/// Of the probe of those that end.
const FEATURES: &[&str] = &["USAGE"];

pub(super) struct ProcessTop {
    probes: [Arc<Probe>; 2],
    iterator: BpfIterator<WORDS>,
    ended: Counters,
    /// On the clock of threads' beginnings: those that began later are in `ended` when they end.
    since: u64,
    looked: Instant,
    by: By,
    labels: Labels,
    groups: Groups,
}

impl Spec for ProcessTop {
    const SUMMARY: &'static str =
        "Groups of processes that take the most CPU, memory and I/O, or wait for a CPU the longest, by eBPF.";
    const ENABLED: bool = false;
    const PROBES: &'static [Use] =
        &[Use::of(&process_top::SPEC), Use { probe: &process_events::SPEC, features: FEATURES }];
    const COST: &'static str = "less than 10 us for each thread at a scrape, and those of process_events";
    /// A group counts since it is shown, each time.
    const START: Start = Start::Unknown;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let ids = Ids::find(&host.sys("fs/cgroup"));
        if config.by != By::Comm && ids.is_none() {
            return Err(Error::Absent("control groups of version 2".to_owned()));
        }
        let kernel = host.kernel()?;
        let tasks = kernel.probe(&process_top::SPEC, &[], &Settings::default())?;
        let ended = kernel.probe(&process_events::SPEC, FEATURES, &Settings::default())?;
        let (word, _) = ended.writable(process_events::SINCE)?;
        // After a reload it is there.
        let since = match word.read(0..1).next().unwrap_or_default() {
            0 => clock::monotonic(),
            since => since,
        };
        word.store(0, since);
        Ok(Self {
            iterator: BpfIterator::new(&tasks, "tasks")?,
            ended: ended.counters(process_events::ENDED)?,
            since,
            looked: Instant::now(),
            by: config.by,
            labels: Labels::new(config.by, ids, host.rootfs()),
            groups: Groups::new(config.top as usize),
            probes: [tasks, ended],
        })
    }
}

impl Collector for ProcessTop {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let Self { iterator, ended, labels, groups, .. } = self;
        labels.refresh(&errors);
        let tasks = iterator.read()?.map(|words| {
            let [thread, start, name, more, cgroup, pages, used @ ..] = words;
            let group = labels.of(name, more, cgroup, &errors);
            let is_new = start >= self.since;
            Task {
                thread: (thread as u32, start),
                is_new,
                is_first: thread >> 32 == thread & 0xffff_ffff,
                group,
                pages,
                used,
            }
        });
        let mut totals = ended.rows();
        let totals = std::array::from_fn(|_| totals.next().unwrap_or_default());
        groups.look(tasks, totals, self.looked.elapsed().as_secs_f64());
        self.looked = Instant::now();
        for (name, group) in groups.shown() {
            push_rows(group, [self.by.as_str(), name], out);
        }
        Ok(errors.end()?)
    }

    fn probes(&self) -> Vec<&Probe> {
        self.probes.iter().map(|it| &**it).collect()
    }
}
