//! Rules on single types that the specification gives in words only.

use std::collections::BTreeSet;

use epr_fhir::Node;
use sha1_smol::Sha1;

use super::value::written;
use super::walk::Walk;
use crate::finding::Step;
use crate::issues;
use crate::program::{DataType, ValueProgram};
use crate::tally::BaseRule;

/// Schemes by which the system of an identifier is named.
const SYSTEM_SCHEMES: &[&str] = &["http:", "https:", "urn:", "ldap:"];

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// What is asked of a value of a data type.
    pub(super) fn type_checks(&mut self, value: &'p ValueProgram, node: Node<'r>) {
        match value.data_type {
            Some(DataType::Identifier) => self.identifier(node),
            Some(DataType::Attachment) => self.attachment(node),
            None => {}
        }
    }

    fn identifier(&mut self, node: Node<'r>) {
        let Some(system) = node.get("system").and_then(written) else { return };
        let is_named = SYSTEM_SCHEMES.iter().any(|scheme| system.starts_with(scheme));
        let value = node.text("value").filter(|_| system == "urn:ietf:rfc:3986");
        let is_uri = value.is_none_or(|v| v.split_once(':').is_some_and(|(scheme, _)| is_token(scheme)));
        self.checker.tally.count(BaseRule::Format, !(is_named && is_uri));
        if !is_named {
            self.find(issues::VAL_IDENTIFIER, || {
                "expected a system that begins with http:, https:, urn: or ldap:, found another".to_owned()
            });
        }
        if !is_uri {
            self.find(issues::VAL_IDENTIFIER, || {
                "expected a URI as the value, as the system is urn:ietf:rfc:3986, found another".to_owned()
            });
        }
    }

    /// The size and hash of an attachment against its data.
    fn attachment(&mut self, node: Node<'r>) {
        let (size, hash) = (node.get("size").and_then(written), node.text("hash"));
        if size.is_some_and(|size| size.parse::<i64>().map_or(true, |size| size < 0)) {
            self.checker.tally.count(BaseRule::Format, true);
            self.find(issues::VAL_ATTACHMENT, || "expected the size as a whole number, found another".to_owned());
            return;
        }
        let Some(data) = node.text("data") else { return };
        if !data.is_empty() && data.trim().is_empty() {
            self.checker.tally.count(BaseRule::Format, true);
            self.find(issues::VAL_ATTACHMENT, || "expected data, found nothing but white space".to_owned());
            return;
        }
        if size.is_none() && hash.is_none() {
            return;
        }
        // Data that is no base64 was told already.
        let Some(bytes) = decoded(data) else { return };
        let wrong_size = size.is_some_and(|s| s.parse() != Ok(bytes.len()));
        let wrong_hash = hash.and_then(decoded).is_some_and(|h| h != Sha1::from(&bytes).digest().bytes());
        self.checker.tally.count(BaseRule::Format, wrong_size || wrong_hash);
        if wrong_size {
            self.find(issues::VAL_ATTACHMENT, || {
                format!("expected the size to be that of the data, {} bytes, found another", bytes.len())
            });
        }
        if wrong_hash {
            self.find(issues::VAL_ATTACHMENT, || "expected the SHA-1 hash of the data, found another".to_owned());
        }
    }

    /// Security labels are a set.
    pub(super) fn security_labels(&mut self, node: Node<'r>) {
        let Some(labels) = node.get("meta").and_then(|meta| meta.get("security")) else { return };
        let mut seen = BTreeSet::new();
        for (i, label) in labels.items().enumerate() {
            if !seen.insert((label.text("system"), label.text("code"))) {
                self.steps.push(Step { name: "meta", index: None, of_type: None });
                self.steps.push(Step { name: "security", index: Some(i as u32), of_type: None });
                self.find(issues::VAL_LABEL_TWICE, || "expected each label once, found one twice".to_owned());
                self.steps.truncate(self.steps.len() - 2);
            }
        }
    }

    pub(super) fn type_rules(&mut self, type_name: &str, node: Node<'r>) {
        self.security_labels(node);
        match type_name {
            "Bundle" => self.bundle_rules(node),
            "Questionnaire" => self.questionnaire_rules(node),
            "QuestionnaireResponse" => self.questionnaire_response(node),
            "ValueSet" => {
                self.value_set_systems(node);
                self.conformance(type_name, node);
            }
            _ => self.conformance(type_name, node),
        }
    }

    fn value_set_systems(&mut self, node: Node<'r>) {
        let Some(compose) = node.get("compose") else { return };
        for list in ["include", "exclude"] {
            let sets = compose.get(list).into_iter().flat_map(Node::items);
            for (i, system) in sets.enumerate().filter_map(|(i, set)| Some((i, set.text("system")?))) {
                let is_absolute = system.contains(':');
                self.checker.tally.count(BaseRule::Format, !is_absolute);
                if !is_absolute {
                    self.steps.push(Step { name: "compose", index: None, of_type: None });
                    self.steps.push(Step { name: list, index: Some(i as u32), of_type: None });
                    let detail = "expected an absolute URL in system, found a relative one or a fragment";
                    self.find(issues::VAL_VALUE_SET_SYSTEM, || detail.to_owned());
                    self.steps.truncate(self.steps.len() - 2);
                }
            }
        }
    }
}

/// The first part of a URI.
fn is_token(scheme: &str) -> bool {
    let mut bytes = scheme.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'[' | b']'))
}

/// The bytes behind base64, white space left out; `None` where it is none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n, mut n_padding) = (0_u32, 0_u32, 0_u32);
    for b in text.bytes() {
        let six = match b {
            b' ' | b'\t'..=b'\r' => continue,
            b'=' => {
                n_padding += 1;
                continue;
            }
            _ if n_padding > 0 => return None,
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        n += 1;
        if n.is_multiple_of(4) {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
    }
    match (n % 4, n_padding) {
        (0, 0) => {}
        (2, 2) => bytes.push((bits >> 4) as u8),
        (3, 1) => bytes.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => return None,
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_rfc_4648_says() {
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("", Some(b"")),
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9v\r\n YmE=", Some(b"fooba")),
            ("+/+/", Some(&[0xfb, 0xff, 0xbf])),
            ("Zm9", None),
            ("Zg=", None),
            ("Z===", None),
            ("Zg==Zg==", None),
            ("Zm-v", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decoded(text).as_deref(), *expected, "{text}");
        }
    }
}
