//! Writes a run folder with as many findings as asked, makes its report, and says how long that took.
//!
//! `cargo run --release -p epr-report --example findings -- 1000000 target/findings`
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use epr_model::schema::{TableKey, TableSchema};
use epr_model::{Action, Domain, Issue, IssueDoc, ResourceId, RowOutcome, Severity, Stage};
use epr_report::{Hint, ReportInput, When};
use epr_run::context::Silent;
use epr_run::folder::{OldSignature, StageTimes};
use epr_run::ledger::{MapLedger, ResourceLedger, TableLedger};
use epr_run::records::{CandidateRecord, HoldRecord, LinkRecord, RecordWriter, RowRecord, UnmappedCodeRecord};
use epr_run::staged::StagedTable;
use epr_run::{Manifest, RunFolder, RunInfo, Sha256Hex, StageContext, StopFlag};

const RULES: &[(&str, Severity, Action, Stage, &str, &str, &str)] = &[
    (
        "EXT0107",
        Severity::Warning,
        Action::Kept,
        Stage::Extract,
        "PATIENTS",
        "",
        "a byte cannot be read in the declared encoding",
    ),
    (
        "ID-01",
        Severity::Warning,
        Action::Degraded,
        Stage::Map,
        "PATIENTS",
        "Patient.identifier[nhsNumber].value",
        "an NHS number fails its check digit",
    ),
    (
        "ID-03",
        Severity::Error,
        Action::Kept,
        Stage::Link,
        "PATIENTS",
        "Patient.identifier[nhsNumber].value",
        "one NHS number is shared by two people with different dates of birth",
    ),
    (
        "MAP0401",
        Severity::Warning,
        Action::Omitted,
        Stage::Map,
        "PATIENTS",
        "Patient.gender",
        "a source code has no map",
    ),
    (
        "MAP0410",
        Severity::Warning,
        Action::Omitted,
        Stage::Map,
        "PATIENTS",
        "Patient.birthDate",
        "a date of birth is a placeholder",
    ),
    (
        "MAP0432",
        Severity::Information,
        Action::Defaulted,
        Stage::Map,
        "SPELLS",
        "Encounter.class",
        "a missing value was filled with the mapping's default",
    ),
    (
        "MAP0441",
        Severity::Warning,
        Action::Kept,
        Stage::Map,
        "SPELLS",
        "Encounter.period.start",
        "a local time stands in the autumn fold; the first of the two was taken",
    ),
    (
        "MAP0501",
        Severity::Error,
        Action::Refused,
        Stage::Map,
        "SPELLS",
        "Encounter.subject",
        "a row has a null in its key",
    ),
    (
        "VAL0101",
        Severity::Error,
        Action::Held,
        Stage::Validate,
        "",
        "Encounter.status",
        "an element that must be there is absent",
    ),
    (
        "VAL0210",
        Severity::Warning,
        Action::Kept,
        Stage::Validate,
        "",
        "Patient.address[0].postalCode",
        "a text is longer than the profile advises",
    ),
];

fn id(kind: u8, n: u64) -> ResourceId {
    let hash = Sha256Hex::of_bytes(&[&[kind][..], &n.to_le_bytes()].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_str().as_bytes()[..16]);
    ResourceId::from_bytes(bytes)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let n: u64 = args.next().map_or(100_000, |a| a.parse().unwrap());
    let root = PathBuf::from(args.next().unwrap_or_else(|| "target/findings".to_owned()));
    let _ = std::fs::remove_dir_all(&root);
    let run = write(&root, n);
    let docs: Vec<IssueDoc> = RULES
        .iter()
        .map(|r| IssueDoc {
            code: r.0,
            severity: r.1,
            title: r.6,
            explanation: "What it means for the record, what was done, and what to do next stands here in two or three plain sentences, so that the reader need not open another document.",
        })
        .collect();
    let input = ReportInput {
        run_hash: run.info().unwrap().run_hash,
        when: When::BeforeLoad,
        old_signature: OldSignature::Discard,
        docs: &docs,
        hazards: BTreeMap::new(),
        settings: BTreeMap::new(),
        packages: vec!["hl7.fhir.r4.core@4.0.1".to_owned(), "fhir.r4.ukcore.stu2@2.0.1".to_owned()],
        hints: vec![Hint {
            purpose: "Sign".to_owned(),
            command: format!(
                "epr sign --run-dir {} --by NAME --role CSO --decision accept --waivers waivers.csv",
                root.display()
            ),
        }],
    };
    let stop = StopFlag::new();
    let (began, cpu) = (Instant::now(), cpu_ms());
    let report = epr_report::run(StageContext { run: &run, progress: &Silent, stop: &stop }, &input).unwrap();
    let page = report.manifest().files.iter().find(|f| f.path == "report.html").unwrap().bytes;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
    println!(
        "{n} findings: {:.2} s ({} ms of CPU), page {page} bytes, {peak}",
        began.elapsed().as_secs_f64(),
        cpu_ms() - cpu
    );
}

/// What this process has used so far: on a shared machine, wall time says little.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat.split(' ').skip(13).take(2).filter_map(|f| f.parse().ok()).collect();
    // The kernel counts in hundredths of a second.
    fields.iter().sum::<u64>() * 10
}

fn write(root: &std::path::Path, n: u64) -> RunFolder {
    let times = |a: &str, b: &str| StageTimes { began_at: a.to_owned(), ended_at: b.to_owned() };
    let info = RunInfo {
        schema: 1,
        run_hash: Sha256Hex::of_bytes(b"findings"),
        epr_version: "0.1.0".to_owned(),
        project: "synthetic peninsula".to_owned(),
        trial: Some("TL2".to_owned()),
        as_of: "2026-11-01T00:00:00Z".to_owned(),
        started_by: "example".to_owned(),
        started_at: "2026-11-01T09:00:00Z".to_owned(),
        hashes: ["binary", "mappings", "packages", "project", "sources"]
            .map(|h| (h.to_owned(), Sha256Hex::of_bytes(h.as_bytes())))
            .into(),
        stages: BTreeMap::from([
            ("extract".to_owned(), times("2026-11-01T09:00:00Z", "2026-11-01T09:41:12Z")),
            ("map".to_owned(), times("2026-11-01T09:41:12Z", "2026-11-01T10:03:02Z")),
            ("link".to_owned(), times("2026-11-01T10:03:02Z", "2026-11-01T10:04:02Z")),
            ("validate".to_owned(), times("2026-11-01T10:04:02Z", "2026-11-01T12:10:00Z")),
        ]),
    };
    let run = RunFolder::create(root, &info).unwrap();
    let people = (n / 2).max(2000);
    let spells = people * 3;
    let manifest = |stage| Manifest::new(stage, info.run_hash.clone());
    let per_rule = |r: usize| if r == 2 { 17.min(n) } else { n * (RULES.len() - r) as u64 / 55 };

    for stage in [Stage::Extract, Stage::Map, Stage::Link, Stage::Validate] {
        let out = run.begin(stage, OldSignature::Discard).unwrap();
        let mut issues = RecordWriter::<Issue>::new(&out).unwrap();
        for (r, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.3 == stage) {
            for i in 0..per_rule(r) {
                issues.push(&issue(rule, i, people)).unwrap();
            }
        }
        issues.finish().unwrap();
        let mut m = manifest(stage);
        match stage {
            Stage::Extract => {
                m.tables = [
                    ("ref_ipm", "REF", "PATIENTS", people / 3),
                    ("rk9_ipm", "RK9", "PATIENTS", people - people / 3),
                    ("rk9_ipm", "RK9", "SPELLS", spells),
                    ("rk9_ipm", "RK9", "CODES", 812),
                ]
                .map(|(source, organisation, table, n_rows)| staged(source, organisation, table, n_rows))
                .to_vec();
                m.cut_off = Some("2026-10-31T23:00:00Z".to_owned());
            }
            Stage::Map => map(&out, &mut m, people, spells),
            Stage::Link => link(&out, people),
            _ => validate(&out, &mut m, people, spells, per_rule(8).min(spells / 10)),
        }
        out.finish(m).unwrap();
    }
    run
}

fn issue(rule: &(&str, Severity, Action, Stage, &str, &str, &str), i: u64, people: u64) -> Issue {
    let (code, severity, action, stage, table, path, _) = *rule;
    let organisation = if i.is_multiple_of(3) && table == "PATIENTS" { "REF" } else { "RK9" };
    let resource_type = path.split('.').next().filter(|t| !t.is_empty());
    let patient = id(1, i * 7 % people);
    let map = (stage == Stage::Map).then(|| {
        format!("{}/ipm/{}", organisation.to_lowercase(), if table == "SPELLS" { "encounter" } else { "patient" })
    });
    Issue {
        organisation: (!table.is_empty()).then(|| organisation.to_owned()),
        system: (!table.is_empty()).then(|| "ipm".to_owned()),
        table: (!table.is_empty()).then(|| table.to_owned()),
        row_no: (!table.is_empty()).then_some(i + 1),
        column: (!table.is_empty()).then(|| "SEXXX_CODE".to_owned()),
        map_line: map.as_ref().map(|_| 27 + code.len() as u32),
        map,
        resource_type: resource_type.map(str::to_owned),
        resource_id: resource_type.map(|t| if t == "Patient" { patient } else { id(2, i) }),
        fhir_path: (!path.is_empty()).then(|| path.to_owned()),
        shape: Some("10 characters, dd/dd/dddd".to_owned()),
        patient_key: (stage != Stage::Extract).then_some(patient),
        ..Issue::new(code, severity, action, stage)
    }
}

fn staged(source: &str, organisation: &str, table: &str, n_rows: u64) -> StagedTable {
    StagedTable {
        source: source.to_owned(),
        organisation: organisation.to_owned(),
        system: "ipm".to_owned(),
        schema: TableSchema {
            name: table.to_owned(),
            key: TableKey::Row,
            columns: Vec::new(),
            optional: false,
            parent: None,
        },
        n_rows,
        parts: Vec::new(),
    }
}

fn map(out: &epr_run::StageFolder, m: &mut Manifest, people: u64, spells: u64) {
    let ledger = |organisation: &str, name: &str, table: &str, domain, in_scope: u64, refused, excluded, superseded| {
        let mapped = in_scope - refused - excluded - superseded;
        MapLedger {
            map: format!("{}/ipm/{name}", organisation.to_lowercase()),
            organisation: organisation.to_owned(),
            system: "ipm".to_owned(),
            table: table.to_owned(),
            domain,
            in_scope,
            mapped,
            refused,
            excluded,
            superseded,
            repeated: 0,
            empty: 0,
            n_resources: mapped,
            owner: Some("CSO Plymouth".to_owned()),
        }
    };
    let third = people / 3;
    let maps = vec![
        ledger("REF", "patient", "PATIENTS", Domain::Pmi, third, 3, third / 40, 0),
        ledger("RK9", "patient", "PATIENTS", Domain::Pmi, people - third, 14, third / 25, 5),
        ledger("RK9", "encounter", "SPELLS", Domain::Spell, spells, 31, spells / 30, 0),
    ];
    let mut rows = RecordWriter::<RowRecord>::new(out).unwrap();
    for l in &maps {
        let outcomes = [
            (RowOutcome::Mapped, l.mapped),
            (RowOutcome::Refused, l.refused),
            (RowOutcome::Excluded, l.excluded),
            (RowOutcome::Superseded, l.superseded),
        ];
        let mut row_no = 0;
        for (outcome, n) in outcomes {
            for _ in 0..n {
                row_no += 1;
                rows.push(&RowRecord {
                    table: format!("{}/ipm/{}", l.organisation, l.table),
                    row_no,
                    map: l.map.clone(),
                    domain: l.domain,
                    outcome,
                    n_resources: 1,
                    measures: None,
                    issue: None,
                })
                .unwrap();
            }
        }
    }
    rows.finish().unwrap();
    let mut codes = RecordWriter::<UnmappedCodeRecord>::new(out).unwrap();
    for n in 0..40_u32 {
        let (map, code_map) =
            [("rk9/ipm/patient", "rk9/ipm/codes/sex.csv"), ("ref/ipm/patient", "codes/ethnic-category.csv")]
                [n as usize % 2];
        codes
            .push(&UnmappedCodeRecord {
                map: map.to_owned(),
                map_line: 25 + n % 4,
                code_map: code_map.to_owned(),
                table: "RK9/ipm/PATIENTS".to_owned(),
                column: "SEXXX_CODE".to_owned(),
                source_code: format!("Z{n}"),
                n_rows: u64::from(n) + 1,
            })
            .unwrap();
    }
    codes.finish().unwrap();
    let table = |organisation: &str, table: &str, rows, lookup_only| TableLedger {
        organisation: organisation.to_owned(),
        system: "ipm".to_owned(),
        table: table.to_owned(),
        rows,
        in_scope: rows - lookup_only,
        lookup_only,
        not_used: 0,
        reason: None,
    };
    m.ledgers.tables = vec![
        table("REF", "PATIENTS", third, 0),
        table("RK9", "PATIENTS", people - third, 0),
        table("RK9", "SPELLS", spells, 0),
        table("RK9", "CODES", 812, 812),
    ];
    m.resources = BTreeMap::from([
        ("Patient".to_owned(), maps[0].mapped + maps[1].mapped),
        ("Encounter".to_owned(), maps[2].mapped),
    ]);
    m.ledgers.maps = maps;
}

fn link(out: &epr_run::StageFolder, people: u64) {
    let mut links = RecordWriter::<LinkRecord>::new(out).unwrap();
    for n in 0..people / 10 {
        let evidence = ["nhs-number+birth-date+family", "nhs-number+birth-date+former-family"][usize::from(n % 9 == 0)];
        links
            .push(&LinkRecord {
                retired_id: id(1, n * 2 + 1),
                person_id: id(1, n * 2),
                evidence: evidence.to_owned(),
                decision: "automatic".to_owned(),
            })
            .unwrap();
    }
    links.finish().unwrap();
    let mut candidates = RecordWriter::<CandidateRecord>::new(out).unwrap();
    for n in 0..213 {
        candidates
            .push(&CandidateRecord {
                left_id: id(1, n),
                right_id: id(1, n + 5000),
                evidence: "birth-date+family+postcode".to_owned(),
                reason: "no verified NHS number".to_owned(),
            })
            .unwrap();
    }
    candidates.finish().unwrap();
}

fn validate(out: &epr_run::StageFolder, m: &mut Manifest, people: u64, spells: u64, held: u64) {
    let mut holds = RecordWriter::<HoldRecord>::new(out).unwrap();
    for n in 0..held {
        let root_cause = (n % 4 == 3).then(|| format!("Encounter/{}", id(2, n - 1)));
        holds
            .push(&HoldRecord {
                resource_type: "Encounter".to_owned(),
                id: id(2, n),
                rule: "VAL0101".to_owned(),
                root_cause,
            })
            .unwrap();
    }
    holds.finish().unwrap();
    let third = people / 3;
    let patients = people - 3 - third / 40 - 14 - third / 25 - 5;
    let encounters = spells - 31 - spells / 30;
    let ledger = |mapped: u64, merged: u64, held: u64| ResourceLedger {
        mapped,
        merged,
        held,
        delivered: mapped - merged - held,
        at_target: None,
    };
    m.ledgers.resources = BTreeMap::from([
        ("Patient".to_owned(), ledger(patients, people / 10, 0)),
        ("Encounter".to_owned(), ledger(encounters, 0, held)),
    ]);
    let text = format!(
        r#"{{"schema":1,"checked":[{{"rule":"binding","n":{patients},"failed":0}},{{"rule":"cardinality","n":{spells},"failed":{held}}},{{"rule":"invariant","n":{spells},"failed":0}}],
        "not_checked":[{{"rule":"binding","element":"Encounter.type","value_set":"http://hl7.org/fhir/ValueSet/encounter-type","reason":"code system http://snomed.info/sct is not loaded","n":{encounters},"example_owner":null}},
        {{"rule":"binding","element":"Encounter.reasonCode","value_set":"http://hl7.org/fhir/ValueSet/encounter-reason","reason":"code system http://snomed.info/sct is not loaded","n":{people},"example_owner":null}},
        {{"rule":"profile","element":"Encounter","value_set":null,"reason":"https://fhir.hl7.org.uk/StructureDefinition/UKCore-Encounter is not loaded","n":{encounters},"example_owner":null}},
        {{"rule":"invariant","element":"Patient","value_set":null,"reason":"function resolve() is not evaluated","n":412,"example_owner":null}}],
        "coded":[{{"system":"http://snomed.info/sct","n":{encounters},"checked":0}},{{"system":"http://hl7.org/fhir/administrative-gender","n":{patients},"checked":{patients}}},{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","n":{encounters},"checked":{people}}}]}}"#
    );
    std::fs::write(out.file("ledger.json").unwrap(), text).unwrap();
}
