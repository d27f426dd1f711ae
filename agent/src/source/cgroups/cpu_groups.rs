//! Control groups that the scheduler knows: those with the cpu controller. Tasks of others are in that of the nearest
//! group above that has it.

use super::{Cgroups, FirstError, for_keys, in_folder, microseconds, pressure};
use crate::source::{Attributes, Folder};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
};

/// One of them, but for the first.
#[derive(Debug, PartialEq)]
pub(crate) struct CpuGroup {
    /// From `/` on.
    pub(crate) path: String,
    /// The kernel's number, which it gives to no other.
    pub(crate) id: u64,
    /// Seconds that its own tasks used a CPU, and in which one waited for it, as far as that is known.
    pub(crate) load: f64,
}

impl Cgroups {
    /// `None` where no tree has the controller.
    pub(crate) fn with_cpu(&self, errors: &FirstError) -> Option<Vec<CpuGroup>> {
        let root = match self {
            Self::V2(root) => root,
            Self::V1(trees) => trees.cpu.as_ref()?,
        };
        let folder = errors.value(Folder::open(root))?;
        let mut paths = BTreeSet::new();
        super::walk(&folder, "", 0, &|_| false, errors, &mut paths);
        let mut groups = BTreeMap::new();
        for path in paths {
            let place = root.join(path.trim_start_matches('/'));
            let has_cpu = ["cpu.weight", "cpu.shares"].iter().any(|it| place.join(it).exists());
            if let Ok(folder) = fs::metadata(&place)
                && has_cpu
            {
                groups.insert(path.clone(), (folder.ino(), self.cpu_load(&path, errors)));
            }
        }
        let all: Vec<(String, f64)> = groups.iter().map(|(path, it)| (path.clone(), it.1)).collect();
        for (path, load) in all {
            if let Some(above) = path.rfind('/').and_then(|it| groups.get_mut(&path[..it])) {
                above.1 -= load;
            }
        }
        Some(groups.into_iter().map(|(path, (id, load))| CpuGroup { path, id, load }).collect())
    }

    /// With all that is below it.
    fn cpu_load(&self, path: &str, errors: &FirstError) -> f64 {
        let waited = |files: &Attributes<'_>| pressure(files, "cpu.pressure").some.unwrap_or(0.0);
        match self {
            Self::V2(root) => in_folder(root, path, errors, |files| {
                let mut used = 0;
                for_keys(files, "cpu.stat", |key, value| {
                    if key == b"usage_usec" {
                        used = value;
                    }
                });
                microseconds(used) + waited(files)
            }),
            Self::V1(trees) => {
                let used = super::v1::read(&trees.accounting, path, errors, |files| {
                    files.unsigned("cpuacct.usage").unwrap_or(0)
                });
                used as f64 / 1e9 + super::v1::read(&trees.unified, path, errors, waited)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    fn found(host: &TestHost) -> Vec<(String, f64)> {
        let errors = FirstError::default();
        let groups = Cgroups::find(host.path()).unwrap().with_cpu(&errors).unwrap();
        errors.end().unwrap();
        assert!(groups.iter().all(|it| it.id != 0));
        groups.into_iter().map(|it| (it.path, it.load)).collect()
    }

    #[test]
    fn a_group_has_used_what_those_below_it_have_not() {
        let host = TestHost::new(&[
            ("cgroup.controllers", "cpu"),
            ("a/cpu.weight", "100"),
            ("a/cpu.stat", "usage_usec 5000000\n"),
            ("a/b/cpu.weight", "100"),
            ("a/b/cpu.stat", "usage_usec 3000000\n"),
            ("a/b/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n"),
            ("a/b/without/cpu.stat", "usage_usec 3000000\n"),
        ]);
        assert_eq!(found(&host), [("/a".to_owned(), 1.0), ("/a/b".to_owned(), 4.0)]);
    }

    #[test]
    fn finds_those_of_version_1() {
        let host = TestHost::new(&[
            ("cpu/a/cpu.shares", "1024"),
            ("cpuacct/a/cpuacct.usage", "2000000000\n"),
            ("cpu/b/cpu.shares", "1024"),
        ]);
        assert_eq!(found(&host), [("/a".to_owned(), 2.0), ("/b".to_owned(), 0.0)]);
    }
}
