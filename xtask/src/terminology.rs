//! `cargo xtask terminology`: which value sets of UK Core nobody can judge without a list of SNOMED CT or another system
//! that no package holds, and what each asks of such a list. Markdown, as it stands in `docs/terminology.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use epr_fhir::definitions::{BindingStrength, ConceptSet, Definitions};
use epr_fhir::package::{PackageCache, PackageId};

const PACKAGES: [&str; 2] = ["hl7.fhir.r4.core@4.0.1", "fhir.r4.ukcore.stu2@2.0.1"];
/// What UK Core's own definitions begin with.
const UK_CORE: &str = "https://fhir.hl7.org.uk/";
const SNOMED_CT: &str = "http://snomed.info/sct";
const DEEPEST: u32 = 10;

pub(crate) fn run() -> Result<ExitCode> {
    print!("{}", table(&definitions()?));
    Ok(ExitCode::SUCCESS)
}

fn definitions() -> Result<Definitions> {
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    let cache = PackageCache::at(PathBuf::from(home).join(".fhir/packages"));
    let ids = PACKAGES.iter().map(|id| id.parse::<PackageId>()).collect::<Result<Vec<_>, _>>()?;
    Definitions::load(&cache, &ids).with_context(|| format!("epr packages install {}", PACKAGES.join(" ")))
}

/// Where a value set is bound.
struct Bound {
    strength: BindingStrength,
    /// How many elements bind it as strongly, and the first of them.
    n: usize,
    first: String,
}

fn table(definitions: &Definitions) -> String {
    let mut text = "| value set | bound, strongest first | asks of |\n|---|---|---|\n".to_owned();
    for (value_set, bound) in bindings(definitions) {
        let mut needs = BTreeMap::new();
        asks(definitions, &value_set, 0, &mut needs);
        if needs.is_empty() {
            continue;
        }
        let name = value_set.rsplit('/').next().unwrap_or(&value_set);
        let more = if bound.n > 1 { format!(" and {} more", bound.n - 1) } else { String::new() };
        let needs: Vec<_> =
            needs.into_iter().map(|(system, what)| format!("{}: {}", named(&system), what.as_str())).collect();
        // A String takes every line.
        let _ =
            writeln!(text, "| `{name}` | {}: `{}`{more} | {} |", word(bound.strength), bound.first, needs.join("; "));
    }
    text
}

/// The value sets that UK Core's profiles and extensions bind, each at its strongest.
fn bindings(definitions: &Definitions) -> BTreeMap<String, Bound> {
    let mut found: BTreeMap<String, Bound> = BTreeMap::new();
    let mut structures: Vec<_> = definitions.structures().filter(|s| s.url.starts_with(UK_CORE)).collect();
    structures.sort_by(|a, b| a.url.cmp(&b.url));
    for structure in structures {
        for element in &structure.elements {
            let Some(binding) = &element.binding else { continue };
            let Some(value_set) = binding.value_set.as_deref().and_then(|v| v.split('|').next()) else { continue };
            let place = format!("{}: {}", structure.name, element.id);
            let first = || Bound { strength: binding.strength, n: 0, first: place.clone() };
            let bound = found.entry(value_set.to_owned()).or_insert_with(first);
            if binding.strength > bound.strength {
                *bound = first();
            }
            bound.n += usize::from(binding.strength == bound.strength);
        }
    }
    found
}

/// What a value set, and those that it is made of, ask of systems that no package holds.
fn asks(definitions: &Definitions, value_set: &str, depth: u32, needs: &mut BTreeMap<String, Asks>) {
    let Some(found) = definitions.value_set(value_set).filter(|_| depth < DEEPEST) else { return };
    for set in found.include.iter().chain(&found.exclude) {
        for imported in &set.value_sets {
            asks(definitions, imported, depth + 1, needs);
        }
        let Some(system) = set.system.as_deref() else { continue };
        // Codes that the value set lists are known by that.
        if set.codes.is_empty() && (definitions.is_held_elsewhere(system) || !definitions.knows_system(system)) {
            let what = of_list(system, set);
            let known = needs.entry(system.to_owned()).or_insert(what);
            *known = (*known).max(what);
        }
    }
}

/// What a list must have, from little to much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asks {
    Codes,
    Hierarchy,
    ReferenceSets,
    HierarchyAndReferenceSets,
    Properties,
}

impl Asks {
    fn as_str(self) -> &'static str {
        match self {
            Self::Codes => "a list of its codes",
            Self::Hierarchy => "its hierarchy (RF2)",
            Self::ReferenceSets => "its reference sets (RF2)",
            Self::HierarchyAndReferenceSets => "its hierarchy and reference sets (RF2)",
            Self::Properties => "properties, which no list here has",
        }
    }
}

/// What a list must have for the filters of a set.
fn of_list(system: &str, set: &ConceptSet) -> Asks {
    if set.filters.is_empty() {
        return Asks::Codes;
    }
    if system != SNOMED_CT || set.filters.iter().any(|f| !matches!(f.property.as_str(), "concept" | "constraint")) {
        return Asks::Properties;
    }
    let uses = |op: &[&str], words: &[&str]| {
        set.filters.iter().any(|f| {
            let value = f.value.to_ascii_lowercase();
            op.contains(&f.op.as_str()) || f.op == "=" && words.iter().any(|word| value.contains(word))
        })
    };
    let hierarchy = uses(&["is-a", "descendent-of", "child-of"], &["<", "descendant", "child"]);
    match (hierarchy, uses(&["in"], &["^", "memberof"])) {
        (true, true) => Asks::HierarchyAndReferenceSets,
        (true, false) => Asks::Hierarchy,
        (false, true) => Asks::ReferenceSets,
        (false, false) => Asks::Codes,
    }
}

fn named(system: &str) -> &str {
    match system {
        SNOMED_CT => "SNOMED CT",
        "https://dmd.nhs.uk" => "dm+d",
        "http://loinc.org" => "LOINC",
        other => other,
    }
}

fn word(strength: BindingStrength) -> &'static str {
    match strength {
        BindingStrength::Required => "required",
        BindingStrength::Extensible => "extensible",
        BindingStrength::Preferred => "preferred",
        BindingStrength::Example => "example",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::print_stdout, reason = "a skip is told")]

    use super::*;

    #[test]
    fn the_table_in_the_documents_is_the_one_that_the_command_prints() {
        let definitions = match definitions() {
            Ok(definitions) => definitions,
            Err(error) => {
                println!("skipped: ukcore: {error:#}");
                return;
            }
        };
        let document = std::fs::read_to_string(crate::root().join("docs/terminology.md")).unwrap();
        let table = table(&definitions);
        assert!(
            document.contains(&table),
            "docs/terminology.md has another table than `cargo xtask terminology` prints"
        );
        assert!(table.contains("| `UKCore-ConditionCode` |") && table.contains("SNOMED CT: its hierarchy (RF2)"));
        assert!(!table.contains("UKCore-EthnicCategory`"), "judged by what the package holds");
    }
}
