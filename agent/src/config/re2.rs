//! RE2's syntax, as Go has it, in the words of the regex crate. The two look the same and differ in what is here: classes
//! such as `\d` are ASCII, `{` and `[` may stand for themselves, `\Q…\E`, octal escapes, and what the crate has beyond
//! RE2 is refused. See https://github.com/google/re2/wiki/Syntax.

use super::Problem;
use std::borrow::Cow;

/// A regex of the crate, for bytes, and for each byte of it where it comes from.
pub(super) struct Translated {
    pub(super) regex: String,
    origins: Vec<usize>,
}

impl Translated {
    /// The place in RE2's text that became `offset`.
    pub(super) fn origin(&self, offset: usize) -> usize {
        self.origins.get(offset).or(self.origins.last()).copied().unwrap_or(0)
    }
}

/// Translates `text`, which may still be wrong in ways that the crate will find.
pub(super) fn translate(text: &str) -> Result<Translated, Problem> {
    let mut translation = Translation { text, at: 0, regex: String::new(), origins: Vec::new() };
    translation.run()?;
    Ok(Translated { regex: translation.regex, origins: translation.origins })
}

struct Translation<'a> {
    text: &'a str,
    /// What is read so far.
    at: usize,
    regex: String,
    origins: Vec<usize>,
}

impl Translation<'_> {
    fn run(&mut self) -> Result<(), Problem> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '*' | '+' | '?' => {
                    self.copy(1);
                    self.after_repeat()?;
                }
                '{' => match repeat_len(self.rest()) {
                    Some(n_bytes) => {
                        self.check_repeat(n_bytes)?;
                        self.copy(n_bytes);
                        self.after_repeat()?;
                    }
                    None => self.literal(c, 1),
                },
                '}' => self.literal(c, 1),
                c => self.copy(c.len_utf8()),
            }
        }
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Writes `regex` for the next `n_bytes`.
    fn emit(&mut self, regex: &str, n_bytes: usize) {
        self.regex.push_str(regex);
        self.origins.extend(std::iter::repeat_n(self.at, regex.len()));
        self.at += n_bytes;
    }

    fn copy(&mut self, n_bytes: usize) {
        self.regex.push_str(&self.text[self.at..self.at + n_bytes]);
        self.origins.extend(self.at..self.at + n_bytes);
        self.at += n_bytes;
    }

    fn literal(&mut self, c: char, n_bytes: usize) {
        self.emit(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])), n_bytes);
    }

    fn problem<T>(&self, message: impl Into<String>) -> Result<T, Problem> {
        Err(Problem { at: Some(self.at), ..Problem::new(message) })
    }

    /// RE2 has no possessive or doubled repetition: `a**`, `a{2}{3}`.
    fn after_repeat(&mut self) -> Result<(), Problem> {
        if self.rest().starts_with('?') {
            self.copy(1);
        }
        match self.rest().starts_with(['*', '+', '?']) || repeat_len(self.rest()).is_some() {
            true => self.problem("a repetition of a repetition"),
            false => Ok(()),
        }
    }

    fn check_repeat(&self, n_bytes: usize) -> Result<(), Problem> {
        const MOST: usize = 1000;
        let bounds = self.rest()[1..n_bytes - 1].split(',').filter(|bound| !bound.is_empty());
        match bounds.map(str::parse).all(|bound: Result<usize, _>| bound.is_ok_and(|it| it <= MOST)) {
            true => Ok(()),
            false => self.problem(format!("more than {MOST} repetitions")),
        }
    }

    /// Groups are the same but for the flags that the crate has beyond `imsU`.
    fn group(&mut self) -> Result<(), Problem> {
        let is_flag = |c: char| c.is_ascii_alphabetic() || c == '-';
        let Some(flags) = self.rest().strip_prefix("(?") else {
            self.copy(1);
            return Ok(());
        };
        let n_flags = flags.find(|c| !is_flag(c)).unwrap_or(flags.len());
        let is_named = flags.starts_with("P<");
        let unknown = flags[..n_flags].find(|c| !"imsU-".contains(c));
        self.copy("(?".len());
        if let Some(unknown) = unknown.filter(|_| !is_named) {
            self.at += unknown;
            return self.problem("unknown flag of a group");
        }
        Ok(())
    }

    /// An escape outside of brackets.
    fn escape(&mut self) -> Result<(), Problem> {
        if let Some(quoted) = self.rest().strip_prefix(r"\Q") {
            let end = quoted.find(r"\E").unwrap_or(quoted.len());
            let n_end = r"\E".len().min(quoted.len() - end);
            self.at += r"\Q".len();
            for c in self.text[self.at..self.at + end].chars() {
                self.literal(c, c.len_utf8());
            }
            self.at += n_end;
            return Ok(());
        }
        let Some(c) = self.rest()[1..].chars().next() else { return self.problem("a backslash at the end") };
        match c {
            'b' => self.emit(r"(?-u:\b)", 2),
            'B' => self.emit(r"(?-u:\B)", 2),
            'A' | 'z' => self.copy(2),
            'd' | 's' | 'w' => {
                let set = format!("[{}]", perl_class(c));
                self.emit(&set, 2);
            }
            'D' | 'S' | 'W' => {
                let set = format!("[^{}]", perl_class(c.to_ascii_lowercase()));
                self.emit(&set, 2);
            }
            'p' | 'P' => self.property()?,
            _ => {
                let (c, n_bytes) = self.escaped_char()?;
                self.literal(c, n_bytes);
            }
        }
        Ok(())
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`
    fn property(&mut self) -> Result<(), Problem> {
        let after = &self.rest()[2..];
        let n_name = match after.chars().next() {
            Some('{') => after.find('}').map_or(after.len(), |end| end + 1),
            Some(c) => c.len_utf8(),
            None => 0,
        };
        if let Some(negated) = after.strip_prefix("{^") {
            let name = &negated[..n_name.saturating_sub("{^".len())];
            let letter = if self.rest().starts_with(r"\p") { 'P' } else { 'p' };
            let regex = format!("\\{letter}{{{name}");
            self.emit(&regex, 2 + n_name);
        } else {
            self.copy(2 + n_name);
        }
        Ok(())
    }

    /// The character that the escape at the start means, and the bytes that it takes.
    fn escaped_char(&self) -> Result<(char, usize), Problem> {
        let rest = self.rest();
        let Some(c) = rest[1..].chars().next() else { return self.problem("a backslash at the end") };
        let simple = match c {
            'a' => Some('\x07'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            c if c.is_ascii_punctuation() || c == ' ' => Some(c),
            _ => None,
        };
        if let Some(simple) = simple {
            return Ok((simple, 2));
        }
        let digits = &rest[2..];
        let (digits, radix, n_bytes) = match c {
            'x' => match digits.strip_prefix('{') {
                Some(inner) => {
                    let Some(end) = inner.find('}') else { return self.problem("an open brace") };
                    (&inner[..end], 16, r"\x{}".len() + end)
                }
                None => (digits.get(..2).unwrap_or_default(), 16, 4),
            },
            '0'..='7' => {
                let n_octal = digits.bytes().take(2).take_while(|it| (b'0'..=b'7').contains(it)).count();
                if c != '0' && n_octal == 0 {
                    return self.problem("backreferences are not supported");
                }
                (&rest[1..2 + n_octal], 8, 2 + n_octal)
            }
            '8' | '9' => return self.problem("backreferences are not supported"),
            c => return self.problem(format!("unknown escape `\\{c}`")),
        };
        match u32::from_str_radix(digits, radix).ok().and_then(char::from_u32) {
            Some(c) if !digits.starts_with('+') => Ok((c, n_bytes)),
            _ => self.problem("not the number of a character"),
        }
    }

    /// `[…]`. In RE2 an inner `[` stands for itself, as do `&&`, `--` and `~~`.
    fn class(&mut self) -> Result<(), Problem> {
        let start = self.at;
        self.copy(1);
        if self.rest().starts_with('^') {
            self.copy(1);
        }
        let mut is_first = true;
        loop {
            let Some(c) = self.rest().chars().next() else {
                self.at = start;
                return self.problem("unclosed character class");
            };
            match c {
                ']' if !is_first => {
                    self.copy(1);
                    return Ok(());
                }
                '[' if posix_len(self.rest()).is_some() => {
                    let n_bytes = posix_len(self.rest()).unwrap_or_default();
                    let name = self.rest()["[:".len()..n_bytes - ":]".len()].trim_start_matches('^');
                    if !POSIX.contains(&name) {
                        return self.problem(format!("unknown class `{name}`"));
                    }
                    self.copy(n_bytes);
                }
                '\\' => match self.rest()[1..].chars().next() {
                    Some(c @ ('d' | 's' | 'w')) => self.emit(perl_class(c), 2),
                    Some(c @ ('D' | 'S' | 'W')) => {
                        let set = format!("[^{}]", perl_class(c.to_ascii_lowercase()));
                        self.emit(&set, 2);
                    }
                    Some('p' | 'P') => self.property()?,
                    _ => self.range()?,
                },
                _ => self.range()?,
            }
            is_first = false;
        }
    }

    /// A character of a class, or a range of them.
    fn range(&mut self) -> Result<(), Problem> {
        let (first, n_bytes) = self.class_char()?;
        self.literal(first, n_bytes);
        let after = self.rest().strip_prefix('-');
        if after.is_some_and(|after| !after.is_empty() && !after.starts_with(']')) {
            self.copy(1);
            let (last, n_bytes) = self.class_char()?;
            self.literal(last, n_bytes);
        }
        Ok(())
    }

    fn class_char(&self) -> Result<(char, usize), Problem> {
        match self.rest().chars().next() {
            Some('\\') => self.escaped_char(),
            Some(c) => Ok((c, c.len_utf8())),
            None => self.problem("unclosed character class"),
        }
    }
}

/// What stands in brackets for a class of Perl; ASCII only, and `\s` without the vertical tab.
fn perl_class(letter: char) -> &'static str {
    match letter {
        'd' => "0-9",
        's' => r"\t\n\x0C\r ",
        _ => "0-9A-Za-z_",
    }
}

/// Bytes of `{2}`, `{2,}` or `{2,3}` at the start of `text`; anything else in braces stands for itself.
fn repeat_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('{')?;
    let inner = &inner[..inner.find('}')?];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let is_repeat = match inner.split_once(',') {
        None => is_number(inner),
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
    };
    is_repeat.then_some(inner.len() + 2)
}

/// Classes as `[[:alpha:]]` has them.
const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Bytes of `[:alpha:]` at the start of `text`.
fn posix_len(text: &str) -> Option<usize> {
    let name = text.strip_prefix("[:")?;
    let end = name.find(":]")?;
    name[..end].bytes().all(|it| it.is_ascii_lowercase() || it == b'^').then_some(end + "[::]".len())
}

/// What Go's regexes see of bytes that are not UTF-8: a replacement character for each bad byte.
pub(super) fn as_go_sees(bytes: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let mut seen = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        seen.push_str(chunk.valid());
        seen.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(seen.into_bytes())
}
