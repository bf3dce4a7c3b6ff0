//! A SQLite file that is written once, in one transaction, by prepared statements.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, ToSql};

/// A table: its name, and its columns with their declared types.
pub(crate) type Table = (&'static str, &'static str);

pub(crate) struct Database {
    connection: Connection,
    /// One `INSERT` a table, in the order of the tables.
    inserts: Vec<String>,
    tables: &'static [Table],
}

impl Database {
    /// Creates the file anew; each table is its name and its column definitions.
    pub(crate) fn create(file: &Path, tables: &'static [Table]) -> Result<Self> {
        if file.exists() {
            std::fs::remove_file(file)?;
        }
        let connection = Connection::open(file).with_context(|| format!("could not create {}", file.display()))?;
        // A file that could not be finished is made anew: it needs no journal.
        connection.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-24000;")?;
        connection.set_prepared_statement_cache_capacity(tables.len());
        let mut inserts = Vec::new();
        for (name, columns) in tables {
            connection.execute_batch(&format!("CREATE TABLE {name} ({columns})"))?;
            let marks = vec!["?"; columns.split(',').count()].join(",");
            inserts.push(format!("INSERT INTO {name} VALUES ({marks})"));
        }
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection, inserts, tables })
    }

    pub(crate) fn insert(&self, table: &str, cells: &[&dyn ToSql]) -> Result<()> {
        let at = self.tables.iter().position(|(name, _)| *name == table).context("a table of this database")?;
        self.connection.prepare_cached(&self.inserts[at])?.execute(cells)?;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.connection.flush_prepared_statement_cache();
        self.connection.execute_batch("COMMIT")?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}
