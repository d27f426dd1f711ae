//! What is wrong with a setting, and where: file, line and column, the line itself and a caret.

use anstyle::{AnsiColor, Style};
use serde_json::json;
use std::{
    fmt::{self, Write},
    ops::Range,
    sync::Arc,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// hostlens does not start with this.
    Error,
    /// It starts, but not as the user may think.
    Warning,
    /// Nothing is wrong; good to know.
    Note,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            Self::Error => AnsiColor::Red,
            Self::Warning => AnsiColor::Yellow,
            Self::Note => AnsiColor::Cyan,
        };
        color.on_default().bold()
    }
}

/// A text that settings are read from.
#[derive(Debug)]
pub struct Source {
    /// A path, `command line` or `environment`.
    pub name: String,
    pub text: String,
    /// Whether it is a file, whose lines count.
    pub is_file: bool,
}

/// A part of a source.
#[derive(Clone, Debug)]
pub struct Place {
    pub source: Arc<Source>,
    /// In bytes.
    pub span: Range<usize>,
}

impl Place {
    #[must_use]
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        Self { source: Arc::clone(source), span }
    }

    /// Both from 1; the column counts characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let (before, line_start) = self.before();
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The text up to the place, and where its last line starts.
    fn before(&self) -> (&str, usize) {
        let text = &self.source.text;
        let start = (0..=self.span.start.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        let before = &text[..start.unwrap_or(0)];
        (before, before.rfind('\n').map_or(0, |at| at + 1))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.source.name;
        match self.source.is_file {
            true => {
                let (line, column) = self.line_and_column();
                write!(f, "{name}:{line}:{column}")
            }
            false => f.write_str(name),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    /// What is wrong, lower case and without a full stop.
    pub message: String,
    pub place: Option<Place>,
    /// What would help, to stand beside the caret.
    pub help: Option<String>,
    /// Another place that has to do with it, and what it is.
    pub related: Option<(Place, &'static str)>,
}

impl Diagnostic {
    #[must_use]
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into(), place: None, help: None, related: None }
    }

    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl Diagnostic {
    fn to_json(&self) -> serde_json::Value {
        let mut object = json!({ "severity": self.severity.as_str(), "message": self.message });
        if let Some(place) = &self.place {
            object["source"] = json!(place.source.name);
            if place.source.is_file {
                let (line, column) = place.line_and_column();
                object["line"] = json!(line);
                object["column"] = json!(column);
            }
        }
        if let Some(help) = &self.help {
            object["help"] = json!(help);
        }
        object
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.severity.style();
        writeln!(f, "{style}{}{style:#}: {}", self.severity.as_str(), self.message)?;
        let mut help = self.help.as_deref();
        if let Some(place) = &self.place {
            write_place(f, place, help.take().unwrap_or_default(), style)?;
        }
        if let Some((place, what)) = &self.related {
            write_place(f, place, what, style)?;
        }
        help.map_or(Ok(()), |help| writeln!(f, "  = {help}"))
    }
}

/// The line with a caret under the place, and `remark` behind the caret.
fn write_place(f: &mut fmt::Formatter<'_>, place: &Place, remark: &str, style: Style) -> fmt::Result {
    /// Characters of a line that are shown; longer ones are cut on both sides of the caret.
    const WIDTH: usize = 160;
    writeln!(f, "  --> {place}")?;
    if place.source.text.is_empty() {
        return match remark {
            "" => Ok(()),
            remark => writeln!(f, "  = {remark}"),
        };
    }
    let (line_number, column) = place.line_and_column();
    let (_, line_start) = place.before();
    let line: Vec<char> =
        place.source.text[line_start..].lines().next().unwrap_or_default().chars().collect();
    let caret_at = column - 1;
    let n_carets = place.source.text.get(place.span.clone()).map_or(1, |it| it.chars().count());
    let first = if line.len() <= WIDTH { 0 } else { caret_at.saturating_sub(WIDTH / 2) };
    let last = line.len().min(first + WIDTH);
    let shown: String = line[first.min(last)..last].iter().map(|&c| printable(c)).collect();
    let number = if place.source.is_file { line_number.to_string() } else { " ".to_owned() };
    let margin = " ".repeat(number.len());
    let carets = "^".repeat(n_carets.min(last.saturating_sub(caret_at)).max(1));
    writeln!(f, "{number} | {}", shown.trim_end())?;
    let gap = " ".repeat(caret_at - first);
    let remark = format!("{carets} {remark}");
    writeln!(f, "{margin} | {gap}{style}{}{style:#}", remark.trim_end())
}

/// Neither a tab nor an escape sequence may move the caret.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// All of them, for people and in the colours of a terminal, with a count at the end when there are several errors.
#[must_use]
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        write!(out, "{diagnostic}").expect("a string takes all that is written");
    }
    let n_errors = count(diagnostics, Severity::Error);
    if n_errors > 1 {
        writeln!(out, "{n_errors} errors").expect("a string takes all that is written");
    }
    out
}

#[must_use]
pub fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|it| it.severity == severity).count()
}

/// All of them, for programs: a list of objects; positions only where there is a file.
#[must_use]
pub fn to_json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    diagnostics.iter().map(Diagnostic::to_json).collect()
}
