//! The types of settings.

use super::{
    Problem, Setting,
    re2::{self, Translated},
};
use regex::bytes::Regex;
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

/// Go's units and days; `0` alone needs none. A `+` before it says nothing.
fn parse_duration(text: &str) -> Result<Duration, Problem> {
    const UNITS: [(&str, f64); 9] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        // The sign for micro, and the Greek letter.
        ("\u{b5}s", 1e-6),
        ("\u{3bc}s", 1e-6),
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
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" || text == "-0" {
        return Ok(Duration::ZERO);
    }
    let mut seconds = 0.0;
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

/// A regex with the meaning it has in Go's RE2: it matches anywhere, and `\d` and its like are ASCII.
/// A list of strings matches whole names: `["veth.*", "lo"]` is `^(?:veth.*|lo)$`.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// # Errors
    /// When `text` is not a regex.
    pub fn new(text: &str) -> Result<Self, Problem> {
        let not_a_regex =
            |problem: Problem| Problem { message: format!("not a regex: {}", problem.message), ..problem };
        let translated = re2::translate(text).map_err(not_a_regex)?;
        let regex = Regex::new(&translated.regex);
        let regex = regex.map_err(|error| not_a_regex(regex_problem(&translated, &error)))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    #[must_use]
    pub fn is_match(&self, text: impl AsRef<[u8]>) -> bool {
        self.regex.is_match(&re2::as_go_sees(text.as_ref()))
    }

    /// One that matches whole texts only.
    #[must_use]
    pub fn anchored(&self) -> Self {
        Self::new(&format!("^(?:{})$", self.text)).expect("what is a regex is one in parentheses")
    }

    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn regex_problem(translated: &Translated, error: &regex::Error) -> Problem {
    let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(&translated.regex);
    let at = match parsed {
        Err(regex_syntax::Error::Parse(error)) => Some(error.span().start.offset),
        Err(regex_syntax::Error::Translate(error)) => Some(error.span().start.offset),
        _ => None,
    };
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Problem { at: at.map(|at| translated.origin(at)), ..Problem::new(last) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// RE2's meaning where it differs from the regex crate's.
    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            // Unanchored.
            ("lo", &["lo", "loop0", "xlo"], &["eth0"]),
            // ASCII classes.
            (r"^\d$", &["7"], &["٣"]),
            (r"^\w$", &["a", "_"], &["é"]),
            (r"^\W$", &["é", " "], &["a"]),
            (r"^\s$", &[" ", "\t"], &["\u{a0}", "\x0b"]),
            (r"^[\d_]$", &["7", "_"], &["٣"]),
            (r"^[\D]$", &["x", "٣"], &["7"]),
            (r"^[^\D]$", &["7"], &["x"]),
            (r"\bé", &[], &["é"]),
            (r"a\b", &["aé", "a"], &["ab"]),
            // A character, not a byte.
            ("^.$", &["é", "€", "x"], &["ab"]),
            ("^[é€]$", &["é", "€"], &["x"]),
            ("^[^a]$", &["é"], &["a"]),
            (r"^\xe9$", &["é"], &["e"]),
            (r"^\x{20AC}$", &["€"], &[]),
            (r"^\pN$", &["7", "٣"], &["x"]),
            (r"^\p{Greek}$", &["α"], &["a"]),
            (r"^\p{^Greek}$", &["a"], &["α"]),
            ("(?i)^É$", &["é", "É"], &["e"]),
            // Ends.
            (r"\Aa\z", &["a"], &["a\n", "ba"]),
            ("^a$", &["a"], &["a\n"]),
            ("(?m)^a$", &["b\na"], &["ba"]),
            ("(?s)^a.b$", &["a\nb"], &["ab"]),
            ("^a.b$", &["axb"], &["a\nb"]),
            // Groups.
            ("(?P<name>a)(?<other>b)", &["ab"], &[]),
            ("(?U)^a+", &["a"], &[]),
            // What stands for itself.
            ("^a{$", &["a{"], &[]),
            ("^{1,x}$", &["{1,x}"], &[]),
            ("^a{,2}$", &["a{,2}"], &["aa"]),
            ("^a{2}$", &["aa"], &["a"]),
            ("^a}$", &["a}"], &[]),
            ("^[[]$", &["["], &[]),
            ("^[[a]$", &["[", "a"], &[]),
            ("^[]]$", &["]"], &[]),
            ("^[^]]$", &["x"], &["]"]),
            ("^[a&&b]$", &["a", "&", "b"], &[]),
            ("^[+--]$", &["+", ",", "-"], &["."]),
            ("^[a-]$", &["a", "-"], &["b"]),
            (r"^[\d-x]$", &["5", "-", "x"], &["a"]),
            ("^[a~~b]$", &["~"], &[]),
            ("^[[:alpha:]-]$", &["q", "-"], &["7"]),
            ("^[[:^alpha:]]$", &["7"], &["q"]),
            (r"^\<\>\_\-\/$", &["<>_-/"], &[]),
            (r"^\Qa.b\E+$", &["a.b", "a.bbb"], &["axb"]),
            (r"^\Q[(", &["[("], &[]),
            (r"^\101\0$", &["A\0"], &[]),
            ("^a#b c$", &["a#b c"], &[]),
            ("", &["", "x"], &[]),
            ("|a", &["", "x"], &[]),
        ];
        for (pattern, matching, others) in cases {
            let compiled = Pattern::new(pattern).unwrap_or_else(|it| panic!("{pattern}: {it:?}"));
            for text in *matching {
                assert!(compiled.is_match(text), "`{pattern}` matches {text:?}");
            }
            for text in *others {
                assert!(!compiled.is_match(text), "`{pattern}` does not match {text:?}");
            }
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_characters_to_a_pattern() {
        let dots = |n: usize| Pattern::new(&format!("^.{{{n}}}$")).unwrap();
        assert!(dots(3).is_match(b"a\xff\xfe") && !dots(2).is_match(b"a\xff\xfe"));
        assert!(Pattern::new("^/mnt/").unwrap().is_match(b"/mnt/caf\xe9"));
        assert!(!Pattern::new("é").unwrap().is_match(b"\xe9"));
    }

    #[test]
    fn what_go_refuses_is_refused_where_it_is_wrong() {
        let mut report = String::new();
        for pattern in [
            "a(",
            "a)",
            "[a",
            "[z-a]",
            "[a--b]",
            "a**",
            "a{2}{3}",
            "a{1001}",
            "*",
            "(?=a)",
            "(?!a)",
            r"(a)\1",
            r"\8",
            r"\C",
            r"\Z",
            r"\u00e9",
            r"\h",
            "(?x)a",
            "(?-u)a",
            "(?u:a)",
            r"\p{Nonsense}",
            r"\x{110000}",
            r"\xg0",
            "a\\",
            "[[:nope:]]",
            r"[\b]",
            r"[a-\d]",
            "(?P<1>a)",
            "(?z)",
            r"é(é[",
        ] {
            let problem = Pattern::new(pattern).expect_err(pattern);
            report += &format!("{pattern} @{}: {}\n", problem.at.map_or(-1, |at| at as i64), problem.message);
        }
        expect![[r#"
            a( @1: not a regex: unclosed group
            a) @1: not a regex: unopened group
            [a @0: not a regex: unclosed character class
            [z-a] @1: not a regex: invalid character class range, the start must be <= the end
            [a--b] @1: not a regex: invalid character class range, the start must be <= the end
            a** @2: not a regex: a repetition of a repetition
            a{2}{3} @4: not a regex: a repetition of a repetition
            a{1001} @1: not a regex: more than 1000 repetitions
            * @0: not a regex: repetition operator missing expression
            (?=a) @0: not a regex: look-around, including look-ahead and look-behind, is not supported
            (?!a) @0: not a regex: look-around, including look-ahead and look-behind, is not supported
            (a)\1 @3: not a regex: backreferences are not supported
            \8 @0: not a regex: backreferences are not supported
            \C @0: not a regex: unknown escape `\C`
            \Z @0: not a regex: unknown escape `\Z`
            \u00e9 @0: not a regex: unknown escape `\u`
            \h @0: not a regex: unknown escape `\h`
            (?x)a @2: not a regex: unknown flag of a group
            (?-u)a @3: not a regex: unknown flag of a group
            (?u:a) @2: not a regex: unknown flag of a group
            \p{Nonsense} @0: not a regex: Unicode property not found
            \x{110000} @0: not a regex: not the number of a character
            \xg0 @0: not a regex: not the number of a character
            a\ @1: not a regex: a backslash at the end
            [[:nope:]] @1: not a regex: unknown class `nope`
            [\b] @1: not a regex: unknown escape `\b`
            [a-\d] @3: not a regex: unknown escape `\d`
            (?P<1>a) @4: not a regex: invalid capture group character
            (?z) @2: not a regex: unknown flag of a group
            é(é[ @5: not a regex: unclosed character class
        "#]]
        .assert_eq(&report);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_pattern_or_is_refused_inside(text in r"(\\[a-zQEx{}0-9]|[\[\]{}()*+?^$.|:<>PQ-]|[a-c,0-9é&])*") {
            match Pattern::new(&text) {
                Ok(pattern) => proptest::prop_assert_eq!(pattern.as_str(), text),
                Err(problem) => proptest::prop_assert!(problem.at.is_none_or(|at| at <= text.len())),
            }
        }
    }

    #[test]
    fn a_list_matches_whole_names() {
        let list = Value::from(vec!["veth.*", "lo"]);
        let pattern = Pattern::from_value(&list).unwrap();
        let matches = ["veth1", "lo", "loop", "xveth"].map(|name| pattern.is_match(name));
        assert_eq!(matches, [true, true, false, false]);
    }

    #[test]
    fn durations_are_gos() {
        let parse = |text: &str| parse_duration(text).map_err(|problem| (problem.message, problem.at));
        assert_eq!(parse("1h2m3.5s"), Ok(Duration::from_millis(3_723_500)));
        assert_eq!(parse("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse("1\u{b5}s1\u{3bc}s1us"), Ok(Duration::from_micros(3)));
        assert_eq!(parse("+.5s"), Ok(Duration::from_millis(500)));
        for zero in ["0", "+0", "-0", "0s"] {
            assert_eq!(parse(zero), Ok(Duration::ZERO), "{zero}");
        }
        let wrong = [("", 0), ("5", 1), ("s", 0), ("5x", 1), ("-5s", 0), ("5s5", 3), ("1.2.3s", 0), ("+", 1)];
        for (text, at) in [wrong.as_slice(), &[("++5s", 1), ("5s ", 1), (" 5s", 0), ("1_0s", 1)]].concat() {
            assert_eq!(parse(text).unwrap_err().1, Some(at), "{text}");
        }
    }
}
