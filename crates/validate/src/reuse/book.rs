//! The file of verdicts: hashes of contents, sorted, and for each the number of a verdict; the verdicts once each.
//!
//! On disk a book is a cache and nothing more. A SHA-256 over all of it stands in front, so that one that is torn, cut
//! or changed anywhere is passed over and written anew; a wrong verdict cannot come of it.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use epr_model::Severity;
use epr_run::Sha256Hex;
use epr_run::whole_file::{self, Access};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::finding::Finding;
use crate::issues;
use crate::ledger::Counter;
use crate::reach::Names;

use super::recorder::Recorder;

const MAGIC: &[u8; 8] = b"EPRBOOK1";
/// Magic, SHA-256 of what follows, SHA-256 of the program in hexadecimal, bytes of the tables.
const HEADER: usize = 8 + 32 + 64 + 8;
/// A hash and the number of a verdict.
const ENTRY: usize = 16 + 4;
/// A book holds so many entries at most, 320 MB of them; those that were not met in the last invocation go first.
const MOST_ENTRIES: usize = 16 << 20;
/// Its tables are read as a whole; once they take so many bytes it is full as well.
const MOST_TABLE_BYTES: usize = 64 << 20;

/// What stands for a content: the first half of its SHA-256.
pub(super) type ContentHash = [u8; 16];

/// All verdicts of one program that are known.
pub(super) struct Book {
    program: Sha256Hex,
    counters: Vec<Counter>,
    pub(super) verdicts: Vec<Verdict>,
    /// The file's bytes; the entries stand at its end.
    bytes: Vec<u8>,
    entries_at: usize,
    /// Where the entries begin whose hash begins with each pair of bytes, and the end of all.
    directory: Vec<u32>,
    /// One bit an entry: it was asked for.
    met: Vec<AtomicU64>,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a book of {} contents and {} verdicts", self.n_entries(), self.verdicts.len())
    }
}

/// What was said of a content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Said {
    pub(super) issues: Vec<Finding>,
    pub(super) not_checked: u64,
    /// Whether it is a resource of a known type, of which an id and a patient can be told.
    pub(super) has_facts: bool,
    /// References to ids such as this program makes.
    pub(super) n_references: u64,
}

/// What was said of a content, and what that adds to the ledger.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Verdict {
    pub(super) said: Said,
    /// By the numbers of counters, sorted.
    counts: Vec<(u32, [u64; 2])>,
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
struct Tables {
    counters: Vec<Counter>,
    verdicts: Vec<StoredVerdict>,
}

#[derive(Serialize, Deserialize)]
struct StoredVerdict {
    issues: Vec<StoredFinding>,
    not_checked: u64,
    has_facts: bool,
    n_references: u64,
    counts: Vec<(u32, [u64; 2])>,
}

/// Code, severity, path, detail, definition.
type StoredFinding = (String, Severity, String, String, String);

impl Verdict {
    fn stored(&self) -> StoredVerdict {
        let finding =
            |f: &Finding| (f.code.to_owned(), f.severity, f.path.clone(), f.detail.clone(), f.definition.clone());
        StoredVerdict {
            issues: self.said.issues.iter().map(finding).collect(),
            not_checked: self.said.not_checked,
            has_facts: self.said.has_facts,
            n_references: self.said.n_references,
            counts: self.counts.clone(),
        }
    }

    /// `None` where it names a code or a counter that there is not.
    fn of(stored: StoredVerdict, n_counters: usize) -> Option<Self> {
        let finding = |(code, severity, path, detail, definition): StoredFinding| {
            Some(Finding { code: issues::explain(&code)?.code, severity, path, detail, definition })
        };
        let is_known = stored.counts.iter().all(|(counter, _)| (*counter as usize) < n_counters);
        let said = Said {
            issues: stored.issues.into_iter().map(finding).collect::<Option<_>>()?,
            not_checked: stored.not_checked,
            has_facts: stored.has_facts,
            n_references: stored.n_references,
        };
        Some(Self { said, counts: is_known.then_some(stored.counts)? })
    }
}

impl Book {
    pub(super) fn empty(program: Sha256Hex) -> Self {
        Self {
            program,
            counters: Vec::new(),
            verdicts: Vec::new(),
            bytes: Vec::new(),
            entries_at: 0,
            directory: Vec::new(),
            met: Vec::new(),
        }
    }

    /// A book out of a file's bytes; `None` where it is not sound, or not this program's.
    pub(super) fn read(bytes: Vec<u8>, program: &Sha256Hex) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        let is_sound = &header[..8] == MAGIC
            && header[40..104] == *program.as_str().as_bytes()
            && header[8..40] == *Sha256::digest(&bytes[40..]).as_slice();
        if !is_sound {
            return None;
        }
        let n_tables = usize::try_from(u64::from_le_bytes(header[104..112].try_into().ok()?)).ok()?;
        let entries_at = HEADER.checked_add(n_tables)?;
        let tables: Tables = postcard::from_bytes(bytes.get(HEADER..entries_at)?).ok()?;
        let entries = bytes.get(entries_at..)?;
        let n_counters = tables.counters.len();
        let verdicts: Vec<Verdict> =
            tables.verdicts.into_iter().map(|v| Verdict::of(v, n_counters)).collect::<Option<_>>()?;
        if entries.len() % ENTRY != 0 || entries.chunks_exact(ENTRY).any(|e| number_of(e) as usize >= verdicts.len()) {
            return None;
        }
        let n_entries = entries.len() / ENTRY;
        let mut directory = Vec::with_capacity((1 << 16) + 1);
        for (at, entry) in entries.chunks_exact(ENTRY).enumerate() {
            let pair = usize::from(u16::from_be_bytes([entry[0], entry[1]]));
            while directory.len() <= pair {
                directory.push(at as u32);
            }
        }
        directory.resize((1 << 16) + 1, n_entries as u32);
        let met = (0..n_entries.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Some(Self { program: program.clone(), counters: tables.counters, verdicts, bytes, entries_at, directory, met })
    }

    fn n_entries(&self) -> usize {
        (self.bytes.len() - self.entries_at) / ENTRY
    }

    fn entry(&self, at: usize) -> &[u8] {
        &self.bytes[self.entries_at + at * ENTRY..][..ENTRY]
    }

    /// The number of the verdict on a content, which counts as met from then on.
    pub(super) fn find(&self, hash: &ContentHash) -> Option<u32> {
        let pair = usize::from(u16::from_be_bytes([hash[0], hash[1]]));
        let (mut from, mut to) = (*self.directory.get(pair)? as usize, *self.directory.get(pair + 1)? as usize);
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.entry(middle)[..16].cmp(hash) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => {
                    self.met[middle / 64].fetch_or(1 << (middle % 64), Ordering::Relaxed);
                    return Some(number_of(self.entry(middle)));
                }
            }
        }
        None
    }

    fn was_met(&self, at: usize) -> bool {
        self.met[at / 64].load(Ordering::Relaxed) & (1 << (at % 64)) != 0
    }

    /// What a verdict adds to the ledger.
    pub(super) fn counts(&self, verdict: usize) -> impl Iterator<Item = (&Counter, [u64; 2])> {
        self.verdicts[verdict].counts.iter().map(|(counter, n)| (&self.counters[*counter as usize], *n))
    }

    /// This book and what some threads added to it.
    pub(super) fn with(&self, parts: &[(&Recorder<'_>, Names<'_, '_>)]) -> Pages {
        let n_new: usize = parts.iter().map(|(recorder, _)| recorder.entries().len()).sum();
        let is_full =
            self.n_entries() + n_new > MOST_ENTRIES || self.entries_at.saturating_sub(HEADER) > MOST_TABLE_BYTES;
        let mut pages = Pages::of(self.program.clone());
        let mut numbers: HashMap<u32, u32> = HashMap::new();
        for at in (0..self.n_entries()).filter(|at| !is_full || self.was_met(*at)) {
            let entry = self.entry(at);
            let old = number_of(entry);
            let number = *numbers.entry(old).or_insert_with(|| {
                let counts = self.counts(old as usize).map(|(counter, n)| (counter.clone(), n)).collect();
                pages.verdict(&self.verdicts[old as usize].said, counts)
            });
            pages.entries.push((entry[..16].try_into().expect("a hash has sixteen bytes"), number));
        }
        for (recorder, names) in parts {
            let own: Vec<u32> = recorder
                .verdicts()
                .map(|(said, cells)| {
                    let named = cells.iter().filter_map(|(cell, n)| Some((names.of(*cell)?, *n)));
                    pages.verdict(said, named.collect())
                })
                .collect();
            pages.entries.extend(recorder.entries().iter().map(|(hash, number)| (*hash, own[*number as usize])));
        }
        pages.entries.sort_unstable();
        // One content that several threads met has one verdict.
        pages.entries.dedup_by_key(|entry| entry.0);
        pages.entries.truncate(MOST_ENTRIES);
        pages
    }
}

fn number_of(entry: &[u8]) -> u32 {
    u32::from_le_bytes(entry[16..ENTRY].try_into().expect("a number has four bytes"))
}

/// A book that is being put together.
pub(super) struct Pages {
    program: Sha256Hex,
    counters: HashMap<Counter, u32>,
    verdicts: HashMap<Verdict, u32>,
    entries: Vec<(ContentHash, u32)>,
}

impl Pages {
    fn of(program: Sha256Hex) -> Self {
        Self { program, counters: HashMap::new(), verdicts: HashMap::new(), entries: Vec::new() }
    }

    /// The number of a verdict; `counts` is what it adds to the ledger, by names.
    fn verdict(&mut self, said: &Said, counts: Vec<(Counter, [u64; 2])>) -> u32 {
        let mut numbered: Vec<(u32, [u64; 2])> = Vec::with_capacity(counts.len());
        for (counter, n) in counts {
            let next = self.counters.len() as u32;
            numbered.push((*self.counters.entry(counter).or_insert(next), n));
        }
        numbered.sort_unstable();
        let verdict = Verdict { said: said.clone(), counts: numbered };
        let next = self.verdicts.len() as u32;
        *self.verdicts.entry(verdict).or_insert(next)
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let mut counters: Vec<(u32, Counter)> = self.counters.into_iter().map(|(counter, at)| (at, counter)).collect();
        counters.sort_unstable_by_key(|(at, _)| *at);
        let mut verdicts: Vec<(u32, Verdict)> = self.verdicts.into_iter().map(|(verdict, at)| (at, verdict)).collect();
        verdicts.sort_unstable_by_key(|(at, _)| *at);
        let tables = Tables {
            counters: counters.into_iter().map(|(_, counter)| counter).collect(),
            verdicts: verdicts.iter().map(|(_, verdict)| verdict.stored()).collect(),
        };
        let tables = postcard::to_stdvec(&tables).expect("tables are plain data, which always encodes");
        let mut bytes = Vec::with_capacity(HEADER + tables.len() + self.entries.len() * ENTRY);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 32]);
        bytes.extend_from_slice(self.program.as_str().as_bytes());
        bytes.extend_from_slice(&(tables.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&tables);
        for (hash, number) in &self.entries {
            bytes.extend_from_slice(hash);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let sum = Sha256::digest(&bytes[40..]);
        bytes[8..40].copy_from_slice(&sum);
        bytes
    }
}

/// Writes a book under a name of this process's own and renames it: a reader sees the old one or the new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    let unfinished = path.with_extension(format!("{}.partial", std::process::id()));
    let mut file = whole_file::create(&unfinished, Access::Restricted).map_err(io::Error::other)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

fn folder_of(book: &Path) -> &Path {
    book.parent().unwrap_or(Path::new("."))
}

/// Deletes what processes that were killed left, and all but the books that were written last.
pub(super) fn prune(own: &Path, most: usize) -> io::Result<()> {
    let mut books = Vec::new();
    for entry in fs::read_dir(folder_of(own))? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "partial") {
            // A process that is still writing it loses its name, and keeps nothing.
            let _ = fs::remove_file(&path);
        } else if path != own && path.extension().is_some_and(|end| end == "book") {
            books.push((entry.metadata()?.modified()?, path));
        }
    }
    books.sort();
    for (_, path) in books.iter().rev().skip(most - 1) {
        let _ = fs::remove_file(path);
    }
    Ok(())
}
