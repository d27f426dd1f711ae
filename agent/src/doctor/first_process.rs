//! Whether probes get to see what happens while process 1 has a CPU: there are kernels that run none then.

use std::time::Duration;

use super::Fact;
use crate::{
    config::Config,
    privileges,
    source::{
        Host,
        ebpf::{FirstProcess, Sight},
    },
};

const TOPIC: &str = "probes and process 1";

/// How long it may take until process 1 has run.
const LIMIT: Duration = Duration::from_secs(1);

pub(super) fn fact(config: &Config) -> Fact {
    match look(&Host::new(config.section(), config.section())) {
        Ok(Sight::Open) => Fact::good(TOPIC, "what happens while it has a CPU is seen"),
        Ok(Sight::Barred) => Fact::note(
            TOPIC,
            "this kernel runs no probe while process 1 has a CPU: what it does, and what interrupts it, is in no \
             figure of a probe",
            "nothing need be done; where each event counts, use another kernel",
        ),
        Ok(Sight::Unknown) => Fact::unknown(TOPIC, "process 1 did not run within a second", ""),
        Err(why) => Fact::unknown(TOPIC, why, ""),
    }
}

fn look(host: &Host) -> Result<Sight, String> {
    privileges::raise().map_err(|error| error.to_string())?;
    let watch = FirstProcess::watch(host.kernel().map_err(|it| it.reason())?, host.procfs());
    watch.map_err(|it| it.reason())?.sight(LIMIT).map_err(|error| error.to_string())
}
