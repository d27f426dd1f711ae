//! What a run of a program takes beside what it times itself: the way from the hook to the program and back, and the
//! counting of the run. It differs by a factor of five between machines (mitigations of the CPU), so it is measured on
//! this one: a thread gives itself the name that it has, again and again, first without a program at that event
//! (`task_rename`) and then with one that does nothing. A CPU that is shared is not as fast all the time, so each time it
//! also asks for its name as often, which no program sees: the one call is measured by the other.

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

/// The middle one of so many rounds counts, of so many events each: some 10 ms in all.
const ROUNDS: usize = 401;
const EVENTS: u32 = 32;

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
    let ask = || name().map(drop);
    let give = || set_name(&own);
    let mut quickest = Duration::MAX;
    // How often as long as asking for a name giving one takes.
    let mut ratio = || -> Result<f64, Errno> {
        let mut ratios = [0.0; ROUNDS];
        for it in &mut ratios {
            let (asked, given) = (time(ask)?, time(give)?);
            quickest = quickest.min(asked);
            *it = given.as_secs_f64() / asked.as_secs_f64();
        }
        ratios.sort_by(f64::total_cmp);
        Ok(ratios[ROUNDS / 2])
    };
    let without = ratio().map_err(call)?;
    let probe = Probe::load(&SPEC, types, probes, &[], &Settings::default(), 0)?;
    let with = ratio().map_err(call)?;
    drop(probe);
    let asked = quickest.as_nanos() as f64 / f64::from(EVENTS);
    Ok(((with - without).max(0.0) * asked).round() as u64)
}

/// How long it takes for all events of a round.
fn time(event: impl Fn() -> Result<(), Errno>) -> Result<Duration, Errno> {
    let begin = Instant::now();
    for _ in 0..EVENTS {
        event()?;
    }
    Ok(begin.elapsed())
}
