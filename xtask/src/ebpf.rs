//! The probe objects in `ebpf-probes/prebuilt`: built, compared, and known to belong to the sources.
//!
//! They are committed, so that nobody who builds the agent needs a BPF toolchain. Their bytes follow from the sources
//! and the versions in `ebpf-probes/toolchain.toml` alone, whence anybody can check them.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::process::{self, output, workspace};

const PREBUILT: &str = "ebpf-probes/prebuilt";
/// A file for each probe, and the list of them.
const PROBES: &str = "ebpf-probes/src/probes";
const LIST: &str = "ebpf-probes/src/probes/mod.rs";
const TOOLCHAIN: &str = "ebpf-probes/toolchain.toml";

pub(crate) const SUMMARY: &str = "build the probe objects that the agent embeds, or check them";
pub(crate) const HELP: &str = "\
usage: cargo xtask ebpf [--check]

  --check   build elsewhere and compare with what is committed, byte for byte
";

pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => build(),
        [check] if check == "--check" => check_prebuilt(),
        _ => bail!("cargo xtask ebpf takes --check or nothing"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Toolchain {
    rustc: String,
    llvm: String,
    bpf_linker: String,
    target: String,
    rustflags: Vec<String>,
}

/// What an object is and what it was made of, in a file beside it: probes that are worked on at the same time do not meet.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    bytes: usize,
    sha256: String,
    /// Over the files and all else that the object is made of; see [`source_hash`].
    source: String,
    /// What the compiler read of this repository.
    files: Vec<String>,
}

/// A probe as it was built.
struct Built {
    object: Vec<u8>,
    manifest: Manifest,
}

/// What compiles the probes.
enum Compiler {
    /// The stable compiler of `toolchain.toml`, by its path.
    Pinned(PathBuf),
    /// Whatever nightly there is, for trying a change where the other cannot be had: the bytes differ.
    Nightly,
}

/// Builds all probes and writes objects and manifest.
fn build() -> Result<()> {
    let toolchain: Toolchain = read_toml(TOOLCHAIN)?;
    let compiler = match pinned_compiler(&toolchain) {
        Ok(path) => Compiler::Pinned(path),
        Err(error) if has_nightly() => {
            println!("{error:#}; using nightly: do not commit the objects, their bytes will differ");
            Compiler::Nightly
        }
        Err(error) => return Err(error),
    };
    let built = build_all(&toolchain, &compiler, &workspace().join("target/ebpf"))?;
    let prebuilt = workspace().join(PREBUILT);
    fs::create_dir_all(&prebuilt)?;
    for (probe, Built { object, manifest }) in &built {
        fs::write(prebuilt.join(format!("{probe}.o")), object)?;
        let text = toml::to_string(manifest)?;
        fs::write(manifest_path(probe), format!("# Written by `cargo xtask ebpf`.\n\n{text}"))?;
        println!("{PREBUILT}/{probe}.o: {} bytes", object.len());
    }
    for stale in committed("o")?.iter().chain(&committed("toml")?).filter(|it| !built.contains_key(*it)) {
        for extension in ["o", "toml"] {
            let path = prebuilt.join(format!("{stale}.{extension}"));
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// Builds all probes elsewhere and compares them with what is committed.
fn check_prebuilt() -> Result<()> {
    let toolchain: Toolchain = read_toml(TOOLCHAIN)?;
    let compiler = Compiler::Pinned(pinned_compiler(&toolchain)?);
    let elsewhere = tempfile::tempdir()?;
    let built = build_all(&toolchain, &compiler, elsewhere.path())?;
    for (probe, Built { object, manifest }) in &built {
        let path = format!("{PREBUILT}/{probe}.o");
        let committed = fs::read(workspace().join(&path)).with_context(|| format!("read {path}"))?;
        ensure!(committed == *object, "{path} is not what its source gives: run `cargo xtask ebpf`");
        ensure!(
            committed_manifest(probe)? == *manifest,
            "{PREBUILT}/{probe}.toml is stale: run `cargo xtask ebpf`"
        );
    }
    println!("{} probe objects come from their sources", built.len());
    Ok(())
}

/// Builds all probes, by their names.
fn build_all(
    toolchain: &Toolchain,
    compiler: &Compiler,
    target_dir: &Path,
) -> Result<BTreeMap<String, Built>> {
    require_linker(toolchain)?;
    let mut flags = toolchain.rustflags.clone();
    flags.extend(remapped_paths(target_dir)?);
    let flags = flags.join("\x1f");
    let built = |probe: String| {
        let mut cargo = compiler.cargo(&["rustc"]);
        cargo
            .args(["--quiet", "--locked", "--package=ebpf-probes", "--bin=probe", "--profile=probe"])
            .arg(format!("--target={}", toolchain.target))
            .arg("--target-dir")
            .arg(target_dir)
            .args(["--", "--cfg"])
            .arg(format!("probe={probe:?}"))
            .env("CARGO_ENCODED_RUSTFLAGS", &flags)
            // The programs are the same for all; paths into the bindings would not be.
            .env("AYA_BPF_TARGET_ARCH", "x86_64")
            .env_remove("RUSTC_WRAPPER");
        process::run(&mut cargo).with_context(|| format!("build {probe}"))?;
        let linked = target_dir.join(&toolchain.target).join("probe/probe");
        let files = files_read(&linked.with_extension("d"))?;
        let linked = fs::read(linked).with_context(|| format!("read the object of {probe}"))?;
        let object = strip(&linked).with_context(|| format!("strip {probe}"))?;
        let manifest =
            Manifest { bytes: object.len(), sha256: hex(&object), source: source_hash(&files)?, files };
        Ok((probe, Built { object, manifest }))
    };
    probes()?.into_iter().map(built).collect()
}

/// The files of this repository that the compiler says it read, but for the list of all probes.
fn files_read(dependencies: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(dependencies).context("read what the object depends on")?;
    let (_, files) = text.trim_end().split_once(": ").context("cargo names what the object depends on")?;
    let mut files: Vec<String> = files
        .split(' ')
        .filter_map(|it| Some(Path::new(it).strip_prefix(workspace()).ok()?.to_str()?.to_owned()))
        .filter(|it| it != LIST)
        .collect();
    ensure!(files.iter().any(|it| it.starts_with(PROBES)), "cargo names no probe among {text}");
    files.sort();
    Ok(files)
}

impl Compiler {
    /// Cargo with this compiler.
    fn cargo(&self, verb: &[&str]) -> Command {
        match self {
            Self::Pinned(rustc) => {
                let mut cargo = process::cargo();
                cargo
                    .args(verb)
                    .env("RUSTC", rustc)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("RUSTUP_TOOLCHAIN");
                cargo
            }
            Self::Nightly => {
                let mut cargo = Command::new("rustup");
                cargo.args(["run", "nightly", "cargo"]).args(verb).arg("-Zbuild-std=core");
                cargo.env_remove("RUSTC").current_dir(workspace());
                cargo
            }
        }
    }
}

/// Takes debug information out of an object; the BTF stays.
fn strip(linked: &[u8]) -> Result<Vec<u8>> {
    let mut object = object::build::elf::Builder::read(linked)?;
    for section in &mut object.sections {
        section.delete |= section.name.starts_with(b".debug") || section.name.starts_with(b".rel.debug");
    }
    object.delete_orphans();
    // LLVM keeps the sections' names among the symbols'; the writer wants them apart.
    let names = object.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = object::elf::SHT_STRTAB;
    names.data = object::build::elf::SectionData::SectionString;
    let mut stripped = Vec::new();
    object.write(&mut stripped)?;
    Ok(stripped)
}

/// Makes paths of this machine the same everywhere: the checkout, the target directory and cargo's downloads.
fn remapped_paths(target_dir: &Path) -> Result<Vec<String>> {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => env::home_dir().context("there is no home directory")?.join(".cargo"),
    };
    let flag = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    // Of several that fit the last counts, so the target directory comes after the checkout it may lie in.
    let mut flags =
        vec![flag(workspace(), "hostlens"), flag(target_dir, "target"), flag(&cargo_home, "cargo")];
    // Cargo names the folder of a registry after its address.
    for registry in fs::read_dir(cargo_home.join("registry/src"))? {
        flags.push(flag(&registry?.path(), "registry"));
    }
    Ok(flags)
}

/// The compiler that `toolchain.toml` wants; an error names what to install.
fn pinned_compiler(toolchain: &Toolchain) -> Result<PathBuf> {
    let Toolchain { rustc, llvm, target, .. } = toolchain;
    let path = env::var_os("PROBE_RUSTC").map_or_else(|| "/usr/bin/rustc".into(), PathBuf::from);
    let version = output(Command::new(&path).arg("-vV")).unwrap_or_default();
    let has = |line: String| version.lines().any(|it| it == line);
    ensure!(
        has(format!("release: {rustc}")) && has(format!("LLVM version: {llvm}")),
        "{} is not rustc {rustc} with LLVM {llvm}: apt install rustc-web, or name another path in PROBE_RUSTC",
        path.display()
    );
    let sysroot = output(Command::new(&path).arg("--print=sysroot"))?;
    ensure!(
        Path::new(sysroot.trim_end()).join("lib/rustlib").join(target).is_dir(),
        "{} lacks the library for {target}: apt install libstd-rust-web-dev-bpf",
        path.display()
    );
    Ok(path)
}

/// Whether there is a nightly compiler with the sources of `core`.
fn has_nightly() -> bool {
    let sysroot = output(Command::new("rustup").args(["run", "nightly", "rustc", "--print=sysroot"]));
    sysroot.is_ok_and(|it| Path::new(it.trim_end()).join("lib/rustlib/src/rust/library").is_dir())
}

fn require_linker(toolchain: &Toolchain) -> Result<()> {
    let wanted = &toolchain.bpf_linker;
    let found = output(Command::new("bpf-linker").arg("--version")).unwrap_or_default();
    ensure!(
        found.trim_end() == format!("bpf-linker {wanted}"),
        "bpf-linker {wanted} is not here (found {found:?}): cargo install bpf-linker --version {wanted} --locked"
    );
    Ok(())
}

/// One hash over all that an object is made of: files of ours, versions of the crates it uses, the build's settings and
/// the toolchain's.
fn source_hash(files: &[String]) -> Result<String> {
    let settings = ["ebpf-probes/Cargo.toml", "ebpf-probes/abi/Cargo.toml", TOOLCHAIN];
    let mut hash = Sha256::new();
    for file in files.iter().map(String::as_str).chain(settings) {
        let text = fs::read(workspace().join(file)).with_context(|| format!("read {file}"))?;
        hash.update(format!("{file} {}\n", text.len()));
        hash.update(text);
    }
    let manifest: toml::Table = read_toml("Cargo.toml")?;
    for profile in ["release", "probe"] {
        hash.update(manifest["profile"][profile].to_string());
    }
    let lock: toml::Table = read_toml("Cargo.lock")?;
    for package in lock["package"].as_array().context("Cargo.lock lists packages")? {
        // Its other dependencies run on the host, to expand macros.
        if package["name"].as_str().is_some_and(|it| it.starts_with("aya-ebpf")) {
            hash.update(package.to_string());
        }
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// The names of all probes.
fn probes() -> Result<Vec<String>> {
    let mut probes = stems(&workspace().join(PROBES), "rs")?;
    probes.retain(|it| it != "mod");
    Ok(probes)
}

/// The names of what is committed beside the sources, by its kind.
fn committed(extension: &str) -> Result<Vec<String>> {
    stems(&workspace().join(PREBUILT), extension)
}

fn committed_manifest(probe: &str) -> Result<Manifest> {
    read_toml(&format!("{PREBUILT}/{probe}.toml"))
}

fn manifest_path(probe: &str) -> PathBuf {
    workspace().join(PREBUILT).join(format!("{probe}.toml"))
}

/// The sorted names of a folder's files with an extension, without it.
fn stems(folder: &Path, extension: &str) -> Result<Vec<String>> {
    let mut stems = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == extension) {
            stems.extend(path.file_stem().and_then(|it| it.to_str()).map(str::to_owned));
        }
    }
    stems.sort();
    Ok(stems)
}

fn read_toml<T: for<'a> Deserialize<'a>>(path: &str) -> Result<T> {
    let text = fs::read_to_string(workspace().join(path)).with_context(|| format!("read {path}"))?;
    toml::from_str(&text).with_context(|| format!("parse {path}"))
}

fn hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_was_built_from_these_sources() {
        assert_eq!(committed("toml").unwrap(), probes().unwrap());
        for probe in probes().unwrap() {
            let manifest = committed_manifest(&probe).unwrap();
            let source = source_hash(&manifest.files).unwrap();
            assert_eq!(manifest.source, source, "{probe}: run `cargo xtask ebpf`");
        }
    }

    #[test]
    fn every_object_is_the_one_of_its_manifest() {
        assert_eq!(committed("o").unwrap(), probes().unwrap());
        for probe in probes().unwrap() {
            let object = fs::read(workspace().join(PREBUILT).join(format!("{probe}.o"))).unwrap();
            let manifest = committed_manifest(&probe).unwrap();
            assert_eq!((hex(&object), object.len()), (manifest.sha256, manifest.bytes), "{probe}");
        }
    }

    #[test]
    fn every_probe_is_listed() {
        let list = fs::read_to_string(workspace().join(LIST)).unwrap();
        for probe in probes().unwrap() {
            let is_there = |it: String| list.contains(&it);
            assert!(
                is_there(format!("probe = {probe:?}")) && is_there(format!("&{probe}::SPEC")),
                "{probe} is not in {LIST}"
            );
        }
    }
}
