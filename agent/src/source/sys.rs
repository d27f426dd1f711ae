//! System calls that need `unsafe`: here and nowhere else in the agent.

pub mod descriptors;
pub mod memory;
