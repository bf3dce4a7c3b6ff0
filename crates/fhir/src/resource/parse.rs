//! The JSON reader proper: one pass over the bytes, an explicit stack, no recursion.

use super::{DECODED, DEPTH_LIMIT, FaultKind, NodeKind, Resource, Slot, SourceFault, Span, SyntaxError};

/// Buffers that outlive one document.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    open: Vec<u32>,
    keys: Vec<u32>,
}

/// Objects with more members than this are searched for duplicate keys by sorting rather than pair by pair.
const PAIRWISE: usize = 16;

/// Offsets are kept in 31 bits, the top one says that a text was decoded.
const LENGTH_LIMIT: usize = DECODED as usize - 1;

type Fault = (usize, &'static str);

pub(super) fn parse(resource: &mut Resource, bytes: &[u8]) -> Result<(), SyntaxError> {
    resource.decoded.clear();
    resource.faults.clear();
    resource.slots.clear();
    resource.text.clear();
    let text = match std::str::from_utf8(bytes) {
        _ if bytes.len() > LENGTH_LIMIT => return Err(fault_at(bytes, (0, "the document is larger than 2 GiB"))),
        Ok(text) => text,
        Err(error) => return Err(fault_at(bytes, (error.valid_up_to(), "the bytes are not UTF-8"))),
    };
    resource.text.push_str(text);
    let mut reader = Reader {
        bytes,
        at: 0,
        slots: &mut resource.slots,
        decoded: &mut resource.decoded,
        scratch: &mut resource.scratch,
        text,
        duplicates: Vec::new(),
    };
    reader.document().map_err(|fault| fault_at(bytes, fault))?;
    let mut duplicates = reader.duplicates;
    duplicates.sort_unstable();
    let duplicates = duplicates.into_iter().map(|offset| SourceFault::new(offset, FaultKind::DuplicateKey));
    resource.faults.extend(duplicates);
    place(bytes, &mut resource.faults);
    Ok(())
}

/// Gives faults, in the order of their offsets, their lines and columns: one pass, however many they are.
pub(crate) fn place(bytes: &[u8], faults: &mut [SourceFault]) {
    let (mut line, mut column, mut at) = (1, 1, 0);
    for fault in faults {
        for byte in &bytes[at..fault.offset.min(bytes.len())] {
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                _ => column += usize::from(*byte & 0xC0 != 0x80),
            }
        }
        at = fault.offset.min(bytes.len());
        (fault.line, fault.column) = (line, column);
    }
}

/// Line and column, both from 1, of an offset; bytes that are not UTF-8 count as one character each start.
pub(crate) fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = before.split(|byte| *byte == b'\n').count();
    let column = 1 + before[line_start..].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    (line, column)
}

fn fault_at(bytes: &[u8], (offset, what): Fault) -> SyntaxError {
    let (line, column) = position(bytes, offset);
    SyntaxError { offset, line, column, what }
}

struct Reader<'r> {
    bytes: &'r [u8],
    text: &'r str,
    at: usize,
    slots: &'r mut Vec<Slot>,
    decoded: &'r mut String,
    scratch: &'r mut Scratch,
    duplicates: Vec<usize>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        if self.bytes.starts_with(b"\xEF\xBB\xBF") {
            return Err((0, "a byte order mark stands before the document"));
        }
        self.scratch.open.clear();
        let mut key = Span::default();
        loop {
            self.skip_space();
            match self.value(key)? {
                Opened::Nothing => {}
                Opened::Empty => self.close(),
                Opened::Array => {
                    key = Span::default();
                    continue;
                }
                Opened::Object => {
                    key = self.key()?;
                    continue;
                }
            }
            match self.after_value()? {
                Some(next) => key = next,
                None => return Ok(()),
            }
        }
    }

    /// Goes on from the end of a value to the next one and gives its key, or `None` at the end of the document.
    fn after_value(&mut self) -> Result<Option<Span>, Fault> {
        loop {
            self.skip_space();
            let Some(&top) = self.scratch.open.last() else {
                return if self.at == self.bytes.len() { Ok(None) } else { Err((self.at, "more after the document")) };
            };
            let in_object = self.slots[top as usize].kind == NodeKind::Object;
            match (self.peek(), in_object) {
                (Some(b','), true) => {
                    self.at += 1;
                    self.skip_space();
                    return self.key().map(Some);
                }
                (Some(b','), false) => {
                    self.at += 1;
                    return Ok(Some(Span::default()));
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    self.close();
                }
                (None, _) => return Err((self.at, "the document ends inside a value")),
                (_, true) => return Err((self.at, "expected a comma or the end of the object")),
                (_, false) => return Err((self.at, "expected a comma or the end of the array")),
            }
        }
    }

    fn value(&mut self, key: Span) -> Result<Opened, Fault> {
        let start = self.at;
        let mut text = Span::default();
        let kind = match self.peek() {
            Some(b'"') => {
                text = self.string()?;
                NodeKind::String
            }
            Some(b'{') => return self.open(key, NodeKind::Object, b'}'),
            Some(b'[') => return self.open(key, NodeKind::Array, b']'),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                NodeKind::Number
            }
            Some(b't') => self.word("true", NodeKind::Bool)?,
            Some(b'f') => self.word("false", NodeKind::Bool)?,
            Some(b'n') => self.word("null", NodeKind::Null)?,
            Some(_) => return Err((start, "expected a value")),
            None => return Err((start, "the document ends where a value is expected")),
        };
        let next = self.slots.len() as u32 + 1;
        self.slots.push(Slot { start: start as u32, end: self.at as u32, text, key, next, kind, is_repeated: false });
        Ok(Opened::Nothing)
    }

    fn open(&mut self, key: Span, kind: NodeKind, end: u8) -> Result<Opened, Fault> {
        if self.scratch.open.len() == DEPTH_LIMIT {
            return Err((self.at, "nested more than 100 deep"));
        }
        let start = self.at as u32;
        self.scratch.open.push(self.slots.len() as u32);
        self.slots.push(Slot { start, end: start, text: Span::default(), key, next: 0, kind, is_repeated: false });
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(Opened::Empty);
        }
        Ok(if kind == NodeKind::Object { Opened::Object } else { Opened::Array })
    }

    fn close(&mut self) {
        let top = self.scratch.open.pop().expect("close is called only while a container is open");
        let next = self.slots.len() as u32;
        let slot = &mut self.slots[top as usize];
        slot.end = self.at as u32;
        slot.next = next;
        if slot.kind == NodeKind::Object {
            self.note_duplicates(top);
        }
    }

    fn key(&mut self) -> Result<Span, Fault> {
        if self.peek() != Some(b'"') {
            return Err((self.at, "expected a member name in quotes"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err((self.at, "expected a colon after the member name"));
        }
        self.at += 1;
        Ok(key)
    }

    /// Reads a string from its opening quote to behind its closing one.
    fn string(&mut self) -> Result<Span, Fault> {
        let opening = self.at;
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let span = Span { start: start as u32, end: self.at as u32 };
            self.at += 1;
            return Ok(span);
        }
        let decoded_start = self.decoded.len() as u32;
        let mut run = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.decoded.push_str(&self.text[run..self.at]);
                    self.at += 1;
                    return Ok(Span { start: decoded_start, end: self.decoded.len() as u32 | DECODED });
                }
                Some(b'\\') => {
                    self.decoded.push_str(&self.text[run..self.at]);
                    let decoded = self.escape()?;
                    self.decoded.push(decoded);
                    run = self.at;
                }
                Some(_) => return Err((self.at, "a control character stands unescaped in a string")),
                None => return Err((opening, "the string has no end")),
            }
            self.skip_plain();
        }
    }

    /// Decodes one escape, from the backslash on.
    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        let letter = self.bytes.get(start + 1).ok_or((start, "the document ends inside an escape"))?;
        self.at += 2;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.four_digits(start)?;
                let scalar = match high {
                    0xD800..=0xDBFF if self.bytes[self.at..].starts_with(b"\\u") => {
                        self.at += 2;
                        let low = self.four_digits(start)?;
                        if !(0xDC00..=0xDFFF).contains(&low) {
                            return Err((start, "half of a surrogate pair stands alone"));
                        }
                        0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
                    }
                    _ => high,
                };
                char::from_u32(scalar).ok_or((start, "half of a surrogate pair stands alone"))?
            }
            _ => return Err((start, "an escape that JSON does not know")),
        })
    }

    fn four_digits(&mut self, escape: usize) -> Result<u32, Fault> {
        let wrong = (escape, "expected four hexadecimal digits after \\u");
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(wrong)?;
        self.at += 4;
        digits
            .iter()
            .try_fold(0, |value, digit| char::from(*digit).to_digit(16).map(|digit| value * 16 + digit).ok_or(wrong))
    }

    /// Skips the bytes of a string that need no thought: eight at a time, up to a quote, a backslash or a control character.
    fn skip_plain(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        while let Some(chunk) = self.bytes.get(self.at..self.at + 8) {
            let word = u64::from_le_bytes(chunk.try_into().expect("the slice has eight bytes"));
            let quote = zero_byte(word ^ (ONES * u64::from(b'"')));
            let backslash = zero_byte(word ^ (ONES * u64::from(b'\\')));
            let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
            // A borrow can mark a byte above a true hit, never below it, so the lowest mark is always true.
            let hit = quote | backslash | control;
            if hit != 0 {
                self.at += hit.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek() {
            if byte == b'"' || byte == b'\\' || byte < 0x20 {
                return;
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => {
                self.at += 1;
                if matches!(self.peek(), Some(b'0'..=b'9')) {
                    return Err((start, "a number starts with a zero that must not be there"));
                }
            }
            Some(b'1'..=b'9') => self.digits(start)?,
            _ => return Err((start, "a number without digits")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits(start)?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(start)?;
        }
        Ok(())
    }

    fn digits(&mut self, number: usize) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err((number, "digits are missing in a number")) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, kind: NodeKind) -> Result<NodeKind, Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err((self.at, "expected a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn note_duplicates(&mut self, object: u32) {
        let keys = &mut self.scratch.keys;
        keys.clear();
        let end = self.slots[object as usize].next;
        let mut index = object + 1;
        while index < end {
            keys.push(index);
            index = self.slots[index as usize].next;
        }
        let text = |index: u32| {
            let span = self.slots[index as usize].key;
            if span.end & DECODED == 0 {
                &self.text.as_bytes()[span.start as usize..span.end as usize]
            } else {
                &self.decoded.as_bytes()[span.start as usize..(span.end & !DECODED) as usize]
            }
        };
        let mut repeated: Vec<u32> = Vec::new();
        if keys.len() <= PAIRWISE {
            for (n, later) in keys.iter().enumerate().skip(1) {
                if keys[..n].iter().any(|earlier| text(*earlier) == text(*later)) {
                    repeated.push(*later);
                }
            }
        } else {
            keys.sort_unstable_by(|a, b| text(*a).cmp(text(*b)).then(a.cmp(b)));
            repeated.extend(keys.windows(2).filter(|pair| text(pair[0]) == text(pair[1])).map(|pair| pair[1]));
        }
        for index in repeated {
            let slot = &mut self.slots[index as usize];
            slot.is_repeated = true;
            self.duplicates.push(slot.start as usize);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }
}

/// What a value opened that must be read before the value is complete.
enum Opened {
    Nothing,
    Empty,
    Object,
    Array,
}
