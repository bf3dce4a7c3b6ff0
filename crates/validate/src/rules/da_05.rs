//! DA-05: a date that says more than the source does.
//!
//! Run-wide: how much the source says of the date (`keep:` of a control) is compared with what is delivered
//! (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "DA-05",
    HazardSeverity::Significant,
    "a partial date became a whole one",
    "A year became its first of January. Age and order of events may be wrong, and a search by date of birth finds \
     another person. FHIR has partial dates: map what is known and no more.",
);
