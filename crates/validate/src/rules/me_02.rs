//! ME-02: a dose whose unit or size is not the source's.
//!
//! That a dose has no unit, or is ten or a thousand times what its own words say, is seen in the resource, below;
//! that it is not what the source says is seen by comparing with the source (`keep:` of a control, `crate::stage`).

use epr_fhir::Node;

use super::dose::{self, MEDICINES, differ_by_tens};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ME-02",
    HazardSeverity::Catastrophic,
    "a dose's unit is missing, or its unit or size was changed",
    "Ten or a thousand times the dose. Nothing of this kind is loaded before a pharmacist has looked at it. A dose has \
     a number and a unit; where the source has words beside them, both say the same. A unit that no code map has is \
     told here too.",
);

pub struct Me02;

impl ResourceRule for Me02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        MEDICINES
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        for (path, dosage) in dose::dosages(resource) {
            let words = dosage.text("text").map(dose::of_text).unwrap_or_default();
            for (below, quantity) in dose::quantities(dosage) {
                let mut push = |element: &str, detail: &str| {
                    let path = format!("{path}.{below}{element}");
                    out.push(HazardFinding { path, detail: detail.to_owned() });
                };
                let has_unit = |name: &str| quantity.text(name).is_some_and(|u| !u.trim().is_empty());
                if quantity.get("value").is_some() && !has_unit("code") && !has_unit("unit") {
                    push(".unit", "expected the unit of a dose, found none");
                }
                if quantity.get("value").is_none() && (has_unit("code") || has_unit("unit")) {
                    push(".value", "expected the size of a dose beside its unit, found none");
                }
                let Some(amount) = dose::of_quantity(quantity) else { continue };
                let same_kind = || words.iter().filter(|w| w.kind == amount.kind);
                if same_kind().all(|w| !dose::agree(w.value, amount.value))
                    && same_kind().any(|w| differ_by_tens(w.value, amount.value))
                {
                    push("", "expected the dose that its own words say, found one of another power of ten");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    pub(crate) fn medicine(text: &str, quantity: &str) -> String {
        format!(
            r#"{{"status":"active","dosage":[{{"text":"{text}","doseAndRate":[{{"doseQuantity":{{{quantity}}}}}]}}]}}"#
        )
    }

    #[test]
    fn me_02_is_raised_for_a_dose_without_a_unit_or_without_a_size() {
        assert_eq!(
            found(&Me02, &medicine("daily", r#""value":5"#)),
            ["dosage[0].doseAndRate[0].dose.ofType(Quantity).unit: expected the unit of a dose, found none"]
        );
        assert_eq!(found(&Me02, &medicine("daily", r#""unit":"mg""#)).len(), 1);
    }

    #[test]
    fn me_02_is_raised_where_a_power_of_ten_lies_between_words_and_numbers() {
        assert_eq!(found(&Me02, &medicine("5 mg daily", r#""value":50,"unit":"mg""#)).len(), 1);
        assert_eq!(found(&Me02, &medicine("500 micrograms", r#""value":500,"code":"mg""#)).len(), 1);
    }

    #[test]
    fn me_02_is_silent_where_both_agree_cannot_be_compared_or_differ_otherwise() {
        assert!(found(&Me02, &medicine("0.5 g daily", r#""value":500,"unit":"mg""#)).is_empty());
        assert!(found(&Me02, &medicine("5 mg, may rise to 50 mg", r#""value":50,"unit":"mg""#)).is_empty());
        assert!(found(&Me02, &medicine("two tablets", r#""value":20,"unit":"mg""#)).is_empty());
        assert!(found(&Me02, &medicine("5 mg daily", r#""value":10,"unit":"mg""#)).is_empty());
    }
}
