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

    /// Rows written in a test: `(column, text)` for each cell that is not null. `Err` names the column whose text is
    /// not of its kind.
    pub fn of_texts(columns: &[PlanColumn], rows: &[&[(u16, String)]]) -> Result<Self, String> {
        let typed = columns.iter().enumerate().map(|(i, column)| {
            let cells: Vec<Option<&str>> = rows
                .iter()
                .map(|cells| cells.iter().find(|(at, _)| usize::from(*at) == i).map(|(_, text)| text.as_str()))
                .collect();
            Column::of_texts(column.kind, &cells).ok_or_else(|| column.name.clone())
        });
        Ok(Self { columns: typed.collect::<Result<_, _>>()?, n_rows: rows.len(), first_row_no: 1 })
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
            Column::Bytes(array) if array.is_valid(i) => Value::Bytes(Cow::Borrowed(array.value(i))),
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

impl Column {
    fn of_texts(kind: ColumnKind, cells: &[Option<&str>]) -> Option<Self> {
        fn parsed<T>(cells: &[Option<&str>], parse: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
            cells.iter().map(|cell| cell.map_or(Some(None), |text| parse(text).map(Some))).collect()
        }
        let micros = |text: &str| {
            let at: civil::DateTime = text.trim_end_matches('Z').parse().ok()?;
            i64::try_from(at.duration_since(civil::date(1970, 1, 1).at(0, 0, 0, 0)).as_micros()).ok()
        };
        let days = |text: &str| {
            let day: civil::Date = text.parse().ok()?;
            i32::try_from(day.duration_since(civil::date(1970, 1, 1)).as_hours() / 24).ok()
        };
        Some(match kind {
            ColumnKind::Text | ColumnKind::Blob => Self::Text(cells.iter().copied().collect()),
            ColumnKind::Decimal => Self::Decimal(cells.iter().copied().collect()),
            ColumnKind::Int64 => Self::Int64(parsed(cells, |t| t.parse().ok())?.into()),
            ColumnKind::Double => Self::Double(parsed(cells, |t| t.parse().ok())?.into()),
            ColumnKind::Bool => Self::Bool(parsed(cells, |t| t.parse().ok())?.into()),
            ColumnKind::LocalTimestamp => Self::Local(parsed(cells, micros)?.into()),
            ColumnKind::Instant => Self::Instant(parsed(cells, micros)?.into()),
            ColumnKind::Date => Self::Date(parsed(cells, days)?.into()),
            ColumnKind::Bytes => Self::Bytes(cells.iter().map(|cell| cell.map(str::as_bytes)).collect()),
        })
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
