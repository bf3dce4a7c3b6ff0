//! Snapshots made from differentials, beside the ones that HL7 published.

use epr_fhir::definitions::{Element, Structure};
use epr_fhir::package::PackageSource;
use epr_fhir::{Definitions, Resource};
use std::collections::{BTreeMap, BTreeSet};

use super::r4::r4;

/// The definitions of R4 with the snapshots of all its profiles and extensions taken out.
fn stripped() -> Option<(Definitions, Vec<String>)> {
    r4(&[])?;
    let folder = std::env::home_dir().unwrap().join(".fhir/packages/hl7.fhir.r4.core#4.0.1/package");
    let mut files = Vec::new();
    let mut urls = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("StructureDefinition-") {
            continue;
        }
        let resource = Resource::parse_json(&std::fs::read(&path).unwrap()).unwrap();
        let root = resource.root();
        if root.text("derivation") != Some("constraint") || root.get("snapshot").is_none() {
            continue;
        }
        urls.push(root.text("url").unwrap().to_owned());
        let members = root.members().filter(|(member, _)| *member != "snapshot");
        let members: Vec<_> = members
            .map(|(member, value)| format!("\"{member}\":{}", std::str::from_utf8(value.raw()).unwrap()))
            .collect();
        files.push((name, format!("{{{}}}", members.join(",")).into_bytes()));
    }
    let source = PackageSource { path: "stripped".into(), sha256: String::new(), files };
    Some((r4(&[source])?, urls))
}

#[test]
fn the_profiles_of_r4_come_out_as_published() {
    let (Some(published), Some((made, urls))) = (r4(&[]), stripped()) else { return };
    let mut differences: BTreeMap<(String, &str), u32> = BTreeMap::new();
    let (mut n_elements, mut n_same) = (0, 0);
    for url in &urls {
        let (published, made) = (published.structure(url).unwrap(), made.structure(url).unwrap());
        let by_id: BTreeMap<&str, &Element> = made.elements.iter().map(|e| (e.id.as_str(), e)).collect();
        let mut note = |what: &str| *differences.entry((what.to_owned(), &published.name)).or_default() += 1;
        for expected in &published.elements {
            n_elements += 1;
            let Some(found) = by_id.get(expected.id.as_str()) else {
                note("missing");
                continue;
            };
            let what = differs(expected, found);
            n_same += u32::from(what.is_empty());
            what.into_iter().for_each(&mut note);
        }
        let ids: BTreeSet<&str> = published.elements.iter().map(|e| e.id.as_str()).collect();
        made.elements.iter().filter(|e| !ids.contains(e.id.as_str())).for_each(|_| note("more"));
        let in_order = |s: &Structure| s.elements.iter().map(|e| e.id.clone()).collect::<Vec<_>>();
        if made.elements.len() == published.elements.len() && in_order(made) != in_order(published) {
            note("order");
        }
    }
    assert_eq!(made.snapshot_faults(), []);
    let mut lines = vec![format!("{n_same} of {n_elements} elements of {} structures are the same", urls.len())];
    lines.extend(differences.iter().map(|((what, profile), n)| format!("{what}: {n} in {profile}")));
    insta::assert_snapshot!(lines.join("\n"));
}

fn differs(expected: &Element, found: &Element) -> Vec<&'static str> {
    let mut what = Vec::new();
    let mut check = |name: &'static str, same: bool| {
        if !same {
            what.push(name);
        }
    };
    check("path", expected.path == found.path);
    check("min", expected.min == found.min);
    check("max", expected.max == found.max);
    check("base", expected.base_path == found.base_path && expected.base_max == found.base_max);
    let codes = |e: &Element| e.types.iter().map(|t| t.code.clone()).collect::<Vec<_>>();
    check("types", codes(expected) == codes(found));
    let targets = |e: &Element| e.types.iter().flat_map(|t| t.target_profiles.clone()).collect::<Vec<_>>();
    check("target profiles", targets(expected) == targets(found));
    let profiles = |e: &Element| e.types.iter().flat_map(|t| t.profiles.clone()).collect::<Vec<_>>();
    check("profiles", profiles(expected) == profiles(found));
    check("binding", expected.binding == found.binding);
    check("fixed", expected.fixed == found.fixed);
    check("pattern", expected.pattern == found.pattern);
    let keys = |e: &Element| e.constraints.iter().map(|c| c.key.clone()).collect::<BTreeSet<_>>();
    check("constraints", keys(expected) == keys(found));
    check("slicing", expected.slicing == found.slicing);
    check("slice name", expected.slice_name == found.slice_name);
    check("must support", expected.must_support == found.must_support);
    check("modifier", expected.is_modifier == found.is_modifier);
    check("content reference", expected.content_reference == found.content_reference);
    what
}

/// A profile of a type of R4, by its differential's elements.
fn profile(name: &str, type_name: &str, elements: &str) -> PackageSource {
    let json = format!(
        r#"{{ "resourceType": "StructureDefinition", "url": "http://example.org/{name}", "name": "{name}",
             "kind": "resource", "abstract": false, "type": "{type_name}", "derivation": "constraint",
             "baseDefinition": "http://hl7.org/fhir/StructureDefinition/{type_name}",
             "differential": {{ "element": [ {elements} ] }} }}"#
    );
    let file = format!("{name}.json");
    PackageSource { path: file.clone().into(), sha256: String::new(), files: vec![(file, json.into_bytes())] }
}

const SLICED: &str = r#"
    { "id": "Patient.identifier", "path": "Patient.identifier",
      "slicing": { "discriminator": [ { "type": "value", "path": "system" } ], "rules": "open" } },
    { "id": "Patient.identifier.period", "path": "Patient.identifier.period", "min": 1 },
    { "id": "Patient.identifier:nhs", "path": "Patient.identifier", "sliceName": "nhs", "max": "1",
      "slicing": { "discriminator": [ { "type": "value", "path": "use" } ], "rules": "open" } },
    { "id": "Patient.identifier:nhs.value", "path": "Patient.identifier.value", "min": 1 },
    { "id": "Patient.identifier:nhs/old", "path": "Patient.identifier", "sliceName": "nhs/old" },
    { "id": "Patient.identifier:nhs/old.use", "path": "Patient.identifier.use", "fixedCode": "old" }"#;

#[test]
fn a_slice_holds_what_the_unsliced_element_asks_for_and_a_reslice_what_the_slice_does() {
    let Some(definitions) = r4(&[profile("sliced", "Patient", SLICED)]) else { return };
    let made = definitions.structure("http://example.org/sliced").unwrap();
    let min = |id: &str| made.element_by_id(id).unwrap().min;
    assert_eq!((min("Patient.identifier:nhs.period"), min("Patient.identifier:nhs.value")), (1, 1));
    assert_eq!((min("Patient.identifier:nhs/old.period"), min("Patient.identifier:nhs/old.value")), (1, 1));
    let names = |of: &str| made.slices(of).map(|slice| slice.id.clone()).collect::<Vec<_>>();
    assert_eq!(names("Patient.identifier"), ["Patient.identifier:nhs"]);
    assert_eq!(names("Patient.identifier:nhs"), ["Patient.identifier:nhs/old"]);
    assert_eq!(made.slices("Patient.name").count(), 0);
    let below: Vec<&str> = made.children_of_id("Patient.identifier:nhs/old").map(|e| e.name.as_str()).collect();
    assert_eq!(below, ["id", "extension", "use", "type", "system", "value", "period", "assigner"]);
    assert_eq!(made.element("Patient.identifier.value").unwrap().min, 0, "the unsliced one stays as it was");
}

#[test]
fn one_type_of_a_choice_is_a_slice_whichever_way_it_is_written() {
    let ways = [
        r#"{ "id": "Observation.valueQuantity", "path": "Observation.valueQuantity", "min": 1 },
           { "id": "Observation.valueQuantity.unit", "path": "Observation.valueQuantity.unit", "min": 1 }"#,
        r#"{ "path": "Observation.valueQuantity", "sliceName": "valueQuantity", "min": 1 },
           { "path": "Observation.valueQuantity.unit", "min": 1 }"#,
        r#"{ "id": "Observation.value[x]:valueQuantity", "path": "Observation.value[x]", "sliceName": "valueQuantity", "min": 1 },
           { "id": "Observation.value[x]:valueQuantity.unit", "path": "Observation.value[x].unit", "min": 1 }"#,
    ];
    for (i, way) in ways.iter().enumerate() {
        let Some(definitions) = r4(&[profile("choice", "Observation", way)]) else { return };
        let made = definitions.structure("http://example.org/choice").unwrap();
        let slice = made.slices("Observation.value[x]").next().unwrap_or_else(|| panic!("way {i} makes no slice"));
        assert_eq!((slice.path.as_str(), slice.min, slice.types.len()), ("Observation.value[x]", 1, 1), "way {i}");
        assert_eq!(made.element_by_id("Observation.value[x]:valueQuantity.unit").unwrap().min, 1, "way {i}");
    }
}

#[test]
fn children_come_from_behind_a_content_reference() {
    let elements = r#"{ "id": "Observation.component.referenceRange.low", "path": "Observation.component.referenceRange.low", "min": 1 }"#;
    let Some(definitions) = r4(&[profile("ranges", "Observation", elements)]) else { return };
    let made = definitions.structure("http://example.org/ranges").unwrap();
    assert_eq!(made.element("Observation.component.referenceRange.low").unwrap().min, 1);
    assert_eq!(made.element("Observation.referenceRange.low").unwrap().min, 0);
}

#[test]
fn a_differential_that_does_not_fit_its_base_is_a_fault_and_no_snapshot() {
    let wrong = [
        (r#"{ "id": "Patient.nmae", "path": "Patient.nmae", "min": 1 }"#, "Patient has no element nmae"),
        (
            r#"{ "id": "Patient.name:official", "path": "Patient.name", "sliceName": "official" },
               { "id": "Patient.name:usual", "path": "Patient.name", "sliceName": "usual" }"#,
            "Patient.name has the slice official and nothing says what tells its slices apart",
        ),
    ];
    for (elements, what) in wrong {
        let Some(definitions) = r4(&[profile("wrong", "Patient", elements)]) else { return };
        assert_eq!(definitions.snapshot_faults()[0].what, what);
        assert!(definitions.structure("http://example.org/wrong").unwrap().elements.is_empty());
    }
}

#[test]
fn the_only_slice_of_an_element_that_nothing_divides_is_the_element_itself() {
    let elements = r#"{ "id": "Patient.name:official", "path": "Patient.name", "sliceName": "official", "min": 1 },
                      { "id": "Patient.name:official.family", "path": "Patient.name.family", "min": 1 }"#;
    let Some(definitions) = r4(&[profile("named", "Patient", elements)]) else { return };
    let made = definitions.structure("http://example.org/named").unwrap();
    let names: Vec<&str> = made.elements.iter().filter(|e| e.path == "Patient.name").map(|e| e.id.as_str()).collect();
    assert_eq!(names, ["Patient.name:official"]);
    let named = made.element_by_id("Patient.name:official").unwrap();
    assert!(named.min == 1 && !made.is_slice(named));
    assert_eq!(made.element_by_id("Patient.name:official.family").unwrap().min, 1);
}

#[test]
fn a_fallback_counts_only_where_nothing_else_has_its_url() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs/definitions");
    let nowhere = epr_fhir::package::PackageCache::at(folder.join("no-cache"));
    let loaded = PackageSource::open(&folder).unwrap();
    let mut own = profile("own", "Patient", "");
    own.files
        .push(("Patient.json".to_owned(), std::fs::read(folder.join("StructureDefinition-Patient.json")).unwrap()));
    let definitions = Definitions::load_all(&nowhere, &[], &[loaded], &[own]).unwrap();
    assert!(definitions.stands_in("http://example.org/own"));
    assert!(!definitions.stands_in("http://hl7.org/fhir/StructureDefinition/Patient"));
    assert_eq!(definitions.packages().iter().filter(|package| package.is_fallback).count(), 1);
}
