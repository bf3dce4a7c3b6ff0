//! OR-01: a general practice that is closed, or none; staff whom nobody can match.
//!
//! That a practice's code is a placeholder, or no code of a practice, is seen in the resource, below, and where the
//! project holds a list of ODS codes also that it is closed or nobody's; so is a Practitioner without a number of a
//! register. That the run's own organisations call a practice closed, and that somebody is named by a number that no
//! Practitioner of the run has, is seen where all are known (`crate::stage`).

use epr_fhir::definitions::Standing;
use epr_fhir::{Node, NodeKind};
use epr_model::shape;

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "OR-01",
    HazardSeverity::Significant,
    "an organisation or a person of staff that is closed or unknown",
    "The correct general practice is what carries letters. V81997, V81998 and V81999 say that there is none or that it \
     is not known; a practice that is closed, on the project's list of ODS codes (`[terminology]`) or in the source's \
     own table, reads no letters. Whose patient somebody is, only a number tells that other systems know: a \
     Practitioner in use has one of a register (GMC, NMC, GPhC, HCPC, SDS …), and whoever is named by a number alone is \
     a Practitioner of the run, or on a list that the project holds of that number's system. Look the code up, and \
     correct the registration or the staff table. Source: NHS Organisation Data Service; UK Core, Practitioner.",
);

/// The system of ODS codes.
pub(crate) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// No registered practice, not applicable, not known; the last two for practitioners.
const PLACEHOLDERS: [&str; 5] = ["V81997", "V81998", "V81999", "G9999998", "G9999981"];
/// Where the registers that number staff have their systems; the last is HL7's own space for those of other countries.
const REGISTERS: [&str; 3] = ["https://fhir.hl7.org.uk/Id/", "https://fhir.nhs.uk/Id/", "http://hl7.org/fhir/sid/"];
/// What staff do, by type, element, and the element inside that holds the reference, where there is one.
const NAMED: [(&str, &str, Option<&str>); 11] = [
    ("AllergyIntolerance", "asserter", None),
    ("AllergyIntolerance", "recorder", None),
    ("Appointment", "participant", Some("actor")),
    ("Condition", "recorder", None),
    ("DiagnosticReport", "performer", None),
    ("DocumentReference", "author", None),
    ("Encounter", "participant", Some("individual")),
    ("EpisodeOfCare", "careManager", None),
    ("MedicationRequest", "requester", None),
    ("ServiceRequest", "performer", None),
    ("ServiceRequest", "requester", None),
];

pub struct Or01;

impl ResourceRule for Or01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient", "Practitioner"]
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if resource.text("resourceType") == Some("Practitioner") {
            return practitioner(resource, out);
        }
        for (i, code) in practices(resource) {
            let what = if PLACEHOLDERS.contains(&code) {
                "a placeholder".to_owned()
            } else if !is_code(code) {
                shape::of_text(code)
            } else {
                match settings.on_list(ODS, code) {
                    Some(Standing::Inactive) => "one that is closed".to_owned(),
                    Some(Standing::Unknown) => "one that no organisation has".to_owned(),
                    _ => continue,
                }
            };
            out.push(HazardFinding {
                path: format!("generalPractitioner[{i}].identifier.value"),
                detail: format!("expected the ODS code of a practice, found {what}"),
            });
        }
    }
}

fn practitioner(staff: Node<'_>, out: &mut Vec<HazardFinding>) {
    let is_in_use = staff.get("active").and_then(Node::as_bool) != Some(false);
    let is_of_register = |(system, value): (&str, &str)| {
        REGISTERS.iter().any(|begin| system.starts_with(begin)) && !PLACEHOLDERS.contains(&value)
    };
    if is_in_use && !numbers(staff).any(is_of_register) {
        out.push(HazardFinding {
            path: "identifier".to_owned(),
            detail: "expected a number of a register by which a person of staff is known, found none".to_owned(),
        });
    }
}

/// System and value of each identifier.
pub(crate) fn numbers(of: Node<'_>) -> impl Iterator<Item = (&str, &str)> {
    let identifiers = of.get("identifier").into_iter().flat_map(Node::items);
    identifiers.filter_map(|identifier| Some((identifier.text("system")?, identifier.text("value")?)))
}

/// Gives the element, system and value of each person of staff who is named by a number and by no reference.
pub(crate) fn each_named_staff<'r>(
    resource_type: &str,
    resource: Node<'r>,
    give: &mut dyn FnMut(&'static str, &'r str, &'r str),
) {
    let of_type = NAMED.iter().filter(|(kind, ..)| *kind == resource_type);
    for (_, element, inner) in of_type {
        let Some(value) = resource.get(element) else { continue };
        let one = (value.kind() != NodeKind::Array).then_some(value);
        let many = (value.kind() == NodeKind::Array).then_some(value);
        for named in one.into_iter().chain(many.into_iter().flat_map(Node::items)) {
            let Some(named) = inner.map_or(Some(named), |inner| named.get(inner)) else { continue };
            let is_staff = named.text("type") == Some("Practitioner") && named.get("reference").is_none();
            let number = named.get("identifier").filter(|_| is_staff);
            if let Some((system, value)) = number.and_then(|n| n.text("system").zip(n.text("value"))) {
                give(element, system, value);
            }
        }
    }
}

/// Place and ODS code of each practice of a Patient.
pub(crate) fn practices(patient: Node<'_>) -> impl Iterator<Item = (usize, &str)> {
    let practices = patient.get("generalPractitioner").into_iter().flat_map(Node::items);
    practices.enumerate().filter_map(|(i, practice)| Some((i, ods_code(practice.get("identifier")?)?)))
}

/// The ODS code of an identifier.
pub(crate) fn ods_code(identifier: Node<'_>) -> Option<&str> {
    (identifier.text("system") == Some(ODS)).then(|| identifier.text("value"))?
}

/// Three to twelve capital letters and digits.
fn is_code(code: &str) -> bool {
    (3..=12).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{found, found_with};

    #[test]
    fn or_01_is_raised_for_placeholders_and_for_what_is_no_code() {
        let of = |code: &str| {
            let identifier = format!(r#"{{"system":"{ODS}","value":"{code}"}}"#);
            found(&Or01, &format!(r#"{{"generalPractitioner":[{{"identifier":{identifier}}}]}}"#)).len()
        };
        for code in ["V81999", "V81997", "not known", "a81006", "12"] {
            assert_eq!(of(code), 1, "{code}");
        }
        for code in ["A81006", "Z82002", "RK9"] {
            assert_eq!(of(code), 0, "{code}");
        }
        assert!(found(&Or01, r#"{"generalPractitioner":[{"reference":"Organization/1"}]}"#).is_empty());
    }

    #[test]
    fn or_01_is_raised_for_a_practice_that_the_project_s_list_calls_closed_or_does_not_have() {
        let of = |code: &str| {
            let identifier = format!(r#"{{"system":"{ODS}","value":"{code}"}}"#);
            let json = format!(r#"{{"generalPractitioner":[{{"identifier":{identifier}}}]}}"#);
            found_with(&Or01, &json, ODS, "A81006,x,false\nA81007,x,true\n").len()
        };
        assert_eq!((of("A81006"), of("A81007"), of("A81008")), (0, 1, 1));
    }

    #[test]
    fn or_01_is_raised_for_staff_in_use_without_a_number_of_a_register() {
        let of = |more: &str| found(&Or01, &format!(r#"{{"resourceType":"Practitioner"{more}}}"#)).len();
        let number =
            |system: &str, value: &str| format!(r#","identifier":[{{"system":"{system}","value":"{value}"}}]"#);
        assert_eq!(of(""), 1);
        assert_eq!(of(r#","active":false"#), 0);
        assert_eq!(of(&number("https://fhir.x.example/Id/staff-number", "12")), 1);
        assert_eq!(of(&number("https://fhir.hl7.org.uk/Id/gmp-number", "G9999998")), 1);
        assert_eq!(of(&number("https://fhir.hl7.org.uk/Id/gmc-number", "9101000")), 0);
    }

    #[test]
    fn or_01_sees_staff_who_are_named_by_a_number_alone() {
        let of = |kind: &str, json: &str| {
            let resource = epr_fhir::Resource::parse_json(json.as_bytes()).unwrap();
            let mut seen = Vec::new();
            each_named_staff(kind, resource.root(), &mut |path, _, value| seen.push(format!("{path} {value}")));
            seen
        };
        let number = r#""type":"Practitioner","identifier":{"system":"urn:x","value":"1"}"#;
        let visit = format!(r#"{{"participant":[{{"individual":{{{number}}}}},{{}}]}}"#);
        assert_eq!(of("Encounter", &visit), ["participant 1"]);
        assert_eq!(of("Condition", &format!(r#"{{"recorder":{{{number}}}}}"#)), ["recorder 1"]);
        let linked = format!(r#"{{"recorder":{{"reference":"Practitioner/1",{number}}}}}"#);
        assert!(of("Condition", &linked).is_empty());
        assert!(of("Condition", r#"{"recorder":{"display":"x"}}"#).is_empty());
        assert!(of("Patient", &visit).is_empty());
    }
}
