//! CO-02: a SNOMED CT id that is whole, and not a concept's.

use epr_fhir::Node;
use epr_model::shape;

use super::reading::{SNOMED, any_object, each_object};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings, sctid};

pub const DOC: HazardDoc = HazardDoc::new(
    "CO-02",
    HazardSeverity::Considerable,
    "a code that is inactive, or a description's id where a concept's belongs",
    "Searches and decision support do not see it. The third digit from the end tells a description (1) from a concept \
     (0). Replace it by the concept that the terminology names. Whether a concept is inactive this rule does not \
     look up: the honesty ledger counts the codes that nobody looked up.",
);

pub struct Co02;

impl ResourceRule for Co02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        super::ALL_TYPES
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings, out: &mut Vec<HazardFinding>) {
        if !any_object(resource, &is_description) {
            return;
        }
        each_object(resource, &mut String::new(), &mut |coding, path| {
            if is_description(coding) {
                let shape = coding.text("code").map(shape::of_text).unwrap_or_default();
                out.push(HazardFinding {
                    path: format!("{path}.code"),
                    detail: format!(
                        "expected the id of a SNOMED CT concept, found {shape}: {}",
                        sctid::Fault::NotAConcept.as_str()
                    ),
                });
            }
        });
    }
}

fn is_description(coding: Node<'_>) -> bool {
    coding.text("system") == Some(SNOMED)
        && coding.text("code").is_some_and(|code| sctid::check(code) == Err(sctid::Fault::NotAConcept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn co_02_is_raised_for_the_id_of_a_description_and_for_nothing_else() {
        let of = |system: &str, code: &str| {
            found(&Co02, &format!(r#"{{"code":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}}}"#))
        };
        assert_eq!(
            of(SNOMED, "754786014"),
            [
                "code.coding[0].code: expected the id of a SNOMED CT concept, found 9 characters, ddddddddd: the id of a description or a relationship"
            ]
        );
        assert!(of(SNOMED, "91936005").is_empty());
        assert!(of(SNOMED, "91936006").is_empty());
        assert!(of("http://loinc.org", "754786014").is_empty());
    }
}
