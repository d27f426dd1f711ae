//! Shell patterns over paths, of text files and of `include`: `*`, `?`, `[a-z]`, `[^a-z]` and `\` before a character that
//! is meant as it is. None of them crosses a `/`, and `*` matches names that begin with a dot too. That is Go's
//! `filepath.Glob`; the crate `glob` negates classes by `!`, has no `\`, and lets `**` cross folders.

use std::{
    borrow::Cow,
    fs,
    path::{Component, Path, PathBuf},
    str::Chars,
};

/// The paths that exist and match, sorted within each folder. Folders that cannot be listed hold none. A pattern
/// without any special character is its own match, whether it exists or not.
#[must_use]
pub fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    let mut is_literal = true;
    for component in pattern.components() {
        let name = match component {
            Component::Normal(name) => name.to_string_lossy(),
            Component::CurDir => continue,
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => Cow::Borrowed(""),
        };
        if name.contains(['*', '?', '[', '\\']) {
            found = found.iter().flat_map(|folder| matching(folder, &name)).collect();
            is_literal = false;
        } else {
            found.iter_mut().for_each(|path| path.push(component));
        }
    }
    found.retain(|path| is_literal || path.symlink_metadata().is_ok());
    if found == [Path::new("")] && !pattern.as_os_str().is_empty() {
        found = vec![PathBuf::from(".")];
    }
    found
}

fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(here).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut paths: Vec<_> = names
        .filter(|name| matches(pattern.chars(), name.to_string_lossy().chars()))
        .map(|it| folder.join(it))
        .collect();
    paths.sort_unstable();
    paths
}

/// Whether each class has an end, and each `\` a character to stand before. A pattern without matches nothing.
pub(super) fn is_complete(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let is_bad = match char {
            '\\' => chars.next().is_none(),
            '[' => class_holds(&mut chars, '/').is_none(),
            _ => false,
        };
        if is_bad {
            return false;
        }
    }
    true
}

/// Whether all of `name` matches; a pattern that is not complete matches nothing.
fn matches(mut pattern: Chars<'_>, mut name: Chars<'_>) -> bool {
    loop {
        let is_match = match pattern.next() {
            None => return name.next().is_none(),
            Some('*') => {
                while !matches(pattern.clone(), name.clone()) {
                    if name.next().is_none() {
                        return false;
                    }
                }
                return true;
            }
            Some('?') => name.next().is_some(),
            Some('[') => name.next().is_some_and(|char| class_holds(&mut pattern, char) == Some(true)),
            Some('\\') => pattern.next().is_some_and(|char| name.next() == Some(char)),
            Some(char) => name.next() == Some(char),
        };
        if !is_match {
            return false;
        }
    }
}

/// Reads a class after its `[`; `None` when it has no end.
fn class_holds(pattern: &mut Chars<'_>, char: char) -> Option<bool> {
    let is_negated = pattern.clone().next() == Some('^');
    if is_negated {
        pattern.next();
    }
    let mut holds = false;
    let mut is_empty = true;
    loop {
        let first = match pattern.next()? {
            ']' if !is_empty => return Some(holds != is_negated),
            '\\' => pattern.next()?,
            first => first,
        };
        let mut last = first;
        if pattern.clone().next() == Some('-') {
            pattern.next();
            last = match pattern.next()? {
                '\\' => pattern.next()?,
                last => last,
            };
        }
        holds |= (first..=last).contains(&char);
        is_empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go_does() {
        for (pattern, name, is_match) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", ".hidden", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("?", "é", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[^a-c]x", "dx", true),
            ("[^a-c]x", "ax", false),
            ("[ab", "a", false),
            ("[]", "]", false),
            (r"[\]a]", "]", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("a[", "a", false),
        ] {
            assert_eq!(matches(pattern.chars(), name.chars()), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn knows_what_is_complete() {
        for pattern in ["", "a*/b?", "[]x]a", r"[\]]", r"\[", "[^a-z]/[b]"] {
            assert!(is_complete(pattern), "{pattern}");
        }
        for pattern in ["a[.toml", "[]", r"a\", "[a-"] {
            assert!(!is_complete(pattern), "{pattern}");
        }
    }

    #[test]
    fn finds_paths_folder_by_folder() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["b/x", "a/x", "a/y", "c"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let paths = glob(&root.path().join(pattern));
            paths
                .iter()
                .map(|it| it.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(found("*/x"), ["a/x", "b/x"]);
        assert_eq!(found("[ab]/*"), ["a/x", "a/y", "b/x"]);
        assert_eq!(found("a//x/"), ["a/x"]);
        assert_eq!(found("*/y"), ["a/y"]);
        assert_eq!(found("a/none"), ["a/none"]);
        assert_eq!(found("none/*"), [""; 0]);
        assert_eq!(glob(Path::new("./")), [Path::new(".")]);
    }
}
