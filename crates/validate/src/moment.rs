//! A FHIR date, dateTime or instant as a number of fixed size, with the precision and the offset that it was
//! written with.

use std::fmt;

/// How much a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Year,
    Month,
    Day,
    Instant,
}

/// A point in time as a resource has it; of a partial date its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1970-01-01, in UTC for an instant, by the calendar for a date.
    seconds: i64,
    offset_minutes: i16,
    precision: Precision,
}

const DAY: i64 = 86_400;

impl Moment {
    /// Reads `YYYY[-MM[-DD[Thh:mm:ss[.f]+zz:zz]]]`; `None` for anything else, and for no day of the calendar.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let part = text.get(from..to)?;
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
        };
        let mark = |at: usize, c: u8| text.as_bytes().get(at) == Some(&c);
        let year = number(0, 4)?;
        let (month, day, precision) = match text.len() {
            4 => (1, 1, Precision::Year),
            7 if mark(4, b'-') => (number(5, 7)?, 1, Precision::Month),
            10 if mark(4, b'-') && mark(7, b'-') => (number(5, 7)?, number(8, 10)?, Precision::Day),
            20.. if mark(4, b'-') && mark(7, b'-') && mark(10, b'T') => {
                (number(5, 7)?, number(8, 10)?, Precision::Instant)
            }
            _ => return None,
        };
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let mut seconds = days_since_1970(year, month, day) * DAY;
        let mut offset_minutes = 0;
        if precision == Precision::Instant {
            if !mark(13, b':') || !mark(16, b':') {
                return None;
            }
            let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
            if hour > 23 || minute > 59 || second > 60 {
                return None;
            }
            offset_minutes = offset(text.get(19..)?)?;
            seconds += hour * 3600 + minute * 60 + second - i64::from(offset_minutes) * 60;
        }
        Some(Self { seconds, offset_minutes, precision })
    }

    /// The day by the clocks of the offset, since 1970-01-01; none where only a month or a year is known.
    pub(crate) fn day(self) -> Option<i64> {
        (self.precision >= Precision::Day).then(|| (self.seconds + i64::from(self.offset_minutes) * 60).div_euclid(DAY))
    }

    /// A number that rises with time, for sorting.
    pub(crate) fn order(self) -> i64 {
        self.seconds
    }

    /// Whether this is before `other`, as exactly as both are known: instants by the second, else by the day.
    /// `None` where that cannot be told.
    pub(crate) fn is_before(self, other: Self) -> Option<bool> {
        if self.precision == Precision::Instant && other.precision == Precision::Instant {
            return Some(self.seconds < other.seconds);
        }
        Some(self.day()? < other.day()?)
    }

    /// The same, by more than so many seconds; dates are compared by the day all the same.
    pub(crate) fn is_before_by(self, other: Self, seconds: i64) -> Option<bool> {
        self.later(seconds).is_before(other)
    }

    /// Seconds later, with the same precision.
    fn later(self, seconds: i64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds), ..self }
    }

    /// Whether both say the same, as exactly as both are known; `None` where that cannot be told.
    pub(crate) fn agrees_with(self, other: Self) -> Option<bool> {
        if self.precision == Precision::Instant && other.precision == Precision::Instant {
            return Some(self.seconds == other.seconds);
        }
        Some(self.day()? == other.day()?)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.seconds + i64::from(self.offset_minutes) * 60;
        let (year, month, day) = civil(local.div_euclid(DAY));
        write!(f, "{year:04}")?;
        if self.precision >= Precision::Month {
            write!(f, "-{month:02}")?;
        }
        if self.precision >= Precision::Day {
            write!(f, "-{day:02}")?;
        }
        if self.precision == Precision::Instant {
            let (second, offset) = (local.rem_euclid(DAY), self.offset_minutes);
            write!(f, "T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
            let sign = if offset < 0 { '-' } else { '+' };
            write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)?;
        }
        Ok(())
    }
}

/// `[.f…](Z|±hh:mm)` in minutes.
fn offset(rest: &str) -> Option<i16> {
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let part = |text: &str| (text.len() == 2).then(|| text.parse::<i16>().ok())?;
    Some(sign * (part(hours)? * 60 + part(minutes)?))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Source: the proleptic Gregorian calendar counted in eras of 400 years that begin on 1 March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn what_was_read_is_written_again() {
        for text in ["2026", "2026-11", "2026-11-01", "2026-11-01T09:30:00+00:00", "1968-02-29T23:59:59+01:00"] {
            assert_eq!(at(text).to_string(), text);
        }
        assert_eq!(at("2026-07-01T09:30:00.000Z").to_string(), "2026-07-01T09:30:00+00:00");
        assert_eq!(at("0001-01-01").to_string(), "0001-01-01");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "26",
            "2026-13",
            "2026-02-29",
            "2026-11-01T09:30",
            "2026-11-01T24:00:00Z",
            "2026-11-01T09:30:00",
            "20261101",
            "2026-11-01 09:30:00Z",
            "äöü-",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn instants_compare_by_the_second_and_dates_by_their_own_day() {
        assert_eq!(at("2026-07-01T09:30:00+01:00").agrees_with(at("2026-07-01T08:30:00Z")), Some(true));
        assert_eq!(at("2026-07-01T09:30:00+01:00").agrees_with(at("2026-07-01T09:30:00Z")), Some(false));
        assert_eq!(at("2026-07-01T00:00:00+01:00").agrees_with(at("2026-07-01")), Some(true));
        assert_eq!(at("2026-06-30T23:00:00Z").agrees_with(at("2026-07-01")), Some(false));
        assert_eq!(at("2026-07").agrees_with(at("2026-07-01")), None);
        assert_eq!(at("2026-07-01").is_before(at("2026-07-01T09:00:00Z")), Some(false));
        assert_eq!(at("2026-07-01T08:59:59Z").is_before(at("2026-07-01T10:00:00+01:00")), Some(true));
    }

    proptest! {
        #[test]
        fn every_day_comes_back(days in -700_000_i64..2_000_000) {
            let (year, month, day) = civil(days);
            prop_assert_eq!(days_since_1970(year, month, day), days);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,32}") {
            let _ = Moment::parse(&text);
        }
    }
}
