//! The project file of a peninsula.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::codes;

/// What the project file of every peninsula begins with.
pub(crate) const HEADER: &str = "# A synthetic peninsula of ";

/// Name, organisation, system, kind, where it lies, specification, and whether its NHS numbers need no status.
const SOURCES: [(&str, &str, &str, &str, &str, &str, bool); 11] = [
    ("rk9_ipm", "RK9", "ipm", "odbc", "rk9.sqlite", "rk9/ipm.yaml", false),
    ("ref_ipm", "REF", "ipm", "odbc", "ref.sqlite", "ref/ipm.yaml", false),
    ("ref_ed", "REF", "ed", "xml", "ref-ed", "ref/ed.yaml", false),
    ("ra9_pas", "RA9", "pas", "odbc", "ra9.sqlite", "ra9/pas.yaml", false),
    ("ra9_cancer", "RA9", "cancer", "sheet", "ra9-cancer", "ra9/cancer.yaml", true),
    ("rbz_pas", "RBZ", "pas", "odbc", "rbz.sqlite", "rbz/pas.yaml", false),
    ("rh8_epic", "RH8", "epic", "fhir", "rh8", "rh8/epic.yaml", true),
    ("hosp1", "HOSP1", "register", "sheet", "hosp1", "hospice/register.yaml", true),
    ("hosp2", "HOSP2", "ledger", "sheet", "hosp2", "hospice/ledger.yaml", true),
    ("hosp3", "HOSP3", "daybook", "csv", "hosp3", "hospice/daybook.yaml", true),
    ("nhs111", "NHS111", "itk", "xml", "nhs111", "nhs111/itk.yaml", false),
];

/// Resource types with a UK Core profile, and the file of this project's own that stands in for it.
const PROFILES: [(&str, &str); 11] = [
    ("Patient", "patient"),
    ("AllergyIntolerance", "allergy-intolerance"),
    ("Condition", "condition"),
    ("Encounter", "encounter"),
    ("Appointment", "appointment"),
    ("ServiceRequest", "service-request"),
    ("MedicationStatement", "medication-statement"),
    ("Observation", "observation"),
    ("Practitioner", "practitioner"),
    ("Organization", "organization"),
    ("Location", "location"),
];

/// Writes `epr.toml` into the folder; sources and mappings are the repository's.
pub(crate) fn write(folder: &Path, repository: &Path, seed: u64, n_people: u64) -> Result<()> {
    std::fs::write(folder.join("epr.toml"), text(folder, repository, seed, n_people)?)?;
    Ok(())
}

fn text(folder: &Path, repository: &Path, seed: u64, n_people: u64) -> Result<String> {
    let to = way(&folder.canonicalize()?, &repository.canonicalize()?);
    let (sources, mappings) = (to.join("sources"), to.join("mappings"));
    let mut text = format!(
        "{HEADER}{n_people} people, written by `cargo xtask fixtures --seed {seed} --patients {n_people}`.\n\
         \n\
         [project]\n\
         namespace = \"6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c11\"\n\
         name = \"peninsula\"\n\
         zone = \"Europe/London\"\n\
         as_of = \"2026-11-01T00:00:00Z\"\n\
         trial = \"TL1\"\n\
         test_range = [\"999\", \"998\"]\n\
         sources = \"{}\"\n\
         mappings = \"{}\"\n",
        sources.display(),
        mappings.display()
    );
    for (name, organisation, system, kind, place, spec, trusted) in SOURCES {
        write!(
            text,
            "\n[source.{name}]\norganisation = \"{organisation}\"\nsystem = \"{system}\"\nkind = \"{kind}\"\n"
        )?;
        if kind == "odbc" {
            writeln!(text, "driver = \"SQLite3\"\ndatabase = \"{place}\"")?;
        } else {
            writeln!(text, "path = \"{place}\"")?;
        }
        writeln!(text, "spec = \"{spec}\"")?;
        if trusted {
            writeln!(text, "nhs_number = \"trusted\"")?;
        }
    }
    write!(
        text,
        "\n[packages]\nuse = [\"hl7.fhir.r4.core@4.0.1\", \
         {{ name = \"fhir.r4.ukcore.stu2\", version = \"2.0.1\", optional = true }}]\n\n[profiles]\n"
    )?;
    for (kind, _) in PROFILES {
        writeln!(text, "{kind} = \"https://fhir.hl7.org.uk/StructureDefinition/UKCore-{kind}\"")?;
    }
    writeln!(text, "\n[profiles.fallback]")?;
    for (kind, file) in PROFILES {
        writeln!(text, "\"https://fhir.hl7.org.uk/StructureDefinition/UKCore-{kind}\" = \"profiles/{file}.json\"")?;
    }
    writeln!(
        text,
        "\n# The demo's own lists of the codes in use: parts of their systems, and no releases.\n[terminology]"
    )?;
    for (system, file, _) in codes::LISTS {
        writeln!(text, "\"{system}\" = {{ path = \"{}/{file}\", part = true }}", codes::FOLDER)?;
    }
    writeln!(text, "\n[target.files]\nkind = \"files\"")?;
    Ok(text)
}

/// From one folder to another: by `..` where the first is inside the second, else by its full path.
fn way(from: &Path, to: &Path) -> PathBuf {
    match from.strip_prefix(to) {
        Ok(inner) => inner.components().filter(|c| matches!(c, Component::Normal(_))).map(|_| "..").collect(),
        Err(_) => to.to_owned(),
    }
}
