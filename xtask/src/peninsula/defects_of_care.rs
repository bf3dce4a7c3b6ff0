//! What goes wrong in single rows of care and of registration: each kind adds a row of its own, or spoils one field.
//!
//! What is planted here is seen in one resource, or in two of one source; [`super::defects`] has the others.

use jiff::civil::date;

use super::clock::AS_OF;
use super::defects::Planting;
use super::dice::{add_days, add_minutes};
use super::estate::{NO_PRACTICE, consultants, wards};
use super::lives::{LETTER_PDF, MEDICINES};
use super::model::{
    Appointment, EdAttendance, Episode, Kind, Letter, Medication, Observation, Person, Problem, Referral, Row, Spell,
};
use super::numbers;

/// The id of a description of SNOMED CT, whole and no concept's.
const DESCRIPTION: &str = "754786014";

impl Planting<'_> {
    pub(super) fn second_wave(&self, person: &mut Person) {
        match self.kind {
            Kind::Id04 | Kind::Id05 | Kind::Id07 | Kind::Id12 | Kind::Da04 | Kind::Or01 => self.registration(person),
            Kind::De04 => person.spells.push(self.stay("21", "4", "discharged as dead, and alive")),
            Kind::En03 => person.spells.push(self.stay("77", "1", "admission method of no national list")),
            Kind::En04 => person.attendances.push(self.attendance()),
            Kind::Ap03 => {
                let start = add_days(AS_OF, 30 + (self.v % 60) as i64).at(14, 10, 0, 0);
                let first = self.booking(start, "two bookings at one time");
                let row = Row { defect: Some(self.second_mark("two bookings at one time")), ..self.next_row() };
                person.appointments.push(Appointment { row, ..first.clone() });
                person.appointments.push(first);
            }
            Kind::Rt03 => {
                let start = add_days(AS_OF, 33 + (self.v % 60) as i64).at(11, 40, 0, 0);
                let booked = self.booking(start, "main specialty as a treatment function");
                person.appointments.push(Appointment { planted_specialty: Some("600"), ..booked });
            }
            Kind::Rt04 => person.referrals.push(self.referral()),
            Kind::Me01 | Kind::Me02 | Kind::Me03 | Kind::Me04 | Kind::Me05 => self.medicine(person),
            Kind::Co02 => person.problems.push(self.problem(DESCRIPTION, "S52", "id of a description")),
            Kind::Co03 => person.problems.push(self.problem("73211009", "E1I.9", "code that is not written as ICD-10")),
            Kind::Re01 | Kind::Re02 | Kind::Da01 => person.observations.push(self.observation()),
            _ => person.letters.push(self.letter()),
        }
    }

    fn marked(&self, note: &'static str) -> Row {
        Row { defect: Some(self.mark(note)), ..self.row.clone() }
    }

    fn next_row(&self) -> Row {
        Row { number: self.row.number + 1, ..self.row.clone() }
    }

    fn registration(&self, person: &mut Person) {
        let number = self.identity.number;
        let first = person.registrations[self.holder].row;
        if self.kind == Kind::Id05 {
            let second = person.registrations.last_mut().expect("the part is registered twice");
            (second.nhs_number, second.status) = (None, Some("03"));
            second.special.replaced_by = Some(first);
            second.defect = Some(self.mark("merged by the system, and nobody signed it"));
            return;
        }
        let registration = &mut person.registrations[self.holder];
        let note = match self.kind {
            Kind::Id04 => {
                registration.special.other_number = Some(numbers::spare(number));
                "two verified numbers"
            }
            Kind::Id07 => {
                registration.local_number.clear();
                "no hospital number"
            }
            Kind::Id12 => {
                registration.special.mother = Some(first);
                "mother of herself"
            }
            Kind::Da04 => {
                registration.special.sex_code = Some("ZZ");
                "sex with a code that no map has, and a default for it"
            }
            _ => {
                registration.practice = &NO_PRACTICE;
                "no known practice"
            }
        };
        registration.defect = Some(self.mark(note));
    }

    fn stay(&self, admission_method: &'static str, discharge_method: &'static str, note: &'static str) -> Spell {
        let organisation = self.identity.main();
        let admitted = add_days(AS_OF, -200 - (self.v % 90) as i64).at(10, 20, 0, 0);
        let discharged = Some(add_minutes(admitted, 3 * 24 * 60));
        let specialty = 5;
        Spell {
            row: self.marked(note),
            admitted,
            discharged,
            ward: wards(organisation).first(),
            admission_method,
            admission_source: "19",
            discharge_method: Some(discharge_method),
            discharge_destination: Some(if discharge_method == "4" { "79" } else { "19" }),
            episodes: vec![Episode {
                row: self.next_row(),
                sequence: 1,
                started: admitted,
                ended: discharged,
                specialty: super::estate::SPECIALTIES[specialty].0,
                consultant: consultants(organisation).get(specialty),
            }],
        }
    }

    fn attendance(&self) -> EdAttendance {
        let arrived = add_days(AS_OF, -90 - (self.v % 60) as i64).at(15, 5, 0, 0);
        EdAttendance {
            row: self.marked("attendance without a site"),
            arrived,
            departed: add_minutes(arrived, 150),
            complaint: "29857009",
            diagnoses: vec!["22298006"],
            category: "1",
            discharge_status: "182992009",
            is_withdrawn: false,
            is_replaced: false,
            is_site_known: false,
        }
    }

    fn referral(&self) -> Referral {
        Referral {
            row: self.marked("priority with a code that no map has"),
            received: add_days(AS_OF, -40 - (self.v % 30) as i64).at(9, 0, 0, 0),
            specialty: "330",
            priority: 3,
            planted_priority: Some("ZZ"),
            source: "03",
            closed: None,
            ubrn: None,
            pathway: None,
        }
    }

    fn medicine(&self, person: &mut Person) {
        let (dmd, name, dose, amount, unit) = MEDICINES[0];
        let started = add_days(AS_OF, -60);
        let whole = |note| Medication { row: self.marked(note), dmd, name, dose, amount, unit, started, stopped: None };
        let planted = match self.kind {
            Kind::Me01 => {
                let note = "one medicine on two rows";
                let row = Row { defect: Some(self.second_mark(note)), ..self.next_row() };
                person.medications.push(Medication { row, ..whole(note) });
                whole(note)
            }
            Kind::Me02 if self.v.is_multiple_of(2) => {
                Medication { amount: "20", ..whole("ten times the dose in words") }
            }
            Kind::Me02 => Medication { unit: "", ..whole("dose without a unit") },
            Kind::Me03 => Medication { amount: "1", ..whole("half the dose in words") },
            Kind::Me04 => Medication { dose: "", ..whole("dose that does not say how often") },
            _ => Medication { dmd: "", ..whole("medicine without a code") },
        };
        person.medications.push(planted);
    }

    fn problem(&self, snomed: &str, icd: &'static str, note: &'static str) -> Problem {
        let (row, onset) = (self.marked(note), date(2021, 3, 4));
        Problem { row, snomed: snomed.to_owned(), icd, text: "See notes".to_owned(), onset, resolved: None }
    }

    fn observation(&self) -> Observation {
        let taken = add_days(AS_OF, -30 - (self.v % 30) as i64).at(9, 30, 0, 0);
        let (note, minutes, unit) = match self.kind {
            Kind::Re01 => ("number without a unit", 5, ""),
            Kind::Re02 => ("written down a day before it was taken", -24 * 60, "kg"),
            _ => ("time without an offset", 5, "kg"),
        };
        Observation {
            row: self.marked(note),
            taken,
            reported: add_minutes(taken, minutes),
            is_local: self.kind == Kind::Da01,
            code: "WT",
            planted_code: None,
            value: "71.5".to_owned(),
            unit,
        }
    }

    fn letter(&self) -> Letter {
        // Half of a file, or none of it.
        let (length, note) =
            if self.v.is_multiple_of(2) { (60, "letter cut in half") } else { (0, "letter without bytes") };
        Letter {
            row: self.marked(note),
            typed: add_days(AS_OF, -20).at(16, 45, 0, 0),
            title: "Discharge summary",
            mime: "application/pdf",
            content: LETTER_PDF[..length].to_vec(),
        }
    }
}
