//! XML sources: files to records, records to rows of a table and its child tables.
//!
//! A file is read and checked to its end before anything of it is staged: a file that breaks off, or is not
//! well-formed, gives an issue and no row. Files are checked in parallel and staged in the order of their names. The
//! records of a small file are kept from the check; a larger file is read once more, record by record, and must then
//! be the same ([`crate::stream`]). So memory is bounded by the largest record, not by the file.
//!
//! | what you want to find | where |
//! |---|---|
//! | the path language | [`path`] |
//! | well-formedness, records | [`document`] |
//! | a record in memory | [`record`] |

pub mod document;
pub mod path;
pub mod record;

use std::io::BufRead;
use std::path::Path;

use encoding_rs::Encoding;
use epr_model::Action;
use epr_model::schema::TableSchema;
use epr_run::staged::StagedTable;
use epr_run::{StageContext, StopFlag};
use rayon::prelude::*;

use self::document::Broken;
use self::path::RecordPath;
use self::record::Element;
use crate::convert::Typed;
use crate::decode::XmlEncodingFault;
use crate::source::Source;
use crate::spec::{ChildSpec, KeySpec, PathColumn, TableSpec, Trim, XmlTable, schema};
use crate::staging::{Cell, Outlet, Sink};
use crate::stream::{Decoded, Proof};
use crate::{ExtractError, decode, files, issues, stream};

/// Files checked at once; what is kept of them is in memory together.
const FILES_AT_ONCE: usize = 16;
/// The records of a file that are kept from its check, in bytes of memory.
const KEPT_BYTES: usize = 4 * 1024 * 1024;
/// Records between two looks at whether to stop.
const RECORDS_BETWEEN_CHECKS: u64 = 1024;

/// Stages an XML table and its child tables; returned in the order of the spec.
pub fn stage_table(
    ctx: &StageContext<'_>,
    outlet: &Outlet<'_>,
    source: &Source,
    spec: &TableSpec,
    xml: &XmlTable,
) -> Result<Vec<StagedTable>, ExtractError> {
    let found = files::matching(source, &xml.files)?;
    if found.is_empty() {
        if !spec.optional {
            return Err(ExtractError::NoFiles {
                name: source.name.clone(),
                table: spec.name.clone(),
                pattern: xml.files.clone(),
                path: source.path.clone().unwrap_or_default(),
            });
        }
        outlet.raise(source, &spec.name, (issues::TABLE_ABSENT, Action::Kept), None, None, None)?;
    }
    let mut tables = Tables::new(outlet, source, spec, xml)?;
    ctx.progress.begin(&format!("{} {}", source.name, spec.name), Some(found.len() as u64), "files");
    for chunk in found.chunks(FILES_AT_ONCE) {
        ctx.stop.check()?;
        let checked: Vec<Result<Checked, ExtractError>> =
            chunk.par_iter().map(|f| check_file(f, xml, ctx.stop)).collect();
        for (file, checked) in chunk.iter().zip(checked) {
            tables.file(ctx.stop, file, xml, checked?)?;
            ctx.progress.advance(1);
        }
    }
    ctx.progress.end();
    tables.finish()
}

/// A file that was read to its end.
enum Checked {
    /// It is whole, and its records are few.
    Kept(Vec<Element>),
    /// It is whole, and is to be read again for its records.
    Large(Proof),
    /// Why nothing of the file may be used: place and reason, no content.
    Refused(String),
}

fn check_file(path: &Path, xml: &XmlTable, stop: &StopFlag) -> Result<Checked, ExtractError> {
    let mut kept = Some(Vec::new());
    let (mut weight, mut n_records) = (0, 0);
    let read = read_file(path, &xml.record, |record| {
        n_records += 1;
        if n_records % RECORDS_BETWEEN_CHECKS == 0 {
            stop.check()?;
        }
        if let Some(records) = &mut kept {
            weight += record.weight();
            if weight <= KEPT_BYTES {
                records.push(record);
            } else {
                kept = None;
            }
        }
        Ok(())
    })?;
    Ok(match (read, kept) {
        (Err(reason), _) => Checked::Refused(reason),
        (Ok(_), Some(records)) => Checked::Kept(records),
        (Ok(proof), None) => Checked::Large(proof),
    })
}

/// Reads a file to its end; the inner error says why it is refused, with its place.
fn read_file(
    path: &Path,
    record: &RecordPath,
    take: impl FnMut(Element) -> Result<(), ExtractError>,
) -> Result<Result<Proof, String>, ExtractError> {
    let mut file = stream::open(path)?;
    let (encoding, rest) = stream::after_head(&mut file, encoding_and_mark).map_err(ExtractError::io("read", path))?;
    let encoding = match encoding {
        Ok(encoding) => encoding,
        Err(fault) => return Ok(Err(format!("1:1: {fault}"))),
    };
    match document::each_record(Decoded::new(rest, encoding), record, take) {
        Ok(()) => Ok(Ok(file.proof())),
        Err(Broken::Refused { at, reason }) => Ok(Err(format!("{}: {reason}", place(path, at)?))),
        Err(Broken::NotText) => {
            let fault = decode::XmlEncodingFault::NotText(encoding.name());
            Ok(Err(format!("{}: {fault}", place(path, u64::MAX)?)))
        }
        Err(Broken::Io(kind)) => Err(ExtractError::io("read", path)(kind.into())),
        Err(Broken::Taken(error)) => Err(error),
    }
}

fn encoding_and_mark(head: &[u8]) -> (Result<&'static Encoding, XmlEncodingFault>, usize) {
    match decode::xml_encoding(head) {
        Ok((encoding, n_mark)) => (Ok(encoding), n_mark),
        Err(fault) => (Err(fault), 0),
    }
}

/// Line and column, from 1, of a byte of a file's text, or of where the text ends. Only a refused file is read for it.
fn place(path: &Path, at: u64) -> Result<String, ExtractError> {
    let mut file = stream::open(path)?;
    let (encoding, rest) = stream::after_head(&mut file, encoding_and_mark).map_err(ExtractError::io("read", path))?;
    let Ok(encoding) = encoding else { return Ok("1:1".to_owned()) };
    let (mut line, mut column, mut left) = (1_u64, 1_u64, at);
    let mut text = Decoded::new(rest, encoding);
    loop {
        let bytes = match text.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if stream::is_not_text(&error) => break,
            Err(error) => return Err(ExtractError::io("read", path)(error)),
        };
        let n = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if n == 0 {
            break;
        }
        for byte in &bytes[..n] {
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                // The later bytes of a character.
                0x80..=0xBF => {}
                _ => column += 1,
            }
        }
        left -= n as u64;
        text.consume(n);
    }
    Ok(format!("{line}:{column}"))
}

/// The sinks of a table and its child tables.
struct Tables<'o, 's> {
    outlet: &'o Outlet<'s>,
    source: &'o Source,
    spec: &'o TableSpec,
    columns: &'o [PathColumn],
    /// Where the key of a record stands in `columns`, for the `_parent` of its children.
    key_column: Option<usize>,
    sink: Sink<'o, 's>,
    children: Vec<Child<'o, 's>>,
}

struct Child<'o, 's> {
    spec: &'o ChildSpec,
    sink: Sink<'o, 's>,
    children: Vec<Child<'o, 's>>,
}

impl<'o, 's> Tables<'o, 's> {
    fn new(
        outlet: &'o Outlet<'s>,
        source: &'o Source,
        spec: &'o TableSpec,
        xml: &'o XmlTable,
    ) -> Result<Self, ExtractError> {
        let mut schemas = schema::of_xml(spec, xml).into_iter();
        let sink = Sink::new(outlet, source, schemas.next().expect("the table's own comes first"), spec.trim)?;
        let children = child_sinks(outlet, source, &xml.children, spec.trim, &mut schemas)?;
        let key_column = match &spec.key {
            KeySpec::Columns(keys) => xml.columns.iter().position(|c| c.name == keys[0]),
            KeySpec::Row => None,
        };
        Ok(Self { outlet, source, spec, columns: &xml.columns, key_column, sink, children })
    }

    fn file(&mut self, stop: &StopFlag, path: &Path, xml: &XmlTable, checked: Checked) -> Result<(), ExtractError> {
        let place = |what: &str| Some(format!("{}: {what}", files::name(path)));
        match checked {
            Checked::Refused(reason) => {
                let what = (issues::XML_REFUSED, Action::Refused);
                self.outlet.raise(self.source, &self.spec.name, what, None, None, place(&reason))
            }
            Checked::Kept(records) if records.is_empty() => {
                let what = (issues::XML_NO_RECORD, Action::Kept);
                self.outlet.raise(self.source, &self.spec.name, what, None, None, place("no record"))
            }
            Checked::Kept(records) => records.iter().try_for_each(|r| self.record(r)),
            Checked::Large(proof) => {
                let mut n_records = 0;
                let read = read_file(path, &xml.record, |record| {
                    n_records += 1;
                    if n_records % RECORDS_BETWEEN_CHECKS == 0 {
                        stop.check()?;
                    }
                    self.record(&record)
                })?;
                // What was proved of another content says nothing of this one.
                if read.as_ref() == Ok(&proof) {
                    Ok(())
                } else {
                    Err(ExtractError::FileChanged { path: path.to_owned() })
                }
            }
        }
    }

    fn record(&mut self, record: &Element) -> Result<(), ExtractError> {
        let mut key = None;
        for (i, column) in self.columns.iter().enumerate() {
            let value = put(&mut self.sink, i, column, record)?;
            if Some(i) == self.key_column {
                key = value.map(|v| self.spec.trim.apply(&v).to_owned());
            }
        }
        self.sink.end_row()?;
        self.children.iter_mut().try_for_each(|c| c.rows(record, key.as_deref(), &[]))
    }

    fn finish(self) -> Result<Vec<StagedTable>, ExtractError> {
        let mut staged = vec![self.sink.finish()?];
        for child in self.children {
            child.finish(&mut staged)?;
        }
        Ok(staged)
    }
}

impl Child<'_, '_> {
    fn rows(&mut self, parent: &Element, key: Option<&str>, ordinals: &[i64]) -> Result<(), ExtractError> {
        for (element, ordinal) in self.spec.each.elements(parent).into_iter().zip(1..) {
            let ordinals: Vec<i64> = ordinals.iter().copied().chain([ordinal]).collect();
            self.sink.cell(0, key.map_or(Cell::Null, Cell::Text))?;
            for (i, n) in ordinals.iter().enumerate() {
                self.sink.cell(1 + i, Cell::Typed(Typed::Int64(*n)))?;
            }
            for (i, column) in self.spec.columns.iter().enumerate() {
                put(&mut self.sink, 1 + ordinals.len() + i, column, element)?;
            }
            self.sink.end_row()?;
            for child in &mut self.children {
                child.rows(element, key, &ordinals)?;
            }
        }
        Ok(())
    }

    fn finish(self, staged: &mut Vec<StagedTable>) -> Result<(), ExtractError> {
        staged.push(self.sink.finish()?);
        self.children.into_iter().try_for_each(|c| c.finish(staged))
    }
}

fn child_sinks<'o, 's>(
    outlet: &'o Outlet<'s>,
    source: &'o Source,
    specs: &'o [ChildSpec],
    trim: Trim,
    schemas: &mut impl Iterator<Item = TableSchema>,
) -> Result<Vec<Child<'o, 's>>, ExtractError> {
    let mut children = Vec::new();
    for spec in specs {
        let schema = schemas.next().expect("one for each child, in the same order");
        let sink = Sink::new(outlet, source, schema, trim)?;
        let own = child_sinks(outlet, source, &spec.children, trim, &mut *schemas)?;
        children.push(Child { spec, sink, children: own });
    }
    Ok(children)
}

/// Stages the value of one column: the first that its path gives, with an issue where there are more.
fn put(sink: &mut Sink<'_, '_>, i: usize, column: &PathColumn, from: &Element) -> Result<Option<String>, ExtractError> {
    let mut values = column.path.values(from);
    if values.len() > 1 {
        let shape = format!("{} values", values.len());
        sink.raise(issues::XML_SEVERAL_VALUES, Action::Omitted, Some(&column.name), Some(shape))?;
    }
    if values.is_empty() {
        sink.cell(i, Cell::Null)?;
        return Ok(None);
    }
    let value = values.swap_remove(0);
    sink.cell(i, Cell::Text(&value))?;
    Ok(Some(value))
}
