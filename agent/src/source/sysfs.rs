//! Folders of sysfs (and of /proc/sys): one small file a value. See sysfs(5).

use super::{
    Error, FirstError,
    file::{read, read_to_end},
};
use rustix::{
    fd::OwnedFd,
    fs::{FileType, Mode, OFlags, RawDir, SeekFrom},
    io::Errno,
};
use std::{
    fmt,
    mem::MaybeUninit,
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
        self.names_of(|_| true).map_err(|errno| self.unreadable(errno))
    }

    /// Those of the folders in it alone, links aside.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn folder_names(&self) -> Result<Vec<String>, Error> {
        let listed = rustix::fs::fstat(&self.fd).and_then(|stat| match stat.st_nlink {
            // The kernel's file systems count the folder itself, its `.`, and the `..` of each folder in it.
            2 => Ok(Vec::new()),
            _ => self.names_of(|kind| kind == FileType::Directory),
        });
        listed.map_err(|errno| self.unreadable(errno))
    }

    fn names_of(&self, is_wanted: impl Fn(FileType) -> bool) -> Result<Vec<String>, Errno> {
        // By our own descriptor, which costs half the system calls of opening the folder once more.
        rustix::fs::seek(&self.fd, SeekFrom::Start(0))?;
        let mut buffer = [const { MaybeUninit::uninit() }; 4096];
        let mut entries = RawDir::new(&self.fd, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) if is_wanted(entry.file_type()) => names.push(name.to_owned()),
                Ok(_) => {}
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn unreadable(&self, errno: Errno) -> Error {
        Error::Read { path: self.path.clone(), source: errno.into() }
    }

    /// The value of the file `name` (a path below the folder), blanks trimmed; `None` when there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn value(&self, name: &str) -> Result<Option<SysValue>, Error> {
        let open_and_read = || {
            let fd = rustix::fs::openat(&self.fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            let mut value = SysValue { bytes: [0; SysValue::MAX], len: 0, start: 0, end: 0 };
            value.len = read(&fd, &mut value.bytes, 0)?;
            value.trim();
            Ok(value)
        };
        if_present(&self.path.join(name), open_and_read())
    }

    /// Fills `buffer` with the whole text of the file `name`, for those that may be longer than a value; `None` when
    /// there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn text<'a>(&self, name: &str, buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, Error> {
        let mut open_and_read = || {
            let fd = rustix::fs::openat(&self.fd, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            read_to_end(&fd, buffer, 4096, None)
        };
        let present = if_present(&self.path.join(name), open_and_read())?;
        Ok(present.map(|()| buffer.as_slice()))
    }

    /// Hands each folder in it whose name `is_wanted` on to `each`, in the order of their names. What is wrong with one
    /// keeps no other from being handed on.
    ///
    /// # Errors
    /// The first of all folders'; when it cannot be listed.
    pub fn for_each_folder(
        &self,
        is_wanted: impl Fn(&str) -> bool,
        mut each: impl FnMut(&str, &Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut outcome = Ok(());
        for name in self.names()?.iter().filter(|it| is_wanted(it)) {
            let done = match self.folder(name) {
                Ok(Some(folder)) => each(name, &folder),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            outcome = outcome.and(done.or_else(Error::unless_no_value));
        }
        outcome
    }

    /// The files in it that have a value, for devices of which each driver gives some.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn attributes(&self) -> Result<Attributes<'_>, Error> {
        Ok(Attributes { folder: self, names: Some(self.names()?), errors: FirstError::default() })
    }

    /// The same without listing them first, which is cheaper where most that are asked for are there.
    #[must_use]
    pub fn unlisted_attributes(&self) -> Attributes<'_> {
        Attributes { folder: self, names: None, errors: FirstError::default() }
    }

    /// The value of `name` as a number; `None` when there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is no number. One that a `T` cannot be is absent.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        match super::number(&value) {
            None if !super::has_wrapped(&value, super::number::<T>) => Err(self.not_a_number(name, &value)),
            number => Ok(number),
        }
    }

    /// The value of a file that has to be in the folder.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub fn required_value(&self, name: &str) -> Result<SysValue, Error> {
        self.value(name)?.ok_or_else(|| self.missing(name))
    }

    /// An error that says where the text of the file `name` is wrong; lines count from 1.
    #[must_use]
    pub fn parse_error(&self, name: &str, line: usize, problem: impl Into<String>) -> Error {
        Error::Parse { path: self.path.join(name), line, problem: problem.into() }
    }

    /// The error for a file that has to be in the folder and is not.
    #[must_use]
    pub fn missing(&self, name: &str) -> Error {
        Error::Read { path: self.path.join(name), source: Errno::NOENT.into() }
    }

    fn not_a_number(&self, name: &str, value: &SysValue) -> Error {
        self.unexpected(name, "a number", value)
    }

    /// The error for a value that is not what was `expected`.
    #[must_use]
    pub fn unexpected(&self, name: &str, expected: &str, value: &SysValue) -> Error {
        self.parse_error(name, 1, format!("expected {expected}, found `{}`", value.to_text()))
    }
}

/// A folder's files. Each is read when it is asked for; the first error is kept for [`end`](Self::end), which spares
/// tables of many rows an error path each.
pub struct Attributes<'a> {
    folder: &'a Folder,
    /// Of the files that are there: asking for another costs nothing.
    names: Option<Vec<String>>,
    errors: FirstError,
}

impl Attributes<'_> {
    /// The value of the file `name`; `None` when there is none now, or it cannot be read.
    pub fn value(&self, name: &str) -> Option<SysValue> {
        if let Some(names) = &self.names
            && names.binary_search_by(|it| it.as_str().cmp(name)).is_err()
        {
            return None;
        }
        self.errors.value(self.folder.value(name))
    }

    /// The value of the file `name` as a number of up to 63 bits in the base that its prefix tells.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.parsed(name, "a number", super::prefixed_number)
    }

    /// The value of the file `name` as a number of up to 64 bits, decimal or with `0x` before it.
    pub fn unsigned(&self, name: &str) -> Option<u64> {
        self.parsed(name, "a number", |value| match value.strip_prefix(b"0x") {
            Some(digits) => super::hex_number(digits),
            None => super::number(value),
        })
    }

    /// Whether there is a file `name`, whatever becomes of reading it.
    pub fn exists(&self, name: &str) -> bool {
        self.folder.path.join(name).exists()
    }

    /// What `parse` makes of the value of the file `name`, or `None` and a note that it is not what was `expected`. An
    /// empty file says nothing, and that is fine; neither does a number that wrapped.
    pub fn parsed<T>(&self, name: &str, expected: &str, parse: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let value = self.value(name).filter(|it| !it.is_empty())?;
        let parsed = parse(&value);
        if parsed.is_none() && !super::has_wrapped(&value, parse) {
            self.note(self.folder.unexpected(name, expected, &value));
        }
        parsed
    }

    /// Hands the lines of the file `name` on to `each`, with their numbers from 1, blank ones aside. One that is not what
    /// was `expected`, which `each` says by `None`, is noted.
    pub fn lines(&self, name: &str, expected: &str, mut each: impl FnMut(usize, &[u8]) -> Option<()>) {
        let mut buffer = Vec::new();
        let text = self.errors.value(self.folder.text(name, &mut buffer)).unwrap_or_default();
        for (number, line) in super::lines(text).filter(|(_, line)| !line.trim_ascii().is_empty()) {
            if each(number, line).is_none() {
                self.note(self.folder.parse_error(name, number, format!("expected {expected}")));
            }
        }
    }

    /// Tells what went wrong since the folder was listed; a driver without a value is no error.
    ///
    /// # Errors
    /// When a file could not be read, or held no number where one was asked for.
    pub fn end(self) -> Result<(), Error> {
        self.errors.end()
    }

    /// Keeps `error` for the end.
    pub fn note(&self, error: Error) {
        self.errors.note(error);
    }
}

/// What follows `prefix` in `name` when that begins with a digit, as the shell's `prefix[0-9]*` would match.
pub(crate) fn numbered<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix).filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn if_present<T>(path: &Path, result: Result<T, Errno>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        // The last is procfs' word for a process that has ended.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::SRCH) => Ok(None),
        Err(errno) => Err(Error::Read { path: path.to_owned(), source: errno.into() }),
    }
}

/// The text of one file, without the blanks around it. Longer texts are cut, as node_exporter cuts them: some
/// drivers write as much as they are asked for, and a value that matters is short.
pub struct SysValue {
    bytes: [u8; Self::MAX],
    /// How much of `bytes` was read.
    len: usize,
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

    /// The text with its blanks.
    #[must_use]
    pub fn untrimmed(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn trim(&mut self) {
        let text = &self.bytes[..self.len];
        self.start = self.len - text.trim_ascii_start().len();
        self.end = self.start + text.trim_ascii().len();
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
