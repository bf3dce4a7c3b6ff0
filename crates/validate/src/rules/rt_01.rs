//! RT-01: an open pathway that the output does not have, or has twice.
//!
//! Run-wide: what was lost is found by comparing with the source's own count, what is there twice among the open
//! pathways of all sources (`crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "RT-01",
    HazardSeverity::Major,
    "an open RTT pathway is lost, closed, or there twice",
    "A patient who is on no list waits for ever; one who is there twice is counted twice, and closed once. Lost: the \
     source's own count (`controls:` in the source spec) names the row, and no open EpisodeOfCare came of it. Twice: \
     two open ones carry one pathway identifier.",
);
