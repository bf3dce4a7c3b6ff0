//! The verdict: what each gate says, and whether the report may be signed at all.

use std::fs;

use epr_model::Stage;
use epr_run::{RunError, RunFolder};
use serde::{Deserialize, Serialize};

use crate::numbers::{Count, counted};

/// A gate's state, in the order in which a reader needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateState {
    Fail,
    Open,
    Met,
}

/// One condition agreed beforehand, and the number that decides it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    pub id: String,
    pub state: GateState,
    pub sentence: String,
    /// What speaks against it, of what was looked at.
    pub count: Count,
    /// Where the rest of the story stands: a section's anchor.
    pub section: String,
}

/// A rule set to `stop` that found something; only a waiver in a signature goes past it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub rule: String,
    pub title: String,
    pub patients: Count,
    pub findings: Count,
}

impl Stop {
    /// What a waiver must cover: patients, or findings where no patient is known.
    pub fn size(&self) -> u64 {
        if self.patients.n > 0 { self.patients.n } else { self.findings.n }
    }
}

/// The few numbers that a terminal shows below the gates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub staged_rows: Count,
    pub mapped_rows: Count,
    pub refused_rows: Count,
    pub delivered: Count,
    pub merged: Count,
    pub held: Count,
    /// Findings of severity error and fatal, of all findings.
    pub errors: Count,
    /// Findings of severity warning, of all findings.
    pub warnings: Count,
    pub patients_affected: Count,
    pub not_checked_areas: Count,
}

/// What the report says, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// No gate fails. It says what was counted, not that the load is free of risk.
    pub ready: bool,
    /// At most 45 characters.
    pub headline: String,
    /// Failing ones first, then open, then met.
    pub gates: Vec<Gate>,
    pub stops: Vec<Stop>,
    pub counts: Counts,
}

impl Verdict {
    pub(crate) fn new(mut gates: Vec<Gate>, stops: Vec<Stop>, counts: Counts, loaded: bool) -> Self {
        gates.sort_by_key(|g| g.state);
        let n_of = |state| gates.iter().filter(|g| g.state == state).count() as u64;
        let (failing, met, all) = (n_of(GateState::Fail), n_of(GateState::Met), gates.len() as u64);
        let verb = if failing == 1 { "fails" } else { "fail" };
        let headline = match (failing, loaded) {
            (0, false) => format!("Ready to sign: {met} of {all} gates met"),
            (0, true) => format!("Loaded: {met} of {all} gates met"),
            (n, false) => format!("Not ready to sign: {n} of {all} gates {verb}"),
            (n, true) => format!("Loaded, but {n} of {all} gates {verb}"),
        };
        Self { ready: failing == 0, headline, gates, stops, counts }
    }

    pub fn failing(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(|g| g.state == GateState::Fail)
    }
}

/// A finding, as the terminal names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopFinding {
    pub code: String,
    pub title: String,
    pub severity: epr_model::Severity,
    pub patients: Count,
    pub findings: Count,
}

/// What the closing summary of a run prints; the command line decides how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub verdict: Verdict,
    /// The first five, in the report's order.
    pub top: Vec<TopFinding>,
    pub n_codes: u64,
    pub report: std::path::PathBuf,
    /// Of `report.html`.
    pub sha256: String,
}

impl Summary {
    /// `3 gates fail, 5 are met, 1 is open`.
    pub fn gates_in_words(&self) -> String {
        let n_of = |state| self.verdict.gates.iter().filter(|g| g.state == state).count() as u64;
        let mut parts = Vec::new();
        for (state, one, many) in [
            (GateState::Fail, "gate fails", "gates fail"),
            (GateState::Open, "is open", "are open"),
            (GateState::Met, "is met", "are met"),
        ] {
            match n_of(state) {
                0 => {}
                n => parts.push(counted(n, one, many)),
            }
        }
        parts.join(", ")
    }
}

#[derive(Deserialize)]
struct VerdictOnly {
    verdict: Verdict,
    findings: Vec<TopFinding>,
}

/// The verdict of the newest finished report of a run: after the load if there is one, else before.
///
/// It is read from `report.json` as it stands, so a run that is opened again says the same again.
/// [`RunError::StageMissing`] where no report is finished, [`RunError::Altered`] where it is not as it was written.
pub fn verdict(run: &RunFolder) -> Result<Verdict, RunError> {
    Ok(read(run)?.1.verdict)
}

/// What the closing summary needs, from the newest finished report.
pub fn summary(run: &RunFolder) -> Result<Summary, RunError> {
    let (finished, report) = read(run)?;
    let entry = finished.manifest().files.iter().find(|f| f.path == "report.html");
    let sha256 = entry.map(|f| f.sha256.to_string()).unwrap_or_default();
    Ok(Summary {
        n_codes: report.findings.len() as u64,
        top: report.findings.into_iter().take(5).collect(),
        verdict: report.verdict,
        report: finished.path().join("report.html"),
        sha256,
    })
}

fn read(run: &RunFolder) -> Result<(epr_run::FinishedStage, VerdictOnly), RunError> {
    let stage = if run.finished(Stage::ReportAfterLoad)?.is_some() { Stage::ReportAfterLoad } else { Stage::Report };
    let finished = run.input(stage)?;
    let path = finished.path().join("report.json");
    let bytes = fs::read(&path).map_err(RunError::io("read", &path))?;
    let report = serde_json::from_slice(&bytes).map_err(|e| RunError::Malformed { path, reason: e.to_string() })?;
    Ok((finished, report))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(state: GateState) -> Gate {
        let count = Count::new(0, 1, "rows");
        Gate { id: "g".into(), state, sentence: "A gate".into(), count, section: "s".into() }
    }

    fn counts() -> Counts {
        let c = || Count::new(0, 1, "rows");
        Counts {
            staged_rows: c(),
            mapped_rows: c(),
            refused_rows: c(),
            delivered: c(),
            merged: c(),
            held: c(),
            errors: c(),
            warnings: c(),
            patients_affected: c(),
            not_checked_areas: c(),
        }
    }

    #[test]
    fn every_headline_fits_in_45_characters() {
        for n_fail in 0..=12 {
            for loaded in [false, true] {
                let gates = (0..12).map(|i| gate(if i < n_fail { GateState::Fail } else { GateState::Met })).collect();
                let verdict = Verdict::new(gates, Vec::new(), counts(), loaded);
                assert!(verdict.headline.chars().count() <= 45, "{}", verdict.headline);
                assert_eq!(verdict.ready, n_fail == 0);
            }
        }
    }

    #[test]
    fn failing_gates_come_first_and_open_ones_do_not_make_it_unready() {
        let gates = vec![gate(GateState::Met), gate(GateState::Open)];
        let verdict = Verdict::new(gates, Vec::new(), counts(), false);
        assert!(verdict.ready);
        assert_eq!(verdict.headline, "Ready to sign: 1 of 2 gates met");
        let gates = vec![gate(GateState::Met), gate(GateState::Open), gate(GateState::Fail)];
        let verdict = Verdict::new(gates, Vec::new(), counts(), false);
        assert_eq!(verdict.headline, "Not ready to sign: 1 of 3 gates fails");
        let states: Vec<_> = verdict.gates.iter().map(|g| g.state).collect();
        assert_eq!(states, [GateState::Fail, GateState::Open, GateState::Met]);
    }
}
