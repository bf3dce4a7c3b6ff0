//! ID-01: an NHS number that is none.

use epr_fhir::Node;
use epr_model::{NhsNumber, shape};

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings, nhs_identifier};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-01",
    HazardSeverity::Considerable,
    "an NHS number that is invalid, a placeholder or of another nation's range",
    "An identifier under the NHS number's system must be ten digits with a right check digit, from the range of England, \
     Wales and the Isle of Man. Anything else finds nobody, or somebody else. Keep it as an identifier of the source's \
     own system, and have it traced.",
);

pub struct Id01;

impl ResourceRule for Id01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        for identifier in nhs_identifier::all(resource) {
            let Some(value) = identifier.value else { continue };
            // In a resource the number stands without spaces, whatever the source had.
            let fault = match NhsNumber::parse(value) {
                Ok(_) if value.len() == 10 => continue,
                Ok(_) => "not ten digits".to_owned(),
                Err(fault) => fault.to_string(),
            };
            out.push(HazardFinding {
                path: format!("{}.value", identifier.path),
                detail: format!("expected an NHS number, found {}: {fault}", shape::of_text(value)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn patient(value: &str) -> String {
        format!(
            r#"{{"identifier":[{{"system":"x","value":"1"}},{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{value}"}}]}}"#
        )
    }

    #[test]
    fn id_01_is_raised_for_a_wrong_check_digit_and_never_shows_the_number() {
        assert_eq!(
            found(&Id01, &patient("9990000108")),
            ["identifier[1].value: expected an NHS number, found 10 characters, dddddddddd: the check digit is wrong"]
        );
        assert_eq!(found(&Id01, &patient("0000000000")).len(), 1);
        assert_eq!(found(&Id01, &patient("999 000 0107")).len(), 1);
    }

    #[test]
    fn id_01_is_silent_for_a_valid_number_and_for_other_systems() {
        assert!(found(&Id01, &patient("9990000107")).is_empty());
        assert!(found(&Id01, r#"{"identifier":[{"system":"x","value":"0000000000"}]}"#).is_empty());
    }
}
