//! Every `--format` of every command: what it looks like, and that a format which a command does not offer is refused.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::binary;
use crate::project::Project;

/// What `epr init` writes, with two mistakes in its mapping.
fn spoiled() -> tempfile::TempDir {
    let folder = written_by_init();
    change(&folder, "mappings/example/people/patient.yaml", "  birthDate: \"=date", "  birthDay: \"=date");
    change(&folder, "mappings/example/people/patient.yaml", "not blank($nhs_no)", "$nhs_no != ''");
    folder
}

fn written_by_init() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    binary::expect(&mut epr(&folder, &["init"]), &[0]);
    folder
}

fn epr(folder: &tempfile::TempDir, args: &[&str]) -> Command {
    let mut command = binary::epr();
    command.current_dir(folder.path()).args(args);
    command
}

fn change(folder: &tempfile::TempDir, file: &str, from: &str, to: &str) {
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} holds {from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn stdout(command: &mut Command, code: i32) -> String {
    let output = binary::expect(command, &[code]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing on stderr");
    String::from_utf8(output.stdout).unwrap().replace(env!("CARGO_PKG_VERSION"), "[version]")
}

#[test]
fn check_speaks_each_of_its_formats() {
    if !binary::can_run() {
        return;
    }
    let folder = spoiled();
    for format in ["text", "json", "ndjson", "csv", "sarif", "junit"] {
        let told = stdout(&mut epr(&folder, &["check", "--format", format]), 1);
        match format {
            "json" => drop(serde_json::from_str::<Value>(&told).unwrap()),
            "sarif" => {
                insta::assert_snapshot!("check_sarif", without_rules(&told));
                continue;
            }
            "ndjson" => told.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap())),
            _ => {}
        }
        insta::assert_snapshot!(format!("check_{format}"), told);
    }
}

/// A SARIF log whose rules, one a code of the tool, are proved to be there and taken out: their texts are pages of
/// `epr explain`, not of this snapshot.
fn without_rules(told: &str) -> String {
    let mut log: Value = serde_json::from_str(told).unwrap();
    let run = &mut log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].take();
    for result in run["results"].as_array_mut().unwrap() {
        let index = result["ruleIndex"].take().as_u64().unwrap();
        assert_eq!(rules[usize::try_from(index).unwrap()]["id"], result["ruleId"]);
    }
    serde_json::to_string_pretty(&log).unwrap()
}

#[test]
fn test_speaks_each_of_its_formats() {
    if !binary::can_run() {
        return;
    }
    let folder = written_by_init();
    let (from, to) = ("\"name[0].family\": O'Neill", "\"name[0].family\": \"O'Neil & <sons>\"");
    change(&folder, "mappings/example/people/patient.yaml", from, to);
    for format in ["text", "json", "junit"] {
        let told = stdout(&mut epr(&folder, &["test", "patient", "--format", format]), 1);
        insta::assert_snapshot!(format!("test_{format}"), told);
    }
}

#[test]
fn a_run_tells_a_program_what_it_tells_a_person() {
    if !binary::can_run() {
        return;
    }
    let folder = written_by_init();
    // A number that is none, a sex that no code map has, a day that no calendar has.
    let people = folder.path().join("data/people.csv");
    let text = fs::read_to_string(&people).unwrap();
    fs::write(people, text + "4,BLAKE,ROSE,0000000000,7,31/02/1990\n").unwrap();
    let args = ["run", "--run-dir", "trial", "--fail-on", "warning"];
    let output = binary::expect(epr(&folder, &args).args(["--format", "json", "-q"]), &[1]);
    assert!(output.stderr.is_empty(), "-q leaves errors only: {}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["exit"], 1);
    assert_eq!(told["resources"]["Patient"]["delivered"], 4);
    assert!(folder.path().join(told["report"].as_str().unwrap()).is_file());
    assert!(!told["verdict"]["gates"].as_array().unwrap().is_empty());
    let text = binary::expect(&mut epr(&folder, &args), &[1]);
    let hash = told["report_sha256"].as_str().unwrap();
    insta::assert_snapshot!("run_text", String::from_utf8_lossy(&text.stdout).replace(&hash[..12], "[hash]"));
}

#[test]
fn packages_doctor_and_codes_are_told_as_json() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let json = |args: &[&str]| -> Value {
        serde_json::from_slice(&binary::expect(&mut project.epr(args), &[0]).stdout).unwrap()
    };
    let packages = json(&["packages", "list", "--format", "json"]);
    let r4 = packages.as_array().unwrap().iter().find(|p| p["package"] == "hl7.fhir.r4.core@4.0.1").unwrap();
    assert_eq!((&r4["ok"], r4["sha256"].as_str().unwrap().len()), (&Value::Bool(true), 64));
    let doctor = json(&["doctor", "--format", "json"]);
    assert!(doctor.as_array().unwrap().iter().any(|line| line["what"] == "driver" && line["ok"] == true));
    let code = json(&["explain", "ID-01", "--format", "json"]);
    assert_eq!(code["code"], "ID-01");
    assert!(code["explanation"].as_str().unwrap().len() > 40);
}

#[test]
fn a_resource_is_explained_as_json_and_values_are_shown_only_where_asked_for() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    binary::expect(&mut project.command(), &[1]);
    let patients = binary::resources(&project.path("run"), "Patient");
    let patient = patients.iter().find(|p| p["name"][0]["family"] == "Tremayne").unwrap();
    let what = format!("Patient/{}", patient["id"].as_str().unwrap());
    let mut command = project.command_named("explain");
    command.arg(&what).args(["--format", "json"]);
    let told = String::from_utf8(binary::expect(&mut command, &[0]).stdout).unwrap();
    let all: Value = serde_json::from_str(&told).unwrap();
    let family = |all: &Value| {
        let elements = all[0]["elements"].as_array().unwrap().clone();
        elements.into_iter().find(|e| e["path"].as_str().unwrap().contains("family")).unwrap()
    };
    assert_eq!(family(&all)["cells"][0]["column"], "SURNAME");
    assert_eq!(family(&all)["written"]["file"], "mappings/rk9/ipm/patient.yaml");
    assert!(!told.contains("Tremayne") && family(&all).get("value").is_none());
    let told = binary::expect(command.arg("--show-values"), &[0]).stdout;
    assert!(String::from_utf8_lossy(&told).contains("Tremayne"));
}

#[test]
fn a_format_that_a_command_does_not_offer_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let all = ["text", "json", "ndjson", "csv", "sarif", "junit"];
    let offers: [(&[&str], &[&str]); 16] = [
        (&["check"], &all),
        (&["validate", "x.json"], &all),
        (&["validate"], &["text"]),
        (&["test"], &["text", "json", "junit"]),
        (&["run"], &["text", "json"]),
        (&["report"], &["text", "json"]),
        (&["load"], &["text", "json"]),
        (&["load", "--dry-run"], &["text"]),
        (&["packages", "list"], &["text", "json"]),
        (&["packages", "install"], &["text"]),
        (&["doctor"], &["text", "json"]),
        (&["explain", "ID-01"], &["text", "json"]),
        (&["extract"], &["text"]),
        (&["map"], &["text"]),
        (&["link"], &["text"]),
        (&["init", "new"], &["text"]),
    ];
    for (command, offered) in offers {
        for format in all.iter().filter(|format| !offered.contains(format)) {
            let mut epr = binary::epr();
            epr.current_dir(folder.path()).args(command).args(["--format", format]);
            let output = binary::expect(&mut epr, &[2]);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(told.contains(&format!("has no format {format}")), "{command:?}: {told}");
            assert!(told.contains(&format!("--format {}", offered.join("|"))), "{command:?}: {told}");
            assert!(output.stdout.is_empty());
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was done");
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    if !binary::can_run() {
        return;
    }
    let folder = spoiled();
    fs::write(folder.path().join("bad.ndjson"), "{\"resourceType\":\"Patient\",\"gender\":\"x\"}\n".repeat(20_000))
        .unwrap();
    let commands: [&[&str]; 8] = [
        &["validate", "bad.ndjson"],
        &["validate", "bad.ndjson", "--format", "ndjson"],
        &["check"],
        &["check", "--format", "sarif"],
        &["doctor"],
        &["packages", "list"],
        &["explain", "ID-01"],
        &["--help"],
    ];
    for args in commands {
        let mut command = epr(&folder, args);
        let (reader, writer) = std::io::pipe().unwrap();
        // The reader is gone before the first byte: the strictest form of `| head -1`.
        drop(reader);
        let output = command.stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""), "{args:?}");
    }
    // What is written to disk is written all the same.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = epr(&folder, &["init", "new"]).stdout(writer).status().unwrap();
    assert!(status.success());
    assert!(folder.path().join("new/data/people.csv").is_file());
}
