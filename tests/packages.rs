//! FHIR packages that somebody altered after they were installed: nothing is loaded, and every command that looks
//! says which package it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::binary;
use crate::project::Project;

const R4: &str = "hl7.fhir.r4.core#4.0.1";

/// A home whose R4 package has the files of the real one, by hard links where the disk can, and no compiled pack.
fn home_with_r4(home: &Path) -> PathBuf {
    let real = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".fhir/packages").join(R4);
    let copy = home.join(".fhir/packages").join(R4);
    link(&real, &copy);
    copy
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            link(&entry.path(), &target);
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_altered_package_is_named_and_nothing_is_staged() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let home = project.path("home");
    let package = home_with_r4(&home);
    if !binary::has("r4 installed by epr", package.join(".epr-integrity.json").is_file()) {
        return;
    }
    // The link is replaced, not written through: the real package stays as it is.
    let definition = package.join("package/StructureDefinition-Patient.json");
    let text = fs::read_to_string(&definition).unwrap();
    fs::remove_file(&definition).unwrap();
    fs::write(&definition, text.replacen("\"max\":\"1\"", "\"max\":\"2\"", 1) + "\n").unwrap();

    let output = binary::expect(project.command().env("HOME", &home), &[3]);
    let told = project.told(&output);
    assert!(told.contains("hl7.fhir.r4.core@4.0.1") && told.contains("was altered"), "{told}");
    assert!(told.contains("nothing was loaded") && told.contains("rm -r"), "{told}");
    assert!(project.stages().is_empty());

    for args in [["packages", "list"], ["doctor", "--no-progress"]] {
        let output = binary::expect(project.epr(&args).env("HOME", &home), &[1]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains("hl7.fhir.r4.core@4.0.1") && told.contains("was altered"), "{args:?}: {told}");
    }
}

const UK_PATIENT: &str = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient";

#[test]
fn an_optional_package_that_is_absent_has_stand_ins_and_the_run_says_so() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let home = project.path("home");
    home_with_r4(&home);
    let uses = |optional: bool| {
        format!(
            "packages.use=[\"hl7.fhir.r4.core@4.0.1\", \
             {{ name = \"fhir.r4.ukcore.stu2\", version = \"2.0.1\", optional = {optional} }}]"
        )
    };
    let run = |optional: bool| {
        let mut command = project.command();
        command.env("HOME", &home).arg("--set").arg(uses(optional));
        command.arg("--set").arg(format!("profiles.Patient={UK_PATIENT}"));
        command
    };
    let told = project.told(&binary::expect(&mut run(false), &[3]));
    assert!(told.contains("fhir.r4.ukcore.stu2@2.0.1 is not in"), "{told}");
    assert!(project.stages().is_empty());

    binary::expect(&mut run(true), &[0, 1]);
    let ledger = fs::read_to_string(project.path("run/4-validate/ledger.json")).unwrap();
    assert!(ledger.contains(&format!("profile {UK_PATIENT} is not installed")), "{ledger}");
    let report = fs::read_to_string(project.path("run/5-report/report.html")).unwrap();
    assert!(report.contains("fhir.r4.ukcore.stu2@2.0.1: not installed"));
}

#[test]
fn uk_core_is_installed_from_its_archive_and_its_profiles_are_checked() {
    let archive = binary::root().parent().unwrap().join("shared/data/fhir-packages/fhir.r4.ukcore.stu2-2.0.1.tgz");
    if !binary::can_run() || !binary::has("shared", archive.is_file()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    home_with_r4(&home);
    let epr = |args: &[&str]| {
        let mut command = binary::epr();
        command.current_dir(folder.path()).env("HOME", &home).args(args);
        command
    };
    let output = binary::expect(&mut epr(&["packages", "install", archive.to_str().unwrap()]), &[0]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("installed  fhir.r4.ukcore.stu2@2.0.1"));
    let output = binary::expect(&mut epr(&["packages", "install", archive.to_str().unwrap()]), &[0]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("was there"));

    let patient = r#"{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number"}]}"#;
    fs::write(folder.path().join("p.json"), patient).unwrap();
    let args = ["validate", "--package", "fhir.r4.ukcore.stu2@2.0.1", "--profile", UK_PATIENT, "p.json"];
    let output = binary::expect(&mut epr(&args), &[1]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("VAL0030") && told.contains("Patient.identifier[0].value"), "{told}");
}

#[test]
fn a_definition_without_a_snapshot_is_a_line_and_exit_1() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let definition = r#"{"resourceType":"StructureDefinition","url":"http://example.org/wrong","name":"Wrong",
        "kind":"resource","abstract":false,"type":"Patient","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
        "differential":{"element":[{"id":"Patient.nmae","path":"Patient.nmae","min":1}]}}"#;
    fs::write(folder.path().join("wrong.json"), definition).unwrap();
    fs::write(folder.path().join("p.json"), r#"{"resourceType":"Patient","active":true}"#).unwrap();
    let mut command = binary::epr();
    command.current_dir(folder.path()).args(["validate", "--package", "wrong.json", "--format", "ndjson", "p.json"]);
    let output = binary::expect(&mut command, &[1]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["file"], &lines[0]["valid"], &lines[0]["errors"]),
        (&"wrong.json".into(), &false.into(), &1.into())
    );
    assert!(lines[0]["resourceType"].is_null() && lines[0]["id"].is_null());
    assert_eq!(lines[1]["valid"], true);
}
