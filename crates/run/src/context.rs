//! What every stage is handed: the run folder, where to tell its progress, and whether to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{RunError, RunFolder};

/// Where a stage tells how far it is. Labels name sources, tables, maps and types, never values.
pub trait Progress: Sync {
    /// A piece of work begins; `total` is in `unit` ("rows", "resources") where it is known.
    fn begin(&self, label: &str, total: Option<u64>, unit: &'static str);
    /// `n` more are done.
    fn advance(&self, n: u64);
    /// The piece of work that began last is done.
    fn end(&self);
}

/// Tells nobody; for tests and for library use.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

/// Set by Ctrl-C; a stage looks at it once a batch.
#[derive(Debug, Default)]
pub struct StopFlag(AtomicBool);

impl StopFlag {
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// [`RunError::Stopped`] once somebody asked to stop.
    pub fn check(&self) -> Result<(), RunError> {
        if self.0.load(Ordering::Relaxed) { Err(RunError::Stopped) } else { Ok(()) }
    }
}

/// Passed to every stage. Threads are the caller's: a stage uses rayon's current pool.
#[derive(Clone, Copy)]
pub struct StageContext<'a> {
    pub run: &'a RunFolder,
    pub progress: &'a dyn Progress,
    pub stop: &'a StopFlag,
}
