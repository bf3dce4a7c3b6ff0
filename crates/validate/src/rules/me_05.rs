//! ME-05: a medicine that the dictionary of medicines and devices does not name.

use epr_fhir::Node;

use super::dose::{MEDICINES, is_current};
use super::reading::{SNOMED, codings};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ME-05",
    HazardSeverity::Considerable,
    "a medicine without a dm+d code",
    "Interactions and allergies are not checked against it. A current medicine has a code of dm+d \
     (`https://dmd.nhs.uk`), or of SNOMED CT, whose ids it shares; a code that only says that something was degraded \
     is none. Add it to the code map.",
);

const DMD: &str = "https://dmd.nhs.uk";
/// Medication, or another thing, degraded on transfer. Source: UK Core, "Clinical codes".
const DEGRADED: [&str; 2] = ["196421000000109", "196411000000103"];

pub struct Me05;

impl ResourceRule for Me05 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        MEDICINES
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        // A Medication that is referred to has its code itself.
        if !is_current(resource) || resource.get("medicationReference").is_some() {
            return;
        }
        let mut codes = resource.get("medicationCodeableConcept").into_iter().flat_map(codings);
        let is_coded = codes.any(|c| {
            matches!(c.text("system"), Some(DMD | SNOMED)) && c.text("code").is_some_and(|c| !DEGRADED.contains(&c))
        });
        if !is_coded {
            out.push(HazardFinding {
                path: "medication".to_owned(),
                detail: "expected a dm+d code of a current medicine, found none".to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn me_05_is_raised_for_words_local_and_degraded_codes() {
        let of = |status: &str, coding: &str| {
            let concept = format!(r#""medicationCodeableConcept":{{"text":"x","coding":[{coding}]}}"#);
            found(&Me05, &format!(r#"{{"status":"{status}",{concept}}}"#)).len()
        };
        assert_eq!(of("active", ""), 1);
        assert_eq!(of("active", r#"{"system":"urn:local","code":"1"}"#), 1);
        assert_eq!(of("active", r#"{"system":"http://snomed.info/sct","code":"196421000000109"}"#), 1);
        assert_eq!(of("active", r#"{"system":"https://dmd.nhs.uk","code":"319283006"}"#), 0);
        assert_eq!(of("completed", ""), 0);
        assert!(found(&Me05, r#"{"status":"active","medicationReference":{"reference":"Medication/1"}}"#).is_empty());
    }
}
