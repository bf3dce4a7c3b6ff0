//! Bytes to text, never lossily: a byte that is not text in its encoding is a fault, not a question mark.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The bytes that Windows-1252 does not define; browsers read them as control characters, people never wrote them.
pub(crate) const UNDEFINED_IN_1252: [u8; 5] = [0x81, 0x8D, 0x8F, 0x90, 0x9D];

/// The bytes are not text in their encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a byte is not text in the encoding")]
pub struct Undecodable;

/// The encoding of a name as XML declarations and source specs give it (`utf-8`, `windows-1252`, `iso-8859-1` …).
pub fn encoding_of(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(name.as_bytes())
}

/// The encoding that a byte order mark declares, and the length of the mark.
pub fn by_mark(bytes: &[u8]) -> Option<(&'static Encoding, usize)> {
    Encoding::for_bom(bytes)
}

/// Reads bytes as text.
pub fn text<'b>(bytes: &'b [u8], encoding: &'static Encoding) -> Result<Cow<'b, str>, Undecodable> {
    if encoding == WINDOWS_1252 && bytes.iter().any(|b| UNDEFINED_IN_1252.contains(b)) {
        return Err(Undecodable);
    }
    encoding.decode_without_bom_handling_and_without_replacement(bytes).ok_or(Undecodable)
}

/// The encoding of an XML document from its first bytes, and the length of its byte order mark: by the mark, else by
/// the declaration, else UTF-8.
pub fn xml_encoding(head: &[u8]) -> Result<(&'static Encoding, usize), XmlEncodingFault> {
    Ok(match by_mark(head) {
        Some(found) => found,
        // Without a mark, the zero bytes beside `<` tell.
        None if head.starts_with(&[0, b'<']) => (UTF_16BE, 0),
        None if head.starts_with(&[b'<', 0]) => (UTF_16LE, 0),
        None => match declared_encoding(head) {
            None => (UTF_8, 0),
            Some(name) => (encoding_of(&name).ok_or(XmlEncodingFault::Unknown)?, 0),
        },
    })
}

/// Why the bytes of an XML document are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlEncodingFault {
    #[error("the declared encoding is not known")]
    Unknown,
    #[error("a byte is not text in {0}")]
    NotText(&'static str),
}

/// `encoding="…"` of an XML declaration written in an encoding that contains ASCII.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(256)];
    let end = head.windows(2).position(|w| w == b"?>")?;
    let declaration = std::str::from_utf8(&head[..end]).ok()?.strip_prefix("<?xml")?;
    let (_, after) = declaration.split_once("encoding")?;
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    after[1..].split(quote).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_decides_and_a_mark_decides_before_it() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>";
        assert_eq!(xml_encoding(latin), Ok((WINDOWS_1252, 0)));
        let marked = b"\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?><a>\xc3\xa9</a>";
        assert_eq!(xml_encoding(marked), Ok((UTF_8, 3)));
        let wide: Vec<u8> = "<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(xml_encoding(&wide), Ok((UTF_16LE, 0)));
        assert_eq!(xml_encoding(b"<a/>"), Ok((UTF_8, 0)));
        assert_eq!(xml_encoding(b"<?xml version='1.0' encoding='klingon'?><a/>"), Err(XmlEncodingFault::Unknown));
    }

    #[test]
    fn a_byte_that_windows_1252_does_not_define_is_a_fault() {
        assert_eq!(text(b"O\x92Neill", WINDOWS_1252).unwrap(), "O’Neill");
        assert_eq!(text(b"\x81", WINDOWS_1252), Err(Undecodable));
    }
}
