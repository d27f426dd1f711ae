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
const MANIFEST: &str = "ebpf-probes/prebuilt/manifest.toml";
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

/// What each object is and what it was made of.
type Manifest = BTreeMap<String, Entry>;

#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Entry {
    bytes: usize,
    sha256: String,
    /// Over all that the object is made of; see [`source_hash`].
    source: String,
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
    let objects = objects(&toolchain, &compiler, &workspace().join("target/ebpf"))?;
    let prebuilt = workspace().join(PREBUILT);
    fs::create_dir_all(&prebuilt)?;
    for (probe, object) in &objects {
        fs::write(prebuilt.join(format!("{probe}.o")), object)?;
        println!("{PREBUILT}/{probe}.o: {} bytes", object.len());
    }
    for stale in committed_objects()?.iter().filter(|it| !objects.contains_key(*it)) {
        fs::remove_file(prebuilt.join(format!("{stale}.o")))?;
    }
    let text = toml::to_string(&manifest(&objects)?)?;
    fs::write(workspace().join(MANIFEST), format!("# Written by `cargo xtask ebpf`.\n\n{text}"))?;
    Ok(())
}

/// Builds all probes elsewhere and compares them with what is committed.
fn check_prebuilt() -> Result<()> {
    let toolchain: Toolchain = read_toml(TOOLCHAIN)?;
    let compiler = Compiler::Pinned(pinned_compiler(&toolchain)?);
    let elsewhere = tempfile::tempdir()?;
    let objects = objects(&toolchain, &compiler, elsewhere.path())?;
    for (probe, object) in &objects {
        let path = format!("{PREBUILT}/{probe}.o");
        let committed = fs::read(workspace().join(&path)).with_context(|| format!("read {path}"))?;
        ensure!(committed == *object, "{path} is not what its source gives: run `cargo xtask ebpf`");
    }
    ensure!(committed_manifest()? == manifest(&objects)?, "{MANIFEST} is stale: run `cargo xtask ebpf`");
    println!("{} probe objects come from their sources", objects.len());
    Ok(())
}

/// Builds all probes: their names and objects.
fn objects(
    toolchain: &Toolchain,
    compiler: &Compiler,
    target_dir: &Path,
) -> Result<BTreeMap<String, Vec<u8>>> {
    require_linker(toolchain)?;
    let mut flags = toolchain.rustflags.clone();
    flags.extend(remapped_paths(target_dir)?);
    let mut cargo = match compiler {
        Compiler::Pinned(rustc) => {
            let mut cargo = process::cargo();
            cargo.arg("build").env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
            cargo
        }
        Compiler::Nightly => {
            let mut cargo = Command::new("rustup");
            cargo.args(["run", "nightly", "cargo", "build", "-Zbuild-std=core"]).env_remove("RUSTC");
            cargo.current_dir(workspace());
            cargo
        }
    };
    cargo
        .args(["--locked", "--package=ebpf-probes", "--bins", "--profile=probe"])
        .arg(format!("--target={}", toolchain.target))
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        // The programs are the same for all; paths into the bindings would not be.
        .env("AYA_BPF_TARGET_ARCH", "x86_64")
        .env_remove("RUSTC_WRAPPER");
    process::run(&mut cargo)?;
    let built = target_dir.join(&toolchain.target).join("probe");
    let object = |probe: String| {
        let linked = fs::read(built.join(&probe)).with_context(|| format!("read the object of {probe}"))?;
        let object = strip(&linked).with_context(|| format!("strip {probe}"))?;
        Ok((probe, object))
    };
    probes()?.into_iter().map(object).collect()
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

fn manifest(objects: &BTreeMap<String, Vec<u8>>) -> Result<Manifest> {
    let entry = |(probe, object): (&String, &Vec<u8>)| {
        let entry = Entry { bytes: object.len(), sha256: hex(object), source: source_hash(probe)? };
        Ok((probe.clone(), entry))
    };
    objects.iter().map(entry).collect()
}

/// One hash over all that a probe is made of: its sources, those of the crates it uses, their versions, the build's
/// settings and the toolchain's.
fn source_hash(probe: &str) -> Result<String> {
    let mut files = vec![
        PathBuf::from(format!("ebpf-probes/src/bin/{probe}.rs")),
        "ebpf-probes/Cargo.toml".into(),
        "ebpf-probes/abi/Cargo.toml".into(),
        TOOLCHAIN.into(),
    ];
    source_files(Path::new("ebpf-probes/src"), &mut files)?;
    source_files(Path::new("ebpf-probes/abi/src"), &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let text = fs::read(workspace().join(&file)).with_context(|| format!("read {}", file.display()))?;
        hash.update(format!("{} {}\n", file.display(), text.len()));
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

/// Adds the Rust files below a folder that are neither tests nor binaries.
fn source_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(workspace().join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if path.ends_with("src/bin") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            source_files(&path, files)?;
        } else if path.file_name().is_some_and(|it| it != "tests.rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The names of all probes: cargo makes a binary of each file there.
fn probes() -> Result<Vec<String>> {
    stems(&workspace().join("ebpf-probes/src/bin"), "rs")
}

fn committed_objects() -> Result<Vec<String>> {
    stems(&workspace().join(PREBUILT), "o")
}

fn committed_manifest() -> Result<Manifest> {
    read_toml(MANIFEST)
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
        let manifest = committed_manifest().unwrap();
        assert_eq!(manifest.keys().cloned().collect::<Vec<_>>(), probes().unwrap());
        for (probe, entry) in &manifest {
            assert_eq!(entry.source, source_hash(probe).unwrap(), "{probe}: run `cargo xtask ebpf`");
        }
    }

    #[test]
    fn every_object_is_the_one_of_the_manifest() {
        let manifest = committed_manifest().unwrap();
        assert_eq!(manifest.keys().cloned().collect::<Vec<_>>(), committed_objects().unwrap());
        for (probe, entry) in &manifest {
            let object = fs::read(workspace().join(PREBUILT).join(format!("{probe}.o"))).unwrap();
            assert_eq!((hex(&object), object.len()), (entry.sha256.clone(), entry.bytes), "{probe}");
        }
    }
}
