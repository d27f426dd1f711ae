//! Words that may stand in some places only.

use super::{Fault, File, code::has_word};

/// Whose text names the words that are looked for.
const OWN: &str = "xtask/src/tidy/";

/// `unsafe` in the agent's system calls, in the probes, and in the line by which the shared layout is plain data.
pub(super) fn unsafe_code(file: &File) -> Vec<Fault> {
    let is_layout = file.path.starts_with("ebpf-probes/abi/");
    let is_probe = file.path.starts_with("ebpf-probes/") && !is_layout;
    if is_probe || file.path == "agent/src/source/sys.rs" || file.path.starts_with("agent/src/source/sys/") {
        return Vec::new();
    }
    let bad = file.code_lines().filter(|(_, line)| {
        let is_plain_data = is_layout && line.contains("unsafe impl") && has_word(line, "Pod");
        has_word(line, "unsafe") && !is_plain_data
    });
    bad.map(|(line, _)| file.fault(line, "unsafe outside of agent/src/source/sys.rs and the probes"))
        .collect()
}

/// The agent prints and exits in its outermost layer.
pub(super) fn printing(file: &File) -> Vec<Fault> {
    const WORDS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "process::exit"];
    let Some(inside) = file.path.strip_prefix("agent/src/") else { return Vec::new() };
    if inside == "main.rs" || inside == "cli.rs" || inside.starts_with("cli/") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in file.code_lines() {
        if let Some(word) = WORDS.iter().find(|it| has_word(line, it)) {
            faults.push(file.fault(number, format!("`{word}` outside of main.rs and cli")));
        }
    }
    faults
}

/// Nothing is left for later.
pub(super) fn leftovers(file: &File) -> Vec<Fault> {
    const WORDS: &[&str] = &["TODO", "FIXME", "XXX", "dbg!", "todo!", "unimplemented!"];
    if file.path.starts_with(OWN) || !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (idx, line) in file.text.lines().enumerate() {
        if let Some(word) = WORDS.iter().find(|it| has_word(line, it)) {
            faults.push(file.fault(idx + 1, format!("`{word}`")));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{super::problems, *};

    #[test]
    fn finds_unsafe_where_it_may_not_be() {
        let text = "// unsafe in a comment\nlet it = unsafe { f() };\n";
        let fault = "2: unsafe outside of agent/src/source/sys.rs and the probes";
        assert_eq!(problems(unsafe_code, "agent/src/http/mod.rs", text), [fault]);
        assert_eq!(problems(unsafe_code, "agent/src/source/sys.rs", text), [""; 0]);
        assert_eq!(problems(unsafe_code, "ebpf-probes/src/probes/runqueue.rs", text), [""; 0]);
        assert_eq!(problems(unsafe_code, "ebpf-probes/abi/src/lib.rs", text), [fault]);
        assert_eq!(
            problems(unsafe_code, "ebpf-probes/abi/src/lib.rs", "unsafe impl aya::Pod for A {}\n"),
            [""; 0]
        );
    }

    #[test]
    fn finds_printing_below_the_command_line() {
        let text = "fn f() {\n    println!(\"x\");\n    std::process::exit(1);\n}\n";
        let faults =
            ["2: `println!` outside of main.rs and cli", "3: `process::exit` outside of main.rs and cli"];
        assert_eq!(problems(printing, "agent/src/scrape/mod.rs", text), faults);
        assert_eq!(problems(printing, "agent/src/cli.rs", text), [""; 0]);
        assert_eq!(problems(printing, "tests/src/bin/guest.rs", text), [""; 0]);
    }

    #[test]
    fn finds_what_was_left_for_later() {
        assert_eq!(problems(leftovers, "agent/src/lib.rs", "// TODO: later\n"), ["1: `TODO`"]);
        assert_eq!(problems(leftovers, "agent/src/lib.rs", "dbg!(x);\n"), ["1: `dbg!`"]);
        assert_eq!(problems(leftovers, "agent/src/lib.rs", "let todos = 1;\n"), [""; 0]);
    }
}
