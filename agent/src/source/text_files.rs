//! The `*.prom` files that other programs leave in folders: found anew each time, parsed when they changed.

use super::prometheus_text::{Family, Malformed, Text, parse};
use crate::config::glob;
use rustix::{
    fs::{FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Larger files are refused: what is in them takes several times their size in memory.
const MAX_BYTES: u64 = 32 << 20;

/// Files in the folders that match `patterns`.
#[derive(Debug)]
pub struct TextFiles {
    patterns: Vec<String>,
    files: Vec<TextFile>,
}

/// A file, or a folder that could not be listed.
#[derive(Debug)]
pub struct TextFile {
    pub path: PathBuf,
    /// When it was last written, in Unix seconds.
    pub modified: i64,
    /// What it holds. Nothing of a file is taken when a line of it is wrong.
    pub content: Result<Text, Refused>,
    /// `None` when it may have changed since without a trace.
    version: Option<Version>,
}

/// Why a file was not taken.
#[derive(Debug)]
pub enum Refused {
    Unreadable(String),
    Malformed(Malformed),
}

/// What changes when a file is written or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
}

impl TextFiles {
    /// Each of `patterns` is a folder, or a shell pattern of folders. An empty one is nothing.
    #[must_use]
    pub fn new(mut patterns: Vec<String>) -> Self {
        patterns.retain(|pattern| !pattern.is_empty());
        Self { patterns, files: Vec::new() }
    }

    /// All files as they are now, folder by folder, sorted by name in each.
    pub fn read(&mut self) -> &[TextFile] {
        let mut known: HashMap<PathBuf, TextFile> =
            self.files.drain(..).map(|file| (file.path.clone(), file)).collect();
        let mut seen = HashSet::new();
        for path in self.patterns.iter().flat_map(|pattern| folders(pattern)) {
            match prom_files(&path) {
                Ok(paths) => {
                    for path in paths.into_iter().filter(|path| seen.insert(path.clone())) {
                        let before = known.remove(&path);
                        self.files.push(TextFile::read(path, before));
                    }
                }
                Err(source) => self.files.push(TextFile::unreadable(path, source)),
            }
        }
        &self.files
    }
}

/// What matches; the pattern itself when nothing does, so that its absence is told.
fn folders(pattern: &str) -> Vec<PathBuf> {
    let found = glob(Path::new(pattern));
    if found.is_empty() { vec![PathBuf::from(pattern)] } else { found }
}

fn prom_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().ends_with(b".prom") {
            paths.push(joined(folder, &name));
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// The path of a name in a folder as Go's `filepath.Join` spells it: without `.` and `x/..`.
fn joined(folder: &Path, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::new();
    for part in folder.components() {
        match (part, path.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(path.pop()),
            _ => path.push(part),
        }
    }
    path.join(name)
}

impl TextFile {
    /// Since it was last written; none when that is to come.
    #[must_use]
    pub fn age(&self) -> Duration {
        age(self.modified)
    }

    /// `before` is what was read of the same path, if it was.
    fn read(path: PathBuf, before: Option<Self>) -> Self {
        let stat = match rustix::fs::stat(&path) {
            Ok(stat) => stat,
            Err(errno) => return Self::unreadable(path, errno.into()),
        };
        match before {
            Some(before) if before.version == Some(Version::of(&stat)) => before,
            _ => read_text(&path, &stat).map_or_else(
                |source| Self::unreadable(path.clone(), source),
                |(text, stat)| Self::parse(path.clone(), &text, &stat),
            ),
        }
    }

    fn parse(path: PathBuf, text: &[u8], stat: &Stat) -> Self {
        let content = parse(text).map_err(Refused::Malformed).map(|mut text| {
            text.families.iter_mut().for_each(Family::complete_labels);
            text
        });
        let version = Some(Version::of(stat)).filter(|it| it.is_settled());
        Self { path, modified: stat.st_mtime, content, version }
    }

    fn unreadable(path: PathBuf, source: io::Error) -> Self {
        let refused = Refused::Unreadable(source.to_string());
        Self { path, modified: 0, content: Err(refused), version: None }
    }
}

impl Version {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
        }
    }

    /// Whether a later write would show: file systems round times to as much as two seconds.
    fn is_settled(self) -> bool {
        age(self.modified.0) > Duration::from_secs(3)
    }
}

fn age(unix_seconds: i64) -> Duration {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds.try_into().unwrap_or(0));
    time.elapsed().unwrap_or_default()
}

/// Reads a regular file whole. Nothing else is opened: a FIFO or a device could block, or do something.
fn read_text(path: &Path, stat: &Stat) -> io::Result<(Vec<u8>, Stat)> {
    check(stat)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    // The name may have come to stand for something else. What is written from here on shows in the next version.
    let stat = rustix::fs::fstat(&file)?;
    check(&stat)?;
    let mut text = Vec::with_capacity(stat.st_size as usize + 1);
    (&file).take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    Ok((text, stat))
}

fn check(stat: &Stat) -> io::Result<()> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_size as u64 > MAX_BYTES => Err(too_large()),
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(io::Error::other("not a regular file")),
    }
}

fn too_large() -> io::Error {
    io::Error::other(format!("larger than {} MiB", MAX_BYTES >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_go_spells_them() {
        let spelled = |folder: &str| joined(Path::new(folder), OsStr::new("a.prom"));
        for (folder, path) in [
            (".", "a.prom"),
            ("./x", "x/a.prom"),
            ("x/../y", "y/a.prom"),
            ("x/y/../..", "a.prom"),
            ("../x", "../x/a.prom"),
            ("/..", "/a.prom"),
            ("/x//y/./", "/x/y/a.prom"),
        ] {
            assert_eq!(spelled(folder), Path::new(path), "{folder}");
        }
    }
}
