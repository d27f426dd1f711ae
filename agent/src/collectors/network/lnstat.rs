//! `/proc/net/stat`: a file for each of the kernel's caches and tables of networking, with a row of hexadecimal numbers
//! for each CPU below their names; see `neigh_stat_seq_show` of `net/core/neighbour.c` and lnstat(8).

use crate::{
    collectors::prelude::*,
    config::glob,
    metric::legal_name,
    source::{for_each_line, hex_number, lines, words},
};
use std::path::PathBuf;

metrics! {
    COUNT: Counter "node_lnstat_*_total" ["subsystem", "cpu"], "What a cache or table of the network counts, by CPU; `entries` is how many it holds now.";
}

pub(super) struct Lnstat {
    folder: PathBuf,
    files: Vec<File>,
}

impl Spec for Lnstat {
    const SUMMARY: &'static str = "Caches of neighbours, routes and connections, from /proc/net/stat.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { folder: host.net("stat").path().to_owned(), files: Vec::new() })
    }
}

impl Collector for Lnstat {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let paths = glob(&self.folder.join("*"));
        if !self.files.iter().map(File::path).eq(&paths) {
            self.files = paths.into_iter().map(File::new).collect();
        }
        let errors = FirstError::default();
        for file in &mut self.files {
            let subsystem = file.path().file_name().unwrap_or_default().as_encoded_bytes().to_vec();
            let expected = "as many hexadecimal numbers as names";
            // A module may take its file away.
            errors.value(file.parse(expected, |text| push_table(&subsystem, text, out)).map(Some));
        }
        Ok(errors.end()?)
    }
}

fn push_table(subsystem: &[u8], text: &[u8], out: &mut Families) -> Result<(), usize> {
    let mut lines = lines(text);
    let header = lines.next().map_or(&[] as &[u8], |(_, line)| line);
    if header.first().is_some_and(u8::is_ascii_digit) {
        return Err(1);
    }
    let names: Vec<_> = words(header).map(|name| legal_name(&label_text(name))).collect();
    for_each_line(lines, |line, row| {
        let numbers: Vec<_> = words(row).map(hex_number).collect();
        if numbers.len() != names.len() {
            return None;
        }
        for (name, number) in names.iter().zip(&numbers) {
            out.push_named(COUNT, name, (subsystem, line - 2), *number);
        }
        numbers.iter().all(Option::is_some).then_some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::costs;

    const ARP: &str = "\
entries  allocs gc_total
00000014  00000001 0000000a
00000014  0000000d ffffffffff
";

    #[test]
    fn a_word_that_is_no_number_costs_one_value() {
        let lost = "node_lnstat_gc_total_total{cpu=\"0\",subsystem=\"arp_cache\"} 10";
        assert!(!costs::<Lnstat>("", ("proc/net/stat/arp_cache", ARP), ("0000000a", "x"), lost));
    }

    #[test]
    fn shows_each_column_of_each_cpu() {
        check::<Lnstat>(
            "",
            &[("proc/net/stat/arp_cache", ARP), ("proc/net/stat/nf_conntrack", "found\n00000002\n")],
            expect![[r##"
                # HELP node_lnstat_allocs_total What a cache or table of the network counts, by CPU; `entries` is how many it holds now.
                # TYPE node_lnstat_allocs_total counter
                node_lnstat_allocs_total{cpu="0",subsystem="arp_cache"} 1
                node_lnstat_allocs_total{cpu="1",subsystem="arp_cache"} 13
                # HELP node_lnstat_entries_total What a cache or table of the network counts, by CPU; `entries` is how many it holds now.
                # TYPE node_lnstat_entries_total counter
                node_lnstat_entries_total{cpu="0",subsystem="arp_cache"} 20
                node_lnstat_entries_total{cpu="1",subsystem="arp_cache"} 20
                # HELP node_lnstat_found_total What a cache or table of the network counts, by CPU; `entries` is how many it holds now.
                # TYPE node_lnstat_found_total counter
                node_lnstat_found_total{cpu="0",subsystem="nf_conntrack"} 2
                # HELP node_lnstat_gc_total_total What a cache or table of the network counts, by CPU; `entries` is how many it holds now.
                # TYPE node_lnstat_gc_total_total counter
                node_lnstat_gc_total_total{cpu="0",subsystem="arp_cache"} 10
                node_lnstat_gc_total_total{cpu="1",subsystem="arp_cache"} 1.099511627775e+12
            "##]],
        );
    }

    #[test]
    fn a_kernel_without_tables_is_no_fault() {
        check::<Lnstat>("", &[], expect![""]);
    }

    #[test]
    fn a_broken_row_costs_itself() {
        check_error::<Lnstat>(
            "",
            &[("proc/net/stat/a", "x y\n1\n2 3\n"), ("proc/net/stat/b", "z\n1\n")],
            expect![[r##"
                # HELP node_lnstat_x_total What a cache or table of the network counts, by CPU; `entries` is how many it holds now.
                # TYPE node_lnstat_x_total counter
                node_lnstat_x_total{cpu="1",subsystem="a"} 2
                # HELP node_lnstat_y_total What a cache or table of the network counts, by CPU; `entries` is how many it holds now.
                # TYPE node_lnstat_y_total counter
                node_lnstat_y_total{cpu="1",subsystem="a"} 3
                # HELP node_lnstat_z_total What a cache or table of the network counts, by CPU; `entries` is how many it holds now.
                # TYPE node_lnstat_z_total counter
                node_lnstat_z_total{cpu="0",subsystem="b"} 1
                parse proc/net/stat/a, line 2: expected as many hexadecimal numbers as names"##]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Lnstat>("", &[("proc/net/stat/arp_cache", ARP)]);
    }
}
