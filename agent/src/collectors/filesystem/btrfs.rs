//! `/sys/fs/btrfs/<uuid>`: see the btrfs(5) section on sysfs; and the devices' own counts by ioctl.

use crate::{
    collectors::prelude::*,
    source::{
        Attributes,
        btrfs::{self, Device},
    },
};
use std::path::PathBuf;
use tracing::debug;

metrics! {
    INFO: Gauge "node_btrfs_info" ["uuid", "label"], "A mounted btrfs file system; always 1.";
    RESERVE: Gauge "node_btrfs_global_rsv_size_bytes" ["uuid"], "Bytes reserved for operations that must not fail.";
    COMMITS: Counter "node_btrfs_commits_total" ["uuid"], "Transactions committed.";
    LAST_COMMIT: Gauge "node_btrfs_last_commit_seconds" ["uuid"], "Duration of the last commit in seconds.";
    MAX_COMMIT: Gauge "node_btrfs_max_commit_seconds" ["uuid"], "Duration of the longest commit in seconds.";
    COMMIT_TIME: Counter "node_btrfs_commit_seconds_total" ["uuid"], "Seconds that commits took, added up.";
    RESERVED: Gauge "node_btrfs_reserved_bytes" ["uuid", "block_group_type"], "Bytes reserved for data or metadata about to be written.";
    USED: Gauge "node_btrfs_used_bytes" ["uuid", "block_group_type", "mode"], "Bytes used, by what is stored and how it is replicated.";
    SIZE: Gauge "node_btrfs_size_bytes" ["uuid", "block_group_type", "mode"], "Bytes allocated, by what is stored and how it is replicated.";
    RATIO: Gauge "node_btrfs_allocation_ratio" ["uuid", "block_group_type", "mode"], "Bytes on disk for a byte stored.";
    DEVICE_SIZE: Gauge "node_btrfs_device_size_bytes" ["uuid", "device", "btrfs_dev_uuid"], "Size of a device of a file system in bytes.";
    DEVICE_UNUSED: Gauge "node_btrfs_device_unused_bytes" ["uuid", "device", "btrfs_dev_uuid"], "Bytes of a device that are not allocated.";
    DEVICE_ERRORS: Counter "node_btrfs_device_errors_total" ["uuid", "device", "btrfs_dev_uuid", "type"], "Errors of a device since they were last reset, by kind.";
}

pub(super) struct Btrfs {
    root: PathBuf,
    mounts: btrfs::Btrfs,
}

impl Spec for Btrfs {
    const SUMMARY: &'static str = "Space, commits and devices of btrfs, from /sys/fs/btrfs and its ioctls.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { root: host.sys("fs/btrfs"), mounts: btrfs::Btrfs::new(host) })
    }
}

impl Collector for Btrfs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(root) = Folder::open(&self.root)? else { return Ok(()) };
        if !root.names()?.iter().any(|it| is_uuid(it)) {
            return Ok(());
        }
        // sysfs alone tells most of it.
        let mounted = self.mounts.devices().unwrap_or_else(|error| {
            debug!(%error, "cannot find the mounts of btrfs");
            Vec::new()
        });
        let pushed = root.for_each_folder(is_uuid, |name, folder| {
            let uuid = folder.value("metadata_uuid").ok().flatten().map(|it| label_text(&it));
            let uuid = uuid.filter(|it| !it.is_empty()).unwrap_or_else(|| name.to_owned());
            let devices = mounted.iter().find(|(it, _)| *it == uuid).map(|(_, devices)| &**devices);
            push_filesystem(&uuid, folder, devices, out)
        });
        Ok(pushed?)
    }
}

fn is_uuid(name: &str) -> bool {
    name.contains('-')
}

fn push_filesystem(
    uuid: &str,
    folder: &Folder,
    devices: Option<&[Device]>,
    out: &mut Families,
) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    let label = files.value("label").map(|it| label_text(&it)).unwrap_or_default();
    out.push(INFO, [uuid, &label], 1);
    out.push(RESERVE, [uuid], files.unsigned("allocation/global_rsv_size"));
    push_commits(uuid, &files, out);
    let names = folder.folder("devices").and_then(|it| it.map_or(Ok(Vec::new()), |it| it.names()));
    let names = names.unwrap_or_else(|error| {
        files.note(error);
        Vec::new()
    });
    match devices {
        Some(devices) => push_devices(uuid, devices, out),
        None => {
            for name in &names {
                let n_sectors = files.unsigned(&format!("devices/{name}/size"));
                let labels = [("device", name.as_str()), ("uuid", uuid)];
                out.push_labelled(DEVICE_SIZE, &labels, n_sectors.map(|it| it.wrapping_mul(512)));
            }
        }
    }
    let mut outcome = files.end();
    for group in ["data", "metadata", "system"] {
        // One that mixes data and metadata has neither.
        let pushed = folder.folder(&format!("allocation/{group}")).and_then(|it| match it {
            Some(allocation) => push_allocation([uuid, group], &allocation, names.len(), out),
            None => Ok(()),
        });
        outcome = outcome.and(pushed);
    }
    outcome
}

fn push_devices(uuid: &str, devices: &[Device], out: &mut Families) {
    for device in devices {
        let name = label_text(&device.name);
        let labels = [("btrfs_dev_uuid", &*device.uuid), ("device", &name), ("uuid", uuid)];
        out.push_labelled(DEVICE_SIZE, &labels, device.total_bytes);
        let unused = device.total_bytes.wrapping_sub(device.used_bytes);
        out.push(DEVICE_UNUSED, [uuid, &name, &device.uuid], unused);
        for (kind, count) in device.errors {
            out.push(DEVICE_ERRORS, [uuid, &name, &device.uuid, kind], count);
        }
    }
}

/// Since Linux 6.0. Before, all are 0, as node_exporter has it.
fn push_commits(uuid: &str, files: &Attributes<'_>, out: &mut Families) {
    let ms = |it: u64| it as f64 / 1000.0;
    files.lines("commit_stats", "a name and a number", |_, line| {
        let mut words = source::words(line);
        let (name, number) = (words.next()?, words.next().and_then(source::number::<u64>)?);
        match name {
            b"commits" => out.push(COMMITS, [uuid], number),
            b"last_commit_ms" => out.push(LAST_COMMIT, [uuid], ms(number)),
            b"max_commit_ms" => out.push(MAX_COMMIT, [uuid], ms(number)),
            b"total_commit_ms" => out.push(COMMIT_TIME, [uuid], ms(number)),
            _ => {}
        }
        Some(())
    });
    if !files.exists("commit_stats") {
        out.push(COMMITS, [uuid], 0);
        [LAST_COMMIT, MAX_COMMIT, COMMIT_TIME].into_iter().for_each(|it| out.push(it, [uuid], 0));
    }
}

fn push_allocation(
    labels: [&str; 2],
    allocation: &Folder,
    n_devices: usize,
    out: &mut Families,
) -> Result<(), source::Error> {
    let files = allocation.unlisted_attributes();
    out.push(RESERVED, labels, files.unsigned("bytes_reserved"));
    // Beside the folders of the profiles stand the counts of all together.
    let profiles = allocation.for_each_folder(
        |_| true,
        |mode, profile| {
            let labels = [labels[0], labels[1], mode];
            let files = profile.unlisted_attributes();
            out.push(USED, labels, files.unsigned("used_bytes"));
            out.push(SIZE, labels, files.unsigned("total_bytes"));
            out.push(RATIO, labels, btrfs::allocation_ratio(mode, n_devices as f64));
            files.end()
        },
    );
    files.end().and(profiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 12] = [
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/label", "home\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/global_rsv_size", "16777216\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/data/bytes_reserved", "4096\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/data/raid5/used_bytes", "100\n"),
        (
            "sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/data/raid5/total_bytes",
            "644087808\n",
        ),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/metadata/bytes_reserved", "0\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/metadata/raid1c3/used_bytes", "1\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/metadata/raid1c3/total_bytes", "2\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/devices/loop22/size", "20971520\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/devices/loop23/size", "20971520\n"),
        ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/devices/loop24/size", "20971520\n"),
        (
            "sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/commit_stats",
            "commits 258051\nlast_commit_ms 1000\nmax_commit_ms 51462\ntotal_commit_ms 47836090\n",
        ),
    ];

    #[test]
    fn shows_what_sysfs_tells() {
        check::<Btrfs>(
            "",
            &FILES,
            expect![[r##"
            # HELP node_btrfs_allocation_ratio Bytes on disk for a byte stored.
            # TYPE node_btrfs_allocation_ratio gauge
            node_btrfs_allocation_ratio{block_group_type="data",mode="raid5",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1.5
            node_btrfs_allocation_ratio{block_group_type="metadata",mode="raid1c3",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 3
            # HELP node_btrfs_commit_seconds_total Seconds that commits took, added up.
            # TYPE node_btrfs_commit_seconds_total counter
            node_btrfs_commit_seconds_total{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 47836.09
            # HELP node_btrfs_commits_total Transactions committed.
            # TYPE node_btrfs_commits_total counter
            node_btrfs_commits_total{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 258051
            # HELP node_btrfs_device_size_bytes Size of a device of a file system in bytes.
            # TYPE node_btrfs_device_size_bytes gauge
            node_btrfs_device_size_bytes{device="loop22",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1.073741824e+10
            node_btrfs_device_size_bytes{device="loop23",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1.073741824e+10
            node_btrfs_device_size_bytes{device="loop24",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1.073741824e+10
            # HELP node_btrfs_global_rsv_size_bytes Bytes reserved for operations that must not fail.
            # TYPE node_btrfs_global_rsv_size_bytes gauge
            node_btrfs_global_rsv_size_bytes{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1.6777216e+07
            # HELP node_btrfs_info A mounted btrfs file system; always 1.
            # TYPE node_btrfs_info gauge
            node_btrfs_info{label="home",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
            # HELP node_btrfs_last_commit_seconds Duration of the last commit in seconds.
            # TYPE node_btrfs_last_commit_seconds gauge
            node_btrfs_last_commit_seconds{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
            # HELP node_btrfs_max_commit_seconds Duration of the longest commit in seconds.
            # TYPE node_btrfs_max_commit_seconds gauge
            node_btrfs_max_commit_seconds{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 51.462
            # HELP node_btrfs_reserved_bytes Bytes reserved for data or metadata about to be written.
            # TYPE node_btrfs_reserved_bytes gauge
            node_btrfs_reserved_bytes{block_group_type="data",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 4096
            node_btrfs_reserved_bytes{block_group_type="metadata",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 0
            # HELP node_btrfs_size_bytes Bytes allocated, by what is stored and how it is replicated.
            # TYPE node_btrfs_size_bytes gauge
            node_btrfs_size_bytes{block_group_type="data",mode="raid5",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 6.44087808e+08
            node_btrfs_size_bytes{block_group_type="metadata",mode="raid1c3",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 2
            # HELP node_btrfs_used_bytes Bytes used, by what is stored and how it is replicated.
            # TYPE node_btrfs_used_bytes gauge
            node_btrfs_used_bytes{block_group_type="data",mode="raid5",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 100
            node_btrfs_used_bytes{block_group_type="metadata",mode="raid1c3",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
        "##]],
        );
    }

    #[test]
    fn goes_by_the_uuid_that_the_file_system_had_when_it_was_made() {
        check::<Btrfs>(
            "",
            &[
                ("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/label", "\n"),
                (
                    "sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/metadata_uuid",
                    "0abb23a9-579b-43e6-ad30-227ef47fcb9d\n",
                ),
            ],
            expect![[r##"
                # HELP node_btrfs_commit_seconds_total Seconds that commits took, added up.
                # TYPE node_btrfs_commit_seconds_total counter
                node_btrfs_commit_seconds_total{uuid="0abb23a9-579b-43e6-ad30-227ef47fcb9d"} 0
                # HELP node_btrfs_commits_total Transactions committed.
                # TYPE node_btrfs_commits_total counter
                node_btrfs_commits_total{uuid="0abb23a9-579b-43e6-ad30-227ef47fcb9d"} 0
                # HELP node_btrfs_info A mounted btrfs file system; always 1.
                # TYPE node_btrfs_info gauge
                node_btrfs_info{label="",uuid="0abb23a9-579b-43e6-ad30-227ef47fcb9d"} 1
                # HELP node_btrfs_last_commit_seconds Duration of the last commit in seconds.
                # TYPE node_btrfs_last_commit_seconds gauge
                node_btrfs_last_commit_seconds{uuid="0abb23a9-579b-43e6-ad30-227ef47fcb9d"} 0
                # HELP node_btrfs_max_commit_seconds Duration of the longest commit in seconds.
                # TYPE node_btrfs_max_commit_seconds gauge
                node_btrfs_max_commit_seconds{uuid="0abb23a9-579b-43e6-ad30-227ef47fcb9d"} 0
            "##]],
        );
    }

    #[test]
    fn a_host_without_btrfs_gives_no_samples() {
        check::<Btrfs>("", &[], expect![""]);
        check::<Btrfs>("", &[("sys/fs/btrfs/features/raid56", "0\n")], expect![""]);
    }

    #[test]
    fn refuses_what_is_no_number() {
        check_error::<Btrfs>(
            "",
            &[("sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/global_rsv_size", "x\n")],
            expect![[r##"
                # HELP node_btrfs_commit_seconds_total Seconds that commits took, added up.
                # TYPE node_btrfs_commit_seconds_total counter
                node_btrfs_commit_seconds_total{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 0
                # HELP node_btrfs_commits_total Transactions committed.
                # TYPE node_btrfs_commits_total counter
                node_btrfs_commits_total{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 0
                # HELP node_btrfs_info A mounted btrfs file system; always 1.
                # TYPE node_btrfs_info gauge
                node_btrfs_info{label="",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
                # HELP node_btrfs_last_commit_seconds Duration of the last commit in seconds.
                # TYPE node_btrfs_last_commit_seconds gauge
                node_btrfs_last_commit_seconds{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 0
                # HELP node_btrfs_max_commit_seconds Duration of the longest commit in seconds.
                # TYPE node_btrfs_max_commit_seconds gauge
                node_btrfs_max_commit_seconds{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 0
                parse sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/allocation/global_rsv_size, line 1: expected a number, found `x`"##]],
        );
        check_error::<Btrfs>(
            "",
            &[(
                "sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/commit_stats",
                "commits 1\nlast_commit_ms\n",
            )],
            expect![[r##"
                # HELP node_btrfs_commits_total Transactions committed.
                # TYPE node_btrfs_commits_total counter
                node_btrfs_commits_total{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
                # HELP node_btrfs_info A mounted btrfs file system; always 1.
                # TYPE node_btrfs_info gauge
                node_btrfs_info{label="",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
                parse sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/commit_stats, line 2: expected a name and a number"##]],
        );
    }

    #[test]
    fn a_number_that_cannot_be_read_costs_no_other_file_system() {
        let files = [
            ("sys/fs/btrfs/00000000-0000-0000-0000-000000000001/label", "first\n"),
            ("sys/fs/btrfs/00000000-0000-0000-0000-000000000001/allocation/global_rsv_size", "4096 pages\n"),
            ("sys/fs/btrfs/00000000-0000-0000-0000-000000000002/label", "second\n"),
            ("sys/fs/btrfs/00000000-0000-0000-0000-000000000002/allocation/global_rsv_size", "4096\n"),
        ];
        check_error::<Btrfs>(
            "",
            &files,
            expect![[r##"
            # HELP node_btrfs_commit_seconds_total Seconds that commits took, added up.
            # TYPE node_btrfs_commit_seconds_total counter
            node_btrfs_commit_seconds_total{uuid="00000000-0000-0000-0000-000000000001"} 0
            node_btrfs_commit_seconds_total{uuid="00000000-0000-0000-0000-000000000002"} 0
            # HELP node_btrfs_commits_total Transactions committed.
            # TYPE node_btrfs_commits_total counter
            node_btrfs_commits_total{uuid="00000000-0000-0000-0000-000000000001"} 0
            node_btrfs_commits_total{uuid="00000000-0000-0000-0000-000000000002"} 0
            # HELP node_btrfs_global_rsv_size_bytes Bytes reserved for operations that must not fail.
            # TYPE node_btrfs_global_rsv_size_bytes gauge
            node_btrfs_global_rsv_size_bytes{uuid="00000000-0000-0000-0000-000000000002"} 4096
            # HELP node_btrfs_info A mounted btrfs file system; always 1.
            # TYPE node_btrfs_info gauge
            node_btrfs_info{label="first",uuid="00000000-0000-0000-0000-000000000001"} 1
            node_btrfs_info{label="second",uuid="00000000-0000-0000-0000-000000000002"} 1
            # HELP node_btrfs_last_commit_seconds Duration of the last commit in seconds.
            # TYPE node_btrfs_last_commit_seconds gauge
            node_btrfs_last_commit_seconds{uuid="00000000-0000-0000-0000-000000000001"} 0
            node_btrfs_last_commit_seconds{uuid="00000000-0000-0000-0000-000000000002"} 0
            # HELP node_btrfs_max_commit_seconds Duration of the longest commit in seconds.
            # TYPE node_btrfs_max_commit_seconds gauge
            node_btrfs_max_commit_seconds{uuid="00000000-0000-0000-0000-000000000001"} 0
            node_btrfs_max_commit_seconds{uuid="00000000-0000-0000-0000-000000000002"} 0
            parse sys/fs/btrfs/00000000-0000-0000-0000-000000000001/allocation/global_rsv_size, line 1: expected a number, found `4096 pages`"##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Btrfs>("", &FILES);
    }
}
