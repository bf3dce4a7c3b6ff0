//! Resources that the source holds whole, with whatever may stand in them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::LazyLock;

use epr_fhir::definitions::Definitions;
use epr_fhir::package::{PackageCache, PackageSource};
use epr_fhir::resource::{Node, NodeKind, Resource};
use epr_mapping::apply::{Applied, JoinedBatch, MapProgram, TableData, Units, apply};
use epr_mapping::plan::MappingPlan;
use epr_mapping::{CompileInput, Sources, compile};
use epr_model::IdNamespace;
use epr_model::id::IdRecipe;
use epr_model::schema::SystemSchema;
use proptest::prelude::*;

const NAMESPACE: &str = "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c11";

static PLAN: LazyLock<MappingPlan> = LazyLock::new(|| {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let subset = PackageSource::open(&inputs.join("r4-subset")).unwrap();
    let definitions = Definitions::load_with(&PackageCache::at(std::env::temp_dir()), &[], &[subset]).unwrap();
    let schema: SystemSchema =
        serde_json::from_str(&std::fs::read_to_string(inputs.join("language/schema.json")).unwrap()).unwrap();
    let mut sources = Sources::new("mappings/");
    for kind in ["Observation", "Patient"] {
        let map = kind.to_lowercase();
        let text = format!(
            "language: 1\nmap: {map}\ndomain: pmi\ntarget: {kind}\nsource: {{ r: {{ table: {kind} }} }}\n\
             from_resource: {{ keep: resource, source_id: \"https://example.org/id\", base: \"https://e.org/r4\" }}\n"
        );
        sources.add(&format!("rk9/ipm/{map}.yaml"), &text);
    }
    let compiled = compile(&CompileInput {
        pack: "rk9/ipm",
        organisation: "RK9",
        system: "ipm",
        sources: &sources,
        schema: &schema,
        others: &[],
        definitions: &definitions,
        strict: false,
    });
    compiled.plan.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
});

/// Maps one Observation.
fn mapped(id: &str, json: &str) -> Applied {
    let plan = PLAN.maps.iter().find(|m| m.name.ends_with("observation")).unwrap();
    let program = MapProgram::new(&PLAN, plan, NAMESPACE.parse().unwrap(), None);
    let columns = &plan.tables[0].columns;
    let at = |name: &str| columns.iter().position(|c| c.name == name).unwrap() as u16;
    let row = [(at("id"), id.to_owned()), (at("resource"), json.to_owned())];
    let main = TableData::of_texts(columns, &[&row]).unwrap();
    apply(&program, &JoinedBatch { main: &main, units: Units::EachRow, lookups: &[], doubles: &HashMap::new() })
}

fn walk<'n>(node: Node<'n>, visit: &mut impl FnMut(Node<'n>)) {
    visit(node);
    node.members().for_each(|(_, value)| walk(value, visit));
    node.items().for_each(|item| walk(item, visit));
}

fn new_id(kind: &str, id: &str) -> String {
    let namespace: IdNamespace = NAMESPACE.parse().unwrap();
    IdRecipe::new(namespace, kind, "RK9", "ipm", kind, "").id([Some(id.as_bytes())], &mut Vec::new()).to_string()
}

/// A reference as sources write them.
fn reference() -> impl Strategy<Value = String> {
    let id = "[A-Za-z0-9.-]{1,12}";
    prop_oneof![
        id.prop_map(|id| format!("Patient/{id}")),
        id.prop_map(|id| format!("Observation/{id}/_history/3")),
        id.prop_map(|id| format!("https://e.org/r4/Patient/{id}")),
        id.prop_map(|id| format!("Practitioner/{id}")),
        id.prop_map(|id| format!("https://elsewhere.org/Patient/{id}")),
        id.prop_map(|id| format!("#{id}")),
        id.prop_map(|id| format!("urn:uuid:{id}")),
        "[ -~]{0,16}".prop_filter("no escapes", |t| !t.contains(['"', '\\'])),
    ]
}

/// Members that an Observation has, with digits and escapes of every kind, and some that it has not.
fn member() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?";
    let text = "([a-zé ]|\\\\u00e9|\\\\/|\\\\n|\\\\\"){0,8}";
    let refer = (reference(), text).prop_map(|(r, d)| format!("{{\"reference\":\"{r}\",\"display\":\"{d}\"}}")).boxed();
    prop_oneof![
        refer.clone().prop_map(|r| format!("\"subject\":{r}")),
        refer.clone().prop_map(|r| format!("\"encounter\": {r}")),
        proptest::collection::vec(refer.clone(), 0..4).prop_map(|r| format!("\"performer\":[{}]", r.join(" , "))),
        refer.prop_map(|r| format!("\"contained\":[{{\"resourceType\":\"Device\",\"patient\":{r},\"x\":[1.0]}}]")),
        number.prop_map(|n| format!("\"valueQuantity\":{{\"value\":{n}}}")),
        (text, text).prop_map(|(a, b)| format!("\"code\":{{\"text\":\"{a}\",\"hue\":\"{b}\"}}")),
        text.prop_map(|t| format!("\"status\":\"{t}\",\"_status\":{{\"id\":\"{t}\"}}")),
        number.prop_map(|n| format!("\"mood\":[{n},{{\"reference\":\"Patient/1\"}}]")),
        text.prop_map(|t| format!("\"identifier\":[{{\"value\":\"{t}\"}}]")),
        text.prop_map(|t| format!("\"meta\":{{\"versionId\":\"{t}\",\"lastUpdated\":\"{t}\",\"source\":\"{t}\"}}")),
    ]
}

#[test]
fn a_name_that_needs_an_escape_keeps_it() {
    let json = r#"{"resourceType":"Observation","id":"o","contained":[{"resourceType":"Device","\\x\"":{"reference":"Patient/a"}}]}"#;
    let applied = mapped("o", json);
    let resource = &applied.bytes[applied.resources[0].range.clone()];
    let read = Resource::parse_json(resource).unwrap();
    let contained = read.root().get("contained").unwrap().items().next().unwrap();
    assert!(contained.get("\\x\"").is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Nothing of the source's ids is left where a reference stands, every reference is recorded, and every digit kept.
    #[test]
    fn references_are_ours_or_none_and_digits_stay(
        id in "[A-Za-z0-9.-]{1,12}",
        members in proptest::collection::btree_map("[a-z]{1,3}", member(), 0..7),
    ) {
        // Each name once: of two members of one name the first counts.
        let mut names = BTreeSet::new();
        let members: Vec<String> = members
            .into_values()
            .filter(|m| names.insert(m.split('"').nth(1).unwrap().to_owned()))
            .collect();
        let own_members = [format!("\"resourceType\":\"Observation\",\"id\":\"{id}\"")];
        let json = format!("{{{}}}", own_members.into_iter().chain(members).collect::<Vec<_>>().join(","));
        let applied = mapped(&id, &json);
        prop_assert_eq!(applied.resources.len(), 1, "{}", json);
        let resource = &applied.resources[0];
        let out = Resource::parse_json(&applied.bytes[resource.range.clone()]).unwrap();
        prop_assert!(out.faults().is_empty());
        let own = new_id("Observation", &id);
        prop_assert_eq!(out.root().text("id"), Some(own.as_str()));
        let mut references: Vec<String> = Vec::new();
        walk(out.root(), &mut |node| references.extend(node.text("reference").map(str::to_owned)));
        let ours: BTreeSet<String> = applied.refs.iter().map(|r| {
            let kind = &PLAN.maps.iter().find(|m| m.name.ends_with("observation")).unwrap().ref_targets[usize::from(r.target.0)];
            format!("{}/{}", kind.resource_type, r.id)
        }).collect();
        let inside: Vec<&String> = references.iter().filter(|r| !r.starts_with('#')).collect();
        prop_assert_eq!(inside.len(), applied.refs.len());
        prop_assert!(inside.iter().all(|r| ours.contains(*r)), "{:?}", inside);
        // Every `Patient/…` of the source is the Patient's new id.
        let source = Resource::parse_json(json.as_bytes()).unwrap();
        let subject = source.root().get("subject").and_then(|s| s.text("reference")).unwrap_or_default();
        if let Some(old) = subject.strip_prefix("Patient/").filter(|old| !old.contains('/')) {
            let new = format!("Patient/{}", new_id("Patient", old));
            prop_assert_eq!(out.root().get("subject").and_then(|s| s.text("reference")), Some(new.as_str()));
        }
        for name in ["valueQuantity", "status", "_status"] {
            let raw = |r: &Resource| r.root().get(name).map(|n| n.raw().to_vec());
            prop_assert_eq!(raw(&source), raw(&out));
        }
        prop_assert!(out.root().get("mood").is_none());
        let meta = out.root().get("meta");
        prop_assert!(meta.is_none_or(|m| m.get("versionId").is_none() && m.get("lastUpdated").is_none()));
        let kept = out.root().get("identifier").and_then(|i| i.items().last()).and_then(|i| i.text("value"));
        prop_assert_eq!(kept, Some(id.as_str()));
    }

    /// Whatever is cut out of a resource or put into it, it is kept or refused, and what is kept is JSON.
    #[test]
    fn damage_never_makes_the_writer_panic(
        members in proptest::collection::vec(member(), 0..5),
        at in 0.0f64..1.0,
        cut in 0usize..6,
        put in "[\\[\\]{}\",:0-9a-z\\\\# /]{0,6}",
    ) {
        let mut json = format!("{{\"resourceType\":\"Observation\",\"id\":\"o\",{}}}", members.join(","));
        let clamp = |json: &str, i: usize| (0..=i.min(json.len())).rev().find(|i| json.is_char_boundary(*i)).unwrap();
        #[expect(clippy::cast_sign_loss, reason = "between 0 and 1")]
        let start = clamp(&json, (json.len() as f64 * at) as usize);
        let end = clamp(&json, start + cut).max(start);
        json.replace_range(start..end, &put);
        let applied = mapped("o", &json);
        prop_assert_eq!(applied.rows.len(), 1);
        for resource in &applied.resources {
            let out = Resource::parse_json(&applied.bytes[resource.range.clone()]);
            prop_assert!(out.is_ok_and(|r| r.root().kind() == NodeKind::Object), "{}", json);
        }
        if applied.resources.is_empty() {
            prop_assert!(!applied.issues.is_empty());
        }
    }
}
