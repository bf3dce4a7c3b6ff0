//! Load: resources to the target.
//!
//! In: the linked set (`3-link`) and what validation holds back (`4-validate/holds.parquet`). Out:
//! `6-load/<target>/` with what the target was given or said: for target `files` one plain NDJSON file a type,
//! sorted by id, and a manifest in the form of FHIR's bulk data export; for every target the crosswalk and the
//! third ledger, down to the last resource. For target `fhir` also the resources at the server, and a journal that
//! outlives the run: each resource is there once, whatever was killed or cut in between.
//! Never here: a change to a resource. Every line is compared with the hash that link wrote; a line that was
//! altered between stops the load. Whether a signature allows a load to a live target is asked by the caller.
//!
//! | what you want to find | module |
//! |---|---|
//! | what a target must be able to do, and what it answers | [`target`] |
//! | target `files` | [`files`] |
//! | target `fhir`: a server, bundles, their answers | [`fhir`] |
//! | what was sent to a server and what it answered | [`journal`] |
//! | which resource must be there before which | [`order`] |
//! | the order in which resources are sent, in bounded memory | [`sorted`] |
//! | answers counted, crosswalk and issues written | [`receipts`] |
//! | what can stop a load | [`error`] |
//! | the codes of load's issues | [`issues`] |

pub mod error;
pub mod fhir;
pub mod files;
pub mod issues;
pub mod journal;
pub mod order;
pub mod receipts;
pub mod sorted;
pub mod target;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;

use epr_model::{ResourceId, Stage};
use epr_run::keys_by_part::KeysByPart;
use epr_run::ledger::ResourceLedger;
use epr_run::parts::resource_types;
use epr_run::records::{self, HoldRecord};
use epr_run::{FinishedStage, Manifest, RunError, Sha256Hex, StageContext};

pub use crate::error::LoadError;
pub use crate::fhir::FhirServer;
pub use crate::issues::ISSUES;
use crate::receipts::Receipts;
use crate::sorted::Sorter;
use crate::target::{Delivery, Target};

/// Scratch space inside the partial folder; gone before the stage is finished.
const SCRATCH: &str = ".scratch";

/// What to load, and to where.
#[derive(Debug, Clone)]
pub struct LoadInput {
    pub run_hash: Sha256Hex,
    /// The name after `target.` in `epr.toml`; the folder below `6-load`.
    pub target_name: String,
    pub kind: TargetKind,
    /// For kind `fhir`.
    pub server: Option<FhirServer>,
}

/// The kinds of target that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// NDJSON files in the run folder, as bulk import services take them. Never live.
    Files,
    /// A FHIR R4 server over HTTP.
    Fhir,
}

impl TargetKind {
    /// Reads `kind` of a target in `epr.toml`; `None` for a kind that this version does not know.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "files" => Some(Self::Files),
            "fhir" => Some(Self::Fhir),
            _ => None,
        }
    }

    /// Whether a load changes a record that people treat patients by: then it wants a signature first.
    pub const fn is_live(self) -> bool {
        match self {
            Self::Files => false,
            Self::Fhir => true,
        }
    }
}

/// Sends what is in `3-link` and not held to the target, and writes `6-load/<target>`.
///
/// Both input stages are hashed again first, and each line is compared with its content hash; on any fault
/// nothing takes the place of an earlier load's folder but an unfinished one, which the next load deletes.
pub fn run(ctx: StageContext<'_>, input: &LoadInput) -> Result<FinishedStage, LoadError> {
    match input.kind {
        TargetKind::Files => run_to(ctx, input, &mut files::Files::new()),
        TargetKind::Fhir => run_to(ctx, input, &mut fhir::Fhir::new(input)?),
    }
}

/// As [`run`], to a target that the caller made.
pub fn run_to(ctx: StageContext<'_>, input: &LoadInput, target: &mut dyn Target) -> Result<FinishedStage, LoadError> {
    let link = ctx.run.input(Stage::Link)?;
    let validate = ctx.run.input(Stage::Validate)?;
    let as_of = ctx.run.info()?.as_of;
    let holds = Holds::read(&validate)?;
    let mut ledgers = ledgers_before(&link, &validate, &holds)?;

    let folder = ctx.run.begin_load(&input.target_name)?;
    let scratch = folder.path().join(SCRATCH);
    let keys = KeysByPart::split(&link, &scratch.join("keys"))?;
    let delivery = Delivery { folder: &folder, target_name: &input.target_name, as_of: &as_of };
    let mut receipts = Receipts::new(&folder)?;
    target.begin(&delivery)?;
    let n_delivered = ledgers.values().map(|l| l.delivered).sum();
    let sorter =
        Sorter { ctx, link: &link, validate: &validate, keys: &keys, holds: &holds, scratch: &scratch, n_delivered };
    target.deliver(&delivery, &sorter)?;
    for resource_type in resource_types(&link) {
        let expected = ledgers.get(&resource_type).map_or(0, |l| l.delivered);
        ctx.progress.begin(&resource_type, Some(expected), "resources");
        let mut resources = sorter.sort(&resource_type)?;
        receipts.begin_type(&resource_type);
        if resources.has_any() {
            target.send(&delivery, &mut resources, &mut receipts)?;
        }
        receipts.end_type();
        ctx.progress.end();
    }
    target.finish(&delivery)?;
    let said = receipts.finish()?;
    fs::remove_dir_all(&scratch).map_err(RunError::io("delete", &scratch))?;

    for (resource_type, ledger) in &mut ledgers {
        ledger.at_target = Some(said.by_type.get(resource_type).cloned().unwrap_or_default());
    }
    let mut manifest = Manifest::new(Stage::Load, input.run_hash.clone());
    for (stage, finished) in [(Stage::Link, &link), (Stage::Validate, &validate)] {
        manifest.inputs.insert(stage.as_str().to_owned(), finished.manifest_hash()?);
    }
    manifest.resources = said.sent;
    manifest.issues = said.issues;
    manifest.ledgers.resources = ledgers;
    Ok(folder.finish(manifest)?)
}

/// Does something with the delivered resources and no stage: `name` is a scratch folder below `6-load`.
pub(crate) fn with_sorter<T>(
    ctx: StageContext<'_>,
    name: &str,
    work: impl FnOnce(&Sorter<'_>) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let link = ctx.run.input(Stage::Link)?;
    let validate = ctx.run.input(Stage::Validate)?;
    let holds = Holds::read(&validate)?;
    let ledgers = ledgers_before(&link, &validate, &holds)?;
    let scratch = ctx.run.root().join(Stage::Load.folder()).join(name);
    let clear = || match fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(RunError::io("delete", &scratch)(error)),
        _ => Ok(()),
    };
    clear()?;
    let result = (|| {
        let keys = KeysByPart::split(&link, &scratch.join("keys"))?;
        let n_delivered = ledgers.values().map(|l| l.delivered).sum();
        work(&Sorter {
            ctx,
            link: &link,
            validate: &validate,
            keys: &keys,
            holds: &holds,
            scratch: &scratch,
            n_delivered,
        })
    })();
    clear()?;
    result
}

/// The ids that validation holds back, by type.
#[derive(Debug, Default)]
pub struct Holds(BTreeMap<String, HashSet<ResourceId>>);

impl Holds {
    fn read(validate: &FinishedStage) -> Result<Self, RunError> {
        let mut holds = Self::default();
        for hold in records::read::<HoldRecord>(validate)? {
            let hold = hold?;
            match holds.0.get_mut(&hold.resource_type) {
                Some(ids) => {
                    ids.insert(hold.id);
                }
                None => {
                    holds.0.insert(hold.resource_type, HashSet::from([hold.id]));
                }
            }
        }
        Ok(holds)
    }

    /// Whether the resource is held, for any reason.
    pub fn contains(&self, resource_type: &str, id: ResourceId) -> bool {
        self.0.get(resource_type).is_some_and(|ids| ids.contains(&id))
    }

    fn count(&self, resource_type: &str) -> u64 {
        self.0.get(resource_type).map_or(0, |ids| ids.len() as u64)
    }
}

/// Mapped, merged and held as link and validation counted them. Where both count a type, they must agree.
fn ledgers_before(
    link: &FinishedStage,
    validate: &FinishedStage,
    holds: &Holds,
) -> Result<BTreeMap<String, ResourceLedger>, LoadError> {
    let linked = &link.manifest().ledgers.resources;
    let validated = &validate.manifest().ledgers.resources;
    let types: BTreeSet<&String> = linked.keys().chain(validated.keys()).collect();
    let mut ledgers = BTreeMap::new();
    for kind in types {
        let held = holds.count(kind);
        let own = linked.get(kind).map(|l| ResourceLedger {
            held,
            delivered: (l.mapped - l.merged).saturating_sub(held),
            at_target: None,
            ..l.clone()
        });
        let ledger = match (own, validated.get(kind)) {
            (Some(own), Some(theirs)) if own != *theirs => {
                return Err(LoadError::LedgersDisagree { resource_type: kind.clone() });
            }
            (Some(ledger), _) => ledger,
            (None, Some(theirs)) => theirs.clone(),
            (None, None) => continue,
        };
        ledgers.insert(kind.clone(), ledger);
    }
    Ok(ledgers)
}
