//! FHIRPath invariants: compiled once, evaluated on an element; and the list of those that the check does by itself.

use std::sync::OnceLock;

use epr_fhir::definitions::Constraint;
use epr_fhirpath::{Expression, Focus, Host, Verdict};

const HL7: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Invariants that [`crate::check`] decides without FHIRPath, because they stand on every element or every resource, each
/// with the type that asks it.
const NATIVE: &[(&str, &str)] = &[
    ("dom-2", "DomainResource"),
    ("dom-3", "DomainResource"),
    ("dom-4", "DomainResource"),
    ("dom-5", "DomainResource"),
    ("ele-1", "Element"),
    ("ext-1", "Extension"),
    ("ref-1", "Reference"),
    ("txt-1", "Narrative"),
    ("txt-2", "Narrative"),
];

/// Whether the check decides an invariant by itself. A snapshot may word a type's rule in its own way and name the type
/// as its source; a profile that gives one of these keys to a rule of its own has that rule asked as any other.
pub(crate) fn is_native(constraint: &Constraint) -> bool {
    let Some((key, of)) = NATIVE.iter().find(|(key, _)| constraint.key == *key) else { return false };
    let is_of_type = |source: &str| {
        let canonical = source.split('|').next().unwrap_or_default();
        canonical.strip_prefix(HL7).unwrap_or(canonical) == *of
    };
    let is_as_published = |text: &str| epr_fhirpath::expression_of(key) == Some(text);
    constraint.expression.as_deref().is_some_and(is_as_published)
        || constraint.source.as_deref().is_some_and(is_of_type)
}

/// Rules that give no answer where the element that they are about is absent, and mean that it may be: bdl-8, ras-2, and
/// the names of definitions.
const FORGET_ABSENCE: &[&str] = &[
    "fullUrl.contains('/_history/').not()",
    "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
    "probability is decimal implies (probability as decimal) <= 100",
];

/// Rules of R4 that do not say what their text says, with what the reference validator asks in their place: `opd-3`
/// forgets resource types, `que-12` is wrong by one, `tim-9` compares a list with an item, `que-7` misspells a type.
const AMENDED: &[(&str, &str)] = &[
    (
        "targetProfile.exists() implies (type = 'Reference' or type = 'canonical')",
        "targetProfile.exists() implies (type = 'Reference' or type = 'canonical' \
         or type.memberOf('http://hl7.org/fhir/ValueSet/resource-types'))",
    ),
    (
        "enableWhen.count() > 2 implies enableBehavior.exists()",
        "enableWhen.count() >= 2 implies enableBehavior.exists()",
    ),
    (
        "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
        "offset.empty() or (when.exists() and when.where($this in ('C' | 'CM' | 'CD' | 'CV')).empty())",
    ),
    ("operator = 'exists' implies (answer is Boolean)", "operator = 'exists' implies (answer is boolean)"),
];

/// The expression that is asked for a published one.
fn amended(published: &str) -> &str {
    AMENDED.iter().find(|(text, _)| *text == published).map_or(published, |(_, better)| better)
}

/// An invariant; its expression is read when it is first asked, since a run meets few of R4's.
pub(crate) struct Compiled {
    text: Option<Box<str>>,
    /// The rule is about an element that may be absent, and does not say so: absence is no fault.
    forgets_absence: bool,
    asks_conformance: bool,
    read: OnceLock<Result<Box<Expression>, String>>,
}

/// What an evaluation says.
pub(crate) enum Outcome {
    Holds,
    Fails,
    /// Empty: dates of different precision, or an element that the rule forgets may be absent. An invariant must be
    /// true, so this breaks it, as the reference validator says too; the finding says which of the two it is.
    NoAnswer,
    NotChecked(String),
}

impl Compiled {
    pub(crate) fn new(expression: Option<&str>) -> Self {
        let expression = expression.map(amended);
        let forgets_absence = expression.is_some_and(|text| FORGET_ABSENCE.contains(&text));
        let asks_conformance = expression.is_some_and(|text| text.contains("conformsTo"));
        Self { text: expression.map(Into::into), forgets_absence, asks_conformance, read: OnceLock::new() }
    }

    /// The expression as written.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Whether it asks if an element meets a profile.
    pub(crate) fn asks_conformance(&self) -> bool {
        self.asks_conformance
    }

    fn expression(&self) -> Result<&Expression, &String> {
        let read = self.read.get_or_init(|| {
            let Some(text) = &self.text else { return Err("the rule has no FHIRPath expression".to_owned()) };
            match epr_fhirpath::compile_constraint(text) {
                Ok(expression) => Ok(Box::new(expression)),
                Err(error) => Err(format!("its FHIRPath cannot be read: {error}")),
            }
        });
        read.as_deref()
    }

    /// Asks whether the invariant holds at the focus.
    pub(crate) fn test<'a>(&'a self, host: &Host<'a>, focus: &Focus<'a>) -> Outcome {
        let expression = match self.expression() {
            Ok(expression) => expression,
            Err(reason) => return Outcome::NotChecked(reason.clone()),
        };
        match expression.check(host, focus) {
            Verdict::True => Outcome::Holds,
            Verdict::False => Outcome::Fails,
            Verdict::Empty if self.forgets_absence => Outcome::Holds,
            Verdict::Empty => Outcome::NoAnswer,
            Verdict::NotChecked(why) => Outcome::NotChecked(why.to_string()),
        }
    }
}
