//! The narrative of a resource: its XHTML, and whether its links lead anywhere inside the resource.

use epr_fhir::Node;
use epr_fhir::definitions::ConstraintSeverity;
use epr_fhir::narrative::{self, NarrativeFault};
use epr_model::Severity;

use super::walk::Walk;
use crate::issues;
use crate::profile::Rule;
use crate::tally::BaseRule;

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn narrative(&mut self, text: &'r str) {
        let read = narrative::read(text);
        self.checker.tally.count(BaseRule::Narrative, !read.faults.is_empty());
        if !read.is_basic {
            let human = "the narrative holds only the allowed elements and attributes";
            self.broken("txt-1", human, ConstraintSeverity::Error);
        }
        let is_broken = read.faults.contains(&NarrativeFault::NotWellFormed);
        if is_broken || read.faults.contains(&NarrativeFault::NoContent) {
            self.broken("txt-2", "the narrative has some content", ConstraintSeverity::Error);
        }
        for fault in read.faults.into_iter().filter(|fault| *fault != NarrativeFault::NoContent) {
            self.find(issues::VAL_NARRATIVE, || format!("expected well-formed basic XHTML, found: {}", fault.text()));
        }
        for link in read.links {
            self.uses_contained(link);
            self.narrative_link(link);
        }
    }

    /// A link inside leads to an id of the resource, or of the bundle around it.
    fn narrative_link(&mut self, id: &'r str) {
        let container = self.container;
        let bundle = self.bundle.as_ref().map(|bundle| bundle.node);
        let ids = self.link_ids.get_or_insert_with(|| ids_of(container).into_iter().collect());
        if ids.contains(id) {
            return;
        }
        let is_around = bundle.is_some_and(|bundle| {
            self.bundle_link_ids.get_or_insert_with(|| ids_of(bundle).into_iter().collect()).contains(id)
        });
        if !is_around {
            self.find(issues::VAL_NARRATIVE, || {
                "expected a link to an id inside the resource, found one that leads nowhere".to_owned()
            });
        }
    }

    /// What a profile asks of the parts of a narrative.
    pub(super) fn narrative_rule(&mut self, rule: &Rule<'p>, node: Node<'r>) {
        if rule.narrative_languages.is_empty() && rule.narrative_source.is_none() {
            return;
        }
        let Some(text) = node.text("div") else { return };
        let found = narrative::sections(text);
        if let Some(level) = rule.narrative_source {
            let severity = match level {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                _ => Severity::Information,
            };
            for _ in 0..found.n_without_source {
                let detail = "expected each part of the narrative to say where it comes from, by the class generated, \
                              boilerplate or original, found one that does not";
                self.push(issues::VAL_NARRATIVE_SECTION, severity, detail.to_owned());
            }
        }
        let own = self.container.text("language");
        let n = found.languages.len();
        let has = |language: &str| found.languages.contains(&language);
        for asked in rule.narrative_languages {
            let (is_met, expected) = match asked.as_str() {
                "_no" => (n == 0, "no section of a language".to_owned()),
                "_yes" => (n > 0, "sections by language".to_owned()),
                // Without sections, or without a language of the resource, it is advice only.
                "_resource" => (n == 0 || own.is_none_or(has), "a section in the resource's language".to_owned()),
                language => (n == 0 || has(language), format!("a section in the language {language}")),
            };
            if !is_met {
                self.find(issues::VAL_NARRATIVE_SECTION, || {
                    format!("expected {expected}, found {n} sections by language")
                });
            }
        }
    }
}

/// All that a link inside may lead to, as often as it is there: ids of resources and elements, ids and names in
/// narratives.
pub(super) fn ids_of(node: Node<'_>) -> Vec<&str> {
    let mut found = Vec::new();
    for (name, child) in node.below(|_| true) {
        match (name, child.as_str()) {
            ("id", Some(id)) => found.push(id),
            ("div", Some(text)) => found.extend(narrative::anchors(text)),
            _ => {}
        }
    }
    found
}
