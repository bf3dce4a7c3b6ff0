//! Local times in a named zone; the fold and the gap are decided by the file, never by a library.

use std::sync::Arc;

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::moment::{Moment, Offset, PartialDate, TimeOfDay};
use super::{Fault, Note};

/// A zone of the tz database and what the file says of the two hours a year.
#[derive(Debug, Clone)]
pub struct Zone {
    pub name: Arc<str>,
    pub tz: TimeZone,
    pub ambiguous: Choice,
    pub gap: Choice,
}

/// What to do with a local time that happened twice, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The offset before the change: in autumn the first of the two, in spring the clock not yet put forward.
    First,
    /// The offset after the change.
    Second,
    Omit,
}

impl Zone {
    /// Gives a local time its offset. In the spring gap `first` and `second` keep the clock time as written with
    /// the offset before or after the change.
    pub fn resolve(&self, date: PartialDate, time: TimeOfDay) -> Result<(Moment, Option<Note>), Fault> {
        let day = date.day().ok_or(Fault::NotACalendarDate)?;
        let local = day.to_datetime(civil::time(
            time.hour.cast_signed(),
            time.minute.cast_signed(),
            time.second.unwrap_or(0).cast_signed(),
            0,
        ));
        let (offset, note) = match self.tz.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => (offset, None),
            AmbiguousOffset::Fold { before, after } => match self.ambiguous {
                Choice::First => (before, Some(Note::AmbiguousDecided)),
                Choice::Second => (after, Some(Note::AmbiguousDecided)),
                Choice::Omit => return Err(Fault::Ambiguous),
            },
            AmbiguousOffset::Gap { before, after } => match self.gap {
                Choice::First => (before, Some(Note::GapDecided)),
                Choice::Second => (after, Some(Note::GapDecided)),
                Choice::Omit => return Err(Fault::Gap),
            },
        };
        if offset.seconds() % 60 != 0 {
            return Err(Fault::OddOffset);
        }
        let minutes = i16::try_from(offset.seconds() / 60).map_err(|_| Fault::OddOffset)?;
        Ok((Moment::Time(date, time, Offset::Minutes(minutes)), note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn london(text: &str, choice: Choice) -> Result<(String, Option<Note>), Fault> {
        let zone = Zone {
            name: Arc::from("Europe/London"),
            tz: TimeZone::get("Europe/London").unwrap(),
            ambiguous: choice,
            gap: choice,
        };
        let parsed = super::super::format::Format::parse("%Y-%m-%d %H:%M").unwrap().read(text, None)?;
        let (moment, note) = zone.resolve(parsed.date.unwrap(), parsed.time.unwrap())?;
        let mut out = Vec::new();
        moment.write(&mut out);
        Ok((String::from_utf8(out).unwrap(), note))
    }

    #[test]
    fn summer_winter_and_the_years_of_permanent_summer_time() {
        let at = |text| london(text, Choice::Omit).unwrap();
        assert_eq!(at("2020-07-01 12:00"), ("2020-07-01T12:00:00+01:00".to_owned(), None));
        assert_eq!(at("2020-01-01 12:00"), ("2020-01-01T12:00:00+00:00".to_owned(), None));
        assert_eq!(at("1970-01-01 12:00"), ("1970-01-01T12:00:00+01:00".to_owned(), None));
        assert_eq!(at("1943-06-01 12:00"), ("1943-06-01T12:00:00+02:00".to_owned(), None));
    }

    #[test]
    fn the_autumn_fold_is_decided_or_omitted() {
        let fold = "2020-10-25 01:30";
        assert_eq!(london(fold, Choice::Omit), Err(Fault::Ambiguous));
        assert_eq!(
            london(fold, Choice::First).unwrap(),
            ("2020-10-25T01:30:00+01:00".into(), Some(Note::AmbiguousDecided))
        );
        assert_eq!(
            london(fold, Choice::Second).unwrap(),
            ("2020-10-25T01:30:00+00:00".into(), Some(Note::AmbiguousDecided))
        );
    }

    #[test]
    fn the_spring_gap_is_never_shifted_in_silence() {
        let gap = "2020-03-29 01:30";
        assert_eq!(london(gap, Choice::Omit), Err(Fault::Gap));
        assert_eq!(london(gap, Choice::First).unwrap(), ("2020-03-29T01:30:00+00:00".into(), Some(Note::GapDecided)));
    }

    #[test]
    fn an_offset_that_fhir_cannot_write_is_a_fault() {
        assert_eq!(london("1840-01-01 12:00", Choice::First), Err(Fault::OddOffset));
    }
}
