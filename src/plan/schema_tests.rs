//! The schema and the reader agree: on every example of the reference, and on examples that
//! were broken at random.

use super::json_schema;
use crate::plan::diag::{Problems, Source};
use crate::plan::yaml::{Node, Value as Yaml, is_bool, is_number};
use crate::plan::{keys, shape, yaml};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use regex_automata::meta::Regex;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

const REFERENCE: &str = include_str!("../../docs/task-file.md");

/// The keywords of JSON Schema that [`json_schema`] uses, and no more.
struct Validator {
    patterns: HashMap<String, Regex>,
}

impl Validator {
    fn accepts(&mut self, schema: &Value, value: &Value) -> bool {
        schema.as_object().unwrap().iter().all(|(keyword, rule)| match keyword.as_str() {
            "$schema" | "title" | "description" => true,
            "properties" => value.as_object().is_none_or(|map| {
                map.iter().all(|(k, v)| rule.get(k).is_none_or(|s| self.accepts(s, v)))
            }),
            "additionalProperties" => value.as_object().is_none_or(|map| {
                let known = schema.get("properties");
                let mut other = map.iter().filter(|(k, _)| known.and_then(|p| p.get(*k)).is_none());
                match rule {
                    Value::Bool(allowed) => *allowed || other.next().is_none(),
                    rule => other.all(|(_, v)| self.accepts(rule, v)),
                }
            }),
            "propertyNames" => value
                .as_object()
                .is_none_or(|map| map.keys().all(|k| self.accepts(rule, &json!(k)))),
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array().unwrap().iter().all(|k| map.contains_key(k.as_str().unwrap()))
            }),
            "items" => value.as_array().is_none_or(|a| a.iter().all(|v| self.accepts(rule, v))),
            "minItems" => value.as_array().is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap()),
            "anyOf" => rule.as_array().unwrap().iter().any(|s| self.accepts(s, value)),
            "not" => !self.accepts(rule, value),
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|text| {
                let pattern = rule.as_str().unwrap();
                let regex = self.patterns.entry(pattern.to_owned());
                regex.or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
            }),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is_type(value, t)),
                one => is_type(value, one),
            },
            other => panic!("the validator does not know `{other}`"),
        })
    }
}

fn is_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("unknown type {other}"),
    }
}

/// What a schema sees of a tree.
fn to_json(node: &Node) -> Value {
    match &node.value {
        Yaml::Null | Yaml::Broken => Value::Null,
        Yaml::List(items) => items.iter().map(|i| to_json(i)).collect(),
        Yaml::Map(entries) => Value::Object(
            entries.iter().map(|e| (e.key.to_string(), to_json(&e.value))).collect::<Map<_, _>>(),
        ),
        Yaml::Scalar(s) if s.quoted => json!(s.text),
        Yaml::Scalar(s) if is_bool(&s.text) => json!(s.text.eq_ignore_ascii_case("true")),
        Yaml::Scalar(s) => match s.text.parse::<i64>() {
            Ok(n) => json!(n),
            Err(_) if is_number(&s.text) => json!(s.text.parse::<f64>().unwrap()),
            Err(_) => json!(s.text),
        },
    }
}

/// The shape's verdict on a text; the tree too.
fn judge(text: &str) -> (Vec<String>, Value) {
    let source = Source::new("x", text.as_bytes());
    let mut problems = Problems::default();
    let document = yaml::parse(text.as_bytes(), &source, &mut problems);
    let root = document.root.expect("the text is YAML");
    shape::check(&root, &keys::TOP, true, &mut problems);
    let messages = problems.into_diagnostics(&source).into_iter().map(|d| d.message).collect();
    (messages, to_json(&root))
}

fn examples() -> Vec<Value> {
    let blocks = REFERENCE.split("```yaml\n").skip(1);
    let all: Vec<Value> = blocks.map(|b| judge(b.split("```").next().unwrap()).1).collect();
    assert!(all.len() >= 20, "only {} examples in the reference", all.len());
    all
}

#[test]
fn every_example_fits_the_schema_and_the_shape() {
    let schema = json_schema();
    let mut validator = Validator { patterns: HashMap::new() };
    for block in REFERENCE.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let (messages, json) = judge(text);
        assert!(messages.is_empty(), "{messages:?} in\n{text}");
        assert!(validator.accepts(&schema, &json), "the schema refuses\n{text}");
    }
}

#[test]
fn schema_and_reader_agree_on_broken_examples() {
    let examples = examples();
    let schema = json_schema();
    let validator = std::cell::RefCell::new(Validator { patterns: HashMap::new() });
    let config = Config {
        cases: 3000,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    };
    let strategy = proptest::collection::vec(proptest::num::u32::ANY, 6);
    let both = std::cell::Cell::new([0_u32; 2]);
    TestRunner::new(config)
        .run(&strategy, |choices| {
            let mut value = examples[choices[0] as usize % examples.len()].clone();
            let mut left = choices[1] as usize % count(&value);
            break_at(&mut value, &mut left, choices[2], choices[3]);
            let text = serde_json::to_string(&value).unwrap();
            let (messages, seen) = judge(&text);
            let accepted = validator.borrow_mut().accepts(&schema, &seen);
            proptest::prop_assert_eq!(accepted, messages.is_empty(), "{}\n{:?}", text, messages);
            let mut tally = both.get();
            tally[usize::from(accepted)] += 1;
            both.set(tally);
            Ok(())
        })
        .unwrap();
    assert!(both.get().iter().all(|n| *n > 100), "one-sided: {:?}", both.get());
}

/// Places in a value that can be broken.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Replaces the place that `left` counts down to, or renames or removes a key in it.
fn break_at(value: &mut Value, left: &mut usize, how: u32, what: u32) {
    if *left == 0 {
        *left = usize::MAX;
        if let Value::Object(map) = value
            && how.is_multiple_of(2)
            && !map.is_empty()
        {
            let key = map.keys().nth(what as usize % map.len()).unwrap().clone();
            let old = map.shift_remove(&key).unwrap();
            if how.is_multiple_of(4) {
                map.insert(format!("{key} no"), old);
            }
            return;
        }
        let palette = [
            json!(null),
            json!(true),
            json!(5),
            json!("no such text"),
            json!([]),
            json!({}),
            json!(["x"]),
            json!([5, null]),
            json!({"x": 1}),
            json!([[1]]),
        ];
        *value = palette[what as usize % palette.len()].clone();
        return;
    }
    *left -= 1;
    let parts: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    };
    for part in parts {
        if *left == usize::MAX {
            return;
        }
        break_at(part, left, how, what);
    }
}
