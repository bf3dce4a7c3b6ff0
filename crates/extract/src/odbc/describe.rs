//! What columns a query gives, asked of the driver before the first row.

use epr_model::schema::ColumnKind;
use odbc_api::{ColumnDescription, Connection, Cursor, DataType, Error, ResultSetMetadata};

use super::Dialect;

/// A column of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumn {
    pub name: String,
    pub kind: ColumnKind,
    pub data_type: DataType,
}

/// The columns of a query, which is prepared and not run.
pub fn columns(connection: &Connection<'_>, sql: &str, dialect: Dialect) -> Result<Vec<SourceColumn>, Error> {
    let mut prepared = connection.prepare(sql)?;
    let mut description = ColumnDescription::default();
    let n = prepared.num_result_cols()?.max(0).cast_unsigned();
    (1..=n)
        .map(|i| {
            // Not col_data_type: SQLite's driver gives SQLColAttribute a number of its own for BIGINT, and odbc-api
            // 29.3 panics there on a precision below zero.
            prepared.describe_col(i, &mut description)?;
            let data_type = description.data_type;
            Ok(SourceColumn { name: prepared.col_name(i)?, kind: kind_of(data_type, dialect), data_type })
        })
        .collect()
}

/// The first column of a small result, as text.
pub fn texts(connection: &Connection<'_>, sql: &str) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    let mut buffer = Vec::new();
    if let Some(mut cursor) = connection.execute(sql, (), None)? {
        while let Some(mut row) = cursor.next_row()? {
            if row.get_text(1, &mut buffer)? {
                texts.push(String::from_utf8_lossy(&buffer).into_owned());
            }
        }
    }
    Ok(texts)
}

/// The kind in which a column is staged.
///
/// A column that SQLite declares as a date or a time is text: SQLite has no such type, and its columns hold whatever
/// was put in. `kinds:` of the spec decides otherwise where the author knows.
fn kind_of(data_type: DataType, dialect: Dialect) -> ColumnKind {
    match data_type {
        DataType::Integer | DataType::SmallInt | DataType::TinyInt | DataType::BigInt => ColumnKind::Int64,
        // psqlodbc gives float8 as FLOAT with precision 0: no precision is ever reason to read less than 64 bits.
        DataType::Float { .. } | DataType::Real | DataType::Double => ColumnKind::Double,
        DataType::Numeric { .. } | DataType::Decimal { .. } => ColumnKind::Decimal,
        DataType::Bit => ColumnKind::Bool,
        DataType::Binary { .. } | DataType::Varbinary { .. } | DataType::LongVarbinary { .. } => ColumnKind::Bytes,
        DataType::Date if dialect == Dialect::Other => ColumnKind::Date,
        DataType::Timestamp { .. } if dialect == Dialect::Other => ColumnKind::LocalTimestamp,
        DataType::Date
        | DataType::Timestamp { .. }
        | DataType::Time { .. }
        | DataType::Unknown
        | DataType::Other { .. }
        | DataType::Char { .. }
        | DataType::WChar { .. }
        | DataType::Varchar { .. }
        | DataType::WVarchar { .. }
        | DataType::LongVarchar { .. }
        | DataType::WLongVarchar { .. } => ColumnKind::Text,
    }
}
