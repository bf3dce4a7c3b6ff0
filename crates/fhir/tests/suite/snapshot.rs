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
    // This one divides a repeating element into slices and never says what tells them apart.
    let faults: Vec<&str> = made.snapshot_faults().iter().map(|fault| fault.url.as_str()).collect();
    assert_eq!(faults, ["http://hl7.org/fhir/StructureDefinition/familymemberhistory-genetic"]);
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
