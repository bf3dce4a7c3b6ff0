//! Value sets and code systems as the packages have them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// One ValueSet: what it is composed of, and its shipped expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueSet {
    /// Canonical URL, without version.
    pub url: String,
    /// Business version.
    pub version: Option<String>,
    /// Computer name.
    pub name: String,
    /// What belongs to it.
    pub include: Vec<ConceptSet>,
    /// What does not, though included.
    pub exclude: Vec<ConceptSet>,
    /// The expansion in the resource, where there is a usable one.
    pub expansion: Option<Expansion>,
    /// Whether codes that are not in use any more are left out (`compose.inactive` is false).
    pub is_active_only: bool,
}

/// One `compose.include` or `compose.exclude`: codes of a system, or of other value sets, or of both at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConceptSet {
    /// The code system.
    pub system: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The codes listed; with no list and no filter it is the whole system.
    pub codes: BTreeSet<String>,
    /// The texts given with listed codes, which may stand beside the system's own.
    pub displays: BTreeMap<String, Vec<String>>,
    /// Rules that a code must meet, all of them.
    pub filters: Vec<Filter>,
    /// Value sets to which a code must belong, all of them.
    pub value_sets: Vec<String>,
}

/// A rule on the codes of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The property looked at, such as `concept`.
    pub property: String,
    /// The operator, such as `is-a`.
    pub op: String,
    /// The value compared with.
    pub value: String,
}

/// The codes that a ValueSet resource lists as its expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expansion {
    /// Whether it says that it is all; else absence proves nothing.
    pub is_complete: bool,
    /// Codes by system.
    pub codes: BTreeMap<String, BTreeSet<String>>,
    /// The texts by code, of codes that have one.
    pub displays: BTreeMap<String, String>,
}

/// One CodeSystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSystem {
    /// Canonical URL, without version.
    pub url: String,
    /// Business version.
    pub version: Option<String>,
    /// Computer name.
    pub name: String,
    /// How much of it is here.
    pub content: Content,
    /// Whether `A` and `a` differ.
    pub case_sensitive: bool,
    /// The language of the displays.
    pub language: Option<String>,
    /// The system that it adds to, where it is a supplement.
    pub supplements: Option<String>,
    /// The value set that stands for the whole system.
    pub value_set: Option<String>,
    /// The types of the properties that it defines.
    pub property_types: BTreeMap<String, String>,
    /// The filters that it defines, with the operators that they take.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Whether it says what being nested means.
    pub has_hierarchy_meaning: bool,
    /// The concepts, each after its parent where nested.
    pub concepts: Vec<Concept>,
    /// Index of each code in `concepts`; made when the resource is read or unpacked.
    #[serde(skip)]
    pub(super) index: HashMap<String, u32>,
    /// The same by lower-case code, where case does not count.
    #[serde(skip)]
    pub(super) index_lower: HashMap<String, u32>,
}

/// How much of a code system a resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Every concept.
    Complete,
    /// Some.
    Fragment,
    /// A few, as examples.
    Example,
    /// None.
    NotPresent,
    /// Only additions to another.
    Supplement,
}

/// One concept of a code system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concept {
    /// The code.
    pub code: String,
    /// Its text for people.
    pub display: Option<String>,
    /// Other texts given for it, any language.
    pub designations: Vec<Designation>,
    /// Indexes of its parents in `concepts`.
    pub parents: Vec<u32>,
    /// Its properties: name, and value as text.
    pub properties: Vec<(String, String)>,
}

/// Another text for a concept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Designation {
    /// Its language, where given.
    pub language: Option<String>,
    /// The text.
    pub value: String,
}

impl Concept {
    /// The first value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is not in use any more.
    pub fn is_inactive(&self) -> bool {
        self.property("inactive") == Some("true") || matches!(self.property("status"), Some("retired" | "inactive"))
    }
}

impl CodeSystem {
    /// The concept of a code; without regard to case where the system says so.
    pub fn concept(&self, code: &str) -> Option<&Concept> {
        self.position(code).map(|at| &self.concepts[at as usize])
    }

    pub(super) fn position(&self, code: &str) -> Option<u32> {
        if let Some(at) = self.index.get(code) {
            return Some(*at);
        }
        if self.case_sensitive { None } else { self.index_lower.get(&code.to_lowercase()).copied() }
    }
}
