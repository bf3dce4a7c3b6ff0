//! The binary: what was typed, the project file, progress, the closing summary, exit codes. It prints; the crates
//! below do not.
//!
//! | what you want to find | module |
//! |---|---|
//! | commands and flags | [`args`] |
//! | the project file | [`config`] |
//! | project, definitions and plans, ready for use; the run hash | [`workspace`] |
//! | the stages in their order, and what is done already | [`stages`] |
//! | one file a command | [`commands`] |
//! | exit codes, and how a failure gets its code | [`exit`] |
//! | bars and lines on stderr | [`progress`] |
//! | the closing summary | [`summary`] |
//! | the one place that reads the clock | [`clock`] |
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the binary is what talks to people")]

mod args;
mod clock;
mod commands;
mod config;
mod exit;
mod progress;
mod stages;
mod summary;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // The message of a panic may hold a value; its place cannot.
        let place = panic.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        eprintln!("error: a bug in epr, at {place}");
        eprintln!("  state   stages that were finished stay finished; the one at work is not taken for whole");
        eprintln!(
            "  next    please report the place above; the same command with the same --run-dir goes on from there"
        );
        std::process::exit(exit::BUG);
    }));
    let cli = Cli::parse();
    let quiet = cli.common.quiet;
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("{failure}");
            if !quiet && failure.exit == exit::Exit::Stopped {
                eprintln!(
                    "  state   what is complete stays complete; the same command with the same --run-dir goes on"
                );
            }
            failure.exit.into()
        }
    }
}
