//! `/proc/net/softnet_stat`: one line of hexadecimal numbers a CPU; see `softnet_seq_show` of
//! `net/core/net-procfs.c`. Kernels before 5.10 do not name the CPU, and leave out those that are offline.

use crate::collectors::prelude::*;

metrics! {
    |it: &Cpu| ["cpu"];
    Gauge "node_softnet_backlog_len" = it.backlog, "Packets that wait in the CPU's backlog.";
    Counter "node_softnet_cpu_collision_total" = it.collisions, "Times that the CPU found a device's transmit lock taken; 0 since Linux 4.7.";
    Counter "node_softnet_dropped_total" = it.dropped, "Packets dropped because the CPU's backlog was full.";
    Counter "node_softnet_flow_limit_count_total" = it.flow_limited, "Packets dropped because one flow filled too much of the CPU's backlog.";
    Counter "node_softnet_processed_total" = it.processed, "Packets that the CPU processed.";
    Counter "node_softnet_received_rps_total" = it.woken, "Times that another CPU woke this one to process packets (receive packet steering).";
    Counter "node_softnet_times_squeezed_total" = it.squeezed, "Times that the CPU ran out of time or budget with packets left to process.";
}

pub(super) struct Softnet(File);

impl Spec for Softnet {
    const SUMMARY: &'static str = "Packets that each CPU processed and dropped, from /proc/net/softnet_stat.";
    const ENABLED: bool = true;
    const START: Start = Start::Boot;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.net("softnet_stat")))
    }
}

impl Collector for Softnet {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        self.0.parse_lines("at least 9 hexadecimal numbers", |number, line| {
            let (cpu, is_whole) = parse_line(line)?;
            push_rows(&cpu, [cpu.cpu.unwrap_or(number as u64 - 1)], out);
            is_whole.then_some(())
        })?;
        Ok(())
    }
}

struct Cpu {
    cpu: Option<u64>,
    processed: Option<u64>,
    dropped: Option<u64>,
    squeezed: Option<u64>,
    collisions: Option<u64>,
    woken: Option<u64>,
    flow_limited: Option<u64>,
    backlog: Option<u64>,
}

/// What a CPU counts, and whether each word of it is a number. `None` when the line is cut, or does not tell the CPU.
fn parse_line(line: &[u8]) -> Option<(Cpu, bool)> {
    // Columns that came with Linux 2.6.35, 3.11 and 5.10; 0 before, as in node_exporter.
    let mut numbers = [Some(0); 13];
    let mut n_numbers = 0;
    for (number, word) in numbers.iter_mut().zip(source::words(line)) {
        *number = source::hex_number(word);
        n_numbers += 1;
    }
    let is_whole = numbers.iter().all(Option::is_some);
    let [processed, dropped, squeezed, _, _, _, _, _, collisions, woken, flow_limited, backlog, cpu] =
        numbers;
    let cpu = if n_numbers == 13 { Some(cpu?) } else { None };
    let counts = Cpu { cpu, processed, dropped, squeezed, collisions, woken, flow_limited, backlog };
    (n_numbers >= 9).then_some((counts, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::costs;

    #[test]
    fn takes_the_cpu_from_the_line() {
        check::<Softnet>(
            "",
            &[("proc/net/softnet_stat", "\
0000651f 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000003 00000004 00000005 00000006 0000000a 00000000 00000000
ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000002 00000000 00000000
")],
            expect![[r##"
                # HELP node_softnet_backlog_len Packets that wait in the CPU's backlog.
                # TYPE node_softnet_backlog_len gauge
                node_softnet_backlog_len{cpu="10"} 6
                node_softnet_backlog_len{cpu="2"} 0
                # HELP node_softnet_cpu_collision_total Times that the CPU found a device's transmit lock taken; 0 since Linux 4.7.
                # TYPE node_softnet_cpu_collision_total counter
                node_softnet_cpu_collision_total{cpu="10"} 3
                node_softnet_cpu_collision_total{cpu="2"} 0
                # HELP node_softnet_dropped_total Packets dropped because the CPU's backlog was full.
                # TYPE node_softnet_dropped_total counter
                node_softnet_dropped_total{cpu="10"} 1
                node_softnet_dropped_total{cpu="2"} 0
                # HELP node_softnet_flow_limit_count_total Packets dropped because one flow filled too much of the CPU's backlog.
                # TYPE node_softnet_flow_limit_count_total counter
                node_softnet_flow_limit_count_total{cpu="10"} 5
                node_softnet_flow_limit_count_total{cpu="2"} 0
                # HELP node_softnet_processed_total Packets that the CPU processed.
                # TYPE node_softnet_processed_total counter
                node_softnet_processed_total{cpu="10"} 25887
                node_softnet_processed_total{cpu="2"} 4.294967295e+09
                # HELP node_softnet_received_rps_total Times that another CPU woke this one to process packets (receive packet steering).
                # TYPE node_softnet_received_rps_total counter
                node_softnet_received_rps_total{cpu="10"} 4
                node_softnet_received_rps_total{cpu="2"} 0
                # HELP node_softnet_times_squeezed_total Times that the CPU ran out of time or budget with packets left to process.
                # TYPE node_softnet_times_squeezed_total counter
                node_softnet_times_squeezed_total{cpu="10"} 2
                node_softnet_times_squeezed_total{cpu="2"} 0
            "##]],
        );
    }

    #[test]
    fn counts_cpus_where_old_kernels_do_not_name_them() {
        check::<Softnet>(
            "",
            &[("proc/net/softnet_stat", "1 2 3 0 0 0 0 0 4\n11 12 13 0 0 0 0 0 14 15 16\n")],
            expect![[r##"
                # HELP node_softnet_backlog_len Packets that wait in the CPU's backlog.
                # TYPE node_softnet_backlog_len gauge
                node_softnet_backlog_len{cpu="0"} 0
                node_softnet_backlog_len{cpu="1"} 0
                # HELP node_softnet_cpu_collision_total Times that the CPU found a device's transmit lock taken; 0 since Linux 4.7.
                # TYPE node_softnet_cpu_collision_total counter
                node_softnet_cpu_collision_total{cpu="0"} 4
                node_softnet_cpu_collision_total{cpu="1"} 20
                # HELP node_softnet_dropped_total Packets dropped because the CPU's backlog was full.
                # TYPE node_softnet_dropped_total counter
                node_softnet_dropped_total{cpu="0"} 2
                node_softnet_dropped_total{cpu="1"} 18
                # HELP node_softnet_flow_limit_count_total Packets dropped because one flow filled too much of the CPU's backlog.
                # TYPE node_softnet_flow_limit_count_total counter
                node_softnet_flow_limit_count_total{cpu="0"} 0
                node_softnet_flow_limit_count_total{cpu="1"} 22
                # HELP node_softnet_processed_total Packets that the CPU processed.
                # TYPE node_softnet_processed_total counter
                node_softnet_processed_total{cpu="0"} 1
                node_softnet_processed_total{cpu="1"} 17
                # HELP node_softnet_received_rps_total Times that another CPU woke this one to process packets (receive packet steering).
                # TYPE node_softnet_received_rps_total counter
                node_softnet_received_rps_total{cpu="0"} 0
                node_softnet_received_rps_total{cpu="1"} 21
                # HELP node_softnet_times_squeezed_total Times that the CPU ran out of time or budget with packets left to process.
                # TYPE node_softnet_times_squeezed_total counter
                node_softnet_times_squeezed_total{cpu="0"} 3
                node_softnet_times_squeezed_total{cpu="1"} 19
            "##]],
        );
    }

    #[test]
    fn a_word_that_is_no_number_costs_one_value() {
        let stat = ("proc/net/softnet_stat", "1 2 3 0 0 0 0 0 4 15 16\n11 12 13 0 0 0 0 0 14 5 6\n");
        assert!(!costs::<Softnet>("", stat, ("15", "x"), "node_softnet_received_rps_total{cpu=\"0\"} 21"));
    }

    #[test]
    fn refuses_a_line_that_is_cut() {
        check_error::<Softnet>(
            "",
            &[("proc/net/softnet_stat", "1 2 3 0 0 0 0 0 4\n1 2 3 0 0 0 0 0\n")],
            expect![[r##"
                # HELP node_softnet_backlog_len Packets that wait in the CPU's backlog.
                # TYPE node_softnet_backlog_len gauge
                node_softnet_backlog_len{cpu="0"} 0
                # HELP node_softnet_cpu_collision_total Times that the CPU found a device's transmit lock taken; 0 since Linux 4.7.
                # TYPE node_softnet_cpu_collision_total counter
                node_softnet_cpu_collision_total{cpu="0"} 4
                # HELP node_softnet_dropped_total Packets dropped because the CPU's backlog was full.
                # TYPE node_softnet_dropped_total counter
                node_softnet_dropped_total{cpu="0"} 2
                # HELP node_softnet_flow_limit_count_total Packets dropped because one flow filled too much of the CPU's backlog.
                # TYPE node_softnet_flow_limit_count_total counter
                node_softnet_flow_limit_count_total{cpu="0"} 0
                # HELP node_softnet_processed_total Packets that the CPU processed.
                # TYPE node_softnet_processed_total counter
                node_softnet_processed_total{cpu="0"} 1
                # HELP node_softnet_received_rps_total Times that another CPU woke this one to process packets (receive packet steering).
                # TYPE node_softnet_received_rps_total counter
                node_softnet_received_rps_total{cpu="0"} 0
                # HELP node_softnet_times_squeezed_total Times that the CPU ran out of time or budget with packets left to process.
                # TYPE node_softnet_times_squeezed_total counter
                node_softnet_times_squeezed_total{cpu="0"} 3
                parse proc/net/softnet_stat, line 2: expected at least 9 hexadecimal numbers"##]],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Softnet>(
            "",
            &[],
            expect!["read proc/net/softnet_stat: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Softnet>(
            "",
            &[("proc/net/softnet_stat", "1 2 3 0 0 0 0 0 4 5 6 7 8\n1 2 3 0 0 0 0 0 4\n")],
        );
    }
}
