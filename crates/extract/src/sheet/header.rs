//! The header of a sheet: which of its columns is which of the spec's.

use std::collections::BTreeMap;

use super::workbook::{SheetCell, SheetRow, letters};
use crate::spec::{SheetColumn, SheetHeader, SheetTable, TableSpec};

/// Rows in which a header is looked for.
pub const ROWS_SEARCHED: u32 = 30;

/// Which column of a sheet is which of the spec's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The place on the sheet of each column of the spec; `None` where it is absent and may be.
    pub places: Vec<Option<u32>>,
    /// Headers that the spec does not list.
    pub unlisted: Vec<(u32, String)>,
    /// The last row of the header; 0 where there is none.
    pub last_row: u32,
    /// The header's cells, to know it again where it is repeated.
    names: BTreeMap<u32, String>,
}

/// A header as it is compared: case, spaces at the ends and repeated spaces (line breaks in the cell, too) do not
/// count.
pub fn plain(name: &str) -> String {
    let words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// Gathers the rows of a header as they come, until it is whole.
pub struct Search<'s> {
    spec: &'s TableSpec,
    sheet: &'s SheetTable,
    /// The rows of the header that were read.
    rows: Vec<BTreeMap<u32, String>>,
}

impl<'s> Search<'s> {
    pub fn new(spec: &'s TableSpec, sheet: &'s SheetTable) -> Self {
        Self { spec, sheet, rows: Vec::new() }
    }

    /// Takes the next row that holds something. `None`: the header may still come, or goes on. The error says what the
    /// header lacks, in words of the spec.
    pub fn row(&mut self, row: &SheetRow) -> Option<Result<Columns, String>> {
        match &self.sheet.header {
            SheetHeader::None => Some(Ok(Columns {
                places: (0..).take(self.sheet.columns.len()).map(Some).collect(),
                unlisted: Vec::new(),
                last_row: 0,
                names: BTreeMap::new(),
            })),
            SheetHeader::Find(wanted) => {
                if row.number > ROWS_SEARCHED {
                    return Some(Err(self.end()));
                }
                let texts = texts(row);
                let has = |name: &String| texts.values().any(|text| plain(text) == plain(name));
                if !wanted.iter().all(has) {
                    return None;
                }
                self.rows.push(texts);
                Some(self.columns(row.number))
            }
            SheetHeader::Rows { first, n_rows } => {
                let last = first + n_rows - 1;
                if row.number < *first {
                    return None;
                }
                if row.number > last {
                    return Some(if self.rows.is_empty() { Err(self.end()) } else { self.columns(last) });
                }
                self.rows.push(texts(row));
                (row.number == last).then(|| self.columns(last))
            }
        }
    }

    /// The sheet ended before its header did.
    pub fn end(&self) -> String {
        match &self.sheet.header {
            SheetHeader::Find(wanted) => {
                format!("none of the first {ROWS_SEARCHED} rows has the headers {}", wanted.join(", "))
            }
            SheetHeader::Rows { first, .. } => format!("row {first}, where the header should be, is empty"),
            SheetHeader::None => "the sheet is empty".to_owned(),
        }
    }

    fn columns(&self, last_row: u32) -> Result<Columns, String> {
        let names = joined(&self.rows);
        let lowest = self.rows.last().cloned().unwrap_or_default();
        let (mut places, mut lacking, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        for column in &self.sheet.columns {
            let mut found = found(column, &names);
            // Of a header of several rows the lowest cell alone may be the name.
            if found.is_empty() {
                found = self::found(column, &lowest);
            }
            match found.as_slice() {
                [] if self.spec.is_optional(&column.name) => places.push(None),
                [] => lacking.push(column.name.as_str()),
                [place] => places.push(Some(*place)),
                [first, second, ..] => {
                    let (first, second) = (letters(*first), letters(*second));
                    return Err(format!("columns {first} and {second} are both `{}`", column.name));
                }
            }
            taken.extend(found);
        }
        if !lacking.is_empty() {
            return Err(format!("the header in row {last_row} has no column for {}", lacking.join(", ")));
        }
        let unlisted = names.iter().filter(|(c, _)| !taken.contains(c)).map(|(c, name)| (*c, name.clone())).collect();
        Ok(Columns { places, unlisted, last_row, names: lowest })
    }
}

impl Columns {
    /// Whether a row is the header once more, as prints have it on each page.
    pub fn is_repeated(&self, row: &SheetRow) -> bool {
        let texts = texts(row);
        !self.names.is_empty()
            && texts.len() == self.names.len()
            && texts.iter().zip(&self.names).all(|((c, text), (d, name))| c == d && plain(text) == plain(name))
    }

    /// Whether a column of the sheet has a header.
    pub fn is_named(&self, column: u32) -> bool {
        self.places.contains(&Some(column)) || self.unlisted.iter().any(|(c, _)| *c == column)
    }
}

fn found(column: &SheetColumn, names: &BTreeMap<u32, String>) -> Vec<u32> {
    let named: Vec<String> = column.named.iter().map(|name| plain(name)).collect();
    names.iter().filter(|(_, name)| named.contains(&plain(name))).map(|(c, _)| *c).collect()
}

/// Several rows of a header as one: an upper cell stands for all columns until the next upper cell.
fn joined(rows: &[BTreeMap<u32, String>]) -> BTreeMap<u32, String> {
    let Some((last, upper)) = rows.split_last() else { return BTreeMap::new() };
    let mut columns: Vec<u32> = rows.iter().flat_map(BTreeMap::keys).copied().collect();
    columns.sort_unstable();
    columns.dedup();
    let name = |column: u32| {
        let own = upper.iter().filter_map(|row| {
            // A merged cell has its text in its first column only; below no text there is nothing to stand for.
            let is_below = last.contains_key(&column);
            if is_below { row.range(..=column).next_back().map(|(_, t)| t) } else { row.get(&column) }
        });
        let words: Vec<&str> = own.chain(last.get(&column)).map(String::as_str).collect();
        words.join(" ")
    };
    columns.into_iter().map(|column| (column, name(column))).collect()
}

fn texts(row: &SheetRow) -> BTreeMap<u32, String> {
    row.cells.iter().filter_map(|(column, cell)| Some((*column, text_of(cell)?))).collect()
}

fn text_of(cell: &SheetCell) -> Option<String> {
    match cell {
        SheetCell::Text(text) | SheetCell::Number(text, _) => Some(text.clone()),
        SheetCell::Moment(moment) => Some(moment.iso()),
        SheetCell::Bool(_) | SheetCell::Error(_) | SheetCell::Impossible(_) | SheetCell::Uncomputed => None,
    }
}
