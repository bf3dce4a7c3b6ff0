//! Project, definitions, schemas and plans, ready for use, and the run hash over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use epr_extract::odbc::driver::default_configurations;
use epr_extract::{Source, SourceKind};
use epr_fhir::Definitions;
use epr_fhir::definitions::{CodeList, Completeness, DefinitionsError};
use epr_fhir::package::{PackageCache, PackageError, PackageId, PackageSource};
use epr_mapping::diagnostics::{Colour, Diagnostic, Sources};
use epr_mapping::plan::MappingPlan;
use epr_mapping::{CompileInput, OtherPack};
use epr_model::schema::SystemSchema;
use epr_model::{IdNamespace, Sensitive};
use epr_run::Sha256Hex;

use crate::args::Common;
use crate::config::{Project, SourceSection, is_file_driver};
use crate::exit::{Failure, Outcome};
use crate::output::note;

/// The package that is always loaded.
pub(crate) const R4: &str = "hl7.fhir.r4.core@4.0.1";

/// The project, checked as far as it can be without data.
pub(crate) struct Workspace {
    pub(crate) project: Project,
    pub(crate) namespace: IdNamespace,
    pub(crate) definitions: Definitions,
    /// Packages of the project that are not installed, and whose profiles have stand-ins.
    pub(crate) absent: Vec<String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) packs: Vec<Pack>,
}

/// One pack of mappings, compiled.
pub(crate) struct Pack {
    pub(crate) plan: Option<MappingPlan>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) sources: Sources,
}

impl Pack {
    pub(crate) fn has_errors(&self) -> bool {
        self.plan.is_none()
    }
}

/// Reads the project file that the flags name.
pub(crate) fn project(common: &Common) -> Outcome<Project> {
    let working_folder =
        std::env::current_dir().context("could not find the working folder").map_err(Failure::environment)?;
    if !common.project.is_file() {
        let error = anyhow!("there is no project file {}", common.project.display());
        return Err(Failure::usage(error).next("epr init writes a project; --project FILE names another"));
    }
    Project::read(&common.project, &common.set, std::env::vars(), &working_folder).map_err(Failure::usage)
}

/// Where FHIR packages are kept: `~/.fhir/packages`, the ecosystem's own place.
pub(crate) fn package_cache() -> Outcome<PackageCache> {
    let home = std::env::var_os("HOME").ok_or_else(|| Failure::environment(anyhow!("HOME is not set")))?;
    Ok(PackageCache::at(PathBuf::from(home).join(".fhir/packages")))
}

/// Under the folder of mappings: definitions of the project itself, and those that stand in for packages.
const OWN_PROFILES: &str = "profiles";

/// The definitions of R4, of the project's packages and of the project itself; and what packages are not there.
///
/// A package that is not in the cache stops a run, unless it is optional or each profile assigned has a fallback.
pub(crate) fn definitions(project: &Project) -> Outcome<(Definitions, Vec<String>)> {
    let cache = package_cache()?;
    let (profiles, fallbacks) = project.profiles().map_err(Failure::usage)?;
    let all_stand_in = !fallbacks.is_empty() && profiles.values().all(|url| fallbacks.contains_key(url));
    let mut ids: Vec<PackageId> = vec![R4.parse().map_err(Failure::usage)?];
    let mut absent = Vec::new();
    for entry in &project.file.packages.entries {
        let id: PackageId = entry.id().parse().map_err(Failure::usage)?;
        if !cache.has(&id) && (entry.is_optional() || all_stand_in) {
            absent.push(id.to_string());
        } else if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let own = own_definitions(project, fallbacks.values())?;
    let mut loaded = Definitions::load_all(&cache, &ids, &[], &own).map_err(|error| no_definitions(error, &ids))?;
    for (url, file) in &fallbacks {
        if loaded.structure(url).is_none() {
            let error = anyhow!("profiles.fallback: {file} does not define {url}");
            return Err(
                Failure::usage(error).next("name a StructureDefinition of this very URL, under project.mappings")
            );
        }
    }
    for (system, entry) in &project.file.terminology {
        let completeness = if entry.is_part() { Completeness::Part } else { Completeness::Whole };
        let list = code_list(system, &project.path(entry.path()), completeness)?;
        loaded.add_codes(list);
    }
    if let Some(fault) =
        loaded.snapshot_faults().iter().find(|fault| own.iter().any(|o| o.path == Path::new(&fault.package)))
    {
        return Err(Failure::usage(anyhow!("{fault}")).next("correct the definition"));
    }
    Ok((loaded, absent))
}

/// The codes of a system that somebody holds in files.
pub(crate) fn code_list(system: &str, path: &Path, completeness: Completeness) -> Outcome<CodeList> {
    CodeList::read(system, path, completeness).map_err(|error| {
        let failure =
            Failure::usage(anyhow::Error::new(error).context(format!("could not read the codes of {system}")));
        failure.next("a list is a CSV file (code,display,inactive), or RF2 snapshot files of SNOMED CT")
    })
}

/// What was loaded, as people read it: packages, then lists of codes.
pub(crate) fn loaded(definitions: &Definitions) -> Vec<String> {
    let lists = definitions.code_lists().map(|list| {
        let what = if list.completeness() == Completeness::Part { "some codes" } else { "codes" };
        format!("{}: {} {what}", list.system(), list.len())
    });
    definitions.packages().iter().map(|package| package.id.clone()).chain(lists).collect()
}

/// The definition files of the project: all in `profiles` under its mappings, and those that fallbacks name elsewhere.
fn own_definitions<'f>(project: &Project, fallbacks: impl Iterator<Item = &'f String>) -> Outcome<Vec<PackageSource>> {
    let folder = project.mappings().join(OWN_PROFILES);
    let mut own = Vec::new();
    if folder.is_dir() {
        let mut source = PackageSource::open(&folder).map_err(Failure::usage)?;
        // The same project is the same run wherever it stands.
        source.path = Path::new("mappings").join(OWN_PROFILES);
        own.push(source);
    }
    for file in fallbacks {
        let path = project.mappings().join(file);
        if path.parent() != Some(folder.as_path()) || !path.is_file() {
            let mut source = PackageSource::open(&path).map_err(Failure::usage)?;
            source.path = Path::new("mappings").join(file);
            own.push(source);
        }
    }
    Ok(own)
}

/// The failure to load definitions, with the command that mends it.
pub(crate) fn no_definitions(error: DefinitionsError, ids: &[PackageId]) -> Failure {
    let install = |ids: &[String]| format!("epr packages install {}", ids.join(" "));
    let next = match &error {
        // A file that somebody wrote or named: no installing mends it.
        DefinitionsError::NotJson { file, .. } | DefinitionsError::NotXml { file, .. } => {
            let next = format!("correct {}, or leave it out", file.display());
            return Failure::usage(error).next(next);
        }
        DefinitionsError::Package(PackageError::Altered { id, folder, .. }) => {
            format!("rm -r '{}' && {}", folder.display(), install(std::slice::from_ref(id)))
        }
        DefinitionsError::Package(_) => install(&ids.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    Failure::environment(anyhow::Error::new(error).context("could not load the FHIR definitions")).next(next)
}

impl Workspace {
    /// Reads and compiles everything; mistakes in mappings are in `packs`, all others are failures.
    pub(crate) fn read(common: &Common, strict: bool) -> Outcome<Self> {
        let project = project(common)?;
        let namespace = project
            .file
            .project
            .namespace
            .parse()
            .map_err(|_| Failure::usage(anyhow!("project.namespace is not a UUID")).next("epr init writes one"))?;
        let sources = sources(&project)?;
        let (definitions, absent) = definitions(&project)?;
        let schemas = schemas(&sources)?;
        let all: Vec<_> = sources.iter().zip(&schemas).collect();
        let packs = all
            .iter()
            .map(|(source, schema)| compile(&project, source, &all, schema, &definitions, strict))
            .collect::<Outcome<Vec<_>>>()?;
        Ok(Self { project, namespace, definitions, absent, sources, packs })
    }

    /// As [`Workspace::read`], and a mistake in a mapping is a failure: what a run needs.
    pub(crate) fn read_whole(common: &Common) -> Outcome<Self> {
        let workspace = Self::read(common, false)?;
        let broken: Vec<_> = workspace.packs.iter().filter(|p| p.has_errors()).collect();
        if broken.is_empty() {
            return Ok(workspace);
        }
        for pack in &broken {
            note(render(pack));
        }
        let n: usize = broken.iter().map(|p| p.diagnostics.len()).sum();
        let error = anyhow!("the mappings do not compile: {n} findings above");
        Err(Failure::usage(error).state("nothing was read").next("correct them; epr check shows them again"))
    }

    /// The packages as people read them: also what is not there.
    pub(crate) fn packages(&self) -> Vec<String> {
        let loaded = loaded(&self.definitions).into_iter();
        let absent = self.absent.iter().map(|id| format!("{id}: not installed, the project's own profiles stand in"));
        loaded.chain(absent).collect()
    }

    pub(crate) fn plans(&self) -> Vec<MappingPlan> {
        self.packs.iter().filter_map(|p| p.plan.clone()).collect()
    }

    /// The hashes that `run.json` names: binary, project, source specs, mappings, packages.
    pub(crate) fn hashes(&self) -> Outcome<BTreeMap<String, Sha256Hex>> {
        let binary = std::env::current_exe().context("could not find the binary").map_err(Failure::environment)?;
        let specs = self.sources.iter().map(|s| (s.name.as_str(), s.spec_text.as_bytes()));
        let plans = self.packs.iter().filter_map(|p| p.plan.as_ref());
        let packages: Vec<_> = self.definitions.packages().iter().map(|p| (p.id.clone(), p.sha256.clone())).collect();
        let mut hashes = BTreeMap::from([
            ("binary".to_owned(), Sha256Hex::of_file(&binary)?.0),
            ("project".to_owned(), Sha256Hex::of_bytes(self.project.canonical.as_bytes())),
            ("sources".to_owned(), Sha256Hex::of_parts(specs)),
            ("mappings".to_owned(), Sha256Hex::of_parts(plans.map(|p| (p.pack.as_str(), p.plan_hash.as_bytes())))),
            (
                "packages".to_owned(),
                Sha256Hex::of_parts(packages.iter().map(|(id, hash)| (id.as_str(), hash.as_bytes()))),
            ),
        ]);
        let lists: Vec<_> =
            self.definitions.code_lists().map(|list| (list.system(), list.sha256().as_bytes())).collect();
        if !lists.is_empty() {
            hashes.insert("codes".to_owned(), Sha256Hex::of_parts(lists));
        }
        Ok(hashes)
    }
}

/// The run hash over the named hashes.
pub(crate) fn run_hash(hashes: &BTreeMap<String, Sha256Hex>) -> Sha256Hex {
    Sha256Hex::of_parts(hashes.iter().map(|(name, hash)| (name.as_str(), hash.as_str().as_bytes())))
}

/// The findings of a pack as people read them.
pub(crate) fn render(pack: &Pack) -> String {
    pack.diagnostics.iter().map(|d| d.render(&pack.sources, Colour::Never)).collect::<Vec<_>>().join("\n")
}

/// The sources of a project, with their specs read.
pub(crate) fn sources(project: &Project) -> Outcome<Vec<Source>> {
    project.file.source.iter().map(|(name, section)| source(project, name, section)).collect()
}

/// The files that name this machine's ODBC drivers.
pub(crate) fn odbc_configurations() -> Vec<PathBuf> {
    default_configurations(std::env::var_os("ODBCSYSINI").map(PathBuf::from))
}

fn source(project: &Project, name: &str, section: &SourceSection) -> Outcome<Source> {
    let kind = SourceKind::from_code(&section.kind).ok_or_else(|| {
        let known: Vec<_> = SourceKind::ALL.iter().map(|k| k.as_str()).collect();
        Failure::usage(anyhow!("source.{name}.kind is `{}`; it is one of {}", section.kind, known.join(", ")))
    })?;
    let spec_path = project.sources().join(&section.spec);
    let spec_text = std::fs::read_to_string(&spec_path)
        .with_context(|| format!("source.{name}: could not read its spec {}", spec_path.display()))
        .map_err(Failure::usage)?;
    let connection = section.connection_env.as_ref().map(|variable| {
        std::env::var(variable)
            .map(Sensitive::new)
            .map_err(|_| Failure::usage(anyhow!("source.{name}: the environment variable {variable} is not set")))
    });
    let database = section.database.as_ref().map(|database| match &section.driver {
        Some(driver) if !is_file_driver(driver) => PathBuf::from(database),
        _ => project.path(Path::new(database)),
    });
    Ok(Source {
        name: name.to_owned(),
        organisation: section.organisation.clone(),
        system: section.system.clone(),
        kind,
        driver: section.driver.clone(),
        database,
        connection: connection.transpose()?,
        odbc_configurations: odbc_configurations(),
        path: section.path.as_ref().map(|p| project.path(p)),
        spec_path,
        spec_text,
    })
}

/// Where the schema of a source stands: beside its spec.
pub(crate) fn schema_path(source: &Source) -> PathBuf {
    source.spec_path.with_extension("schema.json")
}

/// The schema of each source: from its spec where that says it all, else from the file beside it.
fn schemas(sources: &[Source]) -> Outcome<Vec<SystemSchema>> {
    sources.iter().map(schema).collect()
}

fn schema(source: &Source) -> Outcome<SystemSchema> {
    if let Some(schema) = epr_extract::schema_from_spec(source).map_err(Failure::usage)? {
        return Ok(schema);
    }
    let path = schema_path(source);
    if !path.is_file() {
        let error = anyhow!("source.{}: its schema {} is not there", source.name, path.display());
        return Err(Failure::usage(error).state("nothing was read").next("epr extract --schema writes it"));
    }
    let schema = epr_extract::read_schema(&path).map_err(Failure::usage)?;
    epr_extract::check_against(source, &schema).map_err(Failure::usage)?;
    Ok(schema)
}

/// Compiles the pack of a source.
fn compile(
    project: &Project,
    source: &Source,
    all: &[(&Source, &SystemSchema)],
    schema: &SystemSchema,
    definitions: &Definitions,
    strict: bool,
) -> Outcome<Pack> {
    let pack = source.pack();
    let files = epr_mapping::load_pack(&project.mappings(), &pack, "mappings/").map_err(Failure::usage)?;
    let names: Vec<String> = all.iter().map(|(other, _)| other.pack()).collect();
    let others: Vec<OtherPack<'_>> = all
        .iter()
        .zip(&names)
        .filter(|(_, name)| **name != pack)
        .map(|((other, schema), name)| OtherPack {
            pack: name,
            organisation: &other.organisation,
            system: &other.system,
            schema,
        })
        .collect();
    let compiled = epr_mapping::compile(&CompileInput {
        pack: &pack,
        organisation: &source.organisation,
        system: &source.system,
        sources: &files,
        schema,
        others: &others,
        definitions,
        strict,
    });
    Ok(Pack { plan: compiled.plan, diagnostics: compiled.diagnostics, sources: files })
}
