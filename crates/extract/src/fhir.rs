//! FHIR exports: NDJSON of a bulk export, and resources or Bundles in JSON files, to one table a resource type.
//!
//! All tables of a source are staged in one reading of its files, so that what no table takes is seen. A resource goes
//! to the table of its type, whatever its file is called, and stands in the column `resource` byte for byte. A file is
//! read twice ([`crate::stream`]): one that breaks off, inside a resource or inside its compression, gives no row.
//! One resource is in memory, or one Bundle.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use epr_fhir::resource::{Node, NodeKind, Resource};
use epr_model::Action;
use epr_run::StageContext;
use epr_run::staged::StagedTable;
use sha2::{Digest, Sha256};

use crate::source::Source;
use crate::spec::{FhirTable, TableSpec, schema};
use crate::staging::{Cell, Outlet, Sink};
use crate::stream::{self, CHUNK_BYTES, Proof, Rationed};
use crate::{ExtractError, files, issues};

/// A line above this is refused: it has to fit in memory.
pub const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;
/// A JSON file that is one document may be so large.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024 * 1024;
/// A resource up to this stands in its table; above, in a blob, with an issue.
pub const LARGEST_RESOURCE_BYTES: usize = 16 * 1024 * 1024;
/// Lines between two looks at whether to stop.
const LINES_BETWEEN_CHECKS: u64 = 1024;

/// Stages all tables of a source, in the order of its spec.
pub fn stage_tables(
    ctx: &StageContext<'_>,
    outlet: &Outlet<'_>,
    source: &Source,
    specs: &[(&TableSpec, &FhirTable)],
) -> Result<Vec<StagedTable>, ExtractError> {
    let patterns: Vec<String> = specs.iter().flat_map(|(_, fhir)| fhir.files.clone()).collect();
    let found = files::matching_any(source, &patterns)?;
    let mut export = Export::new(outlet, source, specs)?;
    ctx.progress.begin(&source.name, Some(found.len() as u64), "files");
    for file in &found {
        ctx.stop.check()?;
        export.file(ctx, file)?;
        ctx.progress.advance(1);
    }
    ctx.progress.end();
    export.finish(&found)
}

/// The tables of an export while its files are read.
struct Export<'o, 's> {
    outlet: &'o Outlet<'s>,
    source: &'o Source,
    tables: Vec<Table<'o, 's>>,
    any_refused: bool,
}

struct Table<'o, 's> {
    spec: &'o TableSpec,
    fhir: &'o FhirTable,
    sink: Sink<'o, 's>,
    /// A hash of each id, and of the content that it first had.
    ids: HashMap<[u8; 16], [u8; 16]>,
    n_repeated: u64,
    /// Rows in which a column's path gave several values, by column.
    n_several: Vec<u64>,
}

/// What of a file went to no table.
#[derive(Default)]
struct Untaken {
    n_by_type: BTreeMap<String, u64>,
}

impl<'o, 's> Export<'o, 's> {
    fn new(
        outlet: &'o Outlet<'s>,
        source: &'o Source,
        specs: &[(&'o TableSpec, &'o FhirTable)],
    ) -> Result<Self, ExtractError> {
        let mut tables = Vec::new();
        for (spec, fhir) in specs {
            let mut sink = Sink::new(outlet, source, schema::of_fhir(spec, fhir), spec.trim)?;
            sink.allow(1, LARGEST_RESOURCE_BYTES);
            let n_several = vec![0; fhir.columns.len()];
            tables.push(Table { spec, fhir, sink, ids: HashMap::new(), n_repeated: 0, n_several });
        }
        Ok(Self { outlet, source, tables, any_refused: false })
    }

    fn file(&mut self, ctx: &StageContext<'_>, path: &Path) -> Result<(), ExtractError> {
        let name = files::name(path);
        let takes: Vec<usize> = (0..self.tables.len()).filter(|i| self.tables[*i].takes(self.source, &name)).collect();
        let Some(first) = takes.first().copied() else { return Ok(()) };
        let (proof, layout) = match check(ctx, path)? {
            Ok(checked) => checked,
            Err(reason) => {
                self.any_refused = true;
                let what = (issues::FHIR_REFUSED, Action::Refused);
                let shape = Some(format!("{name}: {reason}"));
                return self.outlet.raise(self.source, &self.tables[first].spec.name, what, None, None, shape);
            }
        };
        let mut untaken = Untaken::default();
        let mut resource = Resource::default();
        let read = read(ctx, path, Some(layout), |place, bytes| {
            let place = format!("{name} {place}");
            if let Err(fault) = resource.parse_json_into(bytes) {
                let shape = format!("not JSON at byte {} of {}: {}", fault.offset, bytes.len(), fault.what);
                return self.tables[first].sink.outside(issues::FHIR_MALFORMED, &place, bytes, &shape);
            }
            self.document(resource.root(), &place, &takes, &mut untaken)
        })?;
        if read != Ok((proof, layout)) {
            return Err(ExtractError::FileChanged { path: path.to_owned() });
        }
        for (resource_type, n) in untaken.n_by_type {
            let what = (issues::FHIR_OTHER_TYPE, Action::Excluded);
            let shape = Some(format!("{name}: {n} of type {resource_type}"));
            self.outlet.raise(self.source, &self.tables[first].spec.name, what, None, None, shape)?;
        }
        Ok(())
    }

    /// A resource, or a Bundle of resources unless a table takes Bundles.
    fn document(
        &mut self,
        root: Node<'_>,
        place: &str,
        takes: &[usize],
        untaken: &mut Untaken,
    ) -> Result<(), ExtractError> {
        let is_bundle = type_of(root) == Some("Bundle");
        if !is_bundle || takes.iter().any(|i| self.tables[*i].fhir.resource_type == "Bundle") {
            return self.resource(root, place, takes, untaken);
        }
        let entries = root.get("entry").filter(|e| e.kind() == NodeKind::Array);
        for (n, entry) in (1..).zip(entries.into_iter().flat_map(Node::items)) {
            let place = format!("{place} entry {n}");
            let inside = (entry.kind() == NodeKind::Object).then(|| entry.get("resource")).flatten();
            // An entry of a request to delete, or of a search's outcome, may hold none.
            if let Some(resource) = inside {
                self.document(resource, &place, takes, untaken)?;
            }
        }
        Ok(())
    }

    fn resource(
        &mut self,
        node: Node<'_>,
        place: &str,
        takes: &[usize],
        untaken: &mut Untaken,
    ) -> Result<(), ExtractError> {
        let Some(resource_type) = type_of(node) else {
            if is_manifest(node) {
                return Ok(());
            }
            let shape = format!("{} bytes without a resourceType", node.raw().len());
            return self.tables[takes[0]].sink.outside(issues::FHIR_MALFORMED, place, node.raw(), &shape);
        };
        if let Some(i) = takes.iter().find(|i| self.tables[**i].fhir.resource_type == resource_type) {
            return self.tables[*i].row(node, place);
        }
        *untaken.n_by_type.entry(shown_type(resource_type)).or_default() += 1;
        Ok(())
    }

    fn finish(self, found: &[PathBuf]) -> Result<Vec<StagedTable>, ExtractError> {
        let mut staged = Vec::new();
        for table in self.tables {
            let raise = |code: &str, action: Action, column: Option<&str>, shape: Option<String>| {
                self.outlet.raise(self.source, &table.spec.name, (code, action), None, column, shape)
            };
            if table.sink.row_no() == 1 && table.spec.optional {
                raise(issues::TABLE_ABSENT, Action::Kept, None, None)?;
            }
            if table.sink.row_no() == 1 && !table.spec.optional && !self.any_refused {
                return Err(ExtractError::NoResources {
                    name: self.source.name.clone(),
                    table: table.spec.name.clone(),
                    resource_type: table.fhir.resource_type.clone(),
                    n_files: found.len(),
                    path: self.source.path.clone().unwrap_or_default(),
                });
            }
            if table.n_repeated > 0 {
                raise(issues::FHIR_REPEATED, Action::Omitted, None, Some(format!("{} times", table.n_repeated)))?;
            }
            for (column, n) in table.fhir.columns.iter().zip(&table.n_several).filter(|(_, n)| **n > 0) {
                let shape = Some(format!("in {n} rows"));
                raise(issues::FHIR_SEVERAL_VALUES, Action::Kept, Some(&column.name), shape)?;
            }
            staged.push(table.sink.finish()?);
        }
        Ok(staged)
    }
}

impl Table<'_, '_> {
    /// Whether the table takes resources from a file of this name.
    fn takes(&self, source: &Source, name: &str) -> bool {
        let is_file = source.path.as_ref().is_some_and(|path| path.is_file());
        let name = name.to_lowercase();
        is_file || self.fhir.files.iter().any(|pattern| files::matches_pattern(&pattern.to_lowercase(), &name))
    }

    fn row(&mut self, node: Node<'_>, place: &str) -> Result<(), ExtractError> {
        let id = node.text("id").filter(|id| !id.is_empty());
        self.sink.at(place.to_owned());
        match id {
            None => self.sink.raise(issues::FHIR_NO_ID, Action::Kept, Some("id"), None)?,
            Some(id) => {
                let content = hash(node.raw());
                match self.ids.get(&hash(id.as_bytes())) {
                    Some(first) if *first == content => {
                        self.n_repeated += 1;
                        return Ok(());
                    }
                    Some(_) => self.sink.raise(issues::FHIR_ID_TWICE, Action::Kept, Some("id"), None)?,
                    None => {
                        self.ids.insert(hash(id.as_bytes()), content);
                    }
                }
            }
        }
        self.sink.cell(0, id.map_or(Cell::Null, Cell::Text))?;
        let text = std::str::from_utf8(node.raw()).expect("what was read as JSON is UTF-8");
        self.sink.cell(1, Cell::Text(text))?;
        for (i, column) in self.fhir.columns.iter().enumerate() {
            let values = column.path.values(node);
            self.n_several[i] += u64::from(values.len() > 1);
            self.sink.cell(2 + i, values.first().map_or(Cell::Null, |value| Cell::Text(value)))?;
        }
        self.sink.end_row()
    }
}

fn type_of(node: Node<'_>) -> Option<&str> {
    if node.kind() == NodeKind::Object { node.text("resourceType").filter(|t| !t.is_empty()) } else { None }
}

/// A type as an issue may name it: no export is trusted to hold a type there.
fn shown_type(resource_type: &str) -> String {
    let is_type = resource_type.len() <= 60 && resource_type.bytes().all(|b| b.is_ascii_alphabetic());
    if is_type { resource_type.to_owned() } else { epr_model::shape::of_text(resource_type) }
}

/// What a bulk export says of itself (`transactionTime`, `output`).
fn is_manifest(node: Node<'_>) -> bool {
    node.kind() == NodeKind::Object && node.get("transactionTime").is_some() && node.get("output").is_some()
}

fn hash(bytes: &[u8]) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(bytes).into();
    whole[..16].try_into().expect("half of it")
}

/// How a file holds its resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A document a line.
    Lines,
    /// One document.
    Whole,
}

/// Reads a file to its end. The inner error says why it is refused.
fn check(ctx: &StageContext<'_>, path: &Path) -> Result<Result<(Proof, Layout), String>, ExtractError> {
    read(ctx, path, None, |_, _| Ok(()))
}

/// Gives each document of a file with its place; the inner error says why the file is refused.
fn read(
    ctx: &StageContext<'_>,
    path: &Path,
    layout: Option<Layout>,
    mut take: impl FnMut(&str, &[u8]) -> Result<(), ExtractError>,
) -> Result<Result<(Proof, Layout), String>, ExtractError> {
    let mut file = stream::open(path)?;
    let has_lines = files::name(path).to_lowercase().contains(".ndjson");
    let mut n_read = 0;
    let read = each_document(&mut file, layout, has_lines, |place, bytes| {
        n_read += 1;
        if n_read % LINES_BETWEEN_CHECKS == 0 {
            ctx.stop.check()?;
        }
        take(place, bytes)
    });
    match read {
        Ok(layout) => {
            io::copy(&mut file, &mut io::sink()).map_err(ExtractError::io("read", path))?;
            Ok(Ok((file.proof(), layout)))
        }
        Err(Broken::Refused(reason)) => Ok(Err(reason)),
        Err(Broken::Io(error)) => Err(ExtractError::io("read", path)(error)),
        Err(Broken::Taken(error)) => Err(error),
    }
}

/// Why a file was not read to its end.
#[derive(Debug)]
pub enum Broken<E> {
    /// It is not whole: why, without a word of its content.
    Refused(String),
    /// It could not be read; it may be whole.
    Io(io::Error),
    /// Who takes the documents could not go on.
    Taken(E),
}

/// Gives each document of a reader, unpacked where it is gzip or zstd, with its place (`line 7`). A document that is
/// not JSON is given too, unless the reader ends inside it: only when this returns `Ok` is the file whole.
///
/// Without a `layout` it is told by the first line: where that is a document of its own, so are the others.
pub fn each_document<E>(
    reader: impl Read,
    layout: Option<Layout>,
    has_lines: bool,
    take: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<Layout, Broken<E>> {
    let magic = |head: &[u8]| {
        let packed = if head.starts_with(&[0x1F, 0x8B]) {
            Packed::Gzip
        } else if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            Packed::Zstd
        } else {
            Packed::Not
        };
        (packed, 0)
    };
    let (packed, rest) = stream::after_head(reader, magic).map_err(Broken::Io)?;
    let unpacked: Box<dyn Read + '_> = match packed {
        Packed::Gzip => Box::new(flate2::read::MultiGzDecoder::new(rest)),
        Packed::Zstd => Box::new(zstd::Decoder::new(rest).map_err(broken)?),
        Packed::Not => Box::new(rest),
    };
    let mark = |head: &[u8]| ((), if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
    let ((), text) = stream::after_head(unpacked, mark).map_err(broken)?;
    let mut text = Rationed::new(BufReader::with_capacity(CHUNK_BYTES, text), MAX_LINE_BYTES);
    let mut line = Vec::new();
    if !has_lines && layout != Some(Layout::Lines) {
        // Line breaks before the document are none of it.
        while line.trim_ascii().is_empty() && text.read_until(b'\n', &mut line).map_err(broken)? > 0 {}
        let is_document = Resource::parse_json(line.trim_ascii()).is_ok();
        if layout == Some(Layout::Whole) || !is_document {
            return whole(text.into_inner(), line, take);
        }
    }
    lines(text, line, take)?;
    Ok(Layout::Lines)
}

#[derive(Debug, Clone, Copy)]
enum Packed {
    Not,
    Gzip,
    Zstd,
}

fn whole<E>(
    rest: impl Read,
    mut document: Vec<u8>,
    mut take: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<Layout, Broken<E>> {
    let left = MAX_DOCUMENT_BYTES.saturating_sub(document.len()) as u64;
    rest.take(left + 1).read_to_end(&mut document).map_err(broken)?;
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(Broken::Refused(format!("one document of more than {MAX_DOCUMENT_BYTES} bytes")));
    }
    let document = document.trim_ascii();
    if let Err(fault) = Resource::parse_json(document) {
        let place = format!("line {}, column {}", fault.line, fault.column);
        return Err(Broken::Refused(format!("{place}: {}", fault.what)));
    }
    take("document", document).map_err(Broken::Taken)?;
    Ok(Layout::Whole)
}

fn lines<E>(
    mut text: Rationed<impl BufRead>,
    mut line: Vec<u8>,
    mut take: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<(), Broken<E>> {
    let mut n = u64::from(!line.is_empty());
    loop {
        if n > 0 {
            let document = line.trim_ascii();
            if !line.ends_with(b"\n") && !document.is_empty() && Resource::parse_json(document).is_err() {
                return Err(Broken::Refused(format!("line {n}: the file breaks off inside it")));
            }
            if !document.is_empty() {
                take(&format!("line {n}"), document).map_err(Broken::Taken)?;
            }
        }
        if line.capacity() > CHUNK_BYTES {
            line = Vec::new();
        }
        line.clear();
        text.renew();
        n += 1;
        let n_bytes = text.read_until(b'\n', &mut line).map_err(|error| match broken(error) {
            Broken::Refused(reason) => Broken::Refused(format!("line {n}: {reason}")),
            other => other,
        })?;
        if n_bytes == 0 {
            return Ok(());
        }
    }
}

/// An error of the system is none of the file's; what unpacks a file has errors of its own kinds.
fn broken<E>(error: io::Error) -> Broken<E> {
    if stream::is_too_long(&error) {
        Broken::Refused(format!("a line of more than {MAX_LINE_BYTES} bytes"))
    } else if error.raw_os_error().is_some() {
        Broken::Io(error)
    } else {
        Broken::Refused("its compression breaks off or is damaged".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    type Read = Result<(Vec<(String, String)>, Layout), String>;

    fn documents(bytes: &[u8], has_lines: bool) -> Read {
        let mut documents = Vec::new();
        let read = each_document(bytes, None, has_lines, |place, bytes| {
            documents.push((place.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
            Ok::<(), ()>(())
        });
        match read {
            Ok(layout) => Ok((documents, layout)),
            Err(Broken::Refused(reason)) => Err(reason),
            Err(Broken::Io(_) | Broken::Taken(())) => panic!("bytes in memory can be read"),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn packed_or_not_the_lines_are_the_same_and_a_cut_file_is_refused() {
        let text = b"\xef\xbb\xbf{\"a\":1}\r\n\n{\"b\":2}\nnot json\n{}";
        let lines = [("line 1", "{\"a\":1}"), ("line 3", "{\"b\":2}"), ("line 4", "not json"), ("line 5", "{}")];
        let lines: Vec<_> = lines.map(|(place, line)| (place.to_owned(), line.to_owned())).into();
        let packed = gzip(text);
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        for bytes in [&text[..], &packed, &zstd] {
            assert_eq!(documents(bytes, true), Ok((lines.clone(), Layout::Lines)));
        }
        assert_eq!(documents(b"{\"a\":1}\n{\"b\":", true), Err("line 2: the file breaks off inside it".to_owned()));
        for cut in [&packed[..packed.len() - 3], &zstd[..zstd.len() - 3]] {
            let reason = documents(cut, true).unwrap_err();
            assert!(reason.ends_with("its compression breaks off or is damaged"), "{reason}");
        }
    }

    #[test]
    fn a_document_over_many_lines_is_one_and_documents_in_lines_are_many() {
        let one = vec![("document".to_owned(), "{\n\"a\": 1\n}".to_owned())];
        assert_eq!(documents(b"\n{\n\"a\": 1\n}\n", false), Ok((one, Layout::Whole)));
        let many = vec![("line 1".to_owned(), "{}".to_owned()), ("line 2".to_owned(), "{}".to_owned())];
        assert_eq!(documents(b"{}\n{}\n", false), Ok((many, Layout::Lines)));
        assert!(documents(b"{\n\"a\": 1\n", false).is_err());
        assert!(documents(b"", false).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            head in prop::sample::select(vec![&b""[..], &[0x1F, 0x8B, 8], &[0x28, 0xB5, 0x2F, 0xFD], b"{}\n"]),
            rest in proptest::collection::vec(any::<u8>(), 0..80), has_lines: bool,
        ) {
            let _ = documents(&[head, &rest].concat(), has_lines);
        }

        #[test]
        fn a_packed_file_cut_anywhere_is_refused(cut in any::<prop::sample::Index>()) {
            let packed = gzip(b"{\"a\":1}\n{\"b\":2}\n");
            let cut = 2 + cut.index(packed.len() - 2);
            prop_assert!(documents(&packed[..cut], true).is_err());
        }

        #[test]
        fn lines_come_back_byte_for_byte(values in proptest::collection::vec("[a-z \\\\u0-9.]{0,8}", 0..6)) {
            let text = values.iter().fold(String::new(), |text, v| text + &format!("{{\"v\":{v:?}}}\n"));
            let (read, _) = documents(text.as_bytes(), true).unwrap();
            let back: String = read.into_iter().map(|(_, line)| line + "\n").collect();
            prop_assert_eq!(back, text);
        }
    }
}
