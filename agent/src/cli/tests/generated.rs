//! What is generated of the declarations: committed files are fresh, and no key is missing anywhere.

use crate::{
    cli::{self, Stop},
    collectors,
    config::{self, Config, Diagnostic, Sources, json_schema, render},
};
use expect_test::expect_file;
use std::{collections::BTreeMap, fs, path::Path, ptr};
use toml::Value;

/// What the binary prints for `words`.
fn printed(words: &[&str]) -> String {
    match cli::parse(&collectors::schema(), words.iter().map(|&word| word.to_owned())) {
        Err(Stop::Text(text)) => text,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn load(path: &Path) -> (Config, Vec<Diagnostic>) {
    let sources = Sources { files: vec![path.to_owned()], ..Sources::default() };
    let loaded = config::load(&collectors::schema(), &sources);
    (loaded.config, loaded.diagnostics)
}

#[test]
fn the_sample_is_fresh() {
    expect_file!["../../../../config/hostlens.toml"].assert_eq(&printed(&["config", "sample"]));
}

#[test]
fn the_editors_schema_is_fresh() {
    expect_file!["../../../../config/hostlens.schema.json"].assert_eq(&printed(&["config", "schema"]));
}

#[test]
fn the_list_of_collectors_is_fresh() {
    expect_file!["../../../docs/collectors.md"].assert_eq(&printed(&["manual", "collectors"]));
}

#[test]
fn a_family_is_declared_once() {
    let mut declared = BTreeMap::new();
    for meta in collectors::all().flat_map(|entry| entry.metrics) {
        let place = meta.shared.map_or(ptr::from_ref(meta).cast::<()>(), |it| ptr::from_ref(it).cast());
        assert_eq!(*declared.entry(meta.name).or_insert(place), place, "{} is declared twice", meta.name);
    }
}

#[test]
fn shipped_files_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for name in ["minimal.toml", "hostlens.toml", "kubernetes/base/hostlens.toml"] {
        let (_, diagnostics) = load(&folder.join(name));
        let errors: Vec<_> = diagnostics.iter().filter(|it| it.severity == config::Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

/// With the comment signs before keys taken away, the sample sets every key to its default.
#[test]
fn the_sample_has_every_key_with_its_default() {
    let schema = collectors::schema();
    let sample = render::sample(&schema);
    let is_key = |line: &str| {
        line.strip_prefix('#').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    let lines = sample.lines().map(|line| if is_key(line) { &line[1..] } else { line });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.toml");
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let (config, diagnostics) = load(&path);
    // The defaults of some keys cannot be said aloud together, such as include and exclude: those are empty.
    let messages: Vec<&str> = diagnostics.iter().map(|it| it.message.as_str()).collect();
    assert!(messages.is_empty(), "{messages:#?}");
    for table in schema.tables() {
        for key in &table.keys {
            let path = table.key_path(key);
            assert_eq!(config.get(&path), Some(&(key.default)()), "{path}");
            assert!(!key.doc.is_empty(), "{path} has a doc");
        }
    }
}

#[test]
fn every_key_can_be_set_everywhere() {
    let schema = collectors::schema();
    let editors = json_schema(&schema);
    let defaults = render::show(&schema, &Config::default(), render::Which::Defaults, false);
    let defaults: Value = toml::from_str::<toml::Table>(&defaults).unwrap().into();
    for table in schema.tables() {
        for key in &table.keys {
            let path = table.key_path(key);
            let pointer: String = path.split('.').map(|name| format!("/properties/{name}")).collect();
            assert!(editors.pointer(&pointer).is_some(), "the editors' schema lacks {path}");
            let only_in_files = key.flag == Some("");
            assert_eq!(table.flag(key).is_none(), only_in_files, "{path} has a flag");
            assert_eq!(table.variable(key).is_none(), only_in_files, "{path} has a variable");
            if only_in_files {
                continue;
            }
            let flag = table.flag(key).unwrap();
            assert_eq!(
                schema.key_of_flag(&flag).map(|(path, _)| path),
                Some(&*path),
                "--{flag} is another key's"
            );
            let variable = (table.variable(key).unwrap(), text((key.default)()));
            let loaded = config::load(&schema, &Sources { variables: vec![variable], ..Sources::default() });
            assert_eq!(loaded.config.get(&path), Some(&(key.default)()), "{path} by its variable");
            let shown = path.split('.').try_fold(&defaults, |at, name| at.get(name));
            assert_eq!(shown, Some(&(key.default)()), "`config show` has {path}");
        }
    }
}

/// As the environment has it.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

#[test]
fn help_man_page_and_completions_have_every_flag() {
    let schema = collectors::schema();
    let help = printed(&["--help-long"]);
    let page = printed(&["manual"]).replace('\\', "");
    let bash = printed(&["completion", "bash"]);
    for table in schema.tables() {
        for key in table.keys.iter().filter(|key| !table.is_common(key)) {
            let Some(flag) = table.flag(key) else { continue };
            for (what, text) in [("--help", &help), ("the man page", &page), ("bash's completion", &bash)] {
                let is_there =
                    text.contains(&format!("--{flag}")) || text.contains(&format!("--[no-]{flag}"));
                assert!(is_there, "{what} lacks --{flag}");
            }
        }
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(printed(&["completion", shell]).contains("collector.loadavg"), "{shell}");
    }
}
