//! Why a run folder could not be used.

use std::path::{Path, PathBuf};

use epr_model::ResourceId;

/// A run folder that cannot go on: a full disk, an altered file, a second writer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("could not {action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("could not {action} the Parquet file {path}")]
    Parquet {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: parquet::errors::ParquetError,
    },
    #[error("{path} is not what this version of epr writes: {reason}")]
    Malformed { path: PathBuf, reason: String },
    #[error("{path} was altered after the stage that wrote it had finished: {what}")]
    Altered { path: PathBuf, what: String },
    #[error("{path} is in use by another epr")]
    Locked { path: PathBuf },
    #[error("{path} holds no finished stage `{stage}`")]
    StageMissing { path: PathBuf, stage: &'static str },
    #[error("{path} is signed; a stage cannot be done again without discarding the signature")]
    Signed { path: PathBuf },
    #[error("the load of {path} to the live target {target} began; no stage before it can be done again")]
    LiveLoadBegan { path: PathBuf, target: String },
    #[error("stopped on request")]
    Stopped,
    #[error(transparent)]
    Unbalanced(#[from] crate::ledger::Imbalance),
    #[error(
        "{part} has lost {n} of the resources that its keys name; the first is {resource_type}/{id}, made of {table}, row {row_no}"
    )]
    Lost { part: PathBuf, n: u64, resource_type: String, id: ResourceId, table: String, row_no: u64 },
}

impl RunError {
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub fn parquet(action: &'static str, path: &Path) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { action, path, source }
    }
}
