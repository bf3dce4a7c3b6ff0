//! `4-validate/ledger.json`: what validate looked at, and what it could not look at. Read as it stands.

use std::fs;
use std::path::Path;

use epr_run::{FinishedStage, RunError};
use serde::{Deserialize, Serialize};

use crate::figures::{CheckedRule, CodedSystem, NotChecked, SwitchedOff, UncheckedArea};
use crate::numbers::Count;
use crate::place::masked;
use crate::rules::Rules;

/// Lines of the not-checked table on the page; `report.json` has the same, with how many there are in all.
const AREAS_SHOWN: usize = 60;

/// The file's name in the folder of validate.
pub const FILE: &str = "ledger.json";

/// What validate says of its own reach. Members that this version does not know are passed over.
#[derive(Debug, Default, Deserialize)]
pub struct HonestyLedger {
    pub schema: u32,
    #[serde(default)]
    pub checked: Vec<Checked>,
    #[serde(default)]
    pub not_checked: Vec<Unchecked>,
    #[serde(default)]
    pub coded: Vec<Coded>,
    #[serde(default)]
    pub switched_off: Vec<String>,
    #[serde(default)]
    pub tuned: Vec<Tuned>,
}

/// A rule that was applied `n` times, and failed in `failed` of them.
#[derive(Debug, Deserialize)]
pub struct Checked {
    pub rule: String,
    pub n: u64,
    #[serde(default)]
    pub failed: u64,
}

/// A check that could not be made `n` times, and why.
#[derive(Debug, Deserialize)]
pub struct Unchecked {
    pub rule: String,
    #[serde(default)]
    pub element: Option<String>,
    #[serde(default)]
    pub value_set: Option<String>,
    pub reason: String,
    pub n: u64,
}

/// Codes of one system: how many there are, and how many could be looked up.
#[derive(Debug, Deserialize)]
pub struct Coded {
    pub system: String,
    pub n: u64,
    #[serde(default)]
    pub checked: u64,
}

/// A number in a rule that the project changed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tuned {
    pub rule: String,
    pub name: String,
    pub value: u64,
    pub default: u64,
}

/// Reads the ledger; `None` where validate wrote none.
pub(crate) fn read(validate: &FinishedStage) -> Result<Option<HonestyLedger>, RunError> {
    let path = validate.path().join(FILE);
    if !Path::is_file(&path) {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(RunError::io("read", &path))?;
    let ledger: HonestyLedger = serde_json::from_slice(&bytes)
        .map_err(|e| RunError::Malformed { path: path.clone(), reason: e.to_string() })?;
    if ledger.schema != 1 {
        let reason = format!("its schema is {}, and this version reads 1", ledger.schema);
        return Err(RunError::Malformed { path, reason });
    }
    Ok(Some(ledger))
}

/// The ledger as the report shows it: largest gaps first.
pub(crate) fn not_checked(ledger: Option<HonestyLedger>, rules: &Rules<'_>) -> NotChecked {
    let ledger_found = ledger.is_some();
    let ledger = ledger.unwrap_or_default();
    let made = |rule: &str| ledger.checked.iter().filter(|c| c.rule == rule).map(|c| c.n).sum::<u64>();
    let missed = |rule: &str| ledger.not_checked.iter().filter(|u| u.rule == rule).map(|u| u.n).sum::<u64>();
    let mut areas: Vec<_> = ledger
        .not_checked
        .iter()
        .map(|u| UncheckedArea {
            rule: u.rule.clone(),
            element: u.element.clone(),
            value_set: u.value_set.clone(),
            reason: masked(&u.reason).into_owned(),
            hides: hides(&u.rule).to_owned(),
            count: Count::new(u.n, made(&u.rule) + missed(&u.rule), "checks of this rule"),
        })
        .collect();
    areas.sort_by(|a, b| {
        (b.count.n, &a.rule, &a.element, &a.value_set, &a.reason).cmp(&(
            a.count.n,
            &b.rule,
            &b.element,
            &b.value_set,
            &b.reason,
        ))
    });
    let n_areas = areas.len() as u64;
    areas.truncate(AREAS_SHOWN);
    let n_made: u64 = ledger.checked.iter().map(|c| c.n).sum();
    let n_missed: u64 = ledger.not_checked.iter().map(|u| u.n).sum();
    let mut checked: Vec<_> = ledger
        .checked
        .iter()
        .map(|c| CheckedRule { rule: c.rule.clone(), failed: Count::new(c.failed, c.n, "checks") })
        .collect();
    checked.sort_by(|a, b| a.rule.cmp(&b.rule));
    let mut coded: Vec<_> = ledger
        .coded
        .iter()
        .map(|c| CodedSystem { system: c.system.clone(), checked: Count::new(c.checked, c.n, "coded elements") })
        .collect();
    coded.sort_by(|a, b| (b.checked.of, &a.system).cmp(&(a.checked.of, &b.system)));
    let sum = |part: fn(&Coded) -> u64| ledger.coded.iter().map(part).sum::<u64>();
    NotChecked {
        n_areas: Count::new(areas.len() as u64, n_areas, "areas"),
        areas,
        checks: Count::new(n_missed, n_made + n_missed, "checks"),
        checked,
        coded,
        coded_checked: Count::new(sum(|c| c.checked), sum(|c| c.n), "coded elements"),
        switched_off: ledger.switched_off.iter().map(|rule| switched_off(rule, &missed, rules)).collect(),
        tuned: ledger.tuned,
        ledger_found,
    }
}

fn switched_off(rule: &str, missed: &impl Fn(&str) -> u64, rules: &Rules<'_>) -> SwitchedOff {
    let n = missed(rule);
    SwitchedOff {
        rule: rule.to_owned(),
        title: rules.title(rule),
        hazard_severity: rules.hazard_severity(rule),
        checks: Count::new(n, n, "checks"),
    }
}

/// What a gap can hide, in words for a reader who does not know the rule.
fn hides(rule: &str) -> &'static str {
    match rule.split(':').next().unwrap_or_default() {
        "binding" | "terminology" | "code" => "a retired, wrong or misspelt code passes as well formed",
        "profile" => "what a national profile asks for may be absent",
        "invariant" | "fhirpath" => "two elements may contradict each other",
        "reference" | "references" | "contained" => "a link may lead to the wrong record or to none",
        "slicing" | "slice" => "an identifier or extension may be of the wrong kind",
        "extension" | "extension-type" => "an extension's content may have any form",
        _ => "whatever this rule would have found",
    }
}
