//! The stage over a hand-made run: issues with their lineage, holds with their root cause, ledgers that balance.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use epr_model::{Action, Issue, ResourceId, Severity, Stage};
use epr_run::context::Silent;
use epr_run::folder::{OldSignature, RunFolder, RunInfo};
use epr_run::ledger::ResourceLedger;
use epr_run::parts::PartWriter;
use epr_run::records::{self, HoldRecord, KeyRecord, RecordWriter, RefRecord};
use epr_run::{FinishedStage, Manifest, Sha256Hex, StageContext, StopFlag};
use epr_validate::rules::thresholds::Thresholds;
use epr_validate::{RuleAction, ValidateError, ValidateInput, Verdicts, stage};

fn id(n: u8) -> ResourceId {
    ResourceId::from_bytes([n; 16])
}

fn hash() -> Sha256Hex {
    Sha256Hex::of_bytes(b"run")
}

fn patient(n: u8, rest: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{}","name":[{{"family":"Testperson"}}],"gender":"female","birthDate":"1950-06-01","identifier":[{{"system":"urn:test:pas","value":"{0}"}}]{rest}}}"#,
        id(n)
    )
}

fn encounter(n: u8, subject: u8, rest: &str) -> String {
    format!(
        r#"{{"resourceType":"Encounter","id":"{}","status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},"subject":{{"reference":"Patient/{}"}}{rest}}}"#,
        id(n),
        id(subject)
    )
}

fn condition(n: u8, subject: u8, encounter: u8) -> String {
    format!(
        r#"{{"resourceType":"Condition","id":"{}","clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}}]}},"subject":{{"reference":"Patient/{}"}},"encounter":{{"reference":"Encounter/{}"}}}}"#,
        id(n),
        id(subject),
        id(encounter)
    )
}

/// One resource of the hand-made run: its type, id, line and the references it makes.
type Made = (&'static str, u8, String, Vec<(&'static str, &'static str, u8)>);

fn resources() -> Vec<Made> {
    let subject = |n| ("Encounter.subject", "Patient", n);
    let of = |p, e| vec![("Condition.subject", "Patient", p), ("Condition.encounter", "Encounter", e)];
    vec![
        ("Patient", 1, patient(1, ""), vec![]),
        // A profile error: held, and what refers to it with it.
        ("Patient", 2, patient(2, r#","active":"yes""#), vec![]),
        // A hazard that stops and holds nothing.
        ("Patient", 3, patient(3, "").replace("1950-06-01", "1900-01-01"), vec![]),
        ("Encounter", 11, encounter(11, 1, ""), vec![subject(1)]),
        ("Encounter", 12, encounter(12, 2, ""), vec![subject(2)]),
        // An orphan: no row makes patient 99.
        ("Encounter", 13, encounter(13, 99, ""), vec![subject(99)]),
        // Its patient was refused by the mapping.
        ("Encounter", 14, encounter(14, 98, ""), vec![subject(98)]),
        ("Condition", 21, condition(21, 1, 11), of(1, 11)),
        // Two steps from the root: over its encounter.
        ("Condition", 22, condition(22, 1, 12), of(1, 12)),
        ("Condition", 23, condition(23, 1, 14), of(1, 14)),
    ]
}

fn make_run(root: &Path, made: &[Made]) -> RunFolder {
    let info = RunInfo {
        schema: 1,
        run_hash: hash(),
        epr_version: "0".to_owned(),
        project: "test".to_owned(),
        trial: None,
        as_of: "2026-11-01T00:00:00Z".to_owned(),
        started_by: "test".to_owned(),
        started_at: "2026-11-01T00:00:00Z".to_owned(),
        hashes: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    let run = RunFolder::create(root, &info).unwrap();
    let map = run.begin(Stage::Map, OldSignature::Keep).unwrap();
    let mut issues = RecordWriter::<Issue>::new(&map).unwrap();
    let mut refused = Issue::new("MAP0301", Severity::Error, Action::Refused, Stage::Map);
    (refused.resource_type, refused.resource_id) = (Some("Patient".to_owned()), Some(id(98)));
    issues.push(&refused).unwrap();
    issues.finish().unwrap();
    map.finish(Manifest::new(Stage::Map, hash())).unwrap();

    let link = run.begin(Stage::Link, OldSignature::Keep).unwrap();
    let mut manifest = Manifest::new(Stage::Link, hash());
    let mut keys = RecordWriter::<KeyRecord>::new(&link).unwrap();
    let mut refs = RecordWriter::<RefRecord>::new(&link).unwrap();
    for kind in ["Condition", "Encounter", "Patient"] {
        let mut parts = PartWriter::new(&link, kind).unwrap();
        for (row, (_, n, line, references)) in made.iter().enumerate().filter(|(_, m)| m.0 == kind) {
            parts.write(line.as_bytes()).unwrap();
            keys.push(&KeyRecord {
                resource_type: kind.to_owned(),
                id: id(*n),
                key_hash: [*n; 16],
                content_hash: [*n; 32],
                table: format!("RK9/ipm/{}", kind.to_uppercase()),
                part: 0,
                row_no: row as u64 + 1,
                map: format!("rk9/ipm/{}", kind.to_lowercase()),
            })
            .unwrap();
            for (path, to_type, to) in references {
                refs.push(&RefRecord {
                    from_type: kind.to_owned(),
                    from_id: id(*n),
                    to_type: (*to_type).to_owned(),
                    to_id: id(*to),
                    path: (*path).to_owned(),
                })
                .unwrap();
            }
        }
        let n = parts.finish().unwrap();
        manifest.resources.insert(kind.to_owned(), n);
        // One Encounter was merged away by link, as far as the ledger goes.
        let merged = u64::from(kind == "Encounter");
        let ledger = ResourceLedger { mapped: n + merged, merged, held: 0, delivered: n, at_target: None };
        manifest.ledgers.resources.insert(kind.to_owned(), ledger);
    }
    keys.finish().unwrap();
    refs.finish().unwrap();
    link.finish(manifest).unwrap();
    run
}

const UK_CORE: &str = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient";

fn validate(run: &RunFolder, rules: &[(&str, RuleAction)]) -> Option<Result<FinishedStage, ValidateError>> {
    validate_with(run, rules, &[], &StopFlag::new())
}

fn validate_with(
    run: &RunFolder,
    rules: &[(&str, RuleAction)],
    profiles: &[(&str, &str)],
    stop: &StopFlag,
) -> Option<Result<FinishedStage, ValidateError>> {
    validate_from(run, rules, profiles, stop, None)
}

fn validate_from(
    run: &RunFolder,
    rules: &[(&str, RuleAction)],
    profiles: &[(&str, &str)],
    stop: &StopFlag,
    verdicts: Option<&Verdicts>,
) -> Option<Result<FinishedStage, ValidateError>> {
    let input = ValidateInput {
        run_hash: hash(),
        definitions: r4::definitions()?,
        profiles: profiles.iter().map(|(t, p)| ((*t).to_owned(), (*p).to_owned())).collect(),
        rules: rules.iter().map(|(k, a)| ((*k).to_owned(), *a)).collect(),
        thresholds: Thresholds::defaults(),
        as_of: "2026-11-01T00:00:00Z".to_owned(),
        test_range: vec!["999".to_owned()],
        trusted: BTreeSet::new(),
        old_signature: OldSignature::Keep,
        verdicts,
    };
    let ctx = StageContext { run, progress: &Silent, stop };
    Some(stage::run(ctx, &input))
}

/// Everything that a reader of the stage sees, ids as their first two digits.
fn show(stage: &FinishedStage) -> String {
    let short = |id: ResourceId| id.to_string()[..2].to_owned();
    let mut shown = String::new();
    for issue in records::read::<Issue>(stage).unwrap().map(Result::unwrap) {
        let _ = writeln!(
            shown,
            "{} {} {} {}/{} {}: {} [{}/{}/{} row {} by {}] patient {}",
            issue.severity.as_str(),
            issue.code,
            issue.action.as_str(),
            issue.resource_type.unwrap(),
            short(issue.resource_id.unwrap()),
            issue.fhir_path.unwrap(),
            issue.shape.unwrap(),
            issue.organisation.unwrap(),
            issue.system.unwrap(),
            issue.table.unwrap(),
            issue.row_no.unwrap(),
            issue.map.unwrap(),
            issue.patient_key.map_or("none".to_owned(), short),
        );
    }
    for hold in records::read::<HoldRecord>(stage).unwrap().map(Result::unwrap) {
        let cause = hold.root_cause.map_or("itself".to_owned(), |c| {
            let (kind, id) = c.split_once('/').unwrap();
            format!("{kind}/{}", &id[..2])
        });
        let _ = writeln!(shown, "held: {}/{} by {} of {cause}", hold.resource_type, short(hold.id), hold.rule);
    }
    for (kind, l) in &stage.manifest().ledgers.resources {
        let (mapped, merged, held, delivered) = (l.mapped, l.merged, l.held, l.delivered);
        let _ = writeln!(shown, "{kind}: {mapped} mapped = {delivered} delivered + {merged} merged + {held} held");
    }
    let _ = writeln!(shown, "{:?}", stage.manifest().issues);
    shown
}

#[test]
fn a_run_is_held_where_it_is_wrong_and_told_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let run = make_run(folder.path(), &resources());
    let Some(finished) = validate(&run, &[]) else { return };
    let finished = finished.unwrap();
    insta::assert_snapshot!(show(&finished));
    let ledger = std::fs::read_to_string(finished.path().join(stage::LEDGER_FILE)).unwrap();
    let names: Vec<_> = finished.manifest().files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(names, ["holds.parquet", "issues.parquet", "ledger.json"]);
    insta::assert_snapshot!("the_honesty_ledger_of_a_run", ledger);
}

#[test]
fn rules_of_the_project_win_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let run = make_run(folder.path(), &resources());
    let rules = [("profile", RuleAction::Deliver), ("DA-03", RuleAction::Hold), ("ID-09", RuleAction::Hold)];
    let Some(finished) = validate(&run, &rules) else { return };
    insta::assert_snapshot!(show(&finished.unwrap()));
}

#[test]
fn a_rule_that_is_switched_off_is_not_checked_and_the_ledger_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = make_run(folder.path(), &resources());
    let off = [("ID-09", RuleAction::Off), ("DA-03", RuleAction::Off), ("AP-03", RuleAction::Off)];
    let Some(finished) = validate(&run, &off) else { return };
    let finished = finished.unwrap();
    let told = records::read::<Issue>(&finished).unwrap().map(Result::unwrap);
    assert_eq!(told.filter(|i| i.code == "ID-09" || i.code == "DA-03").count(), 0);
    assert!(!finished.manifest().issues.contains_key("ID-09"));
    let text = std::fs::read_to_string(finished.path().join(stage::LEDGER_FILE)).unwrap();
    let ledger: epr_validate::ledger::HonestyLedger = serde_json::from_str(&text).unwrap();
    assert_eq!(ledger.switched_off, ["AP-03", "DA-03", "ID-09"]);
    assert!(!ledger.checked.iter().any(|line| ledger.switched_off.contains(&line.rule)));
    let of_rules = ledger.not_checked.iter().filter(|line| ledger.switched_off.contains(&line.rule));
    let told: Vec<_> = of_rules.map(|line| (line.rule.as_str(), line.element.as_str(), line.n)).collect();
    // Also the one that nothing of the run is about.
    assert_eq!(told, [("AP-03", "Appointment", 0), ("DA-03", "the whole run", 10), ("ID-09", "Patient", 3)]);
}

#[test]
fn the_files_do_not_depend_on_the_threads() {
    let hashes = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let run = make_run(folder.path(), &resources());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let finished = pool.install(|| validate(&run, &[]))?.unwrap();
        Some(finished.manifest().files.clone())
    };
    let Some(one) = hashes(1) else { return };
    for threads in [2, 16] {
        assert_eq!(hashes(threads).unwrap(), one, "{threads} threads");
    }
}

#[test]
fn two_resources_of_one_id_are_both_held() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = resources();
    made.truncate(1);
    made.push(made[0].clone());
    let run = make_run(folder.path(), &made);
    let Some(finished) = validate(&run, &[]) else { return };
    let finished = finished.unwrap();
    assert_eq!(finished.manifest().issues["VAL0070"], 2);
    assert_eq!(finished.manifest().ledgers.resources["Patient"].held, 2);
}

#[test]
fn a_line_without_an_id_fails_the_stage_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = resources();
    made[0].2 = r#"{"resourceType":"Patient"}"#.to_owned();
    let run = make_run(folder.path(), &made);
    let Some(result) = validate(&run, &[]) else { return };
    assert!(matches!(result.unwrap_err(), ValidateError::NoIdentity { line: 1, .. }));
    assert!(run.finished(Stage::Validate).unwrap().is_none());
}

#[test]
fn a_profile_that_is_not_loaded_is_not_checked_and_never_valid() {
    let folder = tempfile::tempdir().unwrap();
    let run = make_run(folder.path(), &resources());
    let result = validate_with(&run, &[], &[("Patient", UK_CORE)], &StopFlag::new());
    let Some(finished) = result else { return };
    let bytes = std::fs::read(finished.unwrap().path().join(stage::LEDGER_FILE)).unwrap();
    let ledger: epr_validate::ledger::HonestyLedger = serde_json::from_slice(&bytes).unwrap();
    let lines: Vec<_> = ledger.not_checked.iter().map(|l| (l.rule.as_str(), l.element.as_str(), l.n)).collect();
    assert_eq!(lines, [("profile", "Patient", 3)]);
    assert_eq!(ledger.not_checked[0].reason, format!("profile {UK_CORE} is in no loaded package"));
}

#[test]
fn a_stage_that_is_stopped_leaves_no_folder_and_can_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = make_run(folder.path(), &resources());
    let stop = StopFlag::new();
    stop.stop();
    let Some(result) = validate_with(&run, &[], &[], &stop) else { return };
    assert!(matches!(result.unwrap_err(), ValidateError::Run(epr_run::RunError::Stopped)));
    assert!(run.finished(Stage::Validate).unwrap().is_none());
    let again = validate(&run, &[]).unwrap().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let fresh = validate(&make_run(elsewhere.path(), &resources()), &[]).unwrap().unwrap();
    assert_eq!(again.manifest().files, fresh.manifest().files);
}

#[test]
fn a_reference_that_no_earlier_stage_listed_is_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = resources();
    made[3].3.clear();
    let run = make_run(folder.path(), &made);
    let Some(finished) = validate(&run, &[]) else { return };
    let bytes = std::fs::read(finished.unwrap().path().join(stage::LEDGER_FILE)).unwrap();
    let ledger: epr_validate::ledger::HonestyLedger = serde_json::from_slice(&bytes).unwrap();
    let lines: Vec<_> = ledger.not_checked.iter().map(|l| (l.rule.as_str(), l.element.as_str(), l.n)).collect();
    assert_eq!(lines, [("reference", "Reference.reference", 1)]);
}

#[test]
fn a_run_that_uses_verdicts_again_writes_the_same_files() {
    let Some(definitions) = r4::definitions() else { return };
    let books = tempfile::tempdir().unwrap();
    let run = |verdicts: Option<&Verdicts>| {
        let folder = tempfile::tempdir().unwrap();
        let run = make_run(folder.path(), &resources());
        let stage = validate_from(&run, &[], &[], &StopFlag::new(), verdicts).unwrap().unwrap();
        (stage.manifest().files.clone(), show(&stage))
    };
    let plain = run(None);
    for n_reused in [0, 1] {
        let verdicts = Verdicts::open(books.path(), "a build", definitions, &BTreeMap::new());
        assert_eq!(run(Some(&verdicts)), plain);
        let (asked, reused) = verdicts.counts();
        assert!(asked > 5);
        assert_eq!(reused, asked * n_reused);
    }
}
