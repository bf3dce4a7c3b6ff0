//! Workbooks of Excel before 2007 (xls) and binary ones of today (xlsb), through calamine.
//!
//! calamine sizes memory by what a file declares, and passes over some of what it does not know; so the records are
//! walked here first, and a file is refused where a declared size, a place or a text's number cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Data, DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xls, Xlsb};

use super::package::{Bytes, Package};
use super::serial;
use super::workbook::{Broken, MAX_COLUMNS, MAX_ROWS, Seen, SheetCell, SheetInfo, SheetRow, TakeRow, text_cell};
use super::xlsx::related;

/// Rows times columns of an xls sheet: calamine holds all of them.
const MAX_CELLS: u64 = 8_000_000;
const XLS_ROWS: u32 = 65_536;
const XLS_COLUMNS: u32 = 256;

/// A workbook, opened.
pub struct Old {
    book: Book,
    sheets: Vec<SheetInfo>,
}

enum Book {
    /// What was seen of the sheets goes by their number.
    Xls(Box<Xls<Cursor<Bytes>>>, Vec<SeenXls>),
    /// What was seen of the sheets goes by their names.
    Xlsb(Box<Xlsb<Cursor<Bytes>>>, BTreeMap<String, SeenXlsb>),
}

#[derive(Debug, Default)]
struct SeenXls {
    seen: Seen,
    /// From 0.
    hidden_rows: Vec<u32>,
}

/// What calamine does not give of a sheet of an xlsb. Rows from 0.
#[derive(Debug, Default)]
struct SeenXlsb {
    hidden_rows: BTreeSet<u32>,
    /// Columns of formulas whose value is an error.
    errors: BTreeMap<u32, Vec<u32>>,
}

impl Old {
    pub fn xls(bytes: Bytes) -> Result<Self, String> {
        let stream = guarded(|| workbook_stream(&bytes))??;
        let seen = walk_xls(&stream)?;
        let book = guarded(|| Xls::new(Cursor::new(bytes)))?.map_err(|error| match error {
            calamine::XlsError::Password => "protected by a password".to_owned(),
            _ => DAMAGED.to_owned(),
        })?;
        let sheets = listed(book.sheets_metadata());
        Ok(Self { book: Book::Xls(Box::new(book), seen), sheets })
    }

    pub fn xlsb(bytes: Bytes, mut package: Package) -> Result<Self, String> {
        let mut seen = BTreeMap::new();
        for (name, part) in xlsb_parts(&mut package)? {
            seen.insert(name, walk_xlsb(package.bytes(&part)?)?);
        }
        let book = guarded(|| Xlsb::new(Cursor::new(bytes)))?.map_err(|error| match error {
            calamine::XlsbError::Password => "protected by a password".to_owned(),
            _ => DAMAGED.to_owned(),
        })?;
        let sheets = listed(book.sheets_metadata());
        Ok(Self { book: Book::Xlsb(Box::new(book), seen), sheets })
    }

    pub fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    pub fn each_row(&mut self, sheet: &SheetInfo, take: &mut TakeRow<'_>) -> Result<Seen, Broken> {
        match &mut self.book {
            Book::Xls(book, seen) => {
                let is_1904 = book.has_1904_epoch();
                #[expect(clippy::disallowed_methods, reason = "the extent of each sheet was bounded as it was opened")]
                let range = guarded(|| book.worksheet_range(&sheet.name))?.map_err(|_| DAMAGED)?;
                let seen = seen.get(sheet.number - 1).ok_or(DAMAGED)?;
                let (first_row, first_column) = range.start().unwrap_or_default();
                for (row, cells) in (first_row..).zip(range.rows()) {
                    let cells = (first_column..).zip(cells);
                    let cells: Vec<_> =
                        cells.filter_map(|(c, cell)| Some((c, cell_of(&data_ref(cell), is_1904)?))).collect();
                    if !cells.is_empty() {
                        let hidden = seen.hidden_rows.contains(&row);
                        take(SheetRow { number: row + 1, hidden, cells }).map_err(Broken::Taken)?;
                    }
                }
                Ok(seen.seen.clone())
            }
            Book::Xlsb(book, seen) => {
                let seen = seen.get(&sheet.name).ok_or(DAMAGED)?;
                each_row_xlsb(book, &sheet.name, seen, take)?;
                Ok(Seen::default())
            }
        }
    }
}

const DAMAGED: &str = "the workbook is damaged or breaks off";

/// calamine does not check every length that it reads; a panic over a damaged file must not end the run.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| DAMAGED.to_owned())
}

fn listed(sheets: &[calamine::Sheet]) -> Vec<SheetInfo> {
    let all = (1..).zip(sheets);
    all.filter(|(_, sheet)| sheet.typ == SheetType::WorkSheet)
        .map(|(number, sheet)| SheetInfo {
            name: sheet.name.clone(),
            number,
            hidden: sheet.visible != SheetVisible::Visible,
        })
        .collect()
}

fn each_row_xlsb(
    book: &mut Xlsb<Cursor<Bytes>>,
    name: &str,
    seen: &SeenXlsb,
    take: &mut TakeRow<'_>,
) -> Result<(), Broken> {
    let is_1904 = book.has_1904_epoch();
    let mut reader = guarded(|| book.worksheet_cells_reader(name))?.map_err(|_| DAMAGED)?;
    let mut errors = seen.errors.clone();
    let mut give = |row: u32, mut cells: Vec<(u32, SheetCell)>| {
        let failed = errors.remove(&row).unwrap_or_default();
        cells.extend(failed.into_iter().map(|column| (column, formula_error())));
        cells.sort_by_key(|(column, _)| *column);
        cells.dedup_by_key(|(column, _)| *column);
        let hidden = seen.hidden_rows.contains(&row);
        if cells.is_empty() { Ok(()) } else { take(SheetRow { number: row + 1, hidden, cells }) }
    };
    let mut open: Option<(u32, Vec<(u32, SheetCell)>)> = None;
    let mut failed_rows = seen.errors.keys().copied().peekable();
    loop {
        let next = guarded(|| reader.next_cell())?.map_err(|_| DAMAGED)?;
        let at = next.as_ref().map_or(u32::MAX, |cell| cell.get_position().0);
        if let Some((row, cells)) = open.take_if(|(row, _)| *row != at) {
            give(row, cells).map_err(Broken::Taken)?;
        }
        // Rows that hold nothing but failed formulas.
        while let Some(row) = failed_rows.next_if(|row| *row < at) {
            give(row, Vec::new()).map_err(Broken::Taken)?;
        }
        let Some(cell) = next else { return Ok(()) };
        let value = cell_of(cell.get_value(), is_1904);
        let (_, cells) = open.get_or_insert_with(|| (at, Vec::new()));
        cells.extend(value.map(|value| (cell.get_position().1, value)));
    }
}

/// Which error it is, calamine does not tell.
fn formula_error() -> SheetCell {
    SheetCell::Error("#ERROR".to_owned())
}

/// The two kinds of value that calamine gives, as one.
fn cell_of(value: &DataRef<'_>, is_1904: bool) -> Option<SheetCell> {
    match value {
        DataRef::Empty => None,
        DataRef::String(text) | DataRef::DurationIso(text) => text_cell(text.clone()),
        DataRef::SharedString(text) => text_cell((*text).to_owned()),
        DataRef::Float(number) => Some(number_cell(*number)),
        DataRef::Int(number) => Some(number_cell(*number as f64)),
        DataRef::Bool(value) => Some(SheetCell::Bool(*value)),
        DataRef::Error(error) => Some(SheetCell::Error(error.to_string())),
        DataRef::DateTime(at) => Some(moment_cell(*at, is_1904)),
        DataRef::DateTimeIso(text) => Some(super::xlsx::iso_cell(text)),
    }
}

fn data_ref(value: &Data) -> DataRef<'_> {
    match value {
        Data::Empty => DataRef::Empty,
        Data::String(text) => DataRef::SharedString(text),
        Data::Float(number) => DataRef::Float(*number),
        Data::Int(number) => DataRef::Int(*number),
        Data::Bool(value) => DataRef::Bool(*value),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::DateTime(at) => DataRef::DateTime(*at),
        Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
    }
}

fn number_cell(number: f64) -> SheetCell {
    if number.is_finite() {
        SheetCell::Number(serial::shown(number), number.abs() >= 1e15)
    } else {
        SheetCell::Impossible("a number that is none".to_owned())
    }
}

fn moment_cell(at: ExcelDateTime, is_1904: bool) -> SheetCell {
    let serial = at.as_f64();
    let moment = if at.is_duration() { serial::duration(serial) } else { serial::moment(serial, is_1904) };
    let shown = if serial.is_finite() { serial::shown(serial) } else { "a number that is none".to_owned() };
    moment.map_or(SheetCell::Impossible(shown), SheetCell::Moment)
}

/// The stream of records in an xls, which is a file system of its own.
fn workbook_stream(bytes: &Bytes) -> Result<Vec<u8>, String> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|_| DAMAGED)?;
    if file.is_stream("/EncryptedPackage") {
        return Err("protected by a password".to_owned());
    }
    let name = ["/Workbook", "/Book"].into_iter().find(|name| file.is_stream(name));
    let name = name.ok_or("an Office file that holds no workbook")?;
    let mut stream = Vec::new();
    let mut reader = file.open_stream(name).map_err(|_| DAMAGED)?;
    reader.read_to_end(&mut stream).map_err(|_| DAMAGED)?;
    Ok(stream)
}

/// One record of an xls; [MS-XLS] 2.1.4.
struct Records<'s> {
    stream: &'s [u8],
}

impl<'s> Records<'s> {
    fn next(&mut self) -> Result<(u16, &'s [u8]), String> {
        let (head, rest) = self.stream.split_at_checked(4).ok_or(DAMAGED)?;
        let (data, rest) = rest.split_at_checked(usize::from(u16_at(head, 2)?)).ok_or(DAMAGED)?;
        self.stream = rest;
        Ok((u16_at(head, 0)?, data))
    }
}

fn u16_at(data: &[u8], at: usize) -> Result<u16, String> {
    let bytes = data.get(at..at + 2).and_then(|b| b.try_into().ok()).ok_or(DAMAGED)?;
    Ok(u16::from_le_bytes(bytes))
}

fn u32_at(data: &[u8], at: usize) -> Result<u32, String> {
    let bytes = data.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or(DAMAGED)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Walks all records of a workbook; what was seen of each sheet.
fn walk_xls(stream: &[u8]) -> Result<Vec<SeenXls>, String> {
    let mut records = Records { stream };
    let (mut sheets, mut n_texts) = (Vec::new(), 0);
    loop {
        let (kind, data) = records.next()?;
        match kind {
            0x002F if u16_at(data, 0)? != 0 => return Err("protected by a password".to_owned()),
            0x0085 => sheets.push(u32_at(data, 0)? as usize),
            0x00FC => n_texts = u32_at(data, 4)?,
            0x000A => break,
            _ => {}
        }
    }
    sheets.into_iter().map(|at| walk_xls_sheet(stream.get(at..).ok_or(DAMAGED)?, n_texts)).collect()
}

fn walk_xls_sheet(stream: &[u8], n_texts: u32) -> Result<SeenXls, String> {
    let mut records = Records { stream };
    let mut sheet = SeenXls::default();
    let mut extent: Option<[u32; 4]> = None;
    let mut depth = 0_usize;
    loop {
        let (kind, data) = records.next()?;
        match kind {
            0x0809 => depth += 1,
            0x000A if depth <= 1 => break,
            0x000A => depth -= 1,
            // What belongs to a chart inside the sheet.
            _ if depth > 1 => {}
            0x0200 => check_dimensions(data)?,
            0x0203 | 0x0204 | 0x00D6 | 0x0205 | 0x027E | 0x00FD | 0x0006 | 0x00BD => {
                let (row, column) = (u32::from(u16_at(data, 0)?), u32::from(u16_at(data, 2)?));
                let last = if kind == 0x00BD { u32::from(u16_at(data, data.len().saturating_sub(2))?) } else { column };
                if last < column || last >= XLS_COLUMNS {
                    return Err("a cell beyond the edges of a sheet".to_owned());
                }
                if kind == 0x00FD && u32_at(data, 6)? >= n_texts {
                    return Err("a cell names a shared text that is not there".to_owned());
                }
                let [r1, r2, c1, c2] = extent.unwrap_or([row, row, column, last]);
                extent = Some([r1.min(row), r2.max(row), c1.min(column), c2.max(last)]);
            }
            0x0208 if data.get(12).is_some_and(|flags| flags & 0x20 != 0) => {
                sheet.hidden_rows.push(u32::from(u16_at(data, 0)?));
            }
            0x007D if u16_at(data, 8)? & 1 != 0 => {
                sheet.seen.hidden_columns.push((u32::from(u16_at(data, 0)?), u32::from(u16_at(data, 2)?)));
            }
            0x00E5 => {
                for place in data.get(2..).unwrap_or_default().chunks_exact(8) {
                    let (first, last) = (u32::from(u16_at(place, 0)?), u32::from(u16_at(place, 2)?));
                    if first < last {
                        sheet.seen.merged_rows.push((first + 1, last + 1));
                    }
                }
            }
            _ => {}
        }
    }
    let n_cells = extent.map_or(0, |[r1, r2, c1, c2]| u64::from(r2 - r1 + 1) * u64::from(c2 - c1 + 1));
    if n_cells > MAX_CELLS {
        return Err(format!("a sheet whose cells lie over more than {MAX_CELLS} places"));
    }
    Ok(sheet)
}

/// calamine sets aside memory for as many cells as this record declares.
fn check_dimensions(data: &[u8]) -> Result<(), String> {
    let (first_row, end_row, first_column, end_column) = match data.len() {
        10 => (u32::from(u16_at(data, 0)?), u32::from(u16_at(data, 2)?), u16_at(data, 4)?, u16_at(data, 6)?),
        14 | 16 => (u32_at(data, 0)?, u32_at(data, 4)?, u16_at(data, 8)?, u16_at(data, 10)?),
        _ => return Err(DAMAGED.to_owned()),
    };
    let is_empty = end_row == 0 || end_column == 0;
    let is_possible = end_row <= XLS_ROWS && u32::from(end_column) <= XLS_COLUMNS && first_row < end_row;
    if is_empty || is_possible && (first_column <= end_column || end_column <= 0xFF) {
        Ok(())
    } else {
        Err("a sheet that declares more rows or columns than there can be".to_owned())
    }
}

/// Name and part of each sheet of an xlsb; BrtBundleSh, [MS-XLSB] 2.4.304.
fn xlsb_parts(package: &mut Package) -> Result<Vec<(String, String)>, String> {
    let related = related(package, "xl/_rels/workbook.bin.rels", "xl")?;
    let mut sheets = Vec::new();
    each_xlsb_record(package.bytes("xl/workbook.bin")?, |kind, data| {
        if kind == 0x009C {
            let (id, rest) = wide(data.get(8..).ok_or(DAMAGED)?)?;
            let (name, _) = wide(rest)?;
            let part = related.iter().find(|r| r.id == id).ok_or("a sheet without a part")?;
            if part.kind == "worksheet" {
                sheets.push((name, part.target.clone()));
            }
        }
        Ok(true)
    })?;
    Ok(sheets)
}

fn wide(data: &[u8]) -> Result<(String, &[u8]), String> {
    let n_bytes = u32_at(data, 0)? as usize * 2;
    let (text, rest) = data[4..].split_at_checked(n_bytes).ok_or(DAMAGED)?;
    let units: Vec<u16> = text.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
    Ok((String::from_utf16(&units).map_err(|_| DAMAGED)?, rest))
}

/// Gives the records of a part of an xlsb until `take` wants no more; [MS-XLSB] 2.1.4.
fn each_xlsb_record(part: impl Read, mut take: impl FnMut(u16, &[u8]) -> Result<bool, String>) -> Result<(), String> {
    let mut part = std::io::BufReader::new(part);
    let mut data = Vec::new();
    while let Some(first) = byte(&mut part)? {
        let mut kind = u16::from(first & 0x7F);
        if first & 0x80 != 0 {
            kind |= u16::from(byte(&mut part)?.ok_or(DAMAGED)? & 0x7F) << 7;
        }
        let mut length = 0;
        for i in 0..4 {
            let b = byte(&mut part)?.ok_or(DAMAGED)?;
            length |= u64::from(b & 0x7F) << (7 * i);
            if b & 0x80 == 0 {
                break;
            }
        }
        data.clear();
        let n = part.by_ref().take(length).read_to_end(&mut data).map_err(|_| DAMAGED)?;
        if n as u64 != length {
            return Err(DAMAGED.to_owned());
        }
        if !take(kind, &data)? {
            return Ok(());
        }
    }
    Ok(())
}

fn byte(part: &mut impl Read) -> Result<Option<u8>, String> {
    let mut b = [0];
    Ok(if part.read(&mut b).map_err(|_| DAMAGED)? == 0 { None } else { Some(b[0]) })
}

/// Walks the records of a sheet of an xlsb: what calamine would pass over, and what cannot be.
fn walk_xlsb(part: impl Read) -> Result<SeenXlsb, String> {
    let mut sheet = SeenXlsb::default();
    let (mut row, mut ended) = (None, false);
    each_xlsb_record(part, |kind, data| {
        let needed = match kind {
            0x0000 | 0x0002 | 0x0006 | 0x0007 | 0x0008 => 12,
            0x0003 | 0x0004 | 0x000A | 0x000B => 9,
            0x0005 | 0x0009 => 16,
            0x0092 => {
                ended = true;
                return Ok(false);
            }
            _ => return Ok(true),
        };
        if data.len() < needed {
            return Err(DAMAGED.to_owned());
        }
        let at = u32_at(data, 0)?;
        if kind == 0 {
            if at >= MAX_ROWS || row.is_some_and(|before| at <= before) {
                return Err("rows out of their order".to_owned());
            }
            row = Some(at);
            if data[11] & 0x10 != 0 {
                sheet.hidden_rows.insert(at);
            }
        } else if at >= MAX_COLUMNS {
            return Err("a cell beyond the edges of a sheet".to_owned());
        } else if kind == 0x000B {
            sheet.errors.entry(row.ok_or(DAMAGED)?).or_default().push(at);
        }
        Ok(true)
    })?;
    if ended { Ok(sheet) } else { Err(DAMAGED.to_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
    }

    fn sheet(records: &[Vec<u8>]) -> Result<SeenXls, String> {
        walk_xls_sheet(&[&record(0x0809, &[0; 16])[..], &records.concat(), &record(0x000A, &[])].concat(), 1)
    }

    fn number_at(row: u16, column: u16) -> Vec<u8> {
        record(0x0203, &[&row.to_le_bytes()[..], &column.to_le_bytes(), &[0; 10]].concat())
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_before_memory_is_set_aside() {
        assert!(sheet(&[number_at(0, 0), number_at(100, 200)]).is_ok());
        assert!(sheet(&[number_at(0, 0), number_at(65_535, 255)]).is_err());
        assert!(sheet(&[number_at(0, 256)]).is_err());
        let declared = |rows: u32, columns: u16| {
            record(0x0200, &[&[0; 4][..], &rows.to_le_bytes(), &[0; 2], &columns.to_le_bytes(), &[0; 2]].concat())
        };
        assert!(sheet(&[declared(65_536, 256)]).is_ok());
        assert!(sheet(&[declared(u32::MAX, 256)]).is_err());
        assert!(sheet(&[declared(10, u16::MAX)]).is_err());
        assert!(sheet(&[record(0x00FD, &[0, 0, 0, 0, 0, 0, 9, 0, 0, 0])]).is_err());
        assert!(walk_xls_sheet(&record(0x0809, &[0; 16]), 0).is_err());
    }

    proptest! {
        #[test]
        fn any_records_are_walked_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = walk_xls(&bytes);
            let _ = walk_xls_sheet(&bytes, 3);
            let _ = walk_xlsb(&bytes[..]);
        }
    }
}
