//! The invariants that stand on every element, resource, reference and entry, without the evaluator.
//!
//! Found by the text of the expression. A native answer is given only where it is plain from the JSON; whatever is out
//! of the ordinary is left to the evaluator. That both agree is tested over real resources and damaged ones.

use std::cmp::Ordering;

use epr_fhir::narrative;
use epr_fhir::resource::{Node, NodeKind};

use crate::element::{ElementNode, says_nothing};
use crate::eval::Verdict;
use crate::host::{Focus, Host};
use crate::temporal::Temporal;
use crate::types;

/// An invariant that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    /// ele-1: a value or children.
    HasContent,
    /// ext-1: a value or extensions, not both.
    ValueOrExtensions,
    /// ref-1: a fragment is contained.
    FragmentIsContained,
    /// per-1: the start is not after the end.
    PeriodIsInOrder,
    /// dom-2: nothing contained contains.
    ContainedContainsNothing,
    /// dom-3: what is contained is referred to.
    ContainedIsUsed,
    /// dom-4: nothing contained has a version or a time of update.
    ContainedHasNoVersion,
    /// dom-5: nothing contained has a security label.
    ContainedHasNoLabel,
    /// txt-1 and txt-2: the narrative is XHTML of the kind that is allowed, and says something.
    NarrativeIsXhtml,
    /// dom-6: there is a narrative.
    HasNarrative,
    /// bdl-2: a search mode only in the answer to a search.
    SearchIsOfSearchset,
    /// bdl-3: a request in each entry of the kinds that have one, and in no other's.
    RequestByKind,
    /// bdl-4: as bdl-3, a response.
    ResponseByKind,
    /// bdl-5: an entry is not empty.
    EntryHoldsSomething,
    /// bdl-7: full URLs with versions are distinct.
    FullUrlsAreDistinct,
    /// bdl-8: a full URL names no version.
    FullUrlHasNoVersion,
}

/// The keys under which R4 asks it, its expression as published, and what answers it.
const TABLE: &[(&[&str], &str, Native)] = &[
    (&["ele-1"], "hasValue() or (children().count() > id.count())", Native::HasContent),
    (&["ext-1"], "extension.exists() != value.exists()", Native::ValueOrExtensions),
    (
        &["ref-1"],
        "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))",
        Native::FragmentIsContained,
    ),
    (&["per-1"], "start.hasValue().not() or end.hasValue().not() or (start <= end)", Native::PeriodIsInOrder),
    (&["dom-2"], "contained.contained.empty()", Native::ContainedContainsNothing),
    (
        &["dom-3"],
        "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()",
        Native::ContainedIsUsed,
    ),
    (
        &["dom-4"],
        "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()",
        Native::ContainedHasNoVersion,
    ),
    (&["dom-5"], "contained.meta.security.empty()", Native::ContainedHasNoLabel),
    (&["txt-1", "txt-2"], "htmlChecks()", Native::NarrativeIsXhtml),
    (&["dom-6"], "text.`div`.exists()", Native::HasNarrative),
    (&["bdl-2"], "entry.search.empty() or (type = 'searchset')", Native::SearchIsOfSearchset),
    (
        &["bdl-3"],
        "entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction' or %resource.type = 'history'))",
        Native::RequestByKind,
    ),
    (
        &["bdl-4"],
        "entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = 'transaction-response' or %resource.type = 'history'))",
        Native::ResponseByKind,
    ),
    (&["bdl-5"], "resource.exists() or request.exists() or response.exists()", Native::EntryHoldsSomething),
    (
        &["bdl-7"],
        "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()",
        Native::FullUrlsAreDistinct,
    ),
    (&["bdl-8"], "fullUrl.contains('/_history/').not()", Native::FullUrlHasNoVersion),
];

/// What R4 asks under the key of an invariant that is answered without the evaluator.
pub fn expression_of(key: &str) -> Option<&'static str> {
    TABLE.iter().find(|(keys, ..)| keys.contains(&key)).map(|(_, text, _)| *text)
}

impl Native {
    pub(crate) fn of(expression: &str) -> Option<Native> {
        TABLE.iter().find(|(_, text, _)| *text == expression).map(|(.., native)| *native)
    }

    /// The verdict; `None` where only the evaluator can tell.
    pub(crate) fn check(self, host: &Host<'_>, focus: &Focus<'_>) -> Option<Verdict> {
        let element = &focus.element;
        let holds = match self {
            Native::HasContent => has_content(element)?,
            Native::ValueOrExtensions => value_or_extensions(element.node()?)?,
            // Of no reference nothing can be asked, and nothing is said.
            Native::FragmentIsContained
                if is_absent(element.node().filter(|n| n.kind() == NodeKind::Object)?, "reference") =>
            {
                return Some(Verdict::Empty);
            }
            Native::FragmentIsContained => fragment_is_contained(focus)?,
            Native::PeriodIsInOrder => period_is_in_order(host, element)?,
            Native::ContainedContainsNothing => contained_lack(focus, |one| Some(is_absent(one, "contained")))?,
            // Without definitions the evaluator could not tell types, and says so.
            Native::ContainedIsUsed if host.definitions.is_none() => return None,
            Native::ContainedIsUsed => contained_is_used(focus)?,
            Native::ContainedHasNoVersion => contained_meta_lacks(focus, &["versionId", "lastUpdated"])?,
            Native::ContainedHasNoLabel => contained_meta_lacks(focus, &["security"])?,
            Native::NarrativeIsXhtml => narrative::check(element.node()?.as_str()?).is_empty(),
            Native::HasNarrative => has_narrative(element.node()?)?,
            Native::SearchIsOfSearchset => {
                entries(element.node()?)?.all(|entry| is_absent(entry, "search")).then_some(true)?
            }
            Native::RequestByKind => by_kind(focus, "request", &["batch", "transaction", "history"])?,
            Native::ResponseByKind => {
                by_kind(focus, "response", &["batch-response", "transaction-response", "history"])?
            }
            Native::EntryHoldsSomething => {
                let parts = ["resource", "request", "response"];
                let is_part = |(name, value): (&str, Node<'_>)| parts.contains(&name) && is_plain_object(value);
                element.node()?.members().any(is_part).then_some(true)?
            }
            Native::FullUrlsAreDistinct => full_urls_are_distinct(element.node()?)?,
            Native::FullUrlHasNoVersion => !only_text(element.node()?, "fullUrl")?.contains("/_history/"),
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
    One(Node<'a>),
    /// Something that the evaluator must look at: extensions beside it, a name that might be a choice, or a second one.
    Other,
}

/// The member of a name, where no other member could be meant by it.
fn only<'a>(node: Node<'a>, wanted: &str) -> Only<'a> {
    let mut found = Only::Nothing;
    for (name, value) in node.members_beginning(wanted) {
        found = match found {
            Only::Nothing if name == wanted => Only::One(value),
            _ => return Only::Other,
        };
    }
    found
}

/// An object that says something: one that does not is no element to the evaluator.
fn is_plain_object(node: Node<'_>) -> bool {
    node.kind() == NodeKind::Object && !says_nothing(node)
}

/// Whether nothing at all could be meant by a name.
fn is_absent(node: Node<'_>, wanted: &str) -> bool {
    node.members_beginning(wanted).next().is_none()
}

/// The text under a name; `None` where there is none, or more than a text.
fn only_text<'a>(node: Node<'a>, wanted: &str) -> Option<&'a str> {
    match only(node, wanted) {
        Only::One(value) => value.as_str(),
        _ => None,
    }
}

fn value_or_extensions(node: Node<'_>) -> Option<bool> {
    // A value of another form than its type's is none: the evaluator knows the types.
    let is_there = |suffix: &str, value: Node<'_>| match value.kind() {
        NodeKind::Null | NodeKind::Array => false,
        NodeKind::Object => is_plain_object(value),
        _ => types::choice_suffix(suffix).is_some_and(types::is_primitive),
    };
    let has_extensions = match only(node, "extension") {
        Only::Nothing => false,
        Only::One(list) if list.kind() == NodeKind::Array => list.items().any(is_plain_object).then_some(true)?,
        Only::One(_) | Only::Other => return None,
    };
    let mut has_value = false;
    for (name, value) in node.members_beginning("value") {
        let suffix = name.strip_prefix("value")?;
        let is_value = suffix.is_empty() || types::choice_suffix(suffix).is_some();
        // The evaluator takes one of several; which, is its own affair.
        if !is_value || !is_there(suffix, value) || has_value {
            return None;
        }
        has_value = true;
    }
    Some(has_extensions != has_value)
}

fn fragment_is_contained(focus: &Focus<'_>) -> Option<bool> {
    let reference = only_text(focus.element.node()?, "reference")?;
    let Some(id) = reference.strip_prefix('#') else { return Some(true) };
    let Only::One(contained) = only(focus.root_resource.node()?, "contained") else { return None };
    let has_id = |resource: Node<'_>| resource.kind() == NodeKind::Object && only_text(resource, "id") == Some(id);
    (!id.is_empty() && contained.kind() == NodeKind::Array && contained.items().any(has_id)).then_some(true)
}

fn period_is_in_order(host: &Host<'_>, element: &ElementNode<'_>) -> Option<bool> {
    if element.type_code() != "Period" || host.definitions.is_none() {
        return None;
    }
    let node = element.node()?;
    let of = |name: &str| match only(node, name) {
        Only::Nothing => Some(None),
        Only::One(value) => value.as_str().map(Some),
        Only::Other => None,
    };
    match (of("start")?, of("end")?) {
        (Some(start), Some(end)) => {
            let order = Temporal::date_time(start.trim())?.compare(&Temporal::date_time(end.trim())?)?;
            Some(order != Ordering::Greater)
        }
        _ => Some(true),
    }
}

/// Whether something is lacking in all that is contained; the least doubt is the evaluator's.
fn contained_lack(focus: &Focus<'_>, lacks: impl Fn(Node<'_>) -> Option<bool>) -> Option<bool> {
    match only(focus.element.node()?, "contained") {
        Only::Nothing => Some(true),
        Only::One(contained) if contained.kind() == NodeKind::Array => {
            let is_lacking = |one: Node<'_>| one.kind() == NodeKind::Object && lacks(one) == Some(true);
            contained.items().all(is_lacking).then_some(true)
        }
        _ => None,
    }
}

fn contained_meta_lacks(focus: &Focus<'_>, names: &[&str]) -> Option<bool> {
    contained_lack(focus, |one| match only(one, "meta") {
        Only::Nothing => Some(true),
        Only::One(meta) if is_plain_object(meta) => Some(names.iter().all(|name| is_absent(meta, name))),
        _ => None,
    })
}

/// Every contained resource is referred to by a plain `reference` somewhere in the resource.
fn contained_is_used(focus: &Focus<'_>) -> Option<bool> {
    let contained = match only(focus.element.node()?, "contained") {
        Only::Nothing => return Some(true),
        Only::One(contained) if contained.kind() == NodeKind::Array => contained,
        _ => return None,
    };
    let mut wanted = Vec::new();
    for resource in contained.items() {
        wanted.push(resource.text("id")?);
    }
    let resource = focus.resource.node()?;
    // What belongs to a primitive (`_given`) the evaluator reaches by other rules.
    for (name, value) in resource.below(|name| !name.starts_with('_')) {
        if name == "reference"
            && let Some(id) = value.as_str().and_then(|text| text.strip_prefix('#'))
        {
            wanted.retain(|other| *other != id);
            if wanted.is_empty() {
                return Some(true);
            }
        }
    }
    wanted.is_empty().then_some(true)
}

fn has_narrative(node: Node<'_>) -> Option<bool> {
    match only(node, "text") {
        Only::Nothing => Some(false),
        Only::One(text) if is_plain_object(text) => only_text(text, "div").map(|_| true),
        _ => None,
    }
}

/// The entries of a Bundle, where all are objects.
fn entries(bundle: Node<'_>) -> Option<impl Iterator<Item = Node<'_>>> {
    let entries = match only(bundle, "entry") {
        Only::Nothing => None,
        Only::One(entries) if entries.kind() == NodeKind::Array => Some(entries),
        _ => return None,
    };
    let items = move || entries.into_iter().flat_map(Node::items);
    items().all(is_plain_object).then(items)
}

/// A part in every entry where the Bundle is of one of some kinds, and in none where it is not.
fn by_kind(focus: &Focus<'_>, part: &str, kinds: &[&str]) -> Option<bool> {
    let kind = only_text(focus.resource.node()?, "type")?;
    let is_wanted = kinds.contains(&kind);
    for entry in entries(focus.element.node()?)? {
        let is_there = match only(entry, part) {
            Only::Nothing => false,
            Only::One(value) if is_plain_object(value) => true,
            _ => return None,
        };
        if is_there != is_wanted {
            return Some(false);
        }
    }
    Some(true)
}

/// By hashes: that two are equal is left to the evaluator, which compares the texts.
fn full_urls_are_distinct(bundle: Node<'_>) -> Option<bool> {
    if only_text(bundle, "type")? == "history" {
        return Some(true);
    }
    let mut hashes = Vec::new();
    for entry in entries(bundle)? {
        let url = match only(entry, "fullUrl") {
            Only::Nothing => continue,
            Only::One(url) => url.as_str()?,
            Only::Other => return None,
        };
        let resource = match only(entry, "resource") {
            Only::Nothing => None,
            Only::One(resource) => Some(resource),
            Only::Other => return None,
        };
        let mut hash = hashed(FNV_START, url);
        if let Some(resource) = resource {
            let meta = match (resource.kind(), only(resource, "meta")) {
                (NodeKind::Object, Only::Nothing) => None,
                (NodeKind::Object, Only::One(meta)) if meta.kind() == NodeKind::Object => Some(meta),
                _ => return None,
            };
            match meta.map_or(Only::Nothing, |meta| only(meta, "versionId")) {
                Only::Nothing => {}
                Only::One(version) => hash = hashed(hash, version.as_str()?),
                Only::Other => return None,
            }
        }
        hashes.push(hash);
    }
    hashes.sort_unstable();
    hashes.is_sorted_by(|a, b| a < b).then_some(true)
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, byte by byte: the parts of a text give what the whole gives, so `a` + `bc` is `ab` + `c`.
fn hashed(before: u64, text: &str) -> u64 {
    text.bytes().fold(before, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
