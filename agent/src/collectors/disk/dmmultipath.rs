//! Multipath devices of the device mapper: `/sys/block/dm-*/dm`, which Documentation/ABI/testing/sysfs-block-dm
//! describes, and the state of the SCSI or NVMe devices below them.

use crate::collectors::prelude::*;
use std::{io::ErrorKind, path::PathBuf};

metrics! {
    INFO: Gauge "node_dmmultipath_device_info" ["device", "sysfs_name", "uuid"], "A multipath device; always 1.";
    ACTIVE: Gauge "node_dmmultipath_device_active" ["device", "sysfs_name"], "Whether a multipath device is active, and not suspended.";
    SIZE: Gauge "node_dmmultipath_device_size_bytes" ["device", "sysfs_name"], "Size of a multipath device in bytes.";
    PATHS: Gauge "node_dmmultipath_device_paths" ["device", "sysfs_name"], "Paths of a multipath device.";
    PATHS_ACTIVE: Gauge "node_dmmultipath_device_paths_active" ["device", "sysfs_name"], "Paths of a multipath device that are running (SCSI) or live (NVMe).";
    PATHS_FAILED: Gauge "node_dmmultipath_device_paths_failed" ["device", "sysfs_name"], "Paths of a multipath device that are in any other state.";
    PATH_STATE: Gauge "node_dmmultipath_path_state" ["device", "path", "state"], "The state of a path of a multipath device; always 1.";
}

pub(super) struct Dmmultipath(PathBuf);

impl Spec for Dmmultipath {
    const SUMMARY: &'static str = "Multipath devices and the state of their paths, from /sys/block/dm-*.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.sys("block")))
    }
}

impl Collector for Dmmultipath {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let folder = match Folder::open(&self.0) {
            Ok(Some(folder)) => folder,
            Ok(None) => return Err(Error::Absent(format!("{} does not exist", self.0.display()))),
            Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => {
                return Err(Error::Absent(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        for name in folder.names()?.iter().filter(|it| it.starts_with("dm-")) {
            let Some(uuid) = folder.value(&format!("{name}/dm/uuid"))? else { continue };
            if uuid.starts_with(b"mpath-") {
                push_device(&folder, name, &label_text(&uuid), out)?;
            }
        }
        Ok(())
    }
}

fn push_device(block: &Folder, sysfs_name: &str, uuid: &str, out: &mut Families) -> Result<(), Error> {
    let device = label_text(&block.required_value(&format!("{sysfs_name}/dm/name"))?);
    let labels = [&*device, sysfs_name];
    out.push(INFO, [&*device, sysfs_name, uuid], 1);
    out.push(ACTIVE, labels, block.required_number::<u64>(&format!("{sysfs_name}/dm/suspended"))? != 1);
    out.push(SIZE, labels, block.required_number::<u64>(&format!("{sysfs_name}/size"))?.wrapping_mul(512));

    let (mut n_paths, mut n_active) = (0, 0);
    if let Some(slaves) = block.folder(&format!("{sysfs_name}/slaves"))? {
        for path in slaves.names()? {
            let state = block.required_value(&format!("{path}/device/state"))?;
            n_paths += 1;
            n_active += i32::from(matches!(&*state, b"running" | b"live"));
            out.push(PATH_STATE, [&*device, &path, &label_text(&state)], 1);
        }
    }
    out.push(PATHS, labels, n_paths);
    out.push(PATHS_ACTIVE, labels, n_active);
    out.push(PATHS_FAILED, labels, n_paths - n_active);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [(&str, &str); 9] = [
        ("sys/block/dm-0/dm/uuid", "LVM-abc\n"),
        ("sys/block/dm-5/dm/uuid", "mpath-360000000000001\n"),
        ("sys/block/dm-5/dm/name", "mpathA\n"),
        ("sys/block/dm-5/dm/suspended", "0\n"),
        ("sys/block/dm-5/size", "104857600\n"),
        ("sys/block/dm-5/slaves/sdi/", ""),
        ("sys/block/dm-5/slaves/sdj/", ""),
        ("sys/block/sdi/device/state", "running\n"),
        ("sys/block/sdj/device/state", "offline\n"),
    ];

    #[test]
    fn shows_a_device_and_its_paths() {
        check::<Dmmultipath>(
            "",
            &HOST,
            expect![[r##"
            # HELP node_dmmultipath_device_active Whether a multipath device is active, and not suspended.
            # TYPE node_dmmultipath_device_active gauge
            node_dmmultipath_device_active{device="mpathA",sysfs_name="dm-5"} 1
            # HELP node_dmmultipath_device_info A multipath device; always 1.
            # TYPE node_dmmultipath_device_info gauge
            node_dmmultipath_device_info{device="mpathA",sysfs_name="dm-5",uuid="mpath-360000000000001"} 1
            # HELP node_dmmultipath_device_paths Paths of a multipath device.
            # TYPE node_dmmultipath_device_paths gauge
            node_dmmultipath_device_paths{device="mpathA",sysfs_name="dm-5"} 2
            # HELP node_dmmultipath_device_paths_active Paths of a multipath device that are running (SCSI) or live (NVMe).
            # TYPE node_dmmultipath_device_paths_active gauge
            node_dmmultipath_device_paths_active{device="mpathA",sysfs_name="dm-5"} 1
            # HELP node_dmmultipath_device_paths_failed Paths of a multipath device that are in any other state.
            # TYPE node_dmmultipath_device_paths_failed gauge
            node_dmmultipath_device_paths_failed{device="mpathA",sysfs_name="dm-5"} 1
            # HELP node_dmmultipath_device_size_bytes Size of a multipath device in bytes.
            # TYPE node_dmmultipath_device_size_bytes gauge
            node_dmmultipath_device_size_bytes{device="mpathA",sysfs_name="dm-5"} 5.36870912e+10
            # HELP node_dmmultipath_path_state The state of a path of a multipath device; always 1.
            # TYPE node_dmmultipath_path_state gauge
            node_dmmultipath_path_state{device="mpathA",path="sdi",state="running"} 1
            node_dmmultipath_path_state{device="mpathA",path="sdj",state="offline"} 1
        "##]],
        );
    }

    #[test]
    fn shows_a_suspended_device_without_paths() {
        check::<Dmmultipath>(
            "",
            &[
                ("sys/block/dm-5/dm/uuid", "mpath-1\n"),
                ("sys/block/dm-5/dm/name", "mpathB\n"),
                ("sys/block/dm-5/dm/suspended", "1\n"),
                ("sys/block/dm-5/size", "8\n"),
            ],
            expect![[r##"
                # HELP node_dmmultipath_device_active Whether a multipath device is active, and not suspended.
                # TYPE node_dmmultipath_device_active gauge
                node_dmmultipath_device_active{device="mpathB",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_info A multipath device; always 1.
                # TYPE node_dmmultipath_device_info gauge
                node_dmmultipath_device_info{device="mpathB",sysfs_name="dm-5",uuid="mpath-1"} 1
                # HELP node_dmmultipath_device_paths Paths of a multipath device.
                # TYPE node_dmmultipath_device_paths gauge
                node_dmmultipath_device_paths{device="mpathB",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_paths_active Paths of a multipath device that are running (SCSI) or live (NVMe).
                # TYPE node_dmmultipath_device_paths_active gauge
                node_dmmultipath_device_paths_active{device="mpathB",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_paths_failed Paths of a multipath device that are in any other state.
                # TYPE node_dmmultipath_device_paths_failed gauge
                node_dmmultipath_device_paths_failed{device="mpathB",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_size_bytes Size of a multipath device in bytes.
                # TYPE node_dmmultipath_device_size_bytes gauge
                node_dmmultipath_device_size_bytes{device="mpathB",sysfs_name="dm-5"} 4096
            "##]],
        );
    }

    #[test]
    fn a_host_without_block_devices_is_no_failure() {
        check_error::<Dmmultipath>("", &[], expect!["not on this host: sys/block does not exist"]);
        check::<Dmmultipath>("", &[("sys/block/sda/", ""), ("sys/block/dm-0/", "")], expect![""]);
    }

    #[test]
    fn names_the_attribute_that_is_missing_or_broken() {
        check_error::<Dmmultipath>(
            "",
            &HOST[..3],
            expect![[r##"
            # HELP node_dmmultipath_device_info A multipath device; always 1.
            # TYPE node_dmmultipath_device_info gauge
            node_dmmultipath_device_info{device="mpathA",sysfs_name="dm-5",uuid="mpath-360000000000001"} 1
            read sys/block/dm-5/dm/suspended: No such file or directory (os error 2)"##]],
        );
        check_error::<Dmmultipath>(
            "",
            &[&HOST[..4], &[("sys/block/dm-5/size", "big\n")]].concat(),
            expect![[r##"
            # HELP node_dmmultipath_device_active Whether a multipath device is active, and not suspended.
            # TYPE node_dmmultipath_device_active gauge
            node_dmmultipath_device_active{device="mpathA",sysfs_name="dm-5"} 1
            # HELP node_dmmultipath_device_info A multipath device; always 1.
            # TYPE node_dmmultipath_device_info gauge
            node_dmmultipath_device_info{device="mpathA",sysfs_name="dm-5",uuid="mpath-360000000000001"} 1
            parse sys/block/dm-5/size, line 1: expected a number, found `big`"##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Dmmultipath>("", &HOST);
    }
}
