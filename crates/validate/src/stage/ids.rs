//! All resource ids of the run, as numbers: 18 bytes a resource, sorted by type and id.

use epr_model::ResourceId;
use epr_run::records::{self, KeyRecord};
use epr_run::{FinishedStage, RunError, StageContext};

/// The ids of `keys.parquet`; a resource's number is its place among them.
pub(super) struct Ids {
    types: Vec<String>,
    sorted: Vec<(u16, ResourceId)>,
    /// Ids that more than one resource has, sorted, and how many have them.
    duplicates: Vec<(u32, u64)>,
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
        let mut duplicates: Vec<(u32, u64)> = Vec::new();
        for entry in all {
            if sorted.last() == Some(&entry) {
                let number = sorted.len() as u32 - 1;
                match duplicates.last_mut() {
                    Some((last, n)) if *last == number => *n += 1,
                    _ => duplicates.push((number, 2)),
                }
            } else {
                sorted.push(entry);
            }
        }
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

    /// How many resources have the id: 1, unless two maps or two rows made the same.
    pub(super) fn copies(&self, number: u32) -> u64 {
        self.duplicates.binary_search_by_key(&number, |(n, _)| *n).map_or(1, |i| self.duplicates[i].1)
    }
}
