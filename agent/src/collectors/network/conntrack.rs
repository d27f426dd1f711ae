//! The connection tracking table: its size from `/proc/sys/net/netfilter`, what happens in it from
//! `/proc/net/stat/nf_conntrack`, which has one line of hexadecimal numbers a CPU; see `ct_cpu_seq_show` of
//! `net/netfilter/nf_conntrack_standalone.c`.

use crate::collectors::prelude::*;

metrics! {
    ENTRIES: Gauge "node_nf_conntrack_entries" [], "Connections that are tracked.";
    LIMIT: Gauge "node_nf_conntrack_entries_limit" [], "Connections that can be tracked; beyond it packets are dropped.";

    |it: &Counts| [];
    Gauge "node_nf_conntrack_stat_drop" = it.drop, "Packets dropped because they could not be tracked, since boot.";
    Gauge "node_nf_conntrack_stat_early_drop" = it.early_drop, "Connections dropped to make room for others, since boot.";
    Gauge "node_nf_conntrack_stat_found" = it.found, "Look-ups that found a connection where none was expected, since boot.";
    Gauge "node_nf_conntrack_stat_ignore" = it.ignore, "Packets of connections that are not to be tracked, since boot; recent kernels do not count them.";
    Gauge "node_nf_conntrack_stat_insert" = it.insert, "Connections entered into the table, since boot.";
    Gauge "node_nf_conntrack_stat_insert_failed" = it.insert_failed, "Connections that could not be entered because they were there, since boot.";
    Gauge "node_nf_conntrack_stat_invalid" = it.invalid, "Packets that belong to no connection, since boot.";
    Gauge "node_nf_conntrack_stat_search_restart" = it.search_restart, "Look-ups that began anew because the table was resized, since boot.";
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
        self.push(out).map_err(|error| match error.is_not_found() {
            true => Error::Absent(error.to_string()),
            false => error.into(),
        })
    }
}

impl Conntrack {
    fn push(&mut self, out: &mut Families) -> Result<(), source::Error> {
        if !self.count_is_foreign {
            out.push(ENTRIES, (), read_number(&mut self.count)?);
        }
        out.push(LIMIT, (), read_number(&mut self.max)?);
        let mut counts = Counts::default();
        self.stat.parse_lines("16 or 17 hexadecimal numbers", |number, line| match number {
            1 => Some(()),
            _ => counts.add(line),
        })?;
        if self.count_is_foreign {
            out.push(ENTRIES, (), counts.entries);
        }
        push_rows(&counts, (), out);
        Ok(())
    }
}

fn read_number(file: &mut File) -> Result<u64, source::Error> {
    file.parse("a number", |text| source::number(text.trim_ascii()).ok_or(1))
}

/// Sums over CPUs, but for the number of entries, which each line repeats.
#[derive(Default)]
struct Counts {
    entries: Option<u64>,
    found: u64,
    invalid: u64,
    ignore: u64,
    insert: u64,
    insert_failed: u64,
    drop: u64,
    early_drop: u64,
    search_restart: u64,
}

impl Counts {
    /// Adds one CPU. `None` when the line is not whole.
    fn add(&mut self, line: &[u8]) -> Option<()> {
        let mut numbers = [0; 17];
        let mut words = source::words(line);
        let mut n_numbers = 0;
        for (number, word) in numbers.iter_mut().zip(&mut words) {
            *number = source::hex_number(word)?;
            n_numbers += 1;
        }
        // The last one came with Linux 2.6.35.
        if n_numbers < 16 || words.next().is_some() {
            return None;
        }
        self.entries = Some(numbers[0]);
        for (sum, number) in [
            (&mut self.found, numbers[2]),
            (&mut self.invalid, numbers[4]),
            (&mut self.ignore, numbers[5]),
            (&mut self.insert, numbers[8]),
            (&mut self.insert_failed, numbers[9]),
            (&mut self.drop, numbers[10]),
            (&mut self.early_drop, numbers[11]),
            (&mut self.search_restart, numbers[16]),
        ] {
            *sum = sum.wrapping_add(number);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            # HELP node_nf_conntrack_stat_ignore Packets of connections that are not to be tracked, since boot; recent kernels do not count them.
            # TYPE node_nf_conntrack_stat_ignore gauge
            node_nf_conntrack_stat_ignore 21
            # HELP node_nf_conntrack_stat_insert Connections entered into the table, since boot.
            # TYPE node_nf_conntrack_stat_insert gauge
            node_nf_conntrack_stat_insert 24
            # HELP node_nf_conntrack_stat_insert_failed Connections that could not be entered because they were there, since boot.
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
        let stat = "header\n1 2 3 4 5 6 7 8 9 a b c d e f 10\n";
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
            # HELP node_nf_conntrack_stat_ignore Packets of connections that are not to be tracked, since boot; recent kernels do not count them.
            # TYPE node_nf_conntrack_stat_ignore gauge
            node_nf_conntrack_stat_ignore 6
            # HELP node_nf_conntrack_stat_insert Connections entered into the table, since boot.
            # TYPE node_nf_conntrack_stat_insert gauge
            node_nf_conntrack_stat_insert 9
            # HELP node_nf_conntrack_stat_insert_failed Connections that could not be entered because they were there, since boot.
            # TYPE node_nf_conntrack_stat_insert_failed gauge
            node_nf_conntrack_stat_insert_failed 10
            # HELP node_nf_conntrack_stat_invalid Packets that belong to no connection, since boot.
            # TYPE node_nf_conntrack_stat_invalid gauge
            node_nf_conntrack_stat_invalid 5
            # HELP node_nf_conntrack_stat_search_restart Look-ups that began anew because the table was resized, since boot.
            # TYPE node_nf_conntrack_stat_search_restart gauge
            node_nf_conntrack_stat_search_restart 0
        "#]],
        );
    }

    #[test]
    fn a_kernel_without_connection_tracking_is_no_fault() {
        check_error::<Conntrack>(
            "",
            &[],
            expect![
                "not on this host: read proc/sys/net/netfilter/nf_conntrack_count: No such file or directory (os error 2)"
            ],
        );
    }

    #[test]
    fn what_comes_before_a_missing_file_stays() {
        check_error::<Conntrack>(
            "",
            &FILES[..2],
            expect![[r#"
            # HELP node_nf_conntrack_entries Connections that are tracked.
            # TYPE node_nf_conntrack_entries gauge
            node_nf_conntrack_entries 123
            # HELP node_nf_conntrack_entries_limit Connections that can be tracked; beyond it packets are dropped.
            # TYPE node_nf_conntrack_entries_limit gauge
            node_nf_conntrack_entries_limit 65536
            not on this host: read proc/net/stat/nf_conntrack: No such file or directory (os error 2)"#]],
        );
    }

    #[test]
    fn refuses_a_line_that_is_cut() {
        let stat = "header\n1 2 3 4 5 6 7 8 9 a b c d e f\n";
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
            parse proc/net/stat/nf_conntrack, line 2: expected 16 or 17 hexadecimal numbers"#]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Conntrack>("", &FILES);
    }
}
