//! A JSON document as a mutation sees it: members in their order, digits as written, a member perhaps twice.
//!
//! Apart from the validator's own reader on purpose: what makes the faults must not share the eyes of what finds them.

use std::fmt::Write;

use anyhow::{Context, Result, bail};

/// One JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    /// The digits as written.
    Number(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// The way from the root to a value: the n-th member of an object, the n-th item of an array.
pub(crate) type Way = Vec<usize>;

impl Tree {
    /// Reads a document of ours or of a published package; these are sound.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
        let tree = reader.value()?;
        reader.blank();
        anyhow::ensure!(reader.at == reader.bytes.len(), "something follows the document at byte {}", reader.at);
        Ok(tree)
    }

    pub(crate) fn text(value: &str) -> Self {
        Self::Text(value.to_owned())
    }

    pub(crate) fn object(members: &[(&str, Self)]) -> Self {
        Self::Object(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The value at the end of a way that [`Tree::ways`] gave.
    pub(crate) fn at_mut(&mut self, way: &[usize]) -> &mut Self {
        let mut here = self;
        for &n in way {
            here = match here {
                Self::Object(members) => &mut members[n].1,
                Self::Array(items) => &mut items[n],
                _ => unreachable!("a way leads through objects and arrays"),
            };
        }
        here
    }

    /// Every value for which `wanted` holds (its name, itself), in the order of the document.
    pub(crate) fn ways(&self, wanted: &dyn Fn(&str, &Self) -> bool) -> Vec<Way> {
        let mut found = Vec::new();
        self.gather("", &mut Vec::new(), wanted, &mut found);
        found
    }

    fn gather(&self, name: &str, way: &mut Way, wanted: &dyn Fn(&str, &Self) -> bool, found: &mut Vec<Way>) {
        if wanted(name, self) {
            found.push(way.clone());
        }
        match self {
            Self::Object(members) => {
                for (n, (name, value)) in members.iter().enumerate() {
                    way.push(n);
                    value.gather(name, way, wanted, found);
                    way.pop();
                }
            }
            Self::Array(items) => {
                for (n, value) in items.iter().enumerate() {
                    way.push(n);
                    value.gather(name, way, wanted, found);
                    way.pop();
                }
            }
            _ => {}
        }
    }

    /// Writes the document on one line.
    pub(crate) fn write(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => write_text(text, out),
            Self::Array(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    item.write_to(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.blank();
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn value(&mut self) -> Result<Tree> {
        match self.peek().context("the document ends too soon")? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => Ok(Tree::Text(self.string()?)),
            b't' => self.word("true", Tree::Bool(true)),
            b'f' => self.word("false", Tree::Bool(false)),
            b'n' => self.word("null", Tree::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Tree) -> Result<Tree> {
        anyhow::ensure!(self.bytes[self.at..].starts_with(word.as_bytes()), "no JSON value at byte {}", self.at);
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Tree> {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        anyhow::ensure!(self.at > from, "no JSON value at byte {from}");
        Ok(Tree::Number(String::from_utf8_lossy(&self.bytes[from..self.at]).into_owned()))
    }

    fn array(&mut self) -> Result<Tree> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Tree::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.take(b']') {
                return Ok(Tree::Array(items));
            }
            anyhow::ensure!(self.take(b','), "an array neither goes on nor ends at byte {}", self.at);
        }
    }

    fn object(&mut self) -> Result<Tree> {
        self.at += 1;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Tree::Object(members));
        }
        loop {
            anyhow::ensure!(self.peek() == Some(b'"'), "a member has no name at byte {}", self.at);
            let name = self.string()?;
            anyhow::ensure!(self.take(b':'), "a member has no value at byte {}", self.at);
            members.push((name, self.value()?));
            if self.take(b'}') {
                return Ok(Tree::Object(members));
            }
            anyhow::ensure!(self.take(b','), "an object neither goes on nor ends at byte {}", self.at);
        }
    }

    fn string(&mut self) -> Result<String> {
        let from = self.at;
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    let literal = std::str::from_utf8(&self.bytes[from..self.at])?;
                    return serde_json::from_str(literal).with_context(|| format!("a string at byte {from}"));
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        bail!("a string does not end (byte {from})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_written_as_it_was_read() {
        for text in [
            r#"{"a":1.50,"b":[],"c":{},"a":"twice","d":[null,true,false,-0.0e1],"e":"\"\\\n\té✓"}"#,
            r#"[{"_x":{"extension":[{"url":"u","valueCode":"c"}]}}]"#,
        ] {
            assert_eq!(Tree::parse(text).unwrap().write(), text);
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "{", "{\"a\"}", "[1,]", "[1 2]", "{\"a\":1}x", "\"open", "nul"] {
            assert!(Tree::parse(text).is_err(), "{text}");
        }
    }
}
