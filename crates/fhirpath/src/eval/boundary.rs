//! `lowBoundary`, `highBoundary`, `precision`, `comparable`: how exact a value is.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Answered, Evaluator, NotChecked, Scope, boolean, one, what};
use crate::compile::Call;
use crate::functions::Function;
use crate::quantity::{Compared, Quantity};
use crate::temporal::{Precision, Temporal, TemporalKind};
use crate::value::{Collection, Item};

/// Digits after the point that a decimal boundary has where the caller names none.
const DECIMAL_DIGITS: i64 = 8;
/// More digits than this cannot be kept exactly.
const MOST_DIGITS: i64 = 28;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Low,
    High,
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn boundary_call(
        &mut self,
        call: &'a Call,
        base: &Collection<'a>,
        scope: &Scope<'_, 'a>,
    ) -> Answered<'a> {
        let Some(item) = one(base, what(call), call.offset)? else { return Ok(Collection::empty()) };
        let item = item.system();
        match call.function {
            Function::Precision => return Ok(precision(&item).map(Item::Integer).into_iter().collect()),
            Function::Comparable => {
                let other = self.single(&call.arguments[0], scope, "comparable", call.offset)?;
                let (Item::Quantity(a), Some(Item::Quantity(b))) = (&item, &other) else {
                    return Ok(Collection::empty());
                };
                return Ok(match a.compare(b, false) {
                    Compared::Order(_) => boolean(Some(true)),
                    Compared::Open => boolean(Some(false)),
                    Compared::NeedsUcum => self.unchecked(NotChecked::Units),
                });
            }
            _ => {}
        }
        let digits = match call.arguments.first() {
            Some(op) => match self.integer(op, scope, what(call), call.offset)? {
                Some(digits) => Some(digits),
                None => return Ok(Collection::empty()),
            },
            None => None,
        };
        let end = if call.function == Function::LowBoundary { End::Low } else { End::High };
        let boundary = match &item {
            Item::Quantity(quantity) => of_decimal(quantity.value, digits, end)
                .map(|value| Item::Quantity(Quantity { value, ..quantity.clone() })),
            Item::Temporal(at) => of_temporal(*at, digits, end).map(Item::Temporal),
            other => other.number().and_then(|number| of_decimal(number, digits, end)).map(Item::Decimal),
        };
        Ok(boundary.into_iter().collect())
    }
}

/// Half a unit of the last digit down or up, cut to the digits asked for.
fn of_decimal(number: Decimal, digits: Option<i64>, end: End) -> Option<Decimal> {
    let digits = digits.unwrap_or(DECIMAL_DIGITS);
    if !(0..=MOST_DIGITS).contains(&digits) {
        return None;
    }
    let half = Decimal::try_new(5, number.scale() + 1).ok()?;
    let bound = if end == End::Low { number.checked_sub(half)? } else { number.checked_add(half)? };
    let digits = digits.to_u32()?;
    // The suite's rule: a bound of which no digit is left at the precision asked for is nought, not one unit of it.
    if bound.abs() < Decimal::try_new(1, digits).ok()? {
        return Decimal::try_new(0, digits).ok();
    }
    let strategy =
        if end == End::Low { RoundingStrategy::ToNegativeInfinity } else { RoundingStrategy::ToPositiveInfinity };
    let mut out = bound.round_dp_with_strategy(digits, strategy);
    out.rescale(digits);
    Some(out)
}

/// The digits that a date or time is written with: 4, 6, 8 for dates, up to 17 for a date-time, 9 for a time.
fn precision(item: &Item<'_>) -> Option<i64> {
    match item {
        Item::Integer(_) => Some(0),
        Item::Decimal(value) => Some(i64::from(value.scale())),
        Item::Temporal(at) => {
            let dates = if at.kind() == TemporalKind::Time { 8 } else { 0 };
            let digits = match at.precision() {
                Precision::Year => 4,
                Precision::Month => 6,
                Precision::Day => 8,
                Precision::Hour => 10,
                Precision::Minute => 12,
                Precision::Second => 14,
                Precision::Fraction => 17,
            };
            Some(digits - dates)
        }
        _ => None,
    }
}

fn of_temporal(at: Temporal, digits: Option<i64>, end: End) -> Option<Temporal> {
    let (most, dates) = match at.kind() {
        TemporalKind::Date => (8, 0),
        TemporalKind::DateTime => (17, 0),
        TemporalKind::Time => (9, 8),
    };
    let wanted = match digits.unwrap_or(most) + dates {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        10 => Precision::Hour,
        12 => Precision::Minute,
        14 => Precision::Second,
        17 => Precision::Fraction,
        _ => return None,
    };
    let mut out = at;
    // FHIR has no date-time that ends at the hour: `T08` is `T08:00`.
    let had = if at.precision() == Precision::Hour { Precision::Minute } else { at.precision() };
    let fill = |field: &mut i8, of: Precision, low: i8, high: i8| {
        if had < of {
            *field = if end == End::Low { low } else { high };
        }
    };
    fill(&mut out.month, Precision::Month, 1, 12);
    let last_day = jiff::civil::Date::new(out.year, out.month, 1).ok()?.days_in_month();
    fill(&mut out.day, Precision::Day, 1, last_day);
    fill(&mut out.hour, Precision::Hour, 0, 23);
    fill(&mut out.minute, Precision::Minute, 0, 59);
    fill(&mut out.second, Precision::Second, 0, 59);
    if had < Precision::Fraction {
        out.nanos = if end == End::Low { 0 } else { 999_000_000 };
    }
    out.fraction_digits = 3;
    if wanted >= Precision::Hour && at.kind() == TemporalKind::DateTime && at.offset.is_none() {
        // The earliest place on earth is 14 hours ahead of UTC, the latest 12 behind.
        out.offset = Some(if end == End::Low { 14 * 60 } else { -12 * 60 });
    }
    out.precision = wanted;
    if wanted < Precision::Hour {
        out.offset = None;
        if out.kind == TemporalKind::DateTime {
            (out.hour, out.minute, out.second, out.nanos) = (0, 0, 0, 0);
        }
    }
    Some(out)
}
