//! YAML nodes to names, expressions and values: the scalar rule, and the forms that YAML would cut silently.

use epr_model::yaml::{self, Key, Node, NodeKind, Style, YamlFaultKind};

use super::ast::{Directives, ElementKey, Member, Name, Object, Value, ValueKind};
use super::expr::Expr;
use super::lexer::Placed;
use super::pratt;
use crate::diagnostics::{FileId, Sink, Span, nearest};

/// Reads the nodes of one file.
pub(super) struct Reader<'r, 's> {
    pub(super) file: FileId,
    pub(super) text: &'r str,
    pub(super) sink: &'r mut Sink<'s>,
    /// Lines whose YAML was cut: what else seems wrong there follows from the cut.
    cut_lines: Vec<u32>,
}

const QUOTE: &str = "put quotes round the whole value";

impl<'r, 's> Reader<'r, 's> {
    /// Parses the file's YAML; every fault is said. `None` when there is nothing to go on with.
    pub(super) fn open(file: FileId, sink: &'r mut Sink<'s>) -> (Self, Option<Node>) {
        let sources = sink.sources;
        let text = sources.text(file);
        let (node, faults) = yaml::parse_with_faults(text);
        let mut reader = Self { file, text, sink, cut_lines: Vec::new() };
        for fault in faults {
            let span = reader.span(&fault.span);
            let help = match &fault.kind {
                YamlFaultKind::KeyWithoutColon { .. } => {
                    reader.cut_lines.push(reader.sink.sources.line(span));
                    None
                }
                YamlFaultKind::Syntax { .. } => reader.syntax_help(span),
                _ => None,
            };
            let cut = matches!(fault.kind, YamlFaultKind::KeyWithoutColon { .. });
            let line = reader.sink.sources.line(span);
            if cut && reader.cut_lines.iter().filter(|l| **l == line).count() > 1 {
                continue;
            }
            if cut && text[fault.span.end..].starts_with('[') {
                reader.sink.error("MAP0012", span, "a key with `[` inside `{ }` must be in quotes");
                continue;
            }
            if !cut && reader.cut_lines.contains(&line) {
                continue;
            }
            let code = if cut { "MAP0012" } else { "MAP0001" };
            reader.sink.error(code, span, fault.to_string()).help_if(help);
        }
        (reader, node)
    }

    /// What probably happened when the scanner gave up: an expression without quotes on that line.
    fn syntax_help(&self, span: Span) -> Option<String> {
        let line = self.text[..span.start as usize].rfind('\n').map_or(0, |i| i + 1);
        let line = self.text[line..].lines().next().unwrap_or_default();
        let has_expression = line.contains(": =") || line.contains(": $") || line.contains("[ =") || line.contains('$');
        let has_slice = line.contains('{') && line.contains('[');
        (has_expression || has_slice).then(|| {
            "an expression with a comma, `: `, ` #`, `{` or `[` must be in quotes, and so must a key with `[` inside `{ }`"
                .to_owned()
        })
    }

    pub(super) fn span(&self, range: &std::ops::Range<usize>) -> Span {
        Span::new(self.file, range.start, range.end)
    }

    pub(super) fn key(&self, key: &Key) -> Name {
        Name { text: key.text.clone(), span: self.span(&key.span) }
    }

    /// A scalar's text; anything else is a fault that says what was expected.
    pub(super) fn name(&mut self, what: &str, node: &Node) -> Option<Name> {
        let span = self.span(&node.span);
        match node.as_text() {
            Some("") => {
                self.sink.error("MAP0003", span, format!("`{what}` takes a text, and nothing stands here"));
                None
            }
            Some(text) => Some(Name { text: text.to_owned(), span }),
            None => {
                self.wrong_shape(what, "a text", node);
                None
            }
        }
    }

    pub(super) fn wrong_shape(&mut self, what: &str, wanted: &str, node: &Node) {
        let span = self.first_line(self.span(&node.span));
        self.sink.error("MAP0003", span, format!("`{what}` takes {wanted}, not {}", node.describe()));
    }

    pub(super) fn mapping<'n>(&mut self, what: &str, node: &'n Node) -> &'n [(Key, Node)] {
        if node.as_mapping().is_none() {
            self.wrong_shape(what, "a mapping", node);
        }
        node.as_mapping().unwrap_or_default()
    }

    /// A list, or one thing that stands for a list of one.
    pub(super) fn one_or_many(node: &Node) -> Vec<&Node> {
        match node.as_sequence() {
            Some(items) => items.iter().collect(),
            None => vec![node],
        }
    }

    pub(super) fn names(&mut self, what: &str, node: &Node) -> Vec<Name> {
        Self::one_or_many(node).into_iter().filter_map(|n| self.name(what, n)).collect()
    }

    /// `{ key: text, … }`.
    pub(super) fn pairs(&mut self, what: &str, node: &Node) -> Vec<(Name, Name)> {
        let mut found = Vec::new();
        for (key, value) in self.mapping(what, node) {
            let span = self.span(&value.span);
            match value.as_text() {
                Some(text) => found.push((self.key(key), Name { text: text.to_owned(), span })),
                None => self.wrong_shape(&key.text, "a text", value),
            }
        }
        found
    }

    /// An expression where one must stand, without the `=`.
    pub(super) fn expression(&mut self, what: &str, node: &Node) -> Option<Expr> {
        let NodeKind::Scalar { text, style } = &node.kind else {
            self.wrong_shape(what, "an expression", node);
            return None;
        };
        if text.trim_start().starts_with('=') && !text.trim_start().starts_with("==") {
            let span = self.span(&node.span);
            self.sink
                .error("MAP0010", span, format!("`{what}` is an expression already"))
                .help("write it without the `=`");
            return None;
        }
        self.parse_expression(node, text, *style, 0)
    }

    /// The scalar rule: text, unless it begins with `$` or `=`.
    pub(super) fn scalar(&mut self, node: &Node, text: &str, style: Style) -> Value {
        let span = self.span(&node.span);
        let skip = match text.as_bytes().first() {
            Some(b'$') => 0,
            Some(b'=') => 1,
            _ => {
                self.refuse_cut(node, style);
                return Value { kind: ValueKind::Literal(text.to_owned()), span };
            }
        };
        let kind = self.parse_expression(node, text, style, skip).map_or(ValueKind::Poison, ValueKind::Expr);
        Value { kind, span }
    }

    /// A text that goes on after ` #` in the mind of the writer: `A #1`.
    fn refuse_cut(&mut self, node: &Node, style: Style) -> bool {
        if style != Style::Plain {
            return false;
        }
        let Some(comment) = yaml::comment_after(self.text, &node.span) else { return false };
        let meant = self.text[comment.clone()].chars().nth(1).is_some_and(|c| !c.is_whitespace() && c != '#');
        if meant {
            let span = self.span(&comment);
            self.cut_lines.push(self.sink.sources.line(span));
            self.sink
                .error("MAP0012", span, "YAML cuts the value at ` #`: this part is a comment")
                .label("not read")
                .help(format!("{QUOTE}, or put a space after the `#` of a comment"));
        }
        meant
    }

    fn parse_expression(&mut self, node: &Node, text: &str, style: Style, skip: usize) -> Option<Expr> {
        let span = self.span(&node.span);
        let line = self.sink.sources.line(span);
        if self.refuse_cut(node, style) || self.cut_lines.contains(&line) {
            return None;
        }
        if style == Style::Plain
            && let Some(offence) = text.find([',', '{', '[']).filter(|at| !in_backticks(text, *at))
        {
            let at = self.placed(node, text, style).span(offence, offence + 1);
            self.sink
                .error("MAP0012", at, "an expression with a comma, `: `, ` #`, `{` or `[` must be in quotes")
                .help(QUOTE);
            return None;
        }
        let placed = self.placed(node, text, style).skip(skip);
        match pratt::parse(placed) {
            Ok(expr) => Some(expr),
            Err(_) if style == Style::Plain && self.followed_by_comma(node) => {
                self.cut_lines.push(line);
                self.sink
                    .error("MAP0012", span, "YAML ends the value at the comma")
                    .label("all that is read")
                    .help(QUOTE);
                None
            }
            Err(fault) => {
                self.sink.error(fault.code, fault.span, fault.message).help_if(fault.help);
                None
            }
        }
    }

    fn followed_by_comma(&self, node: &Node) -> bool {
        let open = node.as_text().is_some_and(|t| t.matches('(').count() != t.matches(')').count());
        open && self.text[node.span.end..].trim_start().starts_with(',')
    }

    /// How the scalar's text lies in the file.
    pub(super) fn placed<'t>(&self, node: &Node, text: &'t str, style: Style) -> Placed<'t> {
        let raw = &self.text[node.span.clone()];
        let (inner, offset) = match style {
            Style::Plain => (raw, 0),
            Style::Single | Style::Double => (raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default(), 1),
            Style::Literal | Style::Folded => ("", 0),
        };
        let start = (inner == text).then_some(node.span.start as u32 + offset);
        Placed { text, scalar: self.span(&node.span), start }
    }

    /// A value of an element: text, an expression, an object or a list.
    pub(super) fn value(&mut self, node: &Node) -> Value {
        let span = self.span(&node.span);
        let kind = match &node.kind {
            NodeKind::Scalar { text, style } => {
                if node.is_absent() {
                    let line = self.sink.sources.line(span);
                    if !self.cut_lines.contains(&line) {
                        self.sink
                            .error("MAP0003", span, "nothing stands here")
                            .help("write a text, an expression, an object or a list, or leave the key out");
                    }
                    return Value { kind: ValueKind::Poison, span };
                }
                return self.scalar(node, text, *style);
            }
            NodeKind::Mapping(_) => ValueKind::Object(Box::new(self.object(node))),
            NodeKind::Sequence(items) => ValueKind::List(items.iter().map(|i| self.value(i)).collect()),
        };
        Value { kind, span }
    }

    /// An object of `emit`: elements and directives.
    pub(super) fn object(&mut self, node: &Node) -> Object {
        let span = self.span(&node.span);
        let mut object = Object { members: Vec::new(), directives: Directives::default(), span };
        for (key, value) in node.as_mapping().unwrap_or_default() {
            if key.text.starts_with('.') {
                self.directive(&mut object.directives, key, value);
            } else if let Some(key) = self.element_key(key) {
                let value = self.value(value);
                object.members.push(Member { key, value });
            }
        }
        object
    }

    /// `name` or `name[slice]`.
    pub(super) fn element_key(&mut self, key: &Key) -> Option<ElementKey> {
        let span = self.span(&key.span);
        let cut = self.cut_lines.contains(&self.sink.sources.line(span));
        let text = key.text.as_str();
        let (name, slice) = match text.split_once('[') {
            None => (text, None),
            Some((name, rest)) => match rest.strip_suffix(']') {
                Some(slice) if !slice.is_empty() => (name, Some(slice.to_owned())),
                _ => {
                    self.sink
                        .error("MAP0015", span, format!("`{text}` is not an element"))
                        .help("write `element[slice]`, or `extension[https://…]`");
                    return None;
                }
            },
        };
        let fits =
            name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fits {
            if !cut {
                self.sink.error("MAP0015", span, format!("`{text}` is not the name of an element"));
            }
            return None;
        }
        Some(ElementKey { name: name.to_owned(), slice, span })
    }

    fn directive(&mut self, into: &mut Directives, key: &Key, node: &Node) {
        const ALL: [&str; 12] = [
            ".from",
            ".via",
            ".on_unmapped",
            ".on_invalid",
            ".on_missing",
            ".when",
            ".each",
            ".id_part",
            ".fragment",
            ".with",
            ".as",
            ".value",
        ];
        let word = key.text.as_str();
        match word {
            ".from" => into.from = Some(self.value(node)),
            ".value" => into.value = Some(self.value(node)),
            ".via" => into.via = self.name(word, node),
            ".on_unmapped" => into.on_unmapped = self.name(word, node),
            ".on_invalid" => into.on_invalid = self.name(word, node),
            ".on_missing" => into.on_missing = self.name(word, node),
            ".id_part" => into.id_part = self.name(word, node),
            ".fragment" => into.fragment = self.name(word, node),
            ".as" => into.label = self.name(word, node),
            ".when" => into.when = self.expression(word, node),
            ".each" => into.each = self.each(node),
            ".with" => {
                for (key, value) in self.mapping(word, node) {
                    let value = self.value(value);
                    into.with.push((self.key(key), value));
                }
            }
            _ => {
                into.has_unknown = true;
                let span = self.span(&key.span);
                let help = nearest(word, ALL).map(|n| format!("did you mean `{n}`?"));
                self.sink.error("MAP0005", span, format!("`{word}` is not a directive")).help_if(help);
            }
        }
    }

    /// `.each: { a: $al }`.
    pub(super) fn each(&mut self, node: &Node) -> Option<(Name, Expr)> {
        match self.mapping(".each", node) {
            [(key, value)] => {
                let list = self.expression(".each", value)?;
                Some((self.key(key), list))
            }
            [] => None,
            [_, (second, _), ..] => {
                let span = self.span(&second.span);
                self.sink.error("MAP0003", span, "`.each` names one list: `.each: { a: $al }`");
                None
            }
        }
    }

    /// The span cut at the end of its first line, so that a caret does not run over a whole block.
    pub(super) fn first_line(&self, span: Span) -> Span {
        let text = &self.text[span.range()];
        let length = text.find('\n').unwrap_or(text.len());
        Span { end: span.start + length as u32, ..span }
    }
}

fn in_backticks(text: &str, at: usize) -> bool {
    text[..at].matches('`').count() % 2 == 1
}
