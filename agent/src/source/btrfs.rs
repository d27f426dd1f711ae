//! The devices of mounted btrfs file systems, as the file systems themselves tell.

use super::{
    Error, Host,
    mounts::{Mount, MountTable},
    sys::btrfs,
};
use rustix::fs::{Mode, OFlags};
use std::{fmt::Write as _, os::fd::AsFd};
use tracing::debug;

/// One device of a file system.
#[derive(Debug)]
pub struct Device {
    /// The last part of its path.
    pub name: Vec<u8>,
    pub uuid: String,
    pub total_bytes: u64,
    pub used_bytes: u64,
    pub errors: [(&'static str, u64); 5],
}

/// The mounts of btrfs.
#[derive(Debug)]
pub struct Btrfs {
    table: MountTable,
    mounts: Vec<Mount>,
}

impl Btrfs {
    #[must_use]
    pub fn new(host: &Host) -> Self {
        Self { table: MountTable::new(host), mounts: Vec::new() }
    }

    /// Each mounted file system's UUID and devices. One that does not answer is left out.
    ///
    /// # Errors
    /// When the mount table cannot be read.
    pub fn devices(&mut self) -> Result<Vec<(String, Vec<Device>)>, Error> {
        if let Some(mut mounts) = self.table.changed()? {
            // The way to a mount below a hung server would hang.
            mounts.retain(|it| it.fs_type == b"btrfs" && !it.may_hang);
            self.mounts = mounts;
        }
        let mut found: Vec<(String, Vec<Device>)> = Vec::new();
        let mut sources: Vec<&[u8]> = Vec::new();
        for mount in &self.mounts {
            if sources.contains(&&*mount.source) {
                continue;
            }
            match ask(mount) {
                Ok((uuid, devices)) => {
                    sources.push(&mount.source);
                    if found.iter().all(|(known, _)| *known != uuid) {
                        found.push((uuid, devices));
                    }
                }
                Err(error) => debug!(mount = ?mount.path, %error, "cannot ask btrfs for its devices"),
            }
        }
        Ok(found)
    }
}

/// Nothing stays open: an open folder would keep the file system from being unmounted.
fn ask(mount: &Mount) -> rustix::io::Result<(String, Vec<Device>)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(&*mount.path, flags, Mode::empty())?;
    let file_system = btrfs::file_system(folder.as_fd())?;
    let mut devices = Vec::new();
    for id in 0..=file_system.max_id {
        if devices.len() as u64 == file_system.n_devices {
            break;
        }
        // Numbers of devices have gaps.
        let Some(device) = btrfs::device(folder.as_fd(), id)? else { continue };
        let errors = btrfs::errors(folder.as_fd(), id)?;
        devices.push(Device {
            name: device.path().rsplit(|&it| it == b'/').next().unwrap_or_default().to_owned(),
            uuid: spell(device.uuid),
            total_bytes: device.total_bytes,
            used_bytes: device.bytes_used,
            errors: [
                ("write", errors.write),
                ("read", errors.read),
                ("flush", errors.flush),
                ("corruption", errors.corruption),
                ("generation", errors.generation),
            ],
        });
    }
    Ok((spell(file_system.uuid), devices))
}

/// As sysfs and everybody else spell it: `6929c562-6ae1-4f18-bc83-72e0c3491815`.
fn spell(uuid: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in uuid.iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(text, "{dash}{byte:02x}").expect("a String takes any text");
    }
    text
}

/// How many bytes on disk a byte takes in a profile; `None` for one that is not known, and where there are too few
/// devices to tell.
#[must_use]
pub fn allocation_ratio(mode: &str, n_devices: f64) -> Option<f64> {
    match mode {
        "single" | "raid0" => Some(1.0),
        "dup" | "raid1" | "raid10" => Some(2.0),
        "raid1c3" => Some(3.0),
        "raid1c4" => Some(4.0),
        "raid5" if n_devices > 1.0 => Some(n_devices / (n_devices - 1.0)),
        "raid6" if n_devices > 2.0 => Some(n_devices / (n_devices - 2.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_space_that_each_profile_takes() {
        let ratios = ["single", "dup", "raid10", "raid1c3", "raid1c4", "raid5", "raid6", "raid7"]
            .map(|it| allocation_ratio(it, 4.0));
        assert_eq!(ratios[..7], [1.0, 2.0, 2.0, 3.0, 4.0, 4.0 / 3.0, 2.0].map(Some));
        assert_eq!(ratios[7], None);
    }

    #[test]
    fn spells_a_uuid() {
        let uuid = 0x6929_c562_6ae1_4f18_bc83_72e0_c349_1815_u128;
        assert_eq!(spell(uuid.to_be_bytes()), "6929c562-6ae1-4f18-bc83-72e0c3491815");
    }
}
