//! `epr load`: what the run delivers, to a target; then the report with what the load did.

use anyhow::anyhow;
use epr_model::Stage;
use epr_report::{SignatureState, When, verify_signature};

use crate::args::{Common, LoadArgs};
use crate::commands::run::finish;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::say;
use crate::stages::{Open, Session};
use epr_report::numbers::grouped as number;

pub(crate) fn run(common: &Common, args: &LoadArgs) -> Outcome<Exit> {
    let session = Session::open(common, Open::Existing, false)?;
    let validate = session.run.input(Stage::Validate)?;
    let targets = session.targets(args.target.as_deref())?;
    if targets.is_empty() {
        return Err(Failure::usage(anyhow!("the project has no target that may be loaded without being named"))
            .next("--target NAME"));
    }
    if args.dry_run {
        for target in &targets {
            say(format!("target {target}: nothing was sent; a load would send"))?;
            for (kind, ledger) in &validate.manifest().ledgers.resources {
                say(format!("  {kind:<22} {:>10}", number(ledger.delivered)))?;
            }
        }
        return Ok(Exit::Done);
    }
    for target in &targets {
        let section = &session.workspace.project.file.target[target];
        if section.live.unwrap_or(false) && !matches!(verify_signature(&session.run)?, SignatureState::Accepted(_)) {
            let error = anyhow!("target {target} is live, and the report of this run is not signed");
            return Err(Failure::usage(error).state("nothing was sent").next(format!(
                "epr sign --run-dir {} --by NAME --role CSO --decision accept",
                session.run.root().display()
            )));
        }
        session.load(target)?;
    }
    session.report(When::AfterLoad)?;
    finish(&session, common)
}
