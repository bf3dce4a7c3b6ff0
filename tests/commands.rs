//! Commands, messages and exit codes: a public interface, so each is a snapshot.

use std::path::Path;
use std::process::Command;

use crate::binary;

/// Exit code, stdout and stderr of a command in an empty folder.
fn told(folder: &Path, command: &mut Command) -> String {
    let output = command.current_dir(folder).output().unwrap();
    let clean = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder.display().to_string(), "[folder]");
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap_or(-1),
        clean(&output.stdout),
        clean(&output.stderr)
    )
}

fn in_an_empty_folder(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), binary::epr().args(args))
}

#[test]
fn epr_alone_explains_itself() {
    insta::assert_snapshot!(in_an_empty_folder(&[]));
}

#[test]
fn the_help_lists_every_command() {
    insta::assert_snapshot!(in_an_empty_folder(&["--help"]));
}

#[test]
fn a_missing_project_says_what_to_type() {
    insta::assert_snapshot!(in_an_empty_folder(&["run"]));
}

#[test]
fn a_code_is_explained() {
    insta::assert_snapshot!(in_an_empty_folder(&["explain", "ID-01"]));
}

#[test]
fn an_unknown_code_shows_those_near_it() {
    let text = in_an_empty_folder(&["explain", "ID-99"]);
    assert!(text.starts_with("exit 2\n") && text.contains("ID-01"), "{text}");
}

#[test]
fn every_code_has_a_page() {
    for code in ["EXT", "MAP", "LNK", "VAL", "LOD"] {
        let text = in_an_empty_folder(&["explain", code]);
        let codes = text.split("codes that begin so:").nth(1).unwrap_or_default().split_whitespace();
        let codes: Vec<_> = codes.filter(|c| c.starts_with(code)).map(str::to_owned).collect();
        assert!(!codes.is_empty(), "{code}: {text}");
        for code in codes {
            assert!(in_an_empty_folder(&["explain", &code]).starts_with("exit 0\n"), "{code}");
        }
    }
}

#[test]
fn a_project_made_by_init_holds_passes_its_tests_and_runs() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| binary::expect(binary::epr().current_dir(folder.path()).args(args), &[0]);
    run(&["init"]);
    run(&["check", "--strict"]);
    run(&["test"]);
    run(&["run", "--run-dir", "run"]);
    assert_eq!(binary::resources(&folder.path().join("run"), "Patient").len(), 3);
    let again = binary::epr().current_dir(folder.path()).arg("init").output().unwrap();
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");
}

#[test]
fn a_resource_is_explained_back_to_its_cells_and_lines() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pas = folder.path().join("pas.sqlite");
    crate::first::database(&pas, crate::first::Order::AsWritten);
    let run = folder.path().join("run");
    binary::expect(&mut crate::first::run(&pas, &run), &[1]);
    let patient = binary::resources(&run, "Patient")
        .into_iter()
        .find(|p| p["identifier"].as_array().unwrap().iter().any(|i| i["value"] == "D100003"))
        .unwrap();
    let mut command = binary::epr();
    command.args(["explain", &format!("Patient/{}", patient["id"].as_str().unwrap())]);
    command.arg("--project").arg(binary::root().join("fixtures/first/epr.toml"));
    command.arg("--set").arg(format!("source.pas.database={}", pas.display())).arg("--run-dir").arg(&run);
    let output = binary::expect(&mut command, &[0]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for value in ["Penhaligon", "PENHALIGON", "9990004218", "1992-02-29"] {
        assert!(!text.contains(value), "a value is shown without --show-values");
    }
    insta::assert_snapshot!(text);
    let output = binary::expect(command.arg("--show-values"), &[0]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("Penhaligon"));
}

#[test]
fn a_report_is_signed_once_and_the_log_says_so_once() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str], codes: &[i32]| binary::expect(binary::epr().current_dir(folder.path()).args(args), codes);
    run(&["init"], &[0]);
    run(&["run", "--run-dir", "run"], &[0]);
    let sign = ["sign", "--run-dir", "run", "--by", "A Person", "--role", "CSO", "--decision", "accept"];
    run(&sign, &[0]);
    run(&sign, &[2]);
    let log = std::fs::read_to_string(folder.path().join("run/audit.ndjson")).unwrap();
    assert_eq!(log.matches("\"event\":\"signed\"").count(), 1);
    // What was signed is not done again by accident.
    run(&["map", "--run-dir", "run"], &[2]);
    run(&["map", "--run-dir", "run", "--discard-signature"], &[0]);
}

/// Royal Cornwall runs Plymouth's product: what its overlay changes can be read in an hour.
#[test]
fn diff_counts_what_the_second_trust_changes() {
    let pack = |name: &str| binary::root().join("mappings").join(name);
    let diff = |after: &str, code: i32| -> serde_json::Value {
        let mut command = binary::epr();
        command.arg("diff").arg(pack("rk9/ipm")).arg(pack(after)).args(["--stat", "--format", "json"]);
        serde_json::from_slice(&binary::expect(&mut command, &[code]).stdout).unwrap()
    };
    let overlay = diff("ref/ipm", 1);
    let n = overlay["changed_leaves"].as_u64().unwrap();
    println!("{n} changed leaves over {} maps", overlay["maps_compared"]);
    // Three or four a map; the maps of medicines, results and mothers came later.
    assert!(n > 0 && n <= 65, "{overlay}");
    assert_eq!(diff("rk9/ipm", 0)["changed_leaves"], 0);
}

#[test]
fn diff_of_what_is_not_there_says_what_to_type() {
    let text = in_an_empty_folder(&["diff", "rk9/ipm", "ref/ipm"]);
    assert!(text.starts_with("exit 2\n") && text.contains("name two folders"), "{text}");
}
