//! `cargo xtask tidy`: the rules of the house that a program can check. See agent/ARCHITECTURE.md, "Invariants".

mod alerts;
mod circles;
mod code;
mod layout;
mod paths;
mod quotes;
mod rooms;
mod words;

use std::{
    fs::{read_dir, read_to_string},
    path::Path,
};

use anyhow::{Context, Result, ensure};

use crate::process::workspace;

pub(crate) const SUMMARY: &str = "check the rules of the house: imports, unsafe, printing, lengths";
pub(crate) const HELP: &str = "usage: cargo xtask tidy\n";

/// Each gets every file and says what is wrong with it.
const CHECKS: &[fn(&File) -> Vec<Fault>] = &[
    rooms::imports,
    rooms::neighbours,
    words::unsafe_code,
    words::asynchrony,
    words::undeclared,
    words::printing,
    words::leftovers,
    layout::head,
    layout::white_space,
    layout::length,
    layout::foreign_paths,
];

/// What is text in the repository, by the end of its name.
const TEXT: &[&str] =
    &["rs", "toml", "md", "sh", "yaml", "yml", "json", "service", "socket", "rules", "conf", "run"];

/// A file of the repository.
struct File {
    /// From the repository's root.
    path: String,
    text: String,
    /// Without comments, the insides of literals, and tests; the same lines otherwise. Empty unless Rust.
    code: String,
}

/// A rule that is broken, and where.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: String,
    line: usize,
    problem: String,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "tidy takes no argument");
    let mut files = Vec::new();
    collect(workspace(), "", &mut files)?;
    let mut faults: Vec<Fault> =
        files.iter().flat_map(|file| CHECKS.iter().flat_map(|check| check(file))).collect();
    faults.extend(circles::circles(&files));
    faults.extend(alerts::alerts(&files));
    faults.extend(quotes::quotes(&files));
    for Fault { path, line, problem } in &faults {
        eprintln!("{path}:{line}: {problem}");
    }
    ensure!(faults.is_empty(), "{} places are not tidy", faults.len());
    println!("{} files are tidy", files.len());
    Ok(())
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let is_test = path.ends_with("/tests.rs")
            || path.contains("/tests/")
            || path.starts_with("tests/e2e/")
            || path.starts_with("tests/live/");
        let is_code = path.ends_with(".rs") && !is_test;
        let code = if is_code { code::without_tests(&code::code_only(text)) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    fn fault(&self, line: usize, problem: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line, problem: problem.into() }
    }

    /// The lines of the code, numbered from 1.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(idx, line)| (idx + 1, line))
    }
}

/// Text files below `folder`, sorted; not what git ignores, and not git's own.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    let mut entries = read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            if name != ".git" && path != "target" {
                collect(&entry.path(), &path, files)?;
            }
        } else if TEXT.contains(&name.rsplit('.').next().unwrap_or_default()) || path == ".ci/run" {
            let text = read_to_string(entry.path()).with_context(|| format!("read {path}"))?;
            files.push(File::new(&path, &text));
        }
    }
    Ok(())
}

#[cfg(test)]
fn problems(check: fn(&File) -> Vec<Fault>, path: &str, text: &str) -> Vec<String> {
    check(&File::new(path, text)).into_iter().map(|it| format!("{}: {}", it.line, it.problem)).collect()
}
