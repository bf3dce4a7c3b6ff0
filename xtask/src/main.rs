//! The developers' commands. Each does its own set-up through the ordinary package clients, or says what to type.
//!
//! | what you want to find | module |
//! |---|---|
//! | all set-up, then the main job | [`demo`] |
//! | all set-up, then the whole suite | [`suite`] |
//! | speed and memory, measured through the binary | [`bench`] |
//! | dependency edges, module headers, fixtures without real-looking numbers | [`tidy`] |
//! | a synthetic peninsula, as large as wanted | [`fixtures`], [`peninsula`] |
//! | what a machine needs, and how it gets it | [`setup`] |
//! | the long forms: kills and faults | [`storm`] |
//! | broken inputs for whatever reads bytes | [`fuzz`] |
//! | faulty copies of sound resources | [`mutants`] |
//! | the reference validator beside ours | [`oracle`] |
//! | CSV tables as a SQLite database | [`sqlite`] |
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "these commands talk to a developer")]

mod bench;
mod demo;
mod fixtures;
mod fuzz;
mod mutants;
mod oracle;
mod peninsula;
mod setup;
mod sqlite;
mod storm;
mod suite;
mod terminology;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
cargo xtask COMMAND

  demo                       all set-up, then the main job; prints counts and where to look
  test [ARGS…]               all set-up, then the whole suite; ARGS go to cargo test
  bench [AREA] [--json FILE] a table per area: what, ours, goal, met
  fixtures [--seed N] [--patients N] [--out DIR] [--clean]
                             a synthetic peninsula: every system's export, a project file, the answer key
  storm [NAME]               the long forms of tests: kills and faults, as a table
  fuzz [TARGET…] [--runs N] [--seed N]
                             broken inputs for json, xml, fhirpath, packages: ten million unless told otherwise
  oracle [FILE…] [--profile URL] [--package NAME@VERSION] [--seed N] [--quota N] [--record]
                             the reference validator beside ours; without FILE the built-in set and its mutants
  terminology                the value sets of UK Core that ask for a list of codes, as docs/terminology.md has them
  tidy                       dependency edges, module headers, fixtures
  sqlite FROM FILE           a SQLite database of the CSV files in a folder (TEXT columns, empty cells NULL), or of an .sql file";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["demo"] => demo::run(),
        ["test", rest @ ..] => suite::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["fixtures", rest @ ..] => fixtures::run(rest),
        ["storm", rest @ ..] => storm::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["oracle", rest @ ..] => oracle::run(rest),
        ["terminology"] => terminology::run(),
        ["tidy"] => tidy::run(),
        ["sqlite", from, to] => sqlite::from(Path::new(from), Path::new(to)).map(|()| ExitCode::SUCCESS),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error: anyhow::Error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The repository's root folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// Real inputs that the project did not write; absent on most machines.
fn shared_data() -> Option<PathBuf> {
    let folder = root().parent()?.join("shared/data");
    folder.is_dir().then_some(folder)
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds the binary in `profile` and returns its path.
fn build_epr(profile: &str) -> Result<PathBuf> {
    let status = std::process::Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["build", "--quiet", "--bin", "epr", "--profile", profile])
        .status()?;
    anyhow::ensure!(status.success(), "the binary does not build");
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target().join(folder).join("epr"))
}
