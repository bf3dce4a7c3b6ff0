//! What a profile gives: fixed values, patterns, limits, lengths.
//!
//! A value that differs from a fixed one is told member by member, as far as the type's members are known.
//! Source: FHIR R4, ElementDefinition.fixed[x], pattern[x], minValue[x], maxValue[x], maxLength.

use epr_fhir::{Node, NodeKind};
use epr_fhirpath::temporal::Temporal;

use super::profile::inside;
use super::quantity::{self, number};
use super::value::{equal, holds};
use super::walk::{Walk, describe};
use crate::discriminator::items;
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::profile::{Given, Rule};
use crate::tally::BaseRule;

/// The members of data types that are compared one by one, and their types.
const MEMBERS: &[(&str, &[(&str, &str)])] = &[
    ("Address", &[("use", ""), ("text", ""), ("city", ""), ("state", ""), ("country", ""), ("line", "*")]),
    (
        "Attachment",
        &[("contentType", ""), ("language", ""), ("data", ""), ("url", ""), ("size", ""), ("hash", ""), ("title", "")],
    ),
    ("CodeableConcept", &[("text", ""), ("coding", "*Coding")]),
    ("Coding", &[("system", ""), ("version", ""), ("code", ""), ("display", ""), ("userSelected", "")]),
    ("ContactPoint", &[("system", ""), ("value", ""), ("use", ""), ("period", "Period")]),
    (
        "HumanName",
        &[
            ("use", ""),
            ("text", ""),
            ("period", "Period"),
            ("family", ""),
            ("given", "*"),
            ("prefix", "*"),
            ("suffix", "*"),
        ],
    ),
    (
        "Identifier",
        &[
            ("use", ""),
            ("type", "CodeableConcept"),
            ("system", ""),
            ("value", ""),
            ("period", "Period"),
            ("assigner", "Reference"),
        ],
    ),
    ("Period", &[("start", ""), ("end", "")]),
    ("Quantity", &[("value", ""), ("comparator", ""), ("unit", ""), ("system", ""), ("code", "")]),
    ("Range", &[("low", "Quantity"), ("high", "Quantity")]),
    ("Ratio", &[("numerator", "Quantity"), ("denominator", "Quantity")]),
    ("Reference", &[("reference", ""), ("type", ""), ("identifier", "Identifier"), ("display", "")]),
];

/// One thing in which a value differs from what is given.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    /// Below the value: `.coding.code`.
    path: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missing,
    NotAllowed,
    Other,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn given(&mut self, rule: &Rule<'p>, main: Node<'r>, type_code: &str) {
        let is_of_type = |given: &&Given<'_>| given.type_name == type_code || rule.names.len() == 1;
        if let Some(fixed) = rule.fixed.as_ref().filter(is_of_type) {
            let failed = !equal(fixed.value.root(), main);
            self.checker.tally.count(BaseRule::Fixed, failed);
            if failed {
                self.differs(rule, fixed, main, false);
            }
        }
        if let Some(pattern) = rule.pattern.as_ref().filter(is_of_type) {
            let failed = !holds(pattern.value.root(), main);
            self.checker.tally.count(BaseRule::Pattern, failed);
            if failed {
                self.differs(rule, pattern, main, true);
            }
        }
        if let (Some(max), Some(text)) = (rule.max_length, main.as_str()) {
            let n = text.chars().count();
            self.checker.tally.count(BaseRule::Length, n > max as usize);
            if n > max as usize {
                self.find(issues::VAL_LENGTH, || format!("expected at most {max} characters, found {n}"));
            }
        }
        for (limit, is_least) in [(&rule.min_value, true), (&rule.max_value, false)] {
            if let Some(limit) = limit.as_ref().filter(|limit| is_of_type(limit) || limit.type_name == "integer") {
                self.limit(rule, limit, is_least, main);
            }
        }
    }

    /// Tells each thing in which a value differs from a fixed one or a pattern.
    fn differs(&mut self, rule: &Rule<'p>, given: &Given<'_>, main: Node<'r>, is_pattern: bool) {
        let mut found = Vec::new();
        differences(given.value.root(), main, given.type_name, is_pattern, &mut String::new(), &mut found);
        if found.is_empty() {
            // What is not compared one by one differs: an order, an extension, an element that FHIR compares too.
            found.push(Difference { path: String::new(), kind: Kind::Other });
        }
        let (code, what) =
            if is_pattern { (issues::VAL_PATTERN, "pattern") } else { (issues::VAL_FIXED, "fixed value") };
        let inside = inside(rule.id);
        for Difference { path, kind } in found {
            let at = path.trim_start_matches('.');
            self.find(code, || match (kind, at) {
                (Kind::Other, "") if is_pattern => {
                    format!("expected what the definition's pattern{inside} holds, found it lacking")
                }
                (Kind::Other, "") => {
                    format!("expected the fixed value of the definition{inside}, found {}", describe(main))
                }
                (Kind::Other, _) => format!("expected the definition's {what}{inside} in {at}, found another"),
                (Kind::Missing, _) => format!("expected {at} as in the definition's {what}{inside}, found none"),
                (Kind::NotAllowed, _) => {
                    format!("expected no {at}, as the definition's {what}{inside} has none, found one")
                }
            });
        }
    }

    /// A number, a date or a quantity against the least or largest value allowed.
    fn limit(&mut self, rule: &Rule<'p>, limit: &Given<'_>, is_least: bool, main: Node<'r>) {
        let found = match limit.type_name {
            "Quantity" => quantity::order(main, limit.value.root()),
            "date" | "dateTime" | "instant" | "time" => times(limit.value.root(), main),
            _ => number(limit.value.root()).zip(number(main)).map(|(limit, found)| found.cmp(&limit)),
        };
        let Some(order) = found else {
            self.not_checked(NotCheckedKey {
                rule: "limit".to_owned(),
                element: rule.id.to_owned(),
                value_set: None,
                reason: "the value and the limit of the definition cannot be compared here".to_owned(),
            });
            return;
        };
        let failed = if is_least { order.is_lt() } else { order.is_gt() };
        self.checker.tally.count(BaseRule::Profile, failed);
        if failed {
            let which = if is_least { "at least the least" } else { "at most the largest" };
            self.find(issues::VAL_LIMIT, || {
                format!("expected {which} value that the definition allows, found another")
            });
        }
    }
}

/// How a date or time compares with the limit; `None` where their precisions leave it open.
fn times(limit: Node<'_>, found: Node<'_>) -> Option<std::cmp::Ordering> {
    let read = |node: Node<'_>| {
        let text = node.as_str()?;
        if text.contains('T') {
            Temporal::date_time(text)
        } else if text.contains(':') {
            Temporal::time(text)
        } else {
            Temporal::date(text)
        }
    };
    let (limit, found) = (read(limit)?, read(found)?);
    found.compare(&limit).or_else(|| found.to_date()?.compare(&limit.to_date()?))
}

/// Notes where a value differs from what is given; of what stands below in a list the items are paired.
fn differences(
    given: Node<'_>,
    found: Node<'_>,
    type_name: &str,
    is_pattern: bool,
    path: &mut String,
    out: &mut Vec<Difference>,
) {
    let mut note = |path: &str, kind| out.push(Difference { path: path.to_owned(), kind });
    let Some((_, members)) = MEMBERS.iter().find(|(name, _)| *name == type_name) else {
        let differs = if is_pattern { !holds(given, found) } else { !equal(given, found) };
        if differs {
            note(path, Kind::Other);
        }
        return;
    };
    if given.kind() != NodeKind::Object || found.kind() != NodeKind::Object {
        note(path, Kind::Other);
        return;
    }
    for (name, member_type) in *members {
        let length = path.len();
        path.push('.');
        path.push_str(name);
        let (asked, there) = (given.get(name), found.get(name));
        if let Some(item_type) = member_type.strip_prefix('*') {
            lists(asked, there, item_type, is_pattern, path, out);
        } else {
            match (asked, there) {
                (Some(asked), Some(there)) => differences(asked, there, member_type, is_pattern, path, out),
                (Some(_), None) => out.push(Difference { path: path.clone(), kind: Kind::Missing }),
                (None, Some(_)) if !is_pattern => out.push(Difference { path: path.clone(), kind: Kind::NotAllowed }),
                _ => {}
            }
        }
        path.truncate(length);
    }
}

/// A list against the one that is given: of a pattern each item must be met by some, a fixed one is met in its order.
fn lists(
    given: Option<Node<'_>>,
    found: Option<Node<'_>>,
    item_type: &str,
    is_pattern: bool,
    path: &mut String,
    out: &mut Vec<Difference>,
) {
    let all = |node: Option<Node<'_>>| node.map(items).unwrap_or_default().len();
    let (n_given, n_found) = (all(given), all(found));
    let (given, found) = (given.map(items).unwrap_or_default(), found.map(items).unwrap_or_default());
    if if is_pattern { n_found < n_given } else { n_found != n_given } {
        out.push(Difference { path: path.clone(), kind: Kind::Other });
        return;
    }
    for (i, one) in given.iter().enumerate() {
        if is_pattern {
            if !found.iter().any(|item| holds(*one, *item)) {
                out.push(Difference { path: format!("{path}[{i}]"), kind: Kind::Other });
            }
        } else {
            differences(*one, found[i], item_type, false, path, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use epr_fhir::Resource;

    use super::*;

    /// What is given, what is found, their type, whether it is a pattern, and what is told.
    type Case<'a> = (&'a str, &'a str, &'a str, bool, &'a [(&'a str, Kind)]);

    fn told(given: &str, found: &str, type_name: &str, is_pattern: bool) -> Vec<(String, Kind)> {
        let (given, found) =
            (Resource::parse_json(given.as_bytes()).unwrap(), Resource::parse_json(found.as_bytes()).unwrap());
        let mut out = Vec::new();
        differences(given.root(), found.root(), type_name, is_pattern, &mut String::new(), &mut out);
        out.into_iter().map(|d| (d.path, d.kind)).collect()
    }

    #[test]
    fn each_member_that_differs_is_told_by_itself() {
        let cases: &[Case<'_>] = &[
            (
                r#"{ "use": "work" }"#,
                r#"{ "system": "phone", "value": "1", "use": "home" }"#,
                "ContactPoint",
                false,
                &[(".system", Kind::NotAllowed), (".value", Kind::NotAllowed), (".use", Kind::Other)],
            ),
            (
                r#"{ "coding": [ { "system": "a", "code": "b" } ] }"#,
                r#"{ "coding": [ { "system": "a", "code": "c", "display": "d" } ] }"#,
                "CodeableConcept",
                true,
                &[(".coding[0]", Kind::Other)],
            ),
            (
                r#"{ "coding": [ { "system": "a", "code": "b" } ] }"#,
                r#"{ "coding": [ { "system": "a", "code": "b", "display": "d" } ] }"#,
                "CodeableConcept",
                false,
                &[(".coding.display", Kind::NotAllowed)],
            ),
            (r#"{ "start": "2020" }"#, r#"{ "end": "2020" }"#, "Period", true, &[(".start", Kind::Missing)]),
            (
                r#"{ "code": "a", "value": 1.0 }"#,
                r#"{ "code": "a", "value": 1 }"#,
                "Quantity",
                true,
                &[(".value", Kind::Other)],
            ),
        ];
        for (given, found, type_name, is_pattern, expected) in cases {
            let expected: Vec<(String, Kind)> =
                expected.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect();
            assert_eq!(told(given, found, type_name, *is_pattern), expected, "{given} {found}");
        }
    }
}
