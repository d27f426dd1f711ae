//! The files of a package, and where they go.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use anyhow::Result;
use flate2::{Compression, GzBuilder};

use super::Source;
use crate::process::output;

/// Files of the repository and where packages put them.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("config/systemd/hostlens.service", "usr/lib/systemd/system/hostlens.service"),
    ("config/systemd/hostlens.socket", "usr/lib/systemd/system/hostlens.socket"),
    ("config/systemd/hostlens.sysusers", "usr/lib/sysusers.d/hostlens.conf"),
    ("config/systemd/hostlens.tmpfiles", "usr/lib/tmpfiles.d/hostlens.conf"),
    ("config/systemd/hostlens.default", "etc/default/hostlens"),
    ("config/minimal.toml", "etc/hostlens/hostlens.toml"),
];

/// Read by people alone.
const DOCS: &[(&str, &str)] = &[
    ("README.md", "usr/share/doc/hostlens/README.md"),
    ("LICENSE-MIT", "usr/share/doc/hostlens/LICENSE-MIT"),
    ("LICENSE-APACHE", "usr/share/doc/hostlens/LICENSE-APACHE"),
    ("config/hostlens.toml", "usr/share/doc/hostlens/hostlens.toml"),
    ("config/hostlens.schema.json", "usr/share/doc/hostlens/hostlens.schema.json"),
    ("agent/CHANGELOG.md", "usr/share/doc/hostlens/CHANGELOG.md"),
    ("agent/docs/collectors.md", "usr/share/doc/hostlens/collectors.md"),
    ("agent/docs/configuration.md", "usr/share/doc/hostlens/configuration.md"),
    ("agent/docs/migrate-from-node-exporter.md", "usr/share/doc/hostlens/migrate-from-node-exporter.md"),
];

const BINARY: &str = "usr/bin/hostlens";

/// What the binary itself tells, and where it goes.
const TOLD: &[(&[&str], &str)] = &[
    (&["completion", "bash"], "usr/share/bash-completion/completions/hostlens"),
    (&["completion", "zsh"], "usr/share/zsh/vendor-completions/_hostlens"),
    (&["completion", "fish"], "usr/share/fish/vendor_completions.d/hostlens.fish"),
];
const MANUAL: &str = "usr/share/man/man1/hostlens.1.gz";

#[derive(Debug, Clone)]
enum Content {
    File { bytes: Vec<u8>, mode: u32 },
    Link(&'static str),
    Folder,
}

/// By their paths, from the root, without the first `/`.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree(BTreeMap<String, Content>);

impl Tree {
    /// All but the binary, which is asked for what it tells.
    pub(super) fn texts(source: &Source, binary: &Path) -> Result<Self> {
        let mut tree = Self::default();
        for (from, to) in FILES.iter().chain(DOCS) {
            tree.add(to, source.read(from)?);
        }
        for (args, to) in TOLD {
            tree.add(to, output(Command::new(binary).args(*args))?.into_bytes());
        }
        tree.add(MANUAL, gzip(output(Command::new(binary).args(["manual", "page"]))?.as_bytes())?);
        Ok(tree)
    }

    pub(super) fn with_binary(&self, binary: &Path) -> Result<Self> {
        let mut tree = self.clone();
        tree.add_program(BINARY, fs::read(binary)?);
        Ok(tree)
    }

    pub(super) fn add_program(&mut self, path: &str, bytes: Vec<u8>) {
        self.0.insert(path.to_owned(), Content::File { bytes, mode: 0o755 });
    }

    pub(super) fn add(&mut self, path: &str, bytes: Vec<u8>) {
        self.0.insert(path.to_owned(), Content::File { bytes, mode: 0o644 });
    }

    pub(super) fn link(&mut self, path: &str, to: &'static str) {
        self.0.insert(path.to_owned(), Content::Link(to));
    }

    pub(super) fn folder(&mut self, path: &str) {
        self.0.insert(path.to_owned(), Content::Folder);
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Bytes of all files.
    pub(super) fn size(&self) -> usize {
        let size = |it: &Content| if let Content::File { bytes, .. } = it { bytes.len() } else { 0 };
        self.0.values().map(size).sum()
    }

    /// Files that an administrator changes: packages leave such changes alone.
    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        self.paths().filter(|it| it.starts_with("etc/"))
    }

    /// Writes all of it below `root`, with the modes that it has when it is installed.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        for (path, content) in &self.0 {
            let path = root.join(path);
            let folder = if matches!(content, Content::Folder) { Some(&*path) } else { path.parent() };
            folders(root, folder.unwrap_or(root))?;
            match content {
                Content::Folder => {}
                Content::Link(to) => symlink(to, &path)?,
                Content::File { bytes, mode } => {
                    fs::write(&path, bytes)?;
                    fs::set_permissions(&path, Permissions::from_mode(*mode))?;
                }
            }
        }
        Ok(())
    }
}

/// Makes `folder` and those between it and `root`, whatever the umask.
fn folders(root: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for folder in folder.ancestors().take_while(|it| it.starts_with(root)) {
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Without name and time.
pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
