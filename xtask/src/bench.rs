//! `cargo xtask bench [area] [--full] [--json FILE]`: measured through the release binary, on Synthea's tables copied to a
//! million rows (fresh keys in each copy), or on the written fixture copied likewise where Synthea's are absent.
//!
//! Every line names input, output and what is switched on. CPU seconds are the process's own, user and system;
//! memory is its peak resident set. Only judging has goals; the other lines are the baseline.

mod judge;
mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::setup::{self, Need};
use crate::sqlite;

/// Rows of all tables together.
const ROWS: u64 = 1_000_000;

/// The stages that are measured, in their order, and what they are measured in.
const AREAS: [(&str, &str); 5] =
    [("extract", "rows"), ("map", "rows"), ("link", "resources"), ("validate", "resources"), ("load", "resources")];

pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let (mut area, mut json_file, mut is_full) = (None, None, false);
    let mut words = args.iter();
    while let Some(&word) = words.next() {
        match word {
            "--full" => is_full = true,
            "--json" => json_file = Some(*words.next().context("--json wants a file")?),
            name if area.is_none() => area = Some(name),
            _ => anyhow::bail!("cargo xtask bench [AREA] [--full] [--json FILE]"),
        }
    }
    let known = area.is_none_or(|a| ["fhirpath", "start"].contains(&a) || AREAS.iter().any(|(name, _)| *name == a));
    ensure!(known, "areas: extract map link validate load fhirpath start");
    if area == Some("fhirpath") {
        return written(&judge::fhirpath()?, json_file);
    }
    let epr = crate::build_epr("release")?;
    setup::ensure_r4(&epr)?;
    let folder = crate::target().join("bench");
    fs::create_dir_all(&folder)?;
    if area == Some("start") {
        return written(&judge::start(&epr, &folder)?, json_file);
    }

    setup::ensure(&[Need::SqliteOdbc])?;
    let database = folder.join("synthea-1m.sqlite");
    let n_rows = million(&database)?;
    let project = crate::root().join("fixtures/synthea/epr.toml");
    let run = folder.join("run");
    if run.exists() {
        fs::remove_dir_all(&run)?;
    }
    println!(
        "input: Synthea's tables copied to {n_rows} rows, SQLite over ODBC; all checks on; release build, all cores"
    );
    println!(
        "{:<9} {:>10} {:<10} {:>8} {:>8} {:>10} {:>9}",
        "area", "count", "unit", "CPU s", "wall s", "per CPU s", "peak MB"
    );
    let mut lines = Vec::new();
    for (name, unit) in AREAS {
        let mut command = Command::new(&epr);
        command.arg(name).arg("--project").arg(&project).arg("--run-dir").arg(&run);
        command.arg("--set").arg(format!("source.synthea.database={}", database.display()));
        command.args(["--no-progress", "--quiet"]);
        if name == "validate" {
            // What is measured is judging, whatever earlier runs left.
            command.args(["--reuse", "never"]);
        }
        let used = measure(&mut command)?;
        let count = count(&run, name, n_rows)?;
        let rate = count as f64 / used.cpu.as_secs_f64();
        if area.is_none_or(|a| a == name) {
            println!(
                "{name:<9} {count:>10} {unit:<10} {:>8.1} {:>8.1} {rate:>10.0} {:>9.0}",
                used.cpu.as_secs_f64(),
                used.wall.as_secs_f64(),
                used.peak_kb as f64 / 1024.0
            );
            lines.push(json!({
                "area": name, "name": format!("Synthea, {n_rows} rows, SQLite over ODBC, all checks on"),
                "value": rate, "unit": format!("{unit} per CPU s"), "goal": Value::Null, "met": true,
                "peers": {}, "cpu_s": used.cpu.as_secs_f64(), "wall_s": used.wall.as_secs_f64(), "peak_kb": used.peak_kb,
            }));
        }
        if area == Some(name) {
            break;
        }
    }
    if area.is_none_or(|a| a == "validate") {
        lines.extend(judge::files(&epr, &folder, is_full)?);
    }
    written(&lines, json_file)
}

fn written(lines: &[Value], json_file: Option<&str>) -> Result<ExitCode> {
    if let Some(file) = json_file {
        fs::write(file, serde_json::to_string_pretty(lines)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What one run of a command used.
struct Used {
    cpu: Duration,
    wall: Duration,
    peak_kb: u64,
}

/// Runs a command and reads what it used from `/proc` while it is there, and once more when it has ended but is
/// not yet waited for.
fn measure(command: &mut Command) -> Result<Used> {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak_kb = 0;
    loop {
        let stat = fs::read_to_string(proc.join("stat")).context("reading /proc")?;
        // The name of the process stands in brackets and may hold anything; the fields follow it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        if let Ok(status) = fs::read_to_string(proc.join("status")) {
            let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
            peak_kb = peak_kb.max(peak.unwrap_or(0));
        }
        if fields.first() == Some(&"Z") {
            let ticks: u64 = fields[11..13].iter().filter_map(|f| f.parse::<u64>().ok()).sum();
            let wall = begun.elapsed();
            let code = child.wait()?.code();
            ensure!(matches!(code, Some(0 | 1)), "{command:?} ended with {code:?}");
            // Linux counts 100 ticks a second on every machine that this runs on.
            return Ok(Used { cpu: Duration::from_millis(ticks * 10), wall, peak_kb });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Rows or resources that a stage handled, from the manifests.
fn count(run: &Path, area: &str, n_rows: u64) -> Result<u64> {
    if area == "extract" {
        return Ok(n_rows);
    }
    let manifest: Value = serde_json::from_slice(&fs::read(run.join("2-map/manifest.json"))?)?;
    if area == "map" {
        let maps = manifest["ledgers"]["maps"].as_array().context("the map ledger")?;
        return Ok(maps.iter().filter_map(|m| m["in_scope"].as_u64()).sum());
    }
    let types = manifest["resources"].as_object().context("the resources")?;
    Ok(types.values().filter_map(Value::as_u64).sum())
}

/// Makes the database once; returns its rows.
fn million(database: &Path) -> Result<u64> {
    if !database.exists() {
        let csv = crate::shared_data().context("the bench needs ../shared/data")?.join("synthea-csv-fhir-pair/csv");
        let partial = database.with_extension("partial");
        sqlite::from_csv_folder(&csv, &partial)?;
        let connection = Connection::open(&partial)?;
        for table in tables(&connection)? {
            if UNUSED.contains(&table.as_str()) {
                connection.execute_batch(&format!("DROP TABLE \"{table}\""))?;
            }
        }
        let tables = tables(&connection)?;
        let n_copies = ROWS / rows(&connection, &tables)?;
        connection.execute_batch("BEGIN")?;
        for table in &tables {
            connection.execute_batch(&copies(&connection, table, n_copies)?)?;
        }
        connection.execute_batch("COMMIT")?;
        drop(connection);
        fs::rename(&partial, database)?;
    }
    let connection = Connection::open(database)?;
    rows(&connection, &tables(&connection)?)
}

/// Tables that the pack does not read.
const UNUSED: [&str; 5] = ["claims", "claims_transactions", "payers", "payer_transitions", "supplies"];

/// Columns that hold a key of this or another table.
const KEYS: [&str; 5] = ["Id", "PATIENT", "ENCOUNTER", "ORGANIZATION", "PROVIDER"];

fn copies(connection: &Connection, table: &str, n_copies: u64) -> Result<String> {
    let statement = connection.prepare(&format!("SELECT * FROM \"{table}\" LIMIT 0"))?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    statement.finalize()?;
    let values: Vec<String> = columns
        .iter()
        .map(|c| if KEYS.contains(&c.as_str()) { format!("\"{c}\" || '-' || n.i") } else { format!("\"{c}\"") })
        .collect();
    Ok(format!(
        "CREATE TABLE fresh AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
           SELECT {} FROM n, \"{table}\";
         INSERT INTO \"{table}\" SELECT * FROM fresh;
         DROP TABLE fresh;",
        n_copies - 1,
        values.iter().enumerate().map(|(i, v)| format!("{v} AS c{i}")).collect::<Vec<_>>().join(", ")
    ))
}

fn tables(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

fn rows(connection: &Connection, tables: &[String]) -> Result<u64> {
    let mut sum = 0;
    for table in tables {
        let n: i64 = connection.query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |row| row.get(0))?;
        sum += u64::try_from(n)?;
    }
    Ok(sum)
}
