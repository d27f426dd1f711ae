//! `/sys/fs/btrfs/<uuid>`: see the btrfs(5) section on sysfs; and the devices' own counts by ioctl.

use crate::{
    collectors::prelude::*,
    source::btrfs::{self, Device},
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
    RATIO: Gauge "node_btrfs_allocation_ratio" ["uuid", "block_group_type", "mode"], "Bytes on disk for a byte stored; 0 for a profile that is not known.";
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
        let mut names = root.names()?;
        names.retain(|it| it.contains('-'));
        if names.is_empty() {
            return Ok(());
        }
        // sysfs alone tells most of it.
        let mounted = self.mounts.devices().unwrap_or_else(|error| {
            debug!(%error, "cannot find the mounts of btrfs");
            Vec::new()
        });
        for name in names {
            let Some(folder) = root.folder(&name)? else { continue };
            let uuid = text(&folder, "metadata_uuid")?;
            let uuid = if uuid.is_empty() { name } else { uuid };
            let devices = mounted.iter().find(|(it, _)| *it == uuid).map(|(_, devices)| &**devices);
            push_filesystem(&uuid, &folder, devices, out)?;
        }
        Ok(())
    }
}

fn push_filesystem(
    uuid: &str,
    folder: &Folder,
    devices: Option<&[Device]>,
    out: &mut Families,
) -> Result<(), Error> {
    out.push(INFO, [uuid, &text(folder, "label")?], 1);
    out.push(RESERVE, [uuid], number(folder, "allocation/global_rsv_size")?);
    push_commits(uuid, folder, out)?;
    let names = folder.folder("devices")?.map_or(Ok(Vec::new()), |it| it.names())?;
    for group in ["data", "metadata", "system"] {
        // One that mixes data and metadata has neither.
        if let Some(allocation) = folder.folder(&format!("allocation/{group}"))? {
            push_allocation([uuid, group], &allocation, names.len(), out)?;
        }
    }
    let Some(devices) = devices else {
        for name in names {
            let size = number(folder, &format!("devices/{name}/size"))?.wrapping_mul(512);
            out.push_labelled(DEVICE_SIZE, &[("device", &name), ("uuid", uuid)], size);
        }
        return Ok(());
    };
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
    Ok(())
}

/// Since Linux 6.0; before, all are 0.
fn push_commits(uuid: &str, folder: &Folder, out: &mut Families) -> Result<(), Error> {
    let mut buffer = Vec::new();
    let text = folder.text("commit_stats", &mut buffer)?.unwrap_or_default();
    let field = |key: &str| {
        let mut lines = source::lines(text).map(|(number, line)| (number, source::words(line)));
        let Some((line, mut words)) = lines.find_map(|(number, mut words)| {
            (words.next() == Some(key.as_bytes())).then_some((number, words))
        }) else {
            return Ok(0);
        };
        let number = words.next().and_then(source::number::<u64>);
        number.ok_or_else(|| folder.parse_error("commit_stats", line, "expected a name and a number"))
    };
    out.push(COMMITS, [uuid], field("commits")?);
    out.push(LAST_COMMIT, [uuid], field("last_commit_ms")? as f64 / 1000.0);
    out.push(MAX_COMMIT, [uuid], field("max_commit_ms")? as f64 / 1000.0);
    out.push(COMMIT_TIME, [uuid], field("total_commit_ms")? as f64 / 1000.0);
    Ok(())
}

fn push_allocation(
    labels: [&str; 2],
    allocation: &Folder,
    n_devices: usize,
    out: &mut Families,
) -> Result<(), Error> {
    out.push(RESERVED, labels, number(allocation, "bytes_reserved")?);
    for mode in allocation.names()? {
        // Beside the folders of the profiles stand the counts of all together.
        let Some(profile) = allocation.folder(&mode)? else { continue };
        let labels = [labels[0], labels[1], &mode];
        out.push(USED, labels, number(&profile, "used_bytes")?);
        out.push(SIZE, labels, number(&profile, "total_bytes")?);
        out.push(RATIO, labels, ratio(&mode, n_devices as f64));
    }
    Ok(())
}

fn ratio(mode: &str, n_devices: f64) -> f64 {
    match mode {
        "single" | "raid0" => 1.0,
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => n_devices / (n_devices - 1.0),
        "raid6" => n_devices / (n_devices - 2.0),
        _ => 0.0,
    }
}

/// 0 where the kernel has no such file.
fn number(folder: &Folder, name: &str) -> Result<u64, Error> {
    Ok(folder.number(name)?.unwrap_or_default())
}

fn text(folder: &Folder, name: &str) -> Result<String, Error> {
    Ok(folder.value(name)?.map(|it| label_text(&it)).unwrap_or_default())
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
            # HELP node_btrfs_allocation_ratio Bytes on disk for a byte stored; 0 for a profile that is not known.
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
            # HELP node_btrfs_global_rsv_size_bytes Bytes reserved for operations that must not fail.
            # TYPE node_btrfs_global_rsv_size_bytes gauge
            node_btrfs_global_rsv_size_bytes{uuid="0abb23a9-579b-43e6-ad30-227ef47fcb9d"} 0
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
            # HELP node_btrfs_info A mounted btrfs file system; always 1.
            # TYPE node_btrfs_info gauge
            node_btrfs_info{label="",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
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
            # HELP node_btrfs_global_rsv_size_bytes Bytes reserved for operations that must not fail.
            # TYPE node_btrfs_global_rsv_size_bytes gauge
            node_btrfs_global_rsv_size_bytes{uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 0
            # HELP node_btrfs_info A mounted btrfs file system; always 1.
            # TYPE node_btrfs_info gauge
            node_btrfs_info{label="",uuid="7f07c59f-6136-449c-ab87-e1cf2328731b"} 1
            parse sys/fs/btrfs/7f07c59f-6136-449c-ab87-e1cf2328731b/commit_stats, line 2: expected a name and a number"##]],
        );
    }

    #[test]
    fn knows_the_space_that_each_profile_takes() {
        let ratios = ["single", "dup", "raid10", "raid1c3", "raid1c4", "raid5", "raid6", "raid7"]
            .map(|it| ratio(it, 4.0));
        assert_eq!(ratios, [1.0, 2.0, 2.0, 3.0, 4.0, 4.0 / 3.0, 2.0, 0.0]);
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Btrfs>("", &FILES);
    }
}
