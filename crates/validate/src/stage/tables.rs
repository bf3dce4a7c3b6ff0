//! What extract wrote beside the staged tables: one file of records a table, the tables numbered as they come.

use std::collections::HashMap;
use std::path::PathBuf;

use epr_run::records::{Record, RecordReader};
use epr_run::{FinishedStage, RunError};

/// Which tables there are records of.
pub(super) struct Beside {
    /// `<organisation>/<system>/<table>`, by number.
    pub(super) tables: Vec<String>,
    pub(super) files: Vec<PathBuf>,
}

/// Hands over each record with the number of its table; `name` is the table's full name.
pub(super) fn read<R: Record>(
    extract: &FinishedStage,
    name: impl Fn(&R) -> String,
    mut take: impl FnMut(u32, R),
) -> Result<Beside, RunError> {
    let mut beside = Beside { tables: Vec::new(), files: Vec::new() };
    let mut numbers: HashMap<String, u32> = HashMap::new();
    for file in &extract.manifest().files {
        if !file.path.ends_with(&format!("/{}", R::FILE)) {
            continue;
        }
        extract.verify_file(&file.path)?;
        let path = extract.path().join(&file.path);
        for record in RecordReader::<R>::at(&path)? {
            let record = record?;
            let next = beside.tables.len() as u32;
            let table = *numbers.entry(name(&record)).or_insert_with_key(|name| {
                beside.tables.push(name.clone());
                next
            });
            take(table, record);
        }
        beside.files.push(path);
    }
    Ok(beside)
}

/// `<organisation>/<system>` of a table's full name.
pub(super) fn source_of(table: &str) -> &str {
    table.match_indices('/').nth(1).map_or(table, |(i, _)| &table[..i])
}

/// Sixteen bytes from their hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
