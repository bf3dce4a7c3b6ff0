//! One person of whom every system holds something, for the exporters' tests.

use std::path::Path;

use jiff::civil::{DateTime, date};

use super::estate::{PRACTICES, clinics, consultants, wards};
use super::model::*;
use super::truth::Truth;

/// Where the sample is registered, in this order.
pub(super) const HOLDERS: [Organisation; 7] = [
    Organisation::Rh8,
    Organisation::Hosp1,
    Organisation::Nhs111,
    Organisation::Ref,
    Organisation::Ra9,
    Organisation::Hosp2,
    Organisation::Hosp3,
];

/// Runs one exporter over the sample in a new folder, and returns the folder and the lines of an answer-key file.
pub(super) fn exported(create: Create, people: &[Person]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut truth = Truth::create(&folder.path().join("truth")).unwrap();
    let mut exporter = create(folder.path(), &Setting { seed: 1, n_people: 1 }).unwrap();
    for person in people {
        exporter.person(person, &mut truth).unwrap();
        truth.person(person).unwrap();
    }
    exporter.finish().unwrap();
    truth.finish().unwrap();
    folder
}

/// The lines of a file of the answer key, without the header.
pub(super) fn truth_lines(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("truth").join(name)).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

pub(super) fn row(holder: usize, place: u64) -> Row {
    Row { holder, number: 1_000 + place, archive: Archive::Live, orphan: None, defect: None }
}

pub(super) fn noon(year: i16, month: i8, day: i8) -> DateTime {
    date(year, month, day).at(12, 0, 0, 0)
}

fn registration(place: u64, organisation: Organisation) -> Registration {
    let has_status = !organisation.is_trusted() && !organisation.is_hospice();
    Registration {
        organisation,
        row: 1_900 + place,
        local_number: format!("L{place}"),
        nhs_number: Some("9990001472".to_owned()),
        spaced: organisation == Organisation::Hosp3,
        status: has_status.then_some("01"),
        family: Some("O'Neill".to_owned()),
        given: Some("Zoë".to_owned()),
        second: None,
        former: vec![FormerName { family: "Test".to_owned(), until: date(2001, 2, 3) }],
        sex: Some(Sex::Female),
        birth: Some(date(1940, 2, 29)),
        death: None,
        address: Address {
            line1: "1 Quay <Rd>".to_owned(),
            line2: None,
            city: "Exeter",
            postcode: "EX4 9ZZ".to_owned(),
        },
        phone: Some("01392 000000".to_owned()),
        email: None,
        ethnic: "A",
        marital: 'M',
        practice: &PRACTICES[0],
        archive: Archive::Live,
        special: Special::default(),
        defect: None,
    }
}

/// The sample.
pub(super) fn person() -> Person {
    let rh8 = Organisation::Rh8;
    let registrations = (0..).zip(HOLDERS).map(|(place, organisation)| registration(place, organisation)).collect();
    let referral = |place, holder| HospiceReferral {
        row: row(holder, place),
        referred: date(2026, 4, 3),
        reason: "Pain control".to_owned(),
    };
    let call = |place, envelope| UrgentCall {
        row: row(2, place),
        set: format!("00000000-0000-4000-8000-{place:012}"),
        n_versions: if place == 30 { 2 } else { 1 },
        envelope,
        started: noon(2026, 7, 1),
        ended: noon(2026, 7, 1),
        complaint: "Headache",
        disposition: ("Dx06", "To contact a local service within 6 hours"),
    };
    let attendance = |place, is_withdrawn, is_replaced| EdAttendance {
        row: Row { archive: if is_withdrawn { Archive::Deleted } else { Archive::Live }, ..row(3, place) },
        arrived: noon(2026, 6, 1),
        departed: date(2026, 6, 1).at(14, 30, 0, 0),
        complaint: "25064002",
        diagnoses: vec!["37796009"],
        category: "1",
        discharge_status: "1077021000000100",
        is_withdrawn,
        is_replaced,
        is_site_known: true,
    };
    Person {
        number: 1,
        note: "sample",
        registrations,
        allergies: vec![
            Allergy {
                row: row(0, 7),
                substance: Some(Substance::Penicillin),
                text: "Penicillin".to_owned(),
                severity: 3,
                planted_severity: None,
                recorded: noon(2026, 1, 5),
                is_active: true,
            },
            Allergy {
                row: row(1, 2),
                substance: Some(Substance::NoKnown),
                text: "No known allergies".to_owned(),
                severity: 1,
                planted_severity: None,
                recorded: noon(2026, 1, 5),
                is_active: true,
            },
        ],
        alerts: vec![Alert {
            row: row(0, 3),
            kind: AlertKind::Mrsa,
            planted_code: None,
            text: "MRSA carrier".to_owned(),
            from: noon(2026, 1, 5),
            to: None,
        }],
        problems: vec![Problem {
            row: row(0, 4),
            snomed: "38341003".to_owned(),
            icd: "I10",
            text: "Hypertension".to_owned(),
            onset: date(2020, 5, 6),
            resolved: None,
        }],
        spells: vec![Spell {
            row: row(0, 5),
            admitted: noon(2026, 10, 20),
            discharged: None,
            ward: Some(&wards(rh8)[0]),
            admission_method: "21",
            admission_source: "19",
            discharge_method: None,
            discharge_destination: None,
            episodes: vec![Episode {
                row: row(0, 6),
                sequence: 1,
                started: noon(2026, 10, 20),
                ended: None,
                specialty: "300",
                consultant: Some(&consultants(rh8)[5]),
            }],
        }],
        attendances: vec![attendance(20, false, false), attendance(21, true, false), attendance(22, false, true)],
        referrals: vec![Referral {
            row: row(0, 8),
            received: noon(2026, 3, 2),
            specialty: "320",
            priority: 3,
            planted_priority: None,
            source: "03",
            closed: None,
            ubrn: Some("000012345678".to_owned()),
            pathway: Some(0),
        }],
        pathways: vec![Pathway {
            row: row(0, 9),
            id: "RH800000000000000017".to_owned(),
            referral: 0,
            specialty: "320",
            start: date(2026, 3, 2),
            stop: None,
            status: "20",
        }],
        waiting: vec![WaitingEntry {
            row: row(0, 10),
            referral: Some(0),
            specialty: "320",
            added: noon(2026, 3, 3),
            removed: None,
            kind: "OP",
            priority: 1,
        }],
        appointments: vec![
            Appointment {
                row: row(0, 11),
                start: date(2027, 4, 1).at(9, 30, 0, 0),
                minutes: 20,
                attendance: "0",
                specialty: "320",
                planted_specialty: None,
                clinic: &clinics(rh8)[6],
                outcome: None,
                consultant: &consultants(rh8)[6],
                referral: Some(0),
            },
            Appointment {
                row: Row { defect: Some(Defect { kind: Kind::Ap04, note: "planted", of: None }), ..row(0, 12) },
                start: date(2026, 5, 1).at(9, 30, 0, 0),
                minutes: 20,
                attendance: "5",
                specialty: "320",
                planted_specialty: None,
                clinic: &clinics(rh8)[6],
                outcome: Some("3"),
                consultant: &consultants(rh8)[6],
                referral: Some(0),
            },
        ],
        contacts: Vec::new(),
        medications: vec![Medication {
            row: row(0, 13),
            dmd: "323509004",
            name: "Amoxicillin 500mg capsules",
            dose: "One three times a day",
            amount: "1",
            unit: "capsule",
            started: date(2026, 10, 1),
            stopped: None,
        }],
        observations: vec![Observation {
            row: row(0, 14),
            taken: noon(2026, 10, 21),
            reported: noon(2026, 10, 21),
            is_local: false,
            code: "WT",
            planted_code: None,
            value: "72.50".to_owned(),
            unit: "kg",
        }],
        letters: Vec::new(),
        calls: vec![call(30, 77), call(31, 77), call(34, 78)],
        hospice_referrals: vec![referral(40, 1), referral(41, 1), referral(42, 5), referral(43, 6)],
        tracks: vec![CancerTrack {
            row: Row { defect: Some(Defect { kind: Kind::Rt05, note: "planted", of: None }), ..row(4, 50) },
            received: date(2026, 9, 1),
            site: "Breast",
            priority: "2WW",
            first_seen: None,
            pathway_id: "10000000000000000017".to_owned(),
            is_open: true,
        }],
    }
}
