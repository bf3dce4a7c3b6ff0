//! RE-01: a result without what gives its number a meaning.
//!
//! That a number has no unit, or a laboratory's number nothing to compare it with, is seen in the resource, below;
//! that unit, range or flag are not the source's is seen by comparing with the source (`keep:` of a control,
//! `crate::stage`).

use epr_fhir::Node;

use super::reading::has_code;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "RE-01",
    HazardSeverity::Major,
    "a result without its unit, reference range or abnormal flag, or with another",
    "A number without a unit is read as the usual one; glucose in mg/dL is eighteen times glucose in mmol/L. A number \
     of the laboratory has its reference range or its flag beside it. A number that has no unit is of unit 1. Map what \
     the laboratory sent, or keep the result as text.",
);

const NO_UNIT: &str = "expected the unit of a number, found none";

pub struct Re01;

impl ResourceRule for Re01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Observation"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if matches!(resource.text("status"), Some("entered-in-error" | "cancelled")) {
            return;
        }
        let mut push = |path: String, detail: &str| out.push(HazardFinding { path, detail: detail.to_owned() });
        if lacks_unit(resource) {
            push("value.ofType(Quantity).unit".to_owned(), NO_UNIT);
        }
        for (i, component) in resource.get("component").into_iter().flat_map(Node::items).enumerate() {
            if lacks_unit(component) {
                push(format!("component[{i}].value.ofType(Quantity).unit"), NO_UNIT);
            }
        }
        let has_measure = |name: &str| resource.get(name).is_some_and(|m| m.items().next().is_some());
        if has_code(resource, "category", &["laboratory"])
            && resource.get("valueQuantity").is_some_and(|v| v.get("value").is_some())
            && !has_measure("referenceRange")
            && !has_measure("interpretation")
        {
            push("referenceRange".to_owned(), "expected the range or the flag of a laboratory's number, found neither");
        }
    }
}

fn lacks_unit(element: Node<'_>) -> bool {
    let Some(quantity) = element.get("valueQuantity").filter(|q| q.get("value").is_some()) else { return false };
    ["unit", "code"].iter().all(|name| quantity.text(name).is_none_or(|unit| unit.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn re_01_is_raised_for_a_number_without_a_unit() {
        assert_eq!(
            found(&Re01, r#"{"valueQuantity":{"value":5}}"#),
            ["value.ofType(Quantity).unit: expected the unit of a number, found none"]
        );
        assert_eq!(found(&Re01, r#"{"component":[{"valueQuantity":{"value":5,"unit":" "}}]}"#).len(), 1);
        assert!(found(&Re01, r#"{"valueQuantity":{"value":5,"unit":"mmol/L"}}"#).is_empty());
        assert!(found(&Re01, r#"{"valueQuantity":{"value":5,"code":"1"}}"#).is_empty());
        assert!(found(&Re01, r#"{"valueString":"5"}"#).is_empty());
        assert!(found(&Re01, r#"{"status":"entered-in-error","valueQuantity":{"value":5}}"#).is_empty());
    }

    #[test]
    fn re_01_is_raised_for_a_laboratory_s_number_with_neither_range_nor_flag() {
        let of = |category: &str, rest: &str| {
            found(
                &Re01,
                &format!(
                    r#"{{"category":[{{"coding":[{{"code":"{category}"}}]}}],"valueQuantity":{{"value":5,"unit":"g/L"}}{rest}}}"#
                ),
            )
            .len()
        };
        assert_eq!(of("laboratory", ""), 1);
        assert_eq!(of("laboratory", r#","referenceRange":[{}]"#), 0);
        assert_eq!(of("laboratory", r#","interpretation":[{}]"#), 0);
        assert_eq!(of("vital-signs", ""), 0);
    }
}
