//! RBZ: a PAS over MUMPS: `$HOROLOG` dates, compound keys joined with `||`, everything as text.

use std::path::Path;

use anyhow::Result;

use super::clock::{Clock, horolog, horolog_days, iso_date};
use super::database::{Database, Table};
use super::model::{Archive, Exporter, Organisation, Person, Registration, Row, Setting, System};
use super::truth::{At, Domain, Truth, rule_note};

static TABLES: &[Table] = &[
    (
        "PA_Person",
        "PAPMI_RowId TEXT, PAPMI_No TEXT, PAPMI_NHS TEXT, PAPMI_NHSStat TEXT, PAPMI_Name TEXT, PAPMI_PrevName TEXT, \
         PAPMI_Sex TEXT, PAPMI_DOB TEXT, PAPMI_DOD TEXT, PAPMI_Addr TEXT, PAPMI_Zip TEXT, PAPMI_GP TEXT, \
         PAPMI_Ethnic TEXT, PAPMI_Active TEXT",
    ),
    ("PA_Allergy", "ALG_RowId TEXT, ALG_ParRef TEXT, ALG_Code TEXT, ALG_Text TEXT, ALG_Date TEXT, ALG_Status TEXT"),
    ("PA_Alert", "ALM_RowId TEXT, ALM_ParRef TEXT, ALM_Code TEXT, ALM_Text TEXT, ALM_From TEXT, ALM_To TEXT"),
    (
        "PA_Adm",
        "PAADM_RowId TEXT, PAADM_PAPMI_DR TEXT, PAADM_AdmDate TEXT, PAADM_DischDate TEXT, PAADM_Ward TEXT, \
         PAADM_AdmMethod TEXT, PAADM_DischMethod TEXT",
    ),
    (
        "PA_AdmTrans",
        "TRANS_RowId TEXT, TRANS_ParRef TEXT, TRANS_PAPMI TEXT, TRANS_Start TEXT, TRANS_End TEXT, TRANS_Spec TEXT, \
         TRANS_Doctor TEXT",
    ),
    (
        "RB_Appointment",
        "APPT_RowId TEXT, APPT_PAPMI_DR TEXT, APPT_Start TEXT, APPT_Mins TEXT, APPT_Status TEXT, APPT_Clinic TEXT, \
         APPT_Spec TEXT, APPT_Outcome TEXT",
    ),
    (
        "PA_Referral",
        "REF_RowId TEXT, REF_PAPMI TEXT, REF_Date TEXT, REF_Spec TEXT, REF_Priority TEXT, REF_Closed TEXT, \
         REF_UBRN TEXT, REF_PathwayID TEXT, REF_ClockStart TEXT, REF_ClockStop TEXT, REF_RTT TEXT",
    ),
    ("PA_WaitList", "WL_RowId TEXT, WL_PAPMI TEXT, WL_Spec TEXT, WL_Added TEXT, WL_Removed TEXT, WL_Type TEXT"),
    ("PA_Problem", "PRB_RowId TEXT, PRB_PAPMI TEXT, PRB_Snomed TEXT, PRB_Text TEXT, PRB_Onset TEXT, PRB_Status TEXT"),
    (
        "PHC_Order",
        "ORD_RowId TEXT, ORD_PAPMI TEXT, ORD_DMD TEXT, ORD_Drug TEXT, ORD_Dose TEXT, ORD_Start TEXT, ORD_Stop TEXT",
    ),
];

const ALLERGIES: [&str; 9] = ["PEN", "NUT", "LAT", "EGG", "ASP", "SUL", "IOD", "SHE", "NKA"];
const ALERTS: [&str; 6] = ["MRSA", "VIOL", "SAFE", "DNAR", "INTP", "DEAF"];

pub(crate) struct Rbz {
    database: Database,
    clock: Clock,
}

pub(crate) fn create(folder: &Path, _: &Setting) -> Result<Box<dyn Exporter>> {
    let database = Database::create(&folder.join("rbz.sqlite"), TABLES)?;
    Ok(Box::new(Rbz { database, clock: Clock::new() }))
}

impl Exporter for Rbz {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for (_, registration) in person.held_by(Organisation::Rbz) {
            self.patient(person, registration, truth)?;
        }
        self.allergies_and_alerts(person, truth)?;
        self.admissions(person, truth)?;
        self.appointments(person, truth)?;
        self.referrals(person, truth)?;
        self.problems_and_orders(person, truth)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.database.finish()
    }
}

impl Rbz {
    fn patient(&self, person: &Person, r: &Registration, truth: &mut Truth) -> Result<()> {
        if r.archive == Archive::Deleted {
            return Ok(());
        }
        let key = r.row.to_string();
        let name = r.family.as_ref().map(|family| {
            let mut name = family.to_uppercase();
            if let Some(given) = &r.given {
                name = format!("{name},{}", given.to_uppercase());
            }
            if let Some(second) = &r.second {
                name = format!("{name} {}", second.to_uppercase());
            }
            name
        });
        let former = r.former.first().map(|former| former.family.to_uppercase());
        let sex = r.sex.map(|sex| ["1", "2", "9"][sex as usize]);
        let lines = [r.address.line1.as_str(), r.address.line2.as_deref().unwrap_or(""), r.address.city];
        let active = if r.archive == Archive::Archived { "N" } else { "Y" };
        self.database.insert(
            "PA_Person",
            &[
                &key,
                &r.local_number,
                &r.shown_number(),
                &r.status,
                &name,
                &former,
                &sex,
                &r.birth.map(|birth| horolog_days(birth).to_string()),
                &r.death.map(horolog),
                &lines.join("|").to_uppercase(),
                &r.address.postcode,
                &r.practice.ods,
                &r.ethnic,
                &active,
            ],
        )?;
        let note = if r.archive == Archive::Archived { "archived" } else { rule_note(r) };
        truth.record(person, r, at("PA_Person", &key), note)
    }

    fn allergies_and_alerts(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for a in mine(person, &person.allergies, |a| &a.row) {
            let (patient, key) = keys(person, &a.row);
            let code = a.substance.map_or("ZZ7", |s| ALLERGIES[s as usize]);
            let date = a.recorded.date();
            let status = if a.is_active { "A" } else { "I" };
            let cells: [&dyn rusqlite::ToSql; 6] =
                [&key, &patient, &code, &a.text, &horolog_days(date).to_string(), &status];
            self.database.insert("PA_Allergy", &cells)?;
            let live = a.is_live().then(|| iso_date(date));
            truth.fact(person, &a.row, Domain::Allergy, at("PA_Allergy", &key), live.as_deref())?;
        }
        for a in mine(person, &person.alerts, |a| &a.row) {
            let (patient, key) = keys(person, &a.row);
            let code = a.planted_code.unwrap_or(ALERTS[a.kind as usize]);
            let from = horolog_days(a.from.date()).to_string();
            let to = a.to.map(|to| horolog_days(to.date()).to_string());
            self.database.insert("PA_Alert", &[&key, &patient, &code, &a.text, &from, &to])?;
            let live = a.is_live().then(|| iso_date(a.from.date()));
            truth.fact(person, &a.row, Domain::Alert, at("PA_Alert", &key), live.as_deref())?;
        }
        Ok(())
    }

    fn admissions(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for s in mine(person, &person.spells, |s| &s.row) {
            let patient = person.patient_key(&s.row).to_string();
            let key = s.row.number.to_string();
            self.database.insert(
                "PA_Adm",
                &[
                    &key,
                    &patient,
                    &horolog(s.admitted),
                    &s.discharged.map(horolog),
                    &s.ward.map(|ward| ward.code),
                    &s.admission_method,
                    &s.discharge_method,
                ],
            )?;
            let live = s.is_current().then(|| self.clock.instant(s.admitted));
            truth.fact(person, &s.row, Domain::Spell, at("PA_Adm", &key), live.as_deref())?;
            for e in &s.episodes {
                let episode = format!("{key}||{}", e.sequence);
                let (start, end) = (horolog(e.started), e.ended.map(horolog));
                let doctor = e.consultant.map(|doctor| doctor.gmc);
                self.database
                    .insert("PA_AdmTrans", &[&episode, &key, &patient, &start, &end, &e.specialty, &doctor])?;
                truth.defect(person, e.row.defect.as_ref(), at("PA_AdmTrans", &episode))?;
            }
        }
        Ok(())
    }

    fn appointments(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for a in mine(person, &person.appointments, |a| &a.row) {
            let patient = person.patient_key(&a.row).to_string();
            let key = format!("{}||{}||{}", a.clinic.row, horolog_days(a.start.date()), a.row.number);
            let specialty = a.planted_specialty.unwrap_or(a.specialty);
            let (start, minutes) = (horolog(a.start), a.minutes.to_string());
            let cells: [&dyn rusqlite::ToSql; 8] =
                [&key, &patient, &start, &minutes, &a.attendance, &a.clinic.code, &specialty, &a.outcome];
            self.database.insert("RB_Appointment", &cells)?;
            let live = a.is_future().then(|| self.clock.instant(a.start));
            truth.fact(person, &a.row, Domain::Appointment, at("RB_Appointment", &key), live.as_deref())?;
        }
        Ok(())
    }

    /// A referral and its pathway are one row.
    fn referrals(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for r in mine(person, &person.referrals, |r| &r.row) {
            let (patient, key) = keys(person, &r.row);
            let pathway = r.pathway.map(|i| &person.pathways[i]);
            let days = |date| horolog_days(date).to_string();
            self.database.insert(
                "PA_Referral",
                &[
                    &key,
                    &patient,
                    &days(r.received.date()),
                    &r.specialty,
                    &r.priority.to_string(),
                    &r.closed.map(|closed| days(closed.date())),
                    &r.ubrn,
                    &pathway.map(|p| &p.id),
                    &pathway.map(|p| days(p.start)),
                    &pathway.and_then(|p| p.stop).map(days),
                    &pathway.map(|p| p.status),
                ],
            )?;
            if let Some(p) = pathway {
                let live = p.is_open().then(|| iso_date(p.start));
                truth.fact(person, &p.row, Domain::Rtt, at("PA_Referral", &key), live.as_deref())?;
            }
        }
        for w in mine(person, &person.waiting, |w| &w.row) {
            let (patient, key) = keys(person, &w.row);
            let days = |local: jiff::civil::DateTime| horolog_days(local.date()).to_string();
            let cells: [&dyn rusqlite::ToSql; 6] =
                [&key, &patient, &w.specialty, &days(w.added), &w.removed.map(days), &w.kind];
            self.database.insert("PA_WaitList", &cells)?;
        }
        Ok(())
    }

    fn problems_and_orders(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for p in mine(person, &person.problems, |p| &p.row) {
            let (patient, key) = keys(person, &p.row);
            let status = if p.resolved.is_some() { "I" } else { "A" };
            let onset = horolog_days(p.onset).to_string();
            self.database.insert("PA_Problem", &[&key, &patient, &p.snomed, &p.text, &onset, &status])?;
            truth.defect(person, p.row.defect.as_ref(), at("PA_Problem", &key))?;
        }
        for m in mine(person, &person.medications, |m| &m.row) {
            let (patient, key) = keys(person, &m.row);
            let start = horolog_days(m.started).to_string();
            let stop = m.stopped.map(|stop| horolog_days(stop).to_string());
            self.database.insert("PHC_Order", &[&key, &patient, &m.dmd, &m.name, &m.dose, &start, &stop])?;
        }
        Ok(())
    }
}

/// The rows of a domain that this system has: it keeps neither what is archived nor what is deleted.
fn mine<'a, T>(person: &'a Person, facts: &'a [T], row: fn(&T) -> &Row) -> impl Iterator<Item = &'a T> {
    facts.iter().filter(move |fact| {
        let row = row(fact);
        person.is_at(row, Organisation::Rbz) && row.archive == Archive::Live
    })
}

fn at<'a>(table: &'a str, key: &'a str) -> At<'a> {
    At { system: System::RbzPas, table, key }
}

/// The patient's key, and the row's own, which begins with it.
fn keys(person: &Person, row: &Row) -> (String, String) {
    let patient = person.patient_key(row).to_string();
    let key = format!("{patient}||{}", row.number % 1000);
    (patient, key)
}
