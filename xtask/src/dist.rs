//! `cargo xtask dist`: the binary that is deployed, one static file.

use std::{
    env::consts::ARCH,
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::process::{cargo, run as run_command, workspace};

pub(crate) const SUMMARY: &str = "build the static binary that is deployed, into target/dist";
pub(crate) const HELP: &str = "\
usage: cargo xtask dist

Builds hostlens for release, linked statically, with stable cargo and gcc alone. Writes target/dist/hostlens and
target/dist/SHA256SUMS, and prints size, checksum and the time from start to the first answer.
";

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "cargo xtask dist takes no arguments");
    let target = format!("{ARCH}-unknown-linux-gnu");
    let target_dir = workspace().join("target/static");
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--package", "hostlens", "--target", &target]);
    // Apart from other builds, whose flags differ.
    build.arg("--target-dir").arg(&target_dir);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    run_command(&mut build)?;

    let dist = workspace().join("target/dist");
    let binary = dist.join("hostlens");
    fs::create_dir_all(&dist)?;
    fs::copy(target_dir.join(target).join("release/hostlens"), &binary)?;
    let bytes = fs::read(&binary)?;
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    fs::write(dist.join("SHA256SUMS"), format!("{sha256}  hostlens\n"))?;
    println!("target/dist/hostlens: {:.1} MB, sha256 {sha256}", bytes.len() as f64 / 1e6);
    let start = start_time(&binary)?;
    println!("start to first answer: {} ms", start.as_millis());
    Ok(())
}

/// From the start of the process to its first whole answer.
fn start_time(binary: &Path) -> Result<Duration> {
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
