//! A resource that the source holds whole: kept byte for byte but for its id, its references, and what the map adds.
//!
//! What changes: `id`; `meta.versionId` and `meta.lastUpdated`, which are the source server's own; every reference to
//! a resource that the pack makes; a reference to anything else becomes an identifier; elements that R4 does not have
//! are left out. Numbers keep their digits, texts their escapes, members their order.

use std::sync::Arc;

use epr_fhir::resource::{Node, NodeKind, Resource};
use epr_model::{Action, ResourceId};

use super::emit::{Emitter, RefOut, Stop};
use super::findings::Finding;
use super::json::push_text;
use super::program::is_patient_element;
use super::trace::PathStep;
use crate::plan::{ColumnRef, KeepPlan, Member, RefTargetSlot, ResourcePlan, RowSlot};

/// What the source's server says of its own copy.
const OF_THE_SERVER: [&str; 4] = ["versionId", "lastUpdated", "_versionId", "_lastUpdated"];

/// Where the writer stands: the element for issues and references, and what is known of it.
#[derive(Clone, Copy)]
struct Standing<'k> {
    /// `None`: not known, kept as it is.
    node: Option<u32>,
    /// The types that a reference here may lead to.
    targets: &'k [Box<str>],
}

impl<'a> Emitter<'a> {
    /// Writes the row's own resource with the map's rules laid over it.
    pub(super) fn kept(&mut self, resource: &'a ResourcePlan, keep: &'a KeepPlan, id: ResourceId) -> Result<(), Stop> {
        let column = ColumnRef { row: RowSlot::MAIN, column: keep.column };
        let text = self.eval.text_at(self.eval.place(column)).unwrap_or_default();
        let source = match Resource::parse_json(text.as_bytes()) {
            Ok(source) if source.faults().is_empty() && source.root().kind() == NodeKind::Object => source,
            _ => return Err(self.refuse_kept("MAP0470", keep)),
        };
        let root = source.root();
        let key = ColumnRef { row: RowSlot::MAIN, column: keep.id_column };
        let source_id = self.eval.text_at(self.eval.place(key)).unwrap_or_default();
        let is_its_own = root.text("resourceType") == Some(resource.resource_type.as_str())
            && root.get("id").is_none_or(|found| found.as_str() == Some(source_id.as_str()));
        if !is_its_own {
            return Err(self.refuse_kept("MAP0471", keep));
        }
        let added = self.added(&resource.emit)?;
        let added = Resource::parse_json(&added).expect("the emitter writes JSON");
        self.head(&resource.resource_type, id);
        let mut path = resource.resource_type.clone();
        self.kept_members(keep, root, added.root(), &source_id, &mut path);
        self.out.push(b'}');
        Ok(())
    }

    fn refuse_kept(&mut self, code: &str, keep: &KeepPlan) -> Stop {
        let place = self.eval.place(ColumnRef { row: RowSlot::MAIN, column: keep.column });
        let code = code.to_owned();
        self.raise(Finding {
            code: code.clone(),
            action: Action::Refused,
            at: keep.at,
            path: None,
            place: Some(place),
            shape: None,
        });
        Stop::Resource(code)
    }

    /// What the map's own rules write, as an object of its own.
    fn added(&mut self, members: &'a [Member]) -> Result<Vec<u8>, Stop> {
        let start = self.out.len();
        self.out.push(b'{');
        for member in members {
            self.member(member)?;
        }
        self.out.push(b'}');
        Ok(self.out.split_off(start))
    }

    fn kept_members(
        &mut self,
        keep: &'a KeepPlan,
        root: Node<'_>,
        added: Node<'_>,
        source_id: &str,
        path: &mut String,
    ) {
        let own_id = keep.source_id.as_ref().map(|system| {
            let mut item = b"{\"system\":".to_vec();
            push_text(&mut item, system);
            item.extend_from_slice(b",\"value\":");
            push_text(&mut item, source_id);
            item.push(b'}');
            item
        });
        let mut done: Vec<&str> = Vec::new();
        for (written, value) in root.members() {
            let name = written.strip_prefix('_').unwrap_or(written);
            if matches!(name, "resourceType" | "id") || done.contains(&name) || is_displaced(keep, added, name) {
                continue;
            }
            let Some(of) = self.known(keep, Some(0), written, path) else { continue };
            let is_ours = has(added, name) || (name == "identifier" && own_id.is_some());
            if !is_ours {
                if name == "meta" {
                    self.kept_meta(keep, value, of, path);
                } else {
                    self.kept_member(keep, written, value, of, path);
                }
                continue;
            }
            done.push(name);
            let is_list = [root, added].iter().any(|o| o.get(name).is_some_and(|v| v.kind() == NodeKind::Array));
            if is_list || (name == "identifier" && keep.identifier_is_list) {
                self.joined(keep, name, root, added, own_id.as_deref().filter(|_| name == "identifier"), path);
            } else if has(added, name) {
                self.added_member(added, name);
            } else {
                // The element takes one identifier, and the source has given one.
                self.kept_member(keep, written, value, of, path);
                self.raise_kept("MAP0474", Action::Omitted, keep, path, None);
            }
        }
        if let Some(item) = own_id
            && !done.contains(&"identifier")
        {
            done.push("identifier");
            if keep.identifier_is_list {
                self.joined(keep, "identifier", root, added, Some(&item), path);
            } else if has(added, "identifier") {
                self.added_member(added, "identifier");
                self.raise_kept("MAP0474", Action::Omitted, keep, path, None);
            } else {
                self.push_name(b"", "identifier");
                self.out.extend_from_slice(&item);
            }
        }
        for (written, _) in added.members() {
            let name = written.strip_prefix('_').unwrap_or(written);
            if !done.contains(&name) {
                done.push(name);
                self.added_member(added, name);
            }
        }
    }

    /// What is known of a member; `None`, with an issue, where R4 has none of that name.
    fn known<'k>(
        &mut self,
        keep: &'k KeepPlan,
        node: Option<u32>,
        name: &str,
        path: &mut String,
    ) -> Option<Standing<'k>> {
        let Some(node) = node else { return Some(Standing { node: None, targets: &[] }) };
        let Some(member) = keep.shape.member(node, name) else {
            let length = path.len();
            // The name comes out of the data: only its shape may be shown.
            path.push_str(".?");
            self.raise_kept("MAP0473", Action::Omitted, keep, path, Some(epr_model::shape::of_text(name)));
            path.truncate(length);
            return None;
        };
        Some(Standing { node: member.node, targets: &member.targets })
    }

    /// A member of the source as it is, but for what must change in it.
    fn kept_member(&mut self, keep: &'a KeepPlan, name: &str, value: Node<'_>, of: Standing<'_>, path: &mut String) {
        if let Some(start) = self.written_member(keep, name, value, of, path)
            && !value.raw().contains(&b'\n')
            && !value.raw().contains(&b'\r')
        {
            self.out.truncate(start);
            self.out.extend_from_slice(value.raw());
        }
    }

    /// Writes a member, unless a change left nothing of it. Gives where its value begins, where that is the source's
    /// own; `None` where it was changed.
    fn written_member(
        &mut self,
        keep: &'a KeepPlan,
        name: &str,
        value: Node<'_>,
        of: Standing<'_>,
        path: &mut String,
    ) -> Option<usize> {
        let before = self.out.len();
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        // Unlike a name of the plan, one of a source's resource may need an escape.
        push_text(&mut self.out, name);
        self.out.push(b':');
        let start = self.out.len();
        let length = path.len();
        path.push('.');
        path.push_str(name);
        self.trace_step(PathStep::Name(Arc::from(name)));
        let is_changed = self.kept_value(keep, value, of, path);
        self.trace_pop();
        path.truncate(length);
        if is_changed && matches!(&self.out[start..], b"{}" | b"[]") {
            self.out.truncate(before);
        }
        (!is_changed).then_some(start)
    }

    /// `meta` without what is the source server's own.
    fn kept_meta(&mut self, keep: &'a KeepPlan, meta: Node<'_>, of: Standing<'_>, path: &mut String) {
        if meta.kind() != NodeKind::Object {
            return self.kept_member(keep, "meta", meta, of, path);
        }
        let before = self.out.len();
        self.push_name(b"", "meta");
        let start = self.out.len();
        self.out.push(b'{');
        path.push_str(".meta");
        self.trace_step(PathStep::Name(Arc::from("meta")));
        for (name, value) in meta.members().filter(|(name, _)| !OF_THE_SERVER.contains(name)) {
            if let Some(of) = self.known(keep, of.node, name, path) {
                self.kept_member(keep, name, value, of, path);
            }
        }
        self.trace_pop();
        path.truncate(path.len() - ".meta".len());
        self.out.push(b'}');
        if self.out.len() == start + 2 {
            self.out.truncate(before);
        }
    }

    /// Writes a value; says whether it is another than the source's.
    fn kept_value(&mut self, keep: &'a KeepPlan, value: Node<'_>, of: Standing<'_>, path: &mut String) -> bool {
        match value.kind() {
            NodeKind::Object => match value.text("reference") {
                Some(reference) => self.kept_reference(keep, value, reference, of, path),
                None => self.kept_object(keep, value, of, &[], path),
            },
            NodeKind::Array => {
                let mut is_changed = false;
                self.out.push(b'[');
                for (i, item) in value.items().enumerate() {
                    let before = self.out.len();
                    if self.out.last() != Some(&b'[') {
                        self.out.push(b',');
                    }
                    let start = self.out.len();
                    self.trace_step(PathStep::Index(i));
                    let changed = self.kept_value(keep, item, of, path);
                    self.trace_pop();
                    is_changed |= changed;
                    if changed && matches!(&self.out[start..], b"{}" | b"[]") {
                        self.out.truncate(before);
                    }
                }
                self.out.push(b']');
                is_changed
            }
            _ => {
                let url = value.as_str().filter(|_| path.rsplit('.').next() == Some("url"));
                let target = url.and_then(|url| target_of(keep, url, None, &[]));
                if let Some((kind, slot, id)) = target {
                    let id = self.refer(slot, id, path);
                    self.push_reference(kind, id);
                    return true;
                }
                self.out.extend_from_slice(value.raw());
                self.trace_kept(keep, value.raw());
                false
            }
        }
    }

    fn kept_object(
        &mut self,
        keep: &'a KeepPlan,
        object: Node<'_>,
        of: Standing<'_>,
        without: &[&str],
        path: &mut String,
    ) -> bool {
        let mut is_changed = false;
        self.out.push(b'{');
        for (name, value) in object.members().filter(|(name, _)| !without.contains(name)) {
            let Some(of) = self.known(keep, of.node, name, path) else {
                is_changed = true;
                continue;
            };
            is_changed |= self.written_member(keep, name, value, of, path).is_none();
        }
        self.out.push(b'}');
        is_changed
    }

    /// A reference: to a resource of the pack with its new id; to anything else as an identifier, with an issue.
    fn kept_reference(
        &mut self,
        keep: &'a KeepPlan,
        object: Node<'_>,
        reference: &str,
        of: Standing<'_>,
        path: &mut String,
    ) -> bool {
        if reference.starts_with('#') {
            return self.kept_object(keep, object, of, &[], path);
        }
        let start = self.out.len();
        if let Some((kind, slot, id)) = target_of(keep, reference, object.text("type"), of.targets) {
            let id = self.refer(slot, id, path);
            self.out.extend_from_slice(b"{\"reference\":");
            let text = self.out.len();
            self.push_reference(kind, id);
            if self.eval.trace.is_some() {
                let written = self.out[text..].to_vec();
                self.trace_step(PathStep::Name(Arc::from("reference")));
                self.trace_kept(keep, &written);
                self.trace_pop();
            }
            self.rest_of_reference(keep, object, of, &["reference"], path);
            return true;
        }
        let place = self.eval.place(ColumnRef { row: RowSlot::MAIN, column: keep.column });
        let shape = Some(epr_model::shape::of_text(reference));
        self.raise(Finding {
            code: "MAP0472".to_owned(),
            action: Action::Degraded,
            at: keep.at,
            path: Some(path),
            place: Some(place),
            shape,
        });
        self.out.push(b'{');
        let named = type_and_id(keep, reference);
        if let Some((kind, _)) = named
            && object.get("type").is_none()
        {
            self.out.extend_from_slice(b"\"type\":");
            push_text(&mut self.out, kind);
        }
        if object.get("identifier").is_none() && !reference.is_empty() {
            self.push_name(b"", "identifier");
            let (system, value) = match (named, &keep.source_id, &keep.base) {
                (Some((_, id)), Some(system), _) => (Some(&**system), std::borrow::Cow::Borrowed(id)),
                (Some((kind, id)), None, Some(base)) => {
                    (Some("urn:ietf:rfc:3986"), std::borrow::Cow::Owned(format!("{base}/{kind}/{id}")))
                }
                _ if reference.contains(':') => (Some("urn:ietf:rfc:3986"), std::borrow::Cow::Borrowed(reference)),
                _ => (None, std::borrow::Cow::Borrowed(reference)),
            };
            self.out.push(b'{');
            if let Some(system) = system {
                self.out.extend_from_slice(b"\"system\":");
                push_text(&mut self.out, system);
                self.out.push(b',');
            }
            self.out.extend_from_slice(b"\"value\":");
            push_text(&mut self.out, &value);
            self.out.push(b'}');
        }
        self.rest_of_reference(keep, object, of, &["reference", "_reference"], path);
        debug_assert!(self.out.len() > start);
        true
    }

    /// The other members of a reference, after what was written of it, and its end.
    fn rest_of_reference(
        &mut self,
        keep: &'a KeepPlan,
        object: Node<'_>,
        of: Standing<'_>,
        without: &[&str],
        path: &mut String,
    ) {
        let start = self.out.len();
        self.kept_object(keep, object, of, without, path);
        // `{…}` becomes `,…}`, or `}` where nothing else is there or nothing stands before.
        let is_first = self.out[start - 1] == b'{';
        let is_empty = self.out.len() == start + 2;
        if is_first || is_empty {
            self.out.remove(start);
        } else {
            self.out[start] = b',';
        }
    }

    /// Records a reference and gives the id that it leads to.
    fn refer(&mut self, slot: RefTargetSlot, source_id: &str, path: &str) -> ResourceId {
        let program = self.eval.program;
        let id =
            program.ref_recipes[usize::from(slot.0)].id([Some(source_id.as_bytes())], &mut Vec::with_capacity(192));
        let path: Arc<str> = Arc::from(path);
        let kind = &program.plan.ref_targets[usize::from(slot.0)].resource_type;
        if &**kind == "Patient" && is_patient_element(&path) {
            self.patient = Some(id);
        }
        self.refs.push(RefOut { resource: self.next_resource, target: slot, id, path });
        id
    }

    fn push_reference(&mut self, kind: &str, id: ResourceId) {
        self.out.push(b'"');
        self.out.extend_from_slice(kind.as_bytes());
        self.out.push(b'/');
        self.out.extend_from_slice(id.encode(&mut [0; 36]).as_bytes());
        self.out.push(b'"');
    }

    /// A list of the source, then the source's id, then the map's items; with the lists of `_name` beside it.
    fn joined(
        &mut self,
        keep: &'a KeepPlan,
        name: &str,
        root: Node<'_>,
        added: Node<'_>,
        own_id: Option<&[u8]>,
        path: &mut String,
    ) {
        let beside = format!("_{name}");
        let counts: Vec<usize> = [root, added]
            .iter()
            .map(|o| {
                let n = |name: &str| o.get(name).map_or(0, |v| v.items().count());
                n(name).max(n(&beside))
            })
            .collect();
        let n_own = usize::from(own_id.is_some());
        for (written, is_value) in [(name, true), (beside.as_str(), false)] {
            let lists = [root.get(written), added.get(written)];
            if lists.iter().all(Option::is_none) && !(is_value && n_own > 0) {
                continue;
            }
            let Some(of) = self.known(keep, Some(0), written, path) else { continue };
            self.push_name(b"", written);
            self.out.push(b'[');
            let length = path.len();
            path.push('.');
            path.push_str(name);
            self.trace_step(PathStep::Name(Arc::from(written)));
            for i in 0..counts[0] {
                self.comma();
                match lists[0].and_then(|l| l.items().nth(i)) {
                    Some(item) => {
                        self.trace_step(PathStep::Index(i));
                        self.kept_value(keep, item, of, path);
                        self.trace_pop();
                    }
                    None => self.out.extend_from_slice(b"null"),
                }
            }
            if let Some(item) = own_id {
                self.comma();
                self.out.extend_from_slice(if is_value { item } else { b"null" });
            }
            for i in 0..counts[1] {
                self.comma();
                let item = lists[1].and_then(|l| l.items().nth(i)).map_or(&b"null"[..], Node::raw);
                self.out.extend_from_slice(item);
            }
            self.trace_pop();
            path.truncate(length);
            self.out.push(b']');
        }
    }

    fn comma(&mut self) {
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
    }

    /// A member that the map's rules wrote, with its `_name`.
    fn added_member(&mut self, added: Node<'_>, name: &str) {
        for (prefix, value) in [(&b""[..], added.get(name)), (b"_", added.get(&format!("_{name}")))] {
            if let Some(value) = value {
                self.push_name(prefix, name);
                self.out.extend_from_slice(value.raw());
            }
        }
    }

    fn raise_kept(&mut self, code: &str, action: Action, keep: &KeepPlan, path: &str, shape: Option<String>) {
        let place = self.eval.place(ColumnRef { row: RowSlot::MAIN, column: keep.column });
        self.raise(Finding { code: code.to_owned(), action, at: keep.at, path: Some(path), place: Some(place), shape });
    }

    fn trace_step(&mut self, step: PathStep) {
        if let Some(trace) = &mut self.eval.trace {
            trace.path.push(step);
        }
    }

    fn trace_pop(&mut self) {
        if let Some(trace) = &mut self.eval.trace {
            trace.path.pop();
        }
    }

    fn trace_kept(&mut self, keep: &KeepPlan, json: &[u8]) {
        let column = ColumnRef { row: RowSlot::MAIN, column: keep.column };
        let row_no = self.eval.place(column).row_no;
        if let Some(trace) = &mut self.eval.trace {
            trace.begin();
            if let Some(row_no) = row_no {
                trace.cell(column, row_no);
            }
            trace.element(json, keep.at);
        }
    }
}

/// The map that makes what a reference names, and the id in the source.
fn target_of<'a, 't>(
    keep: &'a KeepPlan,
    reference: &'t str,
    said: Option<&str>,
    allowed: &[Box<str>],
) -> Option<(&'a str, RefTargetSlot, &'t str)> {
    if let Some((kind, id)) = type_and_id(keep, reference) {
        let (kind, slot) = keep.targets.get_key_value(kind)?;
        return Some((kind, *slot, id));
    }
    // The type of what a URN means is said by the reference, or there is only one that it may mean.
    let id = reference.strip_prefix("urn:uuid:").filter(|id| !id.is_empty())?;
    let (kind, slot) = if let Some(said) = said {
        keep.targets.get_key_value(said)?
    } else {
        let mut fit = keep.targets.iter().filter(|(kind, _)| allowed.contains(*kind));
        fit.next().filter(|_| fit.next().is_none())?
    };
    Some((kind, *slot, id))
}

/// Whether the map's rules wrote the element, or its extensions.
fn has(added: Node<'_>, name: &str) -> bool {
    added.members().any(|(written, _)| written.strip_prefix('_').unwrap_or(written) == name)
}

/// Whether a rule wrote another type of the same choice.
fn is_displaced(keep: &KeepPlan, added: Node<'_>, name: &str) -> bool {
    let by = |others: &[Box<str>]| others.iter().any(|o| **o == *name);
    keep.displaces.iter().any(|(written, others)| by(others) && has(added, written))
}

/// `Patient` and `p1` of `Patient/p1`, `<base>/Patient/p1` and `Patient/p1/_history/2`.
fn type_and_id<'t>(keep: &KeepPlan, reference: &'t str) -> Option<(&'t str, &'t str)> {
    let relative = match &keep.base {
        Some(base) => reference.strip_prefix(&**base).and_then(|r| r.strip_prefix('/')).unwrap_or(reference),
        None => reference,
    };
    let mut parts = relative.split('/');
    let (kind, id) = (parts.next()?, parts.next()?);
    let is_versioned = match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) => true,
        (Some("_history"), Some(version), None) => !version.is_empty(),
        _ => false,
    };
    let is_type = kind.starts_with(|c: char| c.is_ascii_uppercase()) && kind.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_id = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    (is_versioned && is_type && is_id).then_some((kind, id))
}
