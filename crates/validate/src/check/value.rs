//! Values: JSON forms, primitives and their companions, fixed values and patterns, extensions.

use epr_fhir::definitions::ConstraintSeverity;
use epr_fhir::narrative::{self, NarrativeFault};
use epr_fhir::{Node, NodeKind};
use epr_fhirpath::ElementNode;

use super::walk::{Place, Walk, describe};
use crate::issues;
use crate::primitive::{self, JsonForm, PrimitiveFault, PrimitiveKind};
use crate::program::{ValueProgram, What};
use crate::tally::BaseRule;

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// A repeating element; gives how many items it has.
    pub(super) fn list(
        &mut self,
        value: &'p ValueProgram<'p>,
        main: Option<Node<'r>>,
        companion: Option<Node<'r>>,
    ) -> u32 {
        for node in [main, companion].into_iter().flatten() {
            let is_array = node.kind() == NodeKind::Array;
            self.checker.tally.count(BaseRule::JsonForm, !is_array);
            if !is_array {
                self.wrong_form(node, "an array");
                // What stands there is looked at all the same, as if it were the only item.
                if node.kind() == NodeKind::Object && main.is_some() {
                    self.value(value, main, None);
                }
                return 1;
            }
        }
        if main.is_some_and(|m| m.items().next().is_none()) || companion.is_some_and(|c| c.items().next().is_none()) {
            self.find(issues::VAL_EMPTY, || "expected an array with items, found an empty one".to_owned());
            return 0;
        }
        match (main, companion) {
            (main, Some(companion)) => self.paired(value, main, companion),
            (Some(main), None) => {
                let mut n = 0;
                for item in main.items() {
                    self.at(n);
                    if item.is_null() {
                        self.wrong_form(item, "an item that says something");
                    } else {
                        self.value(value, Some(item), None);
                    }
                    n += 1;
                }
                n
            }
            (None, None) => 0,
        }
    }

    /// Two arrays side by side, the values and their companions; null fills a place that the other array uses.
    fn paired(&mut self, value: &'p ValueProgram<'p>, main: Option<Node<'r>>, companion: Node<'r>) -> u32 {
        let n_companions = companion.items().count();
        if let Some(n_main) = main.map(|m| m.items().count())
            && n_main != n_companions
        {
            self.find(issues::VAL_ALIGNMENT, || {
                format!("expected two arrays of equal length, found {n_main} and {n_companions} items")
            });
        }
        let mut values = main.into_iter().flat_map(Node::items);
        let mut companions = companion.items();
        let mut n = 0;
        loop {
            let (item, extra) = (values.next(), companions.next());
            if item.is_none() && extra.is_none() {
                return n;
            }
            self.at(n);
            let (item, extra) = (item.filter(|i| !i.is_null()), extra.filter(|e| !e.is_null()));
            if item.is_none() && extra.is_none() {
                self.find(issues::VAL_ALIGNMENT, || {
                    "expected a value or its extensions, found null in both arrays".to_owned()
                });
            } else {
                self.value(value, item, extra);
            }
            n += 1;
        }
    }

    fn at(&mut self, index: u32) {
        if let Some(step) = self.steps.last_mut() {
            step.index = Some(index);
        }
    }

    /// An element that does not repeat; gives 1, however wrong its form is.
    pub(super) fn single(
        &mut self,
        value: &'p ValueProgram<'p>,
        main: Option<Node<'r>>,
        companion: Option<Node<'r>>,
    ) -> u32 {
        if let Some(node) = main.filter(|m| m.kind() == NodeKind::Array) {
            self.checker.tally.count(BaseRule::JsonForm, true);
            self.wrong_form(node, "a single value");
            return 1;
        }
        let main = match main {
            Some(node) if node.is_null() => {
                self.wrong_form(node, "a value");
                None
            }
            other => other,
        };
        let companion = match companion {
            Some(node) if node.is_null() => {
                self.wrong_form(node, "an object");
                None
            }
            other => other,
        };
        if main.is_some() || companion.is_some() {
            self.value(value, main, companion);
        }
        1
    }

    fn value(&mut self, value: &'p ValueProgram<'p>, main: Option<Node<'r>>, companion: Option<Node<'r>>) {
        self.checker.tally.visit(value.place);
        match (value.what, main) {
            (What::Primitive(kind), Some(node)) => {
                if self.primitive(kind, node) {
                    self.asked_of(value, node, companion);
                }
            }
            (What::Primitive(_), None) => {
                // A required code that is not given is no code of the value set, whatever its extensions say.
                self.code_is_absent(value);
            }
            (What::Object(shape), Some(node)) => {
                self.object(shape, node, false);
                if node.kind() == NodeKind::Object {
                    self.asked_of(value, node, None);
                }
            }
            (What::AnyResource, Some(node)) => {
                let in_contained = self.steps.last().filter(|s| s.name == "contained").and_then(|s| s.index);
                let place = in_contained.map_or(Place::Inside, |i| Place::Contained(i as usize));
                self.any_resource(node, place);
                self.invariants(&value.invariants, element(value, Some(node), None));
            }
            (_, None) => {}
        }
        if let Some(companion) = companion {
            self.object(self.checker.program.element_shape, companion, false);
        }
    }

    /// What the element asks of a value whose own form is right.
    fn asked_of(&mut self, value: &'p ValueProgram<'p>, node: Node<'r>, companion: Option<Node<'r>>) {
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
        self.invariants(&value.invariants, element(value, Some(node), companion));
    }

    /// Checks a primitive; `false` where nothing more can be said of it.
    fn primitive(&mut self, kind: PrimitiveKind, node: Node<'r>) -> bool {
        let right_form = match kind.json_form() {
            JsonForm::Bool => node.kind() == NodeKind::Bool,
            JsonForm::Number => node.kind() == NodeKind::Number,
            JsonForm::Text => node.kind() == NodeKind::String,
        };
        self.checker.tally.count(BaseRule::JsonForm, !right_form);
        if !right_form {
            self.wrong_form(node, kind.expected());
            return false;
        }
        let judged = match (node.as_str(), node.number_text()) {
            (Some(text), _) if kind == PrimitiveKind::Xhtml => {
                self.narrative(text);
                return true;
            }
            (Some(text), _) => {
                if text.starts_with('#')
                    && matches!(kind, PrimitiveKind::Uri | PrimitiveKind::Url | PrimitiveKind::Canonical)
                {
                    self.uses_contained(&text[1..]);
                }
                primitive::check_text(kind, text)
            }
            (_, Some(digits)) => primitive::check_number(kind, digits),
            _ => Ok(()),
        };
        self.checker.tally.count(BaseRule::Format, judged.is_err());
        let Err(fault) = judged else { return true };
        self.primitive_fault(kind, fault, node);
        false
    }

    fn primitive_fault(&mut self, kind: PrimitiveKind, fault: PrimitiveFault, node: Node<'r>) {
        match fault {
            PrimitiveFault::Blank => {
                self.find(issues::VAL_EMPTY, || format!("expected {}, found nothing but white space", kind.expected()));
            }
            PrimitiveFault::TooLong => {
                self.find(issues::VAL_LENGTH, || "expected at most 1048576 characters, found more".to_owned());
            }
            PrimitiveFault::Range => {
                self.find(issues::VAL_RANGE, || format!("expected {}, found {}", kind.expected(), describe(node)));
            }
            PrimitiveFault::Format => {
                self.find(issues::VAL_FORMAT, || format!("expected {}, found {}", kind.expected(), describe(node)));
            }
            PrimitiveFault::Urn => {
                self.find(issues::VAL_FORMAT, || {
                    format!(
                        "expected urn:uuid: with a lower-case UUID, or urn:oid: with an OID, found {}",
                        describe(node)
                    )
                });
            }
        }
    }

    fn narrative(&mut self, text: &str) {
        let faults = narrative::check(text);
        self.checker.tally.count(BaseRule::Narrative, !faults.is_empty());
        // txt-1 is told once; which elements and attributes break it is told beside it.
        if faults.iter().any(|f| matches!(f, NarrativeFault::Element | NarrativeFault::Attribute)) {
            self.broken(
                "txt-1",
                "the narrative holds only the allowed elements and attributes",
                ConstraintSeverity::Error,
            );
        }
        for fault in faults {
            if fault == NarrativeFault::NoContent {
                self.broken("txt-2", "the narrative has some content", ConstraintSeverity::Error);
            } else {
                self.find(issues::VAL_NARRATIVE, || {
                    format!("expected well-formed basic XHTML, found: {}", fault.text())
                });
            }
        }
    }
}

/// The element as FHIRPath sees it.
fn element<'r>(value: &'r ValueProgram<'r>, main: Option<Node<'r>>, companion: Option<Node<'r>>) -> ElementNode<'r> {
    ElementNode::new(main, companion, Some(value.structure), &value.path, &value.type_code)
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
