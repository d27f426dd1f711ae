//! The binary: reads the command line and the config, opens the collectors, serves. The only place that exits or
//! prints an error.

use anyhow::{Context, Result};
use hostlens::{
    cli::{self, Invocation, Stop, Verb},
    collectors,
    config::{
        self, Loaded, Schema, Security, Severity, Sources, diagnostic,
        render::{self, Which},
    },
    http::{App, router},
    log, privileges,
    reload::{self, Outcome, Reloader},
    scrape::Registry,
    source::Host,
};
use std::{
    process::ExitCode,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

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
    let variables = if verb.reads_environment() { variables()? } else { Vec::new() };
    let sources = Sources { variables, ..sources };
    let loaded = config::load(&schema, &sources);
    match verb {
        Verb::CheckConfig { strict, json } => Ok(check(&loaded, strict, json)),
        _ if !loaded.is_usable() => {
            eprint!("{}", diagnostic::render(&loaded.diagnostics));
            Ok(ExitCode::FAILURE)
        }
        Verb::Show { which, origins } => {
            print!("{}", render::show(&schema, &loaded.config, which, origins));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Convert => {
            eprint!("{}", diagnostic::render(&loaded.diagnostics));
            print!("{}", render::show(&schema, &loaded.config, Which::Chosen, false));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Run => serve(schema, sources, loaded).map(|()| ExitCode::SUCCESS),
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

fn check(loaded: &Loaded, strict: bool, json: bool) -> ExitCode {
    match json {
        true => println!("{:#}", diagnostic::to_json(&loaded.diagnostics)),
        false => eprint!("{}", diagnostic::render(&loaded.diagnostics)),
    }
    let n_warnings = diagnostic::count(&loaded.diagnostics, Severity::Warning);
    match loaded.is_usable() {
        false => ExitCode::from(BAD_CONFIG),
        true if strict && n_warnings > 0 => ExitCode::FAILURE,
        true => ExitCode::SUCCESS,
    }
}

/// Serves until the process is told to end.
fn serve(schema: Schema, sources: Sources, loaded: Loaded) -> Result<()> {
    let Loaded { config, diagnostics, watched } = loaded;
    let log = log::start(&config.section("log"));
    for it in &diagnostics {
        let place = it.place.as_ref().map(ToString::to_string).unwrap_or_default();
        warn!(place, "{}", it.message);
    }
    info!(version = env!("CARGO_PKG_VERSION"), "starting hostlens");
    let host = Host::new(config.section("path"), config.section("ebpf"));
    host.keep_budget(config.section("ebpf.budget")).context("watch what probes cost")?;
    privileges::raise().context("raise capabilities")?;
    let registry = Registry::open(collectors::known(&config), &config, &host);
    host.release_kernel_types();
    let security: Security = config.section("security");
    let effective = privileges::lower(security.privileges, collectors::capabilities(&config))
        .context("drop capabilities")?;
    info!(effective = privileges::names(effective), "collectors are open, capabilities are lowered");
    host.keep_budget(config.section("ebpf.budget")).context("watch what probes cost")?;
    let app = Arc::new(App {
        registry: RwLock::new(registry.clone()),
        web: config.section("web"),
        scrape: config.section("scrape"),
    });
    let served = Arc::clone(&app);
    let tell = move |outcome| {
        if let Outcome::Good(registry, _) = outcome {
            *served.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
        }
    };
    let config = Arc::new(config);
    let reloader = Reloader { schema, sources, watched, config, registry, host, log, tell: Box::new(tell) };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let hangup = signal(SignalKind::hangup()).context("handle SIGHUP")?;
        let (_handle, requests) = reload::channel();
        tokio::spawn(reloader.run(requests, hangup));
        let listener = tokio::net::TcpListener::bind("[::]:9100").await.context("listen on :9100")?;
        axum::serve(listener, router(app)).await.context("serve")
    })
}
