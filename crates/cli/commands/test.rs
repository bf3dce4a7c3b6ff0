//! `epr test`: the tests inside the mapping files.

use anyhow::anyhow;
use epr_mapping::stage::read_as_of;
use epr_mapping::testing::{TestResult, run_pack};
use serde_json::{Value, json};

use crate::args::{Common, Format, TestArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::junit::{Case, Report};
use crate::output::{say, say_json};
use crate::workspace::Workspace;

pub(crate) fn run(common: &Common, args: &TestArgs) -> Outcome<Exit> {
    let workspace = Workspace::read_whole(common)?;
    // Tests have a "now" only where the project gives one: the same in every run of them.
    let as_of = workspace.project.file.project.as_of.as_deref().map(read_as_of).transpose().map_err(Failure::usage)?;
    let mut results: Vec<TestResult> = Vec::new();
    for plan in workspace.plans() {
        results.extend(run_pack(&plan, workspace.namespace, as_of));
    }
    if let Some(filter) = &args.filter {
        results.retain(|result| result.map.contains(filter.as_str()));
    }
    if results.is_empty() {
        return Err(Failure::usage(anyhow!("the mappings have no tests (or none that the filter takes)")));
    }
    let n_failed = results.iter().filter(|r| !r.passed()).count();
    match common.format {
        Format::Json => say_json(&json(&results, n_failed))?,
        Format::Junit => say(junit(&results).write("epr test"))?,
        _ => text(&results, n_failed)?,
    }
    Ok(if n_failed > 0 { Exit::Issues } else { Exit::Done })
}

fn text(results: &[TestResult], n_failed: usize) -> Outcome<()> {
    for result in results.iter().filter(|r| !r.passed()) {
        say(format!("FAILED {}: {}\n  mappings/{}:{}", result.map, result.name, result.file, result.line))?;
        for failure in &result.failures {
            say(format!("  line {}: {}", failure.line, failure.message))?;
        }
    }
    say(format!("{} passed, {n_failed} failed", results.len() - n_failed))
}

fn json(results: &[TestResult], n_failed: usize) -> Value {
    let test = |result: &TestResult| {
        let failures: Vec<_> =
            result.failures.iter().map(|f| json!({ "line": f.line, "message": f.message })).collect();
        json!({
            "map": result.map,
            "name": result.name,
            "file": format!("mappings/{}", result.file),
            "line": result.line,
            "passed": result.passed(),
            "failures": failures,
        })
    };
    let tests: Vec<Value> = results.iter().map(test).collect();
    json!({ "passed": results.len() - n_failed, "failed": n_failed, "tests": tests })
}

/// A suite for each map.
fn junit(results: &[TestResult]) -> Report {
    let mut report = Report::default();
    for result in results {
        let case = Case {
            name: result.name.clone(),
            file: format!("mappings/{}", result.file),
            line: Some(u64::from(result.line)),
            failures: result.failures.iter().map(|f| format!("line {}: {}", f.line, f.message)).collect(),
            remarks: Vec::new(),
        };
        report.add(&result.map, case);
    }
    report
}
