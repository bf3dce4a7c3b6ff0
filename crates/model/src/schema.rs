//! What a staged table looks like: the contract between extract and mapping.
//!
//! `epr extract --schema` writes a [`SystemSchema`] beside the source spec; it is committed, so that `epr check`
//! needs no database. Extract's manifest repeats the [`TableSchema`] of what was really staged.

use serde::{Deserialize, Serialize};

/// What a staged column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    Text,
    Int64,
    /// Exact decimal; staged as text, so that digits and scale are kept.
    Decimal,
    Double,
    Bool,
    /// Microseconds, no zone.
    LocalTimestamp,
    Date,
    Instant,
    Bytes,
    /// The SHA-256 (hex) of a file in `1-extract/blobs/`.
    Blob,
}

impl ColumnKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int64 => "int64",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Bool => "bool",
            Self::LocalTimestamp => "local-timestamp",
            Self::Date => "date",
            Self::Instant => "instant",
            Self::Bytes => "bytes",
            Self::Blob => "blob",
        }
    }
}

/// One column of a staged table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSchema {
    pub name: String,
    pub kind: ColumnKind,
    /// May be absent in some sources: then null in every row, with one issue a run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// What the source spec says of its content: `identifier`, `document`, `none` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// What makes a row of a table itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableKey {
    /// The named columns; a null in one refuses the row.
    Columns(Vec<String>),
    /// `key: row`: all columns, nulls allowed, and an ordinal among equal rows.
    Row,
}

/// One table of a source system, as mappings see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    pub name: String,
    pub key: TableKey,
    pub columns: Vec<ColumnSchema>,
    /// The whole table may be absent: then it is staged with no rows, with one issue a run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// For a child table: the table whose key its `_parent` column holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

impl TableSchema {
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// All tables of one source system; the file `sources/<ods>/<system>.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemSchema {
    /// The pack, `<ods>/<system>`.
    pub pack: String,
    pub tables: Vec<TableSchema>,
}

impl SystemSchema {
    pub fn table(&self, name: &str) -> Option<&TableSchema> {
        self.tables.iter().find(|t| t.name == name)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}
