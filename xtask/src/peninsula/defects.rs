//! What goes wrong on purpose, on top of people who are the same without it.
//!
//! Each kind changes or adds one row, two where the fault lies between two records, and marks them; exporters write
//! the marks into the answer key. Nothing here touches another person.

use jiff::civil::date;

use super::clock::AS_OF;
use super::dice::{add_days, add_minutes, add_settled};
use super::lives::next_row;
use super::model::{
    Alert, AlertKind, Allergy, Appointment, Archive, Defect, Kind, Organisation, Pathway, Person, Referral, Row, Sex,
    Spell, Substance,
};
use super::numbers;
use super::people::Identity;

/// Plants the defect of the person's part. `taken` is the number that an ID-03 record carries by mistake.
pub(crate) fn plant(identity: &Identity, person: &mut Person, taken: Option<String>) {
    let Some(kind) = identity.kind() else { return };
    let main = identity.main();
    let holder = person.held_by(main).map(|(i, _)| i).next().expect("a part's organisation holds a record");
    let row = Row { holder, number: next_row(person), archive: Archive::Live, orphan: None, defect: None };
    let planting = Planting { identity, kind, holder, row, v: identity.variant };
    match kind {
        Kind::Id01 | Kind::Id02 | Kind::Id03 | Kind::Id06 | Kind::Id08 | Kind::Id09 | Kind::Id10 => {
            planting.identity_of(person, taken);
        }
        Kind::De01 | Kind::De02 | Kind::De03 => planting.death(person),
        Kind::Al02 | Kind::Al03 => planting.allergy(person),
        Kind::Ap04 => planting.outcome(person),
        Kind::Rt01 | Kind::Rt02 | Kind::Rt05 => planting.pathway(person),
        Kind::En01 | Kind::En02 => planting.spell(person),
        Kind::Co01 => planting.concept(person),
        Kind::Co04 => planting.code(person),
        Kind::Da02 => planting.text(person),
        Kind::Da03 => planting.orphan(person),
        _ => planting.second_wave(person),
    }
}

/// Marks the record of the person whose number stands on another's record.
pub(crate) fn mark_number_taken(owner: u64, main: Organisation, person: &mut Person) {
    let holder = person.held_by(main).map(|(i, _)| i).next().expect("a part's organisation holds a record");
    let note = "another person's record carries this number";
    person.registrations[holder].defect = Some(Defect { kind: Kind::Id03, note, of: Some(owner) });
}

pub(super) struct Planting<'a> {
    pub(super) identity: &'a Identity,
    pub(super) kind: Kind,
    /// The main organisation's registration.
    pub(super) holder: usize,
    /// A new row at the main organisation.
    pub(super) row: Row,
    pub(super) v: u64,
}

impl Planting<'_> {
    pub(super) fn mark(&self, note: &'static str) -> Defect {
        Defect { kind: self.kind, note, of: None }
    }

    pub(super) fn second_mark(&self, note: &'static str) -> Defect {
        Defect { kind: self.kind, note, of: Some(self.identity.number) }
    }

    fn second_holder(&self, person: &Person) -> usize {
        let second = self.identity.second_main();
        person.held_by(second).map(|(i, _)| i).next().expect("the second organisation holds a record")
    }

    fn identity_of(&self, person: &mut Person, taken: Option<String>) {
        let number = self.identity.number;
        let second = (self.kind == Kind::Id10).then(|| self.second_holder(person));
        let registration = &mut person.registrations[self.holder];
        let own = registration.nhs_number.clone().unwrap_or_default();
        let note = match self.kind {
            Kind::Id01 => {
                // A number cell cannot hold leading zeros: the hospice's is mistyped.
                let variant = if registration.organisation.is_hospice() { 2 } else { self.v + self.v / 5 };
                registration.nhs_number = Some(numbers::invalid(number, &own, variant));
                ["placeholder", "number of Scotland", "wrong check digit", "placeholder", "number of Northern Ireland"]
                    [variant as usize % 5]
            }
            Kind::Id02 => {
                registration.nhs_number = Some(numbers::outside_test_range(number));
                "number of the test range"
            }
            Kind::Id03 => {
                registration.nhs_number = taken;
                "carries another person's number"
            }
            Kind::Id06 if self.v.is_multiple_of(2) => {
                registration.status = None;
                "number without status"
            }
            Kind::Id06 => {
                registration.nhs_number = None;
                "status 01 without number"
            }
            Kind::Id08 => match self.v % 3 {
                0 => {
                    (registration.family, registration.given, registration.second) = (None, None, None);
                    registration.former.clear();
                    "no name"
                }
                1 => {
                    registration.birth = None;
                    "no birth date"
                }
                _ => {
                    registration.sex = None;
                    "no sex"
                }
            },
            Kind::Id09 => {
                let (birth, note) = match self.v % 3 {
                    0 => (date(1900, 1, 1), "birth date stands for none"),
                    1 => (date(2031, 5, 17), "born in the future"),
                    _ => (date(1899, 6, 23), "older than 120 years"),
                };
                registration.birth = Some(birth);
                note
            }
            _ => {
                let other = if registration.sex == Some(Sex::Female) { Sex::Male } else { Sex::Female };
                registration.sex = Some(other);
                "sex differs from another record"
            }
        };
        registration.defect = Some(self.mark(note));
        if let Some(second) = second {
            person.registrations[second].defect = Some(self.second_mark("sex differs from another record"));
        }
    }

    fn death(&self, person: &mut Person) {
        match self.kind {
            Kind::De01 => {
                let second = self.second_holder(person);
                for (i, registration) in person.registrations.iter_mut().enumerate() {
                    if i == self.holder {
                        registration.death = None;
                        registration.defect = Some(self.mark("alive here, dead in another record"));
                    } else if i == second {
                        registration.defect = Some(self.second_mark("dead here, alive in another record"));
                    }
                }
            }
            Kind::De02 => {
                let registration = &mut person.registrations[self.holder];
                let (death, note) = match self.v % 3 {
                    0 => (add_days(self.identity.birth, -900).at(12, 0, 0, 0), "died before birth"),
                    1 => (date(2031, 2, 3).at(9, 0, 0, 0), "died after the extract"),
                    _ => (date(1900, 1, 1).at(0, 0, 0, 0), "date of death stands for none"),
                };
                registration.death = Some(death);
                registration.defect = Some(self.mark(note));
            }
            _ => {
                let start = add_days(AS_OF, 23 + (self.v % 60) as i64).at(10, 30, 0, 0);
                let booked = self.booking(start, "booking of a dead patient");
                person.appointments.push(booked);
            }
        }
    }

    pub(super) fn booking(&self, start: jiff::civil::DateTime, note: &'static str) -> Appointment {
        let organisation = self.identity.main();
        let specialty = 3 + (self.v % 3) as usize;
        Appointment {
            row: Row { defect: Some(self.mark(note)), ..self.row.clone() },
            start,
            minutes: 20,
            attendance: "0",
            specialty: super::estate::SPECIALTIES[specialty].0,
            planted_specialty: None,
            clinic: &super::estate::clinics(organisation)[specialty],
            outcome: None,
            consultant: &super::estate::consultants(organisation)[specialty],
            referral: None,
        }
    }

    fn allergy(&self, person: &mut Person) {
        let holder = self.holder;
        let known = person.allergies.iter_mut().find(|a| a.row.holder == holder && a.is_live());
        let known = known.expect("the part has an allergy here");
        if self.kind == Kind::Al02 {
            known.substance = None;
            known.text = String::from(["Blue dye in theatre", "Sticking plaster", "Wasp venom"][self.v as usize % 3]);
            known.row.defect = Some(self.mark("allergy with a code that no map has"));
            return;
        }
        known.row.defect = Some(self.second_mark("positive allergy beside no known allergy"));
        let recorded = known.recorded;
        let at = if self.v % 2 == 1 { self.second_holder(person) } else { holder };
        person.allergies.push(Allergy {
            row: Row {
                holder: at,
                defect: Some(self.mark("no known allergy beside a positive one")),
                ..self.row.clone()
            },
            substance: Some(Substance::NoKnown),
            text: "No known allergy".to_owned(),
            severity: 1,
            planted_severity: None,
            recorded,
            is_active: true,
        });
    }

    fn outcome(&self, person: &mut Person) {
        let holder = self.holder;
        let seen = person.appointments.iter_mut().find(|a| a.row.holder == holder && a.was_attended());
        let seen = seen.expect("the part was seen here");
        seen.outcome = Some("3");
        seen.row.defect = Some(self.mark("to be seen again, and on no waiting list"));
    }

    fn pathway(&self, person: &mut Person) {
        let holder = self.holder;
        let open = person.pathways.iter().position(|p| p.row.holder == holder && p.is_open());
        let open = open.expect("the part has an open pathway here");
        let cut = |id: &str| format!("{}00000", &id[..15]);
        if self.kind == Kind::Rt05 && self.v % 5 == 2 {
            let track = person.tracks.iter_mut().find(|t| t.row.holder == holder);
            if let Some(track) = track {
                track.pathway_id = cut(&track.pathway_id);
                track.row.defect = Some(self.mark("pathway id as a number cell"));
                return;
            }
        }
        let pathway = &mut person.pathways[open];
        match (self.kind, self.v % 3) {
            (Kind::Rt05, v) => {
                pathway.id = if v == 0 { pathway.id[..19].to_owned() } else { cut(&pathway.id) };
                pathway.row.defect = Some(self.mark("pathway id cut or of the wrong length"));
            }
            (Kind::Rt02, 0) => {
                pathway.stop = Some(add_days(pathway.start, -((self.v % 2) as i64 * 4)));
                pathway.status = "30";
                pathway.row.defect = Some(self.mark("clock stopped before it started"));
            }
            (Kind::Rt02, 1) => {
                pathway.status = "30";
                pathway.row.defect = Some(self.mark("status of a stopped clock without a stop"));
            }
            (Kind::Rt02, _) => {
                pathway.stop = Some(add_days(pathway.start, 6).min(add_days(AS_OF, -1)));
                pathway.status = "20";
                pathway.row.defect = Some(self.mark("status of a running clock with a stop"));
            }
            _ => {
                pathway.row.defect = Some(self.second_mark("one pathway open on two rows"));
                let again = pathway.clone();
                let referral = person.referrals[again.referral].clone();
                let number = self.row.number;
                let index = person.referrals.len();
                let note = "one pathway open on two rows";
                let row = Row { number, ..self.row.clone() };
                person.referrals.push(Referral { row, ubrn: None, pathway: Some(person.pathways.len()), ..referral });
                let row = Row { number: number + 1, defect: Some(self.mark(note)), ..self.row.clone() };
                person.pathways.push(Pathway { row, referral: index, ..again });
            }
        }
    }

    fn spell(&self, person: &mut Person) {
        let holder = self.holder;
        if self.kind == Kind::En01 {
            let current = person.spells.iter_mut().find(|s| s.row.holder == holder && s.is_current());
            let current = current.expect("the part is an inpatient here");
            current.ward = None;
            current.row.defect = Some(self.mark("current inpatient without a ward"));
            return;
        }
        let two = |s: &&mut Spell| s.row.holder == holder && s.discharged.is_some() && s.episodes.len() > 1;
        let spell = person.spells.iter_mut().find(two).expect("the part has two episodes here");
        let discharged = spell.discharged.expect("it was chosen for it");
        match self.v % 3 {
            0 => {
                let last = &mut spell.episodes[1];
                last.ended = Some(add_minutes(discharged, 2 * 24 * 60));
                last.row.defect = Some(self.mark("episode ends after its spell"));
            }
            1 => {
                let first = &mut spell.episodes[0];
                first.ended = first.ended.map(|end| add_settled(end, 9 * 60));
                first.row.defect = Some(self.mark("episode overlaps the next"));
            }
            _ => {
                let first = &mut spell.episodes[0];
                first.consultant = None;
                first.row.defect = Some(self.mark("episode without a consultant"));
            }
        }
    }

    fn concept(&self, person: &mut Person) {
        let holder = self.holder;
        let problem = person.problems.iter_mut().find(|p| p.row.holder == holder);
        let problem = problem.expect("the part has a problem here");
        let (digits, last) = problem.snomed.split_at(problem.snomed.len() - 1);
        problem.snomed = if self.v.is_multiple_of(2) {
            format!("{}{}", &problem.snomed[..15], "0".repeat(problem.snomed.len() - 15))
        } else {
            let last: u8 = last.parse().expect("an identifier is digits");
            format!("{digits}{}", (last + 3) % 10)
        };
        problem.row.defect = Some(self.mark("identifier of a concept, cut or mistyped"));
    }

    fn code(&self, person: &mut Person) {
        let holder = self.holder;
        let organisation = self.identity.main();
        let is_ipm = matches!(organisation, Organisation::Rk9 | Organisation::Ref);
        match self.v / 4 % 4 {
            1 if organisation != Organisation::Rbz => {
                let taken = person.observations.iter_mut().find(|o| o.row.holder == holder);
                let taken = taken.expect("the part was observed here");
                taken.planted_code = Some("ZZO");
                taken.row.defect = Some(self.mark("observation with a code that no map has"));
            }
            2 if is_ipm => {
                let known = person.allergies.iter_mut().find(|a| a.row.holder == holder && a.is_live());
                let known = known.expect("the part has an allergy here");
                known.planted_severity = Some("ZZ");
                known.row.defect = Some(self.mark("severity with a code that no map has"));
            }
            0 if organisation != Organisation::Ra9 => {
                let booked = person.appointments.iter_mut().find(|a| a.row.holder == holder && a.is_future());
                let booked = booked.expect("the part is booked here");
                booked.planted_specialty = Some("ZZ9");
                booked.row.defect = Some(self.mark("specialty with a code that no map has"));
            }
            _ => {
                let alert = person.alerts.iter_mut().find(|a| a.row.holder == holder && a.is_live());
                let alert = alert.expect("the part has an alert here");
                alert.planted_code = Some("ZZA");
                alert.row.defect = Some(self.mark("alert with a code that no map has"));
            }
        }
    }

    fn text(&self, person: &mut Person) {
        let holder = self.holder;
        let registration = &mut person.registrations[holder];
        match self.v % 5 {
            0 => {
                registration.family = Some("N\u{FFFD}\u{FFFD}ez".to_owned());
                registration.defect = Some(self.mark("surname with replacement characters"));
            }
            1 => {
                registration.family = Some("BrontÃ«".to_owned());
                registration.defect = Some(self.mark("surname read in the wrong encoding"));
            }
            2 => {
                let alert = person.alerts.iter_mut().find(|a| a.row.holder == holder && a.is_live());
                let alert = alert.expect("the part has an alert here");
                alert.text = String::from("Speaks Espa??ol only");
                alert.row.defect = Some(self.mark("description with lost letters"));
            }
            3 => {
                let known = person.allergies.iter_mut().find(|a| a.row.holder == holder && a.is_live());
                let known = known.expect("the part has an allergy here");
                known.text = String::from(CUT_TEXT);
                known.row.defect = Some(self.mark("description cut at the column's width"));
            }
            _ => {
                let problem = person.problems.iter_mut().find(|p| p.row.holder == holder);
                let problem = problem.expect("the part has a problem here");
                problem.text = String::from("MÃ©niÃ¨re's disease");
                problem.row.defect = Some(self.mark("description read in the wrong encoding"));
            }
        }
    }

    fn orphan(&self, person: &mut Person) {
        let key = 9_000_000_000 + self.identity.number;
        let row = Row {
            orphan: Some(key),
            defect: Some(self.mark("row of a patient who exists nowhere")),
            ..self.row.clone()
        };
        match self.v % 3 {
            0 => person.allergies.push(Allergy {
                row,
                substance: Some(Substance::Latex),
                text: "Latex".to_owned(),
                severity: 2,
                planted_severity: None,
                recorded: date(2024, 5, 6).at(10, 20, 0, 0),
                is_active: true,
            }),
            1 => {
                let start = add_days(AS_OF, 40 + (self.v % 50) as i64).at(11, 20, 0, 0);
                let booking = self.booking(start, "row of a patient who exists nowhere");
                person.appointments.push(Appointment { row, ..booking });
            }
            _ => person.alerts.push(Alert {
                row,
                kind: AlertKind::Deaf,
                planted_code: None,
                text: "Deaf, uses BSL".to_owned(),
                from: date(2023, 3, 4).at(9, 0, 0, 0),
                to: None,
            }),
        }
    }
}

/// A description of exactly 35 characters that stops within a word.
const CUT_TEXT: &str = "Anaphylaxis after second dose, carr";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_text_has_the_column_s_width() {
        assert_eq!(CUT_TEXT.chars().count(), 35);
    }
}
