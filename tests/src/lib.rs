//! The agent as a process, its answers parsed, known loads, and the kernel's own word on both.
//!
//! Used by the end-to-end tests, by the live tests (root and BTF), and by the guests of `cargo xtask vm`.

pub mod agent;
pub mod cgroup;
pub mod containers;
pub mod devices;
pub mod exposition;
pub mod first_process;
pub mod judge;
pub mod kernel_objects;
pub mod libtest;
pub mod load;
pub mod loop_device;
pub mod native;
pub mod network;
pub mod probes;
pub mod truth;

pub use agent::{Agent, Response};
pub use exposition::Exposition;
pub use kernel_objects::KernelObjects;
pub use native::NativeHistogram;
