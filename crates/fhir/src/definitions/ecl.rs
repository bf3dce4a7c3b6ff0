//! Expressions over SNOMED CT in value sets, as far as published value sets use them: codes, descendants, reference sets,
//! joined by OR and AND.
//!
//! Both spellings are read: the symbols of the Expression Constraint Language (`<`, `<<`, `^`) and the words that UK Core
//! uses (`descendantOf`, `descendantOrSelfOf`, `memberOf`). Anything else has no answer here.

use super::code_list::{CodeList, Completeness};
use super::{Membership, WhyUnknown};

const LONGEST: usize = 64 * 1024;
const DEEPEST: u32 = 50;
const NO_ANSWER: Membership = Membership::Unknown(WhyUnknown::FilterNotSupported);

/// Whether the code at a place of a list meets an expression.
pub(super) fn holds(list: &CodeList, at: u32, expression: &str) -> Membership {
    if expression.len() > LONGEST {
        return NO_ANSWER;
    }
    let mut reader = Reader { list, at, rest: expression };
    match reader.any_of(0) {
        Some(found) if reader.rest.trim().is_empty() => found,
        _ => NO_ANSWER,
    }
}

struct Reader<'a> {
    list: &'a CodeList,
    at: u32,
    rest: &'a str,
}

impl Reader<'_> {
    /// Terms joined by OR; AND binds closer. `None`: it cannot be read.
    fn any_of(&mut self, depth: u32) -> Option<Membership> {
        let mut found = self.all_of(depth)?;
        while self.takes_word("OR") {
            found = super::membership::any([found, self.all_of(depth)?]);
        }
        Some(found)
    }

    fn all_of(&mut self, depth: u32) -> Option<Membership> {
        let mut found = self.term(depth)?;
        while self.takes_word("AND") || self.takes(",") {
            found = super::membership::all([found, self.term(depth)?]);
        }
        Some(found)
    }

    fn term(&mut self, depth: u32) -> Option<Membership> {
        if depth > DEEPEST {
            return None;
        }
        if self.takes("(") {
            let found = self.any_of(depth + 1)?;
            return self.takes(")").then_some(found);
        }
        let operators =
            [("<<", Operator::BelowOrSelf), ("<!", Operator::Child), ("<", Operator::Below), ("^", Operator::Member)];
        let words = [
            ("descendantOrSelfOf", Operator::BelowOrSelf),
            ("descendantOf", Operator::Below),
            ("childOf", Operator::Child),
            ("memberOf", Operator::Member),
        ];
        let symbol = operators.into_iter().find(|(text, _)| self.takes(text));
        let operator = symbol.or_else(|| words.into_iter().find(|(text, _)| self.takes_word(text)));
        let operator = operator.map_or(Operator::Itself, |(_, operator)| operator);
        let id = self.id()?;
        Some(self.answer(operator, id))
    }

    fn answer(&self, operator: Operator, id: u64) -> Membership {
        let list = self.list;
        if operator == Operator::Member {
            return match list.is_member(id, self.at) {
                Some(true) => Membership::In,
                Some(false) => Membership::NotIn,
                None => Membership::Unknown(WhyUnknown::SystemIncomplete),
            };
        }
        let Some(other) = list.place(&id.to_string()) else {
            return match (operator, list.completeness()) {
                (Operator::Itself, _) | (_, Completeness::Whole) => Membership::NotIn,
                _ => Membership::Unknown(WhyUnknown::SystemIncomplete),
            };
        };
        let is_itself = other == self.at;
        let holds = match operator {
            Operator::Itself => is_itself,
            Operator::BelowOrSelf if is_itself => true,
            Operator::Child if list.has_hierarchy() => list.parents_of(self.at).contains(&other),
            Operator::Below | Operator::BelowOrSelf if list.has_hierarchy() => list.is_below(self.at, other),
            _ => return Membership::Unknown(WhyUnknown::SystemIncomplete),
        };
        match (holds, list.completeness()) {
            (true, _) => Membership::In,
            (false, Completeness::Part) if operator != Operator::Itself => {
                Membership::Unknown(WhyUnknown::SystemIncomplete)
            }
            (false, _) => Membership::NotIn,
        }
    }

    fn id(&mut self) -> Option<u64> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let id = text[..end].parse().ok()?;
        self.rest = text[end..].trim_start();
        // A term in bars is for people.
        if let Some(term) = self.rest.strip_prefix('|') {
            self.rest = &term[term.find('|')? + 1..];
        }
        Some(id)
    }

    fn takes(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(text) else { return false };
        self.rest = rest;
        true
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let text = self.rest.trim_start();
        let is_word = text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
            && !text[word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric());
        if is_word {
            self.rest = &text[word.len()..];
        }
        is_word
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Itself,
    Below,
    BelowOrSelf,
    Child,
    Member,
}
