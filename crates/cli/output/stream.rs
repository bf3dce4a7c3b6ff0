//! Stdout and stderr, as a shell's pipes treat them.
//!
//! `epr validate … | head -1` is a wish, not a fault: once the reader went away, nothing more is printed, the work goes
//! on where it changes something on disk, and the exit code is 0. A failure keeps its own exit code.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::exit::{Failure, Outcome};

static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Whether the reader of stdout went away.
pub(crate) fn reader_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// Prints a line on stdout.
pub(crate) fn say(line: impl AsRef<str>) -> Outcome<()> {
    let mut text = line.as_ref().to_owned();
    text.push('\n');
    settle(if reader_gone() { Ok(()) } else { io::stdout().lock().write_all(text.as_bytes()) })
}

/// Prints a value as JSON on stdout, indented.
pub(crate) fn say_json(value: &impl Serialize) -> Outcome<()> {
    say(serde_json::to_string_pretty(value).map_err(Failure::environment)?)
}

/// Turns what writing to stdout came to into what a command should do about it.
pub(crate) fn settle(written: io::Result<()>) -> Outcome<()> {
    match written.and_then(|()| io::stdout().flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            READER_GONE.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(Failure::environment(anyhow::Error::new(error).context("could not write to stdout"))),
    }
}

/// Prints a line on stderr. Where nobody reads it, it is lost; that must not end the work.
pub(crate) fn note(line: impl AsRef<str>) {
    let mut text = line.as_ref().to_owned();
    text.push('\n');
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
