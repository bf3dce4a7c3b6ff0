//! Workbooks as people keep them: titles above the header, dates that are dates in one row and text in the next.
//!
//! One description ([`Sheet`]) is written as xlsx or as ods. The bytes depend on nothing but the content: the creation
//! time is fixed, and the entries of the archives carry the archive format's first day.
//!
//! The ods is written by hand, because what matters in it is what LibreOffice writes and no library does: runs of equal
//! cells and rows as one element with a count, and a last row that is repeated to the end of the sheet.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The rows of a sheet in LibreOffice and in Excel.
const ROWS_OF_A_SHEET: usize = 1_048_576;

/// The columns of a sheet in LibreOffice and in Excel.
const COLUMNS_OF_A_SHEET: usize = 16_384;

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Blank,
    Text(String),
    /// A number, as spreadsheets keep it: 15 digits are safe, no more.
    Number(f64),
    /// A date cell. Before 1900 only as text, as in the programs themselves.
    Day {
        year: u16,
        month: u8,
        day: u8,
    },
}

/// A column as its header says.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub title: &'static str,
    /// In characters.
    pub width: u8,
    pub is_hidden: bool,
}

/// A sheet: merged titles, the header, the rows, and what stands below them.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub name: String,
    /// The rows from the first; each is merged over all columns.
    pub titles: Vec<String>,
    /// The header's row, from 1. Rows between the titles and it stay blank.
    pub header_row: usize,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    /// Totals and remarks, after one blank row.
    pub below: Vec<Vec<Cell>>,
}

/// A visible column.
pub(super) const fn column(title: &'static str, width: u8) -> Column {
    Column { title, width, is_hidden: false }
}

/// A column that the sheet's keeper has hidden; its cells are there all the same.
pub(super) const fn hidden_column(title: &'static str, width: u8) -> Column {
    Column { title, width, is_hidden: true }
}

/// A text cell; blank where there is no text.
pub(super) fn text(text: &str) -> Cell {
    if text.is_empty() { Cell::Blank } else { Cell::Text(text.to_owned()) }
}

/// Digits as a number cell, which is what a spreadsheet makes of them when they are typed; other texts stay text, and so
/// do digits whose zeros at the start somebody took care to keep.
pub(super) fn typed_number(digits: &str) -> Cell {
    match digits.parse::<f64>() {
        Ok(number) if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => Cell::Number(number),
        _ => text(digits),
    }
}

/// Writes the sheets as an Excel workbook.
pub(super) fn write_xlsx(path: &Path, sheets: &[Sheet]) -> Result<()> {
    let mut book = Workbook::new();
    let created = ExcelDateTime::from_ymd(2026, 11, 1).context("the fixed creation day")?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&created));
    let title_format = Format::new().set_bold().set_align(FormatAlign::Left);
    let header_format = Format::new().set_bold().set_text_wrap();
    let day_format = Format::new().set_num_format("dd/mm/yyyy");
    let number_format = Format::new().set_num_format("0");
    for sheet in sheets {
        let page = book.add_worksheet();
        page.set_name(&sheet.name)?;
        let last = u16::try_from(sheet.columns.len() - 1).context("the columns of a sheet")?;
        for (row_no, title) in (0..).zip(&sheet.titles) {
            page.merge_range(row_no, 0, row_no, last, title, &title_format)?;
        }
        let header_row = u32::try_from(sheet.header_row - 1).context("the header's row")?;
        for (at, column) in (0..).zip(&sheet.columns) {
            page.set_column_width(at, f64::from(column.width))?;
            if column.is_hidden {
                page.set_column_hidden(at)?;
            }
            page.write_string_with_format(header_row, at, column.title, &header_format)?;
        }
        let blank = [Vec::new()];
        let below = if sheet.below.is_empty() { &[][..] } else { &blank[..] };
        for (row_no, row) in (header_row + 1..).zip(sheet.rows.iter().chain(below).chain(&sheet.below)) {
            for (at, cell) in (0..).zip(row) {
                match cell {
                    Cell::Blank => {}
                    Cell::Text(text) => {
                        page.write_string(row_no, at, text)?;
                    }
                    Cell::Number(number) => {
                        page.write_number_with_format(row_no, at, *number, &number_format)?;
                    }
                    Cell::Day { year, month, day } => {
                        let day = ExcelDateTime::from_ymd(*year, *month, *day)?;
                        page.write_datetime_with_format(row_no, at, &day, &day_format)?;
                    }
                }
            }
        }
    }
    book.save(path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes the sheets as LibreOffice would save them.
pub(super) fn write_ods(path: &Path, sheets: &[Sheet]) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let packed = SimpleFileOptions::default().last_modified_time(DateTime::default());
    let plain = packed.compression_method(CompressionMethod::Stored);
    let packed = packed.compression_method(CompressionMethod::Deflated);
    // The format asks that the type comes first and unpacked, so that the file can be told by its first bytes.
    archive.start_file("mimetype", plain)?;
    archive.write_all(b"application/vnd.oasis.opendocument.spreadsheet")?;
    for (name, text) in [
        ("content.xml", content(sheets)),
        ("styles.xml", STYLES.to_owned()),
        ("META-INF/manifest.xml", MANIFEST.to_owned()),
    ] {
        archive.start_file(name, packed)?;
        archive.write_all(text.as_bytes())?;
    }
    archive.finish()?.flush()?;
    Ok(())
}

const STYLES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<office:document-styles xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" office:version="1.3"/>
"#;

const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.3">
 <manifest:file-entry manifest:full-path="/" manifest:version="1.3" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>
 <manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>
 <manifest:file-entry manifest:full-path="styles.xml" manifest:media-type="text/xml"/>
</manifest:manifest>
"#;

const CONTENT_START: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    "\n",
    r#"<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0""#,
    r#" xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0""#,
    r#" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0""#,
    r#" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0""#,
    r#" xmlns:number="urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0""#,
    r#" xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" office:version="1.3">"#,
    r#"<office:automatic-styles><number:date-style style:name="N36" number:automatic-order="true">"#,
    r#"<number:day number:style="long"/><number:text>/</number:text><number:month number:style="long"/>"#,
    r#"<number:text>/</number:text><number:year number:style="long"/></number:date-style>"#,
    r#"<style:style style:name="co1" style:family="table-column"/>"#,
    r#"<style:style style:name="ro1" style:family="table-row"/>"#,
    r#"<style:style style:name="ta1" style:family="table"/>"#,
    r#"<style:style style:name="ce1" style:family="table-cell" style:data-style-name="N36"/>"#,
    "</office:automatic-styles><office:body><office:spreadsheet>",
);

fn content(sheets: &[Sheet]) -> String {
    let mut out = CONTENT_START.to_owned();
    for sheet in sheets {
        let name = escaped(&sheet.name);
        let _ = write!(out, r#"<table:table table:name="{name}" table:style-name="ta1">"#);
        for column in &sheet.columns {
            let hidden = if column.is_hidden { r#" table:visibility="collapse""# } else { "" };
            let _ = write!(out, r#"<table:table-column table:style-name="co1"{hidden}/>"#);
        }
        let others = COLUMNS_OF_A_SHEET - sheet.columns.len();
        let _ = write!(out, r#"<table:table-column table:style-name="co1" table:number-columns-repeated="{others}"/>"#);
        for title in &sheet.titles {
            merged_row(&mut out, title, sheet.columns.len());
        }
        blank_rows(&mut out, sheet.header_row - 1 - sheet.titles.len());
        let header: Vec<Cell> = sheet.columns.iter().map(|c| text(c.title)).collect();
        cells_row(&mut out, &header);
        for row in &sheet.rows {
            cells_row(&mut out, row);
        }
        let n_between = usize::from(!sheet.below.is_empty());
        blank_rows(&mut out, n_between);
        for row in &sheet.below {
            cells_row(&mut out, row);
        }
        let n_used = sheet.header_row + sheet.rows.len() + n_between + sheet.below.len();
        blank_rows(&mut out, ROWS_OF_A_SHEET.saturating_sub(n_used));
        out.push_str("</table:table>");
    }
    out.push_str("</office:spreadsheet></office:body></office:document-content>\n");
    out
}

/// Blank rows as one element with a count; at the end of a sheet that is nearly a million.
fn blank_rows(out: &mut String, n_rows: usize) {
    if n_rows > 0 {
        let repeated = if n_rows > 1 { format!(r#" table:number-rows-repeated="{n_rows}""#) } else { String::new() };
        let _ = write!(
            out,
            r#"<table:table-row table:style-name="ro1"{repeated}><table:table-cell table:number-columns-repeated="{COLUMNS_OF_A_SHEET}"/></table:table-row>"#
        );
    }
}

fn merged_row(out: &mut String, title: &str, n_columns: usize) {
    let covered = n_columns - 1;
    let others = COLUMNS_OF_A_SHEET - n_columns;
    let title = escaped(title);
    let _ = write!(
        out,
        r#"<table:table-row table:style-name="ro1"><table:table-cell office:value-type="string" calcext:value-type="string" table:number-columns-spanned="{n_columns}" table:number-rows-spanned="1"><text:p>{title}</text:p></table:table-cell><table:covered-table-cell table:number-columns-repeated="{covered}"/><table:table-cell table:number-columns-repeated="{others}"/></table:table-row>"#
    );
}

fn cells_row(out: &mut String, row: &[Cell]) {
    out.push_str(r#"<table:table-row table:style-name="ro1">"#);
    let mut at = 0;
    while at < row.len() {
        let n_equal = row[at..].iter().take_while(|cell| **cell == row[at]).count();
        let repeated =
            if n_equal > 1 { format!(r#" table:number-columns-repeated="{n_equal}""#) } else { String::new() };
        let _ = match &row[at] {
            Cell::Blank => write!(out, "<table:table-cell{repeated}/>"),
            Cell::Text(text) => write!(
                out,
                r#"<table:table-cell{repeated} office:value-type="string" calcext:value-type="string"><text:p>{}</text:p></table:table-cell>"#,
                paragraph(text)
            ),
            Cell::Number(number) => write!(
                out,
                r#"<table:table-cell{repeated} office:value-type="float" office:value="{number}" calcext:value-type="float"><text:p>{number}</text:p></table:table-cell>"#
            ),
            Cell::Day { year, month, day } => write!(
                out,
                r#"<table:table-cell{repeated} table:style-name="ce1" office:value-type="date" office:date-value="{year:04}-{month:02}-{day:02}" calcext:value-type="date"><text:p>{day:02}/{month:02}/{year:04}</text:p></table:table-cell>"#
            ),
        };
        at += n_equal;
    }
    let others = COLUMNS_OF_A_SHEET - row.len();
    let _ = write!(out, r#"<table:table-cell table:number-columns-repeated="{others}"/></table:table-row>"#);
}

/// Text in which the second and later of several spaces are elements: the format takes plain ones together.
fn paragraph(text: &str) -> String {
    escaped(text).replace("  ", " <text:s/>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use calamine::{Data, Reader, open_workbook_auto};

    use super::*;

    fn sheet() -> Sheet {
        let day = |year, month, day| Cell::Day { year, month, day };
        Sheet {
            name: "Referrals 2026".to_owned(),
            titles: vec!["Hospice register & ledger".to_owned()],
            header_row: 3,
            columns: vec![
                column("Our ref", 10),
                column("NHS No.", 12),
                hidden_column("DOB", 12),
                column("Died on", 12),
            ],
            rows: vec![
                vec![text("H1"), typed_number("9990001472"), day(1940, 2, 29), Cell::Blank],
                vec![text("H2"), text("not known"), text("01/02/1940"), Cell::Blank],
                vec![text("H3"), Cell::Blank, Cell::Blank, day(2026, 10, 25)],
            ],
            below: vec![vec![text("Total"), Cell::Number(3.0), Cell::Blank, Cell::Blank]],
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a workbook of a few rows, written just now")]
    fn read_back(path: &Path) -> Vec<Vec<String>> {
        let mut book = open_workbook_auto(path).unwrap();
        let range = book.worksheet_range("Referrals 2026").unwrap();
        let shown = |cell: &Data| match cell {
            Data::Empty => String::new(),
            Data::DateTime(at) => {
                let (year, month, day, ..) = at.to_ymd_hms_milli();
                format!("day {year:04}-{month:02}-{day:02}")
            }
            Data::DateTimeIso(at) => format!("day {at}"),
            Data::Float(number) => format!("number {number}"),
            Data::Int(number) => format!("number {number}"),
            other => other.to_string(),
        };
        range.rows().map(|row| row.iter().map(shown).collect()).collect()
    }

    #[test]
    fn a_workbook_reads_back_as_it_was_described() {
        let folder = tempfile::tempdir().unwrap();
        for (name, write) in [("a.xlsx", write_xlsx as fn(&Path, &[Sheet]) -> Result<()>), ("a.ods", write_ods)] {
            let path = folder.path().join(name);
            write(&path, &[sheet()]).unwrap();
            let rows = read_back(&path);
            let blank: [&str; 4] = [""; 4];
            assert_eq!(rows[0], ["Hospice register & ledger", "", "", ""], "{name}");
            assert_eq!(rows[1], blank, "{name}");
            assert_eq!(rows[2], ["Our ref", "NHS No.", "DOB", "Died on"], "{name}");
            assert_eq!(rows[3], ["H1", "number 9990001472", "day 1940-02-29", ""], "{name}");
            assert_eq!(rows[4], ["H2", "not known", "01/02/1940", ""], "{name}");
            assert_eq!(rows[5], ["H3", "", "", "day 2026-10-25"], "{name}");
            assert_eq!(rows[6], blank, "{name}");
            assert_eq!(rows[7], ["Total", "number 3", "", ""], "{name}");
            assert_eq!(rows.len(), 8, "{name}");
        }
    }

    #[test]
    fn the_same_sheet_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for (name, write) in [("xlsx", write_xlsx as fn(&Path, &[Sheet]) -> Result<()>), ("ods", write_ods)] {
            let bytes = |stem: &str| {
                let path = folder.path().join(format!("{stem}.{name}"));
                write(&path, &[sheet()]).unwrap();
                std::fs::read(path).unwrap()
            };
            assert!(bytes("a") == bytes("b"), "{name}");
        }
    }

    #[test]
    fn runs_and_the_rest_of_a_sheet_are_counts() {
        let content = content(&[sheet()]);
        assert!(content.contains(r#"table:number-rows-repeated="1048568""#));
        assert!(content.contains(
            r#"<table:table-cell table:number-columns-repeated="2"/><table:table-cell table:style-name="ce1""#
        ));
        assert_eq!(paragraph("a  b<c"), "a <text:s/>b&lt;c");
    }
}
