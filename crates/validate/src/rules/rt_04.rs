//! RT-04: an urgency that did not come with its referral.
//!
//! Run-wide: mapping says where a priority had no place in its code map, and what the source says of the row
//! (`keep:` of a control) is compared with what is delivered (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "RT-04",
    HazardSeverity::Major,
    "an urgent or two-week-wait priority was lost",
    "The patient waits in the routine queue. Either the priority's code is in no code map, or the referral says \
     another than the source. Compare the priorities of the source with the output.",
);

/// The element of mapping's issues on which it stands.
pub(crate) const ELEMENT: &str = "ServiceRequest.priority";
