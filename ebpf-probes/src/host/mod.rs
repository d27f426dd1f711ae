//! The probes as the agent sees them: declarations, and the compiled objects.

mod declare;
pub mod disk;
pub mod maps;
#[path = "../probes/mod.rs"]
pub mod probes;
pub mod spec;

pub use declare::{Object, ShortText, Small, Text};
