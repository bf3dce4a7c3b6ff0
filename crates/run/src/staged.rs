//! Staged tables: what extract read, as Parquet, and how the later stages read it.
//!
//! A row's number is its position in the staged table, from 1, over all parts. What a column holds
//! ([`ColumnKind`]) stands in the field's metadata under `epr.kind`; decimals are text, so that their digits stay.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use epr_model::schema::{ColumnKind, TableSchema};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::whole_file::{self, Access};
use crate::{FinishedStage, RunError, StageFolder};

/// Rows in one part.
pub const ROWS_PER_PART: u64 = 1_000_000;

/// The field metadata key under which a column's kind stands.
const KIND: &str = "epr.kind";

/// A staged table, as extract's manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagedTable {
    /// The source's name in `epr.toml`; the folder below `1-extract`.
    pub source: String,
    pub organisation: String,
    pub system: String,
    pub schema: TableSchema,
    pub n_rows: u64,
    /// Part files below `1-extract`, in row order.
    pub parts: Vec<String>,
}

/// The Arrow schema in which a table is staged: all columns nullable, in declared order.
pub fn arrow_schema(table: &TableSchema) -> SchemaRef {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|c| {
            let metadata = HashMap::from([(KIND.to_owned(), c.kind.as_str().to_owned())]);
            Field::new(&c.name, data_type(c.kind), true).with_metadata(metadata)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The Arrow type of a column kind.
pub fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text | ColumnKind::Decimal | ColumnKind::Blob => DataType::Utf8,
        ColumnKind::Int64 => DataType::Int64,
        ColumnKind::Double => DataType::Float64,
        ColumnKind::Bool => DataType::Boolean,
        ColumnKind::LocalTimestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnKind::Date => DataType::Date32,
        ColumnKind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnKind::Bytes => DataType::Binary,
    }
}

/// Writes one staged table, in the order in which its batches come.
pub struct TableWriter {
    table: StagedTable,
    stage_path: PathBuf,
    schema: SchemaRef,
    current: Option<(PathBuf, ArrowWriter<File>, u64)>,
}

impl TableWriter {
    /// `table.n_rows` and `table.parts` are filled while it writes.
    pub fn new(stage: &StageFolder, table: StagedTable) -> Result<Self, RunError> {
        let schema = arrow_schema(&table.schema);
        let table = StagedTable { n_rows: 0, parts: Vec::new(), ..table };
        Ok(Self { table, stage_path: stage.path().to_owned(), schema, current: None })
    }

    /// The schema that every batch must have.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), RunError> {
        let mut done = 0;
        while done < batch.num_rows() {
            let (path, writer, n) = self.part()?;
            let room = (ROWS_PER_PART - *n).min((batch.num_rows() - done) as u64);
            let slice = batch.slice(done, room as usize);
            writer.write(&slice).map_err(RunError::parquet("write", path))?;
            *n += room;
            let full = *n == ROWS_PER_PART;
            done += room as usize;
            self.table.n_rows += room;
            if full {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Ends the last part. A table without rows has one part without rows, so that its schema is there to read.
    pub fn finish(mut self) -> Result<StagedTable, RunError> {
        if self.table.parts.is_empty() {
            self.part()?;
        }
        self.close()?;
        Ok(self.table)
    }

    fn part(&mut self) -> Result<&mut (PathBuf, ArrowWriter<File>, u64), RunError> {
        if self.current.is_none() {
            let name =
                format!("{}/{}/part-{:04}.parquet", self.table.source, self.table.schema.name, self.table.parts.len());
            let path = self.stage_path.join(&name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(RunError::io("create", parent))?;
            }
            let file = whole_file::create(&path, Access::Restricted)?;
            let writer = ArrowWriter::try_new(file, self.schema.clone(), Some(writer_properties()))
                .map_err(RunError::parquet("begin", &path))?;
            self.table.parts.push(name);
            self.current = Some((path, writer, 0));
        }
        Ok(self.current.as_mut().expect("set above"))
    }

    fn close(&mut self) -> Result<(), RunError> {
        let Some((path, writer, _)) = self.current.take() else { return Ok(()) };
        writer.close().map_err(RunError::parquet("end", &path))?;
        File::open(&path).and_then(|f| f.sync_all()).map_err(RunError::io("flush to disk", &path))
    }
}

/// The properties of every Parquet file of a run: zstd level 1, no wall time, no tool version in the footer.
pub(crate) fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a zstd level")))
        .set_created_by("epr".to_owned())
        .set_max_row_group_row_count(Some(64 * 1024))
        .build()
}

/// A batch of a staged table, and which rows it holds.
pub struct StagedBatch {
    /// The part it came from, from 0.
    pub part: u32,
    /// The number of its first row in the table, from 1.
    pub first_row_no: u64,
    pub batch: RecordBatch,
}

/// Reads a staged table in row order.
pub struct TableReader {
    parts: std::vec::IntoIter<PathBuf>,
    columns: Option<Vec<String>>,
    batch_rows: usize,
    current: Option<(PathBuf, ParquetRecordBatchReader)>,
    part: u32,
    next_row_no: u64,
}

impl TableReader {
    /// `columns`: only these (in the order of the schema), or all. `batch_rows`: rows in a batch, at most.
    pub fn new(stage: &FinishedStage, table: &StagedTable, columns: Option<Vec<String>>, batch_rows: usize) -> Self {
        let parts: Vec<_> = table.parts.iter().map(|p| stage.path().join(p)).collect();
        Self { parts: parts.into_iter(), columns, batch_rows, current: None, part: 0, next_row_no: 1 }
    }

    fn next_batch(&mut self) -> Result<Option<StagedBatch>, RunError> {
        loop {
            if let Some((path, reader)) = &mut self.current {
                match reader.next() {
                    Some(Ok(batch)) => {
                        let first_row_no = self.next_row_no;
                        self.next_row_no += batch.num_rows() as u64;
                        return Ok(Some(StagedBatch { part: self.part, first_row_no, batch }));
                    }
                    Some(Err(e)) => return Err(RunError::parquet("read", path)(e.into())),
                    None => {
                        self.current = None;
                        self.part += 1;
                    }
                }
            }
            let Some(path) = self.parts.next() else { return Ok(None) };
            let reader = self.open(&path)?;
            self.current = Some((path, reader));
        }
    }

    fn open(&self, path: &PathBuf) -> Result<ParquetRecordBatchReader, RunError> {
        let file = File::open(path).map_err(RunError::io("open", path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(RunError::parquet("open", path))?;
        let mask = match &self.columns {
            None => ProjectionMask::all(),
            Some(names) => ProjectionMask::columns(builder.parquet_schema(), names.iter().map(String::as_str)),
        };
        let reader = builder
            .with_projection(mask)
            .with_batch_size(self.batch_rows)
            .build()
            .map_err(RunError::parquet("read", path))?;
        Ok(reader)
    }
}

impl Iterator for TableReader {
    type Item = Result<StagedBatch, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}
