//! `epr doctor`: what this machine has and lacks, and the command that mends it.

use std::path::Path;
use std::process::Command;

use epr_extract::SourceKind;
use epr_extract::odbc::driver;
use epr_fhir::package::PackageError;
use serde_json::{Value, json};

use crate::args::{Common, Format};
use crate::config::PackageEntry;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{say, say_json};
use crate::workspace::{self, R4, package_cache};

/// What was found of one thing.
enum Finding {
    There(String),
    /// What is missing, and the command that mends it.
    Missing(String, String),
}

pub(crate) fn run(common: &Common) -> Outcome<Exit> {
    let mut findings = Vec::new();
    let project = if common.project.is_file() { Some(workspace::project(common)?) } else { None };
    match &project {
        Some(project) => findings.push((
            "project",
            Finding::There(common.project.display().to_string() + ", " + &project.file.project.name),
        )),
        None => findings
            .push(("project", Finding::Missing(format!("no {}", common.project.display()), "epr init".to_owned()))),
    }
    let sources = project.as_ref().map(workspace::sources).transpose()?.unwrap_or_default();
    let mut drivers: Vec<String> =
        sources.iter().filter(|s| s.kind == SourceKind::Odbc).filter_map(|s| s.driver.clone()).collect();
    drivers.sort();
    drivers.dedup();
    if drivers.is_empty() {
        drivers.push("SQLite3".to_owned());
    }
    for driver in drivers {
        findings.push((
            "driver",
            match driver::resolve(&driver, &workspace::odbc_configurations()) {
                Ok(path) => Finding::There(format!("{driver}: {}", path.display())),
                Err(lost) => Finding::Missing(format!("{driver} is not in {}", lost.looked_in), lost.remedy),
            },
        ));
    }
    for source in &sources {
        let place = source.path.as_ref().or(source.database.as_ref());
        if let Some(path) = place.filter(|p| p.is_absolute()) {
            findings.push((
                "source",
                if path.exists() {
                    Finding::There(format!("{}: {}", source.name, path.display()))
                } else {
                    let set = if source.path.is_some() { "path" } else { "database" };
                    Finding::Missing(
                        format!("{}: {} is not there", source.name, path.display()),
                        format!("--set source.{}.{set}=…", source.name),
                    )
                },
            ));
        }
    }
    findings.extend(packages(project.as_ref().map_or(&[], |p| p.file.packages.entries.as_slice()))?);
    findings.push(("disk", disk(project.as_ref().map_or(Path::new("."), |p| p.folder.as_path()))));

    let n_missing = findings.iter().filter(|(_, finding)| matches!(finding, Finding::Missing(..))).count();
    if common.format == Format::Json {
        let all: Vec<_> = findings.iter().map(|(what, finding)| json(what, finding)).collect();
        say_json(&all)?;
    } else {
        for (what, finding) in &findings {
            match finding {
                Finding::There(text) => say(format!("  ok       {what:<8} {text}"))?,
                Finding::Missing(text, mend) => {
                    say(format!("  MISSING  {what:<8} {text}\n           mend     {mend}"))?;
                }
            }
        }
    }
    Ok(if n_missing == 0 { Exit::Done } else { Exit::Issues })
}

fn json(what: &str, finding: &Finding) -> Value {
    match finding {
        Finding::There(text) => json!({ "what": what, "ok": true, "found": text }),
        Finding::Missing(text, mend) => json!({ "what": what, "ok": false, "found": text, "mend": mend }),
    }
}

fn packages(entries: &[PackageEntry]) -> Outcome<Vec<(&'static str, Finding)>> {
    let cache = package_cache()?;
    let mut findings = Vec::new();
    let named = entries.iter().map(|entry| (entry.id(), entry.is_optional()));
    let all = std::iter::once((R4.to_owned(), false)).chain(named.filter(|(name, _)| name != R4));
    for (name, is_optional) in all {
        let id = name.parse().map_err(Failure::usage)?;
        let mend = |error: &PackageError| match error {
            PackageError::Altered { folder, .. } => {
                format!("rm -r '{}' && epr packages install {name}", folder.display())
            }
            _ => format!("epr packages install {name}"),
        };
        findings.push((
            "package",
            match cache.verify(&id) {
                Ok(verified) => Finding::There(format!("{name}  sha256 {}…", &verified.sha256[..12])),
                Err(PackageError::NotInstalled { .. }) if is_optional => {
                    Finding::There(format!("{name} is not installed; the project's own profiles stand in"))
                }
                Err(error) => Finding::Missing(error.to_string(), mend(&error)),
            },
        ));
    }
    Ok(findings)
}

/// Free space where runs are written, as `df` tells it.
fn disk(folder: &Path) -> Finding {
    const ENOUGH_GB: u64 = 2;
    let output = Command::new("df").args(["--output=avail", "-B1G"]).arg(folder).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    match text.lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok()) {
        Some(gb) if gb < ENOUGH_GB => {
            Finding::Missing(format!("{gb} GB free"), "make room, or set --run-dir on another disk".to_owned())
        }
        Some(gb) => Finding::There(format!("{gb} GB free")),
        None => Finding::There("free space is not known here".to_owned()),
    }
}
