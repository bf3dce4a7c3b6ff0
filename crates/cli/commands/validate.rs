//! `epr validate`: the run, or anybody's FHIR files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use epr_fhir::Definitions;
use epr_fhir::definitions::Completeness;
use epr_fhir::package::{PackageId, PackageSource};
use epr_run::StopFlag;
use epr_validate::Program;
use epr_validate::files::{FilesError, FilesSummary, Strictness, check_files, without_snapshot};

use crate::args::{Common, FailOn, Reuse, ValidateArgs};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::resources::Writer;
use crate::output::stream::settle;
use crate::stages::{Open, Session, set_up_threads};
use crate::verdicts;
use crate::workspace::{R4, code_list, no_definitions, package_cache};

/// Loaded where they are in the cache; what needs them is not checked where they are not.
const WHERE_CACHED: [&str; 2] = ["hl7.terminology.r4@7.0.1", "hl7.fhir.uv.extensions.r4@5.3.0-ballot-tc1"];

pub(crate) fn run(common: &Common, args: &ValidateArgs) -> Outcome<Exit> {
    if args.paths.is_empty() {
        if !(args.codes.is_empty() && args.codes_part.is_empty()) {
            return Err(Failure::usage(anyhow!("--codes and --codes-part go with files"))
                .next("a project names its lists of codes in [terminology]"));
        }
        let session = Session::open(common, Open::Existing, args.stage.discard_signature)?;
        session.validate(args.verdicts.reuse)?;
        return Ok(Exit::Done);
    }
    set_up_threads(common)?;
    let mut definitions = definitions(&args.package)?;
    for (named, completeness) in [(&args.codes, Completeness::Whole), (&args.codes_part, Completeness::Part)] {
        for named in named {
            let (system, path) = named.split_once('=').ok_or_else(|| {
                Failure::usage(anyhow!("`{named}` names no code system"))
                    .next("--codes takes SYSTEM=PATH, as http://snomed.info/sct=snapshot")
            })?;
            definitions.add_codes(code_list(system, Path::new(path), completeness)?);
        }
    }
    let profiles = profiles(&definitions, &args.profile)?;
    let program = Program::compile(&definitions, &profiles).map_err(Failure::usage)?;
    let strictness = if args.strict_terminology { Strictness::NotCheckedIsInvalid } else { Strictness::Plain };
    let mut writer = Writer::begin(common, strictness)?;
    let mut faults = 0;
    // What is in the cache was made by others and need not be asked for; what was given by path was meant.
    let given = definitions.packages().iter().filter(|package| package.package.is_none());
    let given: Vec<&str> = given.map(|package| package.id.as_str()).collect();
    for fault in definitions.snapshot_faults().iter().filter(|fault| given.contains(&fault.package.as_str())) {
        faults += 1;
        settle(writer.take(&without_snapshot(fault)))?;
    }
    let verdicts =
        (args.verdicts.reuse == Reuse::Always).then(|| verdicts::open(&definitions, &profiles)).transpose()?;
    let summary =
        check_files(&program, verdicts.as_ref(), &args.paths, &mut io::stdin(), &StopFlag::new(), &mut |result| {
            writer.take(&result)
        });
    let summary = match summary {
        Ok(mut summary) => {
            summary.n_resources += faults;
            summary.n_errors += faults;
            summary.n_invalid += faults;
            summary
        }
        Err(FilesError::Output(error)) => {
            settle(Err(error))?;
            return Ok(Exit::Done);
        }
        Err(FilesError::Stopped(error)) => return Err(Failure::from(error)),
    };
    settle(writer.end(&summary, &definitions))?;
    if let Some(verdicts) = verdicts.filter(|_| !common.quiet) {
        verdicts::tell(&verdicts);
    }
    // The process ends here: to give back what it holds piece by piece would take longer than many a check.
    std::mem::forget(program);
    std::mem::forget(definitions);
    Ok(exit(&summary, common.fail_on, strictness))
}

/// The profiles named, by the resource type that each is about.
fn profiles(definitions: &Definitions, urls: &[String]) -> Outcome<BTreeMap<String, String>> {
    let mut profiles = BTreeMap::new();
    for url in urls {
        let Some(structure) = definitions.structure(url) else {
            return Err(
                Failure::usage(anyhow!("the profile {url} is in no loaded package")).next("--package names one")
            );
        };
        if let Some(other) = profiles.insert(structure.type_name.clone(), url.clone()) {
            return Err(Failure::usage(anyhow!("{other} and {url} are both about {}", structure.type_name))
                .next("judge by one profile a resource type at a time"));
        }
    }
    Ok(profiles)
}

/// R4, the packages named, and those that are always loaded where they are cached.
fn definitions(named: &[String]) -> Outcome<Definitions> {
    let cache = package_cache()?;
    let mut ids: Vec<PackageId> = vec![R4.parse().map_err(Failure::usage)?];
    let mut files = Vec::new();
    for name in named {
        let path = PathBuf::from(name);
        if path.exists() {
            files.push(PackageSource::open(&path).map_err(Failure::usage)?);
        } else if name.contains('/') || path.extension().is_some_and(|end| end == "json" || end == "tgz") {
            return Err(Failure::usage(anyhow!("there is no file or folder {name}"))
                .next("--package takes NAME@VERSION, a .tgz, a folder or a definition file"));
        } else {
            ids.push(name.parse().map_err(Failure::usage)?);
        }
    }
    for name in WHERE_CACHED {
        let id: PackageId = name.parse().map_err(Failure::usage)?;
        if cache.has(&id) && !ids.contains(&id) {
            ids.push(id);
        }
    }
    Definitions::load_with(&cache, &ids, &files).map_err(|error| no_definitions(error, &ids))
}

fn exit(summary: &FilesSummary, fail_on: FailOn, strictness: Strictness) -> Exit {
    let unchecked = strictness == Strictness::NotCheckedIsInvalid && summary.n_not_checked > 0;
    let bad = match fail_on {
        FailOn::Never => false,
        FailOn::Error => summary.n_errors > 0 || unchecked,
        FailOn::Warning => summary.n_errors + summary.n_warnings > 0 || unchecked,
    };
    if bad { Exit::Issues } else { Exit::Done }
}
