//! Structures, elements, and the way from one to the next.

use epr_fhir::definitions::{
    BindingStrength, ConstraintSeverity, Derivation, DiscriminatorKind, Element, Max, SlicingRules,
};
use epr_fhir::{Definitions, Resource};

use crate::small;

/// Walks a path of JSON member names from a resource type and says where each step led.
fn walk(definitions: &Definitions, path: &str) -> String {
    let mut steps = path.split('.');
    let mut structure = definitions.structure(steps.next().unwrap()).unwrap();
    let (mut at, mut type_code) = (structure.type_name.clone(), structure.type_name.clone());
    for step in steps {
        // `contained(Patient)` says which type is there.
        let (name, given) = step.split_once('(').map_or((step, None), |(name, given)| (name, given.strip_suffix(')')));
        let Some(child) = definitions.child(structure, &at, &type_code, name) else {
            return format!("{path}: nothing");
        };
        structure = child.structure;
        at.clone_from(&child.element.path);
        type_code = given.unwrap_or(child.type_code).to_owned();
    }
    format!("{path}: {at} {type_code}")
}

#[test]
fn a_child_is_found_by_its_json_name() {
    let definitions = small();
    let paths = [
        "Patient.id",
        "Patient.name",
        "Patient.name.given",
        "Patient.name._given.extension.url",
        "Patient.contact.name.family",
        "Patient._birthDate.extension.valueQuantity.value",
        "Patient.birthDate.id",
        "Patient.deceasedBoolean",
        "Patient.deceasedDateTime",
        "Patient.deceasedQuantity",
        "Patient.deceased",
        "Patient.deceased[x]",
        "Patient.deceasedboolean",
        "Patient.surname",
        "Patient.contained(Observation).valueQuantity.unit",
        "Patient.contained.id",
        "Observation.valueBase64Binary",
        "Observation.valueQuantity.value",
        "Observation.component.valueQuantity.value",
        "Questionnaire.item.linkId",
        "Questionnaire.item.item.item.linkId",
    ];
    let found: Vec<String> = paths.iter().map(|path| walk(&definitions, path)).collect();
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_structure_is_found_by_type_and_by_url_with_its_version() {
    let definitions = small();
    let url = "http://hl7.org/fhir/StructureDefinition/Patient";
    assert_eq!(definitions.structure("Patient").unwrap().url, url);
    assert_eq!(definitions.structure(url).unwrap().url, url);
    assert_eq!(definitions.structure(&format!("{url}|4.0.1")).unwrap().url, url);
    assert!(definitions.structure(&format!("{url}|3.0.2")).is_none());
    assert!(definitions.structure("sliced-patient").is_none());
    let types: Vec<&str> = definitions.resource_types().collect();
    assert_eq!(types, ["Observation", "Patient", "Questionnaire"]);
    assert!(definitions.is_resource_type("Patient") && !definitions.is_resource_type("Resource"));
}

#[test]
fn children_of_a_slice_are_its_own() {
    let definitions = small();
    let profile = definitions.structure("http://hl7.org/fhir/StructureDefinition/sliced-patient").unwrap();
    let ids = |elements: Vec<&Element>| elements.iter().map(|element| element.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(profile.children("Patient.identifier").collect()), ["Patient.identifier.system"]);
    assert_eq!(ids(profile.children_at(3).collect()), ["Patient.identifier:nhs.system"]);
    assert_eq!(
        ids(profile.children("Patient").collect()),
        ["Patient.identifier", "Patient.identifier:nhs", "Patient.maritalStatus"]
    );
    assert_eq!(profile.children("Patient.nothing").count(), 0);
    assert_eq!(profile.children_at(99).count(), 0);
}

#[test]
fn an_element_has_all_its_rules() {
    let definitions = small();
    let profile = definitions.structure("http://hl7.org/fhir/StructureDefinition/sliced-patient").unwrap();
    assert_eq!((profile.derivation, profile.type_name.as_str()), (Derivation::Constraint, "Patient"));
    let slicing = profile.elements[1].slicing.as_ref().unwrap();
    assert_eq!((slicing.rules, slicing.ordered), (SlicingRules::OpenAtEnd, true));
    assert_eq!(slicing.discriminators[0].kind, DiscriminatorKind::Value);
    let slice = &profile.elements[3];
    assert_eq!((slice.min, slice.max, slice.slice_name.as_deref()), (1, Max::Count(1), Some("nhs")));
    assert!(slice.is_array(), "the base lets it repeat, so JSON writes an array");
    assert!(slice.must_support);
    let fixed = profile.elements[4].fixed.as_ref().unwrap();
    assert_eq!(
        (fixed.type_name.as_str(), fixed.json.as_slice()),
        ("uri", br#""https://fhir.nhs.uk/Id/nhs-number""#.as_slice())
    );
    let marital = profile.element("Patient.maritalStatus").unwrap();
    assert_eq!(marital.pattern.as_ref().unwrap().type_name, "CodeableConcept");
    assert_eq!(marital.min_value.as_ref().unwrap().json, b"1.5");
    assert_eq!(marital.max_length, Some(10));

    let patient = definitions.structure("Patient").unwrap();
    let binding = patient.element("Patient.gender").unwrap().binding.as_ref().unwrap();
    assert_eq!(binding.strength, BindingStrength::Required);
    assert_eq!(binding.value_set.as_deref(), Some("http://example.org/ValueSet/gender|1.0"));
    let constraint = &patient.element("Patient.name").unwrap().constraints[0];
    assert_eq!((constraint.key.as_str(), constraint.severity), ("tst-1", ConstraintSeverity::Warning));
    assert!(patient.element("Patient.deceased[x]").unwrap().is_modifier);
    let url = definitions.structure("Extension").unwrap().element("Extension.url").unwrap();
    assert!(url.is_xml_attribute);
    assert_eq!(url.types[0].code, "uri");
}

#[test]
fn a_differential_is_kept_and_can_be_laid_over_its_base() {
    let mut definitions = small();
    let url = "http://hl7.org/fhir/StructureDefinition/differential-patient";
    let mut profile = definitions.structure(url).unwrap().clone();
    assert!(profile.elements.is_empty());
    assert_eq!(profile.differential[1].slice_name.as_deref(), Some("nhs"));
    let mut name = definitions.structure("Patient").unwrap().element("Patient.name").unwrap().clone();
    let change = Resource::parse_json(&profile.differential[0].json).unwrap();
    name.overlay(change.root());
    assert_eq!((name.min, name.max), (1, Max::Many));
    let keys: Vec<&str> = name.constraints.iter().map(|constraint| constraint.key.as_str()).collect();
    assert_eq!(keys, ["tst-1", "tst-2"]);

    let n_structures = definitions.structures().count();
    profile.elements.push(name);
    definitions.add_structure(profile);
    assert_eq!(definitions.structures().count(), n_structures);
    assert_eq!(definitions.structure(url).unwrap().elements.len(), 1);
    assert_eq!(definitions.structure("Patient").unwrap().url, "http://hl7.org/fhir/StructureDefinition/Patient");
}

#[test]
fn what_is_kept_as_written_is_found_by_url_and_version() {
    let definitions = small();
    let map = definitions.raw("http://example.org/ConceptMap/m|2").unwrap();
    assert_eq!(Resource::parse_json(map).unwrap().root().text("resourceType"), Some("ConceptMap"));
    assert!(definitions.raw("http://example.org/ConceptMap/m|3").is_none());
}
