//! An element of a resource, with its type where that is known, and the steps from it to its children.
//!
//! A primitive is one element although JSON writes it as two members: `birthDate` and `_birthDate`.
//! A choice is one name (`value`) although JSON adds the type (`valueQuantity`).

use std::borrow::Cow;
use std::fmt;

use epr_fhir::definitions::{Definitions, Structure};
use epr_fhir::resource::{Node, NodeKind};
use rust_decimal::Decimal;

use crate::quantity::Quantity;
use crate::temporal::Temporal;
use crate::types;
use crate::value::{Collection, Item};

/// An element: its value, the sibling that carries its id and extensions, and where it is defined.
#[derive(Clone, Copy)]
pub struct ElementNode<'a> {
    value: Option<Node<'a>>,
    extra: Option<Node<'a>>,
    structure: Option<&'a Structure>,
    path: &'a str,
    type_code: &'a str,
}

impl fmt::Debug for ElementNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element of type {:?}", self.type_code)
    }
}

/// Whether steps look up the types of what they reach: only an expression that asks for types pays for them.
#[derive(Clone, Copy)]
pub(crate) enum Typing<'a> {
    By(&'a Definitions),
    Structural,
}

impl<'a> ElementNode<'a> {
    /// A resource: its type is what it says it is.
    pub fn resource(node: Node<'a>, definitions: Option<&'a Definitions>) -> ElementNode<'a> {
        let type_code = node.text("resourceType").unwrap_or("");
        let structure = definitions.and_then(|definitions| definitions.structure(type_code));
        ElementNode { value: Some(node), extra: None, structure, path: type_code, type_code }
    }

    /// An element whose place in the definitions the caller knows.
    ///
    /// `value` is `None` for a primitive that has only extensions; `extra` is the `_name` sibling's node;
    /// `type_code` is the concrete type (`Quantity` for `valueQuantity`), empty where unknown.
    pub fn new(
        value: Option<Node<'a>>,
        extra: Option<Node<'a>>,
        structure: Option<&'a Structure>,
        path: &'a str,
        type_code: &'a str,
    ) -> ElementNode<'a> {
        ElementNode { value: value.filter(|node| !node.is_null()), extra, structure, path, type_code }
    }

    /// The value's node; `None` for a primitive that has only extensions.
    pub fn node(&self) -> Option<Node<'a>> {
        self.value
    }

    /// The node that carries the id and extensions of a primitive.
    pub fn extra(&self) -> Option<Node<'a>> {
        self.extra
    }

    /// The FHIR type, empty where unknown.
    pub fn type_code(&self) -> &'a str {
        self.type_code
    }

    /// Equal for the same element of the same resource, and only then (while the resource lives).
    pub(crate) fn identity(&self) -> usize {
        self.value.or(self.extra).map_or(0, |node| node.raw().as_ptr() as usize)
    }

    pub(crate) fn is_object(&self) -> bool {
        self.value.is_some_and(|node| node.kind() == NodeKind::Object)
    }

    /// A resource says its type; an element that is merely called `resourceType` (ExampleScenario has one) is data.
    fn is_resource(&self) -> bool {
        self.value.and_then(|node| node.text("resourceType")) == Some(self.type_code)
    }

    /// Whether there is a primitive value (not only an id or extensions).
    pub(crate) fn has_value(&self) -> bool {
        self.value.is_some_and(|node| !matches!(node.kind(), NodeKind::Object | NodeKind::Array))
    }

    pub(crate) fn number_text(&self) -> Option<&'a str> {
        self.value?.number_text()
    }

    pub(crate) fn is_temporal(&self) -> bool {
        matches!(self.type_code, "date" | "dateTime" | "instant" | "time")
    }

    pub(crate) fn as_str(&self) -> Option<&'a str> {
        self.value?.as_str()
    }

    /// The type, from the definitions or from what the JSON itself shows; empty where neither tells.
    pub(crate) fn shown_type(&self) -> &'a str {
        if !self.type_code.is_empty() && !types::is_abstract_resource(self.type_code) {
            return self.type_code;
        }
        match self.value.map(Node::kind) {
            Some(NodeKind::Bool) => "boolean",
            Some(NodeKind::Object) => self.value.and_then(|node| node.text("resourceType")).unwrap_or(self.type_code),
            _ => self.type_code,
        }
    }

    /// The system value of a primitive or a Quantity; `None` for other elements, and for one without a value.
    pub(crate) fn system(&self) -> Option<Item<'a>> {
        let node = self.value?;
        match node.kind() {
            NodeKind::Bool => node.as_bool().map(Item::Boolean),
            NodeKind::Number => number(node.number_text()?, self.type_code == "decimal"),
            NodeKind::String => Some(self.of_text(node.as_str()?)),
            NodeKind::Object if types::is_quantity(self.type_code) || self.type_code.is_empty() => quantity(node),
            _ => None,
        }
    }

    fn of_text(&self, text: &'a str) -> Item<'a> {
        // White space around a date is a fault of its form, and keeps nobody from reading it.
        let temporal = match self.type_code {
            "date" => Temporal::date(text.trim()),
            "dateTime" | "instant" => Temporal::date_time(text.trim()),
            "time" => Temporal::time(text.trim()),
            _ => None,
        };
        temporal.map_or(Item::String(Cow::Borrowed(text)), Item::Temporal)
    }

    /// Appends the children of that name, a choice being found by its name without the type.
    pub(crate) fn member(&self, name: &str, typing: Typing<'a>, out: &mut Collection<'a>) {
        self.each_member(name, typing, |element| {
            out.push(Item::Element(element));
            true
        });
    }

    /// Gives the children of that name in turn, until `sink` wants no more; says whether it wanted all.
    pub(crate) fn each_member(
        &self,
        name: &str,
        typing: Typing<'a>,
        sink: impl FnMut(ElementNode<'a>) -> bool,
    ) -> bool {
        let holder = if self.is_object() { self.value } else { self.extra };
        let Some(holder) = holder else { return true };
        let (mut value, mut extra, mut json_name) = (None, None, "");
        for (key, node) in holder.members_beginning(name) {
            let is_extra = key.as_bytes().first() == Some(&b'_');
            let bare = if is_extra { &key[1..] } else { key };
            let suffix = &bare[name.len()..];
            let found = if suffix.is_empty() {
                bare != "resourceType" || !self.is_resource()
            } else {
                types::choice_suffix(suffix).is_some() && self.is_choice(bare, typing)
            };
            if found {
                json_name = bare;
                *(if is_extra { &mut extra } else { &mut value }) = Some(node);
            }
        }
        if value.is_none() && extra.is_none() {
            return true;
        }
        let step = Step { json_name, suffix: &json_name[name.len()..], by_name: true };
        self.push(step, value, extra, typing, sink)
    }

    /// `valueQuantity` is a choice; `referenceRange` is not. Without definitions the look of it must do.
    fn is_choice(&self, json_name: &str, typing: Typing<'a>) -> bool {
        match (typing, self.structure) {
            (Typing::By(definitions), Some(structure)) => definitions
                .child(structure, self.path, self.type_code, json_name)
                .is_none_or(|child| child.element.name.ends_with("[x]")),
            _ => json_name != "referenceRange",
        }
    }

    /// Appends all children in written order.
    pub(crate) fn children(&self, typing: Typing<'a>, out: &mut Collection<'a>) {
        let holder = if self.is_object() { self.value } else { self.extra };
        let Some(holder) = holder else { return };
        let has_extras = holder.members().any(|(key, _)| key.starts_with('_'));
        let mut sink = |element| {
            out.push(Item::Element(element));
            true
        };
        for (key, node) in holder.members() {
            if key == "resourceType" && self.is_resource() {
                continue;
            }
            if let Some(bare) = key.strip_prefix('_') {
                if holder.get(bare).is_none() {
                    self.push(Step::child(bare), None, Some(node), typing, &mut sink);
                }
                continue;
            }
            let extra =
                if has_extras { holder.members().find(|(k, _)| k.strip_prefix('_') == Some(key)) } else { None };
            self.push(Step::child(key), Some(node), extra.map(|(_, node)| node), typing, &mut sink);
        }
    }

    /// How many children there are: what `children().count()` says, without making them.
    pub(crate) fn n_children(&self) -> usize {
        let holder = if self.is_object() { self.value } else { self.extra };
        let Some(holder) = holder else { return 0 };
        let (mut n, mut is_plain) = (0, true);
        for (key, node) in holder.members() {
            is_plain &= !key.starts_with('_') && key != "resourceType";
            n += if node.kind() == NodeKind::Array { node.items().filter(|item| !item.is_null()).count() } else { 1 };
        }
        if is_plain {
            return n;
        }
        let mut out = Collection::empty();
        self.children(Typing::Structural, &mut out);
        out.len()
    }

    fn push(
        &self,
        step: Step<'a>,
        value: Option<Node<'a>>,
        extra: Option<Node<'a>>,
        typing: Typing<'a>,
        mut sink: impl FnMut(ElementNode<'a>) -> bool,
    ) -> bool {
        let Step { json_name, suffix, by_name } = step;
        let mut child = ElementNode { value: None, extra: None, structure: None, path: "", type_code: "" };
        let mut known = false;
        if let (Typing::By(definitions), Some(structure)) = (typing, self.structure)
            && let Some(found) = definitions.child(structure, self.path, self.type_code, json_name)
        {
            // `valueQuantity` is the choice's name in JSON, not in FHIRPath.
            if by_name && suffix.is_empty() && found.element.name.ends_with("[x]") {
                return true;
            }
            (child.structure, child.path, child.type_code) =
                (Some(found.structure), &found.element.path, found.type_code);
            known = true;
        }
        if !known {
            child.type_code = types::choice_suffix(suffix).unwrap_or(match json_name {
                "extension" | "modifierExtension" => "Extension",
                "contained" | "resource" | "outcome" => "Resource",
                _ => "",
            });
        }
        let mut put = |value: Option<Node<'a>>, extra: Option<Node<'a>>| {
            let value = value.filter(|node| !node.is_null());
            // An object of nothing is no element to a rule that names it; that it is empty is told by itself, and once.
            if by_name && value.is_some_and(|node| node.kind() == NodeKind::Object && says_nothing(node)) {
                return true;
            }
            let extra = extra.filter(|node| node.kind() == NodeKind::Object);
            if value.is_none() && extra.is_none() {
                return true;
            }
            let mut element = ElementNode { value, extra, ..child };
            if let (true, Some(node)) = (element.is_object(), value)
                && types::is_abstract_resource(child.type_code)
                && let Some(resource_type) = node.text("resourceType")
            {
                let structure = match typing {
                    Typing::By(definitions) => definitions.structure(resource_type),
                    Typing::Structural => None,
                };
                (element.structure, element.path, element.type_code) = (structure, resource_type, resource_type);
            }
            sink(element)
        };
        let is_list = |node: Option<Node<'_>>| node.is_some_and(|node| node.kind() == NodeKind::Array);
        if !is_list(value) && !is_list(extra) {
            return put(value, extra);
        }
        let mut values = value.into_iter().flat_map(Node::items);
        let mut extras = extra.into_iter().flat_map(Node::items);
        loop {
            match (values.next(), extras.next()) {
                (None, None) => return true,
                (value, extra) => {
                    if !put(value, extra) {
                        return false;
                    }
                }
            }
        }
    }
}

/// Whether a value holds no primitive anywhere: an empty object, or one of empty objects.
pub fn says_nothing(node: Node<'_>) -> bool {
    match node.kind() {
        NodeKind::Object => node.members().all(|(_, value)| says_nothing(value)),
        NodeKind::Array => node.items().all(says_nothing),
        kind => kind == NodeKind::Null,
    }
}

/// How a child is reached.
#[derive(Clone, Copy)]
struct Step<'a> {
    json_name: &'a str,
    /// What JSON adds to the name of a choice.
    suffix: &'a str,
    /// Whether the expression named it, rather than asking for all children.
    by_name: bool,
}

impl<'a> Step<'a> {
    fn child(json_name: &'a str) -> Step<'a> {
        Step { json_name, suffix: "", by_name: false }
    }
}

/// A FHIR Quantity as a system value.
fn quantity(node: Node<'_>) -> Option<Item<'_>> {
    let value = decimal(node.get("value")?.number_text()?)?;
    // A value with a comparator (`< 5`) is a range, not a quantity.
    if node.get("comparator").is_some() {
        return None;
    }
    let unit = node.text("code").or_else(|| node.text("unit")).unwrap_or("1");
    Some(Item::Quantity(Quantity { value, unit: Cow::Borrowed(unit), is_calendar: false }))
}

/// A JSON number: an Integer when written without fraction or exponent, unless its type says decimal.
fn number<'a>(text: &str, is_decimal: bool) -> Option<Item<'a>> {
    if !is_decimal && let Ok(whole) = text.parse::<i64>() {
        return Some(Item::Integer(whole));
    }
    decimal(text).map(Item::Decimal)
}

/// The exact decimal; `None` when it has more digits than can be kept.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok().or_else(|| Decimal::from_scientific(text).ok())
}
