//! Time stamps that have their own grammar: HL7 v2 and v3 `TS`, and M's `$HOROLOG`.

use jiff::civil;

use super::Fault;
use super::format::Parsed;
use super::moment::{Offset, PartialDate, TimeOfDay};

/// Reads `YYYY[MM[DD[HHMM[SS[.f…]]]]][+ZZ[ZZ]]`.
///
/// An hour without minutes is refused: FHIR cannot write it. An offset of hours alone is common in NHS 111
/// messages. Source: HL7 v2.x, data type TS; HL7 v3, TS.
pub fn hl7(text: &str) -> Result<Parsed, Fault> {
    let at = text.find(['+', '-']).unwrap_or(text.len());
    let (stamp, zone) = text.split_at(at);
    let (whole, fraction) = match stamp.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (stamp, ""),
    };
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) || fraction.len() > 9 {
        return Err(Fault::DateFormat);
    }
    let has_fraction_mark = stamp.len() > whole.len();
    if !matches!(whole.len(), 4 | 6 | 8 | 12 | 14) || has_fraction_mark && (whole.len() != 14 || fraction.is_empty()) {
        return Err(Fault::DateFormat);
    }
    let part = |from: usize, to: usize| whole.get(from..to).and_then(|p| p.parse::<u8>().ok());
    let year = whole[..4].parse().map_err(|_| Fault::DateFormat)?;
    let date = PartialDate::new(year, part(4, 6), part(6, 8)).ok_or(Fault::NotACalendarDate)?;
    let mut parsed = Parsed { date: Some(date), ..Parsed::default() };
    if let (Some(hour), Some(minute)) = (part(8, 10), part(10, 12)) {
        let n_digits = u8::try_from(fraction.len()).map_err(|_| Fault::DateFormat)?;
        let nanosecond = fraction.parse::<u32>().unwrap_or(0) * 10_u32.pow(9 - u32::from(n_digits));
        let time = TimeOfDay { hour, minute, second: part(12, 14), nanosecond, n_digits };
        parsed.time = Some(time.is_valid().then_some(time).ok_or(Fault::NotACalendarDate)?);
        parsed.offset = offset(zone)?;
    } else if !zone.is_empty() {
        // A date with an offset says no more to FHIR than the date.
        offset(zone)?;
    }
    Ok(parsed)
}

fn offset(zone: &str) -> Result<Option<Offset>, Fault> {
    if zone.is_empty() {
        return Ok(None);
    }
    let digits = &zone[1..];
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::DateFormat);
    }
    let number = |part: &str| part.parse::<i16>().map_err(|_| Fault::DateFormat);
    let minutes = if digits.len() == 4 { number(&digits[2..])? } else { 0 };
    let hours = number(&digits[..2])?;
    if hours > 14 || minutes > 59 {
        return Err(Fault::DateFormat);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    Ok(Some(Offset::Minutes(sign * (hours * 60 + minutes))))
}

/// Reads `days` or `days,seconds` since 31 December 1840 (day 1 is 1 January 1841).
///
/// Source: ISO/IEC 11756 (M), `$HOROLOG`.
pub fn horolog(text: &str) -> Result<Parsed, Fault> {
    let (days, seconds) = match text.split_once(',') {
        Some((days, seconds)) => (days, Some(seconds)),
        None => (text, None),
    };
    let number = |part: &str| {
        let is_number = (1..=7).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse::<i32>().ok()).flatten().ok_or(Fault::DateFormat)
    };
    let day = civil::date(1840, 12, 31)
        .checked_add(jiff::Span::new().days(number(days)?))
        .map_err(|_| Fault::NotACalendarDate)?;
    let date = PartialDate::from_civil(day).ok_or(Fault::NotACalendarDate)?;
    let mut parsed = Parsed { date: Some(date), ..Parsed::default() };
    if let Some(seconds) = seconds {
        let seconds = number(seconds)?;
        if seconds >= 86_400 {
            return Err(Fault::NotACalendarDate);
        }
        let part = |value: i32| u8::try_from(value).expect("below 60");
        parsed.time = Some(TimeOfDay {
            hour: part(seconds / 3600),
            minute: part(seconds / 60 % 60),
            second: Some(part(seconds % 60)),
            nanosecond: 0,
            n_digits: 0,
        });
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::functions::moment::Moment;

    fn hl7_text(text: &str) -> Result<String, Fault> {
        let parsed = hl7(text)?;
        let date = parsed.date.unwrap();
        let moment =
            parsed.time.map_or(Moment::Date(date), |t| Moment::Time(date, t, parsed.offset.unwrap_or(Offset::Zulu)));
        let mut out = Vec::new();
        moment.write(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_hl7_stamp_keeps_its_precision() {
        assert_eq!(hl7_text("1950").as_deref(), Ok("1950"));
        assert_eq!(hl7_text("195006").as_deref(), Ok("1950-06"));
        assert_eq!(hl7_text("19500601").as_deref(), Ok("1950-06-01"));
        assert_eq!(hl7_text("201105190907+00").as_deref(), Ok("2011-05-19T09:07:00+00:00"));
        assert_eq!(hl7_text("201105190907+0").as_deref(), Err(&Fault::DateFormat));
        assert_eq!(hl7_text("201105190907+0100").as_deref(), Ok("2011-05-19T09:07:00+01:00"));
        assert_eq!(hl7_text("20110519090712.50+0100").as_deref(), Ok("2011-05-19T09:07:12.50+01:00"));
        assert_eq!(hl7_text("2011051909"), Err(Fault::DateFormat));
        assert_eq!(hl7_text("20110631"), Err(Fault::NotACalendarDate));
    }

    #[test]
    fn horolog_day_one_is_new_year_1841() {
        let day = |text| horolog(text).map(|p| p.date.unwrap().day().unwrap().to_string());
        assert_eq!(day("1").as_deref(), Ok("1841-01-01"));
        assert_eq!(day("47117").as_deref(), Ok("1970-01-01"));
        let time = horolog("47117,86399").unwrap().time.unwrap();
        assert_eq!((time.hour, time.minute, time.second), (23, 59, Some(59)));
        assert_eq!(horolog("47117,86400"), Err(Fault::NotACalendarDate));
        assert_eq!(horolog("-1"), Err(Fault::DateFormat));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9+.,Z-]{0,20}|\\PC{0,20}") {
            let _ = hl7(&text);
            let _ = horolog(&text);
        }
    }
}
