//! A small run folder, written by hand: a dozen synthetic people, one of whom has two records.

use std::collections::BTreeMap;
use std::path::Path;

use epr_model::schema::{ColumnKind, ColumnSchema, TableKey, TableSchema};
use epr_model::{Action, ControlOutcome, Domain, Issue, IssueDoc, ResourceId, RowOutcome, Severity, Stage};
use epr_report::{Hint, ReportInput, RuleSetting, When};
use epr_run::context::Silent;
use epr_run::folder::{OldSignature, StageTimes};
use epr_run::ledger::{MapLedger, ResourceLedger, TableLedger, TargetLedger};
use epr_run::records::{
    CandidateRecord, ControlOutcomeRecord, HoldRecord, KeyRecord, LinkRecord, RecordWriter, RefRecord, RowRecord,
    UnmappedCodeRecord,
};
use epr_run::staged::StagedTable;
use epr_run::{FinishedStage, Manifest, RunFolder, RunInfo, Sha256Hex, StageContext, StopFlag};

/// What stands in the restricted files of the fixture and may stand in no file of a report.
pub(crate) const PLANTED: [&str; 8] =
    ["O'Neill", "Quillfeather", "9990000107", "999 000 0107", "1950-06-13", "13/06/1950", "PL4 8AA", "ZX-SECRET-CODE"];

pub(crate) const DOCS: &[IssueDoc] = &[
    IssueDoc {
        code: "EXT0201",
        severity: Severity::Information,
        title: "a table that may be absent is absent",
        explanation: "The source spec declares the table optional. It was staged with no rows.",
    },
    IssueDoc {
        code: "ID-03",
        severity: Severity::Error,
        title: "one NHS number is shared by two people with different dates of birth",
        explanation: "Two records may be mixed. Neither was merged. Ask the trusts which record the number belongs to.",
    },
    IssueDoc {
        code: "MAP0401",
        severity: Severity::Warning,
        title: "a source code has no map",
        explanation: "The element was left out, as the mapping says. Add the code to the code map.",
    },
    IssueDoc {
        code: "MAP0410",
        severity: Severity::Warning,
        title: "a date of birth is a placeholder",
        explanation: "The element was left out. The source holds the date that its forms fill in by default.",
    },
    IssueDoc {
        code: "VAL0101",
        severity: Severity::Error,
        title: "an element that must be there is absent",
        explanation: "The profile asks for the element. The resource is held.",
    },
];

pub(crate) fn id(kind: u8, n: u8) -> ResourceId {
    let mut bytes = [n; 16];
    bytes[0] = kind.wrapping_mul(37).wrapping_add(n.wrapping_mul(19));
    bytes[1] = kind;
    ResourceId::from_bytes(bytes)
}

pub(crate) fn info() -> RunInfo {
    let times = |a: &str, b: &str| StageTimes { began_at: a.to_owned(), ended_at: b.to_owned() };
    RunInfo {
        schema: 1,
        run_hash: Sha256Hex::of_bytes(b"run"),
        epr_version: "0.1.0".to_owned(),
        project: "peninsula".to_owned(),
        trial: Some("TL2".to_owned()),
        as_of: "2026-11-01T00:00:00Z".to_owned(),
        started_by: "tester".to_owned(),
        started_at: "2026-11-01T09:00:00Z".to_owned(),
        hashes: ["binary", "mappings", "packages", "project"]
            .map(|n| (n.to_owned(), Sha256Hex::of_bytes(n.as_bytes())))
            .into(),
        stages: BTreeMap::from([
            ("extract".to_owned(), times("2026-11-01T09:00:00Z", "2026-11-01T09:41:12Z")),
            ("map".to_owned(), times("2026-11-01T09:41:12Z", "2026-11-01T09:43:02Z")),
            ("link".to_owned(), times("2026-11-01T09:43:02Z", "2026-11-01T09:43:02Z")),
            ("validate".to_owned(), times("2026-11-01T09:43:03Z", "2026-11-01T12:10:00Z")),
        ]),
    }
}

pub(crate) fn input(when: When) -> ReportInput<'static> {
    ReportInput {
        run_hash: info().run_hash,
        when,
        old_signature: OldSignature::Keep,
        docs: DOCS,
        hazards: BTreeMap::new(),
        settings: BTreeMap::from([("MAP0410".to_owned(), RuleSetting::Deliver)]),
        packages: vec!["hl7.fhir.r4.core@4.0.1".to_owned()],
        hints: vec![Hint {
            purpose: "Sign".to_owned(),
            command: "epr sign --by NAME --role CSO --decision accept --waivers waivers.csv".to_owned(),
        }],
    }
}

pub(crate) fn report(run: &RunFolder, input: &ReportInput<'_>) -> FinishedStage {
    let stop = StopFlag::new();
    epr_report::run(StageContext { run, progress: &Silent, stop: &stop }, input).unwrap()
}

/// What a test may want to be otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One hazard, one hold with a dependant, one unmapped code, one refused row.
    Flawed,
    /// Nothing is wrong.
    Clean,
    /// A row that has no outcome in `rows.parquet`, though the ledger says it has.
    RowLost,
}

pub(crate) fn write(root: &Path, kind: Kind) -> RunFolder {
    let run = RunFolder::create(root, &info()).unwrap();
    let flawed = kind == Kind::Flawed;
    extract(&run, flawed);
    map(&run, kind);
    link(&run, flawed);
    validate(&run, flawed);
    run
}

fn manifest(stage: Stage) -> Manifest {
    Manifest::new(stage, info().run_hash)
}

fn column(name: &str) -> ColumnSchema {
    ColumnSchema { name: name.to_owned(), kind: ColumnKind::Text, optional: false, class: None }
}

fn staged(name: &str, n_rows: u64) -> StagedTable {
    StagedTable {
        source: "rk9_ipm".to_owned(),
        organisation: "RK9".to_owned(),
        system: "ipm".to_owned(),
        schema: TableSchema {
            name: name.to_owned(),
            key: TableKey::Columns(vec!["ID".to_owned()]),
            columns: vec![column("ID"), column("SURNAME")],
            optional: false,
            parent: None,
        },
        n_rows,
        parts: Vec::new(),
    }
}

fn issues(stage: &epr_run::StageFolder, issues: &[Issue]) {
    let mut writer = RecordWriter::<Issue>::new(stage).unwrap();
    for issue in issues {
        writer.push(issue).unwrap();
    }
    writer.finish().unwrap();
}

fn place(issue: Issue, table: &str, row_no: u64, column: &str) -> Issue {
    Issue {
        organisation: Some("RK9".to_owned()),
        system: Some("ipm".to_owned()),
        table: Some(table.to_owned()),
        row_no: Some(row_no),
        column: Some(column.to_owned()),
        ..issue
    }
}

fn extract(run: &RunFolder, flawed: bool) {
    let stage = run.begin(Stage::Extract, OldSignature::Keep).unwrap();
    if flawed {
        let issue = Issue::new("EXT0201", Severity::Information, Action::Kept, Stage::Extract);
        let (table, organisation) = (Some("ALERTS".to_owned()), Some("RK9".to_owned()));
        // No stage writes a value where a shape belongs; if one ever did, it must go no further.
        let shape = Some("999 000 0107, 13/06/1950".to_owned());
        issues(&stage, &[Issue { table, organisation, shape, ..issue }]);
    }
    // A restricted file that holds what a report must never show.
    std::fs::write(stage.file("rk9_ipm/PATIENTS/part-0000.parquet").unwrap(), PLANTED.join("\n")).unwrap();
    let manifest = Manifest {
        tables: vec![staged("PATIENTS", 13), staged("SPELLS", 20), staged("CODES", 4)],
        cut_off: Some("2026-10-31T23:00:00Z".to_owned()),
        ..manifest(Stage::Extract)
    };
    stage.finish(manifest).unwrap();
}

fn map(run: &RunFolder, kind: Kind) {
    let stage = run.begin(Stage::Map, OldSignature::Keep).unwrap();
    let flawed = kind == Kind::Flawed;
    let n_refused = u64::from(flawed);
    let ledger = |map: &str, table: &str, domain, in_scope: u64, refused: u64, excluded: u64| MapLedger {
        map: format!("rk9/ipm/{map}"),
        organisation: "RK9".to_owned(),
        system: "ipm".to_owned(),
        table: table.to_owned(),
        domain,
        in_scope,
        mapped: in_scope - refused - excluded,
        refused,
        excluded,
        superseded: 0,
        repeated: 0,
        empty: 0,
        n_resources: in_scope - refused - excluded,
        owner: Some("CSO Plymouth".to_owned()),
    };
    let maps = vec![
        ledger("encounter", "SPELLS", Domain::Spell, 20, 0, 2),
        ledger("patient", "PATIENTS", Domain::Pmi, 13, n_refused, 0),
    ];
    write_rows(&stage, &maps, kind);
    if flawed {
        let found = |code: &str, severity, action| Issue {
            map: Some("rk9/ipm/patient".to_owned()),
            map_line: Some(27),
            resource_type: Some("Patient".to_owned()),
            fhir_path: Some("Patient.birthDate".to_owned()),
            shape: Some("10 characters, dd/dd/dddd".to_owned()),
            ..Issue::new(code, severity, action, Stage::Map)
        };
        let birth = |n: u8| {
            let issue =
                place(found("MAP0410", Severity::Warning, Action::Omitted), "PATIENTS", u64::from(n), "DTTM_OF_BIRTH");
            Issue { resource_id: Some(id(1, n)), patient_key: Some(id(1, n)), ..issue }
        };
        let unmapped = |n: u8| Issue {
            code: "MAP0401".to_owned(),
            map_line: Some(25),
            fhir_path: Some("Patient.gender".to_owned()),
            shape: Some("2 characters, ad".to_owned()),
            column: Some("SEXXX_CODE".to_owned()),
            ..birth(n)
        };
        let refused = place(found("MAP0501", Severity::Error, Action::Refused), "PATIENTS", 13, "ID");
        // Records 2 and 3 are one person; record 4 has two findings of one rule.
        issues(&stage, &[birth(2), birth(3), birth(4), birth(4), unmapped(5), unmapped(6), refused]);
        let mut writer = RecordWriter::<UnmappedCodeRecord>::new(&stage).unwrap();
        for (source_code, n_rows) in [("ZX-SECRET-CODE", 1), ("Z9", 1)] {
            let record = UnmappedCodeRecord {
                map: "rk9/ipm/patient".to_owned(),
                map_line: 25,
                code_map: "rk9/ipm/codes/sex.csv".to_owned(),
                table: "RK9/ipm/PATIENTS".to_owned(),
                column: "SEXXX_CODE".to_owned(),
                source_code: source_code.to_owned(),
                n_rows,
            };
            writer.push(&record).unwrap();
        }
        writer.finish().unwrap();
    }
    let mut keys = RecordWriter::<KeyRecord>::new(&stage).unwrap();
    for n in 1..=12 {
        let record = KeyRecord {
            resource_type: "Patient".to_owned(),
            id: id(1, n),
            key_hash: [n; 16],
            content_hash: [n; 32],
            table: "RK9/ipm/PATIENTS".to_owned(),
            part: 0,
            row_no: u64::from(n),
            map: "rk9/ipm/patient".to_owned(),
        };
        keys.push(&record).unwrap();
    }
    keys.finish().unwrap();
    let mut refs = RecordWriter::<RefRecord>::new(&stage).unwrap();
    for n in 0..18 {
        let (from_type, to_type) = ("Encounter".to_owned(), "Patient".to_owned());
        let record = RefRecord {
            from_type,
            from_id: id(2, n),
            to_type,
            to_id: id(1, n % 12 + 1),
            path: "Encounter.subject".to_owned(),
        };
        refs.push(&record).unwrap();
    }
    refs.finish().unwrap();
    let table = |table: &str, rows, in_scope, lookup_only| TableLedger {
        organisation: "RK9".to_owned(),
        system: "ipm".to_owned(),
        table: table.to_owned(),
        rows,
        in_scope,
        lookup_only,
        not_used: 0,
        reason: None,
    };
    let mut manifest = manifest(Stage::Map);
    manifest.resources = BTreeMap::from([("Encounter".to_owned(), 18), ("Patient".to_owned(), 13 - n_refused)]);
    manifest.ledgers.maps = maps;
    manifest.ledgers.tables = vec![table("PATIENTS", 13, 13, 0), table("SPELLS", 20, 20, 0), table("CODES", 4, 0, 4)];
    stage.finish(manifest).unwrap();
}

fn write_rows(stage: &epr_run::StageFolder, maps: &[MapLedger], kind: Kind) {
    let mut writer = RecordWriter::<RowRecord>::new(stage).unwrap();
    for l in maps {
        let mut row_no = 0;
        for (outcome, n) in
            [(RowOutcome::Mapped, l.mapped), (RowOutcome::Excluded, l.excluded), (RowOutcome::Refused, l.refused)]
        {
            for _ in 0..n {
                row_no += 1;
                if kind == Kind::RowLost && row_no == 7 && l.domain == Domain::Spell {
                    continue;
                }
                let record = RowRecord {
                    table: format!("RK9/ipm/{}", l.table),
                    row_no,
                    map: l.map.clone(),
                    domain: l.domain,
                    outcome,
                    n_resources: u32::from(outcome == RowOutcome::Mapped),
                    measures: None,
                    issue: None,
                };
                writer.push(&record).unwrap();
            }
        }
    }
    writer.finish().unwrap();
}

fn link(run: &RunFolder, flawed: bool) {
    let stage = run.begin(Stage::Link, OldSignature::Keep).unwrap();
    let mut links = RecordWriter::<LinkRecord>::new(&stage).unwrap();
    let mut candidates = RecordWriter::<CandidateRecord>::new(&stage).unwrap();
    if flawed {
        let link = LinkRecord {
            retired_id: id(1, 3),
            person_id: id(1, 2),
            evidence: "nhs-number+birth-date+family".to_owned(),
            decision: "automatic".to_owned(),
        };
        links.push(&link).unwrap();
        let candidate = CandidateRecord {
            left_id: id(1, 7),
            right_id: id(1, 8),
            evidence: "birth-date+family+postcode".to_owned(),
            reason: "no verified NHS number".to_owned(),
        };
        candidates.push(&candidate).unwrap();
        let hazard = |n: u8| Issue {
            resource_type: Some("Patient".to_owned()),
            resource_id: Some(id(1, n)),
            fhir_path: Some("Patient.identifier[nhsNumber].value".to_owned()),
            shape: Some("two dates of birth, more than a year apart".to_owned()),
            patient_key: Some(id(1, n)),
            ..Issue::new("ID-03", Severity::Error, Action::Kept, Stage::Link)
        };
        issues(&stage, &[hazard(9), hazard(10)]);
    }
    links.finish().unwrap();
    candidates.finish().unwrap();
    stage.finish(manifest(Stage::Link)).unwrap();
}

fn ledgers(flawed: bool) -> BTreeMap<String, ResourceLedger> {
    let n = u64::from(flawed);
    let ledger = |mapped: u64, merged: u64, held: u64| ResourceLedger {
        mapped,
        merged,
        held,
        delivered: mapped - merged - held,
        at_target: None,
    };
    BTreeMap::from([("Encounter".to_owned(), ledger(18, 0, 2 * n)), ("Patient".to_owned(), ledger(13 - n, n, n))])
}

fn validate(run: &RunFolder, flawed: bool) {
    let stage = run.begin(Stage::Validate, OldSignature::Keep).unwrap();
    let mut holds = RecordWriter::<HoldRecord>::new(&stage).unwrap();
    if flawed {
        let hold = |resource_type: &str, id: ResourceId, root_cause: Option<String>| HoldRecord {
            resource_type: resource_type.to_owned(),
            id,
            rule: "VAL0101".to_owned(),
            root_cause,
        };
        holds.push(&hold("Patient", id(1, 12), None)).unwrap();
        for n in [3, 4] {
            holds.push(&hold("Encounter", id(2, n), Some(format!("Patient/{}", id(1, 12))))).unwrap();
        }
        let issue = Issue::new("VAL0101", Severity::Error, Action::Held, Stage::Validate);
        let issue = Issue {
            resource_type: Some("Patient".to_owned()),
            resource_id: Some(id(1, 12)),
            fhir_path: Some("Patient.name[0].family".to_owned()),
            patient_key: Some(id(1, 12)),
            ..issue
        };
        issues(&stage, &[issue]);
    }
    holds.finish().unwrap();
    controls(&stage, flawed);
    std::fs::write(stage.file("ledger.json").unwrap(), LEDGER).unwrap();
    let mut manifest = manifest(Stage::Validate);
    manifest.ledgers.resources = ledgers(flawed);
    stage.finish(manifest).unwrap();
}

/// Two allergies, three bookings in two clinics, two open pathways; of a flawed run one booking is lost.
fn controls(stage: &epr_run::StageFolder, flawed: bool) {
    let mut writer = RecordWriter::<ControlOutcomeRecord>::new(stage).unwrap();
    let last = if flawed { ControlOutcome::Lost } else { ControlOutcome::Delivered };
    for (row_no, domain, at, place, outcome) in [
        (1, Domain::Allergy, None, None, ControlOutcome::Delivered),
        (2, Domain::Allergy, None, None, ControlOutcome::Delivered),
        (1, Domain::Appointment, Some("2026-11-03T09:30:00+00:00"), Some("ENT1"), ControlOutcome::Delivered),
        (2, Domain::Appointment, Some("2026-11-04T09:30:00+00:00"), Some("ENT1"), ControlOutcome::Delivered),
        (3, Domain::Appointment, Some("2026-12-14T14:00:00+00:00"), Some("DERM2"), last),
        (1, Domain::Rtt, Some("2026-08-14"), None, ControlOutcome::Delivered),
        (2, Domain::Rtt, Some("2025-08-14"), None, ControlOutcome::Delivered),
    ] {
        let record = ControlOutcomeRecord {
            organisation: "RK9".to_owned(),
            system: "ipm".to_owned(),
            table: "T".to_owned(),
            row_no,
            domain,
            at: at.map(str::to_owned),
            specialty: None,
            place: place.map(str::to_owned),
            pathway_hash: None,
            outcome,
            rule: None,
            resource_type: None,
            resource_id: None,
            patient_key: None,
            delivered_at: None,
        };
        writer.push(&record).unwrap();
    }
    writer.finish().unwrap();
}

const LEDGER: &str = r#"{
  "schema": 1,
  "checked": [{"rule": "binding", "n": 40, "failed": 0}, {"rule": "cardinality", "n": 900, "failed": 1}],
  "not_checked": [
    {"rule": "binding", "element": "Encounter.type", "value_set": "http://hl7.org/fhir/ValueSet/encounter-type", "reason": "code system http://snomed.info/sct is not loaded", "n": 18, "example_owner": null},
    {"rule": "invariant", "element": "Patient", "reason": "function resolve() of pat-9 is not evaluated", "n": 12, "example_owner": null}
  ],
  "coded": [
    {"system": "http://snomed.info/sct", "n": 18, "checked": 0},
    {"system": "http://hl7.org/fhir/administrative-gender", "n": 12, "checked": 12}
  ]
}
"#;

/// Loads into a target that confirms everything but `n_rejected` Encounters.
pub(crate) fn load(run: &RunFolder, flawed: bool, n_rejected: u64) {
    let stage = run.begin_load("files").unwrap();
    let mut manifest = manifest(Stage::Load);
    manifest.ledgers.resources = ledgers(flawed);
    for (kind, ledger) in &mut manifest.ledgers.resources {
        let rejected = if kind == "Encounter" { n_rejected } else { 0 };
        let confirmed = ledger.delivered - rejected;
        ledger.at_target = Some(TargetLedger { confirmed, rejected, ..TargetLedger::default() });
    }
    stage.finish(manifest).unwrap();
}
