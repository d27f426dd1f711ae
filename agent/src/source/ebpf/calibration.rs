//! What a run of a program takes beside what it times itself: the way from the hook to the program and back, and the
//! counting of the run. It differs by a factor of five between machines (mitigations of the CPU), so it is measured on
//! this one: a thread gives itself the name that it has, again and again, first without a program at that event
//! (`task_rename`) and then with one that does nothing.

use std::time::{Duration, Instant};

use ebpf_probes::probes::calibration::SPEC;
use rustix::{
    io::Errno,
    thread::{name, set_name},
};
use tracing::debug;

use super::{Error, Probe, Probes, Settings, types::Types};

/// What it is taken for where it cannot be measured, in ns: the middle of what was seen.
const TYPICAL: u64 = 50;

/// More would be no way to a program, but somebody else's work.
const MOST: u64 = 1000;

/// The shortest of so many rounds counts, of so many events each: 6 ms in all.
const ROUNDS: u32 = 24;
const EVENTS: u32 = 500;

/// In ns a run.
pub(super) fn overhead(types: &Types, probes: &Probes) -> u64 {
    let measured = measure(types, probes);
    debug!(ns = ?measured.as_ref().ok(), typical = TYPICAL, "what a run of a probe takes beside its program");
    match measured {
        Ok(overhead @ 1..=MOST) => overhead,
        _ => TYPICAL,
    }
}

fn measure(types: &Types, probes: &Probes) -> Result<u64, Error> {
    let call = |source: Errno| Error::call("name a thread", source.into());
    let own = name().map_err(call)?;
    let round = || {
        let begin = Instant::now();
        for _ in 0..EVENTS {
            set_name(&own)?;
        }
        Ok(begin.elapsed())
    };
    let shortest =
        || (0..ROUNDS).map(|_| round()).try_fold(Duration::MAX, |least, it| it.map(|it| least.min(it)));
    let without = shortest().map_err(call)?;
    let probe = Probe::load(&SPEC, types, probes, &[], &Settings::default(), 0)?;
    let with = shortest().map_err(call)?;
    drop(probe);
    Ok(u64::from(with.saturating_sub(without).subsec_nanos() / EVENTS))
}
