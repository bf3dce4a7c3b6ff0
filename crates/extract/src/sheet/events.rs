//! The XML inside workbooks, event by event, with the checks that quick-xml leaves to its callers.

use std::io::BufRead;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::stream::{CHUNK_BYTES, Rationed, is_too_long};

/// One text or tag above this is refused.
const MAX_EVENT_BYTES: usize = 64 * 1024 * 1024;
const MAX_DEPTH: usize = 256;

/// Reads events; every element that begins ends, and an empty element gives both.
pub struct Events<R> {
    reader: Reader<Rationed<R>>,
    buffer: Vec<u8>,
    depth: usize,
    has_root: bool,
}

impl<R: BufRead> Events<R> {
    pub fn new(text: R) -> Self {
        let mut reader = Reader::from_reader(Rationed::new(text, MAX_EVENT_BYTES));
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0, has_root: false }
    }

    /// The next event, `None` at the end. The error says why the document is refused and holds nothing of it.
    pub fn event(&mut self) -> Result<Option<Event<'_>>, String> {
        if self.buffer.capacity() > CHUNK_BYTES {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        self.reader.get_mut().renew();
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) if is_too_long(&error) => "an XML part with a piece of over 64 MB".to_owned(),
            _ => "an XML part is not well-formed".to_owned(),
        })?;
        match &event {
            Event::Start(_) => {
                self.depth += 1;
                self.has_root = true;
                if self.depth > MAX_DEPTH {
                    return Err(format!("an XML part with elements more than {MAX_DEPTH} deep"));
                }
            }
            Event::End(_) => self.depth -= 1,
            Event::DocType(_) => return Err("a document type declaration".to_owned()),
            Event::Eof if self.depth > 0 || !self.has_root => return Err("an XML part breaks off".to_owned()),
            Event::Eof => return Ok(None),
            _ => {}
        }
        Ok(Some(event))
    }

    /// Reads to the end of the element that just began.
    pub fn skip(&mut self) -> Result<(), String> {
        let depth = self.depth;
        while self.depth >= depth {
            self.event()?.ok_or("an XML part breaks off")?;
        }
        Ok(())
    }
}

/// The value of an attribute, by its name without a prefix.
pub fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| "an XML part is not well-formed")?;
        if attribute.key.local_name().as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            return Ok(Some(value.map_err(|_| "an XML part is not well-formed")?.into_owned()));
        }
    }
    Ok(None)
}

/// The text that an event gives, if it gives any.
pub fn text(event: &Event<'_>) -> Result<Option<String>, String> {
    Ok(match event {
        Event::Text(text) => Some(text.xml10_content().into_owned()),
        Event::CData(text) => Some(text.xml10_content().into_owned()),
        Event::GeneralRef(reference) => Some(resolve(reference)?),
        _ => None,
    })
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    if reference.is_char_ref() {
        let c = reference.resolve_char_ref().ok().flatten().ok_or("a character reference to no character")?;
        return Ok(c.to_string());
    }
    let name: &str = reference;
    Ok(resolve_predefined_entity(name).ok_or("an entity that XML itself does not define")?.to_owned())
}
