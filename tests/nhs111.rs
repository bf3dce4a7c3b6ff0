//! NHS 111 messages: what stands in each document, read by an independent XPath reader (lxml), must stand in the
//! record too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::binary;

const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const VERIFIED: &str = "2.16.840.1.113883.2.1.4.1";
const UNVERIFIED: &str = "2.16.840.1.113883.2.1.3.2.4.18.23";

#[test]
fn every_document_gives_an_encounter_and_a_patient_with_all_that_the_message_says() {
    let python = Path::new("/usr/bin/python3");
    if !binary::can_run() || !binary::has("lxml", has_lxml(python)) {
        return;
    }
    let Some(messages) = binary::shared("nhs111") else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = deliver(&messages, folder.path());

    let output =
        Command::new(python).arg(binary::root().join("tests/nhs111_xpath.py")).arg(&messages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(documents.len(), 12);

    let encounters = binary::resources(&run, "Encounter");
    assert_eq!(encounters.len(), documents.len());
    assert_eq!(mapped(&run, "Patient"), documents.len() as u64);
    let patients: BTreeMap<String, Value> =
        binary::resources(&run, "Patient").into_iter().map(|p| (format!("Patient/{}", string(&p["id"])), p)).collect();
    for document in &documents {
        let own = format!("urn:uuid:{}", string(&document["id"]).to_lowercase());
        let encounter = encounters
            .iter()
            .find(|e| identifiers(e).contains(&("urn:ietf:rfc:3986".to_owned(), own.clone())))
            .expect("the document's encounter");
        encounter_is_right(document, encounter);
        patient_is_right(document, &patients[&string(&encounter["subject"]["reference"])]);
    }
    callers_are_one_person_only_by_a_verified_number(&documents, &encounters, &patients);
}

/// Runs the project on a folder of messages; returns the run folder.
pub(crate) fn deliver(messages: &Path, folder: &Path) -> PathBuf {
    let run = folder.join("run");
    let project = binary::root().join("fixtures/nhs111/epr.toml");
    binary::expect(&mut binary::run(&project, &run, &[("source.nhs111.path", messages)]), &[0, 1]);
    run
}

fn has_lxml(python: &Path) -> bool {
    Command::new(python).args(["-c", "import lxml"]).output().is_ok_and(|o| o.status.success())
}

fn mapped(run: &Path, resource_type: &str) -> u64 {
    let manifest: Value = serde_json::from_slice(&std::fs::read(run.join("2-map/manifest.json")).unwrap()).unwrap();
    manifest["resources"][resource_type].as_u64().unwrap()
}

fn encounter_is_right(document: &Value, encounter: &Value) {
    for id in document["encounter_ids"].as_array().unwrap() {
        let pair = (format!("urn:oid:{}", string(&id[0])), string(&id[1]));
        assert!(identifiers(encounter).contains(&pair), "an id of the encounter is missing");
    }
    let disposition = &encounter["hospitalization"]["dischargeDisposition"];
    assert_eq!(disposition["coding"][0]["code"], document["disposition"]);
    let security: Vec<_> =
        encounter["meta"]["security"].as_array().into_iter().flatten().map(|c| string(&c["code"])).collect();
    match string(&document["confidentiality"]).as_str() {
        "N" => assert!(security.is_empty()),
        restricted => assert_eq!(security, [restricted]),
    }
}

fn patient_is_right(document: &Value, patient: &Value) {
    let gender = match string(&document["sex"]).as_str() {
        "1" => "male",
        "2" => "female",
        "9" => "other",
        _ => "unknown",
    };
    assert_eq!(patient["gender"], gender);
    let born = string(&document["born"]);
    assert_eq!(patient["birthDate"], format!("{}-{}-{}", &born[..4], &born[4..6], &born[6..8]));
    for name in document["names"].as_array().unwrap() {
        let there = patient["name"]
            .as_array()
            .unwrap()
            .iter()
            .any(|n| n["family"] == name["family"] && n["given"] == name["given"]);
        assert!(there, "a name is missing");
    }
    let found = identifiers(patient);
    for id in document["ids"].as_array().unwrap() {
        let (root, value) = (string(&id[0]), string(&id[1]));
        let is_nhs = (root == VERIFIED || root == UNVERIFIED) && passes_the_check(&value);
        let there = if is_nhs {
            found.contains(&(NHS_NUMBER.to_owned(), value))
        } else if root == VERIFIED || root == UNVERIFIED {
            found.contains(&(String::new(), value))
        } else {
            found.contains(&(format!("urn:oid:{root}"), value))
        };
        assert!(there, "an identifier of root {root} is missing");
    }
}

/// Of the repeat caller's six documents four have a verified number: one person. The two with the same number
/// unverified are candidates.
fn callers_are_one_person_only_by_a_verified_number(
    documents: &[Value],
    encounters: &[Value],
    patients: &BTreeMap<String, Value>,
) {
    let subject = |document: &Value| {
        let own = format!("urn:uuid:{}", string(&document["id"]).to_lowercase());
        let encounter = encounters.iter().find(|e| identifiers(e).iter().any(|(_, v)| *v == own)).unwrap();
        string(&encounter["subject"]["reference"])
    };
    let people_of = |root: &str| -> Vec<String> {
        let repeat = documents.iter().filter(|d| d["file"] == "repeat-caller-itk-request.xml");
        repeat.filter(|d| d["ids"].as_array().unwrap().iter().any(|i| i[0] == *root)).map(subject).collect()
    };
    let (verified, unverified) = (people_of(VERIFIED), people_of(UNVERIFIED));
    assert_eq!((verified.len(), unverified.len()), (4, 2));
    assert_eq!(verified.iter().collect::<BTreeSet<_>>().len(), 1);
    assert!(unverified.iter().all(|person| !verified.contains(person)));
    let status: Vec<_> = patients[&verified[0]]["identifier"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|i| i["system"] == NHS_NUMBER)
        .map(|i| string(&i["extension"][0]["valueCodeableConcept"]["coding"][0]["code"]))
        .collect();
    assert_eq!(status, ["01"]);
}

/// System (empty where there is none) and value of each identifier.
fn identifiers(resource: &Value) -> BTreeSet<(String, String)> {
    let all = resource["identifier"].as_array().into_iter().flatten();
    all.map(|i| (string(&i["system"]), string(&i["value"]))).collect()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The published rule, written a second time so that the test does not believe the program.
fn passes_the_check(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != 10 || number.len() != 10 {
        return false;
    }
    let sum: u32 = (0..9).map(|i| digits[i] * (10 - i as u32)).sum();
    (11 - sum % 11) % 11 == digits[9]
}
