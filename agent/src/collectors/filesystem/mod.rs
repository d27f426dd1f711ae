//! Mounted file systems.
super::collectors! { "filesystem": }
