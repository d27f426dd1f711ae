//! System calls that need `unsafe`: here and nowhere else in the agent.

pub mod bpf;
pub mod btrfs;
pub mod clock;
pub mod descriptors;
pub mod ethtool;
pub mod memory;
pub mod perf;
pub mod seccomp;
