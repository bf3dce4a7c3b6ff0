//! The columns of a batch, downcast once, so that the row loop reads typed cells by number.

use std::borrow::Cow;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use epr_model::schema::ColumnKind;
use jiff::civil;

use super::value::Value;
use crate::functions::moment::{Moment, Offset, PartialDate, TimeOfDay};
use crate::plan::PlanColumn;

/// Rows of a staged table: the columns that a plan reads, in the plan's order.
#[derive(Debug, Clone)]
pub struct TableData {
    columns: Vec<Column>,
    n_rows: usize,
    first_row_no: u64,
}

/// A batch that does not have the columns that the plan was compiled against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnFault {
    #[error("column `{column}` is not in the staged table")]
    Missing { column: String },
    #[error("column `{column}` is staged as {found} and the plan was compiled for {wanted}")]
    Kind { column: String, found: String, wanted: &'static str },
}

#[derive(Debug, Clone)]
enum Column {
    Text(StringArray),
    Decimal(StringArray),
    Int64(Int64Array),
    Double(Float64Array),
    Bool(BooleanArray),
    Local(TimestampMicrosecondArray),
    Instant(TimestampMicrosecondArray),
    Date(Date32Array),
    Bytes(BinaryArray),
}

impl TableData {
    /// `first_row_no` is the number of the batch's first row in its table, from 1.
    pub fn new(batch: &RecordBatch, columns: &[PlanColumn], first_row_no: u64) -> Result<Self, ColumnFault> {
        let schema = batch.schema();
        let typed = columns.iter().map(|wanted| {
            let at = schema.index_of(&wanted.name).map_err(|_| ColumnFault::Missing { column: wanted.name.clone() })?;
            downcast(batch.column(at), wanted)
        });
        Ok(Self { columns: typed.collect::<Result<_, _>>()?, n_rows: batch.num_rows(), first_row_no })
    }

    pub const fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The number of a row in its table, from 1.
    pub const fn row_no(&self, row: u32) -> u64 {
        self.first_row_no + row as u64
    }

    /// A cell.
    #[inline]
    pub(crate) fn cell(&self, column: u16, row: u32) -> Value<'_> {
        let i = row as usize;
        match &self.columns[usize::from(column)] {
            Column::Text(array) if array.is_valid(i) => Value::Text(Cow::Borrowed(array.value(i))),
            Column::Decimal(array) if array.is_valid(i) => Value::Decimal(Cow::Borrowed(array.value(i))),
            Column::Int64(array) if array.is_valid(i) => Value::Int(array.value(i)),
            Column::Double(array) if array.is_valid(i) => Value::Double(array.value(i)),
            Column::Bool(array) if array.is_valid(i) => Value::Bool(array.value(i)),
            Column::Local(array) if array.is_valid(i) => local(array.value(i)).map_or(Value::Null, Value::Local),
            Column::Instant(array) if array.is_valid(i) => instant(array.value(i)).map_or(Value::Null, Value::Moment),
            Column::Date(array) if array.is_valid(i) => date(array.value(i)).map_or(Value::Null, Value::Date),
            Column::Bytes(array) if array.is_valid(i) => Value::Text(Cow::Owned(hex(array.value(i)))),
            _ => Value::Null,
        }
    }

    /// The whole row as length-prefixed fields, nulls told apart: equal rows give equal bytes.
    pub(crate) fn push_row(&self, row: u32, out: &mut Vec<u8>) {
        for column in 0..self.columns.len() {
            push_field(&self.cell(column as u16, row), out);
        }
    }
}

/// One field with its length before it; a null has a length that no text has.
pub(crate) fn push_field(value: &Value<'_>, out: &mut Vec<u8>) {
    match value.to_text() {
        None => out.extend_from_slice(&u32::MAX.to_le_bytes()),
        Some(text) => {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn downcast(array: &ArrayRef, wanted: &PlanColumn) -> Result<Column, ColumnFault> {
    fn to<A: Array + Clone + 'static>(array: &ArrayRef) -> Option<A> {
        array.as_any().downcast_ref::<A>().cloned()
    }
    let column = match wanted.kind {
        ColumnKind::Text | ColumnKind::Blob => to(array).map(Column::Text),
        ColumnKind::Decimal => to(array).map(Column::Decimal),
        ColumnKind::Int64 => to(array).map(Column::Int64),
        ColumnKind::Double => to(array).map(Column::Double),
        ColumnKind::Bool => to(array).map(Column::Bool),
        ColumnKind::LocalTimestamp => to(array).map(Column::Local),
        ColumnKind::Instant => to(array).map(Column::Instant),
        ColumnKind::Date => to(array).map(Column::Date),
        ColumnKind::Bytes => to(array).map(Column::Bytes),
    };
    column.ok_or_else(|| ColumnFault::Kind {
        column: wanted.name.clone(),
        found: array.data_type().to_string(),
        wanted: wanted.kind.as_str(),
    })
}

fn local(micros: i64) -> Option<civil::DateTime> {
    civil::date(1970, 1, 1).at(0, 0, 0, 0).checked_add(jiff::SignedDuration::from_micros(micros)).ok()
}

fn date(days: i32) -> Option<PartialDate> {
    PartialDate::from_civil(civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?)
}

fn instant(micros: i64) -> Option<Moment> {
    let at = local(micros)?;
    let (date, time) = split(at)?;
    Some(Moment::Time(date, time, Offset::Zulu))
}

/// A civil time as a date and a time of day; the fraction keeps the digits that it needs.
pub(crate) fn split(at: civil::DateTime) -> Option<(PartialDate, TimeOfDay)> {
    let nanosecond = at.subsec_nanosecond().unsigned_abs();
    let n_digits = match nanosecond {
        0 => 0,
        n if n % 1_000_000 == 0 => 3,
        n if n % 1_000 == 0 => 6,
        _ => 9,
    };
    let time = TimeOfDay {
        hour: at.hour().cast_unsigned(),
        minute: at.minute().cast_unsigned(),
        second: Some(at.second().cast_unsigned()),
        nanosecond,
        n_digits,
    };
    Some((PartialDate::from_civil(at.date())?, time))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
