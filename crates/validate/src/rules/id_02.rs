//! ID-02: a number of the test range in a live source.

use epr_fhir::Node;
use epr_model::NhsNumber;
use epr_model::nhs_number::NhsNumberRange;

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings, nhs_identifier};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-02",
    HazardSeverity::Considerable,
    "an NHS number of the test range",
    "Numbers from 9000000000 are never issued: a test patient stands in a live source. A rehearsal with synthetic \
     people names their prefixes in [project].test_range. Exclude test patients in the mapping.",
);

pub struct Id02;

impl ResourceRule for Id02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        for identifier in nhs_identifier::all(resource) {
            let Some(value) = identifier.value else { continue };
            let is_test = NhsNumber::parse(value).is_ok_and(|n| n.range() == NhsNumberRange::Test);
            if is_test && !settings.test_range.iter().any(|prefix| value.starts_with(prefix.as_str())) {
                out.push(HazardFinding {
                    path: format!("{}.value", identifier.path),
                    detail: "expected a number of an issued range, found one of the test range".to_owned(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn patient(value: &str) -> String {
        format!(r#"{{"identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{value}"}}]}}"#)
    }

    #[test]
    fn id_02_is_raised_outside_the_projects_prefixes_only() {
        assert_eq!(found(&Id02, &patient("9991000119")).len(), 1);
        assert!(found(&Id02, &patient("9990000107")).is_empty());
        assert!(found(&Id02, &patient("not a number")).is_empty());
    }
}
