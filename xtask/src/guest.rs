//! Programs for guests: linked statically, since a guest's libraries are not this machine's.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{cargo, run as run_command, workspace};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds what `what` names to cargo (`--package`, `--bin`); the folder that the programs are in.
pub(crate) fn build(what: &[&str]) -> Result<PathBuf> {
    let target_dir = workspace().join("target/vm/build");
    let mut build = cargo();
    build.arg("build").args(what).args(["--target", TARGET]);
    // Apart from other builds, whose flags differ; optimised a little, since the CPU may be emulated.
    build.arg("--target-dir").arg(&target_dir);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").env_remove("CARGO_ENCODED_RUSTFLAGS");
    build.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "none");
    run_command(&mut build)?;
    Ok(target_dir.join(TARGET).join("debug"))
}
