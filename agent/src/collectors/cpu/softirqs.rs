//! `/proc/softirqs`: see proc_softirqs(5). A column a CPU, a row a kind. Read by hand: the procfs crate does not.

use crate::collectors::prelude::*;

metrics! {
    CALLS: Counter "node_softirqs_functions_total" ["cpu", "type"], "Softirqs of each type that each CPU has run.";
}

/// The rows that are shown.
const TYPES: [&str; 10] =
    ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"];

pub(super) struct Softirqs(File);

impl Spec for Softirqs {
    const SUMMARY: &'static str = "Softirqs by CPU and type, from /proc/softirqs.";
    const ENABLED: bool = false;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("softirqs")))
    }
}

impl Collector for Softirqs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let expected = "the names of the CPUs, then rows with a count for each";
        Ok(self.0.parse(expected, |text| push_rows(text, out))?)
    }
}

fn push_rows(text: &[u8], out: &mut Families) -> Result<(), usize> {
    if text.is_empty() {
        return Err(1);
    }
    source::for_each_line(source::lines(text), |_, line| {
        let mut words = source::words(line);
        let row = words.next().and_then(|word| word.strip_suffix(b":"));
        let Some(&kind) = TYPES.iter().find(|kind| row == Some(kind.as_bytes())) else { return Some(()) };
        let mut is_whole = true;
        for (cpu, count) in words.map(source::count).enumerate() {
            is_whole &= count.is_some();
            out.push(CALLS, (cpu, kind), count.flatten());
        }
        is_whole.then_some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "                    CPU0       CPU1\n          HI:          1          0\n       TIMER:     424191     108342\n BLOCK_IOPOLL:        3          4\n         RCU: 18446744073709551615 2\n";

    #[test]
    fn counts_by_cpu_and_type() {
        check::<Softirqs>(
            "",
            &[("proc/softirqs", TEXT)],
            expect![[r##"
            # HELP node_softirqs_functions_total Softirqs of each type that each CPU has run.
            # TYPE node_softirqs_functions_total counter
            node_softirqs_functions_total{cpu="0",type="HI"} 1
            node_softirqs_functions_total{cpu="0",type="RCU"} 1.8446744073709552e+19
            node_softirqs_functions_total{cpu="0",type="TIMER"} 424191
            node_softirqs_functions_total{cpu="1",type="HI"} 0
            node_softirqs_functions_total{cpu="1",type="RCU"} 2
            node_softirqs_functions_total{cpu="1",type="TIMER"} 108342
        "##]],
        );
    }

    #[test]
    fn a_count_that_is_no_number_costs_itself() {
        check_error::<Softirqs>(
            "",
            &[("proc/softirqs", "  CPU0 CPU1\n  HI: many 7\n TIMER: -1 8\n")],
            expect![[r##"
                # HELP node_softirqs_functions_total Softirqs of each type that each CPU has run.
                # TYPE node_softirqs_functions_total counter
                node_softirqs_functions_total{cpu="1",type="HI"} 7
                node_softirqs_functions_total{cpu="1",type="TIMER"} 8
                parse proc/softirqs, line 2: expected the names of the CPUs, then rows with a count for each"##]],
        );
    }

    #[test]
    fn refuses_an_empty_file() {
        check_error::<Softirqs>(
            "",
            &[("proc/softirqs", "")],
            expect![
                "parse proc/softirqs, line 1: expected the names of the CPUs, then rows with a count for each"
            ],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Softirqs>(
            "",
            &[],
            expect!["read proc/softirqs: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Softirqs>("", &[("proc/softirqs", TEXT)]);
    }
}
