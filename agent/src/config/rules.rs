//! What no key can check alone: keys that exclude each other, and collectors that are asked for in vain.

use super::{
    Config, Origin, Schema,
    diagnostic::{Diagnostic, Place},
};
use toml::Value;

/// Everything that is wrong with the values as a whole.
pub(super) fn check(schema: &Schema, config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for table in schema.tables() {
        let Some(collector) = table.collector else { continue };
        for (include, exclude) in collector.exclusive {
            found.extend(both_set(config, &table.path, include, exclude));
        }
        if !collector.is_built && config.asks_for(collector.name) {
            found.push(not_built(config, &table.path, collector.name));
        }
    }
    found
}

fn both_set(config: &Config, table: &str, include: &str, exclude: &str) -> Option<Diagnostic> {
    let chosen = |name: &str| -> Option<(Option<Place>, Origin)> {
        let path = format!("{table}.{name}");
        let is_empty = match config.get(&path)? {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        // A preset's value gives way to the user's.
        let is_users = !is_empty && !matches!(config.origin(&path), Origin::Preset(_));
        is_users.then(|| (config.place(&path).cloned(), config.origin(&path)))
    };
    let ((first, _), (second, origin)) = (chosen(include)?, chosen(exclude)?);
    let message = format!("`{include}` and `{exclude}` of [{table}] exclude each other: set one of them");
    let mut error = Diagnostic::error(message);
    error.place = first;
    match second {
        Some(place) => error.related = Some((place, "and the other here")),
        None => error.help = Some(format!("the other is set by {origin}")),
    }
    Some(error)
}

fn not_built(config: &Config, table: &str, name: &str) -> Diagnostic {
    let mut warning =
        Diagnostic::warning(format!("the collector `{name}` is not built yet, it gives no metrics"));
    warning.place = config.place(&format!("{table}.enabled")).cloned();
    warning
}
