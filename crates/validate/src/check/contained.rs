//! Contained resources: that each has an id, is used, and holds nothing that only a resource of its own may have.

use epr_fhir::definitions::ConstraintSeverity;
use epr_fhir::{Node, NodeKind};

use super::walk::Walk;
use crate::finding::Step;
use crate::issues;
use crate::tally::BaseRule;

const NOT_USED: &str =
    "expected a reference to this contained resource, or from it to its container, found neither (dom-3)";

/// A contained resource, and whether anything refers to it.
pub(super) struct Contained<'r> {
    pub(super) id: Option<&'r str>,
    pub(super) resource_type: Option<&'r str>,
    /// Whether its type is one of R4: nothing of another is known, not even its id.
    pub(super) is_resource: bool,
    is_used: bool,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn contained_of(&self, node: Node<'r>) -> Vec<Contained<'r>> {
        let items = node.get("contained").into_iter().flat_map(Node::items);
        let one = |item: Node<'r>| {
            let resource_type = item.text("resourceType");
            let is_resource = resource_type.is_some_and(|name| self.checker.program.resources.contains_key(name));
            let id = item.text("id").filter(|_| is_resource);
            Contained { id, resource_type, is_resource, is_used: false }
        };
        items.filter(|item| item.kind() == NodeKind::Object).map(one).collect()
    }

    /// Notes that something refers to a contained resource; no id is the container.
    pub(super) fn uses_contained(&mut self, id: &str) {
        if id.is_empty() {
            // A contained resource that names its container is in use.
            if let Some(contained) = self.inside_contained.and_then(|index| self.contained.get_mut(index)) {
                contained.is_used = true;
            }
            return;
        }
        for (i, contained) in self.contained.iter_mut().enumerate() {
            // A resource that refers to itself alone is not in use.
            contained.is_used |= contained.id == Some(id) && self.inside_contained != Some(i);
        }
    }

    /// dom-2 to dom-5, which stand on every resource, and what the specification says of the ids.
    pub(super) fn contained_rules(&mut self, node: Node<'r>, is_contained: bool) {
        let items = || node.get("contained").into_iter().flat_map(Node::items);
        if items().next().is_none() {
            return;
        }
        let n_before = self.issues.len();
        let meta_has = |names: &[&str]| {
            items().filter_map(|item| item.get("meta")).any(|meta| names.iter().any(|name| meta.get(name).is_some()))
        };
        if items().any(|item| item.get("contained").is_some()) {
            self.broken("dom-2", "a contained resource shall not contain resources", ConstraintSeverity::Error);
        }
        if meta_has(&["versionId", "lastUpdated"]) {
            let human = "a contained resource shall not have a version or a time of update";
            self.broken("dom-4", human, ConstraintSeverity::Error);
        }
        if meta_has(&["security"]) {
            self.broken("dom-5", "a contained resource shall not have a security label", ConstraintSeverity::Error);
        }
        if is_contained {
            self.nested_in_use(node);
        } else {
            let type_name = node.text("resourceType").unwrap_or_default();
            self.contained_ids(!matches!(type_name, "Binary" | "Bundle" | "Parameters"));
        }
        self.checker.tally.count(BaseRule::Contained, self.issues.len() > n_before);
    }

    /// What a contained resource contains, which it should not, is at least referred to by it.
    fn nested_in_use(&mut self, node: Node<'r>) {
        let mut used = std::collections::BTreeSet::new();
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            used.extend(node.text("reference").and_then(|reference| reference.strip_prefix('#')));
            waiting.extend(node.members().map(|(_, child)| child).chain(node.items()));
        }
        for (index, item) in node.get("contained").into_iter().flat_map(Node::items).enumerate() {
            if !item.text("id").is_some_and(|id| used.contains(id)) {
                self.steps.push(Step { name: "contained", index: Some(index as u32), of_type: None });
                self.find(issues::VAL_CONTAINED, || NOT_USED.to_owned());
                self.steps.pop();
            }
        }
    }

    fn contained_ids(&mut self, has_contained: bool) {
        let mut ids = std::collections::BTreeSet::new();
        // Elsewhere `contained` is an element that nobody knows, and was told as that.
        for index in 0..if has_contained { self.contained.len() } else { 0 } {
            let Contained { id, is_used, .. } = self.contained[index];
            self.steps.push(Step { name: "contained", index: Some(index as u32), of_type: None });
            match id {
                None => {
                    self.find(issues::VAL_CONTAINED, || {
                        "expected an id in a contained resource, found none".to_owned()
                    });
                }
                Some(id) if !ids.insert(id) => {
                    let detail = "expected an id that no other contained resource has, found another's";
                    self.find(issues::VAL_CONTAINED, || detail.to_owned());
                }
                Some(_) => {}
            }
            if !is_used {
                self.find(issues::VAL_CONTAINED, || NOT_USED.to_owned());
            }
            self.steps.pop();
        }
    }
}
