//! Parsers of procfs files that the `procfs` crate lacks, or from which it loses something; each says which.

pub mod cpuinfo;
pub mod diskstats;
pub(crate) mod ip_vs;
pub mod kstat;
pub mod mdstat;
pub mod mountinfo;
pub(crate) mod net_dev;
pub(crate) mod rpc;
pub mod stat;
