//! JSON written as XML and read again is the JSON that it was: over R4's own definitions, and over made-up resources.

use std::fmt::Write;
use std::path::Path;

use epr_fhir::{Definitions, Node, NodeKind, Resource, XmlReader};
use proptest::prelude::*;

use crate::r4;

/// Writes a resource as XML, its elements in the order in which JSON has them.
fn write_resource(node: Node<'_>, root: bool, out: &mut String) {
    let name = node.text("resourceType").unwrap();
    let space = if root { " xmlns=\"http://hl7.org/fhir\"" } else { "" };
    write!(out, "<{name}{space}>").unwrap();
    // The id of a resource is an element; that of any other element is an attribute.
    if let Some(id) = node.get("id") {
        write_element("id", Some(id), node.get("_id"), out);
    }
    write_members(node, &["resourceType", "id", "_id"], out);
    write!(out, "</{name}>").unwrap();
}

fn write_members(node: Node<'_>, but: &[&str], out: &mut String) {
    for (name, value) in node.members().filter(|(name, _)| !but.contains(name)) {
        match name.strip_prefix('_') {
            Some(bare) if node.get(bare).is_none() => write_items(bare, None, Some(value), out),
            Some(_) => {}
            None => write_items(name, Some(value), node.get(&format!("_{name}")), out),
        }
    }
}

fn write_items(name: &str, main: Option<Node<'_>>, companion: Option<Node<'_>>, out: &mut String) {
    if main.or(companion).is_none_or(|node| node.kind() != NodeKind::Array) {
        return write_element(name, main, companion, out);
    }
    let (mains, companions) = (items(main), items(companion));
    for n in 0..mains.len().max(companions.len()) {
        let at = |items: &[Node<'_>]| items.get(n).is_some_and(|item| !item.is_null());
        let (has_main, has_companion) = (at(&mains), at(&companions));
        write_element(name, has_main.then(|| mains[n]), has_companion.then(|| companions[n]), out);
    }
}

fn items(node: Option<Node<'_>>) -> Vec<Node<'_>> {
    node.into_iter().flat_map(Node::items).collect()
}

fn write_element(name: &str, main: Option<Node<'_>>, companion: Option<Node<'_>>, out: &mut String) {
    if let Some(resource) = main.filter(|node| node.get("resourceType").is_some_and(|t| t.kind() == NodeKind::String)) {
        write!(out, "<{name}>").unwrap();
        write_resource(resource, false, out);
        write!(out, "</{name}>").unwrap();
        return;
    }
    let primitive = main.filter(|node| node.kind() != NodeKind::Object);
    if let Some(div) = primitive.and_then(Node::as_str).filter(|text| name == "div" && text.starts_with('<')) {
        out.push_str(div);
        return;
    }
    let holder = main.filter(|node| node.kind() == NodeKind::Object).or(companion);
    write!(out, "<{name}").unwrap();
    for attribute in ["id", "url"] {
        let is_one = attribute == "id" || matches!(name, "extension" | "modifierExtension");
        if let Some(text) = holder.and_then(|holder| holder.text(attribute)).filter(|_| is_one) {
            write!(out, " {attribute}=\"{}\"", escaped(text)).unwrap();
        }
    }
    if let Some(value) = primitive {
        let raw = std::str::from_utf8(value.raw()).unwrap();
        write!(out, " value=\"{}\"", escaped(value.as_str().unwrap_or(raw))).unwrap();
    }
    out.push('>');
    if let Some(holder) = holder {
        let is_extension = matches!(name, "extension" | "modifierExtension");
        write_members(holder, if is_extension { &["id", "url"] } else { &["id"] }, out);
    }
    write!(out, "</{name}>").unwrap();
}

/// As an attribute must be written, so that nothing is normalised away.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => write!(out, "&#{};", c as u32).unwrap(),
            _ => out.push(c),
        }
    }
    out
}

/// Whether both say the same: members in any order, all else as written.
fn same(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (NodeKind::Object, NodeKind::Object) => {
            a.members().count() == b.members().count()
                && a.members().all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        (NodeKind::Array, NodeKind::Array) => {
            a.items().count() == b.items().count() && a.items().zip(b.items()).all(|(a, b)| same(a, b))
        }
        (NodeKind::String, NodeKind::String) => a.as_str() == b.as_str(),
        (a_kind, b_kind) => a_kind == b_kind && a.raw() == b.raw(),
    }
}

fn there_and_back(definitions: &Definitions, json: &Resource) -> Result<(), String> {
    let mut xml = String::new();
    write_resource(json.root(), true, &mut xml);
    let read = XmlReader::new(definitions).read(xml.as_bytes()).map_err(|error| format!("{error}: {xml}"))?;
    let again = String::from_utf8_lossy(read.as_bytes());
    if same(json.root(), read.root()) { Ok(()) } else { Err(format!("{xml}\nwas read as\n{again}")) }
}

#[test]
fn the_definitions_of_r4_go_to_xml_and_back() {
    let Some(definitions) = r4::r4(&[]) else { return };
    let folder = Path::new(&std::env::var("HOME").unwrap()).join(".fhir/packages/hl7.fhir.r4.core#4.0.1/package");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut n = 0;
    for file in files.iter().step_by(23) {
        let bytes = std::fs::read(file).unwrap();
        let Ok(json) = Resource::parse_json(&bytes) else { continue };
        // The package's own lists are no resources; a div with entities of HTML is no XML by itself.
        if json.root().text("resourceType").is_none() || bytes.windows(6).any(|w| w == b"&nbsp;") {
            continue;
        }
        n += 1;
        if let Err(fault) = there_and_back(&definitions, &json) {
            panic!("{}: {fault}", file.display());
        }
    }
    assert!(n > 100, "{n} resources");
}

/// A text as XML can carry it, a JSON text of it, and now and then none but an extension.
fn texts() -> impl Strategy<Value = String> {
    "[ -~\u{e4}\u{20ac}\u{1f600}\t\n]{1,20}".prop_filter("white space alone is no text", |text| !text.trim().is_empty())
}

fn json_text(text: &str) -> String {
    let mut out = Vec::new();
    epr_fhir::write::escape(&mut out, text);
    String::from_utf8(out).unwrap()
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

#[test]
fn any_patient_goes_to_xml_and_back() {
    let Some(definitions) = r4::r4(&[]) else { return };
    let given = proptest::collection::vec((proptest::option::of(texts()), texts()), 1..4);
    let patient = (given, texts(), any::<bool>(), -99_999i64..99_999, 0u32..5);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    runner
        .run(&patient, |(given, text, active, digits, places)| {
            let names = joined(given.iter().map(|(value, _)| value.as_deref().map_or_else(|| "null".to_owned(), json_text)));
            let extensions = joined(given.iter().map(|(value, note)| match value {
                Some(_) => "null".to_owned(),
                None => format!(r#"{{"extension":[{{"url":"u","valueString":{}}}]}}"#, json_text(note)),
            }));
            let has_extensions = given.iter().any(|(value, _)| value.is_none());
            let all_void = given.iter().all(|(value, _)| value.is_none());
            let mut name = if all_void { String::new() } else { format!(r#""given":[{names}]"#) };
            if has_extensions {
                let comma = if name.is_empty() { "" } else { "," };
                write!(name, r#"{comma}"_given":[{extensions}]"#).unwrap();
            }
            let decimal = format!("{digits}.{}", "0".repeat(places as usize + 1));
            let json = format!(
                r#"{{"resourceType":"Patient","id":"p","extension":[{{"url":"v","valueDecimal":{decimal}}}],"active":{active},"name":[{{"text":{},{name}}}]}}"#,
                json_text(&text)
            );
            let json = Resource::parse_json(json.as_bytes()).unwrap();
            there_and_back(&definitions, &json).map_err(TestCaseError::fail)
        })
        .unwrap();
}
