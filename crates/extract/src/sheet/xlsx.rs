//! Workbooks of Excel since 2007 (xlsx, xlsm), row by row.
//!
//! Read here and not by calamine, since hidden rows, merged cells and formulas that were never computed must be seen,
//! and no place in a file may size memory. The shared texts are held; a sheet is not.

use super::events::{Events, attribute, text};
use super::package::Package;
use super::serial;
use super::workbook::{
    Broken, MAX_COLUMNS, MAX_ROWS, Seen, SheetCell, SheetInfo, SheetRow, TakeRow, parse_place, text_cell,
};
use crate::convert;

/// A workbook, opened: everything but its sheets is read.
pub struct Xlsx {
    package: Package,
    sheets: Vec<SheetInfo>,
    /// The part of each of `sheets`.
    parts: Vec<String>,
    texts: Texts,
    formats: Vec<Format>,
    is_1904: bool,
}

/// The shared texts, in one allocation.
#[derive(Default)]
struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, i: usize) -> Option<&str> {
        let end = *self.ends.get(i)?;
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        Some(&self.all[start..end])
    }
}

/// How a number is shown, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Number,
    /// With zeros before it until there are so many digits.
    Padded(usize),
    Date,
    Duration,
}

impl Xlsx {
    pub fn open(mut package: Package) -> Result<Self, String> {
        let workbook = related(&mut package, "_rels/.rels", "")?
            .into_iter()
            .find(|r| r.kind == "officeDocument")
            .map_or("xl/workbook.xml".to_owned(), |r| r.target);
        if !package.has(&workbook) {
            return Err("a zip that holds no workbook".to_owned());
        }
        let (folder, file) = workbook.rsplit_once('/').unwrap_or(("", &workbook));
        let rels = format!("{folder}/_rels/{file}.rels");
        let related = related(&mut package, rels.trim_start_matches('/'), folder)?;
        let (listed, is_1904) = sheets(&mut package, &workbook)?;
        let (mut sheets, mut parts) = (Vec::new(), Vec::new());
        for (number, (name, hidden, id)) in (1..).zip(listed) {
            let part = related.iter().find(|r| r.id == id).ok_or("a sheet without a part")?;
            // Sheets that are charts or dialogues hold no cells.
            if part.kind == "worksheet" {
                sheets.push(SheetInfo { name, number, hidden });
                parts.push(part.target.clone());
            }
        }
        let part = |kind: &str| related.iter().find(|r| r.kind == kind).map(|r| r.target.clone());
        let texts = match part("sharedStrings").filter(|p| package.has(p)) {
            Some(part) => shared_texts(&mut package, &part)?,
            None => Texts::default(),
        };
        let formats = match part("styles").filter(|p| package.has(p)) {
            Some(part) => formats(&mut package, &part)?,
            None => Vec::new(),
        };
        Ok(Self { package, sheets, parts, texts, formats, is_1904 })
    }

    pub fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    pub fn each_row(&mut self, sheet: &SheetInfo, take: &mut TakeRow<'_>) -> Result<Seen, Broken> {
        let i = self.sheets.iter().position(|s| s == sheet).ok_or("no such sheet")?;
        let (texts, formats, is_1904) = (&self.texts, &self.formats, self.is_1904);
        let mut events = Events::new(self.package.text(&self.parts[i])?);
        let mut seen = Seen::default();
        let mut row_number = 0;
        loop {
            let Some(event) = events.event()? else { return Ok(seen) };
            let quick_xml::events::Event::Start(start) = event else { continue };
            match start.local_name().as_ref() {
                "col" => hidden_columns(&start, &mut seen)?,
                "mergeCell" => merged(&start, &mut seen)?,
                "row" => {
                    row_number = match attribute(&start, "r")? {
                        Some(r) => r.parse().ok().filter(|r| *r > row_number).ok_or("rows out of their order")?,
                        None => row_number + 1,
                    };
                    if row_number > MAX_ROWS {
                        return Err("a row beyond the last that a sheet has".into());
                    }
                    let hidden = is_true(attribute(&start, "hidden")?.as_deref());
                    drop(start);
                    let mut read = RowReader { events: &mut events, texts, formats, is_1904, row: row_number };
                    let cells = read.cells()?;
                    if !cells.is_empty() {
                        take(SheetRow { number: row_number, hidden, cells }).map_err(Broken::Taken)?;
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_true(value: Option<&str>) -> bool {
    matches!(value, Some("1" | "true"))
}

fn hidden_columns(start: &quick_xml::events::BytesStart<'_>, seen: &mut Seen) -> Result<(), String> {
    if is_true(attribute(start, "hidden")?.as_deref()) {
        let number =
            |name: &str| -> Result<Option<u32>, String> { Ok(attribute(start, name)?.and_then(|t| t.parse().ok())) };
        if let (Some(first @ 1..), Some(last)) = (number("min")?, number("max")?) {
            seen.hidden_columns.push((first - 1, last.saturating_sub(1)));
        }
    }
    Ok(())
}

fn merged(start: &quick_xml::events::BytesStart<'_>, seen: &mut Seen) -> Result<(), String> {
    let reference = attribute(start, "ref")?.unwrap_or_default();
    if let Some((first, last)) = reference.split_once(':')
        && let (Some((first, _)), Some((last, _))) = (parse_place(first), parse_place(last))
        && first < last
    {
        seen.merged_rows.push((first, last));
    }
    Ok(())
}

/// Reads the cells of one row.
struct RowReader<'r, R> {
    events: &'r mut Events<R>,
    texts: &'r Texts,
    formats: &'r [Format],
    is_1904: bool,
    row: u32,
}

impl<R: std::io::BufRead> RowReader<'_, R> {
    fn cells(&mut self) -> Result<Vec<(u32, SheetCell)>, String> {
        let mut cells = Vec::new();
        let mut next_column = 0;
        loop {
            let start = match self.events.event()?.ok_or("a sheet breaks off")? {
                quick_xml::events::Event::Start(start) if start.local_name().as_ref() == "c" => start,
                quick_xml::events::Event::Start(_) => {
                    self.events.skip()?;
                    continue;
                }
                quick_xml::events::Event::End(_) => return Ok(cells),
                _ => continue,
            };
            let column = match attribute(&start, "r")? {
                Some(r) => {
                    let (row, column) = parse_place(&r).ok_or("a cell beyond the edges of a sheet")?;
                    if row != self.row || column < next_column {
                        return Err("cells out of their order".to_owned());
                    }
                    column
                }
                None => next_column,
            };
            if column >= MAX_COLUMNS {
                return Err("a cell beyond the edges of a sheet".to_owned());
            }
            next_column = column + 1;
            let kind = attribute(&start, "t")?;
            let format = attribute(&start, "s")?.and_then(|s| s.parse::<usize>().ok()).unwrap_or(0);
            let format = self.formats.get(format).copied().unwrap_or(Format::Number);
            drop(start);
            if let Some(cell) = self.cell(kind.as_deref(), format)? {
                cells.push((column, cell));
            }
        }
    }

    fn cell(&mut self, kind: Option<&str>, format: Format) -> Result<Option<SheetCell>, String> {
        let (mut value, mut has_value, mut has_formula) = (String::new(), false, false);
        loop {
            let element = match self.events.event()?.ok_or("a sheet breaks off")? {
                quick_xml::events::Event::Start(start) => start.local_name().as_ref().to_owned(),
                quick_xml::events::Event::End(_) => break,
                _ => continue,
            };
            match element.as_str() {
                // Of an inline text only `is` counts.
                "v" if kind != Some("inlineStr") => {
                    element_text(self.events, &mut value)?;
                    has_value = true;
                }
                "is" => {
                    rich_text(self.events, &mut value)?;
                    has_value = true;
                }
                "f" => {
                    has_formula = true;
                    self.events.skip()?;
                }
                _ => self.events.skip()?,
            }
        }
        if !has_value || value.is_empty() {
            // A formula may give an empty text, which is then stored as one.
            let uncomputed = has_formula && !(has_value && kind == Some("str"));
            return Ok(uncomputed.then_some(SheetCell::Uncomputed));
        }
        Ok(match kind {
            Some("s") => {
                let i = value.trim().parse().map_err(|_| "a cell names no shared text")?;
                let text = self.texts.get(i).ok_or("a cell names a shared text that is not there")?;
                text_cell(text.to_owned())
            }
            Some("str" | "inlineStr") => text_cell(unescaped(&value)),
            Some("b") => match value.trim() {
                "1" | "true" => Some(SheetCell::Bool(true)),
                "0" | "false" => Some(SheetCell::Bool(false)),
                _ => return Err("a truth value that is none".to_owned()),
            },
            Some("e") => Some(SheetCell::Error(value)),
            Some("d") => Some(iso_cell(&value)),
            _ => Some(number_cell(value, format, self.is_1904)),
        })
    }
}

fn number_cell(value: String, format: Format, is_1904: bool) -> SheetCell {
    let Some((shown, long)) = serial::number(&value) else { return SheetCell::Text(value) };
    let serial: f64 = value.trim().parse().unwrap_or(f64::NAN);
    let moment = match format {
        Format::Number => return SheetCell::Number(shown, long),
        Format::Padded(n) => return SheetCell::Number(padded(&shown, n), long),
        Format::Date => serial::moment(serial, is_1904),
        Format::Duration => serial::duration(serial),
    };
    moment.map_or(SheetCell::Impossible(shown), SheetCell::Moment)
}

/// A whole number with zeros before it.
pub fn padded(shown: &str, n_digits: usize) -> String {
    if shown.bytes().all(|b| b.is_ascii_digit()) { format!("{shown:0>n_digits$}") } else { shown.to_owned() }
}

/// `t="d"`: a date in words of ISO 8601.
pub fn iso_cell(value: &str) -> SheetCell {
    let text = value.trim().trim_end_matches('Z');
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && convert::date(text).is_ok()
    {
        return SheetCell::Moment(serial::Moment::Date(date));
    }
    match text.parse::<jiff::civil::DateTime>() {
        Ok(at) if serial::ms_of(at) == 0 => SheetCell::Moment(serial::Moment::Date(at.date())),
        Ok(at) => SheetCell::Moment(serial::Moment::DateTime(at)),
        Err(_) => SheetCell::Impossible(value.to_owned()),
    }
}

/// The text of the element that just began, whatever is inside it.
fn element_text<R: std::io::BufRead>(events: &mut Events<R>, into: &mut String) -> Result<(), String> {
    let mut depth = 1;
    loop {
        let event = events.event()?.ok_or("a part breaks off")?;
        match &event {
            quick_xml::events::Event::Start(_) => depth += 1,
            quick_xml::events::Event::End(_) => depth -= 1,
            other => {
                if let Some(piece) = text(other)? {
                    into.push_str(&piece);
                }
            }
        }
        if depth == 0 {
            return Ok(());
        }
    }
}

/// The text of a `si` or `is` that just began: its runs, without the reading aids of East Asian texts.
fn rich_text<R: std::io::BufRead>(events: &mut Events<R>, into: &mut String) -> Result<(), String> {
    let mut depth = 1;
    let mut raw = String::new();
    loop {
        let element = match events.event()?.ok_or("a part breaks off")? {
            quick_xml::events::Event::Start(start) => start.local_name().as_ref().to_owned(),
            quick_xml::events::Event::End(_) => {
                depth -= 1;
                if depth == 0 {
                    into.push_str(&unescaped(&raw));
                    return Ok(());
                }
                continue;
            }
            _ => continue,
        };
        match element.as_str() {
            "t" => element_text(events, &mut raw)?,
            "rPh" => events.skip()?,
            _ => depth += 1,
        }
    }
}

/// `_x000D_` is how Excel writes a character that XML does not allow.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let code =
            rest.get(at + 2..at + 7).filter(|c| c.ends_with('_') && c[..4].bytes().all(|b| b.is_ascii_hexdigit()));
        let c = code.and_then(|c| u32::from_str_radix(&c[..4], 16).ok()).and_then(char::from_u32);
        let (keep, skip) = if c.is_some() { (at, at + 7) } else { (at + 2, at + 2) };
        out.push_str(&rest[..keep]);
        out.extend(c);
        rest = &rest[skip..];
    }
    out + rest
}

/// What one part of a workbook says of another.
pub struct Relation {
    pub id: String,
    /// The last word of its type.
    pub kind: String,
    pub target: String,
}

/// What a part is related to; targets are made whole with `folder`.
pub fn related(package: &mut Package, rels: &str, folder: &str) -> Result<Vec<Relation>, String> {
    if !package.has(rels) {
        return Ok(Vec::new());
    }
    let mut events = Events::new(package.small_text(rels)?);
    let mut relations = Vec::new();
    while let Some(event) = events.event()? {
        let quick_xml::events::Event::Start(start) = event else { continue };
        if start.local_name().as_ref() != "Relationship" {
            continue;
        }
        let (id, kind, target) = (attribute(&start, "Id")?, attribute(&start, "Type")?, attribute(&start, "Target")?);
        let (Some(id), Some(kind), Some(target)) = (id, kind, target) else { continue };
        let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
        relations.push(Relation { id, kind, target: joined(folder, &target) });
    }
    Ok(relations)
}

fn joined(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut steps: Vec<&str> = folder.split('/').filter(|s| !s.is_empty()).collect();
    for step in target.split(['/', '\\']) {
        match step {
            "." | "" => {}
            ".." => {
                steps.pop();
            }
            _ => steps.push(step),
        }
    }
    steps.join("/")
}

type Listed = (String, bool, String);

/// Name, whether hidden, and relation of each sheet; and whether days count from 1904.
fn sheets(package: &mut Package, workbook: &str) -> Result<(Vec<Listed>, bool), String> {
    let mut events = Events::new(package.small_text(workbook)?);
    let (mut sheets, mut is_1904) = (Vec::new(), false);
    while let Some(event) = events.event()? {
        let quick_xml::events::Event::Start(start) = event else { continue };
        match start.local_name().as_ref() {
            "workbookPr" => is_1904 = is_true(attribute(&start, "date1904")?.as_deref()),
            "sheet" => {
                let name = attribute(&start, "name")?.ok_or("a sheet without a name")?;
                let hidden = matches!(attribute(&start, "state")?.as_deref(), Some("hidden" | "veryHidden"));
                let id = attribute(&start, "id")?.ok_or("a sheet without a part")?;
                sheets.push((name, hidden, id));
            }
            _ => {}
        }
    }
    Ok((sheets, is_1904))
}

fn shared_texts(package: &mut Package, part: &str) -> Result<Texts, String> {
    let mut events = Events::new(package.small_text(part)?);
    let mut texts = Texts::default();
    while let Some(event) = events.event()? {
        if matches!(&event, quick_xml::events::Event::Start(start) if start.local_name().as_ref() == "si") {
            rich_text(&mut events, &mut texts.all)?;
            texts.ends.push(texts.all.len());
        }
    }
    Ok(texts)
}

/// The format of each style that a cell can have.
fn formats(package: &mut Package, part: &str) -> Result<Vec<Format>, String> {
    let mut events = Events::new(package.small_text(part)?);
    let mut own = std::collections::BTreeMap::new();
    let (mut formats, mut inside) = (Vec::new(), false);
    while let Some(event) = events.event()? {
        let start = match event {
            quick_xml::events::Event::Start(start) => start,
            quick_xml::events::Event::End(end) => {
                inside &= end.local_name().as_ref() != "cellXfs";
                continue;
            }
            _ => continue,
        };
        let id =
            |name| -> Result<u32, String> { Ok(attribute(&start, name)?.and_then(|t| t.parse().ok()).unwrap_or(0)) };
        match start.local_name().as_ref() {
            "numFmt" => {
                own.insert(id("numFmtId")?, attribute(&start, "formatCode")?.unwrap_or_default());
            }
            "cellXfs" => inside = true,
            "xf" if inside => {
                let id = id("numFmtId")?;
                formats.push(own.get(&id).map_or_else(|| built_in(id), |code| by_code(code)));
            }
            _ => {}
        }
    }
    Ok(formats)
}

/// ECMA-376, 18.8.30; 27 to 36 and 50 to 58 are dates in East Asian versions.
fn built_in(id: u32) -> Format {
    match id {
        14..=22 | 27..=36 | 45 | 47 | 50..=58 => Format::Date,
        46 => Format::Duration,
        _ => Format::Number,
    }
}

/// What the first section of a format code shows.
fn by_code(code: &str) -> Format {
    let (mut letters, mut zeros, mut others) = (String::new(), 0, false);
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            ';' => break,
            '"' => {
                for quoted in chars.by_ref().take_while(|q| *q != '"') {
                    others |= !matches!(quoted, ' ' | '-');
                }
            }
            '\\' | '_' | '*' => {
                let literal = chars.next();
                others |= !matches!(literal, Some(' ' | '-'));
            }
            '[' => {
                let inside: String = chars.by_ref().take_while(|b| *b != ']').collect();
                let inside = inside.to_lowercase();
                if !inside.is_empty()
                    && (inside.chars().all(|b| b == 'h')
                        || inside.chars().all(|b| b == 'm')
                        || inside.chars().all(|b| b == 's'))
                {
                    return Format::Duration;
                }
            }
            '0' => zeros += 1,
            ' ' | '-' => {}
            _ => {
                others = true;
                letters.extend(c.to_lowercase());
            }
        }
    }
    if letters.contains(['d', 'm', 'y', 'h', 's']) && !letters.contains("general") {
        Format::Date
    } else if zeros > 1 && !others {
        Format::Padded(zeros)
    } else {
        Format::Number
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_format_code_tells_dates_durations_and_padded_numbers() {
        for (code, expected) in [
            ("General", Format::Number),
            ("0", Format::Number),
            ("0.00", Format::Number),
            ("#,##0", Format::Number),
            ("0000000000", Format::Padded(10)),
            ("000\\ 000\\ 0000", Format::Padded(10)),
            ("000 000 0000", Format::Padded(10)),
            ("\"D\"0000", Format::Number),
            ("dd/mm/yyyy", Format::Date),
            ("[$-809]dd mmmm yyyy;@", Format::Date),
            ("yyyy\\-mm\\-dd\\ hh:mm", Format::Date),
            ("h:mm AM/PM", Format::Date),
            ("[h]:mm:ss", Format::Duration),
            ("[mm]:ss", Format::Duration),
            ("[Red]0.00", Format::Number),
            ("#,##0\" days\"", Format::Number),
            ("0;[Red]dd/mm", Format::Number),
            ("@", Format::Number),
            ("", Format::Number),
        ] {
            assert_eq!(by_code(code), expected, "{code}");
        }
    }

    #[test]
    fn characters_that_xml_does_not_allow_are_decoded() {
        for (text, expected) in [
            ("a_x000D_\nb", "a\r\nb"),
            ("_x005F_x", "_x"),
            ("_x12", "_x12"),
            ("a_xZZZZ_é", "a_xZZZZ_é"),
            ("_x_x0041_", "_xA"),
        ] {
            assert_eq!(unescaped(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_decoded(text in "\\PC{0,12}", around in "[_x0-9a-fé]{0,16}") {
            let _ = unescaped(&(text + &around));
        }

        #[test]
        fn any_format_code_is_read(code in "[dmyhs0#@;\"\\\\\\[\\]_*. é]{0,14}") {
            let _ = by_code(&code);
        }
    }
}
