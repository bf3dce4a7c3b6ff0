//! What an element definition may say of its types, its binding and its rules; and where an extension may stand.

use std::collections::BTreeMap;

use epr_fhir::Node;
use epr_fhir::definitions::{Structure, StructureKind};

use super::Way;
use super::differential::Home;
use crate::check::walk::Walk;

const VERSION_SPECIFIC_USE: &str = "http://hl7.org/fhir/StructureDefinition/version-specific-use";
/// Types that have a length.
const WITH_LENGTH: &[&str] = &[
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "markdown",
    "oid",
    "positiveInt",
    "string",
    "time",
    "unsignedInt",
    "uri",
    "url",
    "uuid",
];
/// Types whose values are in an order.
const WITH_RANGE: &[&str] = &[
    "Age",
    "Count",
    "Distance",
    "Duration",
    "Money",
    "MoneyQuantity",
    "Quantity",
    "SimpleQuantity",
    "date",
    "dateTime",
    "decimal",
    "instant",
    "integer",
    "positiveInt",
    "time",
    "unsignedInt",
];
/// Types that a value set may be bound to.
const BINDABLE: &[&str] = &[
    "Age",
    "CodeableConcept",
    "Coding",
    "Distance",
    "Duration",
    "Extension",
    "MoneyQuantity",
    "Quantity",
    "Range",
    "SimpleQuantity",
    "code",
    "oid",
    "string",
    "uri",
    "url",
    "uuid",
];

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// What is said of an element makes sense for its types.
    pub(super) fn characteristics(&mut self, way: &[Way<'static>], element: Node<'r>) {
        let definitions = self.checker.program.definitions;
        let mut codes: Vec<&str> = Vec::new();
        for (at, of) in element.get("type").into_iter().flat_map(Node::items).enumerate() {
            let Some(code) = of.text("code") else { continue };
            codes.push(code);
            let targets = of.get("targetProfile").into_iter().flat_map(Node::items);
            let urls: Vec<Option<&str>> = targets.map(Node::as_str).collect();
            if urls.is_empty() {
                continue;
            }
            let has_target = matches!(code, "Reference" | "canonical" | "CodeableReference");
            if definitions.structure(code).is_some() {
                self.demand(way, has_target, || format!("expected no target of a {code}, found one"));
            }
            for (i, url) in urls.into_iter().enumerate() {
                let mut way = way.to_vec();
                way.extend([("type", Some(at)), ("targetProfile", Some(i))]);
                let target = url.and_then(|url| definitions.structure(url));
                // A logical model may stand for resources that are not written yet.
                let fits = has_target
                    && target.is_none_or(|t| matches!(t.kind, StructureKind::Resource | StructureKind::Logical));
                self.demand(&way, fits, || "expected a profile on a resource as the target, found another".to_owned());
            }
        }
        let is_known = codes.iter().any(|code| definitions.structure(code).is_some());
        if let Some(binding) = element.get("binding") {
            if is_known {
                self.one_of(way, &codes, BINDABLE, "binding");
            }
            let is_other = binding.text("valueSet").is_some_and(|url| {
                definitions.value_set(url).is_none()
                    && (definitions.structure(url).is_some() || definitions.code_system(url).is_some())
            });
            let mut way = way.to_vec();
            way.push(("binding", None));
            self.demand(&way, !is_other, || "expected a value set in the binding, found another definition".to_owned());
        }
        if is_known {
            for (stem, types) in [("maxLength", WITH_LENGTH), ("minValue", WITH_RANGE), ("maxValue", WITH_RANGE)] {
                if element.members().any(|(name, _)| name.starts_with(stem)) {
                    self.one_of(way, &codes, types, stem);
                }
            }
        }
    }

    fn one_of(&mut self, way: &[Way<'static>], codes: &[&str], types: &[&str], what: &'static str) {
        let fits = codes.iter().any(|code| types.binary_search(code).is_ok());
        self.demand(way, fits, || format!("expected no {what} on an element of this type, found one"));
    }

    /// A rule has one expression wherever its key stands, and in a differential no other source than the profile.
    pub(super) fn invariant_keys(&mut self, node: Node<'r>, base: &'p Structure) {
        let url = node.text("url");
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        let elements = node.get("differential").and_then(|list| list.get("element"));
        for (i, element) in elements.into_iter().flat_map(Node::items).enumerate() {
            for (j, rule) in element.get("constraint").into_iter().flat_map(Node::items).enumerate() {
                let (Some(key), Some(text)) = (rule.text("key"), rule.text("expression")) else { continue };
                let way = [("differential", None), ("element", Some(i)), ("constraint", Some(j))];
                let source = rule.text("source").map(|source| source.split('|').next().unwrap_or(source));
                if !self.demand(&way, source.is_none() || source == url, || {
                    "expected no source of a rule, or this profile, found another".to_owned()
                }) {
                    continue;
                }
                let mut of_base = base.elements.iter().flat_map(|element| &element.constraints);
                let before = of_base.find(|rule| rule.key == key).and_then(|rule| rule.expression.as_deref());
                let before = before.or_else(|| known.get(key).copied());
                self.demand(&way, before.is_none_or(|before| before == text), || {
                    "expected a key of its own, found that of a rule with another expression".to_owned()
                });
                known.entry(key).or_insert(text);
            }
        }
    }

    /// An extension stands on elements that FHIR has, and its rules on them can be read.
    pub(super) fn extension_contexts(&mut self, node: Node<'r>) {
        for (at, context) in node.get("context").into_iter().flat_map(Node::items).enumerate() {
            let mut extensions = context.get("extension").into_iter().flat_map(Node::items);
            // For other versions other elements are asked, which are not loaded.
            if extensions.any(|extension| extension.text("url") == Some(VERSION_SPECIFIC_USE)) {
                continue;
            }
            let (Some("element"), Some(text)) = (context.text("type"), context.text("expression")) else { continue };
            self.demand(&[("context", Some(at))], self.is_context(text), || {
                "expected an element that FHIR has, found another name".to_owned()
            });
        }
        for (at, rule) in node.get("contextInvariant").into_iter().flat_map(Node::items).enumerate() {
            let is_read = rule.as_str().is_none_or(|text| epr_fhirpath::parse(text).is_ok());
            self.demand(&[("contextInvariant", Some(at))], is_read, || {
                "expected a FHIRPath expression, found another text".to_owned()
            });
        }
    }

    fn is_context(&self, text: &str) -> bool {
        let definitions = self.checker.program.definitions;
        let (profile, path) = text.split_once('#').map_or((None, text), |(profile, path)| (Some(profile), path));
        let root = path.split('.').next().unwrap_or(path);
        // R4 publishes no definition of these two; any definition has their elements.
        let structure = match (profile, root) {
            (Some(url), _) => definitions.structure(url),
            (None, "CanonicalResource") => definitions.structure("CodeSystem"),
            (None, "MetadataResource") => definitions.structure("PlanDefinition"),
            (None, root) => definitions.structure(root).filter(|found| found.type_name == root),
        };
        structure.is_some_and(|structure| !matches!(self.home(structure, path), Home::Missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_types_are_sorted_for_the_search() {
        for list in [WITH_LENGTH, WITH_RANGE, BINDABLE] {
            assert!(list.is_sorted());
        }
    }
}
