//! What Excel shows: numbers to fifteen digits, dates from serial numbers.
//!
//! A serial counts days: from 1899-12-31 in the 1900 system, which has a 29 February 1900 that never was (day 60), or
//! from 1904-01-01 in the 1904 system of old Macintoshes. Its fraction is the time of day.

use jiff::civil;

const MS_PER_DAY: i64 = 86_400_000;
/// 9999-12-31 in the 1900 system; Excel knows no later day.
const LAST_DAY: i64 = 2_958_465;

/// A cell that is shown as a date, a time or a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Date(civil::Date),
    DateTime(civil::DateTime),
    /// A time of day, in milliseconds since midnight.
    Time(i64),
    /// Hours and minutes that may exceed a day, in milliseconds.
    Duration(i64),
}

/// The serial is no day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impossible;

/// A serial as the moment that it stands for. A serial below one is a time of day without a day.
pub fn moment(serial: f64, is_1904: bool) -> Result<Moment, Impossible> {
    if !serial.is_finite() || serial < 0.0 || serial >= (LAST_DAY + 1) as f64 {
        return Err(Impossible);
    }
    // Excel rounds what it shows: a serial is exact to about a hundredth of a millisecond only.
    let ms = (serial * MS_PER_DAY as f64).round() as i64;
    let (day, ms) = (ms / MS_PER_DAY, ms % MS_PER_DAY);
    let first = match (is_1904, day) {
        (true, _) => civil::date(1904, 1, 1),
        (false, 0) => return Ok(Moment::Time(ms)),
        (false, 60) => return Err(Impossible),
        (false, 1..60) => civil::date(1899, 12, 31),
        (false, _) => civil::date(1899, 12, 30),
    };
    if is_1904 && serial < 1.0 && ms > 0 {
        return Ok(Moment::Time(ms));
    }
    let span = jiff::Span::new().try_days(day).map_err(|_| Impossible)?;
    let date = first.checked_add(span).map_err(|_| Impossible)?;
    Ok(if ms == 0 { Moment::Date(date) } else { Moment::DateTime(date.to_datetime(time(ms))) })
}

/// A serial that is shown as hours and minutes beyond a day.
pub fn duration(serial: f64) -> Result<Moment, Impossible> {
    if !serial.is_finite() || !(0.0..=LAST_DAY as f64).contains(&serial) {
        return Err(Impossible);
    }
    Ok(Moment::Duration((serial * MS_PER_DAY as f64).round() as i64))
}

impl Moment {
    /// `yyyy-mm-dd`, `yyyy-mm-ddTHH:MM:SS`, `HH:MM:SS`; milliseconds only where there are any.
    pub fn iso(self) -> String {
        match self {
            Self::Date(date) => date.to_string(),
            Self::DateTime(at) => format!("{}T{}", at.date(), clock(ms_of(at))),
            Self::Time(ms) | Self::Duration(ms) => clock(ms),
        }
    }

    /// With midnight written out.
    pub fn iso_time(self) -> String {
        match self {
            Self::Date(date) => format!("{date}T00:00:00"),
            other => other.iso(),
        }
    }

    /// A date, where there is no time of day beside it.
    pub fn date(self) -> Option<civil::Date> {
        match self {
            Self::Date(date) => Some(date),
            Self::DateTime(at) if ms_of(at) == 0 => Some(at.date()),
            _ => None,
        }
    }

    /// A date with its time, midnight where there is none.
    pub fn date_time(self) -> Option<civil::DateTime> {
        match self {
            Self::Date(date) => Some(date.at(0, 0, 0, 0)),
            Self::DateTime(at) => Some(at),
            Self::Time(_) | Self::Duration(_) => None,
        }
    }
}

/// Milliseconds since midnight.
pub fn ms_of(at: civil::DateTime) -> i64 {
    let seconds = i64::from(at.hour()) * 3600 + i64::from(at.minute()) * 60 + i64::from(at.second());
    seconds * 1000 + i64::from(at.millisecond())
}

fn time(ms: i64) -> civil::Time {
    let part = |unit: i64, of: i64| i8::try_from(ms / unit % of).expect("below 60");
    let ns = i32::try_from(ms % 1000).expect("below 1000") * 1_000_000;
    civil::time(part(3_600_000, 24), part(60_000, 60), part(1000, 60), ns)
}

fn clock(ms: i64) -> String {
    let whole = format!("{:02}:{:02}:{:02}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    if ms % 1000 == 0 { whole } else { format!("{whole}.{:03}", ms % 1000) }
}

/// A number to fifteen digits, as Excel shows it, and whether it has more before its point: then the digits behind
/// the fifteenth are zeros that may never have been typed. `None` where the text is no number.
pub fn number(text: &str) -> Option<(String, bool)> {
    let text = text.trim();
    let is_number = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
    if !text.bytes().all(is_number) {
        return None;
    }
    let value: f64 = text.parse().ok().filter(|v: &f64| v.is_finite())?;
    Some((shown(value), value.abs() >= 1e15))
}

/// The fifteen digits of a number, without an exponent while it has at most thirty digits.
pub fn shown(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:.14e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("a whole number");
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let sign = if value < 0.0 { "-" } else { "" };
    let n = i32::try_from(digits.len()).expect("at most fifteen");
    match exponent {
        30.. | ..-15 => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{point}{rest}E{exponent:+}")
        }
        _ if exponent < 0 => format!("{sign}0.{}{digits}", zeros(-exponent - 1)),
        _ if n <= exponent + 1 => format!("{sign}{digits}{}", zeros(exponent + 1 - n)),
        _ => {
            let (whole, fraction) = digits.split_at((exponent + 1).unsigned_abs() as usize);
            format!("{sign}{whole}.{fraction}")
        }
    }
}

fn zeros(n: i32) -> String {
    "0".repeat(n.unsigned_abs() as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn iso(serial: f64, is_1904: bool) -> String {
        moment(serial, is_1904).map_or("impossible".to_owned(), Moment::iso)
    }

    #[test]
    fn serials_are_the_days_that_excel_shows() {
        for (serial, is_1904, expected) in [
            (1.0, false, "1900-01-01"),
            (59.0, false, "1900-02-28"),
            (60.0, false, "impossible"),
            (60.5, false, "impossible"),
            (61.0, false, "1900-03-01"),
            (18334.0, false, "1950-03-12"),
            (45_658.604_166_666_664, false, "2025-01-01T14:30:00"),
            (45_658.999_999_999_9, false, "2025-01-02"),
            (45_658.000_000_115_74, false, "2025-01-01T00:00:00.010"),
            (0.0, false, "00:00:00"),
            (0.395_833_333_333_333, false, "09:30:00"),
            (2_958_465.0, false, "9999-12-31"),
            (2_958_466.0, false, "impossible"),
            (-1.0, false, "impossible"),
            (f64::NAN, false, "impossible"),
            (0.0, true, "1904-01-01"),
            (60.0, true, "1904-03-01"),
            (16872.0, true, "1950-03-12"),
        ] {
            assert_eq!(iso(serial, is_1904), expected, "{serial} {is_1904}");
        }
        assert_eq!(duration(1.25).map(Moment::iso), Ok("30:00:00".to_owned()));
    }

    #[test]
    fn numbers_are_shown_to_fifteen_digits() {
        for (text, expected) in [
            ("9990000107", Some(("9990000107", false))),
            ("9990000107.0", Some(("9990000107", false))),
            ("36.600000000000001", Some(("36.6", false))),
            ("0.1", Some(("0.1", false))),
            ("-0.00012", Some(("-0.00012", false))),
            ("1.2345678901234567E+19", Some(("12345678901234600000", true))),
            ("999999999999999", Some(("999999999999999", false))),
            ("1000000000000000", Some(("1000000000000000", true))),
            ("1E+40", Some(("1E+40", true))),
            ("0", Some(("0", false))),
            ("-0", Some(("0", false))),
            ("1e999", None),
            ("12,5", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected.map(|(t, long)| (t.to_owned(), long)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_of_up_to_fifteen_digits_come_back(value in -999_999_999_999_999_i64..=999_999_999_999_999) {
            prop_assert_eq!(number(&value.to_string()), Some((value.to_string(), false)));
        }

        #[test]
        fn what_is_shown_is_the_number_to_fifteen_digits(value in proptest::num::f64::NORMAL) {
            let back: f64 = shown(value).parse().unwrap();
            prop_assert!(((back - value) / value).abs() < 1e-14);
        }

        #[test]
        fn every_day_comes_back_in_both_systems(day in 61_i64..LAST_DAY) {
            let Ok(Moment::Date(date)) = moment(day as f64, false) else { panic!("a day") };
            let since = i64::from(date.since((jiff::Unit::Day, civil::date(1899, 12, 30))).unwrap().get_days());
            prop_assert_eq!(since, day);
            if day >= 1462 {
                prop_assert_eq!(moment((day - 1462) as f64, true), Ok(Moment::Date(date)));
            }
        }

        #[test]
        fn any_serial_is_a_moment_or_impossible(serial: f64, is_1904: bool) {
            let _ = moment(serial, is_1904).map(Moment::iso);
            let _ = duration(serial).map(Moment::iso);
        }
    }
}
