//! An XML document as a flat tree: strict, one pass, no entity but the five of XML, no document type.
//!
//! What is kept is what FHIR needs: elements with their namespaces and places, attributes, and where text, CDATA or
//! processing instructions stand among them. Names and values point into the document; a value is copied only where a
//! reference or a line end must be read. Source: XML 1.0, Namespaces in XML 1.0.

use std::borrow::Cow;

use crate::resource::DEPTH_LIMIT;

/// More prefixes in scope than any document needs: each look-up is a search through them.
const PREFIX_LIMIT: usize = 64;
/// Offsets are kept in 32 bits.
const LENGTH_LIMIT: usize = i32::MAX as usize;

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Where a document is not well-formed, and why.
pub(super) type Fault = (usize, &'static str);

/// A document: its elements in written order, `[0]` being the root.
pub(super) struct Tree<'x> {
    pub(super) text: &'x str,
    pub(super) elements: Vec<Element<'x>>,
    pub(super) attributes: Vec<Attribute<'x>>,
    /// What stands in elements beside elements: the element's place, and what; in written order of its end.
    pub(super) strays: Vec<Stray>,
    /// Offsets of processing instructions outside the root.
    pub(super) instructions: Vec<usize>,
}

/// One element.
pub(super) struct Element<'x> {
    pub(super) name: &'x str,
    /// The name without its prefix.
    pub(super) local: &'x str,
    /// `None` where it is in no namespace.
    pub(super) namespace: Option<&'x str>,
    /// Its attributes in [`Tree::attributes`], declarations of namespaces left out.
    pub(super) attributes: (u32, u32),
    /// The first element behind it and all it holds.
    pub(super) next: u32,
    /// From `<` to behind the last `>`.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Where the name of the end tag stands; 0 for an empty-element tag.
    pub(super) end_name: u32,
    /// Whether its start tag says what `xmlns` is.
    pub(super) declares_default: bool,
}

/// One attribute that declares no namespace.
pub(super) struct Attribute<'x> {
    pub(super) name: &'x str,
    pub(super) local: &'x str,
    pub(super) namespace: Option<&'x str>,
    pub(super) value: Cow<'x, str>,
    pub(super) start: u32,
}

/// Something in an element that is neither an element nor white space nor a comment.
pub(super) struct Stray {
    pub(super) element: u32,
    pub(super) start: u32,
    pub(super) kind: StrayKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StrayKind {
    Text,
    CData,
    Instruction,
}

impl<'x> Tree<'x> {
    pub(super) fn read(text: &'x str) -> Result<Self, Fault> {
        if text.len() > LENGTH_LIMIT {
            return Err((0, "the document is larger than 2 GiB"));
        }
        characters(text)?;
        let tree =
            Tree { text, elements: Vec::new(), attributes: Vec::new(), strays: Vec::new(), instructions: Vec::new() };
        let mut reader = Reader { tree, at: 0, open: Vec::new(), prefixes: Vec::new() };
        reader.document()?;
        Ok(reader.tree)
    }

    /// The elements directly inside one, in written order.
    pub(super) fn children(&self, parent: u32) -> impl Iterator<Item = u32> + '_ {
        let end = self.elements[parent as usize].next;
        let mut at = parent + 1;
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let child = at;
                at = self.elements[child as usize].next;
                child
            })
        })
    }

    pub(super) fn attributes_of(&self, element: u32) -> &[Attribute<'x>] {
        let (start, end) = self.elements[element as usize].attributes;
        &self.attributes[start as usize..end as usize]
    }
}

/// Refuses the characters that XML knows none of, wherever they stand.
fn characters(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let wrong = bytes.iter().enumerate().position(|(at, byte)| match byte {
        0..=0x1F => !matches!(byte, b'\t' | b'\n' | b'\r'),
        // U+FFFE and U+FFFF.
        0xEF => bytes[at + 1] == 0xBF && bytes[at + 2] >= 0xBE,
        _ => false,
    });
    wrong.map_or(Ok(()), |at| Err((at, "a character that XML does not know")))
}

struct Reader<'x> {
    tree: Tree<'x>,
    at: usize,
    /// The places of the elements that are open.
    open: Vec<u32>,
    /// Prefix (empty: the default), namespace (empty: none), and the number of open elements where it was declared.
    prefixes: Vec<(&'x str, &'x str, usize)>,
}

impl<'x> Reader<'x> {
    fn document(&mut self) -> Result<(), Fault> {
        if self.rest().starts_with("<?xml") && self.rest()[5..].starts_with(is_space) {
            self.declaration()?;
        }
        while self.at < self.tree.text.len() {
            self.step()?;
        }
        if let Some(open) = self.open.last() {
            return Err((self.tree.elements[*open as usize].start as usize, "the element has no end tag"));
        }
        if self.tree.elements.is_empty() { Err((self.at, "the document has no element")) } else { Ok(()) }
    }

    fn rest(&self) -> &'x str {
        &self.tree.text[self.at..]
    }

    fn declaration(&mut self) -> Result<(), Fault> {
        let wrong = (self.at, "the XML declaration is not of its form");
        let length = self.rest().find("?>").ok_or(wrong)?;
        let mut inside = &self.rest()[5..length];
        let mut expected = ["version", "encoding", "standalone"].iter();
        let mut n = 0;
        while !inside.trim_start_matches(is_space).is_empty() {
            let after = inside.trim_start_matches(is_space);
            let equals = after.find('=').filter(|_| after.len() < inside.len()).ok_or(wrong)?;
            let name = after[..equals].trim_end_matches(is_space);
            let value = after[equals + 1..].trim_start_matches(is_space);
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(wrong)?;
            let end = 1 + value[1..].find(quote).ok_or(wrong)?;
            let known = expected.any(|e| *e == name);
            let fits = match name {
                "version" => matches!(&value[1..end], "1.0" | "1.1"),
                "standalone" => matches!(&value[1..end], "yes" | "no"),
                _ => value[1..end].starts_with(|c: char| c.is_ascii_alphabetic()),
            };
            if !known || !fits || (n == 0 && name != "version") {
                return Err(wrong);
            }
            n += 1;
            inside = &value[end + 1..];
        }
        if n == 0 {
            return Err(wrong);
        }
        self.at += length + 2;
        Ok(())
    }

    /// Reads text up to the next markup, and that markup.
    fn step(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let length = self.rest().find('<').unwrap_or(self.rest().len());
        let text = &self.rest()[..length];
        if !text.is_empty() {
            self.text(start, text)?;
        }
        self.at += length;
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(());
        }
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("--").ok_or((self.at, "the comment has no end"))?;
            if !comment[end..].starts_with("-->") {
                return Err((self.at + 4 + end, "two hyphens stand inside a comment"));
            }
            self.at += 4 + end + 3;
            return Ok(());
        }
        if let Some(section) = rest.strip_prefix("<![CDATA[") {
            let end = section.find("]]>").ok_or((self.at, "the CDATA section has no end"))?;
            self.stray(self.at, StrayKind::CData)?;
            self.at += 9 + end + 3;
            return Ok(());
        }
        if let Some(instruction) = rest.strip_prefix("<?") {
            return self.instruction(instruction);
        }
        if rest.starts_with("<!DOCTYPE") {
            return Err((self.at, "a document type is not allowed in FHIR"));
        }
        if rest.starts_with("</") { self.end_tag() } else { self.start_tag() }
    }

    fn text(&mut self, start: usize, text: &'x str) -> Result<(), Fault> {
        // Anything that is not white space by the measure of the reference: controls and the blank.
        let Some(first) = text.find(|c: char| c > ' ') else { return Ok(()) };
        if let Some(end) = text.find("]]>") {
            return Err((start + end, "`]]>` stands in a text"));
        }
        decode(text, start, Place::Text)?;
        self.stray(start + first, StrayKind::Text)
    }

    fn stray(&mut self, start: usize, kind: StrayKind) -> Result<(), Fault> {
        let element = *self.open.last().ok_or((start, "a text stands outside the root element"))?;
        self.tree.strays.push(Stray { element, start: start as u32, kind });
        Ok(())
    }

    fn instruction(&mut self, instruction: &'x str) -> Result<(), Fault> {
        let end = instruction.find("?>").ok_or((self.at, "the processing instruction has no end"))?;
        let target = name_at(instruction).ok_or((self.at, "the processing instruction has no name"))?;
        let after = &instruction[target.len()..end];
        if target.eq_ignore_ascii_case("xml")
            || target.contains(':')
            || !(after.is_empty() || after.starts_with(is_space))
        {
            return Err((self.at, "a processing instruction that XML does not allow here"));
        }
        if self.open.is_empty() {
            self.tree.instructions.push(self.at);
        } else {
            self.stray(self.at, StrayKind::Instruction)?;
        }
        self.at += 2 + end + 2;
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), Fault> {
        let name = name_at(&self.rest()[2..]).ok_or((self.at, "an end tag without a name"))?;
        let after = self.rest()[2 + name.len()..].trim_start_matches(is_space);
        if !after.starts_with('>') {
            return Err((self.at, "the end tag is not closed"));
        }
        let depth = self.open.len();
        let open = self.open.pop().ok_or((self.at, "an end tag without its start tag"))?;
        let next = self.tree.elements.len() as u32;
        let element = &mut self.tree.elements[open as usize];
        if element.name != name {
            return Err((self.at, "the end tag is not that of the element that is open"));
        }
        element.end_name = self.at as u32 + 2;
        element.next = next;
        self.at = self.tree.text.len() - after.len() + 1;
        element.end = self.at as u32;
        self.leave(depth);
        Ok(())
    }

    /// Forgets the prefixes that the innermost element declared.
    fn leave(&mut self, depth: usize) {
        while self.prefixes.last().is_some_and(|(_, _, at)| *at >= depth) {
            self.prefixes.pop();
        }
    }

    fn start_tag(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let name = name_at(&self.rest()[1..]).ok_or((start, "`<` begins no tag"))?;
        if self.open.is_empty() && !self.tree.elements.is_empty() {
            return Err((start, "a second element stands outside the root element"));
        }
        if self.open.len() == DEPTH_LIMIT {
            return Err((start, "nested more than 100 deep"));
        }
        self.at += 1 + name.len();
        let depth = self.open.len() + 1;
        let first = self.tree.attributes.len();
        let mut declares_default = false;
        let is_empty = loop {
            let after = self.rest().trim_start_matches(is_space);
            let has_gap = after.len() < self.rest().len();
            self.at = self.tree.text.len() - after.len();
            if after.starts_with("/>") {
                self.at += 2;
                break true;
            }
            if after.starts_with('>') {
                self.at += 1;
                break false;
            }
            if !has_gap {
                return Err((self.at, "expected white space, `/>` or `>` in a tag"));
            }
            declares_default |= self.attribute(depth)?;
        };
        self.resolve_attributes(first)?;
        let (prefix, local) = split(name).ok_or((start, "a name with more than one colon"))?;
        let namespace = self.namespace(prefix, start)?;
        let place = self.tree.elements.len() as u32;
        self.tree.elements.push(Element {
            name,
            local,
            namespace,
            attributes: (first as u32, self.tree.attributes.len() as u32),
            next: place + 1,
            start: start as u32,
            end: self.at as u32,
            end_name: 0,
            declares_default,
        });
        if is_empty {
            self.leave(depth);
        } else {
            self.open.push(place);
        }
        Ok(())
    }

    /// Reads one attribute; `true` where it declares the default namespace.
    fn attribute(&mut self, depth: usize) -> Result<bool, Fault> {
        let start = self.at;
        let name = name_at(self.rest()).ok_or((start, "expected the name of an attribute"))?;
        let after = self.rest()[name.len()..].trim_start_matches(is_space);
        let after = after.strip_prefix('=').ok_or((start, "expected an equals sign behind the attribute's name"))?;
        let after = after.trim_start_matches(is_space);
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quote = quote.ok_or((start, "expected the attribute's value in quotes"))?;
        let length = after[1..].find(quote).ok_or((start, "the attribute's value has no end"))?;
        let value_start = self.tree.text.len() - after.len() + 1;
        let raw = &after[1..=length];
        if let Some(at) = raw.find('<') {
            return Err((value_start + at, "`<` stands in an attribute's value"));
        }
        let value = decode(raw, value_start, Place::Attribute)?;
        self.at = value_start + length + 1;
        let (prefix, local) = split(name).ok_or((start, "a name with more than one colon"))?;
        let declared = match (prefix, local) {
            ("", "xmlns") => "",
            ("xmlns", declared) => declared,
            _ => {
                self.tree.attributes.push(Attribute { name, local, namespace: None, value, start: start as u32 });
                return Ok(false);
            }
        };
        // A namespace with a reference in it is none that FHIR knows.
        let namespace = if let Cow::Borrowed(namespace) = value { namespace } else { "?" };
        let is_reserved = match declared {
            "xml" => namespace != XML,
            "xmlns" => true,
            _ => namespace == XML || namespace == XMLNS,
        };
        if is_reserved || (prefix == "xmlns" && namespace.is_empty()) {
            return Err((start, "a namespace is declared that may not be"));
        }
        let here = self.prefixes.iter().rev().take_while(|(_, _, at)| *at == depth);
        if here.into_iter().any(|(known, _, _)| *known == declared) {
            return Err((start, "the element already has an attribute of this name"));
        }
        if self.prefixes.len() == PREFIX_LIMIT {
            return Err((start, "more than 64 namespaces are declared"));
        }
        self.prefixes.push((declared, namespace, depth));
        Ok(declared.is_empty())
    }

    /// The attributes of an element, from `first` on: their namespaces, and that no two are the same.
    fn resolve_attributes(&mut self, first: usize) -> Result<(), Fault> {
        for at in first..self.tree.attributes.len() {
            let (name, start) = (self.tree.attributes[at].name, self.tree.attributes[at].start as usize);
            if let Some((prefix, _)) = name.split_once(':') {
                self.tree.attributes[at].namespace = self.namespace(prefix, start)?;
            }
        }
        let mut names: Vec<_> = self.tree.attributes[first..].iter().map(|a| (a.local, a.namespace, a.start)).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
            Some(pair) => Err((pair[1].2 as usize, "the element already has an attribute of this name")),
            None => Ok(()),
        }
    }

    fn namespace(&self, prefix: &str, start: usize) -> Result<Option<&'x str>, Fault> {
        match self.prefixes.iter().rev().find(|(known, _, _)| *known == prefix) {
            Some((_, namespace, _)) => Ok((!namespace.is_empty()).then_some(*namespace)),
            None if prefix.is_empty() => Ok(None),
            None if prefix == "xml" => Ok(Some(XML)),
            None => Err((start, "the prefix of a name is not declared")),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute,
}

/// Reads references and line ends; in attributes white space becomes blanks.
fn decode(raw: &str, start: usize, place: Place) -> Result<Cow<'_, str>, Fault> {
    let special =
        |byte: u8| byte == b'&' || byte == b'\r' || (place == Place::Attribute && matches!(byte, b'\n' | b'\t'));
    if !raw.bytes().any(special) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(special) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(reference) = rest.strip_prefix('&') {
            let here = start + raw.len() - rest.len();
            let length = reference.find(';').ok_or((here, "`&` begins no reference"))?;
            out.push(reference_to(&reference[..length]).map_err(|what| (here, what))?);
            rest = &reference[length + 1..];
        } else {
            rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
            out.push(if place == Place::Attribute { ' ' } else { '\n' });
        }
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

fn reference_to(name: &str) -> Result<char, &'static str> {
    let number = match name.strip_prefix("#x") {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(hex, 16)),
        None => match name.strip_prefix('#') {
            Some(decimal) => decimal.bytes().all(|b| b.is_ascii_digit()).then(|| decimal.parse()),
            None => {
                return match name {
                    "amp" => Ok('&'),
                    "lt" => Ok('<'),
                    "gt" => Ok('>'),
                    "quot" => Ok('"'),
                    "apos" => Ok('\''),
                    _ if name_at(name) == Some(name) => Err("a named entity other than the five of XML"),
                    _ => Err("`&` begins no reference"),
                };
            }
        },
    };
    let scalar = number.and_then(Result::ok).and_then(char::from_u32);
    let is_known =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    scalar.filter(is_known).ok_or("a reference to a character that XML does not know")
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The name that a text begins with.
fn name_at(text: &str) -> Option<&str> {
    let mut characters = text.char_indices();
    characters.next().filter(|(_, c)| is_name_start(*c))?;
    let end = characters.find(|(_, c)| !is_name_part(*c)).map_or(text.len(), |(at, _)| at);
    Some(&text[..end])
}

fn is_name_start(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '_' | ':' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Prefix and local name; `None` where a colon stands where none may.
fn split(name: &str) -> Option<(&str, &str)> {
    match name.split_once(':') {
        None => Some(("", name)),
        Some((prefix, local)) => {
            (!prefix.is_empty() && local.starts_with(is_name_start) && !local.contains(':')).then_some((prefix, local))
        }
    }
}
