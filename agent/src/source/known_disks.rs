//! Which disks there are, for collectors that need it at each scrape: `/sys/block`, listed anew only after an event of some
//! device. The kernel numbers those, for udev: `/sys/kernel/uevent_seqnum`, a tenth of the cost of 40 names.

use super::{Error, File, Folder, Host, number};

/// The disks that there were when it was asked last.
pub struct KnownDisks {
    folder: Option<Folder>,
    events: File,
    /// The number of the last event before the names were listed.
    listed_after: Option<u64>,
    /// Sorted.
    names: Vec<String>,
}

impl KnownDisks {
    pub fn open(host: &Host) -> Result<Self, Error> {
        let folder = Folder::open(host.sys("block"))?;
        let events = File::new(host.sys("kernel/uevent_seqnum"));
        let mut it = Self { folder, events, listed_after: None, names: Vec::new() };
        it.now(&[])?;
        Ok(it)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The names of all, sorted. A disk is there, and used, shortly before the kernel tells of it: so they are listed anew
    /// also if one that was seen is not among them.
    pub fn now(&mut self, seen: &[String]) -> Result<&[String], Error> {
        let last = self.events.read_if_present()?.and_then(|text| number(text.trim_ascii()));
        let knows = |it| self.names.binary_search(it).is_ok();
        if last.is_none() || last != self.listed_after || !seen.iter().all(knows) {
            self.listed_after = None;
            self.names = self.folder.as_ref().map(Folder::names).transpose()?.unwrap_or_default();
            self.listed_after = last;
        }
        Ok(&self.names)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::testing::TestHost;

    use super::*;

    #[test]
    fn lists_disks_anew_when_a_device_came_or_a_name_is_not_known() {
        let test = TestHost::new(&[
            ("sys/kernel/uevent_seqnum", "7\n"),
            ("sys/block/sda/size", "1\n"),
            ("sys/block/sdb/size", "1\n"),
        ]);
        let mut disks = KnownDisks::open(&test.host()).unwrap();
        assert_eq!(disks.now(&["sda".to_owned()]).unwrap(), ["sda", "sdb"]);
        fs::remove_dir_all(test.path().join("sys/block/sdb")).unwrap();
        assert_eq!(disks.now(&["sda".to_owned()]).unwrap(), ["sda", "sdb"], "nothing was told");
        test.write("sys/kernel/uevent_seqnum", "9\n");
        assert_eq!(disks.now(&["sda".to_owned()]).unwrap(), ["sda"]);
        test.write("sys/block/sdc/size", "1\n");
        assert_eq!(disks.now(&["sda", "sdc"].map(str::to_owned)).unwrap(), ["sda", "sdc"]);
        fs::remove_file(test.path().join("sys/kernel/uevent_seqnum")).unwrap();
        fs::remove_dir_all(test.path().join("sys/block/sda")).unwrap();
        assert_eq!(disks.now(&["sdc".to_owned()]).unwrap(), ["sdc"]);
    }
}
