//! An XML document, checked as it is read: what quick-xml 0.42 lets pass is refused here.
//!
//! quick-xml takes an unclosed root for an end, accepts two roots and text after them, and has no limits; so depth,
//! roots, prefixes, entities and characters are this module's to check. A document type is refused altogether:
//! nothing that it could declare is wanted, and entity expansion is an old attack.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use super::path::RecordPath;
use super::record::{Attribute, Content, Element};
use crate::stream::{CHUNK_BYTES, Rationed, is_not_text, is_too_long};

/// Elements inside each other beyond this are refused.
pub const MAX_DEPTH: usize = 256;
/// A record above this is refused: it has to fit in memory.
pub const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// Why a document was not read to its end.
#[derive(Debug)]
pub enum Broken<E> {
    /// It is not whole or not well-formed: at which byte of its text, and why, without a word of its content.
    Refused { at: u64, reason: String },
    /// A byte is not text in the document's encoding.
    NotText,
    /// The file could not be read; the document may be whole.
    Io(std::io::ErrorKind),
    /// Who takes the records could not go on.
    Taken(E),
}

/// Gives the records of a document to `take`, in document order, each when its end was read. Only when this returns
/// `Ok` is the document whole: what was taken until then may not be kept otherwise.
///
/// `text` is UTF-8 and is not held: one record and one event are, and each is limited to [`MAX_RECORD_BYTES`]. A
/// record inside a record belongs to the outer one.
pub fn each_record<E>(
    text: impl BufRead,
    path: &RecordPath,
    mut take: impl FnMut(Element) -> Result<(), E>,
) -> Result<(), Broken<E>> {
    let mut state = State::default();
    let mut reader = NsReader::from_reader(Rationed::new(text, MAX_RECORD_BYTES));
    reader.config_mut().check_comments = true;
    let mut buffer = Vec::new();
    loop {
        let at = reader.buffer_position();
        buffer.clear();
        reader.get_mut().renew();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => break,
            Ok(event) => event,
            Err(error) => return Err(broken(&error, reader.error_position().max(at), at)),
        };
        let record = state.event(&event, &reader, path).map_err(|reason| Broken::Refused { at, reason })?;
        if let Some(record) = record {
            take(record).map_err(Broken::Taken)?;
        }
        // An event of many megabytes does not make every later one keep its memory.
        if buffer.capacity() > CHUNK_BYTES {
            buffer = Vec::new();
        }
    }
    state.end().map_err(|reason| Broken::Refused { at: reader.buffer_position(), reason })
}

fn broken<E>(error: &quick_xml::Error, error_at: u64, event_at: u64) -> Broken<E> {
    match error {
        quick_xml::Error::Io(error) if is_not_text(error) => Broken::NotText,
        quick_xml::Error::Io(error) if is_too_long(error) => {
            Broken::Refused { at: event_at, reason: format!("a piece of more than {MAX_RECORD_BYTES} bytes") }
        }
        quick_xml::Error::Io(error) => Broken::Io(error.kind()),
        other => Broken::Refused { at: error_at, reason: describe(other) },
    }
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
    /// The record that ends with the event, if one does.
    fn event(
        &mut self,
        event: &Event<'_>,
        reader: &NsReader<impl BufRead>,
        path: &RecordPath,
    ) -> Result<Option<Element>, String> {
        let mut record = None;
        match event {
            Event::Decl(_) if self.has_begun => {
                return Err("an XML declaration that is not at the beginning".to_owned());
            }
            Event::Start(start) => self.start(start, reader, path)?,
            Event::Empty(start) => {
                self.start(start, reader, path)?;
                record = self.close();
            }
            Event::End(_) => record = self.close(),
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
        Ok(record)
    }

    fn start(
        &mut self,
        start: &BytesStart<'_>,
        reader: &NsReader<impl BufRead>,
        path: &RecordPath,
    ) -> Result<(), String> {
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

    fn element(&mut self, start: &BytesStart<'_>, reader: &NsReader<impl BufRead>) -> Result<Element, String> {
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

    fn close(&mut self) -> Option<Element> {
        let depth = self.open.len();
        let element = self.open.pop()?;
        let record = self.record_depth?;
        if record == depth {
            self.record_depth = None;
            return Some(element);
        }
        let parent = self.open.last_mut().expect("a record's own element is still open");
        parent.content.push(Content::Element(element));
        None
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
