//! `epr packages`: FHIR packages in `~/.fhir/packages`.

use std::path::{Path, PathBuf};

use epr_fhir::package::{
    DEFAULT_REGISTRIES, Fallback, Installed, PackageCache, PackageError, PackageId, R4_CORE_FALLBACK, install,
    install_archive,
};
use serde_json::json;

use crate::args::{Common, Format, PackagesArgs, PackagesCommand};
use crate::config::{PackageEntry, Project};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{note, say, say_json};
use crate::workspace::{R4, package_cache, project};

pub(crate) fn run(common: &Common, args: &PackagesArgs) -> Outcome<Exit> {
    match &args.command {
        PackagesCommand::List => list(common.format),
        PackagesCommand::Install { packages, registry } => {
            // A project is not needed, but where there is one its packages and registries count.
            let project = if common.project.is_file() { Some(project(common)?) } else { None };
            let section = project.as_ref().map(|project| project.file.packages.clone()).unwrap_or_default();
            let wanted: Vec<Wanted> = if packages.is_empty() {
                section.entries.iter().map(|entry| Wanted::of_entry(entry, project.as_ref())).collect()
            } else {
                packages.iter().map(|name| Wanted::of_argument(name, &section.entries, project.as_ref())).collect()
            };
            install_all(wanted, registry.iter().chain(&section.registries), common.quiet)
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

/// A package that is asked for.
struct Wanted {
    /// `name@version`; absent where an archive says it.
    id: Option<String>,
    /// Where no registry has it.
    from: Option<From>,
    integrity: Option<String>,
    is_optional: bool,
}

enum From {
    Archive(PathBuf),
    Package(String),
}

impl Wanted {
    fn of_entry(entry: &PackageEntry, project: Option<&Project>) -> Self {
        let table = entry.table();
        let from = table.and_then(|table| table.from.as_deref()).map(|from| {
            if is_archive(from) {
                let path = Path::new(from);
                From::Archive(project.map_or_else(|| path.to_owned(), |project| project.path(path)))
            } else {
                From::Package(from.to_owned())
            }
        });
        let integrity = table.and_then(|table| table.integrity.clone());
        Self { id: Some(entry.id()), from, integrity, is_optional: entry.is_optional() }
    }

    /// An archive, or a package: of one that the project names, what the project says of it holds.
    fn of_argument(name: &str, entries: &[PackageEntry], project: Option<&Project>) -> Self {
        if is_archive(name) {
            return Self { id: None, from: Some(From::Archive(name.into())), integrity: None, is_optional: false };
        }
        let known = entries.iter().find(|entry| entry.id() == name).map(|entry| Self::of_entry(entry, project));
        let plain = Self { id: Some(name.to_owned()), from: None, integrity: None, is_optional: false };
        Self { is_optional: false, ..known.unwrap_or(plain) }
    }
}

fn is_archive(name: &str) -> bool {
    let end = Path::new(name).extension().and_then(|end| end.to_str()).unwrap_or_default();
    matches!(end.to_ascii_lowercase().as_str(), "tgz" | "gz")
}

fn install_all<'a>(
    mut wanted: Vec<Wanted>,
    registries: impl Iterator<Item = &'a String>,
    quiet: bool,
) -> Outcome<Exit> {
    let cache = package_cache()?;
    if wanted.is_empty() {
        wanted.push(Wanted { id: Some(R4.to_owned()), from: None, integrity: None, is_optional: false });
    }
    let all: Vec<&str> = registries.map(String::as_str).chain(DEFAULT_REGISTRIES.iter().copied()).collect();
    for package in wanted {
        let installed = match install_one(&cache, &all, &package) {
            Ok(installed) => installed,
            Err(PackageError::NotFound { id, .. }) if package.is_optional => {
                say(format!("not found  {id}  (optional: the project's own profiles stand in)"))?;
                continue;
            }
            Err(error @ PackageError::BadId { .. }) => return Err(Failure::usage(error)),
            Err(error) => return Err(Failure::environment(error)),
        };
        for reason in installed.passed_over.iter().filter(|_| !quiet) {
            note(format!("passed over: {reason}"));
        }
        let word = if installed.was_there { "was there" } else { "installed" };
        say(format!("{word}  {}  sha256 {}", installed.id, installed.sha256))?;
    }
    Ok(Exit::Done)
}

fn install_one(cache: &PackageCache, registries: &[&str], package: &Wanted) -> Result<Installed, PackageError> {
    let id: Option<PackageId> = package.id.as_deref().map(str::parse).transpose()?;
    let integrity = package.integrity.as_deref();
    match (&package.from, id) {
        (Some(From::Archive(path)), id) if path.is_file() || id.is_none() => {
            install_archive(cache, path, id.as_ref(), integrity, &mut |_| {})
        }
        (Some(From::Package(other)), Some(id)) => {
            let other: PackageId = other.parse()?;
            let stand_in = Fallback {
                stands_for: id.to_string().into(),
                name: other.name.into(),
                version: other.version.into(),
                integrity: integrity.unwrap_or_default().to_owned().into(),
            };
            install(cache, registries, &id, &[stand_in], None, &mut |_| {})
        }
        (_, Some(id)) => install(cache, registries, &id, &[R4_CORE_FALLBACK], integrity, &mut |_| {}),
        (_, None) => Err(PackageError::BadId { text: String::new() }),
    }
}
