//! The two XML inputs of the official suite as JSON: enough of FHIR's XML for Patient and Observation.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements that are lists, in the two resources and their types.
const LISTS: &[&str] = &[
    "Patient.address",
    "Patient.communication",
    "Patient.contact",
    "Patient.contained",
    "Patient.generalPractitioner",
    "Patient.identifier",
    "Patient.link",
    "Patient.name",
    "Patient.photo",
    "Patient.telecom",
    "address.line",
    "category.coding",
    "code.coding",
    "contact.relationship",
    "contact.telecom",
    "maritalStatus.coding",
    "name.given",
    "name.prefix",
    "name.suffix",
    "relationship.coding",
    "type.coding",
    "Observation.category",
    "Observation.identifier",
    "Observation.component",
    "Observation.interpretation",
    "Observation.note",
    "Observation.performer",
    "Observation.referenceRange",
    "interpretation.coding",
    "bodySite.coding",
    "Observation.basedOn",
    "language.coding",
    "meta.tag",
    "meta.profile",
    "meta.security",
];

const NUMBERS: &[&str] = &["valueInteger", "valueDecimal", "rank", "multipleBirthInteger"];

#[derive(Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    /// The raw text of a `div`.
    markup: Option<String>,
}

/// Reads a resource in FHIR's XML and writes it as JSON.
pub(crate) fn to_json(xml: &str) -> String {
    let root = read(xml);
    let mut out = String::new();
    write_object(&root, Some(&root.name), &mut out);
    out
}

fn read(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    let mut stack = vec![Element::default()];
    loop {
        match reader.read_event().expect("the suite's XML is well formed") {
            Event::Start(tag) => {
                let mut element = element(&tag);
                if element.name == "div" {
                    let inner = reader.read_text(tag.name()).expect("a whole div");
                    element.markup = Some(format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", &*inner));
                    stack.last_mut().expect("a parent").children.push(element);
                } else {
                    stack.push(element);
                }
            }
            Event::Empty(tag) => stack.last_mut().expect("a parent").children.push(element(&tag)),
            Event::End(_) => {
                let done = stack.pop().expect("an open element");
                stack.last_mut().expect("a parent").children.push(done);
            }
            Event::Eof => return stack.remove(0).children.remove(0),
            _ => {}
        }
    }
}

fn element(tag: &BytesStart<'_>) -> Element {
    let name = tag.name();
    let attributes = tag.attributes().map(|attribute| {
        let attribute = attribute.expect("an attribute");
        let value = quick_xml::escape::unescape(&attribute.value).expect("escapes").into_owned();
        (attribute.key.as_ref().to_owned(), value)
    });
    Element {
        name: name.as_ref().to_owned(),
        attributes: attributes.filter(|(name, _)| !name.starts_with("xml")).collect(),
        ..Element::default()
    }
}

fn string(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    format!("\"{escaped}\"")
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn is_primitive(&self) -> bool {
        self.attribute("value").is_some()
    }
}

fn write_object(element: &Element, resource_type: Option<&str>, out: &mut String) {
    let mut members: Vec<(String, String)> = Vec::new();
    if let Some(resource_type) = resource_type {
        members.push(("resourceType".to_owned(), string(resource_type)));
    }
    for (name, value) in &element.attributes {
        if name != "value" {
            members.push((name.clone(), string(value)));
        }
    }
    let mut names: Vec<&str> = element.children.iter().map(|child| child.name.as_str()).collect();
    names.dedup();
    for name in names {
        let children: Vec<&Element> = element.children.iter().filter(|child| child.name == name).collect();
        let is_list =
            name == "extension" || LISTS.contains(&format!("{}.{name}", element.name).as_str()) || children.len() > 1;
        let mut values = Vec::new();
        let mut extras = Vec::new();
        for child in &children {
            let mut inner = String::new();
            if let Some(markup) = &child.markup {
                values.push(string(markup));
                extras.push("null".to_owned());
            } else if child.is_primitive() {
                let text = child.attribute("value").unwrap_or_default();
                let plain = matches!(text, "true" | "false")
                    || NUMBERS.contains(&name)
                    || (name == "value" && element.name.ends_with("Quantity"));
                values.push(if plain { text.to_owned() } else { string(text) });
                write_object(child, None, &mut inner);
                extras.push(if inner == "{}" { "null".to_owned() } else { inner });
            } else if name == "contained" {
                write_object(&child.children[0], Some(&child.children[0].name), &mut inner);
                values.push(inner);
            } else if child.children.iter().all(|c| c.name == "extension")
                && !child.children.is_empty()
                && matches!(name, "given" | "family")
            {
                values.push("null".to_owned());
                write_object(child, None, &mut inner);
                extras.push(inner);
            } else {
                write_object(child, None, &mut inner);
                values.push(inner);
            }
        }
        let has_extras = extras.iter().any(|extra| extra != "null");
        if is_list {
            members.push((name.to_owned(), format!("[{}]", values.join(","))));
            if has_extras {
                members.push((format!("_{name}"), format!("[{}]", extras.join(","))));
            }
        } else {
            members.push((name.to_owned(), values.remove(0)));
            if has_extras {
                members.push((format!("_{name}"), extras.remove(0)));
            }
        }
    }
    let body: Vec<String> = members.iter().map(|(name, value)| format!("{}:{value}", string(name))).collect();
    *out = format!("{{{}}}", body.join(","));
}
