//! From what was counted to what the report says.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use epr_model::{Action, Severity, Stage};
use jiff::Timestamp;

use crate::evidence::Evidence;
use crate::figures::{
    ChangedLine, Codes, Example, Fact, Finding, GridCell, GridRow, Header, HeldRule, Holds, Made, MergedPeople,
    NamedCount, NamedHash, REPORT_SCHEMA, Reconciliation, Report, SeverityGrid, Split, StageLine, UnmappedLine,
};
use crate::gates::{self, Grounds};
use crate::numbers::{Count, counted};
use crate::patients::PeopleSet;
use crate::place;
use crate::reconcile;
use crate::rules::{RuleSetting, Rules};
use crate::tally::{CodeTally, Ground, PlaceKind, SEVERITIES, Tally};
use crate::verdict::{Counts, GateState, Stop, Verdict};
use crate::{ReportInput, When, honesty, matrix};

const SPLITS_SHOWN: usize = 12;
const LINES_SHOWN: usize = 40;
const SHAPES_SHOWN: usize = 3;

/// Makes the whole report. `signature` is known only after the load.
pub(crate) fn compose(
    input: &ReportInput<'_>,
    rules: &Rules<'_>,
    mut evidence: Evidence,
    tally: &Tally,
    signature: Option<GateState>,
) -> Report {
    let not_checked = honesty::not_checked(evidence.honesty.take(), rules);
    let reconciliation = reconcile::reconcile(&evidence);
    let targets = reconcile::targets(&evidence);
    let totals = Totals::of(&evidence, &reconciliation);
    let findings = findings(rules, &evidence, tally, &totals);
    let matrix = matrix::matrix(&findings, tally, totals.patients);
    let controls = evidence.controls.figures(&evidence.info.as_of);
    let codes = codes(rules, &evidence, tally, &totals);
    let holds = holds(rules, &evidence, &totals);
    let (stops, stopped) = stops(rules, tally, &totals);
    let gates = gates::gates(&Grounds {
        evidence: &evidence,
        tally,
        reconciliation: &reconciliation,
        codes: &codes,
        controls: &controls,
        stops: &stops,
        stopped,
        rules_off: Count::new(not_checked.switched_off.len() as u64, matrix.n_hazards.of, "hazard rules switched off"),
        targets: &targets,
        signature,
    });
    let errors = tally.by_severity[2] + tally.by_severity[3];
    let counts = Counts {
        staged_rows: Count::new(reconciliation.tables_total.in_scope, totals.staged, "rows in scope"),
        mapped_rows: Count::new(reconciliation.maps_total.mapped, totals.in_scope, "rows in scope"),
        refused_rows: Count::new(reconciliation.maps_total.refused, totals.in_scope, "rows in scope"),
        delivered: Count::new(reconciliation.resources_total.delivered, totals.mapped, "resources"),
        merged: Count::new(reconciliation.resources_total.merged, totals.mapped, "resources"),
        held: holds.held.clone(),
        errors: Count::new(errors, tally.n, "findings"),
        warnings: Count::new(tally.by_severity[1], tally.n, "findings"),
        patients_affected: Count::new(tally.people.len(), totals.patients, "patients"),
        not_checked_areas: Count::new(not_checked.n_areas.of, not_checked.n_areas.of, "areas"),
    };
    let verdict = Verdict::new(gates, stops, counts, input.when == When::AfterLoad);
    Report {
        schema: REPORT_SCHEMA,
        header: header(input, &evidence),
        facts: facts(&evidence, tally, &totals, &not_checked),
        grid: grid(tally, &totals),
        people: people(&evidence, &totals),
        made: made(input, &evidence),
        verdict,
        matrix,
        controls,
        findings,
        reconciliation,
        codes,
        holds,
        not_checked,
        targets,
    }
}

/// What the numbers are parts of.
struct Totals {
    staged: u64,
    in_scope: u64,
    mapped: u64,
    /// People made, and patients' rows that were refused.
    patients: u64,
    people: u64,
}

impl Totals {
    fn of(evidence: &Evidence, reconciliation: &Reconciliation) -> Self {
        let patients = evidence.resources.get("Patient").cloned().unwrap_or_default();
        let people = patients.mapped - patients.merged.min(patients.mapped);
        let refused: u64 = evidence.maps.iter().filter(|m| m.domain == epr_model::Domain::Pmi).map(|m| m.refused).sum();
        Self {
            staged: reconciliation.tables_total.rows,
            in_scope: reconciliation.maps_total.in_scope,
            mapped: reconciliation.resources_total.mapped,
            patients: people + refused,
            people,
        }
    }
}

fn header(input: &ReportInput<'_>, evidence: &Evidence) -> Header {
    let info = &evidence.info;
    let first = info.stages.values().filter_map(|s| s.began_at.parse::<Timestamp>().ok()).min();
    let last = info.stages.values().filter_map(|s| s.ended_at.parse::<Timestamp>().ok()).max();
    Header {
        project: info.project.clone(),
        trial: info.trial.clone(),
        run_hash: info.run_hash.to_string(),
        as_of: instant(&info.as_of),
        cut_off: evidence.cut_off.as_deref().map(instant),
        after_load: input.when == When::AfterLoad,
        duration: first.zip(last).map(|(a, b)| duration(b.as_second() - a.as_second())),
    }
}

/// `8 Feb 2026 23:00 UTC`; a text that is no instant stands as it is.
fn instant(text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), |t| t.strftime("%-d %b %Y %H:%M UTC").to_string())
}

/// `5 h 48 min`, `41 s`.
fn duration(seconds: i64) -> String {
    match seconds {
        s if s < 1 => "under 1 s".to_owned(),
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

fn facts(evidence: &Evidence, tally: &Tally, totals: &Totals, not_checked: &crate::figures::NotChecked) -> Vec<Fact> {
    let patients = evidence.resources.get("Patient").cloned().unwrap_or_default();
    let fact = |label: &str, count: Count, note: String, section: &str| Fact {
        label: label.to_owned(),
        count,
        note,
        section: section.to_owned(),
    };
    let sources: BTreeSet<_> = evidence.staged.iter().map(|t| (&t.organisation, &t.system)).collect();
    let tables = counted(evidence.staged.len() as u64, "table", "tables");
    let note = if not_checked.ledger_found {
        format!("{} could not be made", counted(not_checked.checks.n, "check", "checks"))
    } else {
        "no list of checks was found".to_owned()
    };
    vec![
        fact(
            "Patients",
            Count::new(totals.people, patients.mapped, "Patient records"),
            format!("from {}", counted(patients.mapped, "mapped record", "mapped records")),
            "people",
        ),
        fact(
            "Rows read",
            Count::new(totals.staged, totals.staged, "rows"),
            format!("{tables}, {}", counted(sources.len() as u64, "source", "sources")),
            "reconciliation",
        ),
        fact(
            "Findings",
            Count::new(tally.n, tally.n, "findings"),
            format!(
                "{}, {}",
                counted(tally.codes.len() as u64, "rule", "rules"),
                counted(tally.people.len(), "patient", "patients")
            ),
            "findings",
        ),
        fact("Not checked", Count::new(not_checked.n_areas.of, not_checked.n_areas.of, "areas"), note, "not-checked"),
    ]
}

fn grid(tally: &Tally, totals: &Totals) -> SeverityGrid {
    let occurs = |a: &Action| tally.grid.iter().any(|row| row[*a as usize].n > 0);
    let actions: Vec<Action> = Action::ALL.into_iter().filter(occurs).collect();
    let row = |severity: Severity| GridRow {
        severity,
        cells: actions
            .iter()
            .map(|a| {
                let cell = &tally.grid[severity as usize][*a as usize];
                GridCell {
                    action: a.as_str().to_owned(),
                    patients: Count::new(cell.people.len(), totals.patients, "patients"),
                    findings: Count::new(cell.n, tally.n, "findings"),
                }
            })
            .collect(),
    };
    SeverityGrid {
        actions: actions.iter().map(|a| a.as_str().to_owned()).collect(),
        rows: SEVERITIES.into_iter().rev().map(row).collect(),
    }
}

/// Worst first: what is fatal (a source not read), what stops, then hazard and severity, then patients.
fn findings(rules: &Rules<'_>, evidence: &Evidence, tally: &Tally, totals: &Totals) -> Vec<Finding> {
    let mut findings: Vec<_> =
        tally.codes.iter().map(|(code, t)| finding(rules, evidence, tally.n, code, t, totals)).collect();
    findings.sort_by(|a, b| {
        let rank = |f: &Finding| {
            let fatal = f.severity == Severity::Fatal;
            (fatal, f.setting == RuleSetting::Stop, f.hazard_severity, f.severity, f.patients.n, f.findings.n)
        };
        rank(b).cmp(&rank(a)).then_with(|| a.code.cmp(&b.code))
    });
    findings
}

fn finding(
    rules: &Rules<'_>,
    evidence: &Evidence,
    n_all: u64,
    code: &str,
    tally: &CodeTally,
    totals: &Totals,
) -> Finding {
    let mut actions: Vec<_> = Action::ALL
        .into_iter()
        .filter(|a| tally.actions[*a as usize] > 0)
        .map(|a| NamedCount {
            name: a.as_str().to_owned(),
            count: Count::new(tally.actions[a as usize], tally.n, "findings"),
        })
        .collect();
    actions.sort_by_key(|a| Reverse(a.count.n));
    let mut splits: Vec<_> = tally
        .splits
        .iter()
        .flat_map(|(organisation, maps)| maps.iter().map(move |(map, n)| (organisation, map, n)))
        .map(|(organisation, map, n)| Split {
            organisation: organisation.clone(),
            map: map.clone(),
            count: Count::new(*n, tally.n, "findings"),
        })
        .collect();
    splits.sort_by_key(|s| Reverse(s.count.n));
    let n_splits = splits.len() as u64;
    splits.truncate(SPLITS_SHOWN);
    let examples: Vec<_> = tally.examples.iter().map(example).collect();
    Finding {
        code: code.to_owned(),
        title: rules.title(code),
        explanation: rules.doc(code).map(|d| d.explanation.to_owned()).unwrap_or_default(),
        severity: tally.worst,
        hazard_severity: rules.hazard_severity(code),
        setting: rules.setting(code, tally.worst),
        actions,
        cells: tally.cells.iter().map(|(s, a)| format!("{}-{}", s.as_str(), a.as_str())).collect(),
        patients: Count::new(tally.people.len(), totals.patients, "patients"),
        places: places(evidence, n_all, tally),
        findings: Count::new(tally.n, n_all, "findings"),
        path: tally.examples.first().map(place::chain).unwrap_or_default(),
        n_splits: Count::new(splits.len() as u64, n_splits, "maps"),
        splits,
        n_examples: Count::new(examples.len() as u64, tally.n, "findings"),
        examples,
    }
}

fn example(issue: &epr_model::Issue) -> Example {
    Example {
        place: place::of(issue),
        path: place::chain(issue),
        action: issue.action.as_str().to_owned(),
        shape: issue.shape.as_deref().map(|s| place::masked(s).into_owned()),
        patient_key: issue.patient_key.map(|p| p.to_string()),
    }
}

/// Distinct rows of the rows in scope, distinct resources of those mapped, or findings of all findings.
fn places(evidence: &Evidence, n_all: u64, tally: &CodeTally) -> Count {
    let of: u64 = tally.grounds.iter().map(|g| ground_size(evidence, g)).sum();
    let unit = match tally.kinds.iter().collect::<Vec<_>>()[..] {
        [PlaceKind::Row] => "rows",
        [PlaceKind::Resource] => "resources",
        [PlaceKind::Row, PlaceKind::Resource] => "rows and resources",
        _ => return Count::new(tally.n, n_all, "findings"),
    };
    // A row or type that no ledger knows has no whole to be a part of.
    if of < tally.n_places { Count::new(tally.n, n_all, "findings") } else { Count::new(tally.n_places, of, unit) }
}

fn ground_size(evidence: &Evidence, ground: &Ground) -> u64 {
    match ground {
        Ground::Map(map) => evidence.maps.iter().filter(|m| m.map == *map).map(|m| m.in_scope).sum(),
        Ground::Table { organisation, system, table } => evidence
            .staged
            .iter()
            .filter(|t| t.organisation == *organisation && t.system == *system && t.schema.name == *table)
            .map(|t| t.n_rows)
            .sum(),
        Ground::Type(kind) => evidence.resources.get(kind).map_or(0, |r| r.mapped),
    }
}

fn stops(rules: &Rules<'_>, tally: &Tally, totals: &Totals) -> (Vec<Stop>, Count) {
    let mut everybody = PeopleSet::default();
    let mut stops = Vec::new();
    for (code, t) in &tally.codes {
        if rules.setting(code, t.worst) == RuleSetting::Stop {
            everybody.add_all(&t.people);
            stops.push(Stop {
                rule: code.clone(),
                title: rules.title(code),
                patients: Count::new(t.people.len(), totals.patients, "patients"),
                findings: Count::new(t.n, tally.n, "findings"),
            });
        }
    }
    stops.sort_by_key(|s: &Stop| (Reverse(rules.hazard_severity(&s.rule)), Reverse(s.patients.n)));
    (stops, Count::new(everybody.len(), totals.patients, "patients"))
}

fn codes(rules: &Rules<'_>, evidence: &Evidence, tally: &Tally, totals: &Totals) -> Codes {
    let in_scope = |map: &str| evidence.maps.iter().filter(|m| m.map == map).map(|m| m.in_scope).sum::<u64>();
    let places = &evidence.unmapped;
    let n_codes: u64 = places.iter().map(|p| p.n_codes).sum();
    let n_rows: u64 = places.iter().map(|p| p.n_rows).sum();
    let looked_up: u64 = places.iter().map(|p| in_scope(&p.map)).sum();
    let mut unmapped: Vec<_> = places
        .iter()
        .map(|p| {
            let mut shapes: Vec<_> = p.shapes.iter().collect();
            shapes.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
            UnmappedLine {
                mapping: place::map_line(&p.map, Some(p.map_line)),
                code_map: p.code_map.clone(),
                source: format!("{}.{}", p.table, p.column),
                codes: Count::new(p.n_codes, n_codes, "codes"),
                rows: Count::new(p.n_rows, in_scope(&p.map).max(p.n_rows), "rows"),
                shapes: shapes.into_iter().take(SHAPES_SHOWN).map(|(s, _)| s.clone()).collect(),
            }
        })
        .collect();
    unmapped.sort_by(|a, b| b.rows.n.cmp(&a.rows.n).then_with(|| a.mapping.cmp(&b.mapping)));
    let n_unmapped = unmapped.len() as u64;
    unmapped.truncate(LINES_SHOWN);
    let mut changed: Vec<_> = tally
        .changed
        .iter()
        .map(|(key, n)| ChangedLine {
            mapping: place::map_line(&key.map, key.map_line),
            element: place::masked(&key.element).into_owned(),
            action: key.action.as_str().to_owned(),
            code: key.code.clone(),
            title: rules.title(&key.code),
            rows: Count::new(*n, in_scope(&key.map).max(*n), "rows"),
        })
        .collect();
    changed.sort_by(|a, b| b.rows.n.cmp(&a.rows.n).then_with(|| (&a.mapping, &a.code).cmp(&(&b.mapping, &b.code))));
    let n_changed = changed.len() as u64;
    changed.truncate(LINES_SHOWN);
    Codes {
        distinct_unmapped: Count::new(n_codes, n_codes, "codes"),
        // Where nothing is unmapped, all rows in scope stand against it.
        unmapped_rows: Count::new(
            n_rows,
            if places.is_empty() { totals.in_scope } else { looked_up.max(n_rows) },
            "rows",
        ),
        n_unmapped_lines: Count::new(unmapped.len() as u64, n_unmapped, "lines"),
        unmapped,
        n_changed_lines: Count::new(changed.len() as u64, n_changed, "lines"),
        changed,
    }
}

fn holds(rules: &Rules<'_>, evidence: &Evidence, totals: &Totals) -> Holds {
    let held: u64 = evidence.resources.values().map(|r| r.held).sum();
    let by_rule = &evidence.holds.rules;
    let sum = |part: fn(&crate::evidence::HeldByRule) -> u64| by_rule.values().map(part).sum::<u64>();
    let (roots, dependants) = (sum(|r| r.roots), sum(|r| r.dependants));
    let all = roots + dependants;
    let named = |counts: &BTreeMap<String, u64>, of: u64| -> Vec<NamedCount> {
        counts.iter().map(|(name, n)| NamedCount { name: name.clone(), count: Count::new(*n, of, "holds") }).collect()
    };
    let mut lines: Vec<_> = by_rule
        .iter()
        .map(|(rule, h)| HeldRule {
            rule: rule.clone(),
            title: rules.title(rule),
            roots: Count::new(h.roots, all, "holds"),
            dependants: Count::new(h.dependants, all, "holds"),
            types: named(&h.types, h.roots + h.dependants),
            owners: named(&h.owners, h.roots + h.dependants),
        })
        .collect();
    lines.sort_by(|a, b| (b.roots.n, b.dependants.n, &a.rule).cmp(&(a.roots.n, a.dependants.n, &b.rule)));
    Holds {
        held: Count::new(held, totals.mapped, "resources"),
        roots: Count::new(roots, all, "holds"),
        dependants: Count::new(dependants, all, "holds"),
        rules: lines,
    }
}

fn people(evidence: &Evidence, totals: &Totals) -> MergedPeople {
    let patients = evidence.resources.get("Patient").cloned().unwrap_or_default();
    let links = &evidence.links;
    let joined: u64 = links.by_size.values().sum();
    let named = |(name, n): (&String, &u64), of: u64, unit: &str| NamedCount {
        name: name.clone(),
        count: Count::new(*n, of, unit),
    };
    MergedPeople {
        merged: Count::new(patients.merged, patients.mapped, "Patient records"),
        joined: Count::new(joined, totals.people.max(joined), "people"),
        by_size: links
            .by_size
            .iter()
            .map(|(size, n)| NamedCount { name: format!("{size} records"), count: Count::new(*n, joined, "people") })
            .collect(),
        by_evidence: links.by_evidence.iter().map(|e| named(e, links.n_retired, "merges")).collect(),
        candidates: Count::new(links.n_candidates, links.n_candidates, "pairs"),
        by_reason: links.by_reason.iter().map(|e| named(e, links.n_candidates, "pairs")).collect(),
    }
}

fn made(input: &ReportInput<'_>, evidence: &Evidence) -> Made {
    let info = &evidence.info;
    let line = |folder: &str, name: &str| {
        let times = info.stages.get(name).or_else(|| info.stages.get(folder));
        let seconds = times.and_then(|t| {
            let began = t.began_at.parse::<Timestamp>().ok()?;
            Some(t.ended_at.parse::<Timestamp>().ok()?.as_second() - began.as_second())
        });
        StageLine {
            stage: name.to_owned(),
            began_at: times.map(|t| instant(&t.began_at)),
            duration: seconds.map(duration),
            manifest: evidence.manifests.get(folder).map(ToString::to_string),
        }
    };
    // Load has one folder a target, `6-load/files`; the other stages have one each.
    let stage_lines = evidence.manifests.keys().map(|folder| {
        let (first, target) = folder.split_once('/').unwrap_or((folder, ""));
        let stage = Stage::ALL.into_iter().find(|s| s.folder() == first).map_or(first, |s| s.as_str());
        line(folder, format!("{stage} {target}").trim_end())
    });
    let hashes: BTreeMap<&String, String> = info.hashes.iter().map(|(k, v)| (k, v.to_string())).collect();
    Made {
        epr_version: info.epr_version.clone(),
        started_by: info.started_by.clone(),
        started_at: instant(&info.started_at),
        packages: input.packages.clone(),
        hashes: hashes.into_iter().map(|(name, sha256)| NamedHash { name: name.clone(), sha256 }).collect(),
        stages: stage_lines.collect(),
        evidence_hash: evidence_hash(&info.run_hash, &evidence.manifests).to_string(),
    }
}

/// One hash over the run's hash and every manifest that the report read.
pub(crate) fn evidence_hash(
    run_hash: &epr_run::Sha256Hex,
    manifests: &BTreeMap<String, epr_run::Sha256Hex>,
) -> epr_run::Sha256Hex {
    let parts = manifests.iter().map(|(name, hash)| (name.as_str(), hash.as_str().as_bytes()));
    epr_run::Sha256Hex::of_parts([("run", run_hash.as_str().as_bytes())].into_iter().chain(parts))
}
