//! CO-01: a SNOMED CT id that was altered on its way.

use epr_fhir::Node;
use epr_model::shape;

use super::reading::{SNOMED, any_object, each_object};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings, sctid};

pub const DOC: HazardDoc = HazardDoc::new(
    "CO-01",
    HazardSeverity::Major,
    "a SNOMED CT id with a wrong check digit or partition, or cut by a spreadsheet",
    "The code is no concept, or another one than was meant: a spreadsheet keeps 15 digits of a number and writes \
     zeros after them. Decision support, searches and allergy checks do not see the entry. Take the code from the \
     source's own table again, as text; have what the source itself holds wrongly corrected there.",
);

pub struct Co01;

impl ResourceRule for Co01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        super::ALL_TYPES
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        // Most resources have none, and then no path is made.
        if !any_object(resource, &|coding| fault(coding).is_some()) {
            return;
        }
        each_object(resource, &mut String::new(), &mut |coding, path| {
            if let Some((code, fault)) = fault(coding) {
                out.push(HazardFinding {
                    path: format!("{path}.code"),
                    detail: format!(
                        "expected the id of a SNOMED CT concept, found {}: {}",
                        shape::of_text(code),
                        fault.as_str()
                    ),
                });
            }
        });
    }
}

/// The code of a coding that was altered, and how; a whole id that is no concept's is told as CO-02.
fn fault(coding: Node<'_>) -> Option<(&str, sctid::Fault)> {
    let code = coding.text("code").filter(|_| coding.text("system") == Some(SNOMED))?;
    // Post-coordinated expressions have a grammar of their own.
    if code.contains([':', '+', '|', ' ']) {
        return None;
    }
    sctid::check(code).err().filter(|fault| *fault != sctid::Fault::NotAConcept).map(|fault| (code, fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn condition(system: &str, code: &str) -> String {
        format!(r#"{{"resourceType":"Condition","code":{{"coding":[{{"system":"{system}","code":"{code}"}}]}}}}"#)
    }

    #[test]
    fn co_01_is_raised_for_altered_ids_wherever_they_stand_and_never_shows_them() {
        assert_eq!(
            found(&Co01, &condition(SNOMED, "91936006")),
            [
                "code.coding[0].code: expected the id of a SNOMED CT concept, found 8 characters, dddddddd: the check digit is wrong"
            ]
        );
        assert_eq!(found(&Co01, &condition(SNOMED, "999000011000001000")).len(), 1);
        let extension = r#"{"extension":[{"url":"x","valueCoding":{"system":"http://snomed.info/sct","code":"1"}}]}"#;
        assert_eq!(found(&Co01, extension).len(), 1);
    }

    #[test]
    fn co_01_is_silent_for_whole_ids_expressions_and_other_systems() {
        assert!(found(&Co01, &condition(SNOMED, "91936005")).is_empty());
        assert!(found(&Co01, &condition(SNOMED, "754786014")).is_empty());
        assert!(found(&Co01, &condition(SNOMED, "91936005:246075003=372687004")).is_empty());
        assert!(found(&Co01, &condition("http://hl7.org/fhir/sid/icd-10", "I10")).is_empty());
    }
}
