//! `cargo xtask peers`: the programs that the agent is compared with and checked by, out of Debian's packages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{apt::Apt, process::workspace};

pub(crate) const SUMMARY: &str = "fetch node_exporter, prometheus, promtool and kustomize into target/peers";
pub(crate) const HELP: &str = "usage: cargo xtask peers\n";

/// Their static binaries run on older releases as they are.
const SUITE: &str = "sid";

/// Program, package, and where it is in there.
const PEERS: &[(&str, &str, &str)] = &[
    ("node_exporter", "prometheus-node-exporter", "usr/bin/prometheus-node-exporter"),
    ("prometheus", "prometheus", "usr/bin/prometheus"),
    ("promtool", "promtool", "usr/bin/promtool"),
    ("kustomize", "kustomize", "usr/bin/kustomize"),
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "peers takes no argument");
    for (program, ..) in PEERS {
        println!("{}", get(program)?.display());
    }
    Ok(())
}

/// Where that peer is; fetches it when it is not there yet.
pub(crate) fn get(program: &str) -> Result<PathBuf> {
    let path = place(program);
    if !path.exists() {
        let peer = PEERS.iter().find(|it| it.0 == program).with_context(|| format!("no peer `{program}`"))?;
        fetch(peer, &path).with_context(|| format!("fetch {program}"))?;
    }
    Ok(path)
}

/// Where a peer is once it has been fetched.
pub(crate) fn place(program: &str) -> PathBuf {
    workspace().join("target/peers").join(program)
}

fn fetch((_, package, inside): &(&str, &str, &str), to: &Path) -> Result<()> {
    let unpacked = Apt::new(&[SUITE])?.unpack(package)?;
    fs::create_dir_all(to.parent().context("a folder to put it in")?)?;
    fs::copy(unpacked.path().join(inside), to)?;
    Ok(())
}
