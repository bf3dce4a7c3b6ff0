//! One input file, one test: the findings of each resource in `inputs/` stand in the snapshot beside it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;
use std::fmt::Write;

use epr_fhir::Resource;
use epr_validate::{Checker, Program};

#[test]
fn each_input_has_the_findings_of_its_snapshot() {
    let Some(definitions) = r4::definitions() else { return };
    let program = Program::compile(definitions, &BTreeMap::new()).unwrap();
    insta::glob!("inputs/*.json", |path| {
        let shown = show(&program, &std::fs::read(path).unwrap());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // A file's name says what it is: `good_` and `note_` have no finding, `note_` names what was not checked.
        let found = shown.contains(" VAL") || shown.contains("cannot be read");
        assert_eq!(name.starts_with("err_") || name.starts_with("warn_"), found, "{name}:\n{shown}");
        assert_eq!(name.starts_with("err_"), shown.contains("error VAL") || shown.contains("cannot be read"), "{name}");
        assert!(!name.starts_with("note_") || shown.contains("\nnot ") || shown.starts_with("not "), "{name}");
        insta::assert_snapshot!(shown);
    });
}

fn show(program: &Program<'_>, bytes: &[u8]) -> String {
    let resource = match Resource::parse_json(bytes) {
        Ok(resource) => resource,
        Err(error) => return format!("cannot be read: {error}"),
    };
    let mut checker = Checker::new(program);
    let findings = checker.check(&resource);
    let mut shown = String::new();
    for issue in &findings.issues {
        let _ = writeln!(shown, "{} {} {}: {}", issue.severity.as_str(), issue.code, issue.path, issue.detail);
    }
    let ledger = epr_validate::check::ledger(program, [&checker]);
    for line in ledger.not_checked {
        let _ = writeln!(shown, "not checked: {} at {}: {}", line.rule, line.element, line.reason);
    }
    for system in ledger.coded.iter().filter(|s| s.checked < s.n) {
        let _ = writeln!(shown, "not looked up: {} codes of {}", system.n - system.checked, system.system);
    }
    let facts = &findings.facts;
    let _ = writeln!(shown, "patient: {}", facts.patient_id.as_deref().unwrap_or("none"));
    for reference in &facts.references {
        let _ = writeln!(shown, "reference: {} to {}/{}", reference.path, reference.to_type, reference.to_id);
    }
    shown
}

#[test]
fn no_value_of_a_resource_stands_in_a_finding() {
    let Some(definitions) = r4::definitions() else { return };
    let program = Program::compile(definitions, &BTreeMap::new()).unwrap();
    // Every text of every input is replaced by one that no definition has, so each check that can fail on it does.
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inputs")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut changed = String::new();
        for (i, piece) in text.split('"').enumerate() {
            // Odd pieces are texts; one with a colon after it is a name.
            let is_value = i % 2 == 1 && !text.split('"').nth(i + 1).unwrap_or_default().trim_start().starts_with(':');
            let is_type = text.split('"').nth(i.saturating_sub(2)) == Some("resourceType");
            changed.push_str(if i > 0 { "\"" } else { "" });
            changed.push_str(if is_value && !is_type { "Zyzzyva 98765" } else { piece });
        }
        let shown = show(&program, changed.as_bytes());
        let findings: Vec<_> = shown.lines().filter(|l| l.contains(" VAL")).collect();
        assert!(!findings.iter().any(|l| l.contains("Zyzzyva") || l.contains("98765")), "{findings:#?}");
    }
}

#[test]
fn bytes_changed_anywhere_make_findings_and_no_panic() {
    let Some(definitions) = r4::definitions() else { return };
    let program = Program::compile(definitions, &BTreeMap::new()).unwrap();
    let mut checker = Checker::new(&program);
    let (mut resource, mut n_checked) = (Resource::default(), 0);
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inputs")).unwrap() {
        let original = std::fs::read(entry.unwrap().path()).unwrap();
        for at in 0..original.len() {
            for byte in *b"\"[0}# " {
                let mut bytes = original.clone();
                bytes[at] = byte;
                if resource.parse_json_into(&bytes).is_ok() {
                    checker.check(&resource);
                    n_checked += 1;
                }
            }
            // A member or an item that is gone.
            let mut bytes = original.clone();
            bytes.drain(at..(at + 12).min(original.len()));
            if resource.parse_json_into(&bytes).is_ok() {
                checker.check(&resource);
                n_checked += 1;
            }
        }
    }
    assert!(n_checked > 10_000);
}
