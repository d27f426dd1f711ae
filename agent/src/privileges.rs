//! Capabilities of the process: used to open collectors, then given up. See capabilities(7).
//!
//! Capabilities belong to threads, and new threads inherit them: call this before there is a second thread.

use crate::config::Privileges;
use rustix::{
    io,
    thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities},
};

/// What opening a collector may need: bpf(2), BPF statistics, reading what is closed to others, locking memory for
/// maps before Linux 5.11, performance counters.
const FOR_OPENING: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_RESOURCE)
    .union(CapabilitySet::DAC_READ_SEARCH);

/// Makes what the process is permitted to use for opening collectors effective. A container's process that is not
/// root is started with them permitted at best (file capabilities `=p`).
///
/// # Errors
/// When capset(2) fails.
pub fn raise() -> io::Result<()> {
    let held = capabilities(None)?;
    let effective = held.effective | (held.permitted & FOR_OPENING);
    set_capabilities(None, CapabilitySets { effective, ..held })
}

/// Gives up what `mode` says, but for those of `used`, which collectors need at each scrape. Returns what is
/// effective from now on.
///
/// # Errors
/// When capset(2) fails.
pub fn lower(mode: Privileges, used: CapabilitySet) -> io::Result<CapabilitySet> {
    let held = capabilities(None)?;
    let used = held.permitted & used;
    let lowered = match mode {
        Privileges::Keep => held,
        Privileges::Retain => CapabilitySets {
            effective: used,
            permitted: (held.permitted & FOR_OPENING) | used,
            inheritable: CapabilitySet::empty(),
        },
        Privileges::Drop => {
            CapabilitySets { effective: used, permitted: used, inheritable: CapabilitySet::empty() }
        }
    };
    set_capabilities(None, lowered)?;
    Ok(lowered.effective)
}

/// The names of `set`, as `CAP_BPF, CAP_PERFMON`.
#[must_use]
pub fn names(set: CapabilitySet) -> String {
    let names: Vec<String> = set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Each test changes only its own thread.
    fn in_a_thread(test: fn()) {
        thread::spawn(test).join().unwrap();
    }

    #[test]
    fn dropped_is_dropped_for_good_but_for_what_is_used() {
        in_a_thread(|| {
            let before = capabilities(None).unwrap().permitted;
            let used = CapabilitySet::DAC_READ_SEARCH;
            assert_eq!(lower(Privileges::Drop, used).unwrap(), before & used);
            raise().unwrap();
            let after = capabilities(None).unwrap();
            assert_eq!((after.effective, after.permitted), (before & used, before & used));
            assert_eq!(after.inheritable, CapabilitySet::empty());
        });
    }

    #[test]
    fn retained_can_be_raised_again() {
        in_a_thread(|| {
            let before = capabilities(None).unwrap().permitted;
            assert_eq!(lower(Privileges::Retain, CapabilitySet::empty()).unwrap(), CapabilitySet::empty());
            raise().unwrap();
            assert_eq!(capabilities(None).unwrap().effective, before & FOR_OPENING);
        });
    }

    #[test]
    fn kept_is_as_it_was() {
        in_a_thread(|| {
            let before = capabilities(None).unwrap();
            assert_eq!(lower(Privileges::Keep, CapabilitySet::empty()).unwrap(), before.effective);
            assert_eq!(capabilities(None).unwrap(), before);
        });
    }

    #[test]
    fn names_are_those_of_the_manual() {
        assert_eq!(names(CapabilitySet::BPF | CapabilitySet::PERFMON), "CAP_PERFMON, CAP_BPF");
        assert_eq!(names(CapabilitySet::empty()), "");
    }
}
