//! RT-05: a patient pathway identifier that is none.

use epr_fhir::Node;
use epr_model::shape;

use super::reading::last_segment;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "RT-05",
    HazardSeverity::Considerable,
    "a patient pathway identifier that is not 20 characters, or was cut by a spreadsheet",
    "A spreadsheet keeps 15 digits of a number and writes zeros after them: pathways of different patients then have \
     one identifier, and the pathway cannot be found by it. Take the identifier from the source as text. Source: NHS \
     Data Dictionary, PATIENT PATHWAY IDENTIFIER.",
);

/// The last segment of the identifier system of a patient pathway.
pub(crate) const PATHWAY_SYSTEM: &str = "pathway-id";

const LENGTH: usize = 20;
/// What a spreadsheet leaves of 20 digits.
const ZEROS: &str = "00000";

pub struct Rt05;

impl ResourceRule for Rt05 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Appointment", "Encounter", "EpisodeOfCare", "ServiceRequest"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        for (i, value) in pathway_ids(resource) {
            if is_whole(value) {
                continue;
            }
            let fault = if value.chars().count() == LENGTH { "it ends in five zeros" } else { "not 20 characters" };
            out.push(HazardFinding {
                path: format!("identifier[{i}].value"),
                detail: format!("expected a patient pathway identifier, found {}: {fault}", shape::of_text(value)),
            });
        }
    }
}

/// Whether it is a pathway identifier as it was given.
pub(crate) fn is_whole(value: &str) -> bool {
    value.chars().count() == LENGTH && !value.ends_with(ZEROS)
}

/// The pathway identifiers of a resource, each with its place among the identifiers.
pub(crate) fn pathway_ids(resource: Node<'_>) -> impl Iterator<Item = (usize, &str)> {
    let identifiers = resource.get("identifier").into_iter().flat_map(Node::items).enumerate();
    identifiers
        .filter(|(_, id)| id.text("system").is_some_and(|s| last_segment(s) == PATHWAY_SYSTEM))
        .filter_map(|(i, id)| Some((i, id.text("value")?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn n(system: &str, value: &str) -> usize {
        found(&Rt05, &format!(r#"{{"identifier":[{{"system":"{system}","value":"{value}"}}]}}"#)).len()
    }

    #[test]
    fn rt_05_is_raised_for_other_lengths_and_for_zeros_at_the_end() {
        let system = "https://x.example/Id/pathway-id";
        assert_eq!(n(system, "1234567890123450000"), 1);
        assert_eq!(n(system, "12345678901234500000"), 1);
        assert_eq!(n(system, "1.2345678901234E+19"), 1);
        assert_eq!(n(system, "RK9000000000000012345"), 1);
    }

    #[test]
    fn rt_05_is_silent_for_a_whole_identifier_and_for_other_systems() {
        assert_eq!(n("https://x.example/Id/pathway-id", "RK900000000000012340"), 0);
        assert_eq!(n("https://fhir.nhs.uk/Id/UBRN", "123456789012"), 0);
    }
}
