//! From the process's arguments to what is to be done, with kingpin's rules and words: node_exporter's users know them.

use super::{
    command::{CONFIG_FILE, VERBS, WORDS, command, off_name},
    complete,
    help::{help, of_verb, short},
    manual,
};
use crate::config::{
    self, Flag, FlagValue, Schema, Sources, nearest, nearest_word,
    render::{self, Which},
};
use clap::{
    ArgMatches, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use clap_complete::Shell;
use std::{fs, path::PathBuf};

/// What is to be done, and with which settings.
#[derive(Debug)]
pub struct Invocation {
    pub verb: Verb,
    pub sources: Sources,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verb {
    /// Serve metrics.
    Run,
    /// Say what is wrong with the config.
    CheckConfig { strict: bool, json: bool },
    /// Print what is in force.
    Show { which: Which, origins: bool },
    /// Print what these flags are in the config file; they are the sources' flags.
    Convert,
    /// Say what this host allows.
    Doctor { json: bool, strict: bool },
    /// List the collectors.
    Collectors { json: bool },
    /// Scrape once; all enabled collectors when none is named.
    Once { collect: Vec<String> },
    /// Show in a terminal what the page shows, of this agent or of the config's.
    Top { url: Option<String> },
    /// Hash a password.
    HashPassword { cost: u32 },
}

impl Verb {
    /// Whether variables of the environment count.
    #[must_use]
    pub fn reads_environment(&self) -> bool {
        *self != Self::Convert
    }
}

/// Why there is nothing to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Asked for and now to be printed: help, version, and what else needs no config.
    Text(String),
    /// All that is wrong with the arguments, a line each.
    Errors(Vec<String>),
}

/// Reads the arguments, without the program's name. The environment is not looked at.
///
/// # Errors
/// When there is nothing to be done.
pub fn parse(schema: &Schema, args: impl IntoIterator<Item = String>) -> Result<Invocation, Stop> {
    let mut errors = Vec::new();
    let args = expand_files(args, &mut errors);
    match args.first().map(String::as_str) {
        Some("--completion-bash" | "--completion-zsh") => {
            return Err(Stop::Text(complete::words(schema, &args[1..])));
        }
        // Whatever follows.
        Some("--version" | "-V" | "version") => return Err(Stop::Text(super::version())),
        Some("help") => {
            let of_verb = args.get(1).map(|verb| vec![verb.clone(), "--help".to_owned()]);
            return parse(schema, of_verb.unwrap_or_else(|| vec!["--help".to_owned()]));
        }
        _ => {}
    }
    let matches = matches(schema, args, &mut errors);
    if !errors.is_empty() {
        return Err(Stop::Errors(errors));
    }
    let matches = matches.map_err(Stop::Text)?.expect("what clap does not take is an error");
    if let Some(text) = asked_for_text(schema, &matches) {
        return Err(Stop::Text(text));
    }
    let mut sources =
        Sources { flags: flags(schema, &matches), files: files(&matches), ..Sources::default() };
    let Some((name, inner)) = matches.subcommand() else {
        return Ok(Invocation { verb: Verb::Run, sources });
    };
    if name == "convert" {
        let mut flags = inner.get_many::<String>("flags").into_iter().flatten().cloned().peekable();
        if flags.peek().is_none() {
            let example = "`hostlens convert -- --collector.systemd`";
            return Err(Stop::Errors(vec![format!(
                "convert needs flags of node_exporter after `--`, as in {example}, try --help"
            )]));
        }
        let Invocation { sources, .. } = parse(schema, flags)?;
        return Ok(Invocation { verb: Verb::Convert, sources });
    }
    if name == "hash-password" {
        let cost = *inner.get_one("cost").expect("it has a default");
        return Ok(Invocation { verb: Verb::HashPassword { cost }, sources });
    }
    sources.flags.extend(flags(schema, inner));
    sources.files.extend(files(inner));
    let verb = match name {
        "check-config" => {
            sources.files.extend(inner.get_many::<String>("files").into_iter().flatten().map(PathBuf::from));
            let json = inner.get_one::<String>("format").is_some_and(|format| format == "json");
            Verb::CheckConfig { strict: inner.get_flag("strict"), json }
        }
        "config" => {
            let which = match (inner.get_flag("defaults"), inner.get_flag("diff")) {
                (true, _) => Which::Defaults,
                (false, true) => Which::Diff,
                (false, false) => Which::All,
            };
            Verb::Show { which, origins: inner.get_flag("sources") }
        }
        "doctor" => Verb::Doctor { json: inner.get_flag("json"), strict: inner.get_flag("strict") },
        "collectors" => Verb::Collectors { json: inner.get_flag("json") },
        "top" => Verb::Top { url: inner.get_one("url").cloned() },
        "once" => Verb::Once { collect: inner.get_many("collect").into_iter().flatten().cloned().collect() },
        other => unreachable!("clap knows no verb `{other}`"),
    };
    Ok(Invocation { verb, sources })
}

/// The texts that depend on nothing but the binary.
fn asked_for_text(schema: &Schema, matches: &ArgMatches) -> Option<String> {
    let word = |matches: &ArgMatches| matches.get_one::<String>("what").cloned();
    Some(match matches.subcommand() {
        Some(("config", inner)) => match word(inner)?.as_str() {
            "sample" => render::sample(schema),
            "schema" => format!("{:#}\n", config::json_schema(schema)),
            _ => return None,
        },
        Some(("manual", inner)) => match word(inner)?.as_str() {
            "collectors" => manual::collectors(schema),
            _ => manual::page(schema),
        },
        Some(("completion", inner)) => manual::completion(schema, *inner.get_one("shell")?),
        Some(_) => return None,
        None if matches.get_flag("version") => super::version(),
        None if matches.get_flag("help-long") => help(schema),
        None if matches.get_flag("help-man") => manual::page(schema),
        None if matches.get_flag("completion-script-bash") => manual::completion(schema, Shell::Bash),
        None if matches.get_flag("completion-script-zsh") => manual::completion(schema, Shell::Zsh),
        None => return None,
    })
}

/// Replaces each `@file` by the lines of that file.
fn expand_files(args: impl IntoIterator<Item = String>, errors: &mut Vec<String>) -> Vec<String> {
    let mut expanded = Vec::new();
    let mut is_literal = false;
    for arg in args {
        is_literal |= arg == "--";
        match arg.strip_prefix('@') {
            Some(path) if !is_literal => match fs::read_to_string(path) {
                Ok(text) => {
                    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
                    expanded.extend(lines.map(str::to_owned));
                }
                Err(error) => errors.push(format!("read the arguments in {path}: {error}")),
            },
            _ => expanded.push(arg),
        }
    }
    expanded
}

/// Clap's reading of `args`. It stops at the first error, so what it complains about is taken out until it is content;
/// `None` when that does not help. `Err` is the help text.
fn matches(
    schema: &Schema,
    mut args: Vec<String>,
    errors: &mut Vec<String>,
) -> Result<Option<ArgMatches>, String> {
    let mut command = command(schema);
    let mut wants_help: Option<fn(&Schema) -> String> = None;
    loop {
        let name = "hostlens".to_owned();
        let error = match command.try_get_matches_from_mut(std::iter::once(&name).chain(&args)) {
            Ok(matches) => return wants_help.map_or(Ok(Some(matches)), |text| Err(text(schema))),
            Err(error) => error,
        };
        if error.kind() == ErrorKind::DisplayHelp {
            if let Some(verb) = VERBS.iter().find(|it| args.iter().any(|arg| arg == it.name)) {
                return Err(of_verb(verb));
            }
            // What is wrong beside it is to be told first.
            let text: fn(&Schema) -> String =
                if args.iter().any(|arg| arg == "--help") { help } else { short };
            let n_args = args.len();
            args.retain(|arg| arg != "--help" && arg != "-h");
            if args.len() == n_args {
                return Err(text(schema));
            }
            wants_help = Some(text);
            continue;
        }
        let (message, culprit) = complaint(schema, &command, &args, &error);
        errors.push(message);
        let is_culprit = |arg: &String| {
            let culprit = culprit.as_deref()?;
            let rest = arg.strip_prefix(culprit)?;
            (rest.is_empty() || rest.starts_with('=') || !culprit.starts_with("--")).then_some(())
        };
        let Some(at) = args.iter().position(|arg| is_culprit(arg).is_some()) else { return Ok(None) };
        args.remove(at);
        // What follows an unknown flag may be its value, of which nothing is to be said.
        let is_value =
            |arg: &String| !arg.starts_with('-') && !command.get_subcommands().any(|it| it.get_name() == arg);
        if error.kind() == ErrorKind::UnknownArgument && args.get(at).is_some_and(is_value) {
            args.remove(at);
        }
    }
}

/// The error in kingpin's words, and the argument that it is about.
fn complaint(
    schema: &Schema,
    command: &Command,
    args: &[String],
    error: &clap::Error,
) -> (String, Option<String>) {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).or_else(|| context(ContextKind::InvalidSubcommand));
    let argument = argument.unwrap_or_default();
    let flag = argument.split([' ', '=', '[']).next().unwrap_or_default().to_owned();
    let words = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) => &words[..],
        _ => &[],
    };
    let message = match error.kind() {
        ErrorKind::UnknownArgument if flag.starts_with("--") => {
            let verb = args.iter().find_map(|arg| command.find_subcommand(arg));
            let its_own = verb.into_iter().flat_map(Command::get_arguments).filter(|arg| !arg.is_hide_set());
            let its_own = its_own.filter_map(clap::Arg::get_long);
            let general = [Some(CONFIG_FILE), Some("help"), verb.is_none().then_some("version")];
            let meant = nearest(&flag[2..], its_own.chain(general.into_iter().flatten()));
            let meant = meant.map(|meant| format!("did you mean `--{meant}`?"));
            let meant = meant.or_else(|| schema.suggest_flag(&flag[2..]));
            let meant = meant.map(|meant| format!(" ({meant})")).unwrap_or_default();
            format!("unknown long flag '{flag}', try --help{meant}")
        }
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            format!("unknown short flag '{flag}', try --help")
        }
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand => {
            let meant = nearest_word(&argument, WORDS.into_iter().chain(VERBS.iter().map(|verb| verb.name)));
            let meant = did_you_mean(meant);
            return (format!("unexpected {argument}, try --help{meant}"), Some(argument));
        }
        ErrorKind::MissingRequiredArgument => return (missing(command, args, &argument, None), None),
        ErrorKind::InvalidValue if argument.starts_with(['<', '[']) => {
            let value = context(ContextKind::InvalidValue);
            return (missing(command, args, &argument, value.as_deref()), None);
        }
        ErrorKind::InvalidValue if !words.is_empty() => {
            let given = context(ContextKind::InvalidValue).unwrap_or_default();
            one_of(&format!("flag '{flag}'"), words, &given)
        }
        ErrorKind::TooManyValues => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            format!("unexpected {value} for flag '{flag}', try --help")
        }
        ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("expected argument for flag '{flag}', try --help")
        }
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    (message, Some(flag).filter(|flag| !flag.is_empty()))
}

fn one_of(what: &str, words: &[String], given: &str) -> String {
    let meant = did_you_mean(nearest_word(given, words.iter().map(String::as_str)));
    format!("{what} needs one of {}, try --help{meant}", words.join(", "))
}

/// What an error ends with.
pub(super) fn did_you_mean(meant: Option<&str>) -> String {
    meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default()
}

/// What a command of `args` lacks, and what there is; `given` stands where it should.
fn missing(command: &Command, args: &[String], what: &str, given: Option<&str>) -> String {
    let verb = args.iter().find_map(|arg| command.find_subcommand(arg));
    let name = verb.map_or("hostlens", Command::get_name);
    let positionals = verb.into_iter().flat_map(Command::get_positionals);
    let words: Vec<String> = positionals
        .flat_map(|arg| arg.get_possible_values())
        .map(|word| word.get_name().to_owned())
        .collect();
    match words[..] {
        [] => format!("{name} needs {what}, try --help"),
        _ => one_of(name, &words, given.unwrap_or_default()),
    }
}

fn files(matches: &ArgMatches) -> Vec<PathBuf> {
    matches.get_many::<String>(CONFIG_FILE).into_iter().flatten().map(PathBuf::from).collect()
}

/// The flags that set values, in the order in which they were given.
fn flags(schema: &Schema, matches: &ArgMatches) -> Vec<Flag> {
    let mut found = Vec::new();
    for name in schema.flags() {
        let has_switch = matches.try_contains_id(&off_name(name)).is_ok();
        for (at, text) in occurrences(matches, name) {
            let value = match text.as_str() {
                "true" if has_switch => FlagValue::On,
                _ => FlagValue::Text(text),
            };
            found.push((at, Flag { name: name.to_owned(), value }));
        }
        if has_switch {
            let off = occurrences(matches, &off_name(name));
            found.extend(
                off.into_iter().map(|(at, _)| (at, Flag { name: name.to_owned(), value: FlagValue::Off })),
            );
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, flag)| flag).collect()
}

/// The values of a flag, each with its place among the arguments.
fn occurrences(matches: &ArgMatches, name: &str) -> Vec<(usize, String)> {
    let places = matches.indices_of(name).into_iter().flatten();
    places.zip(matches.get_many::<String>(name).into_iter().flatten().cloned()).collect()
}
