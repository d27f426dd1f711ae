//! Parsers of procfs files that the `procfs` crate lacks, or from which it loses something; each says which.

pub mod diskstats;
pub mod mountinfo;
