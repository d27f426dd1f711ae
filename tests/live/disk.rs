//! A file on a real disk, and that disk's name.

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use hostlens_tests::load::BLOCK;
use tempfile::NamedTempFile;

pub(crate) struct File {
    file: NamedTempFile,
    /// As /proc/diskstats names it.
    pub(crate) disk: String,
}

impl File {
    /// Large enough for so many requests of `load`, and written to the disk.
    pub(crate) fn for_requests(n_requests: u64) -> Result<Self> {
        let mut file = NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        for _ in 0..2 * n_requests {
            file.write_all(&[1; BLOCK])?;
        }
        file.as_file().sync_all()?;
        let disk = disk_of(file.path())?;
        Ok(Self { file, disk })
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// The disk below the file system: of a partition, the whole disk. See sysfs(5), `/sys/dev/block`.
fn disk_of(path: &Path) -> Result<String> {
    let number = fs::metadata(path)?.dev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let device = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let device = fs::canonicalize(&device).with_context(|| format!("{} is on no disk", path.display()))?;
    let is_partition = device.join("partition").exists();
    let whole = if is_partition { device.parent().unwrap_or(&device) } else { &device };
    Ok(whole.file_name().context("a disk without a name")?.to_string_lossy().into_owned())
}
