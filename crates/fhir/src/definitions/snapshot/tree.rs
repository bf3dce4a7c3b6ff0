//! A snapshot as a tree: children and slices below the element that they belong to.

use std::collections::BTreeMap;

use crate::definitions::{Element, Structure};

/// The place of an element in a [`Tree`].
pub(super) type At = usize;

/// The elements of a structure.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Branch>,
}

/// One element, with what is below it and the slices it is divided into.
#[derive(Debug, Clone, Default)]
pub(super) struct Branch {
    pub(super) element: Element,
    pub(super) children: Vec<At>,
    pub(super) slices: Vec<At>,
}

impl Branch {
    fn below(&mut self, is_slice: bool) -> &mut Vec<At> {
        if is_slice { &mut self.slices } else { &mut self.children }
    }
}

impl Tree {
    /// The tree of a structure that has a snapshot; its root is at 0.
    pub(super) fn of(structure: &Structure) -> Self {
        let mut tree = Self::default();
        let mut by_id: BTreeMap<&str, At> = BTreeMap::new();
        for element in &structure.elements {
            let at = tree.nodes.len();
            tree.nodes.push(Branch { element: element.clone(), ..Branch::default() });
            by_id.entry(&element.id).or_insert(at);
            let Some((owner, is_slice)) = owner_of(&element.id) else { continue };
            if let Some(owner) = by_id.get(owner) {
                tree.nodes[*owner].below(is_slice).push(at);
            } else if let Some((parent, false)) = owner_of(owner)
                && let Some(parent) = by_id.get(parent)
            {
                // An element that has the name of a slice and is none.
                tree.nodes[*parent].children.push(at);
            }
        }
        tree
    }

    pub(super) fn element(&mut self, at: At) -> &mut Element {
        &mut self.nodes[at].element
    }

    /// The child of a name.
    pub(super) fn child(&self, at: At, name: &str) -> Option<At> {
        self.nodes[at].children.iter().copied().find(|child| self.nodes[*child].element.name == name)
    }

    /// The slice of a name.
    pub(super) fn slice(&self, at: At, name: &str) -> Option<At> {
        let is_it = |slice: &At| self.nodes[*slice].element.slice_name.as_deref() == Some(name);
        self.nodes[at].slices.iter().copied().find(is_it)
    }

    /// The element with an id.
    pub(super) fn find(&self, id: &str) -> Option<At> {
        self.nodes.iter().position(|node| node.element.id == id)
    }

    /// Gives an element, and what is below it, the name of a slice that it is not.
    pub(super) fn name_as_slice(&mut self, at: At, name: &str) {
        let from = self.nodes[at].element.id.clone();
        let to = format!("{from}:{name}");
        let mut waiting = vec![at];
        while let Some(at) = waiting.pop() {
            let node = &mut self.nodes[at];
            if let Some(rest) = node.element.id.strip_prefix(&from) {
                node.element.id = format!("{to}{rest}");
            }
            waiting.extend(node.children.iter().chain(&node.slices));
        }
        self.nodes[at].element.slice_name = Some(name.to_owned());
    }

    /// Adds an element below another, as child or as slice.
    pub(super) fn add(&mut self, owner: At, element: Element, is_slice: bool) -> At {
        let at = self.nodes.len();
        self.nodes.push(Branch { element, ..Branch::default() });
        self.nodes[owner].below(is_slice).push(at);
        at
    }

    /// Copies what is below `from` to below `to`; ids and paths are changed accordingly.
    pub(super) fn copy_children(&mut self, from: At, to: At) {
        let source = Self { nodes: self.nodes.clone() };
        self.copy_children_of(&source, from, to, false);
    }

    /// Copies what is below an element of another tree; `is_foreign` where that is of another structure.
    pub(super) fn copy_children_of(&mut self, source: &Self, from: At, to: At, is_foreign: bool) {
        let names = Names {
            from: (source.nodes[from].element.id.clone(), source.nodes[from].element.path.clone()),
            to: (self.nodes[to].element.id.clone(), self.nodes[to].element.path.clone()),
            is_foreign,
        };
        for child in &source.nodes[from].children {
            let copied = self.copy(source, *child, &names);
            self.nodes[to].children.push(copied);
        }
    }

    fn copy(&mut self, source: &Self, from: At, names: &Names) -> At {
        let branch = &source.nodes[from];
        let at = self.nodes.len();
        self.nodes.push(Branch { element: names.renamed(&branch.element), ..Branch::default() });
        let children = branch.children.iter().map(|child| self.copy(source, *child, names)).collect();
        let slices = branch.slices.iter().map(|slice| self.copy(source, *slice, names)).collect();
        self.nodes[at].children = children;
        self.nodes[at].slices = slices;
        at
    }

    /// The elements in snapshot order.
    pub(super) fn into_elements(mut self) -> Vec<Element> {
        let mut elements = Vec::with_capacity(self.nodes.len());
        if !self.nodes.is_empty() {
            self.take(0, &mut elements);
        }
        elements
    }

    fn take(&mut self, at: At, elements: &mut Vec<Element>) {
        let branch = std::mem::take(&mut self.nodes[at]);
        elements.push(branch.element);
        for below in branch.children.into_iter().chain(branch.slices) {
            self.take(below, elements);
        }
    }
}

/// How ids and paths change when elements are copied elsewhere.
struct Names {
    from: (String, String),
    to: (String, String),
    is_foreign: bool,
}

impl Names {
    fn renamed(&self, element: &Element) -> Element {
        let moved = |text: &str, from: &str, to: &str| match text.strip_prefix(from) {
            Some(rest) => format!("{to}{rest}"),
            None => text.to_owned(),
        };
        let mut element = element.clone();
        element.id = moved(&element.id, &self.from.0, &self.to.0);
        element.path = moved(&element.path, &self.from.1, &self.to.1);
        if self.is_foreign {
            element.content_reference = element.content_reference.map(|path| moved(&path, &self.from.1, &self.to.1));
        }
        element
    }
}

/// The id of the element that has another as child or slice; whether it is a slice.
fn owner_of(id: &str) -> Option<(&str, bool)> {
    let last = id.rfind('.').map_or(0, |dot| dot + 1);
    if let Some(mark) = id[last..].rfind(['/', ':']) {
        return Some((&id[..last + mark], true));
    }
    Some((&id[..last.checked_sub(1)?], false))
}
