//! Memory and paging.
super::collectors! { "memory": meminfo::Meminfo, vmstat::Vmstat }
