//! Equality, equivalence and order, with "no answer" where FHIRPath gives none.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use epr_fhir::resource::{Node, NodeKind};
use rust_decimal::Decimal;

use crate::element::decimal;
use crate::quantity::{Compared, Quantity};
use crate::temporal::Temporal;
use crate::value::Item;

/// The answer to a comparison of two items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    Known(T),
    /// FHIRPath gives no answer (precisions differ).
    Open,
    /// A unit is not in the conversion table.
    NeedsUcum,
    /// The two kinds cannot be compared at all.
    Mismatch,
}

/// Both sides as system values; a text beside a date or time is read as one where its type is not known.
fn system_pair<'a>(left: &Item<'a>, right: &Item<'a>) -> (Item<'a>, Item<'a>) {
    let (a, b) = (left.system(), right.system());
    match (&a, &b) {
        (Item::String(text), Item::Temporal(at)) if untyped(left) => match read_like(text, at) {
            Some(read) => (read, b),
            None => (a, b),
        },
        (Item::Temporal(at), Item::String(text)) if untyped(right) => match read_like(text, at) {
            Some(read) => (a, read),
            None => (a, b),
        },
        (Item::String(x), Item::String(y)) if untyped(left) && untyped(right) => {
            match (Temporal::date_time(x), Temporal::date_time(y)) {
                // A bare year is as likely a number of something.
                (Some(x), Some(y)) if x.precision() != crate::temporal::Precision::Year => {
                    (Item::Temporal(x), Item::Temporal(y))
                }
                _ => (a, b),
            }
        }
        (Item::Quantity(_), Item::Integer(_) | Item::Decimal(_)) => (a, plain_quantity(&b)),
        (Item::Integer(_) | Item::Decimal(_), Item::Quantity(_)) => (plain_quantity(&a), b),
        _ => (a, b),
    }
}

fn unreadable(item: &Item<'_>) -> bool {
    matches!(item, Item::Element(element) if element.is_temporal())
}

fn untyped(item: &Item<'_>) -> bool {
    matches!(item, Item::Element(element) if element.type_code().is_empty())
}

fn read_like(text: &str, at: &Temporal) -> Option<Item<'static>> {
    let read = match at.kind() {
        crate::temporal::TemporalKind::Time => Temporal::time(text),
        _ => Temporal::date_time(text),
    };
    read.map(Item::Temporal)
}

fn plain_quantity<'a>(item: &Item<'a>) -> Item<'a> {
    let value = item.number().unwrap_or_default();
    Item::Quantity(Quantity { value, unit: Cow::Borrowed("1"), is_calendar: false })
}

/// `=` for two items.
pub(crate) fn equal(left: &Item<'_>, right: &Item<'_>) -> Answer<bool> {
    if let (Item::Element(a), Item::Element(b)) = (left, right)
        && (a.is_object() || b.is_object())
    {
        return Answer::Known(match (a.node(), b.node()) {
            (Some(a), Some(b)) => same_node(a, b, Strictness::Equal),
            _ => false,
        });
    }
    let (a, b) = system_pair(left, right);
    match (&a, &b) {
        (Item::Boolean(a), Item::Boolean(b)) => Answer::Known(a == b),
        (Item::String(a), Item::String(b)) => Answer::Known(a == b),
        (Item::Temporal(a), Item::Temporal(b)) => {
            use crate::temporal::TemporalKind::Time;
            if (a.kind() == Time) != (b.kind() == Time) {
                return Answer::Known(false);
            }
            a.compare(b).map_or(Answer::Open, |order| Answer::Known(order == Ordering::Equal))
        }
        (Item::Quantity(a), Item::Quantity(b)) => match a.compare(b, false) {
            Compared::Order(order) => Answer::Known(order == Ordering::Equal),
            Compared::Open => Answer::Open,
            Compared::NeedsUcum => Answer::NeedsUcum,
        },
        (Item::Type { namespace: a, name: x }, Item::Type { namespace: b, name: y }) => Answer::Known(a == b && x == y),
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => Answer::Known(a == b),
            _ => Answer::Known(false),
        },
    }
}

/// `~` for two items: letters without case, numbers to the lesser precision, differing precision is unlike.
pub(crate) fn equivalent(left: &Item<'_>, right: &Item<'_>) -> Answer<bool> {
    if let (Item::Element(a), Item::Element(b)) = (left, right)
        && (a.is_object() || b.is_object())
    {
        return Answer::Known(match (a.node(), b.node()) {
            (Some(a), Some(b)) => same_node(a, b, Strictness::Equivalent),
            _ => false,
        });
    }
    let (a, b) = system_pair(left, right);
    match (&a, &b) {
        (Item::String(a), Item::String(b)) => Answer::Known(same_words(a, b)),
        (Item::Temporal(a), Item::Temporal(b)) => Answer::Known(a.compare(b) == Some(Ordering::Equal)),
        (Item::Quantity(a), Item::Quantity(b)) => match a.compare(b, true) {
            Compared::Order(_) if a.unit == b.unit => Answer::Known(about_equal(a.value, b.value)),
            Compared::Order(order) => Answer::Known(order == Ordering::Equal || about_equal_quantities(a, b)),
            Compared::Open => Answer::Known(false),
            Compared::NeedsUcum => Answer::NeedsUcum,
        },
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => Answer::Known(about_equal(a, b)),
            _ => equal(&a, &b),
        },
    }
}

fn about_equal(a: Decimal, b: Decimal) -> bool {
    let digits = a.normalize().scale().min(b.normalize().scale());
    let strategy = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    a.round_dp_with_strategy(digits, strategy) == b.round_dp_with_strategy(digits, strategy)
}

/// Two amounts in different units: rounded to the digits of the one that is written with fewer.
fn about_equal_quantities(a: &Quantity<'_>, b: &Quantity<'_>) -> bool {
    let Some((left, right)) = a.in_one_unit(b) else { return false };
    // Both have the factors of the units in them: the digits that were written stand behind those.
    let strategy = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    let significant = digits(a.value).min(digits(b.value));
    let round = |value: Decimal| value.round_sf_with_strategy(significant, strategy);
    round(left).is_some_and(|left| round(right) == Some(left))
}

/// Significant digits, of which there is at least one.
fn digits(value: Decimal) -> u32 {
    let mut mantissa = value.normalize().mantissa().unsigned_abs();
    let mut n = 1;
    while mantissa >= 10 {
        mantissa /= 10;
        n += 1;
    }
    n
}

fn same_words(a: &str, b: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    a == b || words(a) == words(b)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Equal,
    Equivalent,
}

/// Whether two JSON values say the same; the order of members does not matter.
fn same_node(a: Node<'_>, b: Node<'_>, strictness: Strictness) -> bool {
    if a.kind() != b.kind() {
        return false;
    }
    match a.kind() {
        NodeKind::Object => {
            a.members().count() == b.members().count()
                && a.members().all(|(name, a)| b.get(name).is_some_and(|b| same_node(a, b, strictness)))
        }
        NodeKind::Array => {
            let other: Vec<_> = b.items().collect();
            if a.items().count() != other.len() {
                return false;
            }
            if strictness == Strictness::Equal {
                return a.items().zip(other).all(|(a, b)| same_node(a, b, strictness));
            }
            let mut taken = vec![false; other.len()];
            a.items().all(|a| {
                let found = (0..other.len()).find(|at| !taken[*at] && same_node(a, other[*at], strictness));
                found.inspect(|at| taken[*at] = true).is_some()
            })
        }
        NodeKind::String => match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => a == b || (strictness == Strictness::Equivalent && same_words(a, b)),
            _ => false,
        },
        NodeKind::Number => match (a.number_text(), b.number_text()) {
            (Some(a), Some(b)) if a == b => true,
            (Some(a), Some(b)) => matches!((decimal(a), decimal(b)), (Some(a), Some(b)) if a == b),
            _ => false,
        },
        NodeKind::Bool => a.as_bool() == b.as_bool(),
        NodeKind::Null => true,
    }
}

/// Which of two items comes first.
pub(crate) fn order(left: &Item<'_>, right: &Item<'_>) -> Answer<Ordering> {
    let (a, b) = system_pair(left, right);
    match (&a, &b) {
        // An empty text is no value: there is nothing to come before or after.
        (Item::String(text), _) if text.is_empty() && unreadable(left) => Answer::Known(Ordering::Equal),
        (_, Item::String(text)) if text.is_empty() && unreadable(right) => Answer::Known(Ordering::Equal),
        // A date or time that cannot be read comes neither before nor after another.
        (Item::String(_), _) if unreadable(left) => Answer::Open,
        (_, Item::String(_)) if unreadable(right) => Answer::Open,
        (Item::String(a), Item::String(b)) => Answer::Known(a.cmp(b)),
        (Item::Temporal(a), Item::Temporal(b)) => {
            use crate::temporal::TemporalKind::Time;
            if (a.kind() == Time) != (b.kind() == Time) {
                return Answer::Mismatch;
            }
            a.compare(b).map_or(Answer::Open, Answer::Known)
        }
        (Item::Quantity(a), Item::Quantity(b)) => match a.compare(b, false) {
            Compared::Order(order) => Answer::Known(order),
            Compared::Open => Answer::Open,
            Compared::NeedsUcum => Answer::NeedsUcum,
        },
        // An element that has only extensions has no value to compare.
        (Item::Element(element), _) | (_, Item::Element(element)) if !element.is_object() => Answer::Open,
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => Answer::Known(a.cmp(&b)),
            _ => Answer::Mismatch,
        },
    }
}

/// The items met so far, by `=`: asked in constant time once there are many.
#[derive(Default)]
pub(crate) struct Seen<'a> {
    items: Vec<Item<'a>>,
    by_hash: HashMap<u64, Vec<usize>>,
}

/// Below this many items a plain search is faster than hashing.
const FEW: usize = 12;

impl<'a> Seen<'a> {
    pub(crate) fn of(items: &[Item<'a>]) -> Seen<'a> {
        let mut seen = Seen::default();
        for item in items {
            seen.insert(item);
        }
        seen
    }

    pub(crate) fn contains(&self, item: &Item<'a>) -> bool {
        if self.items.len() <= FEW {
            return self.items.iter().any(|other| is_same(other, item));
        }
        let bucket = self.by_hash.get(&hash_of(item));
        bucket.is_some_and(|bucket| bucket.iter().any(|at| is_same(&self.items[*at], item)))
    }

    /// Remembers the item; false when an equal one was there.
    pub(crate) fn insert(&mut self, item: &Item<'a>) -> bool {
        if self.contains(item) {
            return false;
        }
        self.items.push(item.clone());
        if self.items.len() == FEW + 1 {
            for at in 0..self.items.len() {
                self.by_hash.entry(hash_of(&self.items[at])).or_default().push(at);
            }
        } else if self.items.len() > FEW {
            self.by_hash.entry(hash_of(item)).or_default().push(self.items.len() - 1);
        }
        true
    }
}

fn is_same(a: &Item<'_>, b: &Item<'_>) -> bool {
    equal(a, b) == Answer::Known(true)
}

/// Equal items have equal hashes; kinds whose equality is not that of their parts share one bucket each.
fn hash_of(item: &Item<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match item.system() {
        Item::Boolean(value) => value.hash(&mut hasher),
        // An untyped text may equal a date: all that look like dates share a bucket.
        Item::String(text) if Temporal::date_time(&text).is_some() => 1u8.hash(&mut hasher),
        Item::String(text) => text.hash(&mut hasher),
        Item::Integer(value) => Decimal::from(value).normalize().hash(&mut hasher),
        Item::Decimal(value) => value.normalize().hash(&mut hasher),
        Item::Temporal(at) if at.kind() != crate::temporal::TemporalKind::Time => 1u8.hash(&mut hasher),
        Item::Temporal(_) => 2u8.hash(&mut hasher),
        Item::Quantity(_) => 3u8.hash(&mut hasher),
        Item::Type { name, .. } => name.hash(&mut hasher),
        Item::Element(element) => element.node().map_or(0, hash_of_node).hash(&mut hasher),
    }
    hasher.finish()
}

/// Deep equality ignores the order of members and how a number is written, so the hash does too.
fn hash_of_node(node: Node<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match node.kind() {
        NodeKind::Object => {
            let sum = node.members().fold(0_u64, |sum, (name, value)| {
                let mut member = DefaultHasher::new();
                (name, hash_of_node(value)).hash(&mut member);
                sum.wrapping_add(member.finish())
            });
            sum.hash(&mut hasher);
        }
        NodeKind::Array => node.items().for_each(|item| hash_of_node(item).hash(&mut hasher)),
        NodeKind::String => node.as_str().hash(&mut hasher),
        NodeKind::Bool => node.as_bool().hash(&mut hasher),
        NodeKind::Number | NodeKind::Null => {}
    }
    hasher.finish()
}
