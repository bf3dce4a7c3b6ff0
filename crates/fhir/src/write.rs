//! JSON out: members in the order they are written, numbers with the digits they are given.

/// Appends `text` as a JSON string, quotes included. Only what RFC 8259 asks for is escaped.
pub fn escape(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape_inside(out, text);
    out.push(b'"');
}

/// Appends `text` escaped for the inside of a JSON string, without quotes: for strings composed of pieces.
pub fn escape_inside(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut run = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            0..=0x1F => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[run..at]);
        run = at + 1;
        if short == 0 {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[run..]);
}

/// Whether a text is a number as JSON writes it, which is how FHIR writes it.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

/// Writes one JSON document without white space into a buffer.
///
/// The writer sets commas and colons; that keys stand only in objects, and that all is closed, is the caller's care
/// (checked in debug builds).
#[derive(Debug, Default)]
pub struct JsonWriter {
    out: Vec<u8>,
    /// A comma is due before the next key or item.
    comma: bool,
    depth: usize,
}

impl JsonWriter {
    /// A writer with an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer that appends to a buffer, so that its allocation is used again.
    pub fn appending_to(out: Vec<u8>) -> Self {
        Self { out, comma: false, depth: 0 }
    }

    /// Opens an object.
    pub fn begin_object(&mut self) -> &mut Self {
        self.open(b'{')
    }

    /// Closes the object.
    pub fn end_object(&mut self) -> &mut Self {
        self.close(b'}')
    }

    /// Opens an array.
    pub fn begin_array(&mut self) -> &mut Self {
        self.open(b'[')
    }

    /// Closes the array.
    pub fn end_array(&mut self) -> &mut Self {
        self.close(b']')
    }

    /// Writes a member name; its value must follow.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.before();
        escape(&mut self.out, name);
        self.out.push(b':');
        self.comma = false;
        self
    }

    /// Writes a string.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.before();
        escape(&mut self.out, text);
        self
    }

    /// Writes a number with the digits given; the caller vouches that they are a JSON number.
    pub fn raw_number(&mut self, digits: &str) -> &mut Self {
        debug_assert!(!digits.is_empty(), "a number has digits");
        self.raw(digits.as_bytes())
    }

    /// Writes a whole number.
    pub fn integer(&mut self, number: i64) -> &mut Self {
        self.raw(number.to_string().as_bytes())
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.raw(if value { b"true" } else { b"false" })
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.raw(b"null")
    }

    /// Writes a JSON value that is already JSON, byte for byte.
    pub fn raw(&mut self, json: &[u8]) -> &mut Self {
        self.before();
        self.out.extend_from_slice(json);
        self
    }

    /// A member whose value is a string: the commonest pair.
    pub fn member(&mut self, name: &str, text: &str) -> &mut Self {
        self.key(name).string(text)
    }

    /// The bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// The finished document.
    pub fn finish(self) -> Vec<u8> {
        debug_assert_eq!(self.depth, 0, "every object and array is closed");
        self.out
    }

    fn before(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    fn open(&mut self, bracket: u8) -> &mut Self {
        self.before();
        self.out.push(bracket);
        self.comma = false;
        self.depth += 1;
        self
    }

    fn close(&mut self, bracket: u8) -> &mut Self {
        debug_assert!(self.depth > 0, "something is open");
        self.out.push(bracket);
        self.comma = true;
        self.depth -= 1;
        self
    }
}
