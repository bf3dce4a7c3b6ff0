//! The run folder: the contract between the stages.
//!
//! In: what a stage has to keep. Out: files that are either whole and named in a manifest, or not there.
//! A stage works in a hidden `.<stage>.partial` folder that is renamed into place when its manifest is written;
//! so whatever a kill leaves behind is never taken for a finished stage.
//! Never here: what the rows or resources mean.
//!
//! | what you want to find | module |
//! |---|---|
//! | open, lock and resume a run; begin and finish a stage | [`folder`] |
//! | what a finished stage says of itself, and the proof that nothing was altered | [`manifest`] |
//! | staged tables (Parquet) | [`staged`] |
//! | resources (NDJSON, zstd) | [`parts`] |
//! | type and id of a resource, without parsing it | [`line`] |
//! | the keys of one part | [`keys_by_part`] |
//! | issues, rows, keys, refs, links, candidates, holds (Parquet) | [`records`] |
//! | the three ledgers | [`ledger`] |
//! | the hash-chained audit log | [`audit`] |
//! | progress and Ctrl-C, as a stage sees them | [`context`] |
//! | one file, written whole or not at all | [`whole_file`] |

pub mod audit;
pub mod context;
pub mod digest;
pub mod error;
pub mod folder;
pub mod keys_by_part;
pub mod ledger;
pub mod line;
pub mod manifest;
pub mod parts;
pub mod records;
pub mod staged;
pub mod whole_file;

pub use context::{Progress, StageContext, StopFlag};
pub use digest::Sha256Hex;
pub use error::RunError;
pub use folder::{FinishedStage, RunFolder, RunInfo, StageFolder};
pub use manifest::Manifest;
