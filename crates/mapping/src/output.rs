//! The files of the stage `map`, written in the order in which batches come.

use std::collections::{BTreeMap, HashMap};

use epr_model::ResourceId;
use epr_run::ledger::MapLedger;
use epr_run::parts::PartWriter;
use epr_run::records::{KeyRecord, RecordWriter, RefRecord, RowRecord, UnmappedCodeRecord};
use epr_run::staged::StagedTable;
use epr_run::{Manifest, RunError, StageFolder};

use crate::apply::{Applied, MapProgram, ResourceOut, UnmappedCode};
use crate::plan::{MapPlan, MappingPlan, PlanTable};
use crate::stage::{IssueCounts, Limit, MapError, empty_ledger, limit_text};

/// One writer a file, one a resource type.
pub(crate) struct Output<'f> {
    stage: &'f StageFolder,
    types: BTreeMap<String, TypeWriter>,
    keys: RecordWriter<KeyRecord>,
    refs: RecordWriter<RefRecord>,
    rows: RecordWriter<RowRecord>,
    ref_record: RefRecord,
    /// Of the map begun last.
    row_record: Option<RowRecord>,
    issues: RecordWriter<epr_model::Issue>,
    unmapped: BTreeMap<(usize, UnmappedCode), u64>,
    /// Name and tables of each map begun, for the codes that its code maps do not know.
    maps: Vec<MapNames>,
    ledgers: Vec<MapLedger>,
    issue_counts: IssueCounts,
    max_refused: Option<Limit>,
    /// Resources whose ids two maps could make: the ids made so far, and by which map.
    shared: HashMap<(String, usize), HashMap<ResourceId, usize>>,
    /// By map name and resource index: the group of `shared`.
    shared_groups: HashMap<(String, usize), (String, usize)>,
}

struct MapNames {
    name: String,
    tables: Vec<PlanTable>,
    /// `<organisation>/<system>/`.
    path: String,
}

impl MapNames {
    /// `<organisation>/<system>/<table>` of the map's own table.
    fn table_path(&self) -> String {
        format!("{}{}", self.path, self.tables[0].name)
    }

    fn table(&self, code: &UnmappedCode) -> &PlanTable {
        &self.tables[code.column.map_or(0, |(table, _)| usize::from(table.0))]
    }

    fn column(&self, code: &UnmappedCode) -> Option<String> {
        let (_, column) = code.column?;
        Some(self.table(code).columns.get(usize::from(column))?.name.clone())
    }
}

struct TypeWriter {
    parts: PartWriter,
    /// Keys of the part being written.
    pending: Vec<PendingKey>,
    part: u32,
}

/// A key without the texts that it shares with all others of its map.
struct PendingKey {
    id: ResourceId,
    key_hash: [u8; 16],
    content_hash: [u8; 32],
    row_no: u64,
    /// Index into [`Output::maps`].
    map: usize,
}

impl<'f> Output<'f> {
    pub(crate) fn new(stage: &'f StageFolder, max_refused: Option<Limit>) -> Result<Self, RunError> {
        Ok(Self {
            stage,
            types: BTreeMap::new(),
            keys: RecordWriter::new(stage)?,
            refs: RecordWriter::new(stage)?,
            rows: RecordWriter::new(stage)?,
            ref_record: RefRecord {
                from_type: String::new(),
                from_id: ResourceId::from_bytes([0; 16]),
                to_type: String::new(),
                to_id: ResourceId::from_bytes([0; 16]),
                path: String::new(),
            },
            row_record: None,
            issues: RecordWriter::new(stage)?,
            unmapped: BTreeMap::new(),
            maps: Vec::new(),
            ledgers: Vec::new(),
            issue_counts: IssueCounts::new(),
            max_refused,
            shared: HashMap::new(),
            shared_groups: HashMap::new(),
        })
    }

    /// Finds the resources of different maps that have one recipe: only their ids can meet.
    pub(crate) fn watch_shared_ids(&mut self, maps: &[(&MappingPlan, &MapPlan)]) {
        let mut by_recipe: BTreeMap<_, Vec<(String, usize)>> = BTreeMap::new();
        for (pack, map) in maps {
            for (i, resource) in map.resources.iter().enumerate() {
                let recipe = (
                    &pack.organisation,
                    &pack.system,
                    &map.main_table().name,
                    &resource.resource_type,
                    &resource.id_part,
                );
                by_recipe.entry(recipe).or_default().push((map.name.clone(), i));
            }
        }
        for group in by_recipe.into_values().filter(|group| group.len() > 1) {
            for member in &group {
                self.shared_groups.insert(member.clone(), group[0].clone());
            }
        }
    }

    pub(crate) fn begin_map(&mut self, program: &MapProgram<'_>, table: &StagedTable) {
        let plan = program.plan();
        self.row_record = None;
        let path = program.table_path().strip_suffix(&plan.main_table().name).unwrap_or_default().to_owned();
        self.maps.push(MapNames { name: plan.name.clone(), tables: plan.tables.clone(), path });
        self.ledgers.push(empty_ledger(program, table));
    }

    /// Writes what came of a batch of the map begun last.
    pub(crate) fn write(&mut self, program: &MapProgram<'_>, applied: Applied) -> Result<(), MapError> {
        let plan = program.plan();
        for resource in &applied.resources {
            self.check_id(plan, resource)?;
            self.write_resource(program, resource, &applied.bytes)?;
        }
        for reference in &applied.refs {
            let from = &applied.resources[reference.resource as usize];
            // One record is filled again and again: its texts keep their memory.
            let record = &mut self.ref_record;
            record.from_type.clone_from(&plan.resources[usize::from(from.resource)].resource_type);
            record.from_id = from.id;
            replace(&mut record.to_type, &plan.ref_targets[usize::from(reference.target.0)].resource_type);
            record.to_id = reference.id;
            replace(&mut record.path, &reference.path);
            self.refs.push(record)?;
        }
        let ledger = self.ledgers.last_mut().expect("a map was begun");
        for row in applied.rows {
            ledger.count(row.outcome, row.n_resources.into());
            let record = self.row_record.get_or_insert_with(|| RowRecord {
                table: program.table_path().to_owned(),
                row_no: 0,
                map: plan.name.clone(),
                domain: plan.domain,
                outcome: row.outcome,
                n_resources: 0,
                measures: None,
                issue: None,
            });
            record.row_no = row.row_no;
            record.outcome = row.outcome;
            record.n_resources = row.n_resources;
            record.measures = row.measures;
            record.issue = row.issue;
            self.rows.push(record)?;
        }
        if let Some(Limit::Rows(most)) = self.max_refused
            && self.refused().0 > most
        {
            return Err(self.too_many_refused());
        }
        for placed in applied.issues {
            *self.issue_counts.entry(placed.issue.code.clone()).or_default() += 1;
            self.issues.push(&placed.issue)?;
        }
        let map = self.maps.len() - 1;
        for (code, n) in applied.unmapped {
            *self.unmapped.entry((map, code)).or_default() += n;
        }
        Ok(())
    }

    /// Ends every file and fills the manifest.
    pub(crate) fn finish(mut self, manifest: &mut Manifest) -> Result<(), MapError> {
        if let Some(Limit::Percent(most)) = self.max_refused {
            let (refused, rows) = self.refused();
            if refused as f64 * 100.0 > most * rows as f64 {
                return Err(self.too_many_refused());
            }
        }
        let mut unmapped = RecordWriter::<UnmappedCodeRecord>::new(self.stage)?;
        for ((map, code), n_rows) in &self.unmapped {
            let names = &self.maps[*map];
            unmapped.push(&UnmappedCodeRecord {
                map: names.name.clone(),
                map_line: code.map_line,
                code_map: code.code_map.clone(),
                table: format!("{}{}", names.path, names.table(code).name),
                column: names.column(code).unwrap_or_default(),
                source_code: code.source_code.expose().clone(),
                n_rows: *n_rows,
            })?;
        }
        unmapped.finish()?;
        for (resource_type, mut writer) in std::mem::take(&mut self.types) {
            writer.flush(&resource_type, &self.maps, &mut self.keys)?;
            let n = writer.parts.finish()?;
            manifest.resources.insert(resource_type, n);
        }
        self.keys.finish()?;
        self.refs.finish()?;
        self.rows.finish()?;
        self.issues.finish()?;
        manifest.issues = self.issue_counts;
        manifest.ledgers.maps = self.ledgers;
        Ok(())
    }

    fn write_resource(
        &mut self,
        program: &MapProgram<'_>,
        resource: &ResourceOut,
        bytes: &[u8],
    ) -> Result<(), MapError> {
        let plan = program.plan();
        let resource_type = &plan.resources[usize::from(resource.resource)].resource_type;
        if !self.types.contains_key(resource_type) {
            let parts = PartWriter::new(self.stage, resource_type)?;
            self.types.insert(resource_type.clone(), TypeWriter { parts, pending: Vec::new(), part: 0 });
        }
        let writer = self.types.get_mut(resource_type).expect("inserted above");
        let place = writer.parts.write(&bytes[resource.range.clone()])?;
        if place.part != writer.part {
            writer.flush(resource_type, &self.maps, &mut self.keys)?;
            writer.part = place.part;
        }
        writer.pending.push(PendingKey {
            id: resource.id,
            key_hash: resource.key_hash,
            content_hash: resource.content_hash,
            row_no: resource.row_no,
            map: self.maps.len() - 1,
        });
        Ok(())
    }

    fn check_id(&mut self, plan: &MapPlan, resource: &ResourceOut) -> Result<(), MapError> {
        if self.shared_groups.is_empty() {
            return Ok(());
        }
        let member = (plan.name.clone(), usize::from(resource.resource));
        let Some(group) = self.shared_groups.get(&member) else { return Ok(()) };
        let map = self.maps.len() - 1;
        match self.shared.entry(group.clone()).or_default().insert(resource.id, map) {
            None => Ok(()),
            Some(other) => Err(MapError::DuplicateId {
                resource_type: plan.resources[usize::from(resource.resource)].resource_type.clone(),
                id: resource.id.to_string(),
                first: self.maps[other].name.clone(),
                second: plan.name.clone(),
            }),
        }
    }

    fn refused(&self) -> (u64, u64) {
        (self.ledgers.iter().map(|l| l.refused).sum(), self.ledgers.iter().map(|l| l.in_scope).sum())
    }

    fn too_many_refused(&self) -> MapError {
        let (refused, rows) = self.refused();
        MapError::TooManyRefused { refused, rows, limit: self.max_refused.map(limit_text).unwrap_or_default() }
    }
}

fn replace(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}

impl TypeWriter {
    /// Keys are sorted by id within a part.
    fn flush(
        &mut self,
        resource_type: &str,
        maps: &[MapNames],
        keys: &mut RecordWriter<KeyRecord>,
    ) -> Result<(), RunError> {
        self.pending.sort_by_key(|key| key.id);
        let Some(first) = self.pending.first() else { return Ok(()) };
        let mut current = first.map;
        let mut record = KeyRecord {
            resource_type: resource_type.to_owned(),
            id: first.id,
            key_hash: first.key_hash,
            content_hash: first.content_hash,
            table: maps[current].table_path(),
            part: self.part,
            row_no: first.row_no,
            map: maps[current].name.clone(),
        };
        for key in self.pending.drain(..) {
            if key.map != current {
                current = key.map;
                record.table = maps[current].table_path();
                record.map.clone_from(&maps[current].name);
            }
            record.id = key.id;
            record.key_hash = key.key_hash;
            record.content_hash = key.content_hash;
            record.row_no = key.row_no;
            keys.push(&record)?;
        }
        Ok(())
    }
}
