//! What a person reads when a stage or a run is over: one line a stage on stderr, one screen on stdout at the end.

use std::fmt::Write;
use std::time::Duration;

use epr_model::{Issue, Stage};
use epr_report::numbers::grouped as number;
use epr_report::{Gate, GateState, Summary};
use epr_run::{FinishedStage, RunError, RunFolder};
use serde_json::{Value, json};

use crate::exit::Exit;

/// `  map       5,612 rows in scope, 5,590 mapped, 22 excluded → 5,590 resources   0.4 s`.
pub(crate) fn stage_line(stage: &FinishedStage, took: Duration) -> String {
    let manifest = stage.manifest();
    let what = match manifest.stage {
        Stage::Extract => {
            let rows: u64 = manifest.tables.iter().map(|t| t.n_rows).sum();
            format!("{} of {}", counted(rows, "row"), counted(manifest.tables.len() as u64, "table"))
        }
        Stage::Map => {
            let sum = |of: fn(&epr_run::ledger::MapLedger) -> u64| manifest.ledgers.maps.iter().map(of).sum::<u64>();
            let mut text =
                format!("{} rows in scope = {} mapped", number(sum(|m| m.in_scope)), number(sum(|m| m.mapped)));
            let others: [(&str, u64); 5] = [
                ("refused", sum(|m| m.refused)),
                ("excluded", sum(|m| m.excluded)),
                ("superseded", sum(|m| m.superseded)),
                ("repeated", sum(|m| m.repeated)),
                ("empty", sum(|m| m.empty)),
            ];
            for (word, n) in others.into_iter().filter(|(_, n)| *n > 0) {
                let _ = write!(text, " + {} {word}", number(n));
            }
            let _ = write!(text, "; {} resources", number(sum(|m| m.n_resources)));
            text
        }
        Stage::Link | Stage::Validate | Stage::Load => {
            let sum = |of: fn(&epr_run::ledger::ResourceLedger) -> u64| {
                manifest.ledgers.resources.values().map(of).sum::<u64>()
            };
            let mut text = format!("{} resources = {} ", number(sum(|r| r.mapped)), number(sum(|r| r.delivered)));
            text.push_str(if manifest.stage == Stage::Load { "delivered" } else { "to deliver" });
            let _ = write!(text, " + {} merged + {} held", number(sum(|r| r.merged)), number(sum(|r| r.held)));
            text
        }
        Stage::Report | Stage::ReportAfterLoad => format!("{}", stage.path().join("report.html").display()),
    };
    let issues: u64 = manifest.issues.values().sum();
    let issues = if issues == 0 { String::new() } else { format!("; {}", counted(issues, "issue")) };
    let name = if manifest.stage == Stage::ReportAfterLoad { "report" } else { manifest.stage.as_str() };
    format!("  {name:<9} {what}{issues}  ({:.1} s)", took.as_secs_f64())
}

/// Where an issue is: `RK9/ipm PATIENTS.DTTM_OF_BIRTH, row 5`, or the element of a resource type. Never a value.
pub(crate) fn place(issue: &Issue) -> String {
    let mut text = String::new();
    if let (Some(organisation), Some(system)) = (&issue.organisation, &issue.system) {
        let _ = write!(text, "{organisation}/{system} ");
    }
    text.push_str(issue.table.as_deref().unwrap_or_default());
    if let Some(column) = &issue.column {
        let _ = write!(text, ".{column}");
    }
    if let Some(row_no) = issue.row_no {
        let _ = write!(text, ", row {}", number(row_no));
    }
    match (&issue.fhir_path, &issue.resource_type) {
        (Some(path), _) => {
            let _ = write!(text, " ({path})");
        }
        (None, Some(resource_type)) => {
            let _ = write!(text, " ({resource_type})");
        }
        (None, None) => {}
    }
    if let (Some(map), Some(line)) = (&issue.map, issue.map_line) {
        let _ = write!(text, ", by {map} line {line}");
    }
    text.trim().to_owned()
}

/// What the closing screen says, for a program.
pub(crate) fn closing_json(run: &RunFolder, summary: &Summary, exit: Exit) -> Result<Value, RunError> {
    let resources = run.finished(Stage::Validate)?.map(|stage| stage.manifest().ledgers.resources.clone());
    let delivered: Vec<_> =
        loaded_targets(run).iter().map(|target| run.root().join(Stage::Load.folder()).join(target)).collect();
    Ok(json!({
        "exit": exit.code(),
        "run": run.root(),
        "verdict": summary.verdict,
        "findings": summary.top,
        "kinds_of_findings": summary.n_codes,
        "resources": resources,
        "report": summary.report,
        "report_sha256": summary.sha256,
        "delivered": delivered,
    }))
}

/// The closing screen of a run: verdict, gates, top findings, what came in and what goes out, where to look, what to
/// type next.
pub(crate) fn closing(run: &RunFolder, summary: &Summary, exit: Exit) -> Result<String, RunError> {
    let mut text = String::new();
    let verdict = &summary.verdict;
    let _ = writeln!(text, "\n{}", verdict.headline);
    for gate in &verdict.gates {
        let word = match gate.state {
            GateState::Fail => "FAIL",
            GateState::Open => "open",
            GateState::Met => "met ",
        };
        let _ = writeln!(text, "  {word}  {:<46} {}", gate.sentence, amount(gate));
    }
    if !summary.top.is_empty() {
        let n_shown = summary.top.len() as u64;
        let more = if n_shown < summary.n_codes { format!(", the first {n_shown}") } else { String::new() };
        let _ = writeln!(text, "\nFindings ({}{more})", counted(summary.n_codes, "kind"));
        for finding in &summary.top {
            let n = number(finding.findings.n);
            let _ = writeln!(text, "  {:<8} {n:>7}  {}", finding.code, shortened(&finding.title, 80));
        }
    }
    ledger_lines(run, &mut text)?;
    let _ = writeln!(
        text,
        "\n  report     {}  sha256 {}…",
        summary.report.display(),
        summary.sha256.get(..12).unwrap_or_default()
    );
    for target in loaded_targets(run) {
        let _ = writeln!(text, "  delivered  {}", run.root().join(Stage::Load.folder()).join(target).display());
    }
    let _ =
        writeln!(text, "  look at    epr explain CODE; epr explain Patient/<id> --run-dir {}", run.root().display());
    let meaning = match exit {
        Exit::Done => "done, no issue at or above --fail-on",
        Exit::Issues => "done, with issues at or above --fail-on",
        _ => "",
    };
    let _ = writeln!(text, "  exit       {} ({meaning})", exit.code());
    Ok(text)
}

/// By resource type: mapped = delivered + merged + held.
fn ledger_lines(run: &RunFolder, text: &mut String) -> Result<(), RunError> {
    let Some(validate) = run.finished(Stage::Validate)? else { return Ok(()) };
    let _ = writeln!(
        text,
        "\n  {:<22} {:>10} = {:>10} + {:>7} + {:>7}",
        "resources", "mapped", "delivered", "merged", "held"
    );
    for (kind, ledger) in &validate.manifest().ledgers.resources {
        let _ = writeln!(
            text,
            "  {kind:<22} {:>10} = {:>10} + {:>7} + {:>7}",
            number(ledger.mapped),
            number(ledger.delivered),
            number(ledger.merged),
            number(ledger.held)
        );
    }
    Ok(())
}

fn loaded_targets(run: &RunFolder) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(run.root().join(Stage::Load.folder()))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// `4 of 14 hazards`.
fn amount(gate: &Gate) -> String {
    format!("{} of {} {}", number(gate.count.n), number(gate.count.of), gate.count.unit)
}

/// `1 map`, `2 maps`.
pub(crate) fn counted(n: u64, word: &str) -> String {
    format!("{} {word}{}", number(n), if n == 1 { "" } else { "s" })
}

/// A text of at most `width` characters, cut at a word.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let cut: String = text.chars().take(width - 1).collect();
    format!("{}…", cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn thousands_are_parted() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
