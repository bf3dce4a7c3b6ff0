//! Code maps: an exact source text to one target coding, whose JSON is made once.

use std::collections::HashMap;
use std::sync::Arc;

/// A coding known before the first row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodingLiteral {
    pub system: Option<Arc<str>>,
    pub code: Arc<str>,
    pub display: Option<Arc<str>>,
    /// `{"system":…,"code":…,"display":…}`, escaped.
    pub json: Arc<[u8]>,
    /// The code alone as a JSON text, with its quotes.
    pub code_json: Arc<[u8]>,
}

impl CodingLiteral {
    pub fn new(system: Option<&str>, code: &str, display: Option<&str>) -> Self {
        let mut json = vec![b'{'];
        if let Some(system) = system {
            json.extend_from_slice(b"\"system\":");
            crate::apply::json::push_text(&mut json, system);
            json.push(b',');
        }
        json.extend_from_slice(b"\"code\":");
        crate::apply::json::push_text(&mut json, code);
        if let Some(display) = display {
            json.extend_from_slice(b",\"display\":");
            crate::apply::json::push_text(&mut json, display);
        }
        json.push(b'}');
        let mut code_json = Vec::new();
        crate::apply::json::push_text(&mut code_json, code);
        Self {
            system: system.map(Arc::from),
            code: Arc::from(code),
            display: display.map(Arc::from),
            json: Arc::from(json),
            code_json: Arc::from(code_json),
        }
    }
}

/// A code map, compiled: the source text must match exactly.
#[derive(Debug, Clone)]
pub struct CodeMapPlan {
    /// The file, below `mappings/`.
    pub file: String,
    /// Never iterated for output: its order is not fixed.
    pub rows: HashMap<Box<str>, CodeMapRow>,
}

/// One row of a code map.
#[derive(Debug, Clone)]
pub struct CodeMapRow {
    /// The line in the file, from 1.
    pub line: u32,
    pub coding: Arc<CodingLiteral>,
    pub equivalence: Equivalence,
}

/// How the target relates to the source: the codes of FHIR R4's `concept-map-equivalence` that a row may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Equivalence {
    /// `equal`, `equivalent` and an empty cell.
    Equivalent,
    /// The target says less: each use is an issue (degraded).
    Wider,
    /// The target says more than the source: each use is an issue.
    Narrower,
    /// They overlap: each use is an issue (degraded).
    Inexact,
}

impl Equivalence {
    /// Reads the column `equivalence`; `None` for a text that is not one of the codes.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "" | "equal" | "equivalent" | "relatedto" => Some(Self::Equivalent),
            "wider" | "subsumes" => Some(Self::Wider),
            "narrower" | "specializes" => Some(Self::Narrower),
            "inexact" => Some(Self::Inexact),
            _ => None,
        }
    }
}
