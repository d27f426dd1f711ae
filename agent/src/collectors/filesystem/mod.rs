//! Mounted file systems.
super::collectors! { "filesystem": bcache::Bcache, bcachefs::Bcachefs, filesystem::Filesystem, xfs::Xfs }
