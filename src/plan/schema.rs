//! The JSON Schema of a task file, for editors: the table of keys in another notation.

use super::keys::{self, Bare, Form, Key, Names, Shape, Type};
use serde_json::{Map, Value, json};

/// Returns the JSON Schema (draft 2020-12) of a task file.
///
/// It says what a value alone can say: keys, types and forms. Names that must exist, cycles
/// and placeholders are for `ganger check`.
pub fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ganger task file",
    });
    if let (Some(all), Value::Object(top)) = (schema.as_object_mut(), of_shape(&keys::TOP)) {
        all.extend(top);
    }
    schema
}

fn of_shape(shape: &'static Shape) -> Value {
    let properties: Map<String, Value> =
        shape.keys().map(|key| (key.name.to_owned(), of_key(key))).collect();
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    let required: Vec<&str> =
        shape.keys().filter(|k| k.required && !shape.partial).map(|k| k.name).collect();
    if !required.is_empty()
        && let Some(map) = schema.as_object_mut()
    {
        map.insert("required".to_owned(), json!(required));
    }
    schema
}

fn of_key(key: &'static Key) -> Value {
    let mut schema = of_type(&key.takes);
    if let Some(map) = schema.as_object_mut() {
        let default = match key.default {
            "" => String::new(),
            default => format!(" Default: {default}."),
        };
        map.insert("description".to_owned(), json!(format!("{}{default}", key.doc)));
    }
    schema
}

fn of_type(takes: &'static Type) -> Value {
    match takes {
        Type::Bool => json!({"type": "boolean"}),
        Type::Int { min, max } => bounded(json!({"type": "integer"}), *min, *max),
        Type::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
        // YAML's `1.10` and `no` are text here, which a schema can only see as what they are.
        Type::Text => json!({"type": ["string", "number", "boolean"]}),
        Type::Word(words) => json!({"enum": words}),
        Type::Form(form) => of_form(form),
        Type::List { of, min: 0 } => json!({"type": "array", "items": of_type(of)}),
        Type::List { of, min } => {
            json!({"type": "array", "items": of_type(of), "minItems": min})
        }
        Type::Map(shape) => of_shape(shape),
        Type::Names { names, of, fixed } => of_names(names, of, fixed),
        Type::Either(types) => {
            json!({"anyOf": types.iter().map(of_type).collect::<Vec<_>>()})
        }
    }
}

fn bounded(mut schema: Value, min: i64, max: i64) -> Value {
    if let Some(map) = schema.as_object_mut() {
        if min > i64::MIN {
            map.insert("minimum".to_owned(), json!(min));
        }
        if max < i64::MAX {
            map.insert("maximum".to_owned(), json!(max));
        }
    }
    schema
}

fn of_form(form: &Form) -> Value {
    let text = json!({"type": "string", "pattern": form.pattern});
    match form.bare {
        Bare::None => text,
        Bare::WholeFrom(least) => {
            json!({"anyOf": [text, bounded(json!({"type": "integer"}), least, i64::MAX)]})
        }
        // A name such as `2024` is a number for a schema.
        Bare::Any => json!({"anyOf": [text, {"type": ["number", "boolean"]}]}),
    }
}

fn of_names(names: &Names, of: &'static Type, fixed: &'static [Key]) -> Value {
    let properties: Map<String, Value> =
        fixed.iter().map(|key| (key.name.to_owned(), of_key(key))).collect();
    let mut known = json!({"pattern": names.pattern});
    if !names.taken.is_empty()
        && let Some(map) = known.as_object_mut()
    {
        map.insert("not".to_owned(), json!({"enum": names.taken}));
    }
    json!({
        "type": "object",
        "properties": properties,
        "propertyNames": known,
        "additionalProperties": of_type(of),
    })
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
