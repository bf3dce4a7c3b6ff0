//! Whether what the target holds is what we sent, fields that servers add apart.
//!
//! Order of members does not count. What a server adds counts neither: `meta.versionId`, `meta.lastUpdated`,
//! `meta.source`, tags, security labels and profiles beside ours, a narrative where we sent none. A number with the
//! same value and other digits (1.5 for 1.50) is told apart: a server that reads JSON numbers as binary floating
//! point loses the precision that a decimal of FHIR has.

use epr_fhir::{Node, NodeKind};

/// How two contents compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    /// Equal, but for the digits in which a number is written; the first place.
    Digits(String),
    /// The first place where they differ: an element's path, no value.
    Different(String),
}

impl Comparison {
    /// Whether nobody changed the content.
    pub fn is_same(&self) -> bool {
        !matches!(self, Self::Different(_))
    }
}

/// Compares a resource as we sent it with what the target gives.
pub fn compare(ours: Node<'_>, theirs: Node<'_>) -> Comparison {
    let mut compared = Compared { path: vec![ours.text("resourceType").unwrap_or_default().to_owned()], digits: None };
    let same = compared.resource(ours, theirs);
    let path = compared.path.join(".");
    match (same, compared.digits) {
        (false, _) => Comparison::Different(path),
        (true, Some(place)) => Comparison::Digits(place),
        (true, None) => Comparison::Equal,
    }
}

struct Compared {
    /// Where the walk is; after a difference, where that is.
    path: Vec<String>,
    digits: Option<String>,
}

impl Compared {
    fn resource(&mut self, ours: Node<'_>, theirs: Node<'_>) -> bool {
        self.members(ours, theirs, |name, ours, _| match name {
            "meta" => Special::Meta,
            "text" if ours.is_none() => Special::Skip,
            _ => Special::No,
        })
    }

    fn meta(&mut self, ours: Option<Node<'_>>, theirs: Option<Node<'_>>) -> bool {
        let Some(ours) = ours else { return true };
        for (name, ours) in ours.members() {
            self.path.push(name.to_owned());
            let theirs = theirs.and_then(|t| t.get(name));
            let same = match name {
                "versionId" | "lastUpdated" => true,
                // HAPI FHIR 8.8 appends `#` and the number of the request.
                "source" => match (ours.as_str(), theirs.and_then(Node::as_str)) {
                    (Some(ours), Some(theirs)) => theirs == ours || theirs.split('#').next() == Some(ours),
                    _ => false,
                },
                "tag" | "security" | "profile" => ours
                    .items()
                    .all(|item| theirs.is_some_and(|t| t.items().any(|other| self.value_quietly(item, other)))),
                _ => theirs.is_some_and(|theirs| self.value(ours, theirs)),
            };
            if !same {
                return false;
            }
            self.path.pop();
        }
        true
    }

    fn members(
        &mut self,
        ours: Node<'_>,
        theirs: Node<'_>,
        special: impl Fn(&str, Option<Node<'_>>, Option<Node<'_>>) -> Special,
    ) -> bool {
        let only_theirs = theirs.members().filter(|(name, _)| ours.get(name).is_none());
        let names = ours.members().chain(only_theirs).map(|(name, _)| name);
        for name in names {
            let (a, b) = (ours.get(name), theirs.get(name));
            self.path.push(name.to_owned());
            let same = match special(name, a, b) {
                Special::Skip => true,
                Special::Meta => self.meta(a, b),
                Special::No => match (a, b) {
                    (Some(a), Some(b)) => self.value(a, b),
                    _ => false,
                },
            };
            if !same {
                return false;
            }
            self.path.pop();
        }
        true
    }

    fn value(&mut self, ours: Node<'_>, theirs: Node<'_>) -> bool {
        if ours.kind() != theirs.kind() {
            return false;
        }
        match ours.kind() {
            NodeKind::Object => self.members(ours, theirs, |_, _, _| Special::No),
            NodeKind::Array => {
                let n = ours.items().count();
                n == theirs.items().count() && ours.items().zip(theirs.items()).all(|(a, b)| self.value(a, b))
            }
            NodeKind::String => ours.as_str() == theirs.as_str(),
            NodeKind::Number => {
                let (a, b) = (ours.number_text().unwrap_or_default(), theirs.number_text().unwrap_or_default());
                if a != b && value_of(a) == value_of(b) && self.digits.is_none() {
                    self.digits = Some(self.path.join("."));
                }
                a == b || value_of(a) == value_of(b)
            }
            NodeKind::Bool | NodeKind::Null => ours.raw() == theirs.raw(),
        }
    }

    /// As [`Compared::value`], for a search among several: a difference is no finding.
    fn value_quietly(&mut self, ours: Node<'_>, theirs: Node<'_>) -> bool {
        let depth = self.path.len();
        let same = self.value(ours, theirs);
        self.path.truncate(depth);
        same
    }
}

/// What is special about a member.
enum Special {
    No,
    Skip,
    Meta,
}

/// The value of a JSON number: sign, digits without zeros at either end, and the power of ten of the last digit.
fn value_of(text: &str) -> Option<(bool, String, i64)> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let power = exponent - length(fraction) + length(&digits) - length(significant);
    let significant = significant.trim_start_matches('0');
    Some(if significant.is_empty() { (false, String::new(), 0) } else { (negative, significant.to_owned(), power) })
}

#[cfg(test)]
mod tests {
    use epr_fhir::Resource;

    use super::*;

    fn compared(ours: &str, theirs: &str) -> Comparison {
        let (ours, theirs) =
            (Resource::parse_json(ours.as_bytes()).unwrap(), Resource::parse_json(theirs.as_bytes()).unwrap());
        compare(ours.root(), theirs.root())
    }

    #[test]
    fn what_a_server_adds_is_no_difference() {
        let ours =
            r#"{"resourceType":"Patient","id":"a","meta":{"source":"urn:x","tag":[{"code":"t"}]},"active":true}"#;
        for theirs in [
            ours,
            r#"{"active":true,"id":"a","resourceType":"Patient","meta":{"source":"urn:x#Qy","versionId":"3","lastUpdated":"2026-11-01T00:00:00Z","tag":[{"code":"s"},{"code":"t"}],"security":[{"code":"R"}]},"text":{"status":"generated"}}"#,
        ] {
            assert_eq!(compared(ours, theirs), Comparison::Equal);
        }
        let ours = r#"{"resourceType":"Patient","active":true}"#;
        assert_eq!(
            compared(ours, r#"{"resourceType":"Patient","meta":{"versionId":"1"},"active":true}"#),
            Comparison::Equal
        );
    }

    #[test]
    fn a_difference_is_named_by_its_path_and_never_by_its_value() {
        let ours = r#"{"resourceType":"Patient","text":{"status":"generated"},"meta":{"tag":[{"code":"t"}]},"name":[{"given":["A","B"]}]}"#;
        let theirs = |from: &str, to: &str| ours.replace(from, to);
        let different = |path: &str| Comparison::Different(path.to_owned());
        assert_eq!(compared(ours, &theirs("\"B\"", "\"C\"")), different("Patient.name.given"));
        assert_eq!(compared(ours, &theirs(",\"B\"", "")), different("Patient.name.given"));
        assert_eq!(compared(ours, &theirs("\"t\"", "\"u\"")), different("Patient.meta.tag"));
        assert_eq!(compared(ours, &theirs("generated", "additional")), different("Patient.text.status"));
        assert_eq!(compared(ours, &theirs("\"name\"", "\"active\":false,\"name\"")), different("Patient.active"));
        assert_eq!(compared(ours, &theirs("[\"A\",\"B\"]", "\"A\"")), different("Patient.name.given"));
    }

    #[test]
    fn a_lost_digit_is_told_apart_from_an_edit() {
        let quantity = |n: &str| format!(r#"{{"resourceType":"Observation","valueQuantity":{{"value":{n}}}}}"#);
        let digits = Comparison::Digits("Observation.valueQuantity.value".to_owned());
        for (ours, theirs, expected) in [
            ("1.50", "1.50", Comparison::Equal),
            ("1.50", "1.5", digits.clone()),
            ("100", "1e2", digits.clone()),
            ("0.0", "-0", digits.clone()),
            ("0.10", "1.0E-1", digits),
            ("1.50", "1.51", Comparison::Different("Observation.valueQuantity.value".to_owned())),
            ("5", "-5", Comparison::Different("Observation.valueQuantity.value".to_owned())),
            ("5", "50", Comparison::Different("Observation.valueQuantity.value".to_owned())),
        ] {
            assert_eq!(compared(&quantity(ours), &quantity(theirs)), expected, "{ours} {theirs}");
        }
    }
}
