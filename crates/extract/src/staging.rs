//! Rows to staged Parquet: the one place where a cell meets its column.
//!
//! A reader hands over cell after cell; what fits is staged, what does not is kept aside with an issue. How many
//! rows are written at once depends on the rows alone, so the same rows give the same bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use epr_model::schema::{ColumnKind, TableSchema};
use epr_model::{Action, Issue, Stage, shape};
use epr_run::ledger::ControlLedger;
use epr_run::records::RecordWriter;
use epr_run::staged::{StagedTable, TableWriter};
use epr_run::{RunError, StageFolder};

use crate::aside::{AsideRecord, AsideWriter};
use crate::blobs::{BlobStore, LARGEST_CELL_BYTES};
use crate::controls::ControlSpec;
use crate::controls::count::{SourceCount, TablePlan};
use crate::convert::{self, Typed};
use crate::source::Source;
use crate::spec::Trim;
use crate::{ExtractError, issues};

/// A batch ends at so many rows …
const ROWS_PER_BATCH: usize = 8192;
/// … or at so many bytes of text, whichever comes first.
const BYTES_PER_BATCH: usize = 32 * 1024 * 1024;

/// A cell as its reader gives it. Borrowed: no cell is copied on its way.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'c> {
    Null,
    /// Text, to be converted to the column's kind.
    Text(&'c str),
    /// Bytes of a column of bytes.
    Bytes(&'c [u8]),
    /// A value that is of the column's kind already.
    Typed(Typed),
    /// Bytes that should be text and are not.
    Undecodable(&'c [u8]),
    /// A value whose kind cannot be the column's; the text describes it.
    Unfit(&'c str),
}

/// Where the tables of one run go: folder, issues, blobs. Shared by the sinks of a source, one thread at a time.
pub struct Outlet<'s> {
    pub stage: &'s StageFolder,
    pub blobs: BlobStore,
    issues: RefCell<IssueLog>,
    /// The count of the source that is being read, where its spec has controls.
    count: RefCell<Option<SourceCount>>,
}

struct IssueLog {
    writer: RecordWriter<Issue>,
    n_by_code: BTreeMap<String, u64>,
}

impl<'s> Outlet<'s> {
    pub fn new(stage: &'s StageFolder) -> Result<Self, ExtractError> {
        let log = IssueLog { writer: RecordWriter::new(stage)?, n_by_code: BTreeMap::new() };
        Ok(Self { stage, blobs: BlobStore::new(stage), issues: RefCell::new(log), count: RefCell::new(None) })
    }

    /// Begins to count the rows of a source by the controls of its spec.
    pub fn begin_count(&self, source: &Source, controls: &[ControlSpec], as_of: &str) -> Result<(), ExtractError> {
        *self.count.borrow_mut() = SourceCount::begin(self.stage, source, controls, as_of)?;
        Ok(())
    }

    /// Ends the count of the source; what was counted.
    pub fn end_count(&self) -> Result<Vec<ControlLedger>, ExtractError> {
        self.count.borrow_mut().take().map_or_else(|| Ok(Vec::new()), SourceCount::finish)
    }

    /// Records an issue of a source's table; `shape` never holds a value.
    pub fn raise(
        &self,
        source: &Source,
        table: &str,
        (code, action): (&str, Action),
        row_no: Option<u64>,
        column: Option<&str>,
        shape: Option<String>,
    ) -> Result<(), ExtractError> {
        let mut issue = Issue::new(code, issues::severity(code), action, Stage::Extract);
        issue.organisation = Some(source.organisation.clone());
        issue.system = Some(source.system.clone());
        issue.table = Some(table.to_owned());
        issue.row_no = row_no;
        issue.column = column.map(str::to_owned);
        issue.shape = shape;
        let mut log = self.issues.borrow_mut();
        log.writer.push(&issue)?;
        *log.n_by_code.entry(code.to_owned()).or_default() += 1;
        Ok(())
    }

    /// Ends `issues.parquet`; how many issues there are of each code.
    pub fn finish(self) -> Result<BTreeMap<String, u64>, ExtractError> {
        let log = self.issues.into_inner();
        log.writer.finish()?;
        Ok(log.n_by_code)
    }
}

/// Writes one table.
pub struct Sink<'o, 's> {
    outlet: &'o Outlet<'s>,
    source: &'o Source,
    writer: TableWriter,
    aside: AsideWriter,
    table: String,
    columns: Vec<Column>,
    trim: Trim,
    n_rows: u64,
    n_pending: usize,
    pending_bytes: usize,
    /// What the controls of the spec ask of the rows, where they ask anything.
    plan: Option<TablePlan>,
    /// Where the current row stood in its source, for issues.
    place: Option<String>,
}

struct Column {
    name: String,
    kind: ColumnKind,
    /// Text above this is kept in a blob.
    largest: usize,
    builder: Builder,
}

enum Builder {
    Text(StringBuilder),
    Int64(Int64Builder),
    Double(Float64Builder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
    Local(TimestampMicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
}

impl<'o, 's> Sink<'o, 's> {
    pub fn new(
        outlet: &'o Outlet<'s>,
        source: &'o Source,
        schema: TableSchema,
        trim: Trim,
    ) -> Result<Self, ExtractError> {
        let columns = schema
            .columns
            .iter()
            .map(|c| Column {
                name: c.name.clone(),
                kind: c.kind,
                largest: LARGEST_CELL_BYTES,
                builder: Builder::new(c.kind),
            })
            .collect();
        let aside = AsideWriter::new(&source.name, &schema.name);
        let plan = outlet.count.borrow().as_ref().map(|count| count.plan(&schema)).transpose()?;
        let name = schema.name.clone();
        let table = StagedTable {
            source: source.name.clone(),
            organisation: source.organisation.clone(),
            system: source.system.clone(),
            schema,
            n_rows: 0,
            parts: Vec::new(),
        };
        let writer = TableWriter::new(outlet.stage, table)?;
        Ok(Self {
            outlet,
            source,
            writer,
            aside,
            table: name,
            columns,
            trim,
            n_rows: 0,
            n_pending: 0,
            pending_bytes: 0,
            plan: plan.filter(|p| !p.is_empty()),
            place: None,
        })
    }

    /// Lets the texts of a column be larger than a cell may be elsewhere.
    pub fn allow(&mut self, i: usize, largest: usize) {
        self.columns[i].largest = largest;
    }

    /// Says where the rows from here on stood in their source, for the issues about them: a file and a place, nothing
    /// of their content.
    pub fn at(&mut self, place: String) {
        self.place = Some(place);
    }

    /// The number that the row now being written will have, from 1.
    pub fn row_no(&self) -> u64 {
        self.n_rows + 1
    }

    /// Appends the cell of column `i` of the current row; every column gets exactly one cell a row.
    pub fn cell(&mut self, i: usize, cell: Cell<'_>) -> Result<(), ExtractError> {
        let column = &mut self.columns[i];
        match cell {
            Cell::Null => column.builder.null(),
            Cell::Typed(value) => column.builder.typed(value),
            Cell::Text(text) => {
                let text = self.trim.apply(text);
                if column.kind == ColumnKind::Blob {
                    let reference = self.outlet.blobs.keep(text.as_bytes())?;
                    column.builder.text(&reference);
                } else if text.len() > column.largest {
                    return self.too_large(i, text.as_bytes());
                } else {
                    match convert::typed(column.kind, text) {
                        Ok(Some(value)) => column.builder.typed(value),
                        Ok(None) if column.kind == ColumnKind::Bytes => column.builder.bytes(text.as_bytes()),
                        Ok(None) => column.builder.text(text),
                        Err(convert::Unfit) => return self.unfit(i, text),
                    }
                    self.pending_bytes += text.len();
                }
            }
            Cell::Bytes(bytes) => {
                if column.kind == ColumnKind::Blob {
                    let reference = self.outlet.blobs.keep(bytes)?;
                    column.builder.text(&reference);
                } else if bytes.len() > LARGEST_CELL_BYTES {
                    return self.too_large(i, bytes);
                } else if column.kind == ColumnKind::Bytes {
                    self.pending_bytes += bytes.len();
                    column.builder.bytes(bytes);
                } else {
                    let shape = format!("{} bytes in a column of {}", bytes.len(), column.kind.as_str());
                    return self.keep_aside(i, issues::VALUE_UNFIT, bytes, shape);
                }
            }
            Cell::Undecodable(bytes) => {
                let shape = format!("{} bytes", bytes.len());
                return self.keep_aside(i, issues::BYTES_UNDECODABLE, bytes, shape);
            }
            Cell::Unfit(text) => return self.unfit(i, text),
        }
        Ok(())
    }

    /// Keeps a cell of the current row aside with an issue of this code, and null in its place.
    pub fn omit(&mut self, i: usize, code: &str, value: &str, shape: String) -> Result<(), ExtractError> {
        self.keep_aside(i, code, value.as_bytes(), shape)
    }

    /// Keeps something that is in no row aside, with an issue; `place` stands for the column.
    pub fn outside(&mut self, code: &str, place: &str, value: &[u8], shape: &str) -> Result<(), ExtractError> {
        let blob = if value.len() > LARGEST_CELL_BYTES { Some(self.outlet.blobs.keep(value)?) } else { None };
        let shape = Some(format!("{place}: {shape}"));
        self.outlet.raise(self.source, &self.table, (code, Action::Omitted), None, None, shape)?;
        let record = AsideRecord {
            row_no: 0,
            column: place.to_owned(),
            code: code.to_owned(),
            value: blob.is_none().then(|| value.to_vec()),
            blob,
        };
        self.aside.push(self.outlet.stage, &record)
    }

    /// As [`Sink::outside`], for one more piece of what an issue was raised for already.
    pub fn outside_silently(&mut self, code: &str, place: &str, value: &[u8]) -> Result<(), ExtractError> {
        let record = AsideRecord {
            row_no: 0,
            column: place.to_owned(),
            code: code.to_owned(),
            value: Some(value.to_vec()),
            blob: None,
        };
        self.aside.push(self.outlet.stage, &record)
    }

    /// A text as it will be staged.
    pub fn trimmed<'t>(&self, text: &'t str) -> &'t str {
        self.trim.apply(text)
    }

    /// Keeps a cell that has no column: `place` counts from 1.
    pub fn cell_beyond(&mut self, place: usize, bytes: &[u8], code: &str) -> Result<(), ExtractError> {
        let record = AsideRecord {
            row_no: self.row_no(),
            column: format!("#{place}"),
            code: code.to_owned(),
            value: Some(bytes.to_vec()),
            blob: None,
        };
        self.aside.push(self.outlet.stage, &record)
    }

    /// Raises an issue at the current row.
    pub fn raise(
        &self,
        code: &str,
        action: Action,
        column: Option<&str>,
        shape: Option<String>,
    ) -> Result<(), ExtractError> {
        let shape = match (&self.place, shape) {
            (Some(place), Some(shape)) => Some(format!("{place}: {shape}")),
            (place, shape) => shape.or_else(|| place.clone()),
        };
        self.outlet.raise(self.source, &self.table, (code, action), Some(self.row_no()), column, shape)
    }

    pub fn end_row(&mut self) -> Result<(), ExtractError> {
        self.n_rows += 1;
        self.n_pending += 1;
        if self.n_pending == ROWS_PER_BATCH || self.pending_bytes >= BYTES_PER_BATCH { self.flush() } else { Ok(()) }
    }

    pub fn finish(mut self) -> Result<StagedTable, ExtractError> {
        self.flush()?;
        self.aside.finish()?;
        Ok(self.writer.finish()?)
    }

    fn unfit(&mut self, i: usize, text: &str) -> Result<(), ExtractError> {
        let shape = format!("{} in a column of {}", shape::of_text(text), self.columns[i].kind.as_str());
        self.keep_aside(i, issues::VALUE_UNFIT, text.as_bytes(), shape)
    }

    fn too_large(&mut self, i: usize, content: &[u8]) -> Result<(), ExtractError> {
        let blob = self.outlet.blobs.keep(content)?;
        let shape = format!("{} bytes", content.len());
        self.aside_record(i, issues::CELL_TOO_LARGE, None, Some(blob), shape)
    }

    fn keep_aside(&mut self, i: usize, code: &str, value: &[u8], shape: String) -> Result<(), ExtractError> {
        if value.len() > LARGEST_CELL_BYTES {
            let blob = self.outlet.blobs.keep(value)?;
            return self.aside_record(i, code, None, Some(blob), shape);
        }
        self.aside_record(i, code, Some(value.to_vec()), None, shape)
    }

    fn aside_record(
        &mut self,
        i: usize,
        code: &str,
        value: Option<Vec<u8>>,
        blob: Option<String>,
        shape: String,
    ) -> Result<(), ExtractError> {
        self.columns[i].builder.null();
        let name = self.columns[i].name.clone();
        self.raise(code, Action::Omitted, Some(&name), Some(shape))?;
        let record = AsideRecord { row_no: self.row_no(), column: name, code: code.to_owned(), value, blob };
        self.aside.push(self.outlet.stage, &record)
    }

    fn flush(&mut self) -> Result<(), ExtractError> {
        if self.n_pending == 0 {
            return Ok(());
        }
        let arrays: Vec<ArrayRef> = self.columns.iter_mut().map(|c| c.builder.finish()).collect();
        let path = self.outlet.stage.path().join(&self.source.name).join(&self.table);
        let batch = RecordBatch::try_new(self.writer.schema().clone(), arrays)
            .map_err(|e| RunError::parquet("write", &path)(e.into()))?;
        if let (Some(plan), Some(count)) = (&self.plan, self.outlet.count.borrow_mut().as_mut()) {
            count.batch(plan, self.n_rows - self.n_pending as u64 + 1, &batch)?;
        }
        self.n_pending = 0;
        self.pending_bytes = 0;
        Ok(self.writer.write(&batch)?)
    }
}

impl Builder {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Text | ColumnKind::Decimal | ColumnKind::Blob => Self::Text(StringBuilder::new()),
            ColumnKind::Int64 => Self::Int64(Int64Builder::new()),
            ColumnKind::Double => Self::Double(Float64Builder::new()),
            ColumnKind::Bool => Self::Bool(BooleanBuilder::new()),
            ColumnKind::Date => Self::Date(Date32Builder::new()),
            ColumnKind::LocalTimestamp => Self::Local(TimestampMicrosecondBuilder::new()),
            ColumnKind::Instant => Self::Instant(TimestampMicrosecondBuilder::new()),
            ColumnKind::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    fn null(&mut self) {
        match self {
            Self::Text(b) => b.append_null(),
            Self::Int64(b) => b.append_null(),
            Self::Double(b) => b.append_null(),
            Self::Bool(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Local(b) | Self::Instant(b) => b.append_null(),
            Self::Bytes(b) => b.append_null(),
        }
    }

    fn typed(&mut self, value: Typed) {
        match (self, value) {
            (Self::Int64(b), Typed::Int64(v)) => b.append_value(v),
            (Self::Double(b), Typed::Double(v)) => b.append_value(v),
            (Self::Bool(b), Typed::Bool(v)) => b.append_value(v),
            (Self::Date(b), Typed::Date(v)) => b.append_value(v),
            (Self::Local(b) | Self::Instant(b), Typed::Micros(v)) => b.append_value(v),
            _ => unreachable!("a conversion gives the kind of its column"),
        }
    }

    fn text(&mut self, value: &str) {
        match self {
            Self::Text(b) => b.append_value(value),
            _ => unreachable!("only texts, decimals and blob references are staged as text"),
        }
    }

    fn bytes(&mut self, value: &[u8]) {
        match self {
            Self::Bytes(b) => b.append_value(value),
            _ => unreachable!("only a column of bytes is staged as bytes"),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(b) => Arc::new(b.finish()),
            Self::Int64(b) => Arc::new(b.finish()),
            Self::Double(b) => Arc::new(b.finish()),
            Self::Bool(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Local(b) => Arc::new(b.finish()),
            Self::Instant(b) => Arc::new(b.finish().with_timezone("UTC")),
            Self::Bytes(b) => Arc::new(b.finish()),
        }
    }
}
