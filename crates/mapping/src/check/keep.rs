//! `from_resource: keep`: the source holds whole resources, of which only ids and references change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use epr_fhir::definitions::{Definitions, Element, Structure};
use epr_model::schema::{ColumnKind, TableKey};

use super::elements::{Parent, children, choice_names};
use super::scope::MapCompiler;
use super::slices::child_of;
use crate::diagnostics::nearest;
use crate::plan::{
    FhirPrimitive, KeepPlan, KeepShape, Member, RefTarget, RefTargetSlot, ShapeMember, ShapeNode, TableSlot,
};
use crate::syntax::ast::{FromResource, Name};

impl<'c> MapCompiler<'c, '_, '_> {
    /// What keeps the row's resource; every mistake is said.
    pub(crate) fn keep(&mut self, from: &FromResource, parent: &Parent<'c>, emit: &[Member]) -> Option<KeepPlan> {
        let written = from.column.clone();
        let span = from.span;
        let named = written.unwrap_or_else(|| Name { text: "resource".to_owned(), span });
        let schema = self.tables.first().and_then(|t| t.schema)?;
        let (column, kind) = self.column_of(TableSlot::MAIN, &named.text, named.span)?;
        if kind != ColumnKind::Text {
            let message = format!("column `{}` is {}, and a resource is JSON text", named.text, kind.as_str());
            self.sink().error("MAP0240", named.span, message);
            return None;
        }
        let id_column = match &schema.key {
            TableKey::Columns(key) if key.len() == 1 => self.column_of(TableSlot::MAIN, &key[0], span)?.0,
            _ => {
                self.sink()
                    .error("MAP0240", span, format!("the key of table {} is not the resource's id alone", schema.name))
                    .help("write `key: id` in the source spec");
                return None;
            }
        };
        if self.resolved.map.group.is_some() || self.resolved.map.latest.is_some() {
            self.sink().error("MAP0240", span, "a kept resource is one row: `group` and `latest` do not go with it");
            return None;
        }
        let definitions: &'c Definitions = self.definitions();
        let type_name = parent.type_code;
        let identifier = child_of(definitions, parent, "identifier").map(|c| c.element);
        match (&from.source_id, identifier) {
            (Some(system), None) => {
                let message = format!("{type_name} has no `identifier` that could keep the source's id");
                self.sink().error("MAP0240", system.span, message);
                return None;
            }
            (None, Some(_)) if !emit.iter().any(|m| &*m.name == "identifier") => {
                self.sink().warning("MAP0241", span, "the id that the source uses is kept nowhere").help(
                    "write `from_resource: { keep: resource, source_id: \"https://…\" }`, or give an `identifier`",
                );
            }
            _ => {}
        }
        for uri in [&from.source_id, &from.base].into_iter().flatten() {
            if !super::formats::is_absolute_uri(&uri.text) {
                let message = format!("`{}` is not an absolute URI", uri.text);
                self.sink().error("MAP0213", uri.span, message).help("begin with a scheme: `https://…`, `urn:oid:…`");
            }
        }
        let targets = self.kept_targets(from);
        let shape = Arc::new(shape_of(definitions, definitions.structure(type_name)?));
        let displaces = displaced(definitions, parent, emit);
        let at = self.at(span);
        let text = |name: &Option<Name>| name.as_ref().map(|n| Arc::from(n.text.as_str()));
        Some(KeepPlan {
            column,
            id_column,
            source_id: text(&from.source_id),
            identifier_is_list: identifier.is_some_and(Element::is_array),
            base: from.base.as_ref().map(|b| Arc::from(b.text.trim_end_matches('/'))),
            targets,
            shape,
            displaces,
            at,
        })
    }

    /// The maps of this pack that keep resources, by their type. Two of one type and different tables cannot be told
    /// apart by a reference.
    fn kept_targets(&mut self, from: &FromResource) -> BTreeMap<Box<str>, RefTargetSlot> {
        let prefix = format!("{}/", self.input.pack);
        let own = format!("{prefix}{}", self.resolved.map.map.as_ref().map_or("", |m| m.text.as_str()));
        let mut of_type: BTreeMap<Box<str>, (String, RefTarget)> = BTreeMap::new();
        let mut doubles = Vec::new();
        for (name, summary) in self.summaries.range(prefix.clone()..).take_while(|(n, _)| n.starts_with(&prefix)) {
            let ([(resource_type, id_part, false)], true) = (summary.resources.as_slice(), summary.keeps) else {
                continue;
            };
            let target = RefTarget {
                resource_type: Arc::from(resource_type.as_str()),
                organisation: summary.organisation.clone(),
                system: summary.system.clone(),
                table: summary.table.clone(),
                id_part: id_part.clone(),
            };
            match of_type.get(resource_type.as_str()) {
                // Said once, in the second of the two.
                Some((first, known)) if *known != target && *name == own => doubles.push(format!(
                    "both `{first}` and `{name}` keep {resource_type}, of different tables: which one does a reference mean?"
                )),
                Some(_) => {}
                None => {
                    of_type.insert(Box::from(resource_type.as_str()), (name.clone(), target));
                }
            }
        }
        for message in doubles {
            self.sink().error("MAP0240", from.span, message);
        }
        let slot = |target: RefTarget, known: &mut Vec<RefTarget>| {
            let at = known.iter().position(|t| *t == target).unwrap_or_else(|| {
                known.push(target);
                known.len() - 1
            });
            RefTargetSlot(at as u16)
        };
        of_type.into_iter().map(|(kind, (_, target))| (kind, slot(target, &mut self.ref_targets))).collect()
    }
}

/// What may stand after `from_resource:`.
pub(crate) fn check_word(c: &mut MapCompiler<'_, '_, '_>, from: &FromResource) {
    if let Some(word) = from.word.as_ref().filter(|w| w.text != "keep") {
        let help = nearest(&word.text, ["keep"])
            .map_or("write `from_resource: keep`".to_owned(), |n| format!("did you mean `{n}`?"));
        c.sink().error("MAP0240", word.span, format!("`from_resource` does not take `{}`", word.text)).help(help);
    }
}

/// The other names of a choice that a rule makes: `deceasedBoolean` displaces `deceasedDateTime`.
fn displaced(definitions: &Definitions, parent: &Parent<'_>, emit: &[Member]) -> BTreeMap<Box<str>, Vec<Box<str>>> {
    let mut found = BTreeMap::new();
    for choice in children(definitions, parent).into_iter().filter(|e| e.is_choice()) {
        let names = choice_names(choice);
        for member in emit.iter().filter(|m| names.iter().any(|n| **n == *m.name)) {
            let others = names.iter().filter(|n| **n != *member.name).map(|n| Box::from(n.as_str())).collect();
            found.insert(Box::from(&*member.name), others);
        }
    }
    found
}

/// The elements of a type and of the types of its elements.
fn shape_of(definitions: &Definitions, root: &Structure) -> KeepShape {
    let mut builder = ShapeBuilder { definitions, shape: KeepShape::default(), known: HashMap::new() };
    if let Some(element) = root.root() {
        builder.node(root, &element.path);
    }
    builder.shape
}

struct ShapeBuilder<'d> {
    definitions: &'d Definitions,
    shape: KeepShape,
    /// By structure and path.
    known: HashMap<(&'d str, &'d str), u32>,
}

impl<'d> ShapeBuilder<'d> {
    fn node(&mut self, structure: &'d Structure, path: &'d str) -> u32 {
        if let Some(known) = self.known.get(&(structure.url.as_str(), path)) {
            return *known;
        }
        let at = self.shape.nodes.len() as u32;
        self.shape.nodes.push(ShapeNode::default());
        self.known.insert((&structure.url, path), at);
        let mut members = BTreeMap::new();
        let elements: Vec<&'d Element> = structure.children(path).filter(|e| e.slice_name.is_none()).collect();
        for element in elements {
            if let Some(reference) = &element.content_reference {
                let node = self.node(structure, reference.trim_start_matches('#'));
                members.insert(Box::from(element.name.as_str()), member(Some(node), false));
                continue;
            }
            let names = if element.is_choice() { choice_names(element) } else { vec![element.name.clone()] };
            for name in names {
                let code = element.type_for(&name).unwrap_or_default();
                members.insert(Box::from(name.as_str()), self.member_of(structure, element, code));
            }
        }
        self.shape.nodes[at as usize].members = members;
        at
    }

    fn member_of(&mut self, structure: &'d Structure, element: &'d Element, code: &str) -> ShapeMember {
        if matches!(code, "" | "Resource") {
            return member(None, false);
        }
        if FhirPrimitive::from_code(code).is_some() || code == "xhtml" {
            let node = self.definitions.structure("Element").map(|s| self.root(s));
            return member(node, true);
        }
        if matches!(code, "BackboneElement" | "Element") && structure.children(&element.path).next().is_some() {
            return member(Some(self.node(structure, &element.path)), false);
        }
        let node = self.definitions.structure(code).filter(|s| !s.elements.is_empty()).map(|s| self.root(s));
        let of = element.types.iter().filter(|t| t.code == "Reference").flat_map(|t| &t.target_profiles);
        let mut targets: Vec<Box<str>> = Vec::new();
        for profile in of {
            let kind = self.definitions.structure(profile).map(|s| s.type_name.as_str());
            targets.push(Box::from(kind.unwrap_or_else(|| profile.rsplit('/').next().unwrap_or(profile))));
        }
        if targets.iter().any(|t| &**t == "Resource") {
            targets.clear();
        }
        ShapeMember { targets, ..member(node, false) }
    }

    fn root(&mut self, structure: &'d Structure) -> u32 {
        let path = structure.root().map_or("", |r| r.path.as_str());
        self.node(structure, path)
    }
}

const fn member(node: Option<u32>, is_primitive: bool) -> ShapeMember {
    ShapeMember { node, is_primitive, targets: Vec::new() }
}
