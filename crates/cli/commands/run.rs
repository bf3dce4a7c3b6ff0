//! `epr run`: extract, map, link, validate, report, load (not to a live target), report.

use epr_mapping::stage::Limit;
use epr_model::Stage;
use epr_report::When;

use crate::args::{Common, FailOn, Format, RunArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{note, say, say_json};
use crate::stages::{Open, Session};
use crate::summary;

pub(crate) fn run(common: &Common, args: &RunArgs) -> Outcome<Exit> {
    let max_refused = args.max_refused.as_deref().map(read_limit).transpose()?;
    let session = Session::open(common, Open::OrCreate, args.discard_signature)?;
    if !common.quiet {
        note(format!("run {}", session.run.root().display()));
    }
    let run = &session.run;
    if run.finished(Stage::Extract)?.is_none() {
        session.extract()?;
    }
    if run.finished(Stage::Map)?.is_none() {
        session.map(max_refused)?;
    }
    if run.finished(Stage::Link)?.is_none() {
        session.link()?;
    }
    if run.finished(Stage::Validate)?.is_none() {
        session.validate(args.verdicts.reuse)?;
    }
    if run.finished(Stage::Report)?.is_none() {
        session.report(When::BeforeLoad)?;
    }
    let targets = session.targets(args.target.as_deref())?;
    for target in &targets {
        if run.finished_load(target)?.is_none() {
            session.load(target)?;
        }
    }
    if !targets.is_empty() && run.finished(Stage::ReportAfterLoad)?.is_none() {
        session.report(When::AfterLoad)?;
    }
    finish(&session, common)
}

/// Prints the closing screen and picks the exit code.
pub(crate) fn finish(session: &Session, common: &Common) -> Outcome<Exit> {
    let summary = epr_report::summary(&session.run)?;
    let exit = exit_of(&summary, common.fail_on);
    match common.format {
        Format::Json => say_json(&summary::closing_json(&session.run, &summary, exit)?)?,
        _ => say(summary::closing(&session.run, &summary, exit)?.trim_end_matches('\n'))?,
    }
    Ok(exit)
}

/// Issues at or above `--fail-on`, or a verdict that is not ready, make 1.
pub(crate) fn exit_of(summary: &epr_report::Summary, fail_on: FailOn) -> Exit {
    let counts = &summary.verdict.counts;
    let bad = match fail_on {
        FailOn::Never => false,
        FailOn::Error => counts.errors.n > 0 || !summary.verdict.stops.is_empty(),
        FailOn::Warning => counts.errors.n + counts.warnings.n > 0 || !summary.verdict.stops.is_empty(),
    };
    if bad { Exit::Issues } else { Exit::Done }
}

/// Reads `--max-refused`: a number, or a percentage of the rows in scope.
pub(crate) fn read_limit(text: &str) -> Outcome<Limit> {
    let wrong = || {
        Failure::usage(anyhow::anyhow!(
            "--max-refused {text}: expected a number such as 100, or a percentage such as 0.5%"
        ))
    };
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.parse().map_err(|_| wrong())?;
            if (0.0..=100.0).contains(&percent) { Ok(Limit::Percent(percent)) } else { Err(wrong()) }
        }
        None => Ok(Limit::Rows(text.parse().map_err(|_| wrong())?)),
    }
}
