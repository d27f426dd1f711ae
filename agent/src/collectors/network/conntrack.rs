//! The connection tracking table: its size from `/proc/sys/net/netfilter`, what happens in it from
//! `/proc/net/stat/nf_conntrack`, which has one line of hexadecimal numbers a CPU; see `ct_cpu_seq_show` of
//! `net/netfilter/nf_conntrack_standalone.c`.

use crate::collectors::prelude::*;

metrics! {
    ENTRIES: Gauge "node_nf_conntrack_entries" [], "Connections that are tracked.";
    LIMIT: Gauge "node_nf_conntrack_entries_limit" [], "Connections that can be tracked; beyond it packets are dropped.";

    |it: &Counts| [];
    Gauge "node_nf_conntrack_stat_drop" = it.sums[DROP], "Packets dropped because they could not be tracked, since boot.";
    Gauge "node_nf_conntrack_stat_early_drop" = it.sums[EARLY_DROP], "Connections dropped to make room for others, since boot.";
    Gauge "node_nf_conntrack_stat_found" = it.sums[FOUND], "Look-ups that found a connection where none was expected, since boot.";
    Gauge "node_nf_conntrack_stat_ignore" = it.sums[IGNORE], "Packets of connections exempt from tracking, since boot; recent kernels do not count them.";
    Gauge "node_nf_conntrack_stat_insert" = it.sums[INSERT], "Connections entered into the table, since boot.";
    Gauge "node_nf_conntrack_stat_insert_failed" = it.sums[INSERT_FAILED], "Connections that could not be entered because they were in the table already, since boot.";
    Gauge "node_nf_conntrack_stat_invalid" = it.sums[INVALID], "Packets that belong to no connection, since boot.";
    Gauge "node_nf_conntrack_stat_search_restart" = it.sums[SEARCH_RESTART], "Look-ups that began anew because the table was resized, since boot.";
}

pub(super) struct Conntrack {
    count: File,
    max: File,
    stat: File,
    /// Whether `count` is about our own network, and another one is shown.
    count_is_foreign: bool,
}

impl Spec for Conntrack {
    const SUMMARY: &'static str =
        "Use of the connection tracking table, from /proc/sys/net/netfilter and /proc/net/stat/nf_conntrack.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            count: host.proc("sys/net/netfilter/nf_conntrack_count").small(),
            max: host.proc("sys/net/netfilter/nf_conntrack_max").small(),
            stat: host.net("stat/nf_conntrack"),
            count_is_foreign: host.sockets_see_another_network(),
        })
    }
}

impl Collector for Conntrack {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { count, max, stat, count_is_foreign } = self;
        let errors = FirstError::default();
        let count = errors.value(read_number(count)).filter(|_| !*count_is_foreign);
        let max = errors.value(read_number(max));
        let mut counts = Counts::default();
        match stat.parse("names of 16 columns or more, and as many numbers", |text| counts.add(text)) {
            Err(error) if error.is_not_found() && count.or(max).is_none() => {
                return Err(Error::Absent(error.to_string()));
            }
            Err(error) if error.is_not_found() => {}
            parsed => {
                errors.ok(parsed);
                push_rows(&counts, (), out);
            }
        }
        out.push(ENTRIES, (), if *count_is_foreign { counts.entries } else { count });
        out.push(LIMIT, (), max);
        Ok(errors.end()?)
    }
}

/// `None` where the kernel has no such file.
fn read_number(file: &mut File) -> Result<Option<u64>, source::Error> {
    file.parse("a number", |text| source::number(text.trim_ascii()).map(Some).ok_or(1))
}

/// Sums over CPUs, but for the number of entries, which each line repeats.
#[derive(Default)]
struct Counts {
    entries: Option<u64>,
    sums: [Option<u64>; 17],
    /// Whether a line lacks the column's number, so that its sum is none.
    is_lost: [bool; 17],
}

/// Columns of the file.
const FOUND: usize = 2;
const INVALID: usize = 4;
const IGNORE: usize = 5;
const INSERT: usize = 8;
const INSERT_FAILED: usize = 9;
const DROP: usize = 10;
const EARLY_DROP: usize = 11;
/// Since Linux 2.6.35.
const SEARCH_RESTART: usize = 16;

impl Counts {
    /// Takes in the file. A number that is wrong costs its column's sum, a line that is cut costs all of them.
    fn add(&mut self, text: &[u8]) -> Result<(), usize> {
        let n_columns = source::lines(text).map(|(_, line)| source::words(line).count()).max();
        let parsed = source::for_each_line(source::lines(text), |number, line| {
            let mut numbers = source::words(line).map(source::hex_number);
            let first = numbers.next().flatten();
            if first.is_none() && (number == 1 || line.starts_with(b"entries")) {
                return Some(());
            }
            // Kernels to come may have more columns behind those that are known.
            let numbers: Vec<_> = std::iter::once(first).chain(numbers).collect();
            if numbers.len() < SEARCH_RESTART || n_columns != Some(numbers.len()) {
                self.is_lost = [true; 17];
                return None;
            }
            self.entries = self.entries.or(first);
            for ((sum, is_lost), number) in self.sums.iter_mut().zip(&mut self.is_lost).zip(&numbers) {
                *sum = Some(sum.unwrap_or(0).wrapping_add(number.unwrap_or(0)));
                *is_lost |= number.is_none();
            }
            numbers.iter().all(Option::is_some).then_some(())
        });
        for (sum, _) in self.sums.iter_mut().zip(self.is_lost).filter(|(_, is_lost)| *is_lost) {
            *sum = None;
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::costs;

    const FILES: [(&str, &str); 3] = [
        ("proc/sys/net/netfilter/nf_conntrack_count", "123\n"),
        ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
        ("proc/net/stat/nf_conntrack", "\
entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
0000007b  00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a 0000000b 0000000c  0000000d 0000000e 0000000f 00000010
0000007b  00000000 00000010 00000000 00000010 00000010 00000000 00000000 00000010 00000010 00000010 00000010 00000000  00000000 00000000 00000000 00000010
"),
    ];

    #[test]
    fn sums_over_cpus() {
        check::<Conntrack>(
            "",
            &FILES,
            expect![[r#"
            # HELP node_nf_conntrack_entries Connections that are tracked.
            # TYPE node_nf_conntrack_entries gauge
            node_nf_conntrack_entries 123
            # HELP node_nf_conntrack_entries_limit Connections that can be tracked; beyond it packets are dropped.
            # TYPE node_nf_conntrack_entries_limit gauge
            node_nf_conntrack_entries_limit 65536
            # HELP node_nf_conntrack_stat_drop Packets dropped because they could not be tracked, since boot.
            # TYPE node_nf_conntrack_stat_drop gauge
            node_nf_conntrack_stat_drop 26
            # HELP node_nf_conntrack_stat_early_drop Connections dropped to make room for others, since boot.
            # TYPE node_nf_conntrack_stat_early_drop gauge
            node_nf_conntrack_stat_early_drop 27
            # HELP node_nf_conntrack_stat_found Look-ups that found a connection where none was expected, since boot.
            # TYPE node_nf_conntrack_stat_found gauge
            node_nf_conntrack_stat_found 18
            # HELP node_nf_conntrack_stat_ignore Packets of connections exempt from tracking, since boot; recent kernels do not count them.
            # TYPE node_nf_conntrack_stat_ignore gauge
            node_nf_conntrack_stat_ignore 21
            # HELP node_nf_conntrack_stat_insert Connections entered into the table, since boot.
            # TYPE node_nf_conntrack_stat_insert gauge
            node_nf_conntrack_stat_insert 24
            # HELP node_nf_conntrack_stat_insert_failed Connections that could not be entered because they were in the table already, since boot.
            # TYPE node_nf_conntrack_stat_insert_failed gauge
            node_nf_conntrack_stat_insert_failed 25
            # HELP node_nf_conntrack_stat_invalid Packets that belong to no connection, since boot.
            # TYPE node_nf_conntrack_stat_invalid gauge
            node_nf_conntrack_stat_invalid 20
            # HELP node_nf_conntrack_stat_search_restart Look-ups that began anew because the table was resized, since boot.
            # TYPE node_nf_conntrack_stat_search_restart gauge
            node_nf_conntrack_stat_search_restart 32
        "#]],
        );
    }

    #[test]
    fn old_kernels_lack_the_last_column() {
        let stat = "entries searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error expect_new expect_create expect_delete\n1 2 3 4 5 6 7 8 9 a b c d e f 10\n";
        check::<Conntrack>(
            "",
            &[FILES[0], FILES[1], ("proc/net/stat/nf_conntrack", stat)],
            expect![[r#"
            # HELP node_nf_conntrack_entries Connections that are tracked.
            # TYPE node_nf_conntrack_entries gauge
            node_nf_conntrack_entries 123
            # HELP node_nf_conntrack_entries_limit Connections that can be tracked; beyond it packets are dropped.
            # TYPE node_nf_conntrack_entries_limit gauge
            node_nf_conntrack_entries_limit 65536
            # HELP node_nf_conntrack_stat_drop Packets dropped because they could not be tracked, since boot.
            # TYPE node_nf_conntrack_stat_drop gauge
            node_nf_conntrack_stat_drop 11
            # HELP node_nf_conntrack_stat_early_drop Connections dropped to make room for others, since boot.
            # TYPE node_nf_conntrack_stat_early_drop gauge
            node_nf_conntrack_stat_early_drop 12
            # HELP node_nf_conntrack_stat_found Look-ups that found a connection where none was expected, since boot.
            # TYPE node_nf_conntrack_stat_found gauge
            node_nf_conntrack_stat_found 3
            # HELP node_nf_conntrack_stat_ignore Packets of connections exempt from tracking, since boot; recent kernels do not count them.
            # TYPE node_nf_conntrack_stat_ignore gauge
            node_nf_conntrack_stat_ignore 6
            # HELP node_nf_conntrack_stat_insert Connections entered into the table, since boot.
            # TYPE node_nf_conntrack_stat_insert gauge
            node_nf_conntrack_stat_insert 9
            # HELP node_nf_conntrack_stat_insert_failed Connections that could not be entered because they were in the table already, since boot.
            # TYPE node_nf_conntrack_stat_insert_failed gauge
            node_nf_conntrack_stat_insert_failed 10
            # HELP node_nf_conntrack_stat_invalid Packets that belong to no connection, since boot.
            # TYPE node_nf_conntrack_stat_invalid gauge
            node_nf_conntrack_stat_invalid 5
        "#]],
        );
    }

    #[test]
    fn a_kernel_without_connection_tracking_is_no_fault() {
        check_error::<Conntrack>(
            "",
            &[],
            expect![
                "not on this host: read proc/net/stat/nf_conntrack: No such file or directory (os error 2)"
            ],
        );
    }

    #[test]
    fn what_a_kernel_does_not_tell_is_left_out() {
        check::<Conntrack>(
            "",
            &FILES[..2],
            expect![[r#"
                # HELP node_nf_conntrack_entries Connections that are tracked.
                # TYPE node_nf_conntrack_entries gauge
                node_nf_conntrack_entries 123
                # HELP node_nf_conntrack_entries_limit Connections that can be tracked; beyond it packets are dropped.
                # TYPE node_nf_conntrack_entries_limit gauge
                node_nf_conntrack_entries_limit 65536
            "#]],
        );
    }

    #[test]
    fn the_next_kernels_column_is_no_fault() {
        let stat = format!("{} next\n{}\n", FILES[2].1.lines().next().unwrap(), ["1"; 18].join(" "));
        check::<Conntrack>(
            "",
            &[("proc/net/stat/nf_conntrack", &stat)],
            expect![[r#"
            # HELP node_nf_conntrack_stat_drop Packets dropped because they could not be tracked, since boot.
            # TYPE node_nf_conntrack_stat_drop gauge
            node_nf_conntrack_stat_drop 1
            # HELP node_nf_conntrack_stat_early_drop Connections dropped to make room for others, since boot.
            # TYPE node_nf_conntrack_stat_early_drop gauge
            node_nf_conntrack_stat_early_drop 1
            # HELP node_nf_conntrack_stat_found Look-ups that found a connection where none was expected, since boot.
            # TYPE node_nf_conntrack_stat_found gauge
            node_nf_conntrack_stat_found 1
            # HELP node_nf_conntrack_stat_ignore Packets of connections exempt from tracking, since boot; recent kernels do not count them.
            # TYPE node_nf_conntrack_stat_ignore gauge
            node_nf_conntrack_stat_ignore 1
            # HELP node_nf_conntrack_stat_insert Connections entered into the table, since boot.
            # TYPE node_nf_conntrack_stat_insert gauge
            node_nf_conntrack_stat_insert 1
            # HELP node_nf_conntrack_stat_insert_failed Connections that could not be entered because they were in the table already, since boot.
            # TYPE node_nf_conntrack_stat_insert_failed gauge
            node_nf_conntrack_stat_insert_failed 1
            # HELP node_nf_conntrack_stat_invalid Packets that belong to no connection, since boot.
            # TYPE node_nf_conntrack_stat_invalid gauge
            node_nf_conntrack_stat_invalid 1
            # HELP node_nf_conntrack_stat_search_restart Look-ups that began anew because the table was resized, since boot.
            # TYPE node_nf_conntrack_stat_search_restart gauge
            node_nf_conntrack_stat_search_restart 1
        "#]],
        );
    }

    #[test]
    fn a_word_that_is_no_number_costs_one_sum() {
        assert!(!costs::<Conntrack>("", FILES[2], ("0000000a", "x"), "node_nf_conntrack_stat_drop 26"));
    }

    #[test]
    fn a_line_that_is_cut_costs_the_sums() {
        let stat = FILES[2].1.rsplit_once("  ").unwrap().0;
        check_error::<Conntrack>(
            "",
            &[FILES[0], FILES[1], ("proc/net/stat/nf_conntrack", stat)],
            expect![[r#"
                # HELP node_nf_conntrack_entries Connections that are tracked.
                # TYPE node_nf_conntrack_entries gauge
                node_nf_conntrack_entries 123
                # HELP node_nf_conntrack_entries_limit Connections that can be tracked; beyond it packets are dropped.
                # TYPE node_nf_conntrack_entries_limit gauge
                node_nf_conntrack_entries_limit 65536
                parse proc/net/stat/nf_conntrack, line 3: expected names of 16 columns or more, and as many numbers"#]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Conntrack>("", &FILES);
    }
}
