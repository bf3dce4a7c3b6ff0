//! What judging costs: invariants one by one, and `epr validate` over files, with other validators beside it.
//!
//! Input: 5,000 resources, those of the Synthea bundles and of the written peninsula, taken at even steps, then copied
//! with fresh ids. Reuse of verdicts does not come in: no two resources are the same.
//!
//! UK Core's profile of each type that it has one for is assigned, so that every resource of such a type is held
//! against it; the other validators beside us are in [`peers`].

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{measure, peers};
use crate::oracle::Group;

const DISTINCT: usize = 5_000;
const COPIED: usize = 200_000;
/// Lines through a pipe: few, and many times as many, which must not take more memory.
const PIPED_FEW: usize = 10_000;
const PIPED: usize = 1_000_000;
const PIPED_FULL: usize = 10_000_000;
const ENTRIES: usize = 100_000;
/// An odd number, so that one of them is the median.
const STARTS: usize = 21;
const UK_CORE: &str = "fhir.r4.ukcore.stu2@2.0.1";
const UK_CORE_PACKAGE: &str = "fhir-packages/fhir.r4.ukcore.stu2-2.0.1.tgz";
/// Stands where an id begins, so that a copy finds it.
const MARK: &str = "@@";

/// What stands on every element, resource, extension or reference.
const HOT: &[&str] = &["dom-2", "dom-3", "dom-4", "dom-5", "ele-1", "ext-1", "ref-1"];

/// `cargo xtask bench fhirpath`: the mean time of every invariant that the Synthea pair asks for.
pub(super) fn fhirpath() -> Result<Vec<Value>> {
    let folder = synthea()?;
    let output = example("epr-fhirpath", "invariant_times", &bundles(&folder)?)?;
    let mut lines = Vec::new();
    println!("input: the Synthea pair's bundles, resource after resource, memory warm; mean of all evaluations");
    println!("{:<8} {:>9} {:>10} {:>8} {:>9}  expression", "key", "asked", "mean ns", "share %", "native %");
    for line in output.lines() {
        let parts: Vec<&str> = line.splitn(7, '\t').collect();
        let [key, n, each, share, native, entries, text] = parts.as_slice() else {
            bail!("a line of invariant_times has not seven parts");
        };
        let each: f64 = each.parse()?;
        let n_entries: f64 = entries.parse()?;
        // An invariant that asks every entry of a Bundle is measured by the entry.
        let is_wide = text.contains("entry.") && !text.contains("entry.first()");
        let per_entry = (is_wide && n_entries > 0.0).then(|| each / n_entries);
        let goal = if HOT.contains(key) { 100.0 } else { 1000.0 };
        let met = per_entry.unwrap_or(each) <= goal;
        let note = per_entry.map_or(String::new(), |ns| format!(" [{ns:.0} ns an entry]"));
        let missed = if met { "" } else { " (goal missed)" };
        let short: String = text.chars().take(60).collect();
        println!("{key:<8} {n:>9} {each:>10} {share:>8} {native:>9}  {short}{note}{missed}");
        lines.push(json!({
            "area": "fhirpath", "name": key, "value": per_entry.unwrap_or(each), "unit": if per_entry.is_some() { "ns an entry" } else { "ns" },
            "goal": goal, "met": met, "peers": {}, "n": n.parse::<u64>()?, "share_percent": share.parse::<f64>()?,
            "native_percent": native.parse::<f64>()?,
        }));
    }
    Ok(lines)
}

/// `cargo xtask bench start`: how soon the first verdict is there, and how soon differentials are snapshots.
pub(super) fn start(epr: &Path, folder: &Path) -> Result<Vec<Value>> {
    let mut lines = start_of(epr, folder, &distinct()?, &crate::oracle::uk_core()?)?;
    lines.push(snapshots()?);
    Ok(lines)
}

/// From exec to the first line of output, with warm packs: the median of odd many, R4 alone and UK Core's profiles with it.
fn start_of(epr: &Path, folder: &Path, distinct: &[String], against: &Group) -> Result<Vec<Value>> {
    let first = folder.join("one.ndjson");
    copy(distinct, 1, &first)?;
    let mut lines = Vec::new();
    for (what, has_profiles) in [("R4", false), ("R4 and UK Core's profiles", true)] {
        let mut times = Vec::with_capacity(STARTS);
        // The first one warms the packs.
        for i in 0..=STARTS {
            let mut command = Command::new(epr);
            command.arg("validate").arg(&first).args(["--fail-on", "never"]);
            command.args(["--format", "ndjson", "--no-progress", "--quiet"]);
            if has_profiles {
                command.args(["--package", UK_CORE]);
                command.args(against.profiles.values().flat_map(|profile| ["--profile", profile]));
            }
            let begun = Instant::now();
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let mut output = BufReader::new(child.stdout.take().context("a pipe")?);
            let mut line = String::new();
            output.read_line(&mut line)?;
            let time = begun.elapsed();
            std::io::copy(&mut output, &mut std::io::sink())?;
            ensure!(child.wait()?.success() && !line.is_empty(), "epr validate failed");
            if i > 0 {
                times.push(time);
            }
        }
        times.sort();
        let name = format!("exec to the first verdict, {what}, median of {STARTS}");
        lines.push(row(&name, times[STARTS / 2].as_secs_f64() * 1000.0, "ms", Some((50.0, Less)), 0));
    }
    Ok(lines)
}

/// UK Core's differentials to snapshots, R4 being loaded.
fn snapshots() -> Result<Value> {
    let package = crate::shared_data().context("the bench needs ../shared/data")?;
    let output = example("epr-fhir", "snapshot_times", &[package.join(UK_CORE_PACKAGE)])?;
    let parts: Vec<&str> = output.trim().split('\t').collect();
    let [n, faults, median] = parts.as_slice() else { anyhow::bail!("snapshot_times told something else: {output}") };
    let name = format!("UK Core: {n} snapshots ({faults} could not be made), base loaded, median of 21");
    Ok(row(&name, median.parse::<f64>()? / 1000.0, "ms", Some((300.0, Less)), 0))
}

/// Builds an example of a crate and runs it; the first argument is the package cache.
fn example(package: &str, name: &str, arguments: &[PathBuf]) -> Result<String> {
    let status = Command::new(env!("CARGO"))
        .current_dir(crate::root())
        .args(["build", "--quiet", "--release", "-p", package, "--example", name])
        .status()?;
    ensure!(status.success(), "the example does not build");
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    let output = Command::new(crate::target().join("release/examples").join(name))
        .arg(Path::new(&home).join(".fhir/packages"))
        .args(arguments)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// `cargo xtask bench validate`, the part on files; `is_full` pipes ten million lines in place of one million.
pub(super) fn files(epr: &Path, folder: &Path, is_full: bool) -> Result<Vec<Value>> {
    let mut lines = Vec::new();
    let distinct = distinct()?;
    let mixed = folder.join("mixed-200k.ndjson");
    copy(&distinct, COPIED, &mixed)?;
    let few = folder.join("mixed-5k.ndjson");
    copy(&distinct, DISTINCT, &few)?;
    println!("input: {DISTINCT} mixed resources copied to {COPIED}; R4 and UK Core, all invariants, offline bindings");
    let against = crate::oracle::uk_core()?;
    let judged = |file: &Path, threads: &str| {
        let mut command = Command::new(epr);
        command.arg("validate").arg(file).args(["--threads", threads, "--fail-on", "never"]);
        command.args(["--format", "ndjson", "--no-progress", "--quiet"]);
        command.args(against.our_packages.iter().flat_map(|package| ["--package", package]));
        command.args(against.profiles.values().flat_map(|profile| ["--profile", profile]));
        command
    };
    let used = measure(&mut judged(&mixed, "1"))?;
    let rate = COPIED as f64 / used.cpu.as_secs_f64();
    let mut files = row("files", rate, "resources per CPU s, start included", Some((20_000.0, More)), used.peak_kb);
    for peer in peers::beside(&few, &folder.join("peers"))? {
        println!("    {}: {}", peer.name, peer.told);
        files["peers"][peer.name] = json!(peer.rate);
    }
    lines.push(files);
    let mut best: f64 = 0.0;
    for _ in 0..5 {
        let one = measure(&mut judged(&mixed, "1"))?.wall;
        let two = measure(&mut judged(&mixed, "2"))?.wall;
        best = best.max(one.as_secs_f64() / two.as_secs_f64());
    }
    let control = spin_control()?;
    println!("  two processes that only count, over one after the other: {control:.2}");
    lines.push(row("one thread over two, best of five", best, "times", Some((1.7, More)), 0));
    lines.extend(start_of(epr, folder, &distinct, &against)?);
    for n in [PIPED_FEW, if is_full { PIPED_FULL } else { PIPED }] {
        let peak = piped(&mut judged(Path::new("-"), "2"), &distinct, n)?;
        let name = format!("{n} lines piped through -");
        lines.push(row(&name, peak as f64 / 1024.0, "MB at the most", Some((150.0, Less)), 0));
    }
    let bundle = folder.join("bundle-100k.json");
    write_bundle(&bundle)?;
    let used = measure(&mut judged(&bundle, "2"))?;
    let seconds = used.wall.as_secs_f64();
    lines.push(row("a Bundle of 100,000 entries", seconds, "s", Some((10.0, Less)), used.peak_kb));
    Ok(lines)
}

#[derive(Clone, Copy)]
enum Better {
    More,
    Less,
}
use Better::{Less, More};

fn row(name: &str, value: f64, unit: &str, goal: Option<(f64, Better)>, peak_kb: u64) -> Value {
    let met = match goal {
        None => true,
        Some((goal, More)) => value >= goal,
        Some((goal, Less)) => value <= goal,
    };
    let peak = if peak_kb > 0 { format!(", peak {} MB", peak_kb / 1024) } else { String::new() };
    let decimals = if value < 10.0 { 2 } else { 1 };
    println!("  {name}: {value:.decimals$} {unit}{peak}{}", if met { "" } else { " (goal missed)" });
    json!({
        "area": "validate", "name": name, "value": value, "unit": unit, "goal": goal.map(|(goal, _)| goal),
        "met": met, "peers": {}, "peak_kb": peak_kb,
    })
}

fn synthea() -> Result<PathBuf> {
    Ok(crate::shared_data().context("the bench needs ../shared/data")?.join("synthea-csv-fhir-pair/fhir"))
}

fn bundles(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "gz"));
    files.sort();
    Ok(files)
}

/// The distinct resources, each on one line.
fn distinct() -> Result<Vec<String>> {
    let mut synthea_lines = Vec::new();
    for path in bundles(&synthea()?)? {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(fs::File::open(path)?).read_to_end(&mut bytes)?;
        let mut bundle: Value = serde_json::from_slice(&bytes)?;
        for entry in bundle["entry"].as_array_mut().context("a Bundle without entries")? {
            let resource = &mut entry["resource"];
            let id = resource["id"].as_str().context("a resource without an id")?;
            resource["id"] = Value::String(format!("{MARK}{id}"));
            synthea_lines.push(resource.to_string());
        }
    }
    let mut lines = Vec::new();
    let mut files: Vec<PathBuf> =
        fs::read_dir(crate::root().join("fixtures/peninsula/rh8"))?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    files.sort();
    for file in files {
        // The first id of a line is the resource's own.
        let text = fs::read_to_string(file)?;
        lines.extend(text.lines().map(|line| line.replacen("\"id\":\"", &format!("\"id\":\"{MARK}"), 1)));
    }
    let n = DISTINCT.saturating_sub(lines.len()).min(synthea_lines.len());
    lines.extend((0..n).map(|i| synthea_lines[i * synthea_lines.len() / n].clone()));
    Ok(lines)
}

/// Writes `n` lines, each copy with ids of its own.
fn copy(lines: &[String], n: usize, path: &Path) -> Result<()> {
    let mut out = BufWriter::new(fs::File::create(path)?);
    write_copies(lines, n, &mut out)?;
    out.flush()?;
    Ok(())
}

fn write_copies(lines: &[String], n: usize, out: &mut dyn Write) -> Result<()> {
    for i in 0..n {
        let line = &lines[i % lines.len()];
        let (before, after) = line.split_once(MARK).context("a resource without an id")?;
        writeln!(out, "{before}c{}-{after}", i / lines.len())?;
    }
    Ok(())
}

/// Peak memory of a process that reads `n` lines from a pipe.
fn piped(command: &mut Command, lines: &[String], n: usize) -> Result<u64> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut input = BufWriter::new(child.stdin.take().context("a pipe")?);
    let status = format!("/proc/{}/status", child.id());
    let peak = || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        line.unwrap_or(0)
    };
    let mut most = 0;
    for from in (0..n).step_by(10_000) {
        write_copies(lines, 10_000.min(n - from), &mut input)?;
        most = most.max(peak());
    }
    input.flush()?;
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "epr validate ended with {status}");
    Ok(most)
}

/// A collection of patients and observations about them, each observation referring to its patient.
fn write_bundle(path: &Path) -> Result<()> {
    let mut out = BufWriter::new(fs::File::create(path)?);
    write!(out, r#"{{"resourceType":"Bundle","type":"collection","entry":["#)?;
    for i in 0..ENTRIES {
        let comma = if i > 0 { "," } else { "" };
        let patient = format!("urn:uuid:00000000-0000-4000-8000-{:012x}", i / 2 * 2);
        let own = format!("urn:uuid:00000000-0000-4000-8000-{i:012x}");
        if i % 2 == 0 {
            write!(
                out,
                r#"{comma}{{"fullUrl":"{own}","resource":{{"resourceType":"Patient","id":"p{i}","active":true}}}}"#
            )?;
        } else {
            write!(
                out,
                r#"{comma}{{"fullUrl":"{own}","resource":{{"resourceType":"Observation","id":"o{i}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"{patient}"}}}}}}"#
            )?;
        }
    }
    write!(out, "]}}")?;
    out.flush()?;
    Ok(())
}

/// How much two processes gain on this machine at the moment, where nothing is shared: what threads cannot exceed.
fn spin_control() -> Result<f64> {
    let spin = || Command::new("sh").args(["-c", "i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done"]).spawn();
    let begun = Instant::now();
    spin()?.wait()?;
    spin()?.wait()?;
    let apart = begun.elapsed();
    let begun = Instant::now();
    let (mut one, mut two) = (spin()?, spin()?);
    one.wait()?;
    two.wait()?;
    Ok(apart.as_secs_f64() / begun.elapsed().as_secs_f64())
}
