//! The stage `map`: staged tables in, resources, keys, references, row outcomes, issues and two ledgers out.
//!
//! Maps run one after the other in the order of their names. Batches of a map are mapped on all threads of rayon's
//! current pool and written in row order by one thread, so the files do not depend on threads or batch size.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc;

use arrow_array::RecordBatch;
use epr_model::Stage;
use epr_model::id::IdNamespace;
use epr_run::folder::OldSignature;
use epr_run::ledger::{MapLedger, TableLedger};
use epr_run::staged::{StagedBatch, StagedTable, TableReader};
use epr_run::{FinishedStage, Manifest, RunError, Sha256Hex, StageContext};
use rayon::prelude::*;

use crate::apply::{Applied, ColumnFault, Double, Eval, JoinedBatch, MapProgram, TableData, Units, apply};
use crate::functions::moment::Moment;
use crate::join::doubles::{self, KeyHashes, short_hash};
use crate::join::group::gather;
use crate::join::{LookupIndex, MAX_TABLE_BYTES};
use crate::output::Output;
use crate::plan::{KeyPlan, MapPlan, MappingPlan, PlanColumn};

/// What the stage is told.
pub struct MapInput {
    pub run_hash: Sha256Hex,
    /// One a source system.
    pub plans: Vec<MappingPlan>,
    pub namespace: IdNamespace,
    /// Rows that are read at a time; no file depends on it.
    pub batch_rows: usize,
    /// More refused rows than this end the stage unfinished.
    pub max_refused: Option<Limit>,
    /// Now, for every rule (RFC 3339).
    pub as_of: Option<String>,
    pub old_signature: OldSignature,
}

/// How many rows may be refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    Rows(u64),
    /// Of all rows in scope.
    Percent(f64),
}

/// Why the stage cannot go on. Its folder then stays unfinished.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("map {map} reads table {table}, which 1-extract does not hold; extract its source, or take the map out")]
    TableMissing { map: String, table: String },
    #[error("map {map} does not fit table {table} as it was staged; run extract again, then epr check")]
    Column {
        map: String,
        table: String,
        #[source]
        source: ColumnFault,
    },
    #[error(
        "table {table} takes {found} MiB in memory and map {map} may hold {most} MiB; select fewer columns or rows in \
         the source spec"
    )]
    TableTooLarge { map: String, table: String, found: usize, most: usize },
    #[error("{refused} of {rows} rows are refused and the limit is {limit}; 2-map is unfinished; see --max-refused")]
    TooManyRefused { refused: u64, rows: u64, limit: String },
    #[error("maps {first} and {second} both made {resource_type}/{id}; give one an `.id_part`; 2-map is unfinished")]
    DuplicateId { resource_type: String, id: String, first: String, second: String },
    #[error("`{as_of}` is not a point in time as RFC 3339 writes it")]
    AsOf { as_of: String },
    #[error("the batches of table {table} could not be put together for map {map}")]
    Arrow {
        map: String,
        table: String,
        #[source]
        source: arrow_schema::ArrowError,
    },
}

/// Runs the stage.
pub fn run(ctx: StageContext<'_>, input: &MapInput) -> Result<FinishedStage, MapError> {
    let extract = ctx.run.input(Stage::Extract)?;
    let as_of = input.as_of.as_deref().map(read_as_of).transpose()?;
    let stage = ctx.run.begin(Stage::Map, input.old_signature)?;
    let mut output = Output::new(&stage, input.max_refused)?;
    let mut maps: Vec<(&MappingPlan, &MapPlan)> =
        input.plans.iter().flat_map(|pack| pack.maps.iter().map(move |map| (pack, map))).collect();
    maps.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    output.watch_shared_ids(&maps);

    let mut uses = TableUses::default();
    for (pack, plan) in &maps {
        let program = MapProgram::new(pack, plan, input.namespace, as_of);
        let source = Source { extract: &extract, pack, plan, batch_rows: input.batch_rows.max(1) };
        uses.note(&source)?;
        let main = source.table(&plan.main_table().name)?;
        ctx.progress.begin(&plan.name, Some(main.n_rows), "rows");
        output.begin_map(&program, main);
        let lookups = source.lookups(&program)?;
        if plan.group.is_some() || plan.latest.is_some() {
            run_gathered(ctx, &source, &program, &lookups, &mut output)?;
        } else {
            run_rows(ctx, &source, &program, &lookups, &mut output)?;
        }
        ctx.progress.end();
    }

    let mut manifest = Manifest::new(Stage::Map, input.run_hash.clone());
    manifest.inputs.insert(Stage::Extract.as_str().to_owned(), extract.manifest_hash()?);
    manifest.ledgers.tables = uses.ledgers(&extract);
    output.finish(&mut manifest)?;
    Ok(stage.finish(manifest)?)
}

/// Reads `as_of`.
pub fn read_as_of(text: &str) -> Result<Moment, MapError> {
    Moment::parse_fhir(text).filter(|m| m.has_seconds()).ok_or_else(|| MapError::AsOf { as_of: text.to_owned() })
}

/// Row by row: any size of table, a bounded number of batches in memory.
fn run_rows(
    ctx: StageContext<'_>,
    source: &Source<'_>,
    program: &MapProgram<'_>,
    lookups: &[LookupIndex],
    output: &mut Output,
) -> Result<(), MapError> {
    let doubles = source.doubles(program)?;
    let map_batch = |batch: &StagedBatch| -> Result<Applied, MapError> {
        let main = source.data(
            &batch.batch,
            &source.plan.main_table().name,
            &source.plan.main_table().columns,
            batch.first_row_no,
        )?;
        Ok(apply(program, &JoinedBatch { main: &main, units: Units::EachRow, lookups, doubles: &doubles }))
    };
    let mut batches = source.read_main()?;
    // Small batches are gathered into windows, so that threads have work and the writer few messages.
    let window = (rayon::current_num_threads() * 2).max(16 * 1024 / source.batch_rows).min(1024);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel::<Vec<Applied>>(2);
        let writer = scope.spawn(|| {
            // Dropped where writing fails, so that the sender stops too.
            let receiver = receiver;
            receiver.iter().flatten().try_for_each(|applied| output.write(program, applied))
        });
        let mapped = (|| {
            loop {
                ctx.stop.check()?;
                let read: Vec<StagedBatch> = batches.by_ref().take(window).collect::<Result<_, _>>()?;
                if read.is_empty() {
                    return Ok(());
                }
                let n_rows = read.iter().map(|b| b.batch.num_rows() as u64).sum();
                let applied = read.par_iter().map(map_batch).collect::<Result<Vec<_>, _>>()?;
                if sender.send(applied).is_err() {
                    return Ok(());
                }
                ctx.progress.advance(n_rows);
            }
        })();
        drop(sender);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(mapped)
    })
}

/// `group` and `latest`: the whole table in memory, then groups in the order of their first rows.
fn run_gathered(
    ctx: StageContext<'_>,
    source: &Source<'_>,
    program: &MapProgram<'_>,
    lookups: &[LookupIndex],
    output: &mut Output,
) -> Result<(), MapError> {
    const GROUPS_A_TASK: usize = 4096;
    let main = source.whole_table(&source.plan.main_table().name, &source.plan.main_table().columns)?;
    let gathered = gather(program, &main, lookups);
    let doubles = HashMap::new();
    let mut rows = Vec::new();
    let mut write = |mut applied: Applied, output: &mut Output| {
        rows.append(&mut applied.rows);
        output.write(program, applied)
    };
    write(gathered.set_aside, output)?;
    let tasks: Vec<&[Vec<u32>]> = gathered.groups.chunks(GROUPS_A_TASK).collect();
    for window in tasks.chunks(rayon::current_num_threads() * 2) {
        ctx.stop.check()?;
        let applied: Vec<Applied> = window
            .par_iter()
            .map(|groups| {
                let units = Units::Groups(groups);
                apply(program, &JoinedBatch { main: &main, units, lookups, doubles: &doubles })
            })
            .collect();
        applied.into_iter().try_for_each(|applied| write(applied, output))?;
    }
    ctx.progress.advance(main.n_rows() as u64);
    rows.sort_by_key(|row| row.row_no);
    output.write(program, Applied { rows, ..Applied::default() })
}

/// The staged tables as one map sees them.
pub(crate) struct Source<'s> {
    pub(crate) extract: &'s FinishedStage,
    pub(crate) pack: &'s MappingPlan,
    pub(crate) plan: &'s MapPlan,
    pub(crate) batch_rows: usize,
}

impl<'s> Source<'s> {
    pub(crate) fn table(&self, name: &str) -> Result<&'s StagedTable, MapError> {
        let is_it = |t: &&StagedTable| {
            t.schema.name == name
                && t.organisation.eq_ignore_ascii_case(&self.pack.organisation)
                && t.system == self.pack.system
        };
        self.extract
            .manifest()
            .tables
            .iter()
            .find(is_it)
            .ok_or_else(|| MapError::TableMissing { map: self.plan.name.clone(), table: name.to_owned() })
    }

    /// The look-ups of the map, indexed.
    pub(crate) fn lookups(&self, program: &MapProgram<'_>) -> Result<Vec<LookupIndex>, MapError> {
        let index = |lookup: &crate::plan::LookupPlan| {
            let table = &self.plan.tables[usize::from(lookup.table.0)];
            Ok(LookupIndex::new(program, lookup, self.whole_table(&table.name, &table.columns)?))
        };
        self.plan.lookups.iter().map(index).collect()
    }

    pub(crate) fn read_main(&self) -> Result<TableReader, MapError> {
        let table = self.plan.main_table();
        self.read(&table.name, &table.columns)
    }

    /// A table's columns, whole in memory.
    pub(crate) fn whole_table(&self, name: &str, columns: &[PlanColumn]) -> Result<TableData, MapError> {
        let (map, table) = (|| self.plan.name.clone(), || name.to_owned());
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut n_bytes = 0;
        for batch in self.read(name, columns)? {
            let batch = batch?.batch;
            n_bytes += batch.get_array_memory_size();
            if n_bytes > MAX_TABLE_BYTES {
                let (found, most) = (n_bytes >> 20, MAX_TABLE_BYTES >> 20);
                return Err(MapError::TableTooLarge { map: map(), table: table(), found, most });
            }
            batches.push(batch);
        }
        let whole = match batches.first() {
            None => RecordBatch::new_empty(epr_run::staged::arrow_schema(&self.table(name)?.schema)),
            Some(first) => arrow_select::concat::concat_batches(&first.schema(), &batches)
                .map_err(|source| MapError::Arrow { map: map(), table: table(), source })?,
        };
        self.data(&whole, name, columns, 1)
    }

    pub(crate) fn data(
        &self,
        batch: &RecordBatch,
        table: &str,
        columns: &[PlanColumn],
        first_row_no: u64,
    ) -> Result<TableData, MapError> {
        TableData::new(batch, columns, first_row_no).map_err(|source| MapError::Column {
            map: self.plan.name.clone(),
            table: table.to_owned(),
            source,
        })
    }

    /// Rows whose key is not theirs alone, judged.
    pub(crate) fn doubles(&self, program: &MapProgram<'_>) -> Result<HashMap<u64, Double>, MapError> {
        let table = self.plan.main_table();
        let (columns, is_row_key): (Vec<PlanColumn>, bool) = match &self.plan.key {
            KeyPlan::Columns(key) => (key.iter().map(|c| table.columns[usize::from(*c)].clone()).collect(), false),
            KeyPlan::Row => (table.columns.clone(), true),
            KeyPlan::By(_) => return Ok(HashMap::new()),
        };
        let mut hashes = KeyHashes::default();
        for batch in self.read(&table.name, &columns)? {
            let batch = batch?;
            let keys = self.data(&batch.batch, &table.name, &columns, batch.first_row_no)?;
            hashes.add(&keys, columns.len() as u16, is_row_key);
        }
        let shared = hashes.shared();
        if is_row_key {
            return Ok(doubles::ordinals(&shared));
        }
        if shared.is_empty() {
            return Ok(HashMap::new());
        }
        let content = self.content_of(program, &shared.iter().flatten().copied().collect())?;
        Ok(doubles::judge(&shared, &content))
    }

    /// The hash of each of these rows that is in scope.
    fn content_of(&self, program: &MapProgram<'_>, rows: &HashSet<u64>) -> Result<HashMap<u64, [u8; 16]>, MapError> {
        let table = self.plan.main_table();
        let all = if table.all_columns.is_empty() { &table.columns } else { &table.all_columns };
        let mut content = HashMap::new();
        let mut bytes = Vec::new();
        for batch in self.read(&table.name, all)? {
            let batch = batch?;
            let main = self.data(&batch.batch, &table.name, &table.columns, batch.first_row_no)?;
            let whole = self.data(&batch.batch, &table.name, all, batch.first_row_no)?;
            let mut eval = Eval::new(program, &main, &[]);
            for row in (0..main.n_rows() as u32).filter(|row| rows.contains(&main.row_no(*row))) {
                eval.turn_to(row);
                let in_scope =
                    self.plan.where_.as_ref().is_none_or(|predicate| eval.eval(&predicate.that).truth() == Some(true));
                if in_scope {
                    bytes.clear();
                    whole.push_row(row, &mut bytes);
                    content.insert(main.row_no(row), short_hash(&bytes));
                }
            }
        }
        Ok(content)
    }

    fn read(&self, name: &str, columns: &[PlanColumn]) -> Result<TableReader, MapError> {
        let table = self.table(name)?;
        // A map may need no column at all; the rows still count.
        let mut names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        if names.is_empty() {
            names.extend(table.schema.columns.first().map(|c| c.name.clone()));
        }
        Ok(TableReader::new(self.extract, table, Some(names), self.batch_rows))
    }
}

/// Which staged tables the maps read, for the second ledger.
#[derive(Default)]
struct TableUses {
    in_scope: HashSet<(String, String, String)>,
    looked_up: HashSet<(String, String, String)>,
}

impl TableUses {
    fn note(&mut self, source: &Source<'_>) -> Result<(), MapError> {
        for (i, table) in source.plan.tables.iter().enumerate() {
            let staged = source.table(&table.name)?;
            let set = if i == 0 { &mut self.in_scope } else { &mut self.looked_up };
            set.insert(table_key(staged));
        }
        Ok(())
    }

    fn ledgers(&self, extract: &FinishedStage) -> Vec<TableLedger> {
        let ledger = |table: &StagedTable| {
            let key = table_key(table);
            let (is_in_scope, is_looked_up) = (self.in_scope.contains(&key), self.looked_up.contains(&key));
            let rows_if = |is_it: bool| if is_it { table.n_rows } else { 0 };
            TableLedger {
                organisation: table.organisation.clone(),
                system: table.system.clone(),
                table: table.schema.name.clone(),
                rows: table.n_rows,
                in_scope: rows_if(is_in_scope),
                lookup_only: rows_if(!is_in_scope && is_looked_up),
                not_used: rows_if(!is_in_scope && !is_looked_up),
                reason: (!is_in_scope && !is_looked_up).then(|| "no map reads it".to_owned()),
            }
        };
        extract.manifest().tables.iter().map(ledger).collect()
    }
}

fn table_key(table: &StagedTable) -> (String, String, String) {
    (table.organisation.clone(), table.system.clone(), table.schema.name.clone())
}

/// A ledger line with nothing counted yet.
pub(crate) fn empty_ledger(program: &MapProgram<'_>, table: &StagedTable) -> MapLedger {
    MapLedger {
        map: program.plan().name.clone(),
        organisation: table.organisation.clone(),
        system: table.system.clone(),
        table: table.schema.name.clone(),
        domain: program.plan().domain,
        in_scope: table.n_rows,
        mapped: 0,
        refused: 0,
        excluded: 0,
        superseded: 0,
        repeated: 0,
        empty: 0,
        n_resources: 0,
        owner: program.plan().owner.clone(),
    }
}

/// The limit as a person gave it.
pub(crate) fn limit_text(limit: Limit) -> String {
    match limit {
        Limit::Rows(n) => n.to_string(),
        Limit::Percent(percent) => format!("{percent} %"),
    }
}

/// Counts by code, sorted.
pub(crate) type IssueCounts = BTreeMap<String, u64>;
