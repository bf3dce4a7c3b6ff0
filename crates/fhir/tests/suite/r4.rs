//! The definitions of R4 themselves, where they are installed.

use std::path::Path;

use epr_fhir::Definitions;
use epr_fhir::definitions::Membership;
use epr_fhir::package::{PackageCache, PackageId, PackageSource};

/// R4 from `~/.fhir/packages`; `None`, said aloud, where it is not there and nobody requires it.
pub(super) fn r4(sources: &[PackageSource]) -> Option<Definitions> {
    let home = std::env::var("HOME").unwrap_or_default();
    let cache = PackageCache::at(Path::new(&home).join(".fhir/packages"));
    let id: PackageId = "hl7.fhir.r4.core@4.0.1".parse().unwrap();
    if cache.has(&id) {
        return Some(Definitions::load_with(&cache, &[id], sources).unwrap());
    }
    let required = std::env::var("EPR_REQUIRE").is_ok_and(|names| names.split(',').any(|name| name == "r4"));
    assert!(!required, "EPR_REQUIRE asks for r4, and {id} is not in {}", cache.root().display());
    println!("skipped: {id} is not in {}", cache.root().display());
    None
}

#[test]
fn every_type_of_r4_is_there() {
    let Some(definitions) = r4(&[]) else { return };
    assert_eq!(definitions.resource_types().count(), 146);
    let observation = definitions.structure("http://hl7.org/fhir/StructureDefinition/Observation|4.0.1").unwrap();
    let value = definitions.child(observation, "Observation", "Observation", "valueQuantity").unwrap();
    let digits = definitions.child(value.structure, &value.element.path, value.type_code, "value").unwrap();
    assert_eq!((digits.element.path.as_str(), digits.type_code), ("Quantity.value", "decimal"));
}

#[test]
fn no_type_is_left_as_a_url_of_fhirpath() {
    let Some(definitions) = r4(&[]) else { return };
    for structure in definitions.structures() {
        for element in &structure.elements {
            assert!(element.types.iter().all(|of| !of.code.contains("fhirpath")), "{}", element.id);
            assert!(!element.name.is_empty() && !element.id.is_empty(), "{}", structure.url);
            if let Some(reference) = &element.content_reference {
                assert!(structure.element(reference).is_some(), "{} refers to {reference}", element.id);
            }
        }
    }
}

#[test]
fn every_child_of_every_resource_leads_to_a_type() {
    let Some(definitions) = r4(&[]) else { return };
    for name in definitions.resource_types() {
        let structure = definitions.structure(name).unwrap();
        for element in structure.elements.iter().skip(1) {
            for of in &element.types {
                assert!(definitions.structure(&of.code).is_some(), "{} has the type {}", element.id, of.code);
            }
        }
    }
}

#[test]
fn required_bindings_of_r4_are_answered() {
    let Some(definitions) = r4(&[]) else { return };
    let member = |value_set: &str, system: Option<&str>, code: &str| {
        definitions.member(&format!("http://hl7.org/fhir/ValueSet/{value_set}"), system, code)
    };
    assert_eq!(member("administrative-gender|4.0.1", None, "female"), Membership::In);
    assert_eq!(member("administrative-gender|4.0.1", None, "F"), Membership::NotIn);
    assert_eq!(member("all-types|4.0.1", None, "HumanName"), Membership::In);
    assert_eq!(member("mimetypes|4.0.1", None, "application/pdf"), Membership::In);
    assert_eq!(member("currencies|4.0.1", None, "GBP"), Membership::In);
    assert_eq!(member("ucum-units", Some("http://unitsofmeasure.org"), "mg"), Membership::In);
    assert_eq!(member("ucum-units", Some("http://unitsofmeasure.org"), "mgg"), Membership::NotIn);
    let class = "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode";
    let act_code = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    assert_eq!(definitions.member(class, Some(act_code), "AMB"), Membership::In);
    assert_eq!(definitions.member(class, Some(act_code), "NOPE"), Membership::NotIn);
    assert_eq!(definitions.display(act_code, "AMB"), Some("ambulatory"));
}

#[test]
fn few_required_bindings_of_r4_stay_unanswered() {
    let Some(definitions) = r4(&[]) else { return };
    let mut open = std::collections::BTreeSet::new();
    for name in definitions.resource_types() {
        for element in &definitions.structure(name).unwrap().elements {
            let Some(binding) = &element.binding else { continue };
            let Some(value_set) = &binding.value_set else { continue };
            if binding.strength == epr_fhir::definitions::BindingStrength::Required
                && let Membership::Unknown(why) = definitions.member(value_set, None, "!")
            {
                open.insert(format!("{value_set}: {why}"));
            }
        }
    }
    insta::assert_snapshot!(open.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn uk_core_loads_beside_r4_from_its_archive() {
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fhir-packages/fhir.r4.ukcore.stu2-2.0.1.tgz");
    if !archive.exists() {
        println!("skipped: {} is not there", archive.display());
        return;
    }
    let source = PackageSource::open(&archive).unwrap();
    let Some(definitions) = r4(&[source]) else { return };
    let profile = definitions.structure("https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient").unwrap();
    assert!(!profile.elements.is_empty());
    assert_eq!(definitions.snapshot_faults(), []);
    let n_profiles = definitions.structures().filter(|structure| structure.url.contains("hl7.org.uk")).count();
    // The other seven of the 78 stand for elements of R5 and have HL7's URLs.
    assert_eq!(n_profiles, 71);
    let code = definitions.member(
        "https://fhir.hl7.org.uk/ValueSet/UKCore-NHSNumberVerificationStatus",
        Some("https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"),
        "99",
    );
    assert_eq!(code, Membership::NotIn);
}
