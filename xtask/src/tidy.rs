//! `cargo xtask tidy`: what a reviewer should not have to look for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Which crate may use which inside the workspace. Source: ARCHITECTURE.md, "Crates".
const EDGES: &[(&str, &[&str])] = &[
    ("epr-model", &[]),
    ("epr-fhir", &["epr-model"]),
    ("epr-run", &["epr-model"]),
    ("epr-fhirpath", &["epr-model", "epr-fhir"]),
    ("epr-extract", &["epr-model", "epr-fhir", "epr-run"]),
    ("epr-mapping", &["epr-model", "epr-fhir", "epr-run"]),
    ("epr-link", &["epr-model", "epr-fhir", "epr-run"]),
    ("epr-load", &["epr-model", "epr-fhir", "epr-run"]),
    ("epr-validate", &["epr-model", "epr-fhir", "epr-fhirpath", "epr-run"]),
    ("epr-report", &["epr-model", "epr-run"]),
    (
        "epr",
        &[
            "epr-model",
            "epr-fhir",
            "epr-run",
            "epr-fhirpath",
            "epr-extract",
            "epr-mapping",
            "epr-link",
            "epr-load",
            "epr-validate",
            "epr-report",
        ],
    ),
    // Fuzzing wants the readers in its own process.
    ("xtask", &["epr-fhir", "epr-fhirpath", "epr-validate"]),
];

/// A source file longer than this says at its top why it is not split.
const LONG_FILE: usize = 600;

/// Words that name no idea of the field.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "manager", "processor"];

pub(crate) fn run() -> Result<ExitCode> {
    let root = crate::root();
    let mut faults = edges(&root)?;
    for file in files(&root, &["crates", "xtask", "tests"], &["rs"])? {
        faults.extend(module(&root, &file)?);
    }
    for file in files(&root, &["fixtures", "crates", "tests", "mappings", "sources"], &[])? {
        faults.extend(numbers(&root, &file));
    }
    for fault in &faults {
        println!("tidy: {fault}");
    }
    println!("tidy: {} faults", faults.len());
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Edges between the workspace's crates that the table does not have.
fn edges(root: &Path) -> Result<Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = allowed.get(name) else {
            faults.push(format!("crate {name} is not in the table of edges"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let is_ours = dependency["path"].is_string();
            // Tests may look further: their edges ship with nothing.
            if is_ours && dependency["kind"].is_null() && !allowed.contains(&to) {
                faults.push(format!("crate {name} may not use {to}"));
            }
        }
    }
    Ok(faults)
}

/// A module opens with what it is for, is named by a noun of the field, and is not long without a reason.
fn module(root: &Path, file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file)?;
    let shown = file.strip_prefix(root).unwrap_or(file).display();
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(format!("{shown}: does not open with a `//!` that says what it is for"));
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    if EMPTY_NAMES.contains(&name.as_ref()) {
        faults.push(format!("{shown}: `{name}` names no idea of the field"));
    }
    if text.lines().any(|line| line.ends_with([' ', '\t'])) {
        faults.push(format!("{shown}: trailing spaces"));
    }
    let header = text.lines().take_while(|l| l.starts_with("//!")).collect::<Vec<_>>().join(" ");
    let n_lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
    if n_lines > LONG_FILE && !header.contains("Long because") {
        faults.push(format!("{shown}: {n_lines} lines and no `Long because` in its header"));
    }
    Ok(faults)
}

/// A valid NHS number outside the 999 test range, where only synthetic people may be.
fn numbers(root: &Path, file: &Path) -> Vec<String> {
    // What is no text (a workbook, a picture) has no line to name.
    let Ok(text) = fs::read_to_string(file) else { return Vec::new() };
    let shown = file.strip_prefix(root).unwrap_or(file).display();
    let mut faults = Vec::new();
    for (i, line) in text.lines().enumerate() {
        // A hash in hexadecimal has ten digits in a row now and then.
        let words = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !is_hash(word));
        let mut runs = words.flat_map(|w| w.split(|c: char| !c.is_ascii_digit())).filter(|run| run.len() == 10);
        if runs.any(is_issued_number) && !line.contains("not a person's") {
            faults.push(format!("{shown}:{}: an NHS number outside the test range", i + 1));
        }
    }
    faults
}

/// Sixteen or more lower-case hexadecimal digits, letters among them.
fn is_hash(word: &str) -> bool {
    word.len() >= 16
        && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && word.bytes().any(|b| b.is_ascii_lowercase())
}

/// Ten digits with a right check digit from a range that is issued to people (4…, 6…, 7…).
fn is_issued_number(run: &str) -> bool {
    let digits: Vec<u32> = run.bytes().map(|b| u32::from(b - b'0')).collect();
    let repeated = digits.iter().all(|d| *d == digits[0]);
    let sum: u32 = digits[..9].iter().zip((2..=10).rev()).map(|(d, w)| d * w).sum();
    let check = match 11 - sum % 11 {
        11 => 0,
        other => other,
    };
    !repeated && matches!(digits[0], 4 | 6 | 7) && check == digits[9]
}

/// Files below some folders of the repository, sorted; with one of `extensions`, or of any.
fn files(root: &Path, folders: &[&str], extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|f| root.join(f)).filter(|f| f.is_dir()).collect();
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" {
                waiting.push(path);
            } else if path.is_file()
                && (extensions.is_empty() || path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
