//! Verdicts used again: what the same program once said of the same bytes need not be worked out a second time.
//!
//! A trial load is repeated night after night, and most of its resources are those of the night before. The verdict on
//! one follows from its bytes and the program alone (see [`crate::check`](mod@crate::check)), so it is kept in a [`book`]
//! under the hash of the bytes; the book belongs to one program, by a hash over the code, all definitions and the assigned
//! profiles. What depends on more than that (hazards, run-wide rules, references) is done each time.
//!
//! A verdict brings its part of the honesty ledger along, so findings and ledger are the same, byte for byte, whether
//! it was worked out or used again. Verdicts of the running invocation are not looked up: no thread waits for another, and
//! what is used again does not depend on who was first. A book holds no value of the data: hashes, paths, shapes.
//!
//! | what you want to find | where |
//! |---|---|
//! | the file | [`book`] |
//! | what one thread asks and notes | [`recorder`] |

mod book;
mod recorder;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use epr_fhir::{Definitions, Resource};
use epr_run::Sha256Hex;

use crate::check::Checker;
use crate::finding::Findings;
use crate::ledger::{HonestyLedger, Sums};
use crate::program::Program;

use book::Book;
use recorder::Recorder;

/// Of the books in a folder so many stay, those that were written last.
const BOOKS: usize = 8;

/// The book of one program, open for an invocation.
#[derive(Debug)]
pub struct Verdicts {
    book: Book,
    path: PathBuf,
    /// A book was there and is not to be trusted.
    was_damaged: bool,
    n_asked: AtomicU64,
    n_reused: AtomicU64,
    not_kept: OnceLock<io::ErrorKind>,
}

impl Verdicts {
    /// Opens the book of a program in `folder`; an empty one where there is none, or where what is there is damaged.
    ///
    /// `code` stands for the code that judges: another build has another.
    pub fn open(folder: &Path, code: &str, definitions: &Definitions, profiles: &BTreeMap<String, String>) -> Verdicts {
        let program = program_hash(code, definitions, profiles);
        let path = folder.join(format!("{}.book", &program.as_str()[..24]));
        let (book, was_damaged) = match std::fs::read(&path) {
            Ok(bytes) => match Book::read(bytes, &program) {
                Some(book) => (book, false),
                None => (Book::empty(program), true),
            },
            Err(error) => (Book::empty(program), error.kind() != io::ErrorKind::NotFound),
        };
        Verdicts {
            book,
            path,
            was_damaged,
            n_asked: AtomicU64::new(0),
            n_reused: AtomicU64::new(0),
            not_kept: OnceLock::new(),
        }
    }

    /// Whether a book was there that could not be used.
    pub fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    /// How many verdicts were asked for, and how many of them the book had.
    pub fn counts(&self) -> (u64, u64) {
        (self.n_asked.load(Ordering::Relaxed), self.n_reused.load(Ordering::Relaxed))
    }

    /// Why the book could not be written, where it could not.
    pub fn not_kept(&self) -> Option<io::ErrorKind> {
        self.not_kept.get().copied()
    }

    /// Writes the book with what was worked out, under another name until it is whole.
    pub(crate) fn keep(&self, program: &Program<'_>, judges: &[Judge<'_>]) -> io::Result<()> {
        let recorders = judges.iter().filter_map(|j| Some((j.recorder.as_ref()?, j.checker.names(program))));
        let parts: Vec<_> = recorders.collect();
        if parts.iter().all(|(recorder, _)| recorder.is_empty()) && !self.was_damaged {
            return Ok(());
        }
        let bytes = self.book.with(&parts).encode();
        book::write(&self.path, &bytes)?;
        book::prune(&self.path, BOOKS)
    }
}

/// SHA-256 over all that a verdict depends on beside the bytes that are judged.
fn program_hash(code: &str, definitions: &Definitions, profiles: &BTreeMap<String, String>) -> Sha256Hex {
    let definitions = definitions.content_hash();
    let fixed = [("code", code.as_bytes()), ("definitions", definitions.as_bytes())];
    let profiles = profiles.iter().map(|(type_name, url)| (type_name.as_str(), url.as_bytes()));
    Sha256Hex::of_parts(fixed.into_iter().chain(profiles))
}

/// How bytes were read: the same bytes read another way are another resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a run has it: JSON and nothing else.
    Json,
    /// As files are read: JSON with slips that are told.
    NearlyJson,
    Xml,
}

/// A checker, and the verdicts that it may use again.
pub(crate) struct Judge<'p> {
    checker: Checker<'p>,
    recorder: Option<Recorder<'p>>,
}

impl<'p> Judge<'p> {
    pub(crate) fn new(program: &'p Program<'_>, verdicts: Option<&'p Verdicts>) -> Self {
        let mut checker = Checker::new(program);
        checker.tally.record(verdicts.is_some());
        Self { checker, recorder: verdicts.map(|verdicts| Recorder::new(&verdicts.book)) }
    }

    /// The verdict on a resource that was read from `bytes`.
    pub(crate) fn check(&mut self, form: Form, bytes: &[u8], resource: &Resource) -> Findings {
        match &mut self.recorder {
            None => self.checker.check(resource),
            Some(recorder) => recorder.check(&mut self.checker, form, bytes, resource),
        }
    }

    /// Notes that bytes could not be read at all.
    pub(crate) fn count_unreadable(&mut self) {
        self.checker.count_unreadable();
    }
}

/// The honesty ledger of what some judges of one program did; their verdicts go into the book.
pub(crate) fn finish(program: &Program<'_>, verdicts: Option<&Verdicts>, judges: &[Judge<'_>]) -> HonestyLedger {
    let mut sums = Sums::default();
    for judge in judges {
        let names = judge.checker.names(program);
        names.add_up(&judge.checker.tally, &mut sums);
        if let Some(recorder) = &judge.recorder {
            recorder.add_up(&names, &mut sums);
        }
    }
    if let Some(verdicts) = verdicts {
        for recorder in judges.iter().filter_map(|judge| judge.recorder.as_ref()) {
            verdicts.n_asked.fetch_add(recorder.n_asked(), Ordering::Relaxed);
            verdicts.n_reused.fetch_add(recorder.n_reused(), Ordering::Relaxed);
        }
        // A book that could not be written takes nothing from what was judged.
        if let Err(error) = verdicts.keep(program, judges) {
            let _ = verdicts.not_kept.set(error.kind());
        }
    }
    sums.ledger()
}
