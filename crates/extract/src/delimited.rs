//! CSV sources: files to rows.
//!
//! A file is first read to its end (quotes closed, no NUL byte, a header that names each column once; see [`whole`]);
//! only then is it read again and staged, and must be the same as before. A row with too few cells is staged with
//! nulls, one with too many with the rest kept aside, each with an issue. One row is in memory, never the file.
//! RFC 4180 with any delimiter is what is read here.

pub mod whole;

use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use epr_model::Action;
use epr_model::schema::{ColumnKind, TableSchema};
use epr_run::staged::StagedTable;
use epr_run::{StageContext, StopFlag};

use self::whole::WholeFile;
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
    let checked = check_files(spec, csv, &found, ctx.stop)?;
    let headers = headers(&checked);
    let schema = schema_of(spec, csv, &headers);
    for column in schema.columns.iter().filter(|c| c.optional && !found.is_empty()) {
        if !headers.iter().flatten().any(|h| h.name == column.name) {
            let what = (issues::COLUMN_ABSENT, Action::Kept);
            outlet.raise(source, &spec.name, what, None, Some(&column.name), None)?;
        }
    }
    let mut sink = Sink::new(outlet, source, schema.clone(), spec.trim)?;
    ctx.progress.begin(&format!("{} {}", source.name, spec.name), None, "rows");
    for (file, checked) in found.iter().zip(checked) {
        match checked {
            Ok(whole) => stage_file(ctx, source, spec, csv, &schema, &mut sink, file, &whole)?,
            Err(reason) => {
                let shape = Some(format!("{}: {reason}", files::name(file)));
                outlet.raise(source, &spec.name, (issues::CSV_REFUSED, Action::Refused), None, None, shape)?;
            }
        }
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
    let checked = check_files(spec, csv, &found, &StopFlag::new())?;
    Ok(schema_of(spec, csv, &headers(&checked)))
}

/// Reads each file to its end; the inner error says why one is refused.
fn check_files(
    spec: &TableSpec,
    csv: &CsvTable,
    found: &[PathBuf],
    stop: &StopFlag,
) -> Result<Vec<Result<WholeFile, String>>, ExtractError> {
    found.iter().map(|file| WholeFile::check(file, spec, csv, stop)).collect()
}

/// The columns of each file that will be staged.
fn headers(checked: &[Result<WholeFile, String>]) -> Vec<Vec<NamedColumn>> {
    checked.iter().flatten().map(|whole| whole.columns.clone()).collect()
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
    source: &Source,
    spec: &TableSpec,
    csv: &CsvTable,
    schema: &TableSchema,
    sink: &mut Sink<'_, '_>,
    file: &Path,
    whole: &WholeFile,
) -> Result<(), ExtractError> {
    let header = &whole.columns;
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
    let n_cells = header.len();
    let mut n_read = 0;
    whole.each_row(file, csv, |row| {
        put_row(sink, row, &places, n_cells, whole.encoding, csv.empty)?;
        n_read += 1;
        if n_read == ROWS_BETWEEN_CHECKS {
            ctx.stop.check()?;
            ctx.progress.advance(n_read);
            n_read = 0;
        }
        Ok(())
    })?;
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
