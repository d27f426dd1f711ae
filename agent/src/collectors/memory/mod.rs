//! Memory and paging.

mod buddyinfo;
mod ksmd;
mod meminfo;
mod meminfo_numa;
mod slabinfo;
mod swap;
mod vmstat;
mod zoneinfo;

super::register! {
    "memory":
    buddyinfo::Buddyinfo,
    ksmd::Ksmd,
    meminfo::Meminfo,
    meminfo_numa::MeminfoNuma,
    slabinfo::Slabinfo,
    swap::Swap,
    vmstat::Vmstat,
    zoneinfo::Zoneinfo,
}
