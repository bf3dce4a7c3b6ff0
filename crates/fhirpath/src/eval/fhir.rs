//! The functions that FHIR adds: extensions, references, codes, profiles, narrative; and the clock, which is given.

use std::borrow::Cow;

use epr_fhir::definitions::Membership;
use epr_fhir::narrative;

use super::{Answered, EvalError, Evaluator, NotChecked, Scope, boolean, element_of, one, what};
use crate::compile::Call;
use crate::element::{ElementNode, Typing};
use crate::functions::Function;
use crate::host::Resolved;
use crate::temporal::{Temporal, TemporalKind};
use crate::value::{Collection, Item};

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn fhir_call(&mut self, call: &'a Call, base: &Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        use Function::*;
        let argument = match call.arguments.first() {
            Some(op) => match self.text(op, scope, what(call), call.offset)? {
                Some(text) => text,
                None => return Ok(Collection::empty()),
            },
            None => Cow::Borrowed(""),
        };
        Ok(match call.function {
            Now | Today | TimeOfDay => self.clock(call.function),
            Type => base.iter().map(type_of).collect(),
            HasValue => boolean(Some(matches!(base.as_slice(), [item] if has_value(item)))),
            GetValue => match base.as_slice() {
                [item] if has_value(item) => Collection::one(item.system()),
                _ => Collection::empty(),
            },
            Extension => self.extension(base, &argument),
            Resolve => self.resolve(base)?,
            MemberOf => match one(base, "memberOf", call.offset)? {
                Some(item) => self.member_of(item, &argument),
                None => Collection::empty(),
            },
            ConformsTo => match one(base, "conformsTo", call.offset)? {
                Some(item) => {
                    let answer =
                        element_of(item).zip(self.host.conformance).and_then(|(e, c)| c.conforms(e, &argument));
                    if answer.is_none() {
                        // With definitions at hand, a profile that is in none of them is the caller's error.
                        if self.definitions().is_some_and(|d| d.structure(&argument).is_none()) {
                            let profile = argument.into_owned();
                            return Err(EvalError::UnknownProfile { profile, offset: call.offset });
                        }
                        self.unchecked(NotChecked::Conformance { profile: argument.into_owned() });
                    }
                    boolean(answer)
                }
                None => Collection::empty(),
            },
            _ => match one(base, "htmlChecks", call.offset)? {
                Some(item) => boolean(Some(item.to_text().is_some_and(|text| narrative::check(&text).is_empty()))),
                None => Collection::empty(),
            },
        })
    }

    fn clock(&mut self, function: Function) -> Collection<'a> {
        let Some(now) = self.host.as_of else { return self.unchecked(NotChecked::Clock) };
        let answer = match function {
            Function::Now => now.to_date_time(),
            Function::Today => now.to_date(),
            _ => Some(Temporal { kind: TemporalKind::Time, offset: None, ..now }),
        };
        answer.map(Item::Temporal).into_iter().collect()
    }

    fn extension(&mut self, base: &Collection<'a>, url: &str) -> Collection<'a> {
        let mut found = Collection::empty();
        for item in base {
            if let Item::Element(element) = item {
                element.member("extension", self.typing, &mut found);
            }
        }
        let wanted = |item: &Item<'a>| element_of(item).and_then(|e| e.node()?.text("url")) == Some(url);
        found.into_vec().into_iter().filter(wanted).collect()
    }

    /// Follows references: inside the resource (`#id`), in the Bundle, then by the host. What is not found is left
    /// out; where that cannot be told from "does not exist", the evaluation is marked as not checked.
    fn resolve(&mut self, base: &Collection<'a>) -> Answered<'a> {
        let mut out = Collection::empty();
        for item in base {
            let Item::Element(element) = item else {
                if let Item::String(reference) = item {
                    let reference = reference.clone();
                    self.follow(&reference, &mut out)?;
                }
                continue;
            };
            let reference = element.as_str().or_else(|| element.node().and_then(|node| node.text("reference")));
            // A reference by identifier or display only names nothing that could be followed.
            if let Some(reference) = reference {
                self.follow(reference, &mut out)?;
            }
        }
        Ok(out)
    }

    fn follow(&mut self, reference: &str, out: &mut Collection<'a>) -> Result<(), EvalError> {
        if let Some(id) = reference.strip_prefix('#') {
            let root = self.focus.root_resource;
            if id.is_empty() {
                out.push(Item::Element(root));
                return Ok(());
            }
            // A fragment that is not contained is known not to exist.
            let contained = root.node().and_then(|node| node.get("contained"));
            let mut contained = contained.into_iter().flat_map(epr_fhir::resource::Node::items);
            if let Some(found) = contained.find(|node| node.text("id") == Some(id)) {
                out.push(Item::Element(ElementNode::resource(found, self.typed())));
            }
            return Ok(());
        }
        if let Some(found) = self.in_bundle(reference)? {
            out.push(Item::Element(found));
            return Ok(());
        }
        match self.host.resolver.map_or(Resolved::Unknown, |resolver| resolver.resolve(reference)) {
            Resolved::Found(node) => out.push(Item::Element(ElementNode::resource(node, self.typed()))),
            Resolved::Absent => {}
            Resolved::Unknown => {
                self.unchecked(NotChecked::Reference);
            }
        }
        Ok(())
    }

    fn typed(&self) -> Option<&'a epr_fhir::definitions::Definitions> {
        match self.typing {
            Typing::By(definitions) => Some(definitions),
            Typing::Structural => None,
        }
    }

    /// An entry by its `fullUrl`, or by `Type/id` (a version behind it is not looked at).
    fn in_bundle(&mut self, reference: &str) -> Result<Option<ElementNode<'a>>, EvalError> {
        let reference = reference.split("/_history/").next().unwrap_or(reference);
        let bundle = self.focus.bundle.and_then(|bundle| bundle.node()?.get("entry"));
        let relative = reference.split_once('/').filter(|(kind, _)| !kind.contains(':'));
        for entry in bundle.into_iter().flat_map(epr_fhir::resource::Node::items) {
            self.spend(1)?;
            let Some(resource) = entry.get("resource") else { continue };
            let by_url = entry.text("fullUrl") == Some(reference);
            let by_id = relative.is_some_and(|(kind, id)| {
                resource.text("resourceType") == Some(kind) && resource.text("id") == Some(id)
            });
            if by_url || by_id {
                return Ok(Some(ElementNode::resource(resource, self.typed())));
            }
        }
        Ok(None)
    }

    fn member_of(&mut self, item: &Item<'a>, value_set: &str) -> Collection<'a> {
        let unknown = || NotChecked::Terminology { value_set: value_set.to_owned() };
        let Some(definitions) = self.definitions() else { return self.unchecked(unknown()) };
        let node = element_of(item).and_then(|element| element.node());
        let codings: Vec<_> = match (node, item.to_text()) {
            (Some(node), _) if node.get("coding").is_some() => {
                node.get("coding").into_iter().flat_map(epr_fhir::resource::Node::items).collect()
            }
            (Some(node), None) => vec![node],
            (_, Some(code)) => {
                return match definitions.member(value_set, None, &code) {
                    Membership::In => boolean(Some(true)),
                    Membership::NotIn => boolean(Some(false)),
                    Membership::Unknown(_) => self.unchecked(unknown()),
                };
            }
            (None, None) => return Collection::empty(),
        };
        let mut all_known = true;
        for coding in codings {
            let Some(code) = coding.text("code") else { continue };
            match definitions.member(value_set, coding.text("system"), code) {
                Membership::In => return boolean(Some(true)),
                Membership::NotIn => {}
                Membership::Unknown(_) => all_known = false,
            }
        }
        if all_known { boolean(Some(false)) } else { self.unchecked(unknown()) }
    }
}

pub(super) fn has_value(item: &Item<'_>) -> bool {
    match item {
        Item::Element(element) => element.has_value(),
        _ => true,
    }
}

fn type_of<'a>(item: &Item<'a>) -> Item<'a> {
    match item {
        Item::Element(element) => Item::Type { namespace: "FHIR", name: Cow::Borrowed(element.shown_type()) },
        other => Item::Type { namespace: "System", name: Cow::Borrowed(other.kind()) },
    }
}
