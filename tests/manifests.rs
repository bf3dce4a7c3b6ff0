//! Each manifest that a run writes, against the committed JSON Schema.
//!
//! The checker here knows the keywords that this schema uses and fails on any other, so that the schema cannot grow
//! beyond what is checked.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{binary, first};

/// What is wrong with a value, each with its place; empty: nothing.
fn faults(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let wrong = |what: String| vec![format!("{place}: {what}")];
        found.extend(match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => Vec::new(),
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").expect("references stay in the file");
                faults(root, &root["$defs"][name], value, place)
            }
            "type" if is_of_type(rule.as_str().unwrap(), value) => Vec::new(),
            "type" => wrong(format!("not of type {rule}")),
            "const" if value == rule => Vec::new(),
            "const" => wrong(format!("not {rule}")),
            "enum" if rule.as_array().unwrap().contains(value) => Vec::new(),
            "enum" => wrong(format!("none of {rule}")),
            "minimum" if value.as_i64().is_none_or(|n| n >= rule.as_i64().unwrap()) => Vec::new(),
            "minimum" => wrong(format!("less than {rule}")),
            "pattern" => {
                assert_eq!(rule, "^[0-9a-f]{64}$", "the one pattern that this checker knows");
                let is_hash = |text: &str| {
                    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                };
                if value.as_str().is_none_or(is_hash) { Vec::new() } else { wrong("not a SHA-256".to_owned()) }
            }
            "required" => {
                let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                names
                    .filter(|name| value.as_object().is_some_and(|o| !o.contains_key(*name)))
                    .map(|name| format!("{place}: no `{name}`"))
                    .collect()
            }
            "properties" => {
                let members = rule.as_object().unwrap().iter();
                members
                    .filter_map(|(name, schema)| Some((name, schema, value.as_object()?.get(name)?)))
                    .flat_map(|(name, schema, member)| faults(root, schema, member, &format!("{place}/{name}")))
                    .collect()
            }
            "additionalProperties" => {
                let others = value.as_object().into_iter().flatten();
                others
                    .filter(|(name, _)| schema["properties"].get(name.as_str()).is_none())
                    .flat_map(|(name, member)| match rule {
                        Value::Bool(true) => Vec::new(),
                        Value::Bool(false) => vec![format!("{place}: `{name}` is not foreseen")],
                        rule => faults(root, rule, member, &format!("{place}/{name}")),
                    })
                    .collect()
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.flat_map(|(i, item)| faults(root, rule, item, &format!("{place}/{i}"))).collect()
            }
            "oneOf" => {
                let choices = rule.as_array().unwrap().iter();
                match choices.filter(|schema| faults(root, schema, value, place).is_empty()).count() {
                    1 => Vec::new(),
                    n => wrong(format!("fits {n} of the choices, not one")),
                }
            }
            other => panic!("the schema uses `{other}`, which this checker does not know"),
        });
    }
    found
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("the schema uses the type `{other}`, which this checker does not know"),
    }
}

/// Makes a right manifest wrong in one way.
type Spoil = fn(&mut Value);

fn schema() -> Value {
    let path = binary::root().join("docs/schemas/manifest.schema.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn manifests_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(manifests_below(&path));
        } else if path.file_name().is_some_and(|name| name == "manifest.json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_manifest_of_a_run_is_as_its_schema_says_and_a_wrong_one_is_not() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pas = folder.path().join("pas.sqlite");
    first::database(&pas, first::Order::AsWritten);
    let run = folder.path().join("run");
    binary::expect(&mut first::run(&pas, &run), &[1]);

    let schema = schema();
    let paths = manifests_below(&run);
    assert_eq!(paths.len(), 7, "one a stage: {paths:?}");
    for path in &paths {
        let manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(faults(&schema, &schema, &manifest, ""), Vec::<String>::new(), "{}", path.display());
    }

    let right: Value = serde_json::from_slice(&fs::read(&paths[0]).unwrap()).unwrap();
    let spoil: [(&str, Spoil); 7] = [
        ("a member is missing", |m| drop(m.as_object_mut().unwrap().remove("run_hash"))),
        ("a member is too many", |m| m["colour"] = json!("blue")),
        ("a stage of another name", |m| m["stage"] = json!("extracted")),
        ("a hash in capitals", |m| m["run_hash"] = json!("A".repeat(64))),
        ("a count below nought", |m| m["files"][0]["bytes"] = json!(-1)),
        ("a count that is text", |m| m["tables"][0]["n_rows"] = json!("12")),
        ("a key of no kind", |m| m["tables"][0]["schema"]["key"] = json!("rows")),
    ];
    for (what, spoil) in spoil {
        let mut wrong = right.clone();
        spoil(&mut wrong);
        assert_eq!(faults(&schema, &schema, &wrong, "").len(), 1, "{what}");
    }
}
