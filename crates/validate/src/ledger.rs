//! The honesty ledger: how often each rule was checked, how often it failed, and what was not checked, and why.
//!
//! A check that could not be made is *not checked*, never *valid*. What threads counted by number, and what verdicts of
//! an earlier invocation come to, is added up here by names; sums do not depend on how the work was split.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use epr_model::Severity;

use crate::finding::Finding;
use crate::rules::thresholds::TunedRule;

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

/// What tells one line of `not_checked` from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct NotCheckedKey {
    pub(crate) rule: String,
    pub(crate) element: String,
    pub(crate) value_set: Option<String>,
    pub(crate) reason: String,
}

/// What a counter counts, by names: its number differs from thread to thread and from one invocation to the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Counter {
    /// Decided, and failed.
    Rule(String),
    NotChecked(NotCheckedKey),
    /// Codes of a system, and those of them that were looked up.
    Coded(String),
    /// Values of an element of a definition, and the rules that each was held against.
    Judged {
        definition: String,
        element: String,
        rules: Vec<String>,
    },
}

/// Definition, element without indices, code.
pub(crate) type FailureKey = (String, String, &'static str);

/// The sums of a ledger, by names.
#[derive(Default)]
pub(crate) struct Sums {
    rules: BTreeMap<String, [u64; 2]>,
    not_checked: BTreeMap<NotCheckedKey, u64>,
    coded: BTreeMap<String, [u64; 2]>,
    /// By definition and element.
    judged: BTreeMap<(String, String), (u64, Vec<String>)>,
    failed: BTreeMap<FailureKey, u64>,
}

impl Sums {
    /// Adds what a counter came to. Counters that say *how many of how many* have both numbers, others the first.
    pub(crate) fn add(&mut self, counter: Counter, [n, of_them]: [u64; 2]) {
        if [n, of_them] == [0, 0] {
            return;
        }
        match counter {
            Counter::Rule(rule) => add(self.rules.entry(rule).or_default(), [n, of_them]),
            Counter::NotChecked(key) => add_to(self.not_checked.entry(key).or_default(), n),
            Counter::Coded(system) => add(self.coded.entry(system).or_default(), [n, of_them]),
            Counter::Judged { definition, element, rules } => {
                let known = self.judged.entry((definition, element)).or_insert_with(|| (0, rules.clone()));
                add_to(&mut known.0, n);
                // Two versions of one definition may differ; which of them was met first must not show.
                if rules < known.1 {
                    known.1 = rules;
                }
            }
        }
    }

    /// Adds that the errors among some findings were found so often.
    pub(crate) fn fail(&mut self, issues: &[Finding], times: u64) {
        for issue in issues.iter().filter(|issue| issue.severity >= Severity::Error) {
            self.fail_at((issue.definition.clone(), plain_path(&issue.path), issue.code), times);
        }
    }

    pub(crate) fn fail_at(&mut self, key: FailureKey, times: u64) {
        add_to(self.failed.entry(key).or_default(), times);
    }

    /// Adds what failed in other sums.
    pub(crate) fn add_failures(&mut self, others: &Self) {
        for (key, n) in &others.failed {
            self.fail_at(key.clone(), *n);
        }
    }

    /// The lines of the ledger, in the order of their names.
    pub(crate) fn ledger(self) -> HonestyLedger {
        let rules = self.rules.into_iter().filter(|(_, [n, _])| *n > 0);
        let not_checked = self.not_checked.into_iter().filter(|(_, n)| *n > 0);
        HonestyLedger {
            schema: 1,
            checked: rules.map(|(rule, [n, failed])| CheckedRule { rule, n, failed }).collect(),
            not_checked: not_checked
                .map(|(key, n)| NotChecked {
                    rule: key.rule,
                    element: key.element,
                    value_set: key.value_set,
                    reason: key.reason,
                    n,
                })
                .collect(),
            coded: self.coded.into_iter().map(|(system, [n, checked])| CodedSystem { system, n, checked }).collect(),
            elements: self
                .judged
                .into_iter()
                .map(|((definition, element), (n, rules))| JudgedElement { definition, element, n, rules })
                .collect(),
            failures: self
                .failed
                .into_iter()
                .map(|((definition, element, code), n)| FailedElement { definition, element, code: code.to_owned(), n })
                .collect(),
            ..HonestyLedger::empty()
        }
    }
}

/// A path without the places in its lists.
pub(crate) fn plain_path(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(open) = rest.find('[') {
        plain.push_str(&rest[..open]);
        rest = rest[open..].find(']').map_or("", |close| &rest[open + close + 1..]);
    }
    plain + rest
}

/// Sums wrap, so that a number below zero (a failure taken back) is one like any other on the way.
fn add(cell: &mut [u64; 2], more: [u64; 2]) {
    add_to(&mut cell[0], more[0]);
    add_to(&mut cell[1], more[1]);
}

fn add_to(sum: &mut u64, more: u64) {
    *sum = sum.wrapping_add(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_what_came_first() {
        let of = |rules: &[&str]| Counter::Judged {
            definition: "http://example.org/d".to_owned(),
            element: "Patient.name".to_owned(),
            rules: rules.iter().map(|&rule| rule.to_owned()).collect(),
        };
        let work = [
            (of(&["type"]), [2, 0]),
            (of(&["cardinality", "type"]), [3, 0]),
            (Counter::Rule("format".to_owned()), [5, 1]),
            (Counter::Rule("format".to_owned()), [1, 1]),
            (Counter::Coded("urn:a".to_owned()), [1, 0]),
        ];
        let ledger = |order: &[usize]| {
            let mut sums = Sums::default();
            for at in order {
                sums.add(work[*at].0.clone(), work[*at].1);
            }
            sums.ledger()
        };
        let forward = ledger(&[0, 1, 2, 3, 4]);
        assert_eq!(forward.checked, [CheckedRule { rule: "format".to_owned(), n: 6, failed: 2 }]);
        assert_eq!((forward.elements[0].n, forward.elements[0].rules.len()), (5, 2));
        assert_eq!(ledger(&[4, 3, 2, 1, 0]), forward);
        assert_eq!(ledger(&[1, 4, 0, 3, 2]), forward);
    }

    #[test]
    fn a_path_is_told_without_the_places_in_its_lists() {
        assert_eq!(plain_path("Patient.name[0].given[12]"), "Patient.name.given");
        assert_eq!(plain_path("Patient"), "Patient");
    }
}
