//! How a file looks: its head, its white space, its length, whose paths it names.

use super::{Fault, File};

const COLLECTOR_LINES: usize = 150;
const OTHER_LINES: usize = 400;

/// A file of the agent says first what it is.
pub(super) fn head(file: &File) -> Vec<Fault> {
    let is_ours = file.path.starts_with("agent/src/") && file.path.ends_with(".rs");
    let is_tests = file.path.ends_with("/tests.rs");
    if !is_ours || is_tests || file.text.starts_with("//!") || file.text.starts_with("#![doc") {
        return Vec::new();
    }
    vec![file.fault(1, "the file does not begin with `//!`")]
}

/// Also inside the macros' tables, which rustfmt leaves alone. JSON is as the program that wrote it left it.
pub(super) fn white_space(file: &File) -> Vec<Fault> {
    if file.path.ends_with(".json") {
        return Vec::new();
    }
    let ends_in_space = file.text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
    let mut faults: Vec<Fault> =
        ends_in_space.map(|(idx, _)| file.fault(idx + 1, "white space at the end of the line")).collect();
    // Text that a test expects may well have tabs in it.
    let tabs = file.code_lines().filter(|(_, line)| line.contains('\t'));
    faults.extend(tabs.map(|(number, _)| file.fault(number, "a tab")));
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        faults.push(file.fault(file.text.lines().count(), "the last line does not end"));
    }
    faults
}

/// Files are short. Tests and tables of families do not count: both are as long as their subject.
pub(super) fn length(file: &File) -> Vec<Fault> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    // Those in the folder itself are what collectors have in common.
    let is_collector = file.path.starts_with("agent/src/collectors/") && file.path.split('/').count() > 4;
    let limit = if is_collector { COLLECTOR_LINES } else { OTHER_LINES };
    let mut in_table = false;
    let n_lines = file
        .code_lines()
        .filter(|(_, line)| {
            in_table = (in_table && *line != "}") || line.starts_with("metrics! {");
            !in_table
        })
        .count();
    if n_lines <= limit {
        return Vec::new();
    }
    vec![file.fault(1, format!("{n_lines} lines without tests and tables, more than {limit}"))]
}

/// No folder of the machine that somebody wrote it on, no copy of another project's recorded hosts.
pub(super) fn foreign_paths(file: &File) -> Vec<Fault> {
    const PATHS: &[&str] = &["/work/", "/root/"];
    if file.path == "xtask/src/tidy/layout.rs" {
        return Vec::new();
    }
    if file.path.split('/').any(|it| it == "fixtures") {
        return vec![file.fault(1, "recorded hosts live in tests/hosts")];
    }
    let starts = |line: &str, path: &str| {
        line.match_indices(path)
            .any(|(at, _)| !line[..at].ends_with(|it: char| it.is_alphanumeric() || "-_.~}$>*".contains(it)))
    };
    let mut faults = Vec::new();
    for (idx, line) in file.text.lines().enumerate() {
        if let Some(path) = PATHS.iter().find(|it| starts(line, it)) {
            faults.push(file.fault(idx + 1, format!("names a folder below `{path}`")));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::problems, *};

    #[test]
    fn wants_a_head_in_the_agent() {
        assert_eq!(problems(head, "agent/src/a.rs", "use x;\n"), ["1: the file does not begin with `//!`"]);
        assert_eq!(problems(head, "agent/src/a.rs", "//! A.\n"), [""; 0]);
        assert_eq!(problems(head, "agent/src/lib.rs", "#![doc = include_str!(\"x\")]\n"), [""; 0]);
        assert_eq!(problems(head, "tests/src/a.rs", "use x;\n"), [""; 0]);
    }

    #[test]
    fn finds_white_space_that_nobody_sees() {
        let text = "a \n\tb\n\"\t\"\nc";
        let faults = ["1: white space at the end of the line", "2: a tab", "4: the last line does not end"];
        assert_eq!(problems(white_space, "agent/src/a.rs", text), faults);
        assert_eq!(problems(white_space, "config/x.rules", "\ta\n"), [""; 0]);
    }

    #[test]
    fn counts_neither_tests_nor_tables() {
        let path = "agent/src/collectors/cpu/x.rs";
        let tests = "#[cfg(test)]\nmod tests {\n}\n".to_owned() + &"//\n".repeat(500);
        let table = format!("metrics! {{\n{}}}\n", "    row;\n".repeat(500));
        assert_eq!(problems(length, path, &format!("{table}{}{tests}", "a\n".repeat(149))), [""; 0]);
        let long = format!("{table}{}", "a\n".repeat(150));
        assert_eq!(problems(length, path, &long), ["1: 151 lines without tests and tables, more than 150"]);
        assert_eq!(problems(length, "agent/src/http/x.rs", &long), [""; 0]);
        assert_eq!(problems(length, "agent/src/http/tests.rs", &"a\n".repeat(900)), [""; 0]);
        assert_eq!(problems(length, "agent/src/collectors/mod.rs", &long), [""; 0]);
    }

    #[test]
    fn finds_paths_of_one_machine() {
        assert_eq!(
            problems(foreign_paths, "README.md", "see /root/x\n"),
            ["1: names a folder below `/root/`"]
        );
        assert_eq!(problems(foreign_paths, "README.md", "mounted at /host/root/proc\n"), [""; 0]);
        assert_eq!(
            problems(foreign_paths, "tests/fixtures/a.md", ""),
            ["1: recorded hosts live in tests/hosts"]
        );
    }
}
