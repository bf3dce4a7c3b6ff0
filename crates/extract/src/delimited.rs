//! CSV sources: files to rows.
//!
//! A file is first looked through whole (quotes closed, no NUL byte, a header that names each column once); only
//! then is it staged. A row with too few cells is staged with nulls, one with too many with the rest kept aside, each
//! with an issue. A file is in memory while it is read. RFC 4180 with any delimiter is what is read here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use epr_model::Action;
use epr_model::schema::{ColumnKind, TableSchema};
use epr_run::StageContext;
use epr_run::staged::StagedTable;

use crate::source::Source;
use crate::spec::schema::{FoundColumn, of_found};
use crate::spec::{CsvTable, EmptyCell, NamedColumn, TableSpec};
use crate::staging::{Cell, Outlet, Sink};
use crate::{ExtractError, decode, files, issues};

/// Rows between two looks at whether to stop.
const ROWS_BETWEEN_CHECKS: u64 = 8192;

/// Stages a CSV table from all its files, in the order of their names.
pub fn stage_table(
    ctx: &StageContext<'_>,
    outlet: &Outlet<'_>,
    source: &Source,
    spec: &TableSpec,
    csv: &CsvTable,
) -> Result<Vec<StagedTable>, ExtractError> {
    let found = files::matching(source, &csv.files)?;
    if found.is_empty() {
        if !spec.optional {
            return Err(no_files(source, spec, csv));
        }
        outlet.raise(source, &spec.name, (issues::TABLE_ABSENT, Action::Kept), None, None, None)?;
    }
    let headers = headers(spec, csv, &found)?;
    let schema = schema_of(spec, csv, &headers);
    for column in schema.columns.iter().filter(|c| c.optional && !found.is_empty()) {
        if !headers.iter().flatten().any(|h| h.name == column.name) {
            let what = (issues::COLUMN_ABSENT, Action::Kept);
            outlet.raise(source, &spec.name, what, None, Some(&column.name), None)?;
        }
    }
    let mut sink = Sink::new(outlet, source, schema.clone(), spec.trim)?;
    ctx.progress.begin(&format!("{} {}", source.name, spec.name), None, "rows");
    for file in &found {
        stage_file(ctx, outlet, source, spec, csv, &schema, &mut sink, file)?;
    }
    ctx.progress.end();
    Ok(vec![sink.finish()?])
}

/// The schema: the spec's columns, or those that the headers of the files name.
pub fn table_schema(source: &Source, spec: &TableSpec, csv: &CsvTable) -> Result<TableSchema, ExtractError> {
    if csv.columns.is_some() {
        return Ok(schema_of(spec, csv, &[]));
    }
    let found = files::matching(source, &csv.files)?;
    if found.is_empty() && !spec.optional {
        return Err(no_files(source, spec, csv));
    }
    Ok(schema_of(spec, csv, &headers(spec, csv, &found)?))
}

/// The columns of each file; files that will be refused have none.
fn headers(spec: &TableSpec, csv: &CsvTable, found: &[PathBuf]) -> Result<Vec<Vec<NamedColumn>>, ExtractError> {
    let header = |file| Ok(WholeFile::read(file, csv)?.and_then(|whole| whole.columns(spec, csv)).unwrap_or_default());
    found.iter().map(header).collect()
}

fn schema_of(spec: &TableSpec, csv: &CsvTable, headers: &[Vec<NamedColumn>]) -> TableSchema {
    let named: Vec<&NamedColumn> = match &csv.columns {
        Some(columns) => columns.iter().collect(),
        None => headers.iter().flatten().collect(),
    };
    let mut columns: Vec<FoundColumn> = Vec::new();
    for column in named {
        if !columns.iter().any(|c| c.name == column.name) {
            columns.push(FoundColumn { name: column.name.clone(), kind: ColumnKind::Text });
        }
    }
    of_found(spec, &columns)
}

fn no_files(source: &Source, spec: &TableSpec, csv: &CsvTable) -> ExtractError {
    ExtractError::NoFiles {
        name: source.name.clone(),
        table: spec.name.clone(),
        pattern: csv.files.clone(),
        path: source.path.clone().unwrap_or_default(),
    }
}

#[expect(clippy::too_many_arguments, reason = "what a file needs of its table, and nothing else")]
fn stage_file(
    ctx: &StageContext<'_>,
    outlet: &Outlet<'_>,
    source: &Source,
    spec: &TableSpec,
    csv: &CsvTable,
    schema: &TableSchema,
    sink: &mut Sink<'_, '_>,
    file: &PathBuf,
) -> Result<(), ExtractError> {
    let refuse = |reason: String| {
        let shape = Some(format!("{}: {reason}", files::name(file)));
        outlet.raise(source, &spec.name, (issues::CSV_REFUSED, Action::Refused), None, None, shape)
    };
    let whole = match WholeFile::read(file, csv)? {
        Ok(whole) => whole,
        Err(reason) => return refuse(reason),
    };
    let header = match whole.columns(spec, csv) {
        Ok(header) => header,
        Err(reason) => return refuse(reason),
    };
    // For each staged column the cell that holds it; decided once for the file.
    let places: Vec<Option<usize>> =
        schema.columns.iter().map(|c| header.iter().position(|h| h.name == c.name)).collect();
    for (column, place) in schema.columns.iter().zip(&places) {
        if place.is_none() && !spec.is_optional(&column.name) {
            let names: Vec<&str> = header.iter().map(|h| h.name.as_str()).collect();
            return Err(ExtractError::ColumnMissing {
                name: source.name.clone(),
                table: format!("{} ({})", spec.name, files::name(file)),
                column: column.name.clone(),
                there: names.join(", "),
                spec: source.spec_path.display().to_string(),
            });
        }
    }
    let mut reader = whole.reader(csv);
    let mut row = ::csv::ByteRecord::new();
    let n_cells = header.len();
    let mut n_read = 0;
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {}
            Err(_) => unreachable!("rows of any length are accepted, and the bytes are in memory"),
        }
        put_row(sink, &row, &places, n_cells, whole.encoding, csv.empty)?;
        n_read += 1;
        if n_read == ROWS_BETWEEN_CHECKS {
            ctx.stop.check()?;
            ctx.progress.advance(n_read);
            n_read = 0;
        }
    }
    ctx.progress.advance(n_read);
    Ok(())
}

fn put_row(
    sink: &mut Sink<'_, '_>,
    row: &::csv::ByteRecord,
    places: &[Option<usize>],
    n_cells: usize,
    encoding: &'static Encoding,
    empty: EmptyCell,
) -> Result<(), ExtractError> {
    if row.len() < n_cells {
        let shape = format!("{} cells of {n_cells}", row.len());
        sink.raise(issues::CSV_SHORT_ROW, Action::Defaulted, None, Some(shape))?;
    }
    if row.len() > n_cells {
        let shape = format!("{} cells where the header has {n_cells}", row.len());
        sink.raise(issues::CSV_LONG_ROW, Action::Omitted, None, Some(shape))?;
        for i in n_cells..row.len() {
            sink.cell_beyond(i + 1, &row[i], issues::CSV_LONG_ROW)?;
        }
    }
    for (i, place) in places.iter().enumerate() {
        let Some(bytes) = place.and_then(|p| row.get(p)) else {
            sink.cell(i, Cell::Null)?;
            continue;
        };
        match decode::text(bytes, encoding) {
            Err(_) => sink.cell(i, Cell::Undecodable(bytes))?,
            Ok(text) if empty == EmptyCell::Null && sink.trimmed(&text).is_empty() => sink.cell(i, Cell::Null)?,
            Ok(text) => sink.cell(i, Cell::Text(&text))?,
        }
    }
    sink.end_row()
}

/// The bytes of a file, looked through: rows and cells can be told apart.
struct WholeFile {
    /// ASCII-compatible, without byte order mark and without the lines before the header.
    bytes: Vec<u8>,
    encoding: &'static Encoding,
}

impl WholeFile {
    /// The inner error says why the file is not whole; it holds no cell.
    fn read(path: &PathBuf, csv: &CsvTable) -> Result<Result<Self, String>, ExtractError> {
        let raw = std::fs::read(path).map_err(ExtractError::io("read", path))?;
        Ok(Self::look_through(raw, csv))
    }

    fn look_through(raw: Vec<u8>, csv: &CsvTable) -> Result<Self, String> {
        let (encoding, skip) = match decode::by_mark(&raw) {
            Some(found) => found,
            None => (csv.encoding.unwrap_or(UTF_8), 0),
        };
        let mut bytes = raw;
        bytes.drain(..skip);
        if encoding == UTF_16LE || encoding == UTF_16BE {
            // The CSV reader works on bytes, of which half would be NUL.
            let text = decode::text(&bytes, encoding).map_err(|_| format!("a character is not {}", encoding.name()))?;
            bytes = text.into_owned().into_bytes();
            let n = lines_before(&bytes, csv.header_row);
            check_whole(&bytes[n..], csv)?;
            bytes.drain(..n);
            return Ok(Self { bytes, encoding: UTF_8 });
        }
        let n = lines_before(&bytes, csv.header_row);
        check_whole(&bytes[n..], csv)?;
        bytes.drain(..n);
        Ok(Self { bytes, encoding })
    }

    fn reader(&self, csv: &CsvTable) -> ::csv::Reader<&[u8]> {
        ::csv::ReaderBuilder::new()
            .delimiter(csv.delimiter)
            .has_headers(csv.header_row.is_some())
            .flexible(true)
            .from_reader(self.bytes.as_slice())
    }

    /// The columns in the order of the cells, under their staged names. A column that the spec does not list keeps
    /// its place under its own name, behind a `#`, so that it is never taken for a listed one.
    fn columns(&self, spec: &TableSpec, csv: &CsvTable) -> Result<Vec<NamedColumn>, String> {
        if csv.header_row.is_none() {
            return Ok(csv.columns.clone().expect("the spec's reader asks for columns where there is no header"));
        }
        let mut reader = self.reader(csv);
        let header = reader.byte_headers().map_err(|_| "the header cannot be read".to_owned())?.clone();
        let mut seen = BTreeSet::new();
        let mut columns = Vec::new();
        for (i, cell) in header.iter().enumerate() {
            let text: Cow<'_, str> = decode::text(cell, self.encoding)
                .map_err(|_| format!("header: cell {} is not {}", i + 1, self.encoding.name()))?;
            let source = text.trim().to_owned();
            if source.is_empty() {
                return Err(format!("header: cell {} is empty", i + 1));
            }
            if !seen.insert(source.clone()) {
                return Err(format!("header: cell {} names a column that was named before", i + 1));
            }
            columns.push(NamedColumn { name: staged_name(&source, spec, csv), source });
        }
        if columns.is_empty() {
            return Err("there is no header".to_owned());
        }
        Ok(columns)
    }
}

fn staged_name(source: &str, spec: &TableSpec, csv: &CsvTable) -> String {
    match &csv.columns {
        None => spec.spelling(source).unwrap_or(source).to_owned(),
        Some(columns) => match columns.iter().find(|c| c.source == source) {
            Some(column) => column.name.clone(),
            None => format!("#{source}"),
        },
    }
}

/// The bytes of the lines above the header.
fn lines_before(bytes: &[u8], header_row: Option<u64>) -> usize {
    let n_lines = header_row.unwrap_or(1).saturating_sub(1) as usize;
    if n_lines == 0 {
        return 0;
    }
    bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(n_lines - 1).map_or(bytes.len(), |(i, _)| i + 1)
}

/// Refuses what the csv crate would read by guessing: an open quote at the end, text after a closing quote, NUL.
fn check_whole(bytes: &[u8], csv: &CsvTable) -> Result<(), String> {
    #[derive(PartialEq)]
    enum At {
        CellStart,
        Unquoted,
        Quoted,
        AfterQuote,
    }
    let mut at = At::CellStart;
    let mut line = csv.header_row.unwrap_or(1);
    let mut quoted_since = line;
    for &b in bytes {
        if b == 0 {
            return Err(format!("line {line}: a NUL byte"));
        }
        at = match at {
            At::Quoted if b == b'"' => At::AfterQuote,
            At::Quoted => At::Quoted,
            At::AfterQuote if b == b'"' => At::Quoted,
            At::CellStart if b == b'"' => {
                quoted_since = line;
                At::Quoted
            }
            _ if b == csv.delimiter || b == b'\n' || b == b'\r' => At::CellStart,
            At::AfterQuote => return Err(format!("line {line}: text after the closing quote of a cell")),
            At::CellStart | At::Unquoted => At::Unquoted,
        };
        if b == b'\n' {
            line += 1;
        }
    }
    if at == At::Quoted { Err(format!("line {quoted_since}: a quoted cell that never ends")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain() -> CsvTable {
        CsvTable {
            files: "*.csv".to_owned(),
            delimiter: b',',
            encoding: None,
            header_row: Some(1),
            columns: None,
            empty: EmptyCell::Text,
        }
    }

    #[test]
    fn a_file_whose_rows_would_be_a_guess_is_refused_with_its_line() {
        for (text, expected) in [
            ("a,b\n1,\"2\n3,4\n", Err("line 2: a quoted cell that never ends".to_owned())),
            ("a,b\n1,\"2\"x\n", Err("line 2: text after the closing quote of a cell".to_owned())),
            ("a,b\n1,\0\n", Err("line 2: a NUL byte".to_owned())),
            ("a,b\n1,2\"3\n", Ok(())),
            ("a,b\r\n\"1\n\"\"x\"\"\",\r\n", Ok(())),
            ("", Ok(())),
        ] {
            assert_eq!(check_whole(text.as_bytes(), &plain()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_a_csv_writer_wrote_is_whole_and_comes_back(
            rows in proptest::collection::vec(proptest::collection::vec("[ -~é\r\n\"]{0,8}", 3), 1..6),
        ) {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).unwrap();
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let whole = WholeFile::look_through(writer.into_inner().unwrap(), &plain()).unwrap();
            let read: Vec<Vec<String>> = whole
                .reader(&plain())
                .byte_records()
                .map(|r| r.unwrap().iter().map(|c| decode::text(c, UTF_8).unwrap().into_owned()).collect())
                .collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(whole) = WholeFile::look_through(bytes, &plain()) {
                for row in whole.reader(&plain()).byte_records() {
                    row.unwrap();
                }
            }
        }
    }
}
