//! `issues.csv`: every finding with its place, its shape and its key, and no value.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use epr_model::Issue;
use epr_run::whole_file::{self, Access};
use epr_run::{RunError, StageFolder};

use crate::ReportError;
use crate::place::masked;

const COLUMNS: [&str; 16] = [
    "code",
    "severity",
    "action",
    "stage",
    "organisation",
    "system",
    "table",
    "row_no",
    "column",
    "map",
    "map_line",
    "resource_type",
    "resource_id",
    "fhir_path",
    "shape",
    "patient_key",
];

/// Writes the list while the findings stream by.
pub(crate) struct IssueList {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
}

impl IssueList {
    pub(crate) fn new(out: &StageFolder) -> Result<Self, ReportError> {
        let path = out.file("issues.csv")?;
        let file = BufWriter::with_capacity(1 << 17, whole_file::create(&path, Access::Group)?);
        let mut list = Self { path, writer: csv::Writer::from_writer(file) };
        list.row(COLUMNS)?;
        Ok(list)
    }

    pub(crate) fn push(&mut self, issue: &Issue) -> Result<(), ReportError> {
        fn text(t: Option<&String>) -> Cow<'_, str> {
            t.map(|t| inert(t)).unwrap_or_default()
        }
        let hidden = |t: &Option<String>| t.as_deref().map(|t| inert(&masked(t)).into_owned()).unwrap_or_default();
        let row_no = issue.row_no.map(|n| n.to_string()).unwrap_or_default();
        let map_line = issue.map_line.map(|n| n.to_string()).unwrap_or_default();
        let id = |id: Option<epr_model::ResourceId>| id.map(|id| id.to_string()).unwrap_or_default();
        self.row([
            &inert(&issue.code),
            issue.severity.as_str(),
            issue.action.as_str(),
            issue.stage.as_str(),
            &text(issue.organisation.as_ref()),
            &text(issue.system.as_ref()),
            &text(issue.table.as_ref()),
            &row_no,
            &text(issue.column.as_ref()),
            &text(issue.map.as_ref()),
            &map_line,
            &text(issue.resource_type.as_ref()),
            &id(issue.resource_id),
            &hidden(&issue.fhir_path),
            &hidden(&issue.shape),
            &id(issue.patient_key),
        ])
    }

    pub(crate) fn finish(self) -> Result<(), ReportError> {
        let path = self.path;
        let file = self.writer.into_inner().map_err(|e| RunError::io("write", &path)(e.into_error()))?;
        let file = file.into_inner().map_err(|e| RunError::io("write", &path)(e.into_error()))?;
        file.sync_all().map_err(RunError::io("flush to disk", &path))?;
        Ok(())
    }

    fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) -> Result<(), ReportError> {
        self.writer.write_record(cells).map_err(|source| ReportError::Csv { path: self.path.clone(), source })
    }
}

/// A cell that a spreadsheet would run as a formula gets an apostrophe before it.
pub(crate) fn inert(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_in_a_column_name_stays_text() {
        assert_eq!(inert("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(inert("SURNAME"), "SURNAME");
    }
}
