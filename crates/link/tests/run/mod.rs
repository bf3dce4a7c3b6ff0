//! A run folder with a finished stage map, written by hand with the run crate's own writers.

#![allow(clippy::unwrap_used, reason = "a test's own fixture")]

use std::collections::BTreeMap;
use std::path::Path;

use epr_fhir::resource::{Node, NodeKind, Resource};
use epr_model::{Issue, ResourceId, Stage};
use epr_run::context::Silent;
use epr_run::folder::{OldSignature, RunInfo};
use epr_run::parts::{PartReader, PartWriter, part_paths, resource_types};
use epr_run::records::{KeyRecord, RecordWriter, RefRecord};
use epr_run::{FinishedStage, Manifest, RunFolder, Sha256Hex, StageContext, StopFlag, line};
use sha2::{Digest, Sha256};

const AS_OF: &str = "2021-11-01T00:00:00Z";

/// One mapped resource and the table that it came from.
#[derive(Debug, Clone)]
pub(crate) struct Mapped {
    /// `<organisation>/<system>/<table>`.
    pub(crate) table: String,
    pub(crate) row_no: u64,
    pub(crate) json: String,
}

pub(crate) fn run_hash() -> Sha256Hex {
    Sha256Hex::of_bytes(b"test")
}

pub(crate) fn create(root: &Path) -> RunFolder {
    let info = RunInfo {
        schema: 1,
        run_hash: run_hash(),
        epr_version: "0.1.0".to_owned(),
        project: "test".to_owned(),
        trial: None,
        as_of: AS_OF.to_owned(),
        started_by: "tester".to_owned(),
        started_at: AS_OF.to_owned(),
        hashes: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    RunFolder::create(root, &info).unwrap()
}

pub(crate) fn context(run: &RunFolder) -> StageContext<'_> {
    static STOP: StopFlag = StopFlag::new();
    StageContext { run, progress: &Silent, stop: &STOP }
}

/// Writes `2-map`: the parts of each type, as many as there are lists.
pub(crate) fn map(run: &RunFolder, parts: &[Vec<Mapped>]) {
    let stage = run.begin(Stage::Map, OldSignature::Keep).unwrap();
    let mut keys = RecordWriter::<KeyRecord>::new(&stage).unwrap();
    let mut refs = RecordWriter::<RefRecord>::new(&stage).unwrap();
    let mut manifest = Manifest::new(Stage::Map, run_hash());
    for (number, part) in parts.iter().enumerate() {
        let mut by_type: BTreeMap<String, Vec<&Mapped>> = BTreeMap::new();
        for mapped in part {
            let kind = line::identity(mapped.json.as_bytes()).unwrap().resource_type;
            by_type.entry(kind.to_owned()).or_default().push(mapped);
        }
        for (kind, resources) in by_type {
            let mut writer = PartWriter::replacing(&stage, &kind, number as u32).unwrap();
            for mapped in resources {
                let bytes = mapped.json.as_bytes();
                let id: ResourceId = line::identity(bytes).unwrap().id.parse().unwrap();
                writer.write(bytes).unwrap();
                keys.push(&KeyRecord {
                    resource_type: kind.clone(),
                    id,
                    key_hash: [0; 16],
                    content_hash: Sha256::digest(bytes).into(),
                    table: mapped.table.clone(),
                    part: number as u32,
                    row_no: mapped.row_no,
                    map: "test".to_owned(),
                })
                .unwrap();
                for (path, to_type, to_id) in references(bytes, &kind) {
                    let from_type = kind.clone();
                    refs.push(&RefRecord { from_type, from_id: id, to_type, to_id, path }).unwrap();
                }
                *manifest.resources.entry(kind.clone()).or_default() += 1;
            }
            writer.finish().unwrap();
        }
    }
    keys.finish().unwrap();
    refs.finish().unwrap();
    RecordWriter::<Issue>::new(&stage).unwrap().finish().unwrap();
    stage.finish(manifest).unwrap();
}

/// All resources of a stage, in the order in which they stand.
pub(crate) fn resources(stage: &FinishedStage) -> Vec<String> {
    let mut all = Vec::new();
    for kind in resource_types(stage) {
        for path in part_paths(stage, &kind) {
            let mut reader = PartReader::open(&path).unwrap();
            let mut bytes = Vec::new();
            while reader.next_into(&mut bytes).unwrap() {
                all.push(String::from_utf8(bytes.clone()).unwrap());
            }
        }
    }
    all
}

/// The references of a resource: path, type, id.
pub(crate) fn references(bytes: &[u8], kind: &str) -> Vec<(String, String, ResourceId)> {
    fn walk(node: Node<'_>, path: &str, found: &mut Vec<(String, String, ResourceId)>) {
        match node.kind() {
            NodeKind::Array => node.items().for_each(|item| walk(item, path, found)),
            NodeKind::Object => {
                if let Some((kind, id)) = node.text("reference").and_then(|r| r.split_once('/')) {
                    found.push((path.to_owned(), kind.to_owned(), id.parse().unwrap()));
                }
                node.members().for_each(|(name, value)| walk(value, &format!("{path}.{name}"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(Resource::parse_json(bytes).unwrap().root(), kind, &mut found);
    found
}
