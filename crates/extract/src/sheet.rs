//! Workbooks: sheets to rows.
//!
//! A workbook is read whole into memory, proved (check sums, XML to its end, every row of every sheet that is wanted)
//! and only then staged; one that cannot be read gives an issue and no row. Cells are staged as a person sees them:
//! numbers to fifteen digits without `.0`, dates in ISO 8601. What is hidden, merged, below the end or without a
//! header is told, once for each sheet.
//!
//! | what you want to find | where |
//! |---|---|
//! | a workbook of any format, its cells | [`workbook`] |
//! | xlsx; ods; xls and xlsb | [`xlsx`], [`ods`], [`old`] |
//! | which column is which | [`header`] |
//! | numbers and dates | [`serial`] |
//! | the zip around it, the XML in it | [`package`], [`events`] |

pub mod events;
pub mod header;
pub mod ods;
pub mod old;
pub mod package;
mod place;
pub mod serial;
pub mod workbook;
pub mod xlsx;

use std::collections::BTreeSet;
use std::path::Path;

use epr_model::Action;
use epr_model::schema::ColumnKind;
use epr_run::StageContext;
use epr_run::staged::StagedTable;

use self::header::{Columns, Search};
use self::place::Skipped;
use self::serial::Moment;
use self::workbook::{Broken, Seen, SheetCell, SheetInfo, SheetRow, Workbook, letters, place};
use crate::convert::{self, Typed};
use crate::source::Source;
use crate::spec::{CellDates, PlaceColumn, SheetColumn, SheetTable, TableSpec, schema};
use crate::staging::{Cell, Outlet, Sink};
use crate::{ExtractError, files, issues};

/// A file above this is refused: it has to fit in memory.
const MAX_FILE_BYTES: u64 = 512 * 1024 * 1024;
/// Rows between two looks at whether to stop.
const ROWS_BETWEEN_CHECKS: u64 = 8192;

/// Stages a table from all sheets of all workbooks that match, in the order of the files' names and of the sheets.
pub fn stage_table(
    ctx: &StageContext<'_>,
    outlet: &Outlet<'_>,
    source: &Source,
    spec: &TableSpec,
    sheet: &SheetTable,
) -> Result<Vec<StagedTable>, ExtractError> {
    let found = files::matching_any(source, &sheet.files)?;
    if found.is_empty() {
        if !spec.optional {
            return Err(ExtractError::NoFiles {
                name: source.name.clone(),
                table: spec.name.clone(),
                pattern: sheet.files.join(", "),
                path: source.path.clone().unwrap_or_default(),
            });
        }
        outlet.raise(source, &spec.name, (issues::TABLE_ABSENT, Action::Kept), None, None, None)?;
    }
    let schema = schema::of_sheet(spec, sheet);
    let kinds = schema.columns[sheet.place.len()..].iter().map(|c| c.kind).collect();
    let sink = Sink::new(outlet, source, schema, spec.trim)?;
    let mut table = Table {
        ctx,
        outlet,
        source,
        spec,
        sheet,
        kinds,
        sink,
        unlisted: BTreeSet::new(),
        absent: BTreeSet::new(),
        n_wanted: 0,
        n_others: 0,
        any_refused: false,
    };
    ctx.progress.begin(&format!("{} {}", source.name, spec.name), Some(found.len() as u64), "files");
    for file in &found {
        ctx.stop.check()?;
        table.file(file)?;
        ctx.progress.advance(1);
    }
    ctx.progress.end();
    // A sheet that was renamed everywhere must not pass for a table without rows.
    if table.n_wanted == 0 && !table.any_refused && !found.is_empty() {
        if !spec.optional {
            return Err(ExtractError::TableMissing {
                name: source.name.clone(),
                table: sheet.sheets.clone(),
                there: format!("{} workbooks with {} sheets of other names", found.len(), table.n_others),
                spec: source.spec_path.display().to_string(),
            });
        }
        outlet.raise(source, &spec.name, (issues::TABLE_ABSENT, Action::Kept), None, None, None)?;
    }
    Ok(vec![table.sink.finish()?])
}

/// A table while its workbooks are read.
struct Table<'t, 's> {
    ctx: &'t StageContext<'t>,
    outlet: &'t Outlet<'s>,
    source: &'t Source,
    spec: &'t TableSpec,
    sheet: &'t SheetTable,
    /// Of the columns of the spec, in their order.
    kinds: Vec<ColumnKind>,
    sink: Sink<'t, 's>,
    /// Headers that an issue was raised for.
    unlisted: BTreeSet<String>,
    /// Optional columns that an issue was raised for.
    absent: BTreeSet<String>,
    /// Sheets whose names fit, and the others.
    n_wanted: usize,
    n_others: usize,
    any_refused: bool,
}

/// Where the rows of a sheet go while it is staged.
struct Reading<'r> {
    file: &'r str,
    info: &'r SheetInfo,
    search: Search<'r>,
    columns: Option<Columns>,
    ended: bool,
    skipped: Skipped,
    first_row: Option<u32>,
    last_row: u32,
    n_rows: u64,
}

impl Table<'_, '_> {
    fn file(&mut self, path: &Path) -> Result<(), ExtractError> {
        let name = files::name(path);
        let mut book = match open(path)? {
            Ok(book) => book,
            Err(reason) => {
                self.any_refused = true;
                return self.raise(issues::SHEET_REFUSED, Action::Refused, format!("{name}: {reason}"));
            }
        };
        let pattern = header::plain(&self.sheet.sheets);
        let is_wanted = |info: &&SheetInfo| files::matches_pattern(&pattern, &header::plain(&info.name));
        let wanted: Vec<SheetInfo> = book.sheets().iter().filter(is_wanted).cloned().collect();
        self.n_wanted += wanted.len();
        self.n_others += book.sheets().len() - wanted.len();
        if wanted.is_empty() {
            let n = book.sheets().len();
            return self.raise(issues::SHEET_ABSENT, Action::Kept, format!("{name}: none of its {n} sheets"));
        }
        // A workbook that breaks in its last sheet gives nothing of its first.
        for info in &wanted {
            let mut n_rows = 0;
            let stop = self.ctx.stop;
            let read = book.each_row(info, &mut |_| {
                n_rows += 1;
                if n_rows % ROWS_BETWEEN_CHECKS == 0 {
                    stop.check()?;
                }
                Ok(())
            });
            match read {
                Ok(_) => {}
                Err(Broken::Taken(error)) => return Err(error),
                Err(Broken::Refused(reason)) => {
                    let shape = format!("{name} sheet {}: {reason}", info.number);
                    return self.raise(issues::SHEET_REFUSED, Action::Refused, shape);
                }
            }
        }
        wanted.iter().try_for_each(|info| self.sheet(&mut book, &name, info))
    }

    fn sheet(&mut self, book: &mut Workbook, file: &str, info: &SheetInfo) -> Result<(), ExtractError> {
        let (spec, sheet) = (self.spec, self.sheet);
        let mut reading = Reading {
            file,
            info,
            search: Search::new(spec, sheet),
            columns: None,
            ended: false,
            skipped: Skipped::default(),
            first_row: None,
            last_row: 0,
            n_rows: 0,
        };
        let mut refused = None;
        let read = book.each_row(info, &mut |row| {
            if refused.is_none() {
                refused = self.row(&mut reading, &row)?.err();
            }
            Ok(())
        });
        let seen = match read {
            Ok(seen) => seen,
            Err(Broken::Taken(error)) => return Err(error),
            Err(Broken::Refused(_)) => unreachable!("the same bytes were read to their end before"),
        };
        if refused.is_none() && reading.columns.is_none() {
            refused = Some(reading.search.end());
        }
        if let Some(reason) = refused {
            let shape = format!("{file} sheet {}: {reason}", info.number);
            return self.raise(issues::SHEET_HEADER, Action::Refused, shape);
        }
        self.tell(&reading, &seen)
    }

    /// Takes the next row that holds something. The inner error says why the sheet is refused.
    fn row(&mut self, reading: &mut Reading<'_>, row: &SheetRow) -> Result<Result<(), String>, ExtractError> {
        if reading.columns.is_none() {
            match reading.search.row(row) {
                None => return Ok(Ok(())),
                Some(Err(reason)) => return Ok(Err(reason)),
                Some(Ok(columns)) => {
                    self.header(reading, &columns)?;
                    let last_row = columns.last_row;
                    reading.columns = Some(columns);
                    if row.number <= last_row {
                        return Ok(Ok(()));
                    }
                }
            }
        }
        let columns = reading.columns.take().expect("set above");
        let put = self.data(reading, &columns, row);
        reading.columns = Some(columns);
        put.map(Ok)
    }

    /// What a header tells: absent and unlisted columns, each once a run.
    fn header(&mut self, reading: &Reading<'_>, columns: &Columns) -> Result<(), ExtractError> {
        let at = format!("{} sheet {}", reading.file, reading.info.number);
        for (column, place) in self.sheet.columns.iter().zip(&columns.places) {
            if place.is_none() && self.absent.insert(column.name.clone()) {
                let what = (issues::COLUMN_ABSENT, Action::Kept);
                let at = Some(at.clone());
                self.outlet.raise(self.source, &self.spec.name, what, None, Some(&column.name), at)?;
            }
        }
        for (place, name) in &columns.unlisted {
            if self.unlisted.insert(header::plain(name)) {
                let what = (issues::SHEET_UNLISTED, Action::Omitted);
                let at = Some(format!("{at} column {}", letters(*place)));
                self.outlet.raise(self.source, &self.spec.name, what, None, Some(&named(name)), at)?;
            }
        }
        Ok(())
    }

    fn data(&mut self, reading: &mut Reading<'_>, columns: &Columns, row: &SheetRow) -> Result<(), ExtractError> {
        let listed: Vec<Option<&SheetCell>> =
            columns.places.iter().map(|place| place.and_then(|c| row.cell(c))).collect();
        if listed.iter().all(Option::is_none) {
            reading.skipped.no_listed.push(row.number);
            return Ok(());
        }
        if columns.is_repeated(row) {
            reading.skipped.headers.push(row.number);
            return Ok(());
        }
        if let Some(until) = &self.sheet.until {
            let texts: Vec<Option<String>> =
                self.sheet.columns.iter().zip(&listed).map(|(c, cell)| cell.and_then(|cell| text(c, cell))).collect();
            let value = |name: &str| {
                let i = self.sheet.columns.iter().position(|c| c.name == name)?;
                texts[i].as_deref()
            };
            if until.holds(value) {
                reading.ended = true;
                reading.skipped.totals.push(row.number);
                return Ok(());
            }
            if reading.ended {
                return self.after_end(reading, row);
            }
        }
        reading.first_row.get_or_insert(row.number);
        reading.last_row = row.number;
        reading.n_rows += 1;
        if row.hidden {
            reading.skipped.hidden.push(row.number);
        }
        self.sink.at(format!("{} sheet {} row {}", reading.file, reading.info.number, row.number));
        self.unnamed(reading, columns, row)?;
        let n_place = self.sheet.place.len();
        for (i, column) in self.sheet.place.iter().enumerate() {
            match column {
                PlaceColumn::File => self.sink.cell(i, Cell::Text(reading.file))?,
                PlaceColumn::Sheet => self.sink.cell(i, Cell::Text(&reading.info.name))?,
                PlaceColumn::Row => self.sink.cell(i, Cell::Typed(Typed::Int64(i64::from(row.number))))?,
            }
        }
        for (i, (column, cell)) in self.sheet.columns.iter().zip(listed).enumerate() {
            put(&mut self.sink, n_place + i, column, self.kinds[i], cell)?;
        }
        self.sink.end_row()
    }

    /// Cells in columns that have no header are kept aside.
    fn unnamed(&mut self, reading: &mut Reading<'_>, columns: &Columns, row: &SheetRow) -> Result<(), ExtractError> {
        if columns.last_row == 0 {
            return Ok(());
        }
        for (column, cell) in row.cells.iter().filter(|(c, _)| !columns.is_named(*c)) {
            *reading.skipped.unnamed.entry(*column).or_default() += 1;
            let at = format!("{} sheet {} {}", reading.file, reading.info.number, place(row.number, *column));
            let value = shown(cell);
            self.sink.outside_silently(issues::SHEET_UNNAMED, &at, value.as_bytes())?;
        }
        Ok(())
    }

    /// A row below the end of the table for which the end's condition does not hold.
    fn after_end(&mut self, reading: &mut Reading<'_>, row: &SheetRow) -> Result<(), ExtractError> {
        reading.skipped.after_end.push(row.number);
        for (column, cell) in &row.cells {
            let at = format!("{} sheet {} {}", reading.file, reading.info.number, place(row.number, *column));
            self.sink.outside_silently(issues::SHEET_AFTER_END, &at, shown(cell).as_bytes())?;
        }
        Ok(())
    }

    /// What there is to tell of a sheet once it is read, each at most once.
    fn tell(&self, reading: &Reading<'_>, seen: &Seen) -> Result<(), ExtractError> {
        let at = format!("{} sheet {}", reading.file, reading.info.number);
        let skipped = &reading.skipped;
        let columns = reading.columns.as_ref().map_or(&[][..], |c| &c.places);
        let is_used = |(first, last): &&(u32, u32)| columns.iter().flatten().any(|c| (first..=last).contains(&c));
        let n_hidden = seen.hidden_columns.iter().filter(is_used).count();
        let hidden = place::hidden(reading.info.hidden, skipped.hidden.len(), n_hidden);
        let (first, last) = (reading.first_row.unwrap_or(u32::MAX), reading.last_row);
        let merged = seen.merged_rows.iter().filter(|(from, to)| *to > first && *from <= last);
        let merged: Vec<u32> = merged.map(|(from, _)| *from).collect();
        let told = [
            (issues::SHEET_HIDDEN, Action::Kept, hidden),
            (issues::SHEET_MERGED, Action::Kept, place::rows("merged areas, the first from row", &merged)),
            (issues::SHEET_NO_ROW, Action::Excluded, skipped.no_rows()),
            (issues::SHEET_AFTER_END, Action::Omitted, place::rows("rows, the first", &skipped.after_end)),
        ];
        for (code, action, shape) in told {
            if let Some(shape) = shape {
                self.raise(code, action, format!("{at}: {shape}"))?;
            }
        }
        for (column, n) in &skipped.unnamed {
            self.raise(issues::SHEET_UNNAMED, Action::Omitted, format!("{at} column {}: {n} cells", letters(*column)))?;
        }
        Ok(())
    }

    fn raise(&self, code: &str, action: Action, shape: String) -> Result<(), ExtractError> {
        self.outlet.raise(self.source, &self.spec.name, (code, action), None, None, Some(shape))
    }
}

/// A header as an issue may name it: what is too long to be a header is described.
fn named(name: &str) -> String {
    let name: Vec<&str> = name.split_whitespace().collect();
    let name = name.join(" ");
    if name.chars().count() > 60 { epr_model::shape::of_text(&name) } else { name }
}

/// The inner error is why the file is refused.
fn open(path: &Path) -> Result<Result<Workbook, String>, ExtractError> {
    let size = std::fs::metadata(path).map_err(ExtractError::io("read", path))?.len();
    if size > MAX_FILE_BYTES {
        return Ok(Err(format!("more than {MAX_FILE_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(ExtractError::io("read", path))?;
    Ok(Workbook::open(bytes))
}

/// What a cell is as text; nothing where it holds no value.
fn text(column: &SheetColumn, cell: &SheetCell) -> Option<String> {
    match cell {
        SheetCell::Text(text) => Some(text.clone()),
        SheetCell::Number(number, _) => Some(match column.pad {
            Some(n) => xlsx::padded(number, n),
            None => number.clone(),
        }),
        SheetCell::Moment(moment) if column.dates == CellDates::IsoTime => Some(moment.iso_time()),
        SheetCell::Moment(moment) => Some(moment.iso()),
        SheetCell::Bool(true) => Some("TRUE".to_owned()),
        SheetCell::Bool(false) => Some("FALSE".to_owned()),
        SheetCell::Impossible(_) | SheetCell::Error(_) | SheetCell::Uncomputed => None,
    }
}

/// What is kept aside of a cell.
fn shown(cell: &SheetCell) -> String {
    match cell {
        SheetCell::Text(text) | SheetCell::Number(text, _) | SheetCell::Impossible(text) | SheetCell::Error(text) => {
            text.clone()
        }
        SheetCell::Moment(moment) => moment.iso(),
        SheetCell::Bool(value) => value.to_string().to_uppercase(),
        SheetCell::Uncomputed => String::new(),
    }
}

/// Stages one cell.
fn put(
    sink: &mut Sink<'_, '_>,
    i: usize,
    column: &SheetColumn,
    kind: ColumnKind,
    cell: Option<&SheetCell>,
) -> Result<(), ExtractError> {
    let Some(cell) = cell else { return sink.cell(i, Cell::Null) };
    match (cell, kind) {
        (SheetCell::Error(error), _) => {
            sink.omit(i, issues::SHEET_ERROR_CELL, error, format!("an error of {} characters", error.chars().count()))
        }
        (SheetCell::Impossible(number), _) => {
            sink.omit(i, issues::SHEET_NO_DATE, number, epr_model::shape::of_text(number))
        }
        (SheetCell::Uncomputed, _) => sink.omit(i, issues::SHEET_UNCOMPUTED, "", "a formula".to_owned()),
        (SheetCell::Moment(moment), ColumnKind::Date | ColumnKind::LocalTimestamp) => match typed(*moment, kind) {
            Some(value) => sink.cell(i, Cell::Typed(value)),
            None => sink.cell(i, Cell::Unfit(&moment.iso())),
        },
        (SheetCell::Bool(value), ColumnKind::Bool) => sink.cell(i, Cell::Typed(Typed::Bool(*value))),
        (SheetCell::Number(number, true), _) => {
            let shape = Some(epr_model::shape::of_text(number));
            sink.raise(issues::SHEET_LONG_NUMBER, Action::Kept, Some(&column.name), shape)?;
            put_text(sink, i, column, cell)
        }
        _ => put_text(sink, i, column, cell),
    }
}

fn put_text(sink: &mut Sink<'_, '_>, i: usize, column: &SheetColumn, cell: &SheetCell) -> Result<(), ExtractError> {
    match text(column, cell) {
        Some(text) if !sink.trimmed(&text).is_empty() => sink.cell(i, Cell::Text(&text)),
        _ => sink.cell(i, Cell::Null),
    }
}

/// A date never loses its time of day, and a time of day is no date.
fn typed(moment: Moment, kind: ColumnKind) -> Option<Typed> {
    if kind == ColumnKind::Date {
        return Some(Typed::Date(convert::days_since_1970(moment.date()?).ok()?));
    }
    let at = moment.date_time()?;
    let day = i64::from(convert::days_since_1970(at.date()).ok()?);
    Some(Typed::Micros(day * 86_400_000_000 + serial::ms_of(at) * 1000))
}
