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
    PATHS_FAILED: Gauge "node_dmmultipath_device_paths_failed" ["device", "sysfs_name"], "Paths of a multipath device that are in any other state; one whose state is not known is neither.";
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
        let blocks = folder.unlisted_attributes();
        let mut outcome = Ok(());
        for name in folder.names()?.iter().filter(|it| it.starts_with("dm-")) {
            let Some(uuid) = blocks.value(&format!("{name}/dm/uuid")) else { continue };
            if uuid.starts_with(b"mpath-") {
                outcome = outcome.and(push_device(&folder, name, &label_text(&uuid), out));
            }
        }
        Ok(blocks.end().and(outcome)?)
    }
}

fn push_device(
    block: &Folder,
    sysfs_name: &str,
    uuid: &str,
    out: &mut Families,
) -> Result<(), source::Error> {
    let files = block.unlisted_attributes();
    let Some(device) = files.value(&format!("{sysfs_name}/dm/name")) else { return files.end() };
    let device = label_text(&device);
    let labels = [&*device, sysfs_name];
    let (suspended, size) = (
        files.unsigned(&format!("{sysfs_name}/dm/suspended")),
        files.unsigned(&format!("{sysfs_name}/size")),
    );
    out.push(INFO, [&*device, sysfs_name, uuid], 1);
    out.push(ACTIVE, labels, suspended.map(|it| it != 1));
    out.push(SIZE, labels, size.map(|it| it.wrapping_mul(512)));

    let paths = block.folder(&format!("{sysfs_name}/slaves"))?.map_or(Ok(Vec::new()), |it| it.names())?;
    let (mut n_active, mut n_failed) = (0, 0);
    for path in &paths {
        // One that is being removed, and DASDs, have no state.
        let state = files.value(&format!("{path}/device/state")).filter(|it| !it.is_empty());
        let Some(state) = state else { continue };
        match &*state {
            b"running" | b"live" => n_active += 1,
            _ => n_failed += 1,
        }
        out.push(PATH_STATE, [&*device, path, &label_text(&state)], 1);
    }
    out.push(PATHS, labels, paths.len());
    out.push(PATHS_ACTIVE, labels, n_active);
    out.push(PATHS_FAILED, labels, n_failed);
    files.end()
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
            # HELP node_dmmultipath_device_paths_failed Paths of a multipath device that are in any other state; one whose state is not known is neither.
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
                # HELP node_dmmultipath_device_paths_failed Paths of a multipath device that are in any other state; one whose state is not known is neither.
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
    fn a_path_without_a_state_is_a_path() {
        check::<Dmmultipath>(
            "",
            &HOST[1..8],
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
            # HELP node_dmmultipath_device_paths_failed Paths of a multipath device that are in any other state; one whose state is not known is neither.
            # TYPE node_dmmultipath_device_paths_failed gauge
            node_dmmultipath_device_paths_failed{device="mpathA",sysfs_name="dm-5"} 0
            # HELP node_dmmultipath_device_size_bytes Size of a multipath device in bytes.
            # TYPE node_dmmultipath_device_size_bytes gauge
            node_dmmultipath_device_size_bytes{device="mpathA",sysfs_name="dm-5"} 5.36870912e+10
            # HELP node_dmmultipath_path_state The state of a path of a multipath device; always 1.
            # TYPE node_dmmultipath_path_state gauge
            node_dmmultipath_path_state{device="mpathA",path="sdi",state="running"} 1
        "##]],
        );
    }

    #[test]
    fn names_the_attribute_that_is_broken() {
        check::<Dmmultipath>(
            "",
            &HOST[..3],
            expect![[r##"
                # HELP node_dmmultipath_device_info A multipath device; always 1.
                # TYPE node_dmmultipath_device_info gauge
                node_dmmultipath_device_info{device="mpathA",sysfs_name="dm-5",uuid="mpath-360000000000001"} 1
                # HELP node_dmmultipath_device_paths Paths of a multipath device.
                # TYPE node_dmmultipath_device_paths gauge
                node_dmmultipath_device_paths{device="mpathA",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_paths_active Paths of a multipath device that are running (SCSI) or live (NVMe).
                # TYPE node_dmmultipath_device_paths_active gauge
                node_dmmultipath_device_paths_active{device="mpathA",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_paths_failed Paths of a multipath device that are in any other state; one whose state is not known is neither.
                # TYPE node_dmmultipath_device_paths_failed gauge
                node_dmmultipath_device_paths_failed{device="mpathA",sysfs_name="dm-5"} 0
            "##]],
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
                # HELP node_dmmultipath_device_paths Paths of a multipath device.
                # TYPE node_dmmultipath_device_paths gauge
                node_dmmultipath_device_paths{device="mpathA",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_paths_active Paths of a multipath device that are running (SCSI) or live (NVMe).
                # TYPE node_dmmultipath_device_paths_active gauge
                node_dmmultipath_device_paths_active{device="mpathA",sysfs_name="dm-5"} 0
                # HELP node_dmmultipath_device_paths_failed Paths of a multipath device that are in any other state; one whose state is not known is neither.
                # TYPE node_dmmultipath_device_paths_failed gauge
                node_dmmultipath_device_paths_failed{device="mpathA",sysfs_name="dm-5"} 0
                parse sys/block/dm-5/size, line 1: expected a number, found `big`"##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Dmmultipath>("", &HOST);
    }
}
