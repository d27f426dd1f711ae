//! Layers become one config: defaults, preset, files, `include`d files, environment, command line; the later wins.

use super::{
    Alias, Config, Key, Meaning, Origin, Preset, Problem, Schema, Setting,
    diagnostic::{Diagnostic, Place, Severity, Source, count},
    document::{self, Given},
    glob::{self, glob},
    rules,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use toml::{Value, de::DeValue};

/// Where to take settings from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub files: Vec<PathBuf>,
    /// Variables that start with `HOSTLENS__`.
    pub variables: Vec<(String, String)>,
    pub flags: Vec<Flag>,
}

/// A flag as the command line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Without `--` and `no-`.
    pub name: String,
    pub value: FlagValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagValue {
    /// `--name`
    On,
    /// `--no-name`
    Off,
    /// `--name=text`
    Text(String),
}

/// What came of it. With errors among the diagnostics the config is not to be used.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub diagnostics: Vec<Diagnostic>,
    /// All files that were read or looked for, and the folders of `include`.
    pub watched: Vec<PathBuf>,
}

impl Loaded {
    #[must_use]
    pub fn is_usable(&self) -> bool {
        count(&self.diagnostics, Severity::Error) == 0
    }
}

/// Reads all of `sources`.
#[must_use]
pub fn load(schema: &Schema, sources: &Sources) -> Loaded {
    let mut load = Load { schema, diagnostics: Vec::new(), watched: Vec::new() };
    let mut given = Vec::new();
    for file in &sources.files {
        given.extend(load.file_with_includes(file));
    }
    given.extend(sources.variables.iter().filter_map(|(name, text)| load.variable(name, text)));
    given.extend(load.flags(&sources.flags));
    let preset = given.iter().rev().find(|it| it.path == "preset").map(|it| Preset::from_value(&it.value));
    let preset = preset.and_then(Result::ok).map(|it| of_preset(schema, it)).unwrap_or_default();
    let mut config = Config::default();
    for Given { path, value, origin, place } in preset.into_iter().chain(given) {
        config.put(path, value, origin, place);
    }
    rules::presets_give_way(schema, &mut config);
    rules::follow(&mut config);
    load.diagnostics.extend(rules::check(schema, &config));
    Loaded { config, diagnostics: load.diagnostics, watched: load.watched }
}

fn of_preset(schema: &Schema, preset: Preset) -> Vec<Given> {
    let given = |(path, value)| Given { path, value, origin: Origin::Preset(preset.as_str()), place: None };
    (schema.preset_values)(preset).into_iter().map(given).collect()
}

struct Load<'a> {
    schema: &'a Schema,
    diagnostics: Vec<Diagnostic>,
    watched: Vec<PathBuf>,
}

impl Load<'_> {
    fn file_with_includes(&mut self, path: &Path) -> Vec<Given> {
        let mut given = self.file(path, None);
        let Some(include) = given.iter().find(|it| it.path == "include") else { return given };
        let (patterns, place) =
            (include.value.as_array().cloned().unwrap_or_default(), include.place.clone());
        let folder = path.parent().unwrap_or(Path::new(""));
        for pattern in patterns.iter().filter_map(Value::as_str) {
            for included in self.matches(&folder.join(pattern), place.as_ref()) {
                let mut inner = self.file(&included, place.as_ref());
                for nested in inner.extract_if(.., |it| it.path == "include") {
                    let message = "an included file cannot include others";
                    self.push(Diagnostic::error(message), nested.place);
                }
                given.append(&mut inner);
            }
        }
        given
    }

    /// `include` is the place that names the file, if it is a file that does.
    fn file(&mut self, path: &Path, include: Option<&Place>) -> Vec<Given> {
        self.watched.push(path.to_owned());
        match document::read(path) {
            Ok(source) => document::parse(self.schema, &source, &mut self.diagnostics),
            Err(error) => {
                // One that was read says its own line.
                let is_read = error.place.as_ref().is_some_and(|place| place.source.is_file);
                self.diagnostics.push(match include {
                    Some(place) if !is_read => {
                        Diagnostic::error(format!("`include`: {}: {}", path.display(), error.message))
                            .at(place.clone())
                            .help("only a pattern, such as `conf.d/*.toml`, may name files that are absent")
                    }
                    _ => error,
                });
                Vec::new()
            }
        }
    }

    /// The files that `pattern` means, by name. One without wildcards means itself, and so must exist.
    fn matches(&mut self, pattern: &Path, place: Option<&Place>) -> Vec<PathBuf> {
        let text = pattern.to_string_lossy();
        if !text.contains(['*', '?', '[', '\\']) {
            return vec![pattern.to_owned()];
        }
        self.watched.extend(pattern.parent().map(Path::to_owned));
        if !glob::is_complete(&text) {
            let message = format!("`include`: {text} is not a pattern");
            self.push(Diagnostic::error(message), place.cloned());
        }
        glob(pattern)
    }

    fn push(&mut self, diagnostic: Diagnostic, place: Option<Place>) {
        self.diagnostics.push(Diagnostic { place, ..diagnostic });
    }

    /// `HOSTLENS__COLLECTOR__NETDEV__DEVICE_EXCLUDE=^veth`; a list is written as in the file.
    fn variable(&mut self, name: &str, text: &str) -> Option<Given> {
        let path = name.strip_prefix("HOSTLENS__")?.replace("__", ".").to_lowercase();
        let source =
            Source { name: "environment".to_owned(), text: format!("{name}={text}"), is_file: false };
        let place = Place::new(&Arc::new(source), 0..name.len());
        let Some(key) = self.schema.key(&path).filter(|key| key.flag != Some("")) else {
            let (table, key) = path.rsplit_once('.').unwrap_or(("", &path));
            let mut error = Diagnostic::error(format!("unknown variable {name}")).at(place);
            error.help = match self.schema.is_table(table) || table.is_empty() {
                true => self.schema.suggest_key(table, key),
                false => self.schema.suggest_table(table),
            };
            self.diagnostics.push(error);
            return None;
        };
        let value = match DeValue::parse(text) {
            Ok(value) if key.is_list() && value.get_ref().is_array() => {
                document::plain(&value).and_then(|list| (key.check)(&list).map(|()| list))
            }
            _ => value_of_text(key, text),
        };
        match value {
            Ok(value) => {
                let origin = Origin::Variable(name.into());
                Some(Given { path, value, origin, place: Some(place) })
            }
            Err(problem) => {
                let first = name.len() + 1;
                let span = problem.at.map_or(first..first + text.len(), |at| first + at..first + at + 1);
                let place = Place::new(&place.source, span);
                self.diagnostics.push(Diagnostic::error(format!("`{path}`: {}", problem.message)).at(place));
                None
            }
        }
    }

    fn flags(&mut self, flags: &[Flag]) -> Vec<Given> {
        let mut given: Vec<Given> = Vec::new();
        for flag in flags {
            let Some(mut new) = self.flag(flag) else { continue };
            let Some(old) = given.iter().position(|it| it.path == new.path) else {
                given.push(new);
                continue;
            };
            let old = given.remove(old);
            match (old.value, &mut new.value) {
                (Value::Array(mut items), Value::Array(more)) => {
                    items.append(more);
                    *more = items;
                }
                _ => {
                    let warning =
                        Diagnostic::warning(format!("flag '{}' is repeated, the last one holds", flag.name));
                    self.push(warning, new.place.clone());
                }
            }
            given.push(new);
        }
        given
    }

    fn flag(&mut self, flag: &Flag) -> Option<Given> {
        let (text, n_before) = flag.spelled();
        let source = Source { name: "command line".to_owned(), text, is_file: false };
        let place = Place::new(&Arc::new(source), 0..n_before.saturating_sub(1));
        let (path, key) = match self.schema.key_of_flag(&flag.name) {
            Some((path, key)) => (path.to_owned(), key),
            None => self.alias(flag, &place)?,
        };
        let value = match &flag.value {
            FlagValue::On => Ok(Value::Boolean(true)),
            FlagValue::Off => Ok(Value::Boolean(false)),
            FlagValue::Text(text) => value_of_text(key, text),
        };
        match value {
            Ok(value) => {
                let origin = Origin::Flag(format!("--{}", flag.name).into());
                Some(Given { path, value, origin, place: Some(place) })
            }
            Err(problem) => {
                let end = place.source.text.len();
                let span = problem.at.map_or(n_before..end, |at| n_before + at..n_before + at + 1);
                let place = Place::new(&place.source, span);
                let message = format!("flag '--{}': {}", flag.name, problem.message);
                self.diagnostics.push(Diagnostic::error(message).at(place));
                None
            }
        }
    }

    /// The key behind a flag that is no key's own, if it has any effect.
    fn alias(&mut self, flag: &Flag, place: &Place) -> Option<(String, &'static Key)> {
        let Alias { meaning, .. } = self.schema.aliases().find(|alias| alias.flag == flag.name)?;
        match meaning {
            Meaning::Renamed(path) => {
                let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
                let key = self.schema.key(path).expect("aliases name keys");
                let table = self.schema.table(table).expect("keys have tables");
                let message = format!("flag '--{}' is deprecated", flag.name);
                let flag = table.flag(key).expect("what has an old flag has a new one");
                let help = format!("write `--{flag}`, or `{name}` in [{}]", table.path);
                self.diagnostics.push(Diagnostic::warning(message).at(place.clone()).help(help));
                Some(((*path).to_owned(), key))
            }
            Meaning::Ignored(why) => {
                let message = format!("flag '--{}' has no effect: {why}", flag.name);
                self.diagnostics.push(Diagnostic::warning(message).at(place.clone()));
                None
            }
        }
    }
}

impl Flag {
    /// As it stands on the command line, and where its value starts.
    fn spelled(&self) -> (String, usize) {
        let name = &self.name;
        let before = match &self.value {
            FlagValue::On => format!("--{name}"),
            FlagValue::Off => format!("--no-{name}"),
            FlagValue::Text(text) => return (format!("--{name}={text}"), name.len() + 3),
        };
        let len = before.len() + 1;
        (before, len)
    }
}

/// A whole number as kingpin reads it: `+5`, `1_000`, `5.0` and `5e2` are numbers, what follows the point is cut off,
/// and one that is too large is the largest.
fn whole_number(text: &str) -> Option<i64> {
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    if text.match_indices('_').any(|(at, _)| at == 0 || !is_digit(at - 1) || !is_digit(at + 1)) {
        return None;
    }
    let digits = text.replace('_', "");
    let cut_off = || digits.parse::<f64>().ok().filter(|it| it.is_finite()).map(|it| it as i64);
    digits.parse().ok().or_else(cut_off)
}

/// The value that `text` spells, as the key's default shows what it is.
fn value_of_text(key: &Key, text: &str) -> Result<Value, Problem> {
    let string = || Value::String(text.to_owned());
    let number = || whole_number(text).map(Value::Integer);
    let boolean = || text.parse().map(Value::Boolean).ok();
    let float = || text.parse().map(Value::Float).ok();
    let by_default = match (key.default)() {
        Value::Boolean(_) => boolean(),
        Value::Integer(_) => number(),
        Value::Float(_) => float(),
        Value::Array(_) => Some(Value::Array(vec![string()])),
        Value::Table(_) => DeValue::parse(text).ok().and_then(|value| document::plain(&value).ok()),
        _ => None,
    };
    let first = by_default.unwrap_or_else(string);
    let problem = match (key.check)(&first) {
        Ok(()) => return Ok(first),
        Err(problem) => problem,
    };
    // A key may take values of several types, such as `true` and `"auto"`.
    let others = [Some(string()), boolean(), number(), float()];
    others.into_iter().flatten().find(|value| (key.check)(value).is_ok()).ok_or(problem)
}
