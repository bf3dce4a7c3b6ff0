//! Cells of databases whose columns have types: one way of fetching a column, chosen before the first row.
//!
//! Text is fetched as UTF-16: the narrow form is converted to the locale's character set by some drivers (psqlodbc),
//! with question marks for what it lacks.

use epr_model::schema::{ColumnKind, TableSchema};
use jiff::civil;
use odbc_api::{Bit, CursorRow, Error, Nullable, sys};

use super::describe::SourceColumn;
use crate::convert::{Typed, days_since_1970};
use crate::staging::Cell;

/// How one column is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    Text,
    Int64,
    Double,
    Bool,
    Date,
    Timestamp,
    Bytes,
}

/// Memory that is used again for each cell.
#[derive(Debug, Default)]
pub struct Buffers {
    pub bytes: Vec<u8>,
    pub decoded: Vec<u8>,
    pub wide: Vec<u16>,
    pub text: String,
}

/// Above this a buffer is given back after the cell that needed it.
const KEPT_BYTES: usize = 4 * 1024;

impl Buffers {
    /// odbc-api 29.3 fills the whole capacity with zeros before each cell: one letter of 3 MB would make every later
    /// cell cost 3 MB.
    pub(super) fn give_back(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        if self.wide.capacity() > KEPT_BYTES {
            self.wide = Vec::new();
        }
    }
}

/// The strategy of each staged column. Where the spec gives a column another kind than the source has, it is fetched
/// as text, which is then converted strictly.
pub fn strategies(sources: &[SourceColumn], schema: &TableSchema, places: &[Option<usize>]) -> Vec<Take> {
    schema
        .columns
        .iter()
        .zip(places)
        .map(|(column, place)| match place.map(|p| sources[p].kind) {
            Some(ColumnKind::Bytes) => Take::Bytes,
            Some(kind) if kind == column.kind => match kind {
                ColumnKind::Int64 => Take::Int64,
                ColumnKind::Double => Take::Double,
                ColumnKind::Bool => Take::Bool,
                ColumnKind::Date => Take::Date,
                ColumnKind::LocalTimestamp => Take::Timestamp,
                _ => Take::Text,
            },
            _ => Take::Text,
        })
        .collect()
}

impl Take {
    /// Fetches the cell of column `at`, from 1.
    pub fn cell<'b>(self, row: &mut CursorRow<'_>, at: u16, buffers: &'b mut Buffers) -> Result<Cell<'b>, Error> {
        buffers.give_back();
        Ok(match self {
            Self::Text => {
                if !row.get_wide_text(at, &mut buffers.wide)? {
                    return Ok(Cell::Null);
                }
                if let Ok(text) = String::from_utf16(&buffers.wide) {
                    buffers.text = text;
                    Cell::Text(&buffers.text)
                } else {
                    buffers.bytes = buffers.wide.iter().flat_map(|u| u.to_le_bytes()).collect();
                    Cell::Undecodable(&buffers.bytes)
                }
            }
            Self::Int64 => {
                let mut value = Nullable::<i64>::null();
                row.get_data(at, &mut value)?;
                value.into_opt().map_or(Cell::Null, |v| Cell::Typed(Typed::Int64(v)))
            }
            Self::Double => {
                let mut value = Nullable::<f64>::null();
                row.get_data(at, &mut value)?;
                value.into_opt().map_or(Cell::Null, |v| Cell::Typed(Typed::Double(v)))
            }
            Self::Bool => {
                let mut value = Nullable::<Bit>::null();
                row.get_data(at, &mut value)?;
                value.into_opt().map_or(Cell::Null, |b| Cell::Typed(Typed::Bool(b.as_bool())))
            }
            Self::Date => {
                let mut value = Nullable::<sys::Date>::null();
                row.get_data(at, &mut value)?;
                value.into_opt().map_or(Cell::Null, |d| date(d, buffers))
            }
            Self::Timestamp => {
                let mut value = Nullable::<sys::Timestamp>::null();
                row.get_data(at, &mut value)?;
                value.into_opt().map_or(Cell::Null, |t| timestamp(t, buffers))
            }
            Self::Bytes => {
                if row.get_binary(at, &mut buffers.bytes)? {
                    Cell::Bytes(&buffers.bytes)
                } else {
                    Cell::Null
                }
            }
        })
    }
}

fn date(d: sys::Date, buffers: &mut Buffers) -> Cell<'_> {
    if let Some(days) = day(d.year, d.month, d.day) {
        return Cell::Typed(Typed::Date(days));
    }
    buffers.text = format!("{:04}-{:02}-{:02}", d.year, d.month, d.day);
    Cell::Unfit(&buffers.text)
}

/// Nanoseconds are ODBC's unit; digits beyond the microsecond are not cut off, but kept aside.
fn timestamp(t: sys::Timestamp, buffers: &mut Buffers) -> Cell<'_> {
    let clock_holds = t.hour < 24 && t.minute < 60 && t.second < 60;
    match day(t.year, t.month, t.day) {
        Some(days) if clock_holds && t.fraction.is_multiple_of(1000) => {
            let seconds = i64::from(days) * 86_400 + i64::from(t.hour) * 3600 + i64::from(t.minute) * 60;
            let micros = (seconds + i64::from(t.second)) * 1_000_000 + i64::from(t.fraction / 1000);
            Cell::Typed(Typed::Micros(micros))
        }
        _ => {
            buffers.text = format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:09}",
                t.year, t.month, t.day, t.hour, t.minute, t.second, t.fraction
            );
            Cell::Unfit(&buffers.text)
        }
    }
}

fn day(year: i16, month: u16, day: u16) -> Option<i32> {
    let date = civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    days_since_1970(date).ok()
}
