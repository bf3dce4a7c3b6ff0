//! XML sources: files to records, records to rows of a table and its child tables.
//!
//! A file is read and checked whole before anything of it is staged: a file that breaks off, or is not well-formed,
//! gives an issue and no row. Files are parsed in parallel and staged in the order of their names. A file is in
//! memory while it is read (the records of at most 16 files together), so a single file of gigabytes wants as much
//! memory.
//!
//! | what you want to find | where |
//! |---|---|
//! | the path language | [`path`] |
//! | well-formedness, records | [`document`] |
//! | a record in memory | [`record`] |

pub mod document;
pub mod path;
pub mod record;

use std::path::{Path, PathBuf};

use epr_model::Action;
use epr_model::schema::TableSchema;
use epr_run::StageContext;
use epr_run::staged::StagedTable;
use rayon::prelude::*;

use self::record::Element;
use crate::convert::Typed;
use crate::source::Source;
use crate::spec::{ChildSpec, KeySpec, PathColumn, TableSpec, Trim, XmlTable, schema};
use crate::staging::{Cell, Outlet, Sink};
use crate::{ExtractError, decode, files, issues};

/// Files parsed at once; their records are in memory together.
const FILES_AT_ONCE: usize = 16;

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
        let parsed: Vec<Result<Parsed, ExtractError>> = chunk.par_iter().map(|f| parse_file(f, xml)).collect();
        for (file, parsed) in chunk.iter().zip(parsed) {
            tables.file(file, parsed?)?;
            ctx.progress.advance(1);
        }
    }
    ctx.progress.end();
    tables.finish()
}

enum Parsed {
    Records(Vec<Element>),
    /// Why nothing of the file may be used: place and reason, no content.
    Refused(String),
}

fn parse_file(path: &PathBuf, xml: &XmlTable) -> Result<Parsed, ExtractError> {
    let bytes = std::fs::read(path).map_err(ExtractError::io("read", path))?;
    let text = match decode::xml_document(&bytes) {
        Ok(text) => text,
        Err(fault) => return Ok(Parsed::Refused(format!("1:1: {fault}"))),
    };
    Ok(match document::records(&text, &xml.record) {
        Ok(records) => Parsed::Records(records),
        Err(fault) => Parsed::Refused(fault.to_string()),
    })
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

    fn file(&mut self, path: &Path, parsed: Parsed) -> Result<(), ExtractError> {
        let place = |what: &str| Some(format!("{}: {what}", files::name(path)));
        match parsed {
            Parsed::Refused(reason) => {
                let what = (issues::XML_REFUSED, Action::Refused);
                self.outlet.raise(self.source, &self.spec.name, what, None, None, place(&reason))
            }
            Parsed::Records(records) if records.is_empty() => {
                let what = (issues::XML_NO_RECORD, Action::Kept);
                self.outlet.raise(self.source, &self.spec.name, what, None, None, place("no record"))
            }
            Parsed::Records(records) => records.iter().try_for_each(|r| self.record(r)),
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
