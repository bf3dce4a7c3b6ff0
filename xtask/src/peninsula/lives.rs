//! What happened to a person, and which organisation wrote it down.
//!
//! Each holder of records has facts of its own. What a part needs is always there, also in the clean twin.

use jiff::civil::{Date, DateTime, date};

use super::clock::AS_OF;
use super::dice::{Dice, Purpose, add_days, add_minutes, add_settled};
use super::estate::{Consultant, Place, SPECIALTIES, consultants, wards};
use super::model::{
    Alert, AlertKind, Allergy, Archive, EdAttendance, Episode, HospiceReferral, Kind, Letter, Medication, Observation,
    Organisation, Person, Problem, Row, Sex, Spell, Substance, UrgentCall,
};
use super::people::Identity;
use super::plan::Part;

/// SNOMED CT concepts with an ICD-10 code, as problem lists hold them. The first is long enough to be cut by a
/// spreadsheet.
pub(super) const PROBLEMS: [(&str, &str, &str); 13] = [
    ("10939881000119105", "F10.1", "Unhealthy drinking of alcohol"),
    ("368581000119106", "E11.4", "Neuropathy due to type 2 diabetes"),
    ("124171000119105", "G43.0", "Chronic intractable migraine"),
    ("44054006", "E11.9", "Type 2 diabetes mellitus"),
    ("38341003", "I10", "Hypertension"),
    ("195967001", "J45.9", "Asthma"),
    ("13645005", "J44.9", "Chronic obstructive airway disease"),
    ("84114007", "I50.9", "Heart failure"),
    ("49436004", "I48", "Atrial fibrillation"),
    ("396275006", "M19.9", "Osteoarthritis"),
    ("35489007", "F32.9", "Depressive disorder"),
    ("230690007", "I64", "Stroke"),
    ("709044004", "N18.9", "Chronic kidney disease"),
];

/// dm+d virtual products.
/// Product, name, dose in words, in numbers, and what it is counted in.
pub(super) const MEDICINES: [(&str, &str, &str, &str, &str); 6] = [
    ("42109611000001109", "Paracetamol 500mg tablets", "Two tablets up to four times a day", "2", "tablet"),
    ("319283006", "Amlodipine 5mg tablets", "One tablet each morning", "1", "tablet"),
    ("109081006", "Metformin 500mg tablets", "One tablet twice a day with food", "1", "tablet"),
    ("319997009", "Simvastatin 20mg tablets", "One tablet at night", "1", "tablet"),
    ("317291008", "Omeprazole 20mg gastro-resistant capsules", "One capsule each morning", "1", "capsule"),
    ("319775004", "Aspirin 75mg dispersible tablets", "One tablet each day", "1", "tablet"),
];

pub(super) const COMPLAINTS: [&str; 5] = ["29857009", "21522001", "267036007", "82271004", "25064002"];
pub(super) const DIAGNOSES: [&str; 5] = ["22298006", "195951007", "65363002", "125605004", "68566005"];
pub(super) const ED_DISCHARGES: [&str; 3] = ["182992009", "1066301000000103", "1066331000000109"];
const HOSPICE_REASONS: [&str; 5] =
    ["Symptom control", "Pain control", "Respite", "End of life care", "Breathlessness clinic"];
const CALLS: [(&str, (&str, &str)); 4] = [
    ("Chest pain", ("Dx012", "Emergency Ambulance Response")),
    ("Abdominal pain", ("Dx05", "To contact a Primary Care Service within 2 hours")),
    ("Fever in a child", ("Dx08", "To contact a Primary Care Service within 24 hours")),
    ("Toothache", ("Dx38", "Home care")),
];

/// A letter with a body that any reader opens; it names nobody.
pub(super) const LETTER_PDF: &[u8] =
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count \
1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// Fills a person's records with facts.
pub(crate) fn live(seed: u64, identity: &Identity, person: &mut Person) {
    let mut life = Life {
        dice: Dice::new(seed, identity.number, Purpose::Facts),
        identity,
        first: date(2019, 1, 1).max(add_days(identity.birth, 1)),
        last: identity.death.map_or(add_days(AS_OF, -1), |death| add_days(death.date(), -1)),
        allergic_to: Vec::new(),
        person,
        n_rows: 0,
    };
    life.everything();
}

/// The next free row number of a person who has lived.
pub(crate) fn next_row(person: &Person) -> u64 {
    let episodes = person.spells.iter().flat_map(|spell| &spell.episodes).map(|e| e.row.number);
    let heads = [
        person.allergies.iter().map(|f| f.row.number).max(),
        person.alerts.iter().map(|f| f.row.number).max(),
        person.problems.iter().map(|f| f.row.number).max(),
        person.spells.iter().map(|f| f.row.number).max(),
        episodes.max(),
        person.attendances.iter().map(|f| f.row.number).max(),
        person.referrals.iter().map(|f| f.row.number).max(),
        person.pathways.iter().map(|f| f.row.number).max(),
        person.waiting.iter().map(|f| f.row.number).max(),
        person.appointments.iter().map(|f| f.row.number).max(),
        person.contacts.iter().map(|f| f.row.number).max(),
        person.medications.iter().map(|f| f.row.number).max(),
        person.observations.iter().map(|f| f.row.number).max(),
        person.letters.iter().map(|f| f.row.number).max(),
        person.calls.iter().map(|f| f.row.number).max(),
        person.hospice_referrals.iter().map(|f| f.row.number).max(),
        person.tracks.iter().map(|f| f.row.number).max(),
    ];
    heads.into_iter().flatten().max().unwrap_or(person.number * 1000) + 1
}

pub(super) struct Life<'a> {
    pub(super) dice: Dice,
    pub(super) identity: &'a Identity,
    pub(super) person: &'a mut Person,
    /// Days within which anything was written down.
    pub(super) first: Date,
    pub(super) last: Date,
    allergic_to: Vec<Substance>,
    n_rows: u64,
}

impl Life<'_> {
    fn everything(&mut self) {
        let main = self.identity.main();
        let kind = self.identity.kind();
        let needs_allergy = matches!(kind, Some(Kind::Al02 | Kind::Al03 | Kind::Co04 | Kind::Da02));
        if needs_allergy || self.dice.percent(34) {
            let hospice_word = [Substance::Penicillin, Substance::Peanut, Substance::Latex, Substance::Egg];
            self.allergic_to.push(*self.dice.pick(&hospice_word));
            if self.dice.percent(35) {
                let other = *self.dice.pick(&Substance::ALL[4..8]);
                self.allergic_to.push(other);
            }
        }
        let mut inpatient_at = self.inpatient_at(main);
        for holder in 0..self.person.registrations.len() {
            let registration = &self.person.registrations[holder];
            let organisation = registration.organisation;
            if registration.archive != Archive::Live {
                continue;
            }
            let is_main = organisation == main;
            match organisation {
                Organisation::Nhs111 => self.calls(holder),
                Organisation::Hosp1 | Organisation::Hosp2 | Organisation::Hosp3 => self.hospice(holder, is_main),
                _ => {
                    let is_inpatient = inpatient_at == Some(organisation);
                    if is_inpatient {
                        inpatient_at = None;
                    }
                    self.trust(holder, organisation, is_main, is_inpatient);
                }
            }
        }
    }

    /// A person lies in one bed at most.
    fn inpatient_at(&mut self, main: Organisation) -> Option<Organisation> {
        let wanted = self.identity.kind() == Some(Kind::En01);
        let may = self.identity.death.is_none() && main.is_trust();
        (wanted || (self.dice.percent(9) && may)).then_some(main)
    }

    fn trust(&mut self, holder: usize, organisation: Organisation, is_main: bool, is_inpatient: bool) {
        let needed = if is_main { self.identity.kind() } else { None };
        self.allergies(holder, organisation, is_main);
        if needed == Some(Kind::Co04) || needed == Some(Kind::Da02) || self.dice.percent(14) {
            self.alert(holder, None);
        }
        if self.dice.percent(5) {
            let from = self.dice.day(self.first, self.last);
            let to = self.dice.day(from, self.last);
            self.alert(holder, Some((from, to)));
        }
        self.problems(holder, needed);
        if is_inpatient {
            self.spell(holder, organisation, true, false);
        }
        if needed == Some(Kind::En02) || self.dice.percent(22) {
            self.spell(holder, organisation, false, needed == Some(Kind::En02));
        }
        let has_ed = matches!(organisation, Organisation::Ref | Organisation::Rh8) && self.identity.death.is_none();
        let sees_clocks_change = self.identity.part == Part::ClockChange;
        if has_ed && (sees_clocks_change || self.dice.percent(30)) {
            self.attendance(holder, organisation, sees_clocks_change);
        }
        self.outpatient(holder, organisation, needed);
        self.community_and_cancer(holder, organisation, needed);
        if self.dice.percent(30) {
            for _ in 0..=self.dice.below(2) {
                self.medication(holder);
            }
        }
        if needed == Some(Kind::Co04) || self.dice.percent(22) {
            self.observations(holder);
        }
        if matches!(organisation, Organisation::Rk9 | Organisation::Ref) && self.dice.percent(12) {
            self.letter(holder);
        }
    }

    pub(super) fn row(&mut self, holder: usize) -> Row {
        self.n_rows += 1;
        let number = self.identity.number * 1000 + self.n_rows;
        Row { holder, number, archive: Archive::Live, orphan: None, defect: None }
    }

    /// As [`Life::row`], but now and then the row was archived or deleted since.
    pub(super) fn row_of_some_age(&mut self, holder: usize) -> Row {
        let archive = match self.dice.below(100) {
            0..4 => Archive::Archived,
            4..7 => Archive::Deleted,
            _ => Archive::Live,
        };
        Row { archive, ..self.row(holder) }
    }

    pub(super) fn some_day(&mut self) -> Date {
        self.dice.day(self.first, self.last)
    }

    fn some_time(&mut self) -> DateTime {
        let day = self.some_day();
        self.dice.any_hour(day)
    }

    pub(super) fn specialty(&mut self) -> usize {
        let age = self.identity.age_on(self.last);
        loop {
            let i = self.dice.below(SPECIALTIES.len() as u64) as usize;
            let fits = match SPECIALTIES[i].0 {
                "420" => age < 16,
                "430" => age >= 70,
                "502" => self.identity.sex == Sex::Female && age >= 16,
                "110" | "120" | "130" => true,
                _ => age >= 17,
            };
            if fits {
                return i;
            }
        }
    }

    fn allergies(&mut self, holder: usize, organisation: Organisation, is_main: bool) {
        let _ = organisation;
        for i in 0..self.allergic_to.len() {
            let must = is_main && i == 0 && self.identity.kind().is_some();
            if must || self.dice.percent(80) {
                let substance = self.allergic_to[i];
                self.allergy(holder, substance, must);
            }
        }
        if self.allergic_to.is_empty() && self.dice.percent(18) {
            self.allergy(holder, Substance::NoKnown, true);
        }
    }

    fn allergy(&mut self, holder: usize, substance: Substance, must: bool) {
        let row = if must { self.row(holder) } else { self.row_of_some_age(holder) };
        let is_active = must || !self.dice.percent(6);
        let recorded = self.some_time();
        let severity = self.dice.between(1, 3) as u8;
        let reactions = [" - rash", " - hives", ", swelling", ""];
        let text = match substance {
            Substance::NoKnown => "No known allergy".to_owned(),
            _ => format!("{}{}", substance_word(substance), self.dice.pick(&reactions)),
        };
        self.person.allergies.push(Allergy {
            row,
            substance: Some(substance),
            text,
            severity,
            planted_severity: None,
            recorded,
            is_active,
        });
    }

    fn alert(&mut self, holder: usize, ended: Option<(Date, Date)>) {
        use AlertKind::*;
        let kind = *self.dice.pick(&[Mrsa, Violence, Safeguarding, Dnacpr, Interpreter, Deaf]);
        let text = match kind {
            Mrsa => "MRSA carrier, isolate",
            Violence => "Has been violent to staff",
            Safeguarding => "Safeguarding concern, see notes",
            Dnacpr => "DNACPR form in place",
            Interpreter => "Needs an interpreter",
            Deaf => "Deaf, uses BSL",
        };
        let (from, to) = match ended {
            Some((from, to)) => (self.dice.any_hour(from), Some(to.at(23, 30, 0, 0))),
            None => (self.some_time(), None),
        };
        let row = self.row(holder);
        self.person.alerts.push(Alert { row, kind, planted_code: None, text: text.to_owned(), from, to });
    }

    fn problems(&mut self, holder: usize, needed: Option<Kind>) {
        let n = match needed {
            Some(Kind::Co01 | Kind::Da02) => 1,
            _ if self.dice.percent(35) => self.dice.between(1, 2),
            _ => 0,
        };
        for i in 0..n {
            let chosen = self.dice.below(PROBLEMS.len() as u64) as usize;
            // A spreadsheet cuts only a long identifier.
            let chosen = if needed == Some(Kind::Co01) && i == 0 { 0 } else { chosen };
            let (snomed, icd, text) = PROBLEMS[chosen];
            let onset = self.some_day();
            let resolved = self.dice.percent(20).then(|| self.dice.day(onset, self.last));
            let row = if needed.is_some() { self.row(holder) } else { self.row_of_some_age(holder) };
            let problem = Problem { row, snomed: snomed.to_owned(), icd, text: text.to_owned(), onset, resolved };
            self.person.problems.push(problem);
        }
    }

    fn spell(&mut self, holder: usize, organisation: Organisation, is_current: bool, must: bool) {
        let day = if is_current {
            let first = add_days(AS_OF, -20).max(add_days(self.identity.birth, 1));
            self.dice.day(first, add_days(AS_OF, -2))
        } else {
            self.dice.day(self.first, add_days(self.last, -30))
        };
        if !is_current && day >= add_days(self.last, -20) {
            return;
        }
        let admitted = day.at(self.dice.between(3, 21) as i8, self.dice.between(0, 59) as i8, 0, 0);
        let n_days = self.dice.between(2, 14);
        let discharged = (!is_current).then(|| add_days(day, n_days).at(self.dice.between(10, 18) as i8, 15, 0, 0));
        let n_episodes = if must { 2 } else { self.dice.between(1, 2) };
        let row = if is_current || must { self.row(holder) } else { self.row_of_some_age(holder) };
        let archive = row.archive;
        let middle = add_minutes(admitted, 26 * 60);
        let mut episodes = Vec::new();
        for sequence in 1..=n_episodes {
            let specialty = self.specialty();
            let started = if sequence == 1 { admitted } else { middle };
            let ended = if sequence < n_episodes { Some(middle) } else { discharged };
            let row = Row { archive, ..self.row(holder) };
            let consultant = &consultants(organisation)[specialty];
            let specialty = SPECIALTIES[specialty].0;
            let consultant: Option<&'static Consultant> = Some(consultant);
            episodes.push(Episode { row, sequence: sequence as u32, started, ended, specialty, consultant });
        }
        let method = *self.dice.pick(&["11", "12", "13", "21", "22", "24", "28", "81"]);
        let ward: &'static Place = &wards(organisation)[self.dice.below(6) as usize];
        let destination = *self.dice.pick(&["19", "19", "19", "54", "51"]);
        self.person.spells.push(Spell {
            row,
            admitted,
            discharged,
            ward: Some(ward),
            admission_method: method,
            admission_source: "19",
            discharge_method: discharged.map(|_| "1"),
            discharge_destination: discharged.map(|_| destination),
            episodes,
        });
    }

    fn attendance(&mut self, holder: usize, organisation: Organisation, clocks_change: bool) {
        let arrived = if clocks_change { date(2026, 10, 25).at(1, 30, 0, 0) } else { self.some_time() };
        let departed = add_settled(arrived, self.dice.between(70, 420));
        let mut row = self.row(holder);
        let is_withdrawn = organisation == Organisation::Ref && !clocks_change && self.dice.percent(5);
        if is_withdrawn {
            row.archive = Archive::Deleted;
        }
        let is_replaced = organisation == Organisation::Ref && !is_withdrawn && self.dice.percent(8);
        let n_diagnoses = self.dice.between(1, 2);
        let start = self.dice.below(5) as usize;
        let diagnoses = (0..n_diagnoses as usize).map(|i| DIAGNOSES[(start + i) % 5]).collect();
        let complaint = self.dice.pick(&COMPLAINTS);
        let category = self.dice.pick(&["1", "1", "1", "2"]);
        let discharge_status = self.dice.pick(&ED_DISCHARGES);
        self.person.attendances.push(EdAttendance {
            row,
            arrived,
            departed,
            complaint,
            diagnoses,
            category,
            discharge_status,
            is_withdrawn,
            is_replaced,
            is_site_known: true,
        });
    }

    fn medication(&mut self, holder: usize) {
        let (dmd, name, dose, amount, unit) = *self.dice.pick(&MEDICINES);
        let started = self.some_day();
        let stopped = self.dice.percent(30).then(|| self.dice.day(started, self.last));
        let row = self.row_of_some_age(holder);
        self.person.medications.push(Medication { row, dmd, name, dose, amount, unit, started, stopped });
    }

    fn observations(&mut self, holder: usize) {
        let taken = self.some_time();
        let first = self.dice.below(6) as usize;
        for i in 0..self.dice.between(1, 3) as usize {
            let tenth = self.dice.below(10);
            let (code, unit, value) = match (first + i) % 6 {
                0 => ("HT", "cm", self.dice.between(150, 195).to_string()),
                1 => ("WT", "kg", format!("{}.{tenth}", self.dice.between(48, 120))),
                2 => ("SPO2", "%", self.dice.between(88, 100).to_string()),
                3 => ("RESP", "/min", self.dice.between(10, 28).to_string()),
                4 => ("PULSE", "/min", self.dice.between(50, 120).to_string()),
                _ => ("TEMP", "Cel", format!("{}.{tenth}", self.dice.between(35, 39))),
            };
            let row = self.row(holder);
            let reported = add_settled(taken, 5);
            self.person.observations.push(Observation {
                row,
                taken,
                reported,
                is_local: false,
                code,
                planted_code: None,
                value,
                unit,
            });
        }
    }

    fn letter(&mut self, holder: usize) {
        let typed = self.some_time();
        let title = *self.dice.pick(&["Clinic letter", "Discharge summary", "Appointment letter"]);
        let row = self.row_of_some_age(holder);
        let (mime, content) = if self.dice.percent(50) {
            ("application/pdf", LETTER_PDF.to_vec())
        } else {
            (
                "text/plain",
                format!("{title}\r\nDear colleague,\r\nthank you for referring this patient.\r\n").into_bytes(),
            )
        };
        self.person.letters.push(Letter { row, typed, title, mime, content });
    }

    fn hospice(&mut self, holder: usize, is_main: bool) {
        let last = self.last;
        let referred = self.dice.day(date(2025, 1, 6).min(last).max(self.first), last);
        let row = self.row(holder);
        let reason = (*self.dice.pick(&HOSPICE_REASONS)).to_owned();
        self.person.hospice_referrals.push(HospiceReferral { row, referred, reason });
        let must = is_main && self.identity.kind() == Some(Kind::Al02);
        let word = match self.allergic_to.first() {
            Some(substance) if must || self.dice.percent(70) => Some(*substance),
            None if self.dice.percent(30) => Some(Substance::NoKnown),
            _ => None,
        };
        if let Some(substance) = word {
            let row = self.row(holder);
            let recorded = referred.at(12, 0, 0, 0);
            self.person.allergies.push(Allergy {
                row,
                substance: Some(substance),
                text: substance_word(substance).to_owned(),
                severity: 2,
                planted_severity: None,
                recorded,
                is_active: true,
            });
        }
    }

    fn calls(&mut self, holder: usize) {
        let day = self.dice.day(date(2025, 6, 1).min(self.last).max(self.first), self.last);
        let mut started = day.at(self.dice.between(5, 11) as i8, self.dice.between(0, 59) as i8, 0, 0);
        let n = if self.dice.percent(25) { self.dice.between(2, 3) } else { 1 };
        let mut envelope = None;
        for _ in 0..n {
            let row = self.row(holder);
            let envelope = *envelope.get_or_insert(row.number);
            let ended = add_minutes(started, self.dice.between(6, 25));
            let (high, low) = (self.dice.below(1 << 48), self.dice.below(1 << 48));
            let set = format!(
                "{:08X}-{:04X}-4{:03X}-8{:03X}-{:012X}",
                high >> 16,
                high & 0xFFFF,
                row.number & 0xFFF,
                (row.number >> 12) & 0xFFF,
                low
            );
            let n_versions = if self.dice.percent(15) { 2 } else { 1 };
            let (complaint, disposition) = *self.dice.pick(&CALLS);
            self.person.calls.push(UrgentCall {
                row,
                set,
                n_versions,
                envelope,
                started,
                ended,
                complaint,
                disposition,
            });
            started = add_minutes(ended, self.dice.between(60, 240));
        }
    }
}

/// The word for a substance in ordinary spelling.
pub(crate) fn substance_word(substance: Substance) -> &'static str {
    match substance {
        Substance::Penicillin => "Penicillin",
        Substance::Peanut => "Peanut",
        Substance::Latex => "Latex",
        Substance::Egg => "Egg",
        Substance::Aspirin => "Aspirin",
        Substance::Sulfonamide => "Sulfonamide",
        Substance::Iodine => "Iodine contrast",
        Substance::Shellfish => "Shellfish",
        Substance::NoKnown => "NKDA",
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::verhoeff;
    use super::*;

    #[test]
    fn every_identifier_of_a_concept_has_its_check_digit() {
        let products = MEDICINES.iter().map(|m| m.0);
        let all = PROBLEMS.iter().map(|p| p.0).chain(products).chain(COMPLAINTS).chain(DIAGNOSES).chain(ED_DISCHARGES);
        for id in all {
            let (digits, check) = id.split_at(id.len() - 1);
            assert_eq!(verhoeff(digits).to_string(), check, "{id}");
        }
    }
}
