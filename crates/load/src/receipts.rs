//! What the target said: counted in the third ledger, written to the crosswalk and to the issues.

use std::collections::BTreeMap;

use epr_model::{Action, Issue, IssueDoc, Stage};
use epr_run::ledger::TargetLedger;
use epr_run::records::{CrosswalkRecord, RecordWriter};
use epr_run::{RunError, StageFolder};

use crate::issues::ISSUES;
use crate::journal::Reason;
use crate::target::{Answer, Sent};

/// Takes a target's answers, one for each resource.
pub struct Receipts {
    crosswalk: RecordWriter<CrosswalkRecord>,
    issues: RecordWriter<Issue>,
    resource_type: String,
    /// Of the type that is being sent.
    counted: TargetLedger,
    summary: Summary,
}

/// The answers, counted.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) by_type: BTreeMap<String, TargetLedger>,
    /// Confirmed now, by type.
    pub(crate) sent: BTreeMap<String, u64>,
    pub(crate) issues: BTreeMap<String, u64>,
}

impl Receipts {
    pub(crate) fn new(folder: &StageFolder) -> Result<Self, RunError> {
        Ok(Self {
            crosswalk: RecordWriter::new(folder)?,
            issues: RecordWriter::new(folder)?,
            resource_type: String::new(),
            counted: TargetLedger::default(),
            summary: Summary::default(),
        })
    }

    pub(crate) fn begin_type(&mut self, resource_type: &str) {
        resource_type.clone_into(&mut self.resource_type);
        self.counted = TargetLedger::default();
    }

    pub(crate) fn end_type(&mut self) {
        let kind = &self.resource_type;
        if self.counted.confirmed > 0 {
            self.summary.sent.insert(kind.clone(), self.counted.confirmed);
        }
        self.summary.by_type.insert(kind.clone(), std::mem::take(&mut self.counted));
    }

    /// Takes the answer for one resource of the type that is being sent.
    pub fn push(&mut self, sent: &Sent, answer: Answer<'_>) -> Result<(), RunError> {
        let ledger = &mut self.counted;
        match answer {
            Answer::Confirmed { target_id, version } => {
                ledger.confirmed += 1;
                self.cross(sent, target_id, version)
            }
            Answer::Unchanged { target_id, version } => {
                ledger.unchanged += 1;
                self.cross(sent, target_id, version)
            }
            Answer::Edited { target_id, version } => {
                ledger.edited += 1;
                self.cross(sent, target_id, version)?;
                self.issue("LOD0103", Action::Kept, sent, None)
            }
            Answer::Rejected { why } => {
                ledger.rejected += 1;
                self.issue("LOD0101", Action::Rejected, sent, why)
            }
            Answer::InDoubt => {
                ledger.in_doubt += 1;
                self.issue("LOD0102", Action::Kept, sent, None)
            }
            Answer::Blocked => {
                ledger.blocked += 1;
                self.issue("LOD0104", Action::Kept, sent, None)
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Summary, RunError> {
        self.crosswalk.finish()?;
        self.issues.finish()?;
        Ok(self.summary)
    }

    fn cross(&mut self, sent: &Sent, target_id: &str, version: Option<&str>) -> Result<(), RunError> {
        self.crosswalk.push(&CrosswalkRecord {
            resource_type: self.resource_type.clone(),
            id: sent.id,
            target_id: target_id.to_owned(),
            version: version.map(str::to_owned),
            table: sent.table.clone(),
            row_no: sent.row_no,
        })
    }

    fn issue(&mut self, code: &str, action: Action, sent: &Sent, why: Option<&Reason>) -> Result<(), RunError> {
        let severity = severity_of(code);
        let mut issue = Issue::new(code, severity, action, Stage::Load);
        let mut place = sent.table.splitn(3, '/').map(str::to_owned);
        issue.organisation = place.next();
        issue.system = place.next();
        issue.table = place.next();
        issue.row_no = Some(sent.row_no);
        issue.resource_type = Some(self.resource_type.clone());
        if let Some(why) = why {
            issue.fhir_path.clone_from(&why.path);
            let said = [why.status.map(|status| format!("HTTP {status}")), why.code.clone()];
            let said: Vec<String> = said.into_iter().flatten().collect();
            issue.shape = (!said.is_empty()).then(|| said.join(" "));
        }
        issue.resource_id = Some(sent.id);
        issue.patient_key = (self.resource_type == "Patient").then_some(sent.id);
        *self.summary.issues.entry(code.to_owned()).or_default() += 1;
        self.issues.push(&issue)
    }
}

fn severity_of(code: &str) -> epr_model::Severity {
    let doc: Option<&IssueDoc> = ISSUES.iter().find(|doc| doc.code == code);
    doc.expect("every code that load raises is documented").severity
}
