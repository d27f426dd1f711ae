//! The binary: reads the command line and the config, opens the collectors, serves. The only place that exits or
//! prints an error.

use anyhow::{Context, Result};
use hostlens::{
    collectors,
    config::Config,
    http::{App, router},
    scrape::Registry,
    source::Host,
};
use std::process::ExitCode;

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
    let config = Config::default();
    let host = Host::new(config.section("path"), config.section("ebpf"));
    let registry = Registry::open(collectors::all(), &config, &host);
    host.release_kernel_types();
    let app = App { registry, web: config.section("web"), scrape: config.section("scrape") };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("[::]:9100").await.context("listen on :9100")?;
        axum::serve(listener, router(app)).await.context("serve")
    })
}
