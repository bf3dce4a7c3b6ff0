//! The project file `epr.toml`, with `--set` over the environment over the file.
//!
//! Paths in the file count from its folder; paths in `--set` and in the environment from the working directory.
//! An environment key is `EPR_` and the project key in upper case, with `__` for each point:
//! `EPR_SOURCE__RK9_IPM__DATABASE`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use toml::{Table, Value};

use crate::rules::RuleEntry;

/// The project file as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectFile {
    pub(crate) project: ProjectSection,
    #[serde(default)]
    pub(crate) run: RunSection,
    #[serde(default)]
    pub(crate) source: BTreeMap<String, SourceSection>,
    #[serde(default)]
    pub(crate) packages: PackagesSection,
    /// Lists of codes that the project holds, by code system.
    #[serde(default)]
    pub(crate) terminology: BTreeMap<String, CodesEntry>,
    #[serde(default)]
    pub(crate) profiles: Table,
    #[serde(default)]
    pub(crate) rules: BTreeMap<String, RuleEntry>,
    #[serde(default)]
    pub(crate) link: LinkSection,
    #[serde(default)]
    pub(crate) target: BTreeMap<String, TargetSection>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectSection {
    pub(crate) namespace: String,
    pub(crate) name: String,
    #[serde(default = "london")]
    pub(crate) zone: String,
    pub(crate) as_of: Option<String>,
    pub(crate) trial: Option<String>,
    #[serde(default)]
    pub(crate) test_range: Vec<String>,
    #[serde(default = "sources")]
    pub(crate) sources: PathBuf,
    #[serde(default = "mappings")]
    pub(crate) mappings: PathBuf,
    pub(crate) gates: Option<PathBuf>,
    pub(crate) approvals: Option<PathBuf>,
    #[serde(default = "state")]
    pub(crate) state: PathBuf,
    pub(crate) group: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunSection {
    pub(crate) batch_rows: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSection {
    pub(crate) organisation: String,
    pub(crate) system: String,
    pub(crate) kind: String,
    pub(crate) driver: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) connection_env: Option<String>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) spec: PathBuf,
    #[serde(default)]
    pub(crate) nhs_number: NhsNumberTrust,
}

/// May an NHS number without a verification status identify a person?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NhsNumberTrust {
    #[default]
    ByStatus,
    Trusted,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackagesSection {
    #[serde(default, rename = "use")]
    pub(crate) entries: Vec<PackageEntry>,
    #[serde(default)]
    pub(crate) registries: Vec<String>,
}

/// The codes of one system: a path, or a table that says more.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum CodesEntry {
    Path(PathBuf),
    Table(CodesTable),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodesTable {
    /// A CSV file, or a file or folder of SNOMED CT's RF2, from the project's folder.
    pub(crate) path: PathBuf,
    /// Whether there are codes of the system beside these.
    #[serde(default)]
    pub(crate) part: bool,
}

impl CodesEntry {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Table(table) => &table.path,
        }
    }

    pub(crate) fn is_part(&self) -> bool {
        matches!(self, Self::Table(table) if table.part)
    }
}

/// A package that the project uses: `name@version`, or a table that says more.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum PackageEntry {
    Id(String),
    Table(PackageTable),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackageTable {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it comes from when no registry has it: an archive, from the project's folder, or the `name@version` of a
    /// package whose conformance resources stand in.
    pub(crate) from: Option<String>,
    /// `sha512-<base64>` of the archive.
    pub(crate) integrity: Option<String>,
    /// Whether a run goes on without it, on the fallback profiles.
    #[serde(default)]
    pub(crate) optional: bool,
}

impl PackageEntry {
    /// `name@version`.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Id(id) => id.clone(),
            Self::Table(table) => format!("{}@{}", table.name, table.version),
        }
    }

    pub(crate) fn table(&self) -> Option<&PackageTable> {
        match self {
            Self::Id(_) => None,
            Self::Table(table) => Some(table),
        }
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.table().is_some_and(|table| table.optional)
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkSection {
    #[serde(default)]
    pub(crate) retired: Retired,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Retired {
    #[default]
    Omit,
    Linked,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetSection {
    pub(crate) kind: String,
    /// The environment variable that holds the server's base address.
    pub(crate) url_env: Option<String>,
    /// The environment variable that holds a bearer token.
    pub(crate) token_env: Option<String>,
    pub(crate) live: Option<bool>,
    pub(crate) capability: Option<PathBuf>,
    /// Whatever the server says of itself.
    pub(crate) bundle: Option<BundleSetting>,
    /// Resources in one bundle.
    #[serde(default = "hundred")]
    pub(crate) max_entries: usize,
    /// Kilobytes of resources in one bundle.
    #[serde(default = "four_megabytes")]
    pub(crate) max_kb: usize,
    /// Bundles on their way at once, at most.
    #[serde(default = "eight")]
    pub(crate) in_flight: usize,
    /// Seconds for one request.
    #[serde(default = "two_minutes")]
    pub(crate) timeout: u64,
    /// Seconds of "not now" after which a load ends unfinished.
    #[serde(default = "ten_minutes")]
    pub(crate) patience: u64,
    #[serde(default)]
    pub(crate) look: LookSetting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BundleSetting {
    Transaction,
    Batch,
}

/// Which resources are read at the target although we have nothing new for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LookSetting {
    #[default]
    All,
    Changed,
}

impl ProjectFile {
    /// Keys of the public interface that this version does nothing with: silence would look like consent.
    fn refuse_what_is_not_built(&self) -> anyhow::Result<()> {
        let project = &self.project;
        jiff::tz::TimeZone::get(&project.zone).with_context(|| format!("project.zone is `{}`", project.zone))?;
        for (key, is_set) in
            [("project.gates", project.gates.is_some()), ("project.approvals", project.approvals.is_some())]
        {
            if is_set {
                bail!("{key} is not built yet in this version; take it out");
            }
        }
        for (name, target) in &self.target {
            if target.kind == "fhir" && target.url_env.is_none() {
                bail!("target.{name}: a target of kind fhir needs url_env, the variable that holds its address");
            }
            if target.kind != "fhir" && target.url_env.is_some() {
                bail!("target.{name}: url_env is for a target of kind fhir");
            }
        }
        Ok(())
    }
}

impl Default for RunSection {
    fn default() -> Self {
        Self { batch_rows: 8192 }
    }
}

const fn hundred() -> usize {
    100
}

const fn four_megabytes() -> usize {
    4096
}

const fn eight() -> usize {
    8
}

const fn two_minutes() -> u64 {
    120
}

const fn ten_minutes() -> u64 {
    600
}

fn london() -> String {
    "Europe/London".to_owned()
}

fn sources() -> PathBuf {
    "sources".into()
}

fn mappings() -> PathBuf {
    "mappings".into()
}

fn state() -> PathBuf {
    "state".into()
}

/// The project file with its overrides applied and its paths made absolute.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) file: ProjectFile,
    /// The folder of `epr.toml`.
    pub(crate) folder: PathBuf,
    /// The text whose hash is part of the run hash: the file after overrides, keys sorted.
    pub(crate) canonical: String,
}

/// Keys whose values are paths, by their last part.
const PATH_KEYS: &[&str] = &["sources", "mappings", "gates", "approvals", "state", "path", "capability", "database"];

impl Project {
    /// Reads `file`; `environment` are the process's variables, `sets` the `--set` flags.
    pub(crate) fn read(
        file: &Path,
        sets: &[String],
        environment: impl IntoIterator<Item = (String, String)>,
        working_folder: &Path,
    ) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("could not read the project file {}", file.display()))?;
        // Read once as it stands, since these errors show the line.
        let _: ProjectFile =
            toml::from_str(&text).with_context(|| format!("{} is not a project file", file.display()))?;
        let mut table: Table = toml::from_str(&text).context("it was read just before")?;
        let mut variables: Vec<_> = environment.into_iter().filter_map(|(k, v)| Some((project_key(&k)?, v))).collect();
        variables.sort();
        for (key, value) in variables {
            set(&mut table, &key, &value, working_folder).with_context(|| format!("environment key for {key}"))?;
        }
        for flag in sets {
            let (key, value) = flag.split_once('=').ok_or_else(|| anyhow!("--set {flag}: expected KEY=VALUE"))?;
            set(&mut table, key, value, working_folder).with_context(|| format!("--set {key}"))?;
        }
        let parsed: ProjectFile =
            table.clone().try_into().with_context(|| format!("{} with --set and environment", file.display()))?;
        let folder = absolute(working_folder, file).parent().map_or_else(PathBuf::new, Path::to_owned);
        parsed.refuse_what_is_not_built()?;
        crate::rules::read(&parsed.rules)?;
        let canonical = canonical(table).context("a table prints")?;
        Ok(Self { file: parsed, folder, canonical })
    }

    /// A path of the project file, from its folder.
    pub(crate) fn path(&self, relative: &Path) -> PathBuf {
        clean(&self.folder.join(relative))
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.path(&self.file.project.sources)
    }

    pub(crate) fn mappings(&self) -> PathBuf {
        self.path(&self.file.project.mappings)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path(&self.file.project.state)
    }

    /// Profiles by resource type, and their fallbacks by canonical URL.
    pub(crate) fn profiles(&self) -> anyhow::Result<(BTreeMap<String, String>, BTreeMap<String, String>)> {
        let mut profiles = BTreeMap::new();
        let mut fallbacks = BTreeMap::new();
        for (key, value) in &self.file.profiles {
            match value {
                Value::String(url) => {
                    profiles.insert(key.clone(), url.clone());
                }
                Value::Table(table) if key == "fallback" => {
                    for (url, file) in table {
                        let file = file.as_str().ok_or_else(|| anyhow!("profiles.fallback.{url} is not a path"))?;
                        fallbacks.insert(url.clone(), file.to_owned());
                    }
                }
                _ => bail!("profiles.{key} is not a canonical URL"),
            }
        }
        Ok((profiles, fallbacks))
    }
}

/// The text that is hashed: without what steers only how a run is done, not what comes out.
fn canonical(mut table: Table) -> Result<String, toml::ser::Error> {
    table.remove("run");
    if let Some(project) = table.get_mut("project").and_then(Value::as_table_mut) {
        project.remove("state");
        project.remove("group");
    }
    toml::to_string(&table)
}

fn project_key(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix("EPR_")?;
    rest.contains("__").then(|| rest.to_lowercase().replace("__", "."))
}

fn set(table: &mut Table, key: &str, value: &str, working_folder: &Path) -> anyhow::Result<()> {
    let steps: Vec<&str> = key.split('.').collect();
    let (last, folders) = steps.split_last().expect("split gives at least one part");
    let mut at = table;
    for step in folders {
        let next = at.entry((*step).to_owned()).or_insert_with(|| Value::Table(Table::new()));
        at = next.as_table_mut().ok_or_else(|| anyhow!("`{step}` is not a section"))?;
    }
    let value = match *last {
        "batch_rows" | "max_entries" | "max_kb" | "in_flight" | "timeout" | "patience" => {
            Value::Integer(value.parse().context("expected a whole number")?)
        }
        last if matches!(folders, ["rules", _]) && last != "action" => {
            Value::Integer(value.parse().context("expected a whole number")?)
        }
        "live" => Value::Boolean(value.parse().context("expected true or false")?),
        _ if value.starts_with('[') => {
            let wrapped: Table = toml::from_str(&format!("v = {value}")).context("expected a list")?;
            wrapped["v"].clone()
        }
        "database" if !looks_like_a_file(at) => Value::String(value.to_owned()),
        last if PATH_KEYS.contains(&last) => {
            Value::String(absolute(working_folder, Path::new(value)).to_string_lossy().into_owned())
        }
        _ => Value::String(value.to_owned()),
    };
    at.insert((*last).to_owned(), value);
    Ok(())
}

/// `database` is a file for SQLite only; elsewhere it is a name on a server.
fn looks_like_a_file(source: &Table) -> bool {
    source.get("driver").and_then(Value::as_str).is_none_or(is_file_driver)
}

/// Whether `database` of a source with this ODBC driver is a file.
pub(crate) fn is_file_driver(driver: &str) -> bool {
    driver.to_ascii_lowercase().contains("sqlite")
}

pub(crate) fn absolute(working_folder: &Path, path: &Path) -> PathBuf {
    clean(&working_folder.join(path))
}

/// Takes out `.` and `folder/..` by name, so that messages show short paths.
fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(cleaned.components().next_back(), Some(Component::Normal(_))) => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(sets: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Project> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("epr.toml");
        let text = r#"
            [project]
            namespace = "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c11"
            name = "first"
            [source.pas]
            organisation = "RK9"
            system = "ipm"
            kind = "odbc"
            driver = "SQLite3"
            database = "pas.sqlite"
            spec = "rk9/ipm.yaml"
        "#;
        std::fs::write(&file, text).unwrap();
        let sets: Vec<_> = sets.iter().map(|s| (*s).to_owned()).collect();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Project::read(&file, &sets, environment, Path::new("/work"))
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_both_over_the_file() {
        let environment =
            [("EPR_SOURCE__PAS__DATABASE", "env.sqlite"), ("EPR_PROJECT__TRIAL", "TL2"), ("EPR_REQUIRE", "r4")];
        let read = project(&["source.pas.database=../flag.sqlite"], &environment).unwrap();
        assert_eq!(read.file.source["pas"].database.as_deref(), Some("/flag.sqlite"));
        assert_eq!(read.file.project.trial.as_deref(), Some("TL2"));
        let read = project(&[], &environment).unwrap();
        assert_eq!(read.file.source["pas"].database.as_deref(), Some("/work/env.sqlite"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = project(&["project.zoen=Europe/London"], &[]).unwrap_err();
        assert!(format!("{error:#}").contains("zoen"), "{error:#}");
        assert!(project(&["project"], &[]).is_err());
        assert!(project(&["project.name.first=x"], &[]).is_err());
    }
}
