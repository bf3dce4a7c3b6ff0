//! The run folder to the safety officer's report, and the signature under it.
//!
//! In: a run folder whose stages extract, map, link and validate (and load) are finished. Out: `report.html`,
//! `report.json`, `issues.csv`, `reconciliation.csv`, `hazard-log.csv`, `outcomes.ndjson`, later `signature.json`.
//! Never here: a value of the data (keys, places, shapes and counts only), a clock, a network, a claim that a load
//! is free of risk.
//!
//! | what you want to find | module |
//! |---|---|
//! | every figure that a report shows, with what it is a part of | [`figures`], [`numbers`] |
//! | the gates and the verdict; what the closing summary prints | `gates`, [`verdict`] |
//! | what a code means and whether it stops a load | [`rules`] |
//! | the one pass over the findings | `tally`; people counted once: `patients`; places put aside on disk: `spill` |
//! | the other files of a run | `evidence`; what was not checked: [`honesty`]; back to the source row: `lineage` |
//! | the three ledgers, counted again | `reconcile` |
//! | what the sources hold against what is delivered | `controls`; the matrix of DCB0129: `matrix` |
//! | the page | `compose` (what it says), `html` and `templates/` (how it looks), `flow` (the picture) |
//! | the lists beside it | `issue_list`, `ledger_file`, `hazard_log`, `outcomes` |
//! | signing, and whether a signature still holds | [`sign`], [`waivers`] |

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use epr_model::{HazardSeverity, IssueDoc, Stage};
use epr_run::folder::OldSignature;
use epr_run::whole_file::{self, Access};
use epr_run::{FinishedStage, Manifest, RunError, Sha256Hex, StageContext};
use serde::Serialize;

mod compose;
mod controls;
mod evidence;
pub mod figures;
mod flow;
mod gates;
mod hazard_log;
pub mod honesty;
mod html;
mod issue_list;
mod ledger_file;
mod lineage;
mod matrix;
pub mod numbers;
mod outcomes;
mod patients;
mod place;
mod reconcile;
pub mod rules;
pub mod sign;
mod spill;
mod tally;
pub mod verdict;
pub mod waivers;

pub use rules::RuleSetting;
pub use sign::{Decision, Role, SignError, Signature, SignatureState, sign, verify_signature};
pub use verdict::{Gate, GateState, Summary, Verdict, summary, verdict};
pub use waivers::Waiver;

/// Which of the two reports of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `5-report`: what would be delivered; this one is signed.
    BeforeLoad,
    /// `7-report`: the same, with what the targets said.
    AfterLoad,
}

/// A command that a reader may want to type next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// What it is for: `Sign`.
    pub purpose: String,
    pub command: String,
}

/// What the report needs to know besides the run folder.
#[derive(Debug)]
pub struct ReportInput<'a> {
    pub run_hash: Sha256Hex,
    pub when: When,
    /// Only for the report before a load: what to do where an earlier one is signed.
    pub old_signature: OldSignature,
    /// The pages of all crates' codes.
    pub docs: &'a [IssueDoc],
    /// How badly hazards can harm, by code, where the clinical safety officer says otherwise than the catalogue.
    pub hazards: BTreeMap<String, HazardSeverity>,
    /// `[rules]` of the project.
    pub settings: BTreeMap<String, RuleSetting>,
    /// The FHIR packages in use, `name@version`.
    pub packages: Vec<String>,
    pub hints: Vec<Hint>,
}

/// Why a report could not be made. The stage's hidden folder then stays, and no earlier report is touched.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("could not write {path}")]
    Csv {
        path: PathBuf,
        #[source]
        source: csv::Error,
    },
    #[error("could not draw report.html")]
    Template(#[source] tera::Error),
}

/// Makes the report of a run: reads the run folder only, and gives the same bytes for the same folder.
///
/// Memory grows with rules, maps and people, not with findings.
pub fn run(ctx: StageContext<'_>, input: &ReportInput<'_>) -> Result<FinishedStage, ReportError> {
    let after = input.when == When::AfterLoad;
    let inputs = evidence::Inputs::open(ctx.run, after)?;
    let signature = if after { Some(signature_gate(&sign::verify_signature(ctx.run)?)) } else { None };
    let (stage, old_signature) =
        if after { (Stage::ReportAfterLoad, OldSignature::Keep) } else { (Stage::Report, input.old_signature) };
    let out = ctx.run.begin(stage, old_signature)?;
    // The folder is for the group that the project names; only this process could enter it otherwise.
    fs::set_permissions(out.path(), Permissions::from_mode(0o750))
        .map_err(RunError::io("open to its group", out.path()))?;

    let rules = rules::Rules::new(input.docs, &input.hazards, &input.settings);
    let mut people = patients::People::default();
    let evidence = evidence::read(ctx, &inputs, &mut people)?;
    let manifests = evidence.manifests.clone();
    let mut tally = tally::read(ctx, &inputs.all(), &rules, &mut people, &out)?;
    lineage::complete(ctx, &inputs.map, tally.codes.values_mut().flat_map(|c| &mut c.examples))?;
    let report = compose::compose(input, &rules, evidence, &tally, signature);

    let mut json = serde_json::to_vec_pretty(&report).expect("figures have text keys only");
    json.push(b'\n');
    whole_file::write(&out.file("report.json")?, &json, Access::Group)?;
    let page = html::render(&report, &input.hints)?;
    whole_file::write(&out.file("report.html")?, page.as_bytes(), Access::Group)?;
    ledger_file::write(&out, &report)?;
    hazard_log::write(&out, &report)?;

    let mut manifest = Manifest::new(stage, input.run_hash.clone());
    manifest.inputs = manifests;
    Ok(out.finish(manifest)?)
}

fn signature_gate(state: &SignatureState) -> GateState {
    match state {
        SignatureState::Unsigned => GateState::Open,
        SignatureState::Accepted(_) => GateState::Met,
        SignatureState::Refused(_) | SignatureState::Void(_) => GateState::Fail,
    }
}
