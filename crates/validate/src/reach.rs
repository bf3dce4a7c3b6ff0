//! Names for what was counted by number: how far the check reached, per definition and element, and by which rules.
//!
//! The walk counts visits by number only; names are put to them here, once, when the ledger is made. What could not be
//! judged among them stands beside it, in the ledger's `not_checked`.

use std::sync::Arc;

use epr_fhir::definitions::BindingStrength;

use crate::hash::FastMap;
use crate::ledger::{Counter, Sums};
use crate::profile::{ProfileProgram, Rule};
use crate::program::{BindingProgram, Program, Shape, ValueProgram, What};
use crate::tally::{BASE_RULES, BaseRule, Cell, OwnNames, Tally};

/// The names of all counters of one tally.
pub(crate) struct Names<'a, 'p> {
    program: &'a Program<'a>,
    values: FastMap<u32, (&'a Shape, &'a ValueProgram)>,
    profiles: FastMap<u32, &'a ProfileProgram<'p>>,
    own: OwnNames<'a>,
}

impl<'a, 'p> Names<'a, 'p> {
    pub(crate) fn new(
        program: &'a Program<'a>,
        tally: &'a Tally,
        profiles: impl Iterator<Item = &'a Arc<ProfileProgram<'p>>>,
    ) -> Self {
        let values = program.met().flat_map(|shape| {
            let values = shape.elements.iter().flat_map(|element| &element.values);
            values.map(move |value| (value.place, (shape, value)))
        });
        Self {
            program,
            values: values.collect(),
            profiles: profiles.map(|profile| (profile.place, profile.as_ref())).collect(),
            own: tally.own_names(),
        }
    }

    /// What a counter counts; `None` for one of which nothing is told.
    pub(crate) fn of(&self, cell: Cell) -> Option<Counter> {
        Some(match cell {
            Cell::Rule(at) => Counter::Rule(self.program.rule(at as usize)?),
            Cell::Named(at) => Counter::Rule(self.own.named[at as usize].to_owned()),
            Cell::Coded(at) => Counter::Coded(self.own.coded[at as usize].to_owned()),
            Cell::NotChecked(at) => Counter::NotChecked(self.own.not_checked[at as usize].clone()),
            Cell::Value(at) => {
                let (shape, value) = self.values.get(&at)?;
                Counter::Judged {
                    definition: shape.definition.clone(),
                    element: named(value),
                    rules: value_rules(self.program, value),
                }
            }
            Cell::Profile(at, rule) => {
                let profile = self.profiles.get(&at)?;
                let rule = profile.rules.get(rule as usize)?;
                let rules = profile_rules(rule);
                if rules.is_empty() {
                    return None;
                }
                Counter::Judged { definition: profile.structure.url.clone(), element: rule.id.to_owned(), rules }
            }
        })
    }

    /// Adds all that a tally counted.
    pub(crate) fn add_up(&self, tally: &Tally, sums: &mut Sums) {
        for (cell, n) in tally.cells() {
            if let Some(counter) = self.of(cell) {
                sums.add(counter, n);
            }
        }
        let n_unreadable = tally.n_unreadable();
        sums.add(Counter::Rule(BASE_RULES[BaseRule::Syntax as usize].to_owned()), [n_unreadable, n_unreadable]);
        for (key, n) in tally.failures() {
            sums.fail_at(key.clone(), *n);
        }
    }
}

/// `Observation.value[x]:Quantity` for one type of a choice.
fn named(value: &ValueProgram) -> String {
    if value.path.ends_with("[x]") { format!("{}:{}", value.path, value.type_code) } else { value.path.clone() }
}

fn value_rules(program: &Program<'_>, value: &ValueProgram) -> Vec<String> {
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
    let binding = value.binding.as_deref();
    // Of a preferred binding nothing is asked.
    rules.extend(binding.filter(|b| b.strength >= BindingStrength::Extensible).map(bound));
    rules.extend(value.invariants.iter().map(|id| program.invariant(*id).rule.to_string()));
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
