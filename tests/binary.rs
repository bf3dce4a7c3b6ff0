//! How a test runs the binary, where its inputs are, and how it skips.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `epr`, without anything of this process's environment that could steer it.
pub(crate) fn epr() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_epr"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EPR_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

/// `epr run` on a project, with `--set` for each of `sets`.
pub(crate) fn run(project: &Path, run_dir: &Path, sets: &[(&str, &Path)]) -> Command {
    let mut command = epr();
    command.arg("run").arg("--project").arg(project).arg("--run-dir").arg(run_dir).arg("--no-progress");
    // What outlives a run is kept beside it, not in the repository.
    command.arg("--set").arg(format!("project.state={}", run_dir.with_extension("state").display()));
    for (key, value) in sets {
        command.arg("--set").arg(format!("{key}={}", value.display()));
    }
    command
}

/// Runs it; panics with what it printed where the exit code is none of `codes`.
pub(crate) fn expect(command: &mut Command, codes: &[i32]) -> Output {
    let output = command.output().expect("the binary starts");
    let code = output.status.code().unwrap_or(-1);
    assert!(
        codes.contains(&code),
        "exit code {code}, expected one of {codes:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Whether what a test needs is there. Prints the notice of a skip; fails where `EPR_REQUIRE` names the need.
pub(crate) fn has(need: &str, is_there: bool) -> bool {
    if !is_there {
        let required = std::env::var("EPR_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == need), "EPR_REQUIRE names `{need}`, and it is not there");
        println!("skipped: {}: {need} is not there", std::thread::current().name().unwrap_or("a test"));
    }
    is_there
}

/// SQLite over ODBC and the FHIR R4 definitions: what every whole run needs.
pub(crate) fn can_run() -> bool {
    let driver = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .iter()
        .any(|machine| Path::new(&format!("/usr/lib/{machine}/odbc/libsqlite3odbc.so")).is_file());
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let r4 = home.join(".fhir/packages/hl7.fhir.r4.core#4.0.1/package").is_dir();
    has("odbc", driver) && has("r4", r4)
}

/// Real inputs that this project did not write, by folder; `None` (with a notice) where they are absent.
pub(crate) fn shared(folder: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(folder);
    has("shared", path.is_dir()).then_some(path)
}

/// The delivered files of a run to the target `files`: name to bytes.
pub(crate) fn delivered(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = run.join("6-load/files");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("the run delivered files") {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "ndjson") {
            files.insert(path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// The resources of one type that a run delivered.
pub(crate) fn resources(run: &Path, resource_type: &str) -> Vec<serde_json::Value> {
    let path = run.join(format!("6-load/files/{resource_type}.ndjson"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a delivered line is JSON")).collect()
}
