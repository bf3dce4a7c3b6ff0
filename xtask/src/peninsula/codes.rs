//! Lists of the codes that a peninsula uses, so that its project can judge them where no release is at hand.
//!
//! Written for the demo, in words of our own and those that the mappings put beside a code. Each is a part of its system
//! and the project says so: a code that is not on it is *not checked*.

use std::path::Path;

use anyhow::{Context, Result};

/// The folder of the lists, in that of the peninsula.
pub(crate) const FOLDER: &str = "codes";

/// The system, the file in [`FOLDER`], and what stands in it.
pub(crate) const LISTS: [(&str, &str, &str); 6] = [
    ("http://snomed.info/sct", "snomed-ct.csv", include_str!("codes/snomed-ct.csv")),
    ("https://dmd.nhs.uk", "dmd.csv", include_str!("codes/dmd.csv")),
    ("http://hl7.org/fhir/sid/icd-10", "icd-10.csv", include_str!("codes/icd-10.csv")),
    ("https://fhir.nhs.uk/Id/ods-organization-code", "ods.csv", include_str!("codes/ods.csv")),
    ("https://fhir.hl7.org.uk/Id/gmc-number", "consultants.csv", include_str!("codes/consultants.csv")),
    (
        "https://fhir.nhs.uk/CodeSystem/NHSDataModelAndDictionary-treatment-function",
        "treatment-function.csv",
        include_str!("codes/treatment-function.csv"),
    ),
];

/// Writes the lists into the folder of a peninsula.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let folder = folder.join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    for (_, name, text) in LISTS {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::estate::{PRACTICES, SPECIALTIES, consultants};
    use super::super::lives::{self, MEDICINES};
    use super::super::model::Organisation;
    use super::*;

    fn list(name: &str) -> BTreeSet<&'static str> {
        let text = LISTS.iter().find(|(_, file, _)| *file == name).expect("there is such a list").2;
        let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        lines.filter_map(|line| line.split(',').next()).collect()
    }

    #[test]
    fn each_code_that_a_life_can_hold_is_on_a_list() {
        let (concepts, diagnoses) = (list("snomed-ct.csv"), list("icd-10.csv"));
        for (concept, diagnosis, _) in lives::PROBLEMS {
            assert!(concepts.contains(concept) && diagnoses.contains(diagnosis), "{concept} {diagnosis}");
        }
        for concept in [&lives::COMPLAINTS[..], &lives::DIAGNOSES, &lives::ED_DISCHARGES].concat() {
            assert!(concepts.contains(concept), "{concept}");
        }
        let (products, practices) = (list("dmd.csv"), list("ods.csv"));
        assert!(MEDICINES.iter().all(|medicine| products.contains(medicine.0)));
        assert!(PRACTICES.iter().all(|practice| practices.contains(practice.ods)));
        let functions = list("treatment-function.csv");
        let staff = list("consultants.csv");
        assert!(Organisation::ALL.into_iter().flat_map(consultants).all(|consultant| staff.contains(consultant.gmc)));
        assert!(SPECIALTIES.iter().all(|(code, _)| functions.contains(code)));
    }

    #[test]
    fn each_list_says_that_it_is_a_part_and_the_demo_s_own() {
        for (_, name, text) in LISTS {
            let head: String = text.lines().take_while(|line| line.starts_with('#')).collect();
            assert!(head.contains("demo: a part") && head.contains("No release"), "{name}");
        }
    }
}
