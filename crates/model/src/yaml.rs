//! The YAML subset in which people write source specs and mappings, read into a tree that keeps every byte span.
//!
//! YAML 1.2 without anchors, aliases, tags and merge keys; every scalar is text, so `01`, `NO` and `1.50` stay the
//! codes that they are. Text comes in and a tree goes out: no file is opened here, and no key has a meaning yet.
//! Forms that YAML cuts silently are either faults here (a flow key without a colon, which is what
//! `{ a: ref(X, b.c) }` becomes) or can be seen by the caller through [`comment_after`] and [`Node::is_flow`].

use std::fmt;
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

/// Collections inside each other beyond this are refused, so that no later walk of the tree runs out of stack.
pub const MAX_DEPTH: usize = 64;

/// A value with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    /// Bytes of the text, quotes and braces included.
    pub span: Range<usize>,
}

/// What a [`Node`] is; mappings and sequences keep the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    Mapping(Vec<(Key, Node)>),
    Sequence(Vec<Node>),
    Scalar { text: String, style: Style },
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub style: Style,
    pub span: Range<usize>,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// Why a text is not of the subset, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlFault {
    pub kind: YamlFaultKind,
    pub span: Range<usize>,
}

/// The ways in which a text can fail to be of the subset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlFaultKind {
    /// Not YAML at all; `reason` is the scanner's.
    #[error("this is not YAML: {reason}")]
    Syntax { reason: String },
    #[error("anchors are not allowed; write the value out")]
    Anchor,
    #[error("aliases are not allowed; write the value out")]
    Alias,
    #[error("tags are not allowed; every scalar is text")]
    Tag,
    #[error("merge keys are not allowed; write the members out")]
    MergeKey,
    /// `first` is the span of the key's first use.
    #[error("the key `{key}` stands twice in one mapping")]
    DuplicateKey { key: String, first: Range<usize> },
    #[error("a key must be a text, not a mapping or a list")]
    KeyNotText,
    /// What `{ a: f(x, y) }` becomes: YAML ends the value at the comma.
    #[error("YAML ends the value at the comma, so `{key}` is a key without a value; put quotes round the whole value")]
    KeyWithoutColon { key: String },
    #[error("more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("a second document begins here; one file is one document")]
    SecondDocument,
    #[error("the file is empty")]
    Empty,
}

impl fmt::Display for YamlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// Reads a text that holds exactly one document. All faults that can be seen are returned, in the order of the text.
pub fn parse(text: &str) -> Result<Node, Vec<YamlFault>> {
    let mut documents = parse_documents(text)?;
    match documents.len() {
        1 => Ok(documents.remove(0)),
        0 => Err(vec![YamlFault { kind: YamlFaultKind::Empty, span: 0..0 }]),
        _ => Err(vec![YamlFault { kind: YamlFaultKind::SecondDocument, span: documents[1].span.clone() }]),
    }
}

/// Reads as much of one document as can be read, and all faults in the order of the text, so that a checker can say
/// what else is wrong with a file. The tree is for messages only where there are faults.
pub fn parse_with_faults(text: &str) -> (Option<Node>, Vec<YamlFault>) {
    let mut builder = build(text);
    builder.faults.sort_by_key(|f| f.span.start);
    let (mut documents, mut faults) = (builder.documents, builder.faults);
    match documents.len() {
        0 if faults.is_empty() => faults.push(YamlFault { kind: YamlFaultKind::Empty, span: 0..0 }),
        0 | 1 => {}
        _ => faults.push(YamlFault { kind: YamlFaultKind::SecondDocument, span: documents[1].span.clone() }),
    }
    documents.truncate(1);
    (documents.pop(), faults)
}

/// Reads a text that may hold several documents, as test inputs do.
pub fn parse_documents(text: &str) -> Result<Vec<Node>, Vec<YamlFault>> {
    build(text).finish()
}

fn build(text: &str) -> Builder<'_> {
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut builder = Builder::new(text, bom);
    for event in Parser::new_from_str(&text[bom..]) {
        match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                let at = builder.offset(*error.marker());
                builder.fault(YamlFaultKind::Syntax { reason: error.info().to_owned() }, at..at);
                break;
            }
        }
        if builder.gave_up {
            break;
        }
    }
    builder
}

impl Node {
    /// The text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub fn as_mapping(&self) -> Option<&[(Key, Node)]> {
        match &self.kind {
            NodeKind::Mapping(members) => Some(members),
            _ => None,
        }
    }

    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.iter().find(|(k, _)| k.text == key).map(|(_, v)| v)
    }

    /// Nothing was written: `key:` and no value (`key: ""` is an empty text, not nothing).
    pub fn is_absent(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, style: Style::Plain } if text.is_empty())
    }

    /// A mapping in braces or a sequence in brackets. `text` is the text that was parsed.
    pub fn is_flow(&self, text: &str) -> bool {
        !matches!(self.kind, NodeKind::Scalar { .. })
            && text.as_bytes().get(self.span.start).is_some_and(|b| matches!(b, b'{' | b'['))
    }

    /// `mapping`, `list` or `text`, for messages.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            NodeKind::Mapping(_) => "a mapping",
            NodeKind::Sequence(_) => "a list",
            NodeKind::Scalar { .. } => "a text",
        }
    }
}

/// The comment on the line on which a span ends, where there is one: `#` after a space.
///
/// An unquoted expression such as `$A | f(x) #Y` is cut there by YAML; the caller that expects an expression
/// asks here whether something was cut.
pub fn comment_after(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let rest = &text[span.end..];
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    let comment = line.trim_start();
    let begins_at = line.len() - comment.len();
    (comment.starts_with('#') && begins_at > 0).then(|| span.end + begins_at..span.end + line.len())
}

/// A place as people count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The line and column of a byte offset of `text`; an offset beyond the end counts as the end.
pub fn position(text: &str, offset: usize) -> Position {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = text[..offset].strip_prefix('\u{feff}').unwrap_or(&text[..offset]);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    Position {
        line: before.bytes().filter(|b| *b == b'\n').count() as u32 + 1,
        column: before[line_start..].chars().count() as u32 + 1,
    }
}

/// A collection that is not closed yet.
enum Open {
    Mapping { members: Vec<(Key, Node)>, key: Option<Key>, start: usize },
    Sequence { items: Vec<Node>, start: usize },
}

/// Builds the tree from the parser's events.
struct Builder<'t> {
    text: &'t str,
    /// The parser counts characters; entry `i` is the byte offset of character `i`. Empty for a text of ASCII only.
    bytes_of_chars: Vec<usize>,
    bom: usize,
    open: Vec<Open>,
    documents: Vec<Node>,
    faults: Vec<YamlFault>,
    gave_up: bool,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, bom: usize) -> Self {
        let bytes_of_chars =
            if text.is_ascii() { Vec::new() } else { text[bom..].char_indices().map(|(i, _)| i + bom).collect() };
        Self { text, bytes_of_chars, bom, open: Vec::new(), documents: Vec::new(), faults: Vec::new(), gave_up: false }
    }

    fn finish(mut self) -> Result<Vec<Node>, Vec<YamlFault>> {
        if self.faults.is_empty() {
            return Ok(self.documents);
        }
        self.faults.sort_by_key(|f| f.span.start);
        Err(self.faults)
    }

    fn fault(&mut self, kind: YamlFaultKind, span: Range<usize>) {
        self.faults.push(YamlFault { kind, span });
    }

    fn offset(&self, marker: Marker) -> usize {
        if self.bytes_of_chars.is_empty() {
            (marker.index() + self.bom).min(self.text.len())
        } else {
            self.bytes_of_chars.get(marker.index()).copied().unwrap_or(self.text.len())
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) {
        let span = self.offset(span.start)..self.offset(span.end);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_decoration(anchor, tag.is_some(), &span);
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let span = self.without_trailing_blanks(span);
                self.node(Node { kind: NodeKind::Scalar { text: text.into_owned(), style }, span });
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_decoration(anchor, tag.is_some(), &span);
                self.push(Open::Mapping { members: Vec::new(), key: None, start: span.start }, span);
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_decoration(anchor, tag.is_some(), &span);
                self.push(Open::Sequence { items: Vec::new(), start: span.start }, span);
            }
            Event::MappingEnd | Event::SequenceEnd => self.close(&span),
            Event::Alias(_) => {
                self.fault(YamlFaultKind::Alias, span.clone());
                self.node(Node { kind: NodeKind::Scalar { text: String::new(), style: Style::Plain }, span });
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
    }

    fn refuse_decoration(&mut self, anchor: usize, has_tag: bool, span: &Range<usize>) {
        if anchor != 0 {
            self.fault(YamlFaultKind::Anchor, span.clone());
        }
        if has_tag {
            self.fault(YamlFaultKind::Tag, span.clone());
        }
    }

    /// The scanner counts the line end of a block scalar, and blanks after a plain one, to its span.
    fn without_trailing_blanks(&self, span: Range<usize>) -> Range<usize> {
        let written = self.text.get(span.clone()).unwrap_or_default().trim_end_matches([' ', '\t', '\r', '\n']);
        span.start..span.start + written.len()
    }

    fn push(&mut self, collection: Open, span: Range<usize>) {
        if self.open.len() == MAX_DEPTH {
            self.fault(YamlFaultKind::TooDeep, span);
            self.gave_up = true;
            return;
        }
        self.open.push(collection);
    }

    fn close(&mut self, span: &Range<usize>) {
        let Some(collection) = self.open.pop() else { return };
        let (kind, start, last) = match collection {
            Open::Mapping { members, start, .. } => {
                let last = members.last().map(|(key, value)| key.span.end.max(value.span.end));
                (NodeKind::Mapping(members), start, last)
            }
            Open::Sequence { items, start } => {
                let last = items.last().map(|item| item.span.end);
                (NodeKind::Sequence(items), start, last)
            }
        };
        // The end of a block collection is reported where the next thing begins; it ends with its last member.
        // The end of a flow collection is reported with the blanks after it; its bracket is one byte.
        let is_flow = matches!(self.text.as_bytes().get(start), Some(b'{' | b'['));
        let end = if is_flow { span.start + 1 } else { last.unwrap_or(start) };
        self.node(Node { kind, span: start..end.max(start) });
    }

    fn node(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { members, key, .. }) => match key.take() {
                None => {
                    let (new, fault) = read_key(node, members);
                    *key = Some(new);
                    self.faults.extend(fault);
                }
                Some(key) => {
                    if node.is_absent() && !self.text[key.span.end..].trim_start().starts_with(':') {
                        let kind = YamlFaultKind::KeyWithoutColon { key: key.text.clone() };
                        self.faults.push(YamlFault { kind, span: key.span.clone() });
                    }
                    members.push((key, node));
                }
            },
        }
    }
}

/// A key, and what is wrong with it beside the keys that stand before it.
fn read_key(node: Node, before: &[(Key, Node)]) -> (Key, Option<YamlFault>) {
    let span = node.span;
    let fault = |kind| Some(YamlFault { kind, span: span.clone() });
    let NodeKind::Scalar { text, style } = node.kind else {
        let fault = fault(YamlFaultKind::KeyNotText);
        return (Key { text: String::new(), style: Style::Plain, span }, fault);
    };
    let fault = if text == "<<" && style == Style::Plain {
        fault(YamlFaultKind::MergeKey)
    } else {
        before
            .iter()
            .find(|(key, _)| key.text == text)
            .and_then(|(first, _)| fault(YamlFaultKind::DuplicateKey { key: text.clone(), first: first.span.clone() }))
    };
    (Key { text, style, span }, fault)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw<'t>(text: &'t str, node: &Node) -> &'t str {
        &text[node.span.clone()]
    }

    fn faults(text: &str) -> Vec<String> {
        parse(text).unwrap_err().iter().map(|f| format!("{} {f}", position(text, f.span.start))).collect()
    }

    #[test]
    fn every_scalar_is_text_and_keeps_how_it_was_written() {
        let node = parse("a: 01\nb: NO\nc: '1.50'\nd: \"x\\ty\"\ne: |\n  two\n  lines\nf:\ng: ''\n").unwrap();
        let texts: Vec<_> = node.as_mapping().unwrap().iter().map(|(_, v)| v.as_text().unwrap()).collect();
        assert_eq!(texts, ["01", "NO", "1.50", "x\ty", "two\nlines\n", "", ""]);
        assert!(node.get("f").unwrap().is_absent());
        assert!(!node.get("g").unwrap().is_absent());
    }

    #[test]
    fn a_span_is_the_written_text_in_bytes() {
        let text = "é: { b: [ x, 'y z' ], c: wörd }  # note\nlist:\n  - one  # first\n  - two\nlast: 3\n";
        let node = parse(text).unwrap();
        assert_eq!(raw(text, node.get("é").unwrap()), "{ b: [ x, 'y z' ], c: wörd }");
        assert_eq!(raw(text, node.get("é").unwrap().get("b").unwrap()), "[ x, 'y z' ]");
        assert_eq!(raw(text, node.get("é").unwrap().get("c").unwrap()), "wörd");
        assert_eq!(raw(text, node.get("list").unwrap()), "- one  # first\n  - two");
        assert!(node.get("é").unwrap().is_flow(text));
        assert!(!node.get("list").unwrap().is_flow(text));
        let one = &node.get("list").unwrap().as_sequence().unwrap()[0];
        assert_eq!(raw(text, one), "one");
        assert_eq!(&text[comment_after(text, &one.span).unwrap()], "# first");
        assert_eq!(comment_after(text, &node.get("last").unwrap().span), None);
        assert_eq!(position(text, node.get("last").unwrap().span.start), Position { line: 5, column: 7 });
    }

    #[test]
    fn a_byte_order_mark_shifts_no_span() {
        let text = "\u{feff}a: b\n";
        let node = parse(text).unwrap();
        assert_eq!(raw(text, node.get("a").unwrap()), "b");
        assert_eq!(position(text, node.get("a").unwrap().span.start), Position { line: 1, column: 4 });
    }

    #[test]
    fn what_is_outside_the_subset_is_refused_all_at_once() {
        assert_eq!(
            faults("a: &x 1\nb: *x\nc: !!int 3\na: 2\n<<: { d: 1 }\n? [ k ]\n: v\n"),
            [
                "1:4 anchors are not allowed; write the value out",
                "2:4 aliases are not allowed; write the value out",
                "3:4 tags are not allowed; every scalar is text",
                "4:1 the key `a` stands twice in one mapping",
                "5:1 merge keys are not allowed; write the members out",
                "6:3 a key must be a text, not a mapping or a list",
            ]
        );
    }

    #[test]
    fn an_expression_that_yaml_would_cut_at_a_comma_is_refused() {
        assert_eq!(
            faults("x: { a: ref(X, b.c, $D) }\n"),
            [
                "1:16 YAML ends the value at the comma, so `b.c` is a key without a value; put quotes round the whole value",
                "1:21 YAML ends the value at the comma, so `$D)` is a key without a value; put quotes round the whole value",
            ]
        );
    }

    #[test]
    fn a_file_is_one_document_and_not_empty() {
        assert_eq!(faults("a: 1\n---\nb: 2\n"), ["3:1 a second document begins here; one file is one document"]);
        assert_eq!(faults("# nothing\n"), ["1:1 the file is empty"]);
        assert_eq!(parse_documents("a: 1\n---\nb: 2\n").unwrap().len(), 2);
    }

    #[test]
    fn a_tree_with_faults_can_still_be_walked() {
        let (node, faults) = parse_with_faults("a: &x 1\nb: { c: f(x, d) }\ne: 2\n");
        assert_eq!(node.unwrap().get("e").and_then(Node::as_text), Some("2"));
        assert_eq!(faults.len(), 2);
        assert_eq!(parse_with_faults("").1[0].kind, YamlFaultKind::Empty);
        assert_eq!(parse_with_faults("a: 1\n---\nb: 2\n").1[0].kind, YamlFaultKind::SecondDocument);
    }

    #[test]
    fn a_bottomless_text_is_refused() {
        assert_eq!(parse(&"[".repeat(MAX_DEPTH + 1)).unwrap_err()[0].kind, YamlFaultKind::TooDeep);
        // The scanner has a limit of its own, which is why this is another fault, and no overflow.
        assert!(matches!(parse(&"[".repeat(100_000)).unwrap_err()[0].kind, YamlFaultKind::Syntax { .. }));
        let block = (0..200).map(|n| " ".repeat(n)).collect::<Vec<_>>().join("k:\n");
        assert_eq!(parse(&block).unwrap_err()[0].kind, YamlFaultKind::TooDeep);
        assert!(parse(&format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH))).is_ok());
    }

    #[test]
    fn a_text_that_is_not_yaml_says_where() {
        let text = "a: 1\nb: [ 1, 2\nc: 3\n";
        let found = parse(text).unwrap_err();
        assert!(matches!(found[0].kind, YamlFaultKind::Syntax { .. }));
        assert!(position(text, found[0].span.start).line >= 2);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_every_span_is_inside(text in "[a-c:{}\\[\\],'\"#&*!|> \n\\-é?]{0,60}") {
            fn walk(text: &str, node: &Node) {
                assert!(text.get(node.span.clone()).is_some());
                for (key, value) in node.as_mapping().unwrap_or_default() {
                    assert!(text.get(key.span.clone()).is_some());
                    walk(text, value);
                }
                node.as_sequence().unwrap_or_default().iter().for_each(|n| walk(text, n));
            }
            match parse_documents(&text) {
                Ok(nodes) => nodes.iter().for_each(|n| walk(&text, n)),
                Err(faults) => faults.iter().for_each(|f| { position(&text, f.span.start); }),
            }
        }

        #[test]
        fn a_quoted_text_comes_back_as_it_was(value in "[ -~é\u{1F600}]{0,40}") {
            let text = format!("k: '{}'\n", value.replace('\'', "''"));
            let node = parse(&text).unwrap();
            prop_assert_eq!(node.get("k").unwrap().as_text().unwrap(), value);
        }
    }
}
