//! A run folder with finished stages link and validate, written by hand with the run crate's own writers.

#![allow(clippy::unwrap_used, reason = "a test's own fixture")]

use std::collections::BTreeMap;
use std::path::Path;

use epr_model::{Issue, ResourceId, Stage};
use epr_run::context::Silent;
use epr_run::folder::{OldSignature, RunInfo};
use epr_run::line;
use epr_run::parts::PartWriter;
use epr_run::records::{HoldRecord, KeyRecord, RecordWriter};
use epr_run::{Manifest, RunFolder, Sha256Hex, StageContext, StopFlag};
use sha2::{Digest, Sha256};

pub(crate) const AS_OF: &str = "2021-11-01T00:00:00Z";

pub(crate) fn run_hash() -> Sha256Hex {
    Sha256Hex::of_bytes(b"test")
}

/// The id that a test calls by a number.
pub(crate) fn id(n: u16) -> ResourceId {
    let mut bytes = [0x10; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    ResourceId::from_bytes(bytes)
}

pub(crate) fn resource(kind: &str, n: u16) -> String {
    format!(r#"{{"resourceType":"{kind}","id":"{}","note":"résumé {n}","value":1.50}}"#, id(n))
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

/// Writes `3-link`: for each type its parts, for each part its lines. `key_of` may give a line another key than its own.
pub(crate) fn link(run: &RunFolder, parts: &[(&str, u32, Vec<String>)], key_of: impl Fn(&str) -> Option<String>) {
    let stage = run.begin(Stage::Link, OldSignature::Keep).unwrap();
    let mut keys = RecordWriter::<KeyRecord>::new(&stage).unwrap();
    let mut manifest = Manifest::new(Stage::Link, run_hash());
    for (kind, part, lines) in parts {
        let mut writer = PartWriter::replacing(&stage, kind, *part).unwrap();
        for (i, text) in lines.iter().enumerate() {
            writer.write(text.as_bytes()).unwrap();
            let Some(keyed) = key_of(text) else { continue };
            keys.push(&KeyRecord {
                resource_type: (*kind).to_owned(),
                id: line::identity(keyed.as_bytes()).unwrap().id.parse().unwrap(),
                key_hash: [0; 16],
                content_hash: Sha256::digest(keyed.as_bytes()).into(),
                table: format!("RK9/ipm/{}", kind.to_uppercase()),
                part: *part,
                row_no: u64::from(*part) * 1000 + i as u64 + 1,
                map: format!("rk9/ipm/{}", kind.to_lowercase()),
            })
            .unwrap();
        }
        writer.finish().unwrap();
        let ledger = manifest.ledgers.resources.entry((*kind).to_owned()).or_default();
        ledger.mapped += lines.len() as u64;
        ledger.delivered += lines.len() as u64;
        *manifest.resources.entry((*kind).to_owned()).or_default() += lines.len() as u64;
    }
    keys.finish().unwrap();
    RecordWriter::<Issue>::new(&stage).unwrap().finish().unwrap();
    stage.finish(manifest).unwrap();
}

/// Writes `4-validate`, which holds back `held`.
pub(crate) fn validate(run: &RunFolder, held: &[(&str, u16)]) {
    let mut manifest = Manifest::new(Stage::Validate, run_hash());
    manifest.ledgers = run.input(Stage::Link).unwrap().manifest().ledgers.clone();
    let stage = run.begin(Stage::Validate, OldSignature::Keep).unwrap();
    let mut holds = RecordWriter::<HoldRecord>::new(&stage).unwrap();
    for (kind, n) in held {
        let root_cause = Some(format!("Patient/{}", id(0)));
        for (rule, root_cause) in [("VAL0301", None), ("DA-03", root_cause)] {
            let rule = rule.to_owned();
            holds.push(&HoldRecord { resource_type: (*kind).to_owned(), id: id(*n), rule, root_cause }).unwrap();
        }
        let ledger = manifest.ledgers.resources.get_mut(*kind).unwrap();
        ledger.held += 1;
        ledger.delivered -= 1;
    }
    holds.finish().unwrap();
    stage.finish(manifest).unwrap();
}
