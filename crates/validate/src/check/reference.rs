//! References: their form, where they lead, and the types they may lead to.

use epr_fhir::Node;
use epr_fhir::definitions::ConstraintSeverity;
use epr_model::{Severity, shape};

use super::walk::Walk;
use crate::finding::{ReferenceFact, render_plain};
use crate::issues;
use crate::primitive;
use crate::program::{Program, ValueProgram};
use crate::tally::BaseRule;

/// The base of the URLs of R4's types.
const TYPES: &str = "http://hl7.org/fhir/StructureDefinition/";

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

/// How far a reference was followed.
pub(super) enum Followed<'r> {
    /// To a resource that is at hand, of this type.
    To(Option<&'r str>),
    /// It leads out of what is checked here; the type that its text names, where it does.
    Outside(Option<&'r str>),
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn reference(&mut self, value: &'p ValueProgram, node: Node<'r>) {
        let Some(text) = node.text("reference").filter(|text| !text.is_empty()) else { return };
        self.entry_of_references();
        let has_space = text.contains(char::is_whitespace);
        if has_space {
            self.checker.tally.count(BaseRule::Reference, true);
            self.malformed(Severity::Error, text);
        }
        let followed = match text.strip_prefix('#') {
            Some(id) => self.fragment(id),
            None => self.plain_reference(text, has_space),
        };
        self.stated_type(value, node, &followed);
        match followed {
            Followed::To(found) => self.target_type(value, found, Severity::Error),
            // The reference validator takes such a type on trust. In a run it is an error, see `crate::stage`.
            Followed::Outside(named) => self.target_type(value, named, Severity::Warning),
        }
    }

    fn plain_reference(&mut self, text: &'r str, was_told: bool) -> Followed<'r> {
        let all: &'p Program<'p> = self.checker.program;
        let target = read(text, |name| all.resources.contains_key(name));
        if let Target::Search { resource_type } = target {
            // Only a server that runs a transaction looks for what a search finds.
            self.checker.tally.count(BaseRule::Reference, !self.in_transaction());
            if !self.in_transaction() {
                self.malformed(Severity::Error, text);
            }
            return Followed::Outside(Some(resource_type));
        }
        if let Some(followed) = self.in_bundle(text) {
            return followed;
        }
        let failed = target == Target::Malformed;
        self.checker.tally.count(BaseRule::Reference, failed);
        if failed && !was_told {
            self.malformed(Severity::Warning, text);
        }
        match target {
            Target::Relative { resource_type, id } => {
                if self.inside_contained.is_none() && self.steps.len() > 1 {
                    self.facts.references.push(ReferenceFact {
                        path: render_plain(&self.steps),
                        to_type: resource_type.to_owned(),
                        to_id: id.to_owned(),
                    });
                }
                Followed::Outside(Some(resource_type))
            }
            Target::Absolute { resource_type } => Followed::Outside(resource_type),
            _ => Followed::Outside(None),
        }
    }

    pub(super) fn malformed(&mut self, severity: Severity, text: &str) {
        let found = shape::of_text(text);
        let detail = format!("expected Type/id, a whole URL, urn:uuid:, urn:oid: or #id, found {found}");
        self.push(issues::VAL_REFERENCE_FORMAT, severity, detail);
    }

    /// `Reference.type` is one of the types that may stand here, and that of the resource.
    fn stated_type(&mut self, value: &'p ValueProgram, node: Node<'r>, followed: &Followed<'r>) {
        let Some(stated) = node.text("type").filter(|t| !t.is_empty()) else { return };
        let stated = stated.strip_prefix(TYPES).unwrap_or(stated);
        let is_other = !value.targets.is_empty() && !value.targets.iter().any(|t| t == stated);
        self.checker.tally.count(BaseRule::Reference, is_other);
        if is_other {
            let found = self.type_for_message(stated);
            let allowed = value.targets.join(", ");
            self.find(issues::VAL_REFERENCE_TYPE, || format!("expected {allowed} in type, found {found}"));
        }
        let (Followed::To(known) | Followed::Outside(known)) = followed;
        if let Some(known) = known.filter(|known| *known != stated) {
            self.checker.tally.count(BaseRule::Reference, true);
            let found = self.type_for_message(stated);
            self.find(issues::VAL_REFERENCE_TYPE, || {
                format!("expected {known} in type, as the reference leads to one, found {found}")
            });
        }
    }

    /// The name may be anything; it is shown only where it is a type.
    fn type_for_message(&self, name: &str) -> String {
        if self.checker.program.resources.contains_key(name) { name.to_owned() } else { shape::of_text(name) }
    }

    /// The resource that a reference leads to, inside the resource at hand or the bundle around it.
    pub(super) fn resolve(&self, reference: &str) -> Option<Node<'r>> {
        if let Some(id) = reference.strip_prefix('#') {
            let mut contained = self.container.get("contained").into_iter().flat_map(Node::items);
            return if id.is_empty() { Some(self.container) } else { contained.find(|c| c.text("id") == Some(id)) };
        }
        self.bundle.as_ref()?.resource(reference, self.entry)
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

    fn target_type(&mut self, value: &'p ValueProgram, resource_type: Option<&str>, severity: Severity) {
        let Some(resource_type) = resource_type else { return };
        if value.targets.is_empty() {
            return;
        }
        let is_allowed = value.targets.iter().any(|t| t == resource_type);
        self.checker.tally.count(BaseRule::Reference, !is_allowed);
        if is_allowed {
            return;
        }
        let found = self.type_for_message(resource_type);
        let allowed = value.targets.join(", ");
        let detail = format!("expected a reference to {allowed}, found one to {found}");
        self.push(issues::VAL_REFERENCE_TYPE, severity, detail);
    }

    fn fragment(&mut self, id: &str) -> Followed<'r> {
        self.uses_contained(id);
        let found = if id.is_empty() {
            // `#` is the container itself, seen from a contained resource.
            self.inside_contained.map(|_| self.container.text("resourceType"))
        } else {
            self.contained.iter().find(|c| c.id == Some(id) && c.is_resource).map(|c| c.resource_type)
        };
        let nested = if found.is_none() { self.nested(id) } else { None };
        self.checker.tally.count(BaseRule::Reference, found.is_none());
        if let Some(resource_type) = found {
            return Followed::To(resource_type);
        }
        if nested.is_none() {
            self.find(issues::VAL_CONTAINED, || "expected a contained resource of this id, found none".to_owned());
        }
        if !id.is_empty() {
            self.broken(
                "ref-1",
                "a local reference leads to a contained resource of the same resource",
                ConstraintSeverity::Error,
            );
        }
        nested.map_or(Followed::Outside(None), |name| Followed::To(Some(name)))
    }

    /// The type of what a contained resource contains, which it should not.
    fn nested(&self, id: &str) -> Option<&'r str> {
        let index = self.inside_contained.filter(|_| !id.is_empty())?;
        let contained = self.container.get("contained")?.items().nth(index)?.get("contained")?;
        let found = contained.items().find(|item| item.text("id") == Some(id))?;
        found.text("resourceType")
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
    if let Some((resource_type, _)) = text.split_once('?').filter(|(name, _)| is_type(name)) {
        return Target::Search { resource_type };
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let well_formed = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.is_empty();
        let resource_type = last_pair(rest).map(|(t, _)| t).filter(|t| is_type(t));
        return if well_formed { Target::Absolute { resource_type } } else { Target::Malformed };
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
