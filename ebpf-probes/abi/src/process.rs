//! What a task uses, in this order: nanoseconds on a CPU and waiting for one, bytes read from disks and written.

/// So many numbers.
pub const USED: usize = 4;
