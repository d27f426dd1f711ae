//! `cargo xtask systemd`: the files of `config/systemd` under systemd itself, as Debian ships it.

mod checks;
mod container;
mod packages;
mod servers;
mod service;
mod units;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt};

use self::{
    checks::{CHECKS, Check},
    container::{Cache, Container, console, fresh_root, place},
    service::Service,
};
use crate::{
    dist::FILES,
    guest, peers,
    process::{require, workspace},
    table::Table,
};

pub(crate) const SUMMARY: &str = "run the systemd unit in Debian containers and check what it promises";
pub(crate) const HELP: &str = "\
usage: cargo xtask systemd [options]

  --suite NAME    bookworm (systemd 252, the oldest that is supported), trixie, …; may be repeated
                  (default: bookworm)
  --agent FILE    a statically linked hostlens, instead of one built here
  --packages      check the packages in target/dist instead: installed, in the place of node_exporter, purged;
                  and the RPM package by Debian's rpm
  --update        fetch the Debian systems anew

Needs root, debootstrap, systemd-nspawn and a kernel with BTF. Takes half a minute, and a minute and a half more
the first time, for which it fetches a Debian system into target/systemd.
";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut suites, mut agent, mut cache, mut of_packages) = (Vec::new(), None, Cache::Keep, false);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("suite") => suites.push(parser.value()?.string()?),
            Arg::Long("agent") => agent = Some(parser.value()?.into()),
            Arg::Long("packages") => of_packages = true,
            Arg::Long("update") => cache = Cache::Renew,
            _ => return Err(arg.unexpected().into()),
        }
    }
    if suites.is_empty() {
        suites.push("bookworm".to_owned());
    }
    ensure!(nix::unistd::geteuid().is_root(), "containers need root");
    for (program, package) in
        [("debootstrap", "debootstrap"), ("systemd-nspawn", "systemd-container"), ("nsenter", "util-linux")]
    {
        require(program, package)?;
    }
    let agent = match agent {
        Some(agent) => agent,
        None if of_packages => PathBuf::new(),
        None => guest::build(&["--package", "hostlens", "--bin", "hostlens"])?.join("hostlens"),
    };
    let mut faults = Vec::new();
    for suite in &suites {
        let root = fresh_root(suite, cache)?;
        let checks = if of_packages {
            packages::place(&root, suite)?;
            packages::CHECKS
        } else {
            install(&root, &agent)?;
            CHECKS
        };
        faults.extend(examine(suite, root, checks)?);
    }
    ensure!(faults.is_empty(), "{} faults\n  {}", faults.len(), faults.join("\n  "));
    Ok(())
}

/// Boots a system, makes all checks and prints them; what failed.
fn examine(suite: &str, root: PathBuf, checks: &[(&str, Check)]) -> Result<Vec<String>> {
    let started = Instant::now();
    let booted = Container::boot(root, suite);
    let container = booted.with_context(|| format!("boot {suite}: see {}", console(suite).display()))?;
    let version = container.output(&["systemctl", "--version"])?;
    let version = version.lines().next().unwrap_or_default();
    println!("\nDebian {suite}, {version}, booted in {:.1} s", started.elapsed().as_secs_f64());
    let service = Service::new(container);
    let mut table = Table::default();
    table.row(["check", "result", "detail"]);
    let mut faults = Vec::new();
    for (name, check) in checks {
        match check(&service) {
            Ok(detail) => table.row([*name, "ok", &detail]),
            Err(error) => {
                table.row([*name, "FAILED", "see below"]);
                faults.push(format!("{suite}: {name}: {error:#}"));
            }
        }
    }
    print!("{}", table.render());
    if !faults.is_empty() {
        fs::write(journal(suite), service.journal()?)?;
        faults.push(format!("{suite}: its journal is in {}", journal(suite).display()));
    }
    Ok(faults)
}

/// Where the journal of a container goes that failed a check.
fn journal(suite: &str) -> PathBuf {
    workspace().join("target/systemd").join(format!("{suite}.journal"))
}

fn install(root: &Path, agent: &Path) -> Result<()> {
    for (from, to) in FILES {
        let text = fs::read(workspace().join(from)).with_context(|| format!("read {from}"))?;
        place(root, to, &text)?;
    }
    for (from, to) in [(agent, service::BINARY), (&peers::get("node_exporter")?, units::JUDGE)] {
        let binary = root.join(to.trim_start_matches('/'));
        fs::copy(from, &binary).with_context(|| format!("copy {}", from.display()))?;
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
