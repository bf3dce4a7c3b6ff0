//! DA-03: a reference to a resource that is not in the run.
//!
//! Run-wide: [`crate::stage`] looks every reference up among the ids of all resources. A reference to a resource that
//! a mapping policy refused, or that validation holds, is no orphan: it is held with its target.

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "DA-03",
    HazardSeverity::Considerable,
    "a reference to a resource that no row makes",
    "The key in the source leads to no row that is mapped. The target may refuse the resource, or show it without \
     what it belongs to. It is delivered unless the project's rules say hold. Find the missing rows, or map the \
     reference as absent.",
);

/// What an orphan's issue says: the type that was looked for.
pub(crate) fn detail(to_type: &str) -> String {
    format!("expected a {to_type} of this run, found none of that id")
}
