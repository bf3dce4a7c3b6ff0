//! `epr check`: proves project, source specs, mappings and code maps before any data moves.

use epr_mapping::diagnostics::{Colour, Diagnostic};
use epr_model::Severity;

use crate::args::{CheckArgs, Common, FailOn, Format};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::finding::Finding;
use crate::output::junit::{Case, Report};
use crate::output::{csv, say, say_json};
use crate::summary::counted;
use crate::workspace::{Pack, Workspace};

pub(crate) fn run(common: &Common, args: &CheckArgs) -> Outcome<Exit> {
    let workspace = Workspace::read(common, args.strict)?;
    let found = once_each(&workspace);
    let n_errors = found.iter().filter(|(_, d)| d.is_error()).count();
    let n_warnings = found.iter().filter(|(_, d)| d.severity == Severity::Warning).count();
    match common.format {
        Format::Text => text(&workspace, &found, n_errors, n_warnings)?,
        Format::Json => say_json(&found.iter().map(|(_, d)| *d).collect::<Vec<_>>())?,
        Format::Ndjson => {
            for (_, finding) in found {
                say(serde_json::to_string(finding).map_err(Failure::environment)?)?;
            }
        }
        Format::Csv => {
            say(csv::HEAD)?;
            for finding in neutral(&found) {
                say(csv::line(&finding))?;
            }
        }
        Format::Sarif => {
            // Each pack's sources hold every file below the mappings folder.
            let sources = workspace.packs.first().map(|p| p.sources.clone()).unwrap_or_default();
            let found: Vec<Diagnostic> = found.iter().map(|(_, d)| (*d).clone()).collect();
            say_json(&epr_mapping::sarif::sarif(&found, &sources, env!("CARGO_PKG_VERSION")))?;
        }
        Format::Junit => say(junit(&workspace, common.fail_on).write("epr check"))?,
    }
    let bad = match common.fail_on {
        FailOn::Error => n_errors > 0,
        FailOn::Warning => n_errors + n_warnings > 0,
        FailOn::Never => false,
    };
    Ok(if bad { Exit::Issues } else { Exit::Done })
}

/// Every finding with its pack, and what several packs say of a fragment that they share once.
fn once_each(workspace: &Workspace) -> Vec<(&Pack, &Diagnostic)> {
    let mut found: Vec<(&Pack, &Diagnostic)> = Vec::new();
    for pack in &workspace.packs {
        for diagnostic in &pack.diagnostics {
            if !found.iter().any(|(_, other)| *other == diagnostic) {
                found.push((pack, diagnostic));
            }
        }
    }
    found
}

fn text(workspace: &Workspace, found: &[(&Pack, &Diagnostic)], n_errors: usize, n_warnings: usize) -> Outcome<()> {
    for (pack, diagnostic) in found {
        say(diagnostic.render(&pack.sources, Colour::Never))?;
    }
    let whole: Vec<_> = workspace.packs.iter().filter_map(|p| p.plan.as_ref()).collect();
    let n_maps: usize = whole.iter().map(|p| p.maps.len()).sum();
    say(format!(
        "{} compiled, in {} of {}; {}, {}",
        counted(n_maps as u64, "map"),
        whole.len(),
        counted(workspace.packs.len() as u64, "pack"),
        counted(n_errors as u64, "error"),
        counted(n_warnings as u64, "warning")
    ))
}

fn neutral(found: &[(&Pack, &Diagnostic)]) -> Vec<Finding> {
    found.iter().map(|(pack, diagnostic)| Finding::of_mapping(diagnostic, &pack.sources)).collect()
}

/// A suite for each pack, a case for each of its files and for what it uses of others that has a finding.
fn junit(workspace: &Workspace, fail_on: FailOn) -> Report {
    let mut report = Report::default();
    for (pack, source) in workspace.packs.iter().zip(&workspace.sources) {
        let found: Vec<Finding> = pack.diagnostics.iter().map(|d| Finding::of_mapping(d, &pack.sources)).collect();
        let own = format!("{}/", source.pack());
        for path in pack.sources.paths() {
            let Some(file) = pack.sources.find(path).map(|id| pack.sources.shown(id)) else { continue };
            if !path.starts_with(&own) && !found.iter().any(|f| f.file == file) {
                continue;
            }
            let (failures, remarks): (Vec<_>, Vec<_>) = found
                .iter()
                .filter(|f| f.file == file)
                .partition(|finding| finding.is_error() || (fail_on == FailOn::Warning && finding.is_warning()));
            let line = failures.first().map(|f| f.line);
            let case = Case { name: file.clone(), file, line, failures: lines(&failures), remarks: lines(&remarks) };
            report.add(&source.pack(), case);
        }
    }
    report
}

fn lines(findings: &[&Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{}: {}[{}]: {}", f.place(), f.severity.as_str(), f.code, f.message)).collect()
}
