//! Mounted file systems.
super::collectors! { "filesystem": bcache::Bcache, bcachefs::Bcachefs, btrfs::Btrfs, filesystem::Filesystem, xfs::Xfs, zfs::Zfs }
