//! Programs for guests: linked statically, since a guest's libraries are not this machine's.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::process::{cargo, run as run_command, run_shown, workspace};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds what `what` names to cargo (`--package`, `--bin`); the folder that the programs are in.
pub(crate) fn build(what: &[&str]) -> Result<PathBuf> {
    let target_dir = workspace().join("target/vm/build");
    run_command(command("build", &target_dir).args(what))?;
    Ok(target_dir.join(TARGET).join("debug"))
}

/// Builds the agent's unit tests: where they are, as cargo says.
pub(crate) fn unit_tests() -> Result<PathBuf> {
    let mut test = command("test", &workspace().join("target/vm/build"));
    test.args(["--no-run", "--package", "hostlens", "--lib", "--message-format=json-render-diagnostics"]);
    // To optimise all tests takes longer than those few do that guests run.
    test.args(["--config", "profile.dev.package.hostlens.opt-level = 0"]);
    let messages = run_shown(&mut test)?;
    let messages = messages.lines().filter_map(|it| serde_json::from_str::<serde_json::Value>(it).ok());
    let mut executables = messages.filter_map(|it| Some(PathBuf::from(it["executable"].as_str()?)));
    executables.next_back().context("cargo names no test program")
}

/// Cargo, to link statically.
fn command(verb: &str, target_dir: &Path) -> Command {
    let mut command = cargo();
    command.arg(verb).args(["--target", TARGET]);
    // Apart from other builds, whose flags differ; optimised a little, since the CPU may be emulated: the agent as well,
    // which reads a kernel's types at each start.
    command.arg("--target-dir").arg(target_dir);
    command.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "none");
    command.env("CARGO_PROFILE_DEV_STRIP", "symbols");
    command
}
