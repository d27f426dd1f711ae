//! Classes of sysfs, such as `/sys/class/net`: folders with the same files, all read at every scrape.
//!
//! Their descriptors stay open. Measured on Linux 6.18, an attribute of an interface takes 8 µs to read by its path,
//! 4.4 µs from its open folder and 0.6 µs from a descriptor of its own. But each of these holds a page of the kernel's
//! memory, so there is a limit to how many are kept.

use super::{
    Error, FirstError,
    file::{self, is_kernel_file_system},
    sys::descriptors,
};
use rustix::{
    fd::OwnedFd,
    fs::{CWD, Dir, FileType, Mode, OFlags, openat},
    io::Errno,
};
use std::{
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The most descriptors that a class keeps: 4 MiB of the kernel's memory.
const MAX_DESCRIPTORS: usize = 1024;
/// Where descriptors are few, none are kept.
const SPARED: u64 = 64;
/// Longer values are cut, as node_exporter cuts them.
const MAX_VALUE: usize = 128;

/// The devices of a class.
#[derive(Debug)]
pub(crate) struct KeptClass {
    path: PathBuf,
    devices: Vec<Device>,
    max_descriptors: usize,
}

#[derive(Debug)]
struct Device {
    name: CString,
    /// Of its entry in the class: a device keeps it when it is renamed, and no other device ever gets it.
    inode: u64,
    /// One for each file in the order in which they are read, `None` for one that the device lacks. Empty while none
    /// are kept.
    files: Vec<Option<OwnedFd>>,
}

impl KeptClass {
    pub(crate) fn new(path: PathBuf) -> Self {
        // Outside of sysfs a file can be replaced. And others need descriptors, too.
        let limit =
            usize::try_from((descriptors::limit() / 4).saturating_sub(SPARED)).unwrap_or(MAX_DESCRIPTORS);
        let max_descriptors = if is_kernel_file_system(&path) { limit.min(MAX_DESCRIPTORS) } else { 0 };
        Self { path, devices: Vec::new(), max_descriptors }
    }

    /// Calls `each` with every device that `shows` wants, in the order of their names. A device that vanishes meanwhile
    /// is skipped. `each` has to read the same files in the same order at every call.
    ///
    /// # Errors
    /// When they cannot be listed; at the end, when a file could not be read.
    pub(crate) fn for_each(
        &mut self,
        shows: impl Fn(&[u8]) -> bool,
        mut each: impl FnMut(&[u8], &mut Files<'_>) -> Result<(), Gone>,
    ) -> Result<(), Error> {
        let listed = self.list(shows);
        listed.map_err(|errno| Error::Read { path: self.path.clone(), source: errno.into() })?;
        let errors = FirstError::default();
        let mut n_kept: usize = self.devices.iter().map(|it| it.files.len()).sum();
        for Device { name, files, .. } in &mut self.devices {
            n_kept -= files.len();
            let source = match files.is_empty() {
                false => Source::Kept,
                true => Source::Opened { folder: None, keep: n_kept < self.max_descriptors },
            };
            let (class, errors) = (&self.path, &errors);
            let mut device = Files { class, name, files, source, next: 0, buffer: [0; MAX_VALUE], errors };
            if let Err(Gone) = each(name.to_bytes(), &mut device) {
                files.clear();
            }
            n_kept += files.len();
        }
        errors.end()
    }

    /// Brings `devices` up to date.
    fn list(&mut self, shows: impl Fn(&[u8]) -> bool) -> Result<(), Errno> {
        let folder =
            openat(CWD, &self.path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let before = std::mem::take(&mut self.devices);
        for entry in Dir::new(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_device = entry.file_type() != FileType::RegularFile && name != c"." && name != c"..";
            if is_device && shows(name.to_bytes()) {
                self.devices.push(Device { name: name.to_owned(), inode: entry.ino(), files: Vec::new() });
            }
        }
        self.devices.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut before = before.into_iter().peekable();
        for device in &mut self.devices {
            while before.next_if(|it| it.name < device.name).is_some() {}
            // A device that got a name that another one had must not be taken for that one.
            let same = before.next_if(|it| it.name == device.name && it.inode == device.inode);
            device.files = same.map_or_else(Vec::new, |it| it.files);
        }
        Ok(())
    }
}

/// A device was removed.
pub(crate) struct Gone;

/// The files of one device.
pub(crate) struct Files<'a> {
    class: &'a Path,
    name: &'a CStr,
    files: &'a mut Vec<Option<OwnedFd>>,
    source: Source,
    /// Which file comes next.
    next: usize,
    buffer: [u8; MAX_VALUE],
    errors: &'a FirstError,
}

enum Source {
    Kept,
    Opened {
        /// Opened with the first file.
        folder: Option<OwnedFd>,
        /// Whether the files' descriptors are to be kept.
        keep: bool,
    },
}

impl Files<'_> {
    /// The value of the next file, which is called `name`, blanks trimmed; `None` where the device has none, or none
    /// now.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<&[u8]>, Gone> {
        match self.read(name) {
            Ok(n_bytes) => Ok(Some(self.buffer[..n_bytes].trim_ascii())),
            Err(Errno::NODEV) => Err(Gone),
            Err(Errno::ACCESS) => Ok(None),
            Err(errno) => {
                let error = Error::Read { path: self.path(name), source: errno.into() };
                Ok(self.errors.value(Err(error)))
            }
        }
    }

    /// The same of a number, which `parse` reads.
    pub(crate) fn number<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Gone> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        let number = parse(value);
        if number.is_none() && !super::has_wrapped(value, parse) {
            let problem = format!("expected a number, found `{}`", String::from_utf8_lossy(value));
            self.errors.note(Error::Parse { path: self.path(name), line: 1, problem });
        }
        Ok(number)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.class.join(OsStr::from_bytes(self.name.to_bytes())).join(name)
    }

    fn read(&mut self, name: &str) -> Result<usize, Errno> {
        let index = self.next;
        self.next += 1;
        let Source::Opened { folder, keep } = &mut self.source else {
            let file = self.files.get(index).and_then(Option::as_ref).ok_or(Errno::NOENT)?;
            return file::read(file, &mut self.buffer, 0);
        };
        if folder.is_none() {
            let path = self.class.join(OsStr::from_bytes(self.name.to_bytes()));
            let opened =
                openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
            *folder = Some(opened.map_err(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR => Errno::NODEV,
                other => other,
            })?);
        }
        let folder = folder.as_ref().ok_or(Errno::NODEV)?;
        let file = openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let read = file.as_ref().map_err(|errno| *errno).and_then(|it| file::read(it, &mut self.buffer, 0));
        if *keep {
            self.files.push(file.ok());
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    /// The values of `a` and `b` of all devices.
    fn read(class: &mut KeptClass) -> String {
        let mut out = String::new();
        let read = class.for_each(
            |name| name != b"ignored",
            |name, files| {
                let mut value =
                    |name| Ok(files.value(name)?.map(|it| String::from_utf8(it.to_vec()).unwrap()));
                out += &format!("{}: {:?} {:?}\n", String::from_utf8_lossy(name), value("a")?, value("b")?);
                Ok(())
            },
        );
        read.unwrap();
        out
    }

    #[test]
    fn reads_the_devices_in_the_order_of_their_names() {
        let host = TestHost::new(&[
            ("sys/class/x/d2/a", " 1 \n"),
            ("sys/class/x/d10/b", "2\n"),
            ("sys/class/x/ignored/a", "3\n"),
            ("sys/class/x/a_file", "4\n"),
            ("sys/devices/d1/a", ""),
            ("sys/class/x/d1", "-> ../../devices/d1"),
        ]);
        let mut class = KeptClass::new(host.path().join("sys/class/x"));
        let expected = "d1: Some(\"\") None\nd10: None Some(\"2\")\nd2: Some(\"1\") None\n";
        assert_eq!(read(&mut class), expected);
        host.write("sys/class/x/d2/a", "5");
        assert_eq!(read(&mut class), expected.replace('1', "5").replace("d5", "d1"));
    }

    #[test]
    fn descriptors_are_kept_up_to_the_limit_while_the_device_is_the_same() {
        let host = TestHost::new(&[("class/d1/a", "1"), ("class/d2/a", "2"), ("class/d3/a", "3")]);
        let mut class = KeptClass { max_descriptors: 3, ..KeptClass::new(host.path().join("class")) };
        let kept = |class: &KeptClass| -> Vec<_> { class.devices.iter().map(|it| it.files.len()).collect() };
        let first = read(&mut class);
        assert_eq!(first, "d1: Some(\"1\") None\nd2: Some(\"2\") None\nd3: Some(\"3\") None\n");
        assert_eq!(kept(&class), [2, 2, 0]);
        assert_eq!(read(&mut class), first);
        assert_eq!(kept(&class), [2, 2, 0]);

        let path = |name: &str| host.path().join("class").join(name);
        std::fs::rename(path("d1"), path("d0")).unwrap();
        std::fs::rename(path("d3"), path("d1")).unwrap();
        assert_eq!(read(&mut class), "d0: Some(\"1\") None\nd1: Some(\"3\") None\nd2: Some(\"2\") None\n");
        assert_eq!(kept(&class), [2, 0, 2]);
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let host = TestHost::new(&[]);
        let error = KeptClass::new(host.path().join("class")).for_each(|_| true, |_, _| Ok(())).unwrap_err();
        assert!(error.is_not_found());
    }
}
