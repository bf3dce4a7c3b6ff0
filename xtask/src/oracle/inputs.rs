//! What is judged: given files, or bases out of three sources and the mutants made of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Group, Set};
use crate::mutants::tree::Tree;
use crate::mutants::{self, Base, Kind};

/// One file to judge.
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    /// Its group, of [`Set::groups`].
    pub(crate) group: usize,
    pub(crate) resource_type: Option<String>,
    /// For a mutant: its kind, and the untouched file's place in [`Set::files`].
    pub(crate) mutant_of: Option<(Kind, usize)>,
    /// What makes the mutant again, with its kind and base.
    pub(crate) round: u64,
    /// Of the text, as [`mutants::fingerprint`] gives it.
    pub(crate) fingerprint: u64,
}

/// Which files judge against which definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    Base,
    UkCore,
}

impl Against {
    /// Its place among the groups of the built-in set.
    pub(crate) fn group(self) -> usize {
        usize::from(self == Self::UkCore)
    }
}

/// The package of UK Core, as it lies among the shared inputs.
pub(crate) const UK_CORE: &str = "fhir-packages/fhir.r4.ukcore.stu2-2.0.1.tgz";
/// So many resources of a type out of the Synthea pair.
const SYNTHEA_A_TYPE: usize = 5;

/// All bases that this machine has, with what they are judged against; the absent ones are named.
pub(crate) fn bases() -> Result<Vec<(Base, Against)>> {
    let mut bases = Vec::new();
    let sample = fs::read_to_string(crate::root().join("fixtures/oracle/peninsula.ndjson"))?;
    for (n, line) in sample.lines().enumerate() {
        bases.push((Base { name: format!("peninsula-{n:03}"), tree: Tree::parse(line)? }, Against::Base));
    }
    let Some(data) = crate::shared_data() else {
        println!("oracle: ../shared/data is absent: the peninsula's sample alone");
        return Ok(bases);
    };
    for (name, text) in uk_core_examples(&data.join(UK_CORE))? {
        let tree = Tree::parse(&text).with_context(|| name.clone())?;
        bases.push((Base { name: format!("ukcore-{name}"), tree }, Against::UkCore));
    }
    for (name, tree) in synthea(&data.join("synthea-csv-fhir-pair/fhir"))? {
        bases.push((Base { name, tree }, Against::Base));
    }
    Ok(bases)
}

fn uk_core_examples(archive: &Path) -> Result<BTreeMap<String, String>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(archive)?));
    let mut examples = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let is_json = path.extension().is_some_and(|e| e == "json");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.starts_with("package/example") && is_json && !name.starts_with('.') && name != "package" {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            if text.contains("\"resourceType\"") {
                examples.insert(name, text.trim_start_matches('\u{feff}').to_owned());
            }
        }
    }
    Ok(examples)
}

/// The first few resources of each type, each file of the pair giving at most one of a type at a time.
fn synthea(folder: &Path) -> Result<Vec<(String, Tree)>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    let mut by_type: BTreeMap<String, Vec<Tree>> = BTreeMap::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "gz")) {
        let mut text = String::new();
        flate2::read::GzDecoder::new(fs::File::open(file)?).read_to_string(&mut text)?;
        let Tree::Object(members) = Tree::parse(&text)? else { continue };
        let mut n_here: BTreeMap<String, usize> = BTreeMap::new();
        for (_, entries) in members.into_iter().filter(|(name, _)| name == "entry") {
            let Tree::Array(entries) = entries else { continue };
            for entry in entries {
                let Some(resource) = entry.get("resource") else { continue };
                let Some(name) = resource.get("resourceType").and_then(Tree::as_text) else { continue };
                let n = n_here.entry(name.to_owned()).or_default();
                *n += 1;
                if *n <= 2 {
                    let mut resource = resource.clone();
                    settle_references(&mut resource);
                    by_type.entry(name.to_owned()).or_default().push(resource);
                }
            }
        }
    }
    let few = by_type.into_iter().flat_map(|(name, trees)| {
        trees.into_iter().take(SYNTHEA_A_TYPE).enumerate().map(move |(n, tree)| (format!("synthea-{name}-{n}"), tree))
    });
    Ok(few.collect())
}

/// `Practitioner?identifier=system|value` is for transactions alone: outside of one it becomes `Practitioner/value`.
fn settle_references(resource: &mut Tree) {
    for way in resource.ways(&|name, value| name == "reference" && value.as_text().is_some_and(|t| t.contains('?'))) {
        if let Tree::Text(text) = resource.at_mut(&way)
            && let (Some((type_name, _)), Some((_, value))) = (text.split_once('?'), text.rsplit_once('|'))
        {
            *text = format!("{type_name}/{value}");
        }
    }
}

/// The groups of the built-in set: R4 alone, and UK Core with a profile for each type that it has one for.
pub(crate) fn groups() -> Result<Vec<Group>> {
    let none = |name| Group { name, packages: Vec::new(), our_packages: Vec::new(), profiles: BTreeMap::new() };
    let mut groups = vec![none("R4"), none("UK Core")];
    if let Some(data) = crate::shared_data() {
        groups[1].packages.push("fhir.r4.ukcore.stu2#2.0.1".to_owned());
        groups[1].our_packages.push(data.join(UK_CORE).display().to_string());
        groups[1].profiles = uk_core_profiles(&data.join(UK_CORE))?;
    }
    Ok(groups)
}

/// The profile that is named after each type: `UKCore-Patient` of `Patient`.
pub(crate) fn uk_core_profiles(archive: &Path) -> Result<BTreeMap<String, String>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(archive)?));
    let mut profiles = BTreeMap::new();
    for entry in archive.entries()? {
        let path = entry?.path()?.into_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(type_name) = name.strip_prefix("StructureDefinition-UKCore-")
            && !type_name.contains('-')
            && path.starts_with("package")
        {
            let url = format!("https://fhir.hl7.org.uk/StructureDefinition/UKCore-{type_name}");
            profiles.insert(type_name.to_owned(), url);
        }
    }
    Ok(profiles)
}

/// Writes the built-in set below `out`: every base, and `quota` mutants of each kind.
pub(crate) fn built_in(out: &Path, seed: u64, quota: usize) -> Result<Set> {
    let (bases, against): (Vec<Base>, Vec<Against>) = bases()?.into_iter().unzip();
    let mut set = Set { groups: groups()?, files: Vec::new() };
    let folder = out.join("files");
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    let group = |n: usize| against[n].group();
    for name in ["R4", "UK Core"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let mut push = |name: String, text: &str, base: usize, mutant_of, round| -> Result<()> {
        let path = folder.join(set.groups[group(base)].name).join(name);
        fs::write(&path, text)?;
        let resource_type = Tree::parse(text)?.get("resourceType").and_then(Tree::as_text).map(str::to_owned);
        let fingerprint = mutants::fingerprint(text);
        set.files.push(Input { path, group: group(base), resource_type, mutant_of, round, fingerprint });
        Ok(())
    };
    for (n, base) in bases.iter().enumerate() {
        push(format!("{}.json", base.name), &base.tree.write(), n, None, 0)?;
    }
    for (n, mutant) in mutants::make(&bases, seed, quota).into_iter().enumerate() {
        let name = format!("{}-{n:05}-of-{}.json", mutant.kind.as_str(), bases[mutant.base].name);
        push(name, &mutant.text, mutant.base, Some((mutant.kind, mutant.base)), mutant.round)?;
    }
    Ok(set)
}

/// Files of the command line, all against the same packages and profile.
pub(crate) fn given(files: &[PathBuf], packages: &[String], profile: Option<&str>) -> Result<Set> {
    let mut group = Group {
        name: "given",
        packages: packages.iter().map(|p| p.replace('@', "#")).collect(),
        our_packages: packages.iter().map(|p| p.replace('#', "@")).collect(),
        profiles: BTreeMap::new(),
    };
    if let Some(url) = profile {
        group.profiles.insert(String::new(), url.to_owned());
    }
    let files = files.iter().map(|path| {
        let path = fs::canonicalize(path).with_context(|| format!("{} cannot be found", path.display()))?;
        Ok(Input { path, group: 0, resource_type: None, mutant_of: None, round: 0, fingerprint: 0 })
    });
    Ok(Set { groups: vec![group], files: files.collect::<Result<_>>()? })
}

/// A set of given files, and `quota` mutants of each kind of those that are JSON.
pub(crate) fn with_mutants(mut set: Set, out: &Path, seed: u64, quota: usize) -> Result<Set> {
    let folder = out.join("files");
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut bases = Vec::new();
    let mut places = Vec::new();
    for (n, input) in set.files.iter().enumerate() {
        let Ok(text) = fs::read_to_string(&input.path) else { continue };
        let Ok(tree) = Tree::parse(text.trim_start_matches('\u{feff}')) else { continue };
        let name = input.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        bases.push(Base { name, tree });
        places.push(n);
    }
    for (n, mutant) in mutants::make(&bases, seed, quota).into_iter().enumerate() {
        let name = format!("{}-{n:05}-of-{}.json", mutant.kind.as_str(), bases[mutant.base].name);
        let path = folder.join(name);
        fs::write(&path, &mutant.text)?;
        set.files.push(Input {
            path,
            group: 0,
            resource_type: None,
            mutant_of: Some((mutant.kind, places[mutant.base])),
            round: mutant.round,
            fingerprint: mutants::fingerprint(&mutant.text),
        });
    }
    Ok(set)
}

impl Group {
    /// The profile that a resource of the type is judged against beside its own.
    pub(crate) fn profile(&self, resource_type: Option<&str>) -> Option<&str> {
        self.profiles.get(resource_type.unwrap_or_default()).or_else(|| self.profiles.get("")).map(String::as_str)
    }
}
