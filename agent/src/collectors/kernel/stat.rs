//! `/proc/stat`: see proc_stat(5). The CPUs' times in the same file are the collector `cpu`'s.

use crate::{
    collectors::prelude::*,
    source::proc::stat::{SOFTIRQS, Stat as Counters},
};

metrics! {
    VECTORS: Counter "node_softirqs_total" ["vector"], "Soft interrupts that all CPUs handled since boot, by kind.";
    |it: &Counters| [];
    Gauge "node_boot_time_seconds" = it.boot_time, "Unix time at which the kernel was booted, in seconds.";
    Counter "node_context_switches_total" = it.context_switches, "Switches from one task to another since boot, on all CPUs.";
    Counter "node_forks_total" = it.forks, "Processes and threads that were made since boot.";
    Counter "node_intr_total" = it.interrupts, "Hardware interrupts that were served since boot, on all CPUs.";
    Gauge "node_procs_blocked" = it.processes_blocked, "Tasks that wait for a disk or another device.";
    Gauge "node_procs_running" = it.processes_running, "Tasks that run or wait for a CPU.";
}

section! {
    pub(super) struct Config {
        /// Shows soft interrupts by kind, too.
        softirq: bool = false,
    }
}

pub(super) struct Stat {
    file: File,
    config: Config,
}

impl Spec for Stat {
    const SUMMARY: &'static str = "Boot time, forks, context switches and interrupts, from /proc/stat.";
    const ENABLED: bool = true;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self { file: host.proc("stat"), config })
    }
}

impl Collector for Stat {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { file, config } = self;
        let mut counters = Counters::default();
        let parsed = file.parse("a name and its numbers", |text| counters.add(text));
        push_rows(&counters, (), out);
        for (vector, count) in SOFTIRQS.iter().zip(counters.softirqs).filter(|_| config.softirq) {
            out.push(VECTORS, [vector], count);
        }
        Ok(parsed?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cpu  55373 0 15306 260427 1213 0 157 69 0 0\ncpu0 27253 0 6915 131874 253 0 25 30 0 0\n\
        intr 735645 0 0 25\nctxt 1311426\nbtime 1795350788\nprocesses 26134\nprocs_running 2\nprocs_blocked 1\n\
        softirq 404212 1 47590 4 25165 125869 0 381 90733 2 114470\n";

    #[test]
    fn gives_the_hosts_counters() {
        check::<Stat>(
            "",
            &[("proc/stat", TEXT)],
            expect![[r#"
            # HELP node_boot_time_seconds Unix time at which the kernel was booted, in seconds.
            # TYPE node_boot_time_seconds gauge
            node_boot_time_seconds 1.795350788e+09
            # HELP node_context_switches_total Switches from one task to another since boot, on all CPUs.
            # TYPE node_context_switches_total counter
            node_context_switches_total 1.311426e+06
            # HELP node_forks_total Processes and threads that were made since boot.
            # TYPE node_forks_total counter
            node_forks_total 26134
            # HELP node_intr_total Hardware interrupts that were served since boot, on all CPUs.
            # TYPE node_intr_total counter
            node_intr_total 735645
            # HELP node_procs_blocked Tasks that wait for a disk or another device.
            # TYPE node_procs_blocked gauge
            node_procs_blocked 1
            # HELP node_procs_running Tasks that run or wait for a CPU.
            # TYPE node_procs_running gauge
            node_procs_running 2
        "#]],
        );
    }

    #[test]
    fn gives_soft_interrupts_by_kind_when_asked() {
        let softirqs = "softirq 404212 1 47590 4 25165 125869 0 381 90733 2 114470 77\n";
        check::<Stat>(
            "softirq = true",
            &[("proc/stat", softirqs)],
            expect![[r##"
            # HELP node_softirqs_total Soft interrupts that all CPUs handled since boot, by kind.
            # TYPE node_softirqs_total counter
            node_softirqs_total{vector="block"} 125869
            node_softirqs_total{vector="block_iopoll"} 0
            node_softirqs_total{vector="hi"} 1
            node_softirqs_total{vector="hrtimer"} 2
            node_softirqs_total{vector="net_rx"} 25165
            node_softirqs_total{vector="net_tx"} 4
            node_softirqs_total{vector="rcu"} 114470
            node_softirqs_total{vector="sched"} 90733
            node_softirqs_total{vector="tasklet"} 381
            node_softirqs_total{vector="timer"} 47590
        "##]],
        );
    }

    #[test]
    fn a_line_that_the_kernel_lacks_gives_no_sample() {
        check::<Stat>(
            "softirq = true",
            &[("proc/stat", "ctxt 5\n")],
            expect![[r#"
            # HELP node_context_switches_total Switches from one task to another since boot, on all CPUs.
            # TYPE node_context_switches_total counter
            node_context_switches_total 5
        "#]],
        );
    }

    #[test]
    fn a_line_without_its_numbers_costs_itself() {
        let text =
            "ctxt\nintr x\nbtime -7\nprocesses 18446744073709551616\nprocs_running 2\nsoftirq 9 1 2 3\n";
        check_error::<Stat>(
            "softirq = true",
            &[("proc/stat", text)],
            expect![[r#"
                # HELP node_procs_running Tasks that run or wait for a CPU.
                # TYPE node_procs_running gauge
                node_procs_running 2
                parse proc/stat, line 1: expected a name and its numbers"#]],
        );
    }

    #[test]
    fn old_kernels_have_nine_kinds_and_a_counter_may_have_wrapped_below_zero() {
        check::<Stat>(
            "softirq = true",
            &[("proc/stat", "ctxt -5\nprocs_running 1\nsoftirq 45 1 2 3 4 5 6 -7 8 9\n")],
            expect![[r##"
                # HELP node_procs_running Tasks that run or wait for a CPU.
                # TYPE node_procs_running gauge
                node_procs_running 1
                # HELP node_softirqs_total Soft interrupts that all CPUs handled since boot, by kind.
                # TYPE node_softirqs_total counter
                node_softirqs_total{vector="block"} 5
                node_softirqs_total{vector="hi"} 1
                node_softirqs_total{vector="hrtimer"} 8
                node_softirqs_total{vector="net_rx"} 4
                node_softirqs_total{vector="net_tx"} 3
                node_softirqs_total{vector="rcu"} 9
                node_softirqs_total{vector="tasklet"} 6
                node_softirqs_total{vector="timer"} 2
            "##]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Stat>("", &[], expect!["read proc/stat: No such file or directory (os error 2)"]);
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Stat>("softirq = true", &[("proc/stat", TEXT)]);
    }
}
