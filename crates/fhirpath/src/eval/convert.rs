//! `toX()` and `convertsToX()`: the same reading, asked for the value or for whether there is one.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::{Answered, Evaluator, Scope, boolean, one, what};
use crate::compile::Call;
use crate::element::decimal;
use crate::functions::Function;
use crate::quantity::{Quantity, calendar_word};
use crate::temporal::Temporal;
use crate::value::{Collection, Item};

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn conversion(&mut self, call: &'a Call, base: &Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        use Function::*;
        let Some(item) = one(base, what(call), call.offset)? else { return Ok(Collection::empty()) };
        let as_written = item.to_text();
        let item = item.system();
        let unit = match call.arguments.first() {
            Some(op) => self.text(op, scope, what(call), call.offset)?,
            None => None,
        };
        let converted = match call.function {
            ToBoolean | ConvertsToBoolean => to_boolean(&item).map(Item::Boolean),
            ToInteger | ConvertsToInteger => to_integer(&item).map(Item::Integer),
            ToDecimal | ConvertsToDecimal => to_decimal(&item).map(Item::Decimal),
            ToDate | ConvertsToDate => to_date(&item).map(Item::Temporal),
            ToDateTime | ConvertsToDateTime => to_date_time(&item).map(Item::Temporal),
            ToTime | ConvertsToTime => to_time(&item).map(Item::Temporal),
            ToStringText | ConvertsToString => as_written.map(Item::String),
            _ => {
                to_quantity(&item).filter(|quantity| unit.is_none_or(|unit| unit == quantity.unit)).map(Item::Quantity)
            }
        };
        let asks = matches!(
            call.function,
            ConvertsToBoolean
                | ConvertsToInteger
                | ConvertsToDecimal
                | ConvertsToDate
                | ConvertsToDateTime
                | ConvertsToTime
                | ConvertsToString
                | ConvertsToQuantity
        );
        if asks { Ok(boolean(Some(converted.is_some()))) } else { Ok(converted.into_iter().collect()) }
    }
}

fn to_boolean(item: &Item<'_>) -> Option<bool> {
    match item {
        Item::Boolean(value) => Some(*value),
        Item::Integer(1) => Some(true),
        Item::Integer(0) => Some(false),
        Item::Decimal(value) if *value == Decimal::ONE => Some(true),
        Item::Decimal(value) if value.is_zero() => Some(false),
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn to_integer(item: &Item<'_>) -> Option<i64> {
    match item {
        Item::Integer(value) => Some(*value),
        Item::Boolean(value) => Some(i64::from(*value)),
        Item::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn to_decimal(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Boolean(value) => Some(Decimal::from(i64::from(*value))),
        Item::String(text) if plain_decimal(text) => decimal(text),
        other => other.number(),
    }
}

/// `-?[0-9]+(\.[0-9]+)?`, with `+` allowed.
fn plain_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn to_date(item: &Item<'_>) -> Option<Temporal> {
    match item {
        Item::Temporal(at) => at.to_date(),
        Item::String(text) => Temporal::date_time(text).and_then(Temporal::to_date),
        _ => None,
    }
}

fn to_date_time(item: &Item<'_>) -> Option<Temporal> {
    match item {
        Item::Temporal(at) => at.to_date_time(),
        Item::String(text) => Temporal::date_time(text),
        _ => None,
    }
}

fn to_time(item: &Item<'_>) -> Option<Temporal> {
    match item {
        Item::Temporal(at) => (at.kind() == crate::temporal::TemporalKind::Time).then_some(*at),
        Item::String(text) => Temporal::time(text.strip_prefix('T').unwrap_or(text)),
        _ => None,
    }
}

fn to_quantity<'a>(item: &Item<'a>) -> Option<Quantity<'a>> {
    let plain = |value| Quantity { value, unit: Cow::Borrowed("1"), is_calendar: false };
    match item {
        Item::Quantity(quantity) => Some(quantity.clone()),
        Item::String(text) => read_quantity(text),
        other => to_decimal(other).map(plain),
    }
}

/// `10`, `10 'mg'`, `4 days`.
fn read_quantity<'a>(text: &str) -> Option<Quantity<'a>> {
    let (number, unit) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let value = plain_decimal(number).then(|| decimal(number))??;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(Quantity { value, unit: Cow::Borrowed("1"), is_calendar: false });
    }
    if let Some(code) = unit.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(Quantity { value, unit: Cow::Owned(code.to_owned()), is_calendar: false });
    }
    calendar_word(unit)?;
    Some(Quantity { value, unit: Cow::Owned(unit.to_owned()), is_calendar: true })
}
