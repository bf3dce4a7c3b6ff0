//! `outcomes.ndjson`: one FHIR OperationOutcome for each resource with findings, for tools that speak FHIR.
//!
//! `id` is the resource's own; `diagnostics` names its type, what was done and the shape. Sorted by id.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use epr_model::{Action, Issue, ResourceId, Severity};
use epr_run::whole_file::{self, Access};
use epr_run::{RunError, StageFolder};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ReportError;
use crate::patients::People;
use crate::place::masked;
use crate::rules::Rules;
use crate::spill::{Spill, Spilled};

/// Findings that one outcome lists; the last entry then says how many more there are.
const PER_RESOURCE: usize = 100;

/// What is kept of a finding until its resource's turn comes.
#[derive(Serialize, Deserialize, PartialEq)]
struct Kept {
    resource_type: String,
    severity: Severity,
    action: Action,
    code: String,
    path: Option<String>,
    shape: Option<String>,
}

/// Gathers the findings by resource.
pub(crate) struct OutcomeFile {
    path: PathBuf,
    spill: Spill,
}

impl OutcomeFile {
    pub(crate) fn new(out: &StageFolder) -> Result<Self, ReportError> {
        Ok(Self { path: out.file("outcomes.ndjson")?, spill: Spill::new(out, ".outcomes")? })
    }

    pub(crate) fn push(&mut self, issue: &Issue, people: &People) -> Result<(), ReportError> {
        let Some(id) = issue.resource_id else { return Ok(()) };
        let resource_type = issue.resource_type.clone().unwrap_or_default();
        // A Patient is delivered under the person's id.
        let id = if resource_type == "Patient" { people.person(id) } else { id };
        let kept = Kept {
            resource_type,
            severity: issue.severity,
            action: issue.action,
            code: issue.code.clone(),
            path: issue.fhir_path.as_deref().map(|p| masked(p).into_owned()),
            shape: issue.shape.as_deref().map(|s| masked(s).into_owned()),
        };
        let body = serde_json::to_vec(&kept).expect("texts and codes only");
        Ok(self.spill.push(*id.as_bytes(), &body)?)
    }

    pub(crate) fn finish(self, rules: &Rules<'_>) -> Result<(), ReportError> {
        let Self { path, spill } = self;
        let mut file = BufWriter::with_capacity(1 << 17, whole_file::create(&path, Access::Group)?);
        spill.drain(|same_resource| {
            let mut line = outcome(same_resource, rules).into_bytes();
            line.push(b'\n');
            file.write_all(&line).map_err(RunError::io("write", &path))
        })?;
        sync(file, &path)
    }
}

fn sync(file: BufWriter<File>, path: &std::path::Path) -> Result<(), ReportError> {
    let file = file.into_inner().map_err(|e| RunError::io("write", path)(e.into_error()))?;
    Ok(file.sync_all().map_err(RunError::io("flush to disk", path))?)
}

fn outcome(findings: &[Spilled<'_>], rules: &Rules<'_>) -> String {
    let mut issues: Vec<_> = findings
        .iter()
        .take(PER_RESOURCE)
        .filter_map(|f| serde_json::from_slice::<Kept>(f.body).ok())
        .map(|kept| entry(&kept, rules))
        .collect();
    if findings.len() > PER_RESOURCE {
        let text = format!("{} more findings, listed in issues.csv", findings.len() - PER_RESOURCE);
        issues.push(json!({ "severity": "information", "code": "informational", "details": { "text": text } }));
    }
    let id = ResourceId::from_bytes(findings[0].key).to_string();
    json!({ "resourceType": "OperationOutcome", "id": id, "issue": issues }).to_string()
}

fn entry(kept: &Kept, rules: &Rules<'_>) -> serde_json::Value {
    let shape = kept.shape.as_ref().map(|s| format!("; {s}")).unwrap_or_default();
    let mut entry = json!({
        "severity": kept.severity.as_str(),
        "code": issue_type(&kept.code, kept.action),
        "details": { "coding": [{ "code": kept.code }], "text": rules.title(&kept.code) },
        "diagnostics": format!("{}: {}{shape}", kept.resource_type, kept.action.as_str()),
    });
    if let Some(path) = &kept.path {
        entry["expression"] = json!([path]);
    }
    entry
}

/// The nearest code of FHIR's IssueType value set.
fn issue_type(code: &str, action: Action) -> &'static str {
    match (code.get(..3), action) {
        (_, Action::Rejected) | (Some("EXT" | "LOD"), _) => "processing",
        (Some("MAP"), _) => "value",
        (Some("VAL"), _) => "invalid",
        _ => "business-rule",
    }
}
