//! Memory and paging.

mod buddyinfo;
mod ksmd;
mod meminfo;
mod meminfo_numa;
mod memory_stalls;
mod oom_kills;
mod page_cache;
mod page_faults;
mod slabinfo;
mod swap;
mod vmstat;
mod writeback_throttle;
mod zoneinfo;

super::register! {
    "memory":
    buddyinfo::Buddyinfo,
    ksmd::Ksmd,
    meminfo::Meminfo,
    meminfo_numa::MeminfoNuma,
    memory_stalls::MemoryStalls,
    oom_kills::OomKills,
    page_cache::PageCache,
    page_faults::PageFaults,
    slabinfo::Slabinfo,
    swap::Swap,
    vmstat::Vmstat,
    writeback_throttle::WritebackThrottle,
    zoneinfo::Zoneinfo,
}
