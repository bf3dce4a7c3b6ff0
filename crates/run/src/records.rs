//! The small Parquet files that every stage writes: one struct a row, one column a field.
//!
//! Column types: text and enumerations as UTF-8, counts as UInt64 or UInt32, an id as 16 bytes where it is always
//! there and as its 36 characters where it may be absent, hashes as bytes of fixed length.
//!
//! Long because it is a table: the columns of every file, in one place.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, StringBuilder, UInt32Builder, UInt64Builder};
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use epr_model::{Action, ControlOutcome, Domain, Issue, ResourceId, RowOutcome, Severity, Stage};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::staged::writer_properties;
use crate::whole_file::{self, Access};
use crate::{FinishedStage, RunError, StageFolder};

/// Rows held in memory before they go to the file.
const ROWS_PER_WRITE: usize = 16 * 1024;

/// A struct that is a row of a Parquet file.
pub trait Record: Sized {
    /// The file's name in the stage's folder.
    const FILE: &'static str;
    type Columns: Columns<Self>;
}

/// The column builders of a [`Record`].
pub trait Columns<R>: Default {
    fn schema() -> Arc<Schema>;
    fn push(&mut self, record: &R);
    fn finish(&mut self) -> Vec<ArrayRef>;
    /// Row `i` of a batch; `None` where a column is not of this version's type.
    fn read(batch: &RecordBatch, i: usize) -> Option<R>;
}

/// Writes the records of one file.
pub struct RecordWriter<R: Record> {
    path: PathBuf,
    writer: ArrowWriter<File>,
    columns: R::Columns,
    n_pending: usize,
    n_records: u64,
}

impl<R: Record> RecordWriter<R> {
    pub fn new(stage: &StageFolder) -> Result<Self, RunError> {
        Self::at(&stage.path().join(R::FILE))
    }

    /// Writes to a path outside a stage, as `state/links.parquet` is.
    pub fn at(path: &Path) -> Result<Self, RunError> {
        let file = whole_file::create(path, Access::Restricted)?;
        let writer = ArrowWriter::try_new(file, R::Columns::schema(), Some(writer_properties()))
            .map_err(RunError::parquet("begin", path))?;
        Ok(Self { path: path.to_owned(), writer, columns: R::Columns::default(), n_pending: 0, n_records: 0 })
    }

    pub fn push(&mut self, record: &R) -> Result<(), RunError> {
        self.columns.push(record);
        self.n_pending += 1;
        self.n_records += 1;
        if self.n_pending == ROWS_PER_WRITE { self.flush() } else { Ok(()) }
    }

    /// Ends the file; returns the number of records.
    pub fn finish(mut self) -> Result<u64, RunError> {
        self.flush()?;
        self.writer.close().map_err(RunError::parquet("end", &self.path))?;
        File::open(&self.path).and_then(|f| f.sync_all()).map_err(RunError::io("flush to disk", &self.path))?;
        Ok(self.n_records)
    }

    fn flush(&mut self) -> Result<(), RunError> {
        let arrays = self.columns.finish();
        self.n_pending = 0;
        let batch = RecordBatch::try_new(R::Columns::schema(), arrays)
            .map_err(|e| RunError::parquet("write", &self.path)(e.into()))?;
        self.writer.write(&batch).map_err(RunError::parquet("write", &self.path))
    }
}

/// Reads the records of one file of a finished stage; none where the stage wrote no such file.
pub fn read<R: Record>(stage: &FinishedStage) -> Result<RecordReader<R>, RunError> {
    let path = stage.path().join(R::FILE);
    if path.is_file() {
        RecordReader::at(&path)
    } else {
        Ok(RecordReader { path, batches: None, current: None, i: 0, record: std::marker::PhantomData })
    }
}

/// The number of records of one file of a finished stage, from its footer; 0 where the stage wrote no such file.
pub fn count<R: Record>(stage: &FinishedStage) -> Result<u64, RunError> {
    let path = stage.path().join(R::FILE);
    if !path.is_file() {
        return Ok(0);
    }
    let file = File::open(&path).map_err(RunError::io("open", &path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(RunError::parquet("open", &path))?;
    Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default())
}

/// Reads one file record by record.
pub struct RecordReader<R> {
    path: PathBuf,
    batches: Option<parquet::arrow::arrow_reader::ParquetRecordBatchReader>,
    current: Option<RecordBatch>,
    i: usize,
    record: std::marker::PhantomData<R>,
}

impl<R: Record> RecordReader<R> {
    pub fn at(path: &Path) -> Result<Self, RunError> {
        let file = File::open(path).map_err(RunError::io("open", path))?;
        let batches = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|b| b.with_batch_size(ROWS_PER_WRITE).build())
            .map_err(RunError::parquet("open", path))?;
        Ok(Self {
            path: path.to_owned(),
            batches: Some(batches),
            current: None,
            i: 0,
            record: std::marker::PhantomData,
        })
    }

    fn next_record(&mut self) -> Result<Option<R>, RunError> {
        loop {
            if let Some(batch) = &self.current
                && self.i < batch.num_rows()
            {
                self.i += 1;
                return R::Columns::read(batch, self.i - 1).map(Some).ok_or_else(|| RunError::Malformed {
                    path: self.path.clone(),
                    reason: "its columns are not those of this version".to_owned(),
                });
            }
            let Some(batches) = &mut self.batches else { return Ok(None) };
            match batches.next() {
                None => return Ok(None),
                Some(Ok(batch)) => {
                    self.current = Some(batch);
                    self.i = 0;
                }
                Some(Err(e)) => return Err(RunError::parquet("read", &self.path)(e.into())),
            }
        }
    }
}

impl<R: Record> Iterator for RecordReader<R> {
    type Item = Result<R, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().transpose()
    }
}

/// One field of a record as a column.
trait Cell: Sized {
    type Builder: Default;
    const NULLABLE: bool;
    fn data_type() -> DataType;
    fn push(&self, builder: &mut Self::Builder);
    fn finish(builder: &mut Self::Builder) -> ArrayRef;
    fn read(array: &dyn Array, i: usize) -> Option<Self>;
}

macro_rules! record {
    ($(#[$doc:meta])* $record:ident, $columns:ident, $file:literal, { $($field:ident: $type:ty => $name:literal,)* }) => {
        #[derive(Default)]
        $(#[$doc])*
        pub struct $columns { $($field: <$type as Cell>::Builder,)* }

        impl Record for $record {
            const FILE: &'static str = $file;
            type Columns = $columns;
        }

        impl Columns<$record> for $columns {
            fn schema() -> Arc<Schema> {
                Arc::new(Schema::new(vec![$(
                    Field::new($name, <$type as Cell>::data_type(), <$type as Cell>::NULLABLE),
                )*]))
            }

            fn push(&mut self, record: &$record) {
                $(<$type as Cell>::push(&record.$field, &mut self.$field);)*
            }

            fn finish(&mut self) -> Vec<ArrayRef> {
                vec![$(<$type as Cell>::finish(&mut self.$field),)*]
            }

            fn read(batch: &RecordBatch, i: usize) -> Option<$record> {
                Some($record { $($field: <$type as Cell>::read(batch.column_by_name($name)?, i)?,)* })
            }
        }
    };
}

record!(
    /// The columns of `issues.parquet`.
    Issue, IssueColumns, "issues.parquet", {
        code: String => "code",
        severity: Severity => "severity",
        action: Action => "action",
        stage: Stage => "stage",
        organisation: Option<String> => "organisation",
        system: Option<String> => "system",
        table: Option<String> => "table",
        row_no: Option<u64> => "row_no",
        column: Option<String> => "column",
        map: Option<String> => "map",
        map_line: Option<u32> => "map_line",
        resource_type: Option<String> => "resource_type",
        resource_id: Option<ResourceId> => "resource_id",
        fhir_path: Option<String> => "fhir_path",
        shape: Option<String> => "shape",
        patient_key: Option<ResourceId> => "patient_key",
    }
);

/// What one map made of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRecord {
    /// `<organisation>/<system>/<table>`.
    pub table: String,
    /// From 1.
    pub row_no: u64,
    pub map: String,
    pub domain: Domain,
    pub outcome: RowOutcome,
    pub n_resources: u32,
    /// The map's `measure:` as a JSON object of texts.
    pub measures: Option<String>,
    /// The code of the issue that decided the outcome, where one did.
    pub issue: Option<String>,
}

record!(
    /// The columns of `rows.parquet`.
    RowRecord, RowColumns, "rows.parquet", {
        table: String => "table",
        row_no: u64 => "row_no",
        map: String => "map",
        domain: Domain => "domain",
        outcome: RowOutcome => "outcome",
        n_resources: u32 => "n_resources",
        measures: Option<String> => "measures",
        issue: Option<String> => "issue",
    }
);

/// Where a resource is and which row it came from: its whole lineage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRecord {
    pub resource_type: String,
    pub id: ResourceId,
    /// The first 16 bytes of the SHA-256 of the source key's fields, each with its length before it.
    pub key_hash: [u8; 16],
    /// The SHA-256 of the resource's bytes.
    pub content_hash: [u8; 32],
    /// `<organisation>/<system>/<table>`.
    pub table: String,
    /// The part file, from 0.
    pub part: u32,
    /// From 1; of a group, its first row.
    pub row_no: u64,
    /// The map that made it, `<ods>/<system>/<map>`.
    pub map: String,
}

record!(
    /// The columns of `keys.parquet`.
    KeyRecord, KeyColumns, "keys.parquet", {
        resource_type: String => "type",
        id: ResourceId => "id",
        key_hash: [u8; 16] => "key_hash",
        content_hash: [u8; 32] => "content_hash",
        table: String => "table",
        part: u32 => "part",
        row_no: u64 => "row_no",
        map: String => "map",
    }
);

/// One reference from a resource to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefRecord {
    pub from_type: String,
    pub from_id: ResourceId,
    pub to_type: String,
    pub to_id: ResourceId,
    /// The element, without indices: `Encounter.subject`.
    pub path: String,
}

record!(
    /// The columns of `refs.parquet`.
    RefRecord, RefColumns, "refs.parquet", {
        from_type: String => "from_type",
        from_id: ResourceId => "from_id",
        to_type: String => "to_type",
        to_id: ResourceId => "to_id",
        path: String => "path",
    }
);

/// A Patient id that was retired in favour of the person's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkRecord {
    pub retired_id: ResourceId,
    pub person_id: ResourceId,
    /// What agreed: `nhs-number+birth-date+family`.
    pub evidence: String,
    /// `automatic`, or the reference of a signed decision.
    pub decision: String,
}

record!(
    /// The columns of `links.parquet`.
    LinkRecord, LinkColumns, "links.parquet", {
        retired_id: ResourceId => "retired_id",
        person_id: ResourceId => "person_id",
        evidence: String => "evidence",
        decision: String => "decision",
    }
);

/// Two Patients that may be one person, for a human to decide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CandidateRecord {
    /// The lower id of the two.
    pub left_id: ResourceId,
    pub right_id: ResourceId,
    pub evidence: String,
    /// Why it was not merged: a rule or an issue code.
    pub reason: String,
}

record!(
    /// The columns of `candidates.parquet`.
    CandidateRecord, CandidateColumns, "candidates.parquet", {
        left_id: ResourceId => "left_id",
        right_id: ResourceId => "right_id",
        evidence: String => "evidence",
        reason: String => "reason",
    }
);

/// A person's id, as it was given to this run's Patient; kept in `state/` so that no later run renames the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonRecord {
    pub person_id: ResourceId,
    /// How many mapped Patients the person is made of.
    pub n_records: u32,
}

record!(
    /// The columns of `persons.parquet`.
    PersonRecord, PersonColumns, "persons.parquet", {
        person_id: ResourceId => "person_id",
        n_records: u32 => "n_records",
    }
);

/// Where a delivered resource came from and what the target calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrosswalkRecord {
    pub resource_type: String,
    pub id: ResourceId,
    /// The id at the target; our own where the target takes it over.
    pub target_id: String,
    /// The version that the target gave it, where it gives one.
    pub version: Option<String>,
    /// `<organisation>/<system>/<table>`.
    pub table: String,
    /// From 1; of a group, its first row.
    pub row_no: u64,
}

record!(
    /// The columns of `crosswalk.parquet`.
    CrosswalkRecord, CrosswalkColumns, "crosswalk.parquet", {
        resource_type: String => "type",
        id: ResourceId => "id",
        target_id: String => "target_id",
        version: Option<String> => "version",
        table: String => "table",
        row_no: u64 => "row_no",
    }
);

/// A resource that is not delivered, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldRecord {
    pub resource_type: String,
    pub id: ResourceId,
    /// The rule that holds it: an issue code.
    pub rule: String,
    /// The held or refused resource on which it depends, `<Type>/<id>`; none where it is itself the root.
    pub root_cause: Option<String>,
}

record!(
    /// The columns of `holds.parquet`.
    HoldRecord, HoldColumns, "holds.parquet", {
        resource_type: String => "type",
        id: ResourceId => "id",
        rule: String => "rule",
        root_cause: Option<String> => "root_cause",
    }
);

/// A source code that a code map does not know. The code is a value: the file is restricted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnmappedCodeRecord {
    pub map: String,
    pub map_line: u32,
    /// The code map's file, below `mappings/`.
    pub code_map: String,
    /// `<organisation>/<system>/<table>`.
    pub table: String,
    pub column: String,
    pub source_code: String,
    pub n_rows: u64,
}

record!(
    /// The columns of `unmapped.parquet`.
    UnmappedCodeRecord, UnmappedCodeColumns, "unmapped.parquet", {
        map: String => "map",
        map_line: u32 => "map_line",
        code_map: String => "code_map",
        table: String => "table",
        column: String => "column",
        source_code: String => "source_code",
        n_rows: u64 => "n_rows",
    }
);

/// A row that the source itself counts in a domain, whatever a mapping makes of it.
///
/// One file a source: `1-extract/<source>/controls.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ControlRecord {
    pub organisation: String,
    pub system: String,
    pub table: String,
    /// From 1 in the staged table.
    pub row_no: u64,
    pub domain: Domain,
    /// When: an RFC 3339 instant with the zone's offset, or a date where the source says no time; none where it
    /// says nothing that can be read.
    pub at: Option<String>,
    pub specialty: Option<String>,
    pub place: Option<String>,
    /// The first 16 bytes of the SHA-256 of the pathway id, in hex.
    pub pathway_hash: Option<String>,
    /// `key_hash` of the patient's own row, in hex, where the control says which columns hold its key.
    pub patient_hash: Option<String>,
}

record!(
    /// The columns of a source's `controls.parquet`.
    ControlRecord, ControlColumns, "controls.parquet", {
        organisation: String => "organisation",
        system: String => "system",
        table: String => "table",
        row_no: u64 => "row_no",
        domain: Domain => "domain",
        at: Option<String> => "at",
        specialty: Option<String> => "specialty",
        place: Option<String> => "place",
        pathway_hash: Option<String> => "pathway_hash",
        patient_hash: Option<String> => "patient_hash",
    }
);

/// What a source says of one row that must reach the output unchanged.
///
/// One file a source: `1-extract/<source>/keeps.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeepRecord {
    pub organisation: String,
    pub system: String,
    pub table: String,
    /// From 1 in the staged table.
    pub row_no: u64,
    pub domain: Domain,
    /// `name=value` lines, sorted by name; the value in the words of the output where the spec translates it.
    pub says: String,
    /// `key_hash` of the patient's own row, in hex, where the spec says which columns hold its key.
    pub patient_hash: Option<String>,
}

record!(
    /// The columns of a source's `keeps.parquet`.
    KeepRecord, KeepColumns, "keeps.parquet", {
        organisation: String => "organisation",
        system: String => "system",
        table: String => "table",
        row_no: u64 => "row_no",
        domain: Domain => "domain",
        says: String => "says",
        patient_hash: Option<String> => "patient_hash",
    }
);

/// What became of a [`ControlRecord`]: `4-validate/controls.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ControlOutcomeRecord {
    pub organisation: String,
    pub system: String,
    pub table: String,
    pub row_no: u64,
    pub domain: Domain,
    pub at: Option<String>,
    pub specialty: Option<String>,
    pub place: Option<String>,
    pub pathway_hash: Option<String>,
    pub outcome: ControlOutcome,
    /// The hazard that was found, or the code that says why it is held or refused.
    pub rule: Option<String>,
    pub resource_type: Option<String>,
    pub resource_id: Option<ResourceId>,
    pub patient_key: Option<ResourceId>,
    /// When, as the resource has it.
    pub delivered_at: Option<String>,
}

record!(
    /// The columns of the stage's `controls.parquet`.
    ControlOutcomeRecord, ControlOutcomeColumns, "controls.parquet", {
        organisation: String => "organisation",
        system: String => "system",
        table: String => "table",
        row_no: u64 => "row_no",
        domain: Domain => "domain",
        at: Option<String> => "at",
        specialty: Option<String> => "specialty",
        place: Option<String> => "place",
        pathway_hash: Option<String> => "pathway_hash",
        outcome: ControlOutcome => "outcome",
        rule: Option<String> => "rule",
        resource_type: Option<String> => "resource_type",
        resource_id: Option<ResourceId> => "resource_id",
        patient_key: Option<ResourceId> => "patient_key",
        delivered_at: Option<String> => "delivered_at",
    }
);

impl Cell for String {
    type Builder = StringBuilder;
    const NULLABLE: bool = false;
    fn data_type() -> DataType {
        DataType::Utf8
    }
    fn push(&self, builder: &mut StringBuilder) {
        builder.append_value(self);
    }
    fn finish(builder: &mut StringBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
    fn read(array: &dyn Array, i: usize) -> Option<Self> {
        Some(array.as_any().downcast_ref::<StringArray>()?.value(i).to_owned())
    }
}

impl Cell for Option<String> {
    type Builder = StringBuilder;
    const NULLABLE: bool = true;
    fn data_type() -> DataType {
        DataType::Utf8
    }
    fn push(&self, builder: &mut StringBuilder) {
        builder.append_option(self.as_deref());
    }
    fn finish(builder: &mut StringBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
    fn read(array: &dyn Array, i: usize) -> Option<Self> {
        let array = array.as_any().downcast_ref::<StringArray>()?;
        Some(array.is_valid(i).then(|| array.value(i).to_owned()))
    }
}

impl Cell for Option<ResourceId> {
    type Builder = StringBuilder;
    const NULLABLE: bool = true;
    fn data_type() -> DataType {
        DataType::Utf8
    }
    fn push(&self, builder: &mut StringBuilder) {
        builder.append_option(self.map(|id| id.encode(&mut [0; 36]).to_owned()));
    }
    fn finish(builder: &mut StringBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
    fn read(array: &dyn Array, i: usize) -> Option<Self> {
        let array = array.as_any().downcast_ref::<StringArray>()?;
        if array.is_null(i) { Some(None) } else { Some(Some(array.value(i).parse().ok()?)) }
    }
}

macro_rules! enum_cell {
    ($($type:ty),*) => {$(
        impl Cell for $type {
            type Builder = StringBuilder;
            const NULLABLE: bool = false;
            fn data_type() -> DataType {
                DataType::Utf8
            }
            fn push(&self, builder: &mut StringBuilder) {
                builder.append_value(self.as_str());
            }
            fn finish(builder: &mut StringBuilder) -> ArrayRef {
                Arc::new(builder.finish())
            }
            fn read(array: &dyn Array, i: usize) -> Option<Self> {
                Self::from_code(array.as_any().downcast_ref::<StringArray>()?.value(i))
            }
        }
    )*};
}

enum_cell!(Severity, Action, Stage, Domain, RowOutcome, ControlOutcome);

macro_rules! number_cell {
    ($($type:ty, $builder:ty, $array:ty, $data_type:expr;)*) => {$(
        impl Cell for $type {
            type Builder = $builder;
            const NULLABLE: bool = false;
            fn data_type() -> DataType {
                $data_type
            }
            fn push(&self, builder: &mut $builder) {
                builder.append_value(*self);
            }
            fn finish(builder: &mut $builder) -> ArrayRef {
                Arc::new(builder.finish())
            }
            fn read(array: &dyn Array, i: usize) -> Option<Self> {
                Some(array.as_any().downcast_ref::<$array>()?.value(i))
            }
        }

        impl Cell for Option<$type> {
            type Builder = $builder;
            const NULLABLE: bool = true;
            fn data_type() -> DataType {
                $data_type
            }
            fn push(&self, builder: &mut $builder) {
                builder.append_option(*self);
            }
            fn finish(builder: &mut $builder) -> ArrayRef {
                Arc::new(builder.finish())
            }
            fn read(array: &dyn Array, i: usize) -> Option<Self> {
                let array = array.as_any().downcast_ref::<$array>()?;
                Some(array.is_valid(i).then(|| array.value(i)))
            }
        }
    )*};
}

number_cell! {
    u64, UInt64Builder, UInt64Array, DataType::UInt64;
    u32, UInt32Builder, UInt32Array, DataType::UInt32;
}

fn width<const N: usize>() -> i32 {
    i32::try_from(N).expect("a hash is a few bytes long")
}

/// Fixed-size binary columns need their width before the first value; `Default` cannot know it, so this wraps it.
pub struct BytesBuilder<const N: usize>(FixedSizeBinaryBuilder);

impl<const N: usize> Default for BytesBuilder<N> {
    fn default() -> Self {
        Self(FixedSizeBinaryBuilder::new(width::<N>()))
    }
}

impl<const N: usize> Cell for [u8; N] {
    type Builder = BytesBuilder<N>;
    const NULLABLE: bool = false;
    fn data_type() -> DataType {
        DataType::FixedSizeBinary(width::<N>())
    }
    fn push(&self, builder: &mut BytesBuilder<N>) {
        builder.0.append_value(self).expect("an array of N bytes has the column's width");
    }
    fn finish(builder: &mut BytesBuilder<N>) -> ArrayRef {
        Arc::new(builder.0.finish())
    }
    fn read(array: &dyn Array, i: usize) -> Option<Self> {
        array.as_any().downcast_ref::<FixedSizeBinaryArray>()?.value(i).try_into().ok()
    }
}

impl Cell for ResourceId {
    type Builder = BytesBuilder<16>;
    const NULLABLE: bool = false;
    fn data_type() -> DataType {
        <[u8; 16]>::data_type()
    }
    fn push(&self, builder: &mut BytesBuilder<16>) {
        self.as_bytes().push(builder);
    }
    fn finish(builder: &mut BytesBuilder<16>) -> ArrayRef {
        <[u8; 16]>::finish(builder)
    }
    fn read(array: &dyn Array, i: usize) -> Option<Self> {
        <[u8; 16]>::read(array, i).map(Self::from_bytes)
    }
}
