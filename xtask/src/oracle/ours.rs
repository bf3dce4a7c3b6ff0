//! Our side: `epr validate --format ndjson`, as a user would call it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Fault, Judged, Set, Speed};

/// So many files at a time on one command line.
const FILES_A_CALL: usize = 2_000;

/// Judges the whole set, group by group.
pub(crate) fn judge(epr: &Path, set: &Set) -> Result<(Vec<Judged>, Speed)> {
    let mut judged = vec![Judged { failed: Some("not judged".to_owned()), ..Judged::default() }; set.files.len()];
    let started = Instant::now();
    for (n_group, group) in set.groups.iter().enumerate() {
        let of_group: Vec<usize> = (0..set.files.len()).filter(|&n| set.files[n].group == n_group).collect();
        for some in of_group.chunks(FILES_A_CALL) {
            let mut command = Command::new(epr);
            command.args(["validate", "--format", "ndjson", "--fail-on", "never", "--threads", "1", "-q"]);
            for package in &group.our_packages {
                command.args(["--package", package]);
            }
            for profile in group.profiles.values() {
                command.args(["--profile", profile]);
            }
            let by_path: HashMap<String, usize> =
                some.iter().map(|&n| (set.files[n].path.display().to_string(), n)).collect();
            let output = command.args(some.iter().map(|&n| &set.files[n].path)).output()?;
            let lines = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(output.status.success(), "epr validate ended with {}: {errors}", output.status);
            for line in lines.lines() {
                let line: Value = serde_json::from_str(line).context("a line of epr validate")?;
                let file = line["file"].as_str().unwrap_or_default();
                let n = by_path.get(file).with_context(|| format!("a line about {file}, which was not asked"))?;
                judged[*n] = of_line(&line);
            }
        }
    }
    // One thread, so its wall time is its CPU time, start and the loading of packages with it.
    let cpu_ms = started.elapsed().as_secs_f64() * 1000.0;
    Ok((judged, Speed { n_files: set.files.len(), cpu_ms, note: "start and loading of packages with it" }))
}

fn of_line(line: &Value) -> Judged {
    let issues = line["outcome"]["issue"].as_array().map_or(&[][..], Vec::as_slice);
    let is_error = |issue: &&Value| matches!(issue["severity"].as_str(), Some("error" | "fatal"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = issues.iter().filter(is_error).map(|issue| Fault {
        code: text(&issue["details"]["coding"][0]["code"]),
        at: text(&issue["expression"][0]),
        text: text(&issue["diagnostics"]),
    });
    Judged { errors: errors.collect(), failed: None }
}
