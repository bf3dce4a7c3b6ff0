//! The catalogue of hazards: how badly each can harm, as proposed to the clinical safety officer, who owns it.
//!
//! Ids never change their meaning. Source: the project's rule catalogue, in the words of DCB0129; where the
//! catalogue gives two severities (several patients or one), the worse stands here.

use serde::{Deserialize, Serialize};

/// How badly a hazard can harm, in the words of DCB0129; ordered from mild to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HazardSeverity {
    Minor,
    Significant,
    Considerable,
    Major,
    Catastrophic,
}

impl HazardSeverity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Significant => "significant",
            Self::Considerable => "considerable",
            Self::Major => "major",
            Self::Catastrophic => "catastrophic",
        }
    }
}

use HazardSeverity::{Catastrophic as C, Considerable as K, Major as M, Significant as S};

/// Every hazard of the catalogue, sorted by id.
pub const HAZARDS: &[(&str, HazardSeverity)] = &[
    ("AL-01", C),
    ("AL-02", M),
    ("AL-03", M),
    ("AL-04", M),
    ("AL-05", M),
    ("AL-06", M),
    ("AP-01", M),
    ("AP-02", K),
    ("AP-03", S),
    ("AP-04", M),
    ("CO-01", M),
    ("CO-02", K),
    ("CO-03", S),
    ("CO-04", K),
    ("DA-01", S),
    ("DA-02", K),
    ("DA-03", K),
    ("DA-04", S),
    ("DA-05", S),
    ("DE-01", M),
    ("DE-02", K),
    ("DE-03", K),
    ("DE-04", K),
    ("DO-01", M),
    ("EN-01", M),
    ("EN-02", S),
    ("EN-03", S),
    ("EN-04", S),
    ("ID-01", K),
    ("ID-02", K),
    ("ID-03", C),
    ("ID-04", M),
    ("ID-05", M),
    ("ID-06", S),
    ("ID-07", M),
    ("ID-08", K),
    ("ID-09", M),
    ("ID-10", K),
    ("ID-11", M),
    ("ID-12", M),
    ("ME-01", M),
    ("ME-02", C),
    ("ME-03", M),
    ("ME-04", K),
    ("ME-05", K),
    ("OR-01", S),
    ("RE-01", M),
    ("RE-02", C),
    ("RT-01", M),
    ("RT-02", K),
    ("RT-03", S),
    ("RT-04", M),
    ("RT-05", K),
];

/// The severity of a hazard; `None` for a code that is none.
pub fn severity(code: &str) -> Option<HazardSeverity> {
    HAZARDS.binary_search_by_key(&code, |(id, _)| id).ok().map(|i| HAZARDS[i].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sorted_and_whole() {
        assert!(HAZARDS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(HAZARDS.len(), 53);
        assert_eq!(severity("ID-03"), Some(HazardSeverity::Catastrophic));
        assert_eq!(severity("MAP0410"), None);
    }
}
