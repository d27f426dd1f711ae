//! Mounted file systems.

mod bcache;
mod bcachefs;
mod btrfs;
#[expect(clippy::module_inception, reason = "a collector's file is named as the collector")]
mod filesystem;
mod xfs;
mod zfs;

super::register! {
    "filesystem":
    bcache::Bcache,
    bcachefs::Bcachefs,
    btrfs::Btrfs,
    filesystem::Filesystem,
    xfs::Xfs,
    zfs::Zfs,
}
