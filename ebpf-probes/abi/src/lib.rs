//! What the probes and the agent both read: the layout of the maps, and logic that needs no kernel.
//!
//! Types that live in maps are `repr(C)`, made of `u64` alone and valid for any bits: the probe writes them, the
//! agent reads them through shared memory.
#![no_std]

pub mod arrival;
pub mod bits;
pub mod blame;
pub mod block;
pub mod by_id;
pub mod clock;
pub mod device;
pub mod dns;
pub mod histogram;
pub mod left;
pub mod lock;
pub mod meter;
pub mod process;
pub mod socket;
pub mod table;
pub mod tcp;
pub mod thread;

pub use clock::QueueClock;
pub use histogram::Histogram;
pub use meter::Meter;

/// The value of an offset, argument or enumerator that the running kernel does not have.
///
/// Never zero, which is a valid offset: a probe that forgets to ask reads beyond the struct and is refused.
pub const ABSENT: u32 = u32::MAX;
