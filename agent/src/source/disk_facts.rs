//! What a disk is: from udev, and from `queue/rotational` in sysfs.

use super::{
    Error, Folder, number,
    proc::diskstats::Disk,
    udev::{Properties, Udev},
};
use tracing::debug;

/// What does not change from scrape to scrape; texts are empty where nothing is known.
#[derive(Debug)]
pub struct DiskFacts {
    pub name: String,
    pub serial: String,
    /// `1` for a disk that turns, `0` for one that does not, empty for one that does not tell.
    pub rotational: &'static str,
    /// The values of `PROPERTIES`.
    pub properties: [String; PROPERTIES.len()],
    /// Of an ATA disk: whether it has a write cache, whether that is on, and revolutions per minute.
    pub ata: Option<[Option<f64>; 3]>,
}

/// udev's names of what is shown of a disk as it is: first of the disk, then of the file system on it, then of the
/// device mapper.
const PROPERTIES: [&str; 13] = [
    "ID_PATH",
    "ID_WWN",
    "ID_MODEL",
    "ID_REVISION",
    "ID_FS_TYPE",
    "ID_FS_USAGE",
    "ID_FS_UUID",
    "ID_FS_VERSION",
    "DM_NAME",
    "DM_UUID",
    "DM_VG_NAME",
    "DM_LV_NAME",
    "DM_LV_LAYER",
];

impl DiskFacts {
    /// Asks udev and sysfs. What cannot be read stays empty: a disk without facts is a disk all the same.
    #[must_use]
    pub fn read(disk: &Disk<'_>, udev: &Udev, sys_block: Option<&Folder>) -> Self {
        let name = String::from_utf8_lossy(disk.name).into_owned();
        let properties = udev.block_device(disk.major, disk.minor).unwrap_or_else(|error| {
            debug!(device = name, %error, "no udev properties");
            Properties::default()
        });
        let rotational = sys_block.map_or(Ok("0"), |it| rotational(it, &name)).unwrap_or_else(|error| {
            debug!(device = name, %error, "cannot tell whether it rotates");
            ""
        });
        let text = |key| String::from_utf8_lossy(properties.get(key).unwrap_or_default()).into_owned();
        let serials = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"].map(text);
        let ata = ["ID_ATA_WRITE_CACHE", "ID_ATA_WRITE_CACHE_ENABLED", "ID_ATA_ROTATION_RATE_RPM"];
        Self {
            name,
            serial: serials.into_iter().find(|it| !it.is_empty()).unwrap_or_default(),
            rotational,
            properties: PROPERTIES.map(text),
            ata: (!text("ID_ATA").is_empty()).then(|| ata.map(|key| properties.get(key).and_then(number))),
        }
    }
}

/// What has no queue, such as a partition, counts as not turning.
fn rotational(sys_block: &Folder, disk: &str) -> Result<&'static str, Error> {
    // sysfs has `cciss!c0d0` for `cciss/c0d0`.
    let queue = format!("{}/queue", disk.replace('/', "!"));
    let Some(queue) = sys_block.folder(&queue)? else { return Ok("0") };
    Ok(match queue.number::<u64>("rotational")? {
        Some(0) => "0",
        Some(_) => "1",
        None => "",
    })
}
