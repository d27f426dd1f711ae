//! The config as a JSON Schema, by which editors complete and check TOML files.

use super::{CollectorLimits, Key, Schema, Section as _, Table};
use serde_json::{Value, json};

/// The schema of a config file.
#[must_use]
pub fn json_schema(schema: &Schema) -> Value {
    let mut root = object();
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["definitions"] =
        CollectorLimits::KEYS.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    root["definitions"]["regex"] = json!({ "anyOf": [{ "type": "string", "format": "regex" }, strings()] });
    for table in schema.tables() {
        let mut at = &mut root;
        for name in table.path.split('.').filter(|name| !name.is_empty()) {
            let properties = at["properties"].as_object_mut().expect("objects are made with properties");
            at = properties.entry(name).or_insert_with(object);
        }
        fill(at, table);
    }
    root
}

fn fill(at: &mut Value, table: &Table) {
    at["description"] = json!(table.summary);
    let properties = at["properties"].as_object_mut().expect("objects are made with properties");
    for key in &table.keys {
        let property = if table.is_common(key) { definition(key.name) } else { property(key) };
        properties.insert(key.name.to_owned(), property);
    }
}

fn definition(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn object() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

fn property(key: &Key) -> Value {
    let mut property = values(key);
    property["description"] = json!(key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "));
    property["default"] = serde_json::to_value((key.default)()).expect("defaults are values that JSON has");
    property
}

/// Which values the key can have.
fn values(key: &Key) -> Value {
    match key.kind {
        _ if !key.choices.is_empty() => {
            let word = json!({ "enum": key.choices });
            match key.is_list() {
                true => json!({ "anyOf": [{ "type": "array", "items": word }, word] }),
                false => word,
            }
        }
        "boolean" => json!({ "type": "boolean" }),
        "integer" => json!({ "type": "integer" }),
        "number" => json!({ "type": "number" }),
        "duration" => json!({ "type": "string", "pattern": "^(0|([0-9.]+(ns|us|µs|ms|s|m|h|d))+)$" }),
        // What stands beside a reference is ignored.
        "regex" => json!({ "allOf": [definition("regex")] }),
        _ => match (key.default)() {
            toml::Value::Array(_) => json!({ "anyOf": [strings(), { "type": "string" }] }),
            toml::Value::Table(_) => {
                json!({ "type": "object", "additionalProperties": { "type": "string" } })
            }
            toml::Value::Integer(_) => json!({ "type": "integer" }),
            toml::Value::Float(_) => json!({ "type": "number" }),
            toml::Value::Boolean(_) => json!({ "type": "boolean" }),
            _ => json!({ "type": "string" }),
        },
    }
}
