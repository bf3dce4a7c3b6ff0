//! AL-04: an absence of allergies that became "no known allergies".
//!
//! An empty list that says "none" is seen in the resource, below. That a denial was made of a row that says nothing,
//! or of a row of a table that holds no allergies at all, is seen by comparing with the source (`crate::stage`).

use epr_fhir::{Node, NodeKind};

use super::reading::has_code;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "AL-04",
    HazardSeverity::Major,
    "an absence of allergies was turned into \"no known allergies\"",
    "That nobody wrote anything down is not that somebody asked. Map an empty list as empty (`emptyReason`: \
     `notasked` or `unavailable`), never as a denial; map a denial only where the source's own row says it. Source: \
     UK Core, allergy lists.",
);

/// "Recorded allergies", the list of UK Core.
const ALLERGY_LISTS: [&str; 2] = ["886921000000105", "52472-8"];

pub struct Al04;

impl ResourceRule for Al04 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["List"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let has_entries =
            resource.get("entry").is_some_and(|e| e.kind() == NodeKind::Array && e.items().next().is_some());
        if !has_entries
            && has_code(resource, "code", &ALLERGY_LISTS)
            && has_code(resource, "emptyReason", &["nilknown"])
        {
            out.push(HazardFinding {
                path: "emptyReason".to_owned(),
                detail: "expected an empty list that says nothing of what is known, found one that denies".to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn n(code: &str, rest: &str) -> usize {
        found(&Al04, &format!(r#"{{"resourceType":"List","code":{{"coding":[{{"code":"{code}"}}]}}{rest}}}"#)).len()
    }

    #[test]
    fn al_04_is_raised_for_an_empty_allergy_list_that_denies() {
        let empty = |reason: &str| format!(r#","emptyReason":{{"coding":[{{"code":"{reason}"}}]}}"#);
        assert_eq!(n("886921000000105", &empty("nilknown")), 1);
        assert_eq!(n("52472-8", &empty("nilknown")), 1);
        assert_eq!(n("886921000000105", &empty("notasked")), 0);
        assert_eq!(n("10160-0", &empty("nilknown")), 0);
        assert_eq!(n("886921000000105", &format!(r#"{},"entry":[{{}}]"#, empty("nilknown"))), 0);
    }
}
