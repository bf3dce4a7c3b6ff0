//! Explicit date and time formats, read once and then run over bytes.
//!
//! `%Y` four digits, `%y` two (pivot), `%m %d %H %I %M %S` two digits, `%-m %-d %-H %-I` one or two, `%b` and `%B`
//! English month names, `%p` AM or PM, `%.f` a point and 1 to 9 digits if there, `%z` `Z` or an offset (`+01:00`,
//! `+0100`), `%%` a percent sign; anything else stands for itself. The whole text must fit.

use super::Fault;
use super::moment::{Moment, Offset, PartialDate, TimeOfDay};

/// A format, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    text: Box<str>,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    Number(Unit, Width),
    MonthName,
    AmPm,
    Fraction,
    Offset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    YearInCentury,
    Month,
    Day,
    Hour,
    HourOfTwelve,
    Minute,
    Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Exactly(usize),
    OneOrTwo,
}

/// What a text says, before a zone is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parsed {
    pub date: Option<PartialDate>,
    pub time: Option<TimeOfDay>,
    pub offset: Option<Offset>,
    /// The century came from the pivot.
    pub pivot_used: bool,
}

impl Format {
    /// Reads a format; the fault says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut pieces = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                pieces.push(Piece::Byte(byte));
                continue;
            }
            let piece = match bytes.next().ok_or("it ends with `%`")? {
                b'-' => match bytes.next() {
                    Some(b'm') => Piece::Number(Unit::Month, Width::OneOrTwo),
                    Some(b'd') => Piece::Number(Unit::Day, Width::OneOrTwo),
                    Some(b'H') => Piece::Number(Unit::Hour, Width::OneOrTwo),
                    Some(b'I') => Piece::Number(Unit::HourOfTwelve, Width::OneOrTwo),
                    _ => return Err("after `%-` stands m, d, H or I"),
                },
                b'.' if bytes.next() == Some(b'f') => Piece::Fraction,
                b'Y' => Piece::Number(Unit::Year, Width::Exactly(4)),
                b'y' => Piece::Number(Unit::YearInCentury, Width::Exactly(2)),
                b'm' => Piece::Number(Unit::Month, Width::Exactly(2)),
                b'd' => Piece::Number(Unit::Day, Width::Exactly(2)),
                b'H' => Piece::Number(Unit::Hour, Width::Exactly(2)),
                b'I' => Piece::Number(Unit::HourOfTwelve, Width::Exactly(2)),
                b'M' => Piece::Number(Unit::Minute, Width::Exactly(2)),
                b'S' => Piece::Number(Unit::Second, Width::Exactly(2)),
                b'b' | b'B' => Piece::MonthName,
                b'p' => Piece::AmPm,
                b'z' => Piece::Offset,
                b'%' => Piece::Byte(b'%'),
                _ => return Err("the letter after `%` is none of Y y m d H I M S b B p z, `-` or `.f`"),
            };
            pieces.push(piece);
        }
        let format = Self { text: Box::from(text), pieces };
        format.check()?;
        Ok(format)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn has_two_digit_year(&self) -> bool {
        self.has(Unit::YearInCentury)
    }

    /// It gives a time of day and no offset.
    pub fn is_local_time(&self) -> bool {
        self.has_hour() && !self.pieces.contains(&Piece::Offset)
    }

    /// Reads a text. `pivot` is there where the format has a two-digit year (checked when it was bound).
    pub fn read(&self, text: &str, pivot: Option<i16>) -> Result<Parsed, Fault> {
        let mut fields = Fields::default();
        let mut rest = text.as_bytes();
        for piece in &self.pieces {
            rest = fields.take(*piece, rest).ok_or(Fault::DateFormat)?;
        }
        if !rest.is_empty() {
            return Err(Fault::DateFormat);
        }
        fields.finish(pivot)
    }

    fn has(&self, wanted: Unit) -> bool {
        self.pieces.iter().any(|p| matches!(p, Piece::Number(unit, _) if *unit == wanted))
    }

    fn has_hour(&self) -> bool {
        self.has(Unit::Hour) || self.has(Unit::HourOfTwelve)
    }

    fn check(&self) -> Result<(), &'static str> {
        let has_year = self.has(Unit::Year) || self.has(Unit::YearInCentury);
        let has_month = self.has(Unit::Month) || self.pieces.contains(&Piece::MonthName);
        if !has_year && (has_month || self.has(Unit::Day)) {
            return Err("it has no year");
        }
        if self.has(Unit::Day) && !has_month {
            return Err("it has a day and no month");
        }
        if self.has_hour() && has_year && !self.has(Unit::Day) {
            return Err("it has a time and no day");
        }
        if self.has(Unit::HourOfTwelve) != self.pieces.contains(&Piece::AmPm) {
            return Err("%I and %p stand together");
        }
        if self.has_hour() != self.has(Unit::Minute) || self.has(Unit::Second) && !self.has(Unit::Minute) {
            return Err("an hour stands with its minute");
        }
        if !has_year && !self.has_hour() {
            return Err("it has neither a year nor an hour");
        }
        Ok(())
    }
}

#[derive(Default)]
struct Fields {
    year: Option<i16>,
    short_year: Option<i16>,
    month: Option<u8>,
    day: Option<u8>,
    hour: Option<u8>,
    minute: Option<u8>,
    second: Option<u8>,
    is_afternoon: Option<bool>,
    nanosecond: u32,
    n_digits: u8,
    offset: Option<Offset>,
}

impl Fields {
    fn take<'t>(&mut self, piece: Piece, text: &'t [u8]) -> Option<&'t [u8]> {
        match piece {
            Piece::Byte(byte) => text.strip_prefix(&[byte]),
            Piece::Number(unit, width) => {
                let (value, rest) = number(text, width)?;
                match unit {
                    Unit::Year => self.year = i16::try_from(value).ok(),
                    Unit::YearInCentury => self.short_year = i16::try_from(value).ok(),
                    Unit::Month => self.month = u8::try_from(value).ok(),
                    Unit::Day => self.day = u8::try_from(value).ok(),
                    Unit::Hour | Unit::HourOfTwelve => self.hour = u8::try_from(value).ok(),
                    Unit::Minute => self.minute = u8::try_from(value).ok(),
                    Unit::Second => self.second = u8::try_from(value).ok(),
                }
                Some(rest)
            }
            Piece::MonthName => {
                let (month, rest) = month_name(text)?;
                self.month = Some(month);
                Some(rest)
            }
            Piece::AmPm => {
                let (half, rest) = text.split_at_checked(2)?;
                self.is_afternoon = Some(match () {
                    () if half.eq_ignore_ascii_case(b"am") => false,
                    () if half.eq_ignore_ascii_case(b"pm") => true,
                    () => return None,
                });
                Some(rest)
            }
            Piece::Fraction => {
                let Some(digits) = text.strip_prefix(b".") else { return Some(text) };
                let n = digits.iter().take_while(|b| b.is_ascii_digit()).count();
                if !(1..=9).contains(&n) {
                    return None;
                }
                let value = digits[..n].iter().fold(0_u32, |v, b| v * 10 + u32::from(b - b'0'));
                self.nanosecond = value * 10_u32.pow(9 - u32::try_from(n).ok()?);
                self.n_digits = u8::try_from(n).ok()?;
                Some(&digits[n..])
            }
            Piece::Offset => {
                let (offset, rest) = offset(text)?;
                self.offset = Some(offset);
                Some(rest)
            }
        }
    }

    fn finish(self, pivot: Option<i16>) -> Result<Parsed, Fault> {
        let mut parsed = Parsed { offset: self.offset, ..Parsed::default() };
        let year = match (self.year, self.short_year, pivot) {
            (None, Some(short), Some(pivot)) => {
                parsed.pivot_used = true;
                Some(if short >= pivot { 1900 + short } else { 2000 + short })
            }
            (year, ..) => year,
        };
        if let Some(year) = year {
            parsed.date = Some(PartialDate::new(year, self.month, self.day).ok_or(Fault::NotACalendarDate)?);
        }
        if let Some(hour) = self.hour {
            let hour = match self.is_afternoon {
                None => hour,
                Some(_) if !(1..=12).contains(&hour) => return Err(Fault::NotACalendarDate),
                Some(is_afternoon) => hour % 12 + if is_afternoon { 12 } else { 0 },
            };
            let time = TimeOfDay {
                hour,
                minute: self.minute.unwrap_or(0),
                second: self.second,
                nanosecond: self.nanosecond,
                n_digits: self.n_digits,
            };
            if !time.is_valid() {
                return Err(Fault::NotACalendarDate);
            }
            parsed.time = Some(time);
        }
        Ok(parsed)
    }
}

fn number(text: &[u8], width: Width) -> Option<(u32, &[u8])> {
    let n = match width {
        Width::Exactly(n) => n,
        Width::OneOrTwo if text.get(1).is_some_and(u8::is_ascii_digit) => 2,
        Width::OneOrTwo => 1,
    };
    let (digits, rest) = text.split_at_checked(n)?;
    digits
        .iter()
        .try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + u32::from(b - b'0')))
        .map(|v| (v, rest))
}

fn month_name(text: &[u8]) -> Option<(u8, &[u8])> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let n = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let (word, rest) = text.split_at(n);
    let is_it = |name: &str| {
        word.eq_ignore_ascii_case(name.as_bytes())
            || word.eq_ignore_ascii_case(&name.as_bytes()[..3])
            || name == "september" && word.eq_ignore_ascii_case(b"sept")
    };
    NAMES.iter().position(|name| is_it(name)).map(|i| (i as u8 + 1, rest))
}

fn offset(text: &[u8]) -> Option<(Offset, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"Z") {
        return Some((Offset::Zulu, rest));
    }
    let (sign, rest) = text.split_first()?;
    let sign = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = number(rest, Width::Exactly(2))?;
    let (minutes, rest) = number(rest.strip_prefix(b":").unwrap_or(rest), Width::Exactly(2))?;
    if hours > 14 || minutes > 59 {
        return None;
    }
    Some((Offset::Minutes(sign * i16::try_from(hours * 60 + minutes).ok()?), rest))
}

/// Reads FHIR's own form, any precision; `None` for anything else.
pub(crate) fn read_iso(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let (year, rest) = number(bytes, Width::Exactly(4))?;
    let mut fields = Fields { year: i16::try_from(year).ok(), ..Fields::default() };
    let mut rest = rest;
    for piece in [Piece::Number(Unit::Month, Width::Exactly(2)), Piece::Number(Unit::Day, Width::Exactly(2))] {
        if rest.is_empty() {
            break;
        }
        rest = fields.take(piece, rest.strip_prefix(b"-")?)?;
    }
    if let Some(time) = rest.strip_prefix(b"T") {
        fields.day?;
        rest = fields.take(Piece::Number(Unit::Hour, Width::Exactly(2)), time)?;
        rest = fields.take(Piece::Number(Unit::Minute, Width::Exactly(2)), rest.strip_prefix(b":")?)?;
        rest = fields.take(Piece::Number(Unit::Second, Width::Exactly(2)), rest.strip_prefix(b":")?)?;
        rest = fields.take(Piece::Fraction, rest)?;
        rest = fields.take(Piece::Offset, rest)?;
    }
    if !rest.is_empty() {
        return None;
    }
    let parsed = fields.finish(None).ok()?;
    Some(match (parsed.date?, parsed.time) {
        (date, None) => Moment::Date(date),
        (date, Some(time)) => Moment::Time(date, time, parsed.offset?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: &str, text: &str) -> Result<Parsed, Fault> {
        Format::parse(format).unwrap().read(text, Some(30))
    }

    fn date(format: &str, text: &str) -> Result<String, Fault> {
        let mut out = Vec::new();
        read(format, text)?.date.unwrap().write(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn formats_are_exact() {
        assert_eq!(date("%d/%m/%Y", "01/02/1950").as_deref(), Ok("1950-02-01"));
        assert_eq!(date("%d/%m/%Y", "1/2/1950"), Err(Fault::DateFormat));
        assert_eq!(date("%-d/%-m/%Y", "1/2/1950").as_deref(), Ok("1950-02-01"));
        assert_eq!(date("%d/%m/%Y", "01/02/1950 "), Err(Fault::DateFormat));
        assert_eq!(date("%d/%m/%Y", "31/06/1950"), Err(Fault::NotACalendarDate));
        assert_eq!(date("%d-%b-%Y", "01-JUN-1950").as_deref(), Ok("1950-06-01"));
        assert_eq!(date("%m/%Y", "06/1950").as_deref(), Ok("1950-06"));
        assert_eq!(date("%Y", "1950").as_deref(), Ok("1950"));
    }

    #[test]
    fn a_two_digit_year_turns_at_the_pivot() {
        assert_eq!(date("%d/%m/%y", "01/02/30").as_deref(), Ok("1930-02-01"));
        assert_eq!(date("%d/%m/%y", "01/02/29").as_deref(), Ok("2029-02-01"));
        assert!(read("%d/%m/%y", "01/02/29").unwrap().pivot_used);
    }

    #[test]
    fn noon_and_midnight_of_the_twelve_hour_clock() {
        let hour = |text| read("%I:%M %p", text).map(|p| p.time.unwrap().hour);
        assert_eq!(hour("12:00 AM"), Ok(0));
        assert_eq!(hour("12:00 pm"), Ok(12));
        assert_eq!(hour("01:00 PM"), Ok(13));
        assert_eq!(hour("13:00 PM"), Err(Fault::NotACalendarDate));
    }

    #[test]
    fn offsets_and_fractions_are_kept() {
        let parsed = read("%Y-%m-%dT%H:%M:%S%.f%z", "2014-05-06T08:34:30.120+0100").unwrap();
        assert_eq!(parsed.offset, Some(Offset::Minutes(60)));
        assert_eq!((parsed.time.unwrap().nanosecond, parsed.time.unwrap().n_digits), (120_000_000, 3));
        assert_eq!(read("%Y-%m-%dT%H:%M:%S%.f%z", "2014-05-06T08:34:30Z").unwrap().offset, Some(Offset::Zulu));
    }

    #[test]
    fn formats_that_cannot_mean_a_time_do_not_compile() {
        for text in ["%d/%m", "%d/%Y", "%Y %H:%M", "%Y-%m-%d %I:%M", "%Y-%m-%d %H", "%", "%Q", "x"] {
            assert!(Format::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_of_the_calendar_survives(days in 0i64..3_652_000) {
            let day = jiff::civil::date(1, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let text = day.strftime("%d/%m/%Y").to_string();
            prop_assume!(day.year() >= 1000);
            prop_assert_eq!(date("%d/%m/%Y", &text), Ok(day.to_string()));
        }

        #[test]
        fn any_text_is_read_without_a_panic(format in "[%a-zA-Z/: .-]{0,12}", text in "\\PC{0,20}") {
            if let Ok(format) = Format::parse(&format) {
                let _ = format.read(&text, Some(30));
            }
            let _ = read_iso(&text);
        }
    }
}
