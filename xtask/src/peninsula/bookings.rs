//! Whom a person was referred to, how long they wait, and when they are seen.

use jiff::civil::{Date, DateTime, date};

use super::clock::AS_OF;
use super::dice::add_days;
use super::estate::{SPECIALTIES, clinics, consultants};
use super::lives::Life;
use super::model::{Appointment, CancerTrack, Contact, Kind, Organisation, Pathway, Referral, Row, WaitingEntry};
use super::plan::Part;

const TEAMS: [&str; 4] = ["DISTRICT NURSING TORBAY", "COMMUNITY PHYSIO", "INTERMEDIATE CARE", "TISSUE VIABILITY"];
const SITES: [&str; 7] = ["Breast", "Lung", "Colorectal", "Skin", "Urology", "Gynaecology", "Head and neck"];

impl Life<'_> {
    pub(super) fn outpatient(&mut self, holder: usize, organisation: Organisation, needed: Option<Kind>) {
        let needs_pathway = matches!(needed, Some(Kind::Rt01 | Kind::Rt02 | Kind::Rt05));
        let n = match self.dice.below(100) {
            0..45 => 0,
            45..85 => 1,
            _ => 2,
        };
        let n = if needs_pathway { n.max(1) } else { n };
        for i in 0..n {
            self.referral(holder, organisation, needs_pathway && i == 0);
        }
        let has_waiting = self.person.waiting.iter().any(|w| w.row.holder == holder && w.removed.is_none());
        if needed == Some(Kind::Ap04) || self.dice.percent(38) {
            self.past_appointment(holder, organisation, needed == Some(Kind::Ap04), has_waiting);
        }
        if self.identity.death.is_some() {
            return;
        }
        // Nobody is booked at two places at one time.
        if self.identity.part == Part::ClockChange && organisation == self.identity.main() {
            self.bookings_as_clocks_change(holder, organisation);
        }
        let n = match self.dice.below(100) {
            0..58 => 0,
            58..85 => 1,
            _ => 2,
        };
        let n = if matches!(needed, Some(Kind::Co04)) { n.max(1) } else { n };
        for _ in 0..n {
            let day = self.working_day(1, 182);
            let start = self.dice.clinic_hour(day);
            self.booking(holder, organisation, start);
        }
        if self.dice.percent(4) {
            let day = self.working_day(183, 420);
            let start = self.dice.clinic_hour(day);
            self.booking(holder, organisation, start);
        }
    }

    fn working_day(&mut self, least: i64, most: i64) -> Date {
        loop {
            let day = add_days(AS_OF, self.dice.between(least, most));
            if !matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday) {
                return day;
            }
        }
    }

    /// Bookings around the hours that are skipped in March and come twice in October; one within the latter.
    fn bookings_as_clocks_change(&mut self, holder: usize, organisation: Organisation) {
        let (spring, autumn) = (date(2027, 3, 28), date(2027, 10, 31));
        for start in [spring.at(0, 30, 0, 0), spring.at(2, 30, 0, 0), autumn.at(1, 30, 0, 0), autumn.at(2, 30, 0, 0)] {
            self.booking(holder, organisation, start);
            // The first ends before the hour that is skipped.
            if let Some(booked) = self.person.appointments.last_mut() {
                booked.minutes = 20;
            }
        }
    }

    fn referral(&mut self, holder: usize, organisation: Organisation, must: bool) {
        let is_dead = self.identity.death.is_some();
        let has_pathway = must || self.dice.percent(82);
        let is_open = must || (!is_dead && self.dice.percent(72));
        let specialty = self.specialty();
        let weeks = match self.dice.below(100) {
            0..58 => self.dice.between(1, 17),
            58..84 => self.dice.between(19, 51),
            84..92 => self.dice.between(53, 64),
            _ => self.dice.between(66, 93),
        };
        let day = if is_open {
            let wanted = add_days(AS_OF, -weeks * 7 - self.dice.between(1, 5));
            wanted.max(self.first).min(self.last)
        } else {
            self.some_day()
        };
        let received = self.dice.clinic_hour(day);
        let stop = (!is_open).then(|| self.dice.day(add_days(day, 1), self.last.max(add_days(day, 1))));
        let priority = *self.dice.pick(&[1, 1, 1, 1, 1, 2, 2, 3]);
        let code = SPECIALTIES[specialty].0;
        let row = self.row(holder);
        let index = self.person.referrals.len();
        let pathway = has_pathway.then_some(self.person.pathways.len());
        let ubrn = self.dice.percent(60).then(|| format!("{:012}", row.number));
        let source = self.dice.pick(&["01", "02", "03", "05", "07", "12"]);
        let closed = stop.map(|stop| stop.at(17, 0, 0, 0));
        let holder_row = row.number;
        self.person.referrals.push(Referral {
            row,
            received,
            specialty: code,
            priority,
            planted_priority: None,
            source,
            closed,
            ubrn,
            pathway,
        });
        if has_pathway {
            let status = match stop {
                Some(_) => *self.dice.pick(&["30", "30", "34", "35", "36"]),
                None => *self.dice.pick(&["10", "11", "20", "20", "20", "21"]),
            };
            let id = self.pathway_id(organisation, holder_row);
            let row = self.row(holder);
            let pathway = Pathway { row, id, referral: index, specialty: code, start: day, stop, status };
            self.person.pathways.push(pathway);
        }
        let may_wait = is_open && self.identity.kind() != Some(Kind::Ap04);
        if may_wait && self.dice.percent(45) {
            let row = self.row(holder);
            let added = self.dice.clinic_hour(self.dice_day(day));
            let kind = *self.dice.pick(&["OP", "OP", "IP"]);
            let entry =
                WaitingEntry { row, referral: Some(index), specialty: code, added, removed: None, kind, priority };
            self.person.waiting.push(entry);
        } else if !is_open && self.dice.percent(25) {
            let row = self.row(holder);
            let added = received;
            let removed = closed;
            let entry =
                WaitingEntry { row, referral: Some(index), specialty: code, added, removed, kind: "OP", priority };
            self.person.waiting.push(entry);
        }
    }

    /// A day soon after `day`, but not after the last.
    fn dice_day(&self, day: Date) -> Date {
        add_days(day, 3).min(self.last).max(day)
    }

    /// Twenty digits that do not look cut: the last is never a zero.
    fn pathway_id(&mut self, organisation: Organisation, row: u64) -> String {
        let provider = Organisation::ALL.iter().position(|o| *o == organisation).unwrap_or_default() + 11;
        format!("{provider}{row:012}{:05}{}", self.dice.below(100_000), self.dice.between(1, 9))
    }

    fn past_appointment(&mut self, holder: usize, organisation: Organisation, must: bool, has_waiting: bool) {
        let specialty = self.specialty();
        let attendance = if must { "5" } else { *self.dice.pick(&["5", "5", "5", "5", "6", "2", "3", "4", "7"]) };
        let outcome = matches!(attendance, "5" | "6").then(|| match self.dice.below(100) {
            _ if must => "1",
            0..30 if has_waiting => "3",
            0..50 => "1",
            _ => "2",
        });
        let day = self.some_day();
        let start = self.dice.clinic_hour(day);
        let row = if must { self.row(holder) } else { self.row_of_some_age(holder) };
        self.appointment(row, organisation, specialty, start, attendance, outcome);
    }

    fn booking(&mut self, holder: usize, organisation: Organisation, start: DateTime) {
        let specialty = self.specialty();
        let row = self.row(holder);
        self.appointment(row, organisation, specialty, start, "0", None);
    }

    fn appointment(
        &mut self,
        row: Row,
        organisation: Organisation,
        specialty: usize,
        start: DateTime,
        attendance: &'static str,
        outcome: Option<&'static str>,
    ) {
        let code = SPECIALTIES[specialty].0;
        let referral = self.person.referrals.iter().position(|r| r.row.holder == row.holder && r.specialty == code);
        let minutes = *self.dice.pick(&[10, 15, 20, 30, 45]);
        self.person.appointments.push(Appointment {
            row,
            start,
            minutes,
            attendance,
            specialty: code,
            planted_specialty: None,
            clinic: &clinics(organisation)[specialty],
            outcome,
            consultant: &consultants(organisation)[specialty],
            referral,
        });
    }

    pub(super) fn community_and_cancer(&mut self, holder: usize, organisation: Organisation, needed: Option<Kind>) {
        if organisation != Organisation::Ra9 {
            return;
        }
        if self.dice.percent(25) {
            for _ in 0..self.dice.between(1, 3) {
                let row = self.row_of_some_age(holder);
                let day = self.some_day();
                let at = self.dice.clinic_hour(day);
                let (team, kind) = (*self.dice.pick(&TEAMS), *self.dice.pick(&["F2F", "F2F", "TEL", "VID"]));
                self.person.contacts.push(Contact { row, at, team, kind });
            }
        }
        // The dead stand in no cancer tracking, since it could not say so; nobody without a number does.
        let may_track = self.identity.death.is_none() && self.person.registrations[holder].is_verified();
        let pathway = self.person.pathways.iter().find(|p| p.row.holder == holder && p.is_open()).cloned();
        if let Some(pathway) = pathway
            && may_track
            && pathway.start >= date(2025, 1, 1)
            && (needed == Some(Kind::Rt05) || self.dice.percent(35))
        {
            let row = self.row(holder);
            let first_seen = self.dice.percent(70).then(|| self.dice_day(add_days(pathway.start, 8).min(self.last)));
            let site = self.dice.pick(&SITES);
            let priority = self.dice.pick(&["2WW", "2WW", "Screening", "Upgrade"]);
            self.person.tracks.push(CancerTrack {
                row,
                received: pathway.start,
                site,
                priority,
                first_seen,
                pathway_id: pathway.id,
                is_open: true,
            });
        }
    }
}
