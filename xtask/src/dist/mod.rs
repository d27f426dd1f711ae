//! `cargo xtask dist`: what is deployed and released: the binary, packages, an image, a chart, and lists of what is in it.

mod archive;
mod build;
mod deb;
mod image;
mod rpm;
mod sbom;
mod start;
mod tree;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt};
use sha2::{Digest as _, Sha256};

pub(crate) use self::tree::FILES;
use self::{build::Arch, tree::Tree};
use crate::process::{cargo, output, run as run_command, workspace};

pub(crate) const SUMMARY: &str =
    "make all that a release has, into target/dist: binary, packages, image, chart";
pub(crate) const HELP: &str = "\
usage: cargo xtask dist [options]

  --arch NAME        x86_64 or aarch64; may be repeated (default: this machine's)
  --agent ARCH=FILE  a binary that was built before, instead of building one for that architecture
  --binary           only the binary, target/dist/hostlens
  --again            make all a second time, from a clone in another folder, and compare the bytes

Needs stable cargo and gcc; packages need dpkg-deb and rpmbuild (apt-get install dpkg rpm). For aarch64 it fetches
Debian unstable with a cross compiler into target/cross (root, debootstrap, systemd-nspawn).

What is made depends on the commit alone: SOURCE_DATE_EPOCH and HOSTLENS_REVISION are those of HEAD, unless they are
set; a revision with changes that are not committed ends in -dirty.
";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a release is made from.
struct Source {
    folder: PathBuf,
    revision: String,
    /// Seconds since 1970, of every time stamp that is written.
    epoch: u64,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut archs, mut built, mut only_binary, mut is_again) = (Vec::new(), Vec::new(), false, false);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("arch") => archs.push(Arch::named(&parser.value()?.string()?)?),
            Arg::Long("agent") => {
                let text = parser.value()?.string()?;
                let (arch, file) = text.split_once('=').context("--agent takes ARCH=FILE")?;
                built.push((Arch::named(arch)?, PathBuf::from(file)));
            }
            Arg::Long("binary") => only_binary = true,
            Arg::Long("again") => is_again = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    if archs.is_empty() && built.is_empty() {
        archs.push(Arch::named(env::consts::ARCH)?);
    }
    ensure!(!is_again || built.is_empty(), "--again builds all: leave out --agent");
    let source = Source::of(workspace())?;
    let dist = workspace().join("target/dist");
    for arch in &archs {
        built.push((*arch, build::binary(&source, *arch)?));
    }
    let sums = make(&source, &built, only_binary, &dist)?;
    print!("{sums}");
    if let Some((native, _)) = built.iter().find(|it| it.0.is_native()) {
        println!("start to first answer: {} ms", start::time(&dist.join(native.file_name()))?.as_millis());
    }
    if is_again {
        again(&source, &archs, only_binary, &sums)?;
    }
    Ok(())
}

/// The binary for aarch64 as it is now.
pub(crate) fn for_aarch64() -> Result<PathBuf> {
    build::binary(&Source::of(workspace())?, Arch::Aarch64)
}

/// Makes all into `dist` and returns its checksums.
fn make(source: &Source, built: &[(Arch, PathBuf)], only_binary: bool, dist: &Path) -> Result<String> {
    if dist.exists() {
        fs::remove_dir_all(dist)?;
    }
    fs::create_dir_all(dist)?;
    let mut binaries = Vec::new();
    for (arch, from) in built {
        let binary = dist.join(arch.file_name());
        fs::copy(from, &binary).with_context(|| format!("copy {}", from.display()))?;
        binaries.push((*arch, binary));
    }
    if !only_binary {
        // Texts are the same for all, and only one of the binaries runs here.
        let native = binaries.iter().find(|it| it.0.is_native()).context("add --arch of this machine")?;
        let texts = Tree::texts(source, &native.1)?;
        for (arch, binary) in &binaries {
            let tree = texts.with_binary(binary)?;
            deb::pack(source, "hostlens", arch.debian(), tree.clone(), dist)?;
            rpm::pack(source, *arch, &tree, dist)?;
        }
        deb::in_place_of_node_exporter(source, dist)?;
        image::write(source, &binaries, dist)?;
        archive::chart(source, dist)?;
        sbom::write(source, dist)?;
    }
    sums(dist)
}

/// A line a file, as sha256sum(1) reads it; written beside them, too.
fn sums(dist: &Path) -> Result<String> {
    let mut names: Vec<_> = fs::read_dir(dist)?.map(|it| Ok(it?.file_name())).collect::<Result<_>>()?;
    names.sort();
    let mut text = String::new();
    for name in names {
        let hash = Sha256::digest(fs::read(dist.join(&name))?);
        text += &format!("{hash:x}  {}\n", name.to_string_lossy());
    }
    fs::write(dist.join("SHA256SUMS"), &text)?;
    Ok(text)
}

/// Makes all from a clone, where nothing was built before.
fn again(source: &Source, archs: &[Arch], only_binary: bool, sums: &str) -> Result<()> {
    ensure!(!source.revision.ends_with("-dirty"), "a clone has no uncommitted changes: commit them first");
    let folder = tempfile::Builder::new().prefix("hostlens-again-").tempdir_in(workspace().join("target"))?;
    let clone = folder.path().join("clone");
    run_command(Command::new("git").args(["clone", "--quiet"]).arg(workspace()).arg(&clone))?;
    run_command(Command::new("git").current_dir(&clone).args(["checkout", "--quiet", &source.revision]))?;
    let source = Source::of(&clone)?;
    let built: Vec<_> =
        archs.iter().map(|it| Ok((*it, build::binary(&source, *it)?))).collect::<Result<_>>()?;
    let second = make(&source, &built, only_binary, &folder.path().join("dist"))?;
    let lines = sums.lines().zip(second.lines());
    let differ: Vec<&str> = lines.filter(|(a, b)| a != b).map(|it| it.0).collect();
    ensure!(differ.is_empty() && sums.len() == second.len(), "not the same bytes:\n{}", differ.join("\n"));
    println!("a second build in another folder gave the same bytes: {} files", sums.lines().count());
    Ok(())
}

impl Source {
    fn of(folder: &Path) -> Result<Self> {
        let git = |args: &[&str]| output(Command::new("git").current_dir(folder).args(args));
        let revision = match env::var("HOSTLENS_REVISION") {
            Ok(revision) => revision,
            Err(_) => {
                let head = git(&["rev-parse", "HEAD"]).context("set HOSTLENS_REVISION outside of git")?;
                let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
                head.trim().to_owned() + if changes.is_empty() { "" } else { "-dirty" }
            }
        };
        let epoch = match env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => git(&["log", "-1", "--format=%ct"]).context("set SOURCE_DATE_EPOCH outside of git")?,
        };
        let epoch = epoch.trim().parse().context("read SOURCE_DATE_EPOCH")?;
        Ok(Self { folder: folder.to_owned(), revision, epoch })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        fs::read(self.folder.join(path)).with_context(|| format!("read {path}"))
    }

    /// Cargo in this folder.
    fn cargo(&self) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.folder);
        cargo
    }

    /// RFC 3339, in UTC.
    fn date(&self) -> Result<String> {
        self.date_as("+%Y-%m-%dT%H:%M:%SZ")
    }

    fn date_as(&self, format: &str) -> Result<String> {
        let date = format!("--date=@{}", self.epoch);
        let text = output(Command::new("date").env("LC_ALL", "C").args(["--utc", &date, format]))?;
        Ok(text.trim().to_owned())
    }
}
