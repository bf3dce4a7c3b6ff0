//! ID-10: a gender that is not the source's.
//!
//! Run-wide: link tells where records of one person differ; that a mapping changed it is seen where the source spec
//! says what its words mean (`keep:`, `crate::stage`).

use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-10",
    HazardSeverity::Considerable,
    "gender differs between the sources of one person, or was changed by a mapping",
    "Screening, reference ranges and beds depend on it. Records of one person were merged and give different genders: \
     the founding record's stands, each record that gives another is named, and unknown contradicts nobody. Or a \
     resource gives another gender than its source's row, in the words of the source spec (`keeps:`). Ask which is \
     right.",
);
