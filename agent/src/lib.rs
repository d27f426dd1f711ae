#![doc = include_str!("../ARCHITECTURE.md")]

pub mod cli;
pub mod collector;
pub mod collectors;
pub mod config;
pub mod doctor;
pub mod exposition;
pub mod http;
pub mod log;
pub mod metric;
pub mod opening;
pub mod own;
pub mod privileges;
pub mod reload;
pub mod sandbox;
pub mod scrape;
pub mod service;
pub mod source;
#[cfg(test)]
mod testing;
