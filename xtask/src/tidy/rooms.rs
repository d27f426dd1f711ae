//! Who may import whom in the agent: the table of agent/ARCHITECTURE.md.

use super::{Fault, File};

/// A room and the rooms that it may use besides itself. What is not listed (`main.rs`, `lib.rs`, `cli`) may use all.
const ROOMS: &[(&str, &[&str])] = &[
    ("metric", &[]),
    ("config", &[]),
    ("source", &["config"]),
    ("collector", &["metric", "source", "config"]),
    ("privileges", &["config"]),
    ("sandbox", &["config", "source"]),
    ("collectors", &["collector", "metric", "source", "config", "privileges"]),
    ("scrape", &["collector", "metric", "config", "source"]),
    ("opening", &["collector", "collectors", "config", "privileges", "sandbox", "scrape", "source"]),
    ("exposition", &["metric"]),
    ("own", &["metric"]),
    ("http", &["scrape", "exposition", "metric", "config", "collector", "own", "reload", "source"]),
    ("log", &["config"]),
    ("reload", &["collectors", "config", "log", "opening", "sandbox", "scrape", "source"]),
    ("doctor", &["collector", "config", "http", "privileges", "sandbox", "scrape"]),
    ("service", &[]),
];

/// What may stand in `agent/src` and is no room: it knows all others.
const FREE: &[&str] = &["main", "lib", "cli", "testing"];

/// Rooms use those that the table gives them, and macros.
pub(super) fn imports(file: &File) -> Vec<Fault> {
    let Some(room) = room_of(&file.path) else { return Vec::new() };
    if FREE.contains(&room) {
        return Vec::new();
    }
    let Some((_, may_use)) = ROOMS.iter().find(|it| it.0 == room) else {
        return vec![file.fault(1, format!("`{room}` is no room of agent/ARCHITECTURE.md"))];
    };
    let is_room = |it: &str| ROOMS.iter().any(|(name, _)| *name == it) || ["main", "cli"].contains(&it);
    crate_paths(&file.code)
        .into_iter()
        .filter(|(_, used)| is_room(used) && used != room && !may_use.contains(&used.as_str()))
        .map(|(line, used)| file.fault(line, format!("`{room}` may not use `{used}`")))
        .collect()
}

/// A collector in a file of its own uses no other collector: only the prelude.
pub(super) fn neighbours(file: &File) -> Vec<Fault> {
    let Some(inside) = file.path.strip_prefix("agent/src/collectors/") else { return Vec::new() };
    if inside.split('/').count() != 2 || inside.ends_with("/mod.rs") {
        return Vec::new();
    }
    let uses_other = |line: &str| {
        line.contains("super::")
            || (line.contains("crate::collectors::") && !line.contains("crate::collectors::prelude"))
    };
    let bad = file.code_lines().filter(|(_, line)| uses_other(line));
    bad.map(|(line, _)| file.fault(line, "a collector uses the prelude and no other collector")).collect()
}

/// `agent/src/metric/desc.rs` and `agent/src/metric.rs` → `metric`.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("agent/src/")?;
    let name = inside.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name))
}

/// The first name of every path that starts at the crate's root, with its line: `crate::a::b`, `crate::{a, b::c}`.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    const ROOT: &str = "crate::";
    let mut found = Vec::new();
    for (start, _) in code.match_indices(ROOT) {
        let is_name = |it: char| it.is_alphanumeric() || it == '_';
        if code[..start].ends_with(is_name) {
            continue;
        }
        let mut push = |at: usize| {
            let name: String = code[at..].chars().take_while(|it| is_name(*it)).collect();
            if !name.is_empty() {
                found.push((code[..at].matches('\n').count() + 1, name));
            }
        };
        let after = start + ROOT.len();
        if !code[after..].starts_with('{') {
            push(after);
            continue;
        }
        let mut depth = 0;
        let mut expects_name = false;
        for (idx, it) in code[after..].char_indices() {
            match it {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && expects_name && is_name(it) {
                push(after + idx);
                expects_name = false;
            }
            expects_name |= depth == 1 && matches!(it, '{' | ',');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::problems, *};

    #[test]
    fn reads_paths_and_groups() {
        let code = "use crate::metric::Desc;\nuse crate::{\n    config::{self, Key}, source::Host,\n    http,\n};\n$crate::scrape::x!();\n";
        let found: Vec<(usize, String)> = crate_paths(code);
        let found: Vec<(usize, &str)> = found.iter().map(|it| (it.0, it.1.as_str())).collect();
        assert_eq!(found, [(1, "metric"), (3, "config"), (3, "source"), (4, "http"), (6, "scrape")]);
    }

    #[test]
    fn keeps_rooms_apart() {
        let text = "//! Doc.\nuse crate::{metric::Desc, collectors::all};\n";
        assert_eq!(
            problems(imports, "agent/src/scrape/mod.rs", text),
            ["2: `scrape` may not use `collectors`"]
        );
        assert_eq!(problems(imports, "agent/src/cli.rs", text), [""; 0]);
        assert_eq!(problems(imports, "agent/src/metric/desc.rs", "use crate::metric::Kind;\n"), [""; 0]);
        assert_eq!(
            problems(imports, "agent/src/util.rs", ""),
            ["1: `util` is no room of agent/ARCHITECTURE.md"]
        );
    }

    #[test]
    fn lets_tests_import_what_they_need() {
        let text = "#[cfg(test)]\nmod tests {\n    use crate::http::App;\n}\n";
        assert_eq!(problems(imports, "agent/src/metric/desc.rs", text), [""; 0]);
        assert_eq!(problems(imports, "agent/src/metric/tests.rs", "use crate::http::App;\n"), [""; 0]);
    }

    #[test]
    fn keeps_collectors_apart() {
        let path = "agent/src/collectors/cpu/loadavg.rs";
        let why = "a collector uses the prelude and no other collector";
        assert_eq!(problems(neighbours, path, "use crate::collectors::prelude::*;\n"), [""; 0]);
        assert_eq!(problems(neighbours, path, "use super::stat::Stat;\n"), [format!("1: {why}")]);
        assert_eq!(problems(neighbours, path, "use crate::collectors::cpu::stat;\n"), [format!("1: {why}")]);
        assert_eq!(problems(neighbours, "agent/src/collectors/cpu/mod.rs", "super::register! {}\n"), [""; 0]);
    }
}
