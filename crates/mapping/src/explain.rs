//! Lineage of one resource: its rows are read again and mapped with an evaluator that notes what it sees.
//!
//! Nothing but the place of its row is stored for a resource; so an explanation is always of this plan and these
//! staged rows, and a run whose plan changed since is told apart by its content hash.

use std::collections::HashMap;

use epr_model::id::IdNamespace;
use epr_model::{ResourceId, Sensitive, Stage};
use epr_run::records::{self, KeyRecord};
use epr_run::{FinishedStage, RunError, RunFolder};
use sha2::{Digest, Sha256};

use crate::apply::{Applied, JoinedBatch, MapProgram, RowRun, SeenCell, TableData, Trace, TracedElement, Units};
use crate::functions::Function;
use crate::join::group::gather;
use crate::plan::{MapPlan, MappingPlan};
use crate::stage::{MapError, Source, read_as_of};

/// A resource and where each of its elements comes from.
#[derive(Debug)]
pub struct Explanation {
    pub resource_type: String,
    pub id: ResourceId,
    /// `<ods>/<system>/<map>`.
    pub map: String,
    /// `<organisation>/<system>/<table>`.
    pub table: String,
    pub row_no: u64,
    /// Whether the replay gave the bytes that the run holds.
    pub is_same: bool,
    pub elements: Vec<ExplainedElement>,
}

/// One element.
#[derive(Debug)]
pub struct ExplainedElement {
    /// `name[0].family`.
    pub fhir_path: String,
    /// JSON as written; for restricted output only.
    pub value: Sensitive<Vec<u8>>,
    /// What may be shown to anybody.
    pub shape: String,
    pub cells: Vec<ExplainedCell>,
    /// In the order in which they were called.
    pub functions: Vec<&'static str>,
    /// Code map row: file and line.
    pub code_map_rows: Vec<(String, u32)>,
    /// The line that wrote the element: file and line.
    pub mapping: (String, u32),
}

/// A cell that went into an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedCell {
    pub table: String,
    pub column: String,
    pub row_no: u64,
}

/// Why a resource cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("{resource_type}/{id} is not a resource of stage map in this run")]
    NotFound { resource_type: String, id: ResourceId },
    #[error("{resource_type}/{id} was made by map {map}, which the project no longer has")]
    NoMap { resource_type: String, id: ResourceId, map: String },
    #[error(transparent)]
    Map(#[from] MapError),
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What the replay needs to know; the same as the stage was told.
#[derive(Debug, Clone, Copy)]
pub struct ExplainInput<'e> {
    pub plans: &'e [MappingPlan],
    pub namespace: IdNamespace,
    pub as_of: Option<&'e str>,
}

/// Finds a resource and replays its row.
pub fn explain(
    run: &RunFolder,
    input: ExplainInput<'_>,
    resource_type: &str,
    id: ResourceId,
) -> Result<Explanation, ExplainError> {
    let missing = |stage: Stage| RunError::StageMissing { path: run.root().to_owned(), stage: stage.as_str() };
    let mapped = run.finished(Stage::Map)?.ok_or_else(|| missing(Stage::Map))?;
    let extract = run.finished(Stage::Extract)?.ok_or_else(|| missing(Stage::Extract))?;
    let key = find_key(&mapped, resource_type, id)?;
    let (pack, plan) = input
        .plans
        .iter()
        .flat_map(|pack| pack.maps.iter().map(move |map| (pack, map)))
        .find(|(_, map)| map.name == key.map)
        .ok_or_else(|| ExplainError::NoMap { resource_type: key.resource_type.clone(), id, map: key.map.clone() })?;
    let as_of = input.as_of.map(read_as_of).transpose()?;
    let program = MapProgram::new(pack, plan, input.namespace, as_of);
    let source = Source { extract: &extract, pack, plan, batch_rows: 8192 };
    let replayed = replay(&source, &program, &key)?;
    Ok(explanation(plan, key, replayed))
}

struct Replayed {
    elements: Vec<TracedElement>,
    content_hash: Option<[u8; 32]>,
}

fn find_key(mapped: &FinishedStage, resource_type: &str, id: ResourceId) -> Result<KeyRecord, ExplainError> {
    for key in records::read::<KeyRecord>(mapped)? {
        let key = key?;
        if key.id == id && key.resource_type == resource_type {
            return Ok(key);
        }
    }
    Err(ExplainError::NotFound { resource_type: resource_type.to_owned(), id })
}

fn replay(source: &Source<'_>, program: &MapProgram<'_>, key: &KeyRecord) -> Result<Replayed, MapError> {
    let plan = source.plan;
    let lookups = source.lookups(program)?;
    let table = plan.main_table();
    if plan.group.is_some() || plan.latest.is_some() {
        let main = source.whole_table(&table.name, &table.columns)?;
        let groups = gather(program, &main, &lookups).groups;
        let doubles = HashMap::new();
        let is_it = |rows: &&Vec<u32>| rows.first().is_some_and(|first| main.row_no(*first) == key.row_no);
        let Some(rows) = groups.iter().find(is_it) else { return Ok(none()) };
        let units = Units::Groups(std::slice::from_ref(rows));
        let batch = JoinedBatch { main: &main, units, lookups: &lookups, doubles: &doubles };
        return Ok(traced(program, &batch, key, |run| run.group(rows)));
    }
    let doubles = source.doubles(program)?;
    for batch in source.read_main()? {
        let batch = batch?;
        let end = batch.first_row_no + batch.batch.num_rows() as u64;
        if !(batch.first_row_no..end).contains(&key.row_no) {
            continue;
        }
        let main: TableData = source.data(&batch.batch, &table.name, &table.columns, batch.first_row_no)?;
        let row = (key.row_no - batch.first_row_no) as u32;
        let batch = JoinedBatch { main: &main, units: Units::EachRow, lookups: &lookups, doubles: &doubles };
        return Ok(traced(program, &batch, key, |run| run.row(row)));
    }
    Ok(none())
}

const fn none() -> Replayed {
    Replayed { elements: Vec::new(), content_hash: None }
}

/// Maps one unit with a trace and keeps what belongs to the resource.
fn traced<'a>(
    program: &'a MapProgram<'a>,
    batch: &'a JoinedBatch<'a>,
    key: &KeyRecord,
    map: impl FnOnce(&mut RowRun<'a>),
) -> Replayed {
    let mut run = RowRun::new(program, batch);
    run.emitter.eval.trace = Some(Trace::default());
    map(&mut run);
    let elements = run.emitter.eval.trace.take().map(|trace| trace.elements).unwrap_or_default();
    let applied: Applied = run.finish();
    let Some(resource) = applied.resources.iter().find(|r| r.id == key.id) else { return none() };
    let content = &applied.bytes[resource.range.clone()];
    let prefix = format!("{}/{}", key.resource_type, key.id);
    let elements = elements.into_iter().filter(|e| e.resource == prefix).collect();
    Replayed { elements, content_hash: Some(Sha256::digest(content).into()) }
}

fn explanation(plan: &MapPlan, key: KeyRecord, replayed: Replayed) -> Explanation {
    let elements = replayed.elements.into_iter().map(|element| ExplainedElement {
        fhir_path: element.path,
        shape: epr_model::shape::of_text(&String::from_utf8_lossy(unquoted(&element.json))),
        value: Sensitive::new(element.json),
        cells: element.seen.cells.iter().map(|cell| explained_cell(plan, *cell)).collect(),
        functions: element.seen.functions.iter().map(|f: &Function| f.name()).collect(),
        code_map_rows: element.seen.code_map_rows,
        mapping: (plan.file(element.at).to_owned(), element.at.line),
    });
    Explanation {
        elements: elements.collect(),
        is_same: replayed.content_hash == Some(key.content_hash),
        resource_type: key.resource_type,
        id: key.id,
        map: key.map,
        table: key.table,
        row_no: key.row_no,
    }
}

fn explained_cell(plan: &MapPlan, cell: SeenCell) -> ExplainedCell {
    let (table, column, row_no) = match cell {
        SeenCell::OfRow(column, row_no) => (plan.table_of_row(column.row), column.column, row_no),
        SeenCell::OfList(table, column, row_no) => (&plan.tables[usize::from(table.0)], column, row_no),
    };
    let column = table.columns[usize::from(column)].name.clone();
    ExplainedCell { table: table.name.clone(), column, row_no }
}

fn unquoted(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\"").and_then(|j| j.strip_suffix(b"\"")).unwrap_or(json)
}
