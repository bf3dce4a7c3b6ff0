//! Controls: which staged rows the source itself counts, in files and in typed columns. `as_of` is 2026-01-01.

use epr_extract::{Source, SourceKind};
use epr_run::records::{ControlRecord, KeepRecord, RecordReader};

use super::probe::{self, Staged, extract};

const ROWS: &str = "id,pat,flag,status,start,end,spec,clinic,path
1,P1,N,0,02/01/2026 09:30,,430,C1,R1ABC
2,P1,N,0,31/12/2025 09:30,,430,C1,
3,P2,D,0,02/07/2026 09:30,,430,C1,
4,P2,N,5,02/07/2026 09:30,,430,C1,
5,,N,0,02/07/2026 09:30,,,  ,
6,P3,N,0,not a date,,100,C2,
7,P3,N,0,02/07/2026 10:00,01/01/2020 00:00,100,C2,
8,P3,N,0,02/07/2026 11:00,01/01/2030 00:00,100,C2,
";

fn staged(controls: &str, rows: &str) -> Staged {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), rows).unwrap();
    let spec = format!("tables: {{ t: {{ csv: '*.csv', key: id }} }}\ncontrols:\n{controls}");
    extract(Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Csv, &spec) }).unwrap()
}

fn counted(staged: &Staged) -> Vec<ControlRecord> {
    let path = staged.stage.path().join("src/controls.parquet");
    RecordReader::at(&path).unwrap().map(|r| r.unwrap()).collect()
}

fn row_nos(controls: &str) -> Vec<u64> {
    counted(&staged(controls, ROWS)).into_iter().map(|c| c.row_no).collect()
}

#[test]
fn a_control_counts_the_rows_that_meet_all_of_its_conditions() {
    let at = "at: { column: start, format: '%d/%m/%Y %H:%M' }";
    let live = "when: { flag: [ N ], status: '0' }";
    let head = "  - { domain: appointment, table: t";
    // What cannot be read is not left out: row 6 has no date that says that it is past.
    assert_eq!(row_nos(&format!("{head}, {live}, {at}, future: true }}")), [1, 5, 6, 7, 8]);
    assert_eq!(row_nos(&format!("{head}, {live} }}")), [1, 2, 5, 6, 7, 8]);
    assert_eq!(row_nos(&format!("{head}, when: {{ flag: {{ not: N }} }} }}")), [3]);
    assert_eq!(row_nos(&format!("{head}, when: {{ path: {{ not: [ '' ] }} }} }}")), [1]);
    assert_eq!(row_nos(&format!("{head}, when: {{ pat: '' }} }}")), [5]);
    let open = "open: { column: end, format: '%d/%m/%Y %H:%M' }";
    assert_eq!(row_nos(&format!("{head}, {live}, {open} }}")), [1, 2, 5, 6, 8]);
}

#[test]
fn a_counted_row_says_when_where_and_whose_it_is() {
    let staged = staged(
        "  - { domain: rtt, table: t, when: { id: [ '1', '5' ] }, at: { column: start, format: '%d/%m/%Y %H:%M' }, specialty: spec, place: clinic, pathway: path, patient: pat }",
        ROWS,
    );
    let mut counted = counted(&staged);
    let last = counted.pop().unwrap();
    let first = counted.pop().unwrap();
    assert_eq!((first.organisation.as_str(), first.system.as_str(), first.table.as_str()), ("RXX", "sys", "t"));
    assert_eq!(first.at.as_deref(), Some("2026-01-02T09:30:00+00:00"));
    assert_eq!((first.specialty.as_deref(), first.place.as_deref()), (Some("430"), Some("C1")));
    // The hash of a key has each field's length before it, as mapping writes it.
    assert_eq!(first.patient_hash.as_deref(), Some("21935b9c91d4bd39ec8c70bb11b86c61"));
    assert_eq!(first.pathway_hash.unwrap().len(), 32);
    assert_eq!(last.at.as_deref(), Some("2026-07-02T09:30:00+01:00"));
    assert_eq!((last.specialty, last.place, last.pathway_hash, last.patient_hash), (None, None, None, None));
    let ledger = &staged.stage.manifest().ledgers.controls;
    assert_eq!(ledger.len(), 1);
    assert_eq!((ledger[0].table.as_str(), ledger[0].rows, &ledger[0].outcomes), ("t", 2, &None));
}

#[test]
fn a_control_over_a_table_without_rows_counts_none_and_says_so() {
    let staged = staged("  - { domain: allergy, table: t }", "id\n");
    assert_eq!(counted(&staged), []);
    assert_eq!(staged.stage.manifest().ledgers.controls[0].rows, 0);
}

#[test]
fn typed_columns_need_no_format() {
    let rows = "id,deleted,day,at\n1,0,2026-02-01,2026-07-01 09:00:00\n2,1,2026-02-01,2026-07-01 09:00:00\n3,0,2025-02-01,2025-07-01 09:00:00\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), rows).unwrap();
    let spec = "tables:
  t: { csv: '*.csv', key: id, kinds: { deleted: bool, day: date, at: local-timestamp, id: int64 } }
controls:
  - { domain: rtt, table: t, when: { deleted: 0 }, at: day, future: true }
  - { domain: spell, table: t, when: { id: [ '1' ] }, at: at }";
    let source = Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Csv, spec) };
    let staged = extract(source).unwrap();
    let told: Vec<_> = counted(&staged).into_iter().map(|c| (c.domain.as_str(), c.row_no, c.at.unwrap())).collect();
    assert_eq!(told, [("rtt", 1, "2026-02-01".to_owned()), ("spell", 1, "2026-07-01T09:00:00+01:00".to_owned())]);
}

#[test]
fn what_must_be_kept_is_written_in_the_words_of_the_output_and_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), ROWS).unwrap();
    let spec = "tables: { t: { csv: '*.csv', key: id } }\ncontrols:\n  - { domain: allergy, table: t, when: { id: '1' } }\nkeeps:\n  - { domain: allergy, table: t, when: { flag: N }, patient: pat, keep: { status: { column: status, as: { '0': active } }, code: spec } }\n";
    let staged =
        extract(Source { path: Some(folder.path().to_owned()), ..probe::source(SourceKind::Csv, spec) }).unwrap();
    assert_eq!(counted(&staged).len(), 1);
    let path = staged.stage.path().join("src/keeps.parquet");
    let kept: Vec<KeepRecord> = RecordReader::at(&path).unwrap().map(|r| r.unwrap()).collect();
    let said: Vec<(u64, &str, bool)> =
        kept.iter().map(|k| (k.row_no, k.says.as_str(), k.patient_hash.is_some())).collect();
    assert_eq!(said[0], (1, "code=430\nstatus=active\n", true));
    // Row 4 has a status that nobody translated; row 5 no code, and nobody's.
    assert_eq!(said[2], (4, "code=430\n", true));
    assert_eq!(said[3], (5, "code=\nstatus=active\n", false));
    assert_eq!(said.len(), 7);
}

#[test]
fn a_keep_that_means_nothing_is_told_with_its_place() {
    let spec = |keep: &str| {
        let text = format!("tables: {{ t: {{ csv: '*.csv', key: id }} }}\nkeeps:\n  - {keep}\n");
        epr_extract::spec::parse(&text, SourceKind::Csv, std::path::Path::new("x.yaml"))
            .map(|_| ())
            .map_err(|e| e.faults.iter().map(|f| f.message.clone()).collect::<Vec<_>>())
    };
    assert_eq!(spec("{ domain: document, table: t, patient: pat, keep: { } }"), Ok(()));
    assert!(spec("{ domain: allergy, table: t, keep: { dose: x } }").is_err());
    assert!(spec("{ domain: allergy, table: t, keep: { } }").is_err());
    assert!(spec("{ domain: spell, table: t, keep: { code: x } }").is_err());
    assert!(spec("{ domain: allergy, table: t }").is_err());
}
