//! Slices by name, and what a profile fixes: filled in where the map leaves it out, asked where the map gives it.
//!
//! The elements of a slice are found by their ids (`Patient.identifier:nhsNumber.value`), since their paths are those
//! of the unsliced element.

use std::collections::BTreeSet;

use epr_fhir::definitions::{ChildElement, Definitions, DiscriminatorKind, Element, Structure};
use epr_fhir::resource::{Node, NodeKind, Resource};

use super::elements::{Parent, Place, Rule};
use super::scope::MapCompiler;
use crate::apply::json;
use crate::diagnostics::{Span, nearest};
use crate::plan::{At, EmitKind, EmitNode, Expr as PlanExpr, Literal, Member};
use crate::syntax::ast::{ElementKey, Value, ValueKind};

/// How deep what a slice fixes is looked for below it.
const MAX_DEPTH: usize = 6;

impl<'c> MapCompiler<'c, '_, '_> {
    /// The place of `element[slice]`.
    pub(super) fn slice(
        &mut self,
        key: &ElementKey,
        slice: &str,
        place: Place<'c>,
        parent: &Parent<'c>,
    ) -> Option<Place<'c>> {
        let prefix = format!("{}:", place.element.id);
        let slices: Vec<&'c Element> = place
            .structure
            .elements
            .iter()
            .filter(|e| is_slice(e) && e.id.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('.')))
            .collect();
        if let Some(element) = slices.iter().find(|e| e.id[prefix.len()..] == *slice) {
            return Some(Place { element, ..place });
        }
        let names: Vec<&str> = slices.iter().map(|e| &e.id[prefix.len()..]).collect();
        let help = match nearest(slice, names.iter().copied()) {
            Some(near) => format!("did you mean `{}[{near}]`?", key.name),
            None if names.is_empty() => {
                format!("write items of `{}` with `.as: {slice}`, or load a profile with this slice", key.name)
            }
            None => format!("its slices are: {}", names.join(", ")),
        };
        let message = format!("`{}[{slice}]` names a slice, and {} defines none of that name", key.name, parent.shown);
        self.sink().error("MAP0210", key.span, message).help(help);
        None
    }

    /// Adds what the profile fixes in a slice and the map does not give: what must be there, and what tells the slice
    /// from others.
    pub(super) fn fill_slice(&mut self, members: &mut Vec<Member>, rules: &[Rule<'_>], parent: &Parent<'c>) {
        if !parent.id.contains(':') {
            return;
        }
        let tells = discriminators(parent.structure, &parent.id);
        let mut filled: Vec<Member> = Vec::new();
        for element in children_of_id(parent.structure, &parent.id) {
            let is_asked = element.min > 0 || tells.contains(element.name.as_str());
            let is_given = rules.iter().any(|r| r.element == element.path)
                || members.iter().any(|m| element.type_for(&m.name).is_some());
            if !is_asked || is_given || is_slice(element) {
                continue;
            }
            let Some(json) = fixed_json(parent.structure, element, MAX_DEPTH) else { continue };
            let name = json_name(element);
            let json = if element.is_array() { [b"[", json.as_slice(), b"]"].concat() } else { json };
            self.from_profile.insert(element.id.clone(), String::from_utf8_lossy(&json).into_owned());
            let path = format!("{}.{name}", parent.path);
            let node = EmitNode::new(EmitKind::Literal(json.into()), &path, At::default());
            filled.push(Member::new(&name, node));
        }
        let at = members.first().map(|m| m.node.at).unwrap_or_default();
        for member in &mut filled {
            member.node.at = at;
        }
        members.splice(0..0, filled);
    }

    /// Asks literals for what the profile fixes, and puts in what a pattern has and the map leaves out.
    pub(super) fn conform(&mut self, node: &mut EmitNode, place: &Place<'c>, value: &Value) {
        let span = value.span;
        let wanted = [&place.element.fixed, &place.element.pattern].into_iter().flatten().next();
        if let Some(wanted) = wanted
            && let Ok(pattern) = Resource::parse_json(&wanted.json)
        {
            let found = conform_kind(&mut node.kind, pattern.root(), &place.path, node.at);
            match found {
                Found::Fits => {
                    if place.element.id.contains(':') || place.element.pattern.is_some() {
                        let shown = String::from_utf8_lossy(&compact(pattern.root())).into_owned();
                        self.from_profile.insert(place.element.id.clone(), shown);
                    }
                }
                Found::Differs(path) => {
                    let shown = String::from_utf8_lossy(&compact(pattern.root())).into_owned();
                    let message = format!("the profile gives `{path}` another value");
                    self.sink().error("MAP0218", span, message).help(format!("it is {shown}"));
                    return;
                }
                Found::NotKnown(path) => self.cannot_ask(&path, span),
            }
        }
        // The members of an object were asked one by one.
        if !place.element.id.contains(':') || matches!(value.kind, ValueKind::Object(_)) {
            return;
        }
        // A literal of a whole type, such as `sct#123`: what the slice fixes below it.
        if let EmitKind::Literal(bytes) = &node.kind
            && let Ok(literal) = Resource::parse_json(bytes)
            && literal.root().kind() == NodeKind::Object
        {
            let below = below(place.structure, &place.element.id, literal.root(), MAX_DEPTH);
            if let Some((path, wanted)) = below {
                let message = format!("the profile gives `{path}` another value");
                self.sink().error("MAP0218", span, message).help(format!("it is {wanted}"));
            }
        }
    }

    fn cannot_ask(&mut self, path: &str, span: Span) {
        let message = format!("the profile fixes `{path}`, and what the data gives is not checked here");
        self.sink()
            .warning("MAP0218", span, message)
            .help("leave it out: in a slice it is filled in; else write the literal");
    }
}

/// What the profile says must be the `system` of codings at a place, where it says so.
pub(super) fn fixed_system(place: &Place<'_>) -> Option<String> {
    let id = &place.element.id;
    let ids = [format!("{id}.system"), format!("{id}.coding.system")];
    let element = ids.iter().find_map(|id| element_by_id(place.structure, id))?;
    let value = [&element.fixed, &element.pattern].into_iter().flatten().next()?;
    Resource::parse_json(&value.json).ok()?.root().as_str().map(str::to_owned)
}

/// The child of a parent by its JSON name, as the slice that the parent is in constrains it.
pub(super) fn child_of<'d>(definitions: &'d Definitions, parent: &Parent<'d>, name: &str) -> Option<ChildElement<'d>> {
    let structure = parent.structure;
    let in_slice = children_of_id(structure, &parent.id).filter(|e| e.slice_name.is_none()).find_map(|element| {
        let type_code = element.type_for(name)?;
        let referenced = element.content_reference.as_deref().and_then(|path| structure.element(path));
        let type_code = referenced.and_then(|e| e.types.first()).map_or(type_code, |t| t.code.as_str());
        // A type slice of a choice has the rules of the type that was chosen.
        let chosen = element.is_choice().then(|| element_by_id(structure, &format!("{}:{name}", element.id))).flatten();
        Some(ChildElement { element: chosen.unwrap_or(element), structure, type_code })
    });
    in_slice.or_else(|| definitions.child(structure, &parent.at, parent.type_code, name))
}

/// The direct children of the element with an id, slices included.
pub(super) fn children_of_id<'d>(structure: &'d Structure, id: &str) -> impl Iterator<Item = &'d Element> {
    structure.elements.iter().filter(move |e| {
        let rest = e.id.strip_prefix(id).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| !rest.contains('.'))
    })
}

pub(super) fn element_by_id<'d>(structure: &'d Structure, id: &str) -> Option<&'d Element> {
    structure.elements.iter().find(|e| e.id == id)
}

/// Whether the element is one slice of a list. A choice with its type chosen has a slice name too, and is none.
pub(super) fn is_slice(element: &Element) -> bool {
    element.slice_name.is_some() && !element.is_choice()
}

/// The first steps of what tells a slice from the others of its list.
fn discriminators<'d>(structure: &'d Structure, id: &str) -> BTreeSet<&'d str> {
    let unsliced = id.rfind(':').filter(|at| !id[*at..].contains('.')).map(|at| &id[..at]);
    let slicing = unsliced.and_then(|id| element_by_id(structure, id)).and_then(|e| e.slicing.as_ref());
    slicing
        .iter()
        .flat_map(|s| &s.discriminators)
        .filter(|d| matches!(d.kind, DiscriminatorKind::Value | DiscriminatorKind::Pattern))
        .map(|d| d.path.split('.').next().unwrap_or_default())
        .collect()
}

/// The JSON that an element must have, where the profile leaves no choice: fixed, a pattern, or an object whose
/// obligatory parts are all so.
fn fixed_json(structure: &Structure, element: &Element, depth: usize) -> Option<Vec<u8>> {
    if let Some(value) = [&element.fixed, &element.pattern].into_iter().flatten().next() {
        return Resource::parse_json(&value.json).ok().map(|json| compact(json.root()));
    }
    if depth == 0 || (element.is_choice() && element.types.len() != 1) {
        return None;
    }
    let mut out = vec![b'{'];
    for child in children_of_id(structure, &element.id).filter(|c| c.min > 0 && !is_slice(c)) {
        let slices: Vec<Vec<u8>> = children_of_id(structure, &element.id)
            .filter(|c| is_slice(c) && c.path == child.path && c.min > 0)
            .map(|c| fixed_json(structure, c, depth - 1))
            .collect::<Option<_>>()?;
        let items = if slices.is_empty() { vec![fixed_json(structure, child, depth - 1)?] } else { slices };
        if out.len() > 1 {
            out.push(b',');
        }
        json::push_text(&mut out, &json_name(child));
        out.push(b':');
        if child.is_array() {
            out.push(b'[');
            out.extend_from_slice(&items.join(&b','));
            out.push(b']');
        } else {
            out.extend_from_slice(items.first()?);
        }
    }
    out.push(b'}');
    (out.len() > 2).then_some(out)
}

/// `valueCode` for a choice of one type, else the element's name.
fn json_name(element: &Element) -> String {
    match (element.name.strip_suffix("[x]"), element.types.first()) {
        (Some(stem), Some(of)) => {
            let mut chars = of.code.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase()).unwrap_or_default();
            format!("{stem}{first}{}", chars.as_str())
        }
        _ => element.name.clone(),
    }
}

/// What asking a value for a pattern gave.
enum Found {
    Fits,
    /// The path of what differs.
    Differs(String),
    /// The path of what only data can tell.
    NotKnown(String),
}

/// Asks a node for what a pattern has; members that are not there are put in.
fn conform_kind(kind: &mut EmitKind, pattern: Node<'_>, path: &str, at: At) -> Found {
    match kind {
        EmitKind::Literal(bytes) => {
            let Ok(literal) = Resource::parse_json(bytes) else { return Found::Fits };
            let mut out = Vec::new();
            match merge(literal.root(), pattern, path, &mut out) {
                None => *kind = EmitKind::Literal(out.into()),
                Some(differs) => return Found::Differs(differs),
            }
            Found::Fits
        }
        EmitKind::Object { members, .. } if pattern.kind() == NodeKind::Object => {
            let mut found = Found::Fits;
            let mut missing = Vec::new();
            for (name, wanted) in pattern.members() {
                let below = format!("{path}.{name}");
                let Some(member) = members.iter_mut().find(|m| &*m.name == name) else {
                    let json = EmitKind::Literal(compact(wanted).into());
                    missing.push(Member::new(name, EmitNode::new(json, &below, at)));
                    continue;
                };
                match conform_kind(&mut member.node.kind, wanted, &below, at) {
                    Found::Fits => {}
                    Found::Differs(path) => return Found::Differs(path),
                    not_known @ Found::NotKnown(_) => found = not_known,
                }
            }
            members.splice(0..0, missing);
            found
        }
        EmitKind::Array(items) if pattern.kind() == NodeKind::Array => {
            let mut found = Found::Fits;
            for wanted in pattern.items() {
                let has_it = |item: &EmitNode| match &item.kind {
                    EmitKind::Literal(bytes) => Resource::parse_json(bytes)
                        .is_ok_and(|json| merge(json.root(), wanted, path, &mut Vec::new()).is_none()),
                    _ => false,
                };
                if items.iter().any(has_it) {
                    continue;
                }
                if items.iter().all(|item| matches!(item.kind, EmitKind::Literal(_))) {
                    return Found::Differs(path.to_owned());
                }
                found = Found::NotKnown(path.to_owned());
            }
            found
        }
        EmitKind::Value(value) => match (literals(&value.from), pattern.as_str()) {
            (Some(texts), Some(wanted)) if texts.iter().all(|t| *t == wanted) => Found::Fits,
            (Some(_), Some(_)) => Found::Differs(path.to_owned()),
            _ => Found::NotKnown(path.to_owned()),
        },
        _ => Found::NotKnown(path.to_owned()),
    }
}

/// The texts that an expression can give, where none comes from data.
fn literals(expr: &PlanExpr) -> Option<Vec<&str>> {
    match expr {
        PlanExpr::Literal(Literal::Text(text) | Literal::Code(text)) => Some(vec![text]),
        PlanExpr::If { then, otherwise, .. } => {
            let mut all = literals(then)?;
            all.extend(literals(otherwise)?);
            Some(all)
        }
        PlanExpr::Coalesce(parts) => {
            parts.iter().map(literals).collect::<Option<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// A literal with what a pattern has beside it; `Some` is the path of what differs.
fn merge(literal: Node<'_>, pattern: Node<'_>, path: &str, out: &mut Vec<u8>) -> Option<String> {
    match (literal.kind(), pattern.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            out.push(b'{');
            let n = out.len();
            for (name, value) in literal.members() {
                if out.len() > n {
                    out.push(b',');
                }
                json::push_text(out, name);
                out.push(b':');
                match pattern.get(name) {
                    Some(wanted) => {
                        let differs = merge(value, wanted, &format!("{path}.{name}"), out);
                        if differs.is_some() {
                            return differs;
                        }
                    }
                    None => write_compact(value, out),
                }
            }
            for (name, value) in pattern.members().filter(|(name, _)| literal.get(name).is_none()) {
                if out.len() > n {
                    out.push(b',');
                }
                json::push_text(out, name);
                out.push(b':');
                write_compact(value, out);
            }
            out.push(b'}');
            None
        }
        (NodeKind::Array, NodeKind::Array) => {
            let has = |wanted: Node<'_>| literal.items().any(|i| merge(i, wanted, path, &mut Vec::new()).is_none());
            if !pattern.items().all(has) {
                return Some(path.to_owned());
            }
            write_compact(literal, out);
            None
        }
        _ if compact(literal) == compact(pattern) => {
            write_compact(literal, out);
            None
        }
        _ => Some(path.to_owned()),
    }
}

/// Where a literal of a whole type goes against what a slice fixes below it: the path and what it should be.
fn below(structure: &Structure, id: &str, literal: Node<'_>, depth: usize) -> Option<(String, String)> {
    if depth == 0 {
        return None;
    }
    children_of_id(structure, id).filter(|e| e.slice_name.is_none()).find_map(|element| {
        let value = literal.get(&element.name)?;
        let items: Vec<Node<'_>> = if value.kind() == NodeKind::Array { value.items().collect() } else { vec![value] };
        let fixed = [&element.fixed, &element.pattern].into_iter().flatten().next();
        if let Some(fixed) = fixed
            && let Ok(pattern) = Resource::parse_json(&fixed.json)
            && let Some(path) = items.iter().find_map(|i| merge(*i, pattern.root(), &element.path, &mut Vec::new()))
        {
            return Some((path, String::from_utf8_lossy(&compact(pattern.root())).into_owned()));
        }
        items.iter().find_map(|i| below(structure, &element.id, *i, depth - 1))
    })
}

fn compact(node: Node<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_compact(node, &mut out);
    out
}

/// A value without white space, texts escaped one way.
fn write_compact(node: Node<'_>, out: &mut Vec<u8>) {
    match node.kind() {
        NodeKind::Object => {
            out.push(b'{');
            for (i, (name, value)) in node.members().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                json::push_text(out, name);
                out.push(b':');
                write_compact(value, out);
            }
            out.push(b'}');
        }
        NodeKind::Array => {
            out.push(b'[');
            for (i, item) in node.items().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_compact(item, out);
            }
            out.push(b']');
        }
        NodeKind::String => json::push_text(out, node.as_str().unwrap_or_default()),
        _ => out.extend_from_slice(node.raw()),
    }
}
