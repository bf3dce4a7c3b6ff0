//! Codes: as many errors as the reference validator finds offline, case by case.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;

use epr_fhir::Resource;
use epr_fhir::package::{PackageCache, PackageId};
use epr_model::Severity;
use epr_validate::{Checker, Program};

/// Each case stands with the number of errors that the reference validator 6.10.4 gives it without a terminology server.
#[test]
fn a_code_makes_as_many_errors_as_for_the_reference() {
    let terminology: PackageId = "hl7.terminology.r4@7.0.1".parse().unwrap();
    let cache = PackageCache::at(std::env::home_dir().unwrap_or_default().join(".fhir/packages"));
    let Some(definitions) = r4::with(&[]) else { return };
    if !cache.has(&terminology) {
        println!("skipped: {terminology} is not in ~/.fhir/packages");
        return;
    }
    let program = Program::compile(&definitions, &BTreeMap::new()).unwrap();
    let mut checker = Checker::new(&program);
    let cases = Resource::parse_json(include_bytes!("codes/cases.json")).unwrap();
    let mut wrong = Vec::new();
    for case in cases.root().items() {
        let name = case.text("case").unwrap();
        let asked: usize = case.get("errors").unwrap().number_text().unwrap().parse().unwrap();
        let resource = Resource::parse_json(case.get("resource").unwrap().raw()).unwrap();
        let issues = checker.check(&resource).issues;
        let errors: Vec<_> = issues.iter().filter(|issue| issue.severity >= Severity::Error).collect();
        if errors.len() != asked {
            let found: Vec<_> = errors.iter().map(|i| format!("{} {} {}", i.code, i.path, i.detail)).collect();
            wrong.push(format!("{name}: {asked} asked, {}: {found:#?}", errors.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
