//! The binary, linked statically, with no word of the folders that it was built in.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::Source;
use crate::{
    apt,
    process::{output, require, run as run_command, workspace},
};

/// An architecture by the names that others have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    pub(super) fn named(name: &str) -> Result<Self> {
        match name {
            "x86_64" => Ok(Self::X86_64),
            "aarch64" => Ok(Self::Aarch64),
            _ => bail!("{name} is not known here: x86_64 or aarch64"),
        }
    }

    /// Rust's, the kernel's and RPM's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Debian's name, and that of images.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    pub(super) fn is_native(self) -> bool {
        self.name() == env::consts::ARCH
    }

    /// Of its binary among what is made.
    pub(super) fn file_name(self) -> String {
        match self.is_native() {
            true => "hostlens".to_owned(),
            false => format!("hostlens-{}", self.name()),
        }
    }

    fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.name())
    }
}

/// Where a folder of this machine is inside of the binary.
struct Renamed<'a>(&'a Path, &'static str);

/// Builds it; where it is.
pub(super) fn binary(source: &Source, arch: Arch) -> Result<PathBuf> {
    let target_dir = source.folder.join("target/static");
    let built = target_dir.join(arch.target()).join("release/hostlens");
    if !arch.is_native() {
        across(source, arch)?;
        return Ok(built);
    }
    let cargo_home = cargo_home()?;
    let renamed = [Renamed(&source.folder, "/hostlens"), Renamed(&cargo_home, "/cargo")];
    let mut build = source.cargo();
    build.args(arguments(arch)).arg("--target-dir").arg(&target_dir);
    for (name, value) in variables(source, arch, &renamed) {
        build.env(name, value);
    }
    run_command(build.env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    Ok(built)
}

fn cargo_home() -> Result<PathBuf> {
    let default = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(default)
        .context("find cargo's folder: set CARGO_HOME")
}

fn arguments(arch: Arch) -> Vec<String> {
    let words = ["build", "--release", "--locked", "--package", "hostlens", "--target", &arch.target()];
    words.map(str::to_owned).into()
}

/// What makes it static, and the same wherever it is built.
fn variables(source: &Source, arch: Arch, renamed: &[Renamed<'_>]) -> Vec<(String, String)> {
    let map = |option: &str| -> String {
        renamed.iter().map(|it| format!(" {option}={}={}", it.0.display(), it.1)).collect()
    };
    let target = arch.target().replace('-', "_");
    vec![
        ("RUSTFLAGS".to_owned(), format!("-C target-feature=+crt-static{}", map("--remap-path-prefix"))),
        (format!("CFLAGS_{target}"), map("-ffile-prefix-map").trim_start().to_owned()),
        ("SOURCE_DATE_EPOCH".to_owned(), source.epoch.to_string()),
        ("HOSTLENS_REVISION".to_owned(), source.revision.clone()),
        // A release is no branch's; node_exporter's own say the same.
        ("HOSTLENS_BRANCH".to_owned(), "HEAD".to_owned()),
    ]
}

/// Builds in Debian unstable, whose compiler has the libraries of other architectures.
fn across(source: &Source, arch: Arch) -> Result<()> {
    require("debootstrap", "debootstrap")?;
    require("systemd-nspawn", "systemd-container")?;
    let root = workspace().join("target/cross").join(arch.name());
    if !root.join("is-whole").exists() {
        fetch(&root, arch)?;
    }
    let renamed = [Renamed(Path::new("/src"), "/hostlens"), Renamed(Path::new("/cargo"), "/cargo")];
    let gcc = format!("{}-linux-gnu-gcc", arch.name());
    let target = arch.target().replace('-', "_");
    let mut variables = variables(source, arch, &renamed);
    variables.extend([
        (format!("CC_{target}"), gcc.clone()),
        (format!("AR_{target}"), format!("{}-linux-gnu-ar", arch.name())),
        (format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()), gcc),
        ("CARGO_HOME".to_owned(), "/cargo".to_owned()),
        ("CARGO_TARGET_DIR".to_owned(), "/src/target/static".to_owned()),
    ]);
    let mut build = nspawn(&root);
    build.arg(format!("--bind={}:/src", source.folder.display()));
    build.arg(format!("--bind={}:/cargo", cargo_home()?.display()));
    build.args(variables.into_iter().map(|(name, value)| format!("--setenv={name}={value}")));
    run_command(build.args(["--chdir=/src", "cargo"]).args(arguments(arch)))
}

fn fetch(root: &Path, arch: Arch) -> Result<()> {
    println!("fetching Debian unstable with a cross compiler for {}", arch.name());
    if root.exists() {
        std::fs::remove_dir_all(root)?;
    }
    std::fs::create_dir_all(root)?;
    let mut debootstrap = Command::new("debootstrap");
    output(debootstrap.args(["--variant=minbase", "sid"]).arg(root).arg(apt::mirror()?))?;
    let debian = arch.debian();
    let gcc = format!("gcc-{}-linux-gnu", arch.name());
    let libraries = [format!("libstd-rust-dev:{debian}"), format!("libc6-dev:{debian}")];
    let apt_get =
        ["apt-get", "-qq", "-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Sandbox::User=root"];
    output(nspawn(root).args(["dpkg", "--add-architecture", debian]))?;
    output(nspawn(root).args(apt_get).arg("update"))?;
    let mut install = nspawn(root);
    install.args(apt_get).args(["install", "--yes", "--no-install-recommends", "ca-certificates"]);
    install.args(["rustc", "cargo", "gcc", "libc6-dev", &gcc]).args(&libraries);
    output(&mut install)?;
    std::fs::write(root.join("is-whole"), "")?;
    Ok(())
}

/// A command in that system, with this machine's network.
fn nspawn(root: &Path) -> Command {
    let mut nspawn = Command::new("systemd-nspawn");
    nspawn.args(["--quiet", "--register=no", "--keep-unit", "--pipe", "--resolv-conf=copy-host"]);
    nspawn.arg("--setenv=DEBIAN_FRONTEND=noninteractive").arg("--directory").arg(root);
    nspawn
}
