//! `epr check`: proves project, source specs, mappings and code maps before any data moves.

use epr_model::Severity;
use serde_json::Value;

use crate::args::{CheckArgs, Common, FailOn, Format};
use crate::exit::{Exit, Failure, Outcome};
use crate::workspace::{Workspace, render};

pub(crate) fn run(common: &Common, args: &CheckArgs) -> Outcome<Exit> {
    let workspace = Workspace::read(common, args.strict)?;
    let findings = || workspace.packs.iter().flat_map(|p| p.diagnostics.iter().map(move |d| (p, d)));
    let n_errors = findings().filter(|(_, d)| d.is_error()).count();
    let n_warnings = findings().filter(|(_, d)| d.severity == Severity::Warning).count();
    match common.format {
        Format::Json | Format::Ndjson => {
            let all: Vec<Value> = findings()
                .map(|(_, d)| serde_json::to_value(d))
                .collect::<Result<_, _>>()
                .map_err(Failure::environment)?;
            if common.format == Format::Json {
                println!("{}", serde_json::to_string_pretty(&all).map_err(Failure::environment)?);
            } else {
                for finding in all {
                    println!("{finding}");
                }
            }
        }
        _ => {
            for pack in &workspace.packs {
                let text = render(pack);
                if !text.is_empty() {
                    println!("{text}");
                }
            }
            let n_maps: usize = workspace.packs.iter().filter_map(|p| p.plan.as_ref()).map(|p| p.maps.len()).sum();
            println!("{n_maps} maps of {} packs hold; {n_errors} errors, {n_warnings} warnings", workspace.packs.len());
        }
    }
    let bad = match common.fail_on {
        FailOn::Error => n_errors > 0,
        FailOn::Warning => n_errors + n_warnings > 0,
        FailOn::Never => false,
    };
    Ok(if bad { Exit::Issues } else { Exit::Done })
}
