//! Text to typed values, strictly: a text that another reader could take for something else does not convert.
//!
//! `007` is no integer (leading zeros are a code's), `1e3` no decimal, `31/12/2001` no date. What does not convert
//! is kept aside as it is, never rounded, cut or guessed.

use epr_model::schema::ColumnKind;
use jiff::civil;

/// Why a text is not a value of its column's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit;

/// A typed value, as staged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Typed {
    Int64(i64),
    Double(f64),
    Bool(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 00:00, without a zone or in UTC.
    Micros(i64),
}

/// Reads a text as a value of `kind`; `None` for kinds that are staged as they come (text, decimal after its check,
/// bytes, blob).
pub fn typed(kind: ColumnKind, text: &str) -> Result<Option<Typed>, Unfit> {
    let value = match kind {
        ColumnKind::Text | ColumnKind::Bytes | ColumnKind::Blob => return Ok(None),
        ColumnKind::Decimal => return if is_decimal(text) { Ok(None) } else { Err(Unfit) },
        ColumnKind::Int64 => Typed::Int64(int64(text)?),
        ColumnKind::Double => Typed::Double(double(text)?),
        ColumnKind::Bool => Typed::Bool(match text {
            "0" | "false" => false,
            "1" | "true" => true,
            _ => return Err(Unfit),
        }),
        ColumnKind::Date => Typed::Date(date(text)?),
        ColumnKind::LocalTimestamp => Typed::Micros(local_timestamp(text)?),
        ColumnKind::Instant => Typed::Micros(instant(text)?),
    };
    Ok(Some(value))
}

/// A whole number as a machine writes it: no plus, no leading zeros, within 64 bits.
pub fn int64(text: &str) -> Result<i64, Unfit> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0" && !text.starts_with('-') || !digits.starts_with('0');
    if !canonical || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unfit);
    }
    text.parse().map_err(|_| Unfit)
}

/// A binary floating point number; the nearest double, never infinite.
pub fn double(text: &str) -> Result<f64, Unfit> {
    if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')) {
        return Err(Unfit);
    }
    text.parse().ok().filter(|v: &f64| v.is_finite()).ok_or(Unfit)
}

/// Digits with at most one point between them, and a minus perhaps.
pub fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = match text.strip_prefix('-').unwrap_or(text).split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text.strip_prefix('-').unwrap_or(text), None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && fraction.is_none_or(digits)
}

/// `yyyy-mm-dd`, a day of the calendar.
pub fn date(text: &str) -> Result<i32, Unfit> {
    if text.len() != 10 || !text.is_ascii() {
        return Err(Unfit);
    }
    days_since_1970(text.parse().map_err(|_| Unfit)?)
}

/// `yyyy-mm-dd hh:mm:ss`, with `T` for the space or up to six digits of a second; no zone.
pub fn local_timestamp(text: &str) -> Result<i64, Unfit> {
    let (day, clock) = text.split_at_checked(10).ok_or(Unfit)?;
    let clock = clock.strip_prefix([' ', 'T']).ok_or(Unfit)?;
    Ok(i64::from(date(day)?) * MICROS_PER_DAY + micros_of_day(clock)?)
}

/// As a local timestamp, with `Z` or an offset at its end.
pub fn instant(text: &str) -> Result<i64, Unfit> {
    let (local, offset_minutes) = if let Some(local) = text.strip_suffix('Z') {
        (local, 0)
    } else {
        let (local, offset) = text.split_at_checked(text.len().checked_sub(6).ok_or(Unfit)?).ok_or(Unfit)?;
        let sign = match offset.as_bytes()[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return Err(Unfit),
        };
        let (h, m) = offset[1..].split_once(':').ok_or(Unfit)?;
        (local, sign * (two_digits(h, 14)? * 60 + two_digits(m, 59)?))
    };
    Ok(local_timestamp(local)? - offset_minutes * 60_000_000)
}

/// The day's number from 1970-01-01.
pub fn days_since_1970(day: civil::Date) -> Result<i32, Unfit> {
    let span = day.since((jiff::Unit::Day, civil::date(1970, 1, 1))).map_err(|_| Unfit)?;
    Ok(span.get_days())
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

fn micros_of_day(clock: &str) -> Result<i64, Unfit> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':');
    let mut next = |limit| parts.next().ok_or(Unfit).and_then(|p| two_digits(p, limit));
    let seconds = next(23)? * 3600 + next(59)? * 60 + next(59)?;
    // Digits beyond the microsecond would be lost, unless they are zeros.
    let kept = fraction.trim_end_matches('0');
    if parts.next().is_some() || kept.len() > 6 || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(Unfit);
    }
    let micros: i64 = format!("{kept:0<6}").parse().map_err(|_| Unfit)?;
    Ok(seconds * 1_000_000 + micros)
}

fn two_digits(text: &str, limit: i64) -> Result<i64, Unfit> {
    if text.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unfit);
    }
    text.parse().ok().filter(|n| *n <= limit).ok_or(Unfit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_with_leading_zeros_is_no_integer() {
        assert_eq!(int64("99999999999"), Ok(99_999_999_999));
        assert_eq!(int64("-9223372036854775808"), Ok(i64::MIN));
        for text in ["007", "-0", "+1", "", "-", "1.0", "1e3", " 1", "9223372036854775808", "abc"] {
            assert_eq!(int64(text), Err(Unfit), "{text}");
        }
    }

    #[test]
    fn a_decimal_has_digits_on_both_sides_of_its_point() {
        for text in ["0", "1.50", "-0.10", "123456789012345678901234567890.5"] {
            assert!(is_decimal(text), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1e3", "1,5", "+1", "1.2.3"] {
            assert!(!is_decimal(text), "{text}");
        }
    }

    #[test]
    fn a_time_keeps_its_microseconds_and_nothing_more_is_cut_off() {
        assert_eq!(local_timestamp("1970-01-02 00:00:01.5"), Ok(86_401_500_000));
        assert_eq!(local_timestamp("1970-01-01T00:00:00.000001000"), Ok(1));
        assert_eq!(local_timestamp("1970-01-01 00:00:00.0000001"), Err(Unfit));
        assert_eq!(local_timestamp("1970-01-01 00:00"), Err(Unfit));
        assert_eq!(local_timestamp("1970-02-30 00:00:00"), Err(Unfit));
        assert_eq!(local_timestamp("1970-01-01 00:00:60"), Err(Unfit));
        assert_eq!(instant("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(instant("1969-12-31T23:00:00-01:00"), Ok(0));
        assert_eq!(instant("1970-01-01T00:00:00"), Err(Unfit));
        assert_eq!(date("1969-12-31"), Ok(-1));
        assert_eq!(date("31/12/1969"), Err(Unfit));
    }

    proptest! {
        #[test]
        fn a_double_written_with_seventeen_digits_comes_back(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(double(&format!("{value:.16e}")), Ok(value));
        }

        #[test]
        fn an_integer_comes_back(value: i64) {
            prop_assert_eq!(int64(&value.to_string()), Ok(value));
        }

        #[test]
        fn no_text_makes_a_conversion_panic(text in "\\PC{0,30}") {
            for kind in [ColumnKind::Int64, ColumnKind::Decimal, ColumnKind::Double, ColumnKind::Bool,
                ColumnKind::LocalTimestamp, ColumnKind::Date, ColumnKind::Instant] {
                let _ = typed(kind, &text);
            }
        }
    }
}
