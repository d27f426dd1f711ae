//! The process: reads the command line and the config, opens the collectors, serves. The only place that says how it
//! ends.

use crate::{
    cli::{self, Invocation, Once, Stop, Verb},
    collectors,
    config::{
        self, Config, Diagnostic, Ebpf, Loaded, Schema, Severity, Sources, Top, UseProbes, Web, diagnostic,
        render::{self, Which},
    },
    http::{self, Access, App, Limits, Listener, Shutdown, router},
    log,
    opening::{self, Opened},
    own::{self, Own},
    privileges,
    reload::{self, Outcome, Reloader},
    scrape::Registry,
    service,
    source::sys::{descriptors, memory},
    top,
};
use anyhow::{Context, Result};
use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// For a config that cannot be used, as `check-config` says it.
const BAD_CONFIG: u8 = 2;

/// What the process does, from its arguments and its environment.
#[must_use]
pub fn main() -> ExitCode {
    memory::keep_one_heap();
    match run() {
        Ok(code) => code,
        Err(error) => {
            log::last_words(&format!("hostlens: error: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let schema = collectors::schema();
    let Invocation { verb, sources } = match cli::parse(&schema, arguments()?) {
        Ok(invocation) => invocation,
        Err(Stop::Text(text)) => {
            // Without colours where there is no terminal, or `NO_COLOR` is set.
            written(anstream::stdout().write_all(text.as_bytes()))?;
            return Ok(ExitCode::SUCCESS);
        }
        Err(Stop::Errors(errors)) => {
            let lines = errors.iter().map(|error| format!("hostlens: error: {error}\n"));
            log::last_words(&lines.collect::<String>());
            return Ok(ExitCode::FAILURE);
        }
    };
    if let Verb::HashPassword { cost } = verb {
        print(cli::hash_password(cost)? + "\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let variables = if verb.reads_environment() { variables()? } else { Vec::new() };
    let sources = Sources { variables, ..sources };
    let mut loaded = config::load(&schema, &sources);
    if matches!(verb, Verb::Run | Verb::CheckConfig { .. }) {
        add_faults(&mut loaded);
    }
    match verb {
        Verb::CheckConfig { strict, json } => check(&sources, loaded, strict, json),
        _ if !loaded.is_usable() => {
            log::last_words(&diagnostic::render(&loaded.diagnostics));
            Ok(ExitCode::FAILURE)
        }
        Verb::Run => serve(schema, sources, loaded).map(|()| ExitCode::SUCCESS),
        verb => {
            anstream::eprint!("{}", diagnostic::render(&loaded.diagnostics));
            answer(&verb, &schema, loaded.config)
        }
    }
}

/// Does what is done once and printed.
fn answer(verb: &Verb, schema: &Schema, config: Config) -> Result<ExitCode> {
    let text = match verb {
        Verb::Show { which, origins } => render::show(schema, &config, *which, *origins),
        Verb::Convert => render::show(schema, &config, Which::Chosen, false),
        Verb::Collectors { json: true } => format!("{:#}\n", cli::collectors_as_json(schema, &config)),
        Verb::Collectors { json: false } => cli::collectors_as_text(schema, &config),
        Verb::Doctor { json, strict } => {
            let report = cli::examine(&config)?;
            print(if *json { format!("{:#}\n", report.to_json(*strict)) } else { report.to_string() })?;
            return Ok(ExitCode::from(report.exit_code(*strict)));
        }
        Verb::Top { url } => {
            top::top(config, url.as_deref())?;
            return Ok(ExitCode::SUCCESS);
        }
        Verb::Once { collect } => {
            let Once { exposition, report } = cli::once(config, collect)?;
            print(exposition)?;
            eprint!("{report}");
            return Ok(ExitCode::SUCCESS);
        }
        Verb::Run | Verb::CheckConfig { .. } | Verb::HashPassword { .. } => unreachable!("done before"),
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes to stdout.
fn print(text: impl AsRef<[u8]>) -> Result<()> {
    written(std::io::stdout().write_all(text.as_ref()))
}

/// To stdout, as far as somebody reads there.
fn written(result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to stdout"),
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

/// Adds what keeps hostlens from starting on this host.
fn add_faults(loaded: &mut Loaded) {
    let mut faults = cli::faults(&loaded.config);
    if !loaded.is_usable() {
        // Keys without a usable value are not there: their defaults are none of the user's faults, and what goes with
        // one of them (as a certificate with its key) is not judged.
        let is_alone = |it: &Diagnostic| it.place.is_some() && !it.message.starts_with("`web.tls.");
        faults.retain(is_alone);
    }
    loaded.diagnostics.append(&mut faults);
}

fn check(sources: &Sources, mut loaded: Loaded, strict: bool, json: bool) -> Result<ExitCode> {
    loaded.diagnostics.extend(cli::remarks(&loaded.config));
    match json {
        true => print(format!("{:#}\n", diagnostic::to_json(&loaded.diagnostics)))?,
        false => anstream::eprint!("{}", diagnostic::render(&loaded.diagnostics)),
    }
    if loaded.is_usable() && !json {
        print(cli::checked(sources, &loaded.config))?;
    }
    let n_warnings = diagnostic::count(&loaded.diagnostics, Severity::Warning);
    Ok(match loaded.is_usable() {
        false => ExitCode::from(BAD_CONFIG),
        true if strict && n_warnings > 0 => ExitCode::FAILURE,
        true => ExitCode::SUCCESS,
    })
}

/// Serves until the process is told to end.
fn serve(schema: Schema, sources: Sources, loaded: Loaded) -> Result<()> {
    let mut own = Own::new();
    let [unread, repeated] = own.log_lines(["unread", "repeated"]);
    let log = log::start(&loaded.config.section(), log::Dropped { unread, repeated });
    let served = serve_logged(schema, sources, loaded, own, log.clone());
    log.end();
    served
}

fn serve_logged(
    schema: Schema,
    sources: Sources,
    loaded: Loaded,
    mut own: Own,
    log: log::Control,
) -> Result<()> {
    let Loaded { config, diagnostics, watched } = loaded;
    for it in &diagnostics {
        let place = it.place.as_ref().map(ToString::to_string).unwrap_or_default();
        warn!(place, "{}", it.message);
    }
    info!(version = own::VERSION, "starting hostlens");
    if let Some(it) = cli::forgotten_textfiles(&config) {
        warn!(help = it.help, "{}", it.message);
    }
    match descriptors::raise_limit() {
        Ok(limit) if limit < descriptors::MANY => {
            warn!(
                limit,
                "few descriptors may be open (ulimit -n): files are opened at each scrape, connections are few"
            );
        }
        Ok(_) => {}
        Err(error) => warn!(%error, "the limit of open descriptors stays as it is"),
    }
    // It has no thread yet that could keep capabilities.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Where the number of threads is limited, one that ended might not be had again.
        .thread_keep_alive(Duration::MAX)
        .build()
        .context("start the runtime")?;
    let mut signals = runtime.block_on(async { Signals::catch() })?;
    let access = Access::open(http::Origin::new(&config), own.reloads("web_config"))?;
    // Before capabilities go: the port may be below 1024.
    let listeners = listen(&config)?;
    for listener in &listeners {
        info!(address = listener.name, tls = access.has_tls(), "Listening on");
    }
    let sockets: Vec<_> = listeners.iter().filter_map(Listener::path).collect();
    if config.section::<Ebpf>().enabled == UseProbes::Auto {
        let wait = reload::by_chance(config.section::<Top>().jitter);
        if !wait.is_zero() {
            info!(seconds = wait.as_secs_f64(), "waiting, so that not all hosts load probes at once");
            service::tell_waiting(wait);
        }
        if runtime.block_on(signals.end_within(wait)) {
            return Ok(());
        }
    }
    let Opened { host, registry, effective, sandbox } = opening::start(&config, collectors::all(), &sockets)?;
    log_enabled(&registry);
    info!(effective = privileges::names(effective), "collectors are open, capabilities are lowered");
    let sandbox = sandbox.context("enter the sandbox")?;
    info!(landlock = %sandbox.landlock, seccomp = %sandbox.seccomp, "the sandbox is entered");
    log.write_by_thread().context("start a thread for the log")?;
    runtime.block_on(runtime.spawn_blocking(|| {})).context("start a thread")?;
    own.sandbox([("landlock", sandbox.landlock.level()), ("seccomp", sandbox.seccomp.level())]);
    let config = Arc::new(config);
    let reloads = own.reloads("config");
    let shutdown = Shutdown::default();
    let (handle, requests) = reload::channel();
    let app = App::new(registry.clone(), Arc::clone(&config), Arc::new(own), shutdown.clone(), handle);
    let served = Arc::clone(&app);
    let tell = move |outcome| match outcome {
        Outcome::Good(registry, config) => {
            served.replace(registry, config);
            reloads.succeeded();
        }
        Outcome::Bad(problems) => reloads.failed(problems),
    };
    let web = config.section::<Web>();
    let reloader =
        Reloader { schema, sources, watched, config, registry, host, sandbox, log, tell: Box::new(tell) };
    let served = runtime.block_on(async {
        let Signals { hangup, terminated, interrupted, child } = signals;
        tokio::spawn(reloader.run(requests, hangup));
        tokio::spawn(end_on(terminated, interrupted, shutdown.clone()));
        if std::process::id() == 1 {
            tokio::spawn(service::reap(child));
        }
        app.begin();
        service::tell_ready();
        tokio::spawn(service::keep_alive());
        http::serve(listeners, router(&app), access, Limits::new(&web, GRACE), &shutdown)
            .await
            .context("serve")
    });
    // A collector that hangs must not keep the process.
    runtime.shutdown_background();
    served
}

/// All sockets to serve on. An error tells where the file has the key; all else of it are node_exporter's words.
fn listen(config: &Config) -> Result<Vec<Listener>> {
    let web = config.section::<Web>();
    let key = if web.systemd_socket { "web.systemd_socket" } else { "web.listen_address" };
    let listeners = Listener::open_all(&web);
    match config.place(key).filter(|it| it.source.is_file) {
        Some(place) => listeners.with_context(|| format!("{place}: `{key}`")),
        None => Ok(listeners?),
    }
}

/// One line a collector, sorted, as node_exporter has them: people search for them.
fn log_enabled(registry: &Registry) {
    let mut names: Vec<_> = registry.names().collect();
    names.sort_unstable();
    info!("Enabled collectors");
    names.iter().for_each(|name| info!("{name}"));
}

/// How long answers under way may take once the process is told to end.
const GRACE: Duration = Duration::from_secs(10);

/// Caught from the start: a SIGHUP that comes before the agent serves must not end it.
struct Signals {
    hangup: Signal,
    terminated: Signal,
    interrupted: Signal,
    child: Signal,
}

impl Signals {
    /// To be called inside of a runtime.
    fn catch() -> Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup()).context("handle SIGHUP")?,
            terminated: signal(SignalKind::terminate()).context("handle SIGTERM")?,
            interrupted: signal(SignalKind::interrupt()).context("handle SIGINT")?,
            child: signal(SignalKind::child()).context("handle SIGCHLD")?,
        })
    }

    /// Waits; whether the process is told to end meanwhile.
    async fn end_within(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => false,
            _ = self.terminated.recv() => true,
            _ = self.interrupted.recv() => true,
        }
    }
}

/// Begins the shutdown on one of two signals.
async fn end_on(mut terminated: Signal, mut interrupted: Signal, shutdown: Shutdown) {
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    shutdown.begin();
    info!("ending");
    service::tell_stopping();
}
