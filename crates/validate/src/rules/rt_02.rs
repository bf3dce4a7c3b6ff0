//! RT-02: a waiting-time clock that does not show the wait.
//!
//! That stop, start and status contradict each other is seen in the resource, below; that the start is not the
//! source's is seen by comparing with the source's own count (`crate::stage`).

use epr_fhir::Node;

use super::reading::extension_code;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};
use crate::moment::Moment;

pub const DOC: HazardDoc = HazardDoc::new(
    "RT-02",
    HazardSeverity::Considerable,
    "an RTT clock whose start was moved, or whose start, stop and status contradict each other",
    "The patient waits longer than the list shows, or drops off it. A clock stops after it started; a status that \
     stops the clock (30 to 36) has a stop, one that starts or continues it (10 to 21) has none. Source: NHS England, \
     RTT period status. Compare with the source's pathway, and correct it there or in the mapping.",
);

/// The last segment of the URL of the extension that holds the RTT period status.
pub(crate) const STATUS_EXTENSION: &str = "rtt-status";

pub struct Rt02;

impl ResourceRule for Rt02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["EpisodeOfCare"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        let Some(status) = extension_code(resource, STATUS_EXTENSION) else { return };
        let period = resource.get("period");
        let side = |name: &str| period.and_then(|p| p.text(name)).and_then(Moment::parse);
        let (start, stop) = (side("start"), side("end"));
        let mut found = |path: &str, detail: &str| {
            out.push(HazardFinding { path: path.to_owned(), detail: detail.to_owned() });
        };
        if let (Some(start), Some(stop)) = (start, stop)
            && start.is_before(stop) == Some(false)
        {
            found("period", "expected a clock stop after the clock start, found one on the same day or before it");
        }
        let has_stop = period.is_some_and(|p| p.get("end").is_some());
        match status {
            "30" | "31" | "32" | "33" | "34" | "35" | "36" if !has_stop => {
                found("period.end", "expected a clock stop beside a status that stops the clock, found none");
            }
            "10" | "11" | "12" | "20" | "21" if has_stop => {
                found("period.end", "expected no clock stop beside a status that runs the clock, found one");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn n(status: &str, period: &str) -> usize {
        found(
            &Rt02,
            &format!(
                r#"{{"extension":[{{"url":"https://x.example/StructureDefinition/rtt-status","valueCoding":{{"code":"{status}"}}}}],"period":{{{period}}}}}"#
            ),
        )
        .len()
    }

    #[test]
    fn rt_02_is_raised_where_dates_and_status_contradict_each_other() {
        assert_eq!(n("30", r#""start":"2026-01-05","end":"2026-01-05""#), 1);
        assert_eq!(n("30", r#""start":"2026-01-05","end":"2026-01-04""#), 1);
        assert_eq!(n("34", r#""start":"2026-01-05""#), 1);
        assert_eq!(n("20", r#""start":"2026-01-05","end":"2026-02-05""#), 1);
    }

    #[test]
    fn rt_02_is_silent_for_a_running_and_for_a_stopped_clock_and_outside_rtt() {
        assert_eq!(n("10", r#""start":"2026-01-05""#), 0);
        assert_eq!(n("30", r#""start":"2026-01-05","end":"2026-02-05""#), 0);
        assert_eq!(n("91", r#""start":"2026-01-05""#), 0);
        assert_eq!(n("98", r#""start":"2026-01-05","end":"2026-02-05""#), 0);
        assert!(found(&Rt02, r#"{"period":{"start":"2026-01-05","end":"2025-01-05"}}"#).is_empty());
    }
}
