//! A run folder with staged tables, and plans written by hand, for the tests of the stage.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may unwrap"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use epr_mapping::functions::{BindDefaults, Function, bind};
use epr_mapping::plan::*;
use epr_mapping::stage::{Limit, MapError, MapInput, run};
use epr_model::schema::{ColumnKind, ColumnSchema, TableKey, TableSchema};
use epr_model::{Domain, Issue, Stage};
use epr_run::context::{Silent, StopFlag};
use epr_run::folder::{OldSignature, RunInfo};
use epr_run::parts::{PartReader, part_paths};
use epr_run::records::{self, KeyRecord, Record, RowRecord};
use epr_run::staged::{StagedTable, TableWriter};
use epr_run::{FinishedStage, Manifest, RunFolder, Sha256Hex, StageContext};

pub const NAMESPACE: &str = "6f1c7b4e-2f0a-4d35-9a0f-3a5a5d0f7c11";
pub const AT: At = At::new(0, 1);

/// A table of texts: its name, its columns, and its rows (`~` is null).
pub struct Table {
    pub name: &'static str,
    pub columns: &'static str,
    pub rows: Vec<String>,
}

impl Table {
    pub fn new(name: &'static str, columns: &'static str, rows: &[&str]) -> Self {
        Self { name, columns, rows: rows.iter().map(|r| (*r).to_owned()).collect() }
    }

    pub fn schema(&self, key: TableKey) -> TableSchema {
        let column =
            |name: &str| ColumnSchema { name: name.to_owned(), kind: ColumnKind::Text, optional: false, class: None };
        TableSchema {
            name: self.name.to_owned(),
            key,
            columns: self.columns.split('|').map(column).collect(),
            optional: false,
            parent: None,
        }
    }

    fn batch(&self, schema: &arrow_schema::SchemaRef) -> RecordBatch {
        let cell = |row: &str, i: usize| row.split('|').nth(i).filter(|c| *c != "~").map(str::to_owned);
        let arrays = (0..schema.fields().len())
            .map(|i| Arc::new(self.rows.iter().map(|row| cell(row, i)).collect::<StringArray>()) as ArrayRef);
        RecordBatch::try_new(schema.clone(), arrays.collect()).unwrap()
    }

    /// The table as a plan sees it, with all columns.
    pub fn plan(&self) -> PlanTable {
        let columns: Vec<_> =
            self.columns.split('|').map(|n| PlanColumn { name: n.to_owned(), kind: ColumnKind::Text }).collect();
        PlanTable { name: self.name.to_owned(), columns: columns.clone(), all_columns: columns }
    }
}

pub struct Extracted {
    pub folder: tempfile::TempDir,
    pub run: RunFolder,
    pub stop: StopFlag,
}

/// A run folder whose stage extract has these tables.
pub fn extracted(tables: &[Table]) -> Extracted {
    let folder = tempfile::tempdir().unwrap();
    let hash = Sha256Hex::of_bytes(b"run");
    let info = RunInfo {
        schema: 1,
        run_hash: hash.clone(),
        epr_version: "0".to_owned(),
        project: "test".to_owned(),
        trial: None,
        as_of: "2026-11-01T00:00:00Z".to_owned(),
        started_by: "tester".to_owned(),
        started_at: "2026-11-01T00:00:00Z".to_owned(),
        hashes: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    let run = RunFolder::create(folder.path(), &info).unwrap();
    let stage = run.begin(Stage::Extract, OldSignature::Keep).unwrap();
    let mut manifest = Manifest::new(Stage::Extract, hash);
    for table in tables {
        let staged = StagedTable {
            source: "rk9_ipm".to_owned(),
            organisation: "RK9".to_owned(),
            system: "ipm".to_owned(),
            schema: table.schema(TableKey::Row),
            n_rows: 0,
            parts: Vec::new(),
        };
        let mut writer = TableWriter::new(&stage, staged).unwrap();
        let batch = table.batch(&writer.schema().clone());
        writer.write(&batch).unwrap();
        manifest.tables.push(writer.finish().unwrap());
    }
    stage.finish(manifest).unwrap();
    Extracted { folder, run, stop: StopFlag::new() }
}

impl Extracted {
    pub fn map_with(
        &self,
        maps: Vec<MapPlan>,
        batch_rows: usize,
        max_refused: Option<Limit>,
    ) -> Result<FinishedStage, MapError> {
        let ctx = StageContext { run: &self.run, progress: &Silent, stop: &self.stop };
        let input = MapInput {
            run_hash: Sha256Hex::of_bytes(b"run"),
            plans: vec![pack(maps)],
            namespace: NAMESPACE.parse().unwrap(),
            batch_rows,
            max_refused,
            as_of: Some("2026-11-01T00:00:00Z".to_owned()),
            old_signature: OldSignature::Keep,
        };
        run(ctx, &input)
    }

    pub fn map(&self, maps: Vec<MapPlan>) -> FinishedStage {
        self.map_with(maps, 8192, None).unwrap()
    }
}

pub fn pack(maps: Vec<MapPlan>) -> MappingPlan {
    MappingPlan {
        pack: "rk9/ipm".to_owned(),
        organisation: "RK9".to_owned(),
        system: "ipm".to_owned(),
        maps,
        plan_hash: String::new(),
    }
}

/// The resources of a type, one a line.
pub fn resources(stage: &FinishedStage, resource_type: &str) -> String {
    let mut text = String::new();
    for path in part_paths(stage, resource_type) {
        let mut reader = PartReader::open(&path).unwrap();
        let mut line = Vec::new();
        while reader.next_into(&mut line).unwrap() {
            text.push_str(std::str::from_utf8(&line).unwrap());
            text.push('\n');
        }
    }
    text
}

pub fn all<R: Record>(stage: &FinishedStage) -> Vec<R> {
    records::read::<R>(stage).unwrap().map(Result::unwrap).collect()
}

/// `row_no outcome n issue`, one a line.
pub fn outcomes(stage: &FinishedStage) -> String {
    let line = |row: RowRecord| {
        format!(
            "{} {} {} {} {}\n",
            row.map,
            row.row_no,
            row.outcome.as_str(),
            row.n_resources,
            row.issue.unwrap_or_default()
        )
    };
    all::<RowRecord>(stage).into_iter().map(line).collect()
}

/// `code action table:row column path shape patient`, one a line.
pub fn issues(stage: &FinishedStage) -> String {
    let line = |i: Issue| {
        format!(
            "{} {} {} {}:{} {} {} [{}] {}\n",
            i.code,
            i.severity.as_str(),
            i.action.as_str(),
            i.table.unwrap_or_default(),
            i.row_no.unwrap_or_default(),
            i.column.unwrap_or_default(),
            i.fhir_path.unwrap_or_default(),
            i.shape.unwrap_or_default(),
            if i.patient_key.is_some() { "patient named" } else { "no patient" },
        )
    };
    all::<Issue>(stage).into_iter().map(line).collect()
}

pub fn keys(stage: &FinishedStage) -> Vec<KeyRecord> {
    all(stage)
}

/// A map over one table with a key and nothing else.
pub fn map(name: &str, table: &Table, key: KeyPlan) -> MapPlan {
    MapPlan {
        name: format!("rk9/ipm/{name}"),
        files: vec![format!("rk9/ipm/{name}.yaml")],
        domain: Domain::Pmi,
        owner: None,
        tables: vec![table.plan()],
        rows: vec![RowName { alias: "p".to_owned(), table: TableSlot::MAIN }],
        lists: Vec::new(),
        key,
        lookups: Vec::new(),
        lets: Vec::new(),
        where_: None,
        require: Vec::new(),
        group: None,
        latest: None,
        resources: Vec::new(),
        measures: Vec::new(),
        ref_targets: Vec::new(),
        plan_hash: String::new(),
        tests: Vec::new(),
        at: AT,
    }
}

pub fn resource(resource_type: &str, emit: Vec<Member>) -> ResourcePlan {
    ResourcePlan {
        resource_type: resource_type.to_owned(),
        id_part: String::new(),
        when: None,
        each: None,
        emit,
        keep: None,
        asserts: Vec::new(),
        n_captures: 0,
        at: AT,
    }
}

pub fn col(column: u16) -> Expr {
    Expr::column(RowSlot::MAIN, column)
}

pub fn call(function: Function, args: Vec<Expr>, literals: &[(&str, &str)]) -> Expr {
    let london = BindDefaults { zone: Some("Europe/London"), ambiguous: Some("first"), gap: Some("omit") };
    Expr::call(function, args, bind(function, literals, &london).unwrap(), AT)
}

pub fn string(from: Expr) -> ValueNode {
    ValueNode::new(from, Shape::Primitive(FhirPrimitive::String), AT)
}

pub fn primitive(from: Expr, code: &str) -> ValueNode {
    ValueNode::new(from, Shape::Primitive(FhirPrimitive::from_code(code).unwrap()), AT)
}

pub fn value(name: &str, path: &str, node: ValueNode) -> Member {
    Member::new(name, EmitNode::new(EmitKind::Value(Box::new(node)), path, AT))
}

pub fn literal(name: &str, path: &str, json: &str) -> Member {
    Member::new(name, EmitNode::new(EmitKind::Literal(Arc::from(json.as_bytes())), path, AT))
}

pub fn object(members: Vec<Member>, path: &str) -> EmitNode {
    EmitNode::new(EmitKind::Object { members, has_expression: true }, path, AT)
}

pub fn array(name: &str, path: &str, items: Vec<EmitNode>) -> Member {
    Member::new(name, EmitNode::new(EmitKind::Array(items), path, AT))
}

pub fn policy(policy: Policy) -> PolicyAt {
    PolicyAt::new(policy, AT)
}

/// Every file of a stage with its hash.
pub fn hashes(stage: &FinishedStage) -> Vec<(String, String)> {
    stage.manifest().files.iter().map(|f| (f.path.clone(), f.sha256.to_string())).collect()
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
