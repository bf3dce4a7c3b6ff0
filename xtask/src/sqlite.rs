//! CSV tables as a SQLite database: TEXT columns named as the CSV heads, tables as the file names, empty cells NULL.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rusqlite::{Connection, params_from_iter};

/// A new database of a folder of CSV files, or of an `.sql` file.
pub(crate) fn from(source: &Path, database: &Path) -> Result<()> {
    if source.is_dir() { from_csv_folder(source, database) } else { from_sql(source, database) }
}

/// Writes every `*.csv` of a folder into a new database.
pub(crate) fn from_csv_folder(folder: &Path, database: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("could not list {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "csv"))
        .collect();
    files.sort();
    let mut connection = create(database)?;
    for file in files {
        let table = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        add_table(&mut connection, &table, &file).with_context(|| format!("could not load {}", file.display()))?;
    }
    Ok(())
}

/// Runs the statements of an SQL file in a new database.
pub(crate) fn from_sql(file: &Path, database: &Path) -> Result<()> {
    let sql = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    create(database)?.execute_batch(&sql).with_context(|| format!("could not run {}", file.display()))
}

fn create(database: &Path) -> Result<Connection> {
    if let Some(parent) = database.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if database.exists() {
        std::fs::remove_file(database)?;
    }
    Ok(Connection::open(database)?)
}

fn add_table(connection: &mut Connection, table: &str, file: &Path) -> Result<()> {
    let mut reader = csv::Reader::from_path(file)?;
    let heads: Vec<String> = reader.headers()?.iter().map(|h| format!("\"{h}\" TEXT")).collect();
    let marks = vec!["?"; heads.len()].join(",");
    let transaction = connection.transaction()?;
    transaction.execute_batch(&format!("CREATE TABLE \"{table}\" ({})", heads.join(",")))?;
    {
        let mut insert = transaction.prepare(&format!("INSERT INTO \"{table}\" VALUES ({marks})"))?;
        for record in reader.records() {
            let record = record?;
            insert.execute(params_from_iter(record.iter().map(|cell| (!cell.is_empty()).then_some(cell))))?;
        }
    }
    transaction.commit()?;
    Ok(())
}
