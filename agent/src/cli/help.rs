//! `--help`: all flags, by what they are about; `-h`: what most people look for. For a terminal; what is no terminal
//! gets the text alone.

use super::command::{Described, VERBS, VerbSpec, flags, value_name};
use crate::config::{CollectorLimits, Schema, Section as _};
use anstyle::Style;
use clap::{Arg, builder::PossibleValue};
use rustix::termios::tcgetwinsize;

/// Characters of a line where there is no terminal, and at most.
const WIDTH: usize = 100;

/// Characters of a line at least.
const NARROW: usize = 60;

/// Where the texts start.
const COLUMN: usize = 34;

/// Flags that `-h` shows.
const FIRST: [&str; 5] =
    ["config.file", "preset", "web.listen-address", "web.config.file", "collector.disable-defaults"];

const HEADING: Style = Style::new().bold().underline();
const NAME: Style = Style::new().bold();

/// The whole text.
pub(super) fn help(schema: &Schema) -> String {
    let mut text = Text::new();
    text.start(true);
    text.line("\nEvery flag is a key of the config file, and a variable: see `hostlens config sample`.");
    let mut heading = String::new();
    for Described { arg, usage, heading: its_heading } in flags(schema) {
        if arg.is_hide_set() {
            continue;
        }
        if its_heading != heading {
            heading = its_heading;
            text.heading(&heading);
        }
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        text.entry(&format!("  {usage}"), &about);
    }
    text.heading("Of every collector");
    for key in CollectorLimits::KEYS {
        let doc = key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        let (name, kind) = (key.name.replace('_', "-"), value_name(key));
        text.entry(&format!("  --collector.<name>.{name}={kind}"), &doc);
    }
    text.heading("Other");
    text.entry("  -h", "Show the commands and the first flags alone.");
    text.entry("  --help", "Show this.");
    text.entry("  -V, --version", "Show the version.");
    text.entry("  @file", "Takes arguments from a file, one a line.");
    text.out
}

/// What to begin with.
pub(super) fn short(schema: &Schema) -> String {
    let mut text = Text::new();
    text.start(false);
    text.heading("Flags");
    for Described { arg, usage, .. } in flags(schema).filter(|it| !it.arg.is_hide_set()) {
        if arg.get_long().is_some_and(|name| FIRST.contains(&name)) {
            let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
            text.entry(&format!("  {usage}"), first_sentence(&about));
        }
    }
    text.entry("  --[no-]collector.<name>", "Switches a collector on or off.");
    text.entry("  -V, --version", "Show the version.");
    text.entry("  -h, --help", "Show this, or all flags.");
    text.line("\nAll flags: `hostlens --help`. All keys of the config file: `hostlens config sample`.");
    text.out
}

/// What one command does and takes.
pub(super) fn of_verb(verb: &VerbSpec) -> String {
    let mut text = Text::new();
    text.paragraph(verb.about);
    text.line(&format!("\nusage: hostlens {}", verb.usage));
    text.heading("Options");
    for arg in (verb.args)() {
        let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        let value = value.unwrap_or_default();
        let name = match arg.get_long() {
            Some(long) if arg.get_action().takes_values() && !value.is_empty() => format!("--{long}={value}"),
            Some(long) if arg.get_action().takes_values() => format!("--{long}=WORD"),
            Some(long) => format!("--{long}"),
            None => format!("<{}>", if value.is_empty() { arg.get_id().as_str() } else { &value }),
        };
        text.entry(&format!("  {name}"), &about(&arg));
    }
    text.entry("  -h, --help", "Show this");
    if verb.takes_flags {
        text.line("\nIt takes all flags of `hostlens`, too.");
    }
    text.out
}

/// What an argument is for, the words it may be, and what it is by default.
fn about(arg: &Arg) -> String {
    let words = arg.get_possible_values();
    let words: Vec<&str> = words.iter().map(PossibleValue::get_name).collect();
    let words = if arg.get_action().takes_values() { words.join(", ") } else { String::new() };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let about = [help, words].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(": ");
    match arg.get_default_values().first().filter(|_| arg.get_action().takes_values()) {
        Some(default) => format!("{about} (default: {})", default.display()),
        None => about,
    }
}

fn first_sentence(text: &str) -> &str {
    text.split_inclusive(". ").next().unwrap_or(text).trim_end()
}

fn first_clause(text: &str) -> &str {
    [": ", "; ", ". ", " ("].iter().fold(text, |text, end| text.split(end).next().unwrap_or(text))
}

struct Text {
    out: String,
    width: usize,
}

impl Text {
    fn new() -> Self {
        let columns = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
        let width = if columns == 0 { WIDTH } else { columns.clamp(NARROW, WIDTH) };
        Self { out: String::new(), width }
    }

    fn start(&mut self, in_full: bool) {
        self.paragraph(
            "hostlens: a Linux host-metrics agent, procfs and eBPF collectors in one scrape for Prometheus",
        );
        self.line(
            "\nusage: hostlens [<flags>]            serve metrics\n       hostlens <command> [<flags>]",
        );
        self.heading("Commands (those that read the config take the flags below, too)");
        for verb in VERBS {
            let (name, about) =
                if in_full { (verb.usage, verb.about) } else { (verb.name, first_clause(verb.about)) };
            let about = about.trim_end_matches('.');
            self.entry(&format!("  {name}"), about);
        }
        self.entry("  help [<command>]", "Show this, or what a command does and takes");
        self.entry("  version", "Show the version");
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Text over the whole width.
    fn paragraph(&mut self, text: &str) {
        self.wrapped(text, 0, 0);
    }

    fn heading(&mut self, text: &str) {
        self.out.push_str(&format!("\n{HEADING}{text}:{HEADING:#}\n"));
    }

    /// A name and its text beside it, or below where the name is long.
    fn entry(&mut self, name: &str, about: &str) {
        self.out.push_str(&format!("{NAME}{name}{NAME:#}"));
        let mut column = name.chars().count();
        if column + 2 > COLUMN {
            self.out.push('\n');
            column = 0;
        }
        self.wrapped(about, column, COLUMN);
    }

    /// The rest of a line that has come to `column`, and lines below it, all of them from the column `left` on.
    fn wrapped(&mut self, text: &str, mut column: usize, left: usize) {
        for word in text.split_whitespace() {
            let n_chars = word.chars().count();
            if column > left && column + 1 + n_chars > self.width {
                self.out.push('\n');
                column = 0;
            }
            let n_blanks = if column > left { 1 } else { left - column };
            self.out.push_str(&" ".repeat(n_blanks));
            self.out.push_str(word);
            column += n_blanks + n_chars;
        }
        self.out.push('\n');
    }
}
