//! AL-02: an allergy that no computer can act on.

use epr_fhir::Node;

use super::reading::{SNOMED, codings, has_code};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "AL-02",
    HazardSeverity::Major,
    "an allergy without a code that says what it is",
    "It stands in the record as text, or under a code that only says that something was degraded on transfer. A \
     prescriber can read it; the prescribing system does not check against it. Add the source's code to the code map, \
     or have a clinician code the entry.",
);

/// Codes that say that an entry was degraded, and nothing of what it is. Source: UK Core, "Clinical codes".
const DEGRADED: [&str; 4] = ["196411000000103", "196421000000109", "196461000000101", "196471000000108"];
const DMD: &str = "https://dmd.nhs.uk";

pub struct Al02;

impl ResourceRule for Al02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["AllergyIntolerance"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if has_code(resource, "verificationStatus", &["entered-in-error"]) {
            return;
        }
        let mut of_use = resource.get("code").into_iter().flat_map(codings).filter(|coding| {
            let system = coding.text("system");
            (system == Some(SNOMED) || system == Some(DMD)) && coding.text("code").is_some()
        });
        let found = match of_use.next() {
            None => "text only",
            Some(first)
                if std::iter::once(first)
                    .chain(of_use)
                    .all(|c| c.text("code").is_some_and(|c| DEGRADED.contains(&c))) =>
            {
                "a code that only says that it was degraded"
            }
            Some(_) => return,
        };
        out.push(HazardFinding {
            path: "code".to_owned(),
            detail: format!("expected a SNOMED CT or dm+d code of the substance or of its absence, found {found}"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn allergy(code: &str) -> String {
        format!(r#"{{"resourceType":"AllergyIntolerance","code":{code}}}"#)
    }

    #[test]
    fn al_02_is_raised_for_text_local_and_degraded_codes() {
        let degraded = r#"{"coding":[{"system":"http://snomed.info/sct","code":"196411000000103"}],"text":"x"}"#;
        for code in [r#"{"text":"x"}"#, r#"{"coding":[{"system":"urn:local","code":"ZZ1"}]}"#, degraded] {
            assert_eq!(found(&Al02, &allergy(code)).len(), 1, "{code}");
        }
        assert_eq!(found(&Al02, "{}").len(), 1);
    }

    #[test]
    fn al_02_is_silent_for_a_coded_allergy_and_for_what_was_entered_in_error() {
        let coded =
            r#"{"coding":[{"system":"urn:local","code":"PEN"},{"system":"http://snomed.info/sct","code":"91936005"}]}"#;
        assert!(found(&Al02, &allergy(coded)).is_empty());
        let wrong = r#"{"code":{"text":"x"},"verificationStatus":{"coding":[{"code":"entered-in-error"}]}}"#;
        assert!(found(&Al02, wrong).is_empty());
    }
}
