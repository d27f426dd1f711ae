//! `/proc/buddyinfo`: see proc_buddyinfo(5). Free blocks of each zone, a column for each power of two of pages.
//! Read by hand: the procfs crate does not.

use crate::collectors::prelude::*;

metrics! {
    BLOCKS: Gauge "node_buddyinfo_blocks" ["node", "zone", "size"], "Free blocks of 2^size pages in the zone.";
}

pub(super) struct Buddyinfo(File);

impl Spec for Buddyinfo {
    const SUMMARY: &'static str =
        "Free blocks of memory by size, which tells fragmentation, from /proc/buddyinfo.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("buddyinfo")))
    }
}

impl Collector for Buddyinfo {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        Ok(self.0.parse("`Node 0, zone DMA`, then as many counts as in other lines", |text| {
            let n_words = |line| source::words(line).count();
            let n_most = source::lines(text).map(|(_, line)| n_words(line)).max();
            source::for_each_line(source::lines(text), |_, line| {
                let words: Vec<_> = source::words(line).collect();
                let [b"Node", node, b"zone", zone, counts @ ..] = words.as_slice() else { return None };
                if n_most != Some(words.len()) {
                    return None;
                }
                let node = node.strip_suffix(b",").unwrap_or(node);
                let mut is_whole = true;
                for (size, count) in counts.iter().map(|it| source::count(it)).enumerate() {
                    is_whole &= count.is_some();
                    out.push(BLOCKS, (node, zone, size), count.flatten());
                }
                is_whole.then_some(())
            })
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Node 0, zone      DMA      1      0      2\nNode 0, zone   Normal   4381   1093    185\n";

    #[test]
    fn counts_by_zone_and_size() {
        check::<Buddyinfo>(
            "",
            &[("proc/buddyinfo", TEXT)],
            expect![[r##"
            # HELP node_buddyinfo_blocks Free blocks of 2^size pages in the zone.
            # TYPE node_buddyinfo_blocks gauge
            node_buddyinfo_blocks{node="0",size="0",zone="DMA"} 1
            node_buddyinfo_blocks{node="0",size="0",zone="Normal"} 4381
            node_buddyinfo_blocks{node="0",size="1",zone="DMA"} 0
            node_buddyinfo_blocks{node="0",size="1",zone="Normal"} 1093
            node_buddyinfo_blocks{node="0",size="2",zone="DMA"} 2
            node_buddyinfo_blocks{node="0",size="2",zone="Normal"} 185
        "##]],
        );
    }

    #[test]
    fn a_zone_with_fewer_sizes_costs_itself() {
        let text = "Node 0, zone Normal 3\nNode 0, zone DMA 1 2\n";
        check_error::<Buddyinfo>(
            "",
            &[("proc/buddyinfo", text)],
            expect![[r##"
            # HELP node_buddyinfo_blocks Free blocks of 2^size pages in the zone.
            # TYPE node_buddyinfo_blocks gauge
            node_buddyinfo_blocks{node="0",size="0",zone="DMA"} 1
            node_buddyinfo_blocks{node="0",size="1",zone="DMA"} 2
            parse proc/buddyinfo, line 1: expected `Node 0, zone DMA`, then as many counts as in other lines"##]],
        );
    }

    #[test]
    fn refuses_a_line_without_a_zone() {
        check_error::<Buddyinfo>(
            "",
            &[("proc/buddyinfo", "Node 0\n")],
            expect![
                "parse proc/buddyinfo, line 1: expected `Node 0, zone DMA`, then as many counts as in other lines"
            ],
        );
    }

    #[test]
    fn an_empty_file_gives_no_samples() {
        check::<Buddyinfo>("", &[("proc/buddyinfo", "")], expect![[""]]);
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Buddyinfo>(
            "",
            &[],
            expect!["read proc/buddyinfo: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Buddyinfo>("", &[("proc/buddyinfo", TEXT)]);
    }
}
