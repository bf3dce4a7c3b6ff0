//! A workbook of whatever format: its sheets, and their rows one after the other.

use std::sync::Arc;

use super::ods::Ods;
use super::old::Old;
use super::package::{Bytes, Package};
use super::serial::Moment;
use super::xlsx::Xlsx;
use crate::ExtractError;

/// Rows and columns of a sheet, at most: those of Excel.
pub const MAX_ROWS: u32 = 1_048_576;
pub const MAX_COLUMNS: u32 = 16_384;

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SheetCell {
    Text(String),
    /// To fifteen digits, and whether it has more.
    Number(String, bool),
    Moment(Moment),
    /// A serial that is no day of the calendar.
    Impossible(String),
    Bool(bool),
    /// `#REF!` and its like.
    Error(String),
    /// A formula whose value was never stored.
    Uncomputed,
}

/// A row that holds something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetRow {
    /// From 1, as the sheet shows it.
    pub number: u32,
    pub hidden: bool,
    /// By column from 0, in order; cells with nothing in them are left out.
    pub cells: Vec<(u32, SheetCell)>,
}

impl SheetRow {
    pub fn cell(&self, column: u32) -> Option<&SheetCell> {
        let i = self.cells.binary_search_by_key(&column, |(c, _)| *c).ok()?;
        Some(&self.cells[i].1)
    }
}

/// A sheet that can hold a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetInfo {
    pub name: String,
    /// From 1, among all sheets of the workbook.
    pub number: usize,
    pub hidden: bool,
}

/// What was seen of a sheet besides its cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Hidden columns, first and last, from 0.
    pub hidden_columns: Vec<(u32, u32)>,
    /// Cells merged over more than one row: the first and the last row, from 1.
    pub merged_rows: Vec<(u32, u32)>,
}

/// Why the rows of a sheet were not read to their end.
#[derive(Debug)]
pub enum Broken {
    /// The workbook is refused; the reason holds nothing of its content.
    Refused(String),
    /// Who takes the rows could not go on.
    Taken(ExtractError),
}

impl From<String> for Broken {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl From<&str> for Broken {
    fn from(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

/// Takes rows in their order.
pub type TakeRow<'t> = dyn FnMut(SheetRow) -> Result<(), ExtractError> + 't;

/// A workbook, opened.
pub enum Workbook {
    Xlsx(Box<Xlsx>),
    Ods(Box<Ods>),
    Old(Box<Old>),
}

impl Workbook {
    /// Tells the format by the content, never by the name. The error is why the file is refused.
    pub fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let bytes: Bytes = Arc::from(bytes);
        if bytes.starts_with(b"PK") {
            let package = Package::open(bytes.clone())?;
            if package.has("xl/workbook.bin") {
                return Ok(Self::Old(Box::new(Old::xlsb(bytes, package)?)));
            }
            if package.has("content.xml") {
                return Ok(Self::Ods(Box::new(Ods::open(package)?)));
            }
            return Ok(Self::Xlsx(Box::new(Xlsx::open(package)?)));
        }
        if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
            return Ok(Self::Old(Box::new(Old::xls(bytes)?)));
        }
        Err(what_else(&bytes).to_owned())
    }

    pub fn sheets(&self) -> &[SheetInfo] {
        match self {
            Self::Xlsx(book) => book.sheets(),
            Self::Ods(book) => book.sheets(),
            Self::Old(book) => book.sheets(),
        }
    }

    /// Gives the rows of a sheet that hold something. Only when this returns `Ok` was the sheet read to its end.
    pub fn each_row(&mut self, sheet: &SheetInfo, take: &mut TakeRow<'_>) -> Result<Seen, Broken> {
        match self {
            Self::Xlsx(book) => book.each_row(sheet, take),
            Self::Ods(book) => book.each_row(sheet, take),
            Self::Old(book) => book.each_row(sheet, take),
        }
    }
}

/// Programs write other things under the names of workbooks.
fn what_else(bytes: &[u8]) -> &'static str {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()));
    if bytes.is_empty() {
        "an empty file"
    } else if begins("<html") || begins("<!doctype html") || begins("<table") || begins("<meta") {
        "a web page under the name of a workbook: open it in a spreadsheet program and save it as a workbook"
    } else if begins("<?xml") {
        "XML under the name of a workbook: open it in a spreadsheet program and save it as a workbook, or read it as \
         a source of kind xml"
    } else if !bytes[..bytes.len().min(4096)].contains(&0) {
        "text under the name of a workbook: read it as a source of kind csv"
    } else {
        "not a workbook"
    }
}

/// A text as a cell: nothing where there is nothing but blanks in it.
pub fn text_cell(text: String) -> Option<SheetCell> {
    let is_blank = text.chars().all(|c| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\0'));
    if is_blank {
        return None;
    }
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Some(SheetCell::Text(rest.to_owned())),
        None => Some(SheetCell::Text(text)),
    }
}

/// `A1` of a place; the row from 1, the column from 0.
pub fn place(row: u32, column: u32) -> String {
    format!("{}{row}", letters(column))
}

/// The letters of a column, from 0.
pub fn letters(mut column: u32) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + u8::try_from(column % 26).expect("below 26")));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    letters.iter().rev().collect()
}

/// Row from 1 and column from 0 of a place such as `B7`, within the limits of a sheet.
pub fn parse_place(text: &str) -> Option<(u32, u32)> {
    let text = text.trim_start_matches('$');
    let n_letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    if !(1..=3).contains(&n_letters) {
        return None;
    }
    let column = text.bytes().take(n_letters).fold(0, |n, b| n * 26 + u32::from(b.to_ascii_uppercase() - b'A') + 1) - 1;
    let row: u32 = text[n_letters..].trim_start_matches('$').parse().ok()?;
    ((1..=MAX_ROWS).contains(&row) && column < MAX_COLUMNS).then_some((row, column))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_workbook_is_told() {
        for (bytes, told) in [
            (&b""[..], "an empty file"),
            (b"\xef\xbb\xbf <HTML><table>", "a web page"),
            (b"<?xml version=\"1.0\"?><Workbook/>", "XML under"),
            (b"ref,surname\n1,x\n", "text under"),
            (b"\0\x01\x02", "not a workbook"),
            (b"PK\x03\x04 and no more", "damaged"),
            (&[0xD0, 0xCF, 0x11, 0xE0, 1, 2, 3], "damaged"),
        ] {
            let reason = Workbook::open(bytes.to_vec()).err().unwrap();
            assert!(reason.contains(told), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn a_place_comes_back(row in 1..=MAX_ROWS, column in 0..MAX_COLUMNS) {
            prop_assert_eq!(parse_place(&place(row, column)), Some((row, column)));
        }

        #[test]
        fn any_bytes_are_a_workbook_or_refused(
            head in prop::sample::select(vec![&b"PK\x03\x04"[..], b"PK\x05\x06", &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], b""]),
            rest in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let _ = Workbook::open([head, &rest].concat());
        }
    }
}
