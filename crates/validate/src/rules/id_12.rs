//! ID-12: a baby at the wrong mother, or one of several without its order.
//!
//! That a multiple birth has no order is seen in the resource, below; that the mother is nobody of the run, or cannot
//! be the mother, is run-wide: she is a Patient of her own (`crate::stage`).

use epr_fhir::Node;

use super::reading::has_code;
use super::thresholds::Thresholds;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-12",
    HazardSeverity::Major,
    "a baby linked to the wrong mother or to none, or a multiple birth without its order",
    "Results and blood groups of one reach the other. A mother is a woman, from `min_mother_age_years` (8 to 20, \
     default 10) to `max_mother_age_years` (45 to 80, default 60) in `[rules]` older than her child, and a patient of the \
     run; of twins each has its place in the order of birth. Correct the link in the maternity \
     system.",
);

/// Codes of v3-RoleCode: mother, natural mother, gestational mother.
const MOTHER: [&str; 3] = ["MTH", "NMTH", "GESTM"];

pub struct Id12;

impl ResourceRule for Id12 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let is_multiple = resource.get("multipleBirthBoolean").and_then(Node::as_bool) == Some(true);
        let order = resource.get("multipleBirthInteger").and_then(Node::number_text);
        if is_multiple || order.is_some_and(|n| !n.parse::<u8>().is_ok_and(|n| (1..=9).contains(&n))) {
            out.push(HazardFinding {
                path: "multipleBirth".to_owned(),
                detail: "expected the place in the order of a multiple birth, found none".to_owned(),
            });
        }
    }
}

/// Whether a RelatedPerson is the mother of its patient.
pub(crate) fn is_mother(related: Node<'_>) -> bool {
    has_code(related, "relationship", &MOTHER)
}

/// Why a woman, or a man, cannot be the mother of a child; days since 1970.
pub(crate) fn cannot_be(
    mother_is_male: bool,
    mother_born: Option<i64>,
    child_born: Option<i64>,
    thresholds: &Thresholds,
) -> Option<&'static str> {
    const YEAR: i64 = 365;
    if mother_is_male {
        return Some("expected a mother, found a man");
    }
    let age = child_born? - mother_born?;
    let years = i64::from(thresholds.min_mother_age_years)..=i64::from(thresholds.max_mother_age_years);
    (!(years.start() * YEAR..=years.end() * YEAR).contains(&age))
        .then_some("expected a mother of an age at which women have children, found another age")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn id_12_is_raised_for_one_of_several_without_its_order() {
        assert_eq!(found(&Id12, r#"{"multipleBirthBoolean":true}"#).len(), 1);
        assert_eq!(found(&Id12, r#"{"multipleBirthInteger":0}"#).len(), 1);
        assert!(found(&Id12, r#"{"multipleBirthInteger":2}"#).is_empty());
        assert!(found(&Id12, r#"{"multipleBirthBoolean":false}"#).is_empty());
    }

    #[test]
    fn id_12_knows_who_cannot_be_a_mother() {
        let child = Some(20_000);
        let all = &mut Thresholds::defaults();
        assert!(cannot_be(true, None, None, all).is_some());
        assert!(cannot_be(false, child, child, all).is_some());
        assert!(cannot_be(false, Some(20_000 - 70 * 366), child, all).is_some());
        assert_eq!(cannot_be(false, Some(20_000 - 30 * 365), child, all), None);
        assert_eq!(cannot_be(false, None, child, all), None);
        all.set("ID-12", "max_mother_age_years", 75).unwrap();
        assert_eq!(cannot_be(false, Some(20_000 - 70 * 365), child, all), None);
        all.set("ID-12", "min_mother_age_years", 20).unwrap();
        assert!(cannot_be(false, Some(20_000 - 19 * 365), child, all).is_some());
    }
}
