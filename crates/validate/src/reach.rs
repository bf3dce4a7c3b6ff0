//! How far the check reached: per definition and element, how many values were judged and by which rules.
//!
//! The walk counts visits by number only; names are put to them here, once, when the ledger is made. What could not be
//! judged among them stands beside it, in the ledger's `not_checked`.

use std::collections::BTreeMap;
use std::sync::Arc;

use epr_fhir::definitions::BindingStrength;

use crate::profile::{ProfileProgram, Rule};
use crate::program::{BindingProgram, Program, ValueProgram, What};
use crate::tally::{FailedElement, FailureKey, JudgedElement, Tally};

/// The sums over all threads, by names: their numbers differ from thread to thread.
#[derive(Default)]
pub(crate) struct Reach {
    /// By definition and element.
    judged: BTreeMap<(String, String), (u64, Vec<String>)>,
    failed: BTreeMap<FailureKey, u64>,
}

impl Reach {
    pub(crate) fn add<'a, 'p: 'a>(
        &mut self,
        program: &Program<'_>,
        tally: &Tally,
        profiles: impl Iterator<Item = &'a Arc<ProfileProgram<'p>>>,
    ) {
        for shape in &program.shapes {
            for value in shape.elements.iter().flat_map(|element| &element.values) {
                let n = tally.values[value.place as usize];
                if n > 0 {
                    self.judge(shape.definition, &named(value), n, || value_rules(program, value));
                }
            }
        }
        for profile in profiles {
            let visits = tally.profiles.get(profile.place as usize).into_iter().flatten();
            for (rule, n) in profile.rules.iter().zip(visits) {
                let rules = profile_rules(rule);
                if *n > 0 && !rules.is_empty() {
                    self.judge(&profile.structure.url, rule.id, *n, || rules);
                }
            }
        }
        for (key, n) in &tally.failed {
            *self.failed.entry(key.clone()).or_default() += n;
        }
    }

    fn judge(&mut self, definition: &str, element: &str, n: u64, rules: impl FnOnce() -> Vec<String>) {
        let key = (definition.to_owned(), element.to_owned());
        self.judged.entry(key).or_insert_with(|| (0, rules())).0 += n;
    }

    /// The lines of the ledger, in the order of their names.
    pub(crate) fn lines(self) -> (Vec<JudgedElement>, Vec<FailedElement>) {
        let judged = self.judged.into_iter();
        let judged = judged.map(|((definition, element), (n, rules))| JudgedElement { definition, element, n, rules });
        let failed = self.failed.into_iter().map(|((definition, element, code), n)| FailedElement {
            definition,
            element,
            code: code.to_owned(),
            n,
        });
        (judged.collect(), failed.collect())
    }
}

/// `Observation.value[x]:Quantity` for one type of a choice.
fn named(value: &ValueProgram<'_>) -> String {
    if value.path.ends_with("[x]") { format!("{}:{}", value.path, value.type_code) } else { value.path.clone() }
}

fn value_rules(program: &Program<'_>, value: &ValueProgram<'_>) -> Vec<String> {
    let mut rules = vec!["cardinality".to_owned(), "type".to_owned()];
    if matches!(value.what, What::Primitive(_)) {
        rules.push("format".to_owned());
    }
    let given = [
        (value.fixed.is_some(), "fixed"),
        (value.pattern.is_some(), "pattern"),
        (value.max_length.is_some(), "length"),
        (value.is_reference, "reference"),
    ];
    rules.extend(given.iter().filter(|(is_given, _)| *is_given).map(|(_, name)| (*name).to_owned()));
    let binding = value.binding.map(|id| &program.bindings[id as usize]);
    // Of a preferred binding nothing is asked.
    rules.extend(binding.filter(|b| b.strength >= BindingStrength::Extensible).map(bound));
    rules.extend(value.invariants.iter().map(|id| program.invariants[*id as usize].rule.to_string()));
    rules
}

fn profile_rules(rule: &Rule<'_>) -> Vec<String> {
    let given = [
        (rule.min.is_some() || rule.max.is_some(), "cardinality"),
        (rule.types.is_some(), "type"),
        (rule.fixed.is_some(), "fixed"),
        (rule.pattern.is_some(), "pattern"),
        (rule.max_length.is_some(), "length"),
        (rule.min_value.is_some() || rule.max_value.is_some(), "range"),
        (rule.target.is_some(), "reference"),
        (!rule.type_profiles.is_empty(), "profile"),
        (rule.slicing.is_some(), "slicing"),
    ];
    let mut rules: Vec<String> =
        given.iter().filter(|(is_given, _)| *is_given).map(|(_, name)| (*name).to_owned()).collect();
    rules.extend(rule.bindings.iter().map(bound));
    rules.extend(rule.invariants.iter().map(|invariant| invariant.rule.to_string()));
    rules
}

fn bound(binding: &BindingProgram) -> String {
    let strength = match binding.strength {
        BindingStrength::Example => "example",
        BindingStrength::Preferred => "preferred",
        BindingStrength::Extensible => "extensible",
        BindingStrength::Required => "required",
    };
    format!("binding:{strength} {}", binding.value_set)
}
