//! The signature: who accepted or refused which report, over the hashes of everything that the decision rests on.
//!
//! `5-report/signature.json` stands beside the report and outside its manifest. Its own hash goes into the run's
//! audit log, so a signature that is altered later no longer holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use epr_model::Stage;
use epr_run::records::{HoldRecord, Record};
use epr_run::whole_file::{self, Access};
use epr_run::{FinishedStage, RunError, RunFolder, Sha256Hex, audit};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::gates::NEVER_WAIVED;
use crate::verdict::{self, Verdict};
use crate::waivers::{self, Waiver};

/// The signature's file in `5-report`.
pub const FILE: &str = "signature.json";

/// The event under which a signature stands in the audit log.
const SIGNED: &str = "signed";

/// Where that event names the hash of `signature.json`.
const HASH: &str = "signature_sha256";

/// In which role somebody signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Clinical safety officer.
    #[serde(rename = "CSO")]
    Cso,
    /// Senior responsible owner.
    #[serde(rename = "SRO")]
    Sro,
    /// Information governance.
    #[serde(rename = "IG")]
    Ig,
    /// Migration lead.
    #[serde(rename = "lead")]
    Lead,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Accept,
    Refuse,
}

/// A role or decision that is not one of the known words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of {known}")]
pub struct UnknownWord {
    pub found: String,
    pub known: &'static str,
}

impl FromStr for Role {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.to_ascii_lowercase().as_str() {
            "cso" => Ok(Self::Cso),
            "sro" => Ok(Self::Sro),
            "ig" => Ok(Self::Ig),
            "lead" => Ok(Self::Lead),
            _ => Err(UnknownWord { found: text.to_owned(), known: "CSO, SRO, IG, lead" }),
        }
    }
}

impl FromStr for Decision {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "accept" => Ok(Self::Accept),
            "refuse" => Ok(Self::Refuse),
            _ => Err(UnknownWord { found: text.to_owned(), known: "accept, refuse" }),
        }
    }
}

/// `signature.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub schema: u32,
    pub by: String,
    pub role: Role,
    pub decision: Decision,
    /// RFC 3339.
    pub at: String,
    pub waivers: Vec<Waiver>,
    /// Gates that failed when it was signed, by id: the signer has seen them.
    pub failing_gates: Vec<String>,
    pub run_hash: Sha256Hex,
    /// Binary, project, source specs, mappings and packages, as `run.json` has them.
    pub plan: BTreeMap<String, Sha256Hex>,
    /// Every file of `5-report` but this one, its manifest included.
    pub files: BTreeMap<String, Sha256Hex>,
    /// `4-validate/holds.parquet`; absent where validate wrote none.
    pub holds: Option<Sha256Hex>,
}

impl Signature {
    /// The waivers that no longer hold on a day (`yyyy-mm-dd`).
    pub fn expired_on<'a>(&'a self, day: &'a str) -> impl Iterator<Item = &'a Waiver> {
        // Both are ISO dates, whose text sorts as the days do.
        self.waivers.iter().filter(move |w| w.expires_on.as_str() < day)
    }
}

/// Whether a run may go to a live target, as far as signatures go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureState {
    Unsigned,
    Accepted(Box<Signature>),
    Refused(Box<Signature>),
    /// Signed once, but what was signed is no longer what is there; the reason.
    Void(String),
}

/// Why a report could not be signed. In each case nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{0} is signed already; a second signature needs a new report (`--discard-signature`)")]
    AlreadySigned(String),
    #[error("a signature needs a name")]
    NoName,
    #[error("`{0}` is not an instant (RFC 3339)")]
    NotAnInstant(String),
    #[error("the waiver of {rule} is not complete: {what}")]
    Waiver { rule: String, what: String },
    #[error("the waiver of {rule} ended on {expires_on}, before the day of the signature")]
    Expired { rule: String, expires_on: String },
    #[error(
        "{rule} is set to stop and has {needed} ({unit}); the waivers cover {waived}: add a line to the waivers file, or refuse"
    )]
    NotWaived { rule: String, needed: u64, unit: String, waived: u64 },
    #[error("the gate `{gate}` fails ({n} of {of} {unit}); no signature goes past it")]
    Unbalanced { gate: String, n: u64, of: u64, unit: String },
    #[error("the clinical safety officer accepts; `{0:?}` may only refuse")]
    RoleMayNotAccept(Role),
}

/// Signs the finished report of a run, once.
///
/// The event `signed` goes into the audit log here, so a caller writes none of its own.
///
/// `at` is the instant of signing (RFC 3339). To accept, every rule set to `stop` that found something needs waivers
/// for at least its number of patients, in date on that day; rows or ledgers that do not add up are never accepted.
pub fn sign(
    run: &RunFolder,
    by: &str,
    role: Role,
    decision: Decision,
    waivers: Vec<Waiver>,
    at: &str,
) -> Result<Signature, SignError> {
    let report = run.input(Stage::Report)?;
    let path = report.path().join(FILE);
    if path.exists() {
        return Err(SignError::AlreadySigned(report.path().display().to_string()));
    }
    if by.trim().is_empty() {
        return Err(SignError::NoName);
    }
    let instant: Timestamp = at.parse().map_err(|_| SignError::NotAnInstant(at.to_owned()))?;
    let today = instant.strftime("%Y-%m-%d").to_string();
    let verdict = verdict::verdict(run)?;
    check_waivers(&waivers, &today)?;
    if decision == Decision::Accept {
        if role != Role::Cso {
            return Err(SignError::RoleMayNotAccept(role));
        }
        check_acceptance(&verdict, &waivers)?;
    }
    let info = run.info()?;
    let signature = Signature {
        schema: 1,
        by: by.to_owned(),
        role,
        decision,
        at: at.to_owned(),
        waivers,
        failing_gates: verdict.failing().map(|g| g.id.clone()).collect(),
        run_hash: info.run_hash,
        plan: info.hashes,
        files: report_files(&report)?,
        holds: holds_hash(run)?,
    };
    write(run, &path, &signature)?;
    Ok(signature)
}

fn check_waivers(waivers: &[Waiver], today: &str) -> Result<(), SignError> {
    for waiver in waivers {
        waivers::check(waiver).map_err(|what| SignError::Waiver { rule: waiver.rule.clone(), what })?;
        if waiver.expires_on.as_str() < today {
            let (rule, expires_on) = (waiver.rule.clone(), waiver.expires_on.clone());
            return Err(SignError::Expired { rule, expires_on });
        }
    }
    Ok(())
}

fn check_acceptance(verdict: &Verdict, waivers: &[Waiver]) -> Result<(), SignError> {
    if let Some(gate) = verdict.failing().find(|g| NEVER_WAIVED.contains(&g.id.as_str())) {
        let count = gate.count.clone();
        return Err(SignError::Unbalanced { gate: gate.id.clone(), n: count.n, of: count.of, unit: count.unit });
    }
    for stop in &verdict.stops {
        let waived = waivers.iter().filter(|w| w.rule == stop.rule).map(|w| w.count).sum();
        if waived < stop.size() {
            let unit = if stop.patients.n > 0 { &stop.patients.unit } else { &stop.findings.unit };
            return Err(SignError::NotWaived {
                rule: stop.rule.clone(),
                needed: stop.size(),
                unit: unit.clone(),
                waived,
            });
        }
    }
    Ok(())
}

/// The log first: a kill in between leaves an unsigned report, which can be signed again.
fn write(run: &RunFolder, path: &Path, signature: &Signature) -> Result<(), SignError> {
    let mut bytes = serde_json::to_vec_pretty(signature).expect("a signature has text keys only");
    bytes.push(b'\n');
    let details = Map::from_iter([
        (HASH.to_owned(), Value::from(Sha256Hex::of_bytes(&bytes).to_string())),
        ("decision".to_owned(), serde_json::to_value(signature.decision).expect("a word")),
        ("role".to_owned(), serde_json::to_value(signature.role).expect("a word")),
        ("n_waivers".to_owned(), Value::from(signature.waivers.len())),
    ]);
    audit::append(run.root(), &signature.at, &signature.by, SIGNED, details)?;
    Ok(whole_file::write(path, &bytes, Access::Group)?)
}

/// Says whether a run is signed, and whether the signature still holds for what is there now.
///
/// Errors are for a folder that cannot be read; an altered file is [`SignatureState::Void`].
pub fn verify_signature(run: &RunFolder) -> Result<SignatureState, RunError> {
    let Some(report) = run.finished(Stage::Report)? else { return Ok(SignatureState::Unsigned) };
    let path = report.path().join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(SignatureState::Unsigned),
        Err(e) => return Err(RunError::io("read", &path)(e)),
    };
    let Ok(signature) = serde_json::from_slice::<Signature>(&bytes) else {
        return Ok(SignatureState::Void("signature.json is not what epr writes".to_owned()));
    };
    Ok(match difference(run, &report, &signature, &bytes)? {
        Some(reason) => SignatureState::Void(reason),
        None if signature.decision == Decision::Accept => SignatureState::Accepted(Box::new(signature)),
        None => SignatureState::Refused(Box::new(signature)),
    })
}

fn difference(
    run: &RunFolder,
    report: &FinishedStage,
    signature: &Signature,
    bytes: &[u8],
) -> Result<Option<String>, RunError> {
    if logged_hash(run)?.as_deref() != Some(Sha256Hex::of_bytes(bytes).as_str()) {
        return Ok(Some("signature.json is not the one that the audit log names".to_owned()));
    }
    let info = run.info()?;
    if info.run_hash != signature.run_hash || info.hashes != signature.plan {
        return Ok(Some("the run's own hashes are not those that were signed".to_owned()));
    }
    let files = report_files(report)?;
    let changed = |(name, hash): (&String, &Sha256Hex)| (files.get(name) != Some(hash)).then(|| name.clone());
    if let Some(name) = signature.files.iter().find_map(changed) {
        return Ok(Some(format!("5-report/{name} is not what was signed")));
    }
    if let Some(name) = files.keys().find(|n| !signature.files.contains_key(*n)) {
        return Ok(Some(format!("5-report/{name} was not there when it was signed")));
    }
    if holds_hash(run)? != signature.holds {
        return Ok(Some("4-validate/holds.parquet is not what was signed".to_owned()));
    }
    Ok(None)
}

/// The hash that the last signature in the audit log names. An audit log that is broken names none.
fn logged_hash(run: &RunFolder) -> Result<Option<String>, RunError> {
    match audit::verify(run.root()) {
        Ok(_) => {}
        Err(RunError::Altered { .. }) => return Ok(None),
        Err(e) => return Err(e),
    }
    let path = run.root().join("audit.ndjson");
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(RunError::io("read", &path))?;
    let mut entries = text.lines().filter_map(|line| serde_json::from_str::<audit::AuditEntry>(line).ok());
    let last = entries.rfind(|e| e.event == SIGNED && e.details.contains_key(HASH));
    Ok(last.and_then(|e| Some(e.details.get(HASH)?.as_str()?.to_owned())))
}

/// Every file of the report's folder but the signature, by its name.
fn report_files(report: &FinishedStage) -> Result<BTreeMap<String, Sha256Hex>, RunError> {
    let mut files = BTreeMap::new();
    let folder = report.path();
    for entry in fs::read_dir(folder).map_err(RunError::io("list", folder))? {
        let path = entry.map_err(RunError::io("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && name != FILE {
            files.insert(name, Sha256Hex::of_file(&path)?.0);
        }
    }
    Ok(files)
}

fn holds_hash(run: &RunFolder) -> Result<Option<Sha256Hex>, RunError> {
    let path = run.root().join(Stage::Validate.folder()).join(HoldRecord::FILE);
    if path.is_file() { Ok(Some(Sha256Hex::of_file(&path)?.0)) } else { Ok(None) }
}
