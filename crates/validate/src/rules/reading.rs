//! How rules read what several resource types have: codings, extensions, references, and every object of a tree.

use epr_fhir::{Node, NodeKind};

pub(crate) const SNOMED: &str = "http://snomed.info/sct";

/// The codings of a `CodeableConcept`.
pub(crate) fn codings(concept: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    concept.get("coding").into_iter().flat_map(Node::items)
}

/// Whether an element of the resource has a coding with one of these codes; of a list, any item.
pub(crate) fn has_code(resource: Node<'_>, element: &str, codes: &[&str]) -> bool {
    let concepts = resource.get(element).into_iter().flat_map(|e| {
        let is_list = e.kind() == NodeKind::Array;
        let single = (!is_list).then_some(e);
        single.into_iter().chain(is_list.then(|| e.items()).into_iter().flatten())
    });
    concepts.flat_map(codings).filter_map(|c| c.text("code")).any(|code| codes.contains(&code))
}

/// The last segment of a URL. A project puts the codes, ids and extensions that no standard has under a base of its
/// own; the last segment is what the rules know them by.
pub(crate) fn last_segment(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// The code of an extension whose URL ends in `name`, whether a coding or a concept.
pub(crate) fn extension_code<'a>(element: Node<'a>, name: &str) -> Option<&'a str> {
    let mut extensions = element.get("extension").into_iter().flat_map(Node::items);
    let extension = extensions.find(|e| e.text("url").is_some_and(|url| last_segment(url) == name))?;
    match extension.get("valueCoding") {
        Some(coding) => coding.text("code"),
        None => extension.get("valueCodeableConcept").and_then(|c| codings(c).find_map(|c| c.text("code"))),
    }
}

/// The id in a relative reference to a resource of a type.
pub(crate) fn reference_to<'a>(reference: Node<'a>, resource_type: &str) -> Option<&'a str> {
    reference.text("reference")?.strip_prefix(resource_type)?.strip_prefix('/')?.split('/').next()
}

/// Whether any object below a node, itself included, is one that is looked for; without a path for it.
pub(crate) fn any_object<'a>(node: Node<'a>, is: &dyn Fn(Node<'a>) -> bool) -> bool {
    match node.kind() {
        NodeKind::Object => is(node) || node.members().any(|(_, value)| any_object(value, is)),
        NodeKind::Array => node.items().any(|item| any_object(item, is)),
        _ => false,
    }
}

/// Calls `visit` with every object below a node, itself included, and its path below the resource.
pub(crate) fn each_object<'a>(node: Node<'a>, path: &mut String, visit: &mut dyn FnMut(Node<'a>, &str)) {
    match node.kind() {
        NodeKind::Object => {
            visit(node, path);
            let length = path.len();
            for (name, value) in node.members() {
                if matches!(value.kind(), NodeKind::Object | NodeKind::Array) {
                    push_name(path, name);
                    each_object(value, path, visit);
                    path.truncate(length);
                }
            }
        }
        NodeKind::Array => {
            let length = path.len();
            for (i, item) in node.items().enumerate() {
                if matches!(item.kind(), NodeKind::Object | NodeKind::Array) {
                    push_index(path, i);
                    each_object(item, path, visit);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}

/// Calls `visit` with every text that is a member of an object or of a list of one: path and the member's name.
pub(crate) fn each_text<'a>(resource: Node<'a>, visit: &mut dyn FnMut(&str, &str, &'a str)) {
    each_object(resource, &mut String::new(), &mut |object, path| {
        let mut own = String::new();
        for (name, value) in object.members() {
            match value.kind() {
                NodeKind::String => {
                    own.clear();
                    own.push_str(path);
                    push_name(&mut own, name);
                    visit(&own, name, value.as_str().unwrap_or_default());
                }
                NodeKind::Array => {
                    for (i, text) in value.items().enumerate().filter_map(|(i, item)| Some((i, item.as_str()?))) {
                        own.clear();
                        own.push_str(path);
                        push_name(&mut own, name);
                        push_index(&mut own, i);
                        visit(&own, name, text);
                    }
                }
                _ => {}
            }
        }
    });
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

fn push_index(path: &mut String, i: usize) {
    use std::fmt::Write;
    let _ = write!(path, "[{i}]");
}
