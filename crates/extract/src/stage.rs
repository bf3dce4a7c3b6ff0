//! The stage itself: sources in their order, tables in theirs.

use std::path::Path;

use epr_model::Stage;
use epr_model::schema::{SystemSchema, TableSchema};
use epr_run::whole_file::{self, Access};
use epr_run::{FinishedStage, Manifest, StageContext};

use crate::source::{ExtractInput, Source};
use crate::spec::{self, FhirTable, From, SpecFaults, SystemSpec, TableSpec};
use crate::staging::Outlet;
use crate::{ExtractError, controls, delimited, fhir, fixed, odbc, sheet, xml};

/// Reads all sources and writes `1-extract`: the staged tables, `issues.parquet`, blobs and the manifest.
///
/// All specs are checked before the first source is opened. An issue is never an error here: the caller reads the
/// manifest's counts (a fatal one, such as a truncated XML file, ends a run with exit 1).
pub fn run(ctx: StageContext<'_>, input: &ExtractInput) -> Result<FinishedStage, ExtractError> {
    let specs: Vec<SystemSpec> = input.sources.iter().map(parse_spec).collect::<Result<_, _>>()?;
    let stage = ctx.run.begin(Stage::Extract, input.old_signature)?;
    let outlet = Outlet::new(&stage)?;
    let mut manifest = Manifest::new(Stage::Extract, input.run_hash.clone());
    let as_of = ctx.run.info()?.as_of;
    for (source, spec) in input.sources.iter().zip(&specs) {
        let database = match source.kind {
            crate::SourceKind::Odbc => Some(odbc::Database::open(source)?),
            _ => None,
        };
        outlet.begin_count(source, &spec.controls, &as_of)?;
        let mut n_fhir = 0;
        for table in &spec.tables {
            ctx.stop.check()?;
            let staged = match &table.from {
                // One reading of the files gives all tables, where the first of them stands.
                From::Fhir(_) if n_fhir == 0 => {
                    let tables = fhir_tables(spec);
                    n_fhir = tables.len();
                    fhir::stage_tables(&ctx, &outlet, source, &tables)?
                }
                From::Fhir(_) => Vec::new(),
                From::Xml(xml) => xml::stage_table(&ctx, &outlet, source, table, xml)?,
                From::Csv(csv) => delimited::stage_table(&ctx, &outlet, source, table, csv)?,
                From::Sheet(sheet) => sheet::stage_table(&ctx, &outlet, source, table, sheet)?,
                From::Fixed(fixed) => fixed::stage_table(&ctx, &outlet, source, table, fixed)?,
                From::Database(query) => {
                    let database = database.as_ref().expect("a table of a database stands in a source of a database");
                    vec![database.stage_table(&ctx, &outlet, table, query, input.batch_rows)?]
                }
            };
            manifest.tables.extend(staged);
        }
        let staged: Vec<TableSchema> =
            manifest.tables.iter().filter(|t| t.source == source.name).map(|t| t.schema.clone()).collect();
        check_controls(source, spec, &staged)?;
        manifest.ledgers.controls.extend(outlet.end_count()?);
    }
    manifest.issues = outlet.finish()?;
    manifest.cut_off.clone_from(&input.cut_off);
    Ok(stage.finish(manifest)?)
}

fn fhir_tables(spec: &SystemSpec) -> Vec<(&TableSpec, &FhirTable)> {
    let tables = spec.tables.iter().filter_map(|table| match &table.from {
        From::Fhir(fhir) => Some((table, fhir)),
        _ => None,
    });
    tables.collect()
}

/// The schema of a source: what `epr extract --schema` writes beside the spec. No row is read.
///
/// A database is asked for its columns; what is read from XML, workbooks, fixed-width files and FHIR follows from the
/// spec alone; CSV too, where the spec lists columns (else the header lines are read).
pub fn schema(source: &Source) -> Result<SystemSchema, ExtractError> {
    let spec = parse_spec(source)?;
    let database = match source.kind {
        crate::SourceKind::Odbc => Some(odbc::Database::open(source)?),
        _ => None,
    };
    let mut tables = Vec::new();
    for table in &spec.tables {
        match &table.from {
            From::Xml(xml) => tables.extend(spec::schema::of_xml(table, xml)),
            From::Sheet(sheet) => tables.push(spec::schema::of_sheet(table, sheet)),
            From::Fixed(fixed) => tables.push(spec::schema::of_fixed(table, fixed)),
            From::Fhir(fhir) => tables.push(spec::schema::of_fhir(table, fhir)),
            From::Csv(csv) => {
                tables.push(delimited::table_schema(source, table, csv)?);
            }
            From::Database(query) => {
                let database = database.as_ref().expect("a table of a database stands in a source of a database");
                tables.push(database.table_schema(table, query)?);
            }
        }
    }
    check_controls(source, &spec, &tables)?;
    Ok(SystemSchema { pack: source.pack(), tables })
}

/// Checks the tables and columns that the `controls:` of a spec name against the schema of its source, for a source
/// whose schema does not follow from the spec. What `epr check` calls with the committed schema.
pub fn check_against(source: &Source, schema: &SystemSchema) -> Result<(), ExtractError> {
    check_controls(source, &parse_spec(source)?, &schema.tables)
}

fn check_controls(source: &Source, spec: &SystemSpec, tables: &[TableSchema]) -> Result<(), ExtractError> {
    let faults = controls::check(&spec.controls, tables);
    if faults.is_empty() {
        return Ok(());
    }
    Err(ExtractError::Spec(SpecFaults { path: source.spec_path.clone(), faults }))
}

/// Checks the spec of a source; where its schema follows from the spec alone, that schema.
///
/// `None` for a source whose columns stand in the source only. What `epr check` calls: nothing is opened.
pub fn schema_from_spec(source: &Source) -> Result<Option<SystemSchema>, ExtractError> {
    let spec = parse_spec(source)?;
    let mut tables = Vec::new();
    for table in &spec.tables {
        match &table.from {
            From::Xml(xml) => tables.extend(spec::schema::of_xml(table, xml)),
            From::Sheet(sheet) => tables.push(spec::schema::of_sheet(table, sheet)),
            From::Fixed(fixed) => tables.push(spec::schema::of_fixed(table, fixed)),
            From::Fhir(fhir) => tables.push(spec::schema::of_fhir(table, fhir)),
            From::Csv(csv) if csv.columns.is_some() => {
                tables.push(delimited::table_schema(source, table, csv)?);
            }
            From::Csv(_) | From::Database(_) => return Ok(None),
        }
    }
    check_controls(source, &spec, &tables)?;
    Ok(Some(SystemSchema { pack: source.pack(), tables }))
}

/// Writes a schema file, whole or not at all: `sources/<ods>/<system>.schema.json`.
pub fn write_schema(path: &Path, schema: &SystemSchema) -> Result<(), ExtractError> {
    let mut bytes = serde_json::to_vec_pretty(schema).expect("a schema has text keys only");
    bytes.push(b'\n');
    Ok(whole_file::write(path, &bytes, Access::Group)?)
}

/// Reads a schema file.
pub fn read_schema(path: &Path) -> Result<SystemSchema, ExtractError> {
    let bytes = std::fs::read(path).map_err(ExtractError::io("read", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| ExtractError::SchemaFile { path: path.to_owned(), reason: e.to_string() })
}

fn parse_spec(source: &Source) -> Result<SystemSpec, ExtractError> {
    spec::parse(&source.spec_text, source.kind, &source.spec_path).map_err(ExtractError::Spec)
}
