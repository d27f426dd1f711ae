//! Collectors are opened with capabilities that are given up before anything else is done. The one order in which that
//! happens: capabilities raised, collectors opened, the memory that it took released, capabilities lowered, the sandbox
//! entered, the budget of probes watched.

use crate::{
    collector::Entry,
    collectors,
    config::{Config, Security},
    privileges,
    sandbox::{self, Needs, Sandbox},
    scrape::{Changes, Registry},
    source::Host,
};
use rustix::thread::CapabilitySet;
use std::{io, path::Path};

/// A step that failed. A collector that cannot be opened is none: the registry keeps it with its reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("raise capabilities: {0}")]
    Raise(io::Error),
    #[error("drop capabilities: {0}")]
    Lower(io::Error),
    #[error("watch what probes cost: {0}")]
    Watch(io::Error),
}

/// A process that is ready to answer.
pub struct Opened {
    pub host: Host,
    pub registry: Registry,
    /// The capabilities that are left.
    pub effective: CapabilitySet,
    /// An error where the config requires what cannot be had.
    pub sandbox: Result<Sandbox, sandbox::Error>,
}

/// Opens those of `entries` that `config` enables, at start. `sockets` are the files of Unix sockets that are served.
/// To be called by the process' only thread: capabilities and Landlock are a thread's own, and inherited.
///
/// # Errors
/// When one of the steps fails.
pub fn start(
    config: &Config,
    entries: impl Iterator<Item = &'static Entry>,
    sockets: &[&Path],
) -> Result<Opened, Error> {
    let host = Host::new(config.section(), config.section());
    raise(config, &host)?;
    let registry = Registry::open(entries, config, &host);
    let effective = lower(config, &host)?;
    let connects = collectors::connecting(config).next().is_some();
    let sandbox = sandbox::enter(config, &Needs { sockets, effective, connects });
    // It starts a thread.
    host.keep_budget(config.section()).map_err(Error::Watch)?;
    Ok(Opened { host, registry, effective, sandbox })
}

/// Opens what `after` wants beside what runs. What fails costs what needed it: with `privileges = "drop"` there is
/// nothing to raise, with `"retain"` the calling thread may raise what it gave up.
pub fn again(
    registry: &Registry,
    (before, after): (&Config, &Config),
    host: &Host,
    is_same_host: bool,
) -> (Registry, Changes, Vec<Error>) {
    let raised = raise(after, host);
    let (registry, changes) = registry.reopen(collectors::all(), (before, after), host, is_same_host);
    let lowered = lower(after, host).map(drop);
    let watched = host.keep_budget(after.section()).map_err(Error::Watch);
    let errors = [raised, lowered, watched].into_iter().filter_map(Result::err);
    (registry, changes, errors.collect())
}

fn raise(config: &Config, host: &Host) -> Result<(), Error> {
    host.measure_probes(&config.section());
    privileges::raise().map_err(|error| Error::Raise(error.into()))
}

fn lower(config: &Config, host: &Host) -> Result<CapabilitySet, Error> {
    host.release_kernel_types();
    let mode = config.section::<Security>().privileges;
    privileges::lower(mode, collectors::capabilities(config)).map_err(|error| Error::Lower(error.into()))
}
