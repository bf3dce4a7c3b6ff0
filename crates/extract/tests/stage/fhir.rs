//! FHIR exports.

use std::io::Write;

use epr_extract::{ExtractError, Source, SourceKind};

use super::probe::{self, extract};

const SPEC: &str = "tables:
  Patient: { fhir: Patient, key: id }
  Condition:
    fhir: Condition
    key: id
    columns: { status: 'clinicalStatus.coding[0].code', code: code.coding.code, subject: subject.reference, onset: onsetDateTime }
    optional: true
";

fn source_of(spec: &str, files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let source = Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Fhir, spec) };
    (folder, source)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

const P1: &str = r#"{ "resourceType":"Patient", "id" : "p1","multipleBirthInteger":1.50, "x":"é\u00e9" }"#;
const P2: &str = r#"{"resourceType":"Patient","id":"p2"}"#;
const C1: &str = r#"{"resourceType":"Condition","id":"c1","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"coding":[{"code":"a"},{"code":"b"}]},"subject":{"reference":"Patient/p1"}}"#;

#[test]
fn an_export_is_a_table_a_type_and_each_resource_is_as_it_was_written() {
    let manifest = br#"{"transactionTime":"2026-01-01T00:00:00Z","request":"x","output":[]}"#.to_vec();
    let files = [
        ("Patient-1.ndjson", format!("{P1}\r\n").into_bytes()),
        ("Patient-2.ndjson.gz", gzip(&format!("{P2}\n"))),
        ("Condition.ndjson.zst", zstd::encode_all(C1.as_bytes(), 1).unwrap()),
        ("manifest.json", manifest),
        ("notes.txt", b"none of it".to_vec()),
    ];
    let (_f, source) = source_of(SPEC, &files);
    let staged = extract(source.clone()).unwrap();
    assert_eq!(staged.rows("Patient"), [["p1", P1], ["p2", P2]]);
    assert_eq!(staged.rows("Condition"), [["c1", C1, "active", "a", "Patient/p1", "∅"]]);
    assert_eq!(staged.issues(), ["EXT0707 kept Condition - code in 1 rows"]);
    assert_eq!(extract(source).unwrap().fingerprint(), staged.fingerprint());
}

#[test]
fn bundles_and_single_resources_in_json_files_give_the_same_rows() {
    let bundle = format!(
        "{{\n\"resourceType\": \"Bundle\", \"entry\": [ {{\"fullUrl\":\"x\",\"resource\":{P1}}},\n {{\"resource\":{C1}}}, {{\"request\":{{}}}} ]\n}}"
    );
    let files = [("bundle.json", bundle.into_bytes()), ("p2.json", format!("{P2}\n").into_bytes())];
    let (_f, source) = source_of(SPEC, &files);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("Patient"), [["p1", P1], ["p2", P2]]);
    assert_eq!(staged.rows("Condition")[0][1], C1);
    let whole = "tables: { Bundle: { fhir: Bundle, key: id } }";
    let (_f, source) = source_of(whole, &[("b.json", br#"{"resourceType":"Bundle","id":"b","entry":[]}"#.to_vec())]);
    assert_eq!(extract(source).unwrap().rows("Bundle").len(), 1);
}

#[test]
fn what_is_malformed_unwanted_doubled_or_without_an_id_is_told_and_nothing_is_lost() {
    let other = r#"{"resourceType":"Device","id":"d"}"#;
    let changed = r#"{"resourceType":"Patient","id":"p2","active":true}"#;
    let nameless = r#"{"resourceType":"Patient"}"#;
    let typeless = r#"{"id":"x"}"#;
    let lines = [P2, other, "{\"resourceType\":\"Patient\",", P2, changed, nameless, typeless, "[]", C1, other, ""];
    let (_f, source) = source_of(SPEC, &[("Patient.ndjson", lines.join("\n").into_bytes())]);
    let staged = extract(source).unwrap();
    insta::assert_debug_snapshot!((
        staged.rows("Patient"),
        staged.rows("Condition").len(),
        staged.issues(),
        staged.aside("Patient")
    ));
}

#[test]
fn a_file_that_breaks_off_gives_nothing_and_the_others_are_staged() {
    let whole = gzip(&format!("{P1}\n{P1}\n"));
    for (name, bytes, told) in [
        ("Patient-1.ndjson", format!("{P2}\n{}", &P1[..40]).into_bytes(), "line 2: the file breaks off inside it"),
        ("Patient-1.ndjson.gz", whole[..whole.len() - 6].to_vec(), "its compression breaks off or is damaged"),
        ("Patient-1.json", b"{\n\"resourceType\": \"Patient\",\n".to_vec(), "line 2, column 27"),
    ] {
        let (_f, source) = source_of(SPEC, &[(name, bytes), ("Patient-2.ndjson", P2.as_bytes().to_vec())]);
        let staged = extract(source).unwrap();
        assert_eq!(staged.rows("Patient"), [["p2", P2]]);
        let issues = staged.issues();
        assert!(issues[0].starts_with(&format!("EXT0701 refused Patient - - {name}: ")), "{issues:?}");
        assert!(issues[0].contains(told), "{issues:?}");
        assert_eq!(issues[1..], ["EXT0102 kept Condition - - -"]);
    }
}

#[test]
fn a_table_without_a_resource_stops_unless_it_is_optional() {
    let (_f, source) = source_of(SPEC, &[("Condition.ndjson", C1.as_bytes().to_vec())]);
    let error = extract(source).err().unwrap();
    assert!(matches!(&error, ExtractError::NoResources { table, n_files: 1, .. } if table == "Patient"));
    assert!(error.is_environment());
}

#[test]
fn a_large_resource_stands_in_its_table() {
    let text = "x".repeat(3 * 1024 * 1024);
    let large = format!(r#"{{"resourceType":"Patient","id":"p","text":"{text}"}}"#);
    let (_f, source) = source_of("tables: { Patient: { fhir: Patient } }", &[("a.ndjson", large.clone().into_bytes())]);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("Patient")[0][1].len(), large.len());
    assert_eq!(staged.issues(), [""; 0]);
}
