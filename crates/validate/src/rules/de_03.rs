//! DE-03: a booking for somebody who has died.
//!
//! Run-wide: the death stands in the person's record, the booking in an Appointment (`crate::stage`).

use epr_fhir::Node;

use super::{HazardDoc, HazardSeverity};
use crate::moment::Moment;

pub const DOC: HazardDoc = HazardDoc::new(
    "DE-03",
    HazardSeverity::Considerable,
    "a future booking for a person who has died",
    "The family gets a letter, and a slot is lost; or the death is another person's. Cancel the booking in the source, \
     or correct the death. After link, the death may be known to another organisation than the booking.",
);

/// Whether a Patient has died, as the record has it.
pub(crate) fn has_died(patient: Node<'_>) -> bool {
    patient.get("deceasedDateTime").is_some() || patient.get("deceasedBoolean").and_then(Node::as_bool) == Some(true)
}

/// Whether an Appointment stands in the diary after `now`.
pub(crate) fn is_to_come(appointment: Node<'_>, now: Option<Moment>) -> bool {
    let start = appointment.text("start").and_then(Moment::parse);
    is_booked(appointment) && now.zip(start).is_some_and(|(now, start)| now.is_before(start) == Some(true))
}

/// Whether the status of an Appointment keeps its place in the diary.
pub(crate) fn is_booked(appointment: Node<'_>) -> bool {
    matches!(
        appointment.text("status"),
        Some("booked" | "pending" | "proposed" | "waitlist" | "arrived" | "checked-in")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> epr_fhir::Resource {
        epr_fhir::Resource::parse_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn de_03_knows_the_dead_by_a_time_or_a_yes() {
        assert!(has_died(node(r#"{"deceasedDateTime":"2020"}"#).root()));
        assert!(has_died(node(r#"{"deceasedBoolean":true}"#).root()));
        assert!(!has_died(node(r#"{"deceasedBoolean":false}"#).root()));
        assert!(!has_died(node("{}").root()));
    }

    #[test]
    fn de_03_asks_after_bookings_to_come() {
        let now = Moment::parse("2026-11-01T00:00:00Z");
        let is = |status: &str, start: &str| {
            is_to_come(node(&format!(r#"{{"status":"{status}","start":"{start}"}}"#)).root(), now)
        };
        assert!(is("booked", "2026-11-02T09:00:00+00:00"));
        assert!(!is("booked", "2026-10-31T09:00:00+00:00"));
        assert!(!is("cancelled", "2026-11-02T09:00:00+00:00"));
        assert!(!is_to_come(node(r#"{"status":"booked"}"#).root(), now));
    }
}
