//! The keys of a table whose columns stand at fixed places of a line.

use epr_model::yaml::{Key, Node};

use super::Reader;
use crate::spec::{Counted, EmptyCell, FixedColumn, FixedTable, From, Place, TableSpec, Trailer};

pub(super) const KEYS: [&str; 7] = ["fixed", "encoding", "length", "record", "skip", "trailer", "empty"];
const PLACE_KEYS: [&str; 4] = ["from", "to", "start", "width"];
const TRAILER_KEYS: [&str; 3] = ["starts_with", "count", "counts"];
/// A line beyond this is no record.
const MAX_LENGTH: usize = 1_000_000;

impl<'t> Reader<'t> {
    pub(super) fn fixed(&mut self, name: &Key, node: &'t Node) -> Option<From> {
        let files = self.required(name, node, "fixed");
        let encoding = self.encoding(node);
        let length = self.length(name, node);
        let record = node.get("record").and_then(|record| self.starts_with(record, "record"));
        let skip = self.skipped(node);
        let trailer = node.get("trailer").and_then(|trailer| self.trailer(trailer));
        let columns = self.fixed_columns(name, node, length);
        let empty = self.choice(node, "empty", &[("null", EmptyCell::Null), ("text", EmptyCell::Text)]);
        let files = files?.0.to_owned();
        Some(From::Fixed(FixedTable {
            files,
            encoding,
            length,
            record,
            others: Vec::new(),
            tells_unknown: true,
            skip,
            trailer,
            columns,
            empty,
        }))
    }

    /// `length: 256` or `length: any`.
    fn length(&mut self, name: &Key, node: &'t Node) -> Option<usize> {
        let Some(length) = node.get("length") else {
            let help = Some("the characters of a line, or `any` where lines end early".to_owned());
            self.fault_with_help(&name.span, format!("table `{}` needs `length`", name.text), help);
            return None;
        };
        if length.as_text() == Some("any") {
            return None;
        }
        let n = length.as_text().and_then(|t| t.parse().ok()).filter(|n| (1..=MAX_LENGTH).contains(n));
        if n.is_none() {
            self.fault(&length.span, "`length` is the number of characters of a line, or `any`");
        }
        n
    }

    /// `{ starts_with: "20" }`.
    fn starts_with(&mut self, node: &'t Node, key: &str) -> Option<String> {
        let text = node.get("starts_with").and_then(Node::as_text).filter(|t| !t.is_empty());
        if text.is_none() || node.as_mapping().is_some_and(|m| m.len() > 1) {
            self.fault(&node.span, format!("`{key}` is `{{ starts_with: TEXT }}`"));
        }
        text.map(str::to_owned)
    }

    /// `skip: { starts_with: HDR }`, or a list of such.
    fn skipped(&mut self, node: &'t Node) -> Vec<String> {
        let Some(skip) = node.get("skip") else { return Vec::new() };
        let items = skip.as_sequence().unwrap_or(std::slice::from_ref(skip));
        items.iter().filter_map(|item| self.starts_with(item, "skip")).collect()
    }

    fn trailer(&mut self, node: &'t Node) -> Option<Trailer> {
        let members = self.members(node, "`trailer`")?;
        self.known_keys(members, &TRAILER_KEYS, "a trailer");
        let starts_with = self.text_of(node, "starts_with");
        if node.get("starts_with").is_none() {
            self.fault(&node.span, "a trailer needs `starts_with`");
        }
        let count = node.get("count").and_then(|count| self.characters(count, "`count`"));
        let counts = self.choice(node, "counts", &[("records", Counted::Records), ("lines", Counted::Lines)]);
        Some(Trailer { starts_with: starts_with?.to_owned(), count, counts })
    }

    fn fixed_columns(&mut self, name: &Key, node: &'t Node, length: Option<usize>) -> Vec<FixedColumn> {
        if node.get("columns").is_none() {
            self.fault(&name.span, format!("table `{}` needs `columns`: names and their places", name.text));
        }
        let mut columns: Vec<FixedColumn> = Vec::new();
        for (key, value) in self.member_of(node, "columns") {
            let Some(place) = self.characters(value, "a column") else { continue };
            if length.is_some_and(|length| place.start + place.width > length) {
                self.fault(&value.span, format!("column `{}` ends behind the `length` of the line", key.text));
            }
            columns.push(FixedColumn { name: key.text.clone(), place });
        }
        columns
    }

    /// `{ from: 1, to: 10 }` or `{ start: 1, width: 10 }`, characters counted from 1.
    fn characters(&mut self, node: &'t Node, what: &str) -> Option<Place> {
        let members = node.as_mapping().unwrap_or_default();
        self.known_keys(members, &PLACE_KEYS, "a place in a line");
        let number =
            |key: &str| node.get(key)?.as_text()?.parse::<usize>().ok().filter(|n| (1..=MAX_LENGTH).contains(n));
        let place = match (number("from"), number("to"), number("start"), number("width")) {
            (Some(from), Some(to), None, None) if from <= to => Some(Place { start: from - 1, width: to - from + 1 }),
            (None, None, Some(start), Some(width)) => Some(Place { start: start - 1, width }),
            _ => None,
        };
        if place.is_none() || members.len() != 2 {
            let message = format!("{what} is `{{ from: 1, to: 10 }}` or `{{ start: 1, width: 10 }}`, counted from 1");
            self.fault(&node.span, message);
        }
        place
    }
}

/// Tells each table which lines of its files are the others', so that a line of none can be seen.
pub(super) fn acquaint(tables: &mut [TableSpec]) {
    let records: Vec<(String, Option<String>)> = tables
        .iter()
        .filter_map(|t| match &t.from {
            From::Fixed(fixed) => Some((fixed.files.clone(), fixed.record.clone())),
            _ => None,
        })
        .collect();
    let mut told = Vec::new();
    for table in tables {
        if let From::Fixed(fixed) = &mut table.from {
            fixed.tells_unknown = !told.contains(&fixed.files);
            told.push(fixed.files.clone());
            let same = records.iter().filter(|(files, record)| *files == fixed.files && *record != fixed.record);
            fixed.others = same.filter_map(|(_, record)| record.clone()).collect();
        }
    }
}
