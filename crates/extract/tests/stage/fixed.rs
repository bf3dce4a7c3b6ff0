//! Fixed-width files.

use epr_extract::{ExtractError, Source, SourceKind};

use super::probe::{self, extract};

const SPEC: &str = "tables:
  person:
    fixed: '*.dat'
    encoding: windows-1252
    length: 20
    record: { starts_with: '10' }
    skip: { starts_with: HDR }
    trailer: { starts_with: TRL, count: { from: 4, to: 9 } }
    key: id
    columns: { id: { from: 3, to: 6 }, name: { start: 7, width: 8 }, n: { from: 15, to: 20 } }
    kinds: { n: int64 }
  episode:
    fixed: '*.dat'
    encoding: windows-1252
    length: any
    record: { starts_with: '20' }
    skip: { starts_with: HDR }
    trailer: { starts_with: TRL }
    trim: both
    key: [ id, seq ]
    columns: { id: { from: 3, to: 6 }, seq: { from: 7, to: 9 }, note: { from: 10, to: 40 } }
";

fn source_of(spec: &str, files: &[(&str, &[u8])]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let source = Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Fixed, spec) };
    (folder, source)
}

#[test]
fn one_file_of_two_records_is_two_tables() {
    let text = b"HDR x\r\n100001O\x92NEILL 42    \r\n200001  1 first\r\n200001  2\r\n100002                \r\nTRL     4\r\n\x1a";
    let text = text.to_vec();
    // The second person is padded to the record's length with blanks only.
    let (_f, source) = source_of(SPEC, &[("a.dat", &text)]);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("episode"), [["0001", "1", "first"], ["0001", "2", "∅"]]);
    assert_eq!(staged.rows("person"), [["0001", "O’NEILL", "42"]]);
    assert_eq!(staged.issues(), ["EXT0601 omitted person - - a.dat line 5: 22 characters where the record has 20"]);
}

#[test]
fn what_does_not_fit_is_kept_aside_whole() {
    let text = b"100001SMITH   42    \n100002JONES   x4    \n10000\n30 what\n100003\x81       7     \nTRL     5\n";
    let (_f, source) = source_of(SPEC, &[("a.dat", text)]);
    let staged = extract(source).unwrap();
    insta::assert_debug_snapshot!((staged.rows("person"), staged.issues(), staged.aside("person")));
}

#[test]
fn a_file_whose_trailer_is_wrong_is_refused_and_the_others_are_staged() {
    for (text, told) in [
        (&b"HDR\n100001SMITH   42    \n"[..], "the trailer is missing: the file breaks off"),
        (b"100001SMITH   42    \nTRL     2\n", "line 2: the trailer counts 2, and there are 1"),
        (b"100001SMI\0H   42    \nTRL     1\n", "line 1: a NUL byte"),
    ] {
        let spec = SPEC.split("  episode:").next().unwrap();
        let (_f, source) = source_of(spec, &[("a.dat", text), ("b.dat", b"100009JONES   1     \nTRL     1\n")]);
        let staged = extract(source).unwrap();
        assert_eq!(staged.rows("person"), [["0009", "JONES", "1"]]);
        assert_eq!(staged.issues(), [format!("EXT0603 refused person - - a.dat: {told}")]);
    }
}

#[test]
fn wide_encodings_blanks_and_absent_files() {
    let spec = "tables: { t: { fixed: '*.txt', length: any, key: a, empty: text, columns: { a: { from: 1, to: 2 }, b: { from: 3, to: 4 } } } }";
    let wide: Vec<u8> = "\u{feff}éx€y\r\nab\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (_f, source) = source_of(spec, &[("a.txt", &wide)]);
    assert_eq!(extract(source).unwrap().rows("t"), [["éx", "€y"], ["ab", ""]]);
    let (_f, source) = source_of(spec, &[]);
    assert!(matches!(extract(source), Err(ExtractError::NoFiles { .. })));
}
