//! `/proc/schedstat`: see Documentation/scheduler/sched-stats.rst of the kernel. Times are in nanoseconds, whatever it
//! says there. The file exists where the kernel is built with `CONFIG_SCHEDSTATS`.

use crate::collectors::prelude::*;

metrics! {
    |it: &Cpu<'_>| ["cpu"];
    Counter "node_schedstat_running_seconds_total" = it.running.map(|it| it as f64 / 1e9), "Seconds that tasks ran on each CPU.";
    Counter "node_schedstat_timeslices_total" = it.timeslices, "Times that a task was put on each CPU.";
    Counter "node_schedstat_waiting_seconds_total" = it.waiting.map(|it| it as f64 / 1e9), "Seconds that tasks waited for each CPU, all tasks added up.";
}

struct Cpu<'a> {
    cpu: &'a [u8],
    /// In nanoseconds.
    running: Option<u64>,
    /// In nanoseconds.
    waiting: Option<u64>,
    timeslices: Option<u64>,
}

pub(super) struct Schedstat(File);

impl Spec for Schedstat {
    const SUMMARY: &'static str = "Time that tasks ran on and waited for each CPU, from /proc/schedstat.";
    const ENABLED: bool = true;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("schedstat")))
    }
}

impl Collector for Schedstat {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let parsed = self.0.parse_lines("`cpu`, its number and 9 counts", |_, line| {
            // Other lines tell of scheduling domains.
            let Some(line) = line.strip_prefix(b"cpu") else { return Some(()) };
            let (cpu, is_whole) = parse_cpu(line)?;
            push_rows(&cpu, [cpu.cpu], out);
            is_whole.then_some(())
        });
        match parsed {
            Err(error) if error.is_not_found() => {
                Err(Error::Absent("/proc/schedstat, which needs CONFIG_SCHEDSTATS".to_owned()))
            }
            parsed => Ok(parsed?),
        }
    }
}

/// What a CPU counts, and whether each word of it is a number. `None` when the line does not tell the CPU.
fn parse_cpu(line: &[u8]) -> Option<(Cpu<'_>, bool)> {
    let mut words = source::words(line);
    let cpu = words.next().filter(|it| source::number::<u32>(it).is_some())?;
    let mut words = words.skip(6);
    let mut is_whole = true;
    let [running, waiting, timeslices] = std::array::from_fn(|_| {
        let count = words.next().and_then(source::count);
        is_whole &= count.is_some();
        count.flatten()
    });
    Some((Cpu { cpu, running, waiting, timeslices }, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version 15\ntimestamp 4299123456\n\
        cpu0 498 0 353 255 385 246 2045936778163039 343796328169361 4767485306\n\
        domain0 MC 3 1 2 3 4 5 6 7 8 9\n\
        cpu1 518 0 361 263 382 252 7 5 3 9\n";

    #[test]
    fn gives_times_of_each_cpu() {
        check::<Schedstat>(
            "",
            &[("proc/schedstat", TEXT)],
            expect![[r##"
            # HELP node_schedstat_running_seconds_total Seconds that tasks ran on each CPU.
            # TYPE node_schedstat_running_seconds_total counter
            node_schedstat_running_seconds_total{cpu="0"} 2.045936778163039e+06
            node_schedstat_running_seconds_total{cpu="1"} 7e-09
            # HELP node_schedstat_timeslices_total Times that a task was put on each CPU.
            # TYPE node_schedstat_timeslices_total counter
            node_schedstat_timeslices_total{cpu="0"} 4.767485306e+09
            node_schedstat_timeslices_total{cpu="1"} 3
            # HELP node_schedstat_waiting_seconds_total Seconds that tasks waited for each CPU, all tasks added up.
            # TYPE node_schedstat_waiting_seconds_total counter
            node_schedstat_waiting_seconds_total{cpu="0"} 343796.328169361
            node_schedstat_waiting_seconds_total{cpu="1"} 5e-09
        "##]],
        );
    }

    #[test]
    fn a_broken_line_costs_one_cpu() {
        let text = "version 1\ncpu0 1 2 3 4 5 6 7 8\ncpux 1 2 3 4 5 6 7 8 9\ncpu1 1 2 3 4 5 6 -7 8 9\n";
        check_error::<Schedstat>(
            "",
            &[("proc/schedstat", text)],
            expect![[r##"
                # HELP node_schedstat_running_seconds_total Seconds that tasks ran on each CPU.
                # TYPE node_schedstat_running_seconds_total counter
                node_schedstat_running_seconds_total{cpu="0"} 7e-09
                # HELP node_schedstat_timeslices_total Times that a task was put on each CPU.
                # TYPE node_schedstat_timeslices_total counter
                node_schedstat_timeslices_total{cpu="1"} 9
                # HELP node_schedstat_waiting_seconds_total Seconds that tasks waited for each CPU, all tasks added up.
                # TYPE node_schedstat_waiting_seconds_total counter
                node_schedstat_waiting_seconds_total{cpu="0"} 8e-09
                node_schedstat_waiting_seconds_total{cpu="1"} 8e-09
                parse proc/schedstat, line 2: expected `cpu`, its number and 9 counts"##]],
        );
    }

    #[test]
    fn says_that_the_kernel_lacks_it() {
        check_error::<Schedstat>(
            "",
            &[],
            expect!["not on this host: /proc/schedstat, which needs CONFIG_SCHEDSTATS"],
        );
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Schedstat>("", &[("proc/schedstat", TEXT)]);
    }
}
