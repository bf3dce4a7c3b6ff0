//! RH8's present record: a FHIR R4 bulk export, one NDJSON file a type, as a supplier's server writes it.
//!
//! The resources are of the UK Core's shape. What such exports have besides is here too: ids that say nothing, versions
//! and times of update, narratives, a contained resource, extensions of the supplier's own, numbers whose digits count.
//!
//! | what you want to find | module |
//! |---|---|
//! | files, references, what is exported of whom | this one |
//! | each type's shape | [`super::rh8_shapes`] |

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::civil::DateTime;

use super::clock::{Clock, iso_date};
use super::estate::{Consultant, Place, clinics, consultants, wards};
use super::json::Json;
use super::model::{Appointment, Archive, Defect, Exporter, Kind, Organisation, Person, Row, Setting, System};
use super::nhs111::mixed;
use super::rh8_shapes as shapes;
use super::truth::{At, Domain, Truth, rule_note};

/// The types of the export; every one has its file, with or without lines.
const TYPES: [&str; 13] = [
    "AllergyIntolerance",
    "Appointment",
    "Condition",
    "Encounter",
    "EpisodeOfCare",
    "Flag",
    "Location",
    "MedicationStatement",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "ServiceRequest",
];

/// Writes `rh8/<Type>.ndjson`.
pub(crate) struct Rh8 {
    clock: Clock,
    files: BTreeMap<&'static str, BufWriter<File>>,
    line: String,
}

/// Creates the export below `folder`, with the trust, its places and its staff in it.
pub(crate) fn create(folder: &Path, _setting: &Setting) -> Result<Box<dyn Exporter>> {
    let folder: PathBuf = folder.join("rh8");
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let mut files = BTreeMap::new();
    for name in TYPES {
        let path = folder.join(format!("{name}.ndjson"));
        let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
        files.insert(name, BufWriter::new(file));
    }
    let mut export = Rh8 { clock: Clock::new(), files, line: String::new() };
    export.write("Organization", &shapes::trust())?;
    for practice in &super::estate::PRACTICES {
        export.write("Organization", &shapes::practice(practice))?;
    }
    for place in wards(Organisation::Rh8).iter().chain(clinics(Organisation::Rh8)) {
        export.write("Location", &shapes::location(place))?;
    }
    for consultant in consultants(Organisation::Rh8) {
        export.write("Practitioner", &shapes::practitioner(consultant))?;
    }
    Ok(Box::new(export))
}

/// What a resource's id is made from; the same number gives another id in another role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Patient,
    Fact,
    /// The attendance of an appointment: the appointment is a fact of its own.
    Visit,
    Place,
    Staff,
    Organisation,
}

/// An id as the supplier's server gives them: 24 letters and digits, of which the first is an `e`.
pub(super) fn id(role: Role, number: u64) -> String {
    const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let seed = mixed(number ^ ((role as u64 + 1) << 56));
    let mut id = String::from("e");
    let mut rest = (u128::from(seed) << 64) | u128::from(mixed(seed));
    for _ in 0..21 {
        id.push(char::from(DIGITS[usize::try_from(rest % 62).expect("a remainder is small")]));
        rest /= 62;
    }
    // Ids of one server end alike.
    id.push_str("w3");
    id
}

/// Times as instants, and references to what is exported of the person.
pub(super) struct View<'a> {
    pub clock: &'a Clock,
    pub person: &'a Person,
}

impl View<'_> {
    /// Whether a row is in this export: it knows no archived rows.
    pub(super) fn has(&self, row: &Row) -> bool {
        let holder = &self.person.registrations[row.holder];
        holder.organisation == Organisation::Rh8 && holder.archive != Archive::Deleted && row.archive == Archive::Live
    }

    pub(super) fn patient(&self, row: &Row) -> String {
        format!("Patient/{}", id(Role::Patient, self.person.patient_key(row)))
    }

    /// The reference to a fact, where it is exported.
    pub(super) fn fact(&self, resource_type: &str, row: Option<&Row>) -> String {
        match row {
            Some(row) if self.has(row) => format!("{resource_type}/{}", id(Role::Fact, row.number)),
            _ => String::new(),
        }
    }

    pub(super) fn instant(&self, local: DateTime) -> String {
        self.clock.instant(local)
    }
}

pub(super) fn place_reference(place: &Place) -> String {
    format!("Location/{}", id(Role::Place, u64::from(place.row)))
}

pub(super) fn staff_reference(consultant: &Consultant) -> String {
    format!("Practitioner/{}", id(Role::Staff, u64::from(consultant.row)))
}

impl Rh8 {
    fn write(&mut self, resource_type: &str, resource: &Json) -> Result<()> {
        self.line.clear();
        resource.write(&mut self.line);
        self.line.push('\n');
        let file = self.files.get_mut(resource_type).expect("every type has its file");
        Ok(file.write_all(self.line.as_bytes())?)
    }
}

/// The place of a fact's resource, as the staged tables have it.
fn at<'a>(table: &'a str, key: &'a str) -> At<'a> {
    At { system: System::Rh8Epic, table, key }
}

impl Exporter for Rh8 {
    fn person(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        let mut held = person.held_by(Organisation::Rh8).peekable();
        if held.peek().is_none() {
            return Ok(());
        }
        for (_, registration) in held.filter(|(_, r)| r.archive != Archive::Deleted) {
            let key = id(Role::Patient, registration.row);
            let patient = shapes::patient(&self.clock, &key, registration);
            self.write("Patient", &patient)?;
            truth.record(person, registration, at("Patient", &key), rule_note(registration))?;
        }
        self.identified(person, truth)?;
        self.stays(person, truth)?;
        self.appointments(person, truth)?;
        self.requests(person, truth)?;
        self.findings(person, truth)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        for file in self.files.values_mut() {
            file.flush()?;
        }
        Ok(())
    }
}

impl Rh8 {
    /// Writes one resource of a row and tells the answer key.
    fn put(
        &mut self,
        person: &Person,
        row: &Row,
        table: &'static str,
        resource: &Json,
        truth: &mut Truth,
        fact: Option<(Domain, Option<&str>)>,
    ) -> Result<()> {
        self.write(table, resource)?;
        let key = id(Role::Fact, row.number);
        match fact {
            Some((domain, live_at)) => truth.fact(person, row, domain, at(table, &key), live_at),
            None => truth.defect(person, row.defect.as_ref(), at(table, &key)),
        }
    }

    fn identified(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for allergy in &person.allergies {
            let view = View { clock: &self.clock, person };
            if view.has(&allergy.row) {
                let resource = shapes::allergy(&view, allergy);
                let since = view.instant(allergy.recorded);
                let live = allergy.is_live().then_some(since.as_str());
                self.put(person, &allergy.row, "AllergyIntolerance", &resource, truth, Some((Domain::Allergy, live)))?;
            }
        }
        for alert in &person.alerts {
            let view = View { clock: &self.clock, person };
            if view.has(&alert.row) {
                let resource = shapes::flag(&view, alert);
                let since = view.instant(alert.from);
                let live = alert.is_live().then_some(since.as_str());
                self.put(person, &alert.row, "Flag", &resource, truth, Some((Domain::Alert, live)))?;
            }
        }
        Ok(())
    }

    fn stays(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for spell in &person.spells {
            let view = View { clock: &self.clock, person };
            if !view.has(&spell.row) {
                continue;
            }
            let resource = shapes::spell(&view, spell);
            let since = view.instant(spell.admitted);
            let live = spell.is_current().then_some(since.as_str());
            self.put(person, &spell.row, "Encounter", &resource, truth, Some((Domain::Spell, live)))?;
            for episode in &spell.episodes {
                let view = View { clock: &self.clock, person };
                if view.has(&episode.row) {
                    let resource = shapes::episode(&view, spell, episode);
                    self.put(person, &episode.row, "Encounter", &resource, truth, None)?;
                }
            }
        }
        for attendance in &person.attendances {
            let view = View { clock: &self.clock, person };
            if view.has(&attendance.row) {
                let resource = shapes::emergency(&view, attendance);
                self.put(person, &attendance.row, "Encounter", &resource, truth, None)?;
            }
        }
        Ok(())
    }

    fn appointments(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for appointment in &person.appointments {
            let view = View { clock: &self.clock, person };
            if !view.has(&appointment.row) {
                continue;
            }
            let resource = shapes::appointment(&view, appointment);
            let visit = appointment.was_attended().then(|| shapes::visit(&view, appointment));
            let start = view.instant(appointment.start);
            let live = appointment.is_future().then_some(start.as_str());
            self.put(person, &appointment.row, "Appointment", &resource, truth, Some((Domain::Appointment, live)))?;
            if let Some(visit) = visit {
                self.write("Encounter", &visit)?;
                // The outcome stands on the attendance only: either of the two rows is where it may be found.
                if let Some(again) = outcome_defect(person, appointment) {
                    let key = id(Role::Visit, appointment.row.number);
                    truth.defect(person, Some(&again), at("Encounter", &key))?;
                }
            }
        }
        Ok(())
    }

    fn requests(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for referral in &person.referrals {
            let view = View { clock: &self.clock, person };
            if view.has(&referral.row) {
                let resource = shapes::referral(&view, referral);
                self.put(person, &referral.row, "ServiceRequest", &resource, truth, None)?;
            }
        }
        for entry in &person.waiting {
            let view = View { clock: &self.clock, person };
            if view.has(&entry.row) {
                let resource = shapes::waiting(&view, entry);
                self.put(person, &entry.row, "ServiceRequest", &resource, truth, None)?;
            }
        }
        for pathway in &person.pathways {
            let view = View { clock: &self.clock, person };
            if view.has(&pathway.row) {
                let resource = shapes::pathway(&view, pathway);
                let since = iso_date(pathway.start);
                let live = pathway.is_open().then_some(since.as_str());
                self.put(person, &pathway.row, "EpisodeOfCare", &resource, truth, Some((Domain::Rtt, live)))?;
            }
        }
        Ok(())
    }

    fn findings(&mut self, person: &Person, truth: &mut Truth) -> Result<()> {
        for problem in &person.problems {
            let view = View { clock: &self.clock, person };
            if view.has(&problem.row) {
                let resource = shapes::problem(&view, problem);
                self.put(person, &problem.row, "Condition", &resource, truth, None)?;
            }
        }
        for medication in &person.medications {
            let view = View { clock: &self.clock, person };
            if view.has(&medication.row) {
                let resource = shapes::medication(&view, medication);
                self.put(person, &medication.row, "MedicationStatement", &resource, truth, None)?;
            }
        }
        for observation in &person.observations {
            let view = View { clock: &self.clock, person };
            if view.has(&observation.row) {
                let resource = shapes::observation(&view, observation);
                self.put(person, &observation.row, "Observation", &resource, truth, None)?;
            }
        }
        Ok(())
    }
}

/// The planted outcome of an appointment, as the defect of a second row.
fn outcome_defect(person: &Person, appointment: &Appointment) -> Option<Defect> {
    let defect = appointment.row.defect.as_ref().filter(|defect| defect.kind == Kind::Ap04)?;
    Some(Defect { of: Some(defect.of.unwrap_or(person.number)), ..defect.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample;
    use super::*;

    fn resources(folder: &Path, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(folder.join(format!("rh8/{name}.ndjson"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_line_is_a_resource_of_its_file_with_an_id_of_its_own() {
        let folder = sample::exported(create, &[sample::person()]);
        let mut ids = std::collections::BTreeSet::new();
        for name in TYPES {
            for resource in resources(folder.path(), name) {
                assert_eq!(resource["resourceType"], name);
                let id = resource["id"].as_str().unwrap().to_owned();
                assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
                assert!(ids.insert((name, id)), "{name}");
            }
        }
        for name in TYPES {
            assert!(ids.iter().any(|(of, _)| *of == name), "{name}");
        }
    }

    #[test]
    fn references_lead_to_what_is_exported() {
        let folder = sample::exported(create, &[sample::person()]);
        let mut targets = std::collections::BTreeSet::new();
        let mut references = Vec::new();
        for name in TYPES {
            for resource in resources(folder.path(), name) {
                targets.insert(format!("{name}/{}", resource["id"].as_str().unwrap()));
                collect(&resource, &mut references);
            }
        }
        assert!(references.len() > 20);
        for reference in references {
            assert!(targets.contains(&reference) || reference == "#recorder", "a reference leads nowhere");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str() {
                        Some(reference) if name == "reference" => references.push(reference.to_owned()),
                        _ => collect(value, references),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }

    #[test]
    fn digits_and_offsets_stand_as_they_were_measured() {
        let folder = sample::exported(create, &[sample::person()]);
        let text = std::fs::read_to_string(folder.path().join("rh8/Observation.ndjson")).unwrap();
        assert!(text.contains("\"value\":72.50,\"unit\":\"kg\""));
        let appointments = resources(folder.path(), "Appointment");
        assert_eq!(appointments[0]["start"], "2027-04-01T09:30:00+01:00");
        assert_eq!(appointments[0]["end"], "2027-04-01T09:50:00+01:00");
        assert_eq!(appointments[0]["participant"][1]["actor"]["display"], "CARDIOLOGY CLINIC");
        let encounters = resources(folder.path(), "Encounter");
        assert_eq!(encounters[0]["period"]["start"], "2026-10-20T12:00:00+01:00");
        assert_eq!(
            encounters[1]["partOf"]["reference"],
            format!("Encounter/{}", encounters[0]["id"].as_str().unwrap())
        );
    }

    #[test]
    fn the_answer_key_names_the_rows() {
        let folder = sample::exported(create, &[sample::person()]);
        let patient = resources(folder.path(), "Patient")[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(
            sample::truth_lines(folder.path(), "records.csv"),
            [format!("P0000001,RH8,epic,Patient,{patient},true,true,meets the rule")]
        );
        let facts = sample::truth_lines(folder.path(), "facts.csv");
        let domains: Vec<&str> = facts.iter().map(|line| line.split(',').nth(2).unwrap()).collect();
        assert_eq!(domains, ["allergy", "alert", "spell", "appointment", "rtt"]);
        let defects = sample::truth_lines(folder.path(), "defects.csv");
        let places: Vec<Vec<&str>> = defects.iter().map(|line| line.split(',').collect()).collect();
        assert_eq!((places[0][3], places[1][3]), ("Appointment", "Encounter"));
        assert_eq!(places[0][7], places[1][7]);
    }

    #[test]
    fn archived_rows_are_not_in_the_export_and_nothing_refers_to_them() {
        let mut person = sample::person();
        person.referrals[0].row.archive = Archive::Archived;
        let folder = sample::exported(create, &[person]);
        let requests = resources(folder.path(), "ServiceRequest");
        assert_eq!(requests.len(), 1);
        assert!(requests[0].get("basedOn").is_none());
        assert!(resources(folder.path(), "EpisodeOfCare")[0].get("referralRequest").is_none());
    }
}
