//! Bad input: a clear message, the right exit code, and nothing half-written that could be taken for whole.

use std::fs;
use std::process::Command;

use crate::binary;
use crate::project::Project;

#[test]
fn a_missing_driver_is_named_with_what_to_type() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    project.change("fixtures/first/epr.toml", "driver = \"SQLite3\"", "driver = \"/nowhere/libsqlite3odbc.so\"");
    let output = binary::expect(&mut project.command(), &[3]);
    insta::assert_snapshot!(project.told(&output));
    assert!(project.stages().is_empty());
}

#[test]
fn an_unreachable_database_is_named_and_not_made() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    fs::remove_file(project.path("pas.sqlite")).unwrap();
    let output = binary::expect(&mut project.command(), &[3]);
    insta::assert_snapshot!(project.told(&output));
    assert!(!project.path("pas.sqlite").exists(), "the driver would make an empty database");
    assert!(project.stages().is_empty());
}

#[test]
fn a_truncated_message_is_refused_whole_and_said() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let message = project.path("fixtures/first/nhs111/report.xml");
    let text = fs::read(&message).unwrap();
    fs::write(&message, &text[..text.len() - 200]).unwrap();
    let output = binary::expect(&mut project.command(), &[1]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("EXT"), "the closing screen names the finding");
    let manifest = fs::read_to_string(project.path("run/1-extract/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let document = manifest["tables"].as_array().unwrap().iter().find(|t| t["schema"]["name"] == "document").unwrap();
    assert_eq!(document["n_rows"], 0, "nothing of a truncated file is staged");
}

#[test]
fn a_mapping_with_mistakes_stops_before_any_row_is_read() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    project.change("mappings/rk9/ipm/patient.yaml", "  birthDate:", "  birthDay:");
    let output = binary::expect(&mut project.command(), &[2]);
    let told = project.told(&output);
    assert!(told.contains("MAP0203") && told.contains("did you mean `birthDate`"), "{told}");
    assert!(project.stages().is_empty());
}

#[test]
fn a_package_that_is_not_there_is_named_with_what_to_type() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    project.change(
        "fixtures/first/epr.toml",
        "hl7.fhir.r4.core@4.0.1\"",
        "hl7.fhir.r4.core@4.0.1\", \"made.up.package@9.9.9\"",
    );
    let output = binary::expect(&mut project.command(), &[3]);
    let told = project.told(&output);
    assert!(told.contains("made.up.package@9.9.9") && told.contains("epr packages install"), "{told}");
    assert!(project.stages().is_empty());
}

#[test]
fn a_null_key_and_two_rows_of_one_key_are_refused_and_counted() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let connection = rusqlite::Connection::open(project.path("pas.sqlite")).unwrap();
    connection
        .execute_batch(
            "INSERT INTO ALLERGIES SELECT NULL, PATNT_REFNO, ALLERGY_CODE, DESCRIPTION, SEVERITY_CODE, RECORDED_DTTM, ARCHV_FLAG FROM ALLERGIES WHERE ALLER_REFNO = 1;
             INSERT INTO ALLERGIES SELECT 2, PATNT_REFNO, 'EGG', DESCRIPTION, SEVERITY_CODE, RECORDED_DTTM, ARCHV_FLAG FROM ALLERGIES WHERE ALLER_REFNO = 2;
             INSERT INTO ALLERGIES SELECT * FROM ALLERGIES WHERE ALLER_REFNO = 3;",
        )
        .unwrap();
    drop(connection);
    binary::expect(&mut project.command(), &[1]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(project.path("run/2-map/manifest.json")).unwrap()).unwrap();
    let maps = manifest["ledgers"]["maps"].as_array().unwrap();
    let allergy = maps.iter().find(|m| m["map"] == "rk9/ipm/allergy").unwrap();
    assert_eq!(allergy["in_scope"], 9);
    assert_eq!(allergy["refused"], 3, "the null key, and both rows of one key");
    assert_eq!(allergy["repeated"], 1, "an equal row of the same key");
    assert_eq!(allergy["mapped"], 5);
}

#[test]
fn an_altered_file_is_refused_and_named() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    binary::expect(&mut project.command(), &[1]);
    let part = project.path("run/3-link/Patient/part-0000.ndjson.zst");
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&part).unwrap();
    fs::write(&part, bytes).unwrap();
    fs::remove_dir_all(project.path("run/4-validate")).unwrap();
    let output = binary::expect(&mut project.command(), &[2]);
    let told = project.told(&output);
    assert!(told.contains("altered") && told.contains("part-0000.ndjson.zst"), "{told}");
    assert!(!project.path("run/4-validate").exists());
}

#[test]
fn a_changed_mapping_does_not_go_on_in_an_old_run() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    binary::expect(&mut project.command(), &[1]);
    project.change(
        "mappings/rk9/ipm/codes/sex.csv",
        "9,http://hl7.org/fhir/administrative-gender,other,Other",
        "9,http://hl7.org/fhir/administrative-gender,unknown,Unknown",
    );
    let output = binary::expect(&mut project.command(), &[2]);
    let told = project.told(&output);
    assert!(told.contains("mappings changed since"), "{told}");
}

#[test]
fn a_finished_run_is_not_done_again_and_repeats_its_exit_code() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let first = binary::expect(&mut project.command(), &[1]);
    let again = binary::expect(&mut project.command(), &[1]);
    assert_eq!(first.stdout, again.stdout);
    let lines = String::from_utf8_lossy(&again.stderr).lines().count();
    assert_eq!(lines, 1, "only the run's place: {}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn a_full_disk_leaves_no_stage_that_looks_whole() {
    // A tmpfs of a few hundred kilobytes is a disk that fills up; making one needs root.
    let project = Project::make();
    let small = project.path("small");
    fs::create_dir(&small).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&small).output();
    if !binary::can_run() || !binary::has("root", mount.is_ok_and(|o| o.status.success())) {
        return;
    }
    let run = small.join("run");
    let mut command = binary::run(
        &project.path("fixtures/first/epr.toml"),
        &run,
        &[("source.pas.database", &project.path("pas.sqlite"))],
    );
    let output = command.output().unwrap();
    let whole = ["1-extract", "2-map", "3-link", "4-validate", "5-report", "6-load/files", "7-report"]
        .iter()
        .filter(|stage| run.join(stage).exists())
        .all(|stage| run.join(stage).join("manifest.json").is_file());
    let unmounted = Command::new("umount").arg("-l").arg(&small).output();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(whole, "a stage without a manifest has its final name");
    assert!(unmounted.is_ok());
}

#[test]
fn ctrl_c_ends_with_130_and_the_same_command_goes_on() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    let connection = rusqlite::Connection::open(project.path("pas.sqlite")).unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
             INSERT INTO SCHEDULES SELECT 1000 + i, 1, '14/01/2027 09:30', '14/01/2027 09:50', '0', '110', 'ORTHO1', NULL, NULL, NULL, 'N' FROM n;",
        )
        .unwrap();
    drop(connection);
    let mut child =
        project.command().stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let partial = project.path("run/.2-map.partial");
    while !partial.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(signalled.success(), "the run was over before it could be stopped");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(project.stages(), ["1-extract"]);
    binary::expect(&mut project.command(), &[1]);
}
