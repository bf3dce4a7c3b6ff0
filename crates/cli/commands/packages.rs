//! `epr packages`: FHIR packages in `~/.fhir/packages`.

use epr_fhir::package::{DEFAULT_REGISTRIES, PackageId, R4_CORE_FALLBACK, install};
use serde_json::json;

use crate::args::{Common, Format, PackagesArgs, PackagesCommand};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{note, say, say_json};
use crate::workspace::{R4, package_cache, project};

pub(crate) fn run(common: &Common, args: &PackagesArgs) -> Outcome<Exit> {
    match &args.command {
        PackagesCommand::List => list(common.format),
        PackagesCommand::Install { packages, registry } => {
            // A project is not needed, but where there is one its packages and registries count.
            let project = if common.project.is_file() { Some(project(common)?.file.packages) } else { None };
            let project = project.unwrap_or_default();
            let names = if packages.is_empty() { &project.names } else { packages };
            install_all(names, registry.iter().chain(&project.registries), common.quiet)
        }
    }
}

/// Altered packages make exit code 1: whoever lists them in a job wants to know.
fn list(format: Format) -> Outcome<Exit> {
    let cache = package_cache()?;
    let installed = cache.list().map_err(Failure::environment)?;
    if installed.is_empty() && format == Format::Text {
        say(format!(
            "no package in {}; epr packages install {R4} fetches the definitions of R4",
            cache.root().display()
        ))?;
    }
    let mut n_bad = 0;
    let mut all = Vec::new();
    for package in installed {
        let id = package.id.to_string();
        let verified = cache.verify(&package.id);
        n_bad += usize::from(verified.is_err());
        if format == Format::Json {
            all.push(match verified {
                Ok(ok) => json!({
                    "package": id, "ok": true, "sha256": ok.sha256, "from": ok.record.map(|r| r.from),
                }),
                Err(error) => json!({ "package": id, "ok": false, "error": error.to_string() }),
            });
            continue;
        }
        match verified {
            Ok(ok) => {
                let placed = if ok.record.is_some() { "" } else { "  (placed by hand)" };
                say(format!("{id:<48} sha256 {}{placed}", ok.sha256))?;
            }
            Err(error) => say(format!("{id:<48} {error}"))?,
        }
    }
    if format == Format::Json {
        say_json(&all)?;
    }
    Ok(if n_bad == 0 { Exit::Done } else { Exit::Issues })
}

fn install_all<'a>(names: &[String], registries: impl Iterator<Item = &'a String>, quiet: bool) -> Outcome<Exit> {
    let cache = package_cache()?;
    let names: Vec<&str> = if names.is_empty() { vec![R4] } else { names.iter().map(String::as_str).collect() };
    let all: Vec<&str> = registries.map(String::as_str).chain(DEFAULT_REGISTRIES.iter().copied()).collect();
    for name in names {
        let id: PackageId = name.parse().map_err(Failure::usage)?;
        let installed =
            install(&cache, &all, &id, &[R4_CORE_FALLBACK], None, &mut |_| {}).map_err(Failure::environment)?;
        for reason in installed.passed_over.iter().filter(|_| !quiet) {
            note(format!("passed over: {reason}"));
        }
        let word = if installed.was_there { "was there" } else { "installed" };
        say(format!("{word}  {}  sha256 {}", installed.id, installed.sha256))?;
    }
    Ok(Exit::Done)
}
