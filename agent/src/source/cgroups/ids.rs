//! Control groups by the kernel's number, which is that of the folder's inode in the tree of version 2.

use super::{remembered::Remembered, walk};
use crate::source::{FirstError, Folder};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

#[derive(Debug)]
pub(crate) struct Ids {
    root: PathBuf,
    /// Those that are gone, too: the kernel gives their numbers to no other.
    paths: Remembered<u64, String>,
    is_fresh: bool,
}

impl Ids {
    /// Those of the tree of version 2 at `root`, which is /sys/fs/cgroup, or beside those of version 1 there.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        let roots = [root.to_owned(), root.join("unified")];
        let root = roots.into_iter().find(|it| it.join("cgroup.controllers").exists())?;
        Some(Self::of(root))
    }

    /// Those of the tree with the memory controller.
    pub(crate) fn with_memory(root: &Path) -> Option<Self> {
        let first = root.join("memory");
        if first.join("cgroup.procs").exists() { Some(Self::of(first)) } else { Self::find(root) }
    }

    fn of(root: PathBuf) -> Self {
        Self { root, paths: Remembered::default(), is_fresh: false }
    }

    /// From now on the tree may be another one.
    pub(crate) fn begin(&mut self) {
        self.is_fresh = false;
    }

    /// The path of a group from `/` on; `None` for one that was never seen. The tree is walked through once for those that
    /// are not known.
    pub(crate) fn path(&mut self, id: u64, errors: &FirstError) -> Option<&str> {
        if self.paths.get(&id).is_none() && !self.is_fresh {
            self.look(errors);
        }
        self.paths.get(&id).map(String::as_str)
    }

    /// Walks through the tree.
    pub(crate) fn look(&mut self, errors: &FirstError) {
        self.is_fresh = true;
        let Some(folder) = errors.value(Folder::open(&self.root)) else { return };
        let mut found = BTreeSet::from(["/".to_owned()]);
        walk(&folder, "", 0, &|_| false, errors, &mut found);
        self.paths.begin();
        for path in found {
            if let Ok(it) = fs::metadata(self.root.join(path.trim_start_matches('/'))) {
                self.paths.insert(it.ino(), path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    #[test]
    fn finds_groups_that_come_later_and_remembers_those_that_are_gone() {
        let host =
            TestHost::new(&[("unified/cgroup.controllers", "cpu"), ("unified/a.slice/cgroup.procs", "")]);
        let mut ids = Ids::find(host.path()).unwrap();
        let errors = FirstError::default();
        let number = |path: &str| fs::metadata(host.path().join("unified").join(path)).unwrap().ino();
        assert_eq!(ids.path(number("a.slice"), &errors), Some("/a.slice"));
        host.write("unified/a.slice/b.service/cgroup.procs", "");
        let later = number("a.slice/b.service");
        assert_eq!(ids.path(later, &errors), None, "the tree is walked once a round");
        ids.begin();
        assert_eq!(ids.path(later, &errors), Some("/a.slice/b.service"));
        fs::remove_dir_all(host.path().join("unified/a.slice/b.service")).unwrap();
        ids.begin();
        assert_eq!(ids.path(u64::MAX, &errors), None);
        assert_eq!(ids.path(later, &errors), Some("/a.slice/b.service"));
        errors.end().unwrap();
        assert!(Ids::find(&host.path().join("unified/a.slice")).is_none());
    }

    #[test]
    fn a_tree_of_version_1_with_memory_comes_first() {
        let host = TestHost::new(&[
            ("unified/cgroup.controllers", ""),
            ("memory/cgroup.procs", ""),
            ("memory/docker/cgroup.procs", ""),
        ]);
        let mut ids = Ids::with_memory(host.path()).unwrap();
        let errors = FirstError::default();
        let number = fs::metadata(host.path().join("memory/docker")).unwrap().ino();
        assert_eq!(ids.path(number, &errors), Some("/docker"));
        errors.end().unwrap();
    }
}
