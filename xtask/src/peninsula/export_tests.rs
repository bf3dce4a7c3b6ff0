//! What must hold of the exports that are no databases, over people as the generator makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use calamine::{Data, Reader, open_workbook_auto};
use serde_json::Value;

use super::model::{Kind, Setting};
use super::truth::Truth;
use super::*;

fn written(seed: u64, n_people: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &crate::root(), Setting { seed, n_people }, false, |_| ()).unwrap();
    folder
}

fn texts(folder: &Path, part: &str) -> Vec<String> {
    let mut paths: Vec<_> = std::fs::read_dir(folder.join(part)).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn between<'a>(text: &'a str, before: &str, after: char) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

/// The first column below the header row, up to the total.
#[expect(clippy::disallowed_methods, reason = "a workbook of a few rows, written just now")]
fn first_column(folder: &Path, book: &str, header_row: usize) -> Vec<String> {
    let mut book = open_workbook_auto(folder.join(book)).unwrap();
    let mut found = Vec::new();
    for sheet in book.sheet_names() {
        let range = book.worksheet_range(&sheet).unwrap();
        let cells = range.rows().skip(header_row).map(|row| row[0].clone());
        found.extend(cells.take_while(|cell| *cell != Data::Empty).map(|cell| cell.to_string()));
    }
    found
}

/// The keys of one export, by table.
fn keys(folder: &Path, system: &str) -> Vec<(String, String)> {
    let of = |table: &str, keys: Vec<String>| keys.into_iter().map(|key| (table.to_owned(), key)).collect();
    match system {
        "register" => of("referral", first_column(folder, "hosp1/register-1.xlsx", 3)),
        "ledger" => of("referral", first_column(folder, "hosp2/ledger-1.ods", 5)),
        "cancer" => of("tracking", first_column(folder, "ra9-cancer/cancer-tracking-1.xlsx", 4)),
        "daybook" => {
            let lines = texts(folder, "hosp3").concat();
            let rows = lines.lines().filter(|line| !line.contains("Our ref"));
            of("referral", rows.map(|line| line.split(',').next().unwrap().to_owned()).collect())
        }
        "itk" => {
            let all = texts(folder, "nhs111").concat();
            let documents = all.split("<ClinicalDocument").skip(1);
            of("document", documents.map(|xml| between(xml, "<id root=\"", '"')[0].to_owned()).collect())
        }
        "ed" => {
            let all = texts(folder, "ref-ed").concat();
            let [ids, days, times] = ["CDSUniqueIdentifier", "CDSApplicableDate", "CDSApplicableTime"]
                .map(|name| between(&all, &format!("<{name}>"), '<'));
            let keys = ids.iter().zip(days).zip(times).map(|((id, day), time)| format!("{id}|{day}|{time}"));
            of("attendance", keys.collect())
        }
        "epic" => resources(folder)
            .iter()
            .map(|r| (r["resourceType"].as_str().unwrap().to_owned(), r["id"].as_str().unwrap().to_owned()))
            .collect(),
        other => panic!("{other}"),
    }
}

fn resources(folder: &Path) -> Vec<Value> {
    texts(folder, "rh8").concat().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_row_of_the_answer_key_stands_in_its_export_once() {
    let folder = written(1, 400);
    let mut known: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for system in ["register", "ledger", "cancer", "daybook", "itk", "ed", "epic"] {
        let keys = keys(folder.path(), system);
        let distinct: BTreeSet<_> = keys.iter().cloned().collect();
        assert!(!keys.is_empty() && keys.len() == distinct.len(), "{system}");
        known.insert(system.to_owned(), distinct);
    }
    let mut n_found = BTreeMap::new();
    for name in ["records.csv", "facts.csv", "defects.csv"] {
        let mut lines = csv::Reader::from_path(folder.path().join("truth").join(name)).unwrap();
        let heads = lines.headers().unwrap().clone();
        let at = |head: &str| heads.iter().position(|known| known == head).unwrap();
        for line in lines.records() {
            let line = line.unwrap();
            if let Some(keys) = known.get(&line[at("system")]) {
                let row = (line[at("table")].to_owned(), line[at("key")].to_owned());
                assert!(keys.contains(&row), "{name}: {} {}", &line[at("system")], row.0);
                *n_found.entry((name, line[at("system")].to_owned())).or_insert(0) += 1;
            }
        }
    }
    for system in known.keys().filter(|system| *system != "ed") {
        assert!(n_found[&("records.csv", system.clone())] > 0, "{system}");
    }
}

#[test]
fn da_03_references_lead_nowhere_only_where_that_is_planted() {
    let folder = written(1, 3_000);
    let resources = resources(folder.path());
    let targets: BTreeSet<String> = resources
        .iter()
        .map(|r| format!("{}/{}", r["resourceType"].as_str().unwrap(), r["id"].as_str().unwrap()))
        .collect();
    let mut orphans = BTreeSet::new();
    for resource in &resources {
        let mut found = Vec::new();
        references(resource, &mut found);
        if found.iter().any(|to| to != "#recorder" && !targets.contains(to)) {
            orphans.insert(resource["id"].as_str().unwrap().to_owned());
        }
    }
    let mut lines = csv::Reader::from_path(folder.path().join("truth/defects.csv")).unwrap();
    let planted: BTreeSet<String> = lines
        .records()
        .map(Result::unwrap)
        .filter(|line| &line[0] == Kind::Da03.code() && &line[2] == "epic")
        .map(|line| line[4].to_owned())
        .collect();
    assert!(!planted.is_empty());
    assert_eq!(orphans, planted);
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(to) if name == "reference" => found.push(to.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// The workbook and the emergency department know no former names, so the name they give must be one that the other
/// verified records know: else their records could not be linked.
#[test]
fn a_name_without_its_former_names_is_known_to_every_verified_record() {
    let mut peninsula = Peninsula::new(Setting { seed: 2, n_people: 4_000 }, true);
    let mut n_checked = 0;
    for number in 1..=4_000 {
        let person = peninsula.person(number);
        for track in &person.tracks {
            let tracked = person.registrations[track.row.holder].family.as_deref();
            for other in person.registrations.iter().filter(|r| r.is_verified()) {
                let knows = other.former.iter().map(|f| f.family.as_str()).chain(other.family.as_deref());
                assert!(knows.into_iter().any(|name| Some(name) == tracked), "{number}");
                n_checked += 1;
            }
        }
    }
    assert!(n_checked > 100);
}

#[test]
fn a_sheet_ends_at_twenty_thousand_rows_and_goes_on_in_another_workbook() {
    let folder = tempfile::tempdir().unwrap();
    let mut truth = Truth::create(&folder.path().join("truth")).unwrap();
    let mut exporter = cancer::create(folder.path(), &Setting { seed: 1, n_people: 1 }).unwrap();
    let mut person = sample::person();
    for number in 0..20_001 {
        person.tracks[0].row.number = number;
        exporter.person(&person, &mut truth).unwrap();
    }
    exporter.finish().unwrap();
    let rows = |book| first_column(folder.path(), book, 4).len();
    assert_eq!(rows("ra9-cancer/cancer-tracking-1.xlsx"), 20_000);
    assert_eq!(rows("ra9-cancer/cancer-tracking-2.xlsx"), 1);
}
