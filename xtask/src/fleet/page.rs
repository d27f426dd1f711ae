//! The configs of agent/docs/fleet.md: YAML blocks under headings, each a whole file.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{
    peers,
    process::{output, workspace},
};

const PAGE: &str = "agent/docs/fleet.md";

/// The config whose first line is `# NAME`, up to a colon.
pub(super) fn config(name: &str) -> Result<String> {
    let page = read()?;
    let found = blocks(&page).find(|it| self::name(it) == Some(name)).map(str::to_owned);
    found.with_context(|| format!("{PAGE} has no config `# {name}: …`"))
}

/// Has promtool judge each.
pub(super) fn check() -> Result<()> {
    let promtool = peers::get("promtool")?;
    let page = read()?;
    let folder = tempfile::tempdir()?;
    let rules = workspace().join("config/prometheus/rules").display().to_string();
    let mut names = Vec::new();
    for block in blocks(&page) {
        let name = name(block).with_context(|| format!("a config without a name: {block}"))?;
        let file = folder.path().join(format!("{name}.yml"));
        fs::write(&file, block.replace("/etc/prometheus/rules", &rules))?;
        let mut check = Command::new(&promtool);
        check.args(["check", "config"]).args((name == "agent mode").then_some("--agent")).arg(&file);
        output(&mut check).with_context(|| format!("{PAGE}, `{name}`"))?;
        names.push(name);
    }
    ensure!(!names.is_empty(), "{PAGE} has no config");
    println!("promtool takes {} configs of {PAGE}: {}", names.len(), names.join(", "));
    Ok(())
}

fn read() -> Result<String> {
    fs::read_to_string(workspace().join(PAGE)).with_context(|| format!("read {PAGE}"))
}

fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("\n```yaml\n").skip(1).filter_map(|it| Some(it.split_once("\n```")?.0))
}

fn name(block: &str) -> Option<&str> {
    Some(block.strip_prefix("# ")?.split_once(':')?.0)
}
