//! CO-04: a local code that no code map knows.
//!
//! Run-wide: mapping says where it met such a code (MAP0420), and the stage raises the hazard there.

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "CO-04",
    HazardSeverity::Considerable,
    "a local code has no place in its code map",
    "What the code says reaches the record as text or not at all: searches, alerts and pathways that depend on it do \
     not see it. `unmapped.parquet` has the codes and how often each occurs. Let somebody who knows the source add \
     them to the code map. An allergy's code is told as AL-02.",
);

/// The issue of mapping on which it stands.
pub(crate) const MAPPING_CODE: &str = "MAP0420";
/// An element that has a rule of its own.
pub(crate) const NOT_HERE: &str = "AllergyIntolerance.code";
