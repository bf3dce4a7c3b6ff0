//! DA-04: a default of the mapping in the place of a value that must be there.
//!
//! Run-wide: mapping says where it defaulted, and the stage raises the hazard there.

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "DA-04",
    HazardSeverity::Significant,
    "a value that must be there was not, and the mapping's own stands for it",
    "The default is the mapping's guess, and nobody who reads the record sees that it is one. Its line in the mapping \
     says which; have the source completed.",
);

/// The issues of mapping on which it stands, where they say that a default took the place.
pub(crate) const MAPPING_CODES: [&str; 2] = ["MAP0420", "MAP0423"];
