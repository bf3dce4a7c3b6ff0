//! The synthetic peninsula through the binary, held against the generator's own answer key.
//!
//! The answer key is made from the generator's model of people, never from a mapping or a rule, so one hand's mistake
//! does not agree with itself. `EPR_SEEDS` names the seeds (`1,2,3`); without it only seed 1 is run.
//!
//! | what you want to find | module |
//! |---|---|
//! | people, records, facts and planted defects as the generator wrote them | [`truth`] |
//! | a run folder, read so that a source row can be followed to what became of it | [`outcome`] |

mod outcome;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use epr_model::{HazardSeverity, hazard};
use outcome::{Fate, Outcome};
use truth::Truth;

use crate::binary;

const PEOPLE: u64 = 500;

/// Kinds that stand in the data; the lost and moved halves of others need a faulty mapping.
const PLANTED: [&str; 45] = [
    "AL-02", "AL-03", "AP-03", "AP-04", "CO-01", "CO-02", "CO-03", "CO-04", "DA-01", "DA-02", "DA-03", "DA-04",
    "DE-01", "DE-02", "DE-03", "DE-04", "DO-01", "EN-01", "EN-02", "EN-03", "EN-04", "ID-01", "ID-02", "ID-03",
    "ID-04", "ID-05", "ID-06", "ID-07", "ID-08", "ID-09", "ID-10", "ID-12", "ME-01", "ME-02", "ME-03", "ME-04",
    "ME-05", "OR-01", "RE-01", "RE-02", "RT-01", "RT-02", "RT-03", "RT-04", "RT-05",
];

/// A generated peninsula and the run made of it.
struct Trial {
    /// Kept for as long as the run is looked at.
    _folder: tempfile::TempDir,
    run: PathBuf,
    truth: Truth,
}

fn seeds() -> Vec<u64> {
    let named = std::env::var("EPR_SEEDS").unwrap_or_else(|_| "1".to_owned());
    named.split(',').map(|s| s.trim().parse().expect("EPR_SEEDS holds whole numbers")).collect()
}

fn generate(seed: u64, people: u64, clean: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("peninsula");
    // The runner of the suite says which program it is; a plain `cargo test` builds it.
    let mut command = if let Some(program) = std::env::var_os("EPR_XTASK") {
        Command::new(program)
    } else {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--package", "xtask", "--"]);
        cargo
    };
    command.current_dir(binary::root()).arg("fixtures");
    command.args(["--seed", &seed.to_string(), "--patients", &people.to_string()]).arg("--out").arg(&out);
    if clean {
        command.arg("--clean");
    }
    let output = command.output().expect("the generator starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// Generates and runs; `sets` are further `--set` flags.
fn trial(seed: u64, people: u64, clean: bool, sets: &[(&str, &Path)]) -> Trial {
    let folder = generate(seed, people, clean);
    let input = folder.path().join("peninsula");
    let run = folder.path().join("run");
    binary::expect(&mut binary::run(&input.join("epr.toml"), &run, sets), &[0, 1]);
    let truth = Truth::read(&input.join("truth"));
    Trial { _folder: folder, run, truth }
}

#[test]
fn each_planted_kind_is_found_wherever_it_was_planted() {
    if !binary::can_run() {
        return;
    }
    for seed in seeds() {
        let trial = trial(seed, PEOPLE, false, &[]);
        let outcome = Outcome::read(&trial.run);
        let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut missed = Vec::new();
        for defect in trial.truth.defects() {
            let line = table.entry(defect.kind).or_default();
            line.1 += 1;
            if defect.rows.iter().any(|row| outcome.has_finding(defect.kind, row)) {
                line.0 += 1;
            } else {
                missed.push(format!("{} at {}", defect.kind, defect.rows[0]));
            }
        }
        println!("seed {seed}: found of planted, by kind");
        for (kind, (found, planted)) in &table {
            println!("  {kind}  {found:>4} of {planted:>4}");
        }
        let (found, planted) = table.values().fold((0, 0), |(f, p), (found, planted)| (f + found, p + planted));
        println!("storm: seed {seed}: {found} of {planted} found, {} kinds", table.len());
        assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
        for kind in PLANTED {
            assert!(
                table.get(kind).is_some_and(|(_, planted)| *planted >= 5),
                "{kind} is planted fewer than five times"
            );
        }
        let planted: Vec<_> = trial.truth.defects().into_iter().flat_map(|d| d.rows).collect();
        let held = outcome.held_elsewhere(&planted);
        assert!(held.is_empty(), "held, and nothing was planted there: {held:?}");
        everything_is_accounted_for(&trial, &outcome);
    }
}

/// Every person of the truth is one Patient or named; every live fact is delivered, or held or refused by name.
fn everything_is_accounted_for(trial: &Trial, outcome: &Outcome) {
    let mut unexplained = Vec::new();
    for (person, records) in trial.truth.persons() {
        let mut patients = BTreeSet::new();
        let mut all_meet_the_rule = true;
        let mut is_named = false;
        for record in &records {
            match outcome.patient_of(&record.row) {
                Some(id) => {
                    patients.insert(id);
                    is_named |= outcome.is_candidate(id) || outcome.is_held("Patient", id) || outcome.has_hazard(id);
                }
                None => is_named |= outcome.fate(&record.row, "Patient") == Fate::Refused,
            }
            all_meet_the_rule &= record.meets_the_rule;
        }
        if patients.is_empty() && !is_named {
            unexplained.push(format!("person {person}: no Patient, and nothing says why"));
        } else if patients.len() > 1 && all_meet_the_rule {
            unexplained.push(format!("person {person}: {} Patients, though the records meet the rule", patients.len()));
        } else if patients.len() > 1 && !is_named && !trial.truth.has_unlinked_record(person) {
            unexplained.push(format!("person {person}: {} Patients, and nothing names them", patients.len()));
        }
    }
    for fact in trial.truth.facts() {
        let fate = outcome.fate(&fact.row, fact.resource_type());
        if !matches!(fate, Fate::Delivered | Fate::Held | Fate::Refused) {
            unexplained.push(format!("{} of {}: {fate:?}", fact.domain, fact.row));
        }
    }
    assert!(unexplained.is_empty(), "{} unexplained:\n{}", unexplained.len(), unexplained.join("\n"));
    assert!(trial.truth.shared_patients(outcome).is_empty(), "two people in one Patient");
}

#[test]
fn the_clean_twin_gives_nothing_that_stops_a_load() {
    if !binary::can_run() {
        return;
    }
    for seed in seeds() {
        let trial = trial(seed, PEOPLE, true, &[]);
        let outcome = Outcome::read(&trial.run);
        assert_eq!(trial.truth.defects().len(), 0);
        let mut others = 0;
        let mut serious = Vec::new();
        for (code, n) in outcome.findings() {
            match hazard::severity(code) {
                Some(severity) if severity >= HazardSeverity::Major => serious.push(format!("{code}: {n}")),
                Some(_) => {
                    println!("seed {seed}, clean: {code} {n}");
                    others += n;
                }
                None => {}
            }
        }
        assert!(serious.is_empty(), "seed {seed}: {}", serious.join(", "));
        assert!(others <= 20, "seed {seed}: {others} findings of milder hazards");
        let held: Vec<_> = outcome.holds().collect();
        assert!(held.is_empty(), "seed {seed}: held in a clean run: {held:?}");
        println!("storm: seed {seed}: {others} findings of milder hazards, none of others, nothing held");
        everything_is_accounted_for(&trial, &outcome);
    }
}

/// A fault of a copy of the mappings: what is written in which file, instead of what.
struct Fault {
    kind: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const FAULTS: [Fault; 7] = [
    Fault { kind: "AL-06", file: "rk9/ipm/alert.yaml", from: "where: \"", to: "where: \"$ALERT_CODE == 'MRSA' and " },
    // A filter that somebody narrowed.
    Fault { kind: "AL-01", file: "rk9/ipm/allergy.yaml", from: "where: \"", to: "where: \"$SEVERITY_CODE != 'S' and " },
    Fault {
        kind: "AP-01",
        file: "rk9/ipm/appointment.yaml",
        from: "where: \"",
        to: "where: \"$SPEC_CODE != '320' and ",
    },
    Fault {
        kind: "RT-01",
        file: "ra9/pas/pathway.yaml",
        from: "where: \"",
        to: "where: \"$tfc != '110' and $tfc != '320' and $tfc != '430' and ",
    },
    // A zone without summer time.
    Fault { kind: "AP-02", file: "ra9/pas/appointment.yaml", from: "zone: Europe/London", to: "zone: UTC" },
    // Day and month in the other order: some days cannot be read, others are another day.
    Fault {
        kind: "RT-02",
        file: "rk9/ipm/pathway.yaml",
        from: "period: { start: \"=date($CLOCK_START_DTTM, '%d/%m/%Y %H:%M')\"",
        to: "period: { start: \"=date($CLOCK_START_DTTM, '%m/%d/%Y %H:%M')\"",
    },
    // Everybody has gone home.
    Fault {
        kind: "EN-01",
        file: "rk9/ipm/spell.yaml",
        from: "=if(not blank($DISCH_DTTM), 'finished'",
        to: "=if(not blank($ADMIT_DTTM), 'finished'",
    },
];

/// Faults after which a resource is there and says something else than its row: each hits rows of one table at least
/// five times. The clean twin raises none of these kinds.
const CHANGES: [(Fault, &str); 8] = [
    // The archived are active again.
    (
        Fault {
            kind: "AL-05",
            file: "rk9/ipm/allergy.yaml",
            from: "\"=if($ARCHV_FLAG == 'Y', allergyintolerance-clinical#inactive, allergyintolerance-clinical#active)\"",
            to: "allergyintolerance-clinical#active",
        },
        "ALLERGIES",
    ),
    // A year becomes its first of January.
    (
        Fault {
            kind: "DA-05",
            file: "rk9/ipm/problem.yaml",
            from: "date($ONSET_DTTM, '%d/%m/%Y %H:%M', '%Y')",
            to: "date(if(length($ONSET_DTTM) == 4, concat('01/01/', $ONSET_DTTM, ' 00:00'), $ONSET_DTTM), '%d/%m/%Y %H:%M')",
        },
        "PROBLEMS",
    ),
    // The flag of another product.
    (
        Fault { kind: "ID-11", file: "rk9/ipm/patient.yaml", from: "$ACCESS_CODE == 'R'", to: "$ACCESS_CODE == 'S'" },
        "PATIENTS",
    ),
    (
        Fault {
            kind: "ME-01",
            file: "rk9/ipm/medication.yaml",
            from: "where: \"",
            to: "where: \"$DOSE_UNIT != 'capsule' and ",
        },
        "MEDICATIONS",
    ),
    (
        Fault { kind: "ME-02", file: "rk9/ipm/medication.yaml", from: "unit: $DOSE_UNIT", to: "unit: \"='mg'\"" },
        "MEDICATIONS",
    ),
    // Kilogrammes become grammes, the urgent wait with the others.
    (
        Fault {
            kind: "RE-01",
            file: "rk9/ipm/codes/unit.csv",
            from: "kg,http://unitsofmeasure.org,kg,kg",
            to: "kg,http://unitsofmeasure.org,g,g",
        },
        "OBSERVATIONS",
    ),
    (
        Fault {
            kind: "RT-04",
            file: "rk9/ipm/codes/priority.csv",
            from: "request-priority,urgent,Urgent",
            to: "request-priority,routine,Routine",
        },
        "REFERRALS",
    ),
    // Nobody was asked, and everybody denies.
    (Fault { kind: "AL-04", file: "rk9/ipm/nobody-asked.yaml", from: "", to: NOBODY_ASKED }, "PATIENTS"),
];

const NOBODY_ASKED: &str = r#"language: 1
map: nobody-asked
domain: allergy
target: http://hl7.org/fhir/StructureDefinition/AllergyIntolerance
safety: { owner: nobody, hazards: [ AL-04 ] }
defaults: { on_invalid: omit, on_missing: omit }
source: { p: { table: PATIENTS } }
emit:
  code: { coding: [ { system: "http://snomed.info/sct", code: "716186003" } ] }
  patient: "=ref(patient, $PATNT_REFNO)"
"#;

#[test]
fn a_faulty_mapping_is_found_by_what_the_sources_hold() {
    if !binary::can_run() {
        return;
    }
    for seed in seeds() {
        faults_are_found(seed);
    }
}

fn faults_are_found(seed: u64) {
    let folder = generate(seed, PEOPLE, true);
    let input = folder.path().join("peninsula");
    let truth = Truth::read(&input.join("truth"));
    let mappings = folder.path().join("mappings");
    copy(&binary::root().join("mappings"), &mappings);
    for fault in FAULTS.iter().chain(CHANGES.iter().map(|(fault, _)| fault)) {
        let path = mappings.join(fault.file);
        if fault.from.is_empty() {
            std::fs::write(&path, fault.to).unwrap();
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(fault.from), "{} does not hold `{}`", fault.file, fault.from);
        std::fs::write(&path, text.replacen(fault.from, fault.to, 1)).unwrap();
    }
    let run = folder.path().join("run");
    let mut command = binary::run(&input.join("epr.toml"), &run, &[("project.mappings", &mappings)]);
    binary::expect(&mut command, &[1]);
    let outcome = Outcome::read(&run);
    for fault in &FAULTS {
        let mut n = 0;
        let mut missed = Vec::new();
        for fact in truth.facts().iter().filter(|f| f.is_hit_by(fault.kind)) {
            let differs = match fault.kind {
                "AP-02" => outcome.start_of(&fact.row, "Appointment").is_some_and(|at| !fact.is_at(&at)),
                "RT-02" => outcome.start_of(&fact.row, "EpisodeOfCare").is_some_and(|at| !fact.is_at(&at)),
                "EN-01" => outcome.status_of(&fact.row, "Encounter").is_some_and(|s| s != "in-progress"),
                _ => outcome.fate(&fact.row, fact.resource_type()) == Fate::Absent,
            };
            if differs {
                n += 1;
                if !outcome.has_finding(fault.kind, &fact.row) {
                    missed.push(fact.row.to_string());
                }
            }
        }
        println!("storm: seed {seed}: {} {} of {n}", fault.kind, n - missed.len());
        assert!(missed.is_empty(), "{}: not found:\n{}", fault.kind, missed.join("\n"));
        assert!(n >= 5, "{}: the fault in {} hits only {n} facts", fault.kind, fault.file);
    }
    for (fault, table) in &CHANGES {
        let n = outcome.findings_of_table(fault.kind, table);
        println!("storm: seed {seed}: {} {n} findings in {table}", fault.kind);
        assert!(n >= 5, "{}: the fault in {} is found only {n} times", fault.kind, fault.file);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
