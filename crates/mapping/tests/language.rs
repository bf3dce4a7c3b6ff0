//! Every rule of the mapping language as an input file, and what the checker says of it as a snapshot.
//!
//! An input is a mapping file (`tests/inputs/language/*.yaml`). Lines that begin with `=== ` open more files: the
//! rest of the line is the path below `mappings/`. The map itself stands at `rk9/ipm/<map>.yaml`. A first line
//! `# strict` asks for `epr check --strict`. The name begins with `err_` where the input must not compile.
//!
//! The definitions are a small part of R4 beside the inputs, so that nothing here depends on what is installed.

#![expect(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::cast_sign_loss,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use epr_fhir::definitions::Definitions;
use epr_fhir::package::{PackageCache, PackageId, PackageSource};
use epr_mapping::check::{FORMS, KNOWN_SYSTEMS, POLICIES, fn_type, measures::MEASURES, signature};
use epr_mapping::diagnostic_codes::diagnostic_doc;
use epr_mapping::functions::FUNCTIONS;
use epr_mapping::syntax::HEAD_KEYS;
use epr_mapping::{Colour, CompileInput, Compiled, OtherPack, Sources, compile};
use epr_model::schema::SystemSchema;

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs")
}

static SUBSET: LazyLock<Definitions> = LazyLock::new(|| {
    let source = PackageSource::open(&inputs().join("r4-subset")).unwrap();
    Definitions::load_with(&PackageCache::at(std::env::temp_dir()), &[], &[source]).unwrap()
});

static SCHEMA: LazyLock<SystemSchema> = LazyLock::new(|| {
    serde_json::from_str(&fs::read_to_string(inputs().join("language/schema.json")).unwrap()).unwrap()
});

/// The files of an input, the map first.
fn sources_of(text: &str) -> Sources {
    let mut sources = Sources::new("mappings/");
    let (main, rest) = text.split_once("\n=== ").map_or((text, None), |(m, r)| (m, Some(r)));
    let main = format!("{}\n", main.trim_end_matches('\n'));
    let map = main.lines().find_map(|l| l.strip_prefix("map: ")).unwrap_or("patient").trim().to_owned();
    sources.add(&format!("rk9/ipm/{map}.yaml"), &main);
    for block in rest.iter().flat_map(|r| r.split("\n=== ")) {
        let (path, body) = block.split_once('\n').unwrap_or((block, ""));
        sources.add(path.trim(), &format!("{}\n", body.trim_end_matches('\n')));
    }
    sources
}

fn compile_text(sources: &Sources, definitions: &Definitions, strict: bool) -> Compiled {
    let ed: SystemSchema = serde_json::from_str(
        r#"{"pack":"rk9/ed","tables":[{"name":"ATTENDANCES","key":{"columns":["ATT_ID"]},"columns":[{"name":"ATT_ID","kind":"text"},{"name":"ARRIVED","kind":"text"}]}]}"#,
    )
    .unwrap();
    let others = [
        OtherPack { pack: "rk9/ed", organisation: "RK9", system: "ed", schema: &ed },
        OtherPack { pack: "ref/ipm", organisation: "REF", system: "ipm", schema: &SCHEMA },
    ];
    compile(&CompileInput {
        pack: "rk9/ipm",
        organisation: "RK9",
        system: "ipm",
        sources,
        schema: &SCHEMA,
        others: &others,
        definitions,
        strict,
    })
}

fn shown(sources: &Sources, compiled: &Compiled) -> String {
    let mut out = String::new();
    for diagnostic in &compiled.diagnostics {
        out.push_str(&diagnostic.render(sources, Colour::Never));
        out.push_str("\n\n");
    }
    match &compiled.plan {
        Some(plan) => {
            for map in &plan.maps {
                let lookups: Vec<&str> = map.lookups.iter().map(|l| l.alias.as_str()).collect();
                let resources: Vec<String> = map
                    .resources
                    .iter()
                    .map(|r| {
                        let names: Vec<&str> = r.emit.iter().map(|m| &*m.name).collect();
                        format!("{} {} [{}] {} asserts", r.resource_type, r.id_part, names.join(" "), r.asserts.len())
                    })
                    .collect();
                out.push_str(&format!(
                    "plan {}: lookups {lookups:?}, {} measures, {} tests\n",
                    map.name,
                    map.measures.len(),
                    map.tests.len()
                ));
                for resource in resources {
                    out.push_str(&format!("  {resource}\n"));
                }
            }
            out.push('\n');
            out.push_str(&compiled.plan_text());
        }
        None => out.push_str(&format!("{} errors, no plan\n", compiled.n_errors())),
    }
    out
}

#[test]
fn each_input_says_what_its_snapshot_says() {
    let mut n_inputs = 0;
    let mut misnamed = Vec::new();
    insta::glob!("inputs/language/*.yaml", |path| {
        n_inputs += 1;
        let text = fs::read_to_string(path).unwrap();
        let sources = sources_of(&text);
        let compiled = compile_text(&sources, &SUBSET, text.starts_with("# strict"));
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name.starts_with("err_") != compiled.plan.is_none() {
            misnamed.push(name.to_owned());
        }
        for diagnostic in &compiled.diagnostics {
            assert!(diagnostic_doc(diagnostic.code).is_some(), "{} has no entry", diagnostic.code);
        }
        insta::assert_snapshot!(shown(&sources, &compiled));
    });
    assert!(n_inputs >= 60, "{n_inputs} inputs");
    assert!(
        misnamed.is_empty(),
        "err_ must stand before the name where, and only where, there is no plan: {misnamed:?}"
    );
}

#[test]
fn ten_mistakes_are_all_said_at_their_line_and_column() {
    let text = fs::read_to_string(inputs().join("language/err_ten_mistakes.yaml")).unwrap();
    let sources = sources_of(&text);
    let compiled = compile_text(&sources, &SUBSET, false);
    let mut wanted: Vec<(String, u32, u32)> = Vec::new();
    // Each seeded mistake is marked in the file: `#! MAP0203 at 12:24`.
    for line in text.lines() {
        if let Some((code, place)) = line.strip_prefix("#! ").and_then(|l| l.split_once(" at ")) {
            let (line, column) = place.trim().split_once(':').unwrap();
            wanted.push((code.to_owned(), line.parse().unwrap(), column.parse().unwrap()));
        }
    }
    let mut found: Vec<(String, u32, u32)> =
        compiled.diagnostics.iter().filter(|d| d.is_error()).map(|d| (d.code.to_owned(), d.line, d.column)).collect();
    wanted.sort();
    found.sort();
    assert_eq!(wanted.len(), 10);
    assert_eq!(found, wanted);
}

#[test]
fn layout_and_comments_do_not_change_the_plan_hash_and_a_code_map_row_does() {
    let text = fs::read_to_string(inputs().join("language/patient_whole.yaml")).unwrap();
    let hash = |text: &str| {
        let sources = sources_of(text);
        compile_text(&sources, &SUBSET, false).plan.map(|p| p.plan_hash).unwrap()
    };
    let first = hash(&text);
    let laid_out =
        text.replacen("\nemit:", "\n\n# A comment.\nemit:", 1).replacen("use: official", "use:   'official'", 1);
    assert_ne!(laid_out, text);
    assert_eq!(hash(&laid_out), first);
    let row = text.replacen(
        "1,http://hl7.org/fhir/administrative-gender,male",
        "1,http://hl7.org/fhir/administrative-gender,other",
        1,
    );
    assert_ne!(row, text);
    assert_ne!(hash(&row), first);
}

#[test]
fn the_tests_of_every_good_input_pass_when_its_plan_is_run() {
    let namespace: epr_model::IdNamespace = "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c11".parse().unwrap();
    let as_of = epr_mapping::stage::read_as_of("2026-11-01T00:00:00Z").unwrap();
    let (mut n_tests, mut failed) = (0, Vec::new());
    for entry in fs::read_dir(inputs().join("language")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let sources = sources_of(&fs::read_to_string(&path).unwrap());
        let Some(plan) = compile_text(&sources, &SUBSET, false).plan else { continue };
        for result in epr_mapping::testing::run_pack(&plan, namespace, Some(as_of)) {
            n_tests += 1;
            for failure in &result.failures {
                failed.push(format!("{}: {}: {failure:?}", path.display(), result.name));
            }
        }
    }
    assert!(n_tests >= 8, "{n_tests} tests were run");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    /// Whatever is cut out of a file or put into it, every finding can be shown.
    #[test]
    fn no_damage_to_a_file_makes_the_checker_panic(
        which in 0usize..4,
        at in 0.0f64..1.0,
        cut in 0usize..12,
        put in "[ \\n:,#'\"\\[\\]{}$=|.()é&*!-]{0,6}",
    ) {
        let name = ["patient_whole", "encounter_whole", "extends_and_changes", "several_resources"][which];
        let mut text = fs::read_to_string(inputs().join(format!("language/{name}.yaml"))).unwrap();
        let start = (0..=((text.len() as f64 * at) as usize)).rev().find(|i| text.is_char_boundary(*i)).unwrap();
        let end = (start + cut..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
        text.replace_range(start..end.max(start), &put);
        let sources = sources_of(&text);
        let compiled = compile_text(&sources, &SUBSET, true);
        shown(&sources, &compiled);
    }
}

#[test]
fn a_diagnostic_serialises_with_its_place() {
    let sources = sources_of(&fs::read_to_string(inputs().join("language/err_unknown_element.yaml")).unwrap());
    let compiled = compile_text(&sources, &SUBSET, false);
    let error = compiled.diagnostics.iter().find(|d| d.is_error()).unwrap();
    let json = serde_json::to_value(error).unwrap();
    assert_eq!(json["code"], "MAP0203");
    assert_eq!(json["file"], "mappings/rk9/ipm/patient.yaml");
    assert!(json["line"].as_u64().unwrap() > 1);
}

/// The rules are the table of codes, which other tests read; here they are counted, and those that were found shown.
#[test]
fn findings_are_a_sarif_log() {
    let text = fs::read_to_string(inputs().join("language/err_two_rules.yaml")).unwrap();
    let text = format!("{text}=== rk9/ipm/codes/un used.csv\nsource,target_system,target\n");
    let sources = sources_of(&text);
    let compiled = compile_text(&sources, &SUBSET, false);
    let mut log = epr_mapping::diagnostics::sarif(&compiled.diagnostics, &sources, "1.2.3");
    let run = &mut log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap().clone();
    assert_eq!(rules.len(), epr_mapping::diagnostic_codes::DIAGNOSTICS.len());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), compiled.diagnostics.len());
    assert!(results.iter().all(|r| rules[r["ruleIndex"].as_u64().unwrap() as usize]["id"] == r["ruleId"]));
    let found: Vec<_> = rules.into_iter().filter(|r| results.iter().any(|x| x["ruleId"] == r["id"])).collect();
    run["tool"]["driver"]["rules"] = found.into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&log).unwrap());
}

#[test]
fn with_the_real_definitions_the_whole_patient_compiles() {
    let home = std::env::var("HOME").unwrap_or_default();
    let cache = PackageCache::at(Path::new(&home).join(".fhir/packages"));
    let id: PackageId = "hl7.fhir.r4.core@4.0.1".parse().unwrap();
    if !cache.has(&id) {
        assert!(
            !std::env::var("EPR_REQUIRE").unwrap_or_default().split(',').any(|w| w == "r4"),
            "EPR_REQUIRE names r4, and {id} is not in {home}/.fhir/packages"
        );
        println!("skipped: {id} is not in {home}/.fhir/packages");
        return;
    }
    let definitions = Definitions::load(&cache, &[id]).unwrap();
    for name in ["patient_whole", "encounter_whole", "several_resources"] {
        let sources = sources_of(&fs::read_to_string(inputs().join(format!("language/{name}.yaml"))).unwrap());
        let compiled = compile_text(&sources, &definitions, false);
        assert!(compiled.plan.is_some(), "{name}:\n{}", shown(&sources, &compiled));
    }
}

/// The JSON Schema of a mapping file, for editors: completion and hover; the checker alone is the judge.
fn editor_schema() -> serde_json::Value {
    use serde_json::{Map, Value, json};
    let text = || json!({ "type": ["string", "number", "boolean"] });
    let texts = || json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } });
    let table = json!({
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "table": text(), "match": text(), "takes": { "enum": ["one", "optional", "many"] }, "order": text(),
            },
            "required": ["table", "match", "takes"],
            "additionalProperties": false,
        },
    });
    let condition = |or_else: Value| {
        let one = json!({
            "type": "object",
            "properties": { "that": text(), "else": or_else, "hazard": { "type": "string", "pattern": "^[A-Z]{2}-[0-9]{2}$" } },
            "required": ["that", "else"],
            "additionalProperties": false,
        });
        json!({ "anyOf": [one, { "type": "array", "items": one }] })
    };
    let mut properties = Map::new();
    for key in HEAD_KEYS {
        let value = match key {
            "language" => json!({ "enum": [1, "1"], "description": "The version of the language." }),
            "domain" => json!({ "enum": epr_model::Domain::ALL.iter().map(|d| d.as_str()).collect::<Vec<_>>() }),
            "safety" => json!({
                "type": "object",
                "properties": { "owner": text(), "hazards": { "type": "array", "items": { "type": "string" } } },
                "additionalProperties": false,
            }),
            "systems" | "ignore" | "rename" => texts(),
            "defaults" => json!({
                "type": "object",
                "properties": {
                    "zone": text(),
                    "ambiguous": { "enum": ["first", "second", "omit"] },
                    "gap": { "enum": ["first", "second", "omit"] },
                    "on_invalid": { "enum": ["omit", "refuse-row", "refuse-resource"] },
                    "on_missing": { "enum": ["omit", "refuse-row", "refuse-resource"] },
                },
                "additionalProperties": false,
            }),
            "source" => json!({
                "type": "object",
                "maxProperties": 1,
                "additionalProperties": { "type": "object", "properties": { "table": text() }, "required": ["table"], "additionalProperties": false },
            }),
            "lookup" | "join" => table.clone(),
            "require" => condition(json!({ "enum": ["refuse-row"] })),
            "assert" => condition(json!({ "enum": ["issue", "refuse-resource", "refuse-row"] })),
            "measure" => json!({
                "type": "object",
                "properties": MEASURES.iter().map(|m| (m.name.to_owned(), json!({ "description": m.doc }))).collect::<Map<_, _>>(),
                "additionalProperties": false,
            }),
            "from_resource" => json!({
                "anyOf": [{ "enum": ["keep"] }, {
                    "type": "object",
                    "properties": { "keep": text(), "source_id": text(), "base": text() },
                    "required": ["keep"],
                    "additionalProperties": false,
                }],
            }),
            "group" | "latest" | "emit" | "let" | "override" | "add" => json!({ "type": "object" }),
            "resources" | "tests" => json!({ "type": "array", "items": { "type": "object" } }),
            "remove" => json!({ "type": ["string", "array"] }),
            _ => text(),
        };
        properties.insert(key.to_owned(), value);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A mapping file of epr, language 1",
        "description": "For editors. `epr check` is the judge; docs/language.md is the reference.",
        "type": "object",
        "properties": properties,
        "required": ["language", "map"],
        "additionalProperties": false,
    })
}

#[test]
fn the_editor_schema_has_every_head_key_and_closed_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas/mapping.schema.json");
    let wanted = format!("{}\n", serde_json::to_string_pretty(&editor_schema()).unwrap());
    if std::env::var("EPR_WRITE_DOCS").is_ok() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert_eq!(found, wanted, "write it anew: EPR_WRITE_DOCS=1 cargo test -p epr-mapping --test language");
}

#[test]
fn the_reference_lists_every_function_measure_policy_and_domain() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/language.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut tables: Vec<(&str, String)> = Vec::new();
    let functions = FUNCTIONS
        .iter()
        .map(|f| {
            let result =
                f.result.as_result().map_or_else(|| fn_type(f.result).to_owned(), |_| fn_type(f.result).to_owned());
            format!("| `{}` | {result} | {} |\n", signature(f).replace('|', "\\|"), f.doc.replace('|', "\\|"))
        })
        .collect::<String>();
    tables.push(("functions", format!("| call | gives | |\n|---|---|---|\n{functions}")));
    let forms = FORMS.iter().map(|f| format!("| `{}` | {} |\n", f.signature, f.doc)).collect::<String>();
    tables.push(("forms", format!("| form | |\n|---|---|\n{forms}")));
    let measures =
        MEASURES.iter().map(|m| format!("| `{}` | {} | {} |\n", m.name, m.takes.as_str(), m.doc)).collect::<String>();
    tables.push(("measures", format!("| measure | takes | |\n|---|---|---|\n{measures}")));
    let domains =
        epr_model::Domain::ALL.iter().map(|d| format!("| `{}` | {} |\n", d.as_str(), d.title())).collect::<String>();
    tables.push(("domains", format!("| domain | in reports |\n|---|---|\n{domains}")));
    let systems = KNOWN_SYSTEMS.iter().map(|(n, u)| format!("| `{n}` | `{u}` |\n")).collect::<String>();
    tables.push(("systems", format!("| short name | code system |\n|---|---|\n{systems}")));
    let mut updated = text.clone();
    for (name, table) in &tables {
        let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
        let start = updated.find(&open).unwrap_or_else(|| panic!("docs/language.md has no {open}")) + open.len();
        let end = start + updated[start..].find(&close).unwrap();
        updated.replace_range(start..end, table);
    }
    if std::env::var("EPR_WRITE_DOCS").is_ok() {
        fs::write(&path, &updated).unwrap();
    } else {
        assert_eq!(updated, text, "write the tables anew: EPR_WRITE_DOCS=1 cargo test -p epr-mapping --test language");
    }
    for policy in POLICIES {
        assert!(text.contains(&format!("`{policy}`")), "{policy}");
    }
    for line in text.lines() {
        for name in line
            .split('`')
            .filter(|w| Path::new(w).extension().is_some_and(|e| e == "yaml") && !w.contains(['/', '<', '*']))
        {
            assert!(inputs().join("language").join(name).is_file(), "docs/language.md names {name}");
        }
    }
}
