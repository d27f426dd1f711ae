//! System calls that need `unsafe`: here and nowhere else in the agent.

pub mod btrfs;
pub mod descriptors;
pub mod memory;
