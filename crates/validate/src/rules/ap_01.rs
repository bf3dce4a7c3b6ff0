//! AP-01: a future appointment of the source that the output does not have.
//!
//! Run-wide: the source's own count is compared with what is delivered, row by row (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "AP-01",
    HazardSeverity::Major,
    "a future appointment that the source holds is not in the output, or not as a booked one",
    "The patient comes and is not expected, or is never called. The source's own count (`controls:` in the source \
     spec) names the row; no Appointment came of it, and no policy, hold or newer row says why. Look at the map's \
     `where` and at the code map of its status.",
);
