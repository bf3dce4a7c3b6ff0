//! RE-02: a result that is another patient's, or older than its own specimen.
//!
//! That the specimen was taken after the report is seen in the resource, below; that report, result, specimen and
//! visit are not of one patient is run-wide, as is that the source's row names another patient (`crate::stage`).

use epr_fhir::Node;

use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};
use crate::moment::Moment;

pub const DOC: HazardDoc = HazardDoc::new(
    "RE-02",
    HazardSeverity::Catastrophic,
    "a result at the wrong patient, or whose specimen was taken after the report",
    "A decision is made on another patient's result. Result, report, specimen and visit are of one patient, the one \
     that the source's row names, and the specimen was there before the report, but for \
     `max_minutes_before_specimen` (0 to 1440, default 0) in `[rules]`, where the clocks of two systems differ. Trace the request before anything of \
     it is loaded.",
);

pub struct Re02;

impl ResourceRule for Re02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["DiagnosticReport", "Observation"]
    }

    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let period = resource.get("effectivePeriod").and_then(|p| p.text("start"));
        let taken = resource.text("effectiveDateTime").or(period).and_then(Moment::parse);
        let issued = resource.text("issued").and_then(Moment::parse);
        let minutes = i64::from(settings.thresholds.max_minutes_before_specimen);
        if let Some((taken, issued)) = taken.zip(issued)
            && issued.is_before_by(taken, minutes * 60) == Some(true)
        {
            out.push(HazardFinding {
                path: "issued".to_owned(),
                detail: "expected a report after its specimen was taken, found one before".to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{found, found_tuned};

    #[test]
    fn re_02_is_raised_for_a_report_before_its_specimen() {
        let of = |taken: &str, issued: &str| {
            found(&Re02, &format!(r#"{{"effectiveDateTime":"{taken}","issued":"{issued}"}}"#)).len()
        };
        assert_eq!(of("2026-07-02T09:00:00Z", "2026-07-02T08:59:59Z"), 1);
        assert_eq!(of("2026-07-03", "2026-07-02T08:59:59Z"), 1);
        assert_eq!(of("2026-07-02T09:00:00+01:00", "2026-07-02T08:00:00Z"), 0);
        assert_eq!(of("2026-07-02", "2026-07-02T08:00:00Z"), 0);
        assert_eq!(of("2026", "2026-07-02T08:00:00Z"), 0);
        assert!(found(&Re02, r#"{"effectiveDateTime":"2026-07-02"}"#).is_empty());
    }

    #[test]
    fn re_02_bears_with_clocks_as_far_apart_as_the_project_says() {
        let n = |issued: &str| {
            let json = format!(r#"{{"effectiveDateTime":"2026-07-02T09:00:00Z","issued":"{issued}"}}"#);
            found_tuned(&Re02, &json, "max_minutes_before_specimen", 5).len()
        };
        assert_eq!((n("2026-07-02T08:55:00Z"), n("2026-07-02T08:54:59Z")), (0, 1));
    }
}
