//! Memory and paging.
super::collectors! {
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
