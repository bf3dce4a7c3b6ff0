//! Cells to an instant or a day, apart from mapping's own reading of the same cells: what is compared with a
//! result must not be computed by what computed the result.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How a column's texts are read, and the zone of its local times.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeReader {
    /// Tried in order; none: ISO 8601 texts, and typed columns.
    pub formats: Vec<TimeFormat>,
    pub zone: TimeZone,
}

/// One way to write a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// Days since 31 December 1840, and seconds of the day after a comma. Source: M, `$HOROLOG`.
    Horolog,
    /// As `strftime` writes it.
    Text(String),
}

/// When something is, as exactly as the source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// RFC 3339 with the zone's offset, or a day, or less than a day where an ISO text says less.
    pub text: String,
    /// The instant, or the day's beginning in the zone; none where only a month or a year is known.
    pub instant: Option<Timestamp>,
}

impl Default for TimeReader {
    fn default() -> Self {
        let zone = TimeZone::get("Europe/London").expect("the tz database is built in");
        Self { formats: Vec::new(), zone }
    }
}

impl TimeFormat {
    /// Reads `format:`; `None` for one that does not give a day.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "horolog" {
            return Some(Self::Horolog);
        }
        let example = jiff::civil::date(2001, 10, 23).at(14, 25, 36, 0);
        let written = jiff::fmt::strtime::format(text, example).ok()?;
        let read = BrokenDownTime::parse(text, &written).ok()?.to_date().ok()?;
        (read == example.date()).then(|| Self::Text(text.to_owned()))
    }

    fn read(&self, text: &str) -> Option<Local> {
        match self {
            Self::Horolog => horolog(text),
            Self::Text(format) => {
                let read = BrokenDownTime::parse(format, text).ok()?;
                let day = read.to_date().ok()?;
                Some(match read.hour() {
                    None => Local::Day(day),
                    Some(_) => Local::Time(day.to_datetime(read.to_time().ok()?)),
                })
            }
        }
    }
}

/// A time by the clocks of a zone.
enum Local {
    Day(Date),
    Time(DateTime),
}

impl TimeReader {
    /// Reads a text; `None` where it fits none of the formats.
    pub fn text(&self, text: &str) -> Option<When> {
        if self.formats.is_empty() {
            return self.iso(text);
        }
        Some(match self.formats.iter().find_map(|format| format.read(text))? {
            Local::Day(day) => self.day(day),
            Local::Time(local) => self.local(local),
        })
    }

    /// A day, from days since 1970-01-01.
    pub fn days(&self, days: i32) -> Option<When> {
        Some(self.day(jiff::civil::date(1970, 1, 1).checked_add(days.days()).ok()?))
    }

    /// A local time, from microseconds since 1970-01-01 00:00 of no zone.
    pub fn local_micros(&self, micros: i64) -> Option<When> {
        let local = TimeZone::UTC.to_datetime(Timestamp::from_microsecond(micros).ok()?);
        Some(self.local(local))
    }

    /// An instant, from microseconds since 1970-01-01 00:00 UTC.
    pub fn instant_micros(&self, micros: i64) -> Option<When> {
        Some(self.instant(Timestamp::from_microsecond(micros).ok()?))
    }

    fn day(&self, day: Date) -> When {
        let instant = day.to_zoned(self.zone.clone()).ok().map(|z| z.timestamp());
        When { text: day.to_string(), instant }
    }

    /// The first of two equal clock times in autumn; in the hour that no clock showed in spring, only the day.
    fn local(&self, local: DateTime) -> When {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        if matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
            return self.day(local.date());
        }
        match ambiguous.earlier() {
            Ok(instant) => self.instant(instant),
            Err(_) => self.day(local.date()),
        }
    }

    fn instant(&self, instant: Timestamp) -> When {
        let zoned = instant.to_zoned(self.zone.clone());
        let text = jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S%:z", &zoned).expect("the format is right");
        When { text, instant: Some(instant) }
    }

    /// `2026`, `2026-11`, `2026-11-03`, `2026-11-03T09:30[:00][+00:00|Z]`, with a space for the `T`.
    fn iso(&self, text: &str) -> Option<When> {
        let text = text.trim();
        if !text.as_bytes().first()?.is_ascii_digit() {
            return None;
        }
        if matches!(text.len(), 4 | 7) {
            let whole = format!("{text}-01-01");
            whole.get(..10)?.parse::<Date>().ok()?;
            return Some(When { text: text.to_owned(), instant: None });
        }
        if text.len() == 10 {
            return Some(self.day(text.parse().ok()?));
        }
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(self.instant(instant));
        }
        Some(self.local(text.parse().ok()?))
    }
}

fn horolog(text: &str) -> Option<Local> {
    let (days, seconds) = match text.split_once(',') {
        Some((days, seconds)) => (days, Some(seconds)),
        None => (text, None),
    };
    let day = jiff::civil::date(1840, 12, 31).checked_add(days.trim().parse::<i32>().ok()?.days()).ok()?;
    let Some(seconds) = seconds else { return Some(Local::Day(day)) };
    let seconds = seconds.trim().parse::<i64>().ok().filter(|s| (0..86_400).contains(s))?;
    Some(Local::Time(day.at(0, 0, 0, 0).checked_add(seconds.seconds()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str) -> Option<String> {
        let formats = if format.is_empty() { Vec::new() } else { vec![TimeFormat::parse(format).unwrap()] };
        TimeReader { formats, ..TimeReader::default() }.text(text).map(|w| w.text)
    }

    #[test]
    fn a_local_time_has_the_offset_of_its_season() {
        let format = "%d/%m/%Y %H:%M";
        assert_eq!(read(format, "02/11/2026 09:30").as_deref(), Some("2026-11-02T09:30:00+00:00"));
        assert_eq!(read(format, "02/07/2026 09:30").as_deref(), Some("2026-07-02T09:30:00+01:00"));
        assert_eq!(read(format, "25/10/2026 01:30").as_deref(), Some("2026-10-25T01:30:00+01:00"));
        assert_eq!(read(format, "29/03/2026 01:30").as_deref(), Some("2026-03-29"));
        assert_eq!(read(format, "31/02/2026 01:30"), None);
        assert_eq!(read(format, "02/11/2026"), None);
        assert_eq!(read("%d/%m/%Y", "02/11/2026").as_deref(), Some("2026-11-02"));
    }

    #[test]
    fn horolog_counts_from_the_last_day_of_1840() {
        assert_eq!(read("horolog", "67876,34200").as_deref(), Some("2026-11-02T09:30:00+00:00"));
        assert_eq!(read("horolog", "67876").as_deref(), Some("2026-11-02"));
        assert_eq!(read("horolog", "67876,86400"), None);
        assert_eq!(read("horolog", "x,1"), None);
    }

    #[test]
    fn iso_texts_keep_what_they_say() {
        for (text, expected) in [
            ("2026", Some("2026")),
            ("2026-11", Some("2026-11")),
            ("2026-11-02", Some("2026-11-02")),
            ("2026-11-02T09:30:00Z", Some("2026-11-02T09:30:00+00:00")),
            ("2026-07-02T09:30:00.000+00:00", Some("2026-07-02T10:30:00+01:00")),
            ("2026-07-02 09:30:00", Some("2026-07-02T09:30:00+01:00")),
            ("2026-13", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(read("", text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_format_must_give_a_day() {
        for format in ["%H:%M", "%Q", "dd/mm/yyyy", "", "%m/%Y"] {
            assert_eq!(TimeFormat::parse(format), None, "{format}");
        }
    }
}
