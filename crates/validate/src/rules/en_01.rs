//! EN-01: somebody lies on a ward, and the record does not say so.
//!
//! Three ways lead here. That a current inpatient has no ward is seen in the resource, below; that one was lost, or
//! arrives as discharged, is seen by comparing with the source's own count (`crate::stage`).

use epr_fhir::Node;

use super::reading::reference_to;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "EN-01",
    HazardSeverity::Major,
    "a current inpatient is lost, discharged, or on no ward",
    "On the day of the change-over the ward list is made from these records: who is not on it gets no drug round. \
     Compare with the bed state at the cut-off, and correct the mapping or the source before the load.",
);

pub struct En01;

impl ResourceRule for En01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Encounter"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let is_inpatient = resource.get("class").and_then(|c| c.text("code")) == Some("IMP");
        let is_spell = resource.get("partOf").is_none();
        if is_inpatient && is_spell && resource.text("status") == Some("in-progress") && !has_place(resource) {
            out.push(HazardFinding {
                path: "location".to_owned(),
                detail: "expected the ward of a current inpatient, found none".to_owned(),
            });
        }
    }
}

/// Whether an Encounter says where.
pub(crate) fn has_place(encounter: Node<'_>) -> bool {
    encounter.get("location").into_iter().flat_map(epr_fhir::Node::items).any(|item| {
        item.get("location").is_some_and(|l| {
            reference_to(l, "Location").is_some() || l.text("display").is_some() || l.get("identifier").is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn n(rest: &str) -> usize {
        found(&En01, &format!(r#"{{"resourceType":"Encounter",{rest}}}"#)).len()
    }

    #[test]
    fn en_01_is_raised_for_a_current_inpatient_without_a_ward() {
        assert_eq!(n(r#""status":"in-progress","class":{"code":"IMP"}"#), 1);
        assert_eq!(n(r#""status":"in-progress","class":{"code":"IMP"},"location":[{"location":{}}]"#), 1);
    }

    #[test]
    fn en_01_is_silent_for_a_ward_a_finished_spell_an_episode_and_an_outpatient() {
        assert_eq!(n(r#""status":"in-progress","class":{"code":"IMP"},"location":[{"location":{"display":"x"}}]"#), 0);
        assert_eq!(n(r#""status":"finished","class":{"code":"IMP"}"#), 0);
        assert_eq!(n(r#""status":"in-progress","class":{"code":"IMP"},"partOf":{"reference":"Encounter/1"}"#), 0);
        assert_eq!(n(r#""status":"in-progress","class":{"code":"AMB"}"#), 0);
    }
}
