//! Exit codes: a public interface, documented in README.md, and how a failure gets its code.

use std::fmt::Write;
use std::process::ExitCode;

use epr_run::RunError;

/// Where several hold, the one first in the order 70, 3, 4, 5, 2, 1 wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; no issue at or above `--fail-on`.
    Done,
    /// Done; issues at or above `--fail-on`.
    Issues,
    /// Usage or project is wrong, or a signature is missing; nothing was sent.
    Usage,
    /// The environment failed (database, disk, target); running again is right.
    Environment,
    /// A load is unfinished; the journal says where; run again with the same `--run-dir`.
    Unfinished,
    /// Counts do not reconcile.
    Unbalanced,
    /// Stopped by Ctrl-C; what is complete stays complete.
    Stopped,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Issues => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Unfinished => 4,
            Self::Unbalanced => 5,
            Self::Stopped => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A bug in epr: a panic. The panic hook uses it.
pub(crate) const BUG: i32 = 70;

/// A failure with its exit code, what is now true on disk, and what to type next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
    pub(crate) state: Option<String>,
    pub(crate) next: Option<String>,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into(), state: None, next: None }
    }

    pub(crate) fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Environment, error: error.into(), state: None, next: None }
    }

    pub(crate) fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = exit_of(&error);
        let next = match &error {
            RunError::Signed { .. } => Some("add --discard-signature to do it again all the same"),
            RunError::LiveLoadBegan { .. } => Some("begin another run in a new --run-dir"),
            RunError::Locked { .. } => Some("wait for the other epr, or name another --run-dir"),
            RunError::Altered { .. } => Some("do the stage that wrote it again, in a new run folder"),
            _ => None,
        };
        Self { exit, error: error.into(), state: None, next: next.map(str::to_owned) }
    }
}

/// The exit code that a run folder's own failure has.
pub(crate) fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Io { .. } | RunError::Parquet { .. } => Exit::Environment,
        RunError::Malformed { .. }
        | RunError::Altered { .. }
        | RunError::Locked { .. }
        | RunError::StageMissing { .. }
        | RunError::Signed { .. }
        | RunError::LiveLoadBegan { .. } => Exit::Usage,
        RunError::Stopped => Exit::Stopped,
        RunError::Unbalanced(_) | RunError::Lost { .. } => Exit::Unbalanced,
    }
}

/// An error of a stage, which may be the run folder's own under another name.
pub(crate) trait StageError: Into<anyhow::Error> {
    fn as_run_error(&self) -> Option<&RunError>;
}

macro_rules! stage_errors {
    ($($error:ty),*) => {$(
        impl StageError for $error {
            fn as_run_error(&self) -> Option<&RunError> {
                match self {
                    Self::Run(error) => Some(error),
                    _ => None,
                }
            }
        }
    )*};
}

stage_errors!(
    epr_extract::ExtractError,
    epr_mapping::stage::MapError,
    epr_link::LinkError,
    epr_validate::ValidateError,
    epr_report::ReportError,
    epr_load::LoadError
);

impl StageError for epr_mapping::explain::ExplainError {
    fn as_run_error(&self) -> Option<&RunError> {
        match self {
            Self::Run(error) => Some(error),
            Self::Map(error) => error.as_run_error(),
            _ => None,
        }
    }
}

/// Gives the error of a stage its exit code: that of the run folder's failure, where it is one, else `otherwise`.
pub(crate) fn of_stage(error: impl StageError, otherwise: Exit) -> Failure {
    let exit = error.as_run_error().map_or(otherwise, exit_of);
    Failure { exit, error: error.into(), state: None, next: None }
}

impl Failure {
    /// What a person reads: `error: what: cause`, then `state` and `next` on lines of their own. `verbose` gives each
    /// cause its own line.
    pub(crate) fn told(&self, verbose: bool) -> String {
        let mut text = if verbose { format!("error: {}", self.error) } else { format!("error: {:#}", self.error) };
        let mut line = |word: &str, what: &str| {
            let _ = write!(text, "\n  {word:<7} {what}");
        };
        if verbose {
            for cause in self.error.chain().skip(1) {
                line("cause", &cause.to_string());
            }
        }
        if let Some(state) = &self.state {
            line("state", state);
        }
        if self.exit == Exit::Stopped {
            line("state", "what is complete stays complete; the same command with the same --run-dir goes on");
        }
        if let Some(next) = &self.next {
            line("next", next);
        }
        if verbose {
            line("exit", &self.exit.code().to_string());
        }
        text
    }
}
