//! Files out of Debian's packages, fetched by apt with lists, cache and sources of its own: nothing is installed, and
//! apt checks signatures and hashes as ever.

use std::{
    fs::{self, read_dir, read_to_string},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::process::{output, require, workspace};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The packages of some Debian suites.
pub(crate) struct Apt {
    root: PathBuf,
    /// Debian's name of it.
    architecture: &'static str,
}

impl Apt {
    /// With fresh lists of these suites, from the machine's own mirror.
    pub(crate) fn new(suites: &[&str]) -> Result<Self> {
        Self::of("amd64", suites)
    }

    /// [`Apt::new`], of another architecture.
    pub(crate) fn of(architecture: &'static str, suites: &[&str]) -> Result<Self> {
        require("apt-get", "apt")?;
        require("dpkg-deb", "dpkg")?;
        ensure!(Path::new(KEYRING).exists(), "{KEYRING} is missing: apt-get install debian-archive-keyring");
        let name = match architecture {
            "amd64" => suites.join("+"),
            _ => format!("{}-{architecture}", suites.join("+")),
        };
        let apt = Self { root: workspace().join("target/apt").join(name), architecture };
        fs::create_dir_all(apt.root.join("lists/partial"))?;
        fs::create_dir_all(apt.root.join("cache/archives/partial"))?;
        let mirror = mirror()?;
        let line =
            |suite: &&str| format!("deb [arch={architecture} signed-by={KEYRING}] {mirror} {suite} main\n");
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
        command.arg("-o").arg(format!("APT::Architecture={}", self.architecture));
        command.args(["-o", "APT::Update::Error-Mode=any"]);
        command
    }

    /// The names of packages that match a regular expression.
    pub(crate) fn search(&self, pattern: &str) -> Result<Vec<String>> {
        let lines = output(self.command("apt-cache").args(["search", "--names-only", pattern]))?;
        Ok(lines.lines().filter_map(|it| it.split(' ').next()).map(str::to_owned).collect())
    }

    /// Fetches a package into an empty folder, as it is.
    pub(crate) fn download(&self, package: &str, folder: &Path) -> Result<PathBuf> {
        output(self.command("apt-get").args(["-qq", "download", package]).current_dir(folder))?;
        Ok(read_dir(folder)?.next().context("apt left no package")??.path())
    }

    /// Fetches a package, without what it depends on; its files are in the folder that is returned.
    pub(crate) fn unpack(&self, package: &str) -> Result<TempDir> {
        let download = tempfile::tempdir_in(&self.root)?;
        let file = self.download(package, download.path())?;
        let files = tempfile::tempdir_in(&self.root)?;
        output(Command::new("dpkg-deb").arg("-x").args([&file, files.path()]))?;
        Ok(files)
    }
}

/// The machine's own Debian mirror.
pub(crate) fn mirror() -> Result<String> {
    let folder = read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|it| it.path());
    let files = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(folder);
    let texts = files.filter_map(|it| read_to_string(it).ok());
    let found = texts.filter_map(|it| mirror_in(&it)).next();
    found
        .context("find a Debian mirror: neither /etc/apt/sources.list nor a file in sources.list.d names one")
}

/// The first address of a Debian archive, in either of apt's formats (sources.list(5)).
fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().filter(|it| it.starts_with("deb ") || it.starts_with("URIs:"));
    let mut words = lines.flat_map(str::split_ascii_whitespace);
    words.find(|it| it.contains("://") && it.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

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
