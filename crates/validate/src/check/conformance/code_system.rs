//! CodeSystem: its properties, codes, counts, and what it supplements.

use std::collections::{BTreeMap, BTreeSet};

use epr_fhir::Node;
use epr_fhir::definitions::Content;

use super::Way;
use crate::check::walk::Walk;

/// The base of the URIs of FHIR's own concept properties.
const PROPERTIES: &str = "http://hl7.org/fhir/concept-properties#";

/// FHIR's concept properties (R4, CodeSystem, "Defined Concept Properties", and those of later versions with the same
/// base) with their types.
const KNOWN: &[(&str, &str)] = &[
    ("status", "code"),
    ("inactive", "boolean"),
    ("effectiveDate", "dateTime"),
    ("deprecationDate", "dateTime"),
    ("retirementDate", "dateTime"),
    ("notSelectable", "boolean"),
    ("parent", "code"),
    ("child", "code"),
    ("partOf", "code"),
    ("synonym", "code"),
    ("comment", "string"),
    ("itemWeight", "decimal"),
];

/// Properties whose values are codes of the same system.
const TO_OWN_CODES: &[&str] = &["parent", "child", "partOf", "synonym"];

/// How deep concepts are followed; the reader of resources allows no more.
const DEPTH: usize = epr_fhir::resource::DEPTH_LIMIT;

/// What a property is defined as.
struct Property<'r> {
    value_type: Option<&'r str>,
    /// Its values are codes of this system.
    is_own_code: bool,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn code_system(&mut self, node: Node<'r>) {
        let mut concepts = Vec::new();
        flatten(node, &mut Vec::new(), &mut concepts);
        self.code_system_head(node, concepts.len());
        self.whole_value_set(node);
        self.supplement(node, &concepts);
        let properties = self.properties(node);
        let mut codes = BTreeSet::new();
        for (way, concept) in &concepts {
            let Some(code) = concept.text("code") else { continue };
            self.demand(way, codes.insert(code), || "expected each code once, found one twice".to_owned());
        }
        let mut seen = BTreeSet::new();
        for (way, concept) in &concepts {
            for (at, property) in concept.get("property").into_iter().flat_map(Node::items).enumerate() {
                let mut way = way.clone();
                way.push(("property", Some(at)));
                self.property_value(&way, property, &properties, &codes, &mut seen);
            }
        }
    }

    /// What the head of the resource says of its content.
    fn code_system_head(&mut self, node: Node<'r>, n_concepts: usize) {
        let content = node.text("content").filter(|content| !content.is_empty());
        if node.text("supplements").is_some_and(|supplements| !supplements.is_empty()) {
            self.demand(&[("content", None)], content == Some("supplement"), || {
                "expected content to be supplement, as the resource supplements another".to_owned()
            });
            self.demand(&[("caseSensitive", None)], node.get("caseSensitive").is_none(), || {
                "expected no caseSensitive: that is for what the resource supplements to say".to_owned()
            });
        } else {
            self.demand(&[("content", None)], content != Some("supplement"), || {
                "expected supplements to name the system that is supplemented, found nothing".to_owned()
            });
            if content == Some("supplement") {
                self.demand(&[], false, || "expected supplements in a supplement, found nothing".to_owned());
            }
            let is_hl7 = node.text("url").is_some_and(|url| url.contains("hl7.org") || url.contains("fhir.org"));
            self.demand(&[("content", None)], content.is_some() || !is_hl7, || {
                "expected content, found nothing".to_owned()
            });
        }
        let stated = node.get("count").and_then(Node::number_text).and_then(|count| count.parse::<usize>().ok());
        if let (Some(stated), Some("complete")) = (stated, content) {
            self.demand(&[("count", None)], stated == n_concepts, || {
                format!("expected count to be the number of concepts, {n_concepts}, found another")
            });
        }
        self.demand(&[("concept", Some(0))], n_concepts == 0 || content != Some("not-present"), || {
            "expected no concepts, as the content is not present, found some".to_owned()
        });
    }

    /// The value set of a code system is all of it, and nothing else.
    fn whole_value_set(&mut self, node: Node<'r>) {
        let definitions = self.checker.program.definitions;
        let Some(value_set) = node.text("valueSet").and_then(|url| definitions.value_set(url)) else { return };
        let url = node.text("url");
        let holds = match value_set.include.as_slice() {
            [only] => {
                only.system.as_deref() == url
                    && only.value_sets.is_empty()
                    && only.codes.is_empty()
                    && only.filters.is_empty()
            }
            _ => false,
        };
        self.demand(&[], holds, || {
            "expected the value set of valueSet to be all codes of this system and no others, found it otherwise"
                .to_owned()
        });
    }

    /// A supplement says more of codes that are there.
    fn supplement(&mut self, node: Node<'r>, concepts: &[(Vec<Way<'static>>, Node<'r>)]) {
        let definitions = self.checker.program.definitions;
        let Some(system) = node.text("supplements").and_then(|url| definitions.code_system(url)) else { return };
        if system.content != Content::Complete {
            return;
        }
        for (way, code) in concepts.iter().filter_map(|(way, concept)| Some((way, concept.text("code")?))) {
            // Only those at the top are looked up, as the reference validator has it.
            if way.len() == 1 {
                self.demand(way, system.concept(code).is_some(), || {
                    "expected a code of the system that is supplemented, found a code outside it".to_owned()
                });
            }
        }
    }

    /// The properties that the system defines, by code.
    fn properties(&mut self, node: Node<'r>) -> BTreeMap<&'r str, Property<'r>> {
        let own_url = node.text("url").unwrap_or_default();
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut by_code = BTreeMap::new();
        for (at, property) in node.get("property").into_iter().flat_map(Node::items).enumerate() {
            let way = [("property", Some(at))];
            let (code, value_type) = (property.text("code"), property.text("type"));
            let mut known = None;
            if let Some(uri) = property.text("uri") {
                let is_absolute = uri.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
                let is_new = self.demand(&way, is_absolute, || {
                    "expected an absolute URI of a property, found a relative one".to_owned()
                }) && self.demand(&way, !taken.contains(uri), || {
                    "expected each URI of a property once, found one twice".to_owned()
                });
                if is_new {
                    taken.insert(uri);
                }
                known = uri.strip_prefix(PROPERTIES).and_then(|name| KNOWN.iter().find(|(known, _)| *known == name));
                if known.is_none() && is_absolute && uri.contains("://hl7.org/fhir") {
                    let is_own = own_url.strip_prefix("http://hl7.org/fhir/").is_some_and(|rest| !rest.contains('/'))
                        || (!own_url.is_empty() && uri.starts_with(own_url));
                    self.demand(&way, is_own, || "expected a property that FHIR has, found another".to_owned());
                }
            }
            let is_own_code = known.is_some_and(|(name, _)| TO_OWN_CODES.contains(name));
            if let Some(code) = code {
                let is_new = self.demand(&way, !taken.contains(code), || {
                    "expected each code of a property once, found one twice".to_owned()
                });
                if is_new {
                    taken.insert(code);
                    by_code.insert(code, Property { value_type, is_own_code });
                }
            }
            if let Some((name, known_type)) = known {
                let clashes = code.is_some_and(|code| code != *name && KNOWN.iter().any(|(known, _)| *known == code));
                self.demand(&way, !clashes, || {
                    format!("expected the code {name}, as the URI says, found that of another property")
                });
                self.demand(&way, value_type.is_none_or(|given| given == *known_type), || {
                    format!("expected the type {known_type} for the property {name}, found another")
                });
            }
        }
        by_code
    }

    fn property_value(
        &mut self,
        way: &[Way<'static>],
        property: Node<'r>,
        properties: &BTreeMap<&'r str, Property<'r>>,
        codes: &BTreeSet<&'r str>,
        seen: &mut BTreeSet<&'r str>,
    ) {
        let Some(code) = property.text("code") else { return };
        let value = property.members().find(|(name, _)| name.starts_with("value"));
        if !self.demand(way, value.is_some(), || "expected a value of the property, found none".to_owned()) {
            return;
        }
        let (Some(defined), Some((name, value))) = (properties.get(code), value) else { return };
        let given = &name["value".len()..];
        let fits = defined.value_type.is_none_or(|asked| asked.eq_ignore_ascii_case(given));
        let asked = defined.value_type.unwrap_or_default();
        if self.demand(way, fits, || format!("expected a value of the type {asked}, as the property is defined"))
            && defined.is_own_code
            && let Some(to) = value.as_str()
            && seen.insert(to)
        {
            self.demand(way, codes.contains(to), || {
                "expected a code of this system as the value, found another".to_owned()
            });
        }
    }
}

/// All concepts with their ways, in written order.
fn flatten<'r>(node: Node<'r>, way: &mut Vec<Way<'static>>, found: &mut Vec<(Vec<Way<'static>>, Node<'r>)>) {
    if way.len() > DEPTH {
        return;
    }
    for (at, concept) in node.get("concept").into_iter().flat_map(Node::items).enumerate() {
        way.push(("concept", Some(at)));
        found.push((way.clone(), concept));
        flatten(concept, way, found);
        way.pop();
    }
}
