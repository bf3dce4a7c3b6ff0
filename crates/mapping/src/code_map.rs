//! Code maps: a CSV file with one row for each source code, read with the place of every field.
//!
//! Head: `source,target_system,target,display,equivalence,note`; the last three may be left out. The source matches
//! exactly, after the column's trim. Rows for the empty source are refused: a missing value is not a code.

use std::collections::BTreeMap;

use crate::diagnostics::{FileId, Sink, Span};
use crate::plan::Equivalence;

/// A code map as written.
#[derive(Debug, Clone)]
pub struct CodeMapFile {
    pub file: FileId,
    pub rows: Vec<CodeRow>,
}

/// One row; every field keeps its place.
#[derive(Debug, Clone)]
pub struct CodeRow {
    pub line: u32,
    pub source: Field,
    pub target_system: Field,
    pub target: Field,
    pub display: Option<Field>,
    pub equivalence: Equivalence,
    pub equivalence_text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub text: String,
    pub span: Span,
}

const HEAD: [&str; 6] = ["source", "target_system", "target", "display", "equivalence", "note"];

/// Reads a code map; every fault is said, and the rows that could be read are returned.
pub fn read(file: FileId, sink: &mut Sink<'_>) -> CodeMapFile {
    let text = sink.sources.text(file);
    let mut records = Records { text, at: text.len() - text.trim_start_matches('\u{feff}').len(), line: 1, file };
    let mut found = CodeMapFile { file, rows: Vec::new() };
    let Some((_, head)) = records.next() else {
        sink.error("MAP0301", Span::new(file, 0, 0), "the code map is empty")
            .help(format!("its head is `{}`", HEAD.join(",")));
        return found;
    };
    let names: Vec<&str> = head.iter().map(|f| f.text.as_str()).collect();
    if names.len() < 3 || names != HEAD[..names.len().min(HEAD.len())] {
        let span = head
            .first()
            .map_or(Span::new(file, 0, 0), |f| f.span)
            .to(head.last().map_or(Span::new(file, 0, 0), |f| f.span));
        sink.error("MAP0301", span, "this is not the head of a code map").help(format!("write `{}`", HEAD.join(",")));
        return found;
    }
    let width = names.len();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    while let Some((line, fields)) = records.next() {
        if fields.len() == 1 && fields[0].text.is_empty() {
            continue;
        }
        if fields.len() != width {
            let whole = fields[0].span.to(fields[fields.len() - 1].span);
            let message = format!("the row has {} fields and the head has {width}", fields.len());
            sink.error("MAP0302", whole, message).help("a field with a comma stands in double quotes");
            continue;
        }
        if let Some(row) = row(line, fields, &mut seen, sink) {
            found.rows.push(row);
        }
    }
    found
}

fn row(line: u32, fields: Vec<Field>, seen: &mut BTreeMap<String, Span>, sink: &mut Sink<'_>) -> Option<CodeRow> {
    let mut fields = fields.into_iter();
    let (source, target_system, target) = (fields.next()?, fields.next()?, fields.next()?);
    let display = fields.next().filter(|f| !f.text.is_empty());
    let equivalence_field = fields.next();
    if source.text.trim().is_empty() {
        sink.error("MAP0302", source.span, "a row for the empty source is refused")
            .help("a missing value is not a code: say `.on_missing` in the mapping");
        return None;
    }
    if source.text.trim() != source.text {
        sink.warning("MAP0302", source.span, "the source has spaces round it, and the column's trim may cut them");
    }
    if target.text.is_empty() {
        sink.error("MAP0302", target.span, "the row has no target code")
            .help("leave the row out: `.on_unmapped` decides what becomes of the code");
        return None;
    }
    if let Some(first) = seen.get(&source.text) {
        let note = sink.note_at("first at", *first);
        sink.error("MAP0303", source.span, format!("the source `{}` stands twice", source.text)).note(note);
        return None;
    }
    seen.insert(source.text.clone(), source.span);
    let text = equivalence_field.as_ref().map_or("", |f| f.text.as_str());
    let Some(equivalence) = Equivalence::from_code(text) else {
        let span = equivalence_field.as_ref().map_or(source.span, |f| f.span);
        sink.error("MAP0302", span, format!("`{text}` is not an equivalence that a row may have"))
            .help("equal, equivalent, wider, narrower or inexact");
        return None;
    };
    let equivalence_text = text.to_owned();
    Some(CodeRow { line, source, target_system, target, display, equivalence, equivalence_text })
}

/// Cuts a CSV text into records with the place of every field. (The `csv` crate gives the place of records only.)
struct Records<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    file: FileId,
}

impl Records<'_> {
    fn next(&mut self) -> Option<(u32, Vec<Field>)> {
        if self.at >= self.text.len() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let (field, ended) = self.field();
            fields.push(field);
            if ended {
                return Some((line, fields));
            }
        }
    }

    /// One field, and whether its record ends with it.
    fn field(&mut self) -> (Field, bool) {
        let start = self.at;
        let mut text = String::new();
        if self.text[start..].starts_with('"') {
            self.at += 1;
            loop {
                let rest = &self.text[self.at..];
                let length = rest.find('"').unwrap_or(rest.len());
                self.line += rest[..length].matches('\n').count() as u32;
                text.push_str(&rest[..length]);
                self.at += (length + 1).min(rest.len());
                if self.text[self.at..].starts_with('"') {
                    text.push('"');
                    self.at += 1;
                } else {
                    break;
                }
            }
        }
        let rest = &self.text[self.at..];
        let length = rest.find([',', '\n']).unwrap_or(rest.len());
        text.push_str(rest[..length].trim_end_matches('\r'));
        let end = self.at + rest[..length].trim_end_matches('\r').len();
        let ended = !rest[length..].starts_with(',');
        self.line += u32::from(rest[length..].starts_with('\n'));
        self.at += (length + 1).min(rest.len());
        (Field { text, span: Span::new(self.file, start, end) }, ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Sources;

    #[test]
    fn fields_keep_their_places_and_quotes_are_read() {
        let mut sources = Sources::new("");
        let file = sources
            .add("c.csv", "source,target_system,target,display\r\n1,http://x,a,\"A, \"\"b\"\"\"\r\n2,http://x,b,\r\n");
        let mut sink = Sink::new(&sources);
        let map = read(file, &mut sink);
        assert!(sink.found.is_empty(), "{:?}", sink.found);
        assert_eq!(map.rows[0].display.as_ref().unwrap().text, "A, \"b\"");
        assert_eq!(map.rows[1].line, 3);
        assert_eq!(sources.place(map.rows[1].target.span), "c.csv:3:12");
        assert_eq!(map.rows[1].display, None);
    }
}
