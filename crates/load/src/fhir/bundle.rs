//! Bundles out, and what a server answers to them.
//!
//! Resources go in as the bytes they are. An answer's entry belongs to the resource that its `location`, or the
//! resource in it, names; its position counts only where it names none and the numbers of entries are equal. HAPI
//! FHIR 8.8 leaves out entries that it takes for repetitions.

use std::collections::HashMap;

use epr_fhir::{Node, Resource};
use epr_model::ResourceId;

use crate::fhir::content;
use crate::journal::Reason;

/// How a server takes several resources at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleKind {
    /// All or nothing.
    Transaction,
    /// Each entry for itself.
    Batch,
}

impl BundleKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Batch => "batch",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Transaction, Self::Batch].into_iter().find(|kind| kind.as_str() == code)
    }
}

/// A resource as an entry of a bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) id: ResourceId,
    pub(crate) bytes: &'a [u8],
    /// The version that must be there now.
    pub(crate) if_match: Option<&'a str>,
}

/// A bundle that puts each resource under its own id.
pub(crate) fn writes(kind: BundleKind, base: &str, entries: &[Entry<'_>]) -> Vec<u8> {
    let n_bytes: usize = entries.iter().map(|e| e.bytes.len() + 200 + base.len()).sum();
    let mut out = Vec::with_capacity(n_bytes + 100);
    out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":\"");
    out.extend_from_slice(kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"entry\":[");
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let url = format!("{}/{}", entry.resource_type, entry.id);
        out.extend_from_slice(b"{\"fullUrl\":");
        epr_fhir::write::escape(&mut out, &format!("{base}/{url}"));
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(entry.bytes);
        out.extend_from_slice(b",\"request\":{\"method\":\"PUT\",\"url\":");
        epr_fhir::write::escape(&mut out, &url);
        if let Some(version) = entry.if_match {
            out.extend_from_slice(b",\"ifMatch\":");
            epr_fhir::write::escape(&mut out, &format!("W/\"{version}\""));
        }
        out.extend_from_slice(b"}}");
    }
    out.extend_from_slice(b"]}");
    out
}

/// A bundle that asks for each resource.
pub(crate) fn reads<'a>(resources: impl Iterator<Item = (&'a str, ResourceId)>) -> Vec<u8> {
    let mut out = b"{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[".to_vec();
    for (i, (resource_type, id)) in resources.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(
            format!("{{\"request\":{{\"method\":\"GET\",\"url\":\"{resource_type}/{id}\"}}}}").as_bytes(),
        );
    }
    out.extend_from_slice(b"]}");
    out
}

/// What a server said to one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Taken {
        version: Option<String>,
    },
    /// Another version is there than the one that must be.
    Conflict(Reason),
    /// Not now.
    Later,
    Rejected(Reason),
    /// The answer does not say.
    Unknown,
}

/// What a server holds under one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Absent,
    /// It was there and was deleted.
    Deleted,
    Present {
        version: Option<String>,
        compared: content::Comparison,
    },
    /// The answer does not say.
    Unknown,
}

/// Reads the answer to a bundle of writes: one for each of `entries`, in their order.
pub(crate) fn read_writes(entries: &[Entry<'_>], body: &[u8]) -> Vec<Said> {
    let Some(answer) = parse_bundle(body) else { return vec![Said::Unknown; entries.len()] };
    let matched = matched(entries, &answer);
    matched.into_iter().map(|node| node.map_or(Said::Unknown, said)).collect()
}

/// Reads the answer to a bundle of reads: one for each of `entries`, compared with their bytes.
pub(crate) fn read_reads(entries: &[Entry<'_>], body: &[u8]) -> Vec<Seen> {
    let Some(answer) = parse_bundle(body) else { return vec![Seen::Unknown; entries.len()] };
    let matched = matched(entries, &answer);
    entries
        .iter()
        .zip(matched)
        .map(|(entry, node)| {
            let Some(node) = node else { return Seen::Unknown };
            let status = node.get("response").map_or(0, status);
            seen(entry, status, node.get("resource"))
        })
        .collect()
}

/// Reads the answer to a read of one resource.
pub(crate) fn read_one(entry: &Entry<'_>, status: u16, body: &[u8]) -> Seen {
    match Resource::parse_json(body) {
        Ok(resource) => seen(entry, status, Some(resource.root())),
        Err(_) => seen(entry, status, None),
    }
}

fn seen(entry: &Entry<'_>, status: u16, theirs: Option<Node<'_>>) -> Seen {
    match (status, theirs) {
        (404, _) => Seen::Absent,
        (410, _) => Seen::Deleted,
        (200..=299, Some(theirs)) if theirs.text("resourceType") == Some(entry.resource_type) => {
            let Ok(ours) = Resource::parse_json(entry.bytes) else { return Seen::Unknown };
            Seen::Present {
                version: theirs.get("meta").and_then(|meta| meta.text("versionId")).map(str::to_owned),
                compared: content::compare(ours.root(), theirs),
            }
        }
        _ => Seen::Unknown,
    }
}

/// Codes and paths of an OperationOutcome; never its texts, which may repeat what was sent.
pub(crate) fn reason(status: u16, body: &[u8]) -> Reason {
    let parsed = Resource::parse_json(body).ok();
    let outcome =
        parsed.as_ref().map(Resource::root).filter(|root| root.text("resourceType") == Some("OperationOutcome"));
    outcome_reason(Some(status), outcome)
}

fn outcome_reason(status: Option<u16>, outcome: Option<Node<'_>>) -> Reason {
    let issue = outcome.and_then(|outcome| outcome.get("issue")).and_then(|issues| issues.items().next());
    let code = issue
        .and_then(|issue| issue.text("code"))
        .filter(|code| code.len() <= 32 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let expression = issue.and_then(|issue| issue.get("expression")).and_then(|paths| paths.items().next());
    // An expression may hold a literal, as `where(value = …)` does: only plain paths are kept.
    let plain =
        |path: &&str| path.len() <= 120 && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._[]".contains(&b));
    Reason {
        status,
        code: code.map(str::to_owned),
        path: expression.and_then(Node::as_str).filter(plain).map(str::to_owned),
    }
}

fn parse_bundle(body: &[u8]) -> Option<Resource> {
    let parsed = Resource::parse_json(body).ok()?;
    (parsed.root().text("resourceType") == Some("Bundle")).then_some(parsed)
}

/// The entry of an answer that belongs to each of `entries`.
fn matched<'a>(entries: &[Entry<'_>], answer: &'a Resource) -> Vec<Option<Node<'a>>> {
    let answers: Vec<Node<'a>> =
        answer.root().get("entry").map(|entries| entries.items().collect()).unwrap_or_default();
    let names: Vec<Option<(String, ResourceId)>> = answers.iter().map(|node| named(*node)).collect();
    let by_name: HashMap<(&str, ResourceId), Node<'a>> = answers
        .iter()
        .zip(&names)
        .filter_map(|(node, name)| name.as_ref().map(|(kind, id)| ((kind.as_str(), *id), *node)))
        .collect();
    entries
        .iter()
        .enumerate()
        .map(|(i, entry)| {
            by_name.get(&(entry.resource_type, entry.id)).copied().or_else(|| {
                let same_number = answers.len() == entries.len();
                (same_number && names[i].is_none()).then(|| answers[i])
            })
        })
        .collect()
}

/// The resource that an entry of an answer is about.
fn named(entry: Node<'_>) -> Option<(String, ResourceId)> {
    let response = entry.get("response")?;
    if let Some(location) = response.text("location") {
        let steps: Vec<&str> = location.split("/_history").next()?.split('/').collect();
        if let [.., kind, id] = steps.as_slice() {
            return Some(((*kind).to_owned(), id.parse().ok()?));
        }
    }
    let resource = entry.get("resource")?;
    Some((resource.text("resourceType")?.to_owned(), resource.text("id")?.parse().ok()?))
}

fn status(response: Node<'_>) -> u16 {
    response.text("status").and_then(|text| text.get(..3)).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn said(entry: Node<'_>) -> Said {
    let Some(response) = entry.get("response") else { return Said::Unknown };
    let status = status(response);
    let reason = || outcome_reason(Some(status), response.get("outcome"));
    match status {
        200..=299 => Said::Taken { version: version(entry, response) },
        409 | 412 => Said::Conflict(reason()),
        408 | 425 | 429 | 502..=504 => Said::Later,
        400..=499 => Said::Rejected(reason()),
        _ => Said::Unknown,
    }
}

/// Servers say the version in one of three places, with and without the quotes of an ETag.
fn version(entry: Node<'_>, response: Node<'_>) -> Option<String> {
    let etag = response.text("etag").map(|etag| etag.trim_start_matches("W/").trim_matches('"'));
    let location = response.text("location").and_then(|l| l.split_once("/_history/")).map(|(_, version)| version);
    let resource = entry.get("resource").and_then(|r| r.get("meta")).and_then(|meta| meta.text("versionId"));
    etag.or(location).or(resource).filter(|version| !version.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ResourceId {
        ResourceId::from_bytes([n; 16])
    }

    fn entry(n: u8) -> Entry<'static> {
        Entry { resource_type: "Patient", id: id(n), bytes: b"{\"resourceType\":\"Patient\"}", if_match: None }
    }

    fn taken(version: &str) -> Said {
        Said::Taken { version: Some(version.to_owned()) }
    }

    #[test]
    fn a_bundle_holds_the_bytes_as_they_are_and_the_version_that_must_be_there() {
        let bytes = writes(BundleKind::Transaction, "http://h/fhir", &[Entry { if_match: Some("7"), ..entry(1) }]);
        let expected = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"fullUrl":"http://h/fhir/Patient/{0}","resource":{{"resourceType":"Patient"}},"request":{{"method":"PUT","url":"Patient/{0}","ifMatch":"W/\"7\""}}}}]}}"#,
            id(1)
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn answers_are_matched_by_name_where_entries_are_missing() {
        // As HAPI FHIR 8.8 answers, in another order and with one left out.
        let body = format!(
            r#"{{"resourceType":"Bundle","entry":[{{"response":{{"status":"201 Created","location":"Patient/{}/_history/1","etag":"1"}}}},{{"response":{{"status":"200 OK","location":"http://h/fhir/Patient/{}/_history/4"}}}}]}}"#,
            id(3),
            id(1)
        );
        let said = read_writes(&[entry(1), entry(2), entry(3)], body.as_bytes());
        assert_eq!(said, [taken("4"), Said::Unknown, taken("1")]);
    }

    #[test]
    fn answers_without_a_name_are_matched_by_position_only_where_none_is_missing() {
        // As Medplum 5 answers to a batch: a rejected entry names nothing.
        let rejected = r#"{"response":{"status":"422","outcome":{"resourceType":"OperationOutcome","issue":[{"code":"business-rule","diagnostics":"JONES","expression":["Patient.name[0]"]}]}}}"#;
        let stored = format!(
            r#"{{"response":{{"status":"200","location":"Patient/{0}"}},"resource":{{"resourceType":"Patient","id":"{0}","meta":{{"versionId":"v"}}}}}}"#,
            id(1)
        );
        let body = format!(r#"{{"resourceType":"Bundle","entry":[{stored},{rejected}]}}"#);
        let reason = Reason {
            status: Some(422),
            code: Some("business-rule".to_owned()),
            path: Some("Patient.name[0]".to_owned()),
        };
        let said = read_writes(&[entry(1), entry(2)], body.as_bytes());
        assert_eq!(said, [taken("v"), Said::Rejected(reason)]);
        let said = read_writes(&[entry(1), entry(2), entry(3)], body.as_bytes());
        assert_eq!(said[1..], [Said::Unknown, Said::Unknown]);
        assert_eq!(read_writes(&[entry(1)], b"<html>"), [Said::Unknown]);
    }

    #[test]
    fn no_text_of_the_target_is_kept() {
        let outcome = |issue: &str| format!(r#"{{"resourceType":"OperationOutcome","issue":[{issue}]}}"#);
        let kept = |issue: &str| reason(400, outcome(issue).as_bytes());
        assert_eq!(kept(r#"{"code":"processing","diagnostics":"Mr O'Neill"}"#).code.as_deref(), Some("processing"));
        assert_eq!(
            kept(r#"{"code":"Mr O'Neill","expression":["Patient.where(name='Mr O')"]}"#),
            Reason { status: Some(400), ..Reason::default() }
        );
    }

    #[test]
    fn what_is_there_is_told_from_what_is_not() {
        let body = format!(
            r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Patient","id":"{}","meta":{{"versionId":"2"}}}},"response":{{"status":"200 OK"}}}},{{"response":{{"status":"404 Not Found"}}}},{{"response":{{"status":"410"}}}},{{"response":{{"status":"500"}}}}]}}"#,
            id(1)
        );
        let seen = read_reads(&[entry(1), entry(2), entry(3), entry(4)], body.as_bytes());
        // The fixture sends no id, so the one that is there differs.
        let compared = content::Comparison::Different("Patient.id".to_owned());
        assert_eq!(seen[0], Seen::Present { version: Some("2".to_owned()), compared });
        assert_eq!(seen[1..], [Seen::Absent, Seen::Deleted, Seen::Unknown]);
    }
}
