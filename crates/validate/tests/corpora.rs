//! Real inputs that this project did not write: no false error on sound ones, agreement with recorded outcomes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;
use std::io::Read;

use epr_fhir::package::PackageSource;
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
    let (Some(folder), Some(definitions)) = (r4::shared("fhir-test-cases"), r4::with(&[])) else { return };
    let cases = Resource::parse_json(&as_array(&std::fs::read(folder.join("cases.jsonl")).unwrap())).unwrap();
    let mut plain = Agreement { tells: true, ..Agreement::default() };
    let mut profiled = Agreement { tells: true, ..Agreement::default() };
    let mut without = Agreement::default();
    let r4_alone = Program::compile(&definitions, &BTreeMap::new()).unwrap();
    let is_json = |file: &str| std::path::Path::new(file).extension().is_some_and(|e| e == "json");
    for case in cases.root().items() {
        let supporting: Vec<&str> = case.get("supporting").unwrap().items().filter_map(Node::as_str).collect();
        let file = case.text("file").unwrap();
        let is_scored = case.get("scored").and_then(Node::as_bool) == Some(true);
        if !is_scored || !is_json(file) || !supporting.iter().all(|file| is_json(file)) {
            continue;
        }
        let profile = case.text("profile");
        if profile.is_none() && supporting.is_empty() {
            plain.judge(&folder, case, &r4_alone);
            continue;
        }
        without.judge(&folder, case, &r4_alone);
        let sources: Vec<_> = supporting.iter().map(|file| PackageSource::open(&folder.join(file)).unwrap()).collect();
        let definitions = r4::with(&sources).unwrap();
        for fault in definitions.snapshot_faults() {
            println!("{file}: {fault}");
        }
        let about = profile.and_then(|url| Some((definitions.structure(url)?.type_name.clone(), url.to_owned())));
        let program = Program::compile(&definitions, &about.into_iter().collect()).unwrap();
        profiled.judge(&folder, case, &program);
    }
    // A ratchet: what was reached is not given back.
    println!("without profiles: {plain:?}");
    println!("with profiles: {profiled:?}; the same with R4 alone: {without:?}");
    assert!(plain.n_verdict >= 63 && plain.n_exact >= 61);
    assert!(profiled.n_verdict >= 31 && profiled.n_exact >= 26 && profiled.n_verdict > without.n_verdict);
}

/// How often the verdict, and how often the number of errors, is the recorded one.
#[derive(Debug, Default)]
struct Agreement {
    n: u32,
    n_verdict: u32,
    n_exact: u32,
    /// Whether differences are printed.
    tells: bool,
}

impl Agreement {
    fn judge(&mut self, folder: &std::path::Path, case: Node<'_>, program: &Program<'_>) {
        let file = case.text("file").unwrap();
        let expected: usize = case.get("expected_errors").unwrap().number_text().unwrap().parse().unwrap();
        let found: Vec<String> = match Resource::parse_json(&std::fs::read(folder.join(file)).unwrap()) {
            Err(error) => vec![format!("cannot be read: {error}")],
            Ok(resource) => {
                let findings = Checker::new(program).check(&resource);
                let errors = findings.issues.into_iter().filter(|i| i.severity >= epr_model::Severity::Error);
                errors.map(|i| format!("{} {}: {}", i.code, i.path, i.detail)).collect()
            }
        };
        self.n += 1;
        self.n_verdict += u32::from(found.is_empty() == (expected == 0));
        self.n_exact += u32::from(found.len() == expected);
        if found.len() != expected && self.tells {
            println!("{file} ({}): expected {expected}, found {}", case.text("profile").unwrap_or("-"), found.len());
            found.iter().take(8).for_each(|f| println!("    {f}"));
            let errors = case.get("errors").into_iter().flat_map(Node::items);
            errors.filter_map(|e| e.text("text")).take(8).for_each(|text| println!("    recorded: {text}"));
        }
    }
}

#[test]
fn the_examples_of_uk_core_meet_their_profiles_but_for_known_faults() {
    let Some(archive) = r4::shared("fhir-packages/fhir.r4.ukcore.stu2-2.0.1.tgz") else { return };
    let Some(definitions) = r4::with(&[PackageSource::open(&archive).unwrap()]) else { return };
    assert_eq!(definitions.snapshot_faults(), []);
    let uk_core = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-";
    let assigned: BTreeMap<String, String> = definitions
        .resource_types()
        .map(|name| (name.to_owned(), format!("{uk_core}{name}")))
        .filter(|(_, url)| definitions.structure(url).is_some())
        .collect();
    let program = Program::compile(&definitions, &assigned).unwrap();
    let mut checker = Checker::new(&program);
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    let (mut n, mut n_assigned) = (0, 0);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(archive).unwrap()));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if !entry.path().unwrap().starts_with("package/example") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let resource = Resource::parse_json(&bytes).unwrap();
        n += 1;
        n_assigned += u32::from(resource.root().text("resourceType").is_some_and(|name| assigned.contains_key(name)));
        for issue in checker.check(&resource).issues.iter().filter(|i| i.severity >= epr_model::Severity::Error) {
            *errors.entry(format!("{} {}: {}", issue.code, without_indices(&issue.path), issue.detail)).or_default() +=
                1;
        }
    }
    println!("{n} examples, {n_assigned} with a profile of their type");
    for line in &epr_validate::check::ledger(&program, [&checker]).not_checked {
        println!("not checked {} × {} {} {}", line.n, line.rule, line.element, line.reason);
    }
    let lines: Vec<String> = errors.iter().map(|(line, n)| format!("{n} × {line}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(n > 120 && n_assigned > 110);
}

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
