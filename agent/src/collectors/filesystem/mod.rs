//! Mounted file systems.

mod bcache;
mod bcachefs;
mod btrfs;
#[expect(clippy::module_inception, reason = "a collector's file is named as the collector")]
mod filesystem;
mod fs_sync;
mod xfs;
mod zfs;

super::register! {
    "filesystem":
    bcache::Bcache,
    bcachefs::Bcachefs,
    btrfs::Btrfs,
    filesystem::Filesystem,
    fs_sync::FsSync,
    xfs::Xfs,
    zfs::Zfs,
}
