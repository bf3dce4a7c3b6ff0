//! Reading ValueSet and CodeSystem resources.

use std::collections::HashMap;

use super::terminology::{CodeSystem, Concept, ConceptSet, Content, Designation, Expansion, Filter, ValueSet};
use crate::resource::Node;

const TOO_COSTLY: &str = "http://hl7.org/fhir/StructureDefinition/valueset-toocostly";
const UNCLOSED: &str = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed";

impl ValueSet {
    /// Reads a ValueSet resource. `None` where it has no URL.
    pub fn read(resource: Node<'_>) -> Option<Self> {
        let sets = |member: &str| {
            let compose = resource.get("compose").and_then(|compose| compose.get(member));
            compose.into_iter().flat_map(Node::items).map(ConceptSet::read).collect()
        };
        Some(Self {
            url: resource.text("url")?.to_owned(),
            version: resource.text("version").map(str::to_owned),
            name: resource.text("name").unwrap_or_default().to_owned(),
            include: sets("include"),
            exclude: sets("exclude"),
            expansion: resource.get("expansion").map(Expansion::read),
            is_active_only: resource.get("compose").and_then(|c| c.get("inactive")).and_then(Node::as_bool)
                == Some(false),
        })
    }
}

impl ConceptSet {
    fn read(node: Node<'_>) -> Self {
        let items = |member: &str| node.get(member).into_iter().flat_map(Node::items);
        Self {
            system: node.text("system").map(str::to_owned),
            version: node.text("version").map(str::to_owned),
            codes: items("concept").filter_map(|concept| concept.text("code")).map(str::to_owned).collect(),
            displays: items("concept").filter_map(|concept| texts(concept)).collect(),
            filters: items("filter").map(Filter::read).collect(),
            value_sets: items("valueSet").filter_map(Node::as_str).map(str::to_owned).collect(),
        }
    }
}

/// The code of a listed concept with all its texts; `None` where it has none.
fn texts(concept: Node<'_>) -> Option<(String, Vec<String>)> {
    let designations = concept.get("designation").into_iter().flat_map(Node::items);
    let texts = concept.text("display").into_iter().chain(designations.filter_map(|d| d.text("value")));
    let texts: Vec<String> = texts.map(str::to_owned).collect();
    if texts.is_empty() { None } else { Some((concept.text("code")?.to_owned(), texts)) }
}

impl Filter {
    /// A part that is missing is read as empty, which no evaluation accepts: a broken filter must not widen a value set.
    fn read(node: Node<'_>) -> Self {
        let part = |member: &str| node.text(member).unwrap_or_default().to_owned();
        Self { property: part("property"), op: part("op"), value: part("value") }
    }
}

impl Expansion {
    fn read(node: Node<'_>) -> Self {
        let says = |url: &str| {
            let extensions = node.get("extension").into_iter().flat_map(Node::items);
            extensions.filter(|extension| extension.text("url") == Some(url)).count() > 0
        };
        let mut expansion = Self { is_complete: !says(TOO_COSTLY) && !says(UNCLOSED), ..Self::default() };
        let mut n_codes = 0_usize;
        let mut open: Vec<Node<'_>> = node.get("contains").into_iter().flat_map(Node::items).collect();
        while let Some(entry) = open.pop() {
            n_codes += 1;
            open.extend(entry.get("contains").into_iter().flat_map(Node::items));
            if let (Some(code), Some(display)) = (entry.text("code"), entry.text("display")) {
                expansion.displays.insert(code.to_owned(), display.to_owned());
            }
            let is_abstract = entry.get("abstract").and_then(Node::as_bool) == Some(true);
            if let (Some(system), Some(code), false) = (entry.text("system"), entry.text("code"), is_abstract) {
                expansion.codes.entry(system.to_owned()).or_default().insert(code.to_owned());
            }
        }
        // A page of a larger expansion says how many codes there are in all.
        if let Some(total) = node.get("total").and_then(Node::number_text) {
            expansion.is_complete &= total.parse::<usize>().is_ok_and(|total| total <= n_codes);
        }
        expansion.is_complete &= n_codes > 0;
        expansion
    }
}

impl CodeSystem {
    /// Reads a CodeSystem resource. `None` where it has no URL.
    pub fn read(resource: Node<'_>) -> Option<Self> {
        let items = |member: &str| resource.get(member).into_iter().flat_map(Node::items);
        let property = |node: Node<'_>| Some((node.text("code")?.to_owned(), node.text("type")?.to_owned()));
        let filter = |node: Node<'_>| {
            let operators = node.get("operator").into_iter().flat_map(Node::items).filter_map(Node::as_str);
            Some((node.text("code")?.to_owned(), operators.map(str::to_owned).collect()))
        };
        let mut system = Self {
            url: resource.text("url")?.to_owned(),
            version: resource.text("version").map(str::to_owned),
            name: resource.text("name").unwrap_or_default().to_owned(),
            content: match resource.text("content") {
                Some("complete") => Content::Complete,
                Some("fragment") => Content::Fragment,
                Some("example") => Content::Example,
                Some("supplement") => Content::Supplement,
                _ => Content::NotPresent,
            },
            // A system that says nothing is read as the reference validator reads it: case does not count.
            case_sensitive: resource.get("caseSensitive").and_then(Node::as_bool) == Some(true),
            language: resource.text("language").map(str::to_owned),
            supplements: resource.text("supplements").map(str::to_owned),
            value_set: resource.text("valueSet").map(str::to_owned),
            property_types: items("property").filter_map(property).collect(),
            filters: items("filter").filter_map(filter).collect(),
            has_hierarchy_meaning: resource.get("hierarchyMeaning").is_some(),
            concepts: Vec::new(),
            index: HashMap::new(),
            index_lower: HashMap::new(),
        };
        let mut related = Vec::new();
        let top = resource.get("concept").into_iter().flat_map(Node::items);
        let mut open: Vec<(Node<'_>, Option<u32>)> = top.map(|concept| (concept, None)).collect();
        open.reverse();
        while let Some((node, parent)) = open.pop() {
            let at = system.concepts.len() as u32;
            if let Some(concept) = Concept::read(node, parent, at, &mut related) {
                system.concepts.push(concept);
                let nested = node.get("concept").into_iter().flat_map(Node::items);
                let before = open.len();
                open.extend(nested.map(|child| (child, Some(at))));
                open[before..].reverse();
            }
        }
        system.build_index();
        for (child, parent) in related {
            let resolve = |end: End| match end {
                End::Here(at) => Some(at),
                End::Code(code) => system.index.get(&code).copied(),
            };
            if let (Some(child), Some(parent)) = (resolve(child), resolve(parent)) {
                let parents = &mut system.concepts[child as usize].parents;
                if child != parent && !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
        }
        Some(system)
    }

    pub(super) fn build_index(&mut self) {
        // The first of two equal codes wins, so the list is walked from its end.
        self.index =
            self.concepts.iter().enumerate().rev().map(|(at, concept)| (concept.code.clone(), at as u32)).collect();
        if !self.case_sensitive {
            let lower = |(at, concept): (usize, &Concept)| (concept.code.to_lowercase(), at as u32);
            self.index_lower = self.concepts.iter().enumerate().rev().map(lower).collect();
        }
    }
}

/// One end of a parent relation that a property states.
enum End {
    Here(u32),
    Code(String),
}

impl Concept {
    fn read(node: Node<'_>, parent: Option<u32>, at: u32, related: &mut Vec<(End, End)>) -> Option<Self> {
        let mut concept = Self {
            code: node.text("code")?.to_owned(),
            display: node.text("display").map(str::to_owned),
            parents: parent.into_iter().collect(),
            ..Self::default()
        };
        let items = |member: &str| node.get(member).into_iter().flat_map(Node::items);
        let designation = |node: Node<'_>| {
            let language = node.text("language").map(str::to_owned);
            Some(Designation { language, value: node.text("value")?.to_owned() })
        };
        concept.designations = items("designation").filter_map(designation).collect();
        for property in items("property") {
            let Some(code) = property.text("code") else { continue };
            let Some((_, value)) = property.members().find(|(member, _)| member.starts_with("value")) else { continue };
            let text = match value.as_str().or(value.number_text()) {
                Some(text) => text.to_owned(),
                None if value.as_bool().is_some() => String::from_utf8_lossy(value.raw()).into_owned(),
                None => match value.text("code") {
                    Some(code) => code.to_owned(),
                    None => continue,
                },
            };
            match code {
                "parent" | "subsumedBy" => related.push((End::Here(at), End::Code(text.clone()))),
                "child" => related.push((End::Code(text.clone()), End::Here(at))),
                _ => {}
            }
            concept.properties.push((code.to_owned(), text));
        }
        Some(concept)
    }
}

impl ValueSet {
    /// Reads a ValueSet that another resource contains: such a one needs no URL.
    pub fn read_contained(resource: Node<'_>) -> Self {
        let compose = resource.get("compose");
        let sets = |member: &str| {
            let sets = compose.and_then(|compose| compose.get(member));
            sets.into_iter().flat_map(Node::items).map(ConceptSet::read).collect()
        };
        Self {
            url: resource.text("url").unwrap_or_default().to_owned(),
            include: sets("include"),
            exclude: sets("exclude"),
            expansion: resource.get("expansion").map(Expansion::read),
            ..Self::default()
        }
    }
}
