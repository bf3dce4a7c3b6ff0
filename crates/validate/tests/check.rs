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
