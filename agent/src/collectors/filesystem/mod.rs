//! Mounted file systems.
super::collectors! { "filesystem": filesystem::Filesystem, xfs::Xfs }
