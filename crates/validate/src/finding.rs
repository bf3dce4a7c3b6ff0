//! What the check of one resource gives back: findings and facts.

use std::fmt::Write;

use epr_model::Severity;

/// One thing found in one resource. It holds no value of the data: names of elements, what was expected, and shapes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// `VALnnnn` or a hazard's id.
    pub code: &'static str,
    pub severity: Severity,
    /// FHIRPath with indices: `Patient.name[0].family`.
    pub path: String,
    /// What was expected and the shape of what is there.
    pub detail: String,
    /// The canonical URL of the definition that asks for it; empty where none does (syntax, hazards).
    pub definition: String,
}

/// What a whole check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub issues: Vec<Finding>,
    pub facts: Facts,
    /// Rules that could not be decided in this resource.
    pub not_checked: u64,
}

/// What run-wide rules need to know of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub resource_type: Option<String>,
    pub id: Option<String>,
    /// The id of the Patient that it is, or that its subject or patient refers to.
    pub patient_id: Option<String>,
    /// Relative references out of the resource: element without indices, target type, target id.
    pub references: Vec<ReferenceFact>,
    /// How many of the references lead to an id such as this program makes.
    pub n_references: u64,
}

/// One relative reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceFact {
    pub path: String,
    pub to_type: String,
    pub to_id: String,
}

impl Findings {
    pub fn n_errors(&self) -> u64 {
        self.issues.iter().filter(|i| i.severity >= Severity::Error).count() as u64
    }

    pub fn n_warnings(&self) -> u64 {
        self.issues.iter().filter(|i| i.severity == Severity::Warning).count() as u64
    }
}

/// One step of the way from the resource to an element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) name: &'a str,
    pub(crate) index: Option<u32>,
    /// The type chosen, where the element is a choice: `value.ofType(Quantity)`.
    pub(crate) of_type: Option<&'a str>,
}

/// Writes the way as FHIRPath.
pub(crate) fn render(steps: &[Step<'_>]) -> String {
    let mut path = String::with_capacity(steps.len() * 12);
    for step in steps {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(step.name);
        if let Some(index) = step.index {
            let _ = write!(path, "[{index}]");
        }
        if let Some(of_type) = step.of_type {
            let _ = write!(path, ".ofType({of_type})");
        }
    }
    path
}

/// Writes the way without indices, as definitions name elements.
pub(crate) fn render_plain(steps: &[Step<'_>]) -> String {
    steps.iter().map(|s| s.name).collect::<Vec<_>>().join(".")
}

/// Whether a JSON key may be shown: it looks like an element's name. Any other key is told by its shape.
pub(crate) fn key_for_message(key: &str) -> String {
    let shown = key.strip_prefix('_').unwrap_or(key);
    let a_name = (1..=40).contains(&shown.len())
        && shown.starts_with(|c: char| c.is_ascii_lowercase())
        && shown.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if a_name { format!("`{key}`") } else { format!("a name of {}", epr_model::shape::of_text(key)) }
}
