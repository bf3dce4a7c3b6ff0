//! A finding as the writers of CSV, JUnit and SARIF take it: a mapping's diagnostic, or a fault of a FHIR file.

use epr_mapping::diagnostics::{Diagnostic, FileId, Sources};
use epr_model::Severity;
use epr_validate::files::FileResult;

/// One finding with its place.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: u64,
    /// From 1, in characters; not known of every finding in a FHIR file.
    pub(crate) columns: Option<Columns>,
    /// The resource type, of a FHIR file.
    pub(crate) resource_type: Option<String>,
    pub(crate) resource_id: Option<String>,
    /// The element, of a FHIR file; else empty.
    pub(crate) path: String,
    /// The canonical URL of the definition that asks for it, of a FHIR file; else empty.
    pub(crate) definition: String,
    pub(crate) help: Vec<String>,
}

/// Where in its line a finding begins, and where it ends (the first character after it).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) start: u32,
    pub(crate) end_line: u32,
    pub(crate) end: u32,
}

impl Finding {
    pub(crate) const fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error | Severity::Fatal)
    }

    pub(crate) const fn is_warning(&self) -> bool {
        matches!(self.severity, Severity::Warning)
    }

    /// A finding about a mapping.
    pub(crate) fn of_mapping(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let end = |file: FileId| sources.line_column(file, diagnostic.end.max(diagnostic.start));
        let end = sources.find_shown(&diagnostic.file).map_or((diagnostic.line, diagnostic.column), end);
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            file: diagnostic.file.clone(),
            line: u64::from(diagnostic.line),
            columns: Some(Columns { start: diagnostic.column, end_line: end.0, end: end.1 }),
            resource_type: None,
            resource_id: None,
            path: String::new(),
            definition: String::new(),
            help: diagnostic.help.clone(),
        }
    }

    /// The findings of one resource of a FHIR file.
    pub(crate) fn of_resource(result: &FileResult) -> Vec<Self> {
        let finding = |(at, issue): (usize, &epr_validate::Finding)| Self {
            code: issue.code,
            severity: issue.severity,
            message: issue.detail.clone(),
            file: result.file.clone(),
            line: result.places.get(at).map_or(result.line, |place| place.0),
            columns: result.places.get(at).map(|&(line, column)| Columns {
                start: column as u32,
                end_line: line as u32,
                end: column as u32,
            }),
            resource_type: result.resource_type.clone(),
            resource_id: result.id.clone(),
            path: issue.path.clone(),
            definition: issue.definition.clone(),
            help: Vec::new(),
        };
        result.issues.iter().enumerate().map(finding).collect()
    }

    /// `mappings/rk9/ipm/patient.yaml:27:3`.
    pub(crate) fn place(&self) -> String {
        match self.columns {
            Some(columns) => format!("{}:{}:{}", self.file, self.line, columns.start),
            None => format!("{}:{}", self.file, self.line),
        }
    }
}
