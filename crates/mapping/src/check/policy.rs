//! What happens to a value that is missing, invalid or unmapped: a closed set, always decided by the file.

use std::sync::Arc;

use super::elements::Place;
use super::scope::MapCompiler;
use crate::diagnostics::{did_you_mean, nearest};
use crate::plan::{CodingLiteral, FhirPrimitive, Policy, PolicyAt, Shape};
use crate::syntax::ast::Name;

/// The policies, as a file writes them.
pub const POLICIES: [&str; 7] =
    ["refuse-row", "refuse-resource", "omit", "data-absent-reason(code)", "keep-as-text", "degraded", "const(x)"];

/// FHIR R4's code system data-absent-reason.
const ABSENT_REASONS: [&str; 15] = [
    "unknown",
    "asked-unknown",
    "temp-unknown",
    "not-asked",
    "asked-declined",
    "masked",
    "not-applicable",
    "unsupported",
    "as-text",
    "error",
    "not-a-number",
    "negative-infinity",
    "positive-infinity",
    "not-performed",
    "not-permitted",
];

/// Resource types whose loss is a hazard.
const GUARDED: [&str; 4] = ["Patient", "AllergyIntolerance", "Flag", "Appointment"];

impl MapCompiler<'_, '_, '_> {
    /// A policy for an element of this shape.
    pub(crate) fn policy(&mut self, name: &Name, shape: Shape, place: &Place<'_>) -> Option<PolicyAt> {
        let at = self.at(name.span);
        let (word, argument) = match name.text.split_once('(') {
            Some((word, rest)) => (word.trim(), rest.strip_suffix(')').map(|a| a.trim().trim_matches('\''))),
            None => (name.text.as_str(), None),
        };
        let policy = match (word, argument) {
            ("refuse-row", None) => Policy::RefuseRow,
            ("refuse-resource", None) => Policy::RefuseResource,
            ("omit", None) => Policy::Omit,
            ("data-absent-reason", Some(code)) => self.absent(name, code)?,
            ("keep-as-text", None) => self.keep_as_text(name, shape)?,
            ("degraded", None) => self.degraded(name, shape)?,
            ("const", Some(value)) if !value.is_empty() => self.constant(name, value, shape, place)?,
            _ => {
                let words = POLICIES.map(|p| p.split('(').next().unwrap_or(p));
                let help = did_you_mean(word, words, || format!("the policies are {}", POLICIES.join(", ")));
                self.sink().error("MAP0009", name.span, format!("`{}` is not a policy", name.text)).help(help);
                return None;
            }
        };
        if matches!(policy, Policy::RefuseRow | Policy::RefuseResource) {
            self.guard_refusal(name);
        }
        Some(PolicyAt { policy, at })
    }

    /// A refused Patient, allergy, alert or appointment is a hazard that somebody has to own.
    pub(crate) fn guard_refusal(&mut self, name: &Name) {
        let has_hazard = self.resolved.map.safety.as_ref().is_some_and(|s| !s.hazards.is_empty());
        if self.input.strict && !has_hazard && GUARDED.contains(&self.resource_type.as_str()) {
            let message = format!("`{}` can lose a {} with all that depends on it", name.text, self.resource_type);
            self.sink()
                .error("MAP0219", name.span, message)
                .help("name the hazard: `safety: { owner: …, hazards: [ ID-03 ] }`");
        }
    }

    fn absent(&mut self, name: &Name, code: &str) -> Option<Policy> {
        if ABSENT_REASONS.contains(&code) {
            return Some(Policy::DataAbsentReason(Arc::from(code)));
        }
        let help = nearest(code, ABSENT_REASONS).map(|n| format!("did you mean `{n}`?"));
        self.sink().error("MAP0009", name.span, format!("`{code}` is not a data-absent-reason")).help_if(help);
        None
    }

    fn keep_as_text(&mut self, name: &Name, shape: Shape) -> Option<Policy> {
        let has_text =
            matches!(shape, Shape::CodeableConcept | Shape::Primitive(FhirPrimitive::String | FhirPrimitive::Markdown));
        if has_text {
            return Some(Policy::KeepAsText);
        }
        self.sink().error(
            "MAP0009",
            name.span,
            "`keep-as-text` needs an element that has a text: a CodeableConcept or a string",
        );
        None
    }

    /// Source: UK Core guidance, "Clinical codes": the type follows the resource.
    fn degraded(&mut self, name: &Name, shape: Shape) -> Option<Policy> {
        if shape != Shape::CodeableConcept {
            self.sink().error("MAP0009", name.span, "`degraded` needs a CodeableConcept: a code and the original text");
            return None;
        }
        let (code, display) = match self.resource_type.as_str() {
            "Medication"
            | "MedicationRequest"
            | "MedicationStatement"
            | "MedicationAdministration"
            | "MedicationDispense" => ("196421000000109", "Transfer-degraded medication entry"),
            "CarePlan" => ("196451000000104", "Transfer-degraded plan"),
            "ServiceRequest" => ("196441000000102", "Transfer-degraded request"),
            _ => ("196411000000103", "Transfer-degraded record entry"),
        };
        let coding = Arc::new(CodingLiteral::new(Some("http://snomed.info/sct"), code, Some(display)));
        Some(Policy::Degraded { coding })
    }

    fn constant(&mut self, name: &Name, value: &str, shape: Shape, place: &Place<'_>) -> Option<Policy> {
        let literal = self.literal_json(value, name.span, shape, place)?;
        Some(Policy::Const { json: Arc::from(literal.as_slice()), text: Arc::from(value) })
    }
}
