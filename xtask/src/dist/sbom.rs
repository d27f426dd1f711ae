//! What is in the binary, in CycloneDX 1.6: the crates that cargo links, with their licences, hashes and who needs whom.
//! Crates that only run while it is built are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Source, VERSION};
use crate::process::output;

pub(super) fn write(source: &Source, dist: &Path) -> Result<()> {
    let mut metadata = source.cargo();
    metadata.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)?).context("read cargo's metadata")?;
    let lock = fs::read_to_string(source.folder.join("Cargo.lock"))?;
    let bom =
        bom(&metadata, &checksums(&lock)?, &source.date()?).context("cargo's metadata lack something")?;
    fs::write(dist.join(format!("hostlens-{VERSION}.cdx.json")), serde_json::to_string_pretty(&bom)? + "\n")?;
    Ok(())
}

/// By name and version.
fn checksums(lock: &str) -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = lock.parse().context("read Cargo.lock")?;
    let packages = lock["package"].as_array().into_iter().flatten();
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    let checksum = |it| Some(((text(it, "name")?, text(it, "version")?), text(it, "checksum")?));
    Ok(packages.filter_map(checksum).collect())
}

fn bom(metadata: &Value, checksums: &BTreeMap<(String, String), String>, date: &str) -> Option<Value> {
    let packages = metadata["packages"].as_array()?;
    let packages: BTreeMap<&str, &Value> =
        packages.iter().filter_map(|it| Some((it["id"].as_str()?, it))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array()?;
    let nodes: BTreeMap<&str, Vec<&str>> =
        nodes.iter().filter_map(|it| Some((it["id"].as_str()?, linked(it)))).collect();
    let root = *packages.iter().find(|(_, it)| it["name"] == "hostlens")?.0;
    let (mut seen, mut todo) = (BTreeSet::from([root]), vec![root]);
    while let Some(id) = todo.pop() {
        todo.extend(nodes.get(id)?.iter().filter(|it| seen.insert(**it)));
    }
    let component = |id: &str, kind: &str| -> Option<Value> {
        let package = packages.get(id)?;
        let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
        let mut component = json!({
            "type": kind, "bom-ref": purl(package)?, "name": name, "version": version, "purl": purl(package)?,
        });
        if let Some(license) = package["license"].as_str() {
            // A slash is what SPDX has no longer, and old crates still write.
            let license: Vec<&str> = license.split('/').map(str::trim).collect();
            component["licenses"] = json!([{"expression": license.join(" OR ")}]);
        }
        if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        Some(component)
    };
    let components: Option<Vec<Value>> =
        seen.iter().filter(|it| **it != root).map(|it| component(it, "library")).collect();
    let depends = |id: &&str| -> Option<Value> {
        let on: BTreeSet<String> = nodes.get(id)?.iter().filter_map(|it| purl(packages.get(it)?)).collect();
        Some(json!({"ref": purl(packages.get(id)?)?, "dependsOn": on}))
    };
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": date, "component": component(root, "application")?},
        "components": components?,
        "dependencies": seen.iter().map(depends).collect::<Option<Vec<_>>>()?,
    }))
}

/// What of `node`'s dependencies ends in the binary: neither tests nor what runs at build time.
fn linked(node: &Value) -> Vec<&str> {
    let is_normal =
        |it: &&Value| it["dep_kinds"].as_array().into_iter().flatten().any(|kind| kind["kind"].is_null());
    let dependencies = node["deps"].as_array().into_iter().flatten();
    dependencies.filter(is_normal).filter_map(|it| it["pkg"].as_str()).collect()
}

fn purl(package: &Value) -> Option<String> {
    Some(format!("pkg:cargo/{}@{}", package["name"].as_str()?, package["version"].as_str()?))
}
