//! StructureDefinition: its type and base, its paths, slicing, profiles of types, and invariants.

use epr_fhir::Node;
use epr_fhir::definitions::{Derivation, Element, Structure, StructureKind};
use epr_fhirpath::analysis::{Analysis, analyse};

use super::Way;
use crate::check::walk::Walk;

const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/Extension";

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn structure_definition(&mut self, node: Node<'r>) {
        let definitions = self.checker.program.definitions;
        let type_name = node.text("type").map(|name| name.rsplit('/').next().unwrap_or(name));
        if let Some(base) = node.text("baseDefinition").and_then(|url| definitions.structure(url)) {
            self.derivation(node, type_name, base);
            if type_name == Some(base.type_name.as_str()) {
                self.differential(node, base);
            }
            self.invariant_keys(node, base);
        }
        if type_name == Some("Extension") {
            if let Some(url) = node.text("url").filter(|_| node.text("baseDefinition") == Some(EXTENSION)) {
                let fixed = fixed_url(node);
                self.demand(&[], fixed == Some(url), || {
                    "expected the fixed value of Extension.url to be the URL of the definition, found another or none"
                        .to_owned()
                });
            }
            self.extension_contexts(node);
        } else {
            for (at, _) in node.get("contextInvariant").into_iter().flat_map(Node::items).enumerate() {
                self.demand(&[("contextInvariant", Some(at))], false, || {
                    "expected no rule on a context in a definition that is not about an extension".to_owned()
                });
            }
            for (at, _) in node.get("context").into_iter().flat_map(Node::items).enumerate() {
                self.demand(&[("context", Some(at))], false, || {
                    "expected no context in a definition that is not about an extension".to_owned()
                });
            }
        }
        for list in ["snapshot", "differential"] {
            let elements = node.get(list).and_then(|list| list.get("element"));
            for (at, element) in elements.into_iter().flat_map(Node::items).enumerate() {
                let way = [(list, None), ("element", Some(at))];
                self.element_definition(&way, element, type_name, list == "snapshot");
            }
        }
    }

    /// What is derived keeps the kind; a constraint also the type.
    fn derivation(&mut self, node: Node<'r>, type_name: Option<&str>, base: &'p Structure) {
        let (kind, base_kind) = (node.text("kind"), code_of(base.kind));
        let same_kind = kind == Some(base_kind);
        let wrong_kind = || format!("expected the kind {base_kind}, as what it is derived from, found another");
        let Some(derivation) = node.text("derivation") else {
            self.demand(&[], false, || "expected a derivation, as there is a base definition, found none".to_owned());
            return;
        };
        self.demand(&[], base.is_abstract || same_kind, wrong_kind);
        let same_type = type_name == Some(base.type_name.as_str());
        if derivation == "constraint" {
            self.demand(&[], same_type, || {
                format!("expected the type {}, as what it constrains, found another", base.type_name)
            });
            // No snapshot can be made of it either, which the reference validator tells apart.
            self.demand(&[], same_type || base.elements.is_empty(), || {
                format!("expected a differential on {}, found one on another type", base.type_name)
            });
            self.demand(&[], same_kind, wrong_kind);
        } else if base.derivation != Derivation::Constraint {
            self.demand(&[], !same_type, || {
                format!("expected a type of its own, found {}, which it specialises", base.type_name)
            });
            self.demand(&[("type", None)], !same_type, || "expected a new type, found one that FHIR has".to_owned());
        }
    }

    fn element_definition(
        &mut self,
        way: &[Way<'static>],
        element: Node<'r>,
        type_name: Option<&str>,
        is_snapshot: bool,
    ) {
        let Some(path) = element.text("path") else { return };
        if let Some(name) = type_name {
            let fits = path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            self.demand(way, fits, || format!("expected a path that begins with {name}, found another"));
        }
        let definitions = self.checker.program.definitions;
        let root = path.split('.').next().unwrap_or(path);
        let home = definitions.structure(root).and_then(|structure| structure.element(path));
        if let Some(slicing) = element.get("slicing") {
            self.demand(way, is_snapshot || path.contains('.'), || {
                "expected no slicing of the root, found one".to_owned()
            });
            let mut way = way.to_vec();
            way.push(("slicing", None));
            // A differential that names no type leaves open which names a discriminator may use.
            let is_typed = is_snapshot || element.get("type").is_some();
            self.slicing_definition(&way, slicing, path, home, is_typed);
        }
        self.characteristics(way, element);
        for (at, of) in element.get("type").into_iter().flat_map(Node::items).enumerate() {
            let mut way = way.to_vec();
            way.push(("type", Some(at)));
            self.profiles_of_type(&way, of, path);
        }
        if !is_snapshot {
            return;
        }
        for (at, constraint) in element.get("constraint").into_iter().flat_map(Node::items).enumerate() {
            let Some(expression) = constraint.text("expression").filter(|text| !text.is_empty()) else { continue };
            let mut way = way.to_vec();
            way.push(("constraint", Some(at)));
            if let Err(fault) = epr_fhirpath::parse(expression) {
                self.demand(&way, false, || format!("expected a FHIRPath expression: {fault}"));
            }
        }
    }

    fn slicing_definition(
        &mut self,
        way: &[Way<'static>],
        slicing: Node<'r>,
        path: &str,
        home: Option<&'p Element>,
        is_typed: bool,
    ) {
        let Some(home) = home else { return };
        let repeats = self.demand(way, home.max.is_list() || home.is_choice() || home.types.len() > 1, || {
            "expected slices of an element that repeats or has several types, found slices of another".to_owned()
        });
        if !repeats && way[0].0 == "differential" {
            self.demand(&[], false, || {
                "expected a differential of which a snapshot can be made, found another".to_owned()
            });
        }
        if !is_typed {
            return;
        }
        let definitions = self.checker.program.definitions;
        for (at, discriminator) in slicing.get("discriminator").into_iter().flat_map(Node::items).enumerate() {
            let Some(text) = discriminator.text("path") else { continue };
            let mut way = way.to_vec();
            way.push(("discriminator", Some(at)));
            let fits = epr_fhirpath::parse(text)
                .is_ok_and(|ast| analyse(text, &ast, path, definitions, Analysis::Names).is_ok());
            self.demand(&way, fits, || {
                "expected a discriminator that the sliced element has, found names that it does not have".to_owned()
            });
        }
    }

    /// A profile of a type is about that type.
    fn profiles_of_type(&mut self, way: &[Way<'static>], of: Node<'r>, path: &str) {
        let definitions = self.checker.program.definitions;
        let Some(code) = of.text("code") else { return };
        for (at, url) in of.get("profile").into_iter().flat_map(Node::items).enumerate() {
            let Some(profile) = url.as_str().and_then(|url| definitions.structure(url)) else { continue };
            let mut way = way.to_vec();
            way.push(("profile", Some(at)));
            let fits = self.is_a(profile, code);
            self.demand(&way, fits, || {
                format!("expected a profile on {code}, found {}, which is on {}", profile.url, profile.type_name)
            });
            if profile.type_name == "Extension" {
                let is_modifier = profile.root().is_some_and(|root| root.is_modifier);
                self.demand(&way, is_modifier == path.ends_with(".modifierExtension"), || {
                    "expected modifier extensions, and only those, in modifierExtension".to_owned()
                });
            }
        }
    }

    /// Whether a structure is of a type, or of an abstract one that it is derived from.
    fn is_a(&self, structure: &Structure, code: &str) -> bool {
        let definitions = self.checker.program.definitions;
        let mut at = definitions.structure(&structure.type_name);
        for _ in 0..10 {
            let Some(found) = at else { break };
            if found.type_name == code {
                return true;
            }
            // `Count` is made of `Quantity`, which is a type of its own: what is about the one is not about the other.
            at = found.base.as_deref().and_then(|base| definitions.structure(base)).filter(|base| base.is_abstract);
        }
        false
    }
}

/// The code of a kind, as FHIR writes it.
const fn code_of(kind: StructureKind) -> &'static str {
    match kind {
        StructureKind::Primitive => "primitive-type",
        StructureKind::Complex => "complex-type",
        StructureKind::Resource => "resource",
        StructureKind::Logical => "logical",
    }
}

/// The fixed value of `Extension.url` in a definition.
fn fixed_url(node: Node<'_>) -> Option<&str> {
    let lists = ["snapshot", "differential"].into_iter().filter_map(|list| node.get(list)?.get("element"));
    let mut elements = lists.flat_map(Node::items);
    let element = elements.find(|e| e.text("path") == Some("Extension.url") && e.get("fixedUri").is_some())?;
    element.text("fixedUri")
}
