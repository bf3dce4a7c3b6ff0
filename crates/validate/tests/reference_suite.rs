//! The reference validator's own test cases: verdict and number of errors as recorded, step by step.
//!
//! `EPR_CASES=<part of id, module or file>` judges the steps that match and prints each of them; without it every miss is
//! printed, by module, and the ratchets hold. Values in those cases are the suite's own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::BTreeMap;
use std::path::Path;

use epr_fhir::package::PackageSource;
use epr_fhir::{Definitions, Node, Resource};
use epr_model::Severity;
use epr_run::StopFlag;
use epr_validate::{Program, check_files};
use rayon::prelude::*;

/// What was reached is not given back.
const N_VERDICT: usize = 236;
const N_EXACT: usize = 231;
const MOST_VALID_WHERE_INVALID: usize = 1;

#[test]
fn the_recorded_verdicts_and_numbers_of_errors_are_ours() {
    let (Some(folder), Some(base)) = (r4::shared("fhir-test-cases"), r4::with(&[])) else { return };
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let lines: Vec<Resource> = text.lines().map(|line| Resource::parse_json(line.as_bytes()).unwrap()).collect();
    let filter = std::env::var("EPR_CASES").unwrap_or_default();
    let is_asked =
        |case: Node<'_>| ["id", "module", "file"].iter().any(|key| case.text(key).unwrap().contains(&filter));
    let asked: Vec<Node<'_>> = lines.iter().map(Resource::root).filter(|case| is_asked(*case)).collect();
    let steps: Vec<Step> = asked.par_iter().map(|case| judge(&folder, &base, *case)).collect();
    for (name, is_scored) in [("scored", true), ("unscored", false)] {
        let steps: Vec<&Step> = steps.iter().filter(|step| step.is_scored == is_scored).collect();
        if filter.is_empty() {
            for step in steps.iter().filter(|step| !step.is_exact()) {
                step.print();
            }
        } else {
            for step in &steps {
                step.print();
            }
        }
        if steps.is_empty() {
            continue;
        }
        report(name, &steps);
        if filter.is_empty() && is_scored {
            assert_eq!(steps.len(), 237);
            assert!(count(&steps, Step::has_verdict) >= N_VERDICT);
            assert!(count(&steps, Step::is_exact) >= N_EXACT);
            assert!(count(&steps, Step::is_valid_where_invalid) <= MOST_VALID_WHERE_INVALID);
        }
    }
}

/// One step of a case and what came of it.
struct Step {
    title: String,
    module: String,
    is_scored: bool,
    expected: usize,
    found: Vec<String>,
    recorded: Vec<String>,
    notes: Vec<String>,
}

impl Step {
    fn has_verdict(&self) -> bool {
        self.found.is_empty() == (self.expected == 0)
    }

    fn is_exact(&self) -> bool {
        self.found.len() == self.expected
    }

    fn is_valid_where_invalid(&self) -> bool {
        self.found.is_empty() && self.expected > 0
    }

    fn print(&self) {
        let verdict = match (self.is_exact(), self.has_verdict()) {
            (true, _) => "exact",
            (_, true) => "NUMBER",
            (_, false) if self.expected == 0 => "INVALID",
            _ => "VALID",
        };
        println!("{verdict} [{}] {}: recorded {}, ours {}", self.module, self.title, self.expected, self.found.len());
        self.found.iter().take(12).for_each(|line| println!("    ours: {line}"));
        self.recorded.iter().take(12).for_each(|line| println!("    recorded: {line}"));
        self.notes.iter().for_each(|line| println!("    note: {line}"));
    }
}

fn count(steps: &[&Step], is: impl Fn(&Step) -> bool) -> usize {
    steps.iter().filter(|step| is(step)).count()
}

fn report(name: &str, steps: &[&Step]) {
    let mut modules: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        modules.entry(&step.module).or_default().push(step);
    }
    for (module, steps) in &modules {
        let (verdict, exact) = (count(steps, Step::has_verdict), count(steps, Step::is_exact));
        println!("{name} {module}: {} steps, verdict {verdict}, exact {exact}", steps.len());
    }
    for (what, n) in [
        ("verdict", count(steps, Step::has_verdict)),
        ("exact number", count(steps, Step::is_exact)),
        ("valid where invalid", count(steps, Step::is_valid_where_invalid)),
    ] {
        let (low, high) = wilson(n, steps.len());
        let share = 100.0 * n as f64 / steps.len() as f64;
        println!("{name} {what}: {n} of {} = {share:.1} % (95 %: {low:.1} to {high:.1})", steps.len());
    }
}

/// The Wilson interval of a share, in percent.
fn wilson(n: usize, of: usize) -> (f64, f64) {
    let (z, of) = (1.96_f64, of as f64);
    let share = n as f64 / of;
    let middle = share + z * z / (2.0 * of);
    let half = z * (share * (1.0 - share) / of + z * z / (4.0 * of * of)).sqrt();
    let scale = 1.0 + z * z / of;
    (100.0 * (middle - half) / scale, 100.0 * (middle + half) / scale)
}

fn judge(folder: &Path, base: &Definitions, case: Node<'_>) -> Step {
    let file = case.text("file").unwrap();
    let supporting: Vec<&str> = case.get("supporting").unwrap().items().filter_map(Node::as_str).collect();
    let profile = case.text("profile");
    let mut notes = Vec::new();
    let mut sources = Vec::new();
    for name in &supporting {
        let source = PackageSource::open(&folder.join(name)).unwrap();
        match base.with(std::slice::from_ref(&source)) {
            Ok(_) => sources.push(source),
            Err(error) => notes.push(format!("{name}: {error}: {:?}", std::error::Error::source(&error))),
        }
    }
    let definitions = base.with(&sources).unwrap();
    notes.extend(definitions.snapshot_faults().iter().map(ToString::to_string));
    let about = profile.and_then(|url| Some((definitions.structure(url)?.type_name.clone(), url.to_owned())));
    if profile.is_some() && about.is_none() {
        notes.push("the profile is not loaded".to_owned());
    }
    let program = Program::compile(&definitions, &about.into_iter().collect()).unwrap();
    let mut found = Vec::new();
    let paths = [folder.join(file)];
    check_files(&program, None, &paths, &mut std::io::empty(), &StopFlag::new(), &mut |result| {
        let errors = result.issues.iter().filter(|issue| issue.severity >= Severity::Error);
        found.extend(errors.map(|issue| format!("{} {}: {}", issue.code, issue.path, issue.detail)));
        Ok(())
    })
    .unwrap();
    let recorded = case.get("errors").into_iter().flat_map(Node::items);
    let recorded = recorded.map(|e| format!("{} {}", e.text("expression").unwrap_or(""), e.text("text").unwrap_or("")));
    Step {
        title: format!(
            "{} / {} ({file}, profile {})",
            case.text("id").unwrap(),
            case.text("step").unwrap(),
            profile.unwrap_or("-")
        ),
        module: case.text("module").unwrap().to_owned(),
        is_scored: case.get("scored").and_then(Node::as_bool) == Some(true),
        expected: case.get("expected_errors").unwrap().number_text().unwrap().parse().unwrap(),
        found,
        recorded: recorded.collect(),
        notes,
    }
}
