//! What no key can check alone: keys that exclude each other.

use super::{Config, Diagnostic, Origin, Schema};
use toml::Value;

/// Everything that is wrong with the values as a whole.
pub(super) fn check(schema: &Schema, config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for table in schema.tables() {
        let Some(collector) = table.collector else { continue };
        for (include, exclude) in collector.exclusive {
            found.extend(both_set(config, &table.path, include, exclude));
        }
    }
    found
}

fn both_set(config: &Config, table: &str, include: &str, exclude: &str) -> Option<Diagnostic> {
    let paths = [include, exclude].map(|name| format!("{table}.{name}"));
    if !paths.iter().all(|path| is_chosen(config, path)) {
        return None;
    }
    let message = format!("`{include}` and `{exclude}` of [{table}] exclude each other: set one of them");
    let [first, second] = paths.map(|path| (config.place(&path).cloned(), config.origin(&path)));
    let mut error = Diagnostic::error(message);
    error.place = first.0;
    error.related = second.0.map(|place| (place, "and the other here"));
    Some(error)
}

/// Whether the user set it to something.
fn is_chosen(config: &Config, path: &str) -> bool {
    let is_empty = match config.get(path) {
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
        None => true,
    };
    !is_empty && !matches!(config.origin(path), Origin::Preset(_))
}

/// Gives defaults that follow other settings: as node_exporter's `cpu`, ours shows the frequencies of /proc/cpuinfo
/// where `cpufreq` is on.
pub(super) fn follow(config: &mut Config) {
    const FREQUENCY: &str = "collector.cpu.info_frequency";
    if config.get(FREQUENCY).is_none() && !config.enables("cpufreq", true) {
        config.set(FREQUENCY, false.into());
    }
}

/// Takes back what a preset sets where the user chose the opposite way to say it.
pub(super) fn presets_give_way(schema: &Schema, config: &mut Config) {
    for table in schema.tables() {
        for (include, exclude) in table.collector.map_or(&[][..], |it| it.exclusive) {
            for (ours, theirs) in [(include, exclude), (exclude, include)] {
                let [ours, theirs] = [ours, theirs].map(|name| format!("{}.{name}", table.path));
                if is_chosen(config, &theirs) && matches!(config.origin(&ours), Origin::Preset(_)) {
                    config.values.remove(&ours);
                }
            }
        }
    }
}
