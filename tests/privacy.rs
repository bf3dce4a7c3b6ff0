//! No value of a patient where anybody but the owner may read: not on the terminal, not in a log, a report, a manifest
//! or the message of a failure; and what holds values is the owner's alone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::binary;
use crate::project::Project;

/// Words of the fixture's made-up people, in lower case: names, NHS numbers, dates of birth and postcodes.
fn values(project: &Project) -> BTreeSet<String> {
    let connection = Connection::open(project.path("pas.sqlite")).unwrap();
    let sql =
        "SELECT SURNAME FROM PATIENTS UNION SELECT FORENAME FROM PATIENTS UNION SELECT SECOND_FORENAME FROM PATIENTS
               UNION SELECT NHS_IDENTIFIER FROM PATIENTS UNION SELECT substr(DTTM_OF_BIRTH, 1, 10) FROM PATIENTS
               UNION SELECT POSTCODE FROM PATIENTS UNION SELECT SURNAME FROM PATIENT_ALIASES";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
    let mut raw: Vec<String> = rows.filter_map(Result::unwrap).collect();
    let hospice = fs::read(project.path("fixtures/first/hospice/referrals.csv")).unwrap();
    for record in csv::Reader::from_reader(hospice.as_slice()).records() {
        raw.extend(record.unwrap().iter().skip(1).take(5).map(str::to_owned));
    }
    raw.extend(["Grace", "Venn", "PL9 8UU", "08/08/2020", "01632960011", "CALL-20817"].map(str::to_owned));
    let mut values = BTreeSet::new();
    for value in raw {
        let value = value.to_lowercase();
        // A date is written `14/03/1958`, `1958-03-14` or `19580314`; a number or a postcode with or without blanks.
        if let [day, month, year] = value.split('/').collect::<Vec<_>>()[..] {
            values.insert(format!("{year}-{month}-{day}"));
            values.insert(format!("{year}{month}{day}"));
        }
        values.insert(value.replace(' ', ""));
        values.insert(value);
    }
    // Words of the language that stand in two of the rows.
    values.retain(|value| value != "unknown" && value != "deleted");
    values
}

/// The values that stand in a text as words of their own.
fn found(text: &str, values: &BTreeSet<String>) -> Vec<String> {
    let text = text.to_lowercase();
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let stands = |value: &&String| {
        text.match_indices(value.as_str()).any(|(at, _)| {
            !is_word(text[..at].chars().next_back()) && !is_word(text[at + value.len()..].chars().next())
        })
    };
    values.iter().filter(stands).cloned().collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn no_value_of_a_patient_is_printed_logged_or_reported() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let values = values(&project);
    assert!(values.len() > 90 && values.contains("penhaligon") && values.contains("1992-02-29"), "{values:?}");
    let delivered = |name: &str| fs::read_to_string(project.path("run/6-load/files").join(name)).unwrap();

    let mut texts: Vec<(String, String)> = Vec::new();
    let mut say = |what: &str, output: &std::process::Output| {
        texts.push((format!("{what}: stdout"), String::from_utf8_lossy(&output.stdout).into_owned()));
        texts.push((format!("{what}: stderr"), String::from_utf8_lossy(&output.stderr).into_owned()));
    };
    let output = binary::expect(project.command().arg("-v"), &[1]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("first at RK9/ipm"), "-v shows the places of issues");
    say("epr run -v", &output);
    say("epr run --format json", &binary::expect(project.command().args(["--format", "json"]), &[1]));
    assert!(found(&delivered("Patient.ndjson"), &values).len() > 40, "the search finds what is there");

    for file in files_below(&project.path("run")) {
        let name = file.strip_prefix(project.path("run")).unwrap().display().to_string();
        let is_report = name.starts_with("5-report/") || name.starts_with("7-report/");
        let is_open = ["manifest.json", "run.json", "audit.ndjson", "ledger.json", "lock"];
        if is_report && !name.ends_with(".parquet") || is_open.iter().any(|open| name.ends_with(open)) {
            texts.push((name, String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned()));
        }
    }

    // A failure in the midst of the patients' own file.
    let part = project.path("run/3-link/Patient/part-0000.ndjson.zst");
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&part).unwrap();
    fs::write(&part, bytes).unwrap();
    fs::remove_dir_all(project.path("run/4-validate")).unwrap();
    let mut say = |what: &str, output: &std::process::Output| {
        texts.push((what.to_owned(), String::from_utf8_lossy(&output.stderr).into_owned()));
    };
    say("an altered part", &binary::expect(project.command().arg("-v"), &[2]));
    fs::remove_dir_all(project.path("run")).unwrap();
    let connection = Connection::open(project.path("pas.sqlite")).unwrap();
    connection.execute_batch("ALTER TABLE PATIENTS RENAME COLUMN SURNAME TO FAMILY_NAME").unwrap();
    drop(connection);
    say("a column that is gone", &binary::expect(project.command().arg("-v"), &[2, 3]));

    assert!(texts.len() > 20, "{}", texts.len());
    for (what, text) in &texts {
        assert!(!text.is_empty() || what.ends_with("lock"), "{what} is empty");
        assert_eq!(found(text, &values), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn what_holds_values_is_the_owners_alone_and_reports_are_the_groups_too() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    binary::expect(&mut project.command(), &[1]);
    let mut n_files = 0;
    for file in files_below(&project.path("run")).into_iter().chain(files_below(&project.path("run.state"))) {
        let name = file.strip_prefix(project.folder.path()).unwrap().display().to_string();
        let is_report = name.starts_with("run/5-report/") || name.starts_with("run/7-report/");
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        // `audit.ndjson` says who did what when, and holds no value: the test above reads it.
        let holds_values =
            [".parquet", ".zst", ".ndjson"].iter().any(|end| name.ends_with(end)) && name != "run/audit.ndjson";
        if is_report {
            assert_eq!(mode, 0o640, "{name}");
        } else if holds_values {
            assert_eq!(mode, 0o600, "{name}");
        }
        assert_eq!(mode & 0o007, 0, "{name} is nobody else's");
        n_files += 1;
    }
    assert!(n_files > 40, "{n_files}");
}
