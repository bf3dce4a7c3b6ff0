//! From a resource back to its source row, for the examples that a reader wants to look up.
//!
//! Validation and link know resources; only `2-map/keys.parquet` knows the rows. It is read once, and only until
//! the few resources that are shown are found.

use std::collections::{BTreeMap, BTreeSet};

use epr_model::{Issue, ResourceId};
use epr_run::records::{self, KeyRecord};
use epr_run::{FinishedStage, RunError, StageContext};

/// Puts organisation, system, table, row and map into the examples that lack them.
pub(crate) fn complete<'a>(
    ctx: StageContext<'_>,
    map: &FinishedStage,
    examples: impl Iterator<Item = &'a mut Issue>,
) -> Result<(), RunError> {
    let mut examples: Vec<&mut Issue> = examples.filter(|e| e.row_no.is_none() && e.resource_id.is_some()).collect();
    let mut wanted: BTreeSet<ResourceId> = examples.iter().filter_map(|e| e.resource_id).collect();
    let mut found: BTreeMap<ResourceId, KeyRecord> = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(());
    }
    for (i, key) in records::read::<KeyRecord>(map)?.enumerate() {
        let key = key?;
        if wanted.remove(&key.id) {
            found.insert(key.id, key);
            if wanted.is_empty() {
                break;
            }
        }
        if i % 65_536 == 0 {
            ctx.stop.check()?;
        }
    }
    for example in &mut examples {
        if let Some(key) = example.resource_id.and_then(|id| found.get(&id)) {
            place(example, key);
        }
    }
    Ok(())
}

fn place(example: &mut Issue, key: &KeyRecord) {
    let mut parts = key.table.splitn(3, '/').map(str::to_owned);
    if let (Some(organisation), Some(system), Some(table)) = (parts.next(), parts.next(), parts.next()) {
        example.organisation.get_or_insert(organisation);
        example.system.get_or_insert(system);
        example.table.get_or_insert(table);
        example.row_no = Some(key.row_no);
    }
    example.map.get_or_insert_with(|| key.map.clone());
}
