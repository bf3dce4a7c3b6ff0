//! `inputs/table.txt`: expression, resource, expected; one test row a line.

use std::collections::BTreeMap;
use std::path::Path;

use epr_fhir::Resource;
use epr_fhirpath::temporal::Temporal;
use epr_fhirpath::{Focus, Host, compile};

use crate::render;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs")
}

/// What an expression gives over a resource, as one line.
fn answer(expression: &str, resource: &Resource, host: &Host<'_>) -> String {
    let compiled = match compile(expression) {
        Ok(compiled) => compiled,
        Err(error) => return format!("error: {error}"),
    };
    let focus = Focus::on_resource(resource.root(), host.definitions);
    match compiled.evaluate(host, focus) {
        Ok(evaluated) => match evaluated.not_checked {
            Some(why) => format!("not checked: {why}"),
            None => render::items(&evaluated.items),
        },
        Err(error) => format!("error: {error}"),
    }
}

fn rows(text: &str) -> Vec<(usize, &str, &str, &str)> {
    let mut input = "";
    let mut rows = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("## ") {
            input = name;
        } else if !line.is_empty() && !line.starts_with('#') {
            let (expression, expected) =
                line.rsplit_once(" ==> ").unwrap_or_else(|| panic!("line {} has no ==>", nth + 1));
            rows.push((nth + 1, input, expression.trim(), expected.trim()));
        }
    }
    rows
}

fn run(file: &str, host: &Host<'_>) -> usize {
    let text = std::fs::read_to_string(folder().join(file)).expect("the table is there");
    let mut resources: BTreeMap<String, Resource> = BTreeMap::new();
    let mut wrong = Vec::new();
    let rows = rows(&text);
    for (line, input, expression, expected) in &rows {
        let resource = resources.entry((*input).to_owned()).or_insert_with(|| {
            let bytes = std::fs::read(folder().join(format!("{input}.json"))).expect("the input is there");
            Resource::parse_json(&bytes).expect("the input is JSON")
        });
        let found = answer(expression, resource, host);
        if found != *expected {
            wrong.push(format!("{file}:{line}: {expression}\n   expected {expected}\n   found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    rows.len()
}

/// The whole table holds without any definitions: types are then what the JSON shows.
#[test]
fn every_row_of_the_table_gives_what_it_says() {
    let host = Host { as_of: Temporal::date_time("2024-03-01T12:00:00Z"), ..Host::with_definitions(None) };
    let n_rows = run("table.txt", &host);
    assert!(n_rows >= 150, "the table has only {n_rows} rows");
}

/// Rows whose answer depends on FHIR types that JSON does not show.
#[test]
fn with_definitions_elements_have_their_types() {
    let Some(definitions) = crate::r4::definitions() else { return };
    run("typed.txt", &Host::with_definitions(Some(definitions)));
}
