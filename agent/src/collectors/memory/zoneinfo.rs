//! `/proc/zoneinfo`: memory zones of each NUMA node, in pages. See proc_zoneinfo(5) and mm/vmstat.c.
//! Read by hand: the procfs crate does not.

use crate::{collectors::prelude::*, source::prefixed_number};

metrics! {
    PROTECTION: Gauge "node_zoneinfo_protection_*" ["node", "zone"], "Free pages that the zone keeps from allocations that could be made in the zone of this number.";

    |it: &Zone<'_>| ["node", "zone"];
    Gauge "node_zoneinfo_high_pages" = it.get("high"), "Free pages at which reclaim in the background ends.";
    Gauge "node_zoneinfo_low_pages" = it.get("low"), "Free pages at which reclaim in the background begins.";
    Gauge "node_zoneinfo_managed_pages" = it.get("managed"), "Pages of the zone that the allocator manages.";
    Gauge "node_zoneinfo_min_pages" = it.get("min"), "Free pages below which allocations wait for reclaim.";
    Gauge "node_zoneinfo_nr_active_anon_pages" = it.get("nr_active_anon"), "Anonymous pages that were used recently.";
    Gauge "node_zoneinfo_nr_active_file_pages" = it.get("nr_active_file"), "Pages of files that were used recently.";
    Gauge "node_zoneinfo_nr_anon_pages" = it.get("nr_anon_pages"), "Anonymous pages mapped by processes.";
    Gauge "node_zoneinfo_nr_anon_transparent_hugepages" = it.get("nr_anon_transparent_hugepages"), "Transparent huge pages of anonymous memory.";
    Counter "node_zoneinfo_nr_dirtied_total" = it.get("nr_dirtied"), "Pages that were dirtied since boot.";
    Gauge "node_zoneinfo_nr_dirty_pages" = it.get("nr_dirty"), "Pages that wait to be written back.";
    Gauge "node_zoneinfo_nr_file_pages" = it.get("nr_file_pages"), "Pages of files.";
    Gauge "node_zoneinfo_nr_free_pages" = it.get("nr_free_pages"), "Free pages.";
    Gauge "node_zoneinfo_nr_inactive_anon_pages" = it.get("nr_inactive_anon"), "Anonymous pages that were not used recently.";
    Gauge "node_zoneinfo_nr_inactive_file_pages" = it.get("nr_inactive_file"), "Pages of files that were not used recently.";
    Gauge "node_zoneinfo_nr_isolated_anon_pages" = it.get("nr_isolated_anon"), "Anonymous pages that are being reclaimed or moved.";
    Gauge "node_zoneinfo_nr_isolated_file_pages" = it.get("nr_isolated_file"), "Pages of files that are being reclaimed or moved.";
    Gauge "node_zoneinfo_nr_kernel_stacks" = it.get("nr_kernel_stack"), "Memory of kernel stacks, in KiB.";
    Gauge "node_zoneinfo_nr_mapped_pages" = it.get("nr_mapped"), "Pages of files that processes have mapped.";
    Gauge "node_zoneinfo_nr_mlock_stack_pages" = it.get("nr_mlock_stack"), "Locked pages, as kernels before Linux 4.10 call them.";
    Gauge "node_zoneinfo_nr_shmem_pages" = it.get("nr_shmem"), "Pages of shared memory and tmpfs.";
    Gauge "node_zoneinfo_nr_slab_reclaimable_pages" = it.get("nr_slab_reclaimable"), "Slab pages that can be reclaimed.";
    Gauge "node_zoneinfo_nr_slab_unreclaimable_pages" = it.get("nr_slab_unreclaimable"), "Slab pages that cannot be reclaimed.";
    Gauge "node_zoneinfo_nr_unevictable_pages" = it.get("nr_unevictable"), "Pages that cannot be reclaimed.";
    Gauge "node_zoneinfo_nr_writeback_pages" = it.get("nr_writeback"), "Pages that are being written back.";
    Counter "node_zoneinfo_nr_written_total" = it.get("nr_written"), "Pages that were written back since boot.";
    Counter "node_zoneinfo_numa_foreign_total" = it.get("numa_foreign"), "Pages that were wanted here and allocated elsewhere.";
    Counter "node_zoneinfo_numa_hit_total" = it.get("numa_hit"), "Pages that were allocated here as wanted.";
    Counter "node_zoneinfo_numa_interleave_total" = it.get("numa_interleave"), "Pages that interleaving allocated here as wanted.";
    Counter "node_zoneinfo_numa_local_total" = it.get("numa_local"), "Pages that were allocated here for a CPU of this node.";
    Counter "node_zoneinfo_numa_miss_total" = it.get("numa_miss"), "Pages that were allocated here and wanted elsewhere.";
    Counter "node_zoneinfo_numa_other_total" = it.get("numa_other"), "Pages that were allocated here for a CPU of another node.";
    Gauge "node_zoneinfo_present_pages" = it.get("present"), "Pages of the zone that exist.";
    Gauge "node_zoneinfo_scanned_pages" = it.get("scanned"), "Pages that were scanned since the last reclaim, on kernels before Linux 4.8.";
    Gauge "node_zoneinfo_spanned_pages" = it.get("spanned"), "Pages from the zone's first to its last, holes included.";
}

pub(super) struct Zoneinfo(File);

impl Spec for Zoneinfo {
    const SUMMARY: &'static str = "Memory zones of each NUMA node, from /proc/zoneinfo.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.proc("zoneinfo")))
    }
}

impl Collector for Zoneinfo {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        Ok(self.0.parse("`Node 0, zone DMA` above the fields of a zone, and numbers in them", |text| {
            let mut zone: Option<Zone<'_>> = None;
            let parsed = source::for_each_line(source::lines(text), |_, line| {
                let is_head =
                    line.starts_with(b"Node") || zone.as_ref().is_some_and(|it| it.ends_before(line));
                if !is_head {
                    return zone.as_mut().map_or(Some(()), |zone| zone.add(line));
                }
                if let Some(zone) = std::mem::replace(&mut zone, parse_head(line)) {
                    zone.push(out);
                }
                // Without its head, nobody knows of which zone the lines are that come now.
                zone.as_ref().map(|_| ())
            });
            zone.iter().for_each(|zone| zone.push(out));
            parsed
        })?)
    }
}

/// What the file says of one zone: names and the text after them.
struct Zone<'a> {
    node: &'a [u8],
    name: &'a [u8],
    fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Zone<'a> {
    /// The last number of this name.
    fn get(&self, name: &str) -> Option<i64> {
        prefixed_number(source::words(self.text(name)?).next()?)
    }

    fn text(&self, name: &str) -> Option<&'a [u8]> {
        self.fields.iter().rfind(|(it, _)| *it == name.as_bytes()).map(|(_, text)| *text)
    }

    /// Whether `line` is of another zone, whose head is lost: it begins what this one has already.
    fn ends_before(&self, line: &[u8]) -> bool {
        let is_begin = matches!(source::words(line).next(), Some(b"per-node" | b"pages"));
        let is_pages = |(name, _): &(&[u8], &[u8])| *name == b"pages";
        is_begin && self.fields.iter().any(is_pages) && !self.fields.last().is_some_and(is_pages)
    }

    /// `      nr_dirty     103`, or `  pages free     2949`, which is no field of ours.
    fn add(&mut self, line: &'a [u8]) -> Option<()> {
        let line = line.trim_ascii();
        let Some(end) = line.iter().position(u8::is_ascii_whitespace) else {
            return matches!(line, b"pagesets" | b"").then_some(());
        };
        let (name, text) = (&line[..end], line[end..].trim_ascii_start());
        self.fields.push((name, text));
        let is_known = match name {
            b"per-node" => true,
            b"protection:" => parse_protection(text).is_some(),
            _ => source::words(text).nth(1).is_some() || prefixed_number(text).is_some(),
        };
        is_known.then_some(())
    }

    fn push(&self, out: &mut Families) {
        let labels = [self.node, self.name];
        push_rows(self, labels, out);
        let protection = self.text("protection:").and_then(parse_protection).unwrap_or_default();
        for (index, pages) in protection.into_iter().enumerate() {
            out.push_named(PROTECTION, &index.to_string(), labels, pages);
        }
    }
}

/// `Node 0, zone      DMA`
fn parse_head(line: &[u8]) -> Option<Zone<'_>> {
    let mut words = source::words(line.strip_prefix(b"Node ")?);
    let node = words.next()?.strip_suffix(b",")?;
    let name = (words.next()? == b"zone").then(|| words.next())??;
    Some(Zone { node, name, fields: Vec::with_capacity(128) })
}

/// `(0, 2039, 31932)`
fn parse_protection(text: &[u8]) -> Option<Vec<i64>> {
    let list = text.strip_prefix(b"(")?.strip_suffix(b")")?;
    list.split(|&byte| byte == b',').map(|number| source::number(number.trim_ascii())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 95612
      nr_dirtied   1189097
  pages free     2949
        min      8
        spanned  4095
        protection: (0, 2039, 31932)
      nr_free_pages 2949
      numa_hit     1
  pagesets
    cpu: 0
              count: 0
              high:  77
  node_unreclaimable:  0
Node 1, zone   Normal
  pages free     7
        high     14
";

    #[test]
    fn reads_each_zone() {
        check::<Zoneinfo>(
            "",
            &[("proc/zoneinfo", TEXT)],
            expect![[r##"
            # HELP node_zoneinfo_high_pages Free pages at which reclaim in the background ends.
            # TYPE node_zoneinfo_high_pages gauge
            node_zoneinfo_high_pages{node="1",zone="Normal"} 14
            # HELP node_zoneinfo_min_pages Free pages below which allocations wait for reclaim.
            # TYPE node_zoneinfo_min_pages gauge
            node_zoneinfo_min_pages{node="0",zone="DMA"} 8
            # HELP node_zoneinfo_nr_dirtied_total Pages that were dirtied since boot.
            # TYPE node_zoneinfo_nr_dirtied_total counter
            node_zoneinfo_nr_dirtied_total{node="0",zone="DMA"} 1.189097e+06
            # HELP node_zoneinfo_nr_free_pages Free pages.
            # TYPE node_zoneinfo_nr_free_pages gauge
            node_zoneinfo_nr_free_pages{node="0",zone="DMA"} 2949
            # HELP node_zoneinfo_nr_inactive_anon_pages Anonymous pages that were not used recently.
            # TYPE node_zoneinfo_nr_inactive_anon_pages gauge
            node_zoneinfo_nr_inactive_anon_pages{node="0",zone="DMA"} 95612
            # HELP node_zoneinfo_numa_hit_total Pages that were allocated here as wanted.
            # TYPE node_zoneinfo_numa_hit_total counter
            node_zoneinfo_numa_hit_total{node="0",zone="DMA"} 1
            # HELP node_zoneinfo_protection_0 Free pages that the zone keeps from allocations that could be made in the zone of this number.
            # TYPE node_zoneinfo_protection_0 gauge
            node_zoneinfo_protection_0{node="0",zone="DMA"} 0
            # HELP node_zoneinfo_protection_1 Free pages that the zone keeps from allocations that could be made in the zone of this number.
            # TYPE node_zoneinfo_protection_1 gauge
            node_zoneinfo_protection_1{node="0",zone="DMA"} 2039
            # HELP node_zoneinfo_protection_2 Free pages that the zone keeps from allocations that could be made in the zone of this number.
            # TYPE node_zoneinfo_protection_2 gauge
            node_zoneinfo_protection_2{node="0",zone="DMA"} 31932
            # HELP node_zoneinfo_spanned_pages Pages from the zone's first to its last, holes included.
            # TYPE node_zoneinfo_spanned_pages gauge
            node_zoneinfo_spanned_pages{node="0",zone="DMA"} 4095
        "##]],
        );
    }

    #[test]
    fn what_is_no_number_costs_itself_and_what_has_no_head_is_of_no_zone() {
        let text = "Node 0, zone DMA\n  pages free 1\n    min many\n    low 2\nNode 0\n  pages free 3\n    low 4\n\
            Node 1, zone DMA\n  pages free 5\n    low 6\n  pages free 7\n    low 8\n";
        check_error::<Zoneinfo>(
            "",
            &[("proc/zoneinfo", text)],
            expect![[r##"
            # HELP node_zoneinfo_low_pages Free pages at which reclaim in the background begins.
            # TYPE node_zoneinfo_low_pages gauge
            node_zoneinfo_low_pages{node="0",zone="DMA"} 2
            node_zoneinfo_low_pages{node="1",zone="DMA"} 6
            parse proc/zoneinfo, line 3: expected `Node 0, zone DMA` above the fields of a zone, and numbers in them"##]],
        );
    }

    #[test]
    fn an_empty_file_gives_no_samples() {
        check::<Zoneinfo>("", &[("proc/zoneinfo", "")], expect![[""]]);
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Zoneinfo>(
            "",
            &[],
            expect!["read proc/zoneinfo: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Zoneinfo>("", &[("proc/zoneinfo", TEXT)]);
    }
}
