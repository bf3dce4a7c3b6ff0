//! RA9: a PAS with typed columns, local times, a `deleted` mark and community contacts.

use std::path::Path;

use anyhow::Result;
use jiff::civil::{Date, DateTime};

use super::clock::{Clock, iso, iso_date};
use super::database::{Database, Table};
use super::estate::{PlaceKind, clinics, consultants, wards};
use super::model::{Archive, Exporter, Organisation, Person, Registration, Row, Setting, Substance, System};
use super::truth::{At, Domain, Truth, rule_note};

static TABLES: &[Table] = &[
    (
        "pat",
        "pat_id INTEGER, crn TEXT, nhs_no TEXT, nhs_no_status TEXT, family_name TEXT, given_name TEXT, \
         middle_name TEXT, prev_family_name TEXT, prev_until DATE, sex TEXT, dob DATE, dod TIMESTAMP, \
         death_notified TEXT, addr1 TEXT, addr2 TEXT, addr3 TEXT, addr4 TEXT, postcode TEXT, phone TEXT, email TEXT, \
         ethnic TEXT, marital TEXT, gp_practice TEXT, deleted INTEGER",
    ),
    (
        "allergy",
        "allergy_id INTEGER, pat_id INTEGER, snomed TEXT, description TEXT, severity TEXT, recorded TIMESTAMP, \
         status TEXT, deleted INTEGER",
    ),
    (
        "alert",
        "alert_id INTEGER, pat_id INTEGER, code TEXT, description TEXT, start_date DATE, end_date DATE, \
         deleted INTEGER",
    ),
    (
        "problem",
        "problem_id INTEGER, pat_id INTEGER, snomed TEXT, description TEXT, onset DATE, resolved DATE, \
         deleted INTEGER",
    ),
    (
        "spell",
        "spell_id INTEGER, pat_id INTEGER, admitted TIMESTAMP, discharged TIMESTAMP, adm_method TEXT, \
         disch_method TEXT, disch_dest TEXT, ward TEXT, deleted INTEGER",
    ),
    (
        "episode",
        "episode_id INTEGER, spell_id INTEGER, pat_id INTEGER, seq INTEGER, started TIMESTAMP, ended TIMESTAMP, \
         tfc TEXT, consultant_gmc TEXT, deleted INTEGER",
    ),
    (
        "appt",
        "appt_id INTEGER, pat_id INTEGER, starts TIMESTAMP, mins INTEGER, status TEXT, tfc TEXT, clinic TEXT, \
         outcome TEXT, deleted INTEGER",
    ),
    ("contact", "contact_id INTEGER, pat_id INTEGER, contacted TIMESTAMP, team TEXT, kind TEXT, deleted INTEGER"),
    (
        "referral",
        "referral_id INTEGER, pat_id INTEGER, received DATE, tfc TEXT, priority TEXT, source TEXT, closed DATE, \
         ubrn TEXT, deleted INTEGER",
    ),
    (
        "pathway",
        "pathway_row INTEGER, pat_id INTEGER, pathway_id TEXT, referral_id INTEGER, tfc TEXT, clock_start DATE, \
         clock_stop DATE, rtt_status TEXT, deleted INTEGER",
    ),
    (
        "waiting",
        "waiting_id INTEGER, pat_id INTEGER, referral_id INTEGER, tfc TEXT, added DATE, removed DATE, kind TEXT, \
         deleted INTEGER",
    ),
    (
        "med",
        "med_id INTEGER, pat_id INTEGER, dmd TEXT, name TEXT, dose TEXT, started DATE, stopped DATE, \
         deleted INTEGER",
    ),
    ("obs", "obs_id INTEGER, pat_id INTEGER, taken TIMESTAMP, code TEXT, value TEXT, unit TEXT, deleted INTEGER"),
    ("staff", "gmc TEXT, family_name TEXT, given_name TEXT, tfc TEXT"),
    ("place", "code TEXT, name TEXT, kind TEXT, site TEXT"),
];

const SYSTEM: System = System::Ra9Pas;
const ALERTS: [&str; 6] = ["MRSA", "VIOL", "SAFE", "DNAR", "INTP", "DEAF"];

pub(crate) struct Ra9 {
    database: Database,
    clock: Clock,
}

pub(crate) fn create(folder: &Path, _: &Setting) -> Result<Box<dyn Exporter>> {
    let database = Database::create(&folder.join("ra9.sqlite"), TABLES)?;
    for doctor in consultants(Organisation::Ra9) {
        database.insert("staff", &[&doctor.gmc, &doctor.family, &doctor.given, &doctor.specialty])?;
    }
    for place in wards(Organisation::Ra9).iter().chain(clinics(Organisation::Ra9)) {
        let kind = if place.kind == PlaceKind::Ward { "WARD" } else { "CLINIC" };
        database.insert("place", &[&place.code, &place.name, &kind, &place.site])?;
    }
    Ok(Box::new(Ra9 { database, clock: Clock::new() }))
}

impl Exporter for Ra9 {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for (_, registration) in person.held_by(Organisation::Ra9) {
            self.patient(person, registration, truth)?;
        }
        self.allergies(person, truth)?;
        self.alerts_and_problems(person, truth)?;
        self.spells(person, truth)?;
        self.referrals(person, truth)?;
        self.appointments(person, truth)?;
        self.bedside(person, truth)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.database.finish()
    }
}

impl Ra9 {
    fn patient(&self, person: &Person, r: &Registration, truth: &mut Truth) -> Result<()> {
        // This system throws away what it archives.
        if r.archive == Archive::Archived {
            return Ok(());
        }
        let sex = r.sex.map(|sex| ["M", "F", "I"][sex as usize]);
        let former = r.former.first();
        let notified = r.death.map(|_| if r.row.is_multiple_of(2) { "2" } else { "1" });
        self.database.insert(
            "pat",
            &[
                &r.row,
                &r.local_number,
                &r.shown_number(),
                &r.status,
                &r.family,
                &r.given,
                &r.second,
                &former.map(|f| &f.family),
                &former.map(|f| iso_date(f.until)),
                &sex,
                &r.birth.map(iso_date),
                &r.death.map(timestamp),
                &notified,
                &r.address.line1,
                &r.address.line2,
                &r.address.city,
                &None::<String>,
                &r.address.postcode,
                &r.phone,
                &r.email,
                &r.ethnic,
                &r.marital.to_string(),
                &r.practice.ods,
                &(r.archive == Archive::Deleted),
            ],
        )?;
        if r.archive == Archive::Deleted {
            return Ok(());
        }
        truth.record(person, r, at("pat", &r.row.to_string()), rule_note(r))
    }

    fn allergies(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for a in mine(person, &person.allergies, |a| &a.row) {
            let snomed = a.substance.map(snomed);
            let severity = ["mild", "moderate", "severe"][usize::from(a.severity) - 1];
            let status = if a.is_active { "active" } else { "inactive" };
            self.database.insert(
                "allergy",
                &[
                    &a.row.number,
                    &person.patient_key(&a.row),
                    &snomed,
                    &a.text,
                    &severity,
                    &timestamp(a.recorded),
                    &status,
                    &deleted(&a.row),
                ],
            )?;
            let live = a.is_live().then(|| self.clock.instant(a.recorded));
            let key = a.row.number.to_string();
            truth.fact(person, &a.row, Domain::Allergy, at("allergy", &key), live.as_deref())?;
        }
        Ok(())
    }

    fn alerts_and_problems(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for a in mine(person, &person.alerts, |a| &a.row) {
            let code = a.planted_code.unwrap_or(ALERTS[a.kind as usize]);
            let (from, to) = (iso_date(a.from.date()), a.to.map(|to| iso_date(to.date())));
            let patient = person.patient_key(&a.row);
            self.database.insert("alert", &[&a.row.number, &patient, &code, &a.text, &from, &to, &deleted(&a.row)])?;
            let live = a.is_live().then_some(from);
            let key = a.row.number.to_string();
            truth.fact(person, &a.row, Domain::Alert, at("alert", &key), live.as_deref())?;
        }
        for p in mine(person, &person.problems, |p| &p.row) {
            let (onset, resolved) = (iso_date(p.onset), p.resolved.map(iso_date));
            let patient = person.patient_key(&p.row);
            self.database.insert(
                "problem",
                &[&p.row.number, &patient, &p.snomed, &p.text, &onset, &resolved, &deleted(&p.row)],
            )?;
            truth.defect(person, p.row.defect.as_ref(), at("problem", &p.row.number.to_string()))?;
        }
        Ok(())
    }

    fn spells(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for s in mine(person, &person.spells, |s| &s.row) {
            let patient = person.patient_key(&s.row);
            self.database.insert(
                "spell",
                &[
                    &s.row.number,
                    &patient,
                    &timestamp(s.admitted),
                    &s.discharged.map(timestamp),
                    &s.admission_method,
                    &s.discharge_method,
                    &s.discharge_destination,
                    &s.ward.map(|ward| ward.code),
                    &deleted(&s.row),
                ],
            )?;
            let live = s.is_current().then(|| self.clock.instant(s.admitted));
            let key = s.row.number.to_string();
            truth.fact(person, &s.row, Domain::Spell, at("spell", &key), live.as_deref())?;
            for e in &s.episodes {
                self.database.insert(
                    "episode",
                    &[
                        &e.row.number,
                        &s.row.number,
                        &patient,
                        &e.sequence,
                        &timestamp(e.started),
                        &e.ended.map(timestamp),
                        &e.specialty,
                        &e.consultant.map(|doctor| doctor.gmc),
                        &deleted(&e.row),
                    ],
                )?;
                truth.defect(person, e.row.defect.as_ref(), at("episode", &e.row.number.to_string()))?;
            }
        }
        Ok(())
    }

    fn referrals(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for r in mine(person, &person.referrals, |r| &r.row) {
            self.database.insert(
                "referral",
                &[
                    &r.row.number,
                    &person.patient_key(&r.row),
                    &day(r.received),
                    &r.specialty,
                    &r.priority.to_string(),
                    &r.source,
                    &r.closed.map(day),
                    &r.ubrn,
                    &deleted(&r.row),
                ],
            )?;
        }
        for p in mine(person, &person.pathways, |p| &p.row) {
            let start = iso_date(p.start);
            self.database.insert(
                "pathway",
                &[
                    &p.row.number,
                    &person.patient_key(&p.row),
                    &p.id,
                    &person.referrals[p.referral].row.number,
                    &p.specialty,
                    &start,
                    &p.stop.map(iso_date),
                    &p.status,
                    &deleted(&p.row),
                ],
            )?;
            let live = p.is_open().then_some(start);
            let key = p.row.number.to_string();
            truth.fact(person, &p.row, Domain::Rtt, at("pathway", &key), live.as_deref())?;
        }
        for w in mine(person, &person.waiting, |w| &w.row) {
            let referral = w.referral.map(|i| person.referrals[i].row.number);
            let (added, removed) = (day(w.added), w.removed.map(day));
            let patient = person.patient_key(&w.row);
            let deleted = deleted(&w.row);
            let cells: [&dyn rusqlite::ToSql; 8] =
                [&w.row.number, &patient, &referral, &w.specialty, &added, &removed, &w.kind, &deleted];
            self.database.insert("waiting", &cells)?;
        }
        Ok(())
    }

    fn appointments(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for a in mine(person, &person.appointments, |a| &a.row) {
            self.database.insert(
                "appt",
                &[
                    &a.row.number,
                    &person.patient_key(&a.row),
                    &timestamp(a.start),
                    &a.minutes,
                    &a.attendance,
                    &a.planted_specialty.unwrap_or(a.specialty),
                    &a.clinic.code,
                    &a.outcome,
                    &deleted(&a.row),
                ],
            )?;
            let live = a.is_future().then(|| self.clock.instant(a.start));
            let key = a.row.number.to_string();
            truth.fact(person, &a.row, Domain::Appointment, at("appt", &key), live.as_deref())?;
        }
        for c in mine(person, &person.contacts, |c| &c.row) {
            let patient = person.patient_key(&c.row);
            self.database
                .insert("contact", &[&c.row.number, &patient, &timestamp(c.at), &c.team, &c.kind, &deleted(&c.row)])?;
        }
        Ok(())
    }

    fn bedside(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for m in mine(person, &person.medications, |m| &m.row) {
            let (started, stopped) = (iso_date(m.started), m.stopped.map(iso_date));
            let patient = person.patient_key(&m.row);
            let deleted = deleted(&m.row);
            let cells: [&dyn rusqlite::ToSql; 8] =
                [&m.row.number, &patient, &m.dmd, &m.name, &m.dose, &started, &stopped, &deleted];
            self.database.insert("med", &cells)?;
        }
        for o in mine(person, &person.observations, |o| &o.row) {
            let code = o.planted_code.unwrap_or(o.code);
            let patient = person.patient_key(&o.row);
            self.database.insert(
                "obs",
                &[&o.row.number, &patient, &timestamp(o.taken), &code, &o.value, &o.unit, &deleted(&o.row)],
            )?;
            truth.defect(person, o.row.defect.as_ref(), at("obs", &o.row.number.to_string()))?;
        }
        Ok(())
    }
}

/// The rows of a domain that this system has: it throws away what it archives.
fn mine<'a, T>(person: &'a Person, facts: &'a [T], row: fn(&T) -> &Row) -> impl Iterator<Item = &'a T> {
    facts.iter().filter(move |fact| {
        let row = row(fact);
        person.is_at(row, Organisation::Ra9) && row.archive != Archive::Archived
    })
}

fn at<'a>(table: &'a str, key: &'a str) -> At<'a> {
    At { system: SYSTEM, table, key }
}

fn deleted(row: &Row) -> bool {
    row.archive == Archive::Deleted
}

fn timestamp(local: DateTime) -> String {
    iso(local, ' ')
}

fn day(local: DateTime) -> String {
    let date: Date = local.date();
    iso_date(date)
}

/// The substances as SNOMED CT names the allergy to them.
fn snomed(substance: Substance) -> &'static str {
    match substance {
        Substance::Penicillin => "91936005",
        Substance::Peanut => "91935009",
        Substance::Latex => "300916003",
        Substance::Egg => "91930004",
        Substance::Aspirin => "293586001",
        Substance::Sulfonamide => "91939003",
        Substance::Iodine => "293637006",
        Substance::Shellfish => "300913006",
        Substance::NoKnown => "716186003",
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::verhoeff;
    use super::*;

    #[test]
    fn every_substance_has_an_identifier_with_its_check_digit() {
        for substance in Substance::ALL {
            let (digits, check) = snomed(substance).split_at(snomed(substance).len() - 1);
            assert_eq!(verhoeff(digits).to_string(), check, "{}", snomed(substance));
        }
    }
}
