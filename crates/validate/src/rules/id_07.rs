//! ID-07: a local hospital number that is lost, or two patients'.
//!
//! That a record has no number but the NHS number is seen in the resource, below; that a number is on two Patients,
//! or that the source's own number is not delivered, is run-wide (`crate::stage`).

use epr_fhir::Node;

use super::nhs_identifier::NHS_NUMBER;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-07",
    HazardSeverity::Major,
    "a local hospital number is lost, or not unique in its assigner",
    "Paper notes and other systems know the patient by it; of two patients with one number, the one's notes reach the \
     other's bed. Map it under the system of its own organisation, and have the source give two patients two numbers.",
);

pub struct Id07;

impl ResourceRule for Id07 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if local_numbers(resource).next().is_none() {
            out.push(HazardFinding {
                path: "identifier".to_owned(),
                detail: "expected a number of the organisation's own, found none".to_owned(),
            });
        }
    }
}

/// System and value of each number that an organisation gave; what is marked as old identifies nobody any more.
pub(crate) fn local_numbers(patient: Node<'_>) -> impl Iterator<Item = (&str, &str)> {
    patient.get("identifier").into_iter().flat_map(Node::items).filter_map(|identifier| {
        let system = identifier.text("system").filter(|s| *s != NHS_NUMBER)?;
        let value = identifier.text("value").filter(|v| !v.trim().is_empty())?;
        (identifier.text("use") != Some("old")).then_some((system, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn id_07_is_raised_for_a_patient_without_a_number_of_the_organisation() {
        let of = |rest: &str| found(&Id07, &format!(r#"{{"identifier":[{{{rest}}}]}}"#)).len();
        assert_eq!(found(&Id07, "{}").len(), 1);
        assert_eq!(of(r#""system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000107""#), 1);
        assert_eq!(of(r#""system":"urn:x","use":"old","value":"D1""#), 1);
        assert_eq!(of(r#""system":"urn:x","value":" ""#), 1);
        assert_eq!(of(r#""system":"urn:x","value":"D1""#), 0);
    }
}
