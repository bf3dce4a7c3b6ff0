//! What a finished stage says of itself. The JSON Schema is `docs/schemas/manifest.schema.json`.
//!
//! A manifest holds no wall time, so the same input gives the same bytes.

use std::collections::BTreeMap;

use epr_model::Stage;
use serde::{Deserialize, Serialize};

use crate::Sha256Hex;
use crate::ledger::Ledgers;
use crate::staged::StagedTable;

/// The `schema` number of the manifests that this version writes and reads.
pub const MANIFEST_SCHEMA: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub schema: u32,
    pub stage: Stage,
    pub run_hash: Sha256Hex,
    /// For each stage that was read, the SHA-256 of its `manifest.json`.
    #[serde(default)]
    pub inputs: BTreeMap<String, Sha256Hex>,
    /// Every file of the stage but this one, sorted by path.
    #[serde(default)]
    pub files: Vec<FileEntry>,
    /// Extract: the staged tables, in the order of project and source spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<StagedTable>,
    /// Extract: the cut-off, where a source knows one (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<String>,
    /// Resources written, by type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, u64>,
    /// Issues written, by code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub issues: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Ledgers::is_empty")]
    pub ledgers: Ledgers,
}

/// One file of a stage, by its path below the stage's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    pub path: String,
    pub bytes: u64,
    pub sha256: Sha256Hex,
}

impl Manifest {
    /// A manifest with nothing in it yet; `StageFolder::finish` fills `files`.
    pub fn new(stage: Stage, run_hash: Sha256Hex) -> Self {
        Self {
            schema: MANIFEST_SCHEMA,
            stage,
            run_hash,
            inputs: BTreeMap::new(),
            files: Vec::new(),
            tables: Vec::new(),
            cut_off: None,
            resources: BTreeMap::new(),
            issues: BTreeMap::new(),
            ledgers: Ledgers::default(),
        }
    }
}
