//! Real inputs that this project did not write: no false error on sound ones, agreement with recorded outcomes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;
use std::io::Read;

use epr_fhir::{Node, Resource};
use epr_validate::{Checker, Program};

#[test]
fn the_synthea_export_has_no_error() {
    let (Some(folder), Some(definitions)) = (r4::shared("synthea-csv-fhir-pair/fhir"), r4::definitions()) else {
        return;
    };
    let program = Program::compile(definitions, &BTreeMap::new()).unwrap();
    let mut checker = Checker::new(&program);
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    let mut n_entries = 0;
    for path in files(&folder) {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
        let bundle = Resource::parse_json(&bytes).unwrap();
        n_entries += bundle.root().get("entry").unwrap().items().count();
        for issue in checker.check(&bundle).issues {
            let line = format!(
                "{} {} {}: {}",
                issue.severity.as_str(),
                issue.code,
                without_indices(&issue.path),
                issue.detail
            );
            *errors.entry(line).or_default() += 1;
        }
    }
    println!("{n_entries} resources");
    for (line, n) in &errors {
        println!("{n} × {line}");
    }
    for line in epr_validate::check::ledger(&program, [&checker]).not_checked.iter().filter(|l| l.n > 100) {
        println!("not checked {} × {} {} {}", line.n, line.rule, line.element, line.reason);
    }
    assert!(n_entries > 4_000);
    assert_eq!(errors.keys().filter(|l| l.starts_with("error")).count(), 0);
}

#[test]
fn verdicts_agree_with_the_reference_validators_recorded_ones() {
    let (Some(folder), Some(definitions)) = (r4::shared("fhir-test-cases"), r4::definitions()) else { return };
    let program = Program::compile(definitions, &BTreeMap::new()).unwrap();
    let cases = Resource::parse_json(&as_array(&std::fs::read(folder.join("cases.jsonl")).unwrap())).unwrap();
    let (mut n, mut n_verdict, mut n_exact) = (0, 0, 0);
    for case in cases.root().items() {
        let plain = case.get("profile").is_some_and(Node::is_null)
            && case.get("supporting").is_some_and(|s| s.items().next().is_none())
            && case.get("scored").and_then(Node::as_bool) == Some(true);
        let file = case.text("file").unwrap();
        if !plain || std::path::Path::new(file).extension().is_none_or(|e| e != "json") {
            continue;
        }
        let expected: usize = case.get("expected_errors").unwrap().number_text().unwrap().parse().unwrap();
        let found: Vec<String> = match Resource::parse_json(&std::fs::read(folder.join(file)).unwrap()) {
            Err(error) => vec![format!("cannot be read: {error}")],
            Ok(resource) => {
                let findings = Checker::new(&program).check(&resource);
                let errors = findings.issues.into_iter().filter(|i| i.severity >= epr_model::Severity::Error);
                errors.map(|i| format!("{} {}: {}", i.code, i.path, i.detail)).collect()
            }
        };
        n += 1;
        n_verdict += usize::from(found.is_empty() == (expected == 0));
        n_exact += usize::from(found.len() == expected);
        if found.len() != expected {
            println!("{file}: expected {expected}, found {}", found.len());
            found.iter().take(8).for_each(|f| println!("    {f}"));
        }
    }
    println!("{n} steps: verdict agrees in {n_verdict}, number of errors in {n_exact}");
    // A ratchet: what was reached is not given back.
    assert!(n_verdict >= VERDICT_FLOOR && n_exact >= EXACT_FLOOR);
}

/// Of the 72 scored JSON steps without profile or supporting definitions.
const VERDICT_FLOOR: usize = 63;
const EXACT_FLOOR: usize = 61;

fn as_array(lines: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(lines).unwrap();
    format!("[{}]", text.lines().collect::<Vec<_>>().join(",")).into_bytes()
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

fn without_indices(path: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

#[test]
fn the_definitions_of_r4_have_few_errors_all_of_them_true() {
    let Some(definitions) = r4::definitions() else { return };
    let program = Program::compile(definitions, &BTreeMap::new()).unwrap();
    let mut checker = Checker::new(&program);
    let folder = std::env::home_dir().unwrap().join(".fhir/packages/hl7.fhir.r4.core#4.0.1/package");
    let (mut n, mut n_faulty) = (0, 0);
    for path in files(&folder) {
        let Ok(resource) = Resource::parse_json(&std::fs::read(&path).unwrap()) else { continue };
        // The package's own description is no resource.
        if resource.root().text("resourceType").is_none() {
            continue;
        }
        n += 1;
        let findings = checker.check(&resource);
        n_faulty += usize::from(findings.n_errors() > 0);
        for issue in findings.issues.iter().filter(|i| i.severity >= epr_model::Severity::Error) {
            println!("{} {}: {}", issue.code, issue.path, issue.detail);
        }
    }
    println!("{n} definitions, {n_faulty} with errors");
    // Looked at one by one: parameters without a base, types without a baseDefinition, an upper-case UUID, a system without a scheme, a guide
    // of another version. Each breaks R4's own rules.
    assert!(n > 2_000 && n_faulty <= 18);
}
