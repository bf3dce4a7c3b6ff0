//! Cells of SQLite, where each cell has a type of its own, whatever its column is declared to be.
//!
//! The driver (sqliteodbc 0.9998) converts by the declared type: `'abc'` in an INTEGER column becomes NULL, a double
//! loses its last digits, text ends at a NUL. So the query itself writes each cell as a text with its storage class
//! before it, and the conversion to the column's kind is ours:
//! `t` text, `i` integer, `r` real with 20 digits (with 17, SQLite's own printing misses the
//! last bit of large numbers), `b` a blob in hexadecimal, `z` a text that holds NUL, likewise.

use epr_model::schema::ColumnKind;
use odbc_api::{CursorRow, Error};

use super::describe::SourceColumn;
use super::typed::Buffers;
use crate::convert::{self, Typed};
use crate::staging::Cell;

/// The query that gives the columns of `base` in tagged form.
pub fn select(columns: &[SourceColumn], base: &str) -> String {
    let expressions: Vec<String> = columns
        .iter()
        .map(|c| {
            let c = format!("\"{}\"", c.name.replace('"', "\"\""));
            format!(
                "CASE typeof({c}) WHEN 'text' THEN CASE WHEN instr({c}, char(0)) THEN 'z' || hex({c}) ELSE 't' || {c} END \
                 WHEN 'integer' THEN 'i' || {c} WHEN 'real' THEN 'r' || printf('%!.20g', {c}) \
                 WHEN 'blob' THEN 'b' || hex({c}) END"
            )
        })
        .collect();
    format!("SELECT {} FROM {base}", expressions.join(", "))
}

/// The query that gives name and declared type of each column of a table or view.
pub fn declarations(table: &str) -> (String, String) {
    let table = table.replace('\'', "''");
    // Hidden columns of virtual tables (1) are not data; generated ones (2, 3) are.
    let from = format!("FROM pragma_table_xinfo('{table}') WHERE hidden <> 1 ORDER BY cid");
    (format!("SELECT name {from}"), format!("SELECT coalesce(type, '') {from}"))
}

/// The kind of a declared type, after SQLite's own rules of affinity. Dates and times are text: SQLite has no such
/// type, and its columns hold whatever was put in; `kinds:` of the spec decides otherwise where the author knows.
pub fn kind_of(declared: &str) -> ColumnKind {
    let declared = declared.to_uppercase();
    let says = |words: &[&str]| words.iter().any(|w| declared.contains(w));
    if says(&["BOOL"]) {
        ColumnKind::Bool
    } else if says(&["INT"]) {
        ColumnKind::Int64
    } else if says(&["CHAR", "CLOB", "TEXT", "DATE", "TIME"]) {
        ColumnKind::Text
    } else if says(&["BLOB"]) {
        ColumnKind::Bytes
    } else if says(&["REAL", "FLOA", "DOUB"]) {
        ColumnKind::Double
    } else if says(&["NUM", "DEC"]) {
        ColumnKind::Decimal
    } else {
        ColumnKind::Text
    }
}

/// Fetches the tagged cell of column `at`, from 1, for a column of `kind`.
pub fn cell<'b>(
    row: &mut CursorRow<'_>,
    at: u16,
    kind: ColumnKind,
    buffers: &'b mut Buffers,
) -> Result<Cell<'b>, Error> {
    buffers.give_back();
    if !row.get_text(at, &mut buffers.bytes)? {
        return Ok(Cell::Null);
    }
    let Some((tag, value)) = buffers.bytes.split_first() else { return Ok(Cell::Null) };
    Ok(match tag {
        b'b' | b'z' => {
            let is_text = *tag == b'z';
            buffers.decoded = from_hex(value);
            match std::str::from_utf8(&buffers.decoded) {
                Ok(text) if is_text => Cell::Text(text),
                _ if is_text => Cell::Undecodable(&buffers.decoded),
                _ => Cell::Bytes(&buffers.decoded),
            }
        }
        _ => match std::str::from_utf8(value) {
            Err(_) => Cell::Undecodable(value),
            Ok(text) if *tag == b'r' => real(text, kind, &mut buffers.text),
            Ok(text) if *tag == b'i' && kind == ColumnKind::Double => integer_as_double(text),
            Ok(text) => Cell::Text(text),
        },
    })
}

/// A real; in a column of another kind as the shortest text that gives the same real.
fn real<'b>(text: &'b str, kind: ColumnKind, shortest: &'b mut String) -> Cell<'b> {
    let Ok(value) = convert::double(text) else { return Cell::Unfit(text) };
    match kind {
        ColumnKind::Double => return Cell::Typed(Typed::Double(value)),
        ColumnKind::Decimal => *shortest = format!("{value}"),
        _ => *shortest = format!("{value:?}"),
    }
    Cell::Text(shortest)
}

/// An integer of more than 53 bits has no double; it is not rounded.
fn integer_as_double(text: &str) -> Cell<'_> {
    match convert::int64(text) {
        Ok(value) if value.unsigned_abs() <= 1 << 53 => Cell::Typed(Typed::Double(value as f64)),
        _ => Cell::Unfit(text),
    }
}

fn from_hex(digits: &[u8]) -> Vec<u8> {
    let nibble = |d: u8| char::from(d).to_digit(16).expect("SQLite's hex() gives hexadecimal digits") as u8;
    digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect()
}
