//! SARIF 2.1.0 (OASIS) of FHIR files: findings as code-scanning pages and editors take them.
//!
//! The mapping crate writes its own, with the places that its notes point at.

use std::collections::BTreeMap;

use epr_model::{IssueDoc, Severity};
use serde_json::{Value, json};

use crate::output::finding::Finding;

/// The whole log: the tool, the rules that were broken with their pages, the results in their order.
pub(crate) fn log(findings: &[Finding], docs: &[IssueDoc]) -> Value {
    let mut rules: BTreeMap<&str, usize> = findings.iter().map(|f| (f.code, 0)).collect();
    for (index, place) in rules.values_mut().enumerate() {
        *place = index;
    }
    let described: Vec<Value> = rules.keys().map(|code| rule(code, docs)).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, rules[finding.code])).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "epr", "version": env!("CARGO_PKG_VERSION"), "rules": described } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str, docs: &[IssueDoc]) -> Value {
    let Some(doc) = docs.iter().find(|doc| doc.code == code) else { return json!({ "id": code }) };
    json!({
        "id": code,
        "shortDescription": { "text": doc.title },
        "fullDescription": { "text": doc.explanation },
        "defaultConfiguration": { "level": level(doc.severity) },
    })
}

fn result(finding: &Finding, rule_index: usize) -> Value {
    let mut text = finding.message.clone();
    if !finding.definition.is_empty() {
        text.push_str("; asked by ");
        text.push_str(&finding.definition);
    }
    for help in &finding.help {
        text.push_str("; help: ");
        text.push_str(help);
    }
    let mut region = json!({ "startLine": finding.line });
    if let Some(columns) = finding.columns {
        region["startColumn"] = columns.start.into();
        region["endLine"] = columns.end_line.into();
        region["endColumn"] = columns.end.into();
    }
    let mut location = json!({
        "physicalLocation": { "artifactLocation": { "uri": uri(&finding.file) }, "region": region },
    });
    if !finding.path.is_empty() {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": finding.path }]);
    }
    json!({
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal | Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "note",
    }
}

/// A path as a relative URI reference: what RFC 3986 does not allow in a path is percent-encoded.
fn uri(path: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@!$&'()*+,;=".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_with_blanks_is_a_uri() {
        assert_eq!(uri("mappings/old système/a:b.yaml"), "mappings/old%20syst%C3%A8me/a%3Ab.yaml");
    }
}
