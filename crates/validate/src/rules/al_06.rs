//! AL-06: an alert of the source that the output does not have.
//!
//! Run-wide: the source's own count is compared with what is delivered, row by row (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "AL-06",
    HazardSeverity::Major,
    "an alert that the source holds is not in the output, or not as an active one",
    "Safeguarding, infection, violence, resuscitation status: staff and patient are at risk without it. The source's \
     own count (`controls:` in the source spec) names the row; no Flag came of it, and no policy, hold or newer row \
     says why. Look at the map's `where` and at how it decides whether an alert has ended.",
);
