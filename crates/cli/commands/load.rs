//! `epr load`: what the run delivers, to a target; then the report with what the load did.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use epr_load::fhir::bundle::BundleKind;
use epr_load::fhir::verify::{Found, Verified, verify};
use epr_load::fhir::{Look, forecast::forecast};
use epr_load::{FhirServer, TargetKind};
use epr_model::{Sensitive, Stage};
use epr_report::numbers::grouped as number;
use epr_report::{SignatureState, When, verify_signature};
use serde_json::json;

use crate::args::{Common, Format, LoadArgs};
use crate::commands::run::finish;
use crate::config::{BundleSetting, LookSetting, Project, TargetSection};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{say, say_json};
use crate::stages::{Open, Session};

/// Findings of a verification that are listed in text; `--format json` has all.
const LISTED: usize = 20;

pub(crate) fn run(common: &Common, args: &LoadArgs) -> Outcome<Exit> {
    let session = Session::open(common, Open::Existing, false)?;
    session.run.input(Stage::Validate)?;
    let targets = session.targets(args.target.as_deref())?;
    if targets.is_empty() {
        return Err(Failure::usage(anyhow!("the project has no target that may be loaded without being named"))
            .next("--target NAME"));
    }
    if args.dry_run {
        for target in &targets {
            dry_run(&session, target)?;
        }
        return Ok(Exit::Done);
    }
    if args.verify {
        let mut worst = Exit::Done;
        for target in &targets {
            if !is_whole(&session, common, target)? {
                worst = Exit::Issues;
            }
        }
        return Ok(worst);
    }
    for target in &targets {
        let section = &session.workspace.project.file.target[target];
        let live = section.live.unwrap_or(TargetKind::from_code(&section.kind).is_some_and(TargetKind::is_live));
        if live && !matches!(verify_signature(&session.run)?, SignatureState::Accepted(_)) {
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

/// The server of a target of kind `fhir`: how to speak to it from the project, where it is from the environment.
pub(crate) fn server(project: &Project, name: &str, section: &TargetSection) -> Outcome<FhirServer> {
    let variable = |variable: &str| {
        std::env::var(variable).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
            Failure::usage(anyhow!("target.{name}: the environment variable {variable} is not set"))
                .state("nothing was sent")
        })
    };
    let url_env = section.url_env.as_deref().expect("the project file was checked for it");
    let token = section.token_env.as_deref().map(variable).transpose()?;
    Ok(FhirServer {
        url: variable(url_env)?,
        token: token.map(Sensitive::new),
        journal: project.state().join(name).join("journal.sqlite"),
        capability: section.capability.as_deref().map(|path: &Path| project.path(path)),
        bundle: section.bundle.map(|bundle| match bundle {
            BundleSetting::Transaction => BundleKind::Transaction,
            BundleSetting::Batch => BundleKind::Batch,
        }),
        max_entries: section.max_entries,
        max_bytes: section.max_kb.saturating_mul(1024),
        in_flight: section.in_flight,
        timeout: Duration::from_secs(section.timeout),
        patience: Duration::from_secs(section.patience),
        look: match section.look {
            LookSetting::All => Look::All,
            LookSetting::Changed => Look::Changed,
        },
    })
}

/// What a load would send, by type; the journal is asked, the target is not.
fn dry_run(session: &Session, target: &str) -> Outcome<()> {
    let input = session.load_input(target)?;
    say(format!("target {target}: nothing was sent; a load would send"))?;
    if input.server.is_none() {
        let validate = session.run.input(Stage::Validate)?;
        for (kind, ledger) in &validate.manifest().ledgers.resources {
            say(format!("  {kind:<22} {:>10}", number(ledger.delivered)))?;
        }
        return Ok(());
    }
    let by_type = forecast(session.context(), &input).map_err(|error| session.load_failure(target, error))?;
    say(format!("  {:<22} {:>10} {:>10} {:>10} {:>10}", "", "new", "changed", "unchanged", "in doubt"))?;
    for (kind, f) in by_type {
        let cells = [f.new, f.changed, f.unchanged, f.in_doubt].map(|n| format!("{:>10}", number(n)));
        say(format!("  {kind:<22} {}", cells.join(" ")))?;
    }
    Ok(())
}

/// Reads everything back; `false` where something is not there as it was sent.
fn is_whole(session: &Session, common: &Common, target: &str) -> Outcome<bool> {
    let input = session.load_input(target)?;
    let loaded = session.run.finished_load(target)?.ok_or_else(|| not_loaded(session, target))?;
    if input.server.is_none() {
        // Files are compared with the hashes of their manifest.
        loaded.verify()?;
        say(format!("target {target}: every file is as it was written"))?;
        return Ok(true);
    }
    let (by_type, findings) = verify(session.context(), &input).map_err(|error| session.load_failure(target, error))?;
    let place = |what: &Found| match what {
        Found::Missing => ("missing", String::new()),
        Found::NotRead => ("not read", String::new()),
        Found::Digits(place) => ("digits", place.clone()),
        Found::Different(place) => ("different", place.clone()),
    };
    let whole = by_type.values().all(Verified::is_whole);
    if common.format == Format::Json {
        let types: serde_json::Map<_, _> = by_type
            .iter()
            .map(|(kind, v)| {
                let counts = json!({
                    "delivered": v.delivered, "equal": v.equal, "digits": v.digits, "different": v.different,
                    "missing": v.missing, "not_read": v.not_read, "not_delivered": v.not_delivered,
                    "at_target": v.at_target,
                });
                (kind.clone(), counts)
            })
            .collect();
        let list: Vec<_> = findings
            .iter()
            .map(|f| {
                let (what, path) = place(&f.what);
                json!({ "resource": format!("{}/{}", f.resource_type, f.id), "what": what, "path": path })
            })
            .collect();
        say_json(&json!({ "target": target, "whole": whole, "types": types, "findings": list }))?;
        return Ok(whole);
    }
    let heads = ["delivered", "equal", "digits", "different", "missing", "not read", "at target"];
    say(format!(
        "target {target}: read back and compared\n  {:<22} {}",
        "",
        heads.map(|h| format!("{h:>10}")).join(" ")
    ))?;
    for (kind, v) in &by_type {
        let cells =
            [v.delivered, v.equal, v.digits, v.different, v.missing, v.not_read].map(|n| format!("{:>10}", number(n)));
        let at_target = v.at_target.map_or_else(|| "-".to_owned(), number);
        say(format!("  {kind:<22} {} {at_target:>10}", cells.join(" ")))?;
    }
    for finding in findings.iter().take(LISTED) {
        let (what, path) = place(&finding.what);
        say(format!("  {what:<9} {}/{} {path}", finding.resource_type, finding.id).trim_end())?;
    }
    if findings.len() > LISTED {
        say(format!("  and {} more; --format json lists all", number((findings.len() - LISTED) as u64)))?;
    }
    Ok(whole)
}

fn not_loaded(session: &Session, target: &str) -> Failure {
    Failure::usage(anyhow!("{} holds no finished load to {target}", session.run.root().display()))
        .next(format!("epr load --run-dir {} --target {target}", session.run.root().display()))
}
