//! The binary: reads the command line and the config, opens the collectors, serves. The only place that exits or
//! prints an error.

use anyhow::{Context, Result};
use hostlens::{
    cli::{self, Invocation, Stop, Verb},
    collectors,
    config::{self, Config, Loaded, Security, Severity, Sources, diagnostic},
    http::{App, router},
    privileges,
    scrape::Registry,
    source::Host,
};
use rustix::thread::CapabilitySet;
use std::process::ExitCode;
use tracing::info;

/// For a config that cannot be used, as `check-config` says it.
const BAD_CONFIG: u8 = 2;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hostlens: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let schema = collectors::schema();
    let Invocation { verb, sources } = match cli::parse(&schema, arguments()?) {
        Ok(invocation) => invocation,
        Err(Stop::Text(text)) => {
            print!("{text}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(Stop::Errors(errors)) => {
            errors.iter().for_each(|error| eprintln!("hostlens: error: {error}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let loaded = config::load(&schema, &Sources { variables: variables()?, ..sources });
    if let Verb::CheckConfig { json: true, .. } = verb {
        println!("{:#}", diagnostic::to_json(&loaded.diagnostics));
    } else {
        eprint!("{}", diagnostic::render(&loaded.diagnostics));
    }
    match verb {
        Verb::CheckConfig { strict, .. } => Ok(check(&loaded, strict)),
        Verb::Run if !loaded.is_usable() => Ok(ExitCode::FAILURE),
        Verb::Run => serve(&loaded.config).map(|()| ExitCode::SUCCESS),
    }
}

fn arguments() -> Result<Vec<String>> {
    let is_text = |arg: std::ffi::OsString| {
        arg.into_string().map_err(|arg| anyhow::anyhow!("the argument {} is not UTF-8", arg.display()))
    };
    std::env::args_os().skip(1).map(is_text).collect()
}

/// The settings in the environment.
fn variables() -> Result<Vec<(String, String)>> {
    let ours = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"HOSTLENS__"));
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.to_string_lossy().into_owned();
        let value = value.into_string().map_err(|_| anyhow::anyhow!("the value of {name} is not UTF-8"))?;
        Ok((name, value))
    };
    ours.map(text).collect()
}

fn check(loaded: &Loaded, strict: bool) -> ExitCode {
    let n_warnings = diagnostic::count(&loaded.diagnostics, Severity::Warning);
    match loaded.is_usable() {
        false => ExitCode::from(BAD_CONFIG),
        true if strict && n_warnings > 0 => ExitCode::FAILURE,
        true => ExitCode::SUCCESS,
    }
}

fn serve(config: &Config) -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let host = Host::new(config.section("path"), config.section("ebpf"));
    privileges::raise().context("raise capabilities")?;
    let asked_for =
        collectors::node_exporter::not_built(collectors::all()).filter(|it| config.asks_for(it.name));
    let registry = Registry::open(collectors::all().chain(asked_for), config, &host);
    host.release_kernel_types();
    let security: Security = config.section("security");
    let enabled = collectors::all().filter(|entry| config.enables(entry.name, entry.enabled));
    let used = enabled.fold(CapabilitySet::empty(), |used, entry| used | entry.capabilities);
    let effective = privileges::lower(security.privileges, used).context("drop capabilities")?;
    info!(effective = privileges::names(effective), "collectors are open, capabilities are lowered");
    let app = App { registry, web: config.section("web"), scrape: config.section("scrape") };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("[::]:9100").await.context("listen on :9100")?;
        axum::serve(listener, router(app)).await.context("serve")
    })
}
