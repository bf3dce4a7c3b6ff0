//! The stages of a run, in their one order.

use serde::{Deserialize, Serialize};

/// A stage of a run. A stage reads the folders of the stages before it and writes its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Extract,
    Map,
    Link,
    Validate,
    Report,
    Load,
    ReportAfterLoad,
}

impl Stage {
    pub const ALL: [Self; 7] =
        [Self::Extract, Self::Map, Self::Link, Self::Validate, Self::Report, Self::Load, Self::ReportAfterLoad];

    /// The folder of the stage inside the run folder.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Extract => "1-extract",
            Self::Map => "2-map",
            Self::Link => "3-link",
            Self::Validate => "4-validate",
            Self::Report => "5-report",
            Self::Load => "6-load",
            Self::ReportAfterLoad => "7-report",
        }
    }

    /// The word that people and machine formats use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Map => "map",
            Self::Link => "link",
            Self::Validate => "validate",
            Self::Report => "report",
            Self::Load => "load",
            Self::ReportAfterLoad => "report-after-load",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == code)
    }
}
