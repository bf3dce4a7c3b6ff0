//! What can stop link.

use std::path::PathBuf;

use epr_fhir::resource::SyntaxError;
use epr_run::RunError;

/// A link stage that cannot go on. Nothing of `3-link` is there then but an unfinished folder.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{path}, line {line} is not JSON; nothing was linked; run `epr map` again")]
    NotJson {
        path: PathBuf,
        line: u64,
        #[source]
        source: SyntaxError,
    },
    #[error("{path}, line {line} is no resource with a type and an id; nothing was linked; run `epr map` again")]
    NotAResource { path: PathBuf, line: u64 },
    #[error(
        "{path}, line {line} has no key in keys.parquet, so nobody can say where it came from; \
         nothing was linked; run `epr map` again"
    )]
    KeyMissing { path: PathBuf, line: u64 },
    #[error(
        "two Patients have the id {id}; nothing was linked; look for two maps that make one id, then run `epr map` again"
    )]
    SameId { id: String },
}
