//! AP-04: a follow-up was to be arranged, and the patient is on no list for it.
//!
//! Run-wide: the two stand in two resources (`crate::stage`).

use epr_fhir::Node;

use super::reading::{codings, extension_code, last_segment};
use super::{HazardDoc, HazardSeverity};

pub const DOC: HazardDoc = HazardDoc::new(
    "AP-04",
    HazardSeverity::Major,
    "an attendance ended with \"appointment to be made later\", and no waiting-list entry of the patient is open",
    "Nobody will call this patient: a lost follow-up. Source: NHS Data Dictionary, OUTCOME OF ATTENDANCE, 3. See \
     whether the waiting list was extracted and mapped whole; else the booking team looks at the patient.",
);

/// The last segment of the URL of the extension that holds the outcome.
const OUTCOME_EXTENSION: &str = "Extension-UKCore-OutcomeOfAttendance";
const TO_BE_MADE_LATER: &str = "3";
/// The last segment of the code system that tells waiting-list entries from referrals, and their code in it.
const CATEGORY_SYSTEM: &str = "request-category";
const WAITING_LIST: &str = "waiting-list";

/// Whether an Encounter ended so.
pub(crate) fn is_to_be_followed_up(encounter: Node<'_>) -> bool {
    extension_code(encounter, OUTCOME_EXTENSION) == Some(TO_BE_MADE_LATER)
}

/// Whether a ServiceRequest is an open entry of a waiting list.
pub(crate) fn waits(request: Node<'_>) -> bool {
    let mut categories = request.get("category").into_iter().flat_map(Node::items).flat_map(codings);
    matches!(request.text("status"), Some("active" | "on-hold"))
        && categories.any(|c| {
            c.text("code") == Some(WAITING_LIST) && c.text("system").is_some_and(|s| last_segment(s) == CATEGORY_SYSTEM)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(check: fn(Node<'_>) -> bool, json: &str) -> bool {
        check(epr_fhir::Resource::parse_json(json.as_bytes()).unwrap().root())
    }

    fn encounter(code: &str) -> String {
        format!(
            r#"{{"extension":[{{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-OutcomeOfAttendance","valueCodeableConcept":{{"coding":[{{"code":"{code}"}}]}}}}]}}"#
        )
    }

    fn request(status: &str, code: &str) -> String {
        format!(
            r#"{{"status":"{status}","category":[{{"coding":[{{"system":"https://x.example/CodeSystem/request-category","code":"{code}"}}]}}]}}"#
        )
    }

    #[test]
    fn ap_04_asks_after_outcome_3_only() {
        assert!(is(is_to_be_followed_up, &encounter("3")));
        assert!(!is(is_to_be_followed_up, &encounter("1")));
        assert!(!is(is_to_be_followed_up, "{}"));
    }

    #[test]
    fn ap_04_takes_an_open_waiting_list_entry_and_neither_a_referral_nor_a_closed_one() {
        assert!(is(waits, &request("active", "waiting-list")));
        assert!(!is(waits, &request("completed", "waiting-list")));
        assert!(!is(waits, &request("active", "referral")));
    }
}
