#![doc = include_str!("../ARCHITECTURE.md")]

pub mod collector;
pub mod collectors;
pub mod config;
pub mod exposition;
pub mod http;
pub mod metric;
pub mod own;
pub mod scrape;
pub mod source;
#[cfg(test)]
mod testing;
