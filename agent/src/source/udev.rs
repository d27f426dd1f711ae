//! What udev knows of block devices: a file for each in `/run/udev/data`, with lines such as `E:ID_MODEL=INTEL_SSD`.
//! The format is of systemd's `src/libsystemd/sd-device/device-private.c` (`device_update_db`).

use super::{Error, File};
use std::path::PathBuf;

/// udev's data folder.
#[derive(Debug)]
pub struct Udev {
    folder: PathBuf,
    /// The folder's inode and mtime when it was last looked at.
    seen: Option<(u64, i64, u64)>,
}

impl Udev {
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, seen: None }
    }

    /// Whether udev has written about any device since the last call. One system call for all devices: udev writes
    /// a new file and renames it over the old one, which touches the folder.
    pub fn has_changed(&mut self) -> bool {
        let stat = rustix::fs::stat(&self.folder).ok();
        let now = stat.map(|it| (it.st_ino, it.st_mtime, it.st_mtime_nsec));
        std::mem::replace(&mut self.seen, now) != now
    }

    /// What is known of the block device; nothing when there is no such file.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn block_device(&self, major: u32, minor: u32) -> Result<Properties, Error> {
        let mut file = File::new(self.folder.join(format!("b{major}:{minor}")));
        Ok(Properties(file.read_if_present()?.unwrap_or_default().to_vec()))
    }
}

/// One device's properties.
#[derive(Debug, Default)]
pub struct Properties(Vec<u8>);

impl Properties {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let property = |line| {
            let (_, line) = super::lines(line).next()?;
            line.strip_prefix(b"E:")?.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
        };
        self.0.rsplit(|&it| it == b'\n').find_map(property)
    }
}
