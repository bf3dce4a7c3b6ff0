//! What is told of a sheet besides its rows, in numbers and places.

use std::collections::BTreeMap;

/// Rows of a sheet that are no rows of its table, or need a word; by number.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    pub(super) hidden: Vec<u32>,
    /// Nothing in any listed column.
    pub(super) no_listed: Vec<u32>,
    /// The header once more.
    pub(super) headers: Vec<u32>,
    /// Rows at and below the end for which its condition holds.
    pub(super) totals: Vec<u32>,
    /// Rows below the end for which its condition does not hold.
    pub(super) after_end: Vec<u32>,
    /// Cells by column without a header.
    pub(super) unnamed: BTreeMap<u32, u64>,
}

impl Skipped {
    pub(super) fn no_rows(&self) -> Option<String> {
        let parts: Vec<String> = [
            rows("with nothing in a listed column, the first row", &self.no_listed),
            rows("repeated headers, the first in row", &self.headers),
            rows("at the end, the first row", &self.totals),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// So many of them, and the first.
pub(super) fn rows(what: &str, rows: &[u32]) -> Option<String> {
    let first = rows.first()?;
    Some(format!("{} {what} {first}", rows.len()))
}

pub(super) fn hidden(sheet: bool, n_rows: usize, n_columns: usize) -> Option<String> {
    let mut parts = Vec::new();
    if sheet {
        parts.push("the sheet itself".to_owned());
    }
    if n_rows > 0 {
        parts.push(format!("{n_rows} rows"));
    }
    if n_columns > 0 {
        parts.push(format!("{n_columns} areas of columns"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
