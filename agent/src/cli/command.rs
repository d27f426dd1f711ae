//! What clap needs to know, made from the schema.

use crate::config::{Key, Schema, Table};
use clap::{Arg, ArgAction, Command};

pub(super) const CONFIG_FILE: &str = "config.file";

/// The whole command line.
pub(super) fn command(schema: &Schema) -> Command {
    let verbs = [Command::new("check-config")
        .about("Check the config and exit: 0 when it is good, 1 with warnings under --strict, 2 with errors")
        .arg(Arg::new("files").value_name("FILE").num_args(0..).help("Files to check, as --config.file"))
        .arg(format())
        .arg(switch("strict").help("Exit with 1 when there are warnings"))];
    let flags = flags(schema);
    let hidden: Vec<Arg> = flags.iter().map(|arg| arg.clone().hide(true)).collect();
    Command::new("hostlens")
        .about("A Linux host-metrics agent: procfs and eBPF collectors in one scrape for Prometheus")
        .override_usage("hostlens [FLAGS]\n       hostlens <COMMAND> [FLAGS]")
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .arg(switch("version").help("Show the version"))
        .args(&flags)
        .subcommands(
            verbs.map(|verb| verb.args(&hidden).after_help("All flags of `hostlens` can be given, too.")),
        )
}

/// Of the answer.
fn format() -> Arg {
    Arg::new("format")
        .long("format")
        .value_parser(["text", "json"])
        .default_value("text")
        .help("Format of the answer")
}

fn switch(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

/// Every flag that sets a value, twice for switches: `--x` and `--no-x`.
fn flags(schema: &Schema) -> Vec<Arg> {
    let file = Arg::new(CONFIG_FILE).long(CONFIG_FILE).value_name("FILE").action(ArgAction::Append);
    let file = file.help("TOML file to read; later ones win").help_heading("Config");
    let mut flags = vec![file];
    for table in schema.tables() {
        for key in &table.keys {
            let Some(name) = table.flag(key) else { continue };
            let arg = if key.is_switch() { onoff(&name) } else { valued(&name).value_name(value_name(key)) };
            flags.push(arg.help(help(table, key)).help_heading(heading(table)));
            flags.extend(key.is_switch().then(|| off(&name)));
        }
    }
    for alias in schema.aliases() {
        match alias.takes_value {
            true => flags.push(valued(alias.flag).hide(true)),
            false => flags.extend([onoff(alias.flag).hide(true), off(alias.flag)]),
        }
    }
    flags
}

/// `--x`, `--x=true`, `--x=false`
fn onoff(name: &str) -> Arg {
    valued(name).num_args(0..=1).require_equals(true).default_missing_value("true").hide_possible_values(true)
}

/// `--no-x`
fn off(name: &str) -> Arg {
    let name = off_name(name);
    Arg::new(name.clone())
        .long(name)
        .action(ArgAction::Append)
        .num_args(0)
        .default_missing_value("")
        .hide(true)
}

pub(super) fn off_name(name: &str) -> String {
    format!("no-{name}")
}

/// `--x=value`, `--x value`
fn valued(name: &str) -> Arg {
    Arg::new(name.to_owned()).long(name.to_owned()).action(ArgAction::Append).num_args(1)
}

fn value_name(key: &Key) -> &'static str {
    match key.kind {
        "regex" => "REGEX",
        "path" => "PATH",
        "duration" => "DURATION",
        "integer" | "number" => "N",
        _ if !key.choices.is_empty() => "WORD",
        _ => "TEXT",
    }
}

fn help(table: &Table, key: &Key) -> String {
    if let Some(collector) = table.collector
        && key.name == "enabled"
    {
        let default = if collector.enabled { "on" } else { "off" };
        return format!("{} (default: {default})", collector.summary);
    }
    let mut doc: String = key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    if key.is_list() {
        doc.push_str(" Can be given several times.");
    }
    match (key.default)() {
        toml::Value::String(text) if text.is_empty() => doc,
        toml::Value::Array(items) if items.is_empty() => doc,
        toml::Value::String(text) => format!("{doc} (default: {text})"),
        value => format!("{doc} (default: {value})"),
    }
}

fn heading(table: &Table) -> String {
    match (&*table.path, table.collector) {
        (_, Some(collector)) if collector.is_built => format!("Collectors: {}", collector.group),
        (_, Some(_)) => "Collectors of node_exporter that are not built yet".to_owned(),
        ("", None) => "Config".to_owned(),
        ("collector", None) => "Collectors (each has --no-…, too)".to_owned(),
        (_, None) => table.summary.clone(),
    }
}
