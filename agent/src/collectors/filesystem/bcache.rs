//! `/sys/fs/bcache/<uuid>`: see Documentation/admin-guide/bcache.rst.

use crate::{
    collectors::prelude::*,
    source::{bcache_numbers::bcache_number, numbered},
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
        /// Reads how the buckets of each cache device are used, too; this is slow.
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
        let pushed = root.for_each_folder(
            |name| name.contains('-'),
            |uuid, set| {
                let of_set = push_set(uuid, set, out);
                let of_backing_devices = set.for_each_folder(
                    |name| numbered(name, "bdev").is_some(),
                    |name, device| push_backing_device([uuid, name], device, out),
                );
                let of_cache_devices = set.for_each_folder(
                    |name| numbered(name, "cache").is_some(),
                    |name, device| self.push_cache_device([uuid, name], device, out),
                );
                of_set.and(of_backing_devices).and(of_cache_devices)
            },
        );
        Ok(pushed?)
    }
}

fn push_set(uuid: &str, set: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let set = set.unlisted_attributes();
    let size = |name| set.parsed(name, "a size", bcache_number);
    out.push(AVERAGE_KEY, [uuid], size("average_key_size"));
    out.push(TREE_CACHE, [uuid], size("btree_cache_size"));
    out.push(AVAILABLE, [uuid], size("cache_available_percent"));
    out.push(CONGESTED, [uuid], size("congested"));
    out.push(ROOT_USAGE, [uuid], size("root_usage_percent"));
    out.push(TREE_DEPTH, [uuid], size("tree_depth"));
    out.push(JOURNAL, [uuid], size("internal/active_journal_entries"));
    out.push(TREE_NODES, [uuid], size("internal/btree_nodes"));
    let duration = size("internal/btree_read_average_duration_us");
    out.push(TREE_READ, [uuid], duration.map(|it| it as f64 * 1e-9));
    out.push(READ_RACES, [uuid], size("internal/cache_read_races"));
    set.end()
}

fn push_backing_device(labels: [&str; 2], device: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let device = device.unlisted_attributes();
    let size = |name| device.parsed(name, "a size", bcache_number);
    out.push(DIRTY, labels, size("dirty_data"));
    out.push(BYPASSED, labels, size("stats_total/bypassed"));
    out.push(HITS, labels, size("stats_total/cache_hits"));
    out.push(MISSES, labels, size("stats_total/cache_misses"));
    out.push(BYPASS_HITS, labels, size("stats_total/cache_bypass_hits"));
    out.push(BYPASS_MISSES, labels, size("stats_total/cache_bypass_misses"));
    out.push(COLLISIONS, labels, size("stats_total/cache_miss_collisions"));
    // Linux 5.10 has it no more.
    out.push(READAHEADS, labels, size("stats_total/cache_readaheads").filter(|&it| it > 0));
    device.lines("writeback_rate_debug", "a name and a size", |_, line| {
        let (name, size) = name_and_size(line)?;
        let family = match name {
            b"rate:" => RATE,
            b"target:" => DIRTY_TARGET,
            b"proportional:" => RATE_PROPORTIONAL,
            b"integral:" => RATE_INTEGRAL,
            b"change:" => RATE_CHANGE,
            _ => return Some(()),
        };
        let size = size.strip_suffix(b"/sec").unwrap_or(size);
        let (sign, size) = size.strip_prefix(b"-").map_or((1.0, size), |it| (-1.0, it));
        out.push(family, labels, sign * bcache_number(size)? as f64);
        Some(())
    });
    device.end()
}

impl Bcache {
    fn push_cache_device(
        &self,
        labels: [&str; 2],
        device: &Folder,
        out: &mut Families,
    ) -> Result<(), source::Error> {
        let device = device.unlisted_attributes();
        let size = |name| device.parsed(name, "a size", bcache_number);
        out.push(IO_ERRORS, labels, size("io_errors"));
        out.push(METADATA_WRITTEN, labels, size("metadata_written"));
        out.push(WRITTEN, labels, size("written"));
        if self.priority_stats {
            device.lines("priority_stats", "a name and a percentage", |_, line| {
                let (name, percentage) = name_and_size(line)?;
                let family = match name {
                    b"Unused:" => UNUSED,
                    b"Metadata:" => METADATA,
                    _ => return Some(()),
                };
                let percentage = percentage.strip_suffix(b"%").unwrap_or(percentage);
                out.push(family, labels, source::number::<u64>(percentage)?);
                Some(())
            });
        }
        device.end()
    }
}

/// The first and the last word of a line.
fn name_and_size(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = source::words(line);
    Some((words.next()?, words.last()?))
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
        check::<Bcache>(
            "priority_stats = true",
            &FILES[18..21],
            expect![[r##"
                # HELP node_bcache_io_errors Errors of the cache device, fading with time.
                # TYPE node_bcache_io_errors gauge
                node_bcache_io_errors{cache_device="cache0",uuid="dead-beef"} 0
                # HELP node_bcache_metadata_written_bytes_total Bytes written to the cache device that are not data.
                # TYPE node_bcache_metadata_written_bytes_total counter
                node_bcache_metadata_written_bytes_total{cache_device="cache0",uuid="dead-beef"} 512
                # HELP node_bcache_written_bytes_total Bytes of data written to the cache device.
                # TYPE node_bcache_written_bytes_total counter
                node_bcache_written_bytes_total{cache_device="cache0",uuid="dead-beef"} 1.283457024e+09
            "##]],
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
    fn names_the_attribute_that_is_broken() {
        check::<Bcache>(
            "",
            &FILES[1..4],
            expect![[r##"
                # HELP node_bcache_btree_cache_size_bytes Memory that the tree's cache takes, in bytes.
                # TYPE node_bcache_btree_cache_size_bytes gauge
                node_bcache_btree_cache_size_bytes{uuid="dead-beef"} 1524
                # HELP node_bcache_cache_available_percent Percentage of the cache without dirty data: it may be written back at once.
                # TYPE node_bcache_cache_available_percent gauge
                node_bcache_cache_available_percent{uuid="dead-beef"} 100
                # HELP node_bcache_congested How congested the cache device is; 0 when it is not.
                # TYPE node_bcache_congested gauge
                node_bcache_congested{uuid="dead-beef"} 0
            "##]],
        );
        check_error::<Bcache>(
            "",
            &[("sys/fs/bcache/dead-beef/average_key_size", "big\n")],
            expect!["parse sys/fs/bcache/dead-beef/average_key_size, line 1: expected a size, found `big`"],
        );
    }

    #[test]
    fn a_size_that_wrapped_is_absent_and_no_error() {
        check::<Bcache>(
            "",
            &[
                ("sys/fs/bcache/dead-beef/average_key_size", "-8.0k\n"),
                ("sys/fs/bcache/dead-beef/tree_depth", "1\n"),
            ],
            expect![[r##"
                # HELP node_bcache_tree_depth Depth of the tree; 0 for a root alone.
                # TYPE node_bcache_tree_depth gauge
                node_bcache_tree_depth{uuid="dead-beef"} 1
            "##]],
        );
    }

    #[test]
    fn a_set_that_lacks_files_costs_those_alone() {
        let files = [FILES[4], FILES[5], ("sys/fs/bcache/feed-face/tree_depth", "1\n")];
        check::<Bcache>(
            "",
            &files,
            expect![[r##"
            # HELP node_bcache_root_usage_percent Percentage of the tree's root that is used; when it is high, the tree grows deeper.
            # TYPE node_bcache_root_usage_percent gauge
            node_bcache_root_usage_percent{uuid="dead-beef"} 0
            # HELP node_bcache_tree_depth Depth of the tree; 0 for a root alone.
            # TYPE node_bcache_tree_depth gauge
            node_bcache_tree_depth{uuid="dead-beef"} 2
            node_bcache_tree_depth{uuid="feed-face"} 1
        "##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Bcache>("priority_stats = true", &FILES);
    }
}
