//! Run-wide hazards over a hand-made run: the sources' own counts, composed persons, what mapping met.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod r4;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use epr_model::{Action, ControlOutcome, Domain, Issue, ResourceId, RowOutcome, Severity, Stage};
use epr_run::context::Silent;
use epr_run::folder::{OldSignature, RunFolder, RunInfo};
use epr_run::ledger::{ControlLedger, ResourceLedger};
use epr_run::parts::PartWriter;
use epr_run::records::{
    self, ControlOutcomeRecord, ControlRecord, KeepRecord, KeyRecord, LinkRecord, RecordWriter, RefRecord, RowRecord,
};
use epr_run::{FinishedStage, Manifest, RunError, Sha256Hex, StageContext, StageFolder, StopFlag};
use epr_validate::rules::thresholds::Thresholds;
use epr_validate::{RuleAction, ValidateError, ValidateInput, stage};

const SCT: &str = "http://snomed.info/sct";

fn id(n: u8) -> ResourceId {
    ResourceId::from_bytes([n; 16])
}

fn hash() -> Sha256Hex {
    Sha256Hex::of_bytes(b"run")
}

/// One resource: type, id, the rest of its members, table and row.
struct Made(&'static str, u8, String, &'static str, u64);

#[derive(Default)]
struct World {
    controls: Vec<ControlRecord>,
    keeps: Vec<KeepRecord>,
    /// Rows that the manifest says were counted, beyond those there are.
    n_missing: u64,
    rows: Vec<RowRecord>,
    map_issues: Vec<Issue>,
    mapped: Vec<Made>,
    linked: Vec<Made>,
    links: Vec<(u8, u8)>,
}

fn control(domain: Domain, table: &str, row_no: u64, at: &str) -> ControlRecord {
    ControlRecord {
        organisation: "RK9".to_owned(),
        system: "ipm".to_owned(),
        table: table.to_owned(),
        row_no,
        domain,
        at: Some(at.to_owned()).filter(|a| !a.is_empty()),
        specialty: None,
        place: Some("W1".to_owned()),
        pathway_hash: None,
        patient_hash: Some("01".repeat(16)),
    }
}

fn row(table: &str, row_no: u64, domain: Domain, outcome: RowOutcome, issue: Option<&str>) -> RowRecord {
    RowRecord {
        table: format!("RK9/ipm/{table}"),
        row_no,
        map: "rk9/ipm/x".to_owned(),
        domain,
        outcome,
        n_resources: u32::from(outcome == RowOutcome::Mapped),
        measures: None,
        issue: issue.map(str::to_owned),
    }
}

fn write_stage(run: &RunFolder, stage: Stage, made: &[Made], finish: impl FnOnce(&StageFolder, &mut Manifest)) {
    let folder = run.begin(stage, OldSignature::Keep).unwrap();
    let mut manifest = Manifest::new(stage, hash());
    let mut keys = RecordWriter::<KeyRecord>::new(&folder).unwrap();
    let mut kinds: Vec<&str> = made.iter().map(|m| m.0).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let mut parts = PartWriter::new(&folder, kind).unwrap();
        for Made(_, n, rest, table, row_no) in made.iter().filter(|m| m.0 == kind) {
            parts.write(format!(r#"{{"resourceType":"{kind}","id":"{}"{rest}}}"#, id(*n)).as_bytes()).unwrap();
            keys.push(&KeyRecord {
                resource_type: kind.to_owned(),
                id: id(*n),
                key_hash: [*n; 16],
                content_hash: [*n; 32],
                table: format!("RK9/ipm/{table}"),
                part: 0,
                row_no: *row_no,
                map: "rk9/ipm/x".to_owned(),
            })
            .unwrap();
        }
        let n = parts.finish().unwrap();
        manifest.resources.insert(kind.to_owned(), n);
        let ledger = ResourceLedger { mapped: n, delivered: n, ..ResourceLedger::default() };
        manifest.ledgers.resources.insert(kind.to_owned(), ledger);
    }
    keys.finish().unwrap();
    finish(&folder, &mut manifest);
    folder.finish(manifest).unwrap();
}

fn write_all<R: records::Record>(folder: &StageFolder, all: &[R]) {
    let mut writer = RecordWriter::<R>::new(folder).unwrap();
    for record in all {
        writer.push(record).unwrap();
    }
    writer.finish().unwrap();
}

fn make(root: &Path, world: &World) -> RunFolder {
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
    let extract = run.begin(Stage::Extract, OldSignature::Keep).unwrap();
    let mut manifest = Manifest::new(Stage::Extract, hash());
    let mut counts: BTreeMap<(String, Domain), u64> = BTreeMap::new();
    let mut writer = RecordWriter::at(&extract.file("rk9/controls.parquet").unwrap()).unwrap();
    for control in &world.controls {
        writer.push(control).unwrap();
        *counts.entry((control.table.clone(), control.domain)).or_default() += 1;
    }
    writer.finish().unwrap();
    let mut kept = RecordWriter::at(&extract.file("rk9/keeps.parquet").unwrap()).unwrap();
    for keep in &world.keeps {
        kept.push(keep).unwrap();
    }
    kept.finish().unwrap();
    manifest.ledgers.controls = counts
        .into_iter()
        .map(|((table, domain), rows)| ControlLedger {
            organisation: "RK9".to_owned(),
            system: "ipm".to_owned(),
            table,
            domain,
            rows: rows + world.n_missing,
            outcomes: None,
        })
        .collect();
    extract.finish(manifest).unwrap();
    write_stage(&run, Stage::Map, &world.mapped, |folder, _| {
        write_all(folder, &world.rows);
        write_all(folder, &world.map_issues);
    });
    write_stage(&run, Stage::Link, &world.linked, |folder, _| {
        write_all::<RefRecord>(folder, &[]);
        let link = |(retired, person): &(u8, u8)| LinkRecord {
            retired_id: id(*retired),
            person_id: id(*person),
            evidence: "x".to_owned(),
            decision: "automatic".to_owned(),
        };
        write_all(folder, &world.links.iter().map(link).collect::<Vec<_>>());
    });
    run
}

fn validate(world: &World, rules: &[(&str, RuleAction)]) -> Option<Result<FinishedStage, ValidateError>> {
    let folder = tempfile::tempdir().unwrap().keep();
    let run = make(&folder, world);
    let input = ValidateInput {
        run_hash: hash(),
        definitions: r4::definitions()?,
        profiles: BTreeMap::new(),
        rules: rules.iter().map(|(k, a)| ((*k).to_owned(), *a)).collect(),
        thresholds: Thresholds::defaults(),
        as_of: "2026-11-01T00:00:00Z".to_owned(),
        test_range: vec!["999".to_owned()],
        trusted: BTreeSet::new(),
        old_signature: OldSignature::Keep,
        verdicts: None,
    };
    Some(stage::run(StageContext { run: &run, progress: &Silent, stop: &StopFlag::new() }, &input))
}

/// Hazards as `code kind/id table:row patient`, ids as their first two digits.
fn hazards(stage: &FinishedStage) -> Vec<String> {
    let short = |id: Option<ResourceId>| id.map_or("-".to_owned(), |id| id.to_string()[..2].to_owned());
    let issues = records::read::<Issue>(stage).unwrap().map(Result::unwrap);
    let hazards = issues.filter(|i| !i.code.starts_with("VAL"));
    let told = hazards.map(|i| {
        let (kind, table) = (i.resource_type.unwrap_or_default(), i.table.unwrap_or_default());
        let row = i.row_no.map_or("-".to_owned(), |n| n.to_string());
        let action = i.action.as_str();
        format!("{} {action} {kind}/{} {table}:{row} of {}", i.code, short(i.resource_id), short(i.patient_key))
    });
    told.collect()
}

fn outcomes(stage: &FinishedStage) -> String {
    let mut shown = String::new();
    for r in records::read::<ControlOutcomeRecord>(stage).unwrap().map(Result::unwrap) {
        let short = |id: Option<ResourceId>| id.map_or("-".to_owned(), |id| id.to_string()[..2].to_owned());
        let _ = writeln!(
            shown,
            "{} {}:{} {} {} {} of {} at {} delivered {}",
            r.domain.as_str(),
            r.table,
            r.row_no,
            r.outcome.as_str(),
            r.rule.as_deref().unwrap_or("-"),
            short(r.resource_id),
            short(r.patient_key),
            r.at.as_deref().unwrap_or("-"),
            r.delivered_at.as_deref().unwrap_or("-"),
        );
    }
    shown
}

fn allergy(n: u8, patient: u8, code: &str, row: u64) -> Made {
    let rest = format!(
        r#","code":{{"coding":[{{"system":"{SCT}","code":"{code}"}}]}},"clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}}]}},"patient":{{"reference":"Patient/{}"}}"#,
        id(patient)
    );
    Made("AllergyIntolerance", n, rest, "ALLERGIES", row)
}

fn patient(n: u8, rest: &str) -> Made {
    let rest = format!(
        r#","name":[{{"family":"Testperson"}}],"gender":"female","birthDate":"1950-06-01","identifier":[{{"system":"urn:test:pas","value":"D{n}"}}]{rest}"#
    );
    Made("Patient", n, rest, "PATIENTS", u64::from(n))
}

fn appointment(n: u8, patient: u8, start: &str, row: u64) -> Made {
    let rest = format!(
        r#","status":"booked","start":"{start}","end":"2027-01-01T00:00:00Z","participant":[{{"actor":{{"reference":"Patient/{}"}},"status":"accepted"}},{{"actor":{{"display":"Clinic"}},"status":"accepted"}}]"#,
        id(patient)
    );
    Made("Appointment", n, rest, "SCHEDULES", row)
}

fn pathway(n: u8, patient: u8, status: &str, start: &str, row: u64) -> Made {
    let rest = format!(
        r#","status":"{status}","patient":{{"reference":"Patient/{}"}},"period":{{"start":"{start}"}},"identifier":[{{"system":"https://x.example/Id/pathway-id","value":"RK90000000000000{n:04}"}}]"#,
        id(patient)
    );
    Made("EpisodeOfCare", n, rest, "RTT", row)
}

fn spell(n: u8, patient: u8, status: &str, row: u64) -> Made {
    let rest = format!(
        r#","status":"{status}","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"}},"subject":{{"reference":"Patient/{}"}},"period":{{"start":"2026-10-30T10:00:00+00:00"}},"location":[{{"location":{{"display":"Ward"}}}}]"#,
        id(patient)
    );
    Made("Encounter", n, rest, "SPELLS", row)
}

#[test]
fn every_row_that_a_source_counts_is_delivered_or_named() {
    let winter = "2026-11-03T09:30:00+00:00";
    let world = World {
        controls: vec![
            control(Domain::Allergy, "ALLERGIES", 1, ""),
            control(Domain::Allergy, "ALLERGIES", 2, ""),
            control(Domain::Allergy, "ALLERGIES", 3, ""),
            control(Domain::Allergy, "ALLERGIES", 4, ""),
            control(Domain::Allergy, "ALLERGIES", 5, ""),
            control(Domain::Appointment, "SCHEDULES", 1, winter),
            control(Domain::Appointment, "SCHEDULES", 2, "2026-07-03T09:30:00+01:00"),
            control(Domain::Appointment, "SCHEDULES", 3, winter),
            control(Domain::Rtt, "RTT", 1, "2026-03-01T00:00:00+00:00"),
            control(Domain::Rtt, "RTT", 2, "2026-03-01T00:00:00+00:00"),
            control(Domain::Rtt, "RTT", 3, "2026-03-01T00:00:00+00:00"),
            // Of a source that says only the month nothing can be compared; of a result that says only that, it was lost.
            control(Domain::Rtt, "RTT", 4, "2026-03"),
            control(Domain::Rtt, "RTT", 5, "2026-03-01"),
            control(Domain::Spell, "SPELLS", 1, "2026-10-30T10:00:00+00:00"),
            control(Domain::Spell, "SPELLS", 2, "2026-10-30T10:00:00+00:00"),
            control(Domain::Alert, "ALERTS", 1, ""),
        ],
        rows: vec![
            row("ALLERGIES", 2, Domain::Allergy, RowOutcome::Excluded, None),
            row("ALLERGIES", 3, Domain::Allergy, RowOutcome::Refused, Some("MAP0430")),
            row("ALLERGIES", 4, Domain::Allergy, RowOutcome::Superseded, None),
            // Another map made something of the row; the allergy's own map left it out.
            row("ALLERGIES", 5, Domain::Document, RowOutcome::Refused, Some("MAP0434")),
            row("ALLERGIES", 5, Domain::Allergy, RowOutcome::Empty, None),
            row("SCHEDULES", 3, Domain::Appointment, RowOutcome::Mapped, None),
            row("ALERTS", 1, Domain::Alert, RowOutcome::Excluded, None),
        ],
        map_issues: vec![{
            // The row was mapped, and its Appointment refused.
            let mut issue = Issue::new("MAP0423", Severity::Error, Action::Refused, Stage::Map);
            (issue.organisation, issue.system) = (Some("RK9".to_owned()), Some("ipm".to_owned()));
            (issue.table, issue.row_no) = (Some("SCHEDULES".to_owned()), Some(3));
            issue.resource_type = Some("Appointment".to_owned());
            issue
        }],
        mapped: vec![patient(1, "")],
        linked: vec![
            patient(1, ""),
            allergy(11, 1, "91936005", 1),
            appointment(21, 1, winter, 1),
            appointment(22, 1, "2026-07-03T09:30:00+00:00", 2),
            pathway(31, 1, "active", "2026-03-01", 1),
            pathway(32, 1, "active", "2026-03-02", 2),
            pathway(33, 1, "finished", "2026-03-01", 3),
            pathway(34, 1, "active", "2026-03-01", 4),
            pathway(35, 1, "active", "2026-03", 5),
            spell(41, 1, "in-progress", 1),
            spell(42, 1, "finished", 2),
        ],
        ..World::default()
    };
    let Some(finished) = validate(&world, &[]) else { return };
    let finished = finished.unwrap();
    insta::assert_snapshot!(outcomes(&finished));
    assert_eq!(
        hazards(&finished),
        [
            "AL-01 excluded AllergyIntolerance/- ALLERGIES:2 of 01",
            "AL-01 excluded AllergyIntolerance/- ALLERGIES:5 of 01",
            "AP-02 kept Appointment/16 SCHEDULES:2 of 01",
            "RT-02 kept EpisodeOfCare/20 RTT:2 of 01",
            "RT-01 kept EpisodeOfCare/21 RTT:3 of 01",
            "RT-02 kept EpisodeOfCare/23 RTT:5 of 01",
            "EN-01 kept Encounter/2a SPELLS:2 of 01",
            "AL-06 excluded Flag/- ALERTS:1 of 01",
        ]
    );
    let ledgers = &finished.manifest().ledgers.controls;
    let allergies = ledgers.iter().find(|l| l.domain == Domain::Allergy).unwrap();
    assert_eq!(allergies.rows, 5);
    assert_eq!(
        allergies.outcomes.clone().unwrap(),
        BTreeMap::from([
            (ControlOutcome::Delivered, 1),
            (ControlOutcome::Refused, 1),
            (ControlOutcome::Superseded, 1),
            (ControlOutcome::Lost, 2)
        ])
    );
}

#[test]
fn what_the_project_holds_is_held_and_not_told_as_changed() {
    let world = World {
        controls: vec![control(Domain::Appointment, "SCHEDULES", 1, "2026-07-03T09:30:00+01:00")],
        mapped: vec![patient(1, "")],
        linked: vec![patient(1, ""), appointment(21, 1, "2026-07-03T09:30:00+00:00", 1)],
        ..World::default()
    };
    let Some(finished) = validate(&world, &[("AP-02", RuleAction::Hold)]) else { return };
    let finished = finished.unwrap();
    assert!(outcomes(&finished).starts_with("appointment SCHEDULES:1 held AP-02 15 of 01"), "{}", outcomes(&finished));
    assert_eq!(finished.manifest().ledgers.resources["Appointment"].held, 1);
}

#[test]
fn a_count_whose_rows_are_not_all_accounted_for_stops_the_stage() {
    let world = World {
        controls: vec![control(Domain::Allergy, "ALLERGIES", 1, "")],
        n_missing: 1,
        mapped: vec![patient(1, "")],
        linked: vec![patient(1, ""), allergy(11, 1, "91936005", 1)],
        ..World::default()
    };
    let Some(result) = validate(&world, &[]) else { return };
    match result {
        Err(ValidateError::Run(RunError::Unbalanced(imbalance))) => {
            assert_eq!((imbalance.left, imbalance.right), (2, 1));
            assert_eq!(imbalance.what, "control allergy of RK9/ipm/ALLERGIES");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rules_over_patients_look_at_each_record_of_a_composed_person() {
    // The second record's death is before the birth; the person's record takes the first one's.
    let world = World {
        mapped: vec![
            patient(1, r#","deceasedDateTime":"2020-05-05""#),
            patient(2, r#","deceasedDateTime":"1949-05-05""#),
            patient(3, ""),
        ],
        linked: vec![patient(1, r#","deceasedDateTime":"2020-05-05""#), patient(3, "")],
        links: vec![(2, 1)],
        ..World::default()
    };
    let Some(finished) = validate(&world, &[]) else { return };
    assert_eq!(hazards(&finished.unwrap()), ["DE-02 kept Patient/01 PATIENTS:2 of 01"]);
}

#[test]
fn hazards_between_resources_are_found_after_link_and_told_at_their_rows() {
    let waiting = |n: u8, patient: u8| {
        let rest = format!(
            r#","status":"active","intent":"order","category":[{{"coding":[{{"system":"https://x.example/CodeSystem/request-category","code":"waiting-list"}}]}}],"subject":{{"reference":"Patient/{}"}}"#,
            id(patient)
        );
        Made("ServiceRequest", n, rest, "WAITING", 1)
    };
    let seen = |n: u8, patient: u8, row: u64| {
        let rest = format!(
            r#","extension":[{{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-OutcomeOfAttendance","valueCodeableConcept":{{"coding":[{{"code":"3"}}]}}}}],"status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},"subject":{{"reference":"Patient/{}"}}"#,
            id(patient)
        );
        Made("Encounter", n, rest, "SCHEDULES", row)
    };
    let dead = r#","deceasedDateTime":"2026-05-05""#;
    let cut = Made("Organization", 61, r#","name":"Surgery at the end of the long lane""#.to_owned(), "PRACTICES", 1);
    let world = World {
        linked: vec![
            patient(1, dead),
            patient(2, ""),
            allergy(11, 2, "716186003", 1),
            allergy(12, 2, "91936005", 2),
            allergy(13, 1, "716186003", 3),
            appointment(21, 1, "2026-12-03T09:30:00+00:00", 1),
            appointment(22, 2, "2026-12-03T09:30:00+00:00", 2),
            waiting(31, 2),
            seen(41, 1, 3),
            seen(42, 2, 4),
            cut,
        ],
        ..World::default()
    };
    let Some(finished) = validate(&world, &[]) else { return };
    assert_eq!(
        hazards(&finished.unwrap()),
        [
            "AL-03 kept AllergyIntolerance/0b ALLERGIES:1 of 02",
            "AP-04 kept Encounter/29 SCHEDULES:3 of 01",
            "DA-02 kept Organization/3d PRACTICES:1 of -",
            "DE-03 kept Appointment/15 SCHEDULES:1 of 01",
        ]
    );
}

#[test]
fn what_mapping_met_is_told_under_the_hazard_and_the_persons_id() {
    let met = |code: &str, path: &str, kind: &str, n: u8| {
        let mut issue = Issue::new(code, Severity::Warning, Action::Omitted, Stage::Map);
        (issue.organisation, issue.system) = (Some("RK9".to_owned()), Some("ipm".to_owned()));
        (issue.table, issue.row_no) = (Some("T".to_owned()), Some(7));
        issue.fhir_path = Some(path.to_owned());
        (issue.resource_type, issue.resource_id) = (Some(kind.to_owned()), Some(id(n)));
        issue.patient_key = Some(id(2));
        issue
    };
    let world = World {
        map_issues: vec![
            met("MAP0410", "Patient.birthDate", "Patient", 2),
            met("MAP0410", "Encounter.period.end", "Encounter", 9),
            met("MAP0420", "Flag.code.coding", "Flag", 9),
            met("MAP0420", "AllergyIntolerance.code", "AllergyIntolerance", 9),
        ],
        mapped: vec![patient(1, ""), patient(2, "")],
        linked: vec![patient(1, "")],
        links: vec![(2, 1)],
        ..World::default()
    };
    let Some(finished) = validate(&world, &[]) else { return };
    assert_eq!(hazards(&finished.unwrap()), ["ID-09 omitted Patient/01 T:7 of 01", "CO-04 omitted Flag/09 T:7 of 01"]);
}

fn keep(domain: Domain, table: &str, row_no: u64, says: &str) -> KeepRecord {
    KeepRecord {
        organisation: "RK9".to_owned(),
        system: "ipm".to_owned(),
        table: table.to_owned(),
        row_no,
        domain,
        says: says.to_owned(),
        patient_hash: Some("01".repeat(16)),
    }
}

#[test]
fn what_a_source_s_row_says_is_compared_with_its_resource_and_held_where_the_project_says_so() {
    let observation = |n: u8, patient: u8, row: u64| {
        let rest = format!(
            r#","status":"final","code":{{"text":"Weight"}},"subject":{{"reference":"Patient/{}"}},"valueQuantity":{{"value":5,"unit":"g"}}"#,
            id(patient)
        );
        Made("Observation", n, rest, "OBSERVATIONS", row)
    };
    let all = || {
        vec![
            patient(1, ""),
            patient(2, ""),
            allergy(11, 1, "91936005", 1),
            observation(21, 1, 1),
            observation(22, 2, 2),
        ]
    };
    let world = World {
        keeps: vec![
            keep(Domain::Pmi, "PATIENTS", 1, "date=year\nrestricted=R\n"),
            keep(Domain::Allergy, "ALLERGIES", 1, "status=refuted\n"),
            keep(Domain::Observation, "OBSERVATIONS", 1, "unit=g\n"),
            keep(Domain::Observation, "OBSERVATIONS", 2, "unit=kg\n"),
            // Of this row nothing came.
            keep(Domain::Observation, "OBSERVATIONS", 3, "unit=kg\n"),
        ],
        mapped: all(),
        linked: all(),
        ..World::default()
    };
    let Some(finished) = validate(&world, &[("ID-11", RuleAction::Hold), ("AL-05", RuleAction::Hold)]) else { return };
    let mut found = hazards(&finished.unwrap());
    found.sort();
    assert_eq!(
        found,
        [
            "AL-05 held AllergyIntolerance/0b ALLERGIES:1 of 01",
            "DA-05 kept Patient/01 PATIENTS:1 of 01",
            "ID-11 held Patient/01 PATIENTS:1 of 01",
            "RE-01 kept Observation/16 OBSERVATIONS:2 of 01",
            "RE-02 kept Observation/16 OBSERVATIONS:2 of 01",
        ]
    );
}
