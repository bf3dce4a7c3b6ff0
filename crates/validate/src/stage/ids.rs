//! All resource ids of the run, as numbers: 18 bytes a resource, sorted by type and id.

use epr_model::ResourceId;
use epr_run::records::{self, KeyRecord};
use epr_run::{FinishedStage, RunError, StageContext};

/// The ids of `keys.parquet`; a resource's number is its place among them.
pub(super) struct Ids {
    types: Vec<String>,
    sorted: Vec<(u16, ResourceId)>,
    /// Ids that stand more than once, sorted.
    duplicates: Vec<u32>,
}

impl Ids {
    pub(super) fn read(ctx: StageContext<'_>, link: &FinishedStage) -> Result<Self, RunError> {
        let mut types: Vec<String> = epr_run::parts::resource_types(link);
        types.sort();
        let mut all = Vec::new();
        for (n, record) in records::read::<KeyRecord>(link)?.enumerate() {
            if n % 65_536 == 0 {
                ctx.stop.check()?;
            }
            let record = record?;
            // A type without a part has no resource that anything could lead to.
            if let Ok(t) = types.binary_search(&record.resource_type) {
                all.push((t as u16, record.id));
            }
        }
        all.sort_unstable();
        let mut sorted: Vec<(u16, ResourceId)> = Vec::with_capacity(all.len());
        let mut duplicates = Vec::new();
        for entry in all {
            if sorted.last() == Some(&entry) {
                duplicates.push(sorted.len() as u32 - 1);
            } else {
                sorted.push(entry);
            }
        }
        duplicates.dedup();
        Ok(Self { types, sorted, duplicates })
    }

    pub(super) fn number(&self, resource_type: &str, id: ResourceId) -> Option<u32> {
        let t = self.types.binary_search_by(|t| t.as_str().cmp(resource_type)).ok()?;
        self.sorted.binary_search(&(t as u16, id)).ok().map(|i| i as u32)
    }

    pub(super) fn at(&self, number: u32) -> (&str, ResourceId) {
        let (t, id) = self.sorted[number as usize];
        (&self.types[usize::from(t)], id)
    }

    pub(super) fn is_duplicate(&self, number: u32) -> bool {
        self.duplicates.binary_search(&number).is_ok()
    }
}
