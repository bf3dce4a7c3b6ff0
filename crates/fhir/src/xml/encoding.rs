//! Bytes of an XML document as text: UTF-8, which FHIR asks for, and the few others that are seen.

use std::borrow::Cow;

use crate::resource::SyntaxError;

/// The text without its byte order mark, and whether it was in another encoding than UTF-8 or said so.
pub(super) fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, bool), SyntaxError> {
    let wide = |little: bool| {
        let units = bytes[2..].chunks(2).map(move |pair| match (pair, little) {
            ([low, high], true) => u16::from_le_bytes([*low, *high]),
            ([high, low], false) => u16::from_be_bytes([*high, *low]),
            // Half a unit at the end is no character.
            _ => 0xD800,
        });
        char::decode_utf16(units).collect::<Result<String, _>>()
    };
    let wrong = |offset: usize, what: &'static str| SyntaxError { offset, line: 1, column: 1, what };
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        let text = wide(bytes[0] == 0xFF).map_err(|_| wrong(0, "the bytes are not UTF-16"))?;
        return Ok((Cow::Owned(text), true));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let named = declared(bytes);
    let is_latin = named.as_deref().is_some_and(|name| matches!(name, "iso-8859-1" | "us-ascii" | "latin1"));
    if is_latin {
        return Ok((Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()), true));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let is_utf8 = named.is_none_or(|name| name == "utf-8");
            Ok((Cow::Borrowed(text), !is_utf8 || !bytes.starts_with(b"<")))
        }
        Err(error) => {
            let offset = error.valid_up_to();
            let (line, column) = crate::resource::position(bytes, offset);
            Err(SyntaxError { offset, line, column, what: "the bytes are not UTF-8" })
        }
    }
}

/// The encoding that the XML declaration names, in lower case.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = bytes.strip_prefix(b"<?xml")?;
    let head = &head[..head.iter().take(200).position(|byte| *byte == b'>')?];
    let head = std::str::from_utf8(head).ok()?;
    let value = head.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(value[1..].split(quote).next()?.to_ascii_lowercase())
}
