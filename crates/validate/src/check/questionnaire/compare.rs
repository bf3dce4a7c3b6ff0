//! Comparing values as questionnaires ask for it: for enableWhen and for limits.

use std::cmp::Ordering;

use epr_fhir::Node;

use super::primitive_text;
use crate::check::quantity::decimal;
use crate::moment::Moment;

/// A date or time as the instant with which it begins; without an offset it is taken as UTC.
pub(super) fn instant(text: &str) -> Option<i64> {
    if let Some(moment) = Moment::parse(text) {
        return Some(moment.order());
    }
    let is_local = text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T');
    if is_local { Moment::parse(&format!("{text}Z")).map(Moment::order) } else { None }
}

/// How two values of one type stand to each other; `None` where that type has no order here.
pub(super) fn order(type_name: &str, one: Node<'_>, other: Node<'_>) -> Option<Ordering> {
    if type_name == "Quantity" {
        let value = |node: Node<'_>| node.get("value").and_then(Node::number_text).and_then(decimal);
        return Some(value(one)?.cmp(&value(other)?));
    }
    let (one, other) = (primitive_text(one)?, primitive_text(other)?);
    match type_name {
        "Integer" | "Decimal" => Some(decimal(one)?.cmp(&decimal(other)?)),
        "Date" | "DateTime" | "Instant" => Some(instant(one)?.cmp(&instant(other)?)),
        _ => Some(one.cmp(other)),
    }
}

/// Whether a value meets a condition of enableWhen; `None` where the two cannot be compared.
pub(super) fn meets(operator: &str, type_name: &str, found: Node<'_>, expected: Node<'_>) -> Option<bool> {
    if type_name == "Coding" {
        let is_same = expected.text("code") == found.text("code")
            && expected.text("system").is_none_or(|system| found.text("system") == Some(system));
        return match operator {
            "=" => Some(is_same),
            "!=" => Some(!is_same),
            _ => None,
        };
    }
    let order = order(type_name, found, expected)?;
    Some(match operator {
        "=" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        ">" => order == Ordering::Greater,
        "<" => order == Ordering::Less,
        ">=" => order != Ordering::Less,
        "<=" => order != Ordering::Greater,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use epr_fhir::Resource;

    use super::*;

    #[test]
    fn values_are_compared_by_their_type() {
        let cases = [
            ("=", "Integer", "5", "5", Some(true)),
            ("<", "Integer", "9", "10", Some(true)),
            (">", "Decimal", "1.50", "1.5", Some(false)),
            (">=", "Date", "\"2020\"", "\"2020-01-01\"", Some(true)),
            ("<", "DateTime", "\"2020-01-01T00:00:00+01:00\"", "\"2020-01-01T00:00:00Z\"", Some(true)),
            ("!=", "Coding", r#"{"code":"a"}"#, r#"{"code":"b"}"#, Some(true)),
            ("=", "Coding", r#"{"code":"a","system":"x"}"#, r#"{"code":"a"}"#, Some(true)),
            ("=", "Coding", r#"{"code":"a"}"#, r#"{"code":"a","system":"x"}"#, Some(false)),
            (">", "Coding", r#"{"code":"a"}"#, r#"{"code":"b"}"#, None),
            ("<", "Quantity", r#"{"value":1}"#, r#"{"value":2}"#, Some(true)),
            ("=", "Boolean", "true", "true", Some(true)),
            ("=", "Reference", "{}", "{}", None),
        ];
        for (operator, type_name, found, expected, answer) in cases {
            let read = |text: &str| Resource::parse_json(text.as_bytes()).unwrap();
            let (found, expected) = (read(found), read(expected));
            assert_eq!(meets(operator, type_name, found.root(), expected.root()), answer, "{operator} {type_name}");
        }
    }
}
