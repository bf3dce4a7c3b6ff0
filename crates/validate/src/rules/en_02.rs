//! EN-02: a consultant episode that does not fit its spell.
//!
//! That an episode has no consultant is seen in the resource; that it lies outside its spell, or overlaps the next
//! of the same spell, is run-wide: the two stand in two resources (`crate::stage`).

use epr_fhir::Node;

use super::reading::has_code;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};
use crate::moment::Moment;

pub const DOC: HazardDoc = HazardDoc::new(
    "EN-02",
    HazardSeverity::Significant,
    "a consultant episode lies outside its spell, overlaps the next, or has no consultant",
    "Who was responsible for the patient, and when, cannot be said; activity is paid for twice or not at all. Correct \
     spell and episodes in the source. An episode may go on for `max_overlap_minutes` (0 to 1440, default 0) in `[rules]` \
     when the next has begun. Source: NHS Data Dictionary, CONSULTANT EPISODE (HOSPITAL PROVIDER).",
);

/// The participant type of the responsible consultant.
const ATTENDER: &str = "ATND";

pub struct En02;

impl ResourceRule for En02 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        &["Encounter"]
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if is_episode(resource) && !has_consultant(resource) {
            out.push(HazardFinding {
                path: "participant".to_owned(),
                detail: "expected the consultant of an episode, found none".to_owned(),
            });
        }
    }
}

/// Whether an Encounter is part of a hospital spell.
pub(crate) fn is_episode(encounter: Node<'_>) -> bool {
    encounter.get("partOf").is_some() && encounter.get("class").and_then(|c| c.text("code")) == Some("IMP")
}

fn has_consultant(encounter: Node<'_>) -> bool {
    let mut participants = encounter.get("participant").into_iter().flat_map(Node::items);
    participants.any(|p| has_code(p, "type", &[ATTENDER]) && p.get("individual").is_some())
}

/// When something began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: Option<Moment>,
    pub(crate) end: Option<Moment>,
}

impl Period {
    pub(crate) fn of(resource: Node<'_>) -> Self {
        let side = |name| resource.get("period").and_then(|p: Node<'_>| p.text(name)).and_then(Moment::parse);
        Self { start: side("start"), end: side("end") }
    }
}

/// Why an episode is not inside its spell, if it is not.
pub(crate) fn outside(episode: Period, spell: Period) -> Option<&'static str> {
    let before = |a: Option<Moment>, b: Option<Moment>| a.zip(b).and_then(|(a, b)| a.is_before(b)) == Some(true);
    if before(episode.start, spell.start) {
        return Some("expected an episode that begins with its spell or after it, found one that begins before");
    }
    if before(spell.end, episode.end) {
        return Some("expected an episode that ends with its spell or before it, found one that ends after");
    }
    if before(spell.end, episode.start) {
        return Some("expected an episode that begins before the end of its spell, found one that begins after");
    }
    None
}

/// Whether an episode goes on for more than so many minutes when the next of its spell has begun.
pub(crate) fn overlaps(episode: Period, next: Period, most_minutes: u32) -> bool {
    match (episode.end, next.start) {
        (Some(end), Some(next)) => next.is_before_by(end, i64::from(most_minutes) * 60) == Some(true),
        // An episode without an end goes on.
        (None, Some(_)) => episode.start.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    fn period(start: &str, end: &str) -> Period {
        Period { start: Moment::parse(start), end: Moment::parse(end) }
    }

    #[test]
    fn en_02_is_raised_for_an_episode_without_a_consultant() {
        let episode = r#""class":{"code":"IMP"},"partOf":{"reference":"Encounter/1"}"#;
        let with = |kind: &str| {
            format!(
                r#"{{{episode},"participant":[{{"type":[{{"coding":[{{"code":"{kind}"}}]}}],"individual":{{"display":"x"}}}}]}}"#
            )
        };
        assert_eq!(found(&En02, &format!("{{{episode}}}")).len(), 1);
        assert_eq!(found(&En02, &with("REF")).len(), 1);
        assert!(found(&En02, &with("ATND")).is_empty());
        assert!(found(&En02, r#"{"class":{"code":"IMP"}}"#).is_empty());
        assert!(found(&En02, r#"{"class":{"code":"AMB"},"partOf":{"reference":"Encounter/1"}}"#).is_empty());
    }

    #[test]
    fn en_02_is_raised_for_an_episode_outside_its_spell() {
        let spell = period("2026-01-05T10:00:00Z", "2026-01-09T10:00:00Z");
        assert!(outside(period("2026-01-05T09:59:59Z", "2026-01-06T10:00:00Z"), spell).is_some());
        assert!(outside(period("2026-01-06T10:00:00Z", "2026-01-09T10:00:01Z"), spell).is_some());
        assert!(outside(period("2026-01-10T10:00:00Z", ""), spell).is_some());
        assert_eq!(outside(spell, spell), None);
        assert_eq!(outside(period("2026-01-05", "2026-01-09"), spell), None);
        assert_eq!(outside(period("2027-01-06T10:00:00Z", ""), period("2026-01-05T10:00:00Z", "")), None);
    }

    #[test]
    fn en_02_is_raised_where_two_episodes_go_on_at_once() {
        let next = period("2026-01-06T10:00:00Z", "");
        assert!(overlaps(period("2026-01-05T10:00:00Z", "2026-01-06T10:00:01Z"), next, 0));
        assert!(!overlaps(period("2026-01-05T10:00:00Z", "2026-01-06T10:01:00Z"), next, 1));
        assert!(overlaps(period("2026-01-05T10:00:00Z", ""), next, 0));
        assert!(!overlaps(period("2026-01-05T10:00:00Z", "2026-01-06T10:00:00Z"), next, 0));
    }
}
