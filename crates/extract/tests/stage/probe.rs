//! Runs the stage in a folder of its own and shows what was staged. The people are synthetic, so tests may see values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use epr_extract::odbc::driver;
use epr_extract::{ExtractError, ExtractInput, Source, SourceKind};
use epr_model::{Issue, Stage};
use epr_run::context::Silent;
use epr_run::folder::{OldSignature, RunInfo};
use epr_run::records::{self, RecordReader};
use epr_run::staged::TableReader;
use epr_run::{FinishedStage, Progress, RunFolder, Sha256Hex, StageContext, StopFlag};

/// The ODBC configuration of the machine that the tests run on.
pub(crate) fn configurations() -> Vec<PathBuf> {
    driver::default_configurations(std::env::var_os("ODBCSYSINI").map(PathBuf::from))
}

pub(crate) fn source(kind: SourceKind, spec: &str) -> Source {
    Source {
        name: "src".to_owned(),
        organisation: "RXX".to_owned(),
        system: "sys".to_owned(),
        kind,
        driver: None,
        database: None,
        connection: None,
        odbc_configurations: configurations(),
        path: None,
        spec_path: PathBuf::from("sources/rxx/sys.yaml"),
        spec_text: spec.to_owned(),
    }
}

pub(crate) struct Staged {
    pub(crate) stage: FinishedStage,
    _run: RunFolder,
    _folder: tempfile::TempDir,
}

pub(crate) fn extract(source: Source) -> Result<Staged, ExtractError> {
    extract_in_batches(source, 8192)
}

/// What the stage says when somebody asked it to stop.
pub(crate) fn stopped(source: Source) -> ExtractError {
    let stop = StopFlag::new();
    stop.stop();
    extract_with(source, 8192, &stop, &Silent).err().unwrap()
}

pub(crate) fn extract_in_batches(source: Source, batch_rows: usize) -> Result<Staged, ExtractError> {
    extract_with(source, batch_rows, &StopFlag::new(), &Silent)
}

/// With somebody who is told of each table as it begins.
pub(crate) fn extract_watched(source: Source, progress: &dyn Progress) -> Result<Staged, ExtractError> {
    extract_with(source, 8192, &StopFlag::new(), progress)
}

fn extract_with(
    source: Source,
    batch_rows: usize,
    stop: &StopFlag,
    progress: &dyn Progress,
) -> Result<Staged, ExtractError> {
    let folder = tempfile::tempdir().unwrap();
    let hash = Sha256Hex::of_bytes(b"run");
    let info = RunInfo {
        schema: 1,
        run_hash: hash.clone(),
        epr_version: String::new(),
        project: String::new(),
        trial: None,
        as_of: "2026-01-01T00:00:00Z".to_owned(),
        started_by: String::new(),
        started_at: "2026-01-01T00:00:00Z".to_owned(),
        hashes: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    let run = RunFolder::create(&folder.path().join("run"), &info).unwrap();
    let input = ExtractInput {
        run_hash: hash,
        sources: vec![source],
        batch_rows,
        cut_off: None,
        old_signature: OldSignature::Keep,
    };
    let stage = epr_extract::run(StageContext { run: &run, progress, stop }, &input);
    if stage.is_err() {
        assert!(run.finished(Stage::Extract).unwrap().is_none(), "a stage that failed must not look finished");
    }
    Ok(Staged { stage: stage?, _run: run, _folder: folder })
}

impl Staged {
    /// The rows of a table, each cell as text; null is `∅`.
    pub(crate) fn rows(&self, table: &str) -> Vec<Vec<String>> {
        let staged = self.stage.manifest().tables.iter().find(|t| t.schema.name == table).expect("a staged table");
        let mut rows = Vec::new();
        for batch in TableReader::new(&self.stage, staged, None, 1000) {
            let batch = batch.unwrap().batch;
            rows.extend((0..batch.num_rows()).map(|i| row(&batch, i)));
        }
        assert_eq!(rows.len() as u64, staged.n_rows);
        rows
    }

    pub(crate) fn columns(&self, table: &str) -> Vec<(String, &'static str)> {
        let staged = self.stage.manifest().tables.iter().find(|t| t.schema.name == table).expect("a staged table");
        staged.schema.columns.iter().map(|c| (c.name.clone(), c.kind.as_str())).collect()
    }

    /// Code, table, row, column and shape of each issue.
    pub(crate) fn issues(&self) -> Vec<String> {
        let show = |i: Issue| {
            let row = i.row_no.map_or("-".to_owned(), |n| n.to_string());
            let (table, column) = (i.table.unwrap_or_default(), i.column.unwrap_or("-".to_owned()));
            format!("{} {} {table} {row} {column} {}", i.code, i.action.as_str(), i.shape.unwrap_or("-".to_owned()))
        };
        records::read::<Issue>(&self.stage).unwrap().map(|i| show(i.unwrap())).collect()
    }

    pub(crate) fn aside(&self, table: &str) -> Vec<epr_extract::aside::AsideRecord> {
        let path = self.stage.path().join(format!("src/{table}.aside.parquet"));
        RecordReader::at(&path).unwrap().map(|r| r.unwrap()).collect()
    }

    /// Every file of the stage by name and hash.
    pub(crate) fn fingerprint(&self) -> Vec<(String, String)> {
        self.stage.manifest().files.iter().map(|f| (f.path.clone(), f.sha256.to_string())).collect()
    }
}

fn row(batch: &RecordBatch, i: usize) -> Vec<String> {
    let cell = |array: &dyn Array| {
        if array.is_null(i) {
            return "∅".to_owned();
        }
        match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().value(i).to_owned(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(i).to_string(),
            DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(i)),
            DataType::Boolean => array.as_boolean().value(i).to_string(),
            DataType::Date32 => format!("day {}", array.as_primitive::<Date32Type>().value(i)),
            DataType::Timestamp(..) => format!("µs {}", array.as_primitive::<TimestampMicrosecondType>().value(i)),
            DataType::Binary => format!("{:?}", array.as_binary::<i32>().value(i)),
            other => panic!("no column is staged as {other}"),
        }
    };
    batch.columns().iter().map(|c| cell(c.as_ref())).collect()
}

/// `../shared/data/<name>` from the repository's root, or a printed notice.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(!required("shared"), "EPR_REQUIRE names `shared`, and {} is not there", path.display());
    println!("skipped: {} is not there", path.display());
    None
}

pub(crate) fn required(what: &str) -> bool {
    std::env::var("EPR_REQUIRE").is_ok_and(|list| list.split(',').any(|w| w == what))
}
