//! CSV files.

use epr_extract::{ExtractError, Source, SourceKind};

use super::probe::{self, extract};

fn source_of(spec: &str, files: &[(&str, &[u8])]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let source = Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Csv, spec) };
    (folder, source)
}

#[test]
fn empty_cells_are_null_and_quoted_ones_keep_their_commas_and_lines() {
    let spec = "tables: { t: { csv: '*.csv', key: id } }";
    let (_f, source) = source_of(spec, &[("a.csv", b"\xef\xbb\xbfid,note\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,\r\n")]);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("t"), [["1", "a, \"b\"\nc"], ["2", "∅"]]);
    assert_eq!(staged.issues(), [""; 0]);
}

#[test]
fn empty_text_delimiter_header_row_and_encoding_are_the_specs() {
    let spec = "tables: { t: { csv: '*.txt', key: id, delimiter: tab, header: { row: 3 }, encoding: windows-1252, empty: text, trim: both } }";
    let (_f, source) = source_of(spec, &[("a.txt", b"Report\nof \xe9\nid\tnote\n1\t \x92x  \n2\t\n")]);
    assert_eq!(extract(source).unwrap().rows("t"), [["1", "’x"], ["2", ""]]);
    let spec = "tables: { t: { csv: '*.txt', key: b, header: false, columns: [ a, b ] } }";
    let (_f, source) = source_of(spec, &[("a.txt", b"1,2\n")]);
    assert_eq!(extract(source).unwrap().rows("t"), [["1", "2"]]);
}

#[test]
fn ragged_rows_and_undecodable_cells_lose_nothing() {
    let spec = "tables: { t: { csv: '*.csv', key: id, kinds: { n: int64 } } }";
    let (_f, source) = source_of(spec, &[("a.csv", b"id,name,n\n1\n2,b,3,extra,\xff\n3,\xe9,007\n")]);
    let staged = extract(source).unwrap();
    insta::assert_debug_snapshot!((staged.rows("t"), staged.issues(), staged.aside("t")));
}

#[test]
fn a_request_to_stop_leaves_no_finished_stage() {
    let (_f, source) = source_of("tables: { t: { csv: '*.csv', key: id } }", &[("a.csv", b"id\n1\n")]);
    assert!(matches!(probe::stopped(source), ExtractError::Run(epr_run::RunError::Stopped)));
}

#[test]
fn files_with_other_columns_are_joined_by_name() {
    let spec = "tables: { t: { csv: '*.csv', key: id, columns: { id: Id, new: New }, optional: [ new ] } }";
    let files: [(&str, &[u8]); 2] = [("a.csv", b"Id,Old\n1,x\n"), ("b.csv", b"New,Id\ny,2\n")];
    let (_f, source) = source_of(spec, &files);
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("t"), [["1", "∅"], ["2", "y"]]);
    assert_eq!(staged.issues(), [""; 0]);
    let (_f, source) = source_of(spec, &files[..1]);
    assert_eq!(extract(source).unwrap().issues(), ["EXT0101 kept t - new -"]);
    let (_f, source) = source_of("tables: { t: { csv: '*.csv', key: Id } }", &files);
    assert!(matches!(extract(source), Err(ExtractError::ColumnMissing { .. })));
}

#[test]
fn a_file_that_is_not_whole_is_refused_and_the_others_are_staged() {
    let spec = "tables: { t: { csv: '*.csv', key: id } }";
    for (bytes, told) in [
        (&b"id,n\n1,\"x\n"[..], "line 2: a quoted cell that never ends"),
        (b"id,n\n1,\"x\"y\n", "line 2: text after the closing quote of a cell"),
        (b"id,n\n1,\0\n", "line 2: a NUL byte"),
        (b"id,id\n1,2\n", "header: cell 2 names a column that was named before"),
        (b"id,\n1,2\n", "header: cell 2 is empty"),
        (b"", "there is no header"),
    ] {
        let (_f, source) = source_of(spec, &[("a.csv", bytes), ("b.csv", b"id,n\n7,8\n")]);
        let staged = extract(source).unwrap();
        assert_eq!(staged.rows("t"), [["7", "8"]]);
        assert_eq!(staged.issues(), [format!("EXT0403 refused t - - a.csv: {told}")]);
    }
}
