//! Block devices and storage drivers.
super::collectors! { "disk": block_io::BlockIoLatency, diskstats::Diskstats }
