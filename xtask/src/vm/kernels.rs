//! Debian's cloud kernels, kept under `target/vm/kernels`.

use std::{
    fs::{self, read_dir, read_to_string},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    apt::Apt,
    process::{require, run, workspace},
};

/// Every series that is supported, oldest first.
pub(crate) const ALL: &[&str] = &["5.10", "6.1", "6.12", "6.18", NEWEST];
pub(crate) const DEFAULT: &[&str] = &["6.1", NEWEST];
/// The highest version that is to be had.
pub(crate) const NEWEST: &str = "newest";

/// A bootable kernel.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) series: String,
    pub(crate) vmlinuz: PathBuf,
    /// Those of [`MODULES`].
    pub(crate) modules: PathBuf,
}

/// Drivers that the guest loads: of disks that are nothing but a driver, and what that needs.
pub(crate) const MODULES: [&str; 2] = ["configfs.ko", "null_blk.ko"];

/// What to do with kernels that were fetched before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Keep,
    Renew,
}

/// The newest cloud kernel of `series` (`6.1`, `7.2`, …, or [`NEWEST`]); fetched unless it is cached.
pub(crate) fn get(series: &str, cache: Cache) -> Result<Kernel> {
    let folder = workspace().join("target/vm/kernels").join(series);
    let (vmlinuz, modules) = (folder.join("vmlinuz"), folder.join("modules"));
    if cache == Cache::Renew || !vmlinuz.exists() || MODULES.iter().any(|it| !modules.join(it).exists()) {
        fetch(series, &folder).with_context(|| format!("fetch a {series} kernel"))?;
    }
    Ok(Kernel { series: series.to_owned(), vmlinuz, modules })
}

/// What is cached of `series`: the name of the package.
pub(crate) fn cached(series: &str) -> Option<String> {
    read_to_string(workspace().join("target/vm/kernels").join(series).join("package")).ok()
}

fn fetch(series: &str, folder: &Path) -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "only x86_64 kernels are known here");
    let suites = suites(series);
    let apt = Apt::new(suites)?;
    let package = package(&apt, "amd64", series)?;
    let package = package.with_context(|| format!("none in {}", suites.join(" or ")))?;
    println!("fetching {package}");
    let unpacked = apt.unpack(&package)?;
    let image = vmlinuz_in(unpacked.path())?.with_context(|| format!("no vmlinuz in {package}"))?;
    fs::create_dir_all(folder)?;
    fs::copy(image, folder.join("vmlinuz"))?;
    // Of a kernel from 6.19 on they are in a package of their own.
    let apart = package.strip_prefix("linux-binary-").map(|it| apt.unpack(&format!("linux-modules-{it}")));
    let apart = apart.transpose()?;
    let with_modules = apart.as_ref().unwrap_or(&unpacked).path();
    for name in MODULES {
        let module = find(with_modules, name)?.with_context(|| format!("no {name} in {package}"))?;
        copy_unpacked(&module, &folder.join("modules"))?;
    }
    fs::write(folder.join("package"), package)?;
    Ok(())
}

/// The package with the image of the newest cloud kernel in `series`.
pub(crate) fn package(apt: &Apt, architecture: &str, series: &str) -> Result<Option<String>> {
    let found = apt.search(&format!("^linux-(image|binary)-[0-9].*-cloud-{architecture}$"))?;
    Ok(newest(&found, series).map(str::to_owned))
}

/// Where a series is looked for.
fn suites(series: &str) -> &'static [&'static str] {
    match series {
        "5.10" => &["bullseye"],
        "6.1" => &["bookworm"],
        "6.12" => &["trixie"],
        _ => &["trixie-backports", "sid"],
    }
}

/// The package of the highest version in `series`. From 6.19 on the image itself is in `linux-binary-…`;
/// `linux-image-…` of the same version then only depends on it.
fn newest<'a>(packages: &'a [String], series: &str) -> Option<&'a str> {
    let wanted: Vec<u32> = if series == NEWEST { Vec::new() } else { numbers(series) };
    let versions = packages.iter().filter_map(|package| {
        let rest = package.rsplit_once("-cloud-")?.0.strip_prefix("linux-")?;
        let (kind, version) = rest.split_once('-')?;
        let version = numbers(version);
        version.starts_with(&wanted).then_some((version, kind == "binary", package.as_str()))
    });
    versions.max().map(|it| it.2)
}

/// `7.3.4+deb13` → 7, 3, 4, 13.
fn numbers(version: &str) -> Vec<u32> {
    version.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect()
}

/// `boot/vmlinuz-VERSION`, or from 7.2 on `usr/lib/modules/VERSION/vmlinuz`.
pub(super) fn vmlinuz_in(unpacked: &Path) -> Result<Option<PathBuf>> {
    let mut places = vec![unpacked.join("boot")];
    for modules in ["usr/lib/modules", "lib/modules"] {
        places.extend(read_dir(unpacked.join(modules)).into_iter().flatten().flatten().map(|it| it.path()));
    }
    for place in places.iter().filter(|it| it.is_dir()) {
        for file in read_dir(place)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("vmlinuz") {
                return Ok(Some(file.path()));
            }
        }
    }
    Ok(None)
}

/// A file of this name, or packed, below a folder.
fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in read_dir(folder)? {
        let entry = entry?;
        let found = if entry.file_type()?.is_dir() {
            find(&entry.path(), name)?
        } else {
            let is_it =
                entry.file_name().to_str().is_some_and(|it| it.strip_suffix(".xz").unwrap_or(it) == name);
            is_it.then(|| entry.path())
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn copy_unpacked(module: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let name = module.file_name().context("a file has a name")?;
    let copy = folder.join(name);
    fs::copy(module, &copy)?;
    if copy.extension().is_some_and(|it| it == "xz") {
        require("xz", "xz-utils")?;
        run(Command::new("xz").args(["--decompress", "--force"]).arg(&copy))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_highest_version_of_a_series_and_the_package_with_the_image() {
        let packages: Vec<String> = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64",
            "linux-image-6.12.94+deb13-cloud-amd64",
            "linux-image-7.3.4+deb13-cloud-amd64",
            "linux-binary-7.3.4+deb13-cloud-amd64",
            "linux-binary-7.2.13+deb14-cloud-amd64",
        ]
        .map(str::to_owned)
        .into();
        assert_eq!(newest(&packages, "6.1"), Some("linux-image-6.1.0-50-cloud-amd64"));
        assert_eq!(newest(&packages, "7.2"), Some("linux-binary-7.2.13+deb14-cloud-amd64"));
        assert_eq!(newest(&packages, NEWEST), Some("linux-binary-7.3.4+deb13-cloud-amd64"));
        assert_eq!(newest(&packages, "5.10"), None);
    }
}
