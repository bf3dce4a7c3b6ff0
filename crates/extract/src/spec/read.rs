//! From the text of a source spec to its types. Reading goes on after a mistake, so that all are told at once.

mod fhir;
mod fixed;
mod sheet;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use epr_model::schema::ColumnKind;
use epr_model::yaml::{self, Key, Node, Style};

use super::fault::nearest;
use super::{
    ChildSpec, CsvTable, DatabaseTable, EmptyCell, From, KeySpec, NamedColumn, PathColumn, Query, SpecFault,
    SpecFaults, SystemSpec, TableSpec, Trim, XmlTable,
};
use crate::source::SourceKind;
use crate::xml::path::{ColumnPath, ElementsPath, PathFault, Prefixes, RecordPath};
use crate::{controls, decode};

/// Keys of every table.
const COMMON_KEYS: [&str; 8] = ["key", "trim", "class", "optional", "optional_table", "kinds", "watermark", "columns"];
const DATABASE_KEYS: [&str; 2] = ["sql", "table"];
const XML_KEYS: [&str; 4] = ["xml", "ns", "record", "children"];
const CSV_KEYS: [&str; 5] = ["csv", "header", "encoding", "delimiter", "empty"];
const CHILD_KEYS: [&str; 5] = ["each", "columns", "class", "kinds", "children"];
/// The key that says how a table is read, where the project says of what kind its source is.
const READ_BY: [(&str, SourceKind); 5] = [
    ("xml", SourceKind::Xml),
    ("csv", SourceKind::Csv),
    ("sheet", SourceKind::Sheet),
    ("fixed", SourceKind::Fixed),
    ("fhir", SourceKind::Fhir),
];

const KINDS: [ColumnKind; 9] = [
    ColumnKind::Text,
    ColumnKind::Int64,
    ColumnKind::Decimal,
    ColumnKind::Double,
    ColumnKind::Bool,
    ColumnKind::LocalTimestamp,
    ColumnKind::Date,
    ColumnKind::Instant,
    ColumnKind::Bytes,
];

/// Reads a source spec. `kind` is what the project says of the source; `path` is for messages.
pub fn parse(text: &str, kind: SourceKind, path: &Path) -> Result<SystemSpec, SpecFaults> {
    let tree = yaml::parse(text);
    let mut reader = Reader { text, kind, faults: Vec::new(), table_names: BTreeSet::new() };
    let tables = match &tree {
        Ok(root) => {
            let mut tables = reader.system(root);
            fixed::acquaint(&mut tables);
            tables
        }
        Err(faults) => {
            for fault in faults {
                reader.fault(&fault.span, fault.to_string());
            }
            Vec::new()
        }
    };
    let mut controls = Vec::new();
    let lists: [(&str, ReadList); 2] = [("controls", controls::read::read), ("keeps", controls::keep::read)];
    for (key, read) in lists {
        if let Some(node) = tree.as_ref().ok().and_then(|root| root.get(key)) {
            let (read, faults) = read(text, node);
            reader.faults.extend(faults);
            controls.extend(read);
        }
    }
    if reader.faults.is_empty() {
        return Ok(SystemSpec { tables, controls });
    }
    reader.faults.sort_by_key(|f| (f.line, f.column));
    Err(SpecFaults { path: path.to_owned(), faults: reader.faults })
}

type ReadList = fn(&str, &Node) -> (Vec<controls::ControlSpec>, Vec<SpecFault>);

struct Reader<'t> {
    text: &'t str,
    kind: SourceKind,
    faults: Vec<SpecFault>,
    table_names: BTreeSet<String>,
}

impl<'t> Reader<'t> {
    fn fault(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.fault_with_help(span, message, None);
    }

    fn fault_with_help(&mut self, span: &Range<usize>, message: impl Into<String>, help: Option<String>) {
        let place = yaml::position(self.text, span.start);
        self.faults.push(SpecFault { line: place.line, column: place.column, message: message.into(), help });
    }

    fn system(&mut self, root: &'t Node) -> Vec<TableSpec> {
        let Some(members) = self.members(root, "a source spec") else { return Vec::new() };
        self.known_keys(members, &["tables", "controls", "keeps"], "a source spec");
        let Some(tables) = root.get("tables") else {
            self.fault(&(root.span.start..root.span.start), "a source spec needs `tables`");
            return Vec::new();
        };
        let Some(tables) = self.members(tables, "`tables`") else { return Vec::new() };
        tables.iter().filter_map(|(name, node)| self.table(name, node)).collect()
    }

    fn table(&mut self, name: &'t Key, node: &'t Node) -> Option<TableSpec> {
        self.table_name(name);
        let what = format!("table `{}`", name.text);
        let members = self.members(node, &what)?;
        if let Some((key, meant)) = members.iter().find_map(|(k, _)| {
            let (_, kind) = READ_BY.into_iter().find(|(word, _)| *word == k.text)?;
            (kind != self.kind).then_some((k, kind))
        }) {
            let (is, meant) = (self.kind.as_str(), meant.as_str());
            let help = Some(format!("write `kind = \"{meant}\"` there, if that is what it is"));
            self.fault_with_help(&key.span, format!("`{meant}` does not go with a source of kind {is}"), help);
            return None;
        }
        let own: &[&str] = match self.kind {
            SourceKind::Odbc => &DATABASE_KEYS,
            SourceKind::Xml => &XML_KEYS,
            SourceKind::Csv => &CSV_KEYS,
            SourceKind::Sheet => &sheet::KEYS,
            SourceKind::Fixed => &fixed::KEYS,
            SourceKind::Fhir => &fhir::KEYS,
        };
        let keys: Vec<&str> = COMMON_KEYS.into_iter().chain(own.iter().copied()).collect();
        self.known_keys(members, &keys, &format!("a table of a source of kind {}", self.kind.as_str()));

        let mut key = if self.kind == SourceKind::Fhir { Some(self.fhir_key(node)) } else { self.key(name, node) };
        let (optional, optional_columns) = self.optional(node);
        let mut kinds = self.kinds(node);
        let mut classes = self.classes(node);
        let trim = self.choice(node, "trim", &[("none", Trim::None), ("right", Trim::Right), ("both", Trim::Both)]);
        // What fills a column of fixed width is padding.
        let trim = if self.kind == SourceKind::Fixed && node.get("trim").is_none() { Trim::Right } else { trim };
        let watermark = self.text_of(node, "watermark").map(str::to_owned);
        let from = match self.kind {
            SourceKind::Odbc => self.database(name, node)?,
            SourceKind::Xml => self.xml(name, node, &mut key)?,
            SourceKind::Csv => self.csv(name, node)?,
            SourceKind::Sheet => self.sheet(name, node, &mut kinds, &mut classes)?,
            SourceKind::Fixed => self.fixed(name, node)?,
            SourceKind::Fhir => self.fhir(name, node)?,
        };
        let name = name.text.clone();
        let spec = TableSpec { name, from, key: key?, trim, classes, optional, optional_columns, kinds, watermark };
        self.known_columns(node, &spec);
        Some(spec)
    }

    fn table_name(&mut self, name: &Key) {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        if name.text.is_empty() || !name.text.chars().all(allowed) {
            let help =
                Some("give it a name of letters, digits, `_`, `-`, and the source's own name under `table`".to_owned());
            self.fault_with_help(&name.span, format!("`{}` cannot be the name of a staged table", name.text), help);
        } else if !self.table_names.insert(name.text.to_lowercase()) {
            self.fault(
                &name.span,
                format!("two tables are called `{}` (child tables count, and so does case)", name.text),
            );
        }
    }

    /// `key: NAME`, `key: [ A, B ]` or `key: row`.
    fn key(&mut self, name: &Key, node: &Node) -> Option<KeySpec> {
        let Some(key) = node.get("key") else {
            let help = Some("a table that has no key says `key: row`".to_owned());
            self.fault_with_help(&name.span, format!("table `{}` needs `key`", name.text), help);
            return None;
        };
        if key.as_text() == Some("row") {
            return Some(KeySpec::Row);
        }
        let columns = self.texts(key, "`key`")?;
        Some(KeySpec::Columns(columns.into_iter().map(|(text, _)| text.to_owned()).collect()))
    }

    /// `optional: true` is the table, `optional: [ A, B ]` are columns; both: the list and `optional_table: true`.
    fn optional(&mut self, node: &Node) -> (bool, Vec<String>) {
        let mut table = match node.get("optional_table") {
            Some(flag) => self.bool_of(flag, "optional_table"),
            None => false,
        };
        let mut columns = Vec::new();
        if let Some(optional) = node.get("optional") {
            if optional.as_text().is_some() {
                table |= self.bool_of(optional, "optional");
            } else {
                let listed = self.texts(optional, "`optional`").unwrap_or_default();
                columns = listed.into_iter().map(|(text, _)| text.to_owned()).collect();
            }
        }
        (table, columns)
    }

    fn bool_of(&mut self, node: &Node, key: &str) -> bool {
        match node.as_text() {
            Some("true") => true,
            Some("false") => false,
            _ => {
                self.fault(&node.span, format!("`{key}` is `true` or `false`, or a list of columns under `optional`"));
                false
            }
        }
    }

    fn kinds(&mut self, node: &'t Node) -> BTreeMap<String, ColumnKind> {
        let mut kinds = BTreeMap::new();
        for (column, value) in self.member_of(node, "kinds") {
            let text = value.as_text().unwrap_or_default();
            if let Some(kind) = KINDS.into_iter().find(|k| k.as_str() == text) {
                kinds.insert(column.text.clone(), kind);
            } else {
                let all = KINDS.map(ColumnKind::as_str).join(", ");
                self.fault(&value.span, format!("`{text}` is not a kind of column; the kinds are {all}"));
            }
        }
        kinds
    }

    fn classes(&mut self, node: &'t Node) -> BTreeMap<String, String> {
        let mut classes = BTreeMap::new();
        for (column, value) in self.member_of(node, "class") {
            if let Some(text) = self.text(value, "a class") {
                classes.insert(column.text.clone(), text.to_owned());
            }
        }
        classes
    }

    fn database(&mut self, name: &Key, node: &'t Node) -> Option<From> {
        let query = match (node.get("table"), node.get("sql")) {
            (Some(_), Some(sql)) => {
                self.fault(&sql.span, "a table has `table` or `sql`, not both");
                return None;
            }
            (Some(table), None) => Query::Table(self.text(table, "`table`")?.to_owned()),
            (None, Some(sql)) => Query::Sql(self.text(sql, "`sql`")?.trim().trim_end_matches(';').to_owned()),
            (None, None) => Query::Table(name.text.clone()),
        };
        Some(From::Database(DatabaseTable { query, columns: self.named_columns(node) }))
    }

    /// `columns: [ A, B ]`, or `columns: { a: A }` where the source has another name.
    fn named_columns(&mut self, node: &'t Node) -> Option<Vec<NamedColumn>> {
        let columns = node.get("columns")?;
        if columns.as_mapping().is_some() {
            let pairs = self.members(columns, "`columns`")?;
            return Some(
                pairs
                    .iter()
                    .filter_map(|(name, source)| {
                        let source = self.text(source, "a column's name in the source")?.to_owned();
                        Some(NamedColumn { name: name.text.clone(), source })
                    })
                    .collect(),
            );
        }
        let listed = self.texts(columns, "`columns`")?;
        let mut seen = BTreeSet::new();
        for (text, span) in &listed {
            if !seen.insert(*text) {
                self.fault(span, format!("the column `{text}` is listed twice"));
            }
        }
        Some(listed.into_iter().map(|(t, _)| NamedColumn { name: t.to_owned(), source: t.to_owned() }).collect())
    }

    fn xml(&mut self, name: &Key, node: &'t Node, key: &mut Option<KeySpec>) -> Option<From> {
        let files = self.required(name, node, "xml");
        let prefixes = self.prefixes(node);
        let record = self.required(name, node, "record");
        let record = record.and_then(|(text, span)| self.path(&span, RecordPath::parse(text, &prefixes)));
        let mut columns = self.path_columns(name, node, &prefixes);
        if let (Some(KeySpec::Columns(keys)), Some(written)) = (key.as_mut(), node.get("key")) {
            self.key_paths(keys, &written.span, &mut columns, &prefixes);
        }
        let children = self.children(node, &prefixes);
        if let (false, Some(written)) = (children.is_empty(), node.get("key")) {
            let single = matches!(key, Some(KeySpec::Columns(keys)) if keys.len() == 1);
            if key.is_some() && !single {
                self.fault(&written.span, "a table with `children` needs a key of one column, for their `_parent`");
            }
        }
        Some(From::Xml(XmlTable { files: files?.0.to_owned(), record: record?, columns, children }))
    }

    /// A key that is no column is a path: it is staged as `_key`, several as `_key1`, `_key2` …
    fn key_paths(
        &mut self,
        keys: &mut [String],
        span: &Range<usize>,
        columns: &mut Vec<PathColumn>,
        prefixes: &Prefixes,
    ) {
        let several = keys.len() > 1;
        for (i, key) in keys.iter_mut().enumerate() {
            if columns.iter().any(|c| c.name == *key) {
                continue;
            }
            let name = if several { format!("_key{}", i + 1) } else { "_key".to_owned() };
            if let Some(path) = self.path(span, ColumnPath::parse(key, prefixes)) {
                columns.push(PathColumn { name: name.clone(), path });
            }
            *key = name;
        }
    }

    fn prefixes(&mut self, node: &'t Node) -> Prefixes {
        let mut prefixes = Prefixes::new();
        for (prefix, uri) in self.member_of(node, "ns") {
            if let Some(uri) = self.text(uri, "a namespace") {
                prefixes.insert(prefix.text.clone(), uri.to_owned());
            }
        }
        prefixes
    }

    fn path_columns(&mut self, name: &Key, node: &'t Node, prefixes: &Prefixes) -> Vec<PathColumn> {
        if node.get("columns").is_none() {
            self.fault(&name.span, format!("table `{}` needs `columns`: names and their paths", name.text));
        }
        let mut columns = Vec::new();
        for (column, value) in self.member_of(node, "columns") {
            if column.text.starts_with('_') {
                self.fault(&column.span, "a column that begins with `_` is the program's own: choose another name");
            }
            let Some(text) = self.text(value, "a path") else { continue };
            if let Some(path) = self.path(&value.span, ColumnPath::parse(text, prefixes)) {
                columns.push(PathColumn { name: column.text.clone(), path });
            }
        }
        columns
    }

    fn path<P>(&mut self, span: &Range<usize>, parsed: Result<P, PathFault>) -> Option<P> {
        parsed.map_err(|fault| self.fault(span, fault.to_string())).ok()
    }

    fn children(&mut self, node: &'t Node, prefixes: &Prefixes) -> Vec<ChildSpec> {
        let members = self.member_of(node, "children");
        members.iter().filter_map(|(name, child)| self.child(name, child, prefixes)).collect()
    }

    fn child(&mut self, name: &'t Key, node: &'t Node, prefixes: &Prefixes) -> Option<ChildSpec> {
        self.table_name(name);
        let members = self.members(node, &format!("child table `{}`", name.text))?;
        self.known_keys(members, &CHILD_KEYS, "a child table");
        let each = self.required(name, node, "each");
        let each = each.and_then(|(text, span)| self.path(&span, ElementsPath::parse(text, prefixes)));
        let columns = self.path_columns(name, node, prefixes);
        let classes = self.classes(node);
        let kinds = self.kinds(node);
        for key in ["class", "kinds"] {
            let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            self.only_columns(node, key, &names);
        }
        let children = self.children(node, prefixes);
        Some(ChildSpec { name: name.text.clone(), each: each?, columns, classes, kinds, children })
    }

    fn csv(&mut self, name: &Key, node: &'t Node) -> Option<From> {
        let files = self.required(name, node, "csv");
        let columns = self.named_columns(node);
        let header_row = self.header(node);
        if header_row.is_none() && columns.is_none() {
            self.fault(&name.span, "a file without a header needs `columns`");
        }
        let delimiter = match node.get("delimiter").map(|d| (d, d.as_text().unwrap_or_default())) {
            None => b',',
            Some((_, "tab" | "\t")) => b'\t',
            Some((_, text)) if text.len() == 1 && text.is_ascii() && text != "\"" && text != "\n" => text.as_bytes()[0],
            Some((node, _)) => {
                self.fault(&node.span, "`delimiter` is one ASCII character, or `tab`");
                b','
            }
        };
        let encoding = self.encoding(node);
        let empty = self.choice(node, "empty", &[("null", EmptyCell::Null), ("text", EmptyCell::Text)]);
        Some(From::Csv(CsvTable { files: files?.0.to_owned(), delimiter, encoding, header_row, columns, empty }))
    }

    fn encoding(&mut self, node: &'t Node) -> Option<&'static encoding_rs::Encoding> {
        let encoding = node.get("encoding")?;
        let text = self.text(encoding, "`encoding`")?;
        let found = decode::encoding_of(text);
        if found.is_none() {
            let message = format!("`{text}` is not an encoding; for example utf-8, windows-1252, utf-16le");
            self.fault(&encoding.span, message);
        }
        found
    }

    /// `header: { row: 3 }`, `header: true` (row 1, the default) or `header: false`.
    fn header(&mut self, node: &'t Node) -> Option<u64> {
        let Some(header) = node.get("header") else { return Some(1) };
        match header.as_text() {
            Some("true") => return Some(1),
            Some("false") => return None,
            _ => {}
        }
        let row = header.get("row").and_then(Node::as_text).and_then(|t| t.parse().ok()).filter(|n| *n > 0);
        if row.is_none() || header.as_mapping().is_some_and(|m| m.len() > 1) {
            self.fault(&header.span, "`header` is `true`, `false` or `{ row: N }`, counted from 1");
        }
        Some(row.unwrap_or(1))
    }

    /// Where the columns are listed, whatever names a column must name one of them.
    fn known_columns(&mut self, node: &'t Node, spec: &TableSpec) {
        let columns: Vec<&str> = match &spec.from {
            From::Xml(t) => t.columns.iter().map(|c| c.name.as_str()).collect(),
            From::Sheet(t) => t.columns.iter().map(|c| c.name.as_str()).collect(),
            From::Fixed(t) => t.columns.iter().map(|c| c.name.as_str()).collect(),
            From::Fhir(t) => fhir::columns(t),
            From::Database(DatabaseTable { columns: Some(columns), .. })
            | From::Csv(CsvTable { columns: Some(columns), .. }) => columns.iter().map(|c| c.name.as_str()).collect(),
            From::Database(_) | From::Csv(_) => return,
        };
        if let (KeySpec::Columns(keys), Some(written)) = (&spec.key, node.get("key")) {
            for key in keys.iter().filter(|k| !columns.contains(&k.as_str())) {
                let help = nearest(key, columns.iter().copied()).map(|n| format!("did you mean `{n}`?"));
                self.fault_with_help(&written.span, format!("the key `{key}` is not under `columns`"), help);
            }
        }
        for key in ["class", "kinds"] {
            self.only_columns(node, key, &columns);
        }
        let listed = node.get("optional").and_then(Node::as_sequence).unwrap_or_default();
        for item in listed.iter().filter(|i| i.as_text().is_some_and(|t| !columns.contains(&t))) {
            self.fault(&item.span, format!("`{}` is not under `columns`", item.as_text().unwrap_or_default()));
        }
    }

    fn only_columns(&mut self, node: &'t Node, key: &str, columns: &[&str]) {
        for (column, _) in node.get(key).and_then(Node::as_mapping).unwrap_or_default() {
            if !columns.contains(&column.text.as_str()) {
                let help = nearest(&column.text, columns.iter().copied()).map(|n| format!("did you mean `{n}`?"));
                self.fault_with_help(&column.span, format!("`{}` is not under `columns`", column.text), help);
            }
        }
    }

    fn known_keys(&mut self, members: &[(Key, Node)], known: &[&str], what: &str) {
        for (key, _) in members.iter().filter(|(k, _)| !known.contains(&k.text.as_str())) {
            let help = match nearest(&key.text, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its keys are {}", known.join(", ")),
            };
            self.fault_with_help(&key.span, format!("`{}` is not a key of {what}", key.text), Some(help));
        }
    }

    fn required(&mut self, name: &Key, node: &'t Node, key: &str) -> Option<(&'t str, Range<usize>)> {
        let Some(value) = node.get(key) else {
            self.fault(&name.span, format!("table `{}` needs `{key}`", name.text));
            return None;
        };
        self.text(value, &format!("`{key}`")).map(|text| (text, value.span.clone()))
    }

    fn choice<T: Copy>(&mut self, node: &'t Node, key: &str, choices: &[(&str, T)]) -> T {
        if let Some(value) = node.get(key) {
            if let Some((_, choice)) = choices.iter().find(|(name, _)| value.as_text() == Some(name)) {
                return *choice;
            }
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.fault(&value.span, format!("`{key}` is one of {}", names.join(", ")));
        }
        choices[0].1
    }

    fn text_of(&mut self, node: &'t Node, key: &str) -> Option<&'t str> {
        let value = node.get(key)?;
        self.text(value, &format!("`{key}`"))
    }

    /// A scalar that is not empty.
    fn text(&mut self, node: &'t Node, what: &str) -> Option<&'t str> {
        match node.as_text() {
            Some("") => self.fault(&node.span, format!("{what} is empty")),
            Some(text) => {
                // `ns: a #b` would lose its end without a word.
                let plain = matches!(node.kind, yaml::NodeKind::Scalar { style: Style::Plain, .. });
                if plain && text.contains(['[', '(']) && yaml::comment_after(self.text, &node.span).is_some() {
                    self.fault(&node.span, format!("{what} ends at ` #`, which begins a comment; put quotes round it"));
                }
                return Some(text);
            }
            None => self.fault(&node.span, format!("{what} must be a text, not {}", node.describe())),
        }
        None
    }

    /// One text or a list of texts.
    fn texts<'n>(&mut self, node: &'n Node, what: &str) -> Option<Vec<(&'n str, Range<usize>)>> {
        let items: Vec<&Node> = match node.as_sequence() {
            Some(items) => items.iter().collect(),
            None => vec![node],
        };
        let texts: Vec<_> =
            items.iter().filter_map(|i| i.as_text().filter(|t| !t.is_empty()).map(|t| (t, i.span.clone()))).collect();
        if texts.len() != items.len() || texts.is_empty() {
            self.fault(&node.span, format!("{what} is a name or a list of names"));
            return None;
        }
        Some(texts)
    }

    fn members(&mut self, node: &'t Node, what: &str) -> Option<&'t [(Key, Node)]> {
        let members = node.as_mapping();
        if members.is_none() {
            self.fault(&node.span, format!("{what} must be a mapping, not {}", node.describe()));
        }
        members
    }

    fn member_of(&mut self, node: &'t Node, key: &str) -> &'t [(Key, Node)] {
        match node.get(key) {
            Some(value) => self.members(value, &format!("`{key}`")).unwrap_or_default(),
            None => &[],
        }
    }
}
