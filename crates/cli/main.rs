//! The binary: what was typed, the project file, progress, the closing summary, exit codes. It prints; the crates
//! below do not.
//!
//! | what you want to find | module |
//! |---|---|
//! | commands and flags | [`args`] |
//! | the project file; its rules | [`config`]; [`rules`] |
//! | project, definitions and plans, ready for use; the run hash | [`workspace`] |
//! | the stages in their order, and what is done already | [`stages`] |
//! | verdicts of earlier calls: where they are | [`verdicts`] |
//! | one file a command | [`commands`] |
//! | exit codes, and how a failure gets its code | [`exit`] |
//! | bars and lines on stderr | [`progress`] |
//! | the closing summary | [`summary`] |
//! | formats, and what is printed where | [`output`] |
//! | the one place that reads the clock | [`clock`] |

mod args;
mod clock;
mod commands;
mod config;
mod exit;
mod output;
mod progress;
mod rules;
mod stages;
mod summary;
mod verdicts;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::exit::Exit;
use crate::output::note;
use crate::output::stream::reader_gone;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // The message of a panic may hold a value; its place cannot.
        let place = panic.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        note(format!("error: a bug in epr, at {place}"));
        note("  state   stages that were finished stay finished; the one at work is not taken for whole");
        note("  next    please report the place above; the same command with the same --run-dir goes on from there");
        std::process::exit(exit::BUG);
    }));
    let cli = Cli::parse();
    let verbose = cli.common.verbose > 0;
    match commands::run(cli) {
        // Who closed the pipe has seen enough: nobody is there to be told of issues.
        Ok(Exit::Done | Exit::Issues) if reader_gone() => Exit::Done.into(),
        Ok(exit) => exit.into(),
        Err(failure) => {
            note(failure.told(verbose));
            failure.exit.into()
        }
    }
}
