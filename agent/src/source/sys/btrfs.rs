//! Questions to a mounted btrfs, by ioctl(2): see include/uapi/linux/btrfs.h. None needs a capability.
#![expect(unsafe_code, reason = "calls ioctl with structures of the kernel's")]

use rustix::{
    io::Errno,
    ioctl::{Getter, Opcode, Updater, ioctl, opcode},
};
use std::os::fd::BorrowedFd;

/// `BTRFS_IOCTL_MAGIC`
const MAGIC: u8 = 0x94;

/// `BTRFS_IOC_FS_INFO`, of Linux 2.6.38 and newer.
pub fn file_system(fd: BorrowedFd<'_>) -> Result<FileSystem, Errno> {
    const OPCODE: Opcode = opcode::read::<FileSystem>(MAGIC, 31);
    // SAFETY: the opcode names the type and size of what the kernel writes, and any bytes make a `FileSystem`.
    unsafe { ioctl(fd, Getter::<OPCODE, FileSystem>::new()) }
}

/// `BTRFS_IOC_DEV_INFO`; `None` when there is no device of this number.
pub fn device(fd: BorrowedFd<'_>, id: u64) -> Result<Option<Device>, Errno> {
    const OPCODE: Opcode = opcode::read_write::<Device>(MAGIC, 30);
    let mut device = Device { id, ..Device::ZERO };
    // SAFETY: the opcode names the type and size of what the kernel reads and writes; any bytes make a `Device`.
    match unsafe { ioctl(fd, Updater::<OPCODE, Device>::new(&mut device)) } {
        Ok(()) => Ok(Some(device)),
        Err(Errno::NODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// `BTRFS_IOC_GET_DEV_STATS`, which resets nothing when no flag is set.
pub fn errors(fd: BorrowedFd<'_>, id: u64) -> Result<Errors, Errno> {
    const OPCODE: Opcode = opcode::read_write::<DeviceStats>(MAGIC, 52);
    let mut stats = DeviceStats { id, n_items: 5, flags: 0, errors: Errors::default(), unused: [0; 121] };
    // SAFETY: the opcode names the type and size of what the kernel reads and writes; any bytes make `DeviceStats`.
    unsafe { ioctl(fd, Updater::<OPCODE, DeviceStats>::new(&mut stats)) }?;
    Ok(stats.errors)
}

/// `struct btrfs_ioctl_fs_info_args`
#[repr(C)]
pub struct FileSystem {
    pub max_id: u64,
    pub n_devices: u64,
    pub uuid: [u8; 16],
    unused: [u64; 124],
}

/// `struct btrfs_ioctl_dev_info_args`
#[repr(C)]
pub struct Device {
    id: u64,
    pub uuid: [u8; 16],
    pub bytes_used: u64,
    pub total_bytes: u64,
    unused: [u64; 379],
    path: [u8; 1024],
}

impl Device {
    const ZERO: Self =
        Self { id: 0, uuid: [0; 16], bytes_used: 0, total_bytes: 0, unused: [0; 379], path: [0; 1024] };

    /// As it was given when the file system was mounted; of a missing device empty.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.path.split(|&it| it == 0).next().unwrap_or_default()
    }
}

/// `struct btrfs_ioctl_get_dev_stats`
#[repr(C)]
struct DeviceStats {
    id: u64,
    n_items: u64,
    flags: u64,
    errors: Errors,
    unused: [u64; 121],
}

/// `enum btrfs_dev_stat_values`, in its order.
#[repr(C)]
#[derive(Default)]
pub struct Errors {
    pub write: u64,
    pub read: u64,
    pub flush: u64,
    pub corruption: u64,
    pub generation: u64,
}

const _: () = assert!(size_of::<FileSystem>() == 1024, "the size is part of the ioctl's number");
const _: () = assert!(size_of::<Device>() == 4096, "the size is part of the ioctl's number");
const _: () = assert!(size_of::<DeviceStats>() == 1032, "the size is part of the ioctl's number");
