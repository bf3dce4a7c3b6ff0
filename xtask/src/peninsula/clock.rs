//! The peninsula's clock: `as_of`, local wall times as instants, `$HOROLOG` and the texts of each system.

use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

/// Nothing is later than this but what is booked. It is `as_of` of the project file: local midnight, winter time.
pub(crate) const AS_OF: Date = date(2026, 11, 1);

/// Local wall times as instants.
pub(crate) struct Clock {
    london: TimeZone,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { london: TimeZone::get("Europe/London").expect("the zone is bundled") }
    }

    /// An RFC 3339 instant with its offset. An ambiguous wall time is the first of the two, as the maps take it.
    pub(crate) fn instant(&self, local: DateTime) -> String {
        let ambiguous = self.london.to_ambiguous_timestamp(local);
        let timestamp = ambiguous.earlier().expect("the years of a life are in range");
        let offset = self.london.to_offset(timestamp);
        let minutes = offset.seconds() / 60;
        format!(
            "{}{}{:02}:{:02}",
            iso(local, 'T'),
            if minutes < 0 { '-' } else { '+' },
            minutes.abs() / 60,
            minutes.abs() % 60
        )
    }
}

/// `2026-11-01 00:00:00`, with the given sign between date and time.
pub(crate) fn iso(local: DateTime, between: char) -> String {
    format!(
        "{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second()
    )
}

/// `2026-11-01`.
pub(crate) fn iso_date(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// `01/11/2026 00:00`, as iPM exports times.
pub(crate) fn slashed(local: DateTime) -> String {
    format!("{} {:02}:{:02}", slashed_date(local.date()), local.hour(), local.minute())
}

/// `01/11/2026`.
pub(crate) fn slashed_date(date: Date) -> String {
    format!("{:02}/{:02}/{:04}", date.day(), date.month(), date.year())
}

/// Days since 31 December 1840, as MUMPS counts them.
pub(crate) fn horolog_days(day: Date) -> i32 {
    let zero = date(1840, 12, 31);
    day.since(zero).expect("days between two dates are in range").get_days()
}

/// `days,seconds` of the local day.
pub(crate) fn horolog(local: DateTime) -> String {
    let seconds = i32::from(local.hour()) * 3600 + i32::from(local.minute()) * 60 + i32::from(local.second());
    format!("{},{seconds}", horolog_days(local.date()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horolog_counts_from_the_last_day_of_1840() {
        assert_eq!(horolog_days(date(1841, 1, 1)), 1);
        // Source: InterSystems documents $HOROLOG of 1 January 2000 as 58074, and day 47117 as 1 January 1970.
        assert_eq!(horolog_days(date(1970, 1, 1)), 47117);
        assert_eq!(horolog(date(2000, 1, 1).at(1, 1, 1, 0)), "58074,3661");
        assert_eq!(horolog_days(date(1840, 12, 30)), -1);
    }

    #[test]
    fn a_wall_time_becomes_the_instant_of_its_season() {
        let clock = Clock::new();
        assert_eq!(clock.instant(date(2026, 11, 2).at(9, 0, 0, 0)), "2026-11-02T09:00:00+00:00");
        assert_eq!(clock.instant(date(2027, 3, 29).at(9, 30, 0, 0)), "2027-03-29T09:30:00+01:00");
        assert_eq!(clock.instant(date(2026, 10, 25).at(1, 30, 0, 0)), "2026-10-25T01:30:00+01:00");
    }
}
