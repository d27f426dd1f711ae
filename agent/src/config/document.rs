//! One TOML file: read with care, parsed with positions, checked key by key against the schema. All that is wrong is
//! found in one pass.

use super::{
    Origin, Problem, Schema,
    diagnostic::{Diagnostic, Place, Source},
};
use rustix::fs::{FileType, Mode, OFlags};
use std::{fs::File, io::Read, ops::Range, path::Path, sync::Arc};
use toml::{
    Spanned, Value,
    de::{DeString, DeTable, DeValue},
};

/// A value that a source gives, checked.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) path: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// Where its key stands.
    pub(super) place: Option<Place>,
}

/// The text of the file at `path`, whatever stands there.
pub(super) fn read(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    /// More is a mistake, and would only cost memory.
    const MAX_BYTES: u64 = 1 << 20;
    let name = path.display().to_string();
    let fail = |problem: String| {
        let source = Arc::new(Source { name: name.clone(), text: String::new(), is_file: false });
        Err(Diagnostic::error(problem).at(Place::new(&source, 0..0)))
    };
    // Not blocking, or a FIFO would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(errno) => return fail(format!("read the config file: {}", std::io::Error::from(errno))),
    };
    match rustix::fs::fstat(&file).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::RegularFile) => {}
        Ok(FileType::Directory) => return fail("the config file is a directory".to_owned()),
        Ok(_) => return fail("the config file is not a regular file".to_owned()),
        Err(errno) => return fail(format!("read the config file: {}", std::io::Error::from(errno))),
    }
    let mut bytes = Vec::new();
    if let Err(error) = file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        return fail(format!("read the config file: {error}"));
    }
    if bytes.len() as u64 > MAX_BYTES {
        return fail(format!("the config file is larger than {} MiB", MAX_BYTES >> 20));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::new(Source { name, text, is_file: true })),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = Arc::new(Source { name, text, is_file: true });
            let place = Place::new(&source, at..at + '\u{fffd}'.len_utf8());
            Err(Diagnostic::error("the config file is not UTF-8").at(place))
        }
    }
}

/// The settings of `source`; what is wrong with it goes to `diagnostics`.
pub(super) fn parse(schema: &Schema, source: &Arc<Source>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Given> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut walk = Walk { schema, source, given: Vec::new(), found: Vec::new() };
    let mut broken_lines = Vec::new();
    for error in &errors {
        let place = Place::new(source, error.span().unwrap_or(0..0));
        broken_lines.push(place.line_and_column().0);
        walk.found.push(Diagnostic::error(error.message().replace('\n', ", ")).at(place));
    }
    let n_syntax = walk.found.len();
    walk.table(table.get_ref(), "");
    let line = |it: &Diagnostic| it.place.as_ref().map_or(0, |place| place.line_and_column().0);
    // What was recovered from a broken line is a guess; nothing is said about it.
    let mut found = walk.found.split_off(n_syntax);
    found.retain(|it| !broken_lines.contains(&line(it)));
    let start = |it: &Diagnostic| it.place.as_ref().map_or(0, |place| place.span.start);
    let open = walk.found[..n_syntax].iter().position(says_open);
    if let Some(open) = open {
        // All that follows is taken for what is in the bracket.
        walk.found.truncate(open + 1);
        walk.found[open].help = Some("a bracket that opens here or above is not closed".to_owned());
    } else {
        walk.found.append(&mut found);
    }
    walk.found.sort_by_key(start);
    diagnostics.append(&mut walk.found);
    walk.given
}

/// Whether the parser says of a bracket that it is not closed.
fn says_open(error: &Diagnostic) -> bool {
    const OPEN: [&str; 4] = [
        "unclosed ",
        "missing comma between ",
        "invalid inline table element",
        "missing key for inline table element",
    ];
    OPEN.iter().any(|words| error.message.starts_with(words))
}

struct Walk<'a> {
    schema: &'a Schema,
    source: &'a Arc<Source>,
    given: Vec<Given>,
    found: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str) {
        for (name, value) in table {
            let inner = match path {
                "" => name.get_ref().to_string(),
                path => format!("{path}.{}", name.get_ref()),
            };
            if self.schema.key(&inner).is_some() {
                self.key(inner, name.span(), value);
            } else if self.schema.is_table(&inner) {
                match value.get_ref() {
                    DeValue::Table(table) => self.table(table, &inner),
                    other => self.not_a_table(&inner, other, value.span()),
                }
            } else {
                self.unknown(path, name.get_ref(), name.span(), value.get_ref());
            }
        }
    }

    fn key(&mut self, path: String, span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let place = Place::new(self.source, span);
        let line = place.line_and_column().0;
        let key = self.schema.key(&path).expect("the caller found it");
        match plain(value).and_then(|plain| (key.check)(&plain).map(|()| plain)) {
            Ok(value) => {
                let origin = Origin::File { file: self.source.name.as_str().into(), line };
                self.given.push(Given { path, value, origin, place: Some(place) });
            }
            Err(problem) => {
                let place = Place::new(self.source, self.span_of(value, &problem));
                self.found.push(Diagnostic::error(format!("`{path}`: {}", problem.message)).at(place));
            }
        }
    }

    /// The part of the text of `value` that the problem is about.
    fn span_of(&self, value: &Spanned<DeValue<'_>>, problem: &Problem) -> Range<usize> {
        let item = problem.item.and_then(|item| value.get_ref().as_array()?.get(item));
        let value = item.unwrap_or(value);
        let span = value.span();
        let inside = problem.at.and_then(|at| {
            let decoded = value.get_ref().as_str()?;
            let raw = self.source.text.get(span.clone())?;
            offset_in_literal(raw, decoded, at)
        });
        inside.map_or(span.clone(), |offset| span.start + offset..span.start + offset + 1)
    }

    fn not_a_table(&mut self, path: &str, value: &DeValue<'_>, span: Range<usize>) {
        let message = format!("`{path}` is a table, found {} here", value.type_str());
        let error = Diagnostic::error(message).at(Place::new(self.source, span));
        let has_switch = self.schema.key(&format!("{path}.enabled")).is_some();
        self.found.push(match value {
            DeValue::Boolean(on) if has_switch => {
                error.help(format!("write `{}.enabled = {on}`", path.rsplit('.').next().unwrap_or(path)))
            }
            _ => error,
        });
    }

    fn unknown(&mut self, table: &str, name: &str, span: Range<usize>, value: &DeValue<'_>) {
        let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
        let (message, help) = match value {
            DeValue::Table(_) if table == "collector" => {
                (format!("unknown collector `{name}`"), self.schema.suggest_table(&path))
            }
            DeValue::Table(_) => (format!("unknown table [{path}]"), self.schema.suggest_table(&path)),
            _ if table.is_empty() => (format!("unknown key `{name}`"), self.schema.suggest_key(table, name)),
            _ => (format!("unknown key `{name}` in [{table}]"), self.schema.suggest_key(table, name)),
        };
        let error = Diagnostic::error(message).at(Place::new(self.source, span));
        self.found.push(match help {
            Some(help) => error.help(help),
            None => error,
        });
    }
}

/// The value without positions.
pub(super) fn plain(value: &Spanned<DeValue<'_>>) -> Result<Value, Problem> {
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map(Value::Integer)
            .map_err(|_| Problem::new(format!("the number {digits} is too large")))?,
        DeValue::Float(digits) => digits
            .as_str()
            .parse()
            .map(Value::Float)
            .map_err(|_| Problem::new(format!("{digits} is not a number")))?,
        DeValue::Boolean(on) => Value::Boolean(*on),
        // One that the parser made of a broken line cannot even be printed.
        DeValue::Datetime(_) => return Err(Problem::new("no setting is a date or a time")),
        DeValue::Array(items) => Value::Array(items.iter().map(plain).collect::<Result<_, _>>()?),
        DeValue::Table(table) => {
            let pair =
                |(name, value): (&Spanned<DeString<'_>>, _)| Ok((name.get_ref().to_string(), plain(value)?));
            Value::Table(table.iter().map(pair).collect::<Result<_, Problem>>()?)
        }
    })
}

/// Where in `raw`, a string as TOML spells it, the byte `at` of its `decoded` text is written.
fn offset_in_literal(raw: &str, decoded: &str, at: usize) -> Option<usize> {
    let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| raw.starts_with(quotes))?;
    let first = quotes.len();
    let inner = raw.get(first..raw.len().checked_sub(quotes.len())?)?;
    // A newline right behind three quotes is not part of the string.
    let n_skipped =
        inner.len() - inner.strip_prefix("\r\n").or(inner.strip_prefix('\n')).unwrap_or(inner).len();
    let inner = if quotes.len() == 3 { &inner[n_skipped..] } else { inner };
    let first = raw.len() - quotes.len() - inner.len();
    if inner == decoded {
        return Some(first + at);
    }
    let mut n_decoded = 0;
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        if n_decoded >= at {
            return Some(first + inner.len() - rest.len());
        }
        let n_raw = match rest.as_bytes() {
            [b'\\', b'u', ..] => 6,
            [b'\\', b'U', ..] => 10,
            [b'\\', b'x', ..] => 4,
            [b'\\', b' ' | b'\t' | b'\r' | b'\n', ..] => return None,
            [b'\\', ..] => 2,
            _ => c.len_utf8(),
        };
        n_decoded += decoded.get(n_decoded..)?.chars().next()?.len_utf8();
        rest = rest.get(n_raw..)?;
    }
    Some(first + inner.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::diagnostic, testing::fuzz};

    #[test]
    fn finds_a_byte_of_a_string_behind_escapes() {
        assert_eq!(offset_in_literal("'a(b'", "a(b", 1), Some(2));
        assert_eq!(offset_in_literal(r#""\\d(b""#, r"\d(b", 2), Some(4));
        assert_eq!(offset_in_literal(r#""\u00e9(""#, "é(", 2), Some(7));
        assert_eq!(offset_in_literal("'''\na('''", "a(", 1), Some(5));
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_toml() {
        let schema = crate::collectors::schema();
        let sample = include_bytes!("../../../config/minimal.toml");
        let whole = b"preset = \"kubernetes\"\ninclude = [\"a*.toml\"]\n[web]\nlisten_address = [\":9100\", 'x']\nformats = \
            [\"protobuf\"]\nheaders = { a = \"b\" }\n[collector.netdev]\ndevice_exclude = [\"veth.*\", '[']\n\
            [collector]\ncpu.info = true\narp = { enabled = false, timeout = \"1m30s\" }\n[ebpf.budget]\nmax_cpu = \
            \"0.5%\"\n[log]\nlevel = \"\"\"\nwarn\"\"\"\n";
        fuzz(&[sample, whole, b"a.b.\"c\" = 1979-05-27T07:32:00Z\n[[x]]\n"], |text| {
            let text = String::from_utf8_lossy(text).into_owned();
            let source = Arc::new(Source { name: "hostlens.toml".to_owned(), text, is_file: true });
            let mut found = Vec::new();
            drop(parse(&schema, &source, &mut found));
            drop((diagnostic::render(&found), diagnostic::to_json(&found)));
        });
    }
}
