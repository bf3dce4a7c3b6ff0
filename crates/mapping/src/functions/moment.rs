//! Dates and times that keep the precision in which they were written.

use std::cmp::Ordering;

use jiff::civil;
use jiff::tz::TimeZone;

/// A date with its precision: year, month or day. Always a date of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartialDate {
    year: i16,
    /// 0: not given.
    month: u8,
    /// 0: not given.
    day: u8,
}

impl PartialDate {
    /// `None` for a date that the calendar does not have, or a year outside 1 to 9999.
    pub fn new(year: i16, month: Option<u8>, day: Option<u8>) -> Option<Self> {
        let (m, d) = (month.unwrap_or(1), day.unwrap_or(1));
        if month.is_none() && day.is_some() || !(1..=9999).contains(&year) {
            return None;
        }
        civil::Date::new(year, i8::try_from(m).ok()?, i8::try_from(d).ok()?).ok()?;
        Some(Self { year, month: month.unwrap_or(0), day: day.unwrap_or(0) })
    }

    pub fn from_civil(date: civil::Date) -> Option<Self> {
        Self::new(date.year(), u8::try_from(date.month()).ok(), u8::try_from(date.day()).ok())
    }

    /// The day, where it is given.
    pub fn day(self) -> Option<civil::Date> {
        (self.day > 0).then(|| self.first_day())
    }

    pub const fn is_whole(self) -> bool {
        self.day > 0
    }

    fn first_day(self) -> civil::Date {
        civil::date(self.year, i8::try_from(self.month.max(1)).unwrap_or(1), i8::try_from(self.day.max(1)).unwrap_or(1))
    }

    /// `None` where the difference lies beyond the precision of one of them: 1950 and 1950-06.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let known = |a: u8, b: u8| if a == 0 || b == 0 { None } else { Some(a.cmp(&b)) };
        if self == other {
            return Some(Ordering::Equal);
        }
        match self.year.cmp(&other.year) {
            Ordering::Equal => {}
            unequal => return Some(unequal),
        }
        match known(self.month, other.month)? {
            Ordering::Equal => known(self.day, other.day),
            unequal => Some(unequal),
        }
    }

    /// Writes FHIR's `yyyy`, `yyyy-mm` or `yyyy-mm-dd`.
    pub fn write(self, out: &mut Vec<u8>) {
        push_digits(out, self.year.unsigned_abs().into(), 4);
        if self.month > 0 {
            out.push(b'-');
            push_digits(out, self.month.into(), 2);
        }
        if self.day > 0 {
            out.push(b'-');
            push_digits(out, self.day.into(), 2);
        }
    }
}

/// A time of day as written. Seconds that are not written are written as `:00`, as FHIR asks, and remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeOfDay {
    pub hour: u8,
    pub minute: u8,
    pub second: Option<u8>,
    /// Nanoseconds, and how many digits of them were written (0 to 9).
    pub nanosecond: u32,
    pub n_digits: u8,
}

impl TimeOfDay {
    pub const fn is_valid(self) -> bool {
        // A leap second has no civil time; FHIR allows it, jiff does not, and no source that keeps UTC was met.
        let second = match self.second {
            Some(s) => s,
            None => 0,
        };
        self.hour < 24 && self.minute < 60 && second < 60
    }

    pub fn write(self, out: &mut Vec<u8>) {
        push_digits(out, self.hour.into(), 2);
        out.push(b':');
        push_digits(out, self.minute.into(), 2);
        out.push(b':');
        push_digits(out, self.second.unwrap_or(0).into(), 2);
        if self.n_digits > 0 {
            out.push(b'.');
            let shown = self.nanosecond / 10_u32.pow(9 - u32::from(self.n_digits.min(9)));
            push_digits(out, shown, self.n_digits.min(9).into());
        }
    }

    fn civil(self) -> civil::Time {
        civil::time(
            self.hour.cast_signed(),
            self.minute.cast_signed(),
            self.second.unwrap_or(0).cast_signed(),
            self.nanosecond.cast_signed(),
        )
    }
}

/// How far a time is from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offset {
    /// Written `Z`.
    Zulu,
    /// Whole minutes east.
    Minutes(i16),
}

impl Offset {
    pub const fn minutes(self) -> i16 {
        match self {
            Self::Zulu => 0,
            Self::Minutes(m) => m,
        }
    }
}

/// A FHIR dateTime: a date with its precision, or a time with its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    Date(PartialDate),
    /// The date is whole.
    Time(PartialDate, TimeOfDay, Offset),
}

impl Moment {
    pub const fn date(self) -> PartialDate {
        match self {
            Self::Date(date) | Self::Time(date, ..) => date,
        }
    }

    /// Whether it can be an instant.
    pub const fn has_seconds(self) -> bool {
        matches!(self, Self::Time(_, TimeOfDay { second: Some(_), .. }, _))
    }

    /// Reads what FHIR writes: `2014-05-06T08:34:30Z`, `2014-05`.
    pub fn parse_fhir(text: &str) -> Option<Self> {
        super::format::read_iso(text)
    }

    /// By the point in time; a date against a time by the date where that decides, else `None`.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Time(d1, t1, o1), Self::Time(d2, t2, o2)) => {
                let utc = |d: PartialDate, t: TimeOfDay, o: Offset| {
                    d.first_day()
                        .to_datetime(t.civil())
                        .checked_sub(jiff::Span::new().minutes(i64::from(o.minutes())))
                        .ok()
                };
                Some(utc(d1, t1, o1)?.cmp(&utc(d2, t2, o2)?))
            }
            _ => match self.date().compare(other.date())? {
                Ordering::Equal if matches!((self, other), (Self::Date(_), Self::Date(_))) => Some(Ordering::Equal),
                Ordering::Equal => None,
                unequal => Some(unequal),
            },
        }
    }

    /// So many minutes later. In `zone`, where the offset is the zone's own, it becomes the zone's at that time. `None`
    /// for a date, and beyond the calendar.
    pub fn later(self, minutes: i64, zone: Option<&TimeZone>) -> Option<Self> {
        let Self::Time(date, time, offset) = self else { return None };
        let span = |minutes: i64| jiff::Span::new().try_minutes(minutes).ok();
        let local = date.first_day().to_datetime(time.civil());
        let before = local.checked_sub(span(i64::from(offset.minutes()))?).ok()?;
        let after = before.checked_add(span(minutes)?).ok()?;
        let offset_at = |utc: civil::DateTime| {
            let timestamp = TimeZone::UTC.to_timestamp(utc).ok()?;
            let seconds = zone?.to_offset(timestamp).seconds();
            i16::try_from(seconds / 60).ok().filter(|_| seconds % 60 == 0)
        };
        let offset = match offset {
            Offset::Minutes(minutes) if offset_at(before) == Some(minutes) => Offset::Minutes(offset_at(after)?),
            other => other,
        };
        let local = after.checked_add(span(i64::from(offset.minutes()))?).ok()?;
        let time = TimeOfDay { hour: local.hour().cast_unsigned(), minute: local.minute().cast_unsigned(), ..time };
        Some(Self::Time(PartialDate::from_civil(local.date())?, time, offset))
    }

    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Date(date) => date.write(out),
            Self::Time(date, time, offset) => {
                date.write(out);
                out.push(b'T');
                time.write(out);
                match offset {
                    Offset::Zulu => out.push(b'Z'),
                    Offset::Minutes(minutes) => {
                        out.push(if minutes < 0 { b'-' } else { b'+' });
                        let minutes = minutes.unsigned_abs();
                        push_digits(out, (minutes / 60).into(), 2);
                        out.push(b':');
                        push_digits(out, (minutes % 60).into(), 2);
                    }
                }
            }
        }
    }
}

fn push_digits(out: &mut Vec<u8>, value: u32, width: usize) {
    let at = out.len();
    out.resize(at + width, b'0');
    let mut rest = value;
    for place in out[at..].iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> PartialDate {
        Moment::parse_fhir(text).unwrap().date()
    }

    #[test]
    fn the_calendar_decides() {
        assert!(PartialDate::new(1950, Some(6), Some(31)).is_none());
        assert!(PartialDate::new(1900, Some(2), Some(29)).is_none());
        assert!(PartialDate::new(2000, Some(2), Some(29)).is_some());
        assert!(PartialDate::new(1950, None, Some(1)).is_none());
        assert!(PartialDate::new(0, None, None).is_none());
    }

    #[test]
    fn precision_limits_what_can_be_compared() {
        assert_eq!(date("1950").compare(date("1950-06")), None);
        assert_eq!(date("1950").compare(date("1951-06")), Some(Ordering::Less));
        assert_eq!(date("1950-06-02").compare(date("1950-06-01")), Some(Ordering::Greater));
        let at = |t: &str| Moment::parse_fhir(t).unwrap();
        assert_eq!(at("2020-06-01T01:00:00+01:00").compare(at("2020-06-01T00:00:00Z")), Some(Ordering::Equal));
        assert_eq!(at("2020-06-01").compare(at("2020-06-01T00:00:00Z")), None);
        assert_eq!(at("2020-05-31").compare(at("2020-06-01T00:00:00Z")), Some(Ordering::Less));
    }

    #[test]
    fn minutes_later_is_real_time_with_the_offset_of_the_zone() {
        let london = TimeZone::get("Europe/London").unwrap();
        let later = |text: &str, minutes, zone| {
            let mut out = Vec::new();
            Moment::parse_fhir(text).unwrap().later(minutes, zone)?.write(&mut out);
            Some(String::from_utf8(out).unwrap())
        };
        for (start, minutes, end) in [
            ("2026-07-01T09:30:00+01:00", 20, "2026-07-01T09:50:00+01:00"),
            ("2026-12-31T23:50:00+00:00", 15, "2027-01-01T00:05:00+00:00"),
            ("2026-03-29T00:50:00+00:00", 20, "2026-03-29T02:10:00+01:00"),
            ("2026-10-25T01:50:00+01:00", 20, "2026-10-25T01:10:00+00:00"),
            ("2026-07-01T09:30:05.120+05:30", 20, "2026-07-01T09:50:05.120+05:30"),
            ("2026-07-01T09:30:00Z", -40, "2026-07-01T08:50:00Z"),
        ] {
            assert_eq!(later(start, minutes, Some(&london)).as_deref(), Some(end));
        }
        assert_eq!(later("2026-03-29T00:50:00+00:00", 20, None).as_deref(), Some("2026-03-29T01:10:00+00:00"));
        assert_eq!(later("2026-07-01", 20, Some(&london)), None);
        assert_eq!(later("9999-12-31T23:50:00Z", i64::MAX, None), None);
    }

    #[test]
    fn what_was_written_is_written_again() {
        for text in ["1950", "1950-06", "1950-06-01", "2014-05-06T08:34:30Z", "2014-05-06T08:34:30.120-05:30"] {
            let mut out = Vec::new();
            Moment::parse_fhir(text).unwrap().write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
