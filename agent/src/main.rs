//! The binary: reads the command line and the config, opens the collectors, serves. The only place that exits or
//! prints an error.

use anyhow::{Context, Result};
use hostlens::{
    collectors,
    config::{Config, Web},
    http::{App, Limits, Listener, Shutdown, door, router, serve},
    own::Own,
    scrape::Registry,
    source::Host,
};
use std::{process::ExitCode, sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostlens: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let config = Arc::new(Config::default());
    let host = Host::new(config.section("path"), config.section("ebpf"));
    let registry = Registry::open(collectors::all(), &config, &host);
    host.release_kernel_types();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let served = runtime.block_on(serve_until_signal(registry, &config));
    // A collector that hangs must not keep the process.
    runtime.shutdown_background();
    served
}

async fn serve_until_signal(registry: Registry, config: &Arc<Config>) -> Result<()> {
    /// How long answers under way may take once a signal came.
    const GRACE: Duration = Duration::from_secs(10);
    let mut own = Own::new();
    let origin = || {
        door::Origin::new(
            config.section("web"),
            config.section("web.tls"),
            config.section("web.auth"),
            config.section("web.rate_limit"),
        )
    };
    let door = door::Door::open(origin(), own.reloads("web_config"))?;
    let web: Web = config.section("web");
    let listeners = Listener::open_all(&web)?;
    for listener in &listeners {
        info!(address = listener.name, tls = door.has_tls(), "listening");
    }
    let limits = Limits {
        max_connections: usize::try_from(web.max_connections).unwrap_or(usize::MAX),
        idle: web.idle_timeout,
        grace: GRACE,
    };
    let shutdown = Shutdown::default();
    let app = App::new(registry, Arc::clone(config), Arc::new(own), shutdown.clone());
    let mut terminated = signal(SignalKind::terminate()).context("handle SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("handle SIGINT")?;
    let ender = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        info!("ending");
        ender.begin();
    });
    serve(listeners, router(&app), door, limits, &shutdown).await.context("serve")
}
