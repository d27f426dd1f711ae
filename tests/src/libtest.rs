//! The verdicts of a test program of Rust, from what it writes: "test NAME ... ok", and why a test failed.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// What became of the tests of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    pub n_passed: usize,
    /// Names without the modules, and where and why they panicked.
    pub failed: Vec<(String, String)>,
    /// All that was written.
    pub log: String,
}

impl Verdicts {
    /// Runs `program` with these arguments; an error when it breaks off, or has no test for them.
    pub fn of(program: &Path, args: &[&str]) -> Result<Self> {
        let name = program.display();
        let output = Command::new(program).args(args).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("start {name}"))?;
        let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
        log.push_str(&String::from_utf8_lossy(&output.stderr));
        let verdicts = Self::parse(log);
        ensure!(
            output.status.success() == verdicts.failed.is_empty() && verdicts.log.contains("\ntest result: "),
            "{name} broke off with {}:\n{}",
            output.status,
            verdicts.log
        );
        ensure!(verdicts.n_passed + verdicts.failed.len() > 0, "{name} has no test for {args:?}");
        Ok(verdicts)
    }

    fn parse(log: String) -> Self {
        let mut verdicts = Self::default();
        for line in log.lines() {
            let Some((name, verdict)) = line.strip_prefix("test ").and_then(|it| it.split_once(" ... "))
            else {
                continue;
            };
            match verdict {
                "ok" => verdicts.n_passed += 1,
                "FAILED" => {
                    let short = name.rsplit("::").next().unwrap_or(name);
                    verdicts.failed.push((short.to_owned(), why(&log, name)));
                }
                _ => {}
            }
        }
        verdicts.log = log;
        verdicts
    }
}

/// The panic's place and message, which is the last that a test wrote.
fn why(log: &str, name: &str) -> String {
    let head = format!("---- {name} stdout ----\n");
    let Some((_, rest)) = log.split_once(&head) else { return "it wrote nothing".to_owned() };
    let end = rest.find("\n---- ").or_else(|| rest.find("\nfailures:\n")).unwrap_or(rest.len());
    let written = &rest[..end];
    let panic = written.rfind("\nthread '").map_or(written, |at| &written[at..]);
    let lines = panic.lines().map(str::trim);
    let lines = lines.filter(|it| !it.is_empty() && !it.starts_with("note: "));
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\nrunning 3 tests\ntest a::adds ... ok\ntest a::b::loads ... FAILED\ntest a::later ... ignored\n\
                       \nfailures:\n\n---- a::b::loads stdout ----\n\n\
                       thread 'a::b::loads' panicked at a.rs:1:2:\nno such hook\n\
                       note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\n\
                       failures:\n    a::b::loads\n\n\
                       test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 4 filtered out\n";

    #[test]
    fn tells_which_tests_failed_and_why() {
        let verdicts = Verdicts::parse(LOG.to_owned());
        assert_eq!(verdicts.n_passed, 1);
        let why = "thread 'a::b::loads' panicked at a.rs:1:2:; no such hook";
        assert_eq!(verdicts.failed, [("loads".to_owned(), why.to_owned())]);
    }

    #[test]
    fn a_program_without_tests_has_not_passed() {
        let error = Verdicts::of(Path::new("/bin/true"), &[]).unwrap_err();
        assert!(error.to_string().starts_with("/bin/true broke off with exit status: 0"), "{error}");
    }
}
