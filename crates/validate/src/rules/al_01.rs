//! AL-01: an allergy of the source that the output does not have.
//!
//! Run-wide: the source's own count is compared with what is delivered, row by row (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "AL-01",
    HazardSeverity::Catastrophic,
    "an allergy that the source holds is not in the output, or not as an active one",
    "The next prescription is made without it. The source's own count (`controls:` in the source spec) names the row; \
     no AllergyIntolerance came of it, and no policy, hold or newer row says why. Look at the map's `where` and at the \
     table's maps. A row that is refused or held by name is not counted here.",
);
