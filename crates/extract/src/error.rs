//! Why extract could not go on. What is wrong with the data is never here: see [`crate::issues`].

use std::path::PathBuf;

use epr_run::RunError;

use crate::spec::SpecFaults;

/// A stage that stopped. `1-extract` is then not there: only whole stages are.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    #[error("{}", .0)]
    Spec(SpecFaults),
    #[error("source {name}: {reason}")]
    Project { name: String, reason: String },
    #[error(
        "source {name}: the ODBC driver `{driver}` is not on this machine (looked in {looked_in}); nothing was staged; {remedy}, then the same command"
    )]
    DriverMissing { name: String, driver: String, looked_in: String, remedy: String },
    #[error(
        "source {name}: the database file {path} is not there; nothing was staged; correct `database` in the project file or put the file there"
    )]
    DatabaseMissing { name: String, path: PathBuf },
    #[error(
        "source {name}: could not reach the database; nothing was staged; try the same command again when it is up"
    )]
    Unreachable {
        name: String,
        #[source]
        source: OdbcFault,
    },
    #[error(
        "source {name}, table {table}: could not {action}; nothing of this run was staged; correct the spec or the database, then the same command"
    )]
    Query {
        name: String,
        table: String,
        action: &'static str,
        #[source]
        source: OdbcFault,
    },
    #[error(
        "source {name}: there is no table `{table}`; the source has: {there}; declare the table `optional: true` in {spec} if it may be absent"
    )]
    TableMissing { name: String, table: String, there: String, spec: String },
    #[error(
        "source {name}, table {table}: there is no column `{column}`; the table has: {there}; list the column under `optional:` in {spec} if it may be absent"
    )]
    ColumnMissing { name: String, table: String, column: String, there: String, spec: String },
    #[error("source {name}, table {table}: no file matches `{pattern}` in {path}; correct `path` in the project file")]
    NoFiles { name: String, table: String, pattern: String, path: PathBuf },
    #[error(
        "source {name}, table {table}: none of {n_files} files in {path} holds a resource of type {resource_type}; declare the table `optional: true` if there may be none"
    )]
    NoResources { name: String, table: String, resource_type: String, n_files: usize, path: PathBuf },
    #[error("could not {action} {path}; nothing of this run was staged")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{path} was altered while it was read; nothing of this run was staged; wait until the file is there whole, then the same command"
    )]
    FileChanged { path: PathBuf },
    #[error("{path} is not a schema file of this version: {reason}; write it anew with `epr extract --schema`")]
    SchemaFile { path: PathBuf, reason: String },
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ExtractError {
    /// The world outside failed (driver, database, disk): exit 3, safe to run again. Else the project is wrong: exit 2.
    ///
    /// A request to stop is [`RunError::Stopped`] inside [`ExtractError::Run`]; the caller looks for it first.
    pub fn is_environment(&self) -> bool {
        match self {
            Self::DriverMissing { .. }
            | Self::DatabaseMissing { .. }
            | Self::Unreachable { .. }
            | Self::NoFiles { .. }
            | Self::NoResources { .. }
            | Self::FileChanged { .. }
            | Self::Io { .. } => true,
            Self::Run(error) => !matches!(error, RunError::Signed { .. } | RunError::StageMissing { .. }),
            // A query that the database refuses (SQLSTATE 42…) is a mistake in the spec; anything else is the database.
            Self::Query { source, .. } => !source.is_mistake_in_the_query(),
            Self::Spec(_)
            | Self::Project { .. }
            | Self::TableMissing { .. }
            | Self::ColumnMissing { .. }
            | Self::SchemaFile { .. } => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// What a driver said, with quoted text taken out: drivers like to quote values and connection strings.
#[derive(Debug, thiserror::Error)]
#[error("the driver says: {message} (SQLSTATE {state})")]
pub struct OdbcFault {
    pub state: String,
    pub message: String,
}

impl OdbcFault {
    fn is_mistake_in_the_query(&self) -> bool {
        // SQLite's driver gives HY000 with its own words for every mistake in a statement.
        self.state.starts_with("42")
            || self.message.contains("syntax error")
            || self.message.contains("no such column")
            || self.message.contains("no such table")
    }
}
