//! References: their form, the types they may lead to, and contained resources.

use epr_fhir::definitions::ConstraintSeverity;
use epr_fhir::{Node, NodeKind};
use epr_model::shape;

use super::walk::Walk;
use crate::finding::{ReferenceFact, render_plain};
use crate::issues;
use crate::primitive;
use crate::program::ValueProgram;
use crate::tally::BaseRule;

/// A contained resource, and whether anything refers to it.
pub(super) struct Contained<'r> {
    id: Option<&'r str>,
    resource_type: Option<&'r str>,
    is_used: bool,
}

impl<'r> Contained<'r> {
    pub(super) fn of(node: Node<'r>) -> Vec<Self> {
        let items = node.get("contained").into_iter().flat_map(Node::items);
        items
            .map(|item| Self { id: item.text("id"), resource_type: item.text("resourceType"), is_used: false })
            .collect()
    }
}

/// What a reference leads to, as far as its text says.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    /// `Type/id`, perhaps with a version.
    Relative {
        resource_type: &'a str,
        id: &'a str,
    },
    /// A URL that ends in `Type/id`, or any other.
    Absolute {
        resource_type: Option<&'a str>,
    },
    /// `urn:uuid:` or `urn:oid:`.
    Urn,
    /// `Type?search`.
    Search {
        resource_type: &'a str,
    },
    Malformed,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn reference(&mut self, value: &'p ValueProgram<'p>, node: Node<'r>) {
        let Some(text) = node.text("reference") else { return };
        if primitive::check_text(primitive::PrimitiveKind::String, text).is_err() {
            // Its form was told already.
            return;
        }
        if let Some(id) = text.strip_prefix('#') {
            self.fragment(value, id);
            return;
        }
        let resources = &self.checker.program.resources;
        let target = read(text, |name| resources.contains_key(name));
        let failed = target == Target::Malformed || matches!(target, Target::Search { .. }) && !self.in_bundle;
        self.checker.tally.count(BaseRule::Reference, failed);
        if failed {
            self.find(issues::VAL_REFERENCE_FORMAT, || {
                format!("expected Type/id, a whole URL, urn:uuid:, urn:oid: or #id, found {}", shape::of_text(text))
            });
            return;
        }
        let visible = match target {
            Target::Relative { resource_type, id } => {
                if self.inside_contained.is_none() && self.steps.len() > 1 {
                    self.facts.references.push(ReferenceFact {
                        path: render_plain(&self.steps),
                        to_type: resource_type.to_owned(),
                        to_id: id.to_owned(),
                    });
                }
                Some(resource_type)
            }
            Target::Search { resource_type } => Some(resource_type),
            Target::Absolute { resource_type } => resource_type,
            Target::Urn | Target::Malformed => None,
        };
        self.target_type(value, visible.or_else(|| node.text("type")));
    }

    /// The resource that a reference leads to, inside the resource at hand or the bundle around it.
    pub(super) fn resolve(&self, reference: &str) -> Option<Node<'r>> {
        if let Some(id) = reference.strip_prefix('#') {
            let mut contained = self.container.get("contained").into_iter().flat_map(Node::items);
            return if id.is_empty() { Some(self.container) } else { contained.find(|c| c.text("id") == Some(id)) };
        }
        let entries = || self.root.get("entry").filter(|_| self.in_bundle).into_iter().flat_map(Node::items);
        let by_url = entries().find(|entry| entry.text("fullUrl") == Some(reference));
        let by_id = || {
            let (resource_type, id) = last_pair(reference).filter(|_| !reference.contains("://"))?;
            entries().find(|entry| {
                entry.get("resource").is_some_and(|resource| {
                    resource.text("resourceType") == Some(resource_type) && resource.text("id") == Some(id)
                })
            })
        };
        by_url.or_else(by_id)?.get("resource")
    }

    /// The resource type that the text of a reference names.
    pub(super) fn type_in<'t>(&self, reference: &'t str) -> Option<&'t str> {
        let resources = &self.checker.program.resources;
        match read(reference, |name| resources.contains_key(name)) {
            Target::Relative { resource_type, .. } | Target::Search { resource_type } => Some(resource_type),
            Target::Absolute { resource_type } => resource_type,
            Target::Urn | Target::Malformed => None,
        }
    }

    fn fragment(&mut self, value: &'p ValueProgram<'p>, id: &str) {
        if id.is_empty() {
            // `#` is the container itself: a contained resource that names it is in use.
            if let Some(index) = self.inside_contained
                && let Some(contained) = self.contained.get_mut(index)
            {
                contained.is_used = true;
            }
            let container = self.container.text("resourceType");
            self.checker.tally.count(BaseRule::Reference, false);
            self.target_type(value, container);
            return;
        }
        self.uses_contained(id);
        let found = self.contained.iter().find(|c| c.id == Some(id)).map(|c| c.resource_type);
        self.checker.tally.count(BaseRule::Reference, found.is_none());
        match found {
            Some(resource_type) => self.target_type(value, resource_type),
            None => self.find(issues::VAL_CONTAINED, || {
                "expected a contained resource of this id, found none (ref-1)".to_owned()
            }),
        }
    }

    /// Notes that something refers to a contained resource.
    pub(super) fn uses_contained(&mut self, id: &str) {
        for (i, contained) in self.contained.iter_mut().enumerate() {
            // A resource that refers to itself alone is not in use.
            contained.is_used |= contained.id == Some(id) && self.inside_contained != Some(i);
        }
    }

    fn target_type(&mut self, value: &'p ValueProgram<'p>, resource_type: Option<&str>) {
        let Some(resource_type) = resource_type else { return };
        if value.targets.is_empty() || value.targets.iter().any(|t| t == resource_type) {
            return;
        }
        // The name may be anything where it is a text of `Reference.type`; it is shown only where it is a type.
        let found = if self.checker.program.resources.contains_key(resource_type) {
            resource_type.to_owned()
        } else {
            shape::of_text(resource_type)
        };
        let allowed = value.targets.join(", ");
        self.find(issues::VAL_REFERENCE_TYPE, || format!("expected a reference to {allowed}, found one to {found}"));
    }

    /// dom-2 to dom-5, which stand on every resource.
    pub(super) fn contained_rules(&mut self, node: Node<'r>, is_contained: bool) {
        if is_contained {
            let n_before = self.issues.len();
            if node.get("contained").is_some() {
                self.broken("dom-2", "a contained resource shall not contain resources", ConstraintSeverity::Error);
            }
            let meta = node.get("meta").filter(|m| m.kind() == NodeKind::Object);
            if meta.is_some_and(|m| m.get("versionId").is_some() || m.get("lastUpdated").is_some()) {
                self.broken(
                    "dom-4",
                    "a contained resource shall not have a version or a time of update",
                    ConstraintSeverity::Error,
                );
            }
            if meta.is_some_and(|m| m.get("security").is_some()) {
                self.broken("dom-5", "a contained resource shall not have a security label", ConstraintSeverity::Error);
            }
            self.checker.tally.count(BaseRule::Contained, self.issues.len() > n_before);
            return;
        }
        for index in 0..self.contained.len() {
            let Contained { id, is_used, .. } = self.contained[index];
            let ok = is_used && id.is_some();
            self.checker.tally.count(BaseRule::Contained, !ok);
            if ok {
                continue;
            }
            let detail = if id.is_none() {
                "expected an id in a contained resource, found none"
            } else {
                "expected a reference to this contained resource, or from it to its container, found neither (dom-3)"
            };
            self.steps.push(crate::finding::Step { name: "contained", index: Some(index as u32), of_type: None });
            self.find(issues::VAL_CONTAINED, || detail.to_owned());
            self.steps.pop();
        }
    }
}

/// Reads the text of a reference; `is_type` knows the resource types.
fn read(text: &str, is_type: impl Fn(&str) -> bool) -> Target<'_> {
    if text.contains(char::is_whitespace) {
        return Target::Malformed;
    }
    // `Reference.reference` is a string: what a URN looks like inside is left to whoever resolves it.
    if text.starts_with("urn:") {
        return Target::Urn;
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.is_empty();
        let resource_type = last_pair(rest).map(|(t, _)| t).filter(|t| is_type(t));
        return if well_formed { Target::Absolute { resource_type } } else { Target::Malformed };
    }
    if let Some((resource_type, _)) = text.split_once('?') {
        return if is_type(resource_type) { Target::Search { resource_type } } else { Target::Malformed };
    }
    match last_pair(text) {
        Some((resource_type, id)) if is_type(resource_type) && text.starts_with(resource_type) => {
            Target::Relative { resource_type, id }
        }
        _ => Target::Malformed,
    }
}

/// The `Type/id` at the end of a path, a version after it left out.
fn last_pair(path: &str) -> Option<(&str, &str)> {
    let path = match path.split_once("/_history/") {
        Some((before, version)) if primitive::is_id(version) => before,
        Some(_) => return None,
        None => path,
    };
    let (before, id) = path.rsplit_once('/')?;
    let resource_type = before.rsplit('/').next()?;
    primitive::is_id(id).then_some((resource_type, id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> Target<'_> {
        read(text, |name| matches!(name, "Patient" | "Practitioner"))
    }

    #[test]
    fn every_form_of_reference_is_told_apart() {
        let patient = Some("Patient");
        let cases = [
            ("Patient/1", Target::Relative { resource_type: "Patient", id: "1" }),
            ("Patient/1/_history/2", Target::Relative { resource_type: "Patient", id: "1" }),
            ("Patient/1/_history/", Target::Malformed),
            ("Patient/1_2", Target::Malformed),
            ("Patients/1", Target::Malformed),
            ("x/Patient/1", Target::Malformed),
            ("1", Target::Malformed),
            ("http://a.org/fhir/Patient/1", Target::Absolute { resource_type: patient }),
            ("http://a.org/x", Target::Absolute { resource_type: None }),
            ("://x", Target::Malformed),
            ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", Target::Urn),
            ("urn:uuid: 1", Target::Malformed),
            ("Practitioner?identifier=a|b", Target::Search { resource_type: "Practitioner" }),
        ];
        for (text, expected) in cases {
            assert_eq!(target(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}") {
            let _ = target(&text);
        }
    }
}
