//! Other numbers and names in the place of those that stand in a line.

use std::ops::Range;

/// The numbers and words of a text.
pub(super) fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut tokens: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()) {
        match tokens.last_mut() {
            Some(last) if last.end == at => last.end += 1,
            _ => tokens.push(at..at + 1),
        }
    }
    tokens
}

/// The line with one number or word changed, in every way that is tried.
pub(super) fn perturbed(line: &str) -> impl Iterator<Item = String> {
    tokens(line).into_iter().flat_map(move |at| {
        let others = others(&line[at.clone()]).into_iter();
        others.map(move |it| format!("{}{it}{}", &line[..at.start], &line[at.end..]))
    })
}

/// What is tried in the place of a token.
pub(super) fn others(token: &str) -> Vec<String> {
    let mut others = match token.bytes().any(|it| it.is_ascii_digit()) {
        true => vec![next(token), format!("1{token}"), "0".to_owned(), "1".to_owned()],
        false => vec![next(token), format!("{token}x")],
    };
    others.retain(|it| it != token);
    others
}

/// Another token of the same kind: its last digit, or its last letter, is the next one.
fn next(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let digit = bytes.iter().rposition(u8::is_ascii_digit);
    let Some(last) = digit.or(bytes.len().checked_sub(1)) else { return String::new() };
    bytes[last] = match bytes[last] {
        b'9' => b'8',
        b'z' => b'y',
        b'Z' => b'Y',
        other => other + 1,
    };
    String::from_utf8_lossy(&bytes).into_owned()
}
