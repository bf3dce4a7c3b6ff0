//! Conversion between units of UCUM, exact: the units that clinical data use.
//!
//! A unit is a ratio of decimals, a power of ten and the exponents of its dimensions. What is not in the table (special
//! scales such as `Cel`, arbitrary units such as `[iU]`, whatever rests on pi) has no answer here, so that a comparison
//! with it is not checked rather than guessed.
//!
//! Source: The Unified Code for Units of Measure, tables 1 to 4 and the customary units.

use std::cmp::Ordering;

use rust_decimal::Decimal;

/// Units longer than this are not read.
const LONGEST: usize = 200;
/// No unit of the table has a higher power of ten, and no dimension one of nearly so much.
const HIGHEST: u32 = 30;
/// Brackets inside brackets, at most.
const DEEPEST: u8 = 8;

/// Exponents of metre, gram, second, kelvin, coulomb, candela, radian and mole.
type Dimensions = [i32; 8];

/// What a unit is worth in base units: `over / under * 10^ten`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    over: Decimal,
    under: Decimal,
    ten: i32,
    dimensions: Dimensions,
}

impl Measure {
    const ONE: Measure = Measure { over: Decimal::ONE, under: Decimal::ONE, ten: 0, dimensions: [0; 8] };

    /// Reads a UCUM code; `None` where it is no unit, or one that is not in the table.
    pub(crate) fn of(code: &str) -> Option<Measure> {
        if code.is_empty() || code.len() > LONGEST {
            return None;
        }
        let mut reader = Reader { rest: code, depth: 0 };
        let measure = reader.term()?;
        reader.rest.is_empty().then_some(measure)
    }

    /// So many seconds.
    pub(crate) fn seconds(n: i64) -> Measure {
        Measure { over: Decimal::from(n), dimensions: [0, 0, 1, 0, 0, 0, 0, 0], ..Measure::ONE }
    }

    pub(crate) fn is_commensurable(&self, other: &Measure) -> bool {
        self.dimensions == other.dimensions
    }

    /// Compares `a` of this unit with `b` of another of the same dimensions; `None` where the numbers are too long.
    pub(crate) fn compare(&self, a: Decimal, other: &Measure, b: Decimal) -> Option<Ordering> {
        let (left, right) = self.scaled(a, other, b)?;
        Some(left.cmp(&right))
    }

    /// `a` of this unit as a number of `other`, where that is exact enough for a decimal.
    pub(crate) fn convert(&self, a: Decimal, other: &Measure) -> Option<Decimal> {
        let (whole, part) = self.scaled(a, other, Decimal::ONE)?;
        whole.checked_div(part)
    }

    /// Both amounts in one unit of their own.
    pub(crate) fn scaled(&self, a: Decimal, other: &Measure, b: Decimal) -> Option<(Decimal, Decimal)> {
        let left = a.checked_mul(self.over)?.checked_mul(other.under)?;
        let right = b.checked_mul(other.over)?.checked_mul(self.under)?;
        let shift = self.ten.checked_sub(other.ten)?;
        let by = power(Decimal::TEN, shift.unsigned_abs())?;
        if shift >= 0 { Some((left.checked_mul(by)?, right)) } else { Some((left, right.checked_mul(by)?)) }
    }

    fn times(&self, other: &Measure) -> Option<Measure> {
        let mut dimensions = self.dimensions;
        for (own, more) in dimensions.iter_mut().zip(other.dimensions) {
            *own = own.checked_add(more)?;
        }
        Some(Measure {
            over: self.over.checked_mul(other.over)?,
            under: self.under.checked_mul(other.under)?,
            ten: self.ten.checked_add(other.ten)?,
            dimensions,
        })
    }

    fn raised(&self, exponent: i32) -> Option<Measure> {
        let (over, under) = if exponent < 0 { (self.under, self.over) } else { (self.over, self.under) };
        let times = exponent.unsigned_abs();
        let mut dimensions = self.dimensions;
        for own in &mut dimensions {
            *own = own.checked_mul(exponent)?;
        }
        let ten = self.ten.checked_mul(exponent)?;
        Some(Measure { over: power(over, times)?, under: power(under, times)?, ten, dimensions })
    }
}

fn power(base: Decimal, times: u32) -> Option<Decimal> {
    if base == Decimal::ONE {
        return Some(base);
    }
    (0..times).try_fold(Decimal::ONE, |product, _| product.checked_mul(base))
}

/// The unit of a product, as UCUM writes it.
pub(crate) fn product(a: &str, b: &str) -> String {
    match (a, b) {
        ("1", other) | (other, "1") => other.to_owned(),
        _ => format!("{}.{}", a, grouped(b)),
    }
}

/// The unit of a quotient.
pub(crate) fn quotient(a: &str, b: &str) -> String {
    if b == "1" { a.to_owned() } else { format!("{a}/{}", grouped(b)) }
}

fn grouped(unit: &str) -> String {
    if unit.contains(['.', '/']) { format!("({unit})") } else { unit.to_owned() }
}

struct Reader<'t> {
    rest: &'t str,
    depth: u8,
}

impl Reader<'_> {
    fn skip(&mut self, symbol: char) -> bool {
        let after = self.rest.strip_prefix(symbol);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn term(&mut self) -> Option<Measure> {
        let mut product = if self.skip('/') { self.component()?.raised(-1)? } else { self.component()? };
        loop {
            if self.skip('.') {
                product = product.times(&self.component()?)?;
            } else if self.skip('/') {
                product = product.times(&self.component()?.raised(-1)?)?;
            } else {
                return Some(product);
            }
        }
    }

    fn component(&mut self) -> Option<Measure> {
        if self.skip('(') {
            self.depth += 1;
            if self.depth > DEEPEST {
                return None;
            }
            let inner = self.term()?;
            self.depth -= 1;
            return self.skip(')').then_some(inner);
        }
        let measure = if self.rest.starts_with('{') { Measure::ONE } else { self.unit()? };
        if self.skip('{') {
            // An annotation says something to people and nothing to the table.
            let (_, after) = self.rest.split_once('}')?;
            self.rest = after;
        }
        Some(measure)
    }

    fn unit(&mut self) -> Option<Measure> {
        let mut end = 0;
        let mut bracketed = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                '[' => bracketed = true,
                ']' => bracketed = false,
                '.' | '/' | '(' | ')' | '{' if !bracketed => break,
                _ => {}
            }
            end = at + c.len_utf8();
        }
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let number = Decimal::from(text.parse::<u32>().ok()?);
            return Some(Measure { over: number, ..Measure::ONE }).filter(|_| !number.is_zero());
        }
        let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let name = if name.len() < text.len() { name.strip_suffix(['+', '-']).unwrap_or(name) } else { name };
        let exponent = if name.len() < text.len() { text[name.len()..].parse::<i32>().ok()? } else { 1 };
        if exponent.unsigned_abs() > HIGHEST {
            return None;
        }
        named(name)?.raised(exponent)
    }
}

/// A unit by its code, with a metric prefix where it takes one.
fn named(name: &str) -> Option<Measure> {
    if let Some(unit) = UNITS.iter().find(|unit| unit.0 == name) {
        return measure(unit);
    }
    let (mark, ten) = PREFIXES.iter().find(|(mark, _)| {
        let base = name.strip_prefix(mark);
        base.is_some_and(|base| UNITS.iter().any(|unit| unit.1 == Metric::Yes && unit.0 == base))
    })?;
    let unit = UNITS.iter().find(|unit| Some(unit.0) == name.strip_prefix(mark))?;
    let measure = measure(unit)?;
    Some(Measure { ten: measure.ten + ten, ..measure })
}

fn measure((_, _, factor, ten, dimensions): &Unit) -> Option<Measure> {
    let over = Decimal::from_str_exact(factor).ok()?;
    Some(Measure { over, ten: *ten, dimensions: *dimensions, ..Measure::ONE })
}

const PREFIXES: &[(&str, i32)] = &[
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Metric {
    Yes,
    No,
}
use Metric::{No, Yes};

/// Code, whether it takes prefixes, factor, power of ten, dimensions.
type Unit = (&'static str, Metric, &'static str, i32, Dimensions);

const NONE: Dimensions = [0; 8];
const LENGTH: Dimensions = [1, 0, 0, 0, 0, 0, 0, 0];
const AREA: Dimensions = [2, 0, 0, 0, 0, 0, 0, 0];
const VOLUME: Dimensions = [3, 0, 0, 0, 0, 0, 0, 0];
const MASS: Dimensions = [0, 1, 0, 0, 0, 0, 0, 0];
const TIME: Dimensions = [0, 0, 1, 0, 0, 0, 0, 0];
const AMOUNT: Dimensions = [0, 0, 0, 0, 0, 0, 0, 1];
const PER_TIME: Dimensions = [0, 0, -1, 0, 0, 0, 0, 0];
const FORCE: Dimensions = [1, 1, -2, 0, 0, 0, 0, 0];
const PRESSURE: Dimensions = [-1, 1, -2, 0, 0, 0, 0, 0];
const ENERGY: Dimensions = [2, 1, -2, 0, 0, 0, 0, 0];

const UNITS: &[Unit] = &[
    ("m", Yes, "1", 0, LENGTH),
    ("g", Yes, "1", 0, MASS),
    ("s", Yes, "1", 0, TIME),
    ("K", Yes, "1", 0, [0, 0, 0, 1, 0, 0, 0, 0]),
    ("C", Yes, "1", 0, [0, 0, 0, 0, 1, 0, 0, 0]),
    ("cd", Yes, "1", 0, [0, 0, 0, 0, 0, 1, 0, 0]),
    ("rad", Yes, "1", 0, [0, 0, 0, 0, 0, 0, 1, 0]),
    // UCUM makes a mole a number; kept apart, since nobody means 6e23 when a code is `1`.
    ("mol", Yes, "1", 0, AMOUNT),
    ("osm", Yes, "1", 0, AMOUNT),
    ("eq", Yes, "1", 0, AMOUNT),
    ("10*", No, "1", 1, NONE),
    ("10^", No, "1", 1, NONE),
    ("%", No, "1", -2, NONE),
    ("[ppth]", No, "1", -3, NONE),
    ("[ppm]", No, "1", -6, NONE),
    ("[ppb]", No, "1", -9, NONE),
    ("[pptr]", No, "1", -12, NONE),
    ("min", No, "60", 0, TIME),
    ("h", No, "3600", 0, TIME),
    ("d", No, "86400", 0, TIME),
    ("wk", No, "604800", 0, TIME),
    ("a", No, "31557600", 0, TIME),
    ("mo", No, "2629800", 0, TIME),
    ("l", Yes, "1", -3, VOLUME),
    ("L", Yes, "1", -3, VOLUME),
    ("ar", Yes, "100", 0, AREA),
    ("st", Yes, "1", 0, VOLUME),
    ("t", Yes, "1", 6, MASS),
    ("Hz", Yes, "1", 0, PER_TIME),
    ("Bq", Yes, "1", 0, PER_TIME),
    ("Ci", Yes, "37", 9, PER_TIME),
    ("N", Yes, "1", 3, FORCE),
    ("dyn", Yes, "1", -2, FORCE),
    ("Pa", Yes, "1", 3, PRESSURE),
    ("bar", Yes, "1", 8, PRESSURE),
    ("atm", No, "101325", 3, PRESSURE),
    ("m[Hg]", Yes, "133322", 3, PRESSURE),
    ("m[H2O]", Yes, "980665", 1, PRESSURE),
    ("J", Yes, "1", 3, ENERGY),
    ("erg", Yes, "1", -4, ENERGY),
    ("cal", Yes, "4184", 0, ENERGY),
    ("cal_th", Yes, "4184", 0, ENERGY),
    ("[Cal]", No, "4184", 3, ENERGY),
    ("W", Yes, "1", 3, [2, 1, -3, 0, 0, 0, 0, 0]),
    ("A", Yes, "1", 0, [0, 0, -1, 0, 1, 0, 0, 0]),
    ("V", Yes, "1", 3, [2, 1, -2, 0, -1, 0, 0, 0]),
    ("Ohm", Yes, "1", 3, [2, 1, -1, 0, -2, 0, 0, 0]),
    ("S", Yes, "1", -3, [-2, -1, 1, 0, 2, 0, 0, 0]),
    ("Gy", Yes, "1", 0, [2, 0, -2, 0, 0, 0, 0, 0]),
    ("Sv", Yes, "1", 0, [2, 0, -2, 0, 0, 0, 0, 0]),
    ("kat", Yes, "1", 0, [0, 0, -1, 0, 0, 0, 0, 1]),
    ("[in_i]", No, "254", -4, LENGTH),
    ("[ft_i]", No, "3048", -4, LENGTH),
    ("[yd_i]", No, "9144", -4, LENGTH),
    ("[mi_i]", No, "1609344", -3, LENGTH),
    ("[nmi_i]", No, "1852", 0, LENGTH),
    ("Ao", No, "1", -10, LENGTH),
    ("[lb_av]", No, "45359237", -5, MASS),
    ("[oz_av]", No, "28349523125", -9, MASS),
    ("[stone_av]", No, "635029318", -5, MASS),
    ("[gr]", No, "6479891", -8, MASS),
    ("[gal_us]", No, "3785411784", -12, VOLUME),
    ("[qt_us]", No, "946352946", -12, VOLUME),
    ("[pt_us]", No, "473176473", -12, VOLUME),
    ("[cup_us]", No, "2365882365", -13, VOLUME),
    ("[foz_us]", No, "295735295625", -16, VOLUME),
    ("[gal_br]", No, "454609", -8, VOLUME),
    ("[pt_br]", No, "56826125", -11, VOLUME),
    ("[foz_br]", No, "284130625", -13, VOLUME),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, unit: &str, b: &str, other: &str) -> bool {
        let number = |text: &str| Decimal::from_str_exact(text).expect("a number");
        let (left, right) = (Measure::of(unit).expect(unit), Measure::of(other).expect(other));
        assert!(left.is_commensurable(&right), "{unit} and {other}");
        left.compare(number(a), &right, number(b)) == Some(Ordering::Equal)
    }

    #[test]
    fn equal_amounts_are_equal_in_any_unit() {
        for (a, unit, b, other) in [
            ("4", "g", "4000", "mg"),
            ("1", "[in_i]", "2.54", "cm"),
            ("1", "mm[Hg]", "133.322", "Pa"),
            ("5.5", "mmol/L", "5500", "umol/L"),
            ("1", "10*3/uL", "1", "10*9/L"),
            ("4", "cm.m", "0.04", "m2"),
            ("1", "kg.m/s2", "1", "N"),
            ("1", "{score}", "100", "%"),
            ("60", "/min", "1", "Hz"),
            ("1", "g/(dL.h)", "10", "g/L/h"),
            ("1", "m-2", "1", "/m2"),
            ("1", "dam", "10", "m"),
        ] {
            assert!(same(a, unit, b, other), "{a} {unit} = {b} {other}");
        }
        assert!(!same("4", "g", "4040", "mg"));
    }

    #[test]
    fn what_is_no_unit_or_not_in_the_table_has_no_measure() {
        for code in ["", "Cel", "[iU]", "lbs", "m/", "(m", "m)", "0", "{open", "mmin", "m2147483649", "m99999"] {
            assert!(Measure::of(code).is_none(), "{code}");
        }
    }
}
