//! Mapping files over rows, from text to resources: each input in `tests/inputs/run` holds a map, the files beside
//! it and its tables; the snapshot is what the stage makes of them.
//!
//! A line `=== PATH` opens a file below `mappings/`; `=== table NAME key COLUMNS` a table of texts (`key row` where it
//! has none): its head, then its rows, cells between `|`, `~` for null.

#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod run_support;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use epr_fhir::definitions::Definitions;
use epr_fhir::package::{PackageCache, PackageSource};
use epr_mapping::testing::run_pack;
use epr_mapping::{Colour, CompileInput, Sources, compile};
use epr_model::schema::{SystemSchema, TableKey};
use epr_run::records::RowRecord;
use run_support::*;

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs")
}

static SUBSET: LazyLock<Definitions> = LazyLock::new(|| {
    let source = PackageSource::open(&inputs().join("r4-subset")).unwrap();
    Definitions::load_with(&PackageCache::at(std::env::temp_dir()), &[], &[source]).unwrap()
});

struct Input {
    sources: Sources,
    tables: Vec<Table>,
    schema: SystemSchema,
}

fn read_input(path: &Path) -> Input {
    let text = fs::read_to_string(path).unwrap();
    let map = path.file_stem().unwrap().to_str().unwrap();
    let name = text.lines().find_map(|l| l.strip_prefix("map: ")).unwrap_or(map).trim().to_owned();
    let mut input = Input {
        sources: Sources::new("mappings/"),
        tables: Vec::new(),
        schema: SystemSchema { pack: "rk9/ipm".to_owned(), tables: Vec::new() },
    };
    let mut blocks = text.split("\n=== ");
    input.sources.add(&format!("rk9/ipm/{name}.yaml"), &format!("{}\n", blocks.next().unwrap()));
    for block in blocks {
        let (head, body) = block.split_once('\n').unwrap();
        let Some(table) = head.strip_prefix("table ") else {
            input.sources.add(head.trim(), &format!("{}\n", body.trim_end()));
            continue;
        };
        let (name, key) = table.split_once(" key ").unwrap();
        let key = match key.trim() {
            "row" => TableKey::Row,
            columns => TableKey::Columns(columns.split(',').map(str::to_owned).collect()),
        };
        let mut lines = body.lines();
        let columns: &str = lines.next().unwrap();
        // A test leaks a few bytes, so that tables can be written as literals elsewhere.
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let rows: Vec<&str> = lines.filter(|l| !l.is_empty()).collect();
        let table = Table::new(leak(name), leak(columns), &rows);
        input.schema.tables.push(table.schema(key));
        input.tables.push(table);
    }
    input
}

fn shown(path: &Path) -> String {
    let input = read_input(path);
    let compiled = compile(&CompileInput {
        pack: "rk9/ipm",
        organisation: "RK9",
        system: "ipm",
        sources: &input.sources,
        schema: &input.schema,
        others: &[],
        definitions: &SUBSET,
        strict: false,
    });
    let mut out = String::new();
    for diagnostic in &compiled.diagnostics {
        writeln!(out, "{}\n", diagnostic.render(&input.sources, Colour::Never)).unwrap();
    }
    let Some(plan) = compiled.plan else { return out };
    for result in run_pack(&plan, NAMESPACE.parse().unwrap(), None) {
        writeln!(out, "test {}: {}", result.name, if result.passed() { "passed" } else { "failed" }).unwrap();
        for failure in &result.failures {
            writeln!(out, "  line {}: {}", failure.line, failure.message).unwrap();
        }
    }
    let run = extracted(&input.tables);
    let stage = run.map(plan.maps.clone());
    for resource_type in epr_run::parts::resource_types(&stage) {
        writeln!(out, "--- {resource_type}\n{}", resources(&stage, &resource_type)).unwrap();
    }
    writeln!(out, "--- rows\n{}", outcomes(&stage)).unwrap();
    for row in all::<RowRecord>(&stage) {
        if let Some(measures) = row.measures {
            writeln!(out, "{} {measures}", row.row_no).unwrap();
        }
    }
    writeln!(out, "--- issues\n{}", issues(&stage)).unwrap();
    // The same files whatever the batches.
    assert_eq!(hashes(&run.map_with(plan.maps, 1, None).unwrap()), hashes(&stage));
    out
}

#[test]
fn each_input_gives_what_its_snapshot_holds() {
    insta::glob!("inputs/run/*.yaml", |path| insta::assert_snapshot!(shown(path)));
}
