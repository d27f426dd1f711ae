//! `--help`: all flags, by what they are about.

use super::command::{Described, VERBS, flags, value_name};
use crate::config::{CollectorLimits, Schema, Section as _};

/// Characters of a line.
const WIDTH: usize = 100;

/// Where the texts start.
const COLUMN: usize = 34;

/// The whole text.
pub(super) fn help(schema: &Schema) -> String {
    let mut out = String::from(
        "hostlens: a Linux host-metrics agent, procfs and eBPF collectors in one scrape for Prometheus\n\n\
         usage: hostlens [<flags>]            serve metrics\n       \
         hostlens <command> [<flags>]\n\nCommands (each takes the flags below, too):\n",
    );
    for verb in VERBS {
        entry(&mut out, &format!("  {}", verb.usage), verb.about);
    }
    out.push_str("\nEvery flag is a key of the config file, and a variable: see `hostlens config sample`.\n");
    let mut heading = String::new();
    for Described { arg, usage, heading: its_heading } in flags(schema) {
        if arg.is_hide_set() {
            continue;
        }
        if its_heading != heading {
            heading = its_heading;
            out.push_str(&format!("\n{heading}:\n"));
        }
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        entry(&mut out, &format!("  {usage}"), &about);
    }
    out.push_str("\nOf every collector:\n");
    for key in CollectorLimits::KEYS {
        let doc = key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        let (name, kind) = (key.name.replace('_', "-"), value_name(key));
        entry(&mut out, &format!("  --collector.<name>.{name}={kind}"), &doc);
    }
    out.push_str("\nOther:\n");
    entry(&mut out, "  -h, --help", "Show this.");
    entry(&mut out, "  --version", "Show the version.");
    entry(&mut out, "  @file", "Takes arguments from a file, one a line.");
    out
}

/// A name and its text beside it, or below where the name is long.
fn entry(out: &mut String, name: &str, about: &str) {
    out.push_str(name);
    let mut column = name.chars().count();
    if column + 2 > COLUMN {
        out.push('\n');
        column = 0;
    }
    for word in about.split_whitespace() {
        let n_chars = word.chars().count();
        if column < COLUMN {
            out.push_str(&" ".repeat(COLUMN - column));
            column = COLUMN;
        } else if column + 1 + n_chars > WIDTH && column > COLUMN {
            out.push('\n');
            out.push_str(&" ".repeat(COLUMN));
            column = COLUMN;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += n_chars;
    }
    out.push('\n');
}
