//! Code that a document quotes is what the file says: a block that begins with ```` ```rust path ````. A line `…` stands for
//! what is left out.

use super::{Fault, File};

pub(super) fn quotes(files: &[File]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for document in files.iter().filter(|it| it.path.ends_with(".md")) {
        let mut lines = document.text.lines().enumerate();
        while let Some((idx, line)) = lines.next() {
            let Some(path) = line.strip_prefix("```rust ") else { continue };
            let quoted: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let Some(file) = files.iter().find(|it| it.path == path) else {
                faults.push(document.fault(idx + 1, format!("quotes {path}, which is no file")));
                continue;
            };
            if let Some(part) = missing(&quoted, &file.text) {
                let first = part.first().map_or("", |line| line.trim());
                faults.push(document.fault(idx + 1, format!("{path} has no such lines from `{first}` on")));
            }
        }
    }
    faults
}

/// The first part of `quoted` that does not stand in `text` behind the parts before.
fn missing<'a>(quoted: &'a [&'a str], text: &str) -> Option<&'a [&'a str]> {
    let mut rest: &[&str] = &text.lines().collect::<Vec<_>>();
    quoted.split(|line| line.trim() == "…").find(|part| {
        let at = (0..=rest.len()).find(|&at| rest[at..].starts_with(part));
        rest = at.map_or(rest, |at| &rest[at + part.len()..]);
        at.is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: (&str, &str) = ("a/b.rs", "//! B.\n\nfn one() {\n    two();\n    three();\n}\n");

    fn found(document: &str) -> Vec<String> {
        let files = [File::new("x.md", document), File::new(CODE.0, CODE.1)];
        quotes(&files).into_iter().map(|it| format!("{}: {}", it.line, it.problem)).collect()
    }

    #[test]
    fn what_stands_in_the_file_may_be_quoted_with_lines_left_out() {
        assert_eq!(found("```rust a/b.rs\nfn one() {\n    …\n}\n```\n```rust\nof no file\n```\n"), [""; 0]);
    }

    #[test]
    fn what_the_file_does_not_say_is_found() {
        assert_eq!(
            found("Text.\n```rust a/b.rs\nfn one() {\n    four();\n```\n```rust c.rs\n```\n"),
            ["2: a/b.rs has no such lines from `fn one() {` on", "6: quotes c.rs, which is no file"]
        );
        assert_eq!(
            found("```rust a/b.rs\n    three();\n…\n    two();\n```\n"),
            ["1: a/b.rs has no such lines from `two();` on"]
        );
    }
}
