//! ME-04: how, or how often, a medicine is to be given is not there.
//!
//! That a current medicine says neither is seen in the resource, below; that the source's route or frequency was
//! dropped is seen by comparing with the source (`keep:` of a control, `crate::stage`).

use epr_fhir::Node;

use super::dose::{self, MEDICINES, is_current};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ME-04",
    HazardSeverity::Considerable,
    "a route or a frequency was left out",
    "The order cannot be carried out as it was meant. A current medicine says how often it is given, as `timing`, \"as \
     needed\", or in the source's words. Map it, or keep the source's words as text.",
);

pub struct Me04;

impl ResourceRule for Me04 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        MEDICINES
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if !is_current(resource) {
            return;
        }
        let mut n = 0;
        for (path, dosage) in dose::dosages(resource) {
            n += 1;
            if !has_words(dosage) && dosage.get("timing").is_none() && !has_as_needed(dosage) {
                out.push(HazardFinding {
                    path: format!("{path}.timing"),
                    detail: "expected how often a current medicine is given, found neither timing nor words".to_owned(),
                });
            }
        }
        if n == 0 {
            out.push(HazardFinding {
                path: "dosage".to_owned(),
                detail: "expected the dosage of a current medicine, found none".to_owned(),
            });
        }
    }
}

fn has_words(dosage: Node<'_>) -> bool {
    ["text", "patientInstruction"].iter().any(|name| dosage.text(name).is_some_and(|t| !t.trim().is_empty()))
}

fn has_as_needed(dosage: Node<'_>) -> bool {
    dosage.get("asNeededBoolean").is_some() || dosage.get("asNeededCodeableConcept").is_some()
}

/// What a medicine says of route and frequency: either as codes, or as words.
pub(crate) fn says(medicine: Node<'_>) -> (bool, bool) {
    let any = |f: &dyn Fn(Node<'_>) -> bool| dose::dosages(medicine).any(|(_, d)| f(d));
    (any(&|d| d.get("route").is_some()), any(&|d| d.get("timing").is_some() || has_as_needed(d)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn me_04_is_raised_for_a_current_medicine_that_does_not_say_how_often() {
        let of =
            |status: &str, dosage: &str| found(&Me04, &format!(r#"{{"status":"{status}","dosage":[{dosage}]}}"#)).len();
        assert_eq!(of("active", ""), 1);
        assert_eq!(of("active", r#"{"doseAndRate":[{}]}"#), 1);
        assert_eq!(of("active", r#"{"text":" "}"#), 1);
        assert_eq!(of("completed", ""), 0);
        for whole in [r#"{"text":"daily"}"#, r#"{"timing":{}}"#, r#"{"asNeededBoolean":true}"#] {
            assert_eq!(of("active", whole), 0, "{whole}");
        }
    }
}
