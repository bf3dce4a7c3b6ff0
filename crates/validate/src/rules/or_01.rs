//! OR-01: a general practice that is closed, or none.
//!
//! That the code is a placeholder, or no code of a practice, is seen in the resource, below, and where the project holds
//! a list of ODS codes also that it is closed or nobody's; that the run's own organisations call it closed is seen
//! where all are known (`crate::stage`).

use epr_fhir::Node;
use epr_fhir::definitions::Standing;
use epr_model::shape;

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "OR-01",
    HazardSeverity::Significant,
    "an organisation or a person of staff that is closed or unknown",
    "The correct general practice is what carries letters. V81997, V81998 and V81999 say that there is none or that it \
     is not known; a practice that is closed, on the project's list of ODS codes (`[terminology]`) or in the source's \
     own table, reads no letters. Look the code up, and correct the registration. Source: NHS Organisation Data \
     Service.",
);

/// The system of ODS codes.
pub(crate) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// No registered practice, not applicable, not known; the last two for practitioners.
const PLACEHOLDERS: [&str; 5] = ["V81997", "V81998", "V81999", "G9999998", "G9999981"];

pub struct Or01;

impl ResourceRule for Or01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
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
}
