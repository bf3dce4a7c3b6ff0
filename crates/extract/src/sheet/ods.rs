//! Workbooks of OpenDocument (ods), row by row.
//!
//! Read here, since a few bytes can say a million rows (`number-rows-repeated`): what is repeated is only given where
//! it holds something, and never beyond the limits below.

use std::collections::BTreeSet;
use std::io::BufRead;

use quick_xml::events::{BytesStart, Event};

use super::events::{Events, attribute, text};
use super::package::Package;
use super::serial::{self, Moment};
use super::workbook::{Broken, MAX_COLUMNS, MAX_ROWS, Seen, SheetCell, SheetInfo, SheetRow, TakeRow, text_cell};
use super::xlsx::{iso_cell, padded};

/// Cells that come from repeating others, at most: nobody copies a row so often by hand.
const MAX_REPEATED_CELLS: u64 = 20_000_000;

/// A workbook, opened.
pub struct Ods {
    package: Package,
    sheets: Vec<SheetInfo>,
}

impl Ods {
    pub fn open(mut package: Package) -> Result<Self, String> {
        if package.has("META-INF/manifest.xml") {
            let mut events = Events::new(package.small_text("META-INF/manifest.xml")?);
            while let Some(event) = events.event()? {
                if matches!(&event, Event::Start(start) if start.local_name().as_ref() == "encryption-data") {
                    return Err("protected by a password".to_owned());
                }
            }
        }
        let sheets = sheets(&mut package)?;
        Ok(Self { package, sheets })
    }

    pub fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    pub fn each_row(&mut self, sheet: &SheetInfo, take: &mut TakeRow<'_>) -> Result<Seen, Broken> {
        let mut events = Events::new(self.package.text("content.xml")?);
        each_row(&mut events, sheet.number, take)
    }
}

/// The sheets by name; the whole document is read, so that one that breaks off is refused.
fn sheets(package: &mut Package) -> Result<Vec<SheetInfo>, String> {
    let mut events = Events::new(package.text("content.xml")?);
    let (mut sheets, mut hidden_styles, mut style) = (Vec::new(), BTreeSet::new(), None);
    while let Some(event) = events.event()? {
        let Event::Start(start) = event else { continue };
        match start.local_name().as_ref() {
            "style" => style = attribute(&start, "name")?,
            "table-properties" if attribute(&start, "display")?.as_deref() == Some("false") => {
                hidden_styles.extend(style.clone());
            }
            "table" => {
                let name = attribute(&start, "name")?.unwrap_or_default();
                let hidden = attribute(&start, "style-name")?.is_some_and(|s| hidden_styles.contains(&s));
                sheets.push(SheetInfo { name, number: sheets.len() + 1, hidden });
                // A table inside a cell is none of the sheets.
                events.skip()?;
            }
            // What pivot tables and changes once were is no sheet.
            "tracked-changes" | "table-source" => events.skip()?,
            _ => {}
        }
    }
    if sheets.is_empty() {
        return Err("an OpenDocument file that is no workbook".to_owned());
    }
    Ok(sheets)
}

/// Gives the rows of the sheet with this number; public, so that it can be tried on any text.
pub fn each_row<R: BufRead>(events: &mut Events<R>, number: usize, take: &mut TakeRow<'_>) -> Result<Seen, Broken> {
    let mut n_tables = 0;
    loop {
        let Some(event) = events.event()? else { return Err("a sheet that is gone".into()) };
        let Event::Start(start) = event else { continue };
        match start.local_name().as_ref() {
            "table" => {
                n_tables += 1;
                if n_tables == number {
                    return Table { events, seen: Seen::default(), row: 0, column: 0, n_repeated: 0 }.rows(take);
                }
                events.skip()?;
            }
            "tracked-changes" | "table-source" => events.skip()?,
            _ => {}
        }
    }
}

struct Table<'e, R> {
    events: &'e mut Events<R>,
    seen: Seen,
    /// Rows and columns before the next.
    row: u32,
    column: u32,
    n_repeated: u64,
}

impl<R: BufRead> Table<'_, R> {
    fn rows(mut self, take: &mut TakeRow<'_>) -> Result<Seen, Broken> {
        // Groups and header rows only hold rows and columns.
        let mut depth = 1;
        loop {
            let start = match self.events.event()?.ok_or("a sheet breaks off")? {
                Event::Start(start) => start,
                Event::End(_) => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(self.seen);
                    }
                    continue;
                }
                _ => continue,
            };
            match start.local_name().as_ref() {
                "table-column" => {
                    let n = repeated(&start, "number-columns-repeated")?;
                    let hidden = is_hidden(&start)?;
                    if hidden && n > 0 {
                        self.seen.hidden_columns.push((self.column, self.column.saturating_add(n - 1)));
                    }
                    self.column = self.column.saturating_add(n);
                    self.events.skip()?;
                }
                "table-row" => {
                    let n = repeated(&start, "number-rows-repeated")?;
                    let hidden = is_hidden(&start)?;
                    self.row(n, hidden, take)?;
                }
                "table-row-group"
                | "table-header-rows"
                | "table-rows"
                | "table-column-group"
                | "table-header-columns"
                | "table-columns" => depth += 1,
                _ => self.events.skip()?,
            }
        }
    }

    fn row(&mut self, n_rows: u32, hidden: bool, take: &mut TakeRow<'_>) -> Result<(), Broken> {
        let cells = self.cells()?;
        let first = self.row + 1;
        self.row = self.row.saturating_add(n_rows);
        if cells.is_empty() {
            return Ok(());
        }
        if self.row > MAX_ROWS {
            return Err("a row beyond the last that a sheet has".into());
        }
        self.count(u64::from(n_rows - 1) * cells.len() as u64)?;
        for number in first..=self.row {
            take(SheetRow { number, hidden, cells: cells.clone() }).map_err(Broken::Taken)?;
        }
        Ok(())
    }

    fn count(&mut self, n_cells: u64) -> Result<(), String> {
        self.n_repeated += n_cells;
        if self.n_repeated > MAX_REPEATED_CELLS {
            return Err(format!("more than {MAX_REPEATED_CELLS} cells that repeat others"));
        }
        Ok(())
    }

    fn cells(&mut self) -> Result<Vec<(u32, SheetCell)>, String> {
        let (mut cells, mut column) = (Vec::new(), 0_u32);
        loop {
            let start = match self.events.event()?.ok_or("a sheet breaks off")? {
                Event::Start(start) => start,
                Event::End(_) => return Ok(cells),
                _ => continue,
            };
            if !matches!(start.local_name().as_ref(), "table-cell" | "covered-table-cell") {
                self.events.skip()?;
                continue;
            }
            let n = repeated(&start, "number-columns-repeated")?;
            let spanned = repeated(&start, "number-rows-spanned")?;
            let declared = Declared::of(&start)?;
            let is_covered = start.local_name().as_ref() == "covered-table-cell";
            let content = content(self.events)?;
            // What is covered by a merged cell is not shown, and stands there from before the merging.
            let cell = if is_covered { None } else { declared.cell(content)? };
            let first = column;
            column = column.saturating_add(n);
            let Some(cell) = cell else { continue };
            if column > MAX_COLUMNS {
                return Err("a cell beyond the edges of a sheet".to_owned());
            }
            if spanned > 1 {
                self.seen.merged_rows.push((self.row + 1, self.row.saturating_add(spanned)));
            }
            self.count(u64::from(n - 1))?;
            cells.extend((first..column).map(|c| (c, cell.clone())));
        }
    }
}

/// What the attributes of a cell say of it.
struct Declared {
    kind: Option<String>,
    value: Option<String>,
    has_formula: bool,
}

impl Declared {
    fn of(start: &BytesStart<'_>) -> Result<Self, String> {
        let (mut kind, mut value, mut has_formula) = (None, None, false);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| "an XML part is not well-formed")?;
            let text = || {
                attribute
                    .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                    .map(std::borrow::Cow::into_owned)
                    .map_err(|_| "an XML part is not well-formed")
            };
            match attribute.key.local_name().as_ref() {
                // LibreOffice says the kind twice; only its own word tells an error.
                "value-type" if kind.as_deref() != Some("error") => kind = Some(text()?),
                "value" | "date-value" | "time-value" | "boolean-value" | "string-value" => value = Some(text()?),
                "formula" => has_formula = true,
                _ => {}
            }
        }
        Ok(Self { kind, value, has_formula })
    }

    fn cell(self, shown: String) -> Result<Option<SheetCell>, String> {
        let is_error = shown.starts_with('#') || shown.starts_with("Err:");
        if self.kind.as_deref() == Some("error") || self.has_formula && is_error {
            return Ok(Some(SheetCell::Error(shown)));
        }
        let value = self.value;
        Ok(match self.kind.as_deref() {
            Some("float" | "percentage" | "currency") => {
                let value = value.ok_or("a number without a value")?;
                let (number, long) = serial::number(&value).ok_or("a number that is none")?;
                // The cell may show zeros before the number, and then they are meant.
                let digits: String = shown.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
                let is_padded = padded(&number, digits.len()) == digits && number != "0";
                Some(SheetCell::Number(if is_padded { digits } else { number }, long))
            }
            Some("date") => Some(iso_cell(&value.ok_or("a date without a value")?)),
            Some("time") => {
                let value = value.ok_or("a time without a value")?;
                Some(time(&value).map_or(SheetCell::Impossible(value), SheetCell::Moment))
            }
            Some("boolean") => match value.as_deref() {
                Some("true") => Some(SheetCell::Bool(true)),
                Some("false") => Some(SheetCell::Bool(false)),
                _ => return Err("a truth value that is none".to_owned()),
            },
            Some("string") => text_cell(value.unwrap_or(shown)),
            _ if self.has_formula && shown.is_empty() => Some(SheetCell::Uncomputed),
            _ => text_cell(shown),
        })
    }
}

/// `PT09H30M00S`.
fn time(text: &str) -> Option<Moment> {
    let mut rest = text.strip_prefix("PT")?;
    let mut ms = 0_i64;
    for (unit, of) in [('H', 3_600_000.0), ('M', 60_000.0), ('S', 1000.0)] {
        if let Some((number, after)) = rest.split_once(unit) {
            let number: f64 = number.replace(',', ".").parse().ok().filter(|n: &f64| (0.0..1e9).contains(n))?;
            ms += (number * of).round() as i64;
            rest = after;
        }
    }
    let moment = if ms < 86_400_000 { Moment::Time(ms) } else { Moment::Duration(ms) };
    rest.is_empty().then_some(moment)
}

/// The paragraphs of the cell that just began; comments and drawings in it are not its content.
fn content<R: BufRead>(events: &mut Events<R>) -> Result<String, String> {
    let (mut out, mut depth, mut n_paragraphs, mut in_paragraph) = (String::new(), 1, 0, 0);
    loop {
        let event = events.event()?.ok_or("a sheet breaks off")?;
        match &event {
            Event::Start(start) => match start.local_name().as_ref() {
                "p" | "h" => {
                    if n_paragraphs > 0 {
                        out.push('\n');
                    }
                    n_paragraphs += 1;
                    depth += 1;
                    in_paragraph += 1;
                }
                "s" => {
                    let n = attribute(start, "c")?.and_then(|c| c.parse().ok()).unwrap_or(1_usize);
                    out.extend(std::iter::repeat_n(' ', n.min(10_000)));
                    depth += 1;
                }
                "tab" => {
                    out.push('\t');
                    depth += 1;
                }
                "line-break" => {
                    out.push('\n');
                    depth += 1;
                }
                "annotation" | "frame" | "shapes" | "table" | "custom-shape" | "ruby-text" => events.skip()?,
                _ => depth += 1,
            },
            Event::End(end) => {
                depth -= 1;
                if matches!(end.local_name().as_ref(), "p" | "h") {
                    in_paragraph -= 1;
                }
                if depth == 0 {
                    return Ok(out);
                }
            }
            // Between paragraphs there are only the line breaks of whoever wrote the file.
            other if in_paragraph > 0 => {
                if let Some(piece) = text(other)? {
                    push_collapsed(&mut out, &piece);
                }
            }
            _ => {}
        }
    }
}

/// OpenDocument takes any run of blanks as one space; more are written as elements.
fn push_collapsed(out: &mut String, piece: &str) {
    for c in piece.chars() {
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            if !out.ends_with([' ', '\n']) && !out.is_empty() {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
}

fn is_hidden(start: &BytesStart<'_>) -> Result<bool, String> {
    Ok(matches!(attribute(start, "visibility")?.as_deref(), Some("collapse" | "filter")))
}

/// How often something stands there; at least once.
fn repeated(start: &BytesStart<'_>, name: &str) -> Result<u32, String> {
    let Some(text) = attribute(start, name)? else { return Ok(1) };
    text.parse().ok().filter(|n| *n > 0).ok_or("a repetition that is no number".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Rows = Vec<(u32, Vec<(u32, SheetCell)>)>;

    fn rows(table: &str) -> Result<Rows, String> {
        let mut rows = Vec::new();
        let text = format!("<d><b><table name='x'>{table}</table></b></d>");
        let read = each_row(&mut Events::new(text.as_bytes()), 1, &mut |row| {
            rows.push((row.number, row.cells));
            Ok(())
        });
        match read {
            Ok(_) => Ok(rows),
            Err(Broken::Refused(reason)) => Err(reason),
            Err(Broken::Taken(_)) => panic!("nothing here goes wrong"),
        }
    }

    fn cell(attributes: &str, content: &str) -> Option<SheetCell> {
        let rows = rows(&format!("<table-row><table-cell {attributes}>{content}</table-cell></table-row>")).unwrap();
        rows.into_iter().next().map(|(_, mut cells)| cells.remove(0).1)
    }

    #[test]
    fn a_million_empty_rows_are_nothing_and_what_is_repeated_comes_as_often() {
        let text = "<table-row number-rows-repeated='1000000'><table-cell number-columns-repeated='16384'/></table-row>\
                    <table-row number-rows-repeated='2'><table-cell/><table-cell number-columns-repeated='2'>\
                    <p>x</p></table-cell></table-row>";
        let x = SheetCell::Text("x".to_owned());
        let cells = vec![(1, x.clone()), (2, x)];
        assert_eq!(rows(text), Ok(vec![(1_000_001, cells.clone()), (1_000_002, cells)]));
    }

    #[test]
    fn more_than_a_sheet_holds_is_refused() {
        let full = "<table-row number-rows-repeated='1048576'><table-cell number-columns-repeated='16384'><p>x</p></table-cell></table-row>";
        assert_eq!(rows(full), Err("more than 20000000 cells that repeat others".to_owned()));
        let wide = "<table-row><table-cell number-columns-repeated='4294967295'><p>x</p></table-cell></table-row>";
        assert_eq!(rows(wide), Err("a cell beyond the edges of a sheet".to_owned()));
        let long = "<table-row number-rows-repeated='4294967295'><table-cell><p>x</p></table-cell></table-row>";
        assert_eq!(rows(long), Err("a row beyond the last that a sheet has".to_owned()));
        let none = "<table-row number-rows-repeated='0'/>";
        assert_eq!(rows(none), Err("a repetition that is no number".to_owned()));
    }

    #[test]
    fn cells_are_what_a_person_sees() {
        let text = |t: &str| Some(SheetCell::Text(t.to_owned()));
        assert_eq!(cell("", "\n <p>a<s c='2'/>b <span>c</span></p>\n<p>d</p> "), text("a  b c\nd"));
        assert_eq!(cell("value-type='string'", "<annotation><p>a comment</p></annotation><p>x</p>"), text("x"));
        assert_eq!(cell("", "<p> </p>"), None);
        let number = |t: &str, long| Some(SheetCell::Number(t.to_owned(), long));
        assert_eq!(cell("value-type='float' value='9990000107'", "<p>999 000 0107</p>"), number("9990000107", false));
        assert_eq!(cell("value-type='float' value='90000107'", "<p>0090000107</p>"), number("0090000107", false));
        assert_eq!(
            cell("value-type='float' value='1.23456789012346E+019'", "<p>1E+19</p>"),
            number("12345678901234600000", true)
        );
        assert_eq!(cell("value-type='boolean' boolean-value='true'", "<p>WAHR</p>"), Some(SheetCell::Bool(true)));
        let error = Some(SheetCell::Error("#REF!".to_owned()));
        assert_eq!(cell("formula='of:=[.A1]' value-type='string' c:value-type='error'", "<p>#REF!</p>"), error);
        assert_eq!(cell("formula='of:=1'", ""), Some(SheetCell::Uncomputed));
        let iso = |cell: Option<SheetCell>| match cell {
            Some(SheetCell::Moment(moment)) => moment.iso(),
            other => format!("{other:?}"),
        };
        assert_eq!(iso(cell("value-type='date' date-value='1950-03-12'", "<p>12/03/50</p>")), "1950-03-12");
        assert_eq!(
            iso(cell("value-type='date' date-value='2025-01-01T14:30:00.000000001'", "")),
            "2025-01-01T14:30:00"
        );
        assert_eq!(iso(cell("value-type='time' time-value='PT09H30M00S'", "")), "09:30:00");
        assert_eq!(iso(cell("value-type='time' time-value='PT30H00M00S'", "")), "30:00:00");
        assert_eq!(iso(cell("value-type='date' date-value='1950-02-30'", "")), "Some(Impossible(\"1950-02-30\"))");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(pieces in proptest::collection::vec(prop::sample::select(vec![
            "<table-row>", "</table-row>", "<table-row number-rows-repeated='3'>", "<table-cell>", "</table-cell>",
            "<table-cell number-columns-repeated='99999'>", "<table-cell value-type='float' value='1'>", "<p>", "</p>", "x", "&amp;",
            "<table-cell value-type='date' date-value='x'>", "<table-row-group>", "</table-row-group>", "<s c='9'/>", "<table>", "</table>",
            "<covered-table-cell/>", "&x;", "<!DOCTYPE a>",
        ]), 0..24)) {
            let _ = rows(&pieces.concat());
        }

        #[test]
        fn any_time_is_read_or_impossible(text in "PT[0-9HMS.,]{0,12}") {
            let _ = time(&text).map(Moment::iso);
        }
    }
}
