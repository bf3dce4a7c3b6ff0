//! A differential laid over the tree of its base.

use super::differential::{self, Change};
use super::tree::{At, Tree};
use crate::definitions::{
    Derivation, Discriminator, DiscriminatorKind, Element, Slicing, SlicingRules, Structure, StructureKind, TypeRef,
};
use crate::resource::{Node, Resource};

/// What is known of a structure that a snapshot needs.
pub(super) enum Lookup<'d> {
    /// It is there, whole.
    Found(&'d Structure),
    /// Its own snapshot must be made first.
    Later(usize),
    /// Its own snapshot is being made, and waits for this one.
    Circular,
    /// It is in no loaded package, or has no snapshot.
    Absent,
}

/// Why no snapshot can be made.
#[derive(Debug)]
pub(super) enum MergeFault {
    /// Another structure must be made first.
    Wants(usize),
    /// The definition is wrong, or something that it needs is not loaded.
    Wrong(String),
}

/// The elements of a structure that has a differential only.
pub(super) fn snapshot<'d>(
    structure: &'d Structure,
    lookup: &dyn Fn(&str) -> Lookup<'d>,
) -> Result<Vec<Element>, MergeFault> {
    let base_url = structure.base.as_deref().unwrap_or_default();
    let base = match lookup(base_url) {
        Lookup::Found(base) => base,
        Lookup::Later(at) => return Err(MergeFault::Wants(at)),
        Lookup::Circular => return Err(MergeFault::Wrong(format!("it builds on {base_url}, which builds on it"))),
        Lookup::Absent => {
            return Err(MergeFault::Wrong(format!("what it builds on, {base_url}, is in no loaded package")));
        }
    };
    let mut tree = Tree::of(base);
    let is_new_type = structure.derivation == Derivation::Specialization;
    if is_new_type {
        rename_root(&mut tree, &structure.type_name);
    }
    let change = differential::tree(&structure.differential);
    let mut merge = Merge { base: tree.clone(), tree, lookup, url: &structure.url, is_new_type };
    merge.apply(0, &change)?;
    Ok(merge.tree.into_elements())
}

/// The elements of a new type stand below its own name.
fn rename_root(tree: &mut Tree, type_name: &str) {
    for node in &mut tree.nodes {
        for text in [&mut node.element.id, &mut node.element.path] {
            let rest = text.find('.').map_or(String::new(), |dot| text[dot..].to_owned());
            *text = format!("{type_name}{rest}");
        }
    }
    if let Some(root) = tree.nodes.first_mut() {
        type_name.clone_into(&mut root.element.name);
    }
}

struct Merge<'m, 'd> {
    tree: Tree,
    /// The tree as the base has it.
    base: Tree,
    lookup: &'m dyn Fn(&str) -> Lookup<'d>,
    /// The structure being made.
    url: &'d str,
    is_new_type: bool,
}

impl<'d> Merge<'_, 'd> {
    /// Lays a change over an element, then its children over the element's children: each before its slices.
    fn apply(&mut self, at: At, change: &Change) -> Result<(), MergeFault> {
        if let Some(json) = &change.json {
            self.overlay(at, json.root())?;
        }
        let mut slices: Vec<(At, String, bool, &Change)> = Vec::new();
        for below in &change.children {
            if below.name.is_empty() {
                // The element was defined a second time.
                self.apply(at, below)?;
                continue;
            }
            let (child, type_slice) = self.child(at, below)?;
            let slice = type_slice.as_ref().or(below.slice.as_ref());
            let is_only = type_slice.is_none() && change.children.iter().filter(|c| c.name == below.name).count() == 1;
            match slice {
                None => self.apply(child, below)?,
                Some(name) if is_only && self.is_merely_named(child, below) => {
                    self.tree.name_as_slice(child, name);
                    self.apply(child, below)?;
                }
                Some(_) if !self.can_be_sliced(child) => self.apply(child, below)?,
                Some(slice) => slices.push((child, slice.clone(), type_slice.is_some(), below)),
            }
        }
        for (child, name, is_short_form, below) in &slices {
            let slice = self.slice(*child, name, *is_short_form)?;
            self.apply(slice, below)?;
        }
        for (child, ..) in slices {
            self.narrow_choice(child);
        }
        Ok(())
    }

    /// The child that a change is about, and the slice where it names one type of a choice.
    fn child(&mut self, at: At, change: &Change) -> Result<(At, Option<String>), MergeFault> {
        if let Some(found) = self.find_child(at, &change.name) {
            return Ok(found);
        }
        if self.tree.nodes[at].children.is_empty() {
            self.unfold(at)?;
            if let Some(found) = self.find_child(at, &change.name) {
                return Ok(found);
            }
        }
        let owner = &self.tree.nodes[at].element;
        if self.is_new_type {
            let element = Element {
                id: format!("{}.{}", owner.id, change.name),
                path: format!("{}.{}", owner.path, change.name),
                name: change.name.clone(),
                ..Element::default()
            };
            return Ok((self.tree.add(at, element, false), None));
        }
        Err(MergeFault::Wrong(format!("{} has no element {}", owner.id, change.name)))
    }

    fn find_child(&self, at: At, name: &str) -> Option<(At, Option<String>)> {
        if let Some(child) = self.tree.child(at, name) {
            return Some((child, None));
        }
        let choices = self.tree.nodes[at].children.iter().copied();
        let is_type = |child: &At| {
            let element = &self.tree.nodes[*child].element;
            element.is_choice() && element.type_for(name).is_some()
        };
        choices.into_iter().find(is_type).map(|child| (child, Some(name.to_owned())))
    }

    /// Some name a slice of an element that cannot repeat: what they ask for is asked of the element.
    fn can_be_sliced(&self, at: At) -> bool {
        let element = &self.tree.nodes[at].element;
        element.is_array() || element.is_choice() || element.slicing.is_some()
    }

    /// Whether a slice name is given and nothing is divided: the only slice of an element for which nothing says what tells
    /// slices apart is the element itself.
    fn is_merely_named(&self, at: At, change: &Change) -> bool {
        let node = &self.tree.nodes[at];
        if node.element.slicing.is_some() || !node.slices.is_empty() {
            return false;
        }
        let json = change.json.as_ref().map(Resource::root);
        if json.is_some_and(|json| json.get("slicing").is_some()) {
            return false;
        }
        if node.element.is_choice() {
            return json.and_then(|json| json.get("type")).is_some_and(|types| types.items().count() > 1);
        }
        usual_slicing(&node.element, false).is_none()
    }

    /// The slice of an element that a change is about; made where the base has none of this name.
    fn slice(&mut self, of: At, name: &str, is_short_form: bool) -> Result<At, MergeFault> {
        let owner = match name.rsplit_once('/') {
            None => of,
            Some((divided, _)) => self.slice(of, divided, false)?,
        };
        if let Some(known) = self.tree.slice(owner, name) {
            return Ok(known);
        }
        let element = &self.tree.nodes[owner].element;
        if element.slicing.is_none() {
            let slicing = usual_slicing(element, is_short_form).ok_or_else(|| {
                MergeFault::Wrong(format!(
                    "{} has the slice {name} and nothing says what tells its slices apart",
                    element.id
                ))
            })?;
            self.tree.element(owner).slicing = Some(slicing);
        }
        let mut element = self.tree.nodes[owner].element.clone();
        let mark = if owner == of { ':' } else { '/' };
        let last = name.rsplit('/').next().unwrap_or(name);
        element.id = format!("{}{mark}{last}", element.id);
        element.slice_name = Some(name.to_owned());
        element.slicing = None;
        // A slice need not be there unless it says so.
        element.min = 0;
        if element.is_choice()
            && let Some(code) = element.type_for(last).map(str::to_owned)
        {
            element.types.retain(|of| of.code == code);
        }
        let at = self.tree.add(owner, element, true);
        self.tree.copy_children(owner, at);
        Ok(at)
    }

    /// A choice whose closed slices are types has no other types than these.
    fn narrow_choice(&mut self, at: At) {
        let node = &self.tree.nodes[at];
        let by_type = |slicing: &Slicing| {
            slicing.rules == SlicingRules::Closed
                && slicing.discriminators.iter().any(|d| d.kind == DiscriminatorKind::Type && d.path == "$this")
        };
        if !node.element.is_choice() || !node.element.slicing.as_ref().is_some_and(by_type) {
            return;
        }
        let left: Vec<String> = (node.slices.iter())
            .flat_map(|slice| &self.tree.nodes[*slice].element.types)
            .map(|of| of.code.clone())
            .collect();
        self.tree.element(at).types.retain(|of| left.contains(&of.code));
    }

    /// Lays one ElementDefinition over an element; where it gives a profile for the type, that profile's root comes first.
    fn overlay(&mut self, at: At, json: Node<'_>) -> Result<(), MergeFault> {
        if let Some(profile) = only_profile(json) {
            match (self.lookup)(&profile) {
                // What a resource inside another must be is said about itself, not about the place where it stands.
                Lookup::Found(structure) if structure.kind == StructureKind::Resource => {}
                Lookup::Found(structure) => {
                    let root = structure.root().cloned().unwrap_or_default();
                    let is_slice = self.tree.nodes[at].element.slice_name.is_some();
                    lay_profile(self.tree.element(at), &root, structure.type_name == "Extension", is_slice);
                }
                Lookup::Later(other) => return Err(MergeFault::Wants(other)),
                Lookup::Circular | Lookup::Absent => {}
            }
        }
        let url = self.url;
        let element = self.tree.element(at);
        let before = element.clone();
        element.overlay(json);
        (element.id, element.path, element.name) = (before.id, before.path, before.name);
        // An element of a new type is its own base.
        let is_new = before.base_path.is_empty();
        element.base_path = if is_new { element.path.clone() } else { before.base_path };
        element.base_max = if is_new { element.max } else { before.base_max };
        element.slice_name = before.slice_name;
        if let (Some(binding), Some(known)) = (&mut element.binding, before.binding)
            && binding.value_set.is_none()
        {
            binding.value_set = known.value_set;
        }
        for constraint in &mut element.constraints {
            constraint.source.get_or_insert_with(|| url.to_owned());
        }
        Ok(())
    }

    /// Puts below an element the children of its type, of its type's profile, or of the element that it refers to.
    fn unfold(&mut self, at: At) -> Result<(), MergeFault> {
        let element = &self.tree.nodes[at].element;
        if let Some(path) = element.content_reference.clone() {
            let target = self.base.find(&path);
            let target = target
                .ok_or_else(|| MergeFault::Wrong(format!("{} refers to {path}, which is not there", element.id)))?;
            let types = self.base.nodes[target].element.types.clone();
            let element = self.tree.element(at);
            element.content_reference = None;
            element.types = types;
            // What this profile asks of the element referred to it does not ask here.
            self.tree.copy_children_of(&self.base, target, at, false);
            return Ok(());
        }
        let id = element.id.clone();
        let types = element.types.clone();
        let Some(structure) = self.type_of(&types)? else {
            return Err(MergeFault::Wrong(format!("nothing loaded says what is below {id}")));
        };
        self.tree.copy_children_of(&Tree::of(structure), 0, at, true);
        Ok(())
    }

    /// What says what is below an element of some types: the profile of its only type, else the type.
    fn type_of(&self, types: &[TypeRef]) -> Result<Option<&'d Structure>, MergeFault> {
        let Some(first) = types.first() else { return Ok(None) };
        if let ([only], [profile]) = (types, first.profiles.as_slice())
            && only.code == first.code
        {
            match (self.lookup)(profile) {
                Lookup::Found(structure) => return Ok(Some(structure)),
                Lookup::Later(at) => return Err(MergeFault::Wants(at)),
                Lookup::Circular | Lookup::Absent => {}
            }
        }
        // Values of different types have only their id and extensions in common.
        let is_one = types.iter().all(|of| of.code == first.code);
        match (self.lookup)(if is_one { &first.code } else { "Element" }) {
            Lookup::Found(structure) => Ok(Some(structure)),
            Lookup::Later(at) => Err(MergeFault::Wants(at)),
            Lookup::Circular | Lookup::Absent => Ok(None),
        }
    }
}

/// The one profile that an ElementDefinition gives to its one type.
fn only_profile(json: Node<'_>) -> Option<String> {
    let mut types = json.get("type")?.items();
    let mut profiles = types.next()?.get("profile")?.items();
    let profile = profiles.next()?.as_str()?.to_owned();
    (types.next().is_none() && profiles.next().is_none()).then_some(profile)
}

/// What the root of a type's profile says of an element of that type.
fn lay_profile(element: &mut Element, root: &Element, is_extension: bool, is_slice: bool) {
    element.short.clone_from(&root.short);
    for constraint in &root.constraints {
        element.constraints.retain(|known| known.key != constraint.key);
        element.constraints.push(constraint.clone());
    }
    for condition in &root.conditions {
        if !element.conditions.contains(condition) {
            element.conditions.push(condition.clone());
        }
    }
    if is_extension {
        element.is_modifier |= root.is_modifier;
        // How often an extension may stand is said by its own definition.
        element.max = root.max;
        if !is_slice {
            element.min = root.min;
        }
    }
}

/// What tells slices apart where the differential does not say it: extensions by their URL, choices by their type.
fn usual_slicing(element: &Element, is_short_form: bool) -> Option<Slicing> {
    let (kind, path) = match element.name.as_str() {
        "extension" | "modifierExtension" => (DiscriminatorKind::Value, "url"),
        _ if element.is_choice() => (DiscriminatorKind::Type, "$this"),
        _ => return None,
    };
    let rules = if is_short_form { SlicingRules::Closed } else { SlicingRules::Open };
    Some(Slicing { discriminators: vec![Discriminator { kind, path: path.to_owned() }], rules, ordered: false })
}
