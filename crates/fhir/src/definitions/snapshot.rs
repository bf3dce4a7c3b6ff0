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

use std::collections::BTreeSet;

use super::{Definitions, Element, Structure};
use merge::{Lookup, MergeFault};

/// A structure whose snapshot could not be made from its differential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no snapshot can be made of {url} ({package}): {what}")]
pub struct SnapshotFault {
    /// Canonical URL of the structure.
    pub url: String,
    /// The package that has it, as [`super::LoadedPackage::id`] names it.
    pub package: String,
    /// What is wrong, with the element's id.
    pub what: String,
}

impl Definitions {
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
        self.structures[at].decoded = std::sync::Arc::new(structure.into());
        waiting.remove(&at);
        open.remove(&at);
    }

    fn package_of(&self, at: usize) -> String {
        let place = self.structures[at].place.as_ref();
        place.map(|(pack, _)| self.packages[*pack].id.clone()).unwrap_or_default()
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
