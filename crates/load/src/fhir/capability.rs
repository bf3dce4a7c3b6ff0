//! What a server says that it can do.

use std::path::Path;

use epr_fhir::{Node, Resource};

use crate::LoadError;
use crate::fhir::FhirServer;
use crate::fhir::bundle::BundleKind;
use crate::fhir::http::{Client, Reply};

/// How the server takes bundles: as the project says, else as the recorded statement or the server's own says, else
/// as transactions, which is FHIR's own way to keep several resources together.
pub(crate) fn bundle_kind(server: &FhirServer, client: &Client, target: &str) -> Result<BundleKind, LoadError> {
    if let Some(kind) = server.bundle {
        return Ok(kind);
    }
    let said = match &server.capability {
        Some(path) => Some(of_file(path)?),
        None => match client.get("metadata") {
            Reply::Answer { status: 200..=299, body, .. } => of_statement(&body),
            Reply::Answer { .. } => None,
            Reply::None => return Err(LoadError::Unreachable { target: target.to_owned() }),
        },
    };
    match said {
        None => Ok(BundleKind::Transaction),
        Some(interactions) => [BundleKind::Transaction, BundleKind::Batch]
            .into_iter()
            .find(|kind| interactions.iter().any(|i| i == kind.as_str()))
            .ok_or_else(|| LoadError::NoBundles { target: target.to_owned() }),
    }
}

/// The total of a search's answer.
pub(crate) fn total(body: &[u8]) -> Option<u64> {
    let bundle = Resource::parse_json(body).ok()?;
    bundle.root().get("total")?.number_text()?.parse().ok()
}

fn of_file(path: &Path) -> Result<Vec<String>, LoadError> {
    let wrong = |reason: String| LoadError::Capability { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    of_statement(&bytes).ok_or_else(|| wrong("it is no CapabilityStatement of a server".to_owned()))
}

/// The interactions of the whole system that a statement lists.
fn of_statement(bytes: &[u8]) -> Option<Vec<String>> {
    let statement = Resource::parse_json(bytes).ok()?;
    let root = statement.root();
    if root.text("resourceType") != Some("CapabilityStatement") {
        return None;
    }
    let server = root.get("rest")?.items().find(|rest| rest.text("mode") == Some("server"))?;
    let interactions = server.get("interaction").map(|list| list.items().filter_map(code).collect());
    Some(interactions.unwrap_or_default())
}

fn code(interaction: Node<'_>) -> Option<String> {
    interaction.text("code").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_lists_what_the_server_takes() {
        let statement = r#"{"resourceType":"CapabilityStatement","rest":[{"mode":"client"},{"mode":"server","interaction":[{"code":"batch"},{"code":"history-system"}]}]}"#;
        assert_eq!(of_statement(statement.as_bytes()).unwrap(), ["batch", "history-system"]);
        assert_eq!(of_statement(br#"{"resourceType":"Bundle"}"#), None);
        assert_eq!(total(br#"{"resourceType":"Bundle","total":12}"#), Some(12));
        assert_eq!(total(br#"{"resourceType":"Bundle"}"#), None);
    }
}
