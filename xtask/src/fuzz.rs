//! `cargo xtask fuzz [TARGET]… [--runs N] [--seed N]`: whatever reads bytes from outside is given broken ones.
//!
//! Every execution follows from the seed and its number, and starts from the inputs in `fixtures/fuzz/TARGET`; there is
//! no feedback of coverage, which would want a nightly compiler. Each target runs in a process of its own, so that a stack
//! that overflows or memory that runs out ends that process and not the search. What is found is made smaller and kept in
//! `fixtures/fuzz/TARGET/found-…`, where the tests replay it for ever.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is executed | [`targets`] |
//! | how inputs are broken | [`breaking`] |

mod breaking;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::mutants::{Dice, fingerprint};
use targets::{Ground, TARGETS, Target};

/// Ten million over all targets.
const RUNS: u64 = 10_000_000;
/// The most that a target may hold in memory.
const MEMORY_KIB: u64 = 512 * 1024;
/// One execution that takes longer is a finding.
const SLOW: Duration = Duration::from_secs(2);

/// What was asked for.
struct Options {
    targets: Vec<&'static Target>,
    runs: u64,
    seed: u64,
    /// For the process of one target: from which execution, and whether it notes each.
    child: Option<(u64, bool)>,
}

impl Options {
    fn read(words: &[&str]) -> Result<Self> {
        let mut options = Self { targets: Vec::new(), runs: RUNS, seed: 1, child: None };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut number =
                || words.next().with_context(|| format!("{word} wants a number"))?.parse().context("a number");
            match word {
                "--runs" => options.runs = number()?,
                "--seed" => options.seed = number()?,
                "--child" => options.child = Some((number()?, number()? == 1)),
                name => {
                    let target = TARGETS.iter().find(|t| t.name == name);
                    options
                        .targets
                        .push(target.with_context(|| format!("{name} is no target: json xml fhirpath packages"))?);
                }
            }
        }
        if options.targets.is_empty() {
            options.targets = TARGETS.iter().collect();
        }
        Ok(options)
    }
}

pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    let options = Options::read(words)?;
    if let (Some((from, notes_each)), [target]) = (options.child, options.targets.as_slice()) {
        return child(target, options.seed, from, options.runs, notes_each);
    }
    let share: u64 = options.targets.iter().map(|t| t.share).sum();
    let mut is_clean = true;
    for target in &options.targets {
        let runs = options.runs * target.share / share;
        is_clean &= parent(target, options.seed, runs)?;
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one target in its own process; where that dies, finds the execution that killed it and goes on behind it.
fn parent(target: &Target, seed: u64, runs: u64) -> Result<bool> {
    let call = |from: u64, to: u64, notes_each: bool| {
        Command::new(std::env::current_exe()?)
            .args(["fuzz", target.name, "--seed", &seed.to_string(), "--runs", &to.to_string()])
            .args(["--child", &from.to_string(), if notes_each { "1" } else { "0" }])
            .status()
    };
    let mut is_clean = true;
    let mut from = 0;
    while from < runs {
        let status = call(from, runs, false)?;
        if let Some(code) = status.code() {
            return Ok(is_clean && code == 0);
        }
        // It was killed: what it noted last is at most a batch before the end.
        let noted: u64 = std::fs::read_to_string(progress(target))?.trim().parse()?;
        let _ = call(noted, (noted + BATCH).min(runs), true)?;
        let killer: u64 = std::fs::read_to_string(progress(target))?.trim().parse()?;
        let input = input(target, &corpus(target)?, seed, killer);
        let kept = keep(target, &input)?;
        println!("{}: execution {killer} of seed {seed} ends the process: {}", target.name, kept.display());
        is_clean = false;
        from = killer + 1;
    }
    Ok(is_clean)
}

/// So often a process notes how far it is.
const BATCH: u64 = 1_000;

fn progress(target: &Target) -> PathBuf {
    crate::target().join(format!("fuzz-{}.progress", target.name))
}

fn child(target: &Target, seed: u64, from: u64, to: u64, notes_each: bool) -> Result<ExitCode> {
    let corpus = corpus(target)?;
    let ground = Ground::prepare();
    let mut exec = (target.prepare)(ground);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut found = 0;
    let mut n_done = 0_u64;
    let started = Instant::now();
    for n in from..to {
        if notes_each || n % BATCH == 0 {
            std::fs::write(progress(target), n.to_string())?;
        }
        let input = input(target, &corpus, seed, n);
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| exec(&input)));
        n_done += 1;
        let is_slow = began.elapsed() > SLOW;
        if result.is_err() || is_slow {
            found += 1;
            // Whatever it held may be broken now.
            exec = (target.prepare)(ground);
            let small = if is_slow { input } else { smaller(input, &mut |bytes| panics(target, ground, bytes)) };
            let what = if is_slow { "is slow" } else { "panics" };
            println!("{}: execution {n} of seed {seed} {what}: {}", target.name, keep(target, &small)?.display());
            if found == 20 {
                println!("{}: and more; the first twenty will do", target.name);
                break;
            }
        }
    }
    std::panic::set_hook(hook);
    let elapsed = started.elapsed().as_secs_f64().max(0.001);
    #[allow(clippy::cast_precision_loss, reason = "counts of executions are small")]
    let per_second = n_done as f64 / elapsed;
    let memory = most_memory_kib();
    println!(
        "{:<9} {:>9} executions, {per_second:>7.0} a second, at most {} MB, {found} found ({})",
        target.name,
        n_done,
        memory / 1024,
        if ground.has_definitions() { "with R4" } else { "without R4" }
    );
    let is_clean = found == 0 && memory <= MEMORY_KIB;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The input of one execution: every hundredth is a corpus file as it is, the others are broken.
fn input(target: &Target, corpus: &[Vec<u8>], seed: u64, n: u64) -> Vec<u8> {
    let mut dice = Dice::new(&[seed, fingerprint(target.name), n]);
    let one = dice.below(corpus.len());
    if n.is_multiple_of(100) { corpus[one].clone() } else { (target.breaks)(&corpus[one], corpus, &mut dice) }
}

/// The inputs to start from, in the order of their names; of `expressions.txt`, each line.
fn corpus(target: &Target) -> Result<Vec<Vec<u8>>> {
    let folder = crate::root().join("fixtures/fuzz").join(target.name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut corpus = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path)?;
        if path.extension().is_some_and(|e| e == "txt") {
            corpus.extend(bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
        } else {
            corpus.push(bytes);
        }
    }
    anyhow::ensure!(!corpus.is_empty(), "{} is empty", folder.display());
    Ok(corpus)
}

fn panics(target: &Target, ground: &'static Ground, bytes: &[u8]) -> bool {
    let mut exec = (target.prepare)(ground);
    catch_unwind(AssertUnwindSafe(|| exec(bytes))).is_err()
}

/// Cuts pieces out of an input for as long as it still fails.
fn smaller(mut input: Vec<u8>, fails: &mut dyn FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut piece = input.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut shorter = input.clone();
            shorter.drain(at..(at + piece).min(input.len()));
            if fails(&shorter) { input = shorter } else { at += piece }
        }
        piece /= 2;
    }
    input
}

fn keep(target: &Target, input: &[u8]) -> Result<PathBuf> {
    let name = format!("found-{:016x}", fingerprint(&String::from_utf8_lossy(input)));
    let path = crate::root().join("fixtures/fuzz").join(target.name).join(name);
    std::fs::write(&path, input)?;
    Ok(path)
}

/// The most memory that this process ever held; 0 where the system does not say.
fn most_memory_kib() -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broken inputs of each target on top of its corpus: enough to see a search that no longer works.
    const BROKEN: u64 = 3_000;

    #[test]
    fn every_input_ever_found_and_some_broken_ones_are_read_without_a_panic() {
        let ground = Ground::prepare();
        if !ground.has_definitions() {
            println!("skipped: r4: nothing is checked beyond its form");
        }
        for target in TARGETS {
            let corpus = corpus(target).unwrap();
            let mut exec = (target.prepare)(ground);
            for bytes in &corpus {
                exec(bytes);
            }
            for n in 0..BROKEN {
                exec(&input(target, &corpus, 1, n));
            }
        }
    }

    #[test]
    fn an_input_is_made_as_small_as_it_still_fails() {
        let mut fails = |bytes: &[u8]| bytes.windows(2).any(|w| w == b"xy");
        assert_eq!(smaller(b"some text with xy in its middle".to_vec(), &mut fails), b"xy");
    }

    #[test]
    fn an_execution_is_the_same_whenever_it_is_asked_for() {
        let target = &TARGETS[0];
        let corpus = corpus(target).unwrap();
        let texts = |seed| (1..50).map(|n| input(target, &corpus, seed, n)).collect::<Vec<_>>();
        assert_eq!(texts(3), texts(3));
        assert_ne!(texts(3), texts(4));
    }
}
