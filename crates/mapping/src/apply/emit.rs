//! Elements to JSON bytes, in the plan's order, with the policies for values that are not there.
//!
//! Longer than most: writing a value and the policy that takes its place share one output and one trace.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use epr_model::{Action, ResourceId};

use super::eval::{Eval, Mark, MarkKind, Place};
use super::findings::{Finding, PlacedIssue, Standing, issue_of};
use super::json::push_text;
use super::program::is_patient_element;
use super::shape;
use super::trace::PathStep;
use super::value::{CodingValue, Value};
use crate::functions::Note;
use crate::plan::{
    At, CodeMapPlan, EmitKind, EmitNode, Equivalence, Member, Policy, PolicyAt, RefTargetSlot, ResourcePlan, Shape,
    TableSlot, ValueNode,
};

/// A reference that was written.
#[derive(Debug, Clone)]
pub struct RefOut {
    /// Index into [`super::Applied::resources`].
    pub resource: u32,
    pub target: RefTargetSlot,
    pub id: ResourceId,
    /// The element without indices: `Encounter.subject`.
    pub path: Arc<str>,
}

/// A code that a code map does not know, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnmappedCode {
    pub map_line: u32,
    pub code_map: String,
    /// Of which table of the plan, and which of its columns.
    pub column: Option<(TableSlot, u16)>,
    pub source_code: epr_model::Sensitive<String>,
}

/// A policy that refuses; the code of the issue that did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    Resource(String),
    Row(String),
}

/// What became of a node.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    written: bool,
    /// An expression in it gave a value (or a policy did), so that what holds it is not pruned.
    counts: bool,
    /// `{"extension":[…]}` of a primitive, for its `_name`.
    extension: Option<Vec<u8>>,
}

/// Why a policy is asked.
struct Cause {
    code: String,
    place: Option<Place>,
    shape: Option<String>,
    /// A plain null: `omit` then says nothing.
    is_plain_null: bool,
}

/// Writes resources and collects what they gave rise to.
pub(crate) struct Emitter<'a> {
    pub(crate) eval: Eval<'a>,
    pub(crate) out: Vec<u8>,
    pub(crate) issues: Vec<PlacedIssue>,
    pub(crate) refs: Vec<RefOut>,
    pub(crate) unmapped: BTreeMap<UnmappedCode, u64>,
    pub(crate) standing: Standing,
    /// The number that the resource being written will have.
    pub(crate) next_resource: u32,
    /// Whose resource it is, once that was written.
    pub(crate) patient: Option<ResourceId>,
}

impl<'a> Emitter<'a> {
    /// Writes one resource after what is in `out`.
    pub(crate) fn resource(&mut self, resource: &'a ResourcePlan, id: ResourceId) -> Result<(), Stop> {
        if let Some(trace) = &mut self.eval.trace {
            trace.resource = format!("{}/{id}", resource.resource_type);
        }
        if let Some(keep) = &resource.keep {
            return self.kept(resource, keep, id);
        }
        self.head(&resource.resource_type, id);
        for member in &resource.emit {
            self.member(member)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The resource's beginning: its type and id.
    pub(super) fn head(&mut self, resource_type: &str, id: ResourceId) {
        self.out.extend_from_slice(b"{\"resourceType\":\"");
        self.out.extend_from_slice(resource_type.as_bytes());
        self.out.extend_from_slice(b"\",\"id\":\"");
        self.out.extend_from_slice(id.encode(&mut [0; 36]).as_bytes());
        self.out.push(b'"');
    }

    /// Raises what a condition met: its value was used, or taken for false, all the same.
    pub(crate) fn raise_marks(&mut self, at: At, path: Option<&str>) {
        for mark in std::mem::take(&mut self.eval.marks) {
            let action = mark.action_when_kept();
            self.raise_mark(&mark, action, at, path);
        }
    }

    pub(crate) fn raise(&mut self, finding: Finding<'_>) {
        self.issues.push(issue_of(self.eval.program, finding, self.standing));
    }

    pub(super) fn member(&mut self, member: &'a Member) -> Result<Emitted, Stop> {
        let start = self.out.len();
        self.push_name(b"", &member.name);
        if let Some(trace) = &mut self.eval.trace {
            trace.path.push(PathStep::Name(member.name.clone()));
        }
        let mut emitted = match &member.node.kind {
            EmitKind::Array(items) => {
                if self.holds(&member.node) {
                    self.array(items)?
                } else {
                    Emitted::default()
                }
            }
            _ => self.node(&member.node)?,
        };
        if let Some(trace) = &mut self.eval.trace {
            trace.path.pop();
        }
        if !emitted.written {
            self.out.truncate(start);
        }
        if let Some(extension) = emitted.extension.take() {
            self.push_name(b"_", &member.name);
            self.out.extend_from_slice(&extension);
            emitted.written = true;
        }
        Ok(emitted)
    }

    pub(super) fn push_name(&mut self, prefix: &[u8], name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(prefix);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// `.when` of a node.
    fn holds(&mut self, node: &'a EmitNode) -> bool {
        let Some(when) = &node.when else { return true };
        let holds = self.eval.eval(when).truth() == Some(true);
        if !self.eval.marks.is_empty() {
            self.raise_marks(node.at, Some(&node.path));
        }
        holds
    }

    fn node(&mut self, node: &'a EmitNode) -> Result<Emitted, Stop> {
        if !self.holds(node) {
            return Ok(Emitted::default());
        }
        match &node.kind {
            EmitKind::Literal(json) => {
                if let Some(trace) = &mut self.eval.trace {
                    trace.begin();
                    trace.element(json, node.at);
                }
                self.out.extend_from_slice(json);
                Ok(Emitted { written: true, counts: node.when.is_some(), extension: None })
            }
            EmitKind::Object { members, has_expression } => self.object(members, *has_expression),
            EmitKind::Array(items) => self.array(items),
            EmitKind::Value(value) => self.value(value, node),
            EmitKind::Primitive { value, extensions } => self.primitive(value.as_deref(), extensions, node),
        }
    }

    fn object(&mut self, members: &'a [Member], has_expression: bool) -> Result<Emitted, Stop> {
        let start = self.out.len();
        self.out.push(b'{');
        let mut counts = false;
        for member in members {
            counts |= self.member(member)?.counts;
        }
        if has_expression && !counts || self.out.len() == start + 1 {
            self.out.truncate(start);
            return Ok(Emitted::default());
        }
        self.out.push(b'}');
        Ok(Emitted { written: true, counts, extension: None })
    }

    /// `[…]`; of primitives with extensions also the list for `_name`, with nulls where one of the two is absent.
    fn array(&mut self, items: &'a [EmitNode]) -> Result<Emitted, Stop> {
        let start = self.out.len();
        self.out.push(b'[');
        let mut list = ListState::default();
        for item in items {
            let Some(each) = item.each else {
                self.item(item, &mut list)?;
                continue;
            };
            let rows = self.eval.list(each.list);
            for (i, row) in rows.iter().enumerate() {
                self.eval.bind_row(each.row, Some(*row), i as u32 + 1);
                self.item(item, &mut list)?;
            }
            self.eval.bind_row(each.row, None, 0);
        }
        self.out.push(b']');
        let extension = (!list.extensions.is_empty()).then(|| list.extension_list());
        if list.n_values == 0 {
            self.out.truncate(start);
        }
        Ok(Emitted { written: list.n_values > 0, counts: list.counts, extension })
    }

    fn item(&mut self, item: &'a EmitNode, list: &mut ListState) -> Result<(), Stop> {
        let EmitKind::Value(node) = &item.kind else {
            return self.list_place(list, |emitter| emitter.node(item));
        };
        if !self.holds(item) {
            return Ok(());
        }
        self.begin_trace();
        let values = match self.eval.eval(&node.from) {
            Value::List(values) => values,
            found => return self.list_place(list, |emitter| emitter.decide(node, item, found)),
        };
        if values.is_empty() {
            return self.list_place(list, |emitter| emitter.absent(node, item));
        }
        // What the whole list met is told once, with its first value.
        for value in values {
            self.list_place(list, |emitter| emitter.decide(node, item, value))?;
        }
        Ok(())
    }

    fn list_place(
        &mut self,
        list: &mut ListState,
        write: impl FnOnce(&mut Self) -> Result<Emitted, Stop>,
    ) -> Result<(), Stop> {
        let start = self.out.len();
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
        if let Some(trace) = &mut self.eval.trace {
            trace.path.push(PathStep::Index(list.n_items));
        }
        let emitted = write(self)?;
        if let Some(trace) = &mut self.eval.trace {
            trace.path.pop();
        }
        list.counts |= emitted.counts;
        if emitted.written {
            list.n_values += 1;
        } else if emitted.extension.is_some() {
            self.out.extend_from_slice(b"null");
        } else {
            self.out.truncate(start);
            return Ok(());
        }
        if let Some(extension) = emitted.extension {
            list.extensions.push((list.n_items, extension));
        }
        list.n_items += 1;
        Ok(())
    }

    fn primitive(
        &mut self,
        value: Option<&'a ValueNode>,
        extensions: &'a [EmitNode],
        node: &'a EmitNode,
    ) -> Result<Emitted, Stop> {
        let mut emitted = match value {
            Some(value) => self.value(value, node)?,
            None => Emitted::default(),
        };
        let start = self.out.len();
        self.out.extend_from_slice(b"{\"extension\":");
        let array = self.array(extensions)?;
        if array.written {
            // A data-absent-reason that the value's policy wrote stands first in the same list.
            if let Some(reason) = emitted.extension.take() {
                let items = reason.strip_prefix(b"{\"extension\":[").and_then(|r| r.strip_suffix(b"]}"));
                let at = start + b"{\"extension\":[".len();
                let mut first = items.unwrap_or_default().to_vec();
                first.push(b',');
                self.out.splice(at..at, first);
            }
            self.out.push(b'}');
            emitted.extension = Some(self.out.split_off(start));
            emitted.counts |= array.counts;
        } else {
            self.out.truncate(start);
        }
        Ok(emitted)
    }

    fn value(&mut self, value: &'a ValueNode, node: &'a EmitNode) -> Result<Emitted, Stop> {
        self.begin_trace();
        let found = self.eval.eval(&value.from);
        self.decide(value, node, found)
    }

    fn begin_trace(&mut self) {
        if let Some(trace) = &mut self.eval.trace {
            trace.begin();
        }
    }

    /// A value that was found: through its code map, into its shape, or to the policy that it needs.
    fn decide(&mut self, value: &'a ValueNode, node: &'a EmitNode, found: Value<'a>) -> Result<Emitted, Stop> {
        if found.is_blank() {
            return self.absent(value, node);
        }
        let found = match &value.via {
            None => found,
            Some(map) => match self.through_map(map, value, node, &found)? {
                ControlFlow::Continue(coding) => coding,
                ControlFlow::Break(emitted) => return Ok(emitted),
            },
        };
        let start = self.out.len();
        match shape::write(&found, value.shape, self.type_of_ref(&found), &mut self.out) {
            Ok(()) => {
                if !self.eval.marks.is_empty() {
                    self.raise_marks(node.at, Some(&node.path));
                }
                self.written(value, node, found, start);
                Ok(Emitted { written: true, counts: true, extension: None })
            }
            Err(fault) => {
                self.out.truncate(start);
                let text = found.to_text().unwrap_or_default();
                self.eval.mark(MarkKind::Fault(fault), &value.from, &text, None);
                self.absent(value, node)
            }
        }
    }

    fn type_of_ref(&self, value: &Value<'a>) -> &'a str {
        match value {
            Value::Ref(target, _) => &self.eval.program.plan.ref_targets[usize::from(target.0)].resource_type,
            _ => "",
        }
    }

    fn written(&mut self, value: &'a ValueNode, node: &'a EmitNode, found: Value<'a>, start: usize) {
        if let Value::Ref(target, id) = found {
            // A reference beside its display is written as `reference`; what refers is the element that holds both.
            let path = match (value.shape, node.path.strip_suffix(".reference")) {
                (Shape::Primitive(_), Some(holder)) => Arc::from(holder),
                _ => node.path.clone(),
            };
            let is_patient = is_patient_element(&path);
            self.refs.push(RefOut { resource: self.next_resource, target, id, path });
            let kind = &self.eval.program.plan.ref_targets[usize::from(target.0)].resource_type;
            if &**kind == "Patient" && is_patient {
                self.patient = Some(id);
            }
        }
        if let Some(trace) = &mut self.eval.trace {
            trace.element(&self.out[start..], node.at);
        }
        self.capture(value, found);
    }

    fn capture(&mut self, value: &ValueNode, found: Value<'a>) {
        let Some(slot) = value.capture else { return };
        let captured = &mut self.eval.captures[usize::from(slot.0)];
        if captured.is_null() {
            *captured = found;
        }
    }

    fn through_map(
        &mut self,
        map: &'a Arc<CodeMapPlan>,
        value: &'a ValueNode,
        node: &'a EmitNode,
        found: &Value<'a>,
    ) -> Result<ControlFlow<Emitted, Value<'a>>, Stop> {
        let text = found.to_text().unwrap_or_default();
        let Some(row) = map.rows.get(&*text) else {
            let place = self.eval.place_of(&value.from);
            let unmapped = UnmappedCode {
                map_line: node.at.line,
                code_map: map.file.clone(),
                column: place.map(|p| (p.table, p.name.column())),
                source_code: epr_model::Sensitive::new(text.clone().into_owned()),
            };
            *self.unmapped.entry(unmapped).or_default() += 1;
            let shape = Some(epr_model::shape::of_text(&text));
            let cause = Cause { code: "MAP0420".to_owned(), place, shape, is_plain_null: false };
            let policy = value.on_unmapped.as_ref().unwrap_or(&value.on_invalid);
            self.raise_marks(node.at, Some(&node.path));
            return self.apply_policy(policy, value, node, cause, Some(&text)).map(ControlFlow::Break);
        };
        if let Some(trace) = &mut self.eval.trace {
            trace.code_map(&map.file, row.line);
        }
        let (code, action) = match row.equivalence {
            Equivalence::Equivalent => {
                return Ok(ControlFlow::Continue(Value::Coding(CodingValue::Known(&row.coding))));
            }
            Equivalence::Wider | Equivalence::Inexact => ("MAP0421", Action::Degraded),
            Equivalence::Narrower => ("MAP0422", Action::Kept),
        };
        let place = self.eval.place_of(&value.from);
        let path = Some(&*node.path);
        self.raise(Finding { code: code.to_owned(), action, at: node.at, path, place, shape: None });
        Ok(ControlFlow::Continue(Value::Coding(CodingValue::Known(&row.coding))))
    }

    /// There is no value: which policy decides follows from what was met on the way.
    fn absent(&mut self, value: &'a ValueNode, node: &'a EmitNode) -> Result<Emitted, Stop> {
        let marks = std::mem::take(&mut self.eval.marks);
        let decisive = marks
            .iter()
            .position(|m| !matches!(m.what, MarkKind::Note(_)))
            .or_else(|| marks.iter().position(|m| m.what == MarkKind::Note(Note::Sentinel)));
        let Some(decisive) = decisive else {
            let Some(policy) = &value.on_missing else { return Ok(Emitted::default()) };
            let place = self.eval.place_of(&value.from);
            let cause = Cause { code: "MAP0423".to_owned(), place, shape: None, is_plain_null: true };
            return self.apply_policy(policy, value, node, cause, None);
        };
        for (i, mark) in marks.iter().enumerate() {
            if i != decisive {
                self.raise_mark(mark, mark.action_when_kept(), node.at, Some(&node.path));
            }
        }
        let mark = &marks[decisive];
        let cause =
            Cause { code: mark.code(), place: mark.place, shape: Some(mark.shape.clone()), is_plain_null: false };
        let source = self.eval.place_of(&value.from).and_then(|place| self.eval.text_at(place));
        match mark.what {
            MarkKind::Note(_) => {
                if let Some(policy) = &value.on_missing {
                    return self.apply_policy(policy, value, node, cause, None);
                }
                self.raise_mark(mark, Action::Omitted, node.at, Some(&node.path));
                Ok(Emitted::default())
            }
            MarkKind::Unmapped => {
                let policy = value.on_unmapped.as_ref().unwrap_or(&value.on_invalid);
                self.apply_policy(policy, value, node, cause, source.as_deref())
            }
            MarkKind::Fault(_) => self.apply_policy(&value.on_invalid, value, node, cause, source.as_deref()),
        }
    }

    fn raise_mark(&mut self, mark: &Mark, action: Action, at: At, path: Option<&str>) {
        let finding =
            Finding { code: mark.code(), action, at, path, place: mark.place, shape: Some(mark.shape.clone()) };
        self.raise(finding);
    }

    fn apply_policy(
        &mut self,
        policy: &'a PolicyAt,
        value: &'a ValueNode,
        node: &'a EmitNode,
        cause: Cause,
        source: Option<&str>,
    ) -> Result<Emitted, Stop> {
        let action = match &policy.policy {
            Policy::RefuseRow | Policy::RefuseResource => Action::Refused,
            Policy::Omit | Policy::DataAbsentReason(_) => Action::Omitted,
            Policy::KeepAsText | Policy::Degraded { .. } => Action::Degraded,
            Policy::Const { .. } => Action::Defaulted,
        };
        if !(cause.is_plain_null && matches!(policy.policy, Policy::Omit)) {
            let (code, path) = (cause.code.clone(), Some(&*node.path));
            self.raise(Finding { code, action, at: node.at, path, place: cause.place, shape: cause.shape });
        }
        let start = self.out.len();
        let written = Emitted { written: true, counts: true, extension: None };
        let emitted = match &policy.policy {
            Policy::RefuseRow => return Err(Stop::Row(cause.code)),
            Policy::RefuseResource => return Err(Stop::Resource(cause.code)),
            Policy::Omit => return Ok(Emitted::default()),
            Policy::DataAbsentReason(code) => {
                let mut extension = b"{\"extension\":[".to_vec();
                shape::push_absent_reason(&mut extension, code);
                extension.extend_from_slice(b"]}");
                if matches!(value.shape, Shape::Primitive(_)) {
                    return Ok(Emitted { written: false, counts: true, extension: Some(extension) });
                }
                self.out.extend_from_slice(&extension);
                written
            }
            Policy::Const { json, text } => {
                self.out.extend_from_slice(json);
                self.capture(value, Value::Text(std::borrow::Cow::Borrowed(text)));
                written
            }
            Policy::KeepAsText => self.keep_as_text(value, &[], source),
            Policy::Degraded { coding } => self.keep_as_text(value, &[CodingValue::Known(coding)], source),
        };
        if let Some(trace) = &mut self.eval.trace {
            trace.element(&self.out[start..], policy.at);
        }
        Ok(emitted)
    }

    /// The original text in the element's shape, with or without a degraded coding before it.
    fn keep_as_text(&mut self, value: &ValueNode, codings: &[CodingValue<'_>], source: Option<&str>) -> Emitted {
        let start = self.out.len();
        let is_done = match (value.shape, source) {
            (Shape::CodeableConcept, source) => shape::write_concept(codings, source, &mut self.out).is_ok(),
            (Shape::Coding, _) => match codings.first() {
                Some(CodingValue::Known(coding)) => {
                    self.out.extend_from_slice(&coding.json);
                    true
                }
                _ => false,
            },
            (Shape::Primitive(p), Some(source)) if !p.is_bare() => {
                push_text(&mut self.out, source);
                true
            }
            _ => false,
        };
        if !is_done {
            self.out.truncate(start);
        }
        Emitted { written: is_done, counts: is_done, extension: None }
    }
}

#[derive(Debug, Default)]
struct ListState {
    n_items: usize,
    /// Items that are not null.
    n_values: usize,
    counts: bool,
    extensions: Vec<(usize, Vec<u8>)>,
}

impl ListState {
    fn extension_list(&self) -> Vec<u8> {
        let mut out = vec![b'['];
        let mut extensions = self.extensions.iter().peekable();
        for i in 0..self.n_items {
            if i > 0 {
                out.push(b',');
            }
            match extensions.next_if(|(at, _)| *at == i) {
                Some((_, extension)) => out.extend_from_slice(extension),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::code_of_fault;
    use crate::functions::Fault;

    #[test]
    fn every_fault_has_a_documented_code() {
        use Fault::*;
        let faults = [
            DateFormat,
            NotACalendarDate,
            NoZone,
            Gap,
            Ambiguous,
            OddOffset,
            NoSeconds,
            NotAnInteger,
            NotADecimal,
            NotAPostcode,
            ElementFormat,
            ControlCharacter,
            NhsNumber(epr_model::NhsNumberFault::Checksum),
        ];
        for fault in faults {
            assert!(crate::issues::issue_doc(code_of_fault(fault)).is_some(), "{fault:?}");
        }
    }
}
