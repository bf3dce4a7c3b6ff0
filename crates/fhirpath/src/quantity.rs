//! Quantities: a number with a unit.
//!
//! Quantities of one unit are compared; so are lengths of time up to weeks, years with months, and the units that
//! `ucum` knows. With any other unit the comparison has no answer, and the evaluation says that it was not made.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;

use crate::temporal::CalendarUnit;
use crate::ucum::Measure;

/// A number with a unit; the unit is a UCUM code (`mg`), a calendar word (`days`), or what a resource says.
#[derive(Clone, PartialEq, Eq)]
pub struct Quantity<'a> {
    pub value: Decimal,
    pub unit: Cow<'a, str>,
    /// Whether the unit is a calendar word: `1 year` is not the `1 'a'` of UCUM.
    pub is_calendar: bool,
}

impl fmt::Debug for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quantity")
    }
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_calendar {
            write!(f, "{} {}", self.value, self.unit)
        } else {
            write!(f, "{} '{}'", self.value, self.unit)
        }
    }
}

/// What came of comparing two quantities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    Order(Ordering),
    /// FHIRPath gives these two no order (a year and 365 days).
    Open,
    /// A unit is not in the conversion table.
    NeedsUcum,
}

/// The calendar unit that a word names, singular or plural.
pub(crate) fn calendar_word(word: &str) -> Option<CalendarUnit> {
    Some(match word.strip_suffix('s').unwrap_or(word) {
        "year" => CalendarUnit::Year,
        "month" => CalendarUnit::Month,
        "week" => CalendarUnit::Week,
        "day" => CalendarUnit::Day,
        "hour" => CalendarUnit::Hour,
        "minute" => CalendarUnit::Minute,
        "second" => CalendarUnit::Second,
        "millisecond" => CalendarUnit::Millisecond,
        _ => return None,
    })
}

/// The UCUM codes that are the same length of time as a calendar word.
fn ucum_time(code: &str) -> Option<CalendarUnit> {
    Some(match code {
        "wk" => CalendarUnit::Week,
        "d" => CalendarUnit::Day,
        "h" => CalendarUnit::Hour,
        "min" => CalendarUnit::Minute,
        "s" => CalendarUnit::Second,
        "ms" => CalendarUnit::Millisecond,
        _ => return None,
    })
}

impl Quantity<'_> {
    /// The unit for date arithmetic: calendar words and the UCUM codes of exact length; not `'a'` and `'mo'`.
    pub(crate) fn calendar_unit(&self) -> Option<CalendarUnit> {
        calendar_word(&self.unit).or_else(|| ucum_time(&self.unit))
    }

    /// Milliseconds, for weeks and shorter.
    fn milliseconds(&self) -> Option<Decimal> {
        let each: i64 = match self.calendar_unit()? {
            CalendarUnit::Week => 604_800_000,
            CalendarUnit::Day => 86_400_000,
            CalendarUnit::Hour => 3_600_000,
            CalendarUnit::Minute => 60_000,
            CalendarUnit::Second => 1000,
            CalendarUnit::Millisecond => 1,
            CalendarUnit::Year | CalendarUnit::Month => return None,
        };
        self.value.checked_mul(Decimal::from(each))
    }

    /// Months, with whether they are calendar months or UCUM's mean months.
    fn months(&self) -> Option<(Decimal, bool)> {
        let (each, calendar) = match (calendar_word(&self.unit), &*self.unit) {
            (Some(CalendarUnit::Year), _) => (12, true),
            (Some(CalendarUnit::Month), _) => (1, true),
            (_, "a") => (12, false),
            (_, "mo") => (1, false),
            _ => return None,
        };
        Some((self.value.checked_mul(Decimal::from(each))?, calendar))
    }

    /// Which of two quantities is greater; `None` where their units cannot be compared, or not here.
    pub fn order(&self, other: &Quantity<'_>) -> Option<Ordering> {
        match self.compare(other, false) {
            Compared::Order(order) => Some(order),
            Compared::Open | Compared::NeedsUcum => None,
        }
    }

    /// Compares two quantities; `loose` treats calendar and UCUM months as one, as `~` does.
    pub(crate) fn compare(&self, other: &Quantity<'_>, loose: bool) -> Compared {
        if self.unit == other.unit {
            return Compared::Order(self.value.cmp(&other.value));
        }
        if let (Some(left), Some(right)) = (self.milliseconds(), other.milliseconds()) {
            return Compared::Order(left.cmp(&right));
        }
        match (self.months(), other.months()) {
            (Some((left, a)), Some((right, b))) if a == b || loose => return Compared::Order(left.cmp(&right)),
            (Some(_), Some(_)) => return Compared::Open,
            (Some(_), None) if other.milliseconds().is_some() => return Compared::Open,
            (None, Some(_)) if self.milliseconds().is_some() => return Compared::Open,
            _ => {}
        }
        let (Some(left), Some(right)) = (self.measure(), other.measure()) else { return Compared::NeedsUcum };
        if !left.is_commensurable(&right) {
            // A length and a weight: FHIRPath gives no answer.
            return Compared::Open;
        }
        left.compare(self.value, &right, other.value).map_or(Compared::NeedsUcum, Compared::Order)
    }

    /// What the unit is worth, where the table has it.
    pub(crate) fn measure(&self) -> Option<Measure> {
        let Some(unit) = calendar_word(&self.unit) else { return Measure::of(&self.unit) };
        Some(Measure::seconds(match unit {
            CalendarUnit::Week => 604_800,
            CalendarUnit::Day => 86_400,
            CalendarUnit::Hour => 3600,
            CalendarUnit::Minute => 60,
            CalendarUnit::Second => 1,
            _ => return None,
        }))
    }

    /// Both numbers in one unit, where the table can bring them there; for `~`, which rounds.
    pub(crate) fn in_one_unit(&self, other: &Quantity<'_>) -> Option<(Decimal, Decimal)> {
        let (left, right) = (self.measure()?, other.measure()?);
        left.is_commensurable(&right).then(|| left.scaled(self.value, &right, other.value))?
    }
}
