//! What clap needs to know, made from the schema.

use crate::config::{Key, Schema, Table};
use clap::{Arg, ArgAction, Command};

pub(super) const CONFIG_FILE: &str = "config.file";

/// Words that stand for flags, where a command stands.
pub(super) const WORDS: [&str; 2] = ["help", "version"];

/// A command of the binary.
pub(super) struct VerbSpec {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    pub(super) about: &'static str,
    /// Whether it reads the config, and so takes all flags.
    pub(super) takes_flags: bool,
    pub(super) args: fn() -> Vec<Arg>,
}

pub(super) const VERBS: &[VerbSpec] = &[
    VerbSpec {
        name: "top",
        usage: "top [--url <url>]",
        about: "Show in a terminal what the page shows: the host, what is wrong and what would help, and charts that \
                move; of the hostlens that runs here, of the one at --url, or, where none runs, of what this one finds.",
        takes_flags: true,
        args: || {
            let url = Arg::new("url").long("url").value_name("URL");
            vec![url.help("http://HOST:PORT, http://USER:PASSWORD@HOST:PORT or unix:/PATH of a hostlens that runs; no TLS")]
        },
    },
    VerbSpec {
        name: "check-config",
        usage: "check-config [<file>...]",
        about: "Say all that is wrong with the config; exit with 0 when it is good, 1 for warnings under --strict, \
                2 for errors.",
        takes_flags: true,
        args: || {
            let files =
                Arg::new("files").value_name("FILE").num_args(0..).help("Files to check, as --config.file");
            vec![files, format(), switch("strict").help("Exit with 1 when there are warnings")]
        },
    },
    VerbSpec {
        name: "config",
        usage: "config show|sample|schema",
        about: "Print the config in force (show: --defaults, --diff, --sources), every key with its doc (sample), or \
                a JSON Schema for editors (schema).",
        takes_flags: true,
        args: || {
            vec![
                Arg::new("what").value_parser(["show", "sample", "schema"]).required(true),
                switch("defaults").help("Show the defaults").conflicts_with("diff"),
                switch("diff").help("Show only what differs from the defaults"),
                switch("sources").help("Say who chose each value"),
            ]
        },
    },
    VerbSpec {
        name: "doctor",
        usage: "doctor [--json] [--strict]",
        about: "Say what this host allows and which collectors work here, why not, and what would help; exit with 0 \
                when hostlens can serve, 1 for collectors that give less under --strict, 2 when it cannot.",
        takes_flags: true,
        args: || {
            vec![
                json(),
                switch("strict").help("Exit with 1 when an enabled collector gives less than it could"),
            ]
        },
    },
    VerbSpec {
        name: "collectors",
        usage: "collectors [--json]",
        about: "List all collectors, whether they are enabled, and what they show.",
        takes_flags: true,
        args: || vec![json()],
    },
    VerbSpec {
        name: "once",
        usage: "once [--collect <name>]...",
        about: "Scrape once: metrics on stdout, time and series of each collector on stderr.",
        takes_flags: true,
        args: || {
            let collect = Arg::new("collect").long("collect").value_name("NAME").action(ArgAction::Append);
            vec![collect.help("Runs these collectors only, enabled or not")]
        },
    },
    VerbSpec {
        name: "hash-password",
        usage: "hash-password [--cost <n>]",
        about: "Read a password and print its hash (bcrypt), for [web.auth].",
        takes_flags: false,
        args: || {
            let cost = Arg::new("cost").long("cost").value_name("N").default_value("10");
            vec![
                cost.value_parser(clap::value_parser!(u32).range(4..=16))
                    .help("Doublings of the work: 4 to 16"),
            ]
        },
    },
    VerbSpec {
        name: "convert",
        usage: "convert -- <flags>",
        about: "Print the config file that means the same as flags of node_exporter.",
        takes_flags: false,
        args: || vec![Arg::new("flags").value_name("FLAGS").num_args(0..).last(true).help("What to convert")],
    },
    VerbSpec {
        name: "completion",
        usage: "completion <shell>",
        about: "Print completions for bash, elvish, fish, powershell or zsh.",
        takes_flags: false,
        args: || {
            let shells = clap::builder::EnumValueParser::<clap_complete::Shell>::new();
            vec![Arg::new("shell").value_parser(shells).required(true)]
        },
    },
    VerbSpec {
        name: "manual",
        usage: "manual [page|collectors]",
        about: "Print the man page, or what every collector shows and takes, in Markdown.",
        takes_flags: false,
        args: || vec![Arg::new("what").value_parser(["page", "collectors"]).default_value("page")],
    },
];

/// The whole command line.
pub(super) fn command(schema: &Schema) -> Command {
    let flags: Vec<Described> = flags(schema).collect();
    let verb = |spec: &VerbSpec| {
        let flags = flags.iter().filter(|_| spec.takes_flags).map(|flag| flag.arg.clone().hide(true));
        let after = if spec.takes_flags { "It takes all flags of `hostlens`, too." } else { "" };
        Command::new(spec.name).about(spec.about).args((spec.args)()).args(flags).after_help(after)
    };
    Command::new("hostlens")
        .about("A Linux host-metrics agent: procfs and eBPF collectors in one scrape for Prometheus")
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .override_usage("hostlens [<flags>]\n       hostlens <command> [<flags>]")
        .arg(switch("version").help("Show the version"))
        .arg(switch("help-long").hide(true))
        .arg(switch("help-man").hide(true))
        .arg(switch("completion-script-bash").hide(true))
        .arg(switch("completion-script-zsh").hide(true))
        .args(flags.iter().map(|flag| &flag.arg))
        .subcommands(VERBS.iter().map(verb))
}

fn json() -> Arg {
    switch("json").help("Answer in JSON")
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

/// A flag for clap and for `--help`.
pub(super) struct Described {
    pub(super) arg: Arg,
    pub(super) usage: String,
    pub(super) heading: String,
}

/// Every flag that sets a value, twice for switches: `--x` and `--no-x`.
pub(super) fn flags(schema: &Schema) -> impl Iterator<Item = Described> {
    let file = Arg::new(CONFIG_FILE).long(CONFIG_FILE).value_name("FILE").action(ArgAction::Append);
    let file = file.help("TOML file to read. Can be given several times; the last one wins.");
    let usage = format!("--{CONFIG_FILE}=FILE ...");
    let file = Described { arg: file.help_heading("Config"), usage, heading: "Config".to_owned() };
    let keys =
        schema.tables().iter().flat_map(|table| table.keys.iter().flat_map(move |key| of_key(table, key)));
    let aliases = schema.aliases().flat_map(|alias| match alias.takes_value {
        true => vec![valued(alias.flag)],
        false => vec![onoff(alias.flag), off(alias.flag)],
    });
    let hidden = |arg: Arg| Described { arg: arg.hide(true), usage: String::new(), heading: String::new() };
    std::iter::once(file).chain(keys).chain(aliases.map(hidden))
}

fn of_key(table: &Table, key: &Key) -> Vec<Described> {
    let Some(name) = table.flag(key) else { return Vec::new() };
    let heading = heading(table);
    if table.is_common(key) {
        // They are described once for all collectors.
        let arg = valued(&name).help(help(table, key)).value_name(value_name(key)).hide(true);
        return vec![Described { arg, usage: String::new(), heading }];
    }
    let describe = |arg: Arg, usage| {
        let arg = arg.help(help(table, key)).help_heading(heading.clone());
        Described { arg, usage, heading: heading.clone() }
    };
    if key.is_switch() {
        let usage = format!("--[no-]{name}");
        return vec![describe(onoff(&name), usage), describe(off(&name), String::new())];
    }
    let more = if key.is_list() { " ..." } else { "" };
    let mut arg = valued(&name).value_name(value_name(key));
    if !key.choices.is_empty() {
        // Completed by shells, checked with all else.
        let any = clap::builder::StringValueParser::new();
        arg = arg.value_parser(any).value_hint(clap::ValueHint::Other);
    }
    vec![describe(arg, format!("--{name}={}{more}", value_name(key)))]
}

/// `--x`, `--x=true`, `--x=false`
fn onoff(name: &str) -> Arg {
    let flag = valued(name).num_args(0..=1).require_equals(true).default_missing_value("true");
    flag.value_name("BOOL")
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

pub(super) fn value_name(key: &Key) -> &'static str {
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
    let doc: String = key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    match (key.default)() {
        toml::Value::String(text) if text.is_empty() => doc,
        toml::Value::Array(items) if items.is_empty() => doc,
        toml::Value::String(text) => format!("{doc} (default: {text})"),
        toml::Value::Boolean(on) => format!("{doc} (default: {})", if on { "on" } else { "off" }),
        value => format!("{doc} (default: {value})"),
    }
}

fn heading(table: &Table) -> String {
    match (&*table.path, table.collector) {
        (_, Some(collector)) => format!("Collectors: {}", collector.group),
        ("", None) => "Config".to_owned(),
        (_, None) => table.summary.clone(),
    }
}
