//! Block devices and storage drivers.

mod block_bio;
mod block_io;
mod block_io_stages;
mod diskstats;
mod dmmultipath;
mod drbd;
mod fibrechannel;
mod mdadm;
mod nvme;
mod nvmesubsystem;
mod tapestats;

super::register! {
    "disk":
    block_bio::BlockBioLatency,
    block_io::BlockIoLatency,
    block_io_stages::BlockIoStageTimes,
    diskstats::Diskstats,
    dmmultipath::Dmmultipath,
    drbd::Drbd,
    fibrechannel::Fibrechannel,
    mdadm::Mdadm,
    nvme::Nvme,
    nvmesubsystem::Nvmesubsystem,
    tapestats::Tapestats,
}
