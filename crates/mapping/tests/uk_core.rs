//! Slices, extensions and bindings of the real UK Core, and what a second trust changes of the first's mappings.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use epr_fhir::definitions::Definitions;
use epr_fhir::package::{PackageCache, PackageId, PackageSource};
use epr_mapping::difference::{Version, difference};
use epr_mapping::{Colour, CompileInput, Compiled, Sources, compile, load_pack};
use epr_model::schema::SystemSchema;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// R4 and UK Core; `None`, with a notice, where one of them is absent.
fn definitions() -> Option<Definitions> {
    let home = std::env::var("HOME").unwrap_or_default();
    let cache = PackageCache::at(Path::new(&home).join(".fhir/packages"));
    let r4: PackageId = "hl7.fhir.r4.core@4.0.1".parse().unwrap();
    let uk_core = root().join("../shared/data/fhir-packages/fhir.r4.ukcore.stu2-2.0.1.tgz");
    for (need, is_there) in [("r4", cache.has(&r4)), ("shared", uk_core.is_file())] {
        if !is_there {
            let required = std::env::var("EPR_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|w| w == need), "EPR_REQUIRE names {need}, and it is not there");
            println!("skipped: {need} is not there");
            return None;
        }
    }
    let uk_core = PackageSource::open(&uk_core).unwrap();
    Some(Definitions::load_with(&cache, &[r4], &[uk_core]).unwrap())
}

fn compiled(name: &str, definitions: &Definitions) -> (Sources, Compiled) {
    let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let text = fs::read_to_string(inputs.join("uk_core").join(name)).unwrap();
    let schema: SystemSchema =
        serde_json::from_str(&fs::read_to_string(inputs.join("language/schema.json")).unwrap()).unwrap();
    let mut sources = Sources::new("mappings/");
    for (i, block) in text.split("\n=== ").enumerate() {
        let (path, body) =
            if i == 0 { ("rk9/ipm/patient.yaml", block) } else { block.split_once('\n').unwrap_or((block, "")) };
        sources.add(path.trim(), &format!("{}\n", body.trim_end()));
    }
    let compiled = compile(&CompileInput {
        pack: "rk9/ipm",
        organisation: "RK9",
        system: "ipm",
        sources: &sources,
        schema: &schema,
        others: &[],
        definitions,
        strict: false,
    });
    (sources, compiled)
}

fn shown(sources: &Sources, compiled: &Compiled) -> String {
    let texts: Vec<String> = compiled.diagnostics.iter().map(|d| d.render(sources, Colour::Never)).collect();
    texts.join("\n\n")
}

#[test]
fn slices_of_the_real_profile_compile_and_their_tests_pass() {
    let Some(definitions) = definitions() else { return };
    let (sources, compiled) = compiled("patient.yaml", &definitions);
    let Some(plan) = &compiled.plan else { panic!("{}", shown(&sources, &compiled)) };
    let namespace = "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c11".parse().unwrap();
    let results = epr_mapping::testing::run_pack(plan, namespace, None);
    assert!(!results.is_empty());
    for result in results {
        assert!(result.passed(), "{}: {:?}", result.name, result.failures);
    }
}

#[test]
fn mistakes_against_the_real_profile_and_its_value_sets_are_said() {
    let Some(definitions) = definitions() else { return };
    let (sources, compiled) = compiled("err_patient.yaml", &definitions);
    insta::assert_snapshot!(shown(&sources, &compiled));
}

/// Royal Cornwall runs Plymouth's product: what it changes is little enough to be read.
#[test]
fn the_overlay_of_the_second_trust_is_at_most_sixty_five_leaves() {
    let sources = load_pack(&root().join("mappings"), "", "mappings/").unwrap();
    let side = |pack| Version { sources: &sources, pack: Some(pack) };
    let found = difference(side("rk9/ipm"), side("ref/ipm")).unwrap();
    let n = found.n_leaves();
    println!("{n} changed leaves over {} maps, {} rows of code maps apart", found.n_maps, found.n_rows());
    assert!(found.n_maps >= 10 && n > 0, "both packs have maps, and they differ");
    // Three or four a map; the maps of medicines, results and mothers came later.
    assert!(n <= 65, "{n} changed leaves");
}
