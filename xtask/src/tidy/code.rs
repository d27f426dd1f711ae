//! Rust text with everything blanked that is not code, so that a word in a comment or a string is not taken for one.

/// Blanks comments and what is inside literals; line breaks stay, so lines keep their numbers.
pub(super) fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let skipped = if after_word { None } else { raw_string(rest) };
        let skipped = skipped.or_else(|| match first {
            '/' if rest.starts_with("//") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => Some(block_comment(rest)),
            '"' => Some(quoted(rest, '"')),
            '\'' => character(rest),
            _ => None,
        });
        let n_bytes = skipped.unwrap_or(first.len_utf8());
        let (piece, after) = rest.split_at(n_bytes);
        if skipped.is_some() {
            out.extend(piece.chars().map(|it| if it == '\n' { '\n' } else { ' ' }));
        } else {
            out.push_str(piece);
        }
        after_word = skipped.is_none() && (first.is_alphanumeric() || first == '_');
        rest = after;
    }
    out
}

/// Cuts the tests at the end of a file off.
pub(super) fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" && lines.peek().is_some_and(|it| it.starts_with("mod tests {")) {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// Whether `code` has `word` with no letter, digit or underscore beside it.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || it == '_';
    code.match_indices(word).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = code[start + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Bytes of `r"…"`, `r#"…"#`, `br"…"` at the start.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let n_hashes = rest.len() - rest.trim_start_matches('#').len();
    let inside = rest[n_hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(n_hashes));
    let n_inside = inside.find(&end).unwrap_or(inside.len());
    Some((text.len() - inside.len() + n_inside + end.len()).min(text.len()))
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (idx, it) in text.char_indices().skip(1) {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if it == quote => return idx + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'x'` or `'\n'`, but not the lifetime `'a`.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.chars().skip(1);
    let (first, second) = (chars.next()?, chars.next()?);
    (first == '\\' || second == '\'').then(|| quoted(text, '\''))
}

/// They nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut idx = 0;
    while idx < text.len() {
        let rest = &text.as_bytes()[idx..];
        if rest.starts_with(b"/*") {
            depth += 1;
            idx += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            idx += 2;
            if depth == 0 {
                return idx;
            }
        } else {
            idx += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        code_only(text).split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn blanks_comments_and_literals() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        assert_eq!(words(r#"x("a\"b", 'c', '\'', d)"#), ["x(", ",", ",", ",", "d)"]);
        assert_eq!(words("r#\"a\"b\"# c br\"d\" e"), ["c", "e"]);
    }

    #[test]
    fn keeps_lifetimes_names_that_end_in_r_and_lines() {
        assert_eq!(words("fn f<'a>(it: &'a str) {}"), ["fn", "f<'a>(it:", "&'a", "str)", "{}"]);
        assert_eq!(words("for\"x\" y"), ["for", "y"]);
        assert_eq!(code_only("\"a\nb\"\nc").lines().nth(2), Some("c"));
    }

    #[test]
    fn cuts_tests_off() {
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\nb\n}\n"), "a\n");
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod testing;\nb\n"), "a\n#[cfg(test)]\nmod testing;\nb\n");
    }

    #[test]
    fn takes_whole_words() {
        assert!(has_word("x = unsafe {", "unsafe"));
        assert!(!has_word("expect(unsafe_code)", "unsafe"));
    }
}
