//! DA-01: a time of day without its offset.
//!
//! Such a time is seen in the resource, below. That a mapping read a local time under a rule of its own, the mapping
//! tells (`hazard: DA-01`).

use epr_fhir::{Node, NodeKind};

use super::reading::each_text;
use super::{HazardDoc, HazardFinding, HazardSeverity, ResourceRule, RuleSettings};

pub const DOC: HazardDoc = HazardDoc::new(
    "DA-01",
    HazardSeverity::Significant,
    "a local time without an offset, or read under a rule that the mapping declares",
    "Which hour is meant is not said, or was decided by the mapping file and not by the source: in summer and winter \
     two systems show two times. FHIR asks for an offset beside every time of day. Read local times with their zone; \
     where the mapping decided, its line says how.",
);

pub struct Da01;

impl ResourceRule for Da01 {
    fn doc(&self) -> &'static HazardDoc {
        &DOC
    }

    fn types(&self) -> &'static [&'static str] {
        super::ALL_TYPES
    }

    fn check(&self, resource: Node<'_>, _: &RuleSettings<'_>, out: &mut Vec<HazardFinding>) {
        if !any_text(resource) {
            return;
        }
        each_text(resource, &mut |path, name, text| {
            if !is_words(name) && is_local(text) {
                out.push(HazardFinding {
                    path: path.to_owned(),
                    detail: "expected a time of day with its offset, found one without".to_owned(),
                });
            }
        });
    }
}

/// Members in which a time is words of somebody.
fn is_words(name: &str) -> bool {
    matches!(name, "text" | "div" | "display" | "value" | "valueString" | "description" | "comment" | "data")
}

/// `YYYY-MM-DDThh:mm[:ss[.f]]`, and nothing after it.
fn is_local(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 16
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[14..].iter().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
}

/// Whether there is such a text, without a path for it.
fn any_text(node: Node<'_>) -> bool {
    match node.kind() {
        NodeKind::Object => node.members().any(|(name, value)| match value.kind() {
            NodeKind::String => !is_words(name) && value.as_str().is_some_and(is_local),
            _ => any_text(value),
        }),
        NodeKind::Array => node.items().any(any_text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::found;

    #[test]
    fn da_01_is_raised_for_a_time_without_an_offset_wherever_it_stands() {
        for time in ["2026-07-02T09:00:00", "2026-07-02T09:00", "2026-07-02T09:00:00.5"] {
            assert_eq!(
                found(&Da01, &format!(r#"{{"period":{{"start":"{time}"}}}}"#)),
                ["period.start: expected a time of day with its offset, found one without"]
            );
        }
        assert_eq!(found(&Da01, r#"{"event":[{"when":"2026-07-02T09:00:00"}]}"#).len(), 1);
    }

    #[test]
    fn da_01_is_silent_for_days_offsets_and_words() {
        for time in ["2026-07-02", "2026-07-02T09:00:00Z", "2026-07-02T09:00:00+01:00", "2026"] {
            assert!(found(&Da01, &format!(r#"{{"date":"{time}"}}"#)).is_empty(), "{time}");
        }
        assert!(found(&Da01, r#"{"code":{"text":"2026-07-02T09:00:00"}}"#).is_empty());
    }
}
