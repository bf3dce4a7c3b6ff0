//! `epr validate PATH…`: anybody's FHIR files, resource by resource, in the order of the paths.
//!
//! `.json`, `.xml`, `.ndjson`, each also `.gz` and `.zst`; folders, in the order of names; `-` is NDJSON from standard input,
//! which the caller hands in. Memory holds one batch of lines or of other files. References outside a file are not
//! followed. What cannot be read becomes a result with an error, never a file passed over.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use epr_fhir::definitions::SnapshotFault;
use epr_fhir::{Resource, XmlReader};
use epr_model::Severity;
use epr_run::StopFlag;
use rayon::prelude::*;

use crate::finding::Finding;
use crate::issues;
use crate::ledger::HonestyLedger;
use crate::locate;
use crate::program::Program;
use crate::reuse::{self, Judge, Verdicts};

/// A batch ends at so many lines or bytes, whichever comes first.
const BATCH_LINES: usize = 4_096;
/// The first batch has so many lines, each later one twice as many until the limit.
const FIRST_BATCH_LINES: usize = 16;
const BATCH_BYTES: usize = 16 << 20;
/// So many files of one resource are checked together.
const BATCH_FILES: usize = 256;

/// What was found in one resource (a Bundle is one), or that something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileResult {
    /// The path as it was given, or below the folder that was given; `-` for standard input.
    pub file: String,
    /// From 1; of a `.json` or `.xml` file always 1.
    pub line: u64,
    pub resource_type: Option<String>,
    pub id: Option<String>,
    pub issues: Vec<Finding>,
    /// The line and column (from 1, in characters) at which the element of each issue begins, as far as they are known.
    pub places: Vec<(u64, u64)>,
    pub not_checked: u64,
}

/// Whether a check that could not be made counts against a resource (`--strict-terminology`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    Plain,
    NotCheckedIsInvalid,
}

impl FileResult {
    pub fn is_valid(&self, strictness: Strictness) -> bool {
        self.n_errors() == 0 && (strictness == Strictness::Plain || self.not_checked == 0)
    }
}

/// What all files came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesSummary {
    pub n_resources: u64,
    pub n_errors: u64,
    pub n_warnings: u64,
    pub n_not_checked: u64,
    /// Resources (or unreadable files) with at least one error.
    pub n_invalid: u64,
    pub ledger: HonestyLedger,
}

/// Why checking files could not go on. What was handed out before stays true.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("could not write the results")]
    Output(#[source] io::Error),
    #[error(transparent)]
    Stopped(#[from] epr_run::RunError),
}

/// Checks files and hands each result to `sink`, in the order of paths and lines.
///
/// `standard_input` is read where a path is `-`. A path that cannot be opened or read is a result with an error.
/// Where there are `verdicts` they are used again, and those that were worked out are kept beside them.
pub fn check_files(
    program: &Program<'_>,
    verdicts: Option<&Verdicts>,
    paths: &[PathBuf],
    standard_input: &mut (dyn Read + Send),
    stop: &StopFlag,
    sink: &mut dyn FnMut(FileResult) -> io::Result<()>,
) -> Result<FilesSummary, FilesError> {
    let workers = (0..rayon::current_num_threads()).map(|_| Mutex::new(Worker::new(program, verdicts))).collect();
    let mut run = Run { workers, stop, sink, summary: empty_summary(), waiting: Vec::new(), n_waiting_bytes: 0 };
    for path in paths {
        if path.as_os_str() == "-" {
            run.lines("-", &mut BufReader::new(&mut *standard_input))?;
        } else {
            run.path(path)?;
        }
    }
    run.flush()?;
    let Run { workers, mut summary, .. } = run;
    let workers = workers.into_iter().map(|w| w.into_inner().unwrap_or_else(PoisonError::into_inner));
    let judges: Vec<Judge<'_>> = workers.map(|worker| worker.judge).collect();
    summary.ledger = reuse::finish(program, verdicts, &judges);
    Ok(summary)
}

/// What one thread keeps between resources.
struct Worker<'p> {
    judge: Judge<'p>,
    resource: Resource,
    xml: XmlReader<'p>,
}

impl<'p> Worker<'p> {
    fn new(program: &'p Program<'_>, verdicts: Option<&'p Verdicts>) -> Self {
        Self {
            judge: Judge::new(program, verdicts),
            resource: Resource::default(),
            xml: XmlReader::new(program.definitions),
        }
    }

    fn check(&mut self, file: &str, line: u64, form: Form, bytes: &[u8]) -> FileResult {
        let read = if form == Form::Xml {
            self.xml.read_into(bytes, &mut self.resource)
        } else {
            self.resource.parse_nearly_json_into(bytes)
        };
        if let Err(fault) = read {
            self.judge.count_unreadable();
            let place = if line > 1 { String::new() } else { format!("line {}, ", fault.line) };
            let detail = format!("{place}column {}: {}", fault.column, fault.what);
            return unreadable(file, line, issues::VAL_SYNTAX, Severity::Fatal, detail);
        }
        let form = if form == Form::Xml { reuse::Form::Xml } else { reuse::Form::NearlyJson };
        let findings = self.judge.check(form, bytes, &self.resource);
        let places = locate::places(&self.resource, &findings.issues, line);
        FileResult {
            file: file.to_owned(),
            line,
            resource_type: findings.facts.resource_type,
            id: findings.facts.id,
            issues: findings.issues,
            places,
            not_checked: findings.not_checked,
        }
    }
}

struct Run<'a, 'p> {
    workers: Vec<Mutex<Worker<'p>>>,
    stop: &'a StopFlag,
    sink: &'a mut dyn FnMut(FileResult) -> io::Result<()>,
    summary: FilesSummary,
    /// Files that were read and wait for enough others to be checked together.
    waiting: Vec<(String, Form, Vec<u8>)>,
    n_waiting_bytes: usize,
}

/// Lines that are checked together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The number of each line, and where it ends.
    ends: Vec<(u64, usize)>,
    failure: Option<io::Error>,
}

impl Batch {
    /// Reads the lines after line `last`.
    fn read(&mut self, reader: &mut (dyn BufRead + Send), n_lines: usize, last: u64) {
        self.bytes.clear();
        self.ends.clear();
        let mut line = last;
        while self.ends.len() < n_lines && self.bytes.len() < BATCH_BYTES {
            match reader.read_until(b'\n', &mut self.bytes) {
                Ok(0) => return,
                Ok(_) => {
                    line += 1;
                    self.ends.push((line, self.bytes.len()));
                }
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            }
        }
    }

    fn last_line(&self) -> u64 {
        self.ends.last().map_or(0, |(line, _)| *line)
    }

    fn check(&self, workers: &[Mutex<Worker<'_>>], name: &str) -> Vec<FileResult> {
        let lines = (0..self.ends.len()).into_par_iter().with_min_len(16);
        let checked = lines.filter_map(|i| {
            let start = if i == 0 { 0 } else { self.ends[i - 1].1 };
            let line = self.bytes[start..self.ends[i].1].trim_ascii();
            // An empty line is no resource.
            if line.is_empty() {
                return None;
            }
            Some(with_worker(workers, |w| w.check(name, self.ends[i].0, Form::Ndjson, line)))
        });
        checked.collect()
    }
}

/// How a file is written, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Ndjson,
    Xml,
    Other,
}

impl Run<'_, '_> {
    fn path(&mut self, path: &Path) -> Result<(), FilesError> {
        if !path.is_dir() {
            return self.file(path, true);
        }
        let mut entries = match std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries.into_iter().map(|e| e.path()).collect::<Vec<_>>(),
            Err(error) => return self.fail(path, &error),
        };
        entries.sort();
        for entry in entries {
            if entry.is_dir() { self.path(&entry)? } else { self.file(&entry, false)? }
        }
        Ok(())
    }

    /// A file found in a folder is passed over where its name is not that of FHIR data; one that was named is not.
    fn file(&mut self, path: &Path, was_named: bool) -> Result<(), FilesError> {
        let name = path.display().to_string();
        let form = form_of(&name);
        match form {
            Form::Other if !was_named => return Ok(()),
            Form::Other => {
                let detail = "expected .json, .xml or .ndjson, also .gz or .zst, found another name".to_owned();
                return self.give(unreadable(&name, 1, issues::VAL_NOT_BUILT, Severity::Error, detail));
            }
            Form::Json | Form::Xml | Form::Ndjson => {}
        }
        let mut reader = match open(path) {
            Ok(reader) => reader,
            Err(error) => return self.fail(path, &error),
        };
        if form == Form::Ndjson {
            return self.lines(&name, &mut reader);
        }
        let mut bytes = Vec::new();
        if let Err(error) = reader.read_to_end(&mut bytes) {
            return self.fail(path, &error);
        }
        self.n_waiting_bytes += bytes.len();
        self.waiting.push((name, form, bytes));
        if self.waiting.len() == BATCH_FILES || self.n_waiting_bytes > BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Checks the files that wait; what comes after them must not be handed out before.
    fn flush(&mut self) -> Result<(), FilesError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.n_waiting_bytes = 0;
        let workers = &self.workers;
        let files = waiting.par_iter();
        let checked: Vec<_> =
            files.map(|(name, form, bytes)| with_worker(workers, |w| w.check(name, 1, *form, bytes))).collect();
        checked.into_iter().try_for_each(|result| self.hand_out(result))
    }

    fn lines(&mut self, name: &str, reader: &mut (dyn BufRead + Send)) -> Result<(), FilesError> {
        self.flush()?;
        let (mut batch, mut next) = (Batch::default(), Batch::default());
        // The first verdicts come soon: batches grow to their full size.
        let mut n_lines = FIRST_BATCH_LINES;
        batch.read(reader, n_lines, 0);
        while !batch.ends.is_empty() {
            self.stop.check()?;
            n_lines = (n_lines * 2).min(BATCH_LINES);
            let last = batch.last_line();
            let workers = &self.workers;
            let results = if n_lines < BATCH_LINES || batch.failure.is_some() {
                batch.check(workers, name)
            } else {
                rayon::join(|| batch.check(workers, name), || next.read(reader, n_lines, last)).0
            };
            for result in results {
                self.give(result)?;
            }
            if batch.failure.is_some() {
                break;
            }
            if n_lines < BATCH_LINES {
                next.read(reader, n_lines, last);
            }
            std::mem::swap(&mut batch, &mut next);
        }
        batch.failure.map_or(Ok(()), |error| self.fail(Path::new(name), &error))
    }

    fn fail(&mut self, path: &Path, error: &io::Error) -> Result<(), FilesError> {
        let detail = format!("the file could not be read: {}", error.kind());
        self.give(unreadable(&path.display().to_string(), 1, issues::VAL_SYNTAX, Severity::Fatal, detail))
    }

    fn give(&mut self, result: FileResult) -> Result<(), FilesError> {
        self.flush()?;
        self.hand_out(result)
    }

    fn hand_out(&mut self, result: FileResult) -> Result<(), FilesError> {
        self.stop.check()?;
        let n_errors = result.n_errors();
        self.summary.n_resources += 1;
        self.summary.n_errors += n_errors;
        self.summary.n_warnings += result.n_warnings();
        self.summary.n_not_checked += result.not_checked;
        self.summary.n_invalid += u64::from(n_errors > 0);
        (self.sink)(result).map_err(FilesError::Output)
    }
}

/// Each thread has its own worker, so that no two wait for one.
fn with_worker<'p, T>(workers: &[Mutex<Worker<'p>>], work: impl FnOnce(&mut Worker<'p>) -> T) -> T {
    let index = rayon::current_thread_index().unwrap_or(0) % workers.len();
    work(&mut workers[index].lock().unwrap_or_else(PoisonError::into_inner))
}

/// The line of a definition of which no snapshot can be made: it counts as a file with an error.
pub fn without_snapshot(fault: &SnapshotFault) -> FileResult {
    unreadable(&fault.package, 1, issues::VAL_SNAPSHOT, Severity::Error, format!("{}: {}", fault.url, fault.what))
}

fn unreadable(file: &str, line: u64, code: &'static str, severity: Severity, detail: String) -> FileResult {
    let finding = Finding { code, severity, path: String::new(), detail, definition: String::new() };
    FileResult {
        file: file.to_owned(),
        line,
        resource_type: None,
        id: None,
        issues: vec![finding],
        places: Vec::new(),
        not_checked: 0,
    }
}

fn form_of(name: &str) -> Form {
    let name = name.to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    match Path::new(plain).extension().and_then(|e| e.to_str()) {
        Some("json") => Form::Json,
        Some("ndjson") => Form::Ndjson,
        Some("xml") => Form::Xml,
        _ => Form::Other,
    }
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = BufReader::with_capacity(1 << 17, File::open(path)?);
    let end = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    Ok(match end.as_deref().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(BufReader::with_capacity(1 << 17, flate2::bufread::MultiGzDecoder::new(file))),
        Some("zst") => Box::new(BufReader::with_capacity(1 << 17, zstd::Decoder::with_buffer(file)?)),
        _ => Box::new(file),
    })
}

fn empty_summary() -> FilesSummary {
    FilesSummary {
        n_resources: 0,
        n_errors: 0,
        n_warnings: 0,
        n_not_checked: 0,
        n_invalid: 0,
        ledger: HonestyLedger::empty(),
    }
}
