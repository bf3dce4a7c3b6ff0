//! Snapshots made from differentials, when packages are loaded.
//!
//! In: a structure that has a differential only, and the structures that it builds on. Out: its whole element list, as
//! [`super::structure`] describes it. What cannot be made is a [`SnapshotFault`]: the structure then has no element, and
//! nobody may take it for checked.
//!
//! The differential is first made a tree of its own, by element ids (or by paths and slice names where it has none), and
//! then merged into the tree of the base: an element before its slices, so that a slice holds what the unsliced element asks
//! for. Where the differential goes deeper than the base, the children come from the element's type, its profile or the
//! element that it refers to.
//!
//! | what you want to find | module |
//! |---|---|
//! | a snapshot as a tree, copied and flattened | `tree` |
//! | a differential as a tree | `differential` |
//! | the merge of the two | `merge` |

mod differential;
mod merge;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::pack::{self, Builder, Pack};
use super::{Definitions, Element, Structure, StructureSize};
use crate::package::{PackageCache, hex};
use merge::{Lookup, MergeFault};

/// So many sets of snapshots are kept on disk, each for other packages or other definitions by path.
const SETS_KEPT: usize = 8;
/// The name of the list of faults in a pack of snapshots.
const FAULTS: &str = "faults";

/// A structure whose snapshot could not be made from its differential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("no snapshot can be made of {url} ({package}): {what}")]
pub struct SnapshotFault {
    /// Canonical URL of the structure.
    pub url: String,
    /// The package that has it, as [`super::LoadedPackage::id`] names it.
    pub package: String,
    /// What is wrong, with the element's id.
    pub what: String,
}

/// Snapshots that were made at an earlier start, of the same packages in the same order, and read from disk.
#[derive(Debug, Default, Clone)]
pub(super) struct KeptSnapshots {
    pack: Option<Arc<Pack>>,
    /// The place in the pack by the number of the structure.
    places: BTreeMap<usize, usize>,
}

impl KeptSnapshots {
    /// How large a structure is with the snapshot that was made of it.
    pub(super) fn size_of(&self, at: usize) -> Option<StructureSize> {
        Some(self.pack.as_ref()?.index.structure_heads[*self.places.get(&at)?].size)
    }

    /// A structure with the snapshot that was made of it.
    pub(super) fn of(&self, at: usize) -> Option<Structure> {
        let pack = self.pack.as_ref()?;
        Some(pack.decode(&pack.index.structures[*self.places.get(&at)?]))
    }
}

impl Definitions {
    /// Makes the snapshots that are missing, or takes those that were made before of the very same packages.
    pub(super) fn make_snapshots_once(&mut self, cache: &PackageCache) {
        // Where nothing came out of the cache, nothing is put there either.
        if self.without_snapshot.is_empty() || self.packages.iter().all(|package| package.package.is_none()) {
            return self.make_snapshots();
        }
        let path = cache.own_folder().join(format!("{}.snapshots", self.snapshot_key()));
        if let Some(kept) = Pack::read(&path)
            && kept.index.structures.len() == self.without_snapshot.len()
            && let Some(faults) = kept.index.raw.iter().find(|head| head.url == FAULTS)
        {
            self.snapshot_faults = kept.decode(faults);
            let places = std::mem::take(&mut self.without_snapshot).into_iter().enumerate();
            let places = places.map(|(place, at)| (at, place)).collect();
            self.kept_snapshots = KeptSnapshots { pack: Some(Arc::new(kept)), places };
            return;
        }
        let made = self.without_snapshot.clone();
        self.make_snapshots();
        let mut builder = Builder::default();
        for at in made {
            builder.add_structure(self.structure_at(at));
        }
        builder.add_named(FAULTS, &self.snapshot_faults);
        if builder.finish().keep(&path) {
            pack::remove_oldest(&path, &|_| true, SETS_KEPT);
        }
    }

    /// A key over all that a snapshot may be made of: every package, in its order, and how snapshots are made.
    fn snapshot_key(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(pack::layout().to_le_bytes());
        for (package, pack) in self.packages.iter().zip(&self.packs) {
            // Of one given by path the bytes themselves are hashed: they were read just now, and are few.
            let content = if package.package.is_some() { package.sha256.clone() } else { pack.content_hash() };
            for part in [package.id.as_str(), content.as_str()] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            hasher.update([u8::from(package.is_fallback)]);
        }
        hex(&hasher.finalize()[..16])
    }

    /// The structures that have a differential only, and no snapshot could be made of: in the order of the packages.
    pub fn snapshot_faults(&self) -> &[SnapshotFault] {
        &self.snapshot_faults
    }

    /// Makes the snapshots of all structures that have a differential only.
    pub(super) fn make_snapshots(&mut self) {
        let mut waiting = std::mem::take(&mut self.without_snapshot);
        let mut order: Vec<usize> = waiting.iter().rev().copied().collect();
        // Those that are being made: whoever needs one of these goes on without it, since it needs itself.
        let mut open = BTreeSet::new();
        while let Some(at) = order.pop() {
            if !waiting.contains(&at) {
                continue;
            }
            open.insert(at);
            match self.snapshot(at, &waiting, &open) {
                Err(MergeFault::Wants(other)) => order.extend([at, other]),
                Ok(mut elements) => {
                    elements.iter_mut().for_each(super::element_reader::mend_r4);
                    let mut structure = self.structure_at(at).clone();
                    structure.elements = elements;
                    self.settle(at, structure, &mut waiting, &mut open);
                }
                Err(MergeFault::Wrong(what)) => {
                    let structure = self.structure_at(at).clone();
                    self.snapshot_faults.push(SnapshotFault {
                        url: structure.url.clone(),
                        package: self.package_of(at),
                        what,
                    });
                    self.settle(at, structure, &mut waiting, &mut open);
                }
            }
        }
        self.snapshot_faults.sort_by(|a, b| (&a.package, &a.url).cmp(&(&b.package, &b.url)));
    }

    fn settle(&mut self, at: usize, structure: Structure, waiting: &mut BTreeSet<usize>, open: &mut BTreeSet<usize>) {
        self.structures.settle(at, structure);
        waiting.remove(&at);
        open.remove(&at);
    }

    fn package_of(&self, at: usize) -> String {
        self.structures.pack_of(at).map(|pack| self.packages[pack].id.clone()).unwrap_or_default()
    }

    fn snapshot(
        &self,
        at: usize,
        waiting: &BTreeSet<usize>,
        open: &BTreeSet<usize>,
    ) -> Result<Vec<Element>, MergeFault> {
        let structure = self.structure_at(at);
        let lookup = |url: &str| match self.structure_index(url) {
            None => Lookup::Absent,
            Some(found) if open.contains(&found) => Lookup::Circular,
            Some(found) if waiting.contains(&found) => Lookup::Later(found),
            Some(found) => match self.structure_at(found) {
                known if known.elements.is_empty() => Lookup::Absent,
                known => Lookup::Found(known),
            },
        };
        merge::snapshot(structure, &lookup)
    }
}

impl Structure {
    /// Whether it has no snapshot, and something that it builds on.
    pub(super) fn needs_snapshot(&self) -> bool {
        self.elements.is_empty() && self.base.is_some()
    }
}
