//! RK9 and REF: the same PAS of the iPM kind, with each trust's own codes.
//!
//! Coded reference numbers, archive flags, `dd/mm/yyyy HH:MM` texts in local time, blank-padded columns, shouted
//! names.

use std::path::Path;

use anyhow::Result;

use super::clock::{Clock, iso_date, slashed};
use super::database::{Database, Table};
use super::dice::add_minutes;
use super::estate::{NO_PRACTICE, PRACTICES, Place, PlaceKind, clinics, consultants, wards};
use super::model::{Archive, Exporter, Person, Registration, Row, Setting, System};
use super::truth::{At, Domain, Truth, rule_note};

macro_rules! tables {
    ($sex:literal) => {
        &[
            (
                "PATIENTS",
                concat!(
                    "PATNT_REFNO INTEGER, PASID TEXT, NHS_IDENTIFIER TEXT, NNNTS_CODE TEXT, ",
                    $sex,
                    " TEXT, SURNAME TEXT, FORENAME TEXT, SECOND_FORENAME TEXT, DTTM_OF_BIRTH TEXT, \
                     DTTM_OF_DEATH TEXT, ADDR_LINE1 TEXT, ADDR_LINE2 TEXT, ADDR_LINE3 TEXT, POSTCODE TEXT, \
                     ETHGR_CODE TEXT, ARCHV_FLAG TEXT, PRACTICE_REFNO INTEGER, MARRY_CODE TEXT, HOME_TEL TEXT, \
                     DEATH_NOTIF TEXT, ACCESS_CODE TEXT, MOTHER_REFNO INTEGER"
                ),
            ),
            (
                "PATIENT_ALIASES",
                "ALIAS_REFNO INTEGER, PATNT_REFNO INTEGER, SURNAME TEXT, END_DTTM TEXT, MODIF_DTTM TEXT",
            ),
            ("HEALTH_ORGANISATIONS", "HEORG_REFNO INTEGER, MAIN_IDENT TEXT, DESCRIPTION TEXT"),
            ("STAFF", "STAFF_REFNO INTEGER, GMC_NO TEXT, SURNAME TEXT, FORENAME TEXT, TITLE TEXT, SPEC_CODE TEXT"),
            ("SERVICE_POINTS", "SPONT_REFNO INTEGER, CODE TEXT, DESCRIPTION TEXT, KIND TEXT, SITE_CODE TEXT"),
            (
                "ALLERGIES",
                "ALLER_REFNO INTEGER, PATNT_REFNO INTEGER, ALLERGY_CODE TEXT, DESCRIPTION TEXT, \
                 SEVERITY_CODE TEXT, RECORDED_DTTM TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "ALERTS",
                "ALERT_REFNO INTEGER, PATNT_REFNO INTEGER, ALERT_CODE TEXT, DESCRIPTION TEXT, START_DTTM TEXT, \
                 END_DTTM TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "PROBLEMS",
                "PROBM_REFNO INTEGER, PATNT_REFNO INTEGER, SNOMED_ID TEXT, ICD_CODE TEXT, DESCRIPTION TEXT, \
                 ONSET_DTTM TEXT, STATUS TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "PROVIDER_SPELLS",
                "PRVSP_REFNO INTEGER, PATNT_REFNO INTEGER, ADMIT_DTTM TEXT, DISCH_DTTM TEXT, WARD_CODE TEXT, \
                 ADMET_CODE TEXT, ADSOR_CODE TEXT, DISMT_CODE TEXT, DISDE_CODE TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "PROF_CARER_EPISODES",
                "PRCAE_REFNO INTEGER, PRVSP_REFNO INTEGER, PATNT_REFNO INTEGER, START_DTTM TEXT, END_DTTM TEXT, \
                 SPEC_CODE TEXT, STAFF_REFNO INTEGER, ARCHV_FLAG TEXT",
            ),
            (
                "SCHEDULES",
                "SCHDL_REFNO INTEGER, PATNT_REFNO INTEGER, START_DTTM TEXT, END_DTTM TEXT, ATTND_CODE TEXT, \
                 SPEC_CODE TEXT, CLINIC_CODE TEXT, OUTCM_CODE TEXT, STAFF_REFNO INTEGER, REFRL_REFNO INTEGER, \
                 ARCHV_FLAG TEXT",
            ),
            (
                "REFERRALS",
                "REFRL_REFNO INTEGER, PATNT_REFNO INTEGER, RECVD_DTTM TEXT, SPEC_CODE TEXT, PRITY_CODE TEXT, \
                 SORRF_CODE TEXT, STATUS TEXT, CLOSR_DTTM TEXT, PATHW_REFNO INTEGER, UBRN TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "RTT_PATHWAYS",
                "PATHW_REFNO INTEGER, PATNT_REFNO INTEGER, PATHWAY_ID TEXT, REFRL_REFNO INTEGER, SPEC_CODE TEXT, \
                 CLOCK_START_DTTM TEXT, CLOCK_STOP_DTTM TEXT, RTTST_CODE TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "WAITING_LIST",
                "WLIST_REFNO INTEGER, PATNT_REFNO INTEGER, REFRL_REFNO INTEGER, SPEC_CODE TEXT, ADDED_DTTM TEXT, \
                 REMOVED_DTTM TEXT, WL_TYPE TEXT, PRITY_CODE TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "MEDICATIONS",
                "MEDIC_REFNO INTEGER, PATNT_REFNO INTEGER, DMD_CODE TEXT, DRUG_NAME TEXT, DOSE_TEXT TEXT, \
                 DOSE_VALUE TEXT, DOSE_UNIT TEXT, START_DTTM TEXT, END_DTTM TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "OBSERVATIONS",
                "OBSVN_REFNO INTEGER, PATNT_REFNO INTEGER, TAKEN_DTTM TEXT, REPORTED_DTTM TEXT, OBS_CODE TEXT, \
                 VALUE TEXT, UNIT TEXT, ARCHV_FLAG TEXT",
            ),
            (
                "LETTERS",
                "LETTR_REFNO INTEGER, PATNT_REFNO INTEGER, TYPED_DTTM TEXT, TITLE TEXT, MIME TEXT, CONTENT BLOB, \
                 ARCHV_FLAG TEXT",
            ),
        ]
    };
}

static RK9_TABLES: &[Table] = tables!("SEXXX_CODE");
static REF_TABLES: &[Table] = tables!("SEX");

/// A trust's own codes where iPM is set up by the trust, in the order of the national ones.
struct Codes {
    /// Male, female, indeterminate.
    sex: [&'static str; 3],
    /// S M D W P N.
    marital: [&'static str; 6],
    /// 0 2 3 4 5 6 7.
    attendance: [&'static str; 7],
    /// 1 2 3.
    outcome: [&'static str; 3],
    /// In the order of [`Substance::ALL`].
    allergy: [&'static str; 9],
    /// Mild, moderate, severe.
    severity: [&'static str; 3],
    /// In the order of [`AlertKind`].
    alert: [&'static str; 6],
    /// 1 2 3.
    priority: [&'static str; 3],
    has_local_ethnic: bool,
}

static RK9_CODES: Codes = Codes {
    sex: ["1", "2", "9"],
    marital: ["S", "M", "D", "W", "P", "N"],
    attendance: ["0", "2", "3", "4", "5", "6", "7"],
    outcome: ["1", "2", "3"],
    allergy: ["PEN", "NUT", "LAT", "EGG", "ASP", "SUL", "IOD", "SHE", "NKA"],
    severity: ["L", "M", "S"],
    alert: ["MRSA", "VIOL", "SAFE", "DNAR", "INTP", "DEAF"],
    priority: ["1", "2", "3"],
    has_local_ethnic: false,
};

static REF_CODES: Codes = Codes {
    sex: ["M", "F", "I"],
    marital: ["SI", "MA", "DI", "WI", "CP", "NK"],
    attendance: ["FUT", "PCX", "DNA", "HCX", "ATT", "LAT", "LNS"],
    outcome: ["DIS", "FUP", "LTR"],
    allergy: ["A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A09"],
    severity: ["1", "2", "3"],
    alert: ["K1", "K2", "K3", "K4", "K5", "K6"],
    priority: ["R", "U", "T"],
    has_local_ethnic: true,
};

pub(crate) struct Ipm {
    database: Database,
    system: System,
    codes: &'static Codes,
    clock: Clock,
}

pub(crate) fn rk9(folder: &Path, _: &Setting) -> Result<Box<dyn Exporter>> {
    Ipm::create(&folder.join("rk9.sqlite"), System::Rk9Ipm, RK9_TABLES, &RK9_CODES)
}

pub(crate) fn ref_(folder: &Path, _: &Setting) -> Result<Box<dyn Exporter>> {
    Ipm::create(&folder.join("ref.sqlite"), System::RefIpm, REF_TABLES, &REF_CODES)
}

impl Exporter for Ipm {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for (_, registration) in person.held_by(self.system.organisation()) {
            self.patient(person, registration, truth)?;
        }
        self.allergies(person, truth)?;
        self.alerts(person, truth)?;
        self.problems(person, truth)?;
        self.spells(person, truth)?;
        self.outpatient(person, truth)?;
        self.bedside(person, truth)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.database.finish()
    }
}

impl Ipm {
    fn create(
        file: &Path,
        system: System,
        tables: &'static [Table],
        codes: &'static Codes,
    ) -> Result<Box<dyn Exporter>> {
        let database = Database::create(file, tables)?;
        let organisation = system.organisation();
        for practice in PRACTICES.iter().chain([&NO_PRACTICE]) {
            database.insert("HEALTH_ORGANISATIONS", &[&practice.row, &practice.ods, &practice.name])?;
        }
        for doctor in consultants(organisation) {
            let (family, given) = (doctor.family.to_uppercase(), doctor.given.to_uppercase());
            let title = doctor.title.to_uppercase();
            let cells: [&dyn rusqlite::ToSql; 6] =
                [&doctor.row, &doctor.gmc, &family, &given, &title, &doctor.specialty];
            database.insert("STAFF", &cells)?;
        }
        for place in wards(organisation).iter().chain(clinics(organisation)) {
            let Place { row, code, name, site, .. } = place;
            let kind = if place.kind == PlaceKind::Ward { "WARD" } else { "CLINIC" };
            database.insert("SERVICE_POINTS", &[row, code, name, &kind, site])?;
        }
        Ok(Box::new(Self { database, system, codes, clock: Clock::new() }))
    }

    fn at<'a>(&self, table: &'a str, key: &'a str) -> At<'a> {
        At { system: self.system, table, key }
    }

    /// The rows of a domain that are in this system.
    fn mine<'a, T>(&self, person: &'a Person, facts: &'a [T], row: fn(&T) -> &Row) -> impl Iterator<Item = &'a T> {
        let organisation = self.system.organisation();
        facts.iter().filter(move |fact| person.is_at(row(fact), organisation))
    }

    fn patient(&self, person: &Person, r: &Registration, truth: &mut Truth) -> Result<()> {
        let codes = self.codes;
        let is_padded = r.row % 9 == 4;
        let name = |name: &Option<String>| {
            let shouted = name.as_ref()?.to_uppercase();
            Some(if is_padded { format!("{shouted:<30}") } else { shouted })
        };
        let sex = r.special.sex_code.or_else(|| r.sex.map(|sex| codes.sex[sex as usize]));
        let access = if r.special.is_restricted { "R" } else { "N" };
        let marital = codes.marital["SMDWPN".find(r.marital).unwrap_or(5)];
        let ethnic = match r.ethnic {
            "A" if codes.has_local_ethnic && r.row.is_multiple_of(3) => "AX".to_owned(),
            letter if codes.has_local_ethnic && letter.len() == 1 => format!("{letter}1"),
            national => national.to_owned(),
        };
        let birth = r.birth.map(|birth| slashed(birth.at(0, 0, 0, 0)));
        let death = r.death.map(slashed);
        let notified = r.death.map(|_| if r.row.is_multiple_of(2) { "2" } else { "1" });
        let shouted = |text: &String| text.to_uppercase();
        self.database.insert(
            "PATIENTS",
            &[
                &r.row,
                &Some(&r.local_number).filter(|number| !number.is_empty()),
                &r.shown_number(),
                &r.status,
                &sex,
                &name(&r.family),
                &name(&r.given),
                &r.second.as_ref().map(shouted),
                &birth,
                &death,
                &r.address.line1.to_uppercase(),
                &r.address.line2.as_ref().map(shouted),
                &r.address.city.to_uppercase(),
                &r.address.postcode,
                &ethnic,
                &flag(r.archive),
                &r.practice.row,
                &marital,
                &r.phone,
                &notified,
                &access,
                &r.special.mother,
            ],
        )?;
        for (i, former) in r.former.iter().enumerate() {
            let key = r.row * 10 + i as u64;
            let (end, changed) = (former.until.at(0, 0, 0, 0), former.until.at(9, 10 + i as i8, 0, 0));
            let cells: [&dyn rusqlite::ToSql; 5] =
                [&key, &r.row, &former.family.to_uppercase(), &slashed(end), &slashed(changed)];
            self.database.insert("PATIENT_ALIASES", &cells)?;
        }
        if r.archive == Archive::Deleted {
            return Ok(());
        }
        truth.record(person, r, self.at("PATIENTS", &r.row.to_string()), note(r))
    }

    fn allergies(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for a in self.mine(person, &person.allergies, |a| &a.row) {
            let code = a.substance.map_or("ZZ7", |s| self.codes.allergy[s as usize]);
            let severity = a.planted_severity.unwrap_or(self.codes.severity[usize::from(a.severity) - 1]);
            let archive = if a.is_active { a.row.archive } else { Archive::Archived };
            self.database.insert(
                "ALLERGIES",
                &[
                    &a.row.number,
                    &person.patient_key(&a.row),
                    &code,
                    &a.text,
                    &severity,
                    &slashed(a.recorded),
                    &flag(archive),
                ],
            )?;
            let at = a.is_live().then(|| self.clock.instant(a.recorded));
            let key = a.row.number.to_string();
            truth.fact(person, &a.row, Domain::Allergy, self.at("ALLERGIES", &key), at.as_deref())?;
        }
        Ok(())
    }

    fn alerts(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for a in self.mine(person, &person.alerts, |a| &a.row) {
            let code = a.planted_code.unwrap_or(self.codes.alert[a.kind as usize]);
            let (from, to) = (slashed(a.from), a.to.map(slashed));
            let patient = person.patient_key(&a.row);
            self.database
                .insert("ALERTS", &[&a.row.number, &patient, &code, &a.text, &from, &to, &flag(a.row.archive)])?;
            let at = a.is_live().then(|| self.clock.instant(a.from));
            let key = a.row.number.to_string();
            truth.fact(person, &a.row, Domain::Alert, self.at("ALERTS", &key), at.as_deref())?;
        }
        Ok(())
    }

    fn problems(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for p in self.mine(person, &person.problems, |p| &p.row) {
            let status = if p.resolved.is_some() { "I" } else { "A" };
            // Of some only the year was ever known.
            let onset = if p.row.number.is_multiple_of(3) {
                p.onset.year().to_string()
            } else {
                slashed(p.onset.at(0, 0, 0, 0))
            };
            let patient = person.patient_key(&p.row);
            let flag = flag(p.row.archive);
            let cells: [&dyn rusqlite::ToSql; 8] =
                [&p.row.number, &patient, &p.snomed, &p.icd, &p.text, &onset, &status, &flag];
            self.database.insert("PROBLEMS", &cells)?;
            truth.defect(person, p.row.defect.as_ref(), self.at("PROBLEMS", &p.row.number.to_string()))?;
        }
        Ok(())
    }

    fn spells(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for s in self.mine(person, &person.spells, |s| &s.row) {
            let patient = person.patient_key(&s.row);
            self.database.insert(
                "PROVIDER_SPELLS",
                &[
                    &s.row.number,
                    &patient,
                    &slashed(s.admitted),
                    &s.discharged.map(slashed),
                    &s.ward.map(|ward| ward.code),
                    &s.admission_method,
                    &s.admission_source,
                    &s.discharge_method,
                    &s.discharge_destination,
                    &flag(s.row.archive),
                ],
            )?;
            let at = s.is_current().then(|| self.clock.instant(s.admitted));
            let key = s.row.number.to_string();
            truth.fact(person, &s.row, Domain::Spell, self.at("PROVIDER_SPELLS", &key), at.as_deref())?;
            for e in &s.episodes {
                self.database.insert(
                    "PROF_CARER_EPISODES",
                    &[
                        &e.row.number,
                        &s.row.number,
                        &patient,
                        &slashed(e.started),
                        &e.ended.map(slashed),
                        &e.specialty,
                        &e.consultant.map(|doctor| doctor.row),
                        &flag(e.row.archive),
                    ],
                )?;
                let key = e.row.number.to_string();
                truth.defect(person, e.row.defect.as_ref(), self.at("PROF_CARER_EPISODES", &key))?;
            }
        }
        Ok(())
    }

    fn outpatient(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        let codes = self.codes;
        for r in self.mine(person, &person.referrals, |r| &r.row) {
            self.database.insert(
                "REFERRALS",
                &[
                    &r.row.number,
                    &person.patient_key(&r.row),
                    &slashed(r.received),
                    &r.specialty,
                    &r.planted_priority.unwrap_or(codes.priority[usize::from(r.priority) - 1]),
                    &r.source,
                    &(if r.closed.is_some() { "C" } else { "O" }),
                    &r.closed.map(slashed),
                    &r.pathway.map(|i| person.pathways[i].row.number),
                    &r.ubrn,
                    &flag(r.row.archive),
                ],
            )?;
            truth.defect(person, r.row.defect.as_ref(), self.at("REFERRALS", &r.row.number.to_string()))?;
        }
        for p in self.mine(person, &person.pathways, |p| &p.row) {
            self.database.insert(
                "RTT_PATHWAYS",
                &[
                    &p.row.number,
                    &person.patient_key(&p.row),
                    &p.id,
                    &person.referrals[p.referral].row.number,
                    &p.specialty,
                    &slashed(p.start.at(0, 0, 0, 0)),
                    &p.stop.map(|stop| slashed(stop.at(0, 0, 0, 0))),
                    &p.status,
                    &flag(p.row.archive),
                ],
            )?;
            let at = p.is_open().then(|| iso_date(p.start));
            let key = p.row.number.to_string();
            truth.fact(person, &p.row, Domain::Rtt, self.at("RTT_PATHWAYS", &key), at.as_deref())?;
        }
        for w in self.mine(person, &person.waiting, |w| &w.row) {
            self.database.insert(
                "WAITING_LIST",
                &[
                    &w.row.number,
                    &person.patient_key(&w.row),
                    &w.referral.map(|i| person.referrals[i].row.number),
                    &w.specialty,
                    &slashed(w.added),
                    &w.removed.map(slashed),
                    &w.kind,
                    &codes.priority[usize::from(w.priority) - 1],
                    &flag(w.row.archive),
                ],
            )?;
        }
        for a in self.mine(person, &person.appointments, |a| &a.row) {
            let attended = ["0", "2", "3", "4", "5", "6", "7"].iter().position(|code| *code == a.attendance);
            let outcome = a.outcome.and_then(|code| code.parse::<usize>().ok()).map(|code| codes.outcome[code - 1]);
            self.database.insert(
                "SCHEDULES",
                &[
                    &a.row.number,
                    &person.patient_key(&a.row),
                    &slashed(a.start),
                    &slashed(add_minutes(a.start, i64::from(a.minutes))),
                    &attended.map(|i| codes.attendance[i]),
                    &a.planted_specialty.unwrap_or(a.specialty),
                    &a.clinic.code,
                    &outcome,
                    &a.consultant.row,
                    &a.referral.map(|i| person.referrals[i].row.number),
                    &flag(a.row.archive),
                ],
            )?;
            let at = a.is_future().then(|| self.clock.instant(a.start));
            let key = a.row.number.to_string();
            truth.fact(person, &a.row, Domain::Appointment, self.at("SCHEDULES", &key), at.as_deref())?;
        }
        Ok(())
    }

    fn bedside(&self, person: &Person, truth: &mut Truth) -> Result<()> {
        for m in self.mine(person, &person.medications, |m| &m.row) {
            let (start, end) = (slashed(m.started.at(0, 0, 0, 0)), m.stopped.map(|d| slashed(d.at(0, 0, 0, 0))));
            let patient = person.patient_key(&m.row);
            let flag = flag(m.row.archive);
            let cells: [&dyn rusqlite::ToSql; 10] =
                [&m.row.number, &patient, &m.dmd, &m.name, &m.dose, &m.amount, &m.unit, &start, &end, &flag];
            self.database.insert("MEDICATIONS", &cells)?;
            truth.defect(person, m.row.defect.as_ref(), self.at("MEDICATIONS", &m.row.number.to_string()))?;
        }
        for o in self.mine(person, &person.observations, |o| &o.row) {
            let code = o.planted_code.unwrap_or(o.code);
            let patient = person.patient_key(&o.row);
            let flag = flag(o.row.archive);
            self.database.insert(
                "OBSERVATIONS",
                &[&o.row.number, &patient, &slashed(o.taken), &slashed(o.reported), &code, &o.value, &o.unit, &flag],
            )?;
            truth.defect(person, o.row.defect.as_ref(), self.at("OBSERVATIONS", &o.row.number.to_string()))?;
        }
        for l in self.mine(person, &person.letters, |l| &l.row) {
            let patient = person.patient_key(&l.row);
            let flag = flag(l.row.archive);
            self.database.insert(
                "LETTERS",
                &[&l.row.number, &patient, &slashed(l.typed), &l.title, &l.mime, &l.content, &flag],
            )?;
            truth.defect(person, l.row.defect.as_ref(), self.at("LETTERS", &l.row.number.to_string()))?;
        }
        Ok(())
    }
}

fn flag(archive: Archive) -> &'static str {
    match archive {
        Archive::Live => "N",
        Archive::Archived => "Y",
        Archive::Deleted => "D",
    }
}

fn note(registration: &Registration) -> &'static str {
    match registration.archive {
        Archive::Archived => "archived",
        _ => rule_note(registration),
    }
}
