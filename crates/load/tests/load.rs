//! Load as its callers see it: a run folder in, `6-load/<target>` out.

#![allow(clippy::unwrap_used, clippy::unnecessary_wraps, reason = "tests, and one function for many")]

mod run;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use epr_load::receipts::Receipts;
use epr_load::sorted::{Outgoing, SortedResources};
use epr_load::target::{Answer, Capabilities, Delivery, Target};
use epr_load::{LoadError, LoadInput, TargetKind};
use epr_model::{Issue, Stage};
use epr_run::records::{self, CrosswalkRecord};
use epr_run::{FinishedStage, RunFolder};
use proptest::prelude::*;

use crate::run::{context, create, id, link, resource, validate};

fn input() -> LoadInput {
    LoadInput { run_hash: run::run_hash(), target_name: "files".to_owned(), kind: TargetKind::Files, server: None }
}

fn own_key(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn load(run: &RunFolder) -> Result<FinishedStage, LoadError> {
    epr_load::run(context(run), &input())
}

fn read(root: &Path, name: &str) -> String {
    fs::read_to_string(root.join("6-load/files").join(name)).unwrap()
}

fn two_types() -> Vec<(&'static str, u32, Vec<String>)> {
    let lines = |kind, numbers: &[u16]| numbers.iter().map(|n| resource(kind, *n)).collect::<Vec<_>>();
    vec![
        ("Patient", 0, lines("Patient", &[7, 3, 9])),
        ("Patient", 1, lines("Patient", &[1, 8])),
        ("Encounter", 0, lines("Encounter", &[20, 12])),
    ]
}

#[test]
fn what_is_linked_and_not_held_is_delivered_sorted_by_id() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), own_key);
    validate(&run, &[("Patient", 3), ("Encounter", 20)]);
    let finished = load(&run).unwrap();

    let expected: String = [1, 7, 8, 9].iter().map(|n| resource("Patient", *n) + "\n").collect();
    assert_eq!(read(root.path(), "Patient.ndjson"), expected);
    assert_eq!(read(root.path(), "Encounter.ndjson"), resource("Encounter", 12) + "\n");
    finished.verify().unwrap();

    let mut seen = String::new();
    for entry in &finished.manifest().files {
        writeln!(seen, "{}", entry.path).unwrap();
    }
    for (kind, ledger) in &finished.manifest().ledgers.resources {
        writeln!(seen, "{kind}: {ledger:?}").unwrap();
    }
    for row in records::read::<CrosswalkRecord>(&finished).unwrap() {
        let row = row.unwrap();
        assert_eq!(row.target_id, row.id.to_string());
        writeln!(seen, "{} {} {} {} {:?}", row.resource_type, row.id, row.table, row.row_no, row.version).unwrap();
    }
    seen.push_str(&read(root.path(), "bulk-manifest.json"));
    insta::assert_snapshot!(seen);
}

#[test]
fn a_type_whose_every_resource_is_held_has_a_ledger_and_no_file() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), own_key);
    validate(&run, &[("Encounter", 12), ("Encounter", 20)]);
    let finished = load(&run).unwrap();
    assert!(!root.path().join("6-load/files/Encounter.ndjson").exists());
    let ledger = &finished.manifest().ledgers.resources["Encounter"];
    assert_eq!((ledger.mapped, ledger.held, ledger.delivered), (2, 2, 0));
    assert_eq!(ledger.at_target.as_ref().unwrap().confirmed, 0);
    assert!(!read(root.path(), "bulk-manifest.json").contains("Encounter"));
}

#[test]
fn a_run_without_resources_delivers_an_empty_manifest() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &[], own_key);
    validate(&run, &[]);
    load(&run).unwrap();
    assert!(read(root.path(), "bulk-manifest.json").contains(r#""output": []"#));
}

#[test]
fn delivered_bytes_do_not_depend_on_threads_or_the_order_of_parts() {
    let many = |order: &[u32]| {
        let numbers: Vec<u16> = (0..3000).map(|n| n * 7 % 3001).collect();
        order
            .iter()
            .enumerate()
            .map(|(place, chunk)| {
                let lines = numbers[*chunk as usize * 1000..][..1000].iter().map(|n| resource("Observation", *n));
                ("Observation", place as u32, lines.collect())
            })
            .collect::<Vec<_>>()
    };
    let delivered = |order: &[u32], threads| {
        let root = tempfile::tempdir().unwrap();
        let run = create(root.path());
        link(&run, &many(order), own_key);
        validate(&run, &[("Observation", 5)]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| load(&run)).unwrap();
        (read(root.path(), "Observation.ndjson"), read(root.path(), "bulk-manifest.json"))
    };
    let first = delivered(&[0, 1, 2], 1);
    assert_eq!(first.0.lines().count(), 2999);
    assert_eq!(first, delivered(&[0, 1, 2], 2));
    assert_eq!(first, delivered(&[2, 0, 1], 2));
}

#[test]
fn a_line_that_was_altered_after_link_stops_the_load() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), |text| Some(text.replace("résumé 9", "resume 9")));
    validate(&run, &[]);
    let error = load(&run).unwrap_err();
    assert!(matches!(&error, LoadError::Altered { path, line: 3 } if path.ends_with("Patient/part-0000.ndjson.zst")));
    assert!(!error.to_string().contains("sum"), "{error}");
    assert!(!root.path().join("6-load/files").exists(), "nothing half-written is taken for whole");

    // The same run folder, linked again, loads.
    link(&run, &two_types(), own_key);
    validate(&run, &[]);
    load(&run).unwrap();
}

#[test]
fn a_part_that_was_altered_on_disk_stops_the_load() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), own_key);
    validate(&run, &[]);
    fs::remove_file(root.path().join("3-link/Patient/part-0001.ndjson.zst")).unwrap();
    assert!(load(&run).unwrap_err().to_string().contains("altered"));
}

#[test]
fn a_line_without_a_key_stops_the_load() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), |text| (!text.contains("résumé 7")).then(|| text.to_owned()));
    validate(&run, &[]);
    assert!(matches!(load(&run).unwrap_err(), LoadError::KeyMissing { line: 1, .. }));
}

#[test]
fn a_line_of_another_type_stops_the_load() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &[("Patient", 0, vec![resource("Encounter", 1)])], own_key);
    validate(&run, &[]);
    assert!(matches!(load(&run).unwrap_err(), LoadError::NotAResource { line: 1, .. }));
}

#[test]
fn two_resources_of_one_id_stop_the_load() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let one = || vec![resource("Patient", 4)];
    link(&run, &[("Patient", 0, one()), ("Patient", 1, one())], own_key);
    validate(&run, &[]);
    let error = load(&run).unwrap_err();
    assert!(matches!(&error, LoadError::SameId { id: found, .. } if *found == id(4).to_string()), "{error}");
}

#[test]
fn without_a_validated_set_nothing_is_loaded() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), own_key);
    assert!(load(&run).unwrap_err().to_string().contains("`validate`"));
}

#[test]
fn a_load_that_was_asked_to_stop_leaves_nothing_that_looks_whole() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let lines = (0..2000).map(|n| resource("Patient", n)).collect();
    link(&run, &[("Patient", 0, lines)], own_key);
    validate(&run, &[]);
    let stop = epr_run::StopFlag::new();
    stop.stop();
    let ctx = epr_run::StageContext { stop: &stop, ..context(&run) };
    epr_load::run(ctx, &input()).unwrap_err();
    assert!(run.finished_load("files").unwrap().is_none());
    assert_eq!(load(&run).unwrap().manifest().resources["Patient"], 2000);
}

/// Answers by the last digit that a resource's number has.
struct Moody {
    /// Leaves the last resource of each type without an answer.
    forgets: bool,
}

impl Target for Moody {
    fn capabilities(&self) -> Capabilities {
        Capabilities { live: true, keeps_ids: false, can_verify: false, can_undo: false }
    }
    fn begin(&mut self, _: &Delivery<'_>) -> Result<(), LoadError> {
        Ok(())
    }
    fn send(
        &mut self,
        _: &Delivery<'_>,
        resources: &mut SortedResources,
        receipts: &mut Receipts,
    ) -> Result<(), LoadError> {
        let mut resource = Outgoing::new();
        while resources.next_into(&mut resource)? {
            if self.forgets && !resources.has_any() {
                break;
            }
            let (target_id, version) = ("t-1", Some("4"));
            let answer = match resource.sent.id.as_bytes()[1] % 6 {
                0 => Answer::Confirmed { target_id, version },
                1 => Answer::Unchanged { target_id, version },
                2 => Answer::Rejected { why: None },
                3 => Answer::InDoubt,
                4 => Answer::Edited { target_id, version },
                _ => Answer::Blocked,
            };
            receipts.push(&resource.sent, answer)?;
        }
        Ok(())
    }
    fn finish(&mut self, _: &Delivery<'_>) -> Result<(), LoadError> {
        Ok(())
    }
}

#[test]
fn every_answer_of_a_target_is_counted_and_told() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &[("Patient", 0, (0..6).map(|n| resource("Patient", n)).collect())], own_key);
    validate(&run, &[]);
    let finished = epr_load::run_to(context(&run), &input(), &mut Moody { forgets: false }).unwrap();
    let mut seen = format!("{:?}\n", finished.manifest().ledgers.resources["Patient"]);
    for issue in records::read::<Issue>(&finished).unwrap() {
        let issue = issue.unwrap();
        assert_eq!(issue.stage, Stage::Load);
        writeln!(seen, "{} {:?} {:?} {:?}", issue.code, issue.action, issue.table, issue.row_no).unwrap();
    }
    for row in records::read::<CrosswalkRecord>(&finished).unwrap() {
        let row = row.unwrap();
        writeln!(seen, "{} {} {:?}", row.id, row.target_id, row.version).unwrap();
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn a_resource_that_the_target_does_not_answer_for_fails_the_ledger() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), own_key);
    validate(&run, &[]);
    let error = epr_load::run_to(context(&run), &input(), &mut Moody { forgets: true }).unwrap_err();
    assert!(error.to_string().contains("does not balance"), "{error}");
    assert!(!root.path().join("6-load/files").exists());
}

#[test]
fn a_hold_that_validate_did_not_count_stops_the_load() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    link(&run, &two_types(), own_key);
    validate(&run, &[]);
    // A validate stage whose ledger says one thing and whose holds say another.
    let finished = run.finished(Stage::Validate).unwrap().unwrap();
    let mut manifest = finished.manifest().clone();
    manifest.ledgers.resources.get_mut("Patient").unwrap().held = 1;
    manifest.ledgers.resources.get_mut("Patient").unwrap().delivered -= 1;
    let stage = run.begin(Stage::Validate, epr_run::folder::OldSignature::Keep).unwrap();
    stage.finish(manifest).unwrap();
    assert!(matches!(load(&run).unwrap_err(), LoadError::LedgersDisagree { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn delivered_and_held_are_together_what_was_linked(
        ids in proptest::collection::btree_set(0_u16..500, 1..40),
        held in proptest::collection::btree_set(0_u16..500, 0..40),
        parts in 1_usize..4,
    ) {
        let root = tempfile::tempdir().unwrap();
        let run = create(root.path());
        let all: Vec<u16> = ids.iter().rev().copied().collect();
        let written: Vec<_> = all
            .chunks(all.len().div_ceil(parts))
            .enumerate()
            .map(|(i, numbers)| ("Patient", i as u32, numbers.iter().map(|n| resource("Patient", *n)).collect()))
            .collect();
        link(&run, &written, own_key);
        let held: Vec<_> = ids.intersection(&held).map(|n| ("Patient", *n)).collect();
        validate(&run, &held);
        load(&run).unwrap();
        let expected: String = ids
            .iter()
            .filter(|n| !held.contains(&("Patient", **n)))
            .map(|n| resource("Patient", *n) + "\n")
            .collect();
        let path = root.path().join("6-load/files/Patient.ndjson");
        prop_assert_eq!(fs::read_to_string(path).unwrap_or_default(), expected);
    }
}
