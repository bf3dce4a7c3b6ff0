//! A compiled map over a batch of rows: resource bytes, keys, references, outcomes and issues. Pure.
//!
//! In: a [`MapProgram`] and a [`JoinedBatch`]. Out: [`Applied`]. Never here: a clock, a random number, a counter
//! over batches, I/O; so the same plan gives the same bytes on one thread, on many, and in another engine.
//!
//! | what you want to find | module |
//! |---|---|
//! | one row or group, from screening to outcome | [`rows`] |
//! | elements and policies | [`emit`] |
//! | a value in its element's shape | [`shape`] |
//! | resources that the source holds whole | [`keep`] |
//! | expressions, functions | [`eval`], [`call`] |
//! | cells of a batch | [`columns`] |
//! | issues | [`findings`] |
//! | lineage | [`trace`] |

mod call;
mod columns;
mod emit;
mod eval;
mod findings;
pub mod json;
mod keep;
mod program;
mod rows;
mod shape;
mod trace;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use epr_model::{ResourceId, RowOutcome};

pub use columns::{ColumnFault, TableData};
pub use emit::{RefOut, UnmappedCode};
pub use eval::CellName;
pub use findings::PlacedIssue;
pub use program::MapProgram;

pub(crate) use columns::push_field;
pub(crate) use emit::Emitter;
pub(crate) use eval::Eval;
pub(crate) use rows::RowRun;
pub(crate) use trace::{SeenCell, Trace, TracedElement};
pub(crate) use value::{Value, order_nulls_last};

use crate::join::LookupIndex;

/// Rows of a map's table and what was found out about them before.
pub struct JoinedBatch<'b> {
    pub main: &'b TableData,
    pub units: Units<'b>,
    /// By look-up of the plan.
    pub lookups: &'b [LookupIndex],
    /// Only rows whose key stands more than once (or, under `key: row`, equal rows).
    pub doubles: &'b HashMap<u64, Double>,
}

/// What is mapped as one.
#[derive(Debug, Clone, Copy)]
pub enum Units<'b> {
    /// Each row of the batch; `where` and `require` have not been asked.
    EachRow,
    /// Groups of rows that were screened, each in its order; the first is `$`.
    Groups(&'b [Vec<u32>]),
}

/// What is special about a row whose key is not its own alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Double {
    /// An equal row stands before it.
    Repeated,
    /// Another row of the key has different content.
    Conflict,
    /// `key: row`: the position among the equal rows, from 1.
    Ordinal(u32),
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Applied {
    /// The resources' JSON, one after the other.
    pub bytes: Vec<u8>,
    pub resources: Vec<ResourceOut>,
    pub refs: Vec<RefOut>,
    pub rows: Vec<RowOut>,
    pub issues: Vec<PlacedIssue>,
    /// With the number of rows.
    pub unmapped: BTreeMap<UnmappedCode, u64>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceOut {
    /// Index into the plan's resources.
    pub resource: u16,
    pub id: ResourceId,
    /// The first 16 bytes of the SHA-256 of the key's fields.
    pub key_hash: [u8; 16],
    pub content_hash: [u8; 32],
    /// Its place in [`Applied::bytes`].
    pub range: Range<usize>,
    pub row_no: u64,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOut {
    pub row_no: u64,
    pub outcome: RowOutcome,
    pub n_resources: u32,
    pub measures: Option<String>,
    /// The issue that decided the outcome.
    pub issue: Option<String>,
}

/// Maps a batch.
pub fn apply(program: &MapProgram<'_>, batch: &JoinedBatch<'_>) -> Applied {
    let mut run = RowRun::new(program, batch);
    match batch.units {
        Units::EachRow => (0..batch.main.n_rows() as u32).for_each(|row| run.row(row)),
        Units::Groups(groups) => groups.iter().for_each(|rows| run.group(rows)),
    }
    run.finish()
}
