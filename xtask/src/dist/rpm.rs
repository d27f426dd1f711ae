//! The RPM package, packed by rpmbuild(8) from what is there: nothing is compiled or changed by it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{Source, VERSION, build::Arch, tree::Tree};
use crate::process::{output, require};

/// Each makes bytes that depend on the builder's system, or changes files.
const OFF: &[&str] = &[
    "_build_id_links none",
    "__os_install_post %{nil}",
    "debug_package %{nil}",
    "__spec_install_pre %{nil}",
    "_buildhost localhost",
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "_binary_payload w19.zstdio",
];

pub(super) fn pack(source: &Source, arch: Arch, tree: &Tree, dist: &Path) -> Result<()> {
    require("rpmbuild", "rpm")?;
    let spec = String::from_utf8(source.read("config/rpm/hostlens.spec")?).context("read the spec")?;
    let mut spec = spec.replace("@VERSION@", VERSION);
    for path in tree.paths() {
        let kind = match path {
            path if path.starts_with("etc/") => "%config(noreplace) ",
            path if path.starts_with("usr/share/doc/") => "%doc ",
            _ => "",
        };
        spec += &format!("{kind}/{path}\n");
    }
    let top = tempfile::tempdir()?;
    let (root, spec_file) = (top.path().join("root"), top.path().join("hostlens.spec"));
    tree.write(&root)?;
    fs::write(&spec_file, spec)?;
    let mut rpmbuild = Command::new("rpmbuild");
    rpmbuild.args(["-bb", "--quiet", "--target", &format!("{}-linux", arch.name())]);
    rpmbuild.arg("--buildroot").arg(&root);
    let folders = ["_topdir", "_rpmdir", "_builddir", "_tmppath"];
    let folders = folders.map(|it| format!("{it} {}", top.path().display()));
    for definition in folders.iter().map(String::as_str).chain(OFF.iter().copied()) {
        rpmbuild.args(["--define", definition]);
    }
    rpmbuild.args(["--define", "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm"]);
    output(rpmbuild.arg(&spec_file).env("SOURCE_DATE_EPOCH", source.epoch.to_string()))?;
    let name = format!("hostlens-{VERSION}-1.{}.rpm", arch.name());
    fs::copy(top.path().join(&name), dist.join(&name)).with_context(|| format!("rpmbuild left no {name}"))?;
    Ok(())
}
