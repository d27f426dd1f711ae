//! The types of settings.

use super::{Problem, Setting};
use regex::bytes::{Regex, RegexBuilder};
use std::{path::PathBuf, time::Duration};
use toml::Value;

fn wrong_type(expected: &str, value: &Value) -> Problem {
    Problem::new(format!("expected {expected}, found {} `{value}`", value.type_str()))
}

impl Setting for bool {
    const KIND: &'static str = "boolean";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        value.as_bool().ok_or_else(|| wrong_type("true or false", value))
    }
}

impl Setting for String {
    const KIND: &'static str = "string";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        value.as_str().map(Self::from).ok_or_else(|| wrong_type("a string", value))
    }
}

impl Setting for PathBuf {
    const KIND: &'static str = "path";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        value.as_str().map(Self::from).ok_or_else(|| wrong_type("a path as a string", value))
    }
}

impl Setting for u64 {
    const KIND: &'static str = "integer";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        let number = value.as_integer().ok_or_else(|| wrong_type("a whole number", value))?;
        Self::try_from(number).map_err(|_| Problem::new(format!("expected 0 or more, found {number}")))
    }
}

impl Setting for i64 {
    const KIND: &'static str = "integer";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        value.as_integer().ok_or_else(|| wrong_type("a whole number", value))
    }
}

/// `"1.5s"`, `"2m30s"`: Go's spelling of a duration, as in all of Prometheus' tools.
impl Setting for Duration {
    const KIND: &'static str = "duration";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        let text = value
            .as_str()
            .ok_or_else(|| wrong_type("a duration as a string with its unit, such as \"5s\"", value))?;
        parse_duration(text)
    }
}

/// Go's units; `0` alone needs none.
fn parse_duration(text: &str) -> Result<Duration, Problem> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86400.0),
    ];
    let problem = |message: &str, rest: &str| Problem {
        message: format!("{message} in the duration `{text}`; write for example \"500ms\", \"5s\" or \"2m\""),
        item: None,
        at: Some(text.len() - rest.len()),
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut seconds = 0.0;
    let mut rest = text;
    loop {
        let n_digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..n_digits].parse().map_err(|_| problem("expected a number", rest))?;
        let after_number = &rest[n_digits..];
        let n_letters =
            after_number.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after_number.len());
        let unit = &after_number[..n_letters];
        if unit.is_empty() {
            return Err(problem("a unit is missing", after_number));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(problem(&format!("unknown unit `{unit}`"), after_number));
        };
        seconds += number * scale;
        rest = &after_number[n_letters..];
        if rest.is_empty() {
            return Duration::try_from_secs_f64(seconds).map_err(|_| problem("a number too large", text));
        }
    }
}

/// A regex with the meaning it has in Go's RE2: unanchored, over bytes, classes such as `\d` ASCII only.
/// A list of strings matches whole names: `["veth.*", "lo"]` is `^(?:veth.*|lo)$`.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// When `text` is not a regex.
    pub fn new(text: &str) -> Result<Self, Problem> {
        RegexBuilder::new(text).unicode(false).build().map(Self).map_err(|error| regex_problem(text, &error))
    }

    #[must_use]
    pub fn is_match(&self, text: impl AsRef<[u8]>) -> bool {
        self.0.is_match(text.as_ref())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn regex_problem(text: &str, error: &regex::Error) -> Problem {
    let at = match regex_syntax::parse(text) {
        Err(regex_syntax::Error::Parse(error)) => Some(error.span().start.offset),
        Err(regex_syntax::Error::Translate(error)) => Some(error.span().start.offset),
        _ => None,
    };
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Problem { message: format!("not a regex: {last}"), item: None, at }
}

impl Setting for Pattern {
    const KIND: &'static str = "regex";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        match value {
            Value::String(text) => Self::new(text),
            Value::Array(items) => {
                let parts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                let parts = parts.ok_or_else(|| wrong_type("a regex or a list of regexes", value))?;
                for (index, part) in parts.iter().enumerate() {
                    Self::new(part).map_err(|problem| Problem { item: Some(index), ..problem })?;
                }
                Self::new(&format!("^(?:{})$", parts.join("|")))
            }
            _ => Err(wrong_type("a regex as a string, or a list of them", value)),
        }
    }
}

/// An empty string is "not set", as an empty flag is for node_exporter.
impl Setting for Option<Pattern> {
    const KIND: &'static str = "regex";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        match value {
            Value::String(text) if text.is_empty() => Ok(None),
            Value::Array(items) if items.is_empty() => Ok(None),
            _ => Pattern::from_value(value).map(Some),
        }
    }
}

/// A list; one string alone is a list of one, so that a flag can give it.
impl Setting for Vec<String> {
    const KIND: &'static str = "list of strings";

    fn from_value(value: &Value) -> Result<Self, Problem> {
        match value {
            Value::String(text) => Ok(vec![text.clone()]),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let problem = wrong_type("a list of strings", item);
                    String::from_value(item).map_err(|_| Problem { item: Some(index), ..problem })
                })
                .collect(),
            _ => Err(wrong_type("a list of strings", value)),
        }
    }
}
