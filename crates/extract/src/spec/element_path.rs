//! Values inside a FHIR resource: `subject.reference`, `code.coding[0].code`, `identifier[system=https://…].value`,
//! `extension[https://…/ethnicity].valueCodeableConcept.text`.
//!
//! A step is an element's name. Behind it may stand `[0]` (counted from 0, as in FHIRPath), `[element=text]` or, for
//! `[element=text]` on `url`, the canonical URL alone. Without one, all items of a list are meant.

use std::fmt;

use epr_fhir::resource::{Node, NodeKind};

/// A path, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: String,
    which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    All,
    At(usize),
    With(String, String),
}

/// Why a text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementPathFault;

impl fmt::Display for ElementPathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path is names with points between them, each perhaps with `[0]`, `[name=text]` or `[url]`")
    }
}

impl ElementPath {
    pub fn parse(text: &str) -> Result<Self, ElementPathFault> {
        let mut steps = Vec::new();
        let mut rest = text.trim();
        loop {
            let step;
            (step, rest) = Step::parse(rest)?;
            steps.push(step);
            match rest.strip_prefix('.') {
                Some(after) => rest = after,
                None if rest.is_empty() => return Ok(Self { steps }),
                None => return Err(ElementPathFault),
            }
        }
    }

    /// All values that it gives, in order, as text: a string decoded, a number with its digits, an object or a list
    /// as it is written. `null` is no value.
    pub fn values(&self, resource: Node<'_>) -> Vec<String> {
        let mut found = vec![resource];
        for step in &self.steps {
            found = found.into_iter().flat_map(|node| step.of(node)).collect();
        }
        found.into_iter().filter_map(text_of).collect()
    }
}

impl Step {
    fn parse(text: &str) -> Result<(Self, &str), ElementPathFault> {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() {
            return Err(ElementPathFault);
        }
        let name = name.to_owned();
        let Some(inside) = rest.strip_prefix('[') else { return Ok((Self { name, which: Which::All }, rest)) };
        let (inside, rest) = inside.split_once(']').ok_or(ElementPathFault)?;
        let which = if let Ok(at) = inside.parse() {
            Which::At(at)
        } else if let Some((element, value)) = inside.split_once('=').filter(|(e, _)| is_name(e)) {
            Which::With(element.to_owned(), value.trim_matches('\'').to_owned())
        } else if inside.contains(':') {
            Which::With("url".to_owned(), inside.to_owned())
        } else {
            return Err(ElementPathFault);
        };
        Ok((Self { name, which }, rest))
    }

    fn of<'r>(&self, node: Node<'r>) -> Vec<Node<'r>> {
        if node.kind() != NodeKind::Object {
            return Vec::new();
        }
        let Some(member) = node.get(&self.name) else { return Vec::new() };
        let items: Vec<Node<'r>> =
            if member.kind() == NodeKind::Array { member.items().collect() } else { vec![member] };
        match &self.which {
            Which::All => items,
            Which::At(at) => items.into_iter().skip(*at).take(1).collect(),
            Which::With(element, value) => items
                .into_iter()
                .filter(|item| item.kind() == NodeKind::Object && item.text(element) == Some(value.as_str()))
                .collect(),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn text_of(node: Node<'_>) -> Option<String> {
    match node.kind() {
        NodeKind::Null => None,
        NodeKind::String => node.as_str().map(str::to_owned),
        _ => String::from_utf8(node.raw().to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use epr_fhir::resource::Resource;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_gives_texts_digits_and_what_is_written() {
        let json = br#"{"status":"a\u00e9","n":1.50,"b":true,"code":{"coding":[{"code":"x"},{"code":"y"}]},
            "extension":[{"url":"http://a.example/e","valueCoding":{"code":"z"}}],
            "identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"}],"gone":null}"#;
        let resource = Resource::parse_json(json).unwrap();
        for (path, expected) in [
            ("status", vec!["aé"]),
            ("n", vec!["1.50"]),
            ("b", vec!["true"]),
            ("code.coding.code", vec!["x", "y"]),
            ("code.coding[1].code", vec!["y"]),
            ("code.coding[1]", vec!["{\"code\":\"y\"}"]),
            ("code.coding[2].code", vec![]),
            ("extension[http://a.example/e].valueCoding.code", vec!["z"]),
            ("identifier[system=urn:b].value", vec!["2"]),
            ("gone", vec![]),
            ("status.code", vec![]),
            ("absent.code", vec![]),
        ] {
            assert_eq!(ElementPath::parse(path).unwrap().values(resource.root()), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".a", "a.", "a..b", "a[", "a[x]", "a[0", "a b", "a[0]b", "a.where(x)"] {
            assert_eq!(ElementPath::parse(text), Err(ElementPathFault), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z.\\[\\]=:0-9é]{0,20}") {
            let _ = ElementPath::parse(&text);
        }
    }
}
