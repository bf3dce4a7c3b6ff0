//! AP-03: a booking that does not say where, or two in one slot.
//!
//! That a booking has no clinic is seen in the resource, below; that a slot, or an hour of one patient, is taken
//! twice, is run-wide (`crate::stage`).

use epr_fhir::Node;

use super::de_03::is_booked;
use super::reading::reference_to;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "AP-03",
    HazardSeverity::Significant,
    "an appointment without a clinic, or two in one slot",
    "The patient does not know where to go, or somebody waits. Correct the clinic in the source; of two bookings in \
     one slot, or of one patient at one time, the booking team cancels one.",
);

/// Participants that are not a place.
const PERSONS: [&str; 5] = ["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Device"];

pub struct Ap03;

impl ResourceRule for Ap03 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Appointment"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let mut actors = resource.get("participant").into_iter().flat_map(Node::items).filter_map(|p| p.get("actor"));
        if is_booked(resource) && resource.get("slot").is_none() && !actors.any(is_place) {
            out.push(HazardFinding {
                path: "participant".to_owned(),
                detail: "expected the clinic or another place of a booking, found none".to_owned(),
            });
        }
    }
}

/// Whether a participant is a place or a service: by its type, or named in words only.
fn is_place(actor: Node<'_>) -> bool {
    if let Some(kind) = actor.text("type") {
        return !PERSONS.contains(&kind);
    }
    match actor.text("reference") {
        Some(_) => reference_to(actor, "Location").or(reference_to(actor, "HealthcareService")).is_some(),
        None => actor.text("display").is_some() || actor.get("identifier").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn n(status: &str, actor: &str) -> usize {
        found(
            &Ap03,
            &format!(
                r#"{{"status":"{status}","participant":[{{"actor":{{"reference":"Patient/1"}}}},{{"actor":{{{actor}}}}}]}}"#
            ),
        )
        .len()
    }

    #[test]
    fn ap_03_is_raised_for_a_booking_without_a_place() {
        assert_eq!(n("booked", r#""reference":"Practitioner/1""#), 1);
        assert_eq!(n("booked", r#""type":"Practitioner","display":"x""#), 1);
        assert_eq!(found(&Ap03, r#"{"status":"booked"}"#).len(), 1);
    }

    #[test]
    fn ap_03_is_silent_for_a_place_however_named_a_slot_and_what_is_not_booked() {
        for place in [r#""reference":"Location/1""#, r#""reference":"HealthcareService/1""#, r#""display":"x""#] {
            assert_eq!(n("booked", place), 0, "{place}");
        }
        assert_eq!(n("fulfilled", r#""reference":"Practitioner/1""#), 0);
        assert!(found(&Ap03, r#"{"status":"booked","slot":[{"reference":"Slot/1"}]}"#).is_empty());
    }
}
