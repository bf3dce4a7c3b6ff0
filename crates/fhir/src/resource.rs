//! A resource as a flat tree over its own bytes: order, digits and positions are kept, duplicate keys are seen.
//!
//! Values are found by offset in the text; a string is copied only where an escape must be decoded.
//! One allocation holds all nodes, and [`Resource::parse_json_into`] uses it again for the next resource.

mod mend;
mod parse;

use std::fmt;

pub(crate) use parse::{place, position};

/// The deepest nesting that is read; deeper input is refused before it can exhaust anything.
pub const DEPTH_LIMIT: usize = 100;

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number, its digits as written.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Why bytes are not JSON, and where. The message never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column} (byte {offset}): {what}")]
pub struct SyntaxError {
    /// Bytes before the fault.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, in words.
    pub what: &'static str,
}

/// Something that JSON or XML allows and FHIR does not; the resource was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// Bytes before the fault.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub kind: FaultKind,
    /// The element that it concerns, as FHIRPath with indices; empty where that is not known.
    pub path: String,
    /// The name that was written and has no place; anything at all may stand here.
    pub name: String,
    /// The type in which the name has no place.
    pub type_name: String,
}

/// The kinds of [`SourceFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A key that its object already has; `get` gives the first.
    DuplicateKey,
    /// A comment in JSON.
    Comment,
    /// No comma between two members or items.
    MissingComma,
    /// A comma behind the last member or item.
    ExtraComma,
    /// A member name without quotes.
    UnquotedName,
    /// A text without quotes.
    UnquotedValue,
    /// A number that JSON does not know; 0 was read in its place.
    Number,
    /// An escape that JSON does not know.
    Escape,
    /// A control character in a text, not escaped.
    ControlCharacter,
    /// XML that is not UTF-8, or says so, or does not begin with `<`.
    Encoding,
    /// An element that the type does not have; it was left out with all that it holds.
    Element,
    /// An attribute that the element does not have; it was left out.
    Attribute,
    /// An attribute for XML Schema; it was left out.
    SchemaAttribute,
    /// An element without attributes, elements or text.
    NoContent,
    /// An element in another namespace than FHIR's; it was read as if it were FHIR's.
    Namespace,
    /// An element that stands behind one that comes after it.
    Order,
    /// A text where only elements may be; it was left out.
    Text,
    /// A CDATA section; it was left out.
    CData,
    /// A processing instruction; it was left out.
    Instruction,
    /// A second resource where one may be; it was left out.
    SecondResource,
}

impl FaultKind {
    /// What was expected and what is there instead, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::DuplicateKey => "expected each name once in an object",
            Self::Comment => "expected no comment, found one",
            Self::MissingComma => "expected a comma, found none",
            Self::ExtraComma => "expected another member or item behind the comma, found none",
            Self::UnquotedName => "expected a member name in quotes, found none",
            Self::UnquotedValue => "expected a text in quotes, found none",
            Self::Number => "expected a number of JSON, found another form",
            Self::Escape => "expected an escape of JSON, found another",
            Self::ControlCharacter => "expected control characters to be escaped, found one that is not",
            Self::Encoding => "expected UTF-8, found another encoding",
            Self::Element => "expected an element of the type, found another",
            Self::Attribute => "expected an attribute that the element has, found another",
            Self::SchemaAttribute => "expected no attribute for XML Schema, found one",
            Self::NoContent => "expected a value or children, found an empty element",
            Self::Namespace => "expected the namespace http://hl7.org/fhir, found another",
            Self::Order => "expected the order of the definition, found an element too late",
            Self::Text => "expected elements, found a text",
            Self::CData => "expected no CDATA section, found one",
            Self::Instruction => "expected no processing instruction, found one",
            Self::SecondResource => "expected one resource, found two",
        }
    }
}

impl SourceFault {
    pub(crate) fn new(offset: usize, kind: FaultKind) -> Self {
        Self { offset, line: 1, column: 1, kind, path: String::new(), name: String::new(), type_name: String::new() }
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {} (byte {}): {}", self.line, self.column, self.offset, self.kind.text())
    }
}

/// One JSON document, read.
///
/// A new one holds `null`. `Debug` shows sizes only, since a resource is patient data.
#[derive(Clone)]
pub struct Resource {
    /// The document as written.
    text: String,
    /// Decoded texts of strings and keys that had escapes.
    decoded: String,
    /// Nodes in written order; a container comes before what it holds.
    slots: Vec<Slot>,
    faults: Vec<SourceFault>,
    scratch: parse::Scratch,
    /// What was written, where the document was made from that.
    origin: Option<Origin>,
}

/// A text that was turned into JSON, and where in it the values stand.
#[derive(Debug, Clone)]
struct Origin {
    text: String,
    /// Offsets in the JSON, rising, and those of the same values in the text.
    places: Vec<(u32, u32)>,
    is_xml: bool,
}

/// One value: where it stands, where its text is, where the next one after it (and all it holds) is.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u32,
    end: u32,
    text: Span,
    key: Span,
    next: u32,
    kind: NodeKind,
    /// Its object has an earlier member of its name.
    is_repeated: bool,
}

/// A text, either in the document or among the decoded ones (top bit of `end`).
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

const DECODED: u32 = 1 << 31;

impl Default for Resource {
    fn default() -> Self {
        let mut resource = Self {
            text: String::new(),
            decoded: String::new(),
            slots: Vec::new(),
            faults: Vec::new(),
            scratch: parse::Scratch::default(),
            origin: None,
        };
        resource.clear();
        resource
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({} bytes, {} nodes)", self.text.len(), self.slots.len())
    }
}

impl Resource {
    /// Reads one JSON document (RFC 8259, UTF-8, no byte order mark).
    pub fn parse_json(bytes: &[u8]) -> Result<Self, SyntaxError> {
        let mut resource = Self::default();
        resource.parse_json_into(bytes)?;
        Ok(resource)
    }

    /// Reads one JSON document into this one, using its allocations again. After an error it holds `null`.
    pub fn parse_json_into(&mut self, bytes: &[u8]) -> Result<(), SyntaxError> {
        self.origin = None;
        let read = parse::parse(self, bytes);
        if read.is_err() {
            self.clear();
        }
        read
    }

    /// As [`Resource::parse_json_into`], and what is nearly JSON is read as well, each departure being a fault.
    ///
    /// A byte order mark is passed over: it is no part of JSON, but many editors write one.
    pub fn parse_nearly_json_into(&mut self, bytes: &[u8]) -> Result<(), SyntaxError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let Err(error) = self.parse_json_into(bytes) else { return Ok(()) };
        let mended = std::str::from_utf8(bytes).ok().and_then(mend::mend);
        let Some(mended) = mended.filter(|mended| !mended.faults.is_empty()) else { return Err(error) };
        self.parse_json_into(&mended.json).map_err(|_| error)?;
        self.faults.extend(mended.faults);
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.origin = Some(Origin { text, places: mended.places, is_xml: false });
        Ok(())
    }

    /// What JSON or XML allows and FHIR does not, in written order.
    pub fn faults(&self) -> &[SourceFault] {
        &self.faults
    }

    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        Node { resource: self, index: 0 }
    }

    /// The bytes as they were read.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The bytes as they were written: XML, where the document is the JSON of that.
    pub fn written(&self) -> &[u8] {
        self.origin.as_ref().map_or(&self.text, |origin| &origin.text).as_bytes()
    }

    /// Where in [`Resource::written`] the value stands that begins at an offset of the document.
    pub fn written_offset(&self, offset: usize) -> usize {
        let Some(origin) = &self.origin else { return offset };
        let after = origin.places.partition_point(|(json, _)| *json as usize <= offset);
        after.checked_sub(1).map_or(0, |at| origin.places[at].1 as usize)
    }

    /// The line and column (both from 1, the column in characters) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        parse::position(self.text.as_bytes(), offset)
    }

    /// Puts the faults of the XML that was turned into this JSON in the place of those of the JSON.
    ///
    /// Members of one name are elements that repeat where they may not; each is looked at.
    pub(crate) fn comes_from_xml(&mut self, text: String, places: Vec<(u32, u32)>, faults: Vec<SourceFault>) {
        if !self.faults.is_empty() {
            self.slots.iter_mut().for_each(|slot| slot.is_repeated = false);
        }
        self.faults = faults;
        self.origin = Some(Origin { text, places, is_xml: true });
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.text.push_str("null");
        self.decoded.clear();
        self.faults.clear();
        self.origin = None;
        self.slots.clear();
        self.slots.push(Slot {
            start: 0,
            end: 4,
            text: Span::default(),
            key: Span::default(),
            next: 1,
            kind: NodeKind::Null,
            is_repeated: false,
        });
    }

    #[inline]
    fn text_of(&self, span: Span) -> &str {
        if span.end & DECODED == 0 {
            &self.text[span.start as usize..span.end as usize]
        } else {
            &self.decoded[span.start as usize..(span.end & !DECODED) as usize]
        }
    }
}

/// One value inside a [`Resource`].
#[derive(Clone, Copy)]
pub struct Node<'a> {
    resource: &'a Resource,
    index: u32,
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({:?} at byte {})", self.kind(), self.offset())
    }
}

impl<'a> Node<'a> {
    /// What the value is.
    #[inline]
    pub fn kind(self) -> NodeKind {
        self.slot().kind
    }

    /// The member of an object by its name; the first where a name is written twice.
    pub fn get(self, name: &str) -> Option<Node<'a>> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The text of a string member: `get(name)` and [`Node::as_str`] in one.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_str()
    }

    /// The members of an object in written order; nothing for any other value.
    #[inline]
    pub fn members(self) -> impl Iterator<Item = (&'a str, Node<'a>)> + use<'a> {
        self.held(NodeKind::Object).map(|node| (node.resource.text_of(node.slot().key), node))
    }

    /// The members whose names begin with a text, an underscore before it or not: `value` gives `valueString` and
    /// `_valueString`. Names that are shorter are passed over unread, which makes it quicker than [`Node::members`].
    #[inline]
    pub fn members_beginning<'n>(self, with: &'n str) -> impl Iterator<Item = (&'a str, Node<'a>)> + use<'a, 'n> {
        let with = with.as_bytes();
        self.held(NodeKind::Object).filter_map(move |node| {
            let key = node.slot().key;
            if with.len() > ((key.end & !DECODED) - key.start) as usize {
                return None;
            }
            let name = node.resource.text_of(key);
            let bytes = name.as_bytes();
            let bare = if bytes.first() == Some(&b'_') { &bytes[1..] } else { bytes };
            // Most have another first letter.
            ((bare.first() == with.first() || with.is_empty()) && bare.starts_with(with)).then_some((name, node))
        })
    }

    /// All nodes below, whatever their depth, in written order and with their names (the items of an array have none).
    /// Where `entered` refuses a name, that member and all below it are left out.
    #[inline]
    pub fn below<F: Fn(&str) -> bool>(self, entered: F) -> impl Iterator<Item = (&'a str, Node<'a>)> + use<'a, F> {
        let (mut index, end) = (self.index + 1, self.slot().next);
        std::iter::from_fn(move || {
            while index < end {
                let node = Node { resource: self.resource, index };
                let slot = node.slot();
                let name = node.resource.text_of(slot.key);
                let is_entered = entered(name);
                index = if is_entered { index + 1 } else { slot.next };
                if is_entered {
                    return Some((name, node));
                }
            }
            None
        })
    }

    /// The items of an array in written order; nothing for any other value.
    #[inline]
    pub fn items(self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.held(NodeKind::Array)
    }

    /// The text of a string, escapes decoded.
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        (self.kind() == NodeKind::String).then(|| self.resource.text_of(self.slot().text))
    }

    /// The digits of a number as written.
    pub fn number_text(self) -> Option<&'a str> {
        (self.kind() == NodeKind::Number).then(|| self.as_written())
    }

    /// The value of `true` and `false`.
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == NodeKind::Bool).then(|| self.as_written() == "true")
    }

    /// Whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == NodeKind::Null
    }

    /// The value as written, with its quotes, brackets and the white space inside.
    pub fn raw(self) -> &'a [u8] {
        self.as_written().as_bytes()
    }

    /// Bytes before the value in the document.
    pub fn offset(self) -> usize {
        self.slot().start as usize
    }

    /// Whether it is a member whose object has an earlier one of its name: a fault of its own, and not to be judged.
    pub fn is_repeated(self) -> bool {
        self.slot().is_repeated
    }

    /// Whether the document was XML.
    pub fn is_from_xml(self) -> bool {
        self.resource.origin.as_ref().is_some_and(|origin| origin.is_xml)
    }

    /// The identity of the node inside its resource: equal addresses are the same node. Rises in written order.
    pub fn address(self) -> usize {
        self.index as usize
    }

    #[inline]
    fn slot(self) -> &'a Slot {
        &self.resource.slots[self.index as usize]
    }

    fn as_written(self) -> &'a str {
        let slot = self.slot();
        &self.resource.text[slot.start as usize..slot.end as usize]
    }

    #[inline]
    fn held(self, kind: NodeKind) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let slot = self.slot();
        let (mut index, end) = if slot.kind == kind { (self.index + 1, slot.next) } else { (0, 0) };
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let node = Node { resource: self.resource, index };
                index = node.slot().next;
                node
            })
        })
    }
}
