//! What each container, pod, unit and slice uses, from its control group: `/sys/fs/cgroup` of either version. Names,
//! labels and units are those of cAdvisor, whose dashboards and rules people have.

use crate::{
    collectors::prelude::*,
    source::cgroups::{Cgroups, Names, Place, Usage},
};
use std::{collections::HashMap, fs::read_link, path::PathBuf};

metrics! {
    CPU: Counter "container_cpu_usage_seconds_total" ["id", "name", "namespace", "pod", "container", "cpu"], "CPU time of a control group and all below it; cpu is always total.";
    PAGE_FAULTS: Counter "container_memory_failures_total" ["id", "name", "namespace", "pod", "container", "failure_type", "scope"], "Page faults of a control group and all below it: pgmajfault had to wait for a disk, pgfault is all.";
    READ_BYTES: Counter "container_fs_reads_bytes_total" ["id", "name", "namespace", "pod", "container", "device"], "Bytes that a control group read from a disk; what came out of memory is not in it.";
    WRITTEN_BYTES: Counter "container_fs_writes_bytes_total" ["id", "name", "namespace", "pod", "container", "device"], "Bytes that a control group wrote to a disk; version 1 counts what was written past memory alone.";
    READS: Counter "container_fs_reads_total" ["id", "name", "namespace", "pod", "container", "device"], "Reads of a control group from a disk.";
    WRITES: Counter "container_fs_writes_total" ["id", "name", "namespace", "pod", "container", "device"], "Writes of a control group to a disk.";

    |it: &Usage| ["id", "name", "namespace", "pod", "container"];
    Counter "container_cpu_user_seconds_total" = it.cpu.user, "CPU time in user space.";
    Counter "container_cpu_system_seconds_total" = it.cpu.system, "CPU time in the kernel.";
    Counter "container_cpu_cfs_periods_total" = it.cpu.periods, "Periods in which the CPU quota was enforced.";
    Counter "container_cpu_cfs_throttled_periods_total" = it.cpu.throttled_periods, "Periods in which the CPU quota was used up before their end.";
    Counter "container_cpu_cfs_throttled_seconds_total" = it.cpu.throttled, "Time for which the control group's CPUs were held back by its quota, added up over CPUs.";
    Gauge "container_spec_cpu_quota" = it.cpu.quota, "CPU time in microseconds that may be used in each period; absent where there is no limit.";
    Gauge "container_spec_cpu_period" = it.cpu.period, "Length of a period of the CPU quota in microseconds.";
    Gauge "container_memory_usage_bytes" = it.memory.usage, "Memory in use, files that are kept in it included.";
    Gauge "container_memory_working_set_bytes" = it.memory.working_set(), "Memory in use, without file cache that was not used lately; the kubelet evicts by it.";
    Gauge "container_memory_rss" = it.memory.anonymous, "Memory in bytes that no file stands behind.";
    Gauge "container_memory_cache" = it.memory.cache, "Memory in bytes that holds files.";
    Gauge "container_memory_swap" = it.memory.swap, "Memory in bytes that was swapped out.";
    Gauge "container_memory_max_usage_bytes" = it.memory.peak, "The most memory that was ever in use (version 2: from Linux 5.19).";
    Gauge "container_spec_memory_limit_bytes" = it.memory.limit, "The limit of memory; 0 where there is none.";
    Counter "container_oom_events_total" = it.memory.oom_kills, "Processes that were killed because the control group, or one below it, was out of memory.";
    Gauge "container_threads" = it.threads, "Threads and processes.";
    Gauge "container_threads_max" = it.max_threads, "The limit of threads and processes; 0 where there is none.";
    Counter "container_pressure_cpu_waiting_seconds_total" = it.cpu_pressure.some, "Time in which at least one task waited for a CPU.";
    Counter "container_pressure_cpu_stalled_seconds_total" = it.cpu_pressure.full, "Time in which all tasks that had work waited for a CPU, its quota's throttling included.";
    Counter "container_pressure_memory_waiting_seconds_total" = it.memory_pressure.some, "Time in which at least one task waited for memory.";
    Counter "container_pressure_memory_stalled_seconds_total" = it.memory_pressure.full, "Time in which all tasks that had work waited for memory.";
    Counter "container_pressure_io_waiting_seconds_total" = it.io_pressure.some, "Time in which at least one task waited for a disk.";
    Counter "container_pressure_io_stalled_seconds_total" = it.io_pressure.full, "Time in which all tasks that had work waited for a disk.";
}

/// systemd makes a group for each mount point and swap file, in which hardly anything ever runs.
const LEFT_OUT: &str = r"\.(mount|swap|automount)$";

section! {
    pub(super) struct Config {
        /// Paths of control groups to leave out, from `/` on; by default those of mount points and swap.
        id_exclude: Option<Pattern> = LEFT_OUT,
        /// Paths of control groups to show, in place of `id_exclude`.
        id_include: Option<Pattern> = "",
    }
}

pub(super) struct CgroupUsage {
    root: PathBuf,
    filter: Filter,
    names: Names,
    disks: DiskNames,
}

impl Spec for CgroupUsage {
    const SUMMARY: &'static str = "CPU, memory, I/O, pressure and threads of each container, pod, unit and slice, from /sys/fs/cgroup; names of pods from the kubelet's logs.";
    const ENABLED: bool = false;
    const COST: &'static str = "some 100 us for each control group at a scrape";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            root: host.sys("fs/cgroup"),
            filter: Filter::either(config.id_include, config.id_exclude, LEFT_OUT)?,
            names: Names::below(host.rootfs()),
            disks: DiskNames { links: host.sys("dev/block"), names: HashMap::new() },
        })
    }
}

impl Collector for CgroupUsage {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { root, filter, names, disks } = self;
        let Some(cgroups) = Cgroups::find(root) else {
            return Err(Error::Absent(format!("control groups in {}", root.display())));
        };
        let errors = FirstError::default();
        names.refresh(&errors);
        for id in cgroups.list(Place::is_container, &errors).iter().filter(|it| filter.keeps(it)) {
            let place = Place::of(id);
            let name = names.of(&place);
            let id_of_container = place.container.unwrap_or_default();
            let labels = [id.as_str(), id_of_container, &name.namespace, &name.pod, &name.container];
            push(labels, &cgroups.usage(id, &errors), disks, out);
        }
        Ok(errors.end()?)
    }
}

fn push(labels: [&str; 5], usage: &Usage, disks: &mut DiskNames, out: &mut Families) {
    let [id, name, namespace, pod, container] = labels;
    out.push(CPU, [id, name, namespace, pod, container, "total"], usage.cpu.usage);
    for (kind, n) in [("pgfault", usage.memory.faults), ("pgmajfault", usage.memory.major_faults)] {
        out.push(PAGE_FAULTS, [id, name, namespace, pod, container, kind, "hierarchy"], n);
    }
    for disk in &usage.disks {
        let labels = [id, name, namespace, pod, container, disks.of(&disk.number)];
        out.push(READ_BYTES, labels, disk.read_bytes);
        out.push(WRITTEN_BYTES, labels, disk.written_bytes);
        out.push(READS, labels, disk.reads);
        out.push(WRITES, labels, disk.writes);
    }
    push_rows(usage, labels, out);
}

/// As cAdvisor has them: `/dev/sda`. A disk that sysfs does not know keeps its number.
struct DiskNames {
    links: PathBuf,
    names: HashMap<String, String>,
}

impl DiskNames {
    fn of(&mut self, number: &str) -> &str {
        self.names.entry(number.to_owned()).or_insert_with(|| {
            let target = read_link(self.links.join(number)).ok();
            let name = target.as_deref().and_then(|it| it.file_name()?.to_str());
            // sysfs cannot have a slash in a name, which stands for it.
            name.map_or_else(|| number.to_owned(), |it| format!("/dev/{}", it.replace('!', "/")))
        })
    }
}

#[cfg(test)]
mod tests;
