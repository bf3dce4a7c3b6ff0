//! ID-06: whether an NHS number was verified is not said, or contradicts the number.

use epr_fhir::Node;

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings, nhs_identifier};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-06",
    HazardSeverity::Significant,
    "an NHS number's verification status is missing or contradicts it",
    "Only a number with status 01 was traced. Without a status nobody knows whether it may identify a person; status \
     01 without a number says that something was lost. Map the status beside the number. A source whose numbers the \
     project trusts (`nhs_number = \"trusted\"`) need not say it.",
);

pub struct Id06;

impl ResourceRule for Id06 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        for identifier in nhs_identifier::all(resource) {
            let detail = match (identifier.value, identifier.status) {
                (Some(_), None) if !settings.trusts_numbers => "expected a verification status, found none",
                (None, Some("01")) => "expected a number beside status 01, found none",
                _ => continue,
            };
            out.push(HazardFinding { path: identifier.path, detail: detail.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{found, found_where};

    fn patient(value: &str, status: &str) -> String {
        let status = if status.is_empty() {
            String::new()
        } else {
            format!(
                r#","extension":[{{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus","valueCodeableConcept":{{"coding":[{{"code":"{status}"}}]}}}}]"#
            )
        };
        format!(r#"{{"identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number"{value}{status}}}]}}"#)
    }

    #[test]
    fn id_06_is_raised_where_status_and_number_do_not_go_together() {
        let number = r#","value":"9990000107""#;
        assert_eq!(found(&Id06, &patient(number, "")).len(), 1);
        assert_eq!(found(&Id06, &patient("", "01")).len(), 1);
        assert!(found(&Id06, &patient(number, "01")).is_empty());
        assert!(found(&Id06, &patient(number, "03")).is_empty());
        assert!(found(&Id06, &patient("", "07")).is_empty());
    }

    #[test]
    fn id_06_asks_no_status_of_a_source_whose_numbers_are_trusted() {
        assert!(found_where(&Id06, &patient(r#","value":"9990000107""#, ""), true).is_empty());
        assert_eq!(found_where(&Id06, &patient("", "01"), true).len(), 1);
    }
}
