//! Arithmetic and the mathematical functions, in exact decimals.
//!
//! Roots, logarithms and powers with a fraction cannot be exact: they are computed in binary and rounded to 12 digits.
//! An overflow, like a division by zero, has no answer.

use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Answered, EvalError, Evaluator, Scope, one, what, whole};
use crate::ast::BinaryOp;
use crate::compile::Call;
use crate::functions::Function;
use crate::quantity::Quantity;
use crate::ucum;
use crate::value::{Collection, Item};

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn arithmetic(
        &mut self,
        op: BinaryOp,
        left: &Item<'a>,
        right: &Item<'a>,
        offset: usize,
    ) -> Answered<'a> {
        use BinaryOp::*;
        let wrong = |item: &Item<'_>| EvalError::WrongKind { what: op.text(), kind: item.kind(), offset };
        let answer = match (left, right) {
            (Item::Integer(a), Item::Integer(b)) => match op {
                Add => a.checked_add(*b).map(Item::Integer),
                Subtract => a.checked_sub(*b).map(Item::Integer),
                Multiply => a.checked_mul(*b).map(Item::Integer),
                Div => a.checked_div(*b).map(Item::Integer),
                Mod => a.checked_rem(*b).map(Item::Integer),
                _ => quotient(Decimal::from(*a), Decimal::from(*b)),
            },
            (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
                let (a, b) = (left.number().unwrap_or_default(), right.number().unwrap_or_default());
                match op {
                    Add => a.checked_add(b).map(Item::Decimal),
                    Subtract => a.checked_sub(b).map(Item::Decimal),
                    Multiply => a.checked_mul(b).map(Item::Decimal),
                    Div => a.checked_div(b).and_then(whole),
                    Mod => a.checked_rem(b).map(Item::Decimal),
                    _ => quotient(a, b),
                }
            }
            (Item::String(a), Item::String(b)) if op == Add => Some(Item::text(format!("{a}{b}"))),
            (Item::Temporal(at), Item::Quantity(by)) if matches!(op, Add | Subtract) => {
                // `'a'` and `'mo'` are mean years and months: not to be added to a date.
                let unit = by.calendar_unit().ok_or_else(|| wrong(right))?;
                let by = if op == Add { by.value } else { -by.value };
                at.plus(by, unit).map(Item::Temporal)
            }
            (Item::Quantity(a), Item::Quantity(b)) => return self.quantities(op, a, b, offset),
            (Item::Quantity(a), b) if b.number().is_some() && matches!(op, Multiply | Divide) => {
                scaled(op, a, b.number().unwrap_or_default())
            }
            (a, Item::Quantity(b)) if a.number().is_some() && op == Multiply => {
                scaled(op, b, a.number().unwrap_or_default())
            }
            (Item::Integer(_) | Item::Decimal(_) | Item::Temporal(_) | Item::Quantity(_), other) => {
                return Err(wrong(other));
            }
            (other, _) => return Err(wrong(other)),
        };
        Ok(answer.into_iter().collect())
    }

    fn quantities(&mut self, op: BinaryOp, a: &Quantity<'a>, b: &Quantity<'a>, offset: usize) -> Answered<'a> {
        use BinaryOp::*;
        let value = match op {
            Add if a.unit == b.unit => a.value.checked_add(b.value),
            Subtract if a.unit == b.unit => a.value.checked_sub(b.value),
            Add | Subtract => {
                let (Some(own), Some(other)) = (a.measure(), b.measure()) else {
                    return Ok(self.unchecked(super::NotChecked::Units));
                };
                if !own.is_commensurable(&other) {
                    return Ok(Collection::empty());
                }
                let Some(more) = other.convert(b.value, &own) else { return Ok(Collection::empty()) };
                if op == Add { a.value.checked_add(more) } else { a.value.checked_sub(more) }
            }
            Divide if a.unit == b.unit => {
                let value = a.value.checked_div(b.value);
                return Ok(value.map(unitless).into_iter().collect());
            }
            Multiply | Divide if !a.is_calendar && !b.is_calendar => {
                let (value, unit) = if op == Multiply {
                    (a.value.checked_mul(b.value), ucum::product(&a.unit, &b.unit))
                } else {
                    (a.value.checked_div(b.value), ucum::quotient(&a.unit, &b.unit))
                };
                let made = value.map(|value| Quantity { value, unit: unit.into(), is_calendar: false });
                return Ok(made.map(Item::Quantity).into_iter().collect());
            }
            Div | Mod => return Err(EvalError::WrongKind { what: op.text(), kind: "Quantity", offset }),
            // A product with a calendar word has no unit that UCUM could write.
            _ => return Ok(self.unchecked(super::NotChecked::Units)),
        };
        Ok(value.map(|value| Item::Quantity(Quantity { value, ..a.clone() })).into_iter().collect())
    }

    pub(super) fn number_call(&mut self, call: &'a Call, base: &Collection<'a>, scope: &Scope<'_, 'a>) -> Answered<'a> {
        use Function::*;
        let Some(item) = one(base, what(call), call.offset)? else { return Ok(Collection::empty()) };
        let item = item.system();
        if let (Item::Quantity(quantity), Abs) = (&item, call.function) {
            let value = quantity.value.abs();
            return Ok(Collection::one(Item::Quantity(Quantity { value, ..quantity.clone() })));
        }
        let wrong = |kind| EvalError::WrongKind { what: what(call), kind, offset: call.offset };
        let number = item.number().ok_or_else(|| wrong(item.kind()))?;
        let argument = match call.arguments.first() {
            None => None,
            Some(op) => match self.single(op, scope, what(call), call.offset)? {
                None => return Ok(Collection::empty()),
                Some(item) => Some(item.number().ok_or_else(|| wrong(item.kind()))?),
            },
        };
        let is_integer = matches!(item, Item::Integer(_));
        let answer = match call.function {
            Abs => match item {
                Item::Integer(value) => value.checked_abs().map(Item::Integer),
                _ => Some(Item::Decimal(number.abs())),
            },
            Ceiling => whole(number.ceil()),
            Floor => whole(number.floor()),
            Truncate => whole(number),
            Round => {
                let Some(digits) = argument.unwrap_or_default().to_u32() else { return Err(wrong("negative number")) };
                let rounded = number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
                Some(Item::Decimal(rounded))
            }
            Exp => inexact(number.to_f64().map(f64::exp)),
            Ln => inexact(number.to_f64().map(f64::ln)),
            Sqrt => inexact(number.to_f64().map(f64::sqrt)),
            Log => inexact(number.to_f64().zip(argument.and_then(|base| base.to_f64())).map(|(x, base)| x.log(base))),
            _ => power(number, argument.unwrap_or_default(), is_integer),
        };
        Ok(answer.into_iter().collect())
    }
}

/// By repeated multiplication where the exponent is a whole number, so that it stays exact.
fn power<'a>(base: Decimal, exponent: Decimal, is_integer: bool) -> Option<Item<'a>> {
    if !exponent.fract().is_zero() {
        return inexact(base.to_f64().zip(exponent.to_f64()).map(|(x, y)| x.powf(y)));
    }
    let times = exponent.abs().to_u32().filter(|times| *times <= 1000)?;
    let mut product = Decimal::ONE;
    for _ in 0..times {
        product = product.checked_mul(base)?;
    }
    if exponent.is_sign_negative() && times > 0 {
        return quotient(Decimal::ONE, product);
    }
    if is_integer && let Some(whole) = whole(product) { Some(whole) } else { Some(Item::Decimal(product)) }
}

/// Without the zeros that the division leaves at the end.
fn quotient<'a>(a: Decimal, b: Decimal) -> Option<Item<'a>> {
    a.checked_div(b).map(|quotient| Item::Decimal(quotient.normalize()))
}

fn inexact<'a>(value: Option<f64>) -> Option<Item<'a>> {
    let value = value.filter(|value| value.is_finite()).and_then(Decimal::from_f64)?;
    Some(Item::Decimal(value.round_dp(12).normalize()))
}

fn unitless<'a>(value: Decimal) -> Item<'a> {
    Item::Quantity(Quantity { value, unit: "1".into(), is_calendar: false })
}

fn scaled<'a>(op: BinaryOp, quantity: &Quantity<'a>, by: Decimal) -> Option<Item<'a>> {
    let value = if op == BinaryOp::Multiply { quantity.value.checked_mul(by) } else { quantity.value.checked_div(by) };
    value.map(|value| Item::Quantity(Quantity { value, ..quantity.clone() }))
}
