//! The shape of each type in RH8's export.
//!
//! Long because it is one shape after the other: what every type looks like is found in one place.

use super::clock::{Clock, iso_date};
use super::estate::{Consultant, Place, PlaceKind, Practice, SPECIALTIES};
use super::json::{Json, flag as truth_value, list, number, object, some, text};
use super::model::{
    Alert, AlertKind, Allergy, Appointment, Archive, EdAttendance, Episode, Medication, Observation, Pathway, Problem,
    Referral, Registration, Sex, Spell, Substance, WaitingEntry,
};
use super::nhs111::mixed;
use super::rh8::{Role, View, id, place_reference, staff_reference};

const SNOMED: &str = "http://snomed.info/sct";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const UK: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-";
/// The supplier's own objects: local codes and identifiers.
const LOCAL: &str = "urn:oid:1.2.840.114350.1.13.8888.2.7";

pub(super) fn trust() -> Json {
    object([
        ("resourceType", text("Organization")),
        ("id", text(id(Role::Organisation, 1))),
        ("meta", meta(1)),
        ("identifier", list([identifier(ODS, "RH8")])),
        ("active", truth_value(true)),
        ("name", text("ROYAL DEVON AND EXETER NHS FOUNDATION TRUST")),
    ])
}

pub(super) fn practice(practice: &Practice) -> Json {
    object([
        ("resourceType", text("Organization")),
        ("id", text(id(Role::Organisation, u64::from(practice.row)))),
        ("meta", meta(u64::from(practice.row))),
        ("identifier", list([identifier(ODS, practice.ods)])),
        ("active", truth_value(true)),
        ("name", text(practice.name)),
    ])
}

pub(super) fn location(place: &Place) -> Json {
    let kind = match place.kind {
        PlaceKind::Ward => ("wa", "Ward"),
        PlaceKind::Clinic => ("ro", "Room"),
    };
    object([
        ("resourceType", text("Location")),
        ("id", text(id(Role::Place, u64::from(place.row)))),
        ("meta", meta(u64::from(place.row))),
        ("identifier", list([identifier(&format!("{LOCAL}.2.686980"), place.code)])),
        ("status", text("active")),
        ("name", text(place.name)),
        ("mode", text("instance")),
        ("physicalType", concept("http://terminology.hl7.org/CodeSystem/location-physical-type", kind.0, Some(kind.1))),
        ("managingOrganization", organisation("RH8")),
    ])
}

pub(super) fn practitioner(consultant: &Consultant) -> Json {
    object([
        ("resourceType", text("Practitioner")),
        ("id", text(id(Role::Staff, u64::from(consultant.row)))),
        ("meta", meta(u64::from(consultant.row))),
        ("identifier", list([identifier("https://fhir.hl7.org.uk/Id/gmc-number", consultant.gmc)])),
        ("active", truth_value(true)),
        (
            "name",
            list([object([
                ("use", text("official")),
                ("family", text(consultant.family)),
                ("given", list([text(consultant.given)])),
                ("prefix", list([text(consultant.title)])),
            ])]),
        ),
    ])
}

pub(super) fn patient(clock: &Clock, key: &str, registration: &Registration) -> Json {
    let row = registration.row;
    let family = registration.family.as_deref().unwrap_or_default();
    let given = registration.given.as_deref().unwrap_or_default();
    let former = registration.former.iter().map(|name| {
        object([
            ("use", text("old")),
            ("family", text(name.family.as_str())),
            ("given", list([some(given)])),
            ("period", object([("end", text(iso_date(name.until)))])),
        ])
    });
    let official = object([
        ("family", some(family)),
        ("given", list([some(given), some(registration.second.as_deref().unwrap_or_default())])),
    ]);
    let official = match official {
        Json::Object(mut members) if !members.is_empty() => {
            members.insert(0, ("use", text("official")));
            Json::Object(members)
        }
        _ => Json::Nothing,
    };
    let telecom = |system: &'static str, value: &Option<String>| {
        let value = value.as_deref().unwrap_or_default();
        if value.is_empty() {
            return Json::Nothing;
        }
        object([("system", text(system)), ("value", text(value)), ("use", text("home"))])
    };
    let address = &registration.address;
    object([
        ("resourceType", text("Patient")),
        ("id", text(key)),
        ("meta", meta(row)),
        ("text", narrative(row, "Patient record")),
        (
            "extension",
            list([
                extension("EthnicCategory", national("EthnicCategoryEngland", registration.ethnic)),
                suppliers_extension(row, "legal-sex"),
            ]),
        ),
        (
            "identifier",
            list([
                object([
                    ("use", text("usual")),
                    ("type", medical_record_number()),
                    ("system", text(format!("{LOCAL}.5.737384.14"))),
                    ("value", text(registration.local_number.as_str())),
                ]),
                nhs_number(registration, registration.nhs_number.as_deref()),
                nhs_number(registration, registration.special.other_number.as_deref()),
            ]),
        ),
        ("active", truth_value(registration.archive == Archive::Live)),
        ("name", list(std::iter::once(official).chain(former))),
        ("telecom", list([telecom("phone", &registration.phone), telecom("email", &registration.email)])),
        (
            "gender",
            some(match registration.sex {
                Some(Sex::Male) => "male",
                Some(Sex::Female) => "female",
                Some(Sex::Other) => "other",
                None => "",
            }),
        ),
        ("birthDate", some(&registration.birth.map(iso_date).unwrap_or_default())),
        ("deceasedDateTime", some(&registration.death.map(|at| clock.instant(at)).unwrap_or_default())),
        (
            "address",
            list([object([
                ("use", text("home")),
                ("line", list([some(&address.line1), some(address.line2.as_deref().unwrap_or_default())])),
                ("city", some(address.city)),
                ("postalCode", some(&address.postcode)),
            ])]),
        ),
        ("maritalStatus", marital_status(registration.marital)),
        (
            "generalPractitioner",
            list([object([
                ("type", text("Organization")),
                ("identifier", identifier(ODS, registration.practice.ods)),
                ("display", text(registration.practice.name)),
            ])]),
        ),
        ("managingOrganization", organisation("RH8")),
        ("link", list([registration.special.replaced_by.map_or(Json::Nothing, replaced_by)])),
    ])
}

fn replaced_by(row: u64) -> Json {
    object([("other", reference(&format!("Patient/{}", id(Role::Patient, row)))), ("type", text("replaced-by"))])
}

/// UK Core takes `S` from HL7's code system and the others from the national one.
fn marital_status(national_code: char) -> Json {
    match national_code {
        'S' => concept("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "S", None),
        code => national("PersonMaritalStatusEngland", &code.to_string()),
    }
}

fn nhs_number(registration: &Registration, digits: Option<&str>) -> Json {
    let Some(digits) = digits else { return Json::Nothing };
    let status = registration.status.map_or(Json::Nothing, |status| {
        extension("NHSNumberVerificationStatus", national("NHSNumberVerificationStatusEngland", status))
    });
    object([
        ("extension", list([status])),
        ("use", text("official")),
        ("system", text("https://fhir.nhs.uk/Id/nhs-number")),
        ("value", text(digits)),
    ])
}

pub(super) fn allergy(view: &View<'_>, allergy: &Allergy) -> Json {
    let row = &allergy.row;
    let code = allergy.substance.map_or(Json::Nothing, |substance| {
        let (code, display) = substance_code(substance);
        list([coding(SNOMED, code, Some(display))])
    });
    // The one who recorded it is known by name only, and so stands inside the resource.
    let is_recorder_known = mixed(row.number ^ 7).is_multiple_of(7);
    let recorder = object([
        ("resourceType", text("Practitioner")),
        ("id", text("recorder")),
        ("name", list([object([("text", text("Admitting nurse"))])])),
    ]);
    let status = if allergy.is_active { "active" } else { "inactive" };
    object([
        ("resourceType", text("AllergyIntolerance")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("text", narrative(row.number, "Allergy")),
        ("contained", if is_recorder_known { list([recorder]) } else { Json::Nothing }),
        ("clinicalStatus", concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", status, None)),
        (
            "verificationStatus",
            concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed", None),
        ),
        ("category", list([some(category(allergy.substance))])),
        (
            "criticality",
            if allergy.substance == Some(Substance::NoKnown) {
                Json::Nothing
            } else {
                text(match allergy.severity {
                    1 => "low",
                    2 => "unable-to-assess",
                    _ => "high",
                })
            },
        ),
        ("code", object([("coding", code), ("text", text(allergy.text.as_str()))])),
        ("patient", reference(&view.patient(row))),
        ("recordedDate", text(view.instant(allergy.recorded))),
        ("recorder", if is_recorder_known { reference("#recorder") } else { Json::Nothing }),
    ])
}

/// The SNOMED CT code and its term. Source: SNOMED CT, UK edition.
pub(super) fn substance_code(substance: Substance) -> (&'static str, &'static str) {
    match substance {
        Substance::Penicillin => ("91936005", "Allergy to penicillin"),
        Substance::Peanut => ("91935009", "Allergy to peanut"),
        Substance::Latex => ("300916003", "Latex allergy"),
        Substance::Egg => ("91930004", "Allergy to egg protein"),
        Substance::Aspirin => ("293586001", "Allergy to aspirin"),
        Substance::Sulfonamide => ("91939003", "Allergy to sulfonamide"),
        Substance::Iodine => ("293637006", "Allergy to contrast media"),
        Substance::Shellfish => ("300913006", "Shellfish allergy"),
        Substance::NoKnown => ("716186003", "No known allergy"),
    }
}

fn category(substance: Option<Substance>) -> &'static str {
    match substance {
        Some(Substance::Penicillin | Substance::Aspirin | Substance::Sulfonamide | Substance::Iodine) => "medication",
        Some(Substance::Peanut | Substance::Egg | Substance::Shellfish) => "food",
        Some(Substance::Latex) => "environment",
        Some(Substance::NoKnown) | None => "",
    }
}

pub(super) fn flag(view: &View<'_>, alert: &Alert) -> Json {
    let row = &alert.row;
    // The two that SNOMED CT has no plain concept for are the peninsula's own.
    let own = "https://fhir.peninsula.example/CodeSystem/alert";
    let (system, code) = match alert.kind {
        AlertKind::Mrsa => (SNOMED, "432415000"),
        AlertKind::Violence => (own, "violence"),
        AlertKind::Safeguarding => (own, "safeguarding"),
        AlertKind::Dnacpr => (SNOMED, "450476008"),
        AlertKind::Interpreter => (SNOMED, "315594003"),
        AlertKind::Deaf => (SNOMED, "15188001"),
    };
    let code = alert
        .planted_code
        .map_or_else(|| coding(system, code, None), |planted| coding(&format!("{LOCAL}.10.726582"), planted, None));
    object([
        ("resourceType", text("Flag")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("status", text(if alert.to.is_none() { "active" } else { "inactive" })),
        ("code", object([("coding", list([code])), ("text", text(alert.text.as_str()))])),
        ("subject", reference(&view.patient(row))),
        (
            "period",
            object([
                ("start", text(view.instant(alert.from))),
                ("end", some(&alert.to.map(|to| view.instant(to)).unwrap_or_default())),
            ]),
        ),
    ])
}

pub(super) fn problem(view: &View<'_>, problem: &Problem) -> Json {
    let row = &problem.row;
    let status = if problem.resolved.is_some() { "resolved" } else { "active" };
    object([
        ("resourceType", text("Condition")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("text", narrative(row.number, "Problem")),
        ("clinicalStatus", concept("http://terminology.hl7.org/CodeSystem/condition-clinical", status, None)),
        (
            "verificationStatus",
            concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", None),
        ),
        (
            "category",
            list([concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item", None)]),
        ),
        (
            "code",
            object([
                (
                    "coding",
                    list([
                        if problem.snomed.is_empty() { Json::Nothing } else { coding(SNOMED, &problem.snomed, None) },
                        if problem.icd.is_empty() {
                            Json::Nothing
                        } else {
                            coding("http://hl7.org/fhir/sid/icd-10", problem.icd, None)
                        },
                    ]),
                ),
                ("text", text(problem.text.as_str())),
            ]),
        ),
        ("subject", reference(&view.patient(row))),
        ("onsetDateTime", text(iso_date(problem.onset))),
        ("abatementDateTime", some(&problem.resolved.map(iso_date).unwrap_or_default())),
    ])
}

pub(super) fn spell(view: &View<'_>, spell: &Spell) -> Json {
    let row = &spell.row;
    let discharge_method = spell
        .discharge_method
        .map_or(Json::Nothing, |code| extension("DischargeMethod", national("DischargeMethodEngland", code)));
    let location = spell.ward.map_or(Json::Nothing, |ward| {
        object([("location", object([("reference", text(place_reference(ward))), ("display", text(ward.name))]))])
    });
    object([
        ("resourceType", text("Encounter")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("extension", list([discharge_method, suppliers_extension(row.number, "accidentrelated")])),
        ("identifier", list([identifier(&format!("{LOCAL}.3.698084.8"), &row.number.to_string())])),
        ("status", text(if spell.discharged.is_none() { "in-progress" } else { "finished" })),
        ("class", class("IMP")),
        ("subject", reference(&view.patient(row))),
        ("period", period(view, spell.admitted, spell.discharged)),
        (
            "hospitalization",
            object([
                (
                    "extension",
                    list([extension("AdmissionMethod", national("AdmissionMethodEngland", spell.admission_method))]),
                ),
                ("admitSource", national("SourceOfAdmissionEngland", spell.admission_source)),
                (
                    "dischargeDisposition",
                    spell
                        .discharge_destination
                        .map_or(Json::Nothing, |code| national("DischargeDestinationEngland", code)),
                ),
            ]),
        ),
        ("location", list([location])),
        ("serviceProvider", organisation("RH8")),
    ])
}

pub(super) fn episode(view: &View<'_>, spell: &Spell, episode: &Episode) -> Json {
    let row = &episode.row;
    let participant = episode.consultant.map_or(Json::Nothing, attending);
    object([
        ("resourceType", text("Encounter")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("identifier", list([identifier(&format!("{LOCAL}.3.698084.9"), &episode.sequence.to_string())])),
        ("status", text(if episode.ended.is_none() { "in-progress" } else { "finished" })),
        ("class", class("IMP")),
        ("serviceType", specialty(episode.specialty)),
        ("subject", reference(&view.patient(row))),
        ("participant", list([participant])),
        ("period", period(view, episode.started, episode.ended)),
        ("serviceProvider", organisation("RH8")),
        ("partOf", reference(&view.fact("Encounter", Some(&spell.row)))),
    ])
}

pub(super) fn emergency(view: &View<'_>, attendance: &EdAttendance) -> Json {
    let row = &attendance.row;
    let reasons = std::iter::once(attendance.complaint).chain(attendance.diagnoses.iter().copied());
    object([
        ("resourceType", text("Encounter")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number + u64::from(attendance.is_replaced))),
        (
            "extension",
            list([extension("EmergencyCareDischargeStatus", concept(SNOMED, attendance.discharge_status, None))]),
        ),
        ("status", text("finished")),
        ("class", class("EMER")),
        ("subject", reference(&view.patient(row))),
        ("period", period(view, attendance.arrived, Some(attendance.departed))),
        ("reasonCode", list(reasons.map(|code| concept(SNOMED, code, None)))),
        ("serviceProvider", if attendance.is_site_known { organisation("RH8") } else { Json::Nothing }),
    ])
}

pub(super) fn appointment(view: &View<'_>, appointment: &Appointment) -> Json {
    let row = &appointment.row;
    let end = appointment.start.saturating_add(jiff::Span::new().minutes(i64::from(appointment.minutes)));
    let clinic = appointment.clinic;
    let party = |actor: String, display: &str| {
        object([
            ("actor", object([("reference", text(actor)), ("display", some(display))])),
            ("required", text("required")),
            ("status", text("accepted")),
        ])
    };
    let request = view.fact("ServiceRequest", appointment.referral.map(|at| &view.person.referrals[at].row));
    object([
        ("resourceType", text("Appointment")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("identifier", list([identifier(&format!("{LOCAL}.3.698084.7"), &row.number.to_string())])),
        (
            "status",
            text(match appointment.attendance {
                "0" => "booked",
                "5" | "6" => "fulfilled",
                "3" | "7" => "noshow",
                _ => "cancelled",
            }),
        ),
        (
            "serviceType",
            list([match appointment.planted_specialty {
                Some(planted) => concept(TREATMENT_FUNCTIONS, planted, None),
                None => specialty(appointment.specialty),
            }]),
        ),
        ("start", text(view.instant(appointment.start))),
        ("end", text(view.instant(end))),
        ("minutesDuration", number(&appointment.minutes.to_string())),
        ("basedOn", list([reference(&request)])),
        (
            "participant",
            list([
                party(view.patient(row), ""),
                party(place_reference(clinic), clinic.name),
                party(staff_reference(appointment.consultant), ""),
            ]),
        ),
    ])
}

/// What came of an attended appointment.
pub(super) fn visit(view: &View<'_>, appointment: &Appointment) -> Json {
    let row = &appointment.row;
    let end = appointment.start.saturating_add(jiff::Span::new().minutes(i64::from(appointment.minutes)));
    let outcome = appointment
        .outcome
        .map_or(Json::Nothing, |code| extension("OutcomeOfAttendance", national("OutcomeOfAttendanceEngland", code)));
    object([
        ("resourceType", text("Encounter")),
        ("id", text(id(Role::Visit, row.number))),
        ("meta", meta(row.number)),
        ("extension", list([outcome])),
        ("status", text("finished")),
        ("class", class("AMB")),
        (
            "serviceType",
            match appointment.planted_specialty {
                Some(planted) => concept(TREATMENT_FUNCTIONS, planted, None),
                None => specialty(appointment.specialty),
            },
        ),
        ("subject", reference(&view.patient(row))),
        ("participant", list([attending(appointment.consultant)])),
        ("appointment", list([reference(&view.fact("Appointment", Some(row)))])),
        ("period", period(view, appointment.start, Some(end))),
        ("serviceProvider", organisation("RH8")),
    ])
}

pub(super) fn referral(view: &View<'_>, referral: &Referral) -> Json {
    let row = &referral.row;
    let ubrn = referral.ubrn.as_deref().map_or(Json::Nothing, |ubrn| identifier("https://fhir.nhs.uk/Id/UBRN", ubrn));
    object([
        ("resourceType", text("ServiceRequest")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("identifier", list([ubrn])),
        ("status", text(if referral.closed.is_none() { "active" } else { "completed" })),
        ("intent", text("order")),
        ("category", list([request_category("referral")])),
        ("priority", text(priority(referral.priority))),
        ("code", specialty(referral.specialty)),
        ("subject", reference(&view.patient(row))),
        ("authoredOn", text(view.instant(referral.received))),
    ])
}

pub(super) fn waiting(view: &View<'_>, entry: &WaitingEntry) -> Json {
    let row = &entry.row;
    let request = view.fact("ServiceRequest", entry.referral.map(|at| &view.person.referrals[at].row));
    let kind = if entry.kind == "IP" { "Inpatient waiting list" } else { "Outpatient waiting list" };
    object([
        ("resourceType", text("ServiceRequest")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("basedOn", list([reference(&request)])),
        ("status", text(if entry.removed.is_none() { "active" } else { "completed" })),
        ("intent", text("order")),
        ("category", list([request_category("waiting-list")])),
        ("priority", text(priority(entry.priority))),
        ("code", specialty(entry.specialty)),
        ("subject", reference(&view.patient(row))),
        ("authoredOn", text(view.instant(entry.added))),
        ("note", list([object([("text", text(kind))])])),
    ])
}

pub(super) fn pathway(view: &View<'_>, pathway: &Pathway) -> Json {
    let row = &pathway.row;
    let request = view.fact("ServiceRequest", Some(&view.person.referrals[pathway.referral].row));
    object([
        ("resourceType", text("EpisodeOfCare")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        (
            "extension",
            list([object([
                ("url", text("https://fhir.peninsula.example/StructureDefinition/rtt-status")),
                (
                    "valueCoding",
                    coding("https://fhir.peninsula.example/CodeSystem/rtt-period-status", pathway.status, None),
                ),
            ])]),
        ),
        ("identifier", list([identifier("https://fhir.peninsula.example/Id/pathway-id", &pathway.id)])),
        ("status", text(if pathway.stop.is_none() { "active" } else { "finished" })),
        ("type", list([specialty(pathway.specialty)])),
        ("patient", reference(&view.patient(row))),
        ("managingOrganization", organisation("RH8")),
        (
            "period",
            object([
                ("start", text(iso_date(pathway.start))),
                ("end", some(&pathway.stop.map(iso_date).unwrap_or_default())),
            ]),
        ),
        ("referralRequest", list([reference(&request)])),
    ])
}

pub(super) fn medication(view: &View<'_>, medication: &Medication) -> Json {
    let row = &medication.row;
    object([
        ("resourceType", text("MedicationStatement")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("text", narrative(row.number, "Medicine")),
        ("identifier", list([identifier(&format!("{LOCAL}.2.798268"), &row.number.to_string())])),
        ("status", text(if medication.stopped.is_none() { "active" } else { "completed" })),
        (
            "medicationCodeableConcept",
            object([
                ("coding", list([coding("https://dmd.nhs.uk", medication.dmd, None)])),
                ("text", text(medication.name)),
            ]),
        ),
        ("subject", reference(&view.patient(row))),
        (
            "effectivePeriod",
            object([
                ("start", text(iso_date(medication.started))),
                ("end", some(&medication.stopped.map(iso_date).unwrap_or_default())),
            ]),
        ),
        ("dosage", list([object([("text", text(medication.dose))])])),
    ])
}

pub(super) fn observation(view: &View<'_>, observation: &Observation) -> Json {
    let row = &observation.row;
    // LOINC, and the unit in UCUM.
    let (code, unit) = match observation.code {
        "HT" => ("8302-2", "cm"),
        "WT" => ("29463-7", "kg"),
        "SPO2" => ("2708-6", "%"),
        "RESP" => ("9279-1", "/min"),
        "PULSE" => ("8867-4", "/min"),
        _ => ("8310-5", "Cel"),
    };
    let code = match observation.planted_code {
        Some(planted) => concept(&format!("{LOCAL}.2.707679"), planted, None),
        None => concept("http://loinc.org", code, None),
    };
    object([
        ("resourceType", text("Observation")),
        ("id", text(id(Role::Fact, row.number))),
        ("meta", meta(row.number)),
        ("status", text("final")),
        (
            "category",
            list([concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", None)]),
        ),
        ("code", code),
        ("subject", reference(&view.patient(row))),
        (
            "effectiveDateTime",
            text(if observation.is_local { observation.taken.to_string() } else { view.instant(observation.taken) }),
        ),
        (
            "valueQuantity",
            object([
                ("value", number(&observation.value)),
                ("unit", text(observation.unit)),
                ("system", text("http://unitsofmeasure.org")),
                ("code", text(unit)),
            ]),
        ),
    ])
}

/// A version and a time of update that follow from the number.
fn meta(number: u64) -> Json {
    let mixed = mixed(number);
    let (version, minute) = (mixed % 4 + 1, mixed / 4 % 60);
    object([
        ("versionId", text(version.to_string())),
        (
            "lastUpdated",
            text(format!(
                "2026-10-{:02}T{:02}:{minute:02}:{:02}Z",
                mixed / 240 % 28 + 1,
                mixed / 8_000 % 24,
                number % 60
            )),
        ),
    ])
}

/// A narrative on every fourth resource: it says no more than what kind of resource it is.
fn narrative(number: u64, title: &str) -> Json {
    if !mixed(number).is_multiple_of(4) {
        return Json::Nothing;
    }
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>{title}</b></p></div>");
    object([("status", text("generated")), ("div", text(div))])
}

/// An extension that nobody but the supplier knows, on every fifth resource.
fn suppliers_extension(number: u64, name: &str) -> Json {
    if !mixed(number ^ 5).is_multiple_of(5) {
        return Json::Nothing;
    }
    object([
        ("url", text(format!("http://open.epic.com/FHIR/StructureDefinition/extension/{name}"))),
        ("valueString", text("not recorded")),
    ])
}

fn extension(name: &str, value: Json) -> Json {
    object([("url", text(format!("{UK}{name}"))), ("valueCodeableConcept", value)])
}

/// A national code by the name of its code system in UK Core.
fn national(system: &str, code: &str) -> Json {
    concept(&format!("https://fhir.hl7.org.uk/CodeSystem/UKCore-{system}"), code, None)
}

fn identifier(system: &str, value: &str) -> Json {
    object([("system", text(system)), ("value", text(value))])
}

fn medical_record_number() -> Json {
    object([
        ("coding", list([coding("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", None)])),
        ("text", text("MRN")),
    ])
}

/// A reference, or nothing where there is nobody to refer to.
fn reference(to: &str) -> Json {
    object([("reference", some(to))])
}

fn organisation(ods: &str) -> Json {
    object([("type", text("Organization")), ("identifier", identifier(ODS, ods))])
}

fn coding(system: &str, code: &str, display: Option<&str>) -> Json {
    object([("system", text(system)), ("code", text(code)), ("display", some(display.unwrap_or_default()))])
}

fn concept(system: &str, code: &str, display: Option<&str>) -> Json {
    object([("coding", list([coding(system, code, display)]))])
}

fn class(code: &str) -> Json {
    coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", code, None)
}

const TREATMENT_FUNCTIONS: &str = "https://fhir.nhs.uk/CodeSystem/NHSDataModelAndDictionary-treatment-function";

fn specialty(code: &str) -> Json {
    let name = SPECIALTIES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name);
    object([("coding", list([coding(TREATMENT_FUNCTIONS, code, None)])), ("text", some(name.unwrap_or_default()))])
}

fn attending(consultant: &Consultant) -> Json {
    object([
        ("type", list([concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "ATND", None)])),
        ("individual", reference(&staff_reference(consultant))),
    ])
}

fn period(view: &View<'_>, start: jiff::civil::DateTime, end: Option<jiff::civil::DateTime>) -> Json {
    object([("start", text(view.instant(start))), ("end", some(&end.map(|at| view.instant(at)).unwrap_or_default()))])
}

fn request_category(code: &str) -> Json {
    concept("https://fhir.peninsula.example/CodeSystem/request-category", code, None)
}

fn priority(national: u8) -> &'static str {
    match national {
        1 => "routine",
        2 => "urgent",
        _ => "asap",
    }
}
