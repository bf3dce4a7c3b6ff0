//! XML files: namespaces, child tables, and every way of not being whole.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use epr_extract::stream::{CHUNK_BYTES, Decoded};
use epr_extract::xml::document::{Broken, each_record};
use epr_extract::xml::path::{Prefixes, RecordPath};
use epr_extract::{Source, SourceKind};
use epr_model::Severity;

use super::probe::{self, extract};

const SPEC: &str = r#"tables:
  document:
    xml: "*.xml"
    ns: { c: "urn:c" }
    record: //c:doc
    key: c:id/@root
    columns: { title: c:title, own: c:title/text(), first: "c:name[1]", version: c:version/@value }
    kinds: { version: int64 }
    children:
      name:
        each: c:name
        columns: { use: "@use", text: . }
        children: { part: { each: c:part, columns: { type: "@type", text: text() } } }
      id: { each: c:id, columns: { root: "@root", ext: "@ext" } }
"#;

const SAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<s:envelope xmlns:s="urn:s"><!-- a comment -->
  <doc xmlns="urn:c"><id root="1.1" ext="é &amp; &#x41;"/><title>A <b>bold</b> claim</title><version value="3"/>
    <name use="L"><part type="GIV">Ann</part><part type="FAM">O&apos;Neill</part></name><name><part type="FAM">B<![CDATA[<&>]]></part></name>
  </doc>
  <x:doc xmlns:x="urn:c"><x:id root="1.2"/><x:version value="v4"/><doc><id root="9"/></doc></x:doc>
  <doc xmlns="urn:other"><id root="1.3"/></doc>
</s:envelope>
"#;

fn source_of(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let source = Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Xml, SPEC) };
    (folder, source)
}

#[test]
fn records_are_found_by_namespace_and_children_carry_their_parents_key() {
    let (_folder, source) = source_of(&[("a.xml", SAMPLE.as_bytes())]);
    let staged = extract(source).unwrap();
    let tables = ["document", "name", "part", "id"].map(|t| (staged.columns(t), staged.rows(t)));
    insta::assert_debug_snapshot!((tables, staged.issues(), staged.aside("document")));
}

#[test]
fn a_file_cut_anywhere_is_refused_whole() {
    for cut in (0..SAMPLE.trim_end().len()).step_by(97).chain([1, SAMPLE.trim_end().len() - 1]) {
        if !SAMPLE.is_char_boundary(cut) {
            continue;
        }
        let (_folder, source) = source_of(&[("a.xml", &SAMPLE.as_bytes()[..cut]), ("b.xml", SAMPLE.as_bytes())]);
        let staged = extract(source).unwrap();
        assert_eq!(staged.rows("document").len(), 2, "only the whole file's records, cut at {cut}");
        let issues = staged.issues();
        assert_eq!(issues.iter().filter(|i| i.starts_with("EXT0301 refused document - - a.xml: ")).count(), 1, "{cut}");
    }
}

/// The records that a document gives, and whether it is whole.
fn read(bytes: &[u8]) -> (usize, bool) {
    let path = RecordPath::parse("//*", &Prefixes::new()).unwrap();
    let Ok((encoding, n_mark)) = epr_extract::decode::xml_encoding(bytes) else { return (0, false) };
    let mut n_records = 0;
    let read = each_record(Decoded::new(&bytes[n_mark..], encoding), &path, |_| {
        n_records += 1;
        Ok::<_, std::convert::Infallible>(())
    });
    (n_records, read.is_ok())
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]
    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(at in 0..SAMPLE.len(), byte: u8, n in 0..40_usize) {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.drain(at..(at + n).min(SAMPLE.len()));
        read(&bytes);
    }

    #[test]
    fn no_bytes_make_the_reader_panic_and_only_a_whole_one_has_records(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
        noise in "[<>/a&;!?='\" \\[\\]-]{0,40}",
    ) {
        for bytes in [&bytes[..], noise.as_bytes(), &[b"\xfe\xff", &bytes[..]].concat(), &[b"<a>", &bytes[..]].concat()] {
            let (n_records, is_whole) = read(bytes);
            proptest::prop_assert!(!is_whole || n_records == 1, "each well-formed document has one root");
        }
    }

    #[test]
    fn a_document_cut_before_its_end_is_never_whole(cut in 0..SAMPLE.trim_end().len()) {
        proptest::prop_assert!(!read(&SAMPLE.as_bytes()[..cut]).1);
    }
}

/// A file whose records are more than are kept from its check.
fn large(n_records: usize) -> String {
    let note = "x".repeat(1000);
    let records = (0..n_records).map(|n| format!("<doc xmlns='urn:c'><id root='{n}'/><title>{note}</title></doc>\n"));
    format!("<all>{}</all>", records.collect::<String>())
}

#[test]
fn a_large_file_is_read_twice_and_staged_like_a_small_one() {
    let text = large(20_000);
    let (_folder, source) = source_of(&[("a.xml", text.as_bytes()), ("b.xml", &text.as_bytes()[..text.len() - 3])]);
    let staged = extract(source).unwrap();
    let keys: Vec<String> = staged.rows("id").into_iter().map(|r| r[0].clone()).collect();
    assert_eq!(keys, (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(
        staged.issues(),
        [
            "EXT0301 refused document - - b.xml: 20001:1: not well-formed: tag not closed: `>` not found before end of input"
        ]
    );
}

#[test]
fn one_record_of_a_document_is_in_memory_and_never_the_document() {
    let text = large(20_000);
    let path = RecordPath::parse("//c:doc", &Prefixes::from([("c".to_owned(), "urn:c".to_owned())])).unwrap();
    let n_given = Rc::new(Cell::new(0));
    let counted = Counted { bytes: text.as_bytes(), n_given: n_given.clone() };
    let (mut n_taken, mut most_held) = (0, 0);
    let read = each_record(Decoded::new(counted, encoding_rs::UTF_8), &path, |record| {
        n_taken += record.string_value().len();
        most_held = most_held.max(n_given.get() - n_taken);
        Ok::<_, std::convert::Infallible>(())
    });
    assert!(read.is_ok());
    // What is not note is tags: at most 60 bytes a record.
    assert!(most_held <= 3 * CHUNK_BYTES + 60 * 20_000, "{most_held}");
    assert_eq!(n_taken, 20_000 * 1000);
}

struct Counted<'b> {
    bytes: &'b [u8],
    n_given: Rc<Cell<usize>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        self.n_given.set(self.n_given.get() + n);
        Ok(n)
    }
}

#[test]
fn a_piece_without_an_end_is_refused_before_it_fills_the_memory() {
    for begin in ["<a ", "<a><!--", "<a>", "<a><![CDATA["] {
        let n_given = Rc::new(Cell::new(0));
        let bytes = begin.bytes().chain(std::iter::repeat_n(b'x', 80 * 1024 * 1024)).collect::<Vec<_>>();
        let counted = Counted { bytes: &bytes, n_given: n_given.clone() };
        let path = RecordPath::parse("//*", &Prefixes::new()).unwrap();
        let read =
            each_record(Decoded::new(counted, encoding_rs::UTF_8), &path, |_| Ok::<_, std::convert::Infallible>(()));
        let Err(Broken::Refused { reason, .. }) = read else { panic!("{begin}: {read:?}") };
        assert_eq!(reason, "a piece of more than 67108864 bytes", "{begin}");
        assert!(n_given.get() <= 64 * 1024 * 1024 + 3 * CHUNK_BYTES, "{begin}");
    }
}

#[test]
fn every_way_of_not_being_well_formed_has_its_place() {
    let inputs: &[(&str, &[u8])] = &[
        ("two_roots", b"<a/>\n<b/>"),
        ("junk_after", b"<a/>junk"),
        ("junk_before", b"junk<a/>"),
        ("no_root", b"<!-- only -->"),
        ("empty", b""),
        ("prefix", b"<a>\n  <q:b/></a>"),
        ("attribute_prefix", b"<a q:b='1'/>"),
        ("entity", b"<a>&nbsp;</a>"),
        ("attribute_entity", b"<a b='&x;'/>"),
        ("ampersand", b"<a>fish & chips</a>"),
        ("doctype", b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"),
        ("mismatch", b"<a><b></a></b>"),
        ("twice", b"<a b='1' b='2'/>"),
        ("twice_by_uri", b"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>"),
        ("control", b"<a>\x01</a>"),
        ("control_reference", b"<a>&#1;</a>"),
        ("not_utf8", b"<a>\xe9</a>"),
        ("unknown_encoding", b"<?xml version='1.0' encoding='klingon'?><a/>"),
        ("comment", b"<a><!-- -- --></a>"),
        ("late_declaration", b"<a/><?xml version='1.0'?>"),
        ("reference_after", b"<a/>&#65;"),
        ("less_than_in_attribute", b"<a b='<'/>"),
    ];
    let mut told = Vec::new();
    for (name, bytes) in inputs {
        let (_folder, source) = source_of(&[("f.xml", bytes)]);
        let staged = extract(source).unwrap();
        assert_eq!(staged.rows("document").len(), 0);
        told.push(format!("{name}: {}", staged.issues().join(" | ")));
    }
    let deep = format!("{}{}", "<a>".repeat(300), "</a>".repeat(300));
    let (_folder, source) = source_of(&[("f.xml", deep.as_bytes())]);
    told.push(format!("deep: {}", extract(source).unwrap().issues().join(" | ")));
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(epr_extract::ISSUES.iter().find(|d| d.code == "EXT0301").unwrap().severity, Severity::Fatal);
}

#[test]
fn the_encoding_that_a_file_declares_is_the_one_it_is_read_in() {
    let latin =
        b"<?xml version='1.0' encoding='windows-1252'?><doc xmlns='urn:c'><id root='r'/><title>\x92\xe9</title></doc>";
    let wide: Vec<u8> = "\u{feff}<doc xmlns='urn:c'><id root='w'/><title>’é</title></doc>"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let (_folder, source) = source_of(&[("a.xml", latin), ("b.xml", &wide)]);
    let titles: Vec<String> = extract(source).unwrap().rows("document").into_iter().map(|r| r[0].clone()).collect();
    assert_eq!(titles, ["’é", "’é"]);
}

#[test]
fn the_order_in_which_files_came_and_the_number_of_threads_change_nothing() {
    let names: Vec<String> = (0..40).map(|n| format!("f{n:02}.xml")).collect();
    let bodies: Vec<String> = (0..40).map(|n| format!("<doc xmlns='urn:c'><id root='{n}'/></doc>")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().zip(&bodies).map(|(n, b)| (n.as_str(), b.as_bytes())).collect();
    let fingerprint = |files: &[(&str, &[u8])], threads| {
        let (_folder, source) = source_of(files);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| extract(source).unwrap().fingerprint())
    };
    let forwards = fingerprint(&files, 1);
    files.reverse();
    assert_eq!(forwards, fingerprint(&files, 4));
}

#[test]
fn no_matching_file_is_an_error_and_an_optional_table_says_so() {
    let (_folder, mut source) = source_of(&[("a.txt", b"")]);
    let error = extract(source.clone()).err().unwrap();
    assert!(error.is_environment(), "{error}");
    source.spec_text = source.spec_text.replace("    record:", "    optional: true\n    record:");
    assert_eq!(extract(source).unwrap().issues(), ["EXT0102 kept document - - -"]);
}

#[test]
fn the_nhs_111_messages_hold_twelve_documents() {
    let Some(folder) = probe::shared("nhs111") else { return };
    let spec = r#"tables:
  document:
    xml: "*.xml"
    ns: { c: "urn:hl7-org:v3" }
    record: //c:ClinicalDocument
    key: c:id/@root
    columns: { set_id: c:setId/@root, version: c:versionNumber/@value, start: c:componentOf/c:encompassingEncounter/c:effectiveTime/c:low/@value }
    children: { patient_id: { each: c:recordTarget/c:patientRole/c:id, columns: { root: "@root", extension: "@extension" } } }
"#;
    let source = Source { path: Some(folder), ..probe::source(SourceKind::Xml, spec) };
    let staged = extract(source).unwrap();
    let documents = staged.rows("document");
    assert_eq!(documents.len(), 12);
    assert!(documents.iter().all(|d| d[3] != "∅"), "each has a key");
    let keys: std::collections::BTreeSet<&String> = documents.iter().map(|d| &d[3]).collect();
    assert!(staged.rows("patient_id").iter().all(|p| keys.contains(&p[0])));
    assert!(staged.rows("patient_id").len() >= 12);
    assert!(staged.issues().is_empty(), "{:?}", staged.issues());
}
