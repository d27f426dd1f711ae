//! Debian packages, packed by dpkg-deb(1) from what is in `config/debian`. It clamps times to SOURCE_DATE_EPOCH.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use super::{
    Source, VERSION,
    tree::{Tree, gzip},
};
use crate::process::{output, require};

/// Of the packages, not of the program: who builds them may be somebody else.
const MAINTAINER: &str = "The hostlens maintainers <hostlens@localhost>";

/// What runs when a package comes and goes: deb-postinst(5) and its like.
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];

/// The package by which hostlens takes the place of Debian's node_exporter: its unit's name, its ARGS, its defaults.
pub(super) fn in_place_of_node_exporter(source: &Source, dist: &Path) -> Result<()> {
    let name = "hostlens-node-exporter";
    let mut tree = Tree::default();
    for (from, to) in [
        ("node-exporter.conf", "usr/lib/systemd/system/hostlens.service.d/node-exporter.conf"),
        ("node-exporter.toml", "etc/hostlens/node-exporter.toml"),
    ] {
        tree.add(to, source.read(&format!("config/debian/{name}/{from}"))?);
    }
    tree.link("usr/bin/prometheus-node-exporter", "hostlens");
    tree.link("usr/lib/systemd/system/prometheus-node-exporter.service", "hostlens.service");
    // Other packages of Debian leave text files there.
    tree.folder("var/lib/prometheus/node-exporter");
    pack(source, name, "all", tree, dist)
}

pub(super) fn pack(source: &Source, name: &str, arch: &str, mut tree: Tree, dist: &Path) -> Result<()> {
    require("dpkg-deb", "dpkg")?;
    let text = |file: &str| -> Result<String> {
        let text = String::from_utf8(source.read(&format!("config/debian/{name}/{file}"))?);
        let text = text.with_context(|| format!("read {file} of {name}"))?;
        Ok(text
            .replace("@VERSION@", VERSION)
            .replace("@ARCHITECTURE@", arch)
            .replace("@MAINTAINER@", MAINTAINER))
    };
    tree.add(&format!("usr/share/doc/{name}/copyright"), source.read("config/debian/copyright")?);
    let date = source.date_as("+%a, %d %b %Y %H:%M:%S +0000")?;
    let changelog = format!(
        "{name} ({VERSION}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {MAINTAINER}  {date}\n"
    );
    tree.add(&format!("usr/share/doc/{name}/changelog.gz"), gzip(changelog.as_bytes())?);
    let settings: String = tree.settings().map(|it| format!("/{it}\n")).collect();
    let n_kib = tree.size().div_ceil(1024);
    tree.add("DEBIAN/control", format!("{}Installed-Size: {n_kib}\n", text("control")?).into_bytes());
    tree.add("DEBIAN/conffiles", settings.into_bytes());
    let folder = source.folder.join("config/debian").join(name);
    for script in SCRIPTS.iter().filter(|it| folder.join(it).exists()) {
        tree.add_program(&format!("DEBIAN/{script}"), text(script)?.into_bytes());
    }
    let root = tempfile::tempdir()?;
    tree.write(root.path())?;
    let mut dpkg_deb = Command::new("dpkg-deb");
    // With more threads the bytes depend on their number.
    dpkg_deb.args(["--root-owner-group", "-Zxz", "--threads-max=1", "--build"]);
    dpkg_deb.arg(root.path()).arg(dist.join(format!("{name}_{VERSION}_{arch}.deb")));
    output(dpkg_deb.env("SOURCE_DATE_EPOCH", source.epoch.to_string())).map(drop)
}
