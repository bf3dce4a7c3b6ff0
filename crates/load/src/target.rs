//! What a target must be able to do, and what it answers for each resource.

use epr_model::ResourceId;
use epr_run::StageFolder;

use crate::LoadError;
use crate::journal::Reason;
use crate::receipts::Receipts;
use crate::sorted::{SortedResources, Sorter};

/// Where resources go: files, a FHIR server, a supplier's load tables.
///
/// The calls come in one order: `begin`, `deliver`, then `send` once for each type that has resources (types sorted by
/// name), then `finish`. A target answers once for each resource that `send` takes from the stream, by
/// [`Receipts::push`]; a resource without an answer makes the ledger fail.
pub trait Target {
    fn capabilities(&self) -> Capabilities;

    fn begin(&mut self, delivery: &Delivery<'_>) -> Result<(), LoadError>;

    /// For a target that does not take type by type: sends everything, in an order of its own. `send` then only says
    /// what became of each.
    fn deliver(&mut self, _: &Delivery<'_>, _: &Sorter<'_>) -> Result<(), LoadError> {
        Ok(())
    }

    /// Takes all resources of one type, sorted by id.
    fn send(
        &mut self,
        delivery: &Delivery<'_>,
        resources: &mut SortedResources,
        receipts: &mut Receipts,
    ) -> Result<(), LoadError>;

    fn finish(&mut self, delivery: &Delivery<'_>) -> Result<(), LoadError>;
}

/// What a target can do; the caller decides by it what to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A load changes a record that people treat patients by.
    pub live: bool,
    /// The target keeps our ids.
    pub keeps_ids: bool,
    /// The target can be asked afterwards what it holds (`epr load --verify`).
    pub can_verify: bool,
    /// The target can take back what it was given (`epr load undo`).
    pub can_undo: bool,
}

/// What is the same for all resources of a load.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Where the target writes files of its own.
    pub folder: &'a StageFolder,
    pub target_name: &'a str,
    /// "Now" for every rule (RFC 3339).
    pub as_of: &'a str,
}

/// Which resource an answer is for, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub id: ResourceId,
    /// `<organisation>/<system>/<table>`.
    pub table: String,
    /// From 1.
    pub row_no: u64,
}

/// What the target said of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It is there now. `version` where the target gives one.
    Confirmed { target_id: &'a str, version: Option<&'a str> },
    /// It was there already with the same content; nothing was sent.
    Unchanged { target_id: &'a str, version: Option<&'a str> },
    /// It was not taken; why, where the target says so.
    Rejected { why: Option<&'a Reason> },
    /// It was sent and no answer came.
    InDoubt,
    /// Somebody edited it at the target; it was not overwritten.
    Edited { target_id: &'a str, version: Option<&'a str> },
    /// It waits for a resource that was rejected; it was not sent.
    Blocked,
}
