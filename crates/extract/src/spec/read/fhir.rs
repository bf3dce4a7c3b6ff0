//! The keys of a table of FHIR resources.

use epr_model::yaml::{Key, Node};

use super::Reader;
use crate::spec::element_path::ElementPath;
use crate::spec::{ElementColumn, FhirTable, From, KeySpec};

pub(super) const KEYS: [&str; 2] = ["fhir", "files"];
/// The files that are looked into where the spec does not say which.
const EXPORTS: [&str; 6] = ["*.ndjson", "*.ndjson.gz", "*.ndjson.zst", "*.json", "*.json.gz", "*.json.zst"];

impl<'t> Reader<'t> {
    /// `key: id`, which is also what it is where nothing is said.
    pub(super) fn fhir_key(&mut self, node: &'t Node) -> KeySpec {
        if let Some(key) = node.get("key").filter(|key| key.as_text() != Some("id")) {
            self.fault(&key.span, "the key of a table of resources is `id`");
        }
        KeySpec::Columns(vec!["id".to_owned()])
    }

    pub(super) fn fhir(&mut self, name: &Key, node: &'t Node) -> Option<From> {
        let resource_type = self.required(name, node, "fhir");
        if let Some((text, span)) = &resource_type
            && !(text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric()))
        {
            self.fault(span, format!("`{text}` is not the name of a resource type"));
        }
        let files = self.patterns(node, &EXPORTS);
        let mut columns = Vec::new();
        for (key, value) in self.member_of(node, "columns") {
            if key.text.starts_with('_') || matches!(key.text.as_str(), "id" | "resource") {
                let message = format!("`{}` is a column of the program's own: choose another name", key.text);
                self.fault(&key.span, message);
            }
            let Some(text) = self.text(value, "a path") else { continue };
            match ElementPath::parse(text) {
                Ok(path) => columns.push(ElementColumn { name: key.text.clone(), path }),
                Err(fault) => self.fault(&value.span, format!("`{text}`: {fault}")),
            }
        }
        Some(From::Fhir(FhirTable { resource_type: resource_type?.0.to_owned(), files, columns }))
    }
}

/// The staged columns, in order.
pub(super) fn columns(table: &FhirTable) -> Vec<&str> {
    ["id", "resource"].into_iter().chain(table.columns.iter().map(|c| c.name.as_str())).collect()
}
