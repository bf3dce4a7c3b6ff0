//! Narrative: well-formed XHTML, with the elements and attributes that FHIR allows and no others.
//!
//! The scanner reads the text once and builds nothing but a stack of open elements.
//! Source: FHIR R4, narrative, rules txt-1 and txt-2; HTML 4.0 chapters 7–11 and 15.

/// What is wrong with a narrative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// No text and no image (txt-2).
    NoContent,
}

impl NarrativeFault {
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotWellFormed => "not well-formed",
            Self::RootNotDiv => "the outermost element is not div",
            Self::Namespace => "the div is not in the namespace http://www.w3.org/1999/xhtml",
            Self::Element => "an element that narrative may not hold",
            Self::Attribute => "an attribute that narrative may not hold",
            Self::Entity => "a named entity that XML does not know",
            Self::NoContent => "neither text nor an image",
        }
    }
}

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

/// Checks one narrative `div`; each fault is told as often as it is there, in the order of the text.
pub fn check(text: &str) -> Vec<NarrativeFault> {
    let mut scan = Scan { text, at: 0, open: Vec::new(), faults: Vec::new(), content: false, began: false };
    if scan.document().is_none() {
        scan.faults.push(NarrativeFault::NotWellFormed);
        return scan.faults;
    }
    if !scan.content {
        scan.faults.push(NarrativeFault::NoContent);
    }
    scan.faults
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    open: Vec<&'a str>,
    faults: Vec<NarrativeFault>,
    content: bool,
    began: bool,
}

impl<'a> Scan<'a> {
    /// `None` where the text is not well-formed.
    fn document(&mut self) -> Option<()> {
        loop {
            let rest = &self.text[self.at..];
            let next = rest.find('<').unwrap_or(rest.len());
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
        self.content |= says_something(text);
        self.entities(text)
    }

    fn entities(&mut self, text: &str) -> Option<()> {
        for piece in text.split('&').skip(1) {
            let name = &piece[..piece.find(';')?];
            let known = matches!(name, "amp" | "lt" | "gt" | "quot" | "apos")
                || name
                    .strip_prefix("#x")
                    .is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
                || name.strip_prefix('#').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            if !known {
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    return None;
                }
                self.faults.push(NarrativeFault::Entity);
            }
        }
        Some(())
    }

    fn markup(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            self.at += 4 + comment.find("-->")? + 3;
            return Some(());
        }
        if let Some(section) = rest.strip_prefix("<![CDATA[") {
            let n = section.find("]]>")?;
            self.content |= !section[..n].trim().is_empty();
            self.at += 9 + n + 3;
            return (!self.open.is_empty()).then_some(());
        }
        if let Some(closing) = rest.strip_prefix("</") {
            let end = closing.find('>')?;
            self.at += 2 + end + 1;
            return (self.open.pop()? == closing[..end].trim_ascii_end()).then_some(());
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
        let name_end = 1 + rest[1..].find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>')?;
        let name = &rest[1..name_end];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
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
            at += self.attribute(name, here, &mut namespace)?;
        };
        self.element(name, namespace);
        self.at += at;
        if !empty {
            self.open.push(name);
        }
        Some(())
    }

    /// Reads one attribute at the start of `here`; gives its length.
    fn attribute(&mut self, element: &str, here: &'a str, namespace: &mut Option<&'a str>) -> Option<usize> {
        let equals = here.find('=')?;
        let name = here[..equals].trim_ascii_end();
        let after = here[equals + 1..].trim_ascii_start();
        let quote = after.chars().next().filter(|c| *c == '"' || *c == '\'')?;
        let length = after[1..].find(quote)?;
        let value = &after[1..=length];
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "<>/\"'&".contains(c)) || value.contains('<')
        {
            return None;
        }
        self.entities(value)?;
        if name == "xmlns" {
            *namespace = Some(value);
        }
        let own = ATTRIBUTES_OF.iter().find(|(of, _)| *of == element).map_or(&[][..], |(_, names)| names);
        let prefixed = name.starts_with("xmlns:");
        if ATTRIBUTES.binary_search(&name).is_err() && !own.contains(&name) && name != "xmlns" && !prefixed {
            self.faults.push(NarrativeFault::Attribute);
        }
        Some(here.len() - after.len() + length + 2)
    }

    fn element(&mut self, name: &str, namespace: Option<&str>) {
        if !self.began {
            self.began = true;
            if name != "div" {
                self.faults.push(NarrativeFault::RootNotDiv);
                return;
            }
            if namespace != Some(NAMESPACE) {
                self.faults.push(NarrativeFault::Namespace);
            }
        } else if namespace.is_some_and(|n| n != NAMESPACE) {
            self.faults.push(NarrativeFault::Namespace);
        }
        self.content |= name == "img";
        if ELEMENTS.binary_search(&name).is_err() {
            self.faults.push(NarrativeFault::Element);
        }
    }
}

/// Whether a text holds anything but white space, a no-break space and its numeric references included.
fn says_something(text: &str) -> bool {
    let mut pieces = text.split('&');
    let is_blank = |text: &str| text.chars().all(char::is_whitespace);
    let begins_blank = pieces.next().is_none_or(is_blank);
    !begins_blank
        || pieces.any(|piece| {
            let Some((name, after)) = piece.split_once(';') else { return true };
            let number = match name.strip_prefix("#x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => name.strip_prefix('#').and_then(|decimal| decimal.parse().ok()),
            };
            !number.and_then(char::from_u32).is_some_and(char::is_whitespace) || !is_blank(after)
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
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted());
    }

    #[test]
    fn each_fault_is_found_once_where_it_is() {
        let cases: &[(String, &[NarrativeFault])] = &[
            (div("a <b class='x'>b</b><br/> &lt; &#160; &#xA0;"), &[]),
            (div("<img src=\"#a\" alt='x'/>"), &[]),
            (div("<a href='#x'>x</a><!-- c -->"), &[]),
            (div("  "), &[NoContent]),
            (div(" &#160;<b>&#xA0; &#32;</b>"), &[NoContent]),
            (div("&#160;&#65;"), &[]),
            (div("<script>x</script>"), &[Element]),
            (div("<p onclick='x'>x</p>"), &[Attribute]),
            (div("<p href='x'>x</p>"), &[Attribute]),
            (div("x &nbsp;"), &[Entity]),
            (div("a & b"), &[NotWellFormed]),
            (div("<b>x</i>"), &[NotWellFormed]),
            (div("<b>x"), &[NotWellFormed]),
            (div("<p class=x>x</p>"), &[NotWellFormed]),
            ("<div>x</div>".to_owned(), &[Namespace]),
            ("<p>x</p>".to_owned(), &[RootNotDiv]),
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
