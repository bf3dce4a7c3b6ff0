//! ME-03: words and numbers of one dose say two things.

use epr_fhir::Node;

use super::dose::{self, MEDICINES, agree_within, differ_by_tens};
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ME-03",
    HazardSeverity::Major,
    "a dose as text and a structured dose say two things",
    "Whoever reads the one gives another than whoever reads the other. Amounts of one kind (mass, volume, tablets) are \
     compared, and may lie `rounding_per_mille` (0 to 100, default 1) in `[rules]` apart; a power of ten between them is \
     told as ME-02. A pharmacist decides which is right.",
);

pub struct Me03;

impl ResourceRule for Me03 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        MEDICINES
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let rounding = settings.thresholds.rounding_per_mille;
        for (path, dosage) in dose::dosages(resource) {
            let Some(text) = dosage.text("text") else { continue };
            let mut quantities = dose::quantities(dosage).filter_map(|(_, q)| dose::of_quantity(q)).peekable();
            if quantities.peek().is_none() {
                continue;
            }
            let words = dose::of_text(text);
            let disagrees = |amount: dose::Amount| {
                let mut same_kind = words.iter().filter(|w| w.kind == amount.kind).peekable();
                same_kind.peek().is_some()
                    && same_kind.all(|w| {
                        !agree_within(w.value, amount.value, rounding) && !differ_by_tens(w.value, amount.value)
                    })
            };
            if quantities.any(disagrees) {
                out.push(HazardFinding {
                    path: format!("{path}.text"),
                    detail: "expected words that say what the structured dose says, found another dose".to_owned(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{found, found_tuned};

    fn n(text: &str, quantity: &str) -> usize {
        found(
            &Me03,
            &format!(
                r#"{{"dosageInstruction":[{{"text":"{text}","doseAndRate":[{{"doseQuantity":{{{quantity}}}}}]}}]}}"#
            ),
        )
        .len()
    }

    #[test]
    fn me_03_is_raised_where_amounts_of_one_kind_differ() {
        assert_eq!(n("Two tablets daily", r#""value":1,"unit":"tablet""#), 1);
        assert_eq!(n("20 mg at night", r#""value":40,"code":"mg""#), 1);
    }

    #[test]
    fn me_03_is_silent_where_they_agree_or_cannot_be_compared() {
        assert_eq!(n("Two tablets daily", r#""value":2,"unit":"tablet""#), 0);
        assert_eq!(n("One or two tablets", r#""value":2,"unit":"tablet""#), 0);
        assert_eq!(n("as directed", r#""value":2,"unit":"tablet""#), 0);
        assert_eq!(n("Two tablets daily", r#""value":40,"unit":"mg""#), 0);
        // ME-02 tells of it.
        assert_eq!(n("4 mg", r#""value":40,"unit":"mg""#), 0);
    }

    #[test]
    fn me_03_rounds_as_far_as_the_project_says() {
        let of = |value: &str| {
            let dose = format!(r#""doseAndRate":[{{"doseQuantity":{{"value":{value},"unit":"mg"}}}}]"#);
            let json = format!(r#"{{"dosageInstruction":[{{"text":"100 mg",{dose}}}]}}"#);
            found_tuned(&Me03, &json, "rounding_per_mille", 50).len()
        };
        assert_eq!((of("95"), of("94")), (0, 1));
    }
}
