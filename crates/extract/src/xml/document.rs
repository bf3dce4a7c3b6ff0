//! A whole XML document, checked as it is read: what quick-xml 0.42 lets pass is refused here.
//!
//! quick-xml takes an unclosed root for an end, accepts two roots and text after them, and has no limits; so depth,
//! roots, prefixes, entities and characters are this module's to check. A document type is refused altogether:
//! nothing that it could declare is wanted, and entity expansion is an old attack.

use std::collections::BTreeMap;
use std::sync::Arc;

use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use super::path::RecordPath;
use super::record::{Attribute, Content, Element};

/// Elements inside each other beyond this are refused.
pub const MAX_DEPTH: usize = 256;
/// A record above this is refused: it has to fit in memory.
pub const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// Why a document was refused, and where; never a word of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {reason}")]
pub struct XmlFault {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    pub reason: String,
}

/// The records of a document, in document order. All of it is read and checked before one is returned.
///
/// A record inside a record belongs to the outer one.
pub fn records(text: &str, path: &RecordPath) -> Result<Vec<Element>, XmlFault> {
    let mut found = Vec::new();
    let mut state = State::default();
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    let fail = |at: u64, reason: String| {
        let place = epr_model::yaml::position(text, at as usize);
        XmlFault { line: place.line, column: place.column, reason }
    };
    loop {
        let at = reader.buffer_position();
        let event = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => event,
            Err(error) => return Err(fail(reader.error_position().max(at), describe(&error))),
        };
        state.event(&event, &reader, path, &mut found).map_err(|reason| fail(at, reason))?;
    }
    state.end().map_err(|reason| fail(text.len() as u64, reason))?;
    Ok(found)
}

/// The elements that are open, from the root inwards, and where a record began.
#[derive(Default)]
struct State {
    open: Vec<Element>,
    /// The length of `open` when the record's element was on top.
    record_depth: Option<usize>,
    record_bytes: usize,
    has_root: bool,
    has_begun: bool,
    uris: BTreeMap<String, Arc<str>>,
}

impl State {
    fn event(
        &mut self,
        event: &Event<'_>,
        reader: &NsReader<&[u8]>,
        path: &RecordPath,
        found: &mut Vec<Element>,
    ) -> Result<(), String> {
        match event {
            Event::Decl(_) if self.has_begun => {
                return Err("an XML declaration that is not at the beginning".to_owned());
            }
            Event::Start(start) => self.start(start, reader, path)?,
            Event::Empty(start) => {
                self.start(start, reader, path)?;
                self.close(found);
            }
            Event::End(_) => self.close(found),
            Event::Text(text) => self.text(&text.xml10_content())?,
            Event::CData(text) => {
                if self.open.is_empty() {
                    return Err("text outside the root element".to_owned());
                }
                self.text(&text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                let text = resolve(reference)?;
                if self.open.is_empty() {
                    return Err("text outside the root element".to_owned());
                }
                self.text(&text)?;
            }
            Event::DocType(_) => return Err("a document type declaration, which is not accepted".to_owned()),
            Event::PI(_) | Event::Comment(_) | Event::Decl(_) | Event::Eof => {}
        }
        self.has_begun = true;
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>, reader: &NsReader<&[u8]>, path: &RecordPath) -> Result<(), String> {
        if self.open.is_empty() && self.has_root {
            return Err("a second root element".to_owned());
        }
        if self.open.len() == MAX_DEPTH {
            return Err(format!("elements more than {MAX_DEPTH} deep"));
        }
        self.has_root = true;
        let element = self.element(start, reader)?;
        self.count(start.len())?;
        self.open.push(element);
        if self.record_depth.is_none() && path.matches(&self.open) {
            self.record_depth = Some(self.open.len());
            self.record_bytes = 0;
        }
        Ok(())
    }

    fn element(&mut self, start: &BytesStart<'_>, reader: &NsReader<&[u8]>) -> Result<Element, String> {
        let (uri, local) = reader.resolver().resolve_element(start.name());
        let uri = self.uri(&uri)?;
        let mut attributes: Vec<Attribute> = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| describe(&e.into()))?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| BAD_REFERENCE.to_owned())?;
            check_characters(&value)?;
            if attribute.value.contains('<') {
                return Err("a `<` inside an attribute".to_owned());
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (uri, local) = reader.resolver().resolve_attribute(attribute.key);
            let uri = self.uri(&uri)?;
            let local = local.as_ref().to_owned();
            if attributes.iter().any(|a| a.local == local && a.uri == uri) {
                return Err("the same attribute twice".to_owned());
            }
            attributes.push(Attribute { uri, local, value: value.into_owned() });
        }
        Ok(Element { uri, local: local.as_ref().to_owned(), attributes, content: Vec::new() })
    }

    /// One copy of each URI in a document, whatever the number of its elements.
    fn uri(&mut self, resolved: &ResolveResult<'_>) -> Result<Option<Arc<str>>, String> {
        match resolved {
            ResolveResult::Unbound => Ok(None),
            ResolveResult::Unknown(_) => Err("a prefix that is not declared".to_owned()),
            ResolveResult::Bound(namespace) => {
                let uri = unescape(namespace.as_ref()).map_err(|_| BAD_REFERENCE.to_owned())?.into_owned();
                Ok(Some(self.uris.entry(uri.clone()).or_insert_with(|| uri.into()).clone()))
            }
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        check_characters(text)?;
        self.count(text.len())?;
        match self.open.last_mut() {
            None if text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{feff}')) => {}
            None => return Err("text outside the root element".to_owned()),
            // Outside a record nothing is kept but the names of what is open.
            Some(element) if self.record_depth.is_some() => element.push_text(text),
            Some(_) => {}
        }
        Ok(())
    }

    fn close(&mut self, found: &mut Vec<Element>) {
        let depth = self.open.len();
        let Some(element) = self.open.pop() else { return };
        match self.record_depth {
            Some(record) if record == depth => {
                self.record_depth = None;
                found.push(element);
            }
            Some(_) => {
                let parent = self.open.last_mut().expect("a record's own element is still open");
                parent.content.push(Content::Element(element));
            }
            None => {}
        }
    }

    fn count(&mut self, n_bytes: usize) -> Result<(), String> {
        if self.record_depth.is_some() {
            self.record_bytes += n_bytes;
            if self.record_bytes > MAX_RECORD_BYTES {
                return Err(format!("a record of more than {MAX_RECORD_BYTES} bytes"));
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        if !self.open.is_empty() {
            return Err(format!("the file ends inside {} open element(s): it is not whole", self.open.len()));
        }
        if !self.has_root {
            return Err("there is no root element".to_owned());
        }
        Ok(())
    }
}

const BAD_REFERENCE: &str = "an entity or character reference that XML itself does not define";

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    let name: &str = reference;
    if reference.is_char_ref() {
        let c = reference.resolve_char_ref().ok().flatten().ok_or(BAD_REFERENCE)?;
        return Ok(c.to_string());
    }
    Ok(resolve_predefined_entity(name).ok_or(BAD_REFERENCE)?.to_owned())
}

/// XML 1.0 has no control characters but tab and line ends.
fn check_characters(text: &str) -> Result<(), String> {
    let allowed =
        |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.chars().all(allowed) { Ok(()) } else { Err("a character that XML does not allow".to_owned()) }
}

/// What quick-xml found, without the names and values that its own messages quote.
fn describe(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::Syntax(e) => format!("not well-formed: {e}"),
        quick_xml::Error::IllFormed(_) => "not well-formed: tags do not match, or a reference is not ended".to_owned(),
        quick_xml::Error::InvalidAttr(_) => "not well-formed: an attribute".to_owned(),
        quick_xml::Error::Namespace(_) => "not well-formed: a namespace declaration".to_owned(),
        quick_xml::Error::Escape(_) => BAD_REFERENCE.to_owned(),
        quick_xml::Error::Encoding(_) | quick_xml::Error::Io(_) => "it could not be read as text".to_owned(),
    }
}
