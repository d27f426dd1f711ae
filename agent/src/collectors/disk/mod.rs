//! Block devices and storage drivers.

mod block_bio;
mod block_io;
mod diskstats;
mod dmmultipath;
mod fibrechannel;
mod mdadm;
mod nvme;
mod nvmesubsystem;
mod tapestats;

super::register! {
    "disk":
    block_bio::BlockBioLatency,
    block_io::BlockIoLatency,
    diskstats::Diskstats,
    dmmultipath::Dmmultipath,
    fibrechannel::Fibrechannel,
    mdadm::Mdadm,
    nvme::Nvme,
    nvmesubsystem::Nvmesubsystem,
    tapestats::Tapestats,
}
