//! `epr packages`: FHIR packages in `~/.fhir/packages`.

use epr_fhir::package::{DEFAULT_REGISTRIES, PackageId, R4_CORE_FALLBACK, install};

use crate::args::{Common, PackagesArgs, PackagesCommand};
use crate::exit::{Exit, Failure, Outcome};
use crate::workspace::{R4, package_cache, project};

pub(crate) fn run(common: &Common, args: &PackagesArgs) -> Outcome<Exit> {
    match &args.command {
        PackagesCommand::List => list(),
        PackagesCommand::Install { packages, registry } => {
            // A project is not needed, but where there is one its packages and registries count.
            let project = if common.project.is_file() { Some(project(common)?.file.packages) } else { None };
            let project = project.unwrap_or_default();
            let names = if packages.is_empty() { &project.names } else { packages };
            install_all(names, registry.iter().chain(&project.registries))
        }
    }
}

fn list() -> Outcome<Exit> {
    let cache = package_cache()?;
    let installed = cache.list().map_err(Failure::environment)?;
    if installed.is_empty() {
        println!("no package in {}; epr packages install {R4} fetches the definitions of R4", cache.root().display());
    }
    for package in installed {
        match cache.verify(&package.id) {
            Ok(verified) => {
                let placed = if verified.record.is_some() { "" } else { "  (placed by hand)" };
                println!("{:<48} sha256 {}{placed}", package.id.to_string(), verified.sha256);
            }
            Err(error) => println!("{:<48} {error}", package.id.to_string()),
        }
    }
    Ok(Exit::Done)
}

fn install_all<'a>(names: &[String], registries: impl Iterator<Item = &'a String>) -> Outcome<Exit> {
    let cache = package_cache()?;
    let names: Vec<&str> = if names.is_empty() { vec![R4] } else { names.iter().map(String::as_str).collect() };
    let all: Vec<&str> = registries.map(String::as_str).chain(DEFAULT_REGISTRIES.iter().copied()).collect();
    for name in names {
        let id: PackageId = name.parse().map_err(Failure::usage)?;
        let installed =
            install(&cache, &all, &id, &[R4_CORE_FALLBACK], None, &mut |_| {}).map_err(Failure::environment)?;
        for reason in &installed.passed_over {
            eprintln!("passed over: {reason}");
        }
        let word = if installed.was_there { "was there" } else { "installed" };
        println!("{word}  {}  sha256 {}", installed.id, installed.sha256);
    }
    Ok(Exit::Done)
}
