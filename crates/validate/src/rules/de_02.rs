//! DE-02: a death at a time at which nobody can have died.

use epr_fhir::Node;
use epr_model::shape;

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings, id_09};
use crate::moment::Moment;

pub const DOC: HazardDoc = HazardDoc::new(
    "DE-02",
    HazardSeverity::Considerable,
    "a death before the birth, after the extract, or on a day that stands for an unknown one",
    "The person may be alive, and letters and appointments stop all the same; or dead, and they do not. Compare with \
     the death notification. Dates are compared with the run's as_of, `max_hours_after_extract` (0 to 72, default 0) in \
     `[rules]` hours later where systems were extracted one after the other.",
);

pub struct De02;

impl ResourceRule for De02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Patient"]
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let Some(text) = resource.text("deceasedDateTime") else { return };
        let Some(death) = Moment::parse(text) else { return };
        let birth = resource.text("birthDate").and_then(Moment::parse);
        let now = Moment::parse(&settings.as_of);
        let hours = i64::from(settings.thresholds.max_hours_after_extract);
        let fault = if id_09::is_sentinel(text.get(..10).unwrap_or(text)) {
            "a day that stands for an unknown one"
        } else if now.and_then(|now| now.is_before_by(death, hours * 3600)) == Some(true) {
            "a time after the extract"
        } else if birth.and_then(|birth| death.is_before(birth)) == Some(true) {
            "a time before the birth"
        } else {
            return;
        };
        out.push(HazardFinding {
            path: "deceasedDateTime".to_owned(),
            detail: format!("expected a time of death, found {}: {fault}", shape::of_text(text)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{found, found_tuned};

    fn n(birth: &str, death: &str) -> usize {
        found(&De02, &format!(r#"{{"birthDate":"{birth}","deceasedDateTime":"{death}"}}"#)).len()
    }

    #[test]
    fn de_02_is_raised_before_the_birth_after_the_extract_and_for_sentinels() {
        assert_eq!(n("1950-06-01", "1950-05-31"), 1);
        assert_eq!(n("1950-06-01", "1950-05-31T23:59:00+01:00"), 1);
        assert_eq!(n("1950-06-01", "2026-11-01T00:00:01Z"), 1);
        assert_eq!(n("1950-06-01", "2026-11-02"), 1);
        assert_eq!(n("1850-06-01", "1900-01-01T00:00:00+00:00"), 1);
        assert_eq!(n("1950-06-01", "9999-12-31"), 1);
    }

    #[test]
    fn de_02_is_silent_on_the_boundaries_and_where_precision_does_not_tell() {
        assert_eq!(n("1950-06-01", "1950-06-01"), 0);
        assert_eq!(n("1950-06-01", "2026-11-01T00:00:00Z"), 0);
        assert_eq!(n("1950-06-01", "2026-11-01"), 0);
        assert_eq!(n("1950-06-01", "1950"), 0);
        assert_eq!(n("1950-06-01", "2020-02-29T12:00:00Z"), 0);
        assert!(found(&De02, r#"{"deceasedBoolean":true}"#).is_empty());
    }

    #[test]
    fn de_02_waits_as_many_hours_after_the_extract_as_the_project_says() {
        let n = |death: &str| {
            let json = format!(r#"{{"deceasedDateTime":"{death}"}}"#);
            found_tuned(&De02, &json, "max_hours_after_extract", 48).len()
        };
        assert_eq!((n("2026-11-03T00:00:00Z"), n("2026-11-03T00:00:01Z")), (0, 1));
        assert_eq!((n("2026-11-03"), n("2026-11-04")), (0, 1));
    }
}
