//! Disk names by device number, from the links `/sys/dev/block/<major>:<minor>`.

use std::{collections::HashMap, fs, path::PathBuf};

/// Remembers names, so that a disk that was removed keeps its name for the counts it leaves.
#[derive(Debug)]
pub struct DiskNames {
    folder: PathBuf,
    names: HashMap<(u32, u32), String>,
}

impl DiskNames {
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, names: HashMap::new() }
    }

    /// The name as in /proc/diskstats. Asked anew each time, since numbers are given to other disks; of a disk that
    /// was never there the number, as `8:0`.
    pub fn name(&mut self, major: u32, minor: u32) -> &str {
        let number = format!("{major}:{minor}");
        let link = fs::read_link(self.folder.join(&number));
        let found = link.ok().and_then(|target| {
            // sysfs cannot have the slash of `cciss/c0d0`, and writes `!`.
            Some(target.file_name()?.to_string_lossy().replace('!', "/"))
        });
        let known = self.names.entry((major, minor)).or_insert(number);
        if let Some(found) = found {
            *known = found;
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_removed_disk_keeps_its_name_and_an_unknown_one_has_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("104:0");
        symlink("../../devices/pci0/host0/block/cciss!c0d0", &link).unwrap();
        let mut names = DiskNames::new(folder.path().to_owned());
        assert_eq!(names.name(104, 0), "cciss/c0d0");
        fs::remove_file(&link).unwrap();
        assert_eq!(names.name(104, 0), "cciss/c0d0");
        symlink("../../devices/virtual/block/dm-7", &link).unwrap();
        assert_eq!(names.name(104, 0), "dm-7");
        assert_eq!(names.name(8, 16), "8:16");
    }
}
