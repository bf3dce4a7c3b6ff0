//! What the evaluator and the policies met, as issues with their place.

use epr_model::{Action, Issue, ResourceId, Severity, Stage};

use super::eval::{CellName, Mark, MarkKind, Place};
use super::program::MapProgram;
use crate::functions::{Fault, Note};
use crate::plan::At;

/// An issue and the column that it is about, by slot (tests name a column by its alias).
#[derive(Debug, Clone)]
pub struct PlacedIssue {
    pub issue: Issue,
    pub column: Option<CellName>,
}

/// The code of a fault.
pub(crate) const fn code_of_fault(fault: Fault) -> &'static str {
    match fault {
        Fault::DateFormat => "MAP0401",
        Fault::NotACalendarDate => "MAP0402",
        Fault::NoZone => "MAP0403",
        Fault::Gap => "MAP0404",
        Fault::Ambiguous => "MAP0405",
        Fault::OddOffset => "MAP0406",
        Fault::NoSeconds => "MAP0407",
        Fault::NotAnInteger => "MAP0411",
        Fault::NotADecimal => "MAP0412",
        Fault::NotAPostcode => "MAP0413",
        Fault::ElementFormat => "MAP0414",
        Fault::ControlCharacter => "MAP0415",
        Fault::NhsNumber(_) => "ID-01",
    }
}

const fn code_of_note(note: Note) -> &'static str {
    match note {
        Note::Sentinel => "MAP0410",
        Note::AmbiguousDecided => "MAP0405",
        Note::GapDecided => "MAP0404",
        Note::PivotUsed => "MAP0408",
    }
}

impl Mark {
    /// The hazard's id where the file names one for a guess, else the program's code.
    pub(crate) fn code(&self) -> String {
        match (&self.hazard, self.what) {
            (Some(hazard), _) => hazard.to_string(),
            (None, MarkKind::Fault(fault)) => code_of_fault(fault).to_owned(),
            (None, MarkKind::Note(note)) => code_of_note(note).to_owned(),
            (None, MarkKind::Unmapped) => "MAP0420".to_owned(),
        }
    }

    /// What happened to a value that could be used all the same.
    pub(crate) const fn action_when_kept(&self) -> Action {
        match self.what {
            MarkKind::Note(Note::Sentinel) | MarkKind::Fault(_) | MarkKind::Unmapped => Action::Kept,
            MarkKind::Note(_) => Action::Defaulted,
        }
    }
}

/// What an issue is about, before its place in the run is added.
#[derive(Debug, Clone)]
pub(crate) struct Finding<'f> {
    pub(crate) code: String,
    pub(crate) action: Action,
    pub(crate) at: At,
    pub(crate) path: Option<&'f str>,
    pub(crate) place: Option<Place>,
    pub(crate) shape: Option<String>,
}

/// Where the row and the resource stand for which issues are raised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) row_no: u64,
    /// Index of the plan's resource and the id.
    pub(crate) resource: Option<(usize, ResourceId)>,
}

/// Makes an issue; its severity is the code's, and at least an error where something is refused.
pub(crate) fn issue_of(program: &MapProgram<'_>, finding: Finding<'_>, standing: Standing) -> PlacedIssue {
    let plan = program.plan;
    let own = crate::issues::issue_doc(&finding.code).map_or(Severity::Warning, |doc| doc.severity);
    let severity = if finding.action == Action::Refused { own.max(Severity::Error) } else { own };
    let mut issue = Issue::new(finding.code, severity, finding.action, Stage::Map);
    issue.organisation = Some(program.organisation.to_owned());
    issue.system = Some(program.system.to_owned());
    if let Some(place) = finding.place {
        let table = &plan.tables[usize::from(place.table.0)];
        issue.table = Some(table.name.clone());
        issue.row_no = place.row_no;
        issue.column = Some(table.columns[usize::from(place.name.column())].name.clone());
    } else {
        issue.table = Some(plan.main_table().name.clone());
        issue.row_no = Some(standing.row_no);
    }
    issue.map = Some(plan.name.clone());
    issue.map_line = Some(finding.at.line);
    if let Some((resource, id)) = standing.resource {
        issue.resource_type = Some(plan.resources[resource].resource_type.clone());
        issue.resource_id = Some(id);
    }
    issue.fhir_path = finding.path.map(str::to_owned);
    issue.shape = finding.shape;
    PlacedIssue { issue, column: finding.place.map(|place| place.name) }
}
