//! The keys of a table that stands on sheets of workbooks.

use std::collections::{BTreeMap, BTreeSet};

use epr_model::schema::ColumnKind;
use epr_model::yaml::{Key, Node};

use super::{KINDS, Reader};
use crate::spec::until::Until;
use crate::spec::{CellDates, From, PlaceColumn, SheetColumn, SheetHeader, SheetTable};

pub(super) const KEYS: [&str; 5] = ["sheet", "files", "header", "until", "place"];
const COLUMN_KEYS: [&str; 5] = ["named", "class", "kind", "pad", "dates"];
/// The files that are looked into where the spec does not say which.
const WORKBOOKS: [&str; 5] = ["*.xlsx", "*.xlsm", "*.xlsb", "*.xls", "*.ods"];
/// A header of more rows is a form, not a table.
const MAX_HEADER_ROWS: u32 = 5;

impl<'t> Reader<'t> {
    pub(super) fn sheet(
        &mut self,
        name: &Key,
        node: &'t Node,
        kinds: &mut BTreeMap<String, ColumnKind>,
        classes: &mut BTreeMap<String, String>,
    ) -> Option<From> {
        let sheets = self.required(name, node, "sheet");
        let files = self.patterns(node, &WORKBOOKS);
        let header = self.sheet_header(node);
        let columns = self.sheet_columns(name, node, kinds, classes);
        let until = self.until(node, &columns);
        let place = self.place(node);
        if header == SheetHeader::None
            && let Some(written) = node.get("optional").filter(|o| o.as_sequence().is_some())
        {
            self.fault(&written.span, "without a header nothing tells whether a column is absent");
        }
        Some(From::Sheet(SheetTable { sheets: sheets?.0.to_owned(), files, header, columns, until, place }))
    }

    /// `files: "*.xlsx"` or a list of patterns.
    pub(super) fn patterns(&mut self, node: &'t Node, default: &[&str]) -> Vec<String> {
        let listed = node.get("files").and_then(|files| self.texts(files, "`files`"));
        match listed {
            Some(listed) => listed.into_iter().map(|(text, _)| text.to_owned()).collect(),
            None => default.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    /// `header: { row: 3 }`, `{ row: 3, rows: 2 }`, `{ find: [ Surname, DOB ] }`, `true` (row 1) or `false`.
    fn sheet_header(&mut self, node: &'t Node) -> SheetHeader {
        let first_row = SheetHeader::Rows { first: 1, n_rows: 1 };
        let Some(header) = node.get("header") else { return first_row };
        match header.as_text() {
            Some("true") => return first_row,
            Some("false") => return SheetHeader::None,
            _ => {}
        }
        let members = header.as_mapping().unwrap_or_default();
        let keys: Vec<&str> = members.iter().map(|(key, _)| key.text.as_str()).collect();
        if keys == ["find"] {
            let names = self.texts(&members[0].1, "`find`").unwrap_or_default();
            return SheetHeader::Find(names.into_iter().map(|(text, _)| text.to_owned()).collect());
        }
        let number = |key: &str| header.get(key)?.as_text()?.parse::<u32>().ok().filter(|n| *n > 0);
        let n_rows = if header.get("rows").is_some() { number("rows") } else { Some(1) };
        match (number("row"), n_rows.filter(|n| *n <= MAX_HEADER_ROWS)) {
            (Some(first), Some(n_rows)) if keys.iter().all(|key| matches!(*key, "row" | "rows")) => {
                SheetHeader::Rows { first, n_rows }
            }
            _ => {
                let message = "`header` is `true`, `false`, `{ row: N }` counted from 1, `{ row: N, rows: M }` for a \
                               header of several rows (up to 5), or `{ find: [ NAME, … ] }`";
                self.fault(&header.span, message);
                first_row
            }
        }
    }

    /// `columns: { ref: { named: [ Our ref ] } }`, `{ ref: Our ref }`, or the headers as they are: `[ Our ref ]`.
    fn sheet_columns(
        &mut self,
        name: &Key,
        node: &'t Node,
        kinds: &mut BTreeMap<String, ColumnKind>,
        classes: &mut BTreeMap<String, String>,
    ) -> Vec<SheetColumn> {
        let Some(written) = node.get("columns") else {
            let help = Some("a workbook says nothing of itself that can be trusted".to_owned());
            self.fault_with_help(&name.span, format!("table `{}` needs `columns`", name.text), help);
            return Vec::new();
        };
        let mut columns = Vec::new();
        if written.as_sequence().is_some() {
            for (text, _) in self.texts(written, "`columns`").unwrap_or_default() {
                columns.push(SheetColumn::new(text, vec![text.to_owned()]));
            }
        } else {
            for (key, value) in self.members(written, "`columns`").unwrap_or_default() {
                columns.extend(self.sheet_column(key, value, kinds, classes));
            }
        }
        let mut seen = BTreeSet::new();
        for column in &columns {
            if column.name.starts_with('_') {
                let help = Some("where a row stood is had by `place: [ file, sheet, row ]`".to_owned());
                let message = format!("`{}`: names that begin with `_` are the program's own", column.name);
                self.fault_with_help(&written.span, message, help);
            }
            for name in &column.named {
                if !seen.insert(crate::sheet::header::plain(name)) {
                    self.fault(&written.span, format!("two columns go by the header `{name}`"));
                }
            }
        }
        columns
    }

    fn sheet_column(
        &mut self,
        key: &'t Key,
        value: &'t Node,
        kinds: &mut BTreeMap<String, ColumnKind>,
        classes: &mut BTreeMap<String, String>,
    ) -> Option<SheetColumn> {
        if value.as_mapping().is_none() {
            let named = self.texts(value, "a column's header")?;
            return Some(SheetColumn::new(&key.text, named.into_iter().map(|(text, _)| text.to_owned()).collect()));
        }
        self.known_keys(value.as_mapping().unwrap_or_default(), &COLUMN_KEYS, "a column of a sheet");
        let named = match value.get("named") {
            Some(named) => self.texts(named, "`named`")?.into_iter().map(|(text, _)| text.to_owned()).collect(),
            None => vec![key.text.clone()],
        };
        let mut column = SheetColumn::new(&key.text, named);
        column.dates = self.choice(value, "dates", &[("iso", CellDates::Iso), ("iso-time", CellDates::IsoTime)]);
        if let Some(pad) = value.get("pad") {
            column.pad = pad.as_text().and_then(|t| t.parse().ok()).filter(|n| (1..=30).contains(n));
            if column.pad.is_none() {
                self.fault(&pad.span, "`pad` is the number of digits that a number of this column has, up to 30");
            }
        }
        if let Some(class) = self.text_of(value, "class") {
            classes.insert(key.text.clone(), class.to_owned());
        }
        if let Some(text) = self.text_of(value, "kind") {
            if let Some(kind) = kind_of(text) {
                kinds.insert(key.text.clone(), kind);
            } else {
                let all = KINDS.map(ColumnKind::as_str).join(", ");
                let place = value.get("kind").map_or(value.span.clone(), |kind| kind.span.clone());
                self.fault(&place, format!("`{text}` is not a kind of column; the kinds are {all}"));
            }
        }
        Some(column)
    }

    fn until(&mut self, node: &'t Node, columns: &[SheetColumn]) -> Option<Until> {
        let text = self.text_of(node, "until")?;
        let span = node.get("until")?.span.clone();
        match Until::parse(text) {
            Ok(until) => {
                for unknown in until.columns().filter(|c| !columns.iter().any(|column| column.name == *c)) {
                    self.fault(&span, format!("`until`: `{unknown}` is not under `columns`"));
                }
                Some(until)
            }
            Err(fault) => {
                self.fault(&span, format!("`until`: {fault}"));
                None
            }
        }
    }

    /// `place: [ file, sheet, row ]`.
    fn place(&mut self, node: &'t Node) -> Vec<PlaceColumn> {
        let Some(written) = node.get("place") else { return Vec::new() };
        let listed = self.texts(written, "`place`").unwrap_or_default();
        let mut columns = Vec::new();
        for (text, span) in listed {
            match PlaceColumn::ALL.into_iter().find(|column| column.name()[1..] == *text) {
                Some(column) if !columns.contains(&column) => columns.push(column),
                _ => self.fault(&span, "`place` lists, each once, what is wanted of file, sheet, row"),
            }
        }
        columns
    }
}

impl SheetColumn {
    fn new(name: &str, named: Vec<String>) -> Self {
        Self { name: name.to_owned(), named, pad: None, dates: CellDates::Iso }
    }
}

/// `timestamp` is what people write for a time without a zone.
fn kind_of(text: &str) -> Option<ColumnKind> {
    if text == "timestamp" {
        return Some(ColumnKind::LocalTimestamp);
    }
    KINDS.into_iter().find(|kind| kind.as_str() == text)
}
