//! Words that may stand in some places only.

use super::{Fault, File, code::has_word};

/// Whose text names the words that are looked for.
const OWN: &str = "xtask/src/tidy/";

/// `unsafe` in the agent's system calls, in what probes are made of, and in the line by which the shared layout is plain data.
pub(super) fn unsafe_code(file: &File) -> Vec<Fault> {
    let is_layout = file.path.starts_with("ebpf-probes/abi/");
    let is_kernel = file.path.starts_with("ebpf-probes/src/kernel/");
    if is_kernel || file.path == "agent/src/source/sys.rs" || file.path.starts_with("agent/src/source/sys/") {
        return Vec::new();
    }
    let bad = file.code_lines().filter(|(_, line)| {
        let is_plain_data = is_layout && line.contains("unsafe impl") && has_word(line, "Pod");
        has_word(line, "unsafe") && !is_plain_data
    });
    bad.map(|(line, _)| file.fault(line, "unsafe outside of agent/src/source/sys and ebpf-probes/src/kernel"))
        .collect()
}

/// The rooms that wait for something: collectors and what they use run on threads that may block.
pub(super) fn asynchrony(file: &File) -> Vec<Fault> {
    const ROOMS: &[&str] = &["http", "recorder", "reload", "scrape", "service", "top", "run"];
    let Some(inside) = file.path.strip_prefix("agent/src/") else { return Vec::new() };
    let room = inside.split(['/', '.']).next().unwrap_or_default();
    if ROOMS.contains(&room) {
        return Vec::new();
    }
    let bad = file.code_lines().filter(|(_, line)| has_word(line, "async") || has_word(line, "await"));
    bad.map(|(line, _)| file.fault(line, format!("`{room}` waits for nothing"))).collect()
}

/// A family is declared by `metrics!`, which alone makes what can be pushed.
pub(super) fn undeclared(file: &File) -> Vec<Fault> {
    if file.path == "agent/src/metric/desc.rs" {
        return Vec::new();
    }
    let bad = file.code_lines().filter(|(_, line)| line.contains("Desc::new("));
    bad.map(|(line, _)| file.fault(line, "a family is declared in a `metrics!` table")).collect()
}

/// The agent prints and exits in its outermost layer.
pub(super) fn printing(file: &File) -> Vec<Fault> {
    const WORDS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "process::exit"];
    let Some(inside) = file.path.strip_prefix("agent/src/") else { return Vec::new() };
    // What tests say is their runner's to show.
    let is_testing = inside.starts_with("testing/");
    if is_testing || inside == "run.rs" || inside == "cli.rs" || inside.starts_with("cli/") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in file.code_lines() {
        if let Some(word) = WORDS.iter().find(|it| has_word(line, it)) {
            faults.push(file.fault(number, format!("`{word}` outside of run.rs and cli")));
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
        let fault = "2: unsafe outside of agent/src/source/sys and ebpf-probes/src/kernel";
        assert_eq!(problems(unsafe_code, "agent/src/http/mod.rs", text), [fault]);
        assert_eq!(problems(unsafe_code, "agent/src/source/sys.rs", text), [""; 0]);
        assert_eq!(problems(unsafe_code, "ebpf-probes/src/kernel/mod.rs", text), [""; 0]);
        assert_eq!(problems(unsafe_code, "ebpf-probes/src/probes/runqueue.rs", text), [fault]);
        assert_eq!(problems(unsafe_code, "ebpf-probes/abi/src/lib.rs", text), [fault]);
        assert_eq!(
            problems(unsafe_code, "ebpf-probes/abi/src/lib.rs", "unsafe impl aya::Pod for A {}\n"),
            [""; 0]
        );
    }

    #[test]
    fn finds_what_waits_where_nothing_may() {
        let fault = ["1: `source` waits for nothing"];
        assert_eq!(problems(asynchrony, "agent/src/source/file.rs", "async fn f() {}\n"), fault);
        assert_eq!(problems(asynchrony, "agent/src/http/mod.rs", "async fn f() {}\n"), [""; 0]);
        assert_eq!(problems(asynchrony, "xtask/src/main.rs", "async fn f() {}\n"), [""; 0]);
    }

    #[test]
    fn finds_families_that_are_in_no_table() {
        let fault = ["1: a family is declared in a `metrics!` table"];
        assert_eq!(problems(undeclared, "agent/src/scrape/x.rs", "let it = Desc::new(0);\n"), fault);
        assert_eq!(problems(undeclared, "agent/src/metric/desc.rs", "let it = Desc::new(0);\n"), [""; 0]);
    }

    #[test]
    fn finds_printing_below_the_command_line() {
        let text = "fn f() {\n    println!(\"x\");\n    std::process::exit(1);\n}\n";
        let faults =
            ["2: `println!` outside of run.rs and cli", "3: `process::exit` outside of run.rs and cli"];
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
