//! tar archives whose bytes depend on their content alone; the Helm chart is one.

use std::{
    fs::{self, read_dir},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

use super::{Source, VERSION, tree::gzip};

/// Files are added in the order in which they are to be read.
pub(super) struct Archive {
    tar: Builder<Vec<u8>>,
    epoch: u64,
}

impl Archive {
    pub(super) fn new(source: &Source) -> Self {
        Self { tar: Builder::new(Vec::new()), epoch: source.epoch }
    }

    pub(super) fn folder(&mut self, path: &str) -> Result<()> {
        self.add(EntryType::Directory, &format!("{path}/"), 0o755, &[])
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.add(EntryType::Regular, path, mode, bytes)
    }

    /// An extended attribute of the file that is added next.
    pub(super) fn attribute(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.tar.append_pax_extensions([(&*format!("SCHILY.xattr.{name}"), value)])?;
        Ok(())
    }

    pub(super) fn bytes(self) -> Result<Vec<u8>> {
        Ok(self.tar.into_inner()?)
    }

    fn add(&mut self, kind: EntryType, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.epoch);
        header.set_size(bytes.len() as u64);
        Ok(self.tar.append_data(&mut header, path, bytes)?)
    }
}

/// The chart as `helm package` packs it.
pub(super) fn chart(source: &Source, dist: &Path) -> Result<()> {
    let folder = source.folder.join("config/kubernetes/chart");
    let mut archive = Archive::new(source);
    for path in files(&folder)? {
        let inside = path.strip_prefix(&folder)?.to_str().context("a path that is no text")?;
        archive.file(&format!("hostlens/{inside}"), 0o644, &fs::read(&path)?)?;
    }
    fs::write(dist.join(format!("hostlens-chart-{VERSION}.tgz")), gzip(&archive.bytes()?)?)?;
    Ok(())
}

/// All files below `folder`, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = read_dir(folder)?.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
