//! `cargo xtask fmt`: rustfmt on every file. `cargo fmt` follows `mod` only where it is written out, and so misses the
//! collectors, which a macro lists.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{output, workspace};

pub(crate) const SUMMARY: &str = "format every file, those of the collectors included";
pub(crate) const HELP: &str = "\
usage: cargo xtask fmt [--check]

  --check   show what would change, and fail if something would
";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let is_check = match args {
        [] => false,
        [check] if check == "--check" => true,
        _ => bail!("cargo xtask fmt takes --check or nothing"),
    };
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"]).current_dir(workspace());
    let files = output(&mut list)?;
    // A file that was removed and not yet committed is listed.
    let files = files.lines().filter(|it| workspace().join(it).exists());
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024"]).args(is_check.then_some("--check")).args(files);
    let status = rustfmt.current_dir(workspace()).status().context("start rustfmt")?;
    ensure!(status.success(), "rustfmt: {status}{}", if is_check { "; run `cargo xtask fmt`" } else { "" });
    Ok(())
}
