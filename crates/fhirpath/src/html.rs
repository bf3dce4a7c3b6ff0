//! The rules for the narrative of a resource (`txt-1`, `txt-2`).
//!
//! Well-formed XHTML in one `div`, only the elements and attributes that R4 allows (no scripts, forms, styles from
//! elsewhere, no external references that act), and some content: text that is not blank, or an image.
//! Source: R4, Narrative, and the lists of the reference validator.

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

/// Attributes allowed everywhere.
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

/// Attributes allowed on one element.
const SPECIAL: &[&str] = &[
    "a.charset",
    "a.coords",
    "a.href",
    "a.hreflang",
    "a.name",
    "a.rel",
    "a.rev",
    "a.shape",
    "a.type",
    "area.alt",
    "area.coords",
    "area.href",
    "area.nohref",
    "area.shape",
    "blockquote.cite",
    "div.xmlns",
    "img.alt",
    "img.border",
    "img.height",
    "img.ismap",
    "img.longdesc",
    "img.src",
    "img.usemap",
    "img.width",
    "map.name",
    "pre.space",
    "q.cite",
    "table.border",
    "table.cellpadding",
    "table.cellspacing",
    "table.frame",
    "table.rules",
    "table.summary",
    "table.width",
    "td.nowrap",
];

/// Whether the text is a narrative by the rules above.
pub fn is_narrative(text: &str) -> bool {
    Scanner { rest: text.trim() }.document().unwrap_or(false)
}

struct Scanner<'t> {
    rest: &'t str,
}

/// A start tag.
struct Tag<'t> {
    name: &'t str,
    is_empty: bool,
}

impl<'t> Scanner<'t> {
    /// Whether there is content; `None` where a rule is broken.
    fn document(&mut self) -> Option<bool> {
        let mut open: Vec<&'t str> = Vec::new();
        let mut has_content = false;
        loop {
            let at = self.rest.find('<').unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(at);
            if !references_are_whole(text) || (open.is_empty() && !text.trim().is_empty()) {
                return None;
            }
            // A no-break space is blank too.
            has_content |= !text.replace("&nbsp;", " ").replace("&#160;", " ").trim().is_empty();
            self.rest = rest;
            if let Some(rest) = rest.strip_prefix("<!--") {
                self.rest = &rest[rest.find("-->")? + 3..];
            } else if let Some(rest) = rest.strip_prefix("</") {
                let (name, after) = rest.split_once('>')?;
                if open.pop()? != name.trim_end() {
                    return None;
                }
                self.rest = after;
                if open.is_empty() {
                    return self.rest.trim().is_empty().then_some(has_content);
                }
            } else {
                self.rest = rest.strip_prefix('<')?;
                let tag = self.tag()?;
                if open.is_empty() && tag.name != "div" {
                    return None;
                }
                has_content |= tag.name == "img";
                if !tag.is_empty {
                    open.push(tag.name);
                } else if open.is_empty() {
                    return Some(false);
                }
            }
        }
    }

    fn tag(&mut self) -> Option<Tag<'t>> {
        let name = self.name()?;
        if !ELEMENTS.contains(&name) {
            return None;
        }
        let mut met = Vec::new();
        loop {
            let trimmed = self.rest.trim_start();
            let spaced = trimmed.len() < self.rest.len();
            self.rest = trimmed;
            if let Some(rest) = trimmed.strip_prefix("/>") {
                self.rest = rest;
                return Some(Tag { name, is_empty: true });
            }
            if let Some(rest) = trimmed.strip_prefix('>') {
                self.rest = rest;
                return Some(Tag { name, is_empty: false });
            }
            let attribute = self.name().filter(|_| spaced)?;
            let rest = self.rest.trim_start().strip_prefix('=')?.trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, rest) = rest[1..].split_once(quote)?;
            self.rest = rest;
            let special = || SPECIAL.iter().any(|s| s.split_once('.') == Some((name, attribute)));
            let allowed = ATTRIBUTES.contains(&attribute) || special();
            let xmlns_ok = attribute != "xmlns" || value == "http://www.w3.org/1999/xhtml";
            if !allowed || !xmlns_ok || value.contains('<') || !references_are_whole(value) || met.contains(&attribute)
            {
                return None;
            }
            met.push(attribute);
        }
    }

    fn name(&mut self) -> Option<&'t str> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, ':' | '-' | '_'))?;
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }
}

/// Every `&` begins a reference that ends in `;`.
fn references_are_whole(text: &str) -> bool {
    text.split('&').skip(1).all(|after| {
        after
            .split_once(';')
            .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#'))
    })
}
