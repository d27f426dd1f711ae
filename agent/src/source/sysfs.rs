//! Folders of sysfs (and of /proc/sys): one small file a value. See sysfs(5).

use super::Error;
use rustix::{
    fd::OwnedFd,
    fs::{Dir, Mode, OFlags},
    io::Errno,
};
use std::{
    fmt,
    ops::Deref,
    path::{Path, PathBuf},
};

/// An open folder. Its files are opened by name below it, which spares the kernel the walk from the root.
pub struct Folder {
    path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// `None` when there is no such folder.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    pub fn open(path: impl Into<PathBuf>) -> Result<Option<Self>, Error> {
        let path = path.into();
        let fd = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        Ok(if_present(&path, fd)?.map(|fd| Self { path, fd }))
    }

    /// The folder `name` in it; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    pub fn folder(&self, name: &str) -> Result<Option<Self>, Error> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty());
        Ok(if_present(&path, fd)?.map(|fd| Self { path, fd }))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names in it, sorted bytewise (`cpu0`, `cpu1`, `cpu10`, `cpu2`). Names that are not UTF-8 are left out:
    /// the kernel has none.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let error = |errno: Errno| Error::Read { path: self.path.clone(), source: errno.into() };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(error)? {
            let entry = entry.map_err(error)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The value of the file `name` (a path below the folder), blanks trimmed; `None` when there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn value(&self, name: &str) -> Result<Option<SysValue>, Error> {
        let read = || {
            let fd = rustix::fs::openat(&self.fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            let mut value = SysValue { bytes: [0; SysValue::MAX], start: 0, end: 0 };
            value.end = rustix::io::read(&fd, &mut value.bytes)?;
            value.trim();
            Ok(value)
        };
        if_present(&self.path.join(name), read())
    }

    /// The value of `name` as a number; `None` when there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is no number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        match super::number(&value) {
            Some(number) => Ok(Some(number)),
            None => {
                let problem = format!("expected a number, found `{}`", String::from_utf8_lossy(&value));
                Err(Error::Parse { path: self.path.join(name), line: 1, problem })
            }
        }
    }
}

fn if_present<T>(path: &Path, result: Result<T, Errno>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(Error::Read { path: path.to_owned(), source: errno.into() }),
    }
}

/// The text of one file, without the blanks around it. Longer texts are cut, as node_exporter cuts them: some
/// drivers write as much as they are asked for, and a value that matters is short.
pub struct SysValue {
    bytes: [u8; Self::MAX],
    start: usize,
    end: usize,
}

impl SysValue {
    const MAX: usize = 128;

    /// The text; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(self).into_owned()
    }

    fn trim(&mut self) {
        let n_before = self.bytes[..self.end].len() - self.bytes[..self.end].trim_ascii_start().len();
        self.end = n_before + self.bytes[..self.end].trim_ascii().len();
        self.start = n_before;
    }
}

impl Deref for SysValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

impl fmt::Debug for SysValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}
