//! SQLite over real ODBC. Skipped with a notice where the driver is absent, unless `EPR_REQUIRE` names `odbc`.

use std::path::{Path, PathBuf};

use epr_extract::{ExtractError, Source, SourceKind, odbc::driver};
use epr_model::Sensitive;
use odbc_api::Cursor;
use rusqlite::Connection;

use super::probe::{self, Staged, extract};

/// A database made by `sql`, and the source that reads it by `spec`; `None` where there is no driver.
fn database(sql: &str, spec: &str) -> Option<(tempfile::TempDir, Source)> {
    if let Err(missing) = driver::resolve("SQLite3", &probe::configurations()) {
        assert!(!probe::required("odbc"), "EPR_REQUIRE names `odbc`: {missing:?}");
        println!("skipped: the SQLite ODBC driver is not on this machine");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("source.sqlite");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(sql).unwrap();
    let source =
        Source { driver: Some("SQLite3".to_owned()), database: Some(file), ..probe::source(SourceKind::Odbc, spec) };
    Some((folder, source))
}

fn staged(sql: &str, spec: &str) -> Option<Staged> {
    let (_folder, source) = database(sql, spec)?;
    Some(extract(source).unwrap())
}

#[test]
fn every_value_comes_through_exactly() {
    let sql = "CREATE TABLE T (ID INTEGER, D REAL, N NUMERIC(10,2), B BLOB, S TEXT, F BOOLEAN, W DATETIME);
        INSERT INTO T VALUES (99999999999, 0.1 + 0.2, 1.5, x'00ff', 'O''Neill – 東京 😀', 1, '2001-01-01');
        INSERT INTO T VALUES (-9223372036854775808, 5e-324, 12, x'', '', 0, '01/01/01');
        INSERT INTO T VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO T VALUES (1, 1.7976931348623157e308, 0.1, x'41', ' padded  ', 1, 20010101);
        INSERT INTO T VALUES (2, 3, 1234567.89, x'42', 'line' || char(10) || 'two', 1, '');";
    let Some(staged) = staged(sql, "tables: { T: { key: ID, trim: right } }") else { return };
    insta::assert_debug_snapshot!((staged.columns("T"), staged.rows("T"), staged.issues()));
}

#[test]
fn twenty_thousand_doubles_come_through_bit_by_bit() {
    let Some((_folder, source)) = database("CREATE TABLE T (D REAL)", "tables: { T: { key: row } }") else { return };
    let connection = Connection::open(source.database.as_ref().unwrap()).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    let mut expected = Vec::new();
    // A fixed linear congruence: the same numbers each time, all exponents among them.
    let mut state: u64 = 1;
    let mut insert = connection.prepare("INSERT INTO T VALUES (?)").unwrap();
    while expected.len() < 20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = f64::from_bits(state ^ (state >> 31));
        if value.is_finite() {
            insert.execute([value]).unwrap();
            expected.push(format!("{value:?}"));
        }
    }
    drop(insert);
    connection.execute_batch("COMMIT").unwrap();
    let staged = extract(source).unwrap();
    let rows: Vec<String> = staged.rows("T").into_iter().map(|mut r| r.remove(0)).collect();
    let n_wrong = rows.iter().zip(&expected).filter(|(a, b)| a != b).count();
    assert_eq!((rows.len(), n_wrong), (expected.len(), 0));
}

#[test]
fn what_does_not_fit_its_column_is_kept_aside_and_never_null_without_an_issue() {
    let sql = "CREATE TABLE T (ID INTEGER, D DOUBLE, S TEXT);
        INSERT INTO T VALUES ('abc', 'xyz', 'ok');
        INSERT INTO T VALUES (1.5, 9007199254740993, CAST(x'c328' AS TEXT));
        INSERT INTO T VALUES (x'01', 9e999, x'0203');
        INSERT INTO T VALUES (4, 4.0, 'a' || char(0) || 'b');
        INSERT INTO T VALUES (5, 9007199254740992, 'the end');";
    let Some(staged) = staged(sql, "tables: { T: { key: row } }") else { return };
    insta::assert_debug_snapshot!((staged.rows("T"), staged.issues(), staged.aside("T")));
}

#[test]
fn kinds_of_the_spec_decide_over_the_database() {
    let sql = "CREATE TABLE T (ID TEXT, BORN TEXT, SEEN DATE, N INTEGER, R TEXT);
        INSERT INTO T VALUES ('007', '1950-06-30', '01/02/2003', 42, '1.50');
        INSERT INTO T VALUES ('8', '30/06/1950', NULL, 'x', '1,50');";
    let spec = "tables: { T: { key: ID, kinds: { BORN: date, N: text, R: decimal } } }";
    let Some(staged) = staged(sql, spec) else { return };
    insta::assert_debug_snapshot!((staged.columns("T"), staged.rows("T"), staged.issues()));
}

#[test]
fn absent_optional_columns_and_tables_are_null_with_one_issue_each() {
    let sql = "CREATE TABLE Encounters (Id TEXT, STOP TEXT);
        INSERT INTO Encounters VALUES ('e1', NULL), ('e2', '');";
    let spec = "tables:
  encounters: { key: ID, optional: [ STOP, COST, PAYER ], kinds: { COST: decimal } }
  devices: { key: row, optional: true, columns: [ CODE, START ] }
  supplies: { key: PATIENT, optional: true }";
    let Some(staged) = staged(sql, spec) else { return };
    insta::assert_debug_snapshot!((
        staged.columns("encounters"),
        staged.rows("encounters"),
        staged.columns("devices"),
        staged.columns("supplies"),
        staged.issues()
    ));
}

#[test]
fn listed_columns_keep_the_order_of_the_spec_and_may_be_renamed() {
    let sql = "CREATE TABLE \"odd name; --\" (\"we\"\"ird\" TEXT, b TEXT, c TEXT); INSERT INTO \"odd name; --\" VALUES ('1', '2', '3');";
    let spec = "tables: { T: { table: 'odd name; --', key: id, columns: { c: c, x: absent, id: 'we\"ird' }, optional: [ x ] } }";
    let Some(staged) = staged(sql, spec) else { return };
    assert_eq!(staged.columns("T"), [("c".into(), "text"), ("x".into(), "text"), ("id".into(), "text")]);
    assert_eq!(staged.rows("T"), [["3", "∅", "1"]]);
}

#[test]
fn sql_of_the_spec_is_run_as_it_is() {
    let sql = "CREATE TABLE T (ID INTEGER, Y INTEGER); INSERT INTO T VALUES (1, 2014), (2, 2015), (3, 2016);";
    let spec = "tables: { T: { sql: \"WITH n AS (SELECT * FROM T) SELECT ID, Y + 1 AS NEXT FROM n WHERE Y > 2014 -- why;\", key: ID } }";
    let Some(staged) = staged(sql, spec) else { return };
    assert_eq!(staged.rows("T"), [["2", "2016"], ["3", "2017"]]);
}

#[test]
fn large_cells_go_to_blobs_and_documents_always_do() {
    let sql = "CREATE TABLE T (ID INTEGER, LETTER TEXT, NOTE TEXT);
        INSERT INTO T VALUES (1, 'Dear Dr', printf('%.*c', 1048576, 'x')), (2, printf('%.*c', 3000000, 'y'), printf('%.*c', 1048577, 'z'));
        INSERT INTO T VALUES (3, 'Dear Dr', printf('%.*c', 100000, 'é'));";
    let spec = "tables: { T: { key: ID, class: { LETTER: document } } }";
    let Some(staged) = staged(sql, spec) else { return };
    let rows = staged.rows("T");
    let blob = |name: &str| std::fs::read(staged.stage.path().join("blobs").join(name)).unwrap();
    assert_eq!(blob(&rows[0][1]), b"Dear Dr");
    assert_eq!(rows[0][1], rows[2][1]);
    assert_eq!(blob(&rows[1][1]), vec![b'y'; 3_000_000]);
    assert_eq!((rows[0][2].len(), rows[1][2].as_str()), (1_048_576, "∅"));
    assert_eq!(rows[2][2].chars().filter(|c| *c == 'é').count(), 100_000);
    assert_eq!(staged.issues(), ["EXT0203 omitted T 2 NOTE 1048577 bytes"]);
    assert_eq!(blob(staged.aside("T")[0].blob.as_ref().unwrap()), vec![b'z'; 1_048_577]);
}

#[test]
fn the_bytes_staged_do_not_depend_on_the_batch_size() {
    let sql = "CREATE TABLE T (ID INTEGER, S TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO T SELECT i, printf('%.*c', i % 300, 'x') FROM n;";
    let Some((_folder, source)) = database(sql, "tables: { T: { key: ID } }") else { return };
    let one = probe::extract_in_batches(source.clone(), 1).unwrap().fingerprint();
    assert_eq!(one, probe::extract_in_batches(source, 65_536).unwrap().fingerprint());
    assert!(one.iter().any(|(path, _)| path == "src/T/part-0000.parquet"));
}

#[test]
fn the_schema_needs_no_rows_and_is_the_one_that_is_staged() {
    let sql = "CREATE TABLE T (ID INTEGER, S VARCHAR(10)); INSERT INTO T VALUES (1, 'x');";
    let spec = "tables: { T: { key: ID, optional: [ LATER ] }, U: { key: row, optional: true, columns: [ A ] } }";
    let Some((folder, source)) = database(sql, spec) else { return };
    let schema = epr_extract::schema(&source).unwrap();
    let file = folder.path().join("sys.schema.json");
    epr_extract::write_schema(&file, &schema).unwrap();
    assert_eq!(epr_extract::read_schema(&file).unwrap(), schema);
    assert_eq!(schema.pack, "rxx/sys");
    let staged = extract(source).unwrap();
    let tables: Vec<_> = staged.stage.manifest().tables.iter().map(|t| t.schema.clone()).collect();
    assert_eq!(tables, schema.tables);
}

#[test]
fn what_is_missing_is_named_with_what_is_there() {
    let sql = "CREATE TABLE T (ID INTEGER, SURNAME TEXT); CREATE TABLE U (X TEXT);";
    let told = |spec: &str| database(sql, spec).map(|(_f, source)| extract(source).err().unwrap());
    let mut all = Vec::new();
    for spec in [
        "tables: { V: { key: row } }",
        "tables: { T: { key: PASID } }",
        "tables: { T: { key: ID, columns: [ ID, NAME ] } }",
        "tables: { T: { key: ID, kinds: { AGE: int64 } } }",
        "tables: { T: { sql: 'SELEC ID FROM T', key: ID } }",
        "tables: { T: { sql: 'DELETE FROM T', key: ID } }",
    ] {
        let Some(error) = told(spec) else { return };
        assert!(!error.is_environment(), "{error:?}");
        let cause = std::error::Error::source(&error).map(|c| format!("\n  {c}")).unwrap_or_default();
        all.push(format!("{error}{cause}"));
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn a_missing_driver_says_what_to_install() {
    let mut source = probe::source(SourceKind::Odbc, "tables: { T: { key: row } }");
    source.driver = Some("SQLite4".to_owned());
    source.database = Some(PathBuf::from("x.sqlite"));
    let error = extract(source).err().unwrap();
    assert!(error.is_environment());
    assert!(matches!(&error, ExtractError::DriverMissing { .. }));
    assert!(error.to_string().contains("apt-get install libsqliteodbc"), "{error}");
}

#[test]
fn a_missing_database_is_an_error_and_is_not_created() {
    let Some((folder, mut source)) = database("", "tables: { T: { key: row } }") else { return };
    let file = folder.path().join("other.sqlite");
    source.database = Some(file.clone());
    let error = extract(source.clone()).err().unwrap();
    assert!(error.is_environment() && matches!(&error, ExtractError::DatabaseMissing { .. }), "{error:?}");
    source.connection = Some(Sensitive::new(format!("Driver=SQLite3;Database={}", file.display())));
    assert!(matches!(extract(source), Err(ExtractError::DatabaseMissing { .. })));
    assert!(!file.exists());
}

#[test]
fn a_file_that_is_no_database_is_an_environment_failure() {
    let Some((folder, mut source)) = database("", "tables: { T: { key: row } }") else { return };
    let file = folder.path().join("letter.sqlite");
    std::fs::write(&file, "Dear Dr, this is no database at all. ".repeat(100)).unwrap();
    source.database = Some(file);
    let error = extract(source).err().unwrap();
    assert!(error.is_environment(), "{error:?}");
}

#[test]
fn the_synthea_tables_are_staged_row_by_row_as_the_csv_has_them() {
    let Some(folder) = probe::shared("synthea-csv-fhir-pair/csv") else { return };
    let (sql, spec) = ("", "tables: { observations: { key: row }, patients: { key: Id } }");
    let Some((_folder, source)) = database(sql, spec) else { return };
    let connection = Connection::open(source.database.as_ref().unwrap()).unwrap();
    let mut expected = Vec::new();
    for table in ["observations", "patients"] {
        expected.push(load(&connection, &folder.join(format!("{table}.csv")), table));
    }
    let staged = extract(source).unwrap();
    assert_eq!(staged.rows("observations"), expected[0]);
    assert_eq!(staged.rows("patients"), expected[1]);
    assert_eq!(staged.issues(), [""; 0]);
}

fn load(connection: &Connection, file: &Path, table: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let heads: Vec<String> = reader.headers().unwrap().iter().map(|h| format!("\"{h}\" TEXT")).collect();
    connection.execute_batch(&format!("CREATE TABLE {table} ({}); BEGIN", heads.join(", "))).unwrap();
    let places = vec!["nullif(?, '')"; heads.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO {table} VALUES ({places})")).unwrap();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.unwrap();
        insert.execute(rusqlite::params_from_iter(record.iter())).unwrap();
        rows.push(record.iter().map(|c| if c.is_empty() { "∅".to_owned() } else { c.to_owned() }).collect());
    }
    connection.execute_batch("COMMIT").unwrap();
    rows
}

/// Over the same driver: a second SQLite in one process (rusqlite brings its own) would undo the locks of the first.
fn second_connection(database: &Path) -> odbc_api::Connection<'static> {
    let driver = driver::resolve("SQLite3", &probe::configurations()).unwrap();
    let text = format!("Driver={};Database={};NoCreat=1;", driver.display(), database.display());
    let options = odbc_api::ConnectionOptions::default();
    odbc_api::environment().unwrap().connect_with_connection_string(&text, options).unwrap()
}

/// Writes into table B when table A is being read.
struct WritesMeanwhile {
    database: PathBuf,
}

impl epr_run::Progress for WritesMeanwhile {
    fn begin(&self, label: &str, _: Option<u64>, _: &'static str) {
        if label == "src B" {
            let writer = second_connection(&self.database);
            writer.execute("UPDATE A SET X = 'late'", (), None).unwrap();
            writer.execute("INSERT INTO B VALUES ('late')", (), None).unwrap();
        }
    }
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

#[test]
fn all_tables_are_of_one_moment_though_another_writes_between_them() {
    // With a write-ahead log the writer is not made to wait, and its rows are there for whoever looks anew.
    let sql = "PRAGMA journal_mode = WAL; CREATE TABLE A (X TEXT); CREATE TABLE B (X TEXT);
        INSERT INTO A VALUES ('early'); INSERT INTO B VALUES ('early');";
    let spec = "tables: { A: { key: row }, B: { key: row }, C: { key: row, sql: 'SELECT X FROM A' } }";
    let Some((_folder, source)) = database(sql, spec) else { return };
    let database = source.database.clone().unwrap();
    let staged = probe::extract_watched(source, &WritesMeanwhile { database: database.clone() }).unwrap();
    for table in ["A", "B", "C"] {
        assert_eq!(staged.rows(table), [["early"]], "{table}");
    }
    let mut n_late = 0;
    let mut cursor =
        second_connection(&database).into_cursor("SELECT X FROM B WHERE X = 'late'", (), None).unwrap().unwrap();
    while cursor.next_row().unwrap().is_some() {
        n_late += 1;
    }
    assert_eq!(n_late, 1, "the other connection did write");
}
