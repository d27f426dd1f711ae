//! A kernel text file, read whole into a kept buffer.

use super::{Error, sys::descriptors::may_be_kept};
use rustix::{
    buffer::Buffer,
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    fs::{Mode, OFlags},
    io::Errno,
};
use std::path::{Path, PathBuf};

/// `PROC_SUPER_MAGIC` and `SYSFS_MAGIC` of `include/uapi/linux/magic.h`.
const KERNEL_FILE_SYSTEMS: [i64; 2] = [0x9fa0, 0x6265_6572];

/// Larger files are refused: no kernel writes one, and what is read of it takes several times its size in memory.
const MAX_BYTES: usize = 32 << 20;

/// Whether the kernel makes this file up, so that its identity and its descriptor mean more than its name does.
pub(super) fn is_kernel_file_system(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| KERNEL_FILE_SYSTEMS.contains(&stat.f_type))
}

/// A file that is read again at each scrape.
///
/// In procfs and sysfs the descriptor is kept and read from offset 0, which makes the kernel write the text anew for
/// a third of the cost of opening it. Elsewhere (a recorded host) a file may be replaced, so it is opened each time.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    kept: Option<OwnedFd>,
    buffer: Vec<u8>,
    /// How many bytes to ask for at first.
    first_room: usize,
    /// Of a file that the kernel writes line by line: no line is longer.
    longest_line: Option<usize>,
}

impl File {
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, kept: None, buffer: Vec::new(), first_room: 4096, longest_line: None }
    }

    /// For a file of /proc/sys: its handlers allocate and clear as many bytes as they are asked for, so ask for few.
    #[must_use]
    pub fn small(self) -> Self {
        Self { first_room: 128, ..self }
    }

    /// For a file that is dear to read to its end. The kernel hands out as many whole lines as fit into a page of its own
    /// (`seq_read_iter` of `fs/seq_file.c`): where one more would have fitted, there is none, and nobody has to ask.
    #[must_use]
    pub fn of_lines_up_to(self, n_bytes: usize) -> Self {
        Self { longest_line: Some(n_bytes), ..self }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text as it is now.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn read(&mut self) -> Result<&[u8], Error> {
        match self.try_read() {
            Ok(()) => Ok(&self.buffer),
            Err(errno) => Err(Error::Read { path: self.path.clone(), source: errno.into() }),
        }
    }

    /// Like [`read`](Self::read), for a file that some kernels lack.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_if_present(&mut self) -> Result<Option<&[u8]>, Error> {
        match self.try_read() {
            Ok(()) => Ok(Some(&self.buffer)),
            Err(Errno::NOENT | Errno::NODEV | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(Error::Read { path: self.path.clone(), source: errno.into() }),
        }
    }

    /// Whether the text may be another than when it was read last. Of some files the kernel tells, such as `mountinfo`; of
    /// others, and of those that are not the kernel's, it may be.
    #[must_use]
    pub fn may_have_changed(&self) -> bool {
        let Some(fd) = &self.kept else { return true };
        poll(&mut [PollFd::new(fd, PollFlags::PRI)], Some(&Timespec::default())) != Ok(0)
    }

    /// Reads the text and lets `parse` make something of it, or tell the number of the line that is not what was
    /// `expected`.
    ///
    /// # Errors
    /// When it cannot be opened or read, or a line is wrong.
    pub fn parse<T>(
        &mut self,
        expected: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, usize>,
    ) -> Result<T, Error> {
        let parsed = parse(self.read()?);
        parsed.map_err(|line| self.parse_error(line, format!("expected {expected}")))
    }

    /// Reads the text and hands it over line by line, with the lines' numbers from 1. `each` says by `None` that a line
    /// is not what was `expected`; the others are handed over all the same.
    ///
    /// # Errors
    /// When it cannot be opened or read; after the last line, when one was wrong.
    pub fn parse_lines(
        &mut self,
        expected: &str,
        each: impl FnMut(usize, &[u8]) -> Option<()>,
    ) -> Result<(), Error> {
        self.parse(expected, |text| super::for_each_line(super::lines(text), each))
    }

    /// An error that says where this file's text is wrong; lines count from 1.
    #[must_use]
    pub fn parse_error(&self, line: usize, problem: impl Into<String>) -> Error {
        Error::Parse { path: self.path.clone(), line, problem: problem.into() }
    }

    fn try_read(&mut self) -> Result<(), Errno> {
        if let Some(fd) = &self.kept {
            match read_to_end(fd, &mut self.buffer, self.first_room, self.longest_line) {
                Ok(()) => return Ok(()),
                // What stood behind the descriptor is gone; something new may have the name.
                Err(_) => self.kept = None,
            }
        }
        let fd = rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        read_to_end(&fd, &mut self.buffer, self.first_room, None)?;
        let is_of_kernel =
            rustix::fs::fstatfs(&fd).is_ok_and(|stat| KERNEL_FILE_SYSTEMS.contains(&stat.f_type));
        if is_of_kernel && may_be_kept(&fd) {
            self.kept = Some(fd);
        }
        Ok(())
    }
}

/// Fills `buffer` with what `fd` holds from offset 0; `FBIG` when that is more than [`MAX_BYTES`].
pub(super) fn read_to_end(
    fd: &OwnedFd,
    buffer: &mut Vec<u8>,
    first_room: usize,
    longest_line: Option<usize>,
) -> Result<(), Errno> {
    /// The least that any machine has.
    const PAGE: usize = 4096;
    buffer.clear();
    loop {
        if buffer.len() > MAX_BYTES {
            *buffer = Vec::new();
            return Err(Errno::FBIG);
        }
        if buffer.spare_capacity_mut().is_empty() {
            buffer.reserve(buffer.len().max(first_room));
        }
        let offset = buffer.len() as u64;
        match read(fd, rustix::buffer::spare_capacity(buffer), offset) {
            Ok(0) => return Ok(()),
            Ok(n) if offset == 0 && longest_line.is_some_and(|line| n + line <= first_room.min(PAGE)) => {
                return Ok(());
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// One read of a kernel file, from `offset` on: all of them come by here, so that tests can make them fail.
pub(super) fn read<B: Buffer<u8>>(fd: &OwnedFd, buffer: B, offset: u64) -> Result<B::Output, Errno> {
    #[cfg(test)]
    super::faults::check(fd)?;
    rustix::io::pread(fd, buffer, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_no_kernel_writes_is_refused_and_holds_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slabinfo");
        let on_disk = std::fs::File::create(&path).unwrap();
        let mut file = File::new(path);
        on_disk.set_len(MAX_BYTES as u64).unwrap();
        assert_eq!(file.read().unwrap().len(), MAX_BYTES);
        on_disk.set_len(MAX_BYTES as u64 + 1).unwrap();
        let error = file.read().unwrap_err().to_string();
        assert!(error.ends_with("/slabinfo: File too large (os error 27)"), "{error}");
        assert_eq!(file.buffer.capacity(), 0);
    }
}
