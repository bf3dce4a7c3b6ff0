//! EN-04: an emergency attendance that does not say where or when.

use epr_fhir::Node;

use super::en_01::has_place;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "EN-04",
    HazardSeverity::Significant,
    "an emergency attendance without a site or an arrival time",
    "The four-hour wait cannot be counted, and nobody knows which department holds the notes. Source: NHS Data \
     Dictionary, Emergency Care Data Set: site and arrival are mandatory. Correct them in the source.",
);

pub struct En04;

impl ResourceRule for En04 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Encounter"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if resource.get("class").and_then(|c| c.text("code")) != Some("EMER") {
            return;
        }
        let mut missing = |path: &str, what: &str| {
            out.push(HazardFinding { path: path.to_owned(), detail: format!("expected {what}, found none") });
        };
        let start = resource.get("period").and_then(|p| p.text("start"));
        // A day alone is no arrival.
        if !start.is_some_and(|s| s.contains('T')) {
            missing("period.start", "the time of arrival of an emergency attendance");
        }
        if resource.get("serviceProvider").is_none() && !has_place(resource) {
            missing("serviceProvider", "the site of an emergency attendance");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn en_04_is_raised_for_what_is_missing_from_an_emergency_attendance() {
        let of = |rest: &str| found(&En04, &format!(r#"{{"class":{{"code":"EMER"}}{rest}}}"#)).len();
        let arrival = r#","period":{"start":"2026-07-02T09:00:00+01:00"}"#;
        let site = r#","serviceProvider":{"display":"x"}"#;
        assert_eq!(of(""), 2);
        assert_eq!(of(arrival), 1);
        assert_eq!(of(site), 1);
        assert_eq!(of(&format!(r#","period":{{"start":"2026-07-02"}}{site}"#)), 1);
        assert_eq!(of(&format!("{arrival}{site}")), 0);
        assert_eq!(of(&format!(r#"{arrival},"location":[{{"location":{{"display":"x"}}}}]"#)), 0);
        assert!(found(&En04, r#"{"class":{"code":"AMB"}}"#).is_empty());
    }
}
