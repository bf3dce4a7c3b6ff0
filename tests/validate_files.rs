//! `epr validate` on anybody's files: what stdout holds, which exit code, what is not checked.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::binary;
use crate::project::Project;

const GOOD: &str = r#"{"resourceType":"Patient","id":"good","gender":"female","birthDate":"1958-03-14"}"#;
const BAD: &str = r#"{"resourceType":"Patient","id":"bad","gender":"femal","colour":"blue"}"#;
const NOT_JSON: &str = r#"{"resourceType":"Patient","#;
const UNKNOWN_PROFILE: &str =
    r#"{"resourceType":"Patient","id":"p","meta":{"profile":["https://example.org/nowhere"]},"gender":"male"}"#;

fn validate(folder: &Path, args: &[&str]) -> Command {
    let mut command = binary::epr();
    command.current_dir(folder).arg("validate").args(args);
    command
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn folder_with_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("in")).unwrap();
    fs::write(path("in/a.json"), GOOD).unwrap();
    fs::write(path("in/b.ndjson"), format!("{BAD}\n\n{GOOD}\n")).unwrap();
    fs::write(path("in/c.json"), NOT_JSON).unwrap();
    let mut gz =
        flate2::write::GzEncoder::new(fs::File::create(path("in/d.json.gz")).unwrap(), flate2::Compression::fast());
    gz.write_all(BAD.as_bytes()).unwrap();
    gz.finish().unwrap();
    fs::write(path("in/e.txt"), "not FHIR, and passed over in a folder").unwrap();
    folder
}

#[test]
fn a_folder_is_told_line_by_line_with_members_in_their_order() {
    if !binary::can_run() {
        return;
    }
    let folder = folder_with_files();
    let output = binary::expect(&mut validate(folder.path(), &["--format", "ndjson", "in"]), &[1]);
    assert!(output.stderr.is_empty());
    let told = lines(&output);
    let members = ["file", "line", "resourceType", "id", "valid", "errors", "warnings", "not_checked", "outcome"];
    for line in &told {
        assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), members);
        assert_eq!(line["outcome"]["resourceType"], "OperationOutcome");
        assert_eq!(line["valid"], line["errors"] == 0);
    }
    let places: Vec<_> = told.iter().map(|l| (l["file"].as_str().unwrap(), l["line"].as_u64().unwrap())).collect();
    assert_eq!(
        places,
        [("in/a.json", 1), ("in/b.ndjson", 1), ("in/b.ndjson", 3), ("in/c.json", 1), ("in/d.json.gz", 1)]
    );
    assert_eq!(
        told.iter().map(|l| l["valid"].as_bool().unwrap()).collect::<Vec<_>>(),
        [true, false, true, false, false]
    );
    let broken = &told[3];
    assert!(broken["resourceType"].is_null() && broken["id"].is_null());
    assert!(broken["errors"].as_u64().unwrap() >= 1);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn a_file_that_does_not_parse_is_one_line_and_exit_1() {
    if !binary::can_run() {
        return;
    }
    let folder = folder_with_files();
    for name in ["in/c.json", "in/nowhere.json", "in/e.txt"] {
        let output = binary::expect(&mut validate(folder.path(), &["--format", "ndjson", name]), &[1]);
        let told = lines(&output);
        assert_eq!(told.len(), 1, "{name}");
        assert!(told[0]["resourceType"].is_null() && told[0]["id"].is_null(), "{name}");
        assert_eq!(told[0]["valid"], false, "{name}");
    }
}

#[test]
fn the_other_formats_say_the_same() {
    if !binary::can_run() {
        return;
    }
    let folder = folder_with_files();
    for format in ["text", "json", "csv", "sarif", "junit"] {
        let output = binary::expect(&mut validate(folder.path(), &["--format", format, "in"]), &[1]);
        let told = String::from_utf8(output.stdout).unwrap();
        if format == "json" {
            let told: Value = serde_json::from_str(&told).unwrap();
            assert_eq!(told["summary"]["resources"], 5);
            assert_eq!(told["summary"]["invalid"], 3);
            assert_eq!(told["results"].as_array().unwrap().len(), 5);
            assert!(told["packages"].as_array().unwrap().contains(&"hl7.fhir.r4.core@4.0.1".into()));
            assert!(!told["ledger"]["checked"].as_array().unwrap().is_empty());
            continue;
        }
        // Which packages are cached beside R4 differs between machines.
        let told: Vec<_> = told.lines().filter(|line| !line.starts_with("checked against")).collect();
        let told = told.join("\n").replace(env!("CARGO_PKG_VERSION"), "[version]");
        insta::assert_snapshot!(format!("validate_{format}"), told);
    }
}

#[test]
fn no_file_at_all_is_still_a_whole_document() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for format in ["json", "sarif"] {
        let output = binary::expect(&mut validate(folder.path(), &["--format", format, "empty"]), &[0]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|e| panic!("{format}: {e}"));
    }
}

#[test]
fn a_part_of_a_run_is_read_as_it_lies_compressed() {
    if !binary::can_run() {
        return;
    }
    let project = Project::make();
    binary::expect(&mut project.command(), &[1]);
    let part = "run/3-link/Patient/part-0000.ndjson.zst";
    let output = binary::expect(&mut validate(project.folder.path(), &["--format", "ndjson", part]), &[0, 1]);
    let delivered = binary::resources(&project.path("run"), "Patient");
    let told = lines(&output);
    let ids = |ids: Vec<&Value>| ids.into_iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut in_part = ids(told.iter().map(|l| &l["id"]).collect());
    in_part.sort();
    assert_eq!(in_part, ids(delivered.iter().map(|p| &p["id"]).collect()));
}

#[test]
fn standard_input_is_ndjson() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = validate(folder.path(), &["--format", "ndjson", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{GOOD}\n{BAD}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = lines(&output);
    let places: Vec<_> = told.iter().map(|l| (l["file"].as_str().unwrap(), l["line"].as_u64().unwrap())).collect();
    assert_eq!(places, [("-", 1), ("-", 2)]);
}

#[test]
fn a_definition_file_is_a_package_and_its_profile_judges() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = "https://example.org/StructureDefinition/born";
    let real = Path::new(&std::env::var_os("HOME").unwrap())
        .join(".fhir/packages/hl7.fhir.r4.core#4.0.1/package/StructureDefinition-Patient.json");
    let mut profile: Value = serde_json::from_slice(&fs::read(real).unwrap()).unwrap();
    profile["url"] = url.into();
    profile["id"] = "born".into();
    profile["derivation"] = "constraint".into();
    profile["baseDefinition"] = "http://hl7.org/fhir/StructureDefinition/Patient".into();
    for element in profile["snapshot"]["element"].as_array_mut().unwrap() {
        if element["path"] == "Patient.birthDate" {
            element["min"] = 1.into();
        }
    }
    fs::write(folder.path().join("born.json"), profile.to_string()).unwrap();
    fs::write(folder.path().join("a.json"), r#"{"resourceType":"Patient","id":"a","gender":"male"}"#).unwrap();
    binary::expect(&mut validate(folder.path(), &["a.json"]), &[0]);
    let args = ["--package", "born.json", "--profile", url, "--format", "ndjson", "a.json"];
    let output = binary::expect(&mut validate(folder.path(), &args), &[1]);
    let told = &lines(&output)[0];
    assert_eq!(told["errors"], 1);
    assert_eq!(told["outcome"]["issue"][0]["code"], "required");
    let output = binary::expect(&mut validate(folder.path(), &["--profile", url, "a.json"]), &[2]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--package"), "the failure says what names a profile");
}

#[test]
fn a_package_that_cannot_be_read_is_a_mistake_of_who_named_it() {
    if !binary::can_run() {
        return;
    }
    let folder = folder_with_files();
    for (package, said) in [("in/c.json", "is not JSON"), ("nowhere.json", "there is no file or folder nowhere.json")] {
        let output = binary::expect(&mut validate(folder.path(), &["--package", package, "in/a.json"]), &[2]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(said) && told.contains("  next    "), "{package}: {told}");
        assert!(!told.contains("packages install"), "{package}: {told}");
    }
}

#[test]
fn an_unknown_profile_is_not_checked_and_strictness_makes_it_count() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), UNKNOWN_PROFILE).unwrap();
    let output = binary::expect(&mut validate(folder.path(), &["--format", "ndjson", "a.json"]), &[0]);
    let told = &lines(&output)[0];
    assert_eq!((&told["valid"], &told["errors"]), (&Value::Bool(true), &Value::from(0)));
    assert!(told["not_checked"].as_u64().unwrap() >= 1);
    let args = ["--strict-terminology", "--format", "ndjson", "a.json"];
    let output = binary::expect(&mut validate(folder.path(), &args), &[1]);
    assert_eq!(lines(&output)[0]["valid"], false);
}

#[test]
fn a_list_of_codes_that_a_user_holds_is_what_codes_are_judged_by() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let condition = |code: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"a","subject":{{"display":"x"}},"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"{code}"}}]}}}}"#
        )
    };
    fs::write(folder.path().join("in.json"), condition("44054006")).unwrap();
    fs::write(folder.path().join("out.json"), condition("22298006")).unwrap();
    fs::write(folder.path().join("codes.csv"), "code,display,inactive\n44054006,,\n").unwrap();
    let codes = "http://snomed.info/sct=codes.csv";
    let ask = |args: &[&str], file: &str, expected: i32| {
        let args: Vec<&str> = args.iter().chain(&["--format", "ndjson", file]).copied().collect();
        lines(&binary::expect(&mut validate(folder.path(), &args), &[expected]))[0]["errors"].as_u64().unwrap()
    };
    assert_eq!(ask(&[], "out.json", 0), 0);
    assert_eq!(ask(&["--codes", codes], "in.json", 0), 0);
    assert_eq!(ask(&["--codes", codes], "out.json", 1), 1);
    assert_eq!(ask(&["--codes-part", codes], "out.json", 0), 0);
    let absent =
        validate(folder.path(), &["--codes", "http://snomed.info/sct=absent.csv", "in.json"]).output().unwrap();
    assert_eq!(absent.status.code(), Some(2));
}

#[test]
fn fail_on_chooses_what_makes_exit_code_1() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.json"), BAD).unwrap();
    // A narrative is best practice (dom-6): its absence is a warning.
    let warned = r#"{"resourceType":"Observation","id":"w","status":"final","code":{"text":"x"}}"#;
    fs::write(folder.path().join("warned.json"), warned).unwrap();
    for (file, level, code) in [
        ("bad.json", "error", 1),
        ("bad.json", "warning", 1),
        ("bad.json", "never", 0),
        ("warned.json", "error", 0),
        ("warned.json", "never", 0),
    ] {
        binary::expect(&mut validate(folder.path(), &["--fail-on", level, file]), &[code]);
    }
    let told = binary::expect(&mut validate(folder.path(), &["--format", "ndjson", "warned.json"]), &[0]);
    let n_warnings = lines(&told)[0]["warnings"].as_u64().unwrap();
    let code = i32::from(n_warnings > 0);
    binary::expect(&mut validate(folder.path(), &["--fail-on", "warning", "warned.json"]), &[code]);
}
