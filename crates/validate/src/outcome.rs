//! A check's findings as a FHIR OperationOutcome, and as one line of `epr validate --format ndjson`.

use epr_fhir::write::JsonWriter;
use epr_model::Severity;

use crate::files::FileResult;
use crate::finding::Finding;
use crate::issues;

/// Writes an OperationOutcome; one without findings says so, since `issue` must not be empty.
pub fn operation_outcome(json: &mut JsonWriter, found: &[Finding]) {
    json.begin_object().member("resourceType", "OperationOutcome").key("issue").begin_array();
    if found.is_empty() {
        json.begin_object().member("severity", "information").member("code", "informational");
        json.member("diagnostics", "no issue was found").end_object();
    }
    for finding in found {
        json.begin_object().member("severity", finding.severity.as_str()).member("code", issue_type(finding.code));
        json.key("details").begin_object().key("coding").begin_array().begin_object();
        json.member("code", finding.code).end_object().end_array();
        let title = issues::explain(finding.code).map_or(finding.code, |d| d.title);
        json.member("text", title).end_object();
        match finding.definition.as_str() {
            "" => json.member("diagnostics", &finding.detail),
            definition => json.member("diagnostics", &format!("{}; asked by {definition}", finding.detail)),
        };
        if !finding.path.is_empty() {
            json.key("expression").begin_array().string(&finding.path).end_array();
        }
        json.end_object();
    }
    json.end_array().end_object();
}

/// One line of the machine format, without its line end. The order of its members is part of the interface.
pub fn ndjson_line(result: &FileResult, is_valid: bool) -> Vec<u8> {
    let mut json = JsonWriter::new();
    json.begin_object().member("file", &result.file).key("line").raw_number(&result.line.to_string());
    for (name, text) in [("resourceType", &result.resource_type), ("id", &result.id)] {
        json.key(name);
        match text {
            Some(text) => json.string(text),
            None => json.null(),
        };
    }
    json.key("valid").bool(is_valid);
    for (name, n) in
        [("errors", result.n_errors()), ("warnings", result.n_warnings()), ("not_checked", result.not_checked)]
    {
        json.key(name).raw_number(&n.to_string());
    }
    json.key("outcome");
    operation_outcome(&mut json, &result.issues);
    json.end_object();
    json.finish()
}

/// The code of FHIR's IssueType for an issue code of ours.
fn issue_type(code: &str) -> &'static str {
    match code {
        issues::VAL_SYNTAX | issues::VAL_DUPLICATE_KEY | issues::VAL_RESOURCE_TYPE => "invalid",
        issues::VAL_NOT_BUILT => "not-supported",
        issues::VAL_JSON_FORM
        | issues::VAL_UNKNOWN_ELEMENT
        | issues::VAL_CHOICE
        | issues::VAL_MAXIMUM
        | issues::VAL_ALIGNMENT
        | issues::VAL_EXTENSION_TYPE
        | issues::VAL_REFERENCE_TYPE => "structure",
        issues::VAL_MINIMUM => "required",
        issues::VAL_MODIFIER => "extension",
        issues::VAL_BINDING
        | issues::VAL_BINDING_EXTENSIBLE
        | issues::VAL_UNKNOWN_CODE
        | issues::VAL_DISPLAY
        | issues::VAL_CODE_SYSTEM
        | issues::VAL_CODE_NOTE => "code-invalid",
        issues::VAL_INVARIANT | issues::VAL_INVARIANT_WARNING => "invariant",
        issues::VAL_CONTAINED => "not-found",
        issues::VAL_LENGTH => "too-long",
        issues::VAL_DUPLICATE_ID | issues::VAL_BUNDLE_LINK => "duplicate",
        _ => "value",
    }
}

impl FileResult {
    /// Errors and fatal findings.
    pub fn n_errors(&self) -> u64 {
        self.issues.iter().filter(|i| i.severity >= Severity::Error).count() as u64
    }

    pub fn n_warnings(&self) -> u64 {
        self.issues.iter().filter(|i| i.severity == Severity::Warning).count() as u64
    }
}
