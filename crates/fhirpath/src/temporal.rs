//! Dates, times and date-times that know how precise they are.
//!
//! `2014-01` and `2014-01-05` are neither equal nor unequal: the comparison has no answer, and says so with `None`.
//! Source: FHIRPath N1, "Equals", "Comparison" and "Date/Time Arithmetic"; seconds and their fraction count as one
//! precision.

use std::cmp::Ordering;
use std::fmt;

use jiff::civil;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalKind {
    Date,
    DateTime,
    Time,
}

/// How far the text went. A time never has less than `Hour`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
}

/// A date, date-time or time with the precision it was written in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Temporal {
    pub(crate) kind: TemporalKind,
    pub(crate) precision: Precision,
    pub(crate) year: i16,
    pub(crate) month: i8,
    pub(crate) day: i8,
    pub(crate) hour: i8,
    pub(crate) minute: i8,
    pub(crate) second: i8,
    /// Billionths of a second, and how many digits of them were written.
    pub(crate) nanos: u32,
    pub(crate) fraction_digits: u8,
    /// Minutes east of UTC.
    pub(crate) offset: Option<i16>,
}

// A date may be a date of birth: only the precision may show in logs.
impl fmt::Debug for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to the {:?}", self.kind, self.precision)
    }
}

/// A length of time that calendar arithmetic understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Temporal {
    /// `2014`, `2014-01`, `2014-01-05`; `None` for anything else, also for a day that does not exist.
    pub fn date(text: &str) -> Option<Temporal> {
        let bytes = text.as_bytes();
        let (precision, month, day) = match bytes.len() {
            4 => (Precision::Year, 1, 1),
            7 if bytes[4] == b'-' => (Precision::Month, two(&bytes[5..])?, 1),
            10 if bytes[4] == b'-' && bytes[7] == b'-' => (Precision::Day, two(&bytes[5..7])?, two(&bytes[8..])?),
            _ => return None,
        };
        let year = i16::from(two(&bytes[..2])?) * 100 + i16::from(two(&bytes[2..4])?);
        civil::Date::new(year, month, day).ok()?;
        Some(Temporal {
            kind: TemporalKind::Date,
            precision,
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            fraction_digits: 0,
            offset: None,
        })
    }

    /// A FHIR `dateTime`, or the FHIRPath form with a bare `T` (`2014T`, `2014-01-05T10`).
    pub fn date_time(text: &str) -> Option<Temporal> {
        let (date, clock) = match text.split_once('T') {
            None => (text, None),
            Some((date, clock)) => (date, Some(clock)),
        };
        let mut out = Temporal::date(date)?;
        out.kind = TemporalKind::DateTime;
        let Some(clock) = clock.filter(|clock| !clock.is_empty()) else { return Some(out) };
        if out.precision != Precision::Day {
            return None;
        }
        let (clock, offset) = match clock.bytes().position(|b| matches!(b, b'Z' | b'+' | b'-')) {
            None => (clock, None),
            Some(at) => (&clock[..at], Some(offset_minutes(&clock[at..])?)),
        };
        out.set_clock(clock)?;
        out.offset = offset;
        Some(out)
    }

    /// `10`, `10:30`, `10:30:00`, `10:30:00.000`.
    pub fn time(text: &str) -> Option<Temporal> {
        let mut out = Temporal::date("0001-01-01")?;
        out.kind = TemporalKind::Time;
        out.set_clock(text)?;
        Some(out)
    }

    fn set_clock(&mut self, clock: &str) -> Option<()> {
        let bytes = clock.as_bytes();
        self.hour = two(bytes.get(..2)?).filter(|hour| *hour < 24)?;
        self.precision = Precision::Hour;
        if bytes.len() == 2 {
            return Some(());
        }
        self.minute = two(bytes.get(3..5)?).filter(|minute| bytes[2] == b':' && *minute < 60)?;
        self.precision = Precision::Minute;
        if bytes.len() == 5 {
            return Some(());
        }
        // A leap second is kept as written: 60 sorts after 59.
        self.second = two(bytes.get(6..8)?).filter(|second| bytes[5] == b':' && *second <= 60)?;
        self.precision = Precision::Second;
        if bytes.len() == 8 {
            return Some(());
        }
        let digits = &bytes[9..];
        if bytes[8] != b'.' || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.precision = Precision::Fraction;
        self.fraction_digits = digits.len().min(9) as u8;
        let kept = digits.iter().take(9).fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        self.nanos = kept * 10u32.pow(9 - u32::from(self.fraction_digits));
        Some(())
    }

    pub fn kind(&self) -> TemporalKind {
        self.kind
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Seconds and fractions are one precision.
    fn rank(&self) -> Precision {
        self.precision.min(Precision::Second)
    }

    fn fields(&self) -> [i64; 7] {
        [
            self.year.into(),
            self.month.into(),
            self.day.into(),
            self.hour.into(),
            self.minute.into(),
            self.second.into(),
            self.nanos.into(),
        ]
    }

    /// Which comes first; `None` where the precision, or a missing offset, leaves it open.
    pub fn compare(&self, other: &Temporal) -> Option<Ordering> {
        if (self.kind == TemporalKind::Time) != (other.kind == TemporalKind::Time) {
            return None;
        }
        let timed = self.rank() >= Precision::Hour && other.rank() >= Precision::Hour;
        let (left, right) = match (self.offset, other.offset) {
            (Some(_), Some(_)) if timed => (self.in_utc(), other.in_utc()),
            (Some(_), None) | (None, Some(_)) if timed && self.kind != TemporalKind::Time => return None,
            _ => (*self, *other),
        };
        let shared = left.rank().min(right.rank());
        let n_fields = if shared == Precision::Second { 7 } else { shared as usize + 1 };
        match left.fields()[..n_fields].cmp(&right.fields()[..n_fields]) {
            Ordering::Equal if left.rank() != right.rank() => None,
            order => Some(order),
        }
    }

    fn in_utc(self) -> Temporal {
        let Some(offset) = self.offset else { return self };
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute) - i64::from(offset);
        let mut out = self;
        if out.shift_days(minutes.div_euclid(1440)).is_none() {
            return self;
        }
        let minutes = minutes.rem_euclid(1440);
        out.hour = (minutes / 60) as i8;
        out.minute = (minutes % 60) as i8;
        out.offset = Some(0);
        out
    }

    fn civil(&self) -> Option<civil::Date> {
        civil::Date::new(self.year, self.month, self.day).ok()
    }

    fn set_civil(&mut self, date: civil::Date) {
        (self.year, self.month, self.day) = (date.year(), date.month(), date.day());
    }

    fn shift_days(&mut self, days: i64) -> Option<()> {
        if days != 0 {
            let span = jiff::Span::new().try_days(days).ok()?;
            self.set_civil(self.civil()?.checked_add(span).ok()?);
        }
        Some(())
    }

    fn shift_months(&mut self, months: i64) -> Option<()> {
        // `checked_add` takes the last day of the month where the day does not exist, as FHIRPath asks.
        let span = jiff::Span::new().try_months(months).ok()?;
        self.set_civil(self.civil()?.checked_add(span).ok()?);
        Some(())
    }

    /// Adds `amount` of `unit`; a fraction counts only for seconds. A partial date takes whole steps of its precision
    /// (24 months to a year, 30 days to a month). `None` out of the calendar's range, or for days added to a time.
    pub fn plus(&self, amount: Decimal, unit: CalendarUnit) -> Option<Temporal> {
        use CalendarUnit::*;
        let whole = amount.trunc().to_i64()?;
        let mut out = *self;
        if self.kind == TemporalKind::Time {
            if matches!(unit, Year | Month | Week | Day) {
                return None;
            }
            out.shift_clock(nanos_of(amount, whole, unit)?)?;
            out.set_civil(civil::Date::new(1, 1, 1).ok()?);
            return Some(out);
        }
        match (unit, self.rank()) {
            (Year, _) => out.shift_months(whole.checked_mul(12)?)?,
            (Month, Precision::Year) => out.shift_months((whole / 12).checked_mul(12)?)?,
            (Month, _) => out.shift_months(whole)?,
            (Week, rank) if rank >= Precision::Day => out.shift_days(whole.checked_mul(7)?)?,
            (Day, rank) if rank >= Precision::Day => out.shift_days(whole)?,
            (Hour | Minute | Second | Millisecond, rank) if rank >= Precision::Hour => {
                out.shift_clock(nanos_of(amount, whole, unit)?)?;
            }
            (_, rank) => {
                let days = if unit == Week {
                    i128::from(whole) * 7
                } else if unit == Day {
                    i128::from(whole)
                } else {
                    nanos_of(amount, whole, unit)? / i128::from(NANOS_IN_DAY)
                };
                let days = i64::try_from(days).ok()?;
                match rank {
                    Precision::Year => out.shift_months((days / 365).checked_mul(12)?)?,
                    Precision::Month => out.shift_months(days / 30)?,
                    _ => out.shift_days(days)?,
                }
            }
        }
        Some(out)
    }

    fn shift_clock(&mut self, nanos: i128) -> Option<()> {
        let now = ((i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second)) * 1_000_000_000
            + i64::from(self.nanos);
        let total = i128::from(now) + nanos;
        self.shift_days(i64::try_from(total.div_euclid(i128::from(NANOS_IN_DAY))).ok()?)?;
        let rest = i64::try_from(total.rem_euclid(i128::from(NANOS_IN_DAY))).ok()?;
        self.nanos = u32::try_from(rest % 1_000_000_000).ok()?;
        let seconds = rest / 1_000_000_000;
        self.second = (seconds % 60) as i8;
        self.minute = (seconds / 60 % 60) as i8;
        self.hour = (seconds / 3600) as i8;
        if self.nanos != 0 && self.rank() == Precision::Second {
            self.precision = Precision::Fraction;
            self.fraction_digits = self.fraction_digits.max(3);
        }
        Some(())
    }

    /// The date part; a time has none.
    pub fn to_date(self) -> Option<Temporal> {
        if self.kind == TemporalKind::Time {
            return None;
        }
        let mut out = self;
        out.kind = TemporalKind::Date;
        out.precision = self.precision.min(Precision::Day);
        (out.hour, out.minute, out.second, out.nanos, out.fraction_digits, out.offset) = (0, 0, 0, 0, 0, None);
        Some(out)
    }

    /// A date as a date-time of the same precision.
    pub fn to_date_time(self) -> Option<Temporal> {
        (self.kind != TemporalKind::Time).then_some(Temporal { kind: TemporalKind::DateTime, ..self })
    }
}

const NANOS_IN_DAY: i64 = 86_400_000_000_000;

fn nanos_of(amount: Decimal, whole: i64, unit: CalendarUnit) -> Option<i128> {
    let each: i128 = match unit {
        CalendarUnit::Hour => 3_600_000_000_000,
        CalendarUnit::Minute => 60_000_000_000,
        CalendarUnit::Second => return (amount.checked_mul(Decimal::from(1_000_000_000))?).trunc().to_i128(),
        CalendarUnit::Millisecond => 1_000_000,
        _ => return None,
    };
    i128::from(whole).checked_mul(each)
}

fn two(bytes: &[u8]) -> Option<i8> {
    match bytes {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => i8::try_from((a - b'0') * 10 + (b - b'0')).ok(),
        _ => None,
    }
}

fn offset_minutes(text: &str) -> Option<i16> {
    let bytes = text.as_bytes();
    if bytes == b"Z" {
        return Some(0);
    }
    if bytes.len() != 6 || bytes[3] != b':' {
        return None;
    }
    let hours = two(&bytes[1..3]).filter(|hours| *hours <= 14)?;
    let minutes = two(&bytes[4..]).filter(|minutes| *minutes < 60)?;
    let total = i16::from(hours) * 60 + i16::from(minutes);
    match bytes[0] {
        b'+' => Some(total),
        b'-' => Some(-total),
        _ => None,
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != TemporalKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision >= Precision::Hour {
                f.write_str("T")?;
            }
        }
        if self.precision >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
        }
        if self.precision >= Precision::Fraction {
            let nanos = format!("{:09}", self.nanos);
            write!(f, ".{}", &nanos[..usize::from(self.fraction_digits.max(1))])?;
        }
        match self.offset {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        }
    }
}
