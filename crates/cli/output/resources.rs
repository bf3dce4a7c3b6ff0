//! What `epr validate` says of FHIR files, in each of its formats, as the results come.
//!
//! Text, NDJSON, CSV and JSON are written as they come; JUnit and SARIF say counts and rules before the results, so
//! their findings wait in memory.

use std::io::{self, BufWriter, StdoutLock, Write};

use epr_fhir::Definitions;
use epr_report::numbers::grouped as number;
use epr_validate::files::{FileResult, FilesSummary, Strictness};
use epr_validate::outcome::ndjson_line;
use serde_json::json;

use crate::args::{Common, FailOn, Format};
use crate::commands::explain::all_codes;
use crate::exit::Outcome;
use crate::output::finding::Finding;
use crate::output::junit::{Case, Report};
use crate::output::stream::settle;
use crate::output::{csv, sarif};
use crate::summary::counted;

/// Takes result after result, then the sum.
pub(crate) struct Writer {
    out: BufWriter<StdoutLock<'static>>,
    format: Format,
    fail_on: FailOn,
    strictness: Strictness,
    n_taken: u64,
    findings: Vec<Finding>,
    report: Report,
}

impl Writer {
    pub(crate) fn begin(common: &Common, strictness: Strictness) -> Outcome<Self> {
        let mut writer = Self {
            out: BufWriter::new(io::stdout().lock()),
            format: common.format,
            fail_on: common.fail_on,
            strictness,
            n_taken: 0,
            findings: Vec::new(),
            report: Report::default(),
        };
        let begun = match common.format {
            Format::Csv => writeln!(writer.out, "{}", csv::HEAD),
            Format::Json => writeln!(writer.out, "{{\"results\": ["),
            _ => Ok(()),
        };
        settle(begun)?;
        Ok(writer)
    }

    pub(crate) fn take(&mut self, result: &FileResult) -> io::Result<()> {
        let is_first = self.n_taken == 0;
        self.n_taken += 1;
        match self.format {
            Format::Text => self.text(result),
            Format::Ndjson => {
                self.out.write_all(&ndjson_line(result, result.is_valid(self.strictness)))?;
                self.out.write_all(b"\n")
            }
            Format::Json => {
                self.out.write_all(if is_first { b"  " } else { b",\n  " })?;
                self.out.write_all(&ndjson_line(result, result.is_valid(self.strictness)))
            }
            Format::Csv => {
                Finding::of_resource(result).iter().try_for_each(|finding| writeln!(self.out, "{}", csv::line(finding)))
            }
            Format::Sarif => {
                self.findings.extend(Finding::of_resource(result));
                Ok(())
            }
            Format::Junit => {
                self.report.add(&result.file, self.case(result));
                Ok(())
            }
        }
    }

    pub(crate) fn end(mut self, summary: &FilesSummary, definitions: &Definitions) -> io::Result<()> {
        let packages = crate::workspace::loaded(definitions);
        match self.format {
            Format::Text => {
                writeln!(
                    self.out,
                    "{}: {} invalid; {}, {}; {} could not be made\nchecked against {}",
                    counted(summary.n_resources, "resource"),
                    number(summary.n_invalid),
                    counted(summary.n_errors, "error"),
                    counted(summary.n_warnings, "warning"),
                    counted(summary.n_not_checked, "check"),
                    packages.join(", ")
                )?;
            }
            Format::Json => {
                let counts = json!({
                    "resources": summary.n_resources,
                    "invalid": summary.n_invalid,
                    "errors": summary.n_errors,
                    "warnings": summary.n_warnings,
                    "not_checked": summary.n_not_checked,
                });
                let ledger = serde_json::to_string(&summary.ledger)?;
                writeln!(
                    self.out,
                    "\n],\n\"summary\": {counts},\n\"packages\": {},\n\"ledger\": {ledger}}}",
                    json!(packages)
                )?;
            }
            Format::Sarif => {
                let log = sarif::log(&self.findings, &all_codes());
                writeln!(self.out, "{}", serde_json::to_string_pretty(&log)?)?;
            }
            Format::Junit => writeln!(self.out, "{}", self.report.write("epr validate"))?,
            Format::Ndjson | Format::Csv => {}
        }
        self.out.flush()
    }

    /// What is wrong and where; below it the element, marked, and the definition that asks for it.
    fn text(&mut self, result: &FileResult) -> io::Result<()> {
        for finding in Finding::of_resource(result) {
            let (place, severity) = (finding.place(), finding.severity.as_str());
            writeln!(self.out, "{place}: {severity}[{}] {}", finding.code, finding.message)?;
            if !finding.path.is_empty() {
                let last = finding.path.rfind('.').map_or(0, |at| at + 1);
                let (before, marks) = (" ".repeat(last), "^".repeat(finding.path.len() - last));
                writeln!(self.out, "    {}\n    {before}{marks} {}", finding.path, finding.definition)?;
            }
        }
        Ok(())
    }

    fn case(&self, result: &FileResult) -> Case {
        let is_failure =
            |finding: &Finding| finding.is_error() || (self.fail_on == FailOn::Warning && finding.is_warning());
        let (failures, mut remarks): (Vec<_>, Vec<_>) =
            Finding::of_resource(result).into_iter().partition(|finding| is_failure(finding));
        let mut failures: Vec<String> = failures.iter().map(line).collect();
        let mut remarks: Vec<String> = remarks.drain(..).map(|finding| line(&finding)).collect();
        if result.not_checked > 0 {
            let text = format!("{} could not be made", counted(result.not_checked, "check"));
            let into = if self.strictness == Strictness::Plain { &mut remarks } else { &mut failures };
            into.push(text);
        }
        let what = match (&result.resource_type, &result.id) {
            (Some(resource_type), Some(id)) => format!("{resource_type}/{id}"),
            (Some(resource_type), None) => resource_type.clone(),
            (None, _) => "not read".to_owned(),
        };
        Case {
            name: format!("line {}: {what}", result.line),
            file: result.file.clone(),
            line: Some(result.line),
            failures,
            remarks,
        }
    }
}

fn line(finding: &Finding) -> String {
    let path = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
    format!("{}: {}[{}] {path}{}", finding.place(), finding.severity.as_str(), finding.code, finding.message)
}
