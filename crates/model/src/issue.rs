//! A finding about data: an issue is a value, collected and counted, never a failure of the program.

use serde::{Deserialize, Serialize};

use crate::{ResourceId, Stage};

/// How bad a finding is, as in FHIR's OperationOutcome; ordered from mild to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Information,
    Warning,
    Error,
    Fatal,
}

impl Severity {
    /// The FHIR code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Reads a FHIR code; `None` for any other text.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Information, Self::Warning, Self::Error, Self::Fatal].into_iter().find(|s| s.as_str() == code)
    }
}

/// What was done about the thing that an issue names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The data went on unchanged; the issue only tells.
    Kept,
    /// The element was left out.
    Omitted,
    /// The code was replaced by a less exact one and the text kept.
    Degraded,
    /// A value that the mapping declares took the place of a missing one.
    Defaulted,
    /// The row is outside the decided scope.
    Excluded,
    /// A mapping policy refused the row or the resource.
    Refused,
    /// Validation held the resource back.
    Held,
    /// Link made it part of another resource.
    Merged,
    /// The target did not take it.
    Rejected,
}

impl Action {
    pub const ALL: [Self; 9] = [
        Self::Kept,
        Self::Omitted,
        Self::Degraded,
        Self::Defaulted,
        Self::Excluded,
        Self::Refused,
        Self::Held,
        Self::Merged,
        Self::Rejected,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Omitted => "omitted",
            Self::Degraded => "degraded",
            Self::Defaulted => "defaulted",
            Self::Excluded => "excluded",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Merged => "merged",
            Self::Rejected => "rejected",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == code)
    }
}

/// One finding, with its place and what was done. It never holds a value of the data: see [`crate::shape`].
///
/// `code` is `EXT|MAP|LNK|VAL|LOD` and four digits for the program's own rules, `ID-03`-style for a hazard.
/// `row_no` counts from 1 in the staged table. `patient_key` is the id of the Patient concerned, so that a
/// report can count distinct patients.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issue {
    pub code: String,
    pub severity: Severity,
    pub action: Action,
    pub stage: Stage,
    pub organisation: Option<String>,
    pub system: Option<String>,
    pub table: Option<String>,
    pub row_no: Option<u64>,
    pub column: Option<String>,
    pub map: Option<String>,
    pub map_line: Option<u32>,
    pub resource_type: Option<String>,
    pub resource_id: Option<ResourceId>,
    pub fhir_path: Option<String>,
    pub shape: Option<String>,
    pub patient_key: Option<ResourceId>,
}

impl Issue {
    /// An issue with a code and no place yet; set the fields that are known.
    pub fn new(code: impl Into<String>, severity: Severity, action: Action, stage: Stage) -> Self {
        Self {
            code: code.into(),
            severity,
            action,
            stage,
            organisation: None,
            system: None,
            table: None,
            row_no: None,
            column: None,
            map: None,
            map_line: None,
            resource_type: None,
            resource_id: None,
            fhir_path: None,
            shape: None,
            patient_key: None,
        }
    }
}

/// What `epr explain CODE` shows. Each crate keeps a static table of its own codes; a code never changes its meaning.
#[derive(Debug, Clone, Copy)]
pub struct IssueDoc {
    pub code: &'static str,
    pub severity: Severity,
    /// One sentence, lower case, no full stop: what is wrong.
    pub title: &'static str,
    /// Why it matters, what the program did, and what to do next.
    pub explanation: &'static str,
}
