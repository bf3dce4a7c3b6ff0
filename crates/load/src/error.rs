//! What can stop a load.

use std::path::PathBuf;

use epr_run::RunError;

/// A load that cannot go on. Nothing of target `files` is delivered then: its folder is unfinished.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(
        "{path}, line {line} is not the resource that link wrote: its hash is not the one in keys.parquet; \
         nothing was delivered; run `epr link` again"
    )]
    Altered { path: PathBuf, line: u64 },
    #[error(
        "{path}, line {line} has no key in keys.parquet, so nobody can say where it came from; \
         nothing was delivered; run `epr link` again"
    )]
    KeyMissing { path: PathBuf, line: u64 },
    #[error(
        "{n} {resource_type} resources of keys.parquet are not in the parts of 3-link; \
         nothing was delivered; run `epr link` again"
    )]
    ResourcesMissing { resource_type: String, n: u64 },
    #[error("{path}, line {line} is no resource with a type and an id; nothing was delivered; run `epr link` again")]
    NotAResource { path: PathBuf, line: u64 },
    #[error(
        "two {resource_type} resources have the id {id}; nothing was delivered; \
         look for two maps that make one id, then run `epr map` again"
    )]
    SameId { resource_type: String, id: String },
    #[error(
        "link and validate do not agree on the number of {resource_type} resources; \
         nothing was delivered; run `epr validate` again"
    )]
    LedgersDisagree { resource_type: String },
}
