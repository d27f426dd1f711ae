//! The mount points of the host as the agent sees them.

use super::File;
use crate::config::Paths;
use std::path::{Path, PathBuf};

/// Where to look. In a container these are bind mounts of the host's.
#[derive(Debug)]
pub struct Host {
    paths: Paths,
}

impl Host {
    #[must_use]
    pub fn new(paths: Paths) -> Self {
        Self { paths }
    }

    /// A file of procfs, opened at its first read.
    #[must_use]
    pub fn proc(&self, name: &str) -> File {
        File::new(self.paths.procfs.join(name))
    }

    #[must_use]
    pub fn procfs(&self) -> &Path {
        &self.paths.procfs
    }

    #[must_use]
    pub fn sysfs(&self) -> &Path {
        &self.paths.sysfs
    }

    #[must_use]
    pub fn rootfs(&self) -> &Path {
        &self.paths.rootfs
    }

    #[must_use]
    pub fn udev_data(&self) -> &Path {
        &self.paths.udev_data
    }

    /// A path below sysfs.
    #[must_use]
    pub fn sys(&self, name: &str) -> PathBuf {
        self.paths.sysfs.join(name)
    }
}
