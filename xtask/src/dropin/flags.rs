//! Every flag that node_exporter's help names: hostlens knows it, with the same default.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::{Report, command, piped};

/// Flags with another default, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("collector.filesystem.mount-points-exclude", "Debian's own default"),
    ("collector.ipvs.backend-labels", "one text with commas means the same as the list"),
    ("collector.systemd", "Debian's own default"),
    ("collector.systemd.unit-exclude", "Debian's own default"),
    ("collector.textfile.directory", "Debian's own default"),
];
/// They are answered at once.
const QUESTIONS: [&str; 3] = ["help-long", "help-man", "version"];

pub(super) fn compare([theirs, ours]: &[PathBuf; 2], report: &mut Report) -> Result<()> {
    let help = piped(command(theirs).arg("--help"))?;
    let help = String::from_utf8([help.stdout, help.stderr].concat())?;
    let flags: Vec<_> = help.split("\n      --").skip(1).collect();
    ensure!(flags.len() > 150, "node_exporter's help has {} flags only", flags.len());
    for text in flags {
        let head = text.split([' ', '\n']).next().unwrap_or_default();
        let name = head.split('=').next().unwrap_or_default();
        if QUESTIONS.contains(&name) {
            continue;
        }
        let Flag { words, is_default } = flag(name, text)?;
        let mut shown = command(ours);
        shown.env_clear().args(["config", "show", "--diff", &words]);
        let diff = piped(&mut shown)?;
        let found = match (diff.status.success(), diff.stdout.is_empty()) {
            (false, _) => "refused",
            (true, false) if is_default => "not the default",
            (true, _) => "taken",
        };
        let why = DIFFERENT.iter().find(|it| it.0 == name).map(|it| it.1);
        report.take(&words, ["taken".to_owned(), found.to_owned()], why);
    }
    Ok(())
}

/// What to give to hostlens.
struct Flag {
    words: String,
    /// Whether it says what holds without it.
    is_default: bool,
}

/// Reads `collector.ntp.server-port=123 UDP port …`.
fn flag(name: &str, text: &str) -> Result<Flag> {
    // Lines are wrapped.
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let says = |it: &str| words.join(" ").contains(it);
    let is_on = says("(default: enabled)");
    if let Some(value) = text.strip_prefix(name).and_then(|it| it.strip_prefix("=\"")) {
        let end = value.find("\" ").or_else(|| value.find("\"\n")).context("a default without an end")?;
        let value: String = serde_json::from_str(&format!("\"{}\"", &value[..end]))?;
        return Ok(Flag { words: format!("--{name}={value}"), is_default: true });
    }
    let value = text
        .strip_prefix(name)
        .and_then(|it| it.strip_prefix('='))
        .and_then(|it| it.split([' ', '\n']).next());
    Ok(match value {
        Some(value) if value.eq_ignore_ascii_case(name) => {
            Flag { words: format!("--{name}=x"), is_default: false }
        }
        Some(value) => Flag { words: format!("--{name}={value}"), is_default: true },
        None if is_on || !says("(default: disabled)") => {
            Flag { words: format!("--{name}"), is_default: is_on }
        }
        None => Flag { words: format!("--no-{name}"), is_default: true },
    })
}
