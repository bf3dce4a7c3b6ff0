//! What one thread counts while it checks: by number, so that nothing is looked up by name for each element.
//!
//! [`crate::reach`] puts names to the numbers. While a tally records, what was counted for one resource can be taken out
//! by itself: that is the part of the ledger which a verdict that is used again brings along.

use std::collections::BTreeMap;

use epr_model::Severity;

use crate::finding::Finding;
use crate::hash::FastMap;
use crate::ledger::{FailureKey, NotCheckedKey, plain_path};

/// The rules that are not invariants, bindings or hazards, by their place in a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum BaseRule {
    Syntax,
    UnknownElement,
    JsonForm,
    Cardinality,
    Choice,
    Format,
    Length,
    Fixed,
    Pattern,
    Narrative,
    Reference,
    Contained,
    Code,
    BindingRequired,
    BindingExtensible,
    ExtensionType,
    ExtensionContext,
    Profile,
    Slicing,
    Bundle,
    Conformance,
}

/// The names of [`BaseRule`], in its order.
pub(crate) const BASE_RULES: &[&str] = &[
    "syntax",
    "unknown-element",
    "type",
    "cardinality",
    "choice",
    "format",
    "length",
    "fixed",
    "pattern",
    "narrative",
    "reference",
    "contained",
    "code",
    "binding:required",
    "binding:extensible",
    "extension-type",
    "extension-context",
    "profile",
    "slicing",
    "bundle",
    "conformance",
];

/// The number of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cell {
    /// A base rule, or an invariant of the program.
    Rule(u32),
    /// A rule that only profiles have.
    Named(u32),
    /// Values judged, by the number of their program.
    Value(u32),
    /// The same by profile and rule.
    Profile(u32, u32),
    NotChecked(u32),
    Coded(u32),
}

/// Counts of one thread.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By place: base rules, then the program's invariants. Decided and failed.
    counts: Vec<[u64; 2]>,
    named: Named,
    not_checked: Vec<(NotCheckedKey, u64)>,
    slots: FastMap<NotCheckedKey, u32>,
    coded: Named,
    /// All of `not_checked`, kept as a running sum.
    n_not_checked: u64,
    /// The same, and what was met while nothing is counted.
    n_unknown: u64,
    /// Above 0 while it is only asked whether a value would pass: nothing is counted.
    pub(crate) quiet: u32,
    values: Vec<u64>,
    profiles: Vec<Vec<u64>>,
    failed: BTreeMap<FailureKey, u64>,
    /// Inputs that were no resource at all.
    n_unreadable: u64,
    /// Whether each resource's counts are taken out before the next begins.
    is_recording: bool,
    /// The counters that left zero since the last were taken out.
    touched: Vec<Cell>,
}

/// Pairs of counts by name; a name has a number once it was met.
#[derive(Debug, Default)]
struct Named {
    numbers: FastMap<Box<str>, u32>,
    counts: Vec<[u64; 2]>,
}

impl Named {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.counts.len() as u32;
        self.numbers.insert(name.into(), number);
        self.counts.push([0; 2]);
        number
    }

    /// Counts one more under a name; its number where the count left zero.
    fn count(&mut self, name: &str, is_of_them: bool) -> Option<u32> {
        let number = self.number(name);
        let cell = &mut self.counts[number as usize];
        let was_zero = *cell == [0; 2];
        cell[0] += 1;
        cell[1] += u64::from(is_of_them);
        was_zero.then_some(number)
    }

    fn names(&self) -> Vec<&str> {
        let mut names = vec![""; self.counts.len()];
        for (name, number) in &self.numbers {
            names[*number as usize] = name;
        }
        names
    }
}

/// The names of the counters that a tally numbered by itself, by their numbers.
pub(crate) struct OwnNames<'t> {
    pub(crate) named: Vec<&'t str>,
    pub(crate) coded: Vec<&'t str>,
    pub(crate) not_checked: Vec<&'t NotCheckedKey>,
}

impl Tally {
    pub(crate) fn new(n_rules: usize, n_values: u32) -> Self {
        Self { counts: vec![[0; 2]; n_rules], values: vec![0; n_values as usize], ..Self::default() }
    }

    /// Notes that a counter left zero.
    fn touch(&mut self, cell: Cell) {
        if self.is_recording {
            self.touched.push(cell);
        }
    }

    pub(crate) fn visit(&mut self, value: u32) {
        if self.quiet > 0 {
            return;
        }
        let count = &mut self.values[value as usize];
        *count += 1;
        if *count == 1 {
            self.touch(Cell::Value(value));
        }
    }

    pub(crate) fn visit_profile(&mut self, profile: u32, rule: u32) {
        if self.quiet > 0 {
            return;
        }
        let cell = Cell::Profile(profile, rule);
        let (profile, rule) = (profile as usize, rule as usize);
        if self.profiles.len() <= profile {
            self.profiles.resize(profile + 1, Vec::new());
        }
        let visits = &mut self.profiles[profile];
        if visits.len() <= rule {
            visits.resize(rule + 1, 0);
        }
        visits[rule] += 1;
        if visits[rule] == 1 {
            self.touch(cell);
        }
    }

    /// Counts what was found in one resource. While recording it is not: the findings themselves are kept.
    pub(crate) fn failed(&mut self, issues: &[Finding]) {
        if self.is_recording {
            return;
        }
        for issue in issues.iter().filter(|issue| issue.severity >= Severity::Error) {
            let key = (issue.definition.clone(), plain_path(&issue.path), issue.code);
            *self.failed.entry(key).or_default() += 1;
        }
    }

    pub(crate) fn count(&mut self, rule: BaseRule, failed: bool) {
        self.count_at(rule as usize, failed);
    }

    /// Counts `n` decisions of which `n_failed` failed.
    pub(crate) fn add(&mut self, rule: BaseRule, n: u64, n_failed: u64) {
        self.add_at(rule as usize, [n, n_failed]);
    }

    pub(crate) fn count_at(&mut self, rule: usize, failed: bool) {
        self.add_at(rule, [1, u64::from(failed)]);
    }

    fn add_at(&mut self, rule: usize, more: [u64; 2]) {
        if self.quiet > 0 {
            return;
        }
        let cell = &mut self.counts[rule];
        let was_zero = *cell == [0; 2];
        cell[0] += more[0];
        cell[1] += more[1];
        if was_zero {
            self.touch(Cell::Rule(rule as u32));
        }
    }

    /// Takes back a failure that a profile has replaced by its own decision.
    pub(crate) fn take_back(&mut self, rule: BaseRule) {
        if self.quiet > 0 {
            return;
        }
        let cell = &mut self.counts[rule as usize];
        cell[0] -= 1;
        cell[1] -= 1;
    }

    /// Counts a decision on a rule that only profiles have.
    pub(crate) fn count_named(&mut self, rule: &str, failed: bool) {
        if self.quiet > 0 {
            return;
        }
        if let Some(number) = self.named.count(rule, failed) {
            self.touch(Cell::Named(number));
        }
    }

    /// The place of a not-checked line, so that the hot loop counts by number.
    pub(crate) fn slot(&mut self, key: NotCheckedKey) -> u32 {
        if let Some(slot) = self.slots.get(&key) {
            return *slot;
        }
        let slot = self.not_checked.len() as u32;
        self.not_checked.push((key.clone(), 0));
        self.slots.insert(key, slot);
        slot
    }

    pub(crate) fn not_checked(&mut self, slot: u32) {
        self.n_unknown += 1;
        if self.quiet > 0 {
            return;
        }
        let n = &mut self.not_checked[slot as usize].1;
        *n += 1;
        self.n_not_checked += 1;
        if *n == 1 {
            self.touch(Cell::NotChecked(slot));
        }
    }

    pub(crate) fn n_not_checked(&self) -> u64 {
        self.n_not_checked
    }

    /// How often something could not be decided, counted or only asked.
    pub(crate) fn n_unknown(&self) -> u64 {
        self.n_unknown
    }

    pub(crate) fn coded(&mut self, system: &str, checked: bool) {
        if self.quiet > 0 {
            return;
        }
        if let Some(number) = self.coded.count(system, checked) {
            self.touch(Cell::Coded(number));
        }
    }

    /// Counts an input that is no resource at all.
    pub(crate) fn count_unreadable(&mut self) {
        self.n_unreadable += 1;
    }

    pub(crate) fn n_unreadable(&self) -> u64 {
        self.n_unreadable
    }

    /// Begins or ends recording; what was counted before must have been taken out.
    pub(crate) fn record(&mut self, is_recording: bool) {
        self.is_recording = is_recording;
    }

    /// Takes out what was counted since the last time, in the order in which the counters were first met.
    pub(crate) fn take(&mut self, into: &mut Vec<(Cell, [u64; 2])>) {
        for at in 0..self.touched.len() {
            let cell = self.touched[at];
            let n = self.take_cell(cell);
            // Counted and taken back, or met again after that.
            if n != [0; 2] {
                into.push((cell, n));
            }
        }
        self.touched.clear();
    }

    fn take_cell(&mut self, cell: Cell) -> [u64; 2] {
        match cell {
            Cell::Rule(at) => std::mem::take(&mut self.counts[at as usize]),
            Cell::Named(at) => std::mem::take(&mut self.named.counts[at as usize]),
            Cell::Coded(at) => std::mem::take(&mut self.coded.counts[at as usize]),
            Cell::Value(at) => [std::mem::take(&mut self.values[at as usize]), 0],
            Cell::Profile(at, rule) => [std::mem::take(&mut self.profiles[at as usize][rule as usize]), 0],
            Cell::NotChecked(at) => [std::mem::take(&mut self.not_checked[at as usize].1), 0],
        }
    }

    /// Everything that was counted and not taken out.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (Cell, [u64; 2])> {
        let single = |n: u64| [n, 0];
        let pairs = |counts: &[[u64; 2]], of: fn(u32) -> Cell| -> Vec<(Cell, [u64; 2])> {
            counts.iter().enumerate().map(|(at, n)| (of(at as u32), *n)).collect()
        };
        let profiles = self.profiles.iter().enumerate().flat_map(move |(profile, visits)| {
            visits.iter().enumerate().map(move |(rule, n)| (Cell::Profile(profile as u32, rule as u32), single(*n)))
        });
        let values = self.values.iter().enumerate().map(move |(at, n)| (Cell::Value(at as u32), single(*n)));
        let not_checked = self.not_checked.iter().enumerate();
        let not_checked = not_checked.map(move |(at, (_, n))| (Cell::NotChecked(at as u32), single(*n)));
        pairs(&self.counts, Cell::Rule)
            .into_iter()
            .chain(pairs(&self.named.counts, Cell::Named))
            .chain(pairs(&self.coded.counts, Cell::Coded))
            .chain(values)
            .chain(profiles)
            .chain(not_checked)
            .filter(|(_, n)| *n != [0; 2])
    }

    pub(crate) fn failures(&self) -> &BTreeMap<FailureKey, u64> {
        &self.failed
    }

    pub(crate) fn own_names(&self) -> OwnNames<'_> {
        OwnNames {
            named: self.named.names(),
            coded: self.coded.names(),
            not_checked: self.not_checked.iter().map(|(key, _)| key).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_base_rule_has_its_name() {
        assert_eq!(BASE_RULES[BaseRule::ExtensionType as usize], "extension-type");
        assert_eq!(BASE_RULES.len(), BaseRule::Conformance as usize + 1);
    }

    /// What is counted for one resource, twice over.
    fn work(tally: &mut Tally) {
        tally.count(BaseRule::Format, true);
        tally.count(BaseRule::BindingRequired, true);
        tally.take_back(BaseRule::BindingRequired);
        tally.visit(2);
        tally.visit_profile(1, 3);
        tally.count_named("invariant:uk-1", false);
        tally.coded("urn:a", true);
        let slot = tally.slot(NotCheckedKey {
            rule: "binding".to_owned(),
            element: "Encounter.class".to_owned(),
            value_set: None,
            reason: "absent".to_owned(),
        });
        tally.not_checked(slot);
        tally.quiet += 1;
        tally.add(BaseRule::Cardinality, 7, 1);
        tally.coded("urn:b", true);
        tally.visit(0);
        tally.quiet -= 1;
    }

    #[test]
    fn what_is_taken_out_is_all_that_was_counted_and_leaves_nothing() {
        let (mut plain, mut recording) = (Tally::new(BASE_RULES.len(), 3), Tally::new(BASE_RULES.len(), 3));
        work(&mut plain);
        recording.record(true);
        for _ in 0..2 {
            let mut taken = Vec::new();
            work(&mut recording);
            recording.take(&mut taken);
            assert_eq!(taken.len(), 6);
            let counted: Vec<_> = plain.cells().collect();
            assert!(taken.iter().all(|one| counted.contains(one)), "{taken:?}\n{counted:?}");
            assert_eq!(taken.len(), counted.len());
            assert_eq!(recording.cells().count(), 0);
        }
        assert_eq!(recording.n_not_checked(), 2);
    }
}
