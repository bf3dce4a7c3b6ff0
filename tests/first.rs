//! The written fixture: a dozen synthetic people, with the faults that legacy data have.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use crate::{binary, sqlite};

/// In which order the rows of the database come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    AsWritten,
    Backwards,
}

/// Makes the PAS of the fixture.
pub(crate) fn database(path: &Path, order: Order) {
    sqlite::from_sql(&binary::root().join("fixtures/first/pas.sql"), path).unwrap();
    if order == Order::AsWritten {
        return;
    }
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let turn = format!(
            "CREATE TABLE turned AS SELECT * FROM {table} ORDER BY rowid DESC;
             DELETE FROM {table}; INSERT INTO {table} SELECT * FROM turned; DROP TABLE turned;"
        );
        connection.execute_batch(&turn).unwrap();
    }
}

/// `epr run` on the fixture.
pub(crate) fn run(database: &Path, run: &Path) -> Command {
    binary::run(&binary::root().join("fixtures/first/epr.toml"), run, &[("source.pas.database", database)])
}

#[test]
fn people_faults_and_ledgers_are_as_they_were_written() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pas = folder.path().join("pas.sqlite");
    database(&pas, Order::AsWritten);
    let run_dir = folder.path().join("run");
    binary::expect(&mut run(&pas, &run_dir), &[1]);

    let patients = binary::resources(&run_dir, "Patient");
    let by_pas = |number: &str| {
        let found: Vec<_> = patients.iter().filter(|p| has_identifier(p, number)).collect();
        assert_eq!(found.len(), 1, "{number} is on one Patient");
        found[0]
    };
    // One person in two systems, by a verified number, a date of birth and a shared surname.
    assert_eq!(by_pas("D100001")["id"], by_pas("H-001")["id"]);
    // The shared surname may be a former one.
    assert_eq!(by_pas("D100003")["id"], by_pas("H-002")["id"]);
    // An unverified number, or another date of birth, makes no merge.
    assert_ne!(by_pas("D100004")["id"], by_pas("H-004")["id"]);
    assert_ne!(by_pas("D100007")["id"], by_pas("H-005")["id"]);
    assert_ne!(by_pas("D100009")["id"], by_pas("D100010")["id"]);
    // A number that fails its checks stays, without the NHS system.
    let kept = by_pas("D100006")["identifier"].as_array().unwrap().iter().find(|i| i["value"] == "0000000000").unwrap();
    assert!(kept.get("system").is_none());
    assert!(by_pas("D100005").get("birthDate").is_none(), "a sentinel is no date of birth");
    // The second version of the report restricts the person.
    assert_eq!(by_pas("D100011")["id"], by_pas("CALL-20817")["id"]);
    assert_eq!(by_pas("CALL-20817")["meta"]["security"][0]["code"], "R");
    // What the PAS deleted is left out by a decided filter.
    assert!(!patients.iter().any(|p| has_identifier(p, "D100012")));

    // 01:30 on the last Sunday of October is twice; the first is British Summer Time.
    let encounters = binary::resources(&run_dir, "Encounter");
    assert!(encounters.iter().any(|e| e["period"]["start"] == "2025-10-26T01:30:00+01:00"), "the autumn fold");
    let current: Vec<_> =
        encounters.iter().filter(|e| e["status"] == "in-progress" && e.get("partOf").is_none()).collect();
    assert_eq!(current.len(), 1, "the current inpatient stays one");
    assert!(current[0]["period"].get("end").is_none());

    // A code that no row of the code map has is degraded, and the text stays.
    let allergies = binary::resources(&run_dir, "AllergyIntolerance");
    assert_eq!(allergies.len(), 6);
    assert!(allergies.iter().any(|a| a["code"]["text"] == "ZZQ" && a["note"][0]["text"].is_string()));

    ledgers_balance(&run_dir);
    insta::assert_snapshot!("first_issues", issues_by_code(&run_dir));
}

fn has_identifier(patient: &Value, value: &str) -> bool {
    patient["identifier"].as_array().into_iter().flatten().any(|i| i["value"] == value)
}

/// Every line of the three ledgers, added up here once more.
pub(crate) fn ledgers_balance(run: &Path) {
    let manifest = |stage: &str| -> Value {
        serde_json::from_slice(&std::fs::read(run.join(stage).join("manifest.json")).unwrap()).unwrap()
    };
    let n = |value: &Value| value.as_u64().unwrap();
    let maps = manifest("2-map");
    let maps = maps["ledgers"]["maps"].as_array().unwrap();
    assert!(!maps.is_empty());
    for m in maps {
        let parts = ["mapped", "refused", "excluded", "superseded", "repeated", "empty"];
        assert_eq!(n(&m["in_scope"]), parts.iter().map(|p| n(&m[*p])).sum::<u64>(), "{}", m["map"]);
    }
    let load = manifest("6-load/files");
    let delivered = binary::delivered(run);
    for (kind, ledger) in load["ledgers"]["resources"].as_object().unwrap() {
        assert_eq!(n(&ledger["mapped"]), n(&ledger["delivered"]) + n(&ledger["merged"]) + n(&ledger["held"]), "{kind}");
        let lines = delivered.get(&format!("{kind}.ndjson")).map_or(0, |b| b.split_inclusive(|c| *c == b'\n').count());
        assert_eq!(n(&ledger["delivered"]), lines as u64, "{kind}");
    }
}

/// Codes and counts of all stages before the load, one a line.
fn issues_by_code(run: &Path) -> String {
    let mut lines = Vec::new();
    for stage in ["1-extract", "2-map", "3-link", "4-validate"] {
        let path = run.join(stage).join("manifest.json");
        let manifest: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (code, count) in manifest["issues"].as_object().into_iter().flatten() {
            lines.push(format!("{stage:<11} {code:<8} {count}"));
        }
    }
    lines.join("\n")
}
