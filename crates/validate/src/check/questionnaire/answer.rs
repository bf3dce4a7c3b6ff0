//! One answer: its type, and the limits that the item sets on values of it.

use epr_fhir::Node;
use regex::Regex;
use std::cmp::Ordering;

use super::form::Kind;
use super::response::Judge;
use super::{compare, extension_value, extensions, primitive_text, value_of};
use crate::check::quantity;
use crate::finding::Step;
use crate::issues;

const MIME_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/mimeType";
const MAX_SIZE: &str = "http://hl7.org/fhir/StructureDefinition/maxSize";
const MIN_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/minValue";
const MAX_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/maxValue";
const MIN_LENGTH: &str = "http://hl7.org/fhir/StructureDefinition/minLength";
const REGEX: &str = "http://hl7.org/fhir/StructureDefinition/regex";
const MAX_DECIMALS: &str = "http://hl7.org/fhir/StructureDefinition/maxDecimalPlaces";
const MIN_QUANTITY: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-minQuantity";
const MAX_QUANTITY: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-maxQuantity";
/// A pattern that needs more than this when compiled is not judged.
const PATTERN_BYTES: usize = 1 << 20;

/// The types that an answer may have at all.
const ANSWER_TYPES: &[&str] = &[
    "Attachment",
    "Boolean",
    "Coding",
    "Date",
    "DateTime",
    "Decimal",
    "Integer",
    "Quantity",
    "Reference",
    "String",
    "Time",
    "Uri",
];

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Least,
    Most,
}

impl Limit {
    const BOTH: [Self; 2] = [Self::Least, Self::Most];

    fn of_value(self) -> &'static str {
        if self == Self::Least { MIN_VALUE } else { MAX_VALUE }
    }

    fn of_quantity(self) -> &'static str {
        if self == Self::Least { MIN_QUANTITY } else { MAX_QUANTITY }
    }

    fn allows(self, order: Ordering) -> bool {
        order == Ordering::Equal || (order == Ordering::Greater) == (self == Self::Least)
    }

    fn words(self) -> &'static str {
        if self == Self::Least { "at least the least" } else { "at most the greatest" }
    }
}

/// The types that an answer may have, as the name of its member has them after `value`.
fn types_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::None | Kind::Group | Kind::Display => &[],
        Kind::Boolean => &["Boolean"],
        Kind::Decimal => &["Decimal"],
        Kind::Integer => &["Integer"],
        Kind::Date => &["Date"],
        Kind::DateTime => &["DateTime"],
        Kind::Time => &["Time"],
        Kind::String | Kind::Text => &["String"],
        Kind::Url => &["Uri"],
        Kind::Choice | Kind::OpenChoice => &["Coding", "Date", "Time", "Integer", "String"],
        Kind::Attachment => &["Attachment"],
        Kind::Reference => &["Reference"],
        Kind::Quantity => &["Quantity"],
    }
}

impl<'p: 'r, 'r> Judge<'_, '_, 'p, 'r, '_> {
    /// Judges one answer; `n` is how many there are.
    pub(super) fn answer(&mut self, at: u32, answer: Node<'r>, n: usize) {
        let kind = self.form.item(at).kind;
        let types = types_of(kind);
        // A member that R4 does not know was told already.
        let is_asked = |(type_name, _): &(&str, Node<'_>)| !types.is_empty() && ANSWER_TYPES.contains(type_name);
        let Some((type_name, value)) = value_of(answer).filter(is_asked) else { return };
        let of_type = types.iter().find(|t| **t == type_name).copied();
        if kind == Kind::Attachment {
            // What is said of an attachment is said of the answer.
            self.attachment(at, value);
        }
        self.walk.steps.push(Step { name: "value", index: None, of_type });
        if of_type.is_none() {
            self.find(issues::VAL_ANSWER_TYPE, || {
                format!("expected an answer of type {}, found one of another", types.join(", "))
            });
        }
        match kind {
            Kind::Choice | Kind::OpenChoice => {
                if let Some(type_name) = of_type {
                    self.choice(at, type_name, value, n);
                }
            }
            Kind::Integer | Kind::Decimal if of_type.is_some() => {
                self.number(at, value);
                self.same_as_an_option(at, value);
            }
            Kind::Date | Kind::DateTime => {
                self.date(at, value);
                self.option_of_type(at, "Date", value);
            }
            Kind::Time => {
                self.time(at, value);
                self.option_of_type(at, "Time", value);
            }
            Kind::String => self.string(at, value),
            Kind::Quantity if of_type.is_some() => {
                self.quantity(at, value);
                self.same_as_an_option(at, value);
            }
            _ => {}
        }
        self.walk.steps.pop();
    }

    fn out_of_limit(&mut self, limit: Limit) {
        self.find(issues::VAL_ANSWER_LIMIT, || {
            format!("expected {} value that the item allows, found one beyond it", limit.words())
        });
    }

    fn no_comparison(&mut self) {
        self.find(issues::VAL_ANSWER_LIMIT, || {
            "expected a value that can be compared with the item's limit, found another".to_owned()
        });
    }

    fn number(&mut self, at: u32, value: Node<'r>) {
        let item = self.form.item(at).node;
        let is_whole = self.form.item(at).kind == Kind::Integer;
        let Some(number) = value.number_text().and_then(quantity::decimal) else { return };
        for limit in Limit::BOTH {
            let Some((_, bound)) = extension_value(item, limit.of_value()) else { continue };
            let bound = primitive_text(bound).and_then(quantity::decimal);
            match bound.filter(|b| !is_whole || b.is_integer()) {
                Some(bound) if limit.allows(number.cmp(&bound)) => {}
                Some(_) => self.out_of_limit(limit),
                None => self.no_comparison(),
            }
        }
        if !is_whole {
            self.decimals(at, value);
        }
    }

    fn decimals(&mut self, at: u32, number: Node<'r>) {
        let item = self.form.item(at).node;
        let most = extension_value(item, MAX_DECIMALS).and_then(|(_, v)| primitive_text(v)?.parse::<usize>().ok());
        let n = number.number_text().and_then(|t| t.rsplit_once('.')).map_or(0, |(_, decimals)| decimals.len());
        if let Some(most) = most.filter(|most| n > *most) {
            self.find(issues::VAL_ANSWER_LIMIT, || format!("expected at most {most} decimal places, found {n}"));
        }
    }

    fn date(&mut self, at: u32, value: Node<'r>) {
        let item = self.form.item(at).node;
        let text = primitive_text(value);
        let found = text.and_then(compare::instant);
        if text.is_some() && found.is_none() {
            self.no_comparison();
            return;
        }
        for limit in Limit::BOTH {
            let Some((_, bound)) = extension_value(item, limit.of_value()) else { continue };
            match (found, primitive_text(bound).and_then(compare::instant)) {
                (Some(found), Some(bound)) if limit.allows(found.cmp(&bound)) => {}
                (Some(_), Some(_)) => self.out_of_limit(limit),
                _ => {
                    self.no_comparison();
                    return;
                }
            }
        }
    }

    fn time(&mut self, at: u32, value: Node<'r>) {
        let item = self.form.item(at).node;
        for limit in Limit::BOTH {
            let Some((_, bound)) = extension_value(item, limit.of_value()) else { continue };
            match (primitive_text(value), primitive_text(bound)) {
                (Some(found), Some(bound)) if limit.allows(found.cmp(bound)) => {}
                (Some(_), Some(_)) => self.out_of_limit(limit),
                _ => {
                    self.no_comparison();
                    return;
                }
            }
        }
    }

    fn string(&mut self, at: u32, value: Node<'r>) {
        let Some(text) = primitive_text(value) else { return };
        let item = self.form.item(at).node;
        let n = text.encode_utf16().count();
        let least = extension_value(item, MIN_LENGTH).and_then(|(_, v)| v.number_text()?.parse::<usize>().ok());
        if let Some(least) = least.filter(|least| n < *least) {
            self.find(issues::VAL_ANSWER_LIMIT, || format!("expected at least {least} characters, found {n}"));
        }
        let most = item.get("maxLength").and_then(|v| v.number_text()?.parse::<usize>().ok());
        if let Some(most) = most.filter(|most| n > *most) {
            self.find(issues::VAL_ANSWER_LIMIT, || format!("expected at most {most} characters, found {n}"));
        }
        if let Some(pattern) = extension_value(item, REGEX).and_then(|(_, v)| v.as_str()) {
            self.pattern(at, pattern, text);
        }
        self.string_in_value_set(at, text);
        self.option_of_type(at, "String", value);
    }

    fn pattern(&mut self, at: u32, pattern: &str, text: &str) {
        let compiled = self.patterns.entry(at).or_insert_with(|| {
            regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES).build().ok()
        });
        match compiled.as_ref().map(|compiled: &Regex| compiled.is_match(text)) {
            None => self.not_checked("the item's regular expression is not of a kind that can be evaluated", None),
            Some(true) => {}
            Some(false) => self.find(issues::VAL_ANSWER_LIMIT, || {
                "expected a text of the form that the item's regular expression asks for, found another".to_owned()
            }),
        }
    }

    fn attachment(&mut self, at: u32, value: Node<'r>) {
        let item = self.form.item(at).node;
        if extensions(item, MIME_TYPE).next().is_some() {
            let found = value.text("contentType");
            let mut allowed = extensions(item, MIME_TYPE).filter_map(|e| value_of(e)?.1.as_str());
            if !found.is_some_and(|found| allowed.any(|allowed| found.starts_with(allowed))) {
                self.find(issues::VAL_ANSWER_LIMIT, || {
                    "expected an attachment of a MIME type that the item allows, found another".to_owned()
                });
            }
        }
        let most = extension_value(item, MAX_SIZE).and_then(|(_, v)| primitive_text(v)?.parse::<usize>().ok());
        if let (Some(most), Some(data)) = (most.filter(|most| *most > 0), value.text("data")) {
            let n = data.bytes().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count() * 3 / 4;
            if n >= most {
                self.find(issues::VAL_ANSWER_LIMIT, || format!("expected fewer than {most} bytes, found {n}"));
            }
        }
    }

    fn quantity(&mut self, at: u32, value: Node<'r>) {
        let item = self.form.item(at).node;
        for limit in Limit::BOTH {
            let Some(("Quantity", bound)) = extension_value(item, limit.of_quantity()) else { continue };
            match order(value, bound) {
                Some(order) if limit.allows(order) => {}
                Some(_) => self.out_of_limit(limit),
                None => self.no_comparison(),
            }
        }
        if let Some(number) = value.get("value") {
            self.decimals(at, number);
        }
        self.units(at, value);
    }
}

/// How two quantities that have units stand to each other.
fn order(one: Node<'_>, other: Node<'_>) -> Option<Ordering> {
    let has_unit = |node: Node<'_>| node.text("system").is_some() && node.text("code").is_some();
    (has_unit(one) && has_unit(other)).then(|| quantity::order(one, other))?
}
