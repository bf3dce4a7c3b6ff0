//! Link as its callers see it: mapped resources in, `3-link` out.
//!
//! A case is a file in `inputs/`: `#` lines say what it shows (and how the project is set), each other line is
//! `<organisation>/<system>/<table> <n> <Type> <members>`. `<n>` in it stands for the id of resource n,
//! `<nhs NUMBER STATUS>` for an NHS number's identifier, `<local SYSTEM VALUE>` for a local one.

#![allow(clippy::unwrap_used, reason = "tests")]

mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use epr_fhir::resource::{Node, Resource};
use epr_link::{LinkError, LinkInput, Retired, TestNumbers};
use epr_model::{Issue, ResourceId, Stage};
use epr_run::folder::OldSignature;
use epr_run::parts::part_paths;
use epr_run::records::{self, CandidateRecord, KeyRecord, LinkRecord, PersonRecord, RefRecord};
use epr_run::{FinishedStage, RunFolder};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::run::{Mapped, context, create, map, references, resources};

/// The id that a case calls by a number.
fn id(n: u8) -> ResourceId {
    let mut bytes = [n; 16];
    bytes[6] = 0x50;
    ResourceId::from_bytes(bytes)
}

/// A case, with its placeholders filled in.
#[derive(Debug, Clone)]
struct Case {
    input: LinkInput,
    resources: Vec<Mapped>,
}

fn case(text: &str) -> Case {
    let has = |words: &str| text.lines().any(|line| line.strip_prefix("# ") == Some(words));
    let trusted = text.lines().filter_map(|line| line.strip_prefix("# trusted ")?.split_once('/'));
    let input = LinkInput {
        run_hash: run::run_hash(),
        old_signature: OldSignature::Keep,
        trusted: trusted.map(|(o, s)| (o.to_owned(), s.to_owned())).collect(),
        state: None,
        retired: if has("retired linked") { Retired::Linked } else { Retired::Omit },
        test_numbers: if has("test numbers are candidates only") {
            TestNumbers::CandidatesOnly
        } else {
            TestNumbers::Identify
        },
    };
    let resources = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap();
        let (table, n, kind, members) = (word(), word(), word(), word());
        let head = format!(r#"{{"resourceType":"{kind}","id":"<{n}>","#);
        let json = filled(&format!("{head}{members}}}"));
        Mapped { table: table.to_owned(), row_no: n.parse().unwrap(), json }
    });
    Case { input, resources: resources.collect() }
}

fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inside, after) = after.split_once('>').unwrap();
        out.push_str(before);
        let meant = match inside.split(' ').collect::<Vec<_>>()[..] {
            [n] => id(n.parse().unwrap()).to_string(),
            ["nhs", number] => nhs_number(number, None, ""),
            ["nhs", number, status] => nhs_number(number, Some(status), ""),
            ["nhs", number, status, usage] => nhs_number(number, Some(status), &format!(r#""use":"{usage}","#)),
            ["local", system, value] => format!(r#"{{"system":"https://example.org/{system}","value":"{value}"}}"#),
            _ => panic!("no such placeholder: {inside}"),
        };
        out.push_str(&meant);
        rest = after;
    }
    out + rest
}

fn nhs_number(number: &str, status: Option<&str>, usage: &str) -> String {
    let extension = status.map_or(String::new(), |status| {
        format!(
            r#""extension":[{{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus","valueCodeableConcept":{{"coding":[{{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus","code":"{status}"}}]}}}}],"#
        )
    });
    format!(r#"{{{extension}{usage}"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{number}"}}"#)
}

/// Puts the placeholders back, so that a snapshot can be read.
fn shown(text: &str) -> String {
    let mut text = text.to_owned();
    for n in 0..=99 {
        text = text.replace(&id(n).to_string(), &format!("<{n}>"));
    }
    for number in ["9990001006", "9990001073", "9990001146", "9990001007", "9999999999"] {
        for status in ["01", "02", "03"] {
            text = text.replace(&nhs_number(number, Some(status), ""), &format!("<nhs {number} {status}>"));
            let old = nhs_number(number, Some(status), r#""use":"old","#);
            text = text.replace(&old, &format!("<nhs {number} {status} old>"));
        }
        text = text.replace(&nhs_number(number, None, ""), &format!("<nhs {number}>"));
    }
    text
}

fn link(run: &RunFolder, input: &LinkInput) -> Result<FinishedStage, LinkError> {
    epr_link::run(context(run), input)
}

fn linked(root: &Path, case: &Case) -> FinishedStage {
    let run = create(root);
    map(&run, std::slice::from_ref(&case.resources));
    link(&run, &case.input).unwrap()
}

fn all<R: records::Record>(stage: &FinishedStage) -> Vec<R> {
    records::read::<R>(stage).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Everything that a case can show.
fn seen(stage: &FinishedStage) -> String {
    let mut seen = String::new();
    for l in all::<LinkRecord>(stage) {
        writeln!(seen, "link {} is {} by {} ({})", l.retired_id, l.person_id, l.evidence, l.decision).unwrap();
    }
    for c in all::<CandidateRecord>(stage) {
        writeln!(seen, "candidate {} {} on {}: {}", c.left_id, c.right_id, c.evidence, c.reason).unwrap();
    }
    for i in all::<Issue>(stage) {
        let place = [i.organisation.unwrap(), i.system.unwrap(), i.table.unwrap()].join("/");
        let (severity, action) = (i.severity.as_str(), i.action.as_str());
        let (row, person, path) = (i.row_no.unwrap(), i.patient_key.unwrap(), i.fhir_path.unwrap_or_default());
        assert_eq!(i.resource_id, i.patient_key);
        writeln!(seen, "issue {} {severity} {action}, {place} row {row}, {person} {path}", i.code).unwrap();
    }
    for p in all::<PersonRecord>(stage).iter().filter(|p| p.n_records > 1) {
        writeln!(seen, "person {} of {} records", p.person_id, p.n_records).unwrap();
    }
    for r in all::<RefRecord>(stage) {
        writeln!(seen, "ref {} {} to {} {}", r.from_id, r.path, r.to_type, r.to_id).unwrap();
    }
    for (kind, l) in &stage.manifest().ledgers.resources {
        writeln!(seen, "ledger {kind}: {} mapped, {} merged, {} delivered", l.mapped, l.merged, l.delivered).unwrap();
    }
    for resource in resources(stage) {
        writeln!(seen, "{resource}").unwrap();
    }
    shown(&seen)
}

/// What must hold of every linked set: keys, hashes, references and counts fit the resources.
fn check_whole(stage: &FinishedStage) {
    stage.verify().unwrap();
    let resources = resources(stage);
    let keys: BTreeMap<ResourceId, [u8; 32]> =
        all::<KeyRecord>(stage).into_iter().map(|key| (key.id, key.content_hash)).collect();
    let mut refs = BTreeSet::new();
    for text in &resources {
        let kind = epr_run::line::identity(text.as_bytes()).unwrap();
        let id: ResourceId = kind.id.parse().unwrap();
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        assert_eq!(keys.get(&id), Some(&hash), "the key of a resource has its hash");
        for (path, to_type, to_id) in references(text.as_bytes(), kind.resource_type) {
            refs.insert(RefRecord { from_type: kind.resource_type.to_owned(), from_id: id, to_type, to_id, path });
        }
    }
    assert_eq!(keys.len(), resources.len(), "one key a resource");
    assert_eq!(stage.manifest().resources.values().sum::<u64>(), resources.len() as u64);
    assert_eq!(all::<RefRecord>(stage).into_iter().collect::<BTreeSet<_>>(), refs);
    let path = stage.path().join(".scratch");
    assert!(!path.exists(), "scratch files are gone");
}

#[test]
fn each_case_links_as_its_snapshot_says() {
    insta::glob!("inputs/*.txt", |path| {
        let text = fs::read_to_string(path).unwrap();
        let root = tempfile::tempdir().unwrap();
        let case = case(&text);
        let stage = linked(root.path(), &case);
        check_whole(&stage);
        insta::with_settings!({ omit_expression => true, description => text.lines().next().unwrap() }, {
            insta::assert_snapshot!(seen(&stage));
        });
    });
}

fn input_text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs").join(name);
    fs::read_to_string(path).unwrap()
}

#[test]
fn parts_in_which_nothing_changes_are_hard_links() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let case = case(&input_text("two_systems.txt"));
    let other = vec![Mapped {
        table: "RK9/ipm/STAFF".to_owned(),
        row_no: 1,
        json: filled(r#"{"resourceType":"Encounter","id":"<50>","subject":{"reference":"Patient/<51>"}}"#),
    }];
    map(&run, &[case.resources.clone(), other]);
    let stage = link(&run, &case.input).unwrap();
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let same = |file: &str| inode(&stage.path().join(file)) == inode(&root.path().join("2-map").join(file));
    assert!(same("Encounter/part-0001.ndjson.zst"));
    assert!(!same("Encounter/part-0000.ndjson.zst"));
    check_whole(&stage);
}

#[test]
fn the_retired_id_is_nowhere_in_what_is_delivered() {
    let root = tempfile::tempdir().unwrap();
    let stage = linked(root.path(), &case(&input_text("merged_content.txt")));
    let links = all::<LinkRecord>(&stage);
    assert_eq!(links.len(), 2);
    for text in resources(&stage) {
        assert!(links.iter().all(|link| !text.contains(&link.retired_id.to_string())));
    }
}

/// A linked set that lives as long as its folder.
struct Linked {
    _root: tempfile::TempDir,
    stage: FinishedStage,
}

/// Links the case with what `state` remembers, then remembers.
fn link_again(state: &Path, text: &str) -> Linked {
    let root = tempfile::tempdir().unwrap();
    let mut case = case(text);
    case.input.state = Some(state.to_owned());
    let stage = linked(root.path(), &case);
    check_whole(&stage);
    epr_link::remember(&stage, state).unwrap();
    Linked { _root: root, stage }
}

const TOM: &str = r#""name":[{"family":"WHITE","given":["Tom"]}],"birthDate":"1960-05-05""#;

fn tom(table: &str, n: u8, birth: &str) -> String {
    format!("{table} {n} Patient \"identifier\":[<nhs 9990001006 01>],{}\n", TOM.replace("1960", birth))
}

#[test]
fn a_new_member_never_renames_a_person() {
    let state = tempfile::tempdir().unwrap();
    let (late, early) = (tom("RK9/ipm/P", 7, "1960"), tom("RA9/swift/P", 1, "1960"));
    // Alone at first: nothing is merged, and still the person has an id to keep.
    link_again(state.path(), &late);
    let both = link_again(state.path(), &(late.clone() + &early));
    insta::assert_snapshot!("a_member_joins", seen(&both.stage));
    // Without the record that founded it, the person keeps its id all the same.
    let alone = link_again(state.path(), &early);
    insta::assert_snapshot!("the_founder_is_gone", seen(&alone.stage));
}

#[test]
fn persons_of_an_earlier_run_that_meet_or_part_are_told() {
    let state = tempfile::tempdir().unwrap();
    let (one, two) = (tom("RK9/ipm/P", 7, "1960"), tom("RA9/swift/P", 1, "1960"));
    let other = tom("RA9/swift/P", 1, "1961");
    link_again(state.path(), &one);
    link_again(state.path(), &other);
    let met = link_again(state.path(), &(one.clone() + &two));
    insta::assert_snapshot!("two_persons_meet", seen(&met.stage));
    let parted = link_again(state.path(), &(one + &other));
    insta::assert_snapshot!("two_persons_part", seen(&parted.stage));
}

#[test]
fn a_stage_that_was_asked_to_stop_leaves_nothing_that_looks_whole() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let case = case(&input_text("two_systems.txt"));
    let many = (0..2000_u16).map(|n| {
        let mut bytes = [1; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        let json = format!(r#"{{"resourceType":"Patient","id":"{}"}}"#, ResourceId::from_bytes(bytes));
        Mapped { table: "RK9/ipm/P".to_owned(), row_no: u64::from(n), json }
    });
    map(&run, &[many.collect()]);
    let stop = epr_run::StopFlag::new();
    stop.stop();
    epr_link::run(epr_run::StageContext { stop: &stop, ..context(&run) }, &case.input).unwrap_err();
    assert!(run.finished(Stage::Link).unwrap().is_none());
    link(&run, &case.input).unwrap();
}

#[test]
fn two_patients_of_one_id_stop_the_stage() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let case = case(&tom("RK9/ipm/P", 1, "1960"));
    map(&run, &[case.resources.clone(), case.resources.clone()]);
    let error = link(&run, &case.input).unwrap_err();
    assert!(matches!(error, LinkError::SameId { .. }));
}

#[test]
fn a_patient_that_is_not_json_stops_the_stage_and_shows_no_value() {
    let root = tempfile::tempdir().unwrap();
    let run = create(root.path());
    let mut case = case(&tom("RK9/ipm/P", 1, "1960"));
    map(&run, std::slice::from_ref(&case.resources));
    case.resources[0].json = case.resources[0].json.replace("WHITE\"", "WHITE");
    let stage = run.begin(Stage::Map, OldSignature::Keep).unwrap();
    let mut writer = epr_run::parts::PartWriter::new(&stage, "Patient").unwrap();
    writer.write(case.resources[0].json.as_bytes()).unwrap();
    writer.finish().unwrap();
    let mut keys = records::RecordWriter::<KeyRecord>::new(&stage).unwrap();
    keys.push(&KeyRecord {
        resource_type: "Patient".to_owned(),
        id: id(1),
        key_hash: [0; 16],
        content_hash: [0; 32],
        table: "RK9/ipm/P".to_owned(),
        part: 0,
        row_no: 1,
        map: String::new(),
    })
    .unwrap();
    keys.finish().unwrap();
    stage.finish(epr_run::Manifest::new(Stage::Map, run::run_hash())).unwrap();
    let error = link(&run, &case.input).unwrap_err();
    assert!(matches!(error, LinkError::NotJson { line: 1, .. }), "{error}");
    assert!(!format!("{error:?} {error}").contains("WHITE"));
}

/// Small worlds in which records often meet: few numbers, birth dates and names.
fn world() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just(""), Just("9990001006"), Just("9990001073")];
    let status = prop_oneof![4 => Just(" 01"), 1 => Just(" 02"), 1 => Just("")];
    let birth = prop_oneof![4 => Just("1960-05-05"), 1 => Just("1961-05-05"), 1 => Just("1960")];
    let family = prop_oneof![Just("WHITE"), Just("White"), Just("GREEN")];
    let table = prop_oneof![Just("RK9/ipm/P"), Just("RA9/swift/P"), Just("RK9/crs/P")];
    let record = (number, status, birth, family, table);
    proptest::collection::vec(record, 1..8).prop_map(|records| {
        let mut text = String::new();
        for (i, (number, status, birth, family, table)) in records.into_iter().enumerate() {
            let n = i + 1;
            let nhs = if number.is_empty() { String::new() } else { format!(",<nhs {number}{status}>") };
            writeln!(
                text,
                r#"{table} {n} Patient "identifier":[<local s {n}>{nhs}],"name":[{{"family":"{family}","given":["A"]}}],"birthDate":"{birth}","address":[{{"postalCode":"PL1 1AA"}}]"#
            )
            .unwrap();
            writeln!(text, r#"{table} {} Condition "subject":{{"reference":"Patient/<{n}>"}}"#, n + 50).unwrap();
        }
        text
    })
}

/// Every identifier of the Patients of a set, as (system, value).
fn identifiers(resources: &[String]) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for text in resources {
        let resource = Resource::parse_json(text.as_bytes()).unwrap();
        for identifier in resource.root().get("identifier").into_iter().flat_map(Node::items) {
            let text = |name| identifier.text(name).unwrap().to_owned();
            found.insert((text("system"), text("value")));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_result_does_not_depend_on_the_order_of_parts_or_threads(
        text in world(),
        order in any::<u64>(),
        threads in 1_usize..3,
    ) {
        let case = case(&text);
        let straight = tempfile::tempdir().unwrap();
        let first = linked(straight.path(), &case);
        check_whole(&first);

        let shuffled = tempfile::tempdir().unwrap();
        let run = create(shuffled.path());
        let mut parts: Vec<Vec<Mapped>> = vec![Vec::new(); 3];
        let mut places: Vec<usize> = (0..case.resources.len()).collect();
        places.sort_by_key(|place| Sha256::digest([order.to_le_bytes(), (*place as u64).to_le_bytes()].concat()));
        for (i, place) in places.into_iter().enumerate() {
            parts[i % 3].push(case.resources[place].clone());
        }
        map(&run, &parts);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let second = pool.install(|| link(&run, &case.input)).unwrap();
        check_whole(&second);

        let sorted = |stage: &FinishedStage| resources(stage).into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(sorted(&first), sorted(&second));
        prop_assert_eq!(all::<LinkRecord>(&first), all::<LinkRecord>(&second));
        prop_assert_eq!(all::<CandidateRecord>(&first), all::<CandidateRecord>(&second));
        prop_assert_eq!(all::<Issue>(&first), all::<Issue>(&second));
    }

    #[test]
    fn every_identifier_is_kept_and_no_reference_is_left_behind(text in world()) {
        let case = case(&text);
        let root = tempfile::tempdir().unwrap();
        let stage = linked(root.path(), &case);
        let after = resources(&stage);
        let before: Vec<String> = case.resources.iter().map(|mapped| mapped.json.clone()).collect();
        prop_assert_eq!(identifiers(&before), identifiers(&after));
        let ids: BTreeSet<ResourceId> =
            all::<KeyRecord>(&stage).into_iter().filter(|k| k.resource_type == "Patient").map(|k| k.id).collect();
        for reference in all::<RefRecord>(&stage) {
            prop_assert!(ids.contains(&reference.to_id), "each Condition still has its Patient");
        }
        let ledger = &stage.manifest().ledgers.resources["Patient"];
        prop_assert_eq!(ledger.delivered as usize, ids.len());
    }

    #[test]
    fn a_second_run_with_the_state_of_the_first_changes_nothing(text in world()) {
        let state = tempfile::tempdir().unwrap();
        let (one, two) = (link_again(state.path(), &text), link_again(state.path(), &text));
        let (first, second) = (&one.stage, &two.stage);
        prop_assert_eq!(resources(first), resources(second));
        prop_assert_eq!(all::<LinkRecord>(first), all::<LinkRecord>(second));
        prop_assert_eq!(part_paths(first, "Patient").len(), part_paths(second, "Patient").len());
    }
}
