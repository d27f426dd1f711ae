//! One line of the text format.

use super::{Kind, Labels, Wrong};

pub(super) enum Line<'a> {
    /// Nothing that counts.
    Comment,
    Help(&'a str, String),
    Type(&'a str, Kind),
    Sample {
        name: &'a str,
        /// As they stand there.
        labels: Labels,
        value: f64,
    },
}

/// `line` is without its newline.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>, Wrong> {
    let mut cursor = Cursor(line);
    cursor.skip_blanks();
    match cursor.0.first() {
        None => Ok(Line::Comment),
        Some(b'#') => {
            cursor.eat(b'#');
            parse_comment(cursor)
        }
        Some(_) => parse_sample(cursor),
    }
}

fn parse_comment(mut cursor: Cursor<'_>) -> Result<Line<'_>, Wrong> {
    cursor.skip_blanks();
    let keyword = cursor.word();
    cursor.skip_blanks();
    if !matches!(keyword, b"HELP" | b"TYPE") || cursor.is_at_end() {
        return Ok(Line::Comment);
    }
    let name = cursor.name(is_metric_name_byte).ok_or("expected a metric name after HELP or TYPE")?;
    if !cursor.0.first().is_none_or(|&byte| is_blank(byte)) {
        return Err(Wrong::new("expected a blank after the name", name));
    }
    cursor.skip_blanks();
    match keyword {
        _ if cursor.is_at_end() => Ok(Line::Comment),
        b"HELP" => Ok(Line::Help(name, unescape(cursor.0)?)),
        _ => Ok(Line::Type(name, kind(cursor.0)?)),
    }
}

fn kind(text: &[u8]) -> Result<Kind, Wrong> {
    match text.to_ascii_lowercase().as_slice() {
        b"counter" => Ok(Kind::Counter),
        b"gauge" => Ok(Kind::Gauge),
        b"histogram" => Ok(Kind::Histogram),
        b"summary" => Ok(Kind::Summary),
        b"untyped" => Ok(Kind::Untyped),
        _ => Err(Wrong::new("unknown type", excerpt(text))),
    }
}

/// `name{label="value"} number`; the name, in double quotes, may also stand first in the braces.
fn parse_sample(mut cursor: Cursor<'_>) -> Result<Line<'_>, Wrong> {
    let mut labels = Labels::new();
    let name_in_braces = cursor.eat(b'{');
    if name_in_braces {
        cursor.skip_blanks();
    }
    let name = cursor.name(is_metric_name_byte).ok_or("expected a metric name")?;
    cursor.skip_blanks();
    let has_labels = if name_in_braces { !cursor.eat(b'}') } else { cursor.eat(b'{') };
    if has_labels {
        if name_in_braces && !cursor.eat(b',') {
            return Err(Wrong::new("expected `,` or `}` after the name", name));
        }
        parse_labels(&mut cursor, &mut labels)?;
    }
    cursor.skip_blanks();
    let word = cursor.word();
    let value = number(word).ok_or_else(|| Wrong::new("expected a number", excerpt(word)))?;
    if !cursor.is_at_end() {
        cursor.skip_blanks();
        let problem =
            if cursor.is_at_end() { "blanks after the number" } else { "timestamps are not supported" };
        return Err(problem.into());
    }
    Ok(Line::Sample { name, labels, value })
}

/// Up to and with the closing brace.
fn parse_labels(cursor: &mut Cursor<'_>, labels: &mut Labels) -> Result<(), Wrong> {
    loop {
        cursor.skip_blanks();
        if cursor.eat(b'}') {
            return Ok(());
        }
        let name = cursor.name(is_label_name_byte).ok_or("expected a label's name, or `}`")?;
        if name.starts_with("__") {
            return Err(Wrong::new("the label name is reserved", name));
        }
        cursor.skip_blanks();
        if !cursor.eat(b'=') {
            return Err(Wrong::new("expected `=` after the label name", name));
        }
        cursor.skip_blanks();
        let value = cursor.quoted().ok_or_else(|| Wrong::new("expected the label in double quotes", name))?;
        if std::str::from_utf8(value).is_err() {
            return Err(Wrong::new("the label is not UTF-8", name));
        }
        labels.push((name.to_owned(), unescape(value)?));
        cursor.skip_blanks();
        if !cursor.eat(b',') && cursor.0.first() != Some(&b'}') {
            return Err(Wrong::new("expected `,` or `}` after the label", name));
        }
    }
}

/// A number as Go spells it, but for hexadecimal ones.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let has_sign = matches!(text, [b'+' | b'-', ..]);
    let is_word = text.last().is_some_and(u8::is_ascii_alphabetic);
    // Go knows no sign of NaN, and refuses digits that are too large to be finite.
    let is_refused = if number.is_nan() { has_sign } else { number.is_infinite() && !is_word };
    (!is_refused).then_some(number)
}

/// Resolves `\\`, `\"` and `\n`. What is not UTF-8 becomes U+FFFD.
fn unescape(text: &[u8]) -> Result<String, Wrong> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(&escaped @ (b'\\' | b'"')) => bytes.push(escaped),
            _ => return Err("a backslash may only stand before `\\`, `\"` or `n`".into()),
        }
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The rest of a line.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| !belongs(byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.take_while(is_blank);
    }

    /// Up to the next blank.
    fn word(&mut self) -> &'a [u8] {
        self.take_while(|byte| !is_blank(byte))
    }

    /// A name, plain or in double quotes; `None` when none stands here.
    fn name(&mut self, is_name_byte: fn(u8) -> bool) -> Option<&'a str> {
        let is_quoted = self.eat(b'"');
        let name = self.take_while(is_name_byte);
        if name.first().is_none_or(u8::is_ascii_digit) || (is_quoted && !self.eat(b'"')) {
            return None;
        }
        std::str::from_utf8(name).ok()
    }

    /// What stands between this double quote and the next one without a backslash.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let mut is_escaped = false;
        let inside = self.0.strip_prefix(b"\"")?;
        let end = inside.iter().position(|&byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        })?;
        self.0 = &inside[end + 1..];
        Some(&inside[..end])
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_label_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_metric_name_byte(byte: u8) -> bool {
    is_label_name_byte(byte) || byte == b':'
}

/// The begin of `text`, printable.
fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(32)]).escape_debug().to_string()
}
