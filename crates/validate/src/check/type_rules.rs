//! Rules on single resource types that the specification gives in words only.

use epr_fhir::Node;

use super::walk::Walk;
use crate::finding::Step;
use crate::issues;
use crate::tally::BaseRule;

/// Relations of which a bundle has one link. Source: FHIR R4, bundle, "Links"; RFC 5988.
const SINGLE_RELATIONS: &[&str] = &["first", "last", "next", "prev", "previous", "self"];

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn type_rules(&mut self, type_name: &str, node: Node<'r>) {
        match type_name {
            "Bundle" => self.bundle_links(node),
            "ValueSet" => self.value_set_systems(node),
            _ => {}
        }
    }

    fn bundle_links(&mut self, node: Node<'r>) {
        let links = || node.get("link").into_iter().flat_map(Node::items);
        for (i, link) in links().enumerate() {
            let Some(relation) = link.text("relation") else { continue };
            let Some(known) = SINGLE_RELATIONS.iter().find(|r| **r == relation) else { continue };
            let is_second = links().take(i).any(|l| l.text("relation") == Some(relation));
            self.checker.tally.count(BaseRule::Cardinality, is_second);
            if is_second {
                self.steps.push(Step { name: "link", index: Some(i as u32), of_type: None });
                self.find(issues::VAL_BUNDLE_LINK, || format!("expected one link of relation {known}, found another"));
                self.steps.pop();
            }
        }
    }

    fn value_set_systems(&mut self, node: Node<'r>) {
        let Some(compose) = node.get("compose") else { return };
        for list in ["include", "exclude"] {
            let sets = compose.get(list).into_iter().flat_map(Node::items);
            for (i, system) in sets.enumerate().filter_map(|(i, set)| Some((i, set.text("system")?))) {
                let is_absolute = system.contains(':');
                self.checker.tally.count(BaseRule::Format, !is_absolute);
                if !is_absolute {
                    self.steps.push(Step { name: "compose", index: None, of_type: None });
                    self.steps.push(Step { name: list, index: Some(i as u32), of_type: None });
                    let detail = "expected an absolute URL in system, found a relative one or a fragment";
                    self.find(issues::VAL_VALUE_SET_SYSTEM, || detail.to_owned());
                    self.steps.truncate(self.steps.len() - 2);
                }
            }
        }
    }
}
