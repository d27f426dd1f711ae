//! Counts by network interface, at the kernel's own number of it.
//!
//! Numbers of interfaces are small where it matters: those of hardware come first, and each later interface gets the next
//! one. What has a larger number, or is of another network namespace, is counted with all others.

/// Interfaces that are told apart, [`OTHER`] and [`BACKLOG`] among them.
pub const DEVICES: u32 = 128;

/// Of all interfaces without an index of their own: the number is nobody's.
pub const OTHER: u32 = 0;

/// Of what comes from no interface, but from a CPU's queue of packets that others have put there.
pub const BACKLOG: u32 = DEVICES - 1;

/// The index of an interface by its number; `is_ours`: of the namespace that is shown.
#[inline(always)]
pub const fn index(number: u32, is_ours: bool) -> u32 {
    if is_ours && number < BACKLOG { number } else { OTHER }
}

/// Kinds of counts that each interface has room for.
pub const KINDS: u32 = 4;

/// What a CPU does when it polls interfaces for packets, as counts of an interface.
pub const POLLS: u32 = 0;
pub const PACKETS: u32 = 1;
pub const EXHAUSTED: u32 = 2;

/// Counts of all interfaces but the last.
pub const COUNTS: usize = (DEVICES * KINDS - 1) as usize;

/// Reasons of drops that are told apart by interface, and one for those beyond.
pub const REASONS: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_number_or_another_namespace_is_all_others() {
        assert_eq!([1, 126, 127, u32::MAX].map(|it| index(it, true)), [1, 126, OTHER, OTHER]);
        assert_eq!(index(1, false), OTHER);
    }
}
