//! Who may import whom in the agent: the table of agent/ARCHITECTURE.md.

use super::{
    Fault, File,
    paths::{module_of, written},
};

/// A room and the rooms that it may use besides itself. What is not listed (`run.rs`, `lib.rs`, `cli`) may use all.
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
    ("recorder", &["config", "metric", "scrape"]),
    ("exposition", &["metric"]),
    ("own", &["metric", "source"]),
    (
        "http",
        &["scrape", "exposition", "metric", "config", "collector", "own", "recorder", "reload", "source"],
    ),
    ("log", &["config"]),
    ("reload", &["collectors", "config", "log", "opening", "sandbox", "scrape", "source"]),
    ("doctor", &["collector", "config", "http", "privileges", "sandbox", "scrape", "source"]),
    ("service", &[]),
    ("top", &["collectors", "config", "http", "opening", "own", "recorder", "reload"]),
];

const SOURCE: &str = "agent/src";

/// What collectors have in common.
const COMMON: &[&str] = &["by_disk", "by_group", "prelude", "probe"];

/// What may stand in `agent/src` and is no room: it knows all others.
const FREE: &[&str] = &["main", "lib", "run", "cli", "testing"];

/// Rooms use those that the table gives them, and macros.
pub(super) fn imports(file: &File) -> Vec<Fault> {
    let Some(room) = room_of(&file.path) else { return Vec::new() };
    if FREE.contains(&room) {
        return Vec::new();
    }
    let Some((_, may_use)) = ROOMS.iter().find(|it| it.0 == room) else {
        return vec![file.fault(1, format!("`{room}` is no room of agent/ARCHITECTURE.md"))];
    };
    let is_room = |it: &str| ROOMS.iter().any(|(name, _)| *name == it) || ["run", "cli"].contains(&it);
    let module = module_of(SOURCE, &file.path).unwrap_or_default();
    let used = written(&module, &file.code)
        .into_iter()
        .filter_map(|(line, path)| Some((line, path.into_iter().next()?)));
    let bad = used.filter(|(_, used)| is_room(used) && used != room && !may_use.contains(&used.as_str()));
    bad.map(|(line, used)| file.fault(line, format!("`{room}` may not use `{used}`"))).collect()
}

/// A collector uses no other collector: only the prelude, and what those with probes have in common.
pub(super) fn neighbours(file: &File) -> Vec<Fault> {
    let module = module_of(SOURCE, &file.path).unwrap_or_default();
    let [room, _, _, ..] = &module[..] else { return Vec::new() };
    if room != "collectors" {
        return Vec::new();
    }
    let is_other = |path: &[String]| {
        path.first().is_some_and(|it| it == "collectors")
            && !path.starts_with(&module[..3])
            && !path.get(1).is_some_and(|it| COMMON.contains(&it.as_str()))
    };
    let bad = written(&module, &file.code).into_iter().filter(|(_, path)| is_other(path));
    bad.map(|(line, _)| file.fault(line, "a collector uses the prelude and no other collector")).collect()
}

/// `agent/src/metric/desc.rs` and `agent/src/metric.rs` → `metric`.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("agent/src/")?;
    let name = inside.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::{super::problems, *};

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
        let grouped = "use crate::{\n    collectors::{prelude::*, cpu::stat},\n};\n";
        assert_eq!(problems(neighbours, path, grouped), [format!("2: {why}")]);
        let child = "agent/src/collectors/cpu/loadavg/child.rs";
        assert_eq!(problems(neighbours, child, "use super::super::loadavg::Loadavg;\n"), [""; 0]);
        assert_eq!(problems(neighbours, path, "use crate::collectors::cpu::stat;\n"), [format!("1: {why}")]);
        assert_eq!(problems(neighbours, "agent/src/collectors/cpu/mod.rs", "super::register! {}\n"), [""; 0]);
    }
}
