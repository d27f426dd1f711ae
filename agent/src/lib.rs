#![doc = include_str!("../ARCHITECTURE.md")]
#![expect(unreachable_pub, reason = "what is pub is for other rooms; the crate has one way in")]

mod cli;
mod collector;
mod collectors;
mod config;
mod doctor;
mod exposition;
mod http;
mod log;
mod metric;
mod opening;
mod own;
mod privileges;
mod recorder;
mod reload;
mod run;
mod sandbox;
mod scrape;
mod service;
mod source;
#[cfg(test)]
mod testing;
mod top;

pub use run::main;
// For tests, which hold probes to what others count, and load some of their own.
pub use collectors::all as all_collectors;
pub use source::ebpf;
