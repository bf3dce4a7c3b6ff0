//! One record of an XML file, in memory: elements, attributes and text, with namespaces as URIs.

use std::sync::Arc;

/// An element and all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub uri: Option<Arc<str>>,
    pub local: String,
    pub attributes: Vec<Attribute>,
    pub content: Vec<Content>,
}

/// An attribute; namespace declarations are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub uri: Option<Arc<str>>,
    pub local: String,
    pub value: String,
}

/// What stands inside an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Element(Element),
    Text(String),
}

impl Element {
    pub fn attribute(&self, uri: Option<&str>, local: &str) -> Option<&String> {
        self.attributes.iter().find(|a| a.local == local && a.uri.as_deref() == uri).map(|a| &a.value)
    }

    pub fn children(&self) -> impl Iterator<Item = &Element> {
        self.content.iter().filter_map(|c| match c {
            Content::Element(e) => Some(e),
            Content::Text(_) => None,
        })
    }

    /// All text inside, in document order.
    pub fn string_value(&self) -> String {
        let mut text = String::new();
        self.append_text(&mut text);
        text
    }

    /// The text directly inside; `None` where there is none.
    pub fn own_text(&self) -> Option<String> {
        let mut own: Option<String> = None;
        for content in &self.content {
            if let Content::Text(text) = content {
                own.get_or_insert_default().push_str(text);
            }
        }
        own
    }

    /// About how many bytes of memory the element takes, all that is in it included.
    pub fn weight(&self) -> usize {
        let attributes: usize =
            self.attributes.iter().map(|a| size_of::<Attribute>() + a.local.len() + a.value.len()).sum();
        let content = self.content.iter().map(|content| match content {
            Content::Element(element) => element.weight(),
            Content::Text(text) => size_of::<Content>() + text.len(),
        });
        size_of::<Content>() + self.local.len() + attributes + content.sum::<usize>()
    }

    /// Appends text, joined to text that stands just before it.
    pub fn push_text(&mut self, text: &str) {
        match self.content.last_mut() {
            Some(Content::Text(before)) => before.push_str(text),
            _ => self.content.push(Content::Text(text.to_owned())),
        }
    }

    // Not deeper than the reader's limit, so that the recursion is bounded.
    fn append_text(&self, to: &mut String) {
        for content in &self.content {
            match content {
                Content::Element(e) => e.append_text(to),
                Content::Text(text) => to.push_str(text),
            }
        }
    }
}

/// The root of `xml`, for tests.
#[cfg(test)]
pub(super) fn test_record(xml: &str) -> Element {
    let path = super::path::RecordPath::parse("*", &super::path::Prefixes::new()).unwrap();
    let mut records = Vec::new();
    super::document::each_record(xml.as_bytes(), &path, |record| {
        records.push(record);
        Ok::<_, std::convert::Infallible>(())
    })
    .unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0)
}
