//! JSON that is nearly JSON, made into JSON: comments, missing and trailing commas, names and texts without quotes.
//!
//! The reference validator reads on after these, each of them an error, and so the rest of a resource is judged. What
//! this reader does not know is left to the strict one, which refuses it. One pass, an explicit stack, no recursion.

use super::{DEPTH_LIMIT, FaultKind, SourceFault};

/// A text made into JSON.
pub(super) struct Mended {
    pub(super) json: Vec<u8>,
    pub(super) faults: Vec<SourceFault>,
    /// Where values begin: in the JSON, and in the text.
    pub(super) places: Vec<(u32, u32)>,
}

/// The text as JSON, and what was not; `None` where it cannot be mended.
pub(super) fn mend(text: &str) -> Option<Mended> {
    let mut mender = Mender {
        text,
        bytes: text.as_bytes(),
        at: 0,
        out: Vec::with_capacity(text.len()),
        faults: Vec::new(),
        places: Vec::new(),
    };
    mender.document()?;
    let Mender { out, mut faults, places, .. } = mender;
    faults.sort_by_key(|fault| fault.offset);
    super::place(text.as_bytes(), &mut faults);
    Some(Mended { json: out, faults, places })
}

struct Mender<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: Vec<u8>,
    faults: Vec<SourceFault>,
    places: Vec<(u32, u32)>,
}

/// What is open, and whether something stands in it already.
struct Open {
    end: u8,
    is_begun: bool,
}

impl<'a> Mender<'a> {
    fn document(&mut self) -> Option<()> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // The end of what is open, or the next member or item of it.
            self.space();
            if let Some(top) = open.last_mut() {
                if self.peek() == Some(top.end) {
                    self.out.push(top.end);
                    self.at += 1;
                    open.pop();
                    if open.is_empty() {
                        self.space();
                        return (self.at == self.bytes.len()).then_some(());
                    }
                    continue;
                }
                if top.is_begun {
                    let comma = self.at;
                    if self.peek() == Some(b',') {
                        self.at += 1;
                        self.space();
                        if self.peek() == Some(top.end) {
                            self.fault(comma, FaultKind::ExtraComma);
                            continue;
                        }
                    } else {
                        self.fault(comma, FaultKind::MissingComma);
                    }
                    self.out.push(b',');
                }
                top.is_begun = true;
                if top.end == b'}' {
                    self.name()?;
                }
            }
            self.places.push((self.out.len() as u32, self.at as u32));
            match self.peek()? {
                opening @ (b'{' | b'[') => {
                    if open.len() == DEPTH_LIMIT {
                        return None;
                    }
                    self.out.push(opening);
                    self.at += 1;
                    open.push(Open { end: if opening == b'{' { b'}' } else { b']' }, is_begun: false });
                }
                _ if open.is_empty() => return None,
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number(),
                _ => self.word()?,
            }
        }
    }

    fn name(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek()? == b'"' {
            self.string()?;
        } else {
            let word = self.bare()?;
            self.fault(start, FaultKind::UnquotedName);
            crate::write::escape(&mut self.out, word);
        }
        self.space();
        if self.peek()? != b':' {
            return None;
        }
        self.out.push(b':');
        self.at += 1;
        self.space();
        Some(())
    }

    /// A word without quotes: `true`, `false` and `null`, or a text that lacks them.
    fn word(&mut self) -> Option<()> {
        let start = self.at;
        let word = self.bare()?;
        if matches!(word, "true" | "false" | "null") {
            self.out.extend_from_slice(word.as_bytes());
        } else {
            self.fault(start, FaultKind::UnquotedValue);
            crate::write::escape(&mut self.out, word);
        }
        Some(())
    }

    fn bare(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(())?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += length;
        Some(&rest[..length])
    }

    /// A text in quotes: escapes that JSON does not know and control characters are mended.
    fn string(&mut self) -> Option<()> {
        let start = self.at;
        self.out.push(b'"');
        self.at += 1;
        loop {
            let byte = self.peek()?;
            match byte {
                b'"' => {
                    self.out.push(b'"');
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    let next = *self.bytes.get(self.at + 1)?;
                    match next {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u' => self.out.extend([byte, next]),
                        b'\'' => {
                            self.fault(start, FaultKind::Escape);
                            self.out.push(b'\'');
                        }
                        _ => return None,
                    }
                    self.at += 2;
                }
                0..=0x1F => {
                    self.fault(self.at, FaultKind::ControlCharacter);
                    self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    self.at += 1;
                }
                _ => {
                    self.out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// A number, whose form is judged as that of a text where it is not one that JSON knows.
    fn number(&mut self) {
        let rest = &self.bytes[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        if crate::write::is_number(&self.text[self.at..self.at + length]) {
            self.out.extend_from_slice(&rest[..length]);
        } else {
            self.fault(self.at, FaultKind::Number);
            self.out.extend_from_slice(b"0");
        }
        self.at += length;
    }

    /// White space, and comments to the end of a line.
    fn space(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(b'/') if self.bytes.get(self.at + 1) == Some(&b'/') => {
                    self.fault(self.at, FaultKind::Comment);
                    let rest = &self.bytes[self.at..];
                    self.at += rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&mut self, offset: usize, kind: FaultKind) {
        self.faults.push(SourceFault::new(offset, kind));
    }
}
