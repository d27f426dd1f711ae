//! Debian's cloud kernels, fetched by apt with a configuration of our own: nothing is installed, and apt checks
//! signatures and hashes as ever. Kept under `target/vm/kernels`.

use std::{
    fs::{self, read_dir, read_to_string},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::process::{output, require, workspace};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

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
}

/// What to do with kernels that were fetched before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Keep,
    Renew,
}

/// The newest cloud kernel of `series` (`6.1`, `7.2`, …, or [`NEWEST`]); fetched unless it is cached.
pub(crate) fn get(series: &str, cache: Cache) -> Result<Kernel> {
    let folder = workspace().join("target/vm/kernels").join(series);
    let vmlinuz = folder.join("vmlinuz");
    if cache == Cache::Renew || !vmlinuz.exists() {
        fetch(series, &folder).with_context(|| format!("fetch a {series} kernel"))?;
    }
    Ok(Kernel { series: series.to_owned(), vmlinuz })
}

/// What is cached of `series`: the name of the package.
pub(crate) fn cached(series: &str) -> Option<String> {
    read_to_string(workspace().join("target/vm/kernels").join(series).join("package")).ok()
}

fn fetch(series: &str, folder: &Path) -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "only x86_64 kernels are known here");
    require("apt-get", "apt (the kernels come from Debian)")?;
    require("dpkg-deb", "dpkg")?;
    ensure!(Path::new(KEYRING).exists(), "{KEYRING} is missing: apt-get install debian-archive-keyring");
    let suites = suites(series);
    let apt = Apt::new(suites)?;
    let found = apt.cloud_kernels()?;
    let package = newest(&found, series).with_context(|| format!("none in {}", suites.join(" or ")))?;
    println!("fetching {package}");
    let unpacked = apt.unpack(package)?;
    let image = vmlinuz_in(&unpacked)?.with_context(|| format!("no vmlinuz in {package}"))?;
    fs::create_dir_all(folder)?;
    fs::copy(image, folder.join("vmlinuz"))?;
    fs::write(folder.join("package"), package)?;
    fs::remove_dir_all(unpacked)?;
    Ok(())
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

/// apt with lists, cache and sources of its own.
struct Apt {
    root: PathBuf,
}

impl Apt {
    fn new(suites: &[&str]) -> Result<Self> {
        let apt = Self { root: workspace().join("target/vm/apt").join(suites.join("+")) };
        fs::create_dir_all(apt.root.join("lists/partial"))?;
        fs::create_dir_all(apt.root.join("cache/archives/partial"))?;
        let mirror = mirror();
        let line = |suite: &&str| format!("deb [arch=amd64 signed-by={KEYRING}] {mirror} {suite} main\n");
        fs::write(apt.root.join("sources.list"), suites.iter().map(line).collect::<String>())?;
        fs::write(apt.root.join("status"), "")?;
        output(apt.command("apt-get").args(["-qq", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (key, value) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::Lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
        ] {
            command.arg("-o").arg(format!("{key}={}", self.root.join(value).display()));
        }
        // The second: apt's own user may not write here.
        command.args(["-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root"]);
        command.args(["-o", "APT::Architecture=amd64", "-o", "APT::Update::Error-Mode=any"]);
        command.current_dir(&self.root);
        command
    }

    fn cloud_kernels(&self) -> Result<Vec<String>> {
        let pattern = "^linux-(image|binary)-[0-9].*-cloud-amd64$";
        let lines = output(self.command("apt-cache").args(["search", "--names-only", pattern]))?;
        Ok(lines.lines().filter_map(|it| it.split(' ').next()).map(str::to_owned).collect())
    }

    fn unpack(&self, package: &str) -> Result<PathBuf> {
        output(self.command("apt-get").args(["-qq", "download", package]))?;
        let mut files = read_dir(&self.root)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|it| it.path());
        let file =
            files.find(|it| it.extension().is_some_and(|it| it == "deb")).context("apt left no package")?;
        let to = self.root.join("unpacked");
        output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&to))?;
        fs::remove_file(file)?;
        Ok(to)
    }
}

/// The machine's own Debian mirror.
fn mirror() -> String {
    let folder = read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|it| it.path());
    let files = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(folder);
    let texts = files.filter_map(|it| read_to_string(it).ok());
    texts.filter_map(|it| mirror_in(&it)).next().unwrap_or_else(|| "http://deb.debian.org/debian".to_owned())
}

/// The first address of a Debian archive, in either of apt's formats (sources.list(5)).
fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().filter(|it| it.starts_with("deb ") || it.starts_with("URIs:"));
    let mut words = lines.flat_map(str::split_ascii_whitespace);
    words.find(|it| it.contains("://") && it.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

/// The package of the highest version in `series`. From 6.19 on the image itself is in `linux-binary-…`;
/// `linux-image-…` of the same version then only depends on it.
fn newest<'a>(packages: &'a [String], series: &str) -> Option<&'a str> {
    let wanted: Vec<u32> = if series == NEWEST { Vec::new() } else { numbers(series) };
    let versions = packages.iter().filter_map(|package| {
        let rest = package.strip_suffix("-cloud-amd64")?.strip_prefix("linux-")?;
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
fn vmlinuz_in(unpacked: &Path) -> Result<Option<PathBuf>> {
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

    #[test]
    fn finds_the_mirror_in_both_formats() {
        let deb822 = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n";
        assert_eq!(mirror_in(deb822).as_deref(), Some("http://mirror.example/debian"));
        let security_first = "# deb http://old.example/debian x main\n\
                              deb http://security.example/debian-security s main\n\
                              deb [arch=amd64] http://mirror.example/debian/ trixie main\n";
        assert_eq!(mirror_in(security_first).as_deref(), Some("http://mirror.example/debian/"));
        assert_eq!(mirror_in("deb http://archive.ubuntu.com/ubuntu noble main\n"), None);
    }
}
