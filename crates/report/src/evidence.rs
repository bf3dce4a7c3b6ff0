//! What the report reads of a run besides the findings: manifests and the small files beside them.
//!
//! Each file is hashed again before it is read, so a report never rests on a file that was altered.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use epr_model::{Issue, ResourceId, RowOutcome, Stage, shape};
use epr_run::ledger::{MapLedger, ResourceLedger, TableLedger};
use epr_run::records::{
    CandidateRecord, ControlOutcomeRecord, HoldRecord, KeyRecord, LinkRecord, Record, RefRecord, RowRecord,
    UnmappedCodeRecord,
};
use epr_run::staged::StagedTable;
use epr_run::{FinishedStage, RunError, RunFolder, RunInfo, Sha256Hex, StageContext, records};

use crate::controls::{self, ControlTally};
use crate::honesty::{self, HonestyLedger};
use crate::patients::People;

/// Everything but the findings.
pub(crate) struct Evidence {
    pub(crate) info: RunInfo,
    pub(crate) cut_off: Option<String>,
    pub(crate) staged: Vec<StagedTable>,
    pub(crate) maps: Vec<MapLedger>,
    pub(crate) tables: Vec<TableLedger>,
    pub(crate) resources: BTreeMap<String, ResourceLedger>,
    /// Resources that stage map wrote, by type, from its manifest.
    pub(crate) resources_made: BTreeMap<String, u64>,
    /// Rows by map and outcome, counted in `rows.parquet`, apart from what the ledger says.
    pub(crate) rows: BTreeMap<String, BTreeMap<RowOutcome, u64>>,
    pub(crate) unmapped: Vec<UnmappedPlace>,
    pub(crate) holds: HoldTally,
    pub(crate) links: LinkTally,
    pub(crate) n_refs: u64,
    pub(crate) honesty: Option<HonestyLedger>,
    pub(crate) controls: ControlTally,
    pub(crate) targets: BTreeMap<String, BTreeMap<String, ResourceLedger>>,
    pub(crate) manifests: BTreeMap<String, Sha256Hex>,
}

/// The stages that a report reads, and those of them that hold findings.
pub(crate) struct Inputs {
    pub(crate) extract: FinishedStage,
    pub(crate) map: FinishedStage,
    pub(crate) link: FinishedStage,
    pub(crate) validate: FinishedStage,
    /// By target; empty before the load.
    pub(crate) loads: BTreeMap<String, FinishedStage>,
}

impl Inputs {
    /// Opens the finished stages. `with_loads` is for the report after a load.
    pub(crate) fn open(run: &RunFolder, with_loads: bool) -> Result<Self, RunError> {
        let need = |stage: Stage| {
            run.finished(stage)?
                .ok_or_else(|| RunError::StageMissing { path: run.root().to_owned(), stage: stage.as_str() })
        };
        let inputs = Self {
            extract: need(Stage::Extract)?,
            map: need(Stage::Map)?,
            link: need(Stage::Link)?,
            validate: need(Stage::Validate)?,
            loads: if with_loads { loads(run)? } else { BTreeMap::new() },
        };
        if with_loads && inputs.loads.is_empty() {
            return Err(RunError::StageMissing { path: run.root().to_owned(), stage: Stage::Load.as_str() });
        }
        inputs.verify()?;
        Ok(inputs)
    }

    pub(crate) fn all(&self) -> Vec<FinishedStage> {
        [&self.extract, &self.map, &self.link, &self.validate].into_iter().chain(self.loads.values()).cloned().collect()
    }

    /// The hash of each manifest, by the folder's name.
    pub(crate) fn manifests(&self) -> Result<BTreeMap<String, Sha256Hex>, RunError> {
        let mut manifests = BTreeMap::new();
        let fixed = [
            (Stage::Extract, &self.extract),
            (Stage::Map, &self.map),
            (Stage::Link, &self.link),
            (Stage::Validate, &self.validate),
        ];
        for (stage, finished) in fixed {
            manifests.insert(stage.folder().to_owned(), finished.manifest_hash()?);
        }
        for (target, finished) in &self.loads {
            manifests.insert(format!("{}/{target}", Stage::Load.folder()), finished.manifest_hash()?);
        }
        Ok(manifests)
    }

    /// Hashes the files that a report reads; the tables and resources themselves are not read and not hashed.
    fn verify(&self) -> Result<(), RunError> {
        let read = [
            Issue::FILE,
            RowRecord::FILE,
            UnmappedCodeRecord::FILE,
            LinkRecord::FILE,
            CandidateRecord::FILE,
            HoldRecord::FILE,
            ControlOutcomeRecord::FILE,
            KeyRecord::FILE,
            RefRecord::FILE,
            honesty::FILE,
        ];
        for stage in self.all() {
            for entry in stage.manifest().files.iter().filter(|f| read.contains(&f.path.as_str())) {
                let path = stage.path().join(&entry.path);
                let (sha256, bytes) = Sha256Hex::of_file(&path)?;
                if sha256 != entry.sha256 || bytes != entry.bytes {
                    return Err(RunError::Altered { path, what: "its hash is not the manifest's".to_owned() });
                }
            }
        }
        Ok(())
    }
}

fn loads(run: &RunFolder) -> Result<BTreeMap<String, FinishedStage>, RunError> {
    let folder = run.root().join(Stage::Load.folder());
    let mut loads = BTreeMap::new();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(loads),
        Err(e) => return Err(RunError::io("list", &folder)(e)),
    };
    for entry in entries {
        let name = entry.map_err(RunError::io("list", &folder))?.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if let Some(finished) = run.finished_load(&name)? {
            loads.insert(name, finished);
        }
    }
    Ok(loads)
}

/// A place in a mapping whose code map lacks codes: how many codes and rows, and what the codes look like.
#[derive(Debug, Default)]
pub(crate) struct UnmappedPlace {
    pub(crate) map: String,
    pub(crate) map_line: u32,
    pub(crate) code_map: String,
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) n_codes: u64,
    pub(crate) n_rows: u64,
    /// Rows by shape of the code.
    pub(crate) shapes: BTreeMap<String, u64>,
}

/// Held resources by rule.
#[derive(Debug, Default)]
pub(crate) struct HoldTally {
    pub(crate) rules: BTreeMap<String, HeldByRule>,
}

#[derive(Debug, Default)]
pub(crate) struct HeldByRule {
    pub(crate) roots: u64,
    pub(crate) dependants: u64,
    pub(crate) types: BTreeMap<String, u64>,
    /// By who answers for the map that made the resource.
    pub(crate) owners: BTreeMap<String, u64>,
}

/// What link merged, and what it left to a person.
#[derive(Debug, Default)]
pub(crate) struct LinkTally {
    pub(crate) n_retired: u64,
    /// People by the number of their source records (2 and more).
    pub(crate) by_size: BTreeMap<u64, u64>,
    pub(crate) by_evidence: BTreeMap<String, u64>,
    pub(crate) n_candidates: u64,
    pub(crate) by_reason: BTreeMap<String, u64>,
}

/// Reads it all. `people` learns which Patient became which person.
pub(crate) fn read(ctx: StageContext<'_>, inputs: &Inputs, people: &mut People) -> Result<Evidence, RunError> {
    let links = read_links(&inputs.link, people)?;
    let validated = &inputs.validate.manifest().ledgers.resources;
    let resources = if validated.is_empty() { &inputs.link.manifest().ledgers.resources } else { validated };
    let targets = inputs.loads.iter().map(|(name, s)| (name.clone(), s.manifest().ledgers.resources.clone()));
    let info = ctx.run.info()?;
    Ok(Evidence {
        controls: controls::read(ctx, &inputs.validate, &info.as_of)?,
        info,
        cut_off: inputs.extract.manifest().cut_off.clone(),
        staged: inputs.extract.manifest().tables.clone(),
        maps: inputs.map.manifest().ledgers.maps.clone(),
        tables: inputs.map.manifest().ledgers.tables.clone(),
        resources: resources.clone(),
        resources_made: inputs.map.manifest().resources.clone(),
        rows: read_rows(ctx, &inputs.map)?,
        unmapped: read_unmapped(&inputs.map)?,
        holds: read_holds(ctx, inputs)?,
        links,
        n_refs: match records::count::<RefRecord>(&inputs.link)? {
            0 => records::count::<RefRecord>(&inputs.map)?,
            n => n,
        },
        honesty: honesty::read(&inputs.validate)?,
        targets: targets.collect(),
        manifests: inputs.manifests()?,
    })
}

fn read_rows(
    ctx: StageContext<'_>,
    map: &FinishedStage,
) -> Result<BTreeMap<String, BTreeMap<RowOutcome, u64>>, RunError> {
    let mut rows: BTreeMap<String, BTreeMap<RowOutcome, u64>> = BTreeMap::new();
    let total = records::count::<RowRecord>(map)?;
    ctx.progress.begin("rows", Some(total), "rows");
    for (i, row) in records::read::<RowRecord>(map)?.enumerate() {
        let row = row?;
        match rows.get_mut(&row.map) {
            Some(outcomes) => *outcomes.entry(row.outcome).or_default() += 1,
            None => {
                rows.insert(row.map, BTreeMap::from([(row.outcome, 1)]));
            }
        }
        if i % 65_536 == 65_535 {
            ctx.stop.check()?;
            ctx.progress.advance(65_536);
        }
    }
    ctx.progress.advance(total % 65_536);
    ctx.progress.end();
    Ok(rows)
}

/// The codes themselves go no further than this function: only their number and their shapes do.
fn read_unmapped(map: &FinishedStage) -> Result<Vec<UnmappedPlace>, RunError> {
    let mut places: BTreeMap<(String, u32, String, String, String), UnmappedPlace> = BTreeMap::new();
    for code in records::read::<UnmappedCodeRecord>(map)? {
        let c = code?;
        let shape = shape::of_text(&c.source_code);
        let place = places
            .entry((c.map.clone(), c.map_line, c.code_map.clone(), c.table.clone(), c.column.clone()))
            .or_insert_with(|| UnmappedPlace {
                map: c.map,
                map_line: c.map_line,
                code_map: c.code_map,
                table: c.table,
                column: c.column,
                ..UnmappedPlace::default()
            });
        place.n_codes += 1;
        place.n_rows += c.n_rows;
        *place.shapes.entry(shape).or_default() += c.n_rows;
    }
    Ok(places.into_values().collect())
}

fn read_holds(ctx: StageContext<'_>, inputs: &Inputs) -> Result<HoldTally, RunError> {
    let mut tally = HoldTally::default();
    // Which rule holds a resource, until the keys say which map made it.
    let mut rule_of: HashMap<(String, ResourceId), String> = HashMap::new();
    for (i, hold) in records::read::<HoldRecord>(&inputs.validate)?.enumerate() {
        let hold = hold?;
        rule_of.insert((hold.resource_type.clone(), hold.id), hold.rule.clone());
        let rule = tally.rules.entry(hold.rule).or_default();
        match hold.root_cause {
            None => rule.roots += 1,
            Some(_) => rule.dependants += 1,
        }
        *rule.types.entry(hold.resource_type).or_default() += 1;
        if i % 65_536 == 0 {
            ctx.stop.check()?;
        }
    }
    if rule_of.is_empty() {
        return Ok(tally);
    }
    let maps = &inputs.map.manifest().ledgers.maps;
    let owners: BTreeMap<&str, &str> =
        maps.iter().filter_map(|m| Some((m.map.as_str(), m.owner.as_deref()?))).collect();
    for (i, key) in records::read::<KeyRecord>(&inputs.link)?.enumerate() {
        let key = key?;
        if let Some(rule) = rule_of.remove(&(key.resource_type, key.id)).and_then(|r| tally.rules.get_mut(&r)) {
            let owner = owners.get(key.map.as_str()).copied().unwrap_or("nobody named");
            *rule.owners.entry(owner.to_owned()).or_default() += 1;
            if rule_of.is_empty() {
                break;
            }
        }
        if i % 65_536 == 0 {
            ctx.stop.check()?;
        }
    }
    Ok(tally)
}

fn read_links(link: &FinishedStage, people: &mut People) -> Result<LinkTally, RunError> {
    let mut tally = LinkTally::default();
    let mut members: BTreeMap<epr_model::ResourceId, u64> = BTreeMap::new();
    for record in records::read::<LinkRecord>(link)? {
        let record = record?;
        people.merged(record.retired_id, record.person_id);
        tally.n_retired += 1;
        *members.entry(record.person_id).or_insert(1) += 1;
        *tally.by_evidence.entry(record.evidence).or_default() += 1;
    }
    for size in members.into_values() {
        *tally.by_size.entry(size).or_default() += 1;
    }
    for record in records::read::<CandidateRecord>(link)? {
        tally.n_candidates += 1;
        *tally.by_reason.entry(record?.reason).or_default() += 1;
    }
    Ok(tally)
}
