//! Block devices and storage drivers.
super::collectors! { "disk": diskstats::Diskstats }
