//! What can stop a load.

use std::path::PathBuf;

use epr_run::RunError;

use crate::journal::JournalError;

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
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("target {target}: the address or its settings are not there")]
    NoServer { target: String },
    #[error("could not read the capability statement {path}: {reason}")]
    Capability { path: PathBuf, reason: String },
    #[error("target {target} says in its capability statement that it takes neither transactions nor batches")]
    NoBundles { target: String },
    #[error("could not reach target {target}: no request was answered")]
    Unreachable { target: String },
    #[error("target {target} answers HTTP {status} where a FHIR server takes bundles")]
    NoFhirServer { target: String, status: u16 },
    #[error("target {target} does not let us in (HTTP {status})")]
    NotAllowed { target: String, status: u16 },
    #[error("target {target} answered nothing but \"not now\" for {seconds} seconds")]
    GaveUp { target: String, seconds: u64 },
}

impl LoadError {
    /// Whether something may have been sent, and the journal says what: the load is unfinished.
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::NotAllowed { .. })
    }

    /// Whether the project or what it names is wrong; nothing was sent then.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Journal(JournalError::OtherVersion { .. } | JournalError::OtherServer { .. })
                | Self::NoServer { .. }
                | Self::Capability { .. }
                | Self::NoBundles { .. }
                | Self::NoFhirServer { .. }
        )
    }
}
