//! Notices that files changed. By looking at them: that works for ConfigMaps, whose files are links to links that are
//! swapped, for network file systems and for overlays, where inotify(7) misses changes.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

/// How often to look.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Files and folders as they were when they were read.
pub(super) struct Watch {
    paths: Vec<PathBuf>,
    read: Vec<Look>,
    last: Vec<Look>,
}

/// What tells one state of a file from another; `None` for a file that is not there.
type Look = Option<[i128; 4]>;

impl Watch {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        let read: Vec<Look> = paths.iter().map(look).collect();
        Self { paths: paths.to_vec(), last: read.clone(), read }
    }

    /// Watches `paths` from now on, but for those that it watched before: they are to be as they were then.
    pub(super) fn turn_to(self, paths: &[PathBuf]) -> Self {
        let look_before = |path: &PathBuf| {
            let known = self.paths.iter().position(|it| it == path);
            known.map_or_else(|| look(path), |at| self.read[at])
        };
        let read: Vec<Look> = paths.iter().map(look_before).collect();
        Self { paths: paths.to_vec(), last: read.clone(), read }
    }

    /// Looks. A change counts when it is the same twice, so that no half-written file is read.
    pub(super) fn is_changed(&mut self) -> bool {
        let now: Vec<Look> = self.paths.iter().map(look).collect();
        let is_settled = now == self.last;
        self.last = now;
        is_settled && self.last != self.read
    }
}

/// Through all links.
fn look(path: &PathBuf) -> Look {
    let it = fs::metadata(path).ok()?;
    let changed = i128::from(it.mtime()) * 1_000_000_000 + i128::from(it.mtime_nsec());
    Some([it.dev().into(), it.ino().into(), it.size().into(), changed])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_change_counts_when_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a").unwrap();
        let mut watch = Watch::new(std::slice::from_ref(&path));
        assert!(!watch.is_changed() && !watch.is_changed());
        fs::write(&path, "ab").unwrap();
        assert!(!watch.is_changed() && watch.is_changed());
        fs::remove_file(&path).unwrap();
        assert!(!watch.is_changed() && watch.is_changed());
    }

    /// How kubelet publishes a ConfigMap: `file` → `..data/file`, `..data` → `..<time>`, which is replaced.
    #[test]
    fn notices_the_swap_of_a_config_map() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("hostlens.toml"), "").unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/hostlens.toml", at("hostlens.toml")).unwrap();
        let mut watch = Watch::new(&[at("hostlens.toml")]);
        assert!(!watch.is_changed());
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(!watch.is_changed() && watch.is_changed());
    }

    #[test]
    fn notices_a_new_file_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(&[folder.path().to_owned()]);
        fs::write(folder.path().join("10-new.toml"), "").unwrap();
        assert!(!watch.is_changed() && watch.is_changed());
    }
}
