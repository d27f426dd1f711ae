//! How long a binary takes from its start to its first answer.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// From the start of the process to its first whole answer.
pub(super) fn time(binary: &Path) -> Result<Duration> {
    const LIMIT: Duration = Duration::from_secs(10);
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let start = Instant::now();
    let mut agent = Command::new(binary)
        .arg(format!("--web.listen-address={address}"))
        .stderr(Stdio::null())
        .spawn()
        .context("start target/dist/hostlens")?;
    let answered = loop {
        match ureq::get(format!("http://{address}/metrics")).call() {
            Ok(mut answer) => break answer.body_mut().read_to_vec().map(drop).context("read the answer"),
            Err(error) if start.elapsed() > LIMIT => break Err(error).context("scrape target/dist/hostlens"),
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    };
    let elapsed = start.elapsed();
    agent.kill()?;
    agent.wait()?;
    answered.map(|()| elapsed)
}
