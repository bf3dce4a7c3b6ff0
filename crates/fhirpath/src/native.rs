//! The invariants that stand on every element, resource, reference and period, without the evaluator.
//!
//! Found by the text of the expression. A native answer is given only where it is plain from the JSON; whatever is out
//! of the ordinary is left to the evaluator. That both agree is tested over real resources and damaged ones.

use std::cmp::Ordering;

use epr_fhir::resource::{Node, NodeKind};

use crate::element::ElementNode;
use crate::eval::Verdict;
use crate::host::{Focus, Host};
use crate::temporal::Temporal;

/// An invariant that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    /// ele-1: a value or children.
    HasContent,
    /// ref-1: a fragment is contained.
    FragmentIsContained,
    /// per-1: the start is not after the end.
    PeriodIsInOrder,
    /// dom-3: what is contained is referred to.
    ContainedIsUsed,
}

const TABLE: &[(&str, Native)] = &[
    ("hasValue() or (children().count() > id.count())", Native::HasContent),
    (
        "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
        Native::FragmentIsContained,
    ),
    ("start.hasValue().not() or end.hasValue().not() or (start <= end)", Native::PeriodIsInOrder),
    (
        "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
        Native::ContainedIsUsed,
    ),
];

impl Native {
    pub(crate) fn of(expression: &str) -> Option<Native> {
        TABLE.iter().find(|(text, _)| *text == expression).map(|(_, native)| *native)
    }

    /// The verdict; `None` where only the evaluator can tell.
    pub(crate) fn check(self, host: &Host<'_>, focus: &Focus<'_>) -> Option<Verdict> {
        let element = &focus.element;
        let holds = match self {
            Native::HasContent => has_content(element)?,
            Native::FragmentIsContained => {
                let Only::Text(reference) = only(element.node()?, "reference") else { return None };
                if reference.starts_with('#') {
                    return None;
                }
                true
            }
            Native::PeriodIsInOrder => period_is_in_order(host, element)?,
            // Without definitions the evaluator could not tell types, and says so.
            Native::ContainedIsUsed if host.definitions.is_none() => return None,
            Native::ContainedIsUsed => contained_is_used(focus)?,
        };
        Some(if holds { Verdict::True } else { Verdict::False })
    }
}

fn has_content(element: &ElementNode<'_>) -> Option<bool> {
    let node = element.node()?;
    if node.kind() != NodeKind::Object {
        return element.has_value().then_some(true);
    }
    // Any one child beside an id is enough; `id…` might be a choice to the evaluator.
    let is_child = |(name, value): (&str, Node<'_>)| {
        if name.starts_with("id") || name.starts_with('_') || name == "resourceType" {
            return false;
        }
        match value.kind() {
            NodeKind::Null => false,
            NodeKind::Array => value.items().next().is_some_and(|item| !item.is_null()),
            _ => true,
        }
    };
    node.members().any(is_child).then_some(true)
}

/// What stands under a name.
enum Only<'a> {
    Nothing,
    Text(&'a str),
    /// Something that the evaluator must look at: another form, extensions beside it, a name that might be a choice.
    Other,
}

fn only<'a>(node: Node<'a>, wanted: &str) -> Only<'a> {
    let mut found = Only::Nothing;
    for (name, value) in node.members() {
        let bare = name.strip_prefix('_').unwrap_or(name);
        if !bare.starts_with(wanted) {
            continue;
        }
        found = match (value.as_str(), &found) {
            (Some(text), Only::Nothing) if name == wanted => Only::Text(text),
            _ => return Only::Other,
        };
    }
    found
}

fn period_is_in_order(host: &Host<'_>, element: &ElementNode<'_>) -> Option<bool> {
    if element.type_code() != "Period" || host.definitions.is_none() {
        return None;
    }
    let node = element.node()?;
    match (only(node, "start"), only(node, "end")) {
        (Only::Nothing, Only::Nothing | Only::Text(_)) | (Only::Text(_), Only::Nothing) => Some(true),
        (Only::Text(start), Only::Text(end)) => {
            let order = Temporal::date_time(start)?.compare(&Temporal::date_time(end)?)?;
            Some(order != Ordering::Greater)
        }
        _ => None,
    }
}

/// Every contained resource is referred to by a plain `reference` somewhere in the resource.
fn contained_is_used(focus: &Focus<'_>) -> Option<bool> {
    let node = focus.element.node()?;
    let mut names = node.members().filter(|(name, _)| name.trim_start_matches('_').starts_with("contained"));
    let Some((name, contained)) = names.next() else { return Some(true) };
    if names.next().is_some() || name != "contained" || contained.kind() != NodeKind::Array {
        return None;
    }
    let mut wanted = Vec::new();
    for resource in contained.items() {
        wanted.push(resource.text("id")?);
    }
    let resource = focus.resource.node()?;
    strike(resource, &mut wanted, 0);
    wanted.is_empty().then_some(true)
}

/// Takes out the ids that a `reference` below the node names.
fn strike<'a>(node: Node<'a>, wanted: &mut Vec<&'a str>, depth: usize) {
    if wanted.is_empty() || depth > epr_fhir::resource::DEPTH_LIMIT {
        return;
    }
    match node.kind() {
        NodeKind::Object => {
            for (name, value) in node.members() {
                match value.kind() {
                    NodeKind::String if name == "reference" => {
                        if let Some(id) = value.as_str().and_then(|text| text.strip_prefix('#')) {
                            wanted.retain(|other| *other != id);
                        }
                    }
                    // What belongs to a primitive (`_given`) the evaluator reaches by other rules.
                    NodeKind::Object | NodeKind::Array if !name.starts_with('_') => strike(value, wanted, depth + 1),
                    _ => {}
                }
            }
        }
        NodeKind::Array => node.items().for_each(|item| strike(item, wanted, depth + 1)),
        _ => {}
    }
}
