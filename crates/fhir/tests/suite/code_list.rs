//! Lists of codes that a user holds.

use std::fs;
use std::path::Path;

use epr_fhir::Definitions;
use epr_fhir::definitions::{CodeList, CodeListError, Coding, Completeness, Membership, Standing, WhyUnknown};
use epr_fhir::package::{PackageCache, PackageSource};

const SNOMED: &str = "http://snomed.info/sct";

/// A value set of SNOMED CT with one filter.
fn value_set(name: &str, property: &str, op: &str, value: &str) -> PackageSource {
    let json = format!(
        r#"{{ "resourceType": "ValueSet", "url": "http://example.org/{name}", "status": "active", "compose": {{ "include":
        [ {{ "system": "{SNOMED}", "filter": [ {{ "property": "{property}", "op": "{op}", "value": "{value}" }} ] }} ] }} }}"#
    );
    let file = format!("{name}.json");
    PackageSource { path: file.clone().into(), sha256: String::new(), files: vec![(file, json.into_bytes())] }
}

fn definitions(sources: &[PackageSource], lists: impl IntoIterator<Item = CodeList>) -> Definitions {
    let mut definitions = Definitions::load_with(&PackageCache::at("no-cache".into()), &[], sources).unwrap();
    lists.into_iter().for_each(|list| definitions.add_codes(list));
    definitions
}

/// A small snapshot: 10 above 20 above 30, 40 beside them and out of use; 30 is in the reference set 900.
fn snapshot(folder: &Path) {
    let write = |name: &str, lines: &[&str]| {
        fs::write(folder.join(name), format!("header\n{}\n", lines.join("\n"))).unwrap();
    };
    write(
        "sct2_Concept_Snapshot_GB.txt",
        &["10\t20260101\t1\t1\t1", "20\t20260101\t1\t1\t1", "30\t20260101\t1\t1\t1", "40\t20260101\t0\t1\t1"],
    );
    write(
        "sct2_Description_Snapshot-en_GB.txt",
        &["1\t20260101\t1\t1\t30\ten\t3\tLeast thing\t0", "2\t20260101\t0\t1\t30\ten\t3\tOld name\t0"],
    );
    write(
        "sct2_Relationship_Snapshot_GB.txt",
        &["1\t20260101\t1\t1\t20\t10\t0\t116680003\t1\t1", "2\t20260101\t1\t1\t30\t20\t0\t116680003\t1\t1"],
    );
    write("der2_Refset_SimpleSnapshot_GB.txt", &["a\t20260101\t1\t1\t900\t30"]);
}

#[test]
fn a_snapshot_says_codes_texts_and_what_is_a_kind_of_what() {
    let folder = tempfile::tempdir().unwrap();
    snapshot(folder.path());
    let list = CodeList::read(SNOMED, folder.path(), Completeness::Whole).unwrap();
    assert_eq!((list.len(), list.has_hierarchy()), (4, true));
    let sets = [
        ("is-a", "concept", "is-a", "20"),
        ("below", "concept", "descendent-of", "10"),
        ("words", "constraint", "=", "descendantOrSelfOf 20 |a thing| OR 40"),
        ("symbols", "constraint", "=", "<< 10 AND ^ 900"),
        ("refset", "constraint", "=", "memberOf 900"),
        ("no-refset", "constraint", "=", "memberOf 901"),
        ("odd", "constraint", "=", "<< 10 : 1 = 2"),
    ];
    let sources: Vec<_> = sets.iter().map(|(name, property, op, value)| value_set(name, property, op, value)).collect();
    let definitions = definitions(&sources, [list]);
    let member = |set: &str, code: &str| definitions.member(&format!("http://example.org/{set}"), Some(SNOMED), code);
    for (set, code, expected) in [
        ("is-a", "20", true),
        ("is-a", "30", true),
        ("is-a", "10", false),
        ("below", "30", true),
        ("below", "10", false),
        ("words", "30", true),
        ("words", "40", true),
        ("words", "10", false),
        ("symbols", "30", true),
        ("symbols", "20", false),
        ("refset", "30", true),
        ("refset", "10", false),
        ("is-a", "50", false),
    ] {
        let expected = if expected { Membership::In } else { Membership::NotIn };
        assert_eq!(member(set, code), expected, "{set} {code}");
    }
    assert_eq!(member("no-refset", "30"), Membership::Unknown(WhyUnknown::SystemIncomplete));
    assert_eq!(member("odd", "30"), Membership::Unknown(WhyUnknown::FilterNotSupported));
    let standing = |code, display| definitions.standing(Coding { system: SNOMED, version: None, code, display }, None);
    assert_eq!(standing("30", Some("least THING")), Standing::Known);
    assert_eq!(standing("30", Some("Old name")), Standing::WrongDisplay);
    assert_eq!(standing("20", Some("no text is loaded for it")), Standing::Known);
    assert_eq!(standing("40", None), Standing::Inactive);
    assert_eq!(standing("50", None), Standing::Unknown);
    assert_eq!(standing("030", None), Standing::Unknown);
}

#[test]
fn without_a_list_a_system_that_nobody_ships_is_held_elsewhere() {
    let definitions = definitions(&[value_set("below", "concept", "is-a", "20")], []);
    let coding = Coding { system: SNOMED, code: "30", ..Coding::default() };
    assert_eq!(definitions.standing(coding, None), Standing::HeldElsewhere);
    let member = definitions.member("http://example.org/below", Some(SNOMED), "30");
    assert_eq!(member, Membership::Unknown(WhyUnknown::SystemNotLoaded));
}

#[test]
fn a_part_of_a_system_proves_nothing_of_other_codes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("icd.csv");
    fs::write(&file, "code,display,inactive\nA00,\"Cholera, any\",\nB99,,true\n# a note\n").unwrap();
    let icd = "http://hl7.org/fhir/sid/icd-10-uk";
    let list = |completeness| CodeList::read(icd, &file, completeness).unwrap();
    let definitions = definitions(&[], [list(Completeness::Part)]);
    let standing = |code, display| definitions.standing(Coding { system: icd, version: None, code, display }, None);
    assert_eq!(standing("A00", Some("cholera, any")), Standing::Known);
    assert_eq!(standing("A00", Some("Plague")), Standing::WrongDisplay);
    assert_eq!(standing("B99", None), Standing::Inactive);
    assert_eq!(standing("C00", None), Standing::NotInPart);
    assert_eq!(definitions.has_code(icd, "C00"), Membership::Unknown(WhyUnknown::SystemIncomplete));
    assert_ne!(list(Completeness::Part).sha256(), "");
}

#[test]
fn two_lists_of_one_system_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        CodeList::read("http://example.org/odd", &path, Completeness::Part).unwrap()
    };
    let definitions = definitions(&[], [file("a.csv", "1,one\n"), file("b.csv", "x,two\n")]);
    let found: Vec<_> = definitions.code_lists().map(CodeList::len).collect();
    assert_eq!(found, [2]);
    for (code, display) in [("1", "one"), ("x", "two")] {
        let coding = Coding { system: "http://example.org/odd", version: None, code, display: Some(display) };
        assert_eq!(definitions.standing(coding, None), Standing::Known, "{code}");
    }
}

#[test]
fn a_list_that_cannot_be_read_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        CodeList::read(SNOMED, &path, Completeness::Whole).map(|list| list.len()).map_err(|error| match error {
            CodeListError::Line { line, what, .. } => format!("{line}: {what}"),
            other => panic!("{other}"),
        })
    };
    assert_eq!(read("a.csv", b"1,one\n,two\n").unwrap_err(), "2: expected a code in the first column");
    assert_eq!(read("b.csv", b"1,\"one\n").unwrap_err(), "1: expected closed quotation marks");
    assert!(read("c.csv", b"1,one,perhaps\n").unwrap_err().starts_with("1: expected true or false"));
    assert_eq!(read("d.csv", b"\xff\n").unwrap_err(), "1: expected UTF-8 text");
    assert!(read("sct2_Concept_Snapshot_x.txt", b"id\nx\ty\n").unwrap_err().starts_with("2: expected the columns"));
    let empty = tempfile::tempdir().unwrap();
    let none = CodeList::read(SNOMED, empty.path(), Completeness::Whole);
    assert!(matches!(none, Err(CodeListError::NoConcepts { .. })));
}
