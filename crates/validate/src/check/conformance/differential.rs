//! What a differential changes must be in the base, in its order, and may only ask for more.
//!
//! The reference validator makes the snapshot of what it is given and tells what goes wrong on the way. Where a path leads
//! through something that is not loaded, nothing is said of it.

use std::collections::BTreeMap;

use epr_fhir::Node;
use epr_fhir::definitions::{BindingStrength, Element, Max, Structure, StructureKind, TypeRef};

use crate::check::walk::Walk;

/// Where the base has what a path of a differential names.
pub(super) enum Home<'p> {
    /// The element, and how manieth of its siblings it is.
    At(&'p Element, usize),
    Missing,
    /// The path leads through a type that is not loaded, or through one of several.
    Unknown,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn differential(&mut self, node: Node<'r>, base: &'p Structure) {
        if base.elements.is_empty() || node.text("derivation") != Some("constraint") {
            return;
        }
        let elements = node.get("differential").and_then(|list| list.get("element"));
        let mut n_unmatched = 0;
        // The last place of a child, by the id of its parent.
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut sliced: Vec<&str> = Vec::new();
        for (at, element) in elements.into_iter().flat_map(Node::items).enumerate() {
            let Some(path) = element.text("path").filter(|path| path.contains('.')) else { continue };
            let way = [("differential", None), ("element", Some(at))];
            let id = element.text("id");
            sliced.extend(id.filter(|_| element.get("slicing").is_some()));
            match self.home(base, path) {
                Home::Unknown => {}
                Home::Missing => {
                    n_unmatched += 1;
                    self.demand(&way, false, || "expected a path that the base has, found another".to_owned());
                }
                Home::At(home, place) => {
                    let is_late = id.and_then(|id| id.rsplit_once('.')).is_some_and(|(parent, _)| {
                        let last = places.insert(parent, place);
                        last.is_some_and(|last| last > place)
                    });
                    if is_late {
                        n_unmatched += 1;
                        self.demand(&way, false, || "expected the order of the base, found another".to_owned());
                        continue;
                    }
                    // One snapshot that cannot be made is one error, whatever else is wrong.
                    if !self.types_of_constraint(element, home) {
                        return;
                    }
                    if id.is_some_and(|id| !id.contains(':')) && element.text("sliceName").is_none() {
                        self.bounds_of_constraint(element, home);
                    } else if let Some(id) = id {
                        self.slice_without_slicing(element, home, id, &sliced);
                    }
                    self.value_of_constraint(element, home);
                }
            }
        }
        self.demand(&[], n_unmatched == 0, || {
            "expected each element of the differential to find its own in the base, found some that do not".to_owned()
        });
    }

    /// A constraint has the types of the base, or some of them, or what is derived from them.
    fn types_of_constraint(&mut self, element: Node<'r>, home: &'p Element) -> bool {
        let of_base = &home.types;
        if of_base.is_empty() || of_base.iter().any(|of| of.code.contains('/') || is_root_type(&of.code)) {
            return true;
        }
        for of in element.get("type").into_iter().flat_map(Node::items) {
            let Some(code) = of.text("code") else { continue };
            let same: Vec<&TypeRef> = of_base.iter().filter(|base| self.is_type(code, &base.code)).collect();
            let targets = of.get("targetProfile").into_iter().flat_map(Node::items).filter_map(Node::as_str);
            let fits = !same.is_empty() && {
                let allowed: Vec<&str> = same.iter().flat_map(|of| &of.target_profiles).map(String::as_str).collect();
                targets.into_iter().all(|target| allowed.is_empty() || self.is_target(target, &allowed))
            };
            if !self.demand(&[], fits, || format!("expected one of the types that {} has, found another", home.path)) {
                return false;
            }
        }
        true
    }

    /// Whether a type is another, or is derived from it.
    fn is_type(&self, code: &str, of: &str) -> bool {
        let definitions = self.checker.program.definitions;
        let mut at = definitions.structure(code);
        for _ in 0..10 {
            match at {
                Some(found) if found.type_name == of => return true,
                Some(found) => at = found.base.as_deref().and_then(|base| definitions.structure(base)),
                None => break,
            }
        }
        // What is not loaded may be anything.
        code == of || definitions.structure(code).is_none()
    }

    fn is_target(&self, target: &str, allowed: &[&str]) -> bool {
        let definitions = self.checker.program.definitions;
        let bare = |url: &str| url.split('|').next().unwrap_or_default().to_owned();
        let allowed: Vec<String> = allowed.iter().map(|url| bare(url)).collect();
        let (mut at, mut url) = (definitions.structure(target), bare(target));
        for _ in 0..20 {
            if allowed.contains(&url) {
                return true;
            }
            let Some(found) = at else { return definitions.structure(target).is_none() };
            let Some(base) = &found.base else { break };
            (url, at) = (bare(base), definitions.structure(base));
        }
        false
    }

    /// No wider than the base.
    fn bounds_of_constraint(&mut self, element: Node<'r>, home: &'p Element) {
        let max = element.text("max").and_then(|max| match max {
            "*" => Some(u32::MAX),
            max => max.parse().ok(),
        });
        let most = match home.max {
            Max::Many => u32::MAX,
            Max::Count(max) => max,
        };
        self.demand(&[], max.is_none_or(|max| max <= most), || {
            format!("expected at most what the base allows of {}, found more", home.path)
        });
        let min: Option<u32> =
            element.get("min").and_then(|min| min.number_text().or(min.as_str())).and_then(|min| min.parse().ok());
        self.demand(&[], min.is_none_or(|min| min >= home.min), || {
            format!("expected at least what the base asks of {}, found less", home.path)
        });
        let is_required = home.binding.as_ref().is_some_and(|b| b.strength == BindingStrength::Required);
        let strength = element.get("binding").and_then(|binding| binding.text("strength"));
        self.demand(&[], !is_required || strength.is_none_or(|strength| strength == "required"), || {
            format!("expected the binding of {} to stay required, found a weaker one", home.path)
        });
    }

    fn slice_without_slicing(&mut self, element: Node<'r>, home: &'p Element, id: &str, sliced: &[&str]) {
        let Some(name) = element.text("sliceName") else { return };
        let owner = id.strip_suffix(name).and_then(|owner| owner.strip_suffix(':'));
        let is_set_up = home.slicing.is_some()
            || home.is_choice()
            || matches!(home.name.as_str(), "extension" | "modifierExtension")
            || owner.is_none_or(|owner| owner.contains(':') || sliced.contains(&owner));
        self.demand(&[], is_set_up, || format!("expected {} to be sliced before its slices, found none", home.path));
    }

    /// A fixed value or pattern is of one of the types.
    fn value_of_constraint(&mut self, element: Node<'r>, home: &'p Element) {
        let own: Vec<&str> =
            element.get("type").into_iter().flat_map(Node::items).filter_map(|of| of.text("code")).collect();
        let allowed: Vec<&str> =
            if own.is_empty() { home.types.iter().map(|of| of.code.as_str()).collect() } else { own };
        if allowed.is_empty() || allowed.iter().any(|code| code.contains('/') || is_root_type(code)) {
            return;
        }
        let given = element.members().find_map(|(name, _)| name.strip_prefix("fixed").or(name.strip_prefix("pattern")));
        let Some(given) = given.filter(|given| !given.is_empty()) else { return };
        // `fixedUri` is of type uri, `fixedCodeableConcept` of CodeableConcept.
        let fits = allowed.iter().any(|code| code.eq_ignore_ascii_case(given));
        self.demand(&[], fits, || format!("expected a fixed value of one of {}, found another", allowed.join(", ")));
    }

    /// Where a structure has what a path names.
    pub(super) fn home(&self, structure: &'p Structure, path: &str) -> Home<'p> {
        let definitions = self.checker.program.definitions;
        let Some(mut element) = structure.root() else { return Home::Unknown };
        let (mut within, mut place) = (structure, 0);
        // `valueIdentifier` says which of the types of `value[x]` the path goes on with.
        let mut narrowed: Option<&str> = None;
        for step in path.split('.').skip(1) {
            let mut homes: Vec<(&'p Structure, &'p str)> = vec![(within, &element.path)];
            homes.extend(element.content_reference.as_deref().map(|path| (within, path)));
            if !within.children(&element.path).any(|_| true) && element.content_reference.is_none() {
                let types = element.types.iter().map(|of| of.code.as_str());
                let types: Vec<&str> = types.filter(|code| narrowed.is_none_or(|only| only == *code)).collect();
                if types.len() > 1 {
                    return Home::Unknown;
                }
                for code in types {
                    match definitions.structure(code).and_then(|found| Some((found, found.root()?))) {
                        Some((found, root)) if found.kind != StructureKind::Resource => {
                            homes.push((found, &root.path));
                        }
                        // What stands in a resource inside a resource is the matter of that resource.
                        _ => return Home::Unknown,
                    }
                }
            }
            let found = homes.into_iter().find_map(|(home, path)| {
                let mut children = home.children(path).filter(|child| child.slice_name.is_none()).enumerate();
                let (at, child) = children.find(|(_, child)| child.name == step || child.type_for(step).is_some())?;
                Some((home, at, child))
            });
            match found {
                Some((home, at, child)) => {
                    narrowed = child.type_for(step).filter(|_| child.is_choice() && child.name != step);
                    (within, place, element) = (home, at, child);
                }
                None => return Home::Missing,
            }
        }
        Home::At(element, place)
    }
}

/// Types that anything may stand for.
fn is_root_type(code: &str) -> bool {
    matches!(code, "Resource" | "DomainResource" | "Element" | "BackboneElement" | "*")
}
