//! Synthea's tables against Synthea's own FHIR export of the same run: two exports of one truth.
//!
//! Times are compared as instants, days as written; conditions and allergies have days only in the tables, so the
//! export's days are taken in the export's own offset.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{binary, sqlite};

type Tuple = Vec<Option<String>>;

#[test]
fn every_tuple_of_the_pair_is_delivered_once_for_each_time_it_stands_in_the_export() {
    if !binary::can_run() {
        return;
    }
    let Some(pair) = binary::shared("synthea-csv-fhir-pair") else { return };
    let folder = tempfile::tempdir().unwrap();
    let run = deliver(&pair.join("csv"), folder.path());

    let export = Export::read(&pair.join("fhir"));
    let delivered = Export::delivered(&run);
    let people: BTreeSet<String> = export.of("Patient").map(|p| text(p, "/id").unwrap()).collect();
    assert_eq!(people.len(), 10);

    for kind in KINDS {
        let expected = bag(export.of(kind.resource_type).flat_map(|r| (kind.tuples)(&export, r)));
        let found = bag(delivered
            .of(kind.resource_type)
            .flat_map(|r| (kind.tuples)(&delivered, r))
            .filter(|tuple| tuple[0].as_ref().is_some_and(|person| people.contains(person))));
        assert!(!expected.is_empty(), "{} is in the export", kind.resource_type);
        same_bag(kind.resource_type, &expected, &found);
    }
    the_eleventh_patient_is_as_the_table_has_it(&pair.join("csv"), &delivered, &people);
}

/// Runs the project on a folder of CSV tables; returns the run folder. Nothing may be held.
pub(crate) fn deliver(csv: &Path, folder: &Path) -> PathBuf {
    let database = folder.join("synthea.sqlite");
    sqlite::from_csv_folder(csv, &database).unwrap();
    let run = folder.join("run");
    let project = binary::root().join("fixtures/synthea/epr.toml");
    binary::expect(&mut binary::run(&project, &run, &[("source.synthea.database", &database)]), &[0, 1]);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(run.join("4-validate/manifest.json")).unwrap()).unwrap();
    for (resource_type, ledger) in manifest["ledgers"]["resources"].as_object().unwrap() {
        assert_eq!(ledger["held"], 0, "{resource_type} is held");
    }
    run
}

/// What is compared of one resource type: tuples whose first field is the person.
struct Kind {
    resource_type: &'static str,
    tuples: fn(&Export, &Value) -> Vec<Tuple>,
}

const KINDS: &[Kind] = &[
    Kind { resource_type: "Patient", tuples: |_, r| vec![patient(r)] },
    Kind {
        resource_type: "Encounter",
        tuples: |x, r| {
            vec![vec![
                x.reference(r, "/subject"),
                synthea_id(r),
                instant(r, "/period/start"),
                instant(r, "/period/end"),
                text(r, "/type/0/coding/0/code"),
            ]]
        },
    },
    Kind {
        resource_type: "Condition",
        tuples: |x, r| {
            vec![vec![
                x.reference(r, "/subject"),
                x.reference(r, "/encounter"),
                text(r, "/code/coding/0/code"),
                day(r, "/onsetDateTime"),
                day(r, "/abatementDateTime"),
            ]]
        },
    },
    Kind {
        resource_type: "MedicationRequest",
        tuples: |x, r| {
            let code = text(r, "/medicationCodeableConcept/coding/0/code").or_else(|| x.medication(r));
            vec![vec![x.reference(r, "/subject"), x.reference(r, "/encounter"), code, instant(r, "/authoredOn")]]
        },
    },
    Kind {
        resource_type: "Immunization",
        tuples: |x, r| {
            vec![vec![
                x.reference(r, "/patient"),
                x.reference(r, "/encounter"),
                text(r, "/vaccineCode/coding/0/code"),
                instant(r, "/occurrenceDateTime"),
            ]]
        },
    },
    Kind {
        resource_type: "Procedure",
        tuples: |x, r| {
            vec![vec![
                x.reference(r, "/subject"),
                x.reference(r, "/encounter"),
                text(r, "/code/coding/0/code"),
                instant(r, "/performedPeriod/start").or_else(|| instant(r, "/performedDateTime")),
                instant(r, "/performedPeriod/end"),
            ]]
        },
    },
    Kind {
        resource_type: "AllergyIntolerance",
        tuples: |x, r| vec![vec![x.reference(r, "/patient"), text(r, "/code/coding/0/code"), day(r, "/recordedDate")]],
    },
    Kind { resource_type: "Observation", tuples: observations },
];

fn patient(r: &Value) -> Tuple {
    let mut tuple = vec![synthea_id(r), text(r, "/birthDate"), instant(r, "/deceasedDateTime"), text(r, "/gender")];
    tuple.push(text(r, "/name/0/family"));
    // The tables of this year have one forename; the export may have a second.
    tuple.push(text(r, "/name/0/given/0"));
    tuple.push(text(r, "/address/0/line/0"));
    tuple.push(text(r, "/address/0/city"));
    tuple
}

/// One tuple for each component, or one for the observation itself; those without an encounter are not compared.
fn observations(x: &Export, r: &Value) -> Vec<Tuple> {
    let Some(encounter) = x.reference(r, "/encounter") else { return Vec::new() };
    let head = [x.reference(r, "/subject"), Some(encounter), instant(r, "/effectiveDateTime")];
    let parts: Vec<&Value> = match r.get("component").and_then(Value::as_array) {
        Some(components) => components.iter().collect(),
        None => vec![r],
    };
    parts
        .into_iter()
        .map(|part| {
            let quantity = part.pointer("/valueQuantity");
            let mut tuple = head.to_vec();
            tuple.push(text(part, "/code/coding/0/code"));
            tuple.push(quantity.and_then(|q| q["value"].as_f64()).map(to_one_decimal));
            tuple.push(quantity.and_then(|q| text(q, "/unit")));
            // Synthea's table writer puts a space for each comma.
            let answer = text(part, "/valueCodeableConcept/text").or_else(|| text(part, "/valueString"));
            tuple.push(answer.map(|answer| answer.replace(',', " ")));
            tuple
        })
        .collect()
}

fn the_eleventh_patient_is_as_the_table_has_it(csv: &Path, delivered: &Export, people: &BTreeSet<String>) {
    let mut reader = csv::Reader::from_path(csv.join("patients.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let mut others = rows.iter().filter(|row| !people.contains(&row["Id"]));
    let row = others.next().expect("one patient is in the tables only");
    assert!(others.next().is_none());
    let found = delivered.of("Patient").find(|p| synthea_id(p).as_ref() == Some(&row["Id"])).unwrap();
    assert_eq!(text(found, "/birthDate").as_ref(), Some(&row["BIRTHDATE"]));
    assert_eq!(day(found, "/deceasedDateTime").as_ref(), Some(&row["DEATHDATE"]).filter(|d| !d.is_empty()));
    assert_eq!(text(found, "/name/0/family").as_ref(), Some(&row["LAST"]));
    assert_eq!(text(found, "/name/0/given/0").as_ref(), Some(&row["FIRST"]));
    assert_eq!(text(found, "/address/0/line/0").as_ref(), Some(&row["ADDRESS"]));
    assert_eq!(text(found, "/address/0/city").as_ref(), Some(&row["CITY"]));
    for (table, resource_type) in
        [("encounters", "Encounter"), ("conditions", "Condition"), ("procedures", "Procedure")]
    {
        let mut reader = csv::Reader::from_path(csv.join(format!("{table}.csv"))).unwrap();
        let n_rows = reader
            .deserialize::<BTreeMap<String, String>>()
            .filter(|r| r.as_ref().unwrap()["PATIENT"] == row["Id"])
            .count();
        let n_found = delivered
            .of(resource_type)
            .filter(|r| delivered.reference(r, "/subject").as_ref() == Some(&row["Id"]))
            .count();
        assert_eq!(n_found, n_rows, "{resource_type}");
    }
}

/// All resources of one export, and how its references lead to Synthea's own ids.
struct Export {
    by_type: BTreeMap<String, Vec<Value>>,
    /// `Type/id` and `urn:uuid:id` to Synthea's id.
    ids: BTreeMap<String, String>,
    medications: BTreeMap<String, String>,
}

impl Export {
    fn read(folder: &Path) -> Self {
        let mut resources = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let mut json = Vec::new();
            let file = std::fs::File::open(entry.unwrap().path()).unwrap();
            flate2::read::GzDecoder::new(file).read_to_end(&mut json).unwrap();
            let bundle: Value = serde_json::from_slice(&json).unwrap();
            resources.extend(bundle["entry"].as_array().unwrap().iter().map(|e| e["resource"].clone()));
        }
        Self::of_resources(resources)
    }

    fn delivered(run: &Path) -> Self {
        let files = binary::delivered(run);
        let lines = files.values().flat_map(|bytes| bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()));
        Self::of_resources(lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
    }

    fn of_resources(resources: Vec<Value>) -> Self {
        let mut export = Self { by_type: BTreeMap::new(), ids: BTreeMap::new(), medications: BTreeMap::new() };
        for resource in resources {
            let kind = text(&resource, "/resourceType").unwrap();
            let id = text(&resource, "/id").unwrap();
            let synthea = synthea_id(&resource).unwrap_or_else(|| id.clone());
            if let Some(code) = text(&resource, "/code/coding/0/code").filter(|_| kind == "Medication") {
                export.medications.insert(format!("urn:uuid:{id}"), code);
            }
            export.ids.insert(format!("{kind}/{id}"), synthea.clone());
            export.ids.insert(format!("urn:uuid:{id}"), synthea);
            export.by_type.entry(kind).or_default().push(resource);
        }
        export
    }

    fn of(&self, resource_type: &str) -> impl Iterator<Item = &Value> {
        self.by_type.get(resource_type).into_iter().flatten()
    }

    /// Synthea's id of what a reference leads to.
    fn reference(&self, resource: &Value, pointer: &str) -> Option<String> {
        let reference = text(resource, &format!("{pointer}/reference"))?;
        Some(self.ids.get(&reference).unwrap_or_else(|| panic!("{pointer} leads to nothing")).clone())
    }

    fn medication(&self, resource: &Value) -> Option<String> {
        self.medications.get(&text(resource, "/medicationReference/reference")?).cloned()
    }
}

/// The identifier under Synthea's own system.
fn synthea_id(resource: &Value) -> Option<String> {
    let identifiers = resource["identifier"].as_array()?;
    let own = identifiers.iter().find(|i| i["system"] == "https://github.com/synthetichealth/synthea")?;
    text(own, "/value")
}

/// The tables round to one decimal, half up, so numbers are compared with that precision. The small term makes up for
/// halves that a binary number cannot hold. Of numbers of five digits and more the export keeps four.
fn to_one_decimal(value: f64) -> String {
    if value.abs() >= 10_000.0 {
        return format!("{value:.3e}");
    }
    format!("{:.1}", (value * 10.0 + 0.5 + 1e-9).floor() / 10.0)
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

fn day(value: &Value, pointer: &str) -> Option<String> {
    Some(text(value, pointer)?.get(..10)?.to_owned())
}

/// A time as an instant in UTC, so that two offsets of one moment are equal; a day stays a day.
fn instant(value: &Value, pointer: &str) -> Option<String> {
    let written = text(value, pointer)?;
    Some(written.parse::<jiff::Timestamp>().map_or(written, |moment| moment.to_string()))
}

fn bag<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut bag = BTreeMap::new();
    for item in items {
        *bag.entry(item).or_insert(0) += 1;
    }
    bag
}

/// Synthetic people only, so a difference may be shown.
fn same_bag<T: Ord + Debug>(what: &str, expected: &BTreeMap<T, usize>, found: &BTreeMap<T, usize>) {
    let missing: Vec<_> = expected.iter().filter(|(t, n)| found.get(t) != Some(n)).take(3).collect();
    let surplus: Vec<_> = found.iter().filter(|(t, n)| expected.get(t) != Some(n)).take(3).collect();
    let n = |bag: &BTreeMap<T, usize>| bag.values().sum::<usize>();
    println!("{what}: {} in the export, {} delivered", n(expected), n(found));
    assert!(missing.is_empty() && surplus.is_empty(), "{what}: missing {missing:#?}, surplus {surplus:#?}");
}
