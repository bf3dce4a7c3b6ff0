//! What could not stand in a staged table: `<source>/<table>.aside.parquet`, beside the table's folder.
//!
//! A cell that does not fit its column is null in the table and whole in here, so that nothing is lost and a
//! column keeps one kind. Values of patients' data: mode 0600, like the tables.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder, UInt64Builder};
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use epr_run::StageFolder;
use epr_run::records::{Columns, Record, RecordWriter};

use crate::ExtractError;

/// One cell that is kept aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRecord {
    /// The row in the staged table, from 1; 0 for what is in no row.
    pub row_no: u64,
    /// The column; `#7` for the seventh cell of a CSV row whose header has fewer. The place in the source for what is
    /// in no row.
    pub column: String,
    /// The issue that was raised for it.
    pub code: String,
    /// The bytes as they came; none where they are in a blob.
    pub value: Option<Vec<u8>>,
    /// The SHA-256 of the file in `blobs/` that holds the value.
    pub blob: Option<String>,
}

impl Record for AsideRecord {
    /// Not used: each table has a file of its own, see [`AsideWriter`].
    const FILE: &'static str = "aside.parquet";
    type Columns = AsideColumns;
}

/// The columns of an aside file.
#[derive(Default)]
pub struct AsideColumns {
    row_no: UInt64Builder,
    column: StringBuilder,
    code: StringBuilder,
    value: BinaryBuilder,
    blob: StringBuilder,
}

impl Columns<AsideRecord> for AsideColumns {
    fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(vec![
            Field::new("row_no", DataType::UInt64, false),
            Field::new("column", DataType::Utf8, false),
            Field::new("code", DataType::Utf8, false),
            Field::new("value", DataType::Binary, true),
            Field::new("blob", DataType::Utf8, true),
        ]))
    }

    fn push(&mut self, record: &AsideRecord) {
        self.row_no.append_value(record.row_no);
        self.column.append_value(&record.column);
        self.code.append_value(&record.code);
        self.value.append_option(record.value.as_deref());
        self.blob.append_option(record.blob.as_deref());
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.row_no.finish()),
            Arc::new(self.column.finish()),
            Arc::new(self.code.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.blob.finish()),
        ]
    }

    fn read(batch: &RecordBatch, i: usize) -> Option<AsideRecord> {
        let text = |name: &str| -> Option<Option<String>> {
            let array = batch.column_by_name(name)?.as_any().downcast_ref::<StringArray>()?;
            Some(array.is_valid(i).then(|| array.value(i).to_owned()))
        };
        let row_no = batch.column_by_name("row_no")?.as_any().downcast_ref::<UInt64Array>()?.value(i);
        let value = batch.column_by_name("value")?.as_any().downcast_ref::<BinaryArray>()?;
        Some(AsideRecord {
            row_no,
            column: text("column")??,
            code: text("code")??,
            value: value.is_valid(i).then(|| value.value(i).to_vec()),
            blob: text("blob")?,
        })
    }
}

/// Writes the aside file of one table; there is none until the first record.
pub struct AsideWriter {
    relative: String,
    writer: Option<RecordWriter<AsideRecord>>,
}

impl AsideWriter {
    pub fn new(source: &str, table: &str) -> Self {
        Self { relative: format!("{source}/{table}.aside.parquet"), writer: None }
    }

    pub fn push(&mut self, stage: &StageFolder, record: &AsideRecord) -> Result<(), ExtractError> {
        if self.writer.is_none() {
            self.writer = Some(RecordWriter::at(&stage.file(&self.relative)?)?);
        }
        Ok(self.writer.as_mut().expect("set above").push(record)?)
    }

    pub fn finish(self) -> Result<(), ExtractError> {
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        Ok(())
    }
}
