//! JSON with the members in the order they were given and the digits as they were written.
//!
//! `72.50` must leave as `72.50`, so numbers are text here: a library that reads them as binary fractions loses the last
//! zero, and with it how exactly something was measured.

use std::fmt::Write as _;

/// A JSON value; [`Json::Nothing`] leaves no trace where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Nothing,
    Text(String),
    /// A number or a truth value, as it is to be written.
    Raw(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Json {
    Json::Text(text.into())
}

/// A text, or nothing where it is empty.
pub(super) fn some(text: &str) -> Json {
    if text.is_empty() { Json::Nothing } else { Json::Text(text.to_owned()) }
}

/// A number with exactly these digits.
pub(super) fn number(digits: &str) -> Json {
    Json::Raw(digits.to_owned())
}

/// A truth value.
pub(super) fn flag(value: bool) -> Json {
    Json::Raw(value.to_string())
}

/// An object; members that are [`Json::Nothing`] are left out.
pub(super) fn object<const N: usize>(members: [(&'static str, Json); N]) -> Json {
    Json::Object(members.into_iter().filter(|(_, value)| !value.is_nothing()).collect())
}

/// A list; items that are [`Json::Nothing`] are left out, and no item at all is nothing.
pub(super) fn list(items: impl IntoIterator<Item = Json>) -> Json {
    let items: Vec<Json> = items.into_iter().filter(|item| !item.is_nothing()).collect();
    if items.is_empty() { Json::Nothing } else { Json::List(items) }
}

impl Json {
    /// Nothing, or an object without members.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Object(members) => members.is_empty(),
            _ => false,
        }
    }

    /// Appends the value to `out`, without spaces.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Nothing => out.push_str("null"),
            Self::Raw(raw) => out.push_str(raw),
            Self::Text(text) => quoted(out, text),
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    out.push(if at == 0 { '[' } else { ',' });
                    item.write(out);
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quoted(out, name);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_order_stay_and_nothing_leaves_no_trace() {
        let value = object([
            ("z", number("72.50")),
            ("gone", some("")),
            ("empty", object([("gone", list([]))])),
            ("a", list([text("\"\\\n\u{1}é"), Json::Nothing, flag(true)])),
        ]);
        let mut out = String::new();
        value.write(&mut out);
        assert_eq!(out, "{\"z\":72.50,\"a\":[\"\\\"\\\\\\n\\u0001é\",true]}");
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read["a"][0], "\"\\\n\u{1}é");
    }
}
