//! ID-09: a date of birth that stands for "not known", or that nobody alive can have.

use epr_fhir::Node;
use epr_model::shape;

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "ID-09",
    HazardSeverity::Major,
    "a date of birth that is a sentinel, in the future or too long ago",
    "Doses, reference ranges and screening depend on age. Systems write the first day of 1900 and the like where \
     nothing is known: the mapping should leave such a date out and say so, and it is told here all the same, since \
     the person then has no date of birth. Dates are compared with the run's as_of; how old a person may be who is not \
     known to be dead, `max_age_years` (100 to 150, default 120) in `[rules]` says.",
);

/// Days that systems write for "not known". Source: what legacy systems are known to write.
const SENTINELS: &[&str] = &[
    "1111-11-11",
    "1753-01-01",
    "1800-01-01",
    "1840-12-31",
    "1899-12-30",
    "1899-12-31",
    "1900-01-01",
    "1970-01-01",
    "2999-12-31",
    "9999-12-31",
];

/// The note of mapping that a sentinel stood in the source, and was left out.
pub(crate) const MAPPING_CODE: &str = "MAP0410";

/// Whether a date is one that systems write for "not known".
pub(crate) fn is_sentinel(date: &str) -> bool {
    SENTINELS.binary_search(&date).is_ok()
}

pub struct Id09;

impl ResourceRule for Id09 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let Some(date) = resource.text("birthDate") else { return };
        let most = settings.thresholds.max_age_years;
        let fault = if is_sentinel(date) {
            "a day that stands for an unknown one".to_owned()
        } else if is_after(date, &settings.as_of) {
            "a day after the extract".to_owned()
        } else if resource.get("deceasedDateTime").is_none()
            && resource.get("deceasedBoolean").and_then(Node::as_bool) != Some(true)
            && is_too_old(date, &settings.as_of, most)
        {
            format!("a day more than {most} years before the extract, of a person not known to be dead")
        } else {
            return;
        };
        out.push(HazardFinding {
            path: "birthDate".to_owned(),
            detail: format!("expected a date of birth, found {}: {fault}", shape::of_text(date)),
        });
    }
}

/// Dates of equal precision compare as texts.
fn is_after(date: &str, as_of: &str) -> bool {
    as_of.get(..date.len().min(10)).is_some_and(|now| date > now)
}

fn is_too_old(date: &str, as_of: &str, most: u32) -> bool {
    let Some(year) = as_of.get(..4).and_then(|y| y.parse::<u32>().ok()) else { return false };
    let Some(rest) = as_of.get(4..10) else { return false };
    let oldest = format!("{:04}{rest}", year.saturating_sub(most));
    oldest.get(..date.len().min(10)).is_some_and(|limit| date < limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{found, found_tuned};

    fn n(date: &str) -> usize {
        found(&Id09, &format!(r#"{{"birthDate":"{date}"}}"#)).len()
    }

    #[test]
    fn id_09_is_raised_for_sentinels_the_future_and_the_very_old() {
        assert!(SENTINELS.is_sorted());
        for date in ["1900-01-01", "9999-12-31", "2026-11-02", "2026-12", "2027", "1906-10-31", "1905"] {
            assert_eq!(n(date), 1, "{date}");
        }
    }

    #[test]
    fn id_09_is_silent_on_the_boundary_and_for_the_dead() {
        for date in ["2026-11-01", "2026-11", "2026", "1906-11-01", "1906", "1950-06"] {
            assert_eq!(n(date), 0, "{date}");
        }
        assert!(found(&Id09, r#"{"birthDate":"1890-05-05","deceasedDateTime":"1950"}"#).is_empty());
    }

    #[test]
    fn id_09_takes_the_age_that_the_project_says() {
        let n = |date: &str| found_tuned(&Id09, &format!(r#"{{"birthDate":"{date}"}}"#), "max_age_years", 105).len();
        assert_eq!((n("1921-11-01"), n("1921-10-31"), n("1910")), (0, 1, 1));
    }
}
