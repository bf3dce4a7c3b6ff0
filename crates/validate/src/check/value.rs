//! Values: JSON forms, primitives and their companions, fixed values and patterns, extensions.

use epr_fhir::definitions::ConstraintSeverity;
use epr_fhir::{Definitions, Node, NodeKind};
use epr_fhirpath::ElementNode;
use epr_model::Severity;

use super::walk::{Children, ObjectOf, Place, Walk, describe};
use crate::issues;
use crate::primitive::{self, JsonForm, PrimitiveFault, PrimitiveKind};
use crate::program::{ValueProgram, What};
use crate::tally::BaseRule;

/// The form that a value should have had.
const ARRAY: &str = "an array";
const OBJECT: &str = "an object";

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// A repeating element; gives how many of its items have the form that makes them elements.
    pub(super) fn list(&mut self, value: &'p ValueProgram, main: Option<Node<'r>>, companion: Option<Node<'r>>) -> u32 {
        let mut is_right = true;
        for node in [main, companion].into_iter().flatten() {
            let is_array = node.kind() == NodeKind::Array;
            self.checker.tally.count(BaseRule::JsonForm, !is_array);
            if !is_array {
                self.wrong_form(node, ARRAY);
                is_right = false;
            }
        }
        let is_primitive = matches!(value.what, What::Primitive(_));
        if !is_right {
            // An object where an array of objects should be is looked at all the same, as if it were the only item.
            return if is_primitive { 0 } else { main.map_or(0, |node| self.complex(value, node)) };
        }
        match (main, companion) {
            (main, Some(companion)) => self.paired(value, main, Some(companion)),
            (Some(main), None) if main.items().next().is_none() => {
                let severity = if is_primitive { Severity::Warning } else { Severity::Error };
                self.push(issues::VAL_EMPTY, severity, "expected an array with items, found an empty one".to_owned());
                0
            }
            (Some(main), None) if is_primitive => self.paired(value, Some(main), None),
            (Some(main), None) => {
                let (mut n, mut n_right) = (0, 0);
                for item in main.items() {
                    self.at(n);
                    n_right += self.complex(value, item);
                    n += 1;
                }
                n_right
            }
            (None, None) => 0,
        }
    }

    /// Two arrays side by side, the values and their companions; null fills a place that the other array uses, and
    /// what is missing at the end of the shorter one counts as null.
    fn paired(&mut self, value: &'p ValueProgram, main: Option<Node<'r>>, companion: Option<Node<'r>>) -> u32 {
        let mut values = main.into_iter().flat_map(Node::items);
        let mut companions = companion.into_iter().flat_map(Node::items);
        let (mut n, mut n_right) = (0, 0);
        loop {
            let (item, extra) = (values.next(), companions.next());
            if item.is_none() && extra.is_none() {
                return n_right;
            }
            self.at(n);
            let (item, extra) = (item.filter(|i| !i.is_null()), extra.filter(|e| !e.is_null()));
            if item.is_some() || extra.is_some() {
                n_right += self.simple(value, item, extra);
            } else if companion.is_some() {
                self.find(issues::VAL_ALIGNMENT, || {
                    "expected a value or its extensions, found null in both arrays".to_owned()
                });
            } else {
                self.find(issues::VAL_NULL, || "expected an item that says something, found null".to_owned());
            }
            n += 1;
        }
    }

    fn at(&mut self, index: u32) {
        if let Some(step) = self.steps.last_mut() {
            step.index = Some(index);
        }
    }

    /// An element that does not repeat; gives 1 where it has the form that makes it an element.
    pub(super) fn single(
        &mut self,
        value: &'p ValueProgram,
        main: Option<Node<'r>>,
        companion: Option<Node<'r>>,
    ) -> u32 {
        match (value.what, main) {
            (What::Primitive(_), _) => self.simple(value, main, companion),
            (_, Some(main)) => self.complex(value, main),
            (_, None) => 0,
        }
    }

    /// A primitive and its companion.
    fn simple(&mut self, value: &'p ValueProgram, main: Option<Node<'r>>, companion: Option<Node<'r>>) -> u32 {
        let What::Primitive(kind) = value.what else { return 0 };
        if let Some(node) = main.filter(|m| matches!(m.kind(), NodeKind::Object | NodeKind::Array | NodeKind::Null)) {
            self.checker.tally.count(BaseRule::JsonForm, true);
            self.wrong_form(node, kind.expected());
            return 0;
        }
        if let Some(node) = companion.filter(|c| c.kind() != NodeKind::Object) {
            self.checker.tally.count(BaseRule::JsonForm, true);
            self.wrong_form(node, OBJECT);
            return 0;
        }
        self.checker.tally.visit(value.place);
        let n_children = companion.map(|c| self.object(self.checker.program.element_shape, c, ObjectOf::Companion));
        let n_children = n_children.unwrap_or_default();
        if let Some(node) = main {
            self.primitive(value, kind, node, companion, n_children);
            return 1;
        }
        if n_children.all == 0 {
            self.find(issues::VAL_EMPTY, || format!("expected {} or extensions, found neither", kind.expected()));
        }
        self.no_value(n_children);
        // A required code that is not given is no code of the value set, whatever its extensions say.
        self.code_is_absent(value);
        self.invariants_of(value, None, companion);
        1
    }

    /// ele-1 of a primitive without a value: it has children other than an id.
    fn no_value(&mut self, children: Children) {
        if children.all == children.ids {
            self.broken("ele-1", "all elements must have a value or children", ConstraintSeverity::Error);
        }
    }

    /// A complex value, or a resource.
    fn complex(&mut self, value: &'p ValueProgram, node: Node<'r>) -> u32 {
        if node.kind() != NodeKind::Object {
            self.checker.tally.count(BaseRule::JsonForm, true);
            self.wrong_form(node, OBJECT);
            return 0;
        }
        self.checker.tally.visit(value.place);
        match value.what {
            What::Primitive(_) => return 0,
            What::Object(shape) => {
                self.object(shape, node, ObjectOf::Type);
                self.asked_of(value, node, None);
                self.type_checks(value, node);
            }
            What::AnyResource => {
                let in_contained = self.steps.last().filter(|s| s.name == "contained").and_then(|s| s.index);
                let place = in_contained.map_or(Place::Inside, |i| Place::Contained(i as usize));
                self.any_resource(node, place);
                self.invariants_of(value, Some(node), None);
            }
        }
        1
    }

    /// What the element asks of a value whose own form is right.
    fn asked_of(&mut self, value: &'p ValueProgram, node: Node<'r>, companion: Option<Node<'r>>) {
        if let Some(fixed) = &value.fixed {
            let failed = !equal(fixed.root(), node);
            self.checker.tally.count(BaseRule::Fixed, failed);
            if failed {
                self.find(issues::VAL_FIXED, || {
                    format!("expected the fixed value of the definition, found {}", describe(node))
                });
            }
        }
        if let Some(pattern) = &value.pattern {
            let failed = !holds(pattern.root(), node);
            self.checker.tally.count(BaseRule::Pattern, failed);
            if failed {
                self.find(issues::VAL_PATTERN, || {
                    "expected what the definition's pattern holds, found it lacking".to_owned()
                });
            }
        }
        if let (Some(max), Some(text)) = (value.max_length, node.as_str()) {
            let n = text.chars().count();
            self.checker.tally.count(BaseRule::Length, n > max as usize);
            if n > max as usize {
                self.find(issues::VAL_LENGTH, || format!("expected at most {max} characters, found {n}"));
            }
        }
        self.codes(value, node);
        if value.is_reference {
            self.reference(value, node);
        }
        self.invariants_of(value, Some(node), companion);
    }

    fn invariants_of(&mut self, value: &'p ValueProgram, main: Option<Node<'r>>, companion: Option<Node<'r>>) {
        if value.invariants.is_empty() {
            return;
        }
        let definitions: &'p Definitions = self.checker.program.definitions;
        let structure = definitions.numbered(value.structure);
        // The element as FHIRPath sees it.
        let element = ElementNode::new(main, companion, Some(structure), &value.path, &value.type_code);
        self.invariants(&value.invariants, element);
    }

    /// A primitive that is written as one. What is wrong with its text does not keep it from being looked at further.
    fn primitive(
        &mut self,
        value: &'p ValueProgram,
        kind: PrimitiveKind,
        node: Node<'r>,
        companion: Option<Node<'r>>,
        children: Children,
    ) {
        let right_form = match kind.json_form() {
            JsonForm::Bool => node.kind() == NodeKind::Bool,
            JsonForm::Number => node.kind() == NodeKind::Number,
            JsonForm::Text => node.kind() == NodeKind::String,
        };
        self.checker.tally.count(BaseRule::JsonForm, !right_form);
        if !right_form {
            self.wrong_form(node, kind.expected());
        }
        let text = written(node).unwrap_or_default();
        if kind == PrimitiveKind::Xhtml {
            self.narrative(text);
        }
        let faults = primitive::check(kind, text);
        self.checker.tally.count(BaseRule::Format, faults.has_error());
        for fault in faults.iter() {
            self.primitive_fault(kind, fault, node);
        }
        if value.is_resource_id && faults.says_nothing() {
            self.primitive_fault(kind, PrimitiveFault::Format, node);
        }
        if faults.says_nothing() {
            if text.is_empty() {
                self.no_value(children);
            }
            self.code_is_absent(value);
            self.invariants_of(value, Some(node), companion);
            return;
        }
        if value.is_canonical_url && kind == PrimitiveKind::Uri && !primitive::is_absolute(text) {
            self.primitive_fault(kind, PrimitiveFault::Relative, node);
        }
        if let Some(id) = text.strip_prefix('#')
            && matches!(kind, PrimitiveKind::Uri | PrimitiveKind::Url | PrimitiveKind::Canonical)
        {
            self.uses_contained(id);
        }
        self.asked_of(value, node, companion);
    }

    fn primitive_fault(&mut self, kind: PrimitiveKind, fault: PrimitiveFault, node: Node<'r>) {
        let code = match fault {
            PrimitiveFault::Empty | PrimitiveFault::Blank => issues::VAL_EMPTY,
            PrimitiveFault::TooLong => issues::VAL_LENGTH,
            PrimitiveFault::Range => issues::VAL_RANGE,
            _ => issues::VAL_FORMAT,
        };
        let detail = match fault {
            PrimitiveFault::Empty => format!("expected {}, found an empty text", kind.expected()),
            PrimitiveFault::Blank => format!("expected {}, found nothing but white space", kind.expected()),
            PrimitiveFault::TooLong => "expected at most 1048576 characters, found more".to_owned(),
            PrimitiveFault::Control => format!("expected a text without control characters, found {}", describe(node)),
            PrimitiveFault::Urn => format!(
                "expected urn:uuid: with a UUID in lower case, or urn:oid: with an OID, found {}",
                describe(node)
            ),
            PrimitiveFault::BareUrn => format!("expected urn: before oid: or uuid:, found {}", describe(node)),
            PrimitiveFault::NoOffset => format!("expected an offset after the time, found {}", describe(node)),
            PrimitiveFault::Relative => format!("expected an absolute URL, found {}", describe(node)),
            PrimitiveFault::Format | PrimitiveFault::Range => {
                format!("expected {}, found {}", kind.expected(), describe(node))
            }
        };
        self.push(code, if fault.is_error() { Severity::Error } else { Severity::Warning }, detail);
    }
}

/// The text of a primitive, also of one that JSON writes as another form.
pub(super) fn written(node: Node<'_>) -> Option<&str> {
    match node.kind() {
        NodeKind::Object | NodeKind::Array | NodeKind::Null => None,
        _ => Some(node.as_str().or_else(|| node.number_text()).unwrap_or_else(|| raw_text(node))),
    }
}

/// `true` or `false` as written.
fn raw_text(node: Node<'_>) -> &str {
    std::str::from_utf8(node.raw()).unwrap_or_default()
}

/// Whether two values are the same: members in any order, items in theirs, numbers digit by digit.
pub(super) fn equal(expected: Node<'_>, found: Node<'_>) -> bool {
    match (expected.kind(), found.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            expected.members().count() == found.members().count()
                && expected.members().all(|(name, value)| found.get(name).is_some_and(|f| equal(value, f)))
        }
        (NodeKind::Array, NodeKind::Array) => {
            expected.items().count() == found.items().count()
                && expected.items().zip(found.items()).all(|(e, f)| equal(e, f))
        }
        (NodeKind::String, NodeKind::String) => expected.as_str() == found.as_str(),
        (e, f) => e == f && expected.raw() == found.raw(),
    }
}

/// Whether a value has all that a pattern has; more is allowed.
pub(super) fn holds(pattern: Node<'_>, found: Node<'_>) -> bool {
    match (pattern.kind(), found.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            pattern.members().all(|(name, value)| found.get(name).is_some_and(|f| holds(value, f)))
        }
        (NodeKind::Array, NodeKind::Array) => pattern.items().all(|p| found.items().any(|f| holds(p, f))),
        _ => equal(pattern, found),
    }
}
