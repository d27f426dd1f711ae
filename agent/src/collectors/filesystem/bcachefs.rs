//! `/sys/fs/bcachefs/<uuid>`: see fs/bcachefs/sysfs.c of the bcachefs tree.

use crate::{
    collectors::prelude::*,
    source::{Attributes, bcache_numbers::bcachefs_number},
};
use std::path::PathBuf;

metrics! {
    INFO: Gauge "node_bcachefs_info" ["uuid"], "A mounted bcachefs file system; always 1.";
    TREE_CACHE: Gauge "node_bcachefs_btree_cache_size_bytes" ["uuid"], "Memory that the cache of trees takes, in bytes.";
    COMPRESSED: Gauge "node_bcachefs_compression_compressed_bytes" ["uuid", "algorithm"], "Bytes of data on disk, by compression.";
    UNCOMPRESSED: Gauge "node_bcachefs_compression_uncompressed_bytes" ["uuid", "algorithm"], "Bytes of data before compression.";
    ERRORS: Counter "node_bcachefs_errors_total" ["uuid", "error_type"], "Inconsistencies found, by kind.";
    COUNTER: Counter "node_bcachefs_*_total" ["uuid"], "One of the file system's own counts since it was made: the file of this name in its folder counters.";
    WRITES: Counter "node_bcachefs_btree_writes_total" ["uuid", "type"], "Writes of tree nodes, by cause.";
    WRITE_SIZE: Gauge "node_bcachefs_btree_write_average_size_bytes" ["uuid", "type"], "Average size of a write of a tree node in bytes, by cause.";
    DEVICE: Gauge "node_bcachefs_device_info" ["uuid", "device", "label", "state"], "A device of a file system; always 1.";
    BUCKET_SIZE: Gauge "node_bcachefs_device_bucket_size_bytes" ["uuid", "device"], "Size of a bucket in bytes.";
    BUCKETS: Gauge "node_bcachefs_device_buckets" ["uuid", "device"], "Buckets of a device.";
    DURABILITY: Gauge "node_bcachefs_device_durability" ["uuid", "device"], "How many replicas one on this device counts for.";
    IO_DONE: Counter "node_bcachefs_device_io_done_bytes_total" ["uuid", "device", "operation", "data_type"], "Bytes read from and written to a device, by kind of data.";
    IO_ERRORS: Counter "node_bcachefs_device_io_errors_total" ["uuid", "device", "type"], "Errors of a device since the file system was made, by kind.";
}

pub(super) struct Bcachefs(PathBuf);

impl Spec for Bcachefs {
    const SUMMARY: &'static str = "Counts, errors and devices of bcachefs, from /sys/fs/bcachefs.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.sys("fs/bcachefs")))
    }
}

impl Collector for Bcachefs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let root = Folder::open(&self.0)?;
        let names = root.as_ref().map_or(Ok(Vec::new()), Folder::names)?;
        let Some(root) = root.filter(|_| !names.is_empty()) else {
            return Err(Error::Absent(format!("nothing in {}", self.0.display())));
        };
        Ok(root.for_each_folder(|_| true, |uuid, folder| push_filesystem(uuid, folder, out))?)
    }
}

fn push_filesystem(uuid: &str, folder: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    out.push(INFO, [uuid], 1);
    out.push(TREE_CACHE, [uuid], files.parsed("btree_cache_size", "a size", bcachefs_number));
    for_lines(&files, "compression_stats", 2, |line| {
        let [algorithm, compressed, uncompressed] = first_words(line)?;
        let algorithm = algorithm.strip_suffix(b":").unwrap_or(algorithm);
        out.push(COMPRESSED, (uuid, algorithm), bcachefs_number(compressed)?);
        out.push(UNCOMPRESSED, (uuid, algorithm), bcachefs_number(uncompressed)?);
        Some(())
    });
    for_lines(&files, "errors", 1, |line| {
        let [kind, count] = first_words(line)?;
        out.push(ERRORS, (uuid, kind), bcachefs_number(count)?);
        Some(())
    });
    for_lines(&files, "btree_write_stats", 2, |line| {
        let [kind, count, size] = first_words(line)?;
        let kind = kind.strip_suffix(b":").unwrap_or(kind);
        out.push(WRITES, (uuid, kind), bcachefs_number(count)?);
        out.push(WRITE_SIZE, (uuid, kind), bcachefs_number(size)?);
        Some(())
    });
    let counters = folder.folder("counters").and_then(|counters| match counters {
        Some(counters) => push_counters(uuid, &counters, out),
        None => Ok(()),
    });
    let devices = folder.for_each_folder(
        |name| name.starts_with("dev-"),
        |name, folder| push_device([uuid, &name["dev-".len()..]], folder, out),
    );
    files.end().and(counters).and(devices)
}

fn push_counters(uuid: &str, folder: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let counters = folder.unlisted_attributes();
    for name in folder.names()? {
        let part = name.replace(|it: char| !it.is_ascii_alphanumeric(), "_");
        for_lines(&counters, &name, 1, |line| {
            let Some(count) = line.strip_prefix(b"since filesystem creation:") else { return Some(()) };
            out.push_named(COUNTER, &part, [uuid], bcachefs_number(count.trim_ascii())?);
            Some(())
        });
    }
    counters.end()
}

fn push_device(labels: [&str; 2], folder: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let [uuid, device] = labels;
    let files = folder.unlisted_attributes();
    let text = |name| files.value(name).map(|it| label_text(&it)).unwrap_or_default();
    out.push(DEVICE, [uuid, device, &text("label"), &text("state")], 1);
    out.push(BUCKET_SIZE, labels, files.parsed("bucket_size", "a size", bcachefs_number));
    out.push(BUCKETS, labels, files.unsigned("nbuckets"));
    out.push(DURABILITY, labels, files.unsigned("durability"));
    let mut operation = "";
    for_lines(&files, "io_done", 1, |line| {
        let (kind, count) = split_field(line)?;
        if count.is_empty() {
            operation = match kind {
                b"read" => "read",
                b"write" => "write",
                _ => "",
            };
            return (!operation.is_empty()).then_some(());
        }
        // What stands below a heading that is not known is somebody else's.
        let count = bcachefs_number(count)?;
        out.push(IO_DONE, (uuid, device, operation, kind), (!operation.is_empty()).then_some(count));
        Some(())
    });
    let mut is_since_creation = false;
    for_lines(&files, "io_errors", 1, |line| {
        if let Some(since) = line.strip_prefix(b"IO errors since ") {
            is_since_creation = since.trim_ascii() == b"filesystem creation";
        } else if is_since_creation {
            let (kind, count) = split_field(line)?;
            out.push(IO_ERRORS, (uuid, device, kind), bcachefs_number(count)?);
        }
        Some(())
    });
    files.end()
}

/// Hands the lines of the file `name` on to `push`. Those before line `first` may be headings. A file that this version
/// of bcachefs lacks has none.
fn for_lines(files: &Attributes<'_>, name: &str, first: usize, mut push: impl FnMut(&[u8]) -> Option<()>) {
    files.lines(name, "a name and sizes", |number, line| {
        let pushed = push(line);
        if number < first { Some(()) } else { pushed }
    });
}

fn first_words<const N: usize>(line: &[u8]) -> Option<[&[u8]; N]> {
    let mut words = source::words(line);
    let mut found = [&b""[..]; N];
    for word in &mut found {
        *word = words.next()?;
    }
    Some(found)
}

/// From `journal     :  5242880`.
fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&it| it == b':')?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 12] = [
        ("sys/fs/bcachefs/dead-beef/btree_cache_size", "2.05G\n"),
        (
            "sys/fs/bcachefs/dead-beef/compression_stats",
            "typetype          compressed    uncompressed     average extent size\nlz4                    48.9G           71.2G                   62.5k\nincompressible             0               0                       0\n",
        ),
        ("sys/fs/bcachefs/dead-beef/errors", "btree_node_data_missing  2  1753593586\n"),
        (
            "sys/fs/bcachefs/dead-beef/btree_write_stats",
            "                   nr        size\ninitial:           3298401   100k\n",
        ),
        (
            "sys/fs/bcachefs/dead-beef/counters/data_read",
            "since mount:                   475G\nsince filesystem creation:     44.5T\n",
        ),
        ("sys/fs/bcachefs/dead-beef/dev-4/label", "disk-4\n"),
        ("sys/fs/bcachefs/dead-beef/dev-4/state", "[rw] ro evacuating spare \n"),
        ("sys/fs/bcachefs/dead-beef/dev-4/bucket_size", "512k\n"),
        ("sys/fs/bcachefs/dead-beef/dev-4/nbuckets", "953880\n"),
        ("sys/fs/bcachefs/dead-beef/dev-4/durability", "1\n"),
        (
            "sys/fs/bcachefs/dead-beef/dev-4/io_done",
            "read:\nsb          :       86016\nwrite:\nsb          :      645120\n",
        ),
        (
            "sys/fs/bcachefs/dead-beef/dev-4/io_errors",
            "IO errors since filesystem creation\n  read:    7\n  checksum:0\nIO errors since 8 y ago\n  read:    3\n",
        ),
    ];

    #[test]
    fn shows_a_file_system_and_its_devices() {
        check::<Bcachefs>(
            "",
            &FILES,
            expect![[r##"
            # HELP node_bcachefs_btree_cache_size_bytes Memory that the cache of trees takes, in bytes.
            # TYPE node_bcachefs_btree_cache_size_bytes gauge
            node_bcachefs_btree_cache_size_bytes{uuid="dead-beef"} 2.201170739e+09
            # HELP node_bcachefs_btree_write_average_size_bytes Average size of a write of a tree node in bytes, by cause.
            # TYPE node_bcachefs_btree_write_average_size_bytes gauge
            node_bcachefs_btree_write_average_size_bytes{type="initial",uuid="dead-beef"} 102400
            # HELP node_bcachefs_btree_writes_total Writes of tree nodes, by cause.
            # TYPE node_bcachefs_btree_writes_total counter
            node_bcachefs_btree_writes_total{type="initial",uuid="dead-beef"} 3.298401e+06
            # HELP node_bcachefs_compression_compressed_bytes Bytes of data on disk, by compression.
            # TYPE node_bcachefs_compression_compressed_bytes gauge
            node_bcachefs_compression_compressed_bytes{algorithm="incompressible",uuid="dead-beef"} 0
            node_bcachefs_compression_compressed_bytes{algorithm="lz4",uuid="dead-beef"} 5.2505975193e+10
            # HELP node_bcachefs_compression_uncompressed_bytes Bytes of data before compression.
            # TYPE node_bcachefs_compression_uncompressed_bytes gauge
            node_bcachefs_compression_uncompressed_bytes{algorithm="incompressible",uuid="dead-beef"} 0
            node_bcachefs_compression_uncompressed_bytes{algorithm="lz4",uuid="dead-beef"} 7.6450417868e+10
            # HELP node_bcachefs_data_read_total One of the file system's own counts since it was made: the file of this name in its folder counters.
            # TYPE node_bcachefs_data_read_total counter
            node_bcachefs_data_read_total{uuid="dead-beef"} 4.8928267436032e+13
            # HELP node_bcachefs_device_bucket_size_bytes Size of a bucket in bytes.
            # TYPE node_bcachefs_device_bucket_size_bytes gauge
            node_bcachefs_device_bucket_size_bytes{device="4",uuid="dead-beef"} 524288
            # HELP node_bcachefs_device_buckets Buckets of a device.
            # TYPE node_bcachefs_device_buckets gauge
            node_bcachefs_device_buckets{device="4",uuid="dead-beef"} 953880
            # HELP node_bcachefs_device_durability How many replicas one on this device counts for.
            # TYPE node_bcachefs_device_durability gauge
            node_bcachefs_device_durability{device="4",uuid="dead-beef"} 1
            # HELP node_bcachefs_device_info A device of a file system; always 1.
            # TYPE node_bcachefs_device_info gauge
            node_bcachefs_device_info{device="4",label="disk-4",state="[rw] ro evacuating spare",uuid="dead-beef"} 1
            # HELP node_bcachefs_device_io_done_bytes_total Bytes read from and written to a device, by kind of data.
            # TYPE node_bcachefs_device_io_done_bytes_total counter
            node_bcachefs_device_io_done_bytes_total{data_type="sb",device="4",operation="read",uuid="dead-beef"} 86016
            node_bcachefs_device_io_done_bytes_total{data_type="sb",device="4",operation="write",uuid="dead-beef"} 645120
            # HELP node_bcachefs_device_io_errors_total Errors of a device since the file system was made, by kind.
            # TYPE node_bcachefs_device_io_errors_total counter
            node_bcachefs_device_io_errors_total{device="4",type="checksum",uuid="dead-beef"} 0
            node_bcachefs_device_io_errors_total{device="4",type="read",uuid="dead-beef"} 7
            # HELP node_bcachefs_errors_total Inconsistencies found, by kind.
            # TYPE node_bcachefs_errors_total counter
            node_bcachefs_errors_total{error_type="btree_node_data_missing",uuid="dead-beef"} 2
            # HELP node_bcachefs_info A mounted bcachefs file system; always 1.
            # TYPE node_bcachefs_info gauge
            node_bcachefs_info{uuid="dead-beef"} 1
        "##]],
        );
    }

    #[test]
    fn shows_what_an_older_one_has() {
        check::<Bcachefs>(
            "",
            &FILES[..1],
            expect![[r##"
            # HELP node_bcachefs_btree_cache_size_bytes Memory that the cache of trees takes, in bytes.
            # TYPE node_bcachefs_btree_cache_size_bytes gauge
            node_bcachefs_btree_cache_size_bytes{uuid="dead-beef"} 2.201170739e+09
            # HELP node_bcachefs_info A mounted bcachefs file system; always 1.
            # TYPE node_bcachefs_info gauge
            node_bcachefs_info{uuid="dead-beef"} 1
        "##]],
        );
    }

    #[test]
    fn a_host_without_one_is_no_failure() {
        check_error::<Bcachefs>("", &[], expect!["not on this host: nothing in sys/fs/bcachefs"]);
        check_error::<Bcachefs>(
            "",
            &[("sys/fs/bcachefs/", "")],
            expect!["not on this host: nothing in sys/fs/bcachefs"],
        );
    }

    #[test]
    fn refuses_a_line_that_it_does_not_know() {
        check_error::<Bcachefs>(
            "",
            &[("sys/fs/bcachefs/dead-beef/compression_stats", "heading\nlz4 48.9G much\n")],
            expect![[r##"
            # HELP node_bcachefs_compression_compressed_bytes Bytes of data on disk, by compression.
            # TYPE node_bcachefs_compression_compressed_bytes gauge
            node_bcachefs_compression_compressed_bytes{algorithm="lz4",uuid="dead-beef"} 5.2505975193e+10
            # HELP node_bcachefs_info A mounted bcachefs file system; always 1.
            # TYPE node_bcachefs_info gauge
            node_bcachefs_info{uuid="dead-beef"} 1
            parse sys/fs/bcachefs/dead-beef/compression_stats, line 2: expected a name and sizes"##]],
        );
        check_error::<Bcachefs>(
            "",
            &[("sys/fs/bcachefs/dead-beef/btree_cache_size", "2.05Q\n")],
            expect![[r##"
                # HELP node_bcachefs_info A mounted bcachefs file system; always 1.
                # TYPE node_bcachefs_info gauge
                node_bcachefs_info{uuid="dead-beef"} 1
                parse sys/fs/bcachefs/dead-beef/btree_cache_size, line 1: expected a size, found `2.05Q`"##]],
        );
    }

    #[test]
    fn what_is_wrong_with_one_costs_no_other() {
        let files = [
            ("sys/fs/bcachefs/bad-cafe/btree_cache_size", "much\n"),
            ("sys/fs/bcachefs/bad-cafe/dev-0/nbuckets", "5\n"),
            FILES[0],
        ];
        check_error::<Bcachefs>(
            "",
            &files,
            expect![[r##"
            # HELP node_bcachefs_btree_cache_size_bytes Memory that the cache of trees takes, in bytes.
            # TYPE node_bcachefs_btree_cache_size_bytes gauge
            node_bcachefs_btree_cache_size_bytes{uuid="dead-beef"} 2.201170739e+09
            # HELP node_bcachefs_device_buckets Buckets of a device.
            # TYPE node_bcachefs_device_buckets gauge
            node_bcachefs_device_buckets{device="0",uuid="bad-cafe"} 5
            # HELP node_bcachefs_device_info A device of a file system; always 1.
            # TYPE node_bcachefs_device_info gauge
            node_bcachefs_device_info{device="0",label="",state="",uuid="bad-cafe"} 1
            # HELP node_bcachefs_info A mounted bcachefs file system; always 1.
            # TYPE node_bcachefs_info gauge
            node_bcachefs_info{uuid="bad-cafe"} 1
            node_bcachefs_info{uuid="dead-beef"} 1
            parse sys/fs/bcachefs/bad-cafe/btree_cache_size, line 1: expected a size, found `much`"##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Bcachefs>("", &FILES);
    }
}
