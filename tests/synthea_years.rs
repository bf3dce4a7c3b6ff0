//! Other years of Synthea, made of the shared pair: its tables as the exporter of that year would have written them.
//!
//! Every expectation is read from the changed tables themselves, cell by cell, never from the mapping. Which year had
//! which heads: `CSVExporter.java` and `CSVConstants.java` of synthetichealth/synthea, 2017 to 2024.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{binary, synthea};

type Row = BTreeMap<String, String>;
type Bag = BTreeMap<Vec<String>, usize>;

#[test]
fn the_first_years_had_upper_case_ids_days_only_and_no_class_type_or_category() {
    year(|tables| {
        for table in ["organizations", "providers", "devices", "supplies", "careplans"] {
            tables.remove(table);
        }
        rename_everywhere(tables, "Id", "ID");
        rename(tables, "encounters", "START", "DATE");
        drop_columns(tables, "encounters", &["STOP", "ENCOUNTERCLASS", "PROVIDER", "ORGANIZATION"]);
        rename(tables, "procedures", "START", "DATE");
        drop_columns(tables, "procedures", &["STOP"]);
        drop_columns(tables, "observations", &["CATEGORY", "TYPE"]);
        drop_columns(tables, "patients", &["COUNTY", "ZIP", "LAT", "LON", "PASSPORT"]);
        drop_columns(tables, "allergies", ALLERGY_OF_2022);
        imaging_without_uids(tables);
        for table in ["encounters", "procedures", "observations", "immunizations"] {
            change(tables, table, "DATE", |time| time[..10].to_owned());
        }
        for column in ["START", "STOP"] {
            change(tables, "medications", column, |time| time.get(..10).unwrap_or_default().to_owned());
        }
    });
}

#[test]
fn the_year_2019_named_the_organisation_as_provider_and_wrote_null_units() {
    year(|tables| {
        drop_columns(tables, "encounters", &["PROVIDER"]);
        rename(tables, "encounters", "ORGANIZATION", "PROVIDER");
        rename(tables, "procedures", "START", "DATE");
        drop_columns(tables, "procedures", &["STOP"]);
        drop_columns(tables, "observations", &["CATEGORY"]);
        drop_columns(tables, "allergies", ALLERGY_OF_2022);
        drop_columns(tables, "organizations", &["LAT", "LON"]);
        drop_columns(tables, "providers", &["LAT", "LON"]);
        imaging_without_uids(tables);
        for table in ["devices", "supplies"] {
            tables.remove(table);
        }
        change(tables, "observations", "UNITS", |unit| if unit.is_empty() { "null".into() } else { unit.into() });
    });
}

#[test]
fn the_year_2020_repeated_care_plans_and_rows_equal_in_every_column() {
    year(|tables| {
        drop_columns(tables, "observations", &["CATEGORY"]);
        drop_columns(tables, "allergies", ALLERGY_OF_2022);
        let tables_with_twins = [
            "conditions",
            "procedures",
            "medications",
            "immunizations",
            "allergies",
            "observations",
            "careplans",
            "devices",
            // These have a key: a row that stands twice is one record, and costs no visit that names it.
            "organizations",
            "providers",
        ];
        for table in tables_with_twins {
            let table = tables.get_mut(table).unwrap();
            let twins: Vec<_> = table.rows.iter().step_by(5).cloned().collect();
            table.rows.extend(twins.iter().cloned());
            table.rows.extend(twins);
        }
    });
}

#[test]
fn the_year_2021_spread_a_study_over_rows_and_left_visits_open() {
    let Some(Year { run, .. }) = &year(|tables| {
        drop_columns(tables, "allergies", ALLERGY_OF_2022);
        let studies = tables.get_mut("imaging_studies").unwrap();
        let mut split = Vec::new();
        for row in &studies.rows {
            for (series, instance) in [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)] {
                let mut row = row.clone();
                row[studies.heads.iter().position(|h| h == "SERIES_UID").unwrap()] = format!("1.2.840.99.{series}");
                row[studies.heads.iter().position(|h| h == "INSTANCE_UID").unwrap()] =
                    format!("1.2.840.99.{series}.{instance}");
                split.push(row);
            }
        }
        // Rows of one study do not stand together.
        split.sort_by(|a, b| a.last().cmp(&b.last()));
        studies.rows = split;
        let mut n = 0;
        change(tables, "encounters", "STOP", |stop| {
            n += 1;
            if n % 7 == 0 { String::new() } else { stop.into() }
        });
        let mut n = 0;
        change(tables, "procedures", "STOP", |stop| {
            n += 1;
            if n % 3 == 0 { String::new() } else { stop.into() }
        });
    }) else {
        return;
    };
    for study in binary::resources(run, "ImagingStudy") {
        let series: Vec<(usize, &str)> = (study["series"].as_array().unwrap().iter())
            .map(|s| (s["instance"].as_array().unwrap().len(), s["uid"].as_str().unwrap()))
            .collect();
        assert_eq!(series, [(2, "1.2.840.99.1"), (3, "1.2.840.99.2")]);
    }
}

#[test]
fn the_year_2024_names_code_systems_middle_names_and_classes_that_nobody_mapped() {
    let Some(Year { run, .. }) = &year(|tables| {
        add_column(tables, "conditions", "SYSTEM", "http://snomed.info/sct");
        add_column(tables, "procedures", "SYSTEM", "http://snomed.info/sct");
        add_column(tables, "patients", "MIDDLE", "Cyndi533");
        add_column(tables, "organizations", "NPI", "9999984591");
        add_column(tables, "providers", "NPI", "9999984592");
        change(tables, "patients", "DEATHDATE", |day| {
            if day.is_empty() { String::new() } else { format!("{day}T18:14:25Z") }
        });
        change(tables, "encounters", "ENCOUNTERCLASS", |class| match class {
            "wellness" => "outreach".into(),
            "hospice" => String::new(),
            other => other.into(),
        });
    }) else {
        return;
    };
    let unknown = binary::resources(run, "Encounter").into_iter().filter(|e| e["class"]["code"] == "UNK").count();
    assert_eq!(unknown, 112, "111 that nobody mapped and 1 without a class");
    let issues = issues(run);
    assert_eq!(issues.iter().filter(|i| i["code"] == "MAP0420" && i["column"] == "ENCOUNTERCLASS").count(), 111);
    assert!(binary::resources(run, "Patient").iter().all(|p| p["name"][0]["given"][1] == "Cyndi533"));
}

#[test]
fn cells_that_are_empty_or_of_the_wrong_kind_lose_no_row() {
    year(|tables| {
        for (table, column) in [
            ("conditions", "CODE"),
            ("procedures", "CODE"),
            ("medications", "CODE"),
            ("immunizations", "CODE"),
            ("allergies", "CODE"),
            ("observations", "CODE"),
            ("observations", "DESCRIPTION"),
            ("observations", "UNITS"),
            ("observations", "ENCOUNTER"),
            ("conditions", "ENCOUNTER"),
            ("encounters", "CODE"),
            ("encounters", "PROVIDER"),
            ("imaging_studies", "BODYSITE_CODE"),
            ("careplans", "CODE"),
            ("devices", "UDI"),
        ] {
            let mut n = 0;
            change(tables, table, column, |cell| {
                n += 1;
                if n % 4 == 0 { String::new() } else { cell.into() }
            });
        }
        let mut n = 0;
        change(tables, "observations", "VALUE", |value| {
            n += 1;
            if n % 50 == 0 { "not measured".into() } else { value.into() }
        });
    });
}

const ALLERGY_OF_2022: &[&str] =
    &["SYSTEM", "TYPE", "CATEGORY", "REACTION1", "DESCRIPTION1", "SEVERITY1", "REACTION2", "DESCRIPTION2", "SEVERITY2"];

// --- one year, from its tables to what was delivered ---

struct Year {
    /// Keeps the folder until the test has looked at it.
    _folder: tempfile::TempDir,
    run: PathBuf,
}

/// Writes the changed tables, runs the project on them, and compares every record with its row. `None`, with a notice,
/// where the machine lacks what a run needs.
fn year(edit: impl FnOnce(&mut Tables)) -> Option<Year> {
    if !binary::can_run() {
        return None;
    }
    let pair = binary::shared("synthea-csv-fhir-pair")?;
    let mut tables = read(&pair.join("csv"));
    edit(&mut tables);
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("csv");
    write(&tables, &csv);
    let run = synthea::deliver(&csv, folder.path());
    every_row_is_delivered_as_often_as_it_stands(&tables, &run);
    each_absent_column_and_table_is_said_once(&tables, &run);
    Some(Year { _folder: folder, run })
}

fn every_row_is_delivered_as_often_as_it_stands(tables: &Tables, run: &Path) {
    let ids = Ids::of(run);
    compare(
        "Patient",
        run,
        rows(tables, "patients").map(|r| {
            vec![
                id_of(&r),
                cell(&r, "BIRTHDATE"),
                cell(&r, "DEATHDATE"),
                sex(&r),
                cell(&r, "LAST"),
                cell(&r, "FIRST"),
                cell(&r, "ADDRESS"),
                cell(&r, "CITY"),
            ]
        }),
        |p| {
            vec![
                synthea_id(p),
                text(p, "/birthDate"),
                text(p, "/deceasedDateTime"),
                text(p, "/gender"),
                text(p, "/name/0/family"),
                text(p, "/name/0/given/0"),
                text(p, "/address/0/line/0"),
                text(p, "/address/0/city"),
            ]
        },
    );
    compare(
        "Encounter",
        run,
        rows(tables, "encounters")
            .map(|r| vec![id_of(&r), cell(&r, "PATIENT"), start(&r), cell(&r, "STOP"), cell(&r, "CODE")]),
        |e| {
            vec![
                synthea_id(e),
                ids.of_reference(e, "/subject"),
                text(e, "/period/start"),
                text(e, "/period/end"),
                text(e, "/type/0/coding/0/code"),
            ]
        },
    );
    compare(
        "Condition",
        run,
        rows(tables, "conditions").map(|r| {
            vec![cell(&r, "PATIENT"), cell(&r, "ENCOUNTER"), cell(&r, "CODE"), cell(&r, "START"), cell(&r, "STOP")]
        }),
        |c| {
            vec![
                ids.of_reference(c, "/subject"),
                ids.of_reference(c, "/encounter"),
                text(c, "/code/coding/0/code"),
                text(c, "/onsetDateTime"),
                text(c, "/abatementDateTime"),
            ]
        },
    );
    compare("MedicationRequest", run, rows(tables, "medications").map(|r| event(&r)), |m| {
        vec![
            ids.of_reference(m, "/subject"),
            ids.of_reference(m, "/encounter"),
            text(m, "/medicationCodeableConcept/coding/0/code"),
            text(m, "/authoredOn"),
        ]
    });
    compare("Immunization", run, rows(tables, "immunizations").map(|r| event(&r)), |i| {
        vec![
            ids.of_reference(i, "/patient"),
            ids.of_reference(i, "/encounter"),
            text(i, "/vaccineCode/coding/0/code"),
            text(i, "/occurrenceDateTime"),
        ]
    });
    compare("Procedure", run, rows(tables, "procedures").map(|r| event(&r)), |p| {
        let time = text(p, "/performedPeriod/start") + &text(p, "/performedDateTime");
        vec![ids.of_reference(p, "/subject"), ids.of_reference(p, "/encounter"), text(p, "/code/coding/0/code"), time]
    });
    compare(
        "AllergyIntolerance",
        run,
        rows(tables, "allergies").map(|r| vec![cell(&r, "PATIENT"), cell(&r, "CODE"), cell(&r, "START")]),
        |a| vec![ids.of_reference(a, "/patient"), text(a, "/code/coding/0/code"), text(a, "/recordedDate")],
    );
    observations_agree(tables, run, &ids);
    each_id_is_one_record(tables, run);
    if tables.contains_key("devices") {
        assert_eq!(binary::resources(run, "Device").len(), tables["devices"].rows.len());
    }
}

/// Compares the rows of a table with the resources of a type, with multiplicity.
fn compare(
    resource_type: &str,
    run: &Path,
    expected: impl Iterator<Item = Vec<String>>,
    tuple: impl Fn(&Value) -> Vec<String>,
) {
    let delivered = binary::resources(run, resource_type);
    same(resource_type, &bag(expected), &bag(delivered.iter().map(tuple)));
}

/// One tuple for each component, or for the observation itself.
fn observations_agree(tables: &Tables, run: &Path, ids: &Ids) {
    let expected = rows(tables, "observations").map(|r| {
        let mut tuple = event(&r);
        let unit = Some(cell(&r, "UNITS")).filter(|unit| unit != "null").unwrap_or_default();
        let is_number = cell(&r, "VALUE").parse::<f64>().is_ok();
        let is_quantity =
            is_number && (cell(&r, "TYPE") == "numeric" || cell(&r, "TYPE").is_empty() || !unit.is_empty());
        tuple.push(cell(&r, "VALUE"));
        tuple.push(if is_quantity { unit } else { String::new() });
        tuple
    });
    let mut found = Vec::new();
    for o in binary::resources(run, "Observation") {
        let parts = o["component"].as_array().cloned().unwrap_or_else(|| vec![o.clone()]);
        for part in parts {
            // Numbers keep the digits of the cell, so they are read as text.
            let number = part.pointer("/valueQuantity/value").map(ToString::to_string).unwrap_or_default();
            found.push(vec![
                ids.of_reference(&o, "/subject"),
                ids.of_reference(&o, "/encounter"),
                text(&part, "/code/coding/0/code"),
                text(&o, "/effectiveDateTime"),
                number + &text(&part, "/valueCodeableConcept/text"),
                text(&part, "/valueQuantity/unit"),
            ]);
        }
    }
    same("Observation", &bag(expected), &bag(found.into_iter()));
}

/// Studies and plans: one record for each id, however many rows it has.
fn each_id_is_one_record(tables: &Tables, run: &Path) {
    for (table, resource_type) in [("imaging_studies", "ImagingStudy"), ("careplans", "CarePlan")] {
        if !tables.contains_key(table) {
            continue;
        }
        let expected: BTreeSet<String> = rows(tables, table).map(|r| id_of(&r)).collect();
        let found: Vec<String> = binary::resources(run, resource_type).iter().map(synthea_id).collect();
        assert_eq!(found.len(), expected.len(), "{resource_type}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{resource_type}");
    }
}

/// One `EXT0101` for each optional column that a table lacks, one `EXT0102` for each optional table, and no other.
fn each_absent_column_and_table_is_said_once(tables: &Tables, run: &Path) {
    let schema = std::fs::read(binary::root().join("sources/synthea/ehr.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let mut expected = Bag::new();
    for table in schema["tables"].as_array().unwrap() {
        let name = text(table, "/name");
        let Some(there) = tables.get(&name) else {
            expected.insert(vec!["EXT0102".into(), name, String::new()], 1);
            continue;
        };
        for column in table["columns"].as_array().unwrap().iter().filter(|c| c["optional"] == true) {
            let column = text(column, "/name");
            if !there.heads.iter().any(|head| head.eq_ignore_ascii_case(&column)) {
                expected.insert(vec!["EXT0101".into(), name.clone(), column], 1);
            }
        }
    }
    let found = issues(run).into_iter().filter(|i| i["code"].starts_with("EXT"));
    same(
        "issues of extract",
        &expected,
        &bag(found.map(|i| vec![i["code"].clone(), i["table"].clone(), i["column"].clone()])),
    );
}

fn issues(run: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(run.join("5-report/issues.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

// --- the delivered side ---

/// `Type/id` to Synthea's own id.
struct Ids(BTreeMap<String, String>);

impl Ids {
    fn of(run: &Path) -> Self {
        let mut ids = BTreeMap::new();
        for kind in ["Patient", "Encounter"] {
            for resource in binary::resources(run, kind) {
                ids.insert(format!("{kind}/{}", text(&resource, "/id")), synthea_id(&resource));
            }
        }
        Self(ids)
    }

    fn of_reference(&self, resource: &Value, pointer: &str) -> String {
        let reference = text(resource, &format!("{pointer}/reference"));
        if reference.is_empty() { reference } else { self.0[&reference].clone() }
    }
}

fn synthea_id(resource: &Value) -> String {
    let identifiers = resource["identifier"].as_array().unwrap();
    let own = identifiers.iter().find(|i| i["system"] == "https://github.com/synthetichealth/synthea").unwrap();
    text(own, "/value")
}

/// The text at a place, empty where there is none.
fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

// --- the side of the tables ---

#[derive(Clone)]
struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

type Tables = BTreeMap<String, Table>;

fn read(folder: &Path) -> Tables {
    let mut tables = Tables::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let heads = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        tables.insert(path.file_stem().unwrap().to_string_lossy().into_owned(), Table { heads, rows });
    }
    tables
}

fn write(tables: &Tables, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for (name, table) in tables {
        let mut writer = csv::Writer::from_path(folder.join(format!("{name}.csv"))).unwrap();
        writer.write_record(&table.heads).unwrap();
        for row in &table.rows {
            writer.write_record(row).unwrap();
        }
        writer.flush().unwrap();
    }
}

fn rows<'t>(tables: &'t Tables, table: &str) -> impl Iterator<Item = Row> + 't {
    let table = &tables[table];
    table.rows.iter().map(|row| table.heads.iter().cloned().zip(row.iter().cloned()).collect())
}

/// A cell; empty where the year has no such column.
fn cell(row: &Row, column: &str) -> String {
    row.get(column).cloned().unwrap_or_default()
}

fn id_of(row: &Row) -> String {
    cell(row, "Id") + &cell(row, "ID")
}

fn start(row: &Row) -> String {
    cell(row, "START") + &cell(row, "DATE")
}

fn event(row: &Row) -> Vec<String> {
    vec![cell(row, "PATIENT"), cell(row, "ENCOUNTER"), cell(row, "CODE"), start(row)]
}

fn sex(row: &Row) -> String {
    match row["GENDER"].as_str() {
        "F" => "female".into(),
        "M" => "male".into(),
        other => panic!("the pair has no sex {other}"),
    }
}

fn rename(tables: &mut Tables, table: &str, from: &str, to: &str) {
    let heads = &mut tables.get_mut(table).unwrap().heads;
    let head = heads.iter_mut().find(|h| *h == from).unwrap();
    to.clone_into(head);
}

fn rename_everywhere(tables: &mut Tables, from: &str, to: &str) {
    for table in tables.values_mut() {
        table.heads.iter_mut().filter(|h| *h == from).for_each(|h| to.clone_into(h));
    }
}

fn drop_columns(tables: &mut Tables, table: &str, columns: &[&str]) {
    let table = tables.get_mut(table).unwrap();
    for column in columns {
        let at = table.heads.iter().position(|h| h == column).unwrap();
        table.heads.remove(at);
        for row in &mut table.rows {
            row.remove(at);
        }
    }
}

fn add_column(tables: &mut Tables, table: &str, column: &str, value: &str) {
    let table = tables.get_mut(table).unwrap();
    table.heads.push(column.to_owned());
    for row in &mut table.rows {
        row.push(value.to_owned());
    }
}

fn change(tables: &mut Tables, table: &str, column: &str, mut to: impl FnMut(&str) -> String) {
    let table = tables.get_mut(table).unwrap();
    let at = table.heads.iter().position(|h| h == column).unwrap();
    for row in &mut table.rows {
        row[at] = to(&row[at]);
    }
}

/// Before 2021 a study was one row, without the uids of its series and instance, and without the procedure.
fn imaging_without_uids(tables: &mut Tables) {
    drop_columns(tables, "imaging_studies", &["SERIES_UID", "INSTANCE_UID", "PROCEDURE_CODE"]);
}

// --- comparing ---

fn bag(items: impl Iterator<Item = Vec<String>>) -> Bag {
    let mut bag = Bag::new();
    for item in items {
        *bag.entry(item).or_insert(0) += 1;
    }
    bag
}

/// Synthetic people only, so a difference may be shown.
fn same(what: &str, expected: &Bag, found: &Bag) {
    let missing: Vec<_> = expected.iter().filter(|(t, n)| found.get(*t) != Some(n)).take(3).collect();
    let surplus: Vec<_> = found.iter().filter(|(t, n)| expected.get(*t) != Some(n)).take(3).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{what}: missing {missing:#?}, surplus {surplus:#?}");
}
