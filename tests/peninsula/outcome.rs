//! What a run made of each source row, read from its small files and the delivered resources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use epr_model::schema::TableKey;
use epr_model::{Action, Issue, ResourceId, RowOutcome, Stage};
use epr_run::records::{self, CandidateRecord, HoldRecord, KeyRecord, LinkRecord, RefRecord, RowRecord};
use epr_run::staged::{StagedTable, TableReader};
use epr_run::{FinishedStage, RunFolder};
use serde_json::Value;

use super::truth::Row;

/// What became of the resource of one type that a row should give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Held,
    Refused,
    /// An older version, or an equal row.
    SetAside,
    Absent,
}

/// A row of a staged table: the table, and its number.
type Place = (String, u64);

pub(crate) struct Outcome {
    places: BTreeMap<Row, Vec<u64>>,
    made: BTreeMap<Place, Vec<(String, ResourceId)>>,
    row_outcomes: BTreeMap<Place, BTreeSet<RowOutcome>>,
    person_of: BTreeMap<ResourceId, ResourceId>,
    patient_of: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
    candidates: BTreeSet<ResourceId>,
    held: BTreeSet<(String, ResourceId)>,
    /// Held for a fault of their own, not for what they refer to.
    held_roots: BTreeSet<(String, ResourceId)>,
    issues: Vec<Issue>,
    delivered: BTreeMap<(String, ResourceId), Value>,
}

impl Outcome {
    pub(crate) fn read(root: &Path) -> Self {
        let run = RunFolder::open(root).unwrap();
        let stage = |stage| run.finished(stage).unwrap().expect("the stage is finished");
        let (extract, map, link, validate) =
            (stage(Stage::Extract), stage(Stage::Map), stage(Stage::Link), stage(Stage::Validate));
        let mut places: BTreeMap<Row, Vec<u64>> = BTreeMap::new();
        for table in &extract.manifest().tables {
            read_places(&extract, table, &mut places);
        }
        let mut made: BTreeMap<Place, Vec<(String, ResourceId)>> = BTreeMap::new();
        for key in all::<KeyRecord>(&map) {
            made.entry((key.table, key.row_no)).or_default().push((key.resource_type, key.id));
        }
        let mut row_outcomes: BTreeMap<Place, BTreeSet<RowOutcome>> = BTreeMap::new();
        for row in all::<RowRecord>(&map) {
            row_outcomes.entry((row.table, row.row_no)).or_default().insert(row.outcome);
        }
        let person_of: BTreeMap<_, _> =
            all::<LinkRecord>(&link).into_iter().map(|l| (l.retired_id, l.person_id)).collect();
        let mut patient_of: BTreeMap<ResourceId, BTreeSet<ResourceId>> = BTreeMap::new();
        for reference in all::<RefRecord>(&map).into_iter().filter(|r| r.to_type == "Patient") {
            patient_of.entry(reference.from_id).or_default().insert(reference.to_id);
        }
        let holds = all::<HoldRecord>(&validate);
        Self {
            places,
            made,
            row_outcomes,
            person_of,
            patient_of,
            candidates: all::<CandidateRecord>(&link).into_iter().flat_map(|c| [c.left_id, c.right_id]).collect(),
            held: holds.iter().map(|h| (h.resource_type.clone(), h.id)).collect(),
            held_roots: holds
                .iter()
                .filter(|h| h.root_cause.is_none())
                .map(|h| (h.resource_type.clone(), h.id))
                .collect(),
            issues: [&extract, &map, &link, &validate].into_iter().flat_map(all::<Issue>).collect(),
            delivered: delivered(root),
        }
    }

    fn rows(&self, row: &Row) -> impl Iterator<Item = Place> + '_ {
        let table = row.table.clone();
        self.places.get(row).into_iter().flatten().map(move |n| (table.clone(), *n))
    }

    /// The id under which a resource is delivered.
    fn current(&self, id: ResourceId) -> ResourceId {
        self.person_of.get(&id).copied().unwrap_or(id)
    }

    fn made_of(&self, row: &Row) -> Vec<&(String, ResourceId)> {
        self.rows(row).filter_map(|place| self.made.get(&place)).flatten().collect()
    }

    /// The Patient that a patient row became, after link.
    pub(crate) fn patient_of(&self, row: &Row) -> Option<ResourceId> {
        self.made_of(row).into_iter().find(|(kind, _)| kind == "Patient").map(|(_, id)| self.current(*id))
    }

    pub(crate) fn is_candidate(&self, id: ResourceId) -> bool {
        self.candidates.iter().any(|c| self.current(*c) == id)
    }

    pub(crate) fn is_held(&self, kind: &str, id: ResourceId) -> bool {
        self.held.contains(&(kind.to_owned(), id))
    }

    /// Whether a hazard names the Patient.
    pub(crate) fn has_hazard(&self, id: ResourceId) -> bool {
        let is_identity = |i: &&Issue| i.code.starts_with("ID-");
        self.issues.iter().filter(is_identity).any(|i| i.patient_key.is_some_and(|p| self.current(p) == id))
    }

    pub(crate) fn holds(&self) -> impl Iterator<Item = &(String, ResourceId)> {
        self.held.iter()
    }

    /// What is held for a fault of its own and was made of none of these rows.
    pub(crate) fn held_elsewhere<'o>(&'o self, rows: &[Row]) -> Vec<&'o (String, ResourceId)> {
        let planted: BTreeSet<ResourceId> =
            rows.iter().flat_map(|row| self.made_of(row)).map(|(_, id)| self.current(*id)).collect();
        self.held_roots.iter().filter(|(_, id)| !planted.contains(id)).collect()
    }

    /// Findings by code.
    pub(crate) fn findings(&self) -> BTreeMap<&str, usize> {
        let mut findings = BTreeMap::new();
        for issue in &self.issues {
            *findings.entry(issue.code.as_str()).or_default() += 1;
        }
        findings
    }

    /// How often a rule found something in a table of any source.
    pub(crate) fn findings_of_table(&self, code: &str, table: &str) -> usize {
        self.issues.iter().filter(|i| i.code == code && i.table.as_deref() == Some(table)).count()
    }

    /// Whether a rule found something at the row itself, at a resource made of it, or, where a rule is about a
    /// patient as a whole, at the row's patient.
    pub(crate) fn has_finding(&self, code: &str, row: &Row) -> bool {
        const OF_THE_PATIENT: [&str; 8] = ["AL-03", "AP-04", "DE-01", "DE-02", "DE-03", "ID-03", "ID-10", "RT-01"];
        let places: BTreeSet<Place> = self.rows(row).collect();
        let made: BTreeSet<ResourceId> = self.made_of(row).into_iter().map(|(_, id)| self.current(*id)).collect();
        let mut patients: BTreeSet<ResourceId> = made.clone();
        if OF_THE_PATIENT.contains(&code) {
            let of_made = self.made_of(row).into_iter().filter_map(|(_, id)| self.patient_of.get(id)).flatten();
            patients.extend(of_made.map(|id| self.current(*id)));
        }
        self.issues.iter().filter(|i| i.code == code).any(|i| {
            let place = match (&i.organisation, &i.system, &i.table, i.row_no) {
                (Some(organisation), Some(system), Some(table), Some(n)) => {
                    places.contains(&(format!("{organisation}/{system}/{table}"), n))
                }
                _ => false,
            };
            place
                || i.resource_id.is_some_and(|id| made.contains(&self.current(id)))
                || i.patient_key.is_some_and(|id| patients.contains(&self.current(id)))
        })
    }

    pub(crate) fn fate(&self, row: &Row, kind: &str) -> Fate {
        let ids: Vec<ResourceId> =
            self.made_of(row).into_iter().filter(|(k, _)| k == kind).map(|(_, id)| self.current(*id)).collect();
        if ids.iter().any(|id| self.delivered.contains_key(&(kind.to_owned(), *id))) {
            return Fate::Delivered;
        }
        if ids.iter().any(|id| self.is_held(kind, *id)) {
            return Fate::Held;
        }
        let outcomes: BTreeSet<RowOutcome> =
            self.rows(row).filter_map(|place| self.row_outcomes.get(&place)).flatten().copied().collect();
        let places: BTreeSet<Place> = self.rows(row).collect();
        let is_refused = self.issues.iter().any(|i| {
            i.action == Action::Refused
                && i.resource_type.as_deref().is_none_or(|t| t == kind)
                && matches!((&i.organisation, &i.system, &i.table, i.row_no), (Some(o), Some(s), Some(t), Some(n))
                    if places.contains(&(format!("{o}/{s}/{t}"), n)))
        });
        if is_refused || outcomes.contains(&RowOutcome::Refused) {
            Fate::Refused
        } else if outcomes.contains(&RowOutcome::Superseded) || outcomes.contains(&RowOutcome::Repeated) {
            Fate::SetAside
        } else {
            Fate::Absent
        }
    }

    fn resource(&self, row: &Row, kind: &str) -> Option<&Value> {
        let made = self.made_of(row);
        let mut ids = made.iter().filter(|(k, _)| k == kind).map(|(_, id)| self.current(*id));
        ids.find_map(|id| self.delivered.get(&(kind.to_owned(), id)))
    }

    /// `start`, or the start of `period`, of the delivered resource.
    pub(crate) fn start_of(&self, row: &Row, kind: &str) -> Option<String> {
        let resource = self.resource(row, kind)?;
        let start = resource.get("start").or_else(|| resource.get("period")?.get("start"))?;
        Some(start.as_str()?.to_owned())
    }

    pub(crate) fn status_of(&self, row: &Row, kind: &str) -> Option<String> {
        Some(self.resource(row, kind)?.get("status")?.as_str()?.to_owned())
    }
}

fn all<R: records::Record>(stage: &FinishedStage) -> Vec<R> {
    records::read::<R>(stage).unwrap().map(Result::unwrap).collect()
}

fn read_places(stage: &FinishedStage, table: &StagedTable, places: &mut BTreeMap<Row, Vec<u64>>) {
    let TableKey::Columns(keys) = &table.schema.key else { return };
    let name = format!("{}/{}/{}", table.organisation, table.system, table.schema.name);
    for batch in TableReader::new(stage, table, None, 4096) {
        let batch = batch.unwrap();
        let columns: Vec<&ArrayRef> = keys.iter().map(|k| batch.batch.column_by_name(k).unwrap()).collect();
        for i in 0..batch.batch.num_rows() {
            let parts: Vec<String> = columns.iter().map(|c| text(c, i)).collect();
            let row = Row { table: name.clone(), key: parts.join("|") };
            places.entry(row).or_default().push(batch.first_row_no + i as u64);
        }
    }
}

fn text(column: &ArrayRef, i: usize) -> String {
    if column.is_null(i) {
        return String::new();
    }
    match column.as_string_opt::<i32>() {
        Some(texts) => texts.value(i).to_owned(),
        None => column.as_primitive::<Int64Type>().value(i).to_string(),
    }
}

fn delivered(root: &Path) -> BTreeMap<(String, ResourceId), Value> {
    let mut delivered = BTreeMap::new();
    for (name, bytes) in crate::binary::delivered(root) {
        let kind = name.trim_end_matches(".ndjson").to_owned();
        for line in String::from_utf8(bytes).unwrap().lines() {
            let resource: Value = serde_json::from_str(line).unwrap();
            let id = resource["id"].as_str().unwrap().parse().unwrap();
            delivered.insert((kind.clone(), id), resource);
        }
    }
    delivered
}
