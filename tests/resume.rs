//! kill -9 at three moments in each stage, then the same command: the same delivered bytes, and no finished stage
//! done again.
//!
//! The moments are seen from outside: a stage's hidden folder appears, a file in it grows, its manifest is there but
//! the folder has not its name yet. A moment that went by too fast is tried again with a slower input.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::{binary, sqlite};

/// The folder of each stage, and where its hidden folder stands while it is at work.
const STAGES: [(&str, &str); 7] = [
    ("1-extract", ".1-extract.partial"),
    ("2-map", ".2-map.partial"),
    ("3-link", ".3-link.partial"),
    ("4-validate", ".4-validate.partial"),
    ("5-report", ".5-report.partial"),
    ("6-load/files", "6-load/.files.partial"),
    ("7-report", ".7-report.partial"),
];

/// When to kill, after the hidden folder was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    AtOnce,
    FirstBytes,
    Late,
}

#[test]
fn a_killed_run_goes_on_from_its_last_whole_stage_and_delivers_the_same_bytes() {
    if !binary::can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = Input::make(folder.path());
    let whole = folder.path().join("whole");
    binary::expect(&mut input.command(&whole), &[0, 1]);
    let expected = binary::delivered(&whole);

    let mut n_kills = 0;
    for (i, (stage, partial)) in STAGES.into_iter().enumerate() {
        for moment in [Moment::AtOnce, Moment::FirstBytes, Moment::Late] {
            let run = folder.path().join(format!("killed-{i}-{moment:?}"));
            if !kill_at(&input, &run, partial, moment) {
                continue;
            }
            n_kills += 1;
            let before = finished(&run);
            assert!(!before.contains_key(stage), "{stage} was killed before it was whole");
            binary::expect(&mut input.command(&run), &[0, 1]);
            let after = finished(&run);
            for (stage, files) in &before {
                assert!(files == &after[stage], "{stage} was whole and was done again after a kill in {partial}");
            }
            let delivered = binary::delivered(&run);
            assert!(delivered == expected, "delivered files differ after a kill in {partial} at {moment:?}");
            fs::remove_dir_all(&run).unwrap();
        }
    }
    println!("{n_kills} of 21 kills hit their moment");
    assert!(n_kills >= 14, "only {n_kills} of 21 kills hit their moment");
}

/// The fixture with its tables copied many times over, so that stages last long enough to be hit.
struct Input {
    project: PathBuf,
    database: PathBuf,
}

impl Input {
    fn make(folder: &Path) -> Self {
        let database = folder.join("pas.sqlite");
        sqlite::from_sql(&binary::root().join("fixtures/first/pas.sql"), &database).unwrap();
        let connection = rusqlite::Connection::open(&database).unwrap();
        for (table, key) in [("PATIENTS", "PATNT_REFNO"), ("ALLERGIES", "ALLER_REFNO"), ("SCHEDULES", "SCHDL_REFNO")] {
            let others = if table == "PATIENTS" {
                "PASID = PASID || '-' || n.i, NHS_IDENTIFIER = NULL"
            } else {
                "PATNT_REFNO = PATNT_REFNO"
            };
            let copy = format!(
                "CREATE TEMP TABLE copies AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
                   SELECT {table}.*, n.i AS copy_no FROM {table}, n;
                 UPDATE copies SET {key} = {key} + 1000 * copy_no;
                 UPDATE copies SET {others};
                 ALTER TABLE copies DROP COLUMN copy_no;
                 INSERT INTO {table} SELECT * FROM copies;
                 DROP TABLE copies;"
            );
            connection.execute_batch(&copy.replace("n.i, NHS", "copy_no, NHS")).unwrap();
        }
        Self { project: binary::root().join("fixtures/first/epr.toml"), database }
    }

    fn command(&self, run: &Path) -> std::process::Command {
        binary::run(&self.project, run, &[("source.pas.database", &self.database)])
    }
}

/// Runs until the moment and kills; `false` where the run was over first.
fn kill_at(input: &Input, run: &Path, partial: &str, moment: Moment) -> bool {
    let mut child = input.command(run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let folder = run.join(partial);
    let begun = Instant::now();
    loop {
        if reached(&folder, moment) {
            child.kill().unwrap();
            child.wait().unwrap();
            // Between the look and the kill the stage may have become whole: then the moment was missed.
            return folder.exists();
        }
        if is_over(&mut child) {
            return false;
        }
        assert!(begun.elapsed() < Duration::from_mins(5), "the run hangs");
        std::thread::yield_now();
    }
}

fn reached(folder: &Path, moment: Moment) -> bool {
    match moment {
        Moment::AtOnce => folder.exists(),
        Moment::FirstBytes => files(folder).iter().any(|(_, bytes, _)| *bytes > 0),
        Moment::Late => {
            folder.join("issues.parquet").exists()
                || folder.join("report.json").exists()
                || folder.join("crosswalk.parquet").exists()
        }
    }
}

fn is_over(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_some()
}

type FileState = (PathBuf, u64, SystemTime);

/// The files of each whole stage, with their times and their bytes.
fn finished(run: &Path) -> BTreeMap<&'static str, Vec<(FileState, Vec<u8>)>> {
    let whole = STAGES.into_iter().filter(|(stage, _)| run.join(stage).join("manifest.json").is_file());
    let with_bytes = |file: FileState| {
        let bytes = fs::read(&file.0).unwrap();
        (file, bytes)
    };
    whole.map(|(stage, _)| (stage, files(&run.join(stage)).into_iter().map(with_bytes).collect())).collect()
}

fn files(folder: &Path) -> Vec<FileState> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => waiting.push(entry.path()),
                Ok(metadata) => found.push((entry.path(), metadata.len(), metadata.modified().unwrap())),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}
