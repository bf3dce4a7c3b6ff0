//! The gates: conditions that decide whether a report may be signed, each with the number that decides it.
//!
//! This is the built-in set. A gate counts what speaks against it; `Met` means that nothing was counted, not that
//! nothing is there: what was not looked at stands in its own section.

use crate::evidence::Evidence;
use crate::figures::{Codes, Controls, Reconciliation, Target};
use crate::numbers::Count;
use crate::rules::is_profile_rule;
use crate::tally::Tally;
use crate::verdict::{Gate, GateState, Stop};

/// A reference to a key that no row has.
const DANGLING_REFERENCE: &str = "DA-03";

/// Gates that no waiver and no signature goes past.
pub(crate) const NEVER_WAIVED: [&str; 2] = ["rows-accounted", "ledgers-balance"];

/// What the gates look at.
pub(crate) struct Grounds<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) tally: &'a Tally,
    pub(crate) reconciliation: &'a Reconciliation,
    pub(crate) codes: &'a Codes,
    pub(crate) controls: &'a Controls,
    pub(crate) stops: &'a [Stop],
    /// Distinct patients of all stops, of all patients.
    pub(crate) stopped: Count,
    /// Hazard rules that the project switched off, of all.
    pub(crate) rules_off: Count,
    pub(crate) targets: &'a [Target],
    /// `None` before the load, when nobody can have signed yet.
    pub(crate) signature: Option<GateState>,
}

pub(crate) fn gates(g: &Grounds<'_>) -> Vec<Gate> {
    let mut gates = vec![
        gate(
            "rows-accounted",
            "Every source row accounted for",
            g.reconciliation.unaccounted.clone(),
            "reconciliation",
        ),
        gate("ledgers-balance", "All three ledgers balance", g.reconciliation.unbalanced.clone(), "reconciliation"),
        stop_gate(g),
        gate("profile-holds", "Nothing held for a profile error", profile_holds(g.evidence), "held"),
        gate("codes-mapped", "No source code without a map", g.codes.unmapped_rows.clone(), "codes"),
        gate("references-resolve", "Every reference leads to a record", dangling(g), "findings"),
        gate("sources-whole", "Every source table read whole", broken_tables(g), "findings"),
    ];
    // A rule that was not asked found nothing: the gate above is no comfort then.
    if g.rules_off.n > 0 {
        gates.push(gate("rules-asked", "Every hazard rule asked", g.rules_off.clone(), "not-checked"));
    }
    gates.extend(control_gates(g.controls));
    for target in g.targets {
        let sum = |part: fn(&crate::figures::TargetLine) -> u64| target.lines.iter().map(part).sum::<u64>();
        let delivered = sum(|l| l.delivered);
        let missing = delivered - sum(|l| l.confirmed + l.unchanged).min(delivered);
        let sentence = format!("Everything confirmed by {}", target.name);
        let count = Count::new(missing, delivered, "resources not confirmed");
        gates.push(gate(&format!("target-{}", target.name), &sentence, count, "targets"));
    }
    let state = g.signature.unwrap_or(GateState::Open);
    let n_missing = u64::from(state != GateState::Met);
    gates.push(Gate {
        state,
        ..gate("signed", "Signed by name", Count::new(n_missing, 1, "signature missing"), "sign-off")
    });
    gates
}

/// A gate that had nothing to look at is open, not met.
fn gate(id: &str, sentence: &str, count: Count, section: &str) -> Gate {
    let state = match (count.n, count.of) {
        (0, 0) => GateState::Open,
        (0, _) => GateState::Met,
        _ => GateState::Fail,
    };
    Gate { id: id.to_owned(), state, sentence: sentence.to_owned(), count, section: section.to_owned() }
}

fn stop_gate(g: &Grounds<'_>) -> Gate {
    let gate = gate("hazards-waived", "No major hazard without a waiver", g.stopped.clone(), "findings");
    // A hazard whose patients are not known is a hazard all the same.
    let state = if g.stops.is_empty() { GateState::Met } else { GateState::Fail };
    if state == GateState::Fail && g.stopped.n == 0 {
        let findings = g.stops.iter().map(|s| s.findings.n).sum();
        return Gate { state, count: Count::new(findings, g.tally.n, "findings"), ..gate };
    }
    Gate { state, ..gate }
}

/// Roots only: what is held with them is counted apart.
fn profile_holds(evidence: &Evidence) -> Count {
    let roots = evidence.holds.rules.iter().filter(|(rule, _)| is_profile_rule(rule)).map(|(_, h)| h.roots).sum();
    Count::new(roots, evidence.resources.values().map(|r| r.mapped).sum(), "resources")
}

/// One gate for each thing that the sources count, in the order of the report.
fn control_gates(controls: &Controls) -> Vec<Gate> {
    let mut sums: Vec<(&str, u64, u64)> = Vec::new();
    for line in &controls.lines {
        let missing = line.of - line.delivered - line.set_aside;
        match sums.last_mut().filter(|(domain, ..)| *domain == line.domain) {
            Some((_, n, of)) => {
                *n += missing;
                *of += line.of;
            }
            None => sums.push((&line.domain, missing, line.of)),
        }
    }
    let gate = |(domain, n, of): (&str, u64, u64)| {
        let id = format!("control-{}", domain.to_lowercase().replace(' ', "-"));
        gate(&id, &format!("{domain}: all delivered"), Count::new(n, of, "in the sources"), "controls")
    };
    sums.into_iter().map(gate).collect()
}

fn dangling(g: &Grounds<'_>) -> Count {
    let n = g.tally.codes.get(DANGLING_REFERENCE).map_or(0, |c| c.n);
    Count::new(n, g.evidence.n_refs.max(n), "references")
}

fn broken_tables(g: &Grounds<'_>) -> Count {
    let n = g.tally.broken_tables.len() as u64;
    Count::new(n, (g.evidence.staged.len() as u64).max(n), "tables")
}
