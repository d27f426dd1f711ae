//! The mount points of the host as the agent sees them.

use super::{
    File,
    ebpf::{self, Kernel},
};
use crate::config::{ClassicBuckets, Ebpf, Paths, UseProbes};
use std::path::{Path, PathBuf};

/// Where to look. In a container these are bind mounts of the host's.
pub struct Host {
    paths: Paths,
    ebpf: Ebpf,
    kernel: Kernel,
}

impl Host {
    #[must_use]
    pub fn new(paths: Paths, ebpf: Ebpf) -> Self {
        let btf_path = (!ebpf.btf_path.as_os_str().is_empty()).then(|| ebpf.btf_path.clone());
        Self { paths, ebpf, kernel: Kernel::new(btf_path) }
    }

    /// The running kernel, for probes.
    ///
    /// # Errors
    /// When the config forbids probes.
    pub fn kernel(&self) -> Result<&Kernel, ebpf::Error> {
        match self.ebpf.enabled {
            UseProbes::Auto => Ok(&self.kernel),
            UseProbes::Never => Err(ebpf::Error::SwitchedOff),
        }
    }

    /// Gives back the memory that loading probes took. To be called when all collectors are open.
    pub fn release_kernel_types(&self) {
        self.kernel.release();
    }

    #[must_use]
    pub fn classic_buckets(&self) -> ClassicBuckets {
        self.ebpf.classic_buckets
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
