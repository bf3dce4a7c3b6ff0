//! Findings as SARIF 2.1.0, the form in which code hosts and editors take them.
//!
//! In: findings and the files that they are about. Out: one JSON document with one run; the same findings give the
//! same bytes. Source: OASIS, Static Analysis Results Interchange Format 2.1.0.

use epr_model::Severity;
use serde_json::{Value, json};

use crate::diagnostic_codes::DIAGNOSTICS;
use crate::diagnostics::{Diagnostic, Note, Sources};

/// The findings of a check as a SARIF log. Every code of the tool is a rule, so that the log explains itself.
///
/// Lines and columns count from 1, columns in characters; the end column is the one after the last character. Paths
/// stand as messages show them, relative to the folder in which the check was started.
pub fn sarif(diagnostics: &[Diagnostic], sources: &Sources, tool_version: &str) -> Value {
    let rules: Vec<Value> = DIAGNOSTICS
        .iter()
        .map(|doc| {
            json!({
                "id": doc.code,
                "shortDescription": { "text": doc.title },
                "fullDescription": { "text": doc.explanation },
                "defaultConfiguration": { "level": level(doc.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, sources)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "epr", "version": tool_version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let mut text = diagnostic.message.clone();
    for help in &diagnostic.help {
        text.extend(["\nhelp: ", help.as_str()]);
    }
    let mut region = json!({ "startLine": diagnostic.line, "startColumn": diagnostic.column });
    if let Some(file) = sources.find_shown(&diagnostic.file) {
        let (line, column) = sources.line_column(file, diagnostic.end);
        region["endLine"] = line.into();
        region["endColumn"] = column.into();
    }
    let mut found = json!({
        "ruleId": diagnostic.code,
        "level": level(diagnostic.severity),
        "message": { "text": text },
        "locations": [location(&diagnostic.file, &region)],
    });
    if let Some(at) = DIAGNOSTICS.iter().position(|doc| doc.code == diagnostic.code) {
        found["ruleIndex"] = at.into();
    }
    if !diagnostic.notes.is_empty() {
        found["relatedLocations"] = diagnostic.notes.iter().map(related).collect();
    }
    found
}

fn related(note: &Note) -> Value {
    let mut place = location(&note.file, &json!({ "startLine": note.line, "startColumn": note.column }));
    place["message"] = json!({ "text": note.message });
    place
}

fn location(file: &str, region: &Value) -> Value {
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri(file) }, "region": region } })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal | Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "note",
    }
}

/// A relative path as a URI reference: all but letters, digits and `-._~/` is escaped byte by byte. Source: RFC 3986.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            b'\\' => out.push('/'),
            _ => {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(|n| char::from(b"0123456789ABCDEF"[usize::from(n)])));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_and_accents_is_a_uri() {
        assert_eq!(uri("mappings/rk9/a b/é#.yaml"), "mappings/rk9/a%20b/%C3%A9%23.yaml");
    }
}
