//! Block devices and storage drivers.
super::collectors! {
    "disk":
    block_io::BlockIoLatency,
    diskstats::Diskstats,
    dmmultipath::Dmmultipath,
    fibrechannel::Fibrechannel,
    mdadm::Mdadm,
    nvme::Nvme,
    nvmesubsystem::Nvmesubsystem,
    tapestats::Tapestats,
}
