//! `os-release` files: see os-release(5). Assignments in a part of the shell's syntax, read as strictly as node_exporter
//! reads them, but that `$` and the backquote may be escaped, as the manual wants it.

use super::{lines, number};
use std::collections::HashMap;

/// The assignments of a file.
#[derive(Debug, Default)]
pub struct OsRelease {
    /// Lines and values by name; of two of one name the later holds.
    values: HashMap<String, (usize, String)>,
}

/// The number of the line that is wrong, and why.
pub type Malformed = (usize, &'static str);

impl OsRelease {
    /// The assignments, and the first line that is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> (Self, Option<Malformed>) {
        let mut values = HashMap::new();
        let mut first_wrong = None;
        for (number, line) in lines(text) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match parse_line(line) {
                Ok((name, value)) => {
                    values.insert(name, (number, String::from_utf8_lossy(&value).into_owned()));
                }
                Err(problem) => first_wrong = first_wrong.or(Some((number, problem))),
            }
        }
        (Self { values }, first_wrong)
    }

    /// The value of `name`; empty when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |(_, value)| value)
    }

    /// The number at the begin of `VERSION_ID`, such as the 12.4 of `12.4.1`.
    #[must_use]
    pub fn major_minor(&self) -> Option<f64> {
        let version = self.get("VERSION_ID");
        let n_digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let n_major = Some(n_digits(version)).filter(|&n_digits| n_digits > 0)?;
        let n_minor = version[n_major..].strip_prefix('.').map_or(0, |minor| 1 + n_digits(minor));
        version[..n_major + n_minor].parse().ok()
    }

    /// When the day of `SUPPORT_END` begins in Greenwich, in Unix seconds.
    ///
    /// # Errors
    /// When it is no day.
    pub fn support_end(&self) -> Result<Option<i64>, Malformed> {
        let Some((line, text)) = self.values.get("SUPPORT_END").filter(|(_, text)| !text.is_empty()) else {
            return Ok(None);
        };
        match unix_day(text) {
            Some(day) => Ok(Some(day * 24 * 3600)),
            None => Err((*line, "expected a day such as `2028-06-30`")),
        }
    }
}

/// Days from 1970-01-01 to a day written as `2028-06-30`; `None` when there is no such day.
fn unix_day(text: &str) -> Option<i64> {
    const DAYS_TO_1970: i64 = 719_162;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else { return None };
    let number = |digits: &[u8]| {
        number::<u16>(digits).filter(|_| digits.iter().all(u8::is_ascii_digit)).map(i64::from)
    };
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_months = [31, 28 + i64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month - 1).ok()?;
    if !(1..=*days_of_months.get(month)?).contains(&day) {
        return None;
    }
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    Some(365 * before + leap_days - DAYS_TO_1970 + days_of_months[..month].iter().sum::<i64>() + day - 1)
}

fn parse_line(line: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let equals = line.iter().position(|&byte| byte == b'=').ok_or("expected `name=value`")?;
    let name = line[..equals].trim_ascii();
    let name = name.strip_prefix(b"export ").unwrap_or(name);
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"_/.".contains(byte);
    let begins_well = name.first().is_some_and(|&byte| byte.is_ascii_alphabetic() || byte == b'_');
    match std::str::from_utf8(name) {
        Ok(text) if begins_well && name.iter().all(is_name_byte) => {
            Ok((text.to_owned(), unquote(line[equals + 1..].trim_ascii())?))
        }
        _ => Err("expected a name of letters, digits and `_` before the `=`"),
    }
}

/// Takes quotes and escapes away, and a comment at the end.
fn unquote(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut value = Vec::with_capacity(text.len());
    // What comes after it are blanks that do not count before a comment.
    let mut end = 0;
    let mut quote = None;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match (quote, byte) {
            (_, ..32) => return Err("control characters are not allowed"),
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'#') => {
                value.truncate(end);
                return Ok(value);
            }
            (None, b' ') => value.push(byte),
            (Some(open), _) if byte == open => quote = None,
            (Some(b'"'), b'\\') => {
                value.push(match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(&escaped @ (b'"' | b'\\' | b'$' | b'`')) => escaped,
                    _ => {
                        return Err(
                            "a backslash may only stand before `\\`, `\"`, `$`, a backquote, `n` or `t`",
                        );
                    }
                });
                end = value.len();
            }
            _ => {
                value.push(byte);
                end = value.len();
            }
        }
    }
    if quote.is_some() { Err("a quote has no end") } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_shells_read_and_is_as_strict_as_node_exporter() {
        for (text, id) in [
            ("# ID=x\n\n \t\nID=debian", Ok("debian")),
            ("ID=", Ok("")),
            ("  ID = debian \r\n", Ok("debian")),
            ("export ID=x", Ok("x")),
            ("ID=x\nID=y", Ok("y")),
            ("ID=a b c", Ok("a b c")),
            ("ID=a b # c", Ok("a b")),
            ("ID=a#b", Ok("a")),
            ("ID=aé # c", Ok("aé")),
            ("ID=\"a#b\"", Ok("a#b")),
            ("ID=\" a \" # it's", Ok(" a ")),
            ("ID='a \"b\" \\n'", Ok("a \"b\" \\n")),
            (r#"ID="a \"b\" \\ \n \t""#, Ok("a \"b\" \\ \n \t")),
            ("ID=a\"b\"'c'", Ok("abc")),
            ("ID=a\\b", Ok("a\\b")),
            ("x\nID", Err((1, "expected `name=value`"))),
            ("ID=1\nID\n", Err((2, "expected `name=value`"))),
            ("=x", Err((1, "expected a name of letters, digits and `_` before the `=`"))),
            ("1D=x", Err((1, "expected a name of letters, digits and `_` before the `=`"))),
            ("I D=x", Err((1, "expected a name of letters, digits and `_` before the `=`"))),
            ("I-D=x", Err((1, "expected a name of letters, digits and `_` before the `=`"))),
            ("ID=\"a", Err((1, "a quote has no end"))),
            ("ID='a", Err((1, "a quote has no end"))),
            ("ID=a\tb", Err((1, "control characters are not allowed"))),
            (r#"ID="a\$b \`c\`""#, Ok("a$b `c`")),
            (
                r#"ID="a\xb""#,
                Err((1, r#"a backslash may only stand before `\`, `"`, `$`, a backquote, `n` or `t`"#)),
            ),
        ] {
            let (release, wrong) = OsRelease::parse(text.as_bytes());
            assert_eq!(wrong.map_or(Ok(release.get("ID")), Err), id, "{text}");
        }
    }

    #[test]
    fn takes_the_number_out_of_a_version() {
        for (version, number) in [
            ("12", Some(12.0)),
            ("12.4.1", Some(12.4)),
            ("12.", Some(12.0)),
            ("20240101T", Some(20_240_101.0)),
            ("rolling", None),
            (".5", None),
            ("", None),
        ] {
            let (release, _) = OsRelease::parse(format!("VERSION_ID={version}").as_bytes());
            assert_eq!(release.major_minor(), number, "{version}");
        }
    }

    #[test]
    fn counts_days() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-86_400)),
            ("2024-02-29", Some(1_709_164_800)),
            ("2024-03-01", Some(1_709_251_200)),
            ("0000-01-01", Some(-62_167_219_200)),
            ("9999-12-31", Some(253_402_214_400)),
            ("2023-02-29", None),
            ("1900-02-29", None),
            ("2024-00-10", None),
            ("2024-13-10", None),
            ("2024-01-00", None),
            ("2024-1-1", None),
            ("2024-01-01T00", None),
            ("+024-01-01", None),
        ] {
            assert_eq!(unix_day(text).map(|day| day * 86_400), seconds, "{text}");
        }
    }
}
