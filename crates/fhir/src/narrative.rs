//! Narrative: well-formed XHTML, with the elements and attributes that FHIR allows and no others, each in its place.
//!
//! The scanner reads the text once and builds nothing but a stack of open elements.
//! Source: FHIR R4, narrative, rules txt-1 and txt-2; HTML 4.0 chapters 7–11 and 15.
//!
//! Long because most of it is tables of names.

mod entities;
mod sections;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use memchr::memchr;

pub use sections::{Sections, sections};

/// What is wrong with a narrative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NarrativeFault {
    /// Tags that do not match, an attribute without quotes, a bare `&` or `<`.
    NotWellFormed,
    /// The outermost element is not `div`.
    RootNotDiv,
    /// The `div` is not in `http://www.w3.org/1999/xhtml`.
    Namespace,
    /// An element that FHIR does not allow.
    Element,
    /// An attribute that FHIR does not allow, or an event handler.
    Attribute,
    /// A named entity other than the five of XML.
    Entity,
    /// A block inside a paragraph.
    BlockInParagraph,
    /// A block inside an element of running text.
    BlockInText,
    /// An element of running text inside another of its name.
    Nested,
    /// Something inside an element that is always empty.
    NotEmpty,
    /// An element that stands outside the one it belongs to, such as a row outside a table.
    Place,
    /// Something inside a table or list that is none of its parts.
    Parts,
    /// A link or an image whose address is empty or has a character that no URL has.
    Url,
    /// A link whose address runs a script, or names something rather than leading to it.
    Scheme,
    /// No text and no image (txt-2).
    NoContent,
}

impl NarrativeFault {
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotWellFormed => "not well-formed",
            Self::RootNotDiv => "the outermost element is not div",
            Self::Namespace => "an element outside the namespace http://www.w3.org/1999/xhtml",
            Self::Element => "an element that narrative may not hold",
            Self::Attribute => "an attribute that narrative may not hold",
            Self::Entity => "a named entity that XML does not know",
            Self::BlockInParagraph => "a block inside a paragraph",
            Self::BlockInText => "a block inside an element of running text",
            Self::Nested => "an element of running text inside another of its name",
            Self::NotEmpty => "something inside an element that is always empty",
            Self::Place => "an element outside the one that it belongs to",
            Self::Parts => "something inside a table or list that is none of its parts",
            Self::Url => "an address that is empty, or has a character that no URL has",
            Self::Scheme => "a link that runs a script, or that names something rather than leading to it",
            Self::NoContent => "neither text nor an image",
        }
    }
}

/// One narrative, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrative<'a> {
    /// Each fault as often as it is told: twice the same at the same place is one.
    pub faults: Vec<NarrativeFault>,
    /// Only the elements and attributes of basic XHTML are there (txt-1).
    pub is_basic: bool,
    /// The ids inside the resource that links and images lead to, without `#`.
    pub links: Vec<&'a str>,
}

/// The deepest nesting of elements that is read.
const DEPTH_LIMIT: usize = 500;

const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "axis",
    "char",
    "charoff",
    "class",
    "colspan",
    "dir",
    "headers",
    "id",
    "lang",
    "rowspan",
    "scope",
    "span",
    "style",
    "tabindex",
    "title",
    "valign",
    "width",
    "xml:lang",
    "xml:space",
];

const ATTRIBUTES_OF: &[(&str, &[&str])] = &[
    ("a", &["charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type"]),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("blockquote", &["cite"]),
    ("div", &["xmlns"]),
    ("img", &["alt", "border", "height", "ismap", "longdesc", "src", "usemap"]),
    ("map", &["name"]),
    ("ol", &["start", "type"]),
    ("pre", &["space"]),
    ("q", &["cite"]),
    ("table", &["border", "cellpadding", "cellspacing", "frame", "rules", "summary"]),
    ("td", &["nowrap"]),
];

/// Elements of running text, in which no block may stand.
const TEXT: &[&str] = &[
    "a", "abbr", "acronym", "address", "b", "bdo", "big", "caption", "cite", "code", "dd", "dfn", "dt", "em", "h1",
    "h2", "h3", "h4", "h5", "h6", "i", "kbd", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "tt",
    "var",
];

/// Elements that do not stand in another of their name.
const NOT_NESTED: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdo", "big", "cite", "code", "dfn", "em", "i", "kbd", "q", "samp", "small", "strong",
    "sub", "sup", "tt", "var",
];

/// Blocks that no text may hold, and those that no paragraph may.
const BLOCKS: &[&str] = &["div", "ol", "pre", "table", "ul"];
const NOT_IN_PARAGRAPH: &[&str] = &["blockquote", "div", "ol", "p", "table", "ul"];

const EMPTY: &[&str] = &["area", "br", "hr", "img"];

/// Elements that hold certain others only, and no text.
const PARTS: &[(&str, &[&str])] = &[
    ("dl", &["dd", "dt"]),
    ("map", &["area"]),
    ("ol", &["li"]),
    ("table", &["caption", "col", "colgroup", "tbody", "tfoot", "thead", "tr"]),
    ("tbody", &["tr"]),
    ("tfoot", &["tr"]),
    ("thead", &["tr"]),
    ("tr", &["td", "th"]),
    ("ul", &["li"]),
];

/// Elements that stand in certain others only.
const PLACES: &[(&str, &[&str])] = &[
    ("caption", &["table"]),
    ("col", &["colgroup", "table"]),
    ("colgroup", &["table"]),
    ("dd", &["dl"]),
    ("dt", &["dl"]),
    ("li", &["ol", "ul"]),
    ("tbody", &["table"]),
    ("td", &["tfoot", "thead", "tr"]),
    ("tfoot", &["table"]),
    ("th", &["tfoot", "thead", "tr"]),
    ("thead", &["table"]),
    ("tr", &["table", "tbody", "tfoot", "thead"]),
];

/// What the tables say of one element. Sets of elements are numbers with the bit of each.
struct Kind {
    name: &'static str,
    bit: u64,
    attributes: &'static [&'static str],
    is_text: bool,
    is_not_nested: bool,
    is_block: bool,
    is_not_in_paragraph: bool,
    is_empty: bool,
    parts: Option<u64>,
    places: Option<u64>,
}

/// The tables, read once: each tag of a narrative asks most of them.
struct Kinds {
    /// Sorted by name, as [`ELEMENTS`] are.
    all: Vec<Kind>,
    /// Where the names begin and end that start with a letter from `a` on.
    by_letter: [(usize, usize); 26],
}

static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let of = |table: &[(&str, &'static [&'static str])], name: &str| {
        table.iter().find(|(of, _)| *of == name).map(|(_, names)| *names)
    };
    // There are fewer elements than bits.
    let bits = |names: &[&str]| {
        let at = names.iter().filter_map(|name| ELEMENTS.iter().position(|known| known == name));
        at.fold(0, |set, at| set | 1 << at)
    };
    let kind = |(at, name): (usize, &&'static str)| Kind {
        name,
        bit: 1 << at,
        attributes: of(ATTRIBUTES_OF, name).unwrap_or_default(),
        is_text: TEXT.contains(name),
        is_not_nested: NOT_NESTED.contains(name),
        is_block: BLOCKS.contains(name),
        is_not_in_paragraph: NOT_IN_PARAGRAPH.contains(name),
        is_empty: EMPTY.contains(name),
        parts: of(PARTS, name).map(bits),
        places: of(PLACES, name).map(bits),
    };
    let begins = |letter: u8| ELEMENTS.partition_point(|name| name.as_bytes()[0] < letter);
    Kinds {
        all: ELEMENTS.iter().enumerate().map(kind).collect(),
        by_letter: std::array::from_fn(|at| (begins(b'a' + at as u8), begins(b'a' + at as u8 + 1))),
    }
});

impl Kind {
    /// An element that narrative may hold, by its name.
    fn of(name: &str) -> Option<&'static Kind> {
        let kinds = &*KINDS;
        let letter = name.bytes().next()?.wrapping_sub(b'a');
        let (from, to) = *kinds.by_letter.get(usize::from(letter))?;
        kinds.all[from..to].iter().find(|kind| kind.name == name)
    }
}

/// What an element is seen to hold.
#[derive(Clone, Copy)]
enum Held {
    /// White space, or a comment.
    Nothing,
    Text,
    /// An element; its kind is absent where narrative may not hold it.
    Element(Option<&'static Kind>),
}

/// Reads one narrative `div`.
pub fn read(text: &str) -> Narrative<'_> {
    let mut scan = Scan {
        text,
        at: 0,
        open: Vec::new(),
        read: Narrative { is_basic: true, ..Narrative::default() },
        told: HashSet::new(),
        content: false,
        began: false,
    };
    if scan.document().is_none() {
        return Narrative { faults: vec![NarrativeFault::NotWellFormed], is_basic: false, links: Vec::new() };
    }
    if !scan.content {
        scan.read.faults.push(NarrativeFault::NoContent);
    }
    scan.read
}

/// Checks one narrative `div`; the faults are those of [`read`].
pub fn check(text: &str) -> Vec<NarrativeFault> {
    read(text).faults
}

/// The ids and names inside a narrative that a link may lead to; nothing where it is not well-formed.
pub fn anchors(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for mark in [" id=", " name="] {
        for (at, _) in text.match_indices(mark) {
            let value = &text[at + mark.len()..];
            let Some(quote) = value.chars().next().filter(|c| *c == '"' || *c == '\'') else { continue };
            if let Some(end) = value[1..].find(quote) {
                found.push(&value[1..=end]);
            }
        }
    }
    found
}

/// An element that is open.
struct Open<'a> {
    name: &'a str,
    /// Absent for one that narrative may not hold.
    kind: Option<&'static Kind>,
    /// A hash of the names on the way to it: two faults of one kind at places of one name are told once.
    path: u64,
    holds_block: bool,
    holds_itself: bool,
    holds_others: bool,
    holds_anything: bool,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Open<'a>>,
    read: Narrative<'a>,
    told: HashSet<(NarrativeFault, u64)>,
    content: bool,
    began: bool,
}

impl<'a> Scan<'a> {
    fn tell(&mut self, fault: NarrativeFault, place: u64) {
        if self.told.insert((fault, place)) {
            self.read.faults.push(fault);
        }
    }

    /// `None` where the text is not well-formed.
    fn document(&mut self) -> Option<()> {
        loop {
            let rest = &self.text[self.at..];
            let next = memchr(b'<', rest.as_bytes()).unwrap_or(rest.len());
            self.characters(&rest[..next])?;
            self.at += next;
            if self.at == self.text.len() {
                return (self.began && self.open.is_empty()).then_some(());
            }
            self.markup()?;
        }
    }

    fn characters(&mut self, text: &str) -> Option<()> {
        let blank = text.bytes().all(|b| b.is_ascii_whitespace());
        if self.open.is_empty() && !blank {
            return None;
        }
        self.holds(if blank { Held::Nothing } else { Held::Text });
        self.content |= says_something(text);
        self.entities(text)
    }

    fn entities(&mut self, text: &str) -> Option<()> {
        if memchr(b'&', text.as_bytes()).is_none() {
            return Some(());
        }
        for piece in text.split('&').skip(1) {
            let name = &piece[..piece.find(';')?];
            let known = matches!(name, "amp" | "lt" | "gt" | "quot" | "apos")
                || name
                    .strip_prefix("#x")
                    .is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
                || name.strip_prefix('#').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            if !known {
                if !entities::is_known(name) {
                    return None;
                }
                self.read.faults.push(NarrativeFault::Entity);
            }
        }
        Some(())
    }

    fn markup(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            self.at += 4 + comment.find("-->")? + 3;
            self.holds(Held::Nothing);
            return Some(());
        }
        if let Some(section) = rest.strip_prefix("<![CDATA[") {
            let n = section.find("]]>")?;
            self.content |= !section[..n].trim().is_empty();
            self.at += 9 + n + 3;
            return (!self.open.is_empty()).then_some(());
        }
        if let Some(closing) = rest.strip_prefix("</") {
            let end = memchr(b'>', closing.as_bytes())?;
            self.at += 2 + end + 1;
            let open = self.open.pop()?;
            self.closed(&open);
            return (open.name == closing[..end].trim_ascii_end()).then_some(());
        }
        // A document type or a processing instruction has no place in a narrative.
        if rest.starts_with("<!") || rest.starts_with("<?") {
            return None;
        }
        self.opening(rest)
    }

    fn opening(&mut self, rest: &'a str) -> Option<()> {
        if self.open.is_empty() && self.began {
            return None;
        }
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
        let name_end = 1 + rest.as_bytes()[1..].iter().position(ends)?;
        let name = &rest[1..name_end];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let kind = Kind::of(name);
        let mut namespace = None;
        let mut at = name_end;
        let empty = loop {
            let here = rest[at..].trim_ascii_start();
            let gap = rest.len() - at - here.len();
            at = rest.len() - here.len();
            if here.starts_with('>') {
                at += 1;
                break false;
            }
            if here.starts_with("/>") {
                at += 2;
                break true;
            }
            if gap == 0 {
                return None;
            }
            at += self.attribute(name, kind, here, &mut namespace)?;
        };
        let open = self.element(name, kind, namespace)?;
        self.at += at;
        if empty {
            self.closed(&open);
        } else {
            self.open.push(open);
        }
        Some(())
    }

    /// Reads one attribute at the start of `here`; gives its length.
    fn attribute(
        &mut self,
        element: &str,
        kind: Option<&Kind>,
        here: &'a str,
        namespace: &mut Option<&'a str>,
    ) -> Option<usize> {
        let equals = memchr(b'=', here.as_bytes())?;
        let name = here[..equals].trim_ascii_end();
        let after = here[equals + 1..].trim_ascii_start();
        let quote = after.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let length = memchr(quote, &after.as_bytes()[1..])?;
        let value = &after[1..=length];
        let is_of_no_name = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '/' | '"' | '\'' | '&');
        if name.is_empty() || name.contains(is_of_no_name) || memchr(b'<', value.as_bytes()).is_some() {
            return None;
        }
        self.entities(value)?;
        if name == "xmlns" {
            *namespace = Some(value);
        }
        let is_own = kind.is_some_and(|kind| kind.attributes.contains(&name));
        let is_known = is_own || name.starts_with("xmlns:") || name == "xmlns";
        if !is_known && ATTRIBUTES.binary_search(&name).is_err() {
            self.read.is_basic = false;
            // What the outermost element has breaks txt-1 only.
            if self.began {
                self.tell(NarrativeFault::Attribute, hash(hash(0, element), name));
            }
        }
        if matches!((element, name), ("a", "href") | ("img", "src")) && self.began {
            self.address(name == "href", value);
        }
        Some(here.len() - after.len() + length + 2)
    }

    /// Where a link leads, or an image is.
    fn address(&mut self, is_link: bool, url: &'a str) {
        let place = hash(0, url);
        if let Some(id) = url.strip_prefix('#').filter(|id| !id.is_empty()) {
            let around = self.open.last().map_or(0, |open| open.path);
            if self.told.insert((NarrativeFault::NoContent, hash(around, url))) {
                self.read.links.push(id);
            }
        }
        let plain = if memchr(b'&', url.as_bytes()).is_some() {
            Cow::Owned(url.replace("&amp;", "&"))
        } else {
            Cow::Borrowed(url)
        };
        let is_right = !plain.is_empty()
            && if let Some(data) = plain.strip_prefix("data:") {
                data.split(',').count() == 2
            } else {
                plain.bytes().all(is_of_url) || plain.chars().all(|c| c.is_alphanumeric() || is_ascii_of_url(c))
            };
        if !is_right {
            self.tell(NarrativeFault::Url, place);
        }
        if is_link && url.is_empty() {
            self.tell(NarrativeFault::Scheme, place);
        }
        let scheme = plain.split_once(':').map(|(scheme, _)| scheme);
        if is_link && matches!(scheme, Some("javascript" | "vbscript" | "urn" | "cid")) {
            self.tell(NarrativeFault::Scheme, place);
        }
    }

    fn element(&mut self, name: &'a str, kind: Option<&'static Kind>, namespace: Option<&str>) -> Option<Open<'a>> {
        let path = hash(self.open.last().map_or(0, |open| open.path), name);
        let open = Open {
            name,
            kind,
            path,
            holds_block: false,
            holds_itself: false,
            holds_others: false,
            holds_anything: false,
        };
        if self.open.len() == DEPTH_LIMIT {
            return None;
        }
        self.content |= name == "img";
        if kind.is_none() {
            self.read.is_basic = false;
        }
        if !self.began {
            self.began = true;
            if namespace != Some(NAMESPACE) {
                self.tell(NarrativeFault::Namespace, 0);
            }
            if name != "div" {
                self.tell(NarrativeFault::RootNotDiv, 0);
            }
            return Some(open);
        }
        if namespace.is_some_and(|n| n != NAMESPACE) {
            self.tell(NarrativeFault::Namespace, hash(1, namespace.unwrap_or_default()));
        }
        if kind.is_none() {
            self.tell(NarrativeFault::Element, hash(0, name));
        }
        self.holds(Held::Element(kind));
        let parent = self.open.last().and_then(|open| open.kind).map_or(0, |kind| kind.bit);
        if kind.and_then(|kind| kind.places).is_some_and(|places| places & parent == 0) {
            self.tell(NarrativeFault::Place, path);
        }
        let is_block = kind.is_some_and(|kind| kind.is_block);
        if kind.is_some_and(|kind| kind.is_not_in_paragraph) && self.open.iter().skip(1).any(|open| open.name == "p") {
            self.tell(NarrativeFault::BlockInParagraph, hash(0, name));
        }
        let bit = kind.map_or(0, |kind| kind.bit);
        for around in &mut self.open {
            around.holds_block |= is_block;
            around.holds_itself |= around.kind.is_some_and(|kind| kind.bit == bit);
        }
        Some(open)
    }

    /// Notes what the innermost open element holds.
    fn holds(&mut self, held: Held) {
        let Some(open) = self.open.last_mut() else { return };
        open.holds_anything |= !matches!(held, Held::Nothing);
        if let Some(parts) = open.kind.and_then(|kind| kind.parts) {
            open.holds_others |= match held {
                Held::Nothing => false,
                Held::Text => true,
                Held::Element(kind) => kind.is_none_or(|kind| parts & kind.bit == 0),
            };
        }
    }

    /// What can be said of an element once all that it holds was seen. The outermost one may hold anything.
    fn closed(&mut self, open: &Open<'a>) {
        if self.open.is_empty() {
            return;
        }
        let Some(kind) = open.kind else { return };
        if open.holds_block && kind.is_text {
            self.tell(NarrativeFault::BlockInText, open.path);
        }
        if open.holds_itself && kind.is_not_nested {
            self.tell(NarrativeFault::Nested, open.path);
        }
        if open.holds_anything && kind.is_empty {
            self.tell(NarrativeFault::NotEmpty, open.path);
        }
        if open.holds_others {
            self.tell(NarrativeFault::Parts, open.path);
        }
    }
}

fn is_ascii_of_url(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_of_url)
}

/// Whether an ASCII character may stand in a URL.
fn is_of_url(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'|' | b'~')
}

/// One step of FNV-1a over a name.
fn hash(before: u64, name: &str) -> u64 {
    let start = before ^ 0xcbf2_9ce4_8422_2325;
    name.bytes().chain([b'/']).fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether a text holds anything but the white space of XML; a no-break space is something.
fn says_something(text: &str) -> bool {
    if text.bytes().next().is_some_and(|first| first > b' ' && first != b'&') {
        return true;
    }
    let mut pieces = text.split('&');
    let is_blank = |text: &str| text.bytes().all(|b| b <= b' ');
    let begins_blank = pieces.next().is_none_or(is_blank);
    !begins_blank
        || pieces.any(|piece| {
            let Some((name, after)) = piece.split_once(';') else { return true };
            let number = match name.strip_prefix("#x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => name.strip_prefix('#').and_then(|decimal| decimal.parse().ok()),
            };
            number.is_none_or(|n| n > 0x20) || !is_blank(after)
        })
}

#[cfg(test)]
mod tests {
    use NarrativeFault::*;
    use proptest::prelude::*;

    use super::*;

    fn div(inside: &str) -> String {
        format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inside}</div>")
    }

    #[test]
    fn the_tables_are_sorted_for_the_search() {
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted() && TEXT.is_sorted() && NOT_NESTED.is_sorted());
        assert!(PARTS.is_sorted() && PLACES.is_sorted());
    }

    #[test]
    fn each_fault_is_found_once_where_it_is() {
        let cases: &[(String, &[NarrativeFault])] = &[
            (div("a <b class='x'>b</b><br/> &lt; &#160; &#xA0;"), &[]),
            (div("<img src=\"#a\" alt='x'/>"), &[]),
            (div("<a href='#x'>x</a><!-- c -->"), &[]),
            (div("  "), &[NoContent]),
            (div(" &#32;<b>&#x20; &#10;</b>"), &[NoContent]),
            (div("&#160;"), &[]),
            (div("&#160;&#65;"), &[]),
            (div("<script>x</script>"), &[Element]),
            (div("<p onclick='x'>x</p>"), &[Attribute]),
            (div("<p href='x'>x</p>"), &[Attribute]),
            (div("x &nbsp;"), &[Entity]),
            (div("x &nbsp;&copy;"), &[Entity, Entity]),
            (div("x &nonsense;"), &[NotWellFormed]),
            (div("<script>x</script><script>y</script>"), &[Element]),
            (div("<p>x<div>y</div></p>"), &[BlockInParagraph, BlockInText]),
            (div("<b>x<i>y<b>z</b></i></b>"), &[Nested]),
            (div("<br>x</br>"), &[NotEmpty]),
            (div("<table><td>x</td></table>"), &[Place, Parts]),
            (div("<table><tbody><tr><td>x</td></tr></tbody></table>"), &[]),
            (div("<ul>x<li>y</li></ul>"), &[Parts]),
            (div("<li>y</li>"), &[Place]),
            (div("<a href=''>y</a>"), &[Url, Scheme]),
            (div("<a href='http://a b'>y</a>"), &[Url]),
            (div("<a href='javascript:x'>y</a>"), &[Scheme]),
            (div("<img src='data:image/png'/>"), &[Url]),
            (div("a & b"), &[NotWellFormed]),
            (div("<b>x</i>"), &[NotWellFormed]),
            (div("<b>x"), &[NotWellFormed]),
            (div("<p class=x>x</p>"), &[NotWellFormed]),
            ("<div>x</div>".to_owned(), &[Namespace]),
            ("<p>x</p>".to_owned(), &[Namespace, RootNotDiv]),
            (format!("{}x", div("x")), &[NotWellFormed]),
            (format!("{}{}", div("x"), div("x")), &[NotWellFormed]),
            ("x".to_owned(), &[NotWellFormed]),
            ("<!DOCTYPE html><div/>".to_owned(), &[NotWellFormed]),
            (String::new(), &[NotWellFormed]),
        ];
        for (text, expected) in cases {
            assert_eq!(check(text), *expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_without_a_panic(text in "[<>/=\"'&;!\\-a-c é]{0,40}") {
            let _ = check(&text);
            let _ = check(&div(&text));
        }
    }
}
