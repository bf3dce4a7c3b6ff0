//! What one thread asks of a book, and what it notes for the next one.

use epr_fhir::Resource;
use sha2::{Digest, Sha256};

use super::Form;
use super::book::{Book, ContentHash, Said};
use crate::check::{Checker, facts_of};
use crate::finding::{Facts, Findings};
use crate::hash::FastMap;
use crate::ledger::Sums;
use crate::reach::Names;
use crate::tally::Cell;

/// The verdicts that a thread notes take so many bytes at most; those beyond are counted and not kept.
const MOST_BYTES: usize = 64 << 20;
/// It notes so many contents at most.
const MOST_ENTRIES: usize = 8 << 20;

/// What was counted for one resource.
type Cells = Vec<(Cell, [u64; 2])>;

/// Answers from the book, and notes what the book does not have.
pub(crate) struct Recorder<'b> {
    book: &'b Book,
    /// How often each verdict of the book was used.
    used: Vec<u64>,
    /// Verdicts that were worked out, by what they are; how often each was given stands in `given`.
    noted: FastMap<(Said, Cells), u32>,
    given: Vec<u64>,
    n_bytes: usize,
    entries: Vec<(ContentHash, u32)>,
    /// What was counted for verdicts that are not kept.
    rest: FastMap<Cell, [u64; 2]>,
    rest_failures: Sums,
    n_asked: u64,
    n_reused: u64,
    cells: Cells,
}

impl<'b> Recorder<'b> {
    pub(super) fn new(book: &'b Book) -> Self {
        Self {
            book,
            used: vec![0; book.verdicts.len()],
            noted: FastMap::default(),
            given: Vec::new(),
            n_bytes: 0,
            entries: Vec::new(),
            rest: FastMap::default(),
            rest_failures: Sums::default(),
            n_asked: 0,
            n_reused: 0,
            cells: Vec::new(),
        }
    }

    /// The verdict on a resource that was read from `bytes`.
    pub(super) fn check(
        &mut self,
        checker: &mut Checker<'_>,
        form: Form,
        bytes: &[u8],
        resource: &Resource,
    ) -> Findings {
        self.n_asked += 1;
        let hash = content_hash(form, bytes);
        if let Some(number) = self.book.find(&hash) {
            self.n_reused += 1;
            self.used[number as usize] += 1;
            let said = &self.book.verdicts[number as usize].said;
            let mut facts = if said.has_facts { facts_of(resource.root()) } else { Facts::default() };
            facts.n_references = said.n_references;
            return Findings { issues: said.issues.clone(), facts, not_checked: said.not_checked };
        }
        let findings = checker.check(resource);
        self.cells.clear();
        checker.tally.take(&mut self.cells);
        self.note(hash, &findings);
        findings
    }

    fn note(&mut self, hash: ContentHash, findings: &Findings) {
        let said = Said {
            issues: findings.issues.clone(),
            not_checked: findings.not_checked,
            has_facts: findings.facts.resource_type.is_some(),
            n_references: findings.facts.n_references,
        };
        let key = (said, std::mem::take(&mut self.cells));
        if let Some(number) = self.noted.get(&key) {
            self.given[*number as usize] += 1;
            self.enter(hash, *number);
            self.cells = key.1;
            return;
        }
        let text = |f: &crate::finding::Finding| 120 + f.path.len() + f.detail.len() + f.definition.len();
        let n_bytes = 120 + key.1.len() * size_of::<(Cell, [u64; 2])>() + key.0.issues.iter().map(text).sum::<usize>();
        if self.n_bytes + n_bytes > MOST_BYTES {
            for (cell, n) in &key.1 {
                let sum = self.rest.entry(*cell).or_default();
                *sum = [sum[0].wrapping_add(n[0]), sum[1].wrapping_add(n[1])];
            }
            self.rest_failures.fail(&findings.issues, 1);
            self.cells = key.1;
            return;
        }
        self.n_bytes += n_bytes;
        let number = self.given.len() as u32;
        self.given.push(1);
        self.noted.insert(key, number);
        self.enter(hash, number);
    }

    fn enter(&mut self, hash: ContentHash, number: u32) {
        if self.entries.len() < MOST_ENTRIES {
            self.entries.push((hash, number));
        }
    }

    /// Adds what all verdicts, used again or worked out, add to the ledger. Sums wrap, as [`Sums`] says.
    pub(super) fn add_up(&self, names: &Names<'_, '_>, sums: &mut Sums) {
        let times = |[n, of_them]: [u64; 2], times: u64| [n.wrapping_mul(times), of_them.wrapping_mul(times)];
        for (number, n_used) in self.used.iter().enumerate().filter(|(_, n)| **n > 0) {
            for (counter, n) in self.book.counts(number) {
                sums.add(counter.clone(), times(n, *n_used));
            }
            sums.fail(&self.book.verdicts[number].said.issues, *n_used);
        }
        for ((said, cells), number) in &self.noted {
            let n_given = self.given[*number as usize];
            for (cell, n) in cells {
                if let Some(counter) = names.of(*cell) {
                    sums.add(counter, times(*n, n_given));
                }
            }
            sums.fail(&said.issues, n_given);
        }
        for (cell, n) in &self.rest {
            if let Some(counter) = names.of(*cell) {
                sums.add(counter, *n);
            }
        }
        sums.add_failures(&self.rest_failures);
    }

    /// Whether nothing was worked out that the book does not have.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn n_asked(&self) -> u64 {
        self.n_asked
    }

    pub(super) fn n_reused(&self) -> u64 {
        self.n_reused
    }

    /// Contents and the numbers of their verdicts, as they came.
    pub(super) fn entries(&self) -> &[(ContentHash, u32)] {
        &self.entries
    }

    /// The verdicts in the order of their numbers, with what each counts.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (&Said, &Cells)> {
        let mut in_order: Vec<(u32, &(Said, Cells))> = self.noted.iter().map(|(key, number)| (*number, key)).collect();
        in_order.sort_unstable_by_key(|(number, _)| *number);
        in_order.into_iter().map(|(_, (said, cells))| (said, cells))
    }
}

/// What stands for some bytes and how they were read.
fn content_hash(form: Form, bytes: &[u8]) -> ContentHash {
    let mut hasher = Sha256::new();
    hasher.update([form as u8]);
    hasher.update(bytes);
    let hash: [u8; 32] = hasher.finalize().into();
    hash[..16].try_into().expect("half of thirty-two bytes")
}
