//! An XML tree as JSON: members by name, lists together, numbers and booleans bare where the type says so.
//!
//! An element that is repeated where none may be is written as a member as often as it stands there: what judges the
//! resource counts it. What has no place in JSON becomes a fault, and is left out.

use std::fmt::Write as _;
use std::sync::Arc;

use super::schema::{Form, Member, Schema, Shape};
use super::tree::{StrayKind, Tree};
use crate::resource::{FaultKind, SourceFault};
use crate::write::{JsonWriter, is_number};

pub(super) const FHIR: &str = "http://hl7.org/fhir";
const XHTML: &str = "http://www.w3.org/1999/xhtml";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Why a document is no resource at all, and where.
pub(super) type Refusal = (usize, &'static str);

pub(super) struct Converter<'c, 'd, 'x> {
    pub(super) schema: &'c mut Schema<'d>,
    pub(super) tree: &'c Tree<'x>,
    pub(super) json: JsonWriter,
    pub(super) faults: Vec<SourceFault>,
    /// Where values begin: in the JSON, and in the XML.
    pub(super) places: Vec<(u32, u32)>,
    /// Steps to the element at hand.
    path: Vec<Step>,
    /// The strays by element.
    strays: Vec<(u32, StrayKind, u32)>,
    /// Whether an element, with all that it holds, has an attribute, an element or a text.
    says_text: Vec<bool>,
    element_shape: Option<Arc<Shape>>,
}

/// One step to an element: its name, its place in a list, its type in a choice.
struct Step {
    stem: Box<str>,
    index: Option<usize>,
    choice: Option<Box<str>>,
}

impl Step {
    fn of(stem: &str) -> Self {
        Self { stem: stem.into(), index: None, choice: None }
    }
}

impl<'c, 'd, 'x> Converter<'c, 'd, 'x> {
    pub(super) fn new(schema: &'c mut Schema<'d>, tree: &'c Tree<'x>, json: JsonWriter) -> Self {
        let mut strays: Vec<_> = tree.strays.iter().map(|s| (s.element, s.kind, s.start)).collect();
        strays.sort_by_key(|(element, _, start)| (*element, *start));
        let mut says_text = vec![false; tree.elements.len()];
        for (element, kind, _) in &strays {
            says_text[*element as usize] |= *kind != StrayKind::Instruction;
        }
        Self {
            schema,
            tree,
            json,
            faults: Vec::new(),
            places: Vec::new(),
            path: Vec::new(),
            strays,
            says_text,
            element_shape: None,
        }
    }

    /// Writes the whole document.
    pub(super) fn document(&mut self) -> Result<(), Refusal> {
        let root = &self.tree.elements[0];
        if root.namespace != Some(FHIR) {
            let what = match root.namespace {
                None => "the root element is in no namespace, expected http://hl7.org/fhir",
                Some(_) => "the root element is in another namespace than http://hl7.org/fhir",
            };
            return Err((root.start as usize, what));
        }
        self.path.push(Step::of(root.local));
        for start in &self.tree.instructions {
            self.fault(*start as u32, FaultKind::Instruction, "");
        }
        self.element_rules(0);
        self.resource(0)
    }

    fn resource(&mut self, at: u32) -> Result<(), Refusal> {
        let element = &self.tree.elements[at as usize];
        let refused = (element.start as usize, "the element is not a resource type of R4");
        if !self.schema.definitions.is_resource_type(element.local) {
            return Err(refused);
        }
        let shape = self.schema.of_type(element.local).ok_or(refused)?;
        let shape = self.schema.shape(shape);
        self.mark(at);
        self.json.begin_object().member("resourceType", element.local);
        self.members(at, &shape, None)?;
        self.json.end_object();
        Ok(())
    }

    /// What holds for every element, whatever its type.
    fn element_rules(&mut self, at: u32) {
        let element = &self.tree.elements[at as usize];
        if element.namespace == Some(FHIR) && element.next == at + 1 && !self.says_text[at as usize] {
            let (first, end) = element.attributes;
            if first == end {
                self.fault(element.start, FaultKind::NoContent, "");
            }
        }
        if element.namespace != Some(FHIR) {
            self.fault(element.start, FaultKind::Namespace, "");
        }
    }

    /// Attributes, texts and children of an element as members; `value` is the attribute that the caller has read.
    fn members(&mut self, at: u32, shape: &Shape, value: Option<&str>) -> Result<(), Refusal> {
        self.texts(at);
        self.attributes(at, shape, value);
        self.children(at, shape)
    }

    fn texts(&mut self, at: u32) {
        let first = self.strays.partition_point(|(element, _, _)| *element < at);
        let tree = self.tree;
        let end = first + self.strays[first..].iter().take_while(|(element, _, _)| *element == at).count();
        for n in first..end {
            let (_, kind, start) = self.strays[n];
            let kind = match kind {
                StrayKind::Text => FaultKind::Text,
                StrayKind::CData => FaultKind::CData,
                StrayKind::Instruction => FaultKind::Instruction,
            };
            debug_assert!((start as usize) < tree.text.len(), "a stray stands in the text");
            self.fault(start, kind, "");
        }
    }

    fn attributes(&mut self, at: u32, shape: &Shape, value: Option<&str>) {
        let tree = self.tree;
        for attribute in tree.attributes_of(at) {
            let member = shape.member(attribute.local).filter(|(_, m)| m.is_attribute && attribute.namespace.is_none());
            if let Some((_, member)) = member {
                self.json.member(&member.name, &attribute.value);
                continue;
            }
            let is_value = value.is_some() && attribute.local == "value" && attribute.namespace.is_none();
            // A schema's place is said at the root by many tools; the reference passes over `resourceDefinition`.
            let is_known = attribute.local == "resourceDefinition";
            if !is_value && !is_known {
                let kind =
                    if attribute.namespace == Some(XSI) { FaultKind::SchemaAttribute } else { FaultKind::Attribute };
                self.fault(attribute.start, kind, attribute.local);
            }
        }
    }

    fn children(&mut self, at: u32, shape: &Shape) -> Result<(), Refusal> {
        let tree = self.tree;
        // The number of the member's first place, the child, the member.
        let mut children: Vec<(u16, u32, u16)> = Vec::new();
        let mut ranks: Vec<u16> = vec![u16::MAX; shape.members.len()];
        let mut n_ranks = 0;
        let mut last = 0;
        for child in tree.children(at) {
            let element = &tree.elements[child as usize];
            let Some((number, member)) = shape.member(element.local).filter(|(_, m)| !m.is_attribute) else {
                self.fault_of(element.start, FaultKind::Element, element.local, &shape.type_name);
                continue;
            };
            if member.order < last {
                self.path.push(Step::of(&member.stem));
                self.fault(element.start, FaultKind::Order, "");
                self.path.pop();
            }
            last = member.order;
            let rank = &mut ranks[usize::from(number)];
            if *rank == u16::MAX {
                *rank = n_ranks;
                n_ranks += 1;
            }
            children.push((*rank, child, number));
        }
        // Stable, and nothing to do where like stands by like.
        children.sort_by_key(|(rank, _, _)| *rank);
        let mut rest = children.as_slice();
        while let Some((rank, _, number)) = rest.first() {
            let (group, after) = rest.split_at(rest.partition_point(|(r, _, _)| r == rank));
            self.group(&shape.members[usize::from(*number)], group)?;
            rest = after;
        }
        Ok(())
    }

    /// All children of one name.
    fn group(&mut self, member: &Member, group: &[(u16, u32, u16)]) -> Result<(), Refusal> {
        for (index, (_, child, _)) in group.iter().enumerate() {
            if member.form == Form::Xhtml {
                continue;
            }
            self.enter(member, index);
            self.element_rules(*child);
            self.path.pop();
        }
        if matches!(member.form, Form::Object(_) | Form::Resource | Form::Xhtml) {
            return self.complex(member, group);
        }
        self.primitives(member, group)
    }

    fn enter(&mut self, member: &Member, index: usize) {
        let index = member.is_array.then_some(index);
        self.path.push(Step { stem: member.stem.clone(), index, choice: member.choice.clone() });
    }

    fn complex(&mut self, member: &Member, group: &[(u16, u32, u16)]) -> Result<(), Refusal> {
        if member.is_array {
            self.json.key(&member.name).begin_array();
        }
        for (index, (_, child, _)) in group.iter().enumerate() {
            if !member.is_array {
                self.json.key(&member.name);
            }
            self.enter(member, index);
            self.mark(*child);
            match member.form {
                Form::Object(shape) => {
                    let shape = self.schema.shape(shape);
                    self.json.begin_object();
                    self.members(*child, &shape, None)?;
                    self.json.end_object();
                }
                Form::Xhtml => self.narrative(*child),
                _ => self.held_resource(*child)?,
            }
            self.path.pop();
        }
        if member.is_array {
            self.json.end_array();
        }
        Ok(())
    }

    /// `contained` and `Bundle.entry.resource`: an element around one resource.
    fn held_resource(&mut self, at: u32) -> Result<(), Refusal> {
        let tree = self.tree;
        let mut children = tree.children(at);
        let Some(first) = children.next() else {
            self.json.begin_object().end_object();
            return Ok(());
        };
        for other in children {
            self.fault(tree.elements[other as usize].start, FaultKind::SecondResource, "");
        }
        self.resource(first)
    }

    fn primitives(&mut self, member: &Member, group: &[(u16, u32, u16)]) -> Result<(), Refusal> {
        let companion_name = format!("_{}", member.name);
        if !member.is_array {
            for (_, child, _) in group {
                if let Some(value) = self.value_of(*child) {
                    self.json.key(&member.name);
                    self.mark(*child);
                    self.primitive(member.form, value);
                }
                if self.has_companion(*child) {
                    self.json.key(&companion_name);
                }
                self.companion(member, 0, *child)?;
            }
            return Ok(());
        }
        if group.iter().any(|(_, child, _)| self.value_of(*child).is_some()) {
            self.json.key(&member.name).begin_array();
            for (_, child, _) in group {
                self.mark(*child);
                match self.value_of(*child) {
                    Some(value) => self.primitive(member.form, value),
                    None => {
                        self.json.null();
                    }
                }
            }
            self.json.end_array();
        }
        let has_companions = group.iter().any(|(_, child, _)| self.has_companion(*child));
        if has_companions {
            self.json.key(&companion_name).begin_array();
        }
        for (index, (_, child, _)) in group.iter().enumerate() {
            if has_companions && !self.has_companion(*child) {
                self.json.null();
            }
            self.companion(member, index, *child)?;
        }
        if has_companions {
            self.json.end_array();
        }
        Ok(())
    }

    fn value_of(&self, at: u32) -> Option<&'c str> {
        let tree = self.tree;
        let value = tree.attributes_of(at).iter().find(|a| a.local == "value" && a.namespace.is_none());
        value.map(|a| a.value.as_ref())
    }

    /// Whether JSON needs a member beside the value, or in its place: for an id, an extension, or since there is no value.
    fn has_companion(&self, at: u32) -> bool {
        let tree = self.tree;
        self.value_of(at).is_none()
            || tree.attributes_of(at).iter().any(|a| a.local == "id" && a.namespace.is_none())
            || tree.children(at).any(|child| tree.elements[child as usize].local == "extension")
    }

    /// What a primitive has beside its value; where that is nothing, nothing is written, and faults are noted all the same.
    fn companion(&mut self, member: &Member, index: usize, at: u32) -> Result<(), Refusal> {
        let shape = self.element_shape()?;
        let is_written = self.has_companion(at);
        let value = self.value_of(at);
        self.enter(member, index);
        if is_written {
            self.mark(at);
            self.json.begin_object();
        }
        self.members(at, &shape, value)?;
        if is_written {
            self.json.end_object();
        }
        self.path.pop();
        Ok(())
    }

    /// What a primitive may hold beside its value.
    fn element_shape(&mut self) -> Result<Arc<Shape>, Refusal> {
        if self.element_shape.is_none() {
            let id = self.schema.of_type("Element").ok_or((0, "the definitions of R4 are not loaded"))?;
            self.element_shape = Some(self.schema.shape(id));
        }
        Ok(self.element_shape.clone().expect("it was made above"))
    }

    fn primitive(&mut self, form: Form, value: &str) {
        match form {
            Form::Bool if value == "true" => self.json.bool(true),
            Form::Bool if value == "false" => self.json.bool(false),
            Form::Number if is_number(value) => self.json.raw_number(value),
            _ => self.json.string(value),
        };
    }

    /// The markup of a narrative, prefixes taken out and the namespace said at its root.
    fn narrative(&mut self, at: u32) {
        let tree = self.tree;
        let div = &tree.elements[at as usize];
        let mut out = String::with_capacity((div.end - div.start) as usize + 40);
        let mut copied = div.start as usize;
        let mut cut = |from: usize, to: usize, instead: &str| {
            out.push_str(&tree.text[copied..from]);
            out.push_str(instead);
            copied = to;
        };
        // Start tags come in order of elements, end tags in theirs: both are merged by place.
        let mut names: Vec<(usize, usize, bool)> = Vec::new();
        for (n, element) in tree.elements[at as usize..div.next as usize].iter().enumerate() {
            let prefix = element.name.len() - element.local.len();
            let is_stripped = prefix > 0 && element.namespace == div.namespace;
            if n == 0 || is_stripped {
                names.push((element.start as usize + 1, if is_stripped { prefix } else { 0 }, n == 0));
            }
            if is_stripped && element.end_name > 0 {
                names.push((element.end_name as usize, prefix, false));
            }
        }
        names.sort_unstable();
        for (start, prefix, is_root) in names {
            cut(start, start + prefix, "");
            if is_root && (!div.declares_default || prefix > 0) {
                let behind = start + div.name.len();
                let namespace = div.namespace.unwrap_or_default();
                let said = if namespace == XHTML { XHTML } else { namespace };
                cut(behind, behind, &format!(" xmlns=\"{said}\""));
            }
        }
        let end = div.end as usize;
        cut(end, end, "");
        self.json.string(&out);
    }

    /// Notes that the value of an element begins here; a comma may still come before it.
    fn mark(&mut self, at: u32) {
        self.places.push((self.json.as_bytes().len() as u32, self.tree.elements[at as usize].start));
    }

    fn fault(&mut self, start: u32, kind: FaultKind, name: &str) {
        self.fault_of(start, kind, name, "");
    }

    fn fault_of(&mut self, start: u32, kind: FaultKind, name: &str, type_name: &str) {
        let mut path = String::new();
        for step in &self.path {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&step.stem);
            if let Some(index) = step.index {
                let _ = write!(path, "[{index}]");
            }
            if let Some(choice) = &step.choice {
                let _ = write!(path, ".ofType({choice})");
            }
        }
        self.faults.push(SourceFault {
            offset: start as usize,
            line: 0,
            column: 0,
            kind,
            path,
            name: name.to_owned(),
            type_name: type_name.to_owned(),
        });
    }
}
