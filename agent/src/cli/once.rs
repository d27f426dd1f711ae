//! `hostlens once` and `hostlens doctor`: collectors are opened and run a single time, as the service would.

use super::args::did_you_mean;
use crate::{
    collector::Entry,
    collectors,
    config::{Config, Scrape, Web, nearest},
    doctor,
    exposition::Encoder,
    http::{self, ListenError, Listener},
    metric::Families,
    opening::{self, Opened},
    sandbox::{self, Sandbox},
    scrape::{Selection, Summary},
};
use anyhow::{Context, Result, bail};
use std::{fmt::Write as _, time::Instant};

/// One scrape.
pub struct Once {
    /// In text format 0.0.4.
    pub exposition: Vec<u8>,
    /// How each collector fared, a line each.
    pub report: String,
}

/// Runs the collectors named in `only`, enabled or not; all that are enabled when it is empty.
///
/// # Errors
/// For a name that no collector has, and when the scrape does not end.
pub fn once(mut config: Config, only: &[String]) -> Result<Once> {
    for name in only {
        if !collectors::all().any(|entry| entry.name == name) {
            let meant = did_you_mean(nearest(name, collectors::all().map(|entry| entry.name)));
            bail!("there is no collector `{name}`, see `hostlens collectors`{meant}");
        }
        config.set(&format!("collector.{name}.enabled"), true.into());
    }
    let is_asked = |entry: &&Entry| only.is_empty() || only.iter().any(|name| name == entry.name);
    let Scraped { sandbox, exposition, outcomes } = scrape(&config, collectors::all().filter(is_asked))?;
    sandbox.context("enter the sandbox")?;
    let width = outcomes.iter().map(|(entry, _)| entry.name.len()).max().unwrap_or_default();
    let mut report = String::new();
    for (entry, summary) in outcomes {
        let milliseconds = summary.duration.as_secs_f64() * 1e3;
        let (state, reason) = (summary.state.as_str(), summary.state.reason());
        let line = format!(
            "{:<width$}  {state:<11} {milliseconds:>9.3} ms {:>6} series  {reason}",
            entry.name, summary.n_series
        );
        writeln!(report, "{}", line.trim_end()).expect("a string takes all");
    }
    Ok(Once { exposition, report })
}

/// Looks at the host, the addresses to listen on, and all enabled collectors.
///
/// # Errors
/// When the scrape does not end.
pub fn examine(config: &Config) -> Result<doctor::Report> {
    let mut server = match config.section::<Web>().systemd_socket {
        true => vec![doctor::sockets_of_systemd()],
        false => doctor::ports(&listen(config)),
    };
    server.extend(http::of_access(config).into_iter().map(doctor::access));
    let host = doctor::Host::new(config, server);
    let Scraped { sandbox, outcomes, .. } = scrape(config, collectors::all())?;
    Ok(host.with(&sandbox, outcomes))
}

/// What becomes of each address.
fn listen(config: &Config) -> Vec<(String, Result<(), ListenError>)> {
    let web = config.section::<Web>();
    let mut outcomes = Vec::new();
    for address in web.listen_address {
        let one = Web { listen_address: vec![address.clone()], ..config.section() };
        outcomes.push((address, Listener::open_all(&one).map(drop)));
    }
    outcomes
}

/// A scrape as the service would do it.
struct Scraped {
    sandbox: Result<Sandbox, sandbox::Error>,
    exposition: Vec<u8>,
    /// How each enabled collector fared.
    outcomes: Vec<(&'static Entry, Summary)>,
}

fn scrape(config: &Config, entries: impl Iterator<Item = &'static Entry>) -> Result<Scraped> {
    // What is found with more than the service would have is not true of the service.
    let Opened { registry, sandbox, .. } = opening::start(config, entries, &[])?;
    let limit = config.section::<Scrape>().default_timeout;
    let encode = |parts: &[&Families]| {
        let mut exposition = Vec::new();
        // Contradictions are the server's to log.
        drop(Encoder::default().write(parts, &mut exposition));
        exposition
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let exposition = runtime.block_on(registry.scrape(&Selection::All, Instant::now() + limit, encode));
    // A collector that hangs must not keep the process.
    runtime.shutdown_background();
    let outcomes = registry.collectors().filter_map(|(entry, summary)| Some((entry, summary?)));
    Ok(Scraped { sandbox, exposition: exposition.context("scrape")?, outcomes: outcomes.collect() })
}
