//! The honesty ledger: how often each rule was checked, how often it failed, and what was not checked, and why.
//!
//! A check that could not be made is *not checked*, never *valid*. Counts are sums, so a ledger put together from
//! many threads is the same whatever the threads were.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use epr_model::Severity;

use crate::finding::Finding;
use crate::hash::FastMap;
use crate::rules::thresholds::TunedRule;

/// The rules that are not invariants, bindings or hazards, by their place in a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum BaseRule {
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
pub const BASE_RULES: &[&str] = &[
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

/// `ledger.json`: what the stage vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HonestyLedger {
    pub schema: u32,
    pub checked: Vec<CheckedRule>,
    pub not_checked: Vec<NotChecked>,
    pub coded: Vec<CodedSystem>,
    /// Per definition and element: how many values were judged, by which rules.
    #[serde(default)]
    pub elements: Vec<JudgedElement>,
    /// Per definition, element and rule: what failed.
    #[serde(default)]
    pub failures: Vec<FailedElement>,
    /// Hazard rules that the project switched off; what each would have looked at is in `not_checked`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switched_off: Vec<String>,
    /// Numbers in rules that the project changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuned: Vec<TunedRule>,
}

impl HonestyLedger {
    /// The ledger of nothing.
    pub(crate) fn empty() -> Self {
        Self {
            schema: 1,
            checked: Vec::new(),
            not_checked: Vec::new(),
            coded: Vec::new(),
            elements: Vec::new(),
            failures: Vec::new(),
            switched_off: Vec::new(),
            tuned: Vec::new(),
        }
    }
}

/// One rule, how many times it was decided and how many times it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedRule {
    pub rule: String,
    pub n: u64,
    pub failed: u64,
}

/// One element of one definition, and the rules that each of its values was held against.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JudgedElement {
    pub definition: String,
    pub element: String,
    pub n: u64,
    pub rules: Vec<String>,
}

/// One kind of finding at one element, by the definition that asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FailedElement {
    pub definition: String,
    pub element: String,
    pub code: String,
    pub n: u64,
}

/// One rule at one element that could not be decided, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotChecked {
    pub rule: String,
    pub element: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_set: Option<String>,
    pub reason: String,
    pub n: u64,
}

/// One code system: how many codes of it there were and how many were looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodedSystem {
    pub system: String,
    pub n: u64,
    pub checked: u64,
}

/// Counts of one thread.
#[derive(Debug, Default)]
pub struct Tally {
    /// By place: base rules, then the program's invariants. Decided and failed.
    counts: Vec<[u64; 2]>,
    not_checked: Vec<(NotCheckedKey, u64)>,
    slots: FastMap<NotCheckedKey, u32>,
    coded: FastMap<Box<str>, [u64; 2]>,
    /// All of `not_checked`, kept as a running sum.
    n_not_checked: u64,
    /// Rules that only profiles have, by name.
    named: FastMap<Box<str>, [u64; 2]>,
    /// Above 0 while it is only asked whether a value would pass: nothing is counted.
    pub(crate) quiet: u32,
    /// How often a value was judged, by the number of its program.
    pub(crate) values: Vec<u64>,
    /// The same by profile and rule.
    pub(crate) profiles: Vec<Vec<u64>>,
    pub(crate) failed: BTreeMap<FailureKey, u64>,
}

/// Definition, element without indices, code.
pub(crate) type FailureKey = (String, String, &'static str);

/// What tells one line of `not_checked` from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NotCheckedKey {
    pub(crate) rule: String,
    pub(crate) element: String,
    pub(crate) value_set: Option<String>,
    pub(crate) reason: String,
}

impl Tally {
    pub(crate) fn new(n_rules: usize, n_values: u32) -> Self {
        Self { counts: vec![[0; 2]; n_rules], values: vec![0; n_values as usize], ..Self::default() }
    }

    pub(crate) fn visit(&mut self, value: u32) {
        self.values[value as usize] += u64::from(self.quiet == 0);
    }

    pub(crate) fn visit_profile(&mut self, profile: u32, rule: u32) {
        if self.quiet > 0 {
            return;
        }
        let (profile, rule) = (profile as usize, rule as usize);
        if self.profiles.len() <= profile {
            self.profiles.resize(profile + 1, Vec::new());
        }
        let visits = &mut self.profiles[profile];
        if visits.len() <= rule {
            visits.resize(rule + 1, 0);
        }
        visits[rule] += 1;
    }

    /// Counts what was found in one resource.
    pub(crate) fn failed(&mut self, issues: &[Finding]) {
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
        add(&mut self.counts[rule as usize], [n, n_failed]);
    }

    pub(crate) fn count_at(&mut self, rule: usize, failed: bool) {
        if self.quiet > 0 {
            return;
        }
        let cell = &mut self.counts[rule];
        cell[0] += 1;
        cell[1] += u64::from(failed);
    }

    /// Takes back a failure that a profile has replaced by its own decision.
    pub(crate) fn take_back(&mut self, rule: BaseRule) {
        let cell = &mut self.counts[rule as usize];
        cell[0] -= 1;
        cell[1] -= 1;
    }

    /// Counts a decision on a rule that only profiles have.
    pub(crate) fn count_named(&mut self, rule: &str, failed: bool) {
        if self.quiet > 0 {
            return;
        }
        if let Some(cell) = self.named.get_mut(rule) {
            add(cell, [1, u64::from(failed)]);
        } else {
            self.named.insert(rule.into(), [1, u64::from(failed)]);
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
        if self.quiet > 0 {
            return;
        }
        self.not_checked[slot as usize].1 += 1;
        self.n_not_checked += 1;
    }

    pub(crate) fn n_not_checked(&self) -> u64 {
        self.n_not_checked
    }

    pub(crate) fn coded(&mut self, system: &str, checked: bool) {
        if let Some(cell) = self.coded.get_mut(system) {
            cell[0] += 1;
            cell[1] += u64::from(checked);
        } else {
            self.coded.insert(system.into(), [1, u64::from(checked)]);
        }
    }
}

/// Adds the tallies of all threads up; `rules` are the names by place. Lines are sorted.
pub(crate) fn ledger<'a>(rules: &[String], tallies: impl Iterator<Item = &'a Tally>) -> HonestyLedger {
    let mut counts = BTreeMap::<&str, [u64; 2]>::new();
    let mut not_checked = BTreeMap::<&NotCheckedKey, u64>::new();
    let mut coded = BTreeMap::<&str, [u64; 2]>::new();
    for tally in tallies {
        for (name, cell) in rules.iter().zip(&tally.counts) {
            add(counts.entry(name).or_default(), *cell);
        }
        for (name, cell) in &tally.named {
            add(counts.entry(name).or_default(), *cell);
        }
        for (key, n) in &tally.not_checked {
            *not_checked.entry(key).or_default() += n;
        }
        for (system, cell) in &tally.coded {
            add(coded.entry(system).or_default(), *cell);
        }
    }
    HonestyLedger {
        schema: 1,
        checked: counts
            .into_iter()
            .filter(|(_, c)| c[0] > 0)
            .map(|(rule, c)| CheckedRule { rule: rule.to_owned(), n: c[0], failed: c[1] })
            .collect(),
        not_checked: not_checked
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(key, n)| NotChecked {
                rule: key.rule.clone(),
                element: key.element.clone(),
                value_set: key.value_set.clone(),
                reason: key.reason.clone(),
                n,
            })
            .collect(),
        coded: coded
            .into_iter()
            .map(|(system, c)| CodedSystem { system: system.to_owned(), n: c[0], checked: c[1] })
            .collect(),
        elements: Vec::new(),
        failures: Vec::new(),
        switched_off: Vec::new(),
        tuned: Vec::new(),
    }
}

/// A path without the places in its lists.
fn plain_path(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(open) = rest.find('[') {
        plain.push_str(&rest[..open]);
        rest = rest[open..].find(']').map_or("", |close| &rest[open + close + 1..]);
    }
    plain + rest
}

fn add(cell: &mut [u64; 2], more: [u64; 2]) {
    cell[0] += more[0];
    cell[1] += more[1];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_base_rule_has_its_name() {
        assert_eq!(BASE_RULES[BaseRule::ExtensionType as usize], "extension-type");
        assert_eq!(BASE_RULES.len(), BaseRule::Conformance as usize + 1);
    }

    #[test]
    fn a_ledger_does_not_depend_on_how_the_work_was_split() {
        let rules: Vec<String> = BASE_RULES.iter().map(|&r| r.to_owned()).collect();
        let key = |reason: &str| NotCheckedKey {
            rule: "binding:required".to_owned(),
            element: "Encounter.class".to_owned(),
            value_set: None,
            reason: reason.to_owned(),
        };
        let work = [("a", true), ("b", false), ("a", false), ("c", true)];
        let split = |at: usize| {
            let mut tallies = [Tally::new(rules.len(), 0), Tally::new(rules.len(), 0)];
            for (i, (what, failed)) in work.iter().enumerate() {
                let tally = &mut tallies[usize::from(i >= at)];
                tally.count(BaseRule::Format, *failed);
                tally.coded(what, *failed);
                let slot = tally.slot(key(what));
                tally.not_checked(slot);
            }
            ledger(&rules, tallies.iter())
        };
        let whole = split(4);
        assert_eq!(whole.checked, [CheckedRule { rule: "format".to_owned(), n: 4, failed: 2 }]);
        assert_eq!(whole.not_checked.iter().map(|l| l.n).collect::<Vec<_>>(), [2, 1, 1]);
        for at in 0..4 {
            assert_eq!(split(at), whole);
        }
    }
}
