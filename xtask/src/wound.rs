//! `cargo xtask wound`: what each wound of a recorded host costs.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, require, run as run_command};

pub(crate) const SUMMARY: &str = "spoil a recorded host file by file, and see that all else is still shown";
pub(crate) const HELP: &str = "\
usage: cargo xtask wound <archive or folder>

Takes a host with its folders proc, sys and udev/data, such as the fixtures of node_exporter. Each file, of those whose
paths differ in numbers alone one, is removed, emptied and filled with garbage; what is lost and does not come from the
file is printed, and is a failure.
";

/// Of the agent, which knows its collectors and whose exceptions they are.
const TEST: &str = "testing::recorded::a_recorded_host_loses_what_a_wounded_file_says_and_no_more";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let [host] = args else { bail!("cargo xtask wound takes an archive or a folder") };
    let host = fs::canonicalize(host).with_context(|| format!("find {host}"))?;
    if host.is_dir() {
        return wound(&host);
    }
    require("tar", "tar")?;
    let unpacked = tempfile::tempdir()?;
    run_command(Command::new("tar").arg("-xf").arg(&host).arg("-C").arg(unpacked.path()))?;
    let top = fs::read_dir(unpacked.path())?.next().context("the archive is empty")??.path();
    wound(if top.join("proc").is_dir() { &top } else { unpacked.path() })
}

fn wound(folder: &Path) -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--package", "hostlens", "--lib", "--", TEST]);
    test.args(["--exact", "--include-ignored", "--nocapture"]).env("HOSTLENS_RECORDED_HOST", folder);
    run_command(&mut test)
}
