//! Elements against the definitions: that they exist, their shape, that none is filled twice and none that must be
//! there is left out.
//!
//! Long because an element, its items and what must be there are asked over one set of rules.

use std::collections::{BTreeMap, BTreeSet};

use epr_fhir::definitions::{Definitions, Element, Max, Structure};

use super::absence::left_out;
use super::scope::{Binding, MapCompiler};
use super::slices::{child_of, children_of_id, is_slice};
use crate::apply::json;
use crate::diagnostics::{Span, nearest};
use crate::plan::{Each, EmitKind, EmitNode, Expr as PlanExpr, FhirPrimitive, LeftOut, Member, Shape};
use crate::syntax::ast::{ElementKey, Member as AstMember, Name, Object, Value, ValueKind};
use crate::syntax::expr::{BinaryOp, Expr, ExprKind};

/// An element while it is filled.
#[derive(Debug, Clone)]
pub(crate) struct Place<'d> {
    pub(crate) element: &'d Element,
    pub(crate) structure: &'d Structure,
    pub(crate) type_code: &'d str,
    /// `Patient.name.family`.
    pub(crate) path: String,
}

/// What an object is: the resource or a complex type, and where its children are defined.
#[derive(Debug, Clone)]
pub(crate) struct Parent<'d> {
    pub(crate) structure: &'d Structure,
    /// The path of the parent inside `structure`.
    pub(crate) at: String,
    /// Its id there: `Patient.identifier:nhsNumber` of a slice, else the path.
    pub(crate) id: String,
    pub(crate) type_code: &'d str,
    pub(crate) path: String,
    pub(crate) is_resource: bool,
    /// What messages call it: `UKCore-Patient`.
    pub(crate) shown: String,
}

/// What an element is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Shaped(Shape),
    Complex,
}

/// A rule for an element, for the search of doubles and of elements that are left out.
pub(super) struct Rule<'a> {
    pub(super) element: String,
    /// The slice that the key names.
    pub(super) slice: Option<String>,
    json_name: String,
    span: Span,
    when: Option<&'a Expr>,
    may_be_left_out: Option<(&'static str, Span)>,
    /// A policy of `defaults:` that leaves it out.
    by_default: Option<LeftOut>,
}

impl<'c> MapCompiler<'c, '_, '_> {
    /// The members of an object, in the order in which the file writes them; items of one list (slices, extensions)
    /// stand where the first is.
    pub(crate) fn members(&mut self, object: &Object, parent: &Parent<'c>) -> Vec<Member> {
        let mut members: Vec<Member> = Vec::new();
        let mut rules: Vec<Rule<'_>> = Vec::new();
        for member in &object.members {
            let key = &member.key;
            let is_extension = key.slice.is_some() && matches!(key.name.as_str(), "extension" | "modifierExtension");
            if !is_extension && self.refuse_key(key, parent) {
                continue;
            }
            let Some(place) = self.child(key, parent) else { continue };
            let place = match &key.slice {
                Some(slice) if !is_extension => match self.slice(key, slice, place, parent) {
                    Some(place) => place,
                    None => continue,
                },
                _ => place,
            };
            rules.push(Rule {
                element: place.element.path.clone(),
                slice: key.slice.clone(),
                json_name: key.label(),
                span: key.span,
                when: condition_of(&member.value),
                may_be_left_out: left_out_by(&member.value),
                by_default: None,
            });
            if is_extension {
                for item in self.extension(member, parent) {
                    let at = item.at;
                    let list = EmitNode::new(EmitKind::Array(vec![item]), &place.path, at);
                    push_member(&mut members, &key.name, list);
                }
                continue;
            }
            let n_errors = self.resolver.sink.n_errors();
            if let Some(node) = self.element(member, &place) {
                // Where a part of it did not compile, what is left says nothing of the whole.
                if let Some(rule) = rules.last_mut().filter(|_| self.resolver.sink.n_errors() == n_errors) {
                    rule.by_default = left_out(&node);
                }
                push_member(&mut members, &key.name, node);
            }
        }
        for member in &mut members {
            fold(&mut member.node);
        }
        self.fill_slice(&mut members, &rules, parent);
        // An object without a value is left out whole, and its literals with it: its one value cannot be missing from it.
        if !parent.is_resource && members.iter().filter(|m| has_expression(&m.node)).count() <= 1 {
            for rule in &mut rules {
                rule.by_default = None;
            }
        }
        self.doubles(&rules);
        self.required(&rules, &members, object, parent);
        members
    }

    fn refuse_key(&mut self, key: &ElementKey, parent: &Parent<'_>) -> bool {
        let refused = match (parent.is_resource, key.name.as_str()) {
            (true, "id") => {
                Some(("the id is made from the row's key", "leave it out; the source's own id is an `identifier`"))
            }
            (true, "resourceType") => Some(("the type follows from `target:`", "leave it out")),
            (true, "contained") => {
                Some(("contained resources are not made", "make a map for it and refer to it with `ref`"))
            }
            (false, "resourceType") => Some(("an element has no resource type", "leave it out")),
            _ => None,
        };
        if let Some((why, help)) = refused {
            self.sink().error("MAP0204", key.span, format!("`{}` cannot be mapped: {why}", key.name)).help(help);
            return true;
        }
        false
    }

    /// The element of a key, or what else the writer may have meant.
    fn child(&mut self, key: &ElementKey, parent: &Parent<'c>) -> Option<Place<'c>> {
        let definitions: &'c Definitions = self.definitions();
        if let Some(child) = child_of(definitions, parent, &key.name) {
            let path = format!("{}.{}", parent.path, key.name);
            return Some(Place {
                element: child.element,
                structure: child.structure,
                type_code: child.type_code,
                path,
            });
        }
        let children = children(definitions, parent);
        let stem = format!("{}[x]", key.name);
        if let Some(choice) = children.iter().find(|e| e.name == stem) {
            let names: Vec<String> = choice_names(choice);
            let shown = if names.len() > 8 { format!("{}, …", names[..8].join(", ")) } else { names.join(", ") };
            self.sink()
                .error("MAP0208", key.span, format!("`{}` has several types: its name says which", key.name))
                .label("which type?")
                .help(format!("write one of: {shown}"));
            return None;
        }
        let mut names: BTreeMap<String, &Element> = BTreeMap::new();
        for element in &children {
            if element.is_choice() {
                names.extend(choice_names(element).into_iter().map(|n| (n, *element)));
            } else {
                names.insert(element.name.clone(), element);
            }
        }
        let help = nearest(&key.name, names.keys().map(String::as_str)).map(|name| {
            let element = names[name];
            let ty = element.type_for(name).filter(|t| !t.is_empty()).unwrap_or("the same as its parent").to_owned();
            format!("did you mean `{name}` ({ty}, {})?", cardinality(element))
        });
        let message = format!("`{}` is not an element of {}", key.name, parent.shown);
        self.sink().error("MAP0203", key.span, message).label("unknown element").help_if(help);
        None
    }

    /// One element: its value, or its items.
    fn element(&mut self, member: &AstMember, place: &Place<'c>) -> Option<EmitNode> {
        let at = self.at(member.key.span);
        let is_array = place.element.is_array() || is_slice(place.element);
        if place.element.max == Max::Count(0) {
            let message = format!("`{}` is ruled out by {}", member.key.name, place.structure.name);
            self.sink().error("MAP0206", member.key.span, message).help("the profile gives it a maximum of 0");
            return None;
        }
        match &member.value.kind {
            ValueKind::List(_) if !is_array => {
                let message = format!("`{}` takes one value, not a list", member.key.name);
                let help = format!("it is {} in {}", cardinality(place.element), place.structure.type_name);
                self.sink().error("MAP0206", member.key.span, message).help(help);
                None
            }
            ValueKind::List(items) => {
                if let Max::Count(max) = place.element.max
                    && items.len() > max as usize
                {
                    let message = format!("`{}` takes at most {max}, and here are {}", member.key.label(), items.len());
                    self.sink().error("MAP0206", member.key.span, message);
                }
                let mut nodes = Vec::new();
                let mut labels: BTreeSet<&str> = BTreeSet::new();
                for item in items {
                    self.label(item, &mut labels);
                    nodes.extend(self.item(item, place, true));
                }
                Some(EmitNode::new(EmitKind::Array(nodes), &place.path, at))
            }
            ValueKind::Poison => None,
            _ if is_array => {
                let item = self.item(&member.value, place, true)?;
                Some(EmitNode::new(EmitKind::Array(vec![item]), &place.path, at))
            }
            _ => self.item(&member.value, place, false),
        }
    }

    /// A label is there once in a list.
    fn label<'v>(&mut self, item: &'v Value, labels: &mut BTreeSet<&'v str>) {
        if let ValueKind::Object(object) = &item.kind
            && let Some(label) = &object.directives.label
            && !labels.insert(&label.text)
        {
            self.sink().error("MAP0209", label.span, format!("two items have the label `{}`", label.text));
        }
    }

    /// One value or one item of a list, with what the profile fixes of it.
    pub(crate) fn item(&mut self, value: &Value, place: &Place<'c>, in_list: bool) -> Option<EmitNode> {
        let mut node = self.plain_item(value, place, in_list)?;
        self.conform(&mut node, place, value);
        Some(node)
    }

    /// One value or one item of a list, with its `.when` and `.each`.
    fn plain_item(&mut self, value: &Value, place: &Place<'c>, in_list: bool) -> Option<EmitNode> {
        let at = self.at(value.span);
        let ValueKind::Object(object) = &value.kind else {
            return self.leaf(value, place, in_list);
        };
        let each = match &object.directives.each {
            Some((alias, list)) => Some(self.each(alias, list, in_list, &place.path)?),
            None => None,
        };
        let when = match &object.directives.when {
            Some(when) => self.condition(when),
            None => None,
        };
        let n_present = self.present.len();
        if let Some(when) = &when {
            self.learn(when);
        }
        let kind = self.fragment_type(object, place).and_then(|()| self.object(object, value.span, place, in_list));
        self.present.truncate(n_present);
        if each.is_some()
            && let Some((alias, _)) = &object.directives.each
        {
            self.names.remove(&alias.text);
        }
        let mut node = EmitNode::new(kind?, &place.path, at);
        if object.directives.when.is_some() {
            node = node.when(when?);
        }
        if let Some(each) = each {
            node = node.each(each);
        }
        Some(node)
    }

    /// Binds the alias of an `.each`; the caller unbinds it.
    pub(crate) fn each(&mut self, alias: &Name, list: &Expr, in_list: bool, path: &str) -> Option<Each> {
        if !in_list {
            let message = format!("`.each` makes several items, and `{path}` takes one");
            self.sink().error("MAP0206", alias.span, message).help("take one row with `first($alias).COLUMN`");
            return None;
        }
        let super::exprs::Thing::Rows(list_slot) = self.thing(list)? else {
            self.sink()
                .error("MAP0107", list.span, "`.each` takes a list of rows")
                .help("name a look-up that takes many, or `$rows` of a group");
            return None;
        };
        let table = self.lists[usize::from(list_slot.0)].table;
        let row = self.row(&alias.text, table);
        if !self.bind(alias, Binding::Row(row)) {
            return None;
        }
        Some(Each { list: list_slot, row })
    }

    /// A fragment gives a type, which must be the element's.
    fn fragment_type(&mut self, object: &Object, place: &Place<'_>) -> Option<()> {
        let Some(gives) = &object.directives.gives else { return Some(()) };
        if gives.text != place.type_code && place.type_code != "Element" {
            let message = format!("the fragment gives {}, and `{}` is {}", gives.text, place.path, place.type_code);
            let note = self.resolver.sink.note_at("declared at", gives.span);
            self.sink().error("MAP0205", object.span, message).note(note);
            return None;
        }
        Some(())
    }

    /// An object of a complex type, element by element.
    pub(crate) fn complex(&mut self, object: &Object, place: &Place<'c>) -> EmitKind {
        let parent = Self::parent_of(place);
        let around = self.reference_of.replace(place.element);
        let members = self.members(object, &parent);
        self.reference_of = around;
        object_kind(members)
    }

    /// The element as the parent of what is below it.
    pub(crate) fn parent_of(place: &Place<'c>) -> Parent<'c> {
        Parent {
            structure: place.structure,
            at: place.element.path.clone(),
            id: place.element.id.clone(),
            type_code: place.type_code,
            path: place.path.clone(),
            is_resource: false,
            shown: if matches!(place.type_code, "BackboneElement" | "Element" | "") {
                place.element.path.clone()
            } else {
                place.type_code.to_owned()
            },
        }
    }

    /// Two rules for one element, unless at most one of them can hold.
    fn doubles(&mut self, rules: &[Rule<'_>]) {
        for (i, second) in rules.iter().enumerate() {
            let is_it = |r: &&Rule<'_>| r.element == second.element && r.slice == second.slice;
            let Some(first) = rules[..i].iter().find(is_it) else { continue };
            // Items of a slice and items without one stand beside each other.
            let are_apart = match (first.when, second.when) {
                (Some(a), Some(b)) => provably_apart(a, b),
                _ => false,
            };
            if !are_apart {
                let note = self.resolver.sink.note_at(&format!("`{}` at", first.json_name), first.span);
                let name = second.element.rsplit('.').next().unwrap_or_default().to_owned();
                self.sink()
                    .error("MAP0209", second.span, format!("two rules fill `{name}`"))
                    .label("the second")
                    .note(note)
                    .help("give both a `.when` that cannot hold together, such as `x` and `not x`");
            }
        }
    }

    /// Every element that must be there has a rule that fills it on every branch.
    fn required(&mut self, rules: &[Rule<'_>], members: &[Member], object: &Object, parent: &Parent<'c>) {
        // What the source's own resource has is not known here.
        if parent.is_resource && self.resolved.map.from_resource.is_some() {
            return;
        }
        for element in children(self.definitions(), parent) {
            if element.min == 0 {
                continue;
            }
            let mut of: Vec<&Rule<'_>> = rules.iter().filter(|r| r.element == element.path).collect();
            let mut name = element.name.clone();
            let is_filled = of.is_empty() && members.iter().any(|m| element.type_for(&m.name).is_some());
            if let Some(slice) = &element.slice_name {
                // An item that names no slice may be of this one: only validation can tell.
                if element.is_choice() || of.iter().any(|r| r.slice.is_none()) {
                    continue;
                }
                of.retain(|r| r.slice.as_ref() == Some(slice));
                name = format!("{name}[{slice}]");
            }
            if is_filled {
                continue;
            }
            if of.is_empty() {
                if object.directives.from.is_some() || (name == "url" && parent.type_code == "Extension") {
                    continue;
                }
                let names = if element.is_choice() {
                    format!("one of {}", choice_names(element).join(", "))
                } else {
                    name.clone()
                };
                let span = head_of(object.span, self.input.sources.text(object.span.file));
                self.sink()
                    .error("MAP0207", span, format!("no rule fills `{name}`, which must be in {}", parent.shown))
                    .help(format!("add {names}"));
                continue;
            }
            if let [rule] = of.as_slice()
                && let Some(when) = rule.when
            {
                let span = when.span;
                self.sink()
                    .error(
                        "MAP0207",
                        span,
                        format!("`{name}` must be in {}, and is filled only when this holds", parent.shown),
                    )
                    .help("put the `.when` on what holds the element, or add a rule for the other branch");
            }
            if let Some((word, span)) = of.iter().find_map(|r| r.may_be_left_out) {
                self.sink()
                    .error(
                        "MAP0207",
                        span,
                        format!("`{word}: omit` leaves out `{name}`, which must be in {}", parent.shown),
                    )
                    .help(HELP_REQUIRED);
            } else if let Some((by, rule)) = of.iter().find_map(|r| r.by_default.map(|by| (by, r))) {
                let (word, what) = match by {
                    LeftOut::Missing => ("on_missing", "is null"),
                    LeftOut::Invalid => ("on_invalid", "cannot be read"),
                };
                let message = format!(
                    "`defaults: {word}: omit` leaves out `{name}`, which must be in {}, where its value {what}",
                    parent.shown
                );
                let note = self.resolved.map.defaults.iter().find(|(n, _)| n.text == word).map(|(n, _)| n.span);
                let note = note.map(|span| self.resolver.sink.note_at("the default at", span));
                let found = self.sink().error("MAP0207", rule.span, message);
                found.help(format!("give it its own `.{word}`: {HELP_REQUIRED}"));
                found.notes.extend(note);
            }
        }
    }
}

const HELP_REQUIRED: &str = "choose data-absent-reason(…), const(…), keep-as-text, refuse-resource or refuse-row";

/// The elements directly below a parent, wherever they are defined.
pub(crate) fn children<'d>(definitions: &'d Definitions, parent: &Parent<'d>) -> Vec<&'d Element> {
    let of_id: Vec<&Element> = children_of_id(parent.structure, &parent.id).collect();
    if !of_id.is_empty() {
        return of_id;
    }
    let here: Vec<&Element> = parent.structure.children(&parent.at).collect();
    if !here.is_empty() {
        return here;
    }
    let reference = parent.structure.element(&parent.at).and_then(|e| e.content_reference.as_deref());
    if let Some(path) = reference {
        return parent.structure.children(path.trim_start_matches('#')).collect();
    }
    match definitions.structure(parent.type_code) {
        Some(structure) => structure.root().map(|root| structure.children(&root.path).collect()).unwrap_or_default(),
        None => Vec::new(),
    }
}

pub(crate) fn choice_names(element: &Element) -> Vec<String> {
    let stem = element.name.trim_end_matches("[x]");
    element
        .types
        .iter()
        .map(|t| {
            let mut chars = t.code.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase()).unwrap_or_default();
            format!("{stem}{first}{}", chars.as_str())
        })
        .collect()
}

/// `0..1`, `1..*`.
pub(crate) fn cardinality(element: &Element) -> String {
    match element.max {
        Max::Many => format!("{}..*", element.min),
        Max::Count(max) => format!("{}..{max}", element.min),
    }
}

/// What an element of a type is written as.
pub(crate) fn kind_of(type_code: &str) -> Kind {
    if let Some(primitive) = FhirPrimitive::from_code(type_code) {
        return Kind::Shaped(Shape::Primitive(primitive));
    }
    match type_code {
        "Coding" => Kind::Shaped(Shape::Coding),
        "CodeableConcept" => Kind::Shaped(Shape::CodeableConcept),
        "Quantity" | "SimpleQuantity" | "Age" | "Duration" | "Distance" | "Count" | "MoneyQuantity" => {
            Kind::Shaped(Shape::Quantity)
        }
        "Reference" => Kind::Shaped(Shape::Reference),
        _ => Kind::Complex,
    }
}

/// Members to an object; one that has no expression becomes bytes.
pub(crate) fn object_kind(members: Vec<Member>) -> EmitKind {
    let is_literal = |m: &Member| matches!(m.node.kind, EmitKind::Literal(_)) && m.node.when.is_none();
    if !members.is_empty() && members.iter().all(is_literal) {
        let mut out = vec![b'{'];
        for (i, member) in members.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            json::push_text(&mut out, &member.name);
            out.push(b':');
            if let EmitKind::Literal(bytes) = &member.node.kind {
                out.extend_from_slice(bytes);
            }
        }
        out.push(b'}');
        return EmitKind::Literal(out.into());
    }
    let has_expression = members.iter().any(|m| has_expression(&m.node));
    EmitKind::Object { members, has_expression }
}

pub(crate) fn has_expression(node: &EmitNode) -> bool {
    match &node.kind {
        EmitKind::Literal(_) => false,
        EmitKind::Object { members, .. } => members.iter().any(|m| has_expression(&m.node)),
        EmitKind::Array(items) => items.iter().any(has_expression),
        EmitKind::Value(value) => !matches!(value.from, PlanExpr::Literal(_)),
        EmitKind::Primitive { .. } => true,
    }
}

/// A list of literals becomes bytes.
fn fold(node: &mut EmitNode) {
    let EmitKind::Array(items) = &node.kind else { return };
    let all = items.iter().all(|i| matches!(i.kind, EmitKind::Literal(_)) && i.when.is_none() && i.each.is_none());
    if items.is_empty() || !all {
        return;
    }
    let mut out = vec![b'['];
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if let EmitKind::Literal(bytes) = &item.kind {
            out.extend_from_slice(bytes);
        }
    }
    out.push(b']');
    node.kind = EmitKind::Literal(out.into());
}

/// Adds a member; the items of a list join those that the list has already, so that they come in written order.
fn push_member(members: &mut Vec<Member>, name: &str, node: EmitNode) {
    let before = members.iter_mut().find(|m| &*m.name == name);
    match (before.map(|m| &mut m.node.kind), node.kind) {
        (Some(EmitKind::Array(items)), EmitKind::Array(more)) => items.extend(more),
        (_, kind) => members.push(Member::new(name, EmitNode { kind, ..node })),
    }
}

fn condition_of(value: &Value) -> Option<&Expr> {
    match &value.kind {
        ValueKind::Object(object) => object.directives.when.as_ref(),
        ValueKind::List(items) => match items.as_slice() {
            [only] => condition_of(only),
            _ => None,
        },
        _ => None,
    }
}

/// The directive of an element that leaves it out on some branch.
fn left_out_by(value: &Value) -> Option<(&'static str, Span)> {
    let ValueKind::Object(object) = &value.kind else { return None };
    let d = &object.directives;
    [(".on_unmapped", &d.on_unmapped), (".on_invalid", &d.on_invalid), (".on_missing", &d.on_missing)]
        .into_iter()
        .find_map(|(word, name)| name.as_ref().filter(|n| n.text == "omit").map(|n| (word, n.span)))
}

/// The first line of an object, so that a caret does not run over the whole block.
fn head_of(span: Span, text: &str) -> Span {
    let length = text[span.range()].find('\n').unwrap_or(span.end as usize - span.start as usize);
    Span { end: span.start + length as u32, ..span }
}

/// Whether two conditions can never both be true: one is the negation of the other, or both ask one thing to equal
/// different literals.
pub(crate) fn provably_apart(a: &Expr, b: &Expr) -> bool {
    let (a_all, b_all) = (conjuncts(a), conjuncts(b));
    a_all.iter().any(|x| b_all.iter().any(|y| apart(x, y)))
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Binary { op: BinaryOp::And, left, right } => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        _ => vec![expr],
    }
}

fn apart(a: &Expr, b: &Expr) -> bool {
    let negates = |x: &Expr, y: &Expr| matches!(&x.kind, ExprKind::Not(inner) if inner.to_string() == y.to_string());
    if negates(a, b) || negates(b, a) {
        return true;
    }
    let (ExprKind::Binary { op: op_a, left: la, right: ra }, ExprKind::Binary { op: op_b, left: lb, right: rb }) =
        (&a.kind, &b.kind)
    else {
        return false;
    };
    let same_left = la.to_string() == lb.to_string();
    let literal = |e: &Expr| matches!(e.kind, ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Bool(_));
    match (op_a, op_b) {
        (BinaryOp::Equal, BinaryOp::Equal) => {
            same_left && literal(ra) && literal(rb) && ra.to_string() != rb.to_string()
        }
        (BinaryOp::Equal, BinaryOp::NotEqual) | (BinaryOp::NotEqual, BinaryOp::Equal) => {
            same_left && ra.to_string() == rb.to_string()
        }
        _ => false,
    }
}
