//! `/sys/fs/bcache/<uuid>`: see Documentation/admin-guide/bcache.rst.

use crate::{
    collectors::prelude::*,
    source::{human::bcache_number, numbered},
};
use std::path::PathBuf;

metrics! {
    AVERAGE_KEY: Gauge "node_bcache_average_key_size_sectors" ["uuid"], "Average data of a key in the tree, in sectors of 512 bytes.";
    TREE_CACHE: Gauge "node_bcache_btree_cache_size_bytes" ["uuid"], "Memory that the tree's cache takes, in bytes.";
    AVAILABLE: Gauge "node_bcache_cache_available_percent" ["uuid"], "Percentage of the cache without dirty data: it may be written back at once.";
    CONGESTED: Gauge "node_bcache_congested" ["uuid"], "How congested the cache device is; 0 when it is not.";
    ROOT_USAGE: Gauge "node_bcache_root_usage_percent" ["uuid"], "Percentage of the tree's root that is used; when it is high, the tree grows deeper.";
    TREE_DEPTH: Gauge "node_bcache_tree_depth" ["uuid"], "Depth of the tree; 0 for a root alone.";
    JOURNAL: Gauge "node_bcache_active_journal_entries" ["uuid"], "Journal entries that are newer than the index.";
    TREE_NODES: Gauge "node_bcache_btree_nodes" ["uuid"], "Nodes of the tree.";
    TREE_READ: Gauge "node_bcache_btree_read_average_duration_seconds" ["uuid"], "Average time to read a node of the tree, as node_exporter has it: the kernel's microseconds taken for nanoseconds.";
    READ_RACES: Counter "node_bcache_cache_read_races_total" ["uuid"], "Reads from the cache whose bucket was reused meanwhile, and which were done again.";

    DIRTY: Gauge "node_bcache_dirty_data_bytes" ["uuid", "backing_device"], "Bytes in the cache that the backing device does not have yet.";
    DIRTY_TARGET: Gauge "node_bcache_dirty_target_bytes" ["uuid", "backing_device"], "Bytes of dirty data that writing back aims at.";
    RATE: Gauge "node_bcache_writeback_rate" ["uuid", "backing_device"], "Bytes per second that are written back.";
    RATE_PROPORTIONAL: Gauge "node_bcache_writeback_rate_proportional_term" ["uuid", "backing_device"], "The controller's proportional term of the rate of writing back, in bytes per second.";
    RATE_INTEGRAL: Gauge "node_bcache_writeback_rate_integral_term" ["uuid", "backing_device"], "The controller's integral term of the rate of writing back, in bytes per second.";
    RATE_CHANGE: Gauge "node_bcache_writeback_change" ["uuid", "backing_device"], "Last change of the rate of writing back, in bytes per second.";
    BYPASSED: Counter "node_bcache_bypassed_bytes_total" ["uuid", "backing_device"], "Bytes read and written past the cache.";
    HITS: Counter "node_bcache_cache_hits_total" ["uuid", "backing_device"], "Requests that found all of their data in the cache.";
    MISSES: Counter "node_bcache_cache_misses_total" ["uuid", "backing_device"], "Requests that did not find all of their data in the cache.";
    BYPASS_HITS: Counter "node_bcache_cache_bypass_hits_total" ["uuid", "backing_device"], "Requests past the cache whose data was in it.";
    BYPASS_MISSES: Counter "node_bcache_cache_bypass_misses_total" ["uuid", "backing_device"], "Requests past the cache whose data was not in it.";
    COLLISIONS: Counter "node_bcache_cache_miss_collisions_total" ["uuid", "backing_device"], "Data that was not put into the cache after a miss, because a write came first.";
    READAHEADS: Counter "node_bcache_cache_readaheads_total" ["uuid", "backing_device"], "Times that data was read ahead into the cache.";

    IO_ERRORS: Gauge "node_bcache_io_errors" ["uuid", "cache_device"], "Errors of the cache device, fading with time.";
    METADATA_WRITTEN: Counter "node_bcache_metadata_written_bytes_total" ["uuid", "cache_device"], "Bytes written to the cache device that are not data.";
    WRITTEN: Counter "node_bcache_written_bytes_total" ["uuid", "cache_device"], "Bytes of data written to the cache device.";
    UNUSED: Gauge "node_bcache_priority_stats_unused_percent" ["uuid", "cache_device"], "Percentage of the cache device without data.";
    METADATA: Gauge "node_bcache_priority_stats_metadata_percent" ["uuid", "cache_device"], "Percentage of the cache device that metadata takes.";
}

section! {
    pub(super) struct Config {
        /// Reads how the buckets of each cache device are used, too; that takes the kernel long.
        priority_stats: bool = false => "collector.bcache.priorityStats",
    }
}

pub(super) struct Bcache {
    root: PathBuf,
    priority_stats: bool,
}

impl Spec for Bcache {
    const SUMMARY: &'static str = "Hits, misses and writing back of bcache, from /sys/fs/bcache.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self { root: host.sys("fs/bcache"), priority_stats: config.priority_stats })
    }
}

impl Collector for Bcache {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(root) = Folder::open(&self.root)? else { return Ok(()) };
        for uuid in root.names()?.iter().filter(|it| it.contains('-')) {
            let Some(set) = root.folder(uuid)? else { continue };
            push_set(uuid, &set, out)?;
            for name in set.names()? {
                if numbered(&name, "bdev").is_some() {
                    push_backing_device([uuid, &name], &set, out)?;
                } else if numbered(&name, "cache").is_some() {
                    self.push_cache_device([uuid, &name], &set, out)?;
                }
            }
        }
        Ok(())
    }
}

fn push_set(uuid: &str, set: &Folder, out: &mut Families) -> Result<(), Error> {
    out.push(AVERAGE_KEY, [uuid], read(set, "average_key_size")?);
    out.push(TREE_CACHE, [uuid], read(set, "btree_cache_size")?);
    out.push(AVAILABLE, [uuid], read(set, "cache_available_percent")?);
    out.push(CONGESTED, [uuid], read(set, "congested")?);
    out.push(ROOT_USAGE, [uuid], read(set, "root_usage_percent")?);
    out.push(TREE_DEPTH, [uuid], read(set, "tree_depth")?);
    out.push(JOURNAL, [uuid], read(set, "internal/active_journal_entries")?);
    out.push(TREE_NODES, [uuid], read(set, "internal/btree_nodes")?);
    out.push(TREE_READ, [uuid], read(set, "internal/btree_read_average_duration_us")? as f64 * 1e-9);
    out.push(READ_RACES, [uuid], read(set, "internal/cache_read_races")?);
    Ok(())
}

fn push_backing_device(labels: [&str; 2], set: &Folder, out: &mut Families) -> Result<(), Error> {
    let [_, device] = labels;
    let total = |name: &str| read(set, &format!("{device}/stats_total/{name}"));
    out.push(DIRTY, labels, read(set, &format!("{device}/dirty_data"))?);
    out.push(BYPASSED, labels, total("bypassed")?);
    out.push(HITS, labels, total("cache_hits")?);
    out.push(MISSES, labels, total("cache_misses")?);
    out.push(BYPASS_HITS, labels, total("cache_bypass_hits")?);
    out.push(BYPASS_MISSES, labels, total("cache_bypass_misses")?);
    out.push(COLLISIONS, labels, total("cache_miss_collisions")?);
    // Linux 5.10 has it no more.
    let readaheads = set.value(&format!("{device}/stats_total/cache_readaheads"))?;
    out.push(READAHEADS, labels, readaheads.and_then(|it| bcache_number(&it)).filter(|&it| it > 0));

    let name = format!("{device}/writeback_rate_debug");
    let mut buffer = Vec::new();
    let text = set.text(&name, &mut buffer)?.ok_or_else(|| set.missing(&name))?;
    let field = |key: &str| match last_word(text, key) {
        Some((line, word)) => {
            let word = word.strip_suffix(b"/sec").unwrap_or(word);
            let (sign, word) = word.strip_prefix(b"-").map_or((1.0, word), |it| (-1.0, it));
            let number =
                bcache_number(word).ok_or_else(|| set.parse_error(&name, line, "expected a size"))?;
            Ok::<_, Error>(sign * number as f64)
        }
        None => Ok(0.0),
    };
    out.push(RATE, labels, field("rate:")?);
    out.push(DIRTY_TARGET, labels, field("target:")?);
    out.push(RATE_PROPORTIONAL, labels, field("proportional:")?);
    out.push(RATE_INTEGRAL, labels, field("integral:")?);
    out.push(RATE_CHANGE, labels, field("change:")?);
    Ok(())
}

impl Bcache {
    fn push_cache_device(&self, labels: [&str; 2], set: &Folder, out: &mut Families) -> Result<(), Error> {
        let [_, device] = labels;
        out.push(IO_ERRORS, labels, read(set, &format!("{device}/io_errors"))?);
        out.push(METADATA_WRITTEN, labels, read(set, &format!("{device}/metadata_written"))?);
        out.push(WRITTEN, labels, read(set, &format!("{device}/written"))?);
        if !self.priority_stats {
            return Ok(());
        }
        let name = format!("{device}/priority_stats");
        let mut buffer = Vec::new();
        let text = set.text(&name, &mut buffer)?.ok_or_else(|| set.missing(&name))?;
        let percentage = |key: &str| match last_word(text, key) {
            Some((line, word)) => source::number::<u64>(word.strip_suffix(b"%").unwrap_or(word))
                .ok_or_else(|| set.parse_error(&name, line, "expected a percentage")),
            None => Ok(0),
        };
        out.push(UNUSED, labels, percentage("Unused:")?);
        out.push(METADATA, labels, percentage("Metadata:")?);
        Ok(())
    }
}

fn read(folder: &Folder, name: &str) -> Result<u64, Error> {
    let value = folder.required_value(name)?;
    Ok(bcache_number(&value).ok_or_else(|| folder.parse_error(name, 1, "expected a size"))?)
}

/// The last word of the line that begins with `key`, and the line's number.
fn last_word<'a>(text: &'a [u8], key: &str) -> Option<(usize, &'a [u8])> {
    let (number, line) = source::lines(text).find(|(_, line)| line.starts_with(key.as_bytes()))?;
    source::words(line).last().map(|word| (number, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    const FILES: [(&str, &str); 22] = [
        ("sys/fs/bcache/dead-beef/average_key_size", "0\n"),
        ("sys/fs/bcache/dead-beef/btree_cache_size", "1.5k\n"),
        ("sys/fs/bcache/dead-beef/cache_available_percent", "100\n"),
        ("sys/fs/bcache/dead-beef/congested", "0\n"),
        ("sys/fs/bcache/dead-beef/root_usage_percent", "0\n"),
        ("sys/fs/bcache/dead-beef/tree_depth", "2\n"),
        ("sys/fs/bcache/dead-beef/internal/active_journal_entries", "1\n"),
        ("sys/fs/bcache/dead-beef/internal/btree_nodes", "12\n"),
        ("sys/fs/bcache/dead-beef/internal/btree_read_average_duration_us", "1305\n"),
        ("sys/fs/bcache/dead-beef/internal/cache_read_races", "0\n"),
        ("sys/fs/bcache/dead-beef/bdev0/dirty_data", "20.4G\n"),
        ("sys/fs/bcache/dead-beef/bdev0/stats_total/bypassed", "3.1M\n"),
        ("sys/fs/bcache/dead-beef/bdev0/stats_total/cache_hits", "546\n"),
        ("sys/fs/bcache/dead-beef/bdev0/stats_total/cache_misses", "7\n"),
        ("sys/fs/bcache/dead-beef/bdev0/stats_total/cache_bypass_hits", "8\n"),
        ("sys/fs/bcache/dead-beef/bdev0/stats_total/cache_bypass_misses", "9\n"),
        ("sys/fs/bcache/dead-beef/bdev0/stats_total/cache_miss_collisions", "10\n"),
        (
            "sys/fs/bcache/dead-beef/bdev0/writeback_rate_debug",
            "rate:           1.1M/sec\ndirty:          20.4G\ntarget:         20.4G\nproportional:   -427.5k\nintegral:       790.0k\nchange:         321.5k/sec\nnext io:        17ms\n",
        ),
        ("sys/fs/bcache/dead-beef/cache0/io_errors", "0\n"),
        ("sys/fs/bcache/dead-beef/cache0/metadata_written", "512\n"),
        ("sys/fs/bcache/dead-beef/cache0/written", "1.2G\n"),
        ("sys/fs/bcache/dead-beef/cache0/priority_stats", "Unused:\t\t99%\nMetadata:\t1%\nAverage:\t10473\n"),
    ];

    #[test]
    fn shows_a_set_with_its_devices() {
        check::<Bcache>(
            "",
            &FILES,
            expect![[r##"
            # HELP node_bcache_active_journal_entries Journal entries that are newer than the index.
            # TYPE node_bcache_active_journal_entries gauge
            node_bcache_active_journal_entries{uuid="dead-beef"} 1
            # HELP node_bcache_average_key_size_sectors Average data of a key in the tree, in sectors of 512 bytes.
            # TYPE node_bcache_average_key_size_sectors gauge
            node_bcache_average_key_size_sectors{uuid="dead-beef"} 0
            # HELP node_bcache_btree_cache_size_bytes Memory that the tree's cache takes, in bytes.
            # TYPE node_bcache_btree_cache_size_bytes gauge
            node_bcache_btree_cache_size_bytes{uuid="dead-beef"} 1524
            # HELP node_bcache_btree_nodes Nodes of the tree.
            # TYPE node_bcache_btree_nodes gauge
            node_bcache_btree_nodes{uuid="dead-beef"} 12
            # HELP node_bcache_btree_read_average_duration_seconds Average time to read a node of the tree, as node_exporter has it: the kernel's microseconds taken for nanoseconds.
            # TYPE node_bcache_btree_read_average_duration_seconds gauge
            node_bcache_btree_read_average_duration_seconds{uuid="dead-beef"} 1.305e-06
            # HELP node_bcache_bypassed_bytes_total Bytes read and written past the cache.
            # TYPE node_bcache_bypassed_bytes_total counter
            node_bcache_bypassed_bytes_total{backing_device="bdev0",uuid="dead-beef"} 3.248128e+06
            # HELP node_bcache_cache_available_percent Percentage of the cache without dirty data: it may be written back at once.
            # TYPE node_bcache_cache_available_percent gauge
            node_bcache_cache_available_percent{uuid="dead-beef"} 100
            # HELP node_bcache_cache_bypass_hits_total Requests past the cache whose data was in it.
            # TYPE node_bcache_cache_bypass_hits_total counter
            node_bcache_cache_bypass_hits_total{backing_device="bdev0",uuid="dead-beef"} 8
            # HELP node_bcache_cache_bypass_misses_total Requests past the cache whose data was not in it.
            # TYPE node_bcache_cache_bypass_misses_total counter
            node_bcache_cache_bypass_misses_total{backing_device="bdev0",uuid="dead-beef"} 9
            # HELP node_bcache_cache_hits_total Requests that found all of their data in the cache.
            # TYPE node_bcache_cache_hits_total counter
            node_bcache_cache_hits_total{backing_device="bdev0",uuid="dead-beef"} 546
            # HELP node_bcache_cache_miss_collisions_total Data that was not put into the cache after a miss, because a write came first.
            # TYPE node_bcache_cache_miss_collisions_total counter
            node_bcache_cache_miss_collisions_total{backing_device="bdev0",uuid="dead-beef"} 10
            # HELP node_bcache_cache_misses_total Requests that did not find all of their data in the cache.
            # TYPE node_bcache_cache_misses_total counter
            node_bcache_cache_misses_total{backing_device="bdev0",uuid="dead-beef"} 7
            # HELP node_bcache_cache_read_races_total Reads from the cache whose bucket was reused meanwhile, and which were done again.
            # TYPE node_bcache_cache_read_races_total counter
            node_bcache_cache_read_races_total{uuid="dead-beef"} 0
            # HELP node_bcache_congested How congested the cache device is; 0 when it is not.
            # TYPE node_bcache_congested gauge
            node_bcache_congested{uuid="dead-beef"} 0
            # HELP node_bcache_dirty_data_bytes Bytes in the cache that the backing device does not have yet.
            # TYPE node_bcache_dirty_data_bytes gauge
            node_bcache_dirty_data_bytes{backing_device="bdev0",uuid="dead-beef"} 2.189426688e+10
            # HELP node_bcache_dirty_target_bytes Bytes of dirty data that writing back aims at.
            # TYPE node_bcache_dirty_target_bytes gauge
            node_bcache_dirty_target_bytes{backing_device="bdev0",uuid="dead-beef"} 2.189426688e+10
            # HELP node_bcache_io_errors Errors of the cache device, fading with time.
            # TYPE node_bcache_io_errors gauge
            node_bcache_io_errors{cache_device="cache0",uuid="dead-beef"} 0
            # HELP node_bcache_metadata_written_bytes_total Bytes written to the cache device that are not data.
            # TYPE node_bcache_metadata_written_bytes_total counter
            node_bcache_metadata_written_bytes_total{cache_device="cache0",uuid="dead-beef"} 512
            # HELP node_bcache_root_usage_percent Percentage of the tree's root that is used; when it is high, the tree grows deeper.
            # TYPE node_bcache_root_usage_percent gauge
            node_bcache_root_usage_percent{uuid="dead-beef"} 0
            # HELP node_bcache_tree_depth Depth of the tree; 0 for a root alone.
            # TYPE node_bcache_tree_depth gauge
            node_bcache_tree_depth{uuid="dead-beef"} 2
            # HELP node_bcache_writeback_change Last change of the rate of writing back, in bytes per second.
            # TYPE node_bcache_writeback_change gauge
            node_bcache_writeback_change{backing_device="bdev0",uuid="dead-beef"} 329204
            # HELP node_bcache_writeback_rate Bytes per second that are written back.
            # TYPE node_bcache_writeback_rate gauge
            node_bcache_writeback_rate{backing_device="bdev0",uuid="dead-beef"} 1.150976e+06
            # HELP node_bcache_writeback_rate_integral_term The controller's integral term of the rate of writing back, in bytes per second.
            # TYPE node_bcache_writeback_rate_integral_term gauge
            node_bcache_writeback_rate_integral_term{backing_device="bdev0",uuid="dead-beef"} 808960
            # HELP node_bcache_writeback_rate_proportional_term The controller's proportional term of the rate of writing back, in bytes per second.
            # TYPE node_bcache_writeback_rate_proportional_term gauge
            node_bcache_writeback_rate_proportional_term{backing_device="bdev0",uuid="dead-beef"} -437748
            # HELP node_bcache_written_bytes_total Bytes of data written to the cache device.
            # TYPE node_bcache_written_bytes_total counter
            node_bcache_written_bytes_total{cache_device="cache0",uuid="dead-beef"} 1.283457024e+09
        "##]],
        );
    }

    #[test]
    fn reads_priorities_when_asked_to() {
        check_error::<Bcache>(
            "priority_stats = true",
            &FILES[..21],
            expect![[r##"
            # HELP node_bcache_active_journal_entries Journal entries that are newer than the index.
            # TYPE node_bcache_active_journal_entries gauge
            node_bcache_active_journal_entries{uuid="dead-beef"} 1
            # HELP node_bcache_average_key_size_sectors Average data of a key in the tree, in sectors of 512 bytes.
            # TYPE node_bcache_average_key_size_sectors gauge
            node_bcache_average_key_size_sectors{uuid="dead-beef"} 0
            # HELP node_bcache_btree_cache_size_bytes Memory that the tree's cache takes, in bytes.
            # TYPE node_bcache_btree_cache_size_bytes gauge
            node_bcache_btree_cache_size_bytes{uuid="dead-beef"} 1524
            # HELP node_bcache_btree_nodes Nodes of the tree.
            # TYPE node_bcache_btree_nodes gauge
            node_bcache_btree_nodes{uuid="dead-beef"} 12
            # HELP node_bcache_btree_read_average_duration_seconds Average time to read a node of the tree, as node_exporter has it: the kernel's microseconds taken for nanoseconds.
            # TYPE node_bcache_btree_read_average_duration_seconds gauge
            node_bcache_btree_read_average_duration_seconds{uuid="dead-beef"} 1.305e-06
            # HELP node_bcache_bypassed_bytes_total Bytes read and written past the cache.
            # TYPE node_bcache_bypassed_bytes_total counter
            node_bcache_bypassed_bytes_total{backing_device="bdev0",uuid="dead-beef"} 3.248128e+06
            # HELP node_bcache_cache_available_percent Percentage of the cache without dirty data: it may be written back at once.
            # TYPE node_bcache_cache_available_percent gauge
            node_bcache_cache_available_percent{uuid="dead-beef"} 100
            # HELP node_bcache_cache_bypass_hits_total Requests past the cache whose data was in it.
            # TYPE node_bcache_cache_bypass_hits_total counter
            node_bcache_cache_bypass_hits_total{backing_device="bdev0",uuid="dead-beef"} 8
            # HELP node_bcache_cache_bypass_misses_total Requests past the cache whose data was not in it.
            # TYPE node_bcache_cache_bypass_misses_total counter
            node_bcache_cache_bypass_misses_total{backing_device="bdev0",uuid="dead-beef"} 9
            # HELP node_bcache_cache_hits_total Requests that found all of their data in the cache.
            # TYPE node_bcache_cache_hits_total counter
            node_bcache_cache_hits_total{backing_device="bdev0",uuid="dead-beef"} 546
            # HELP node_bcache_cache_miss_collisions_total Data that was not put into the cache after a miss, because a write came first.
            # TYPE node_bcache_cache_miss_collisions_total counter
            node_bcache_cache_miss_collisions_total{backing_device="bdev0",uuid="dead-beef"} 10
            # HELP node_bcache_cache_misses_total Requests that did not find all of their data in the cache.
            # TYPE node_bcache_cache_misses_total counter
            node_bcache_cache_misses_total{backing_device="bdev0",uuid="dead-beef"} 7
            # HELP node_bcache_cache_read_races_total Reads from the cache whose bucket was reused meanwhile, and which were done again.
            # TYPE node_bcache_cache_read_races_total counter
            node_bcache_cache_read_races_total{uuid="dead-beef"} 0
            # HELP node_bcache_congested How congested the cache device is; 0 when it is not.
            # TYPE node_bcache_congested gauge
            node_bcache_congested{uuid="dead-beef"} 0
            # HELP node_bcache_dirty_data_bytes Bytes in the cache that the backing device does not have yet.
            # TYPE node_bcache_dirty_data_bytes gauge
            node_bcache_dirty_data_bytes{backing_device="bdev0",uuid="dead-beef"} 2.189426688e+10
            # HELP node_bcache_dirty_target_bytes Bytes of dirty data that writing back aims at.
            # TYPE node_bcache_dirty_target_bytes gauge
            node_bcache_dirty_target_bytes{backing_device="bdev0",uuid="dead-beef"} 2.189426688e+10
            # HELP node_bcache_io_errors Errors of the cache device, fading with time.
            # TYPE node_bcache_io_errors gauge
            node_bcache_io_errors{cache_device="cache0",uuid="dead-beef"} 0
            # HELP node_bcache_metadata_written_bytes_total Bytes written to the cache device that are not data.
            # TYPE node_bcache_metadata_written_bytes_total counter
            node_bcache_metadata_written_bytes_total{cache_device="cache0",uuid="dead-beef"} 512
            # HELP node_bcache_root_usage_percent Percentage of the tree's root that is used; when it is high, the tree grows deeper.
            # TYPE node_bcache_root_usage_percent gauge
            node_bcache_root_usage_percent{uuid="dead-beef"} 0
            # HELP node_bcache_tree_depth Depth of the tree; 0 for a root alone.
            # TYPE node_bcache_tree_depth gauge
            node_bcache_tree_depth{uuid="dead-beef"} 2
            # HELP node_bcache_writeback_change Last change of the rate of writing back, in bytes per second.
            # TYPE node_bcache_writeback_change gauge
            node_bcache_writeback_change{backing_device="bdev0",uuid="dead-beef"} 329204
            # HELP node_bcache_writeback_rate Bytes per second that are written back.
            # TYPE node_bcache_writeback_rate gauge
            node_bcache_writeback_rate{backing_device="bdev0",uuid="dead-beef"} 1.150976e+06
            # HELP node_bcache_writeback_rate_integral_term The controller's integral term of the rate of writing back, in bytes per second.
            # TYPE node_bcache_writeback_rate_integral_term gauge
            node_bcache_writeback_rate_integral_term{backing_device="bdev0",uuid="dead-beef"} 808960
            # HELP node_bcache_writeback_rate_proportional_term The controller's proportional term of the rate of writing back, in bytes per second.
            # TYPE node_bcache_writeback_rate_proportional_term gauge
            node_bcache_writeback_rate_proportional_term{backing_device="bdev0",uuid="dead-beef"} -437748
            # HELP node_bcache_written_bytes_total Bytes of data written to the cache device.
            # TYPE node_bcache_written_bytes_total counter
            node_bcache_written_bytes_total{cache_device="cache0",uuid="dead-beef"} 1.283457024e+09
            read sys/fs/bcache/dead-beef/cache0/priority_stats: No such file or directory (os error 2)"##]],
        );
        let host = TestHost::new(&FILES);
        let mut out = Families::new(METRICS);
        host.open::<Bcache>("priority_stats = true").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        let percentages: Vec<_> = text.lines().filter(|it| it.starts_with("node_bcache_priority")).collect();
        expect![[r#"
            node_bcache_priority_stats_metadata_percent{cache_device="cache0",uuid="dead-beef"} 1
            node_bcache_priority_stats_unused_percent{cache_device="cache0",uuid="dead-beef"} 99"#]]
        .assert_eq(&percentages.join("\n"));
    }

    #[test]
    fn shows_what_was_read_ahead_before_linux_5_10() {
        let host = TestHost::new(&FILES);
        host.write("sys/fs/bcache/dead-beef/bdev0/stats_total/cache_readaheads", "13\n");
        let mut out = Families::new(METRICS);
        host.open::<Bcache>("").unwrap().collect(&mut out).unwrap();
        assert!(host.render(&out).contains(
            "node_bcache_cache_readaheads_total{backing_device=\"bdev0\",uuid=\"dead-beef\"} 13\n"
        ));
    }

    #[test]
    fn a_host_without_bcache_gives_no_samples() {
        check::<Bcache>("", &[("sys/fs/bcache/register", "")], expect![""]);
        check::<Bcache>("", &[], expect![""]);
    }

    #[test]
    fn names_the_attribute_that_is_missing_or_broken() {
        check_error::<Bcache>(
            "",
            &FILES[1..],
            expect!["read sys/fs/bcache/dead-beef/average_key_size: No such file or directory (os error 2)"],
        );
        check_error::<Bcache>(
            "",
            &[("sys/fs/bcache/dead-beef/average_key_size", "big\n")],
            expect!["parse sys/fs/bcache/dead-beef/average_key_size, line 1: expected a size"],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Bcache>("priority_stats = true", &FILES);
    }
}
