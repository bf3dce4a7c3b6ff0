//! AL-05: an allergy whose status is not the source's.
//!
//! Run-wide: what the source says of the row (`keep:` of a control) is compared with what is delivered
//! (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "AL-05",
    HazardSeverity::Major,
    "an allergy's clinical or verification status was changed",
    "A refuted allergy that is active again keeps a medicine from a patient; an active one that is refuted does \
     not. The source spec says what each of the source's words means (`keep: { status: … }` of a control). Compare \
     the code maps of both statuses with it.",
);
