//! CO-02: a SNOMED CT id that is whole, and not that of a concept in use.

use epr_fhir::Node;
use epr_fhir::definitions::Standing;
use epr_model::shape;

use super::reading::{SNOMED, any_object, each_object};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings, sctid};

pub const DOC: HazardDoc = HazardDoc::new(
    "CO-02",
    HazardSeverity::Considerable,
    "a code that is inactive, or a description's id where a concept's belongs",
    "Searches and decision support do not see it. The third digit from the end tells a description (1) from a concept \
     (0). Replace it by the concept that the terminology names. Whether a concept is in use is looked up where the \
     project holds a list of SNOMED CT (`[terminology]`); the honesty ledger counts the codes that nobody looked up.",
);

pub struct Co02;

impl ResourceRule for Co02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        super::ALL_TYPES
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if !any_object(resource, &|coding| fault(coding, settings).is_some()) {
            return;
        }
        each_object(resource, &mut String::new(), &mut |coding, path| {
            if let Some(fault) = fault(coding, settings) {
                let shape = coding.text("code").map(shape::of_text).unwrap_or_default();
                out.push(HazardFinding {
                    path: format!("{path}.code"),
                    detail: format!("expected the id of an active SNOMED CT concept, found {shape}: {fault}"),
                });
            }
        });
    }
}

fn fault(coding: Node<'_>, settings: &RuleSettings<'_>) -> Option<&'static str> {
    let code = coding.text("code").filter(|_| coding.text("system") == Some(SNOMED))?;
    match sctid::check(code) {
        Err(sctid::Fault::NotAConcept) => Some(sctid::Fault::NotAConcept.as_str()),
        Ok(()) if settings.on_list(SNOMED, code) == Some(Standing::Inactive) => {
            Some("a concept that is not in use any more")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{found, found_with};

    #[test]
    fn co_02_is_raised_for_the_id_of_a_description_and_for_nothing_else() {
        let of = |system: &str, code: &str| {
            found(&Co02, &format!(r#"{{"code":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}}}"#))
        };
        assert_eq!(
            of(SNOMED, "754786014"),
            [
                "code.coding[0].code: expected the id of an active SNOMED CT concept, found 9 characters, ddddddddd: the id of a description or a relationship"
            ]
        );
        assert!(of(SNOMED, "91936005").is_empty());
        assert!(of(SNOMED, "91936006").is_empty());
        assert!(of("http://loinc.org", "754786014").is_empty());
    }

    #[test]
    fn co_02_is_raised_for_a_concept_that_the_project_s_list_calls_inactive() {
        let of = |code: &str| {
            let json = format!(r#"{{"code":{{"coding":[{{"system":"{SNOMED}","code":"{code}"}}]}}}}"#);
            found_with(&Co02, &json, SNOMED, "91936005,x,true\n22298006,x,false\n").len()
        };
        assert_eq!(of("91936005"), 1);
        assert_eq!(of("22298006"), 0);
        // That a code is on no list is for the check of codes to say.
        assert_eq!(of("404684003"), 0);
    }
}
