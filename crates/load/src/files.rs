//! Target `files`: one plain NDJSON file a type and a manifest, as FHIR bulk import services take them.
//!
//! Source of the manifest's form: HL7 FHIR Bulk Data Access 2.0.0, "Bulk Data Status Request", response body.

use std::io::{BufWriter, Write};

use epr_run::RunError;
use epr_run::whole_file::{self, Access};
use serde::Serialize;

use crate::LoadError;
use crate::receipts::Receipts;
use crate::sorted::{Outgoing, SortedResources};
use crate::target::{Answer, Capabilities, Delivery, Target};

/// The name of the manifest beside the NDJSON files.
pub const BULK_MANIFEST: &str = "bulk-manifest.json";

/// Writes `<Type>.ndjson`, each line the exact bytes of a resource, and `bulk-manifest.json`.
#[derive(Debug, Default)]
pub struct Files {
    output: Vec<OutputFile>,
}

/// The manifest of FHIR's bulk data export, so that an import service can be pointed at it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkManifest<'a> {
    transaction_time: &'a str,
    request: String,
    requires_access_token: bool,
    output: &'a [OutputFile],
    error: [OutputFile; 0],
}

/// One file of the manifest; `url` is relative to the manifest.
#[derive(Debug, Serialize)]
struct OutputFile {
    #[serde(rename = "type")]
    resource_type: String,
    url: String,
    count: u64,
}

impl Files {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Target for Files {
    fn capabilities(&self) -> Capabilities {
        Capabilities { live: false, keeps_ids: true, can_verify: true, can_undo: true }
    }

    fn begin(&mut self, _: &Delivery<'_>) -> Result<(), LoadError> {
        self.output.clear();
        Ok(())
    }

    fn send(
        &mut self,
        delivery: &Delivery<'_>,
        resources: &mut SortedResources,
        receipts: &mut Receipts,
    ) -> Result<(), LoadError> {
        let url = format!("{}.ndjson", resources.resource_type());
        let path = delivery.folder.path().join(&url);
        let mut file = BufWriter::with_capacity(1 << 18, whole_file::create(&path, Access::Restricted)?);
        let mut resource = Outgoing::new();
        let mut count = 0;
        while resources.next_into(&mut resource)? {
            file.write_all(&resource.bytes)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(RunError::io("write", &path))?;
            let mut id = [0; 36];
            let target_id: &str = resource.sent.id.encode(&mut id);
            receipts.push(&resource.sent, Answer::Confirmed { target_id, version: None })?;
            count += 1;
        }
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|f| f.sync_all())
            .map_err(RunError::io("flush to disk", &path))?;
        self.output.push(OutputFile { resource_type: resources.resource_type().to_owned(), url, count });
        Ok(())
    }

    fn finish(&mut self, delivery: &Delivery<'_>) -> Result<(), LoadError> {
        let manifest = BulkManifest {
            transaction_time: delivery.as_of,
            request: format!("epr load --target {}", delivery.target_name),
            requires_access_token: false,
            output: &self.output,
            error: [],
        };
        let mut bytes = serde_json::to_vec_pretty(&manifest).expect("a bulk manifest has text keys only");
        bytes.push(b'\n');
        whole_file::write(&delivery.folder.path().join(BULK_MANIFEST), &bytes, Access::Group)?;
        Ok(())
    }
}
