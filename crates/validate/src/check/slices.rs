//! Items to slices: which one each belongs to, and how many each has.

use std::sync::Arc;

use epr_fhir::{Node, NodeKind};
use epr_model::Severity;

use super::profile::{Instance, most};
use super::value::holds;
use super::walk::Walk;
use crate::discriminator::{Belongs, Expected, PathStep, Test, items};
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::profile::{ProfileProgram, RuleId, SliceRule, SlicingRule};
use crate::tally::BaseRule;

/// Where an item belongs.
enum Belonging {
    /// To the slice at this place.
    To(usize),
    ToNone,
    /// It cannot be said.
    Unknown,
}

/// Whether an item belongs to one slice.
enum Answer {
    Yes,
    No,
    /// The definition does not let it be said.
    Undecidable(String),
    /// It cannot be known here.
    Unknown(String),
}

/// What a path leads to in an item.
enum Found<'r> {
    /// Values; none where nothing stands there.
    Values(Vec<Node<'r>>),
    /// A reference that leads elsewhere: its target's type, where the reference says it.
    Elsewhere(Option<&'r str>),
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// The items of a sliced element, each to its slice.
    pub(super) fn slices(&mut self, profile: &Arc<ProfileProgram<'p>>, at: RuleId, instances: &[Instance<'r>]) {
        let profile = Arc::clone(profile);
        let rule = &profile.rules[at as usize];
        let Some(slicing) = &rule.slicing else { return };
        let outer_definition = std::mem::replace(&mut self.definition, &profile.structure.url);
        let mut members: Vec<Vec<Instance<'r>>> = slicing.slices.iter().map(|_| Vec::new()).collect();
        let mut unknown = vec![false; slicing.slices.len()];
        // The place of the slice of the item before; none where that item is of no slice.
        let mut last = None;
        let mut has_open_item = false;
        for (i, instance) in instances.iter().enumerate() {
            self.stand_at(*instance);
            match self.slice_of(rule.id, &profile.structure.url, slicing, i, *instance, &mut unknown) {
                Belonging::To(found) => {
                    members[found].push(*instance);
                    self.order(slicing, found, last, has_open_item);
                    last = Some(found);
                }
                Belonging::ToNone => {
                    has_open_item = true;
                    last = None;
                    self.checker.tally.count(BaseRule::Slicing, slicing.is_closed);
                    if slicing.is_closed {
                        let names: Vec<&str> = slicing.slices.iter().map(|s| s.name.as_str()).collect();
                        self.find(issues::VAL_SLICE_NONE, || {
                            format!("expected an item of one of the slices {}, found one of none", names.join(", "))
                        });
                    }
                }
                Belonging::Unknown => last = None,
            }
        }
        self.stand_at(Instance { main: None, companion: None, type_code: "", index: None, of_type: None });
        for ((slice, members), unknown) in slicing.slices.iter().zip(&members).zip(unknown) {
            if !unknown {
                self.slice_count(rule.name, slice, members.len());
            }
            for instance in members {
                self.stand_at(*instance);
                self.allowed_type(&profile.rules[slice.rule as usize], *instance);
                self.apply(&profile, slice.rule, *instance);
            }
            self.stand_at(Instance { main: None, companion: None, type_code: "", index: None, of_type: None });
            self.slices(&profile, slice.rule, members);
        }
        self.definition = outer_definition;
    }

    fn slice_count(&mut self, name: &str, slice: &SliceRule, n: usize) {
        let few = n < slice.min as usize;
        let many = !slice.max.allows(n);
        self.checker.tally.count(BaseRule::Slicing, few || many);
        if few {
            self.find(issues::VAL_MINIMUM, || {
                format!("expected at least {} of {name} in the slice {}, found {n}", slice.min, slice.name)
            });
        }
        if many {
            let most = most(slice.max);
            self.find(issues::VAL_MAXIMUM, || {
                format!("expected {most} of {name} in the slice {}, found {n}", slice.name)
            });
        }
    }

    /// The order of slices is asked of neighbours; that items of no slice come last is only told.
    fn order(&mut self, slicing: &SlicingRule, found: usize, last: Option<usize>, has_open_item: bool) {
        let name = &slicing.slices[found].name;
        if slicing.is_ordered && last.is_some_and(|last| found < last) {
            self.find(issues::VAL_SLICE_ORDER, || {
                format!("expected the order of the definition, found an item of the slice {name} after another's")
            });
        } else if slicing.is_open_at_end && has_open_item {
            let detail = format!("expected items of no slice at the end, found one of the slice {name} after them");
            self.push(issues::VAL_SLICE_ORDER, Severity::Warning, detail);
        }
    }

    /// The slice of an item.
    fn slice_of(
        &mut self,
        element: &str,
        url: &str,
        slicing: &SlicingRule,
        place: usize,
        instance: Instance<'r>,
        unknown: &mut [bool],
    ) -> Belonging {
        let mut found: Option<usize> = None;
        let mut open = None;
        for (at, slice) in slicing.slices.iter().enumerate() {
            if slice.name == "@default" {
                continue;
            }
            match self.belongs(slice, place, instance) {
                Answer::Yes => match found {
                    Some(first) if !slicing.is_choice && !is_within(&slicing.slices[first].name, &slice.name) => {
                        self.checker.tally.count(BaseRule::Slicing, true);
                        let (first, second) = (&slicing.slices[first].name, &slice.name);
                        self.find(issues::VAL_SLICE_TWO, || {
                            format!("expected an item of one slice, found one of both {first} and {second}")
                        });
                    }
                    _ => found = Some(at),
                },
                Answer::No => {}
                Answer::Undecidable(why) => {
                    unknown[at] = true;
                    self.checker.tally.count(BaseRule::Slicing, true);
                    self.find(issues::VAL_SLICE_UNDECIDABLE, || {
                        format!(
                            "expected a definition that tells its slices apart, found {} of which {why}",
                            slice.name
                        )
                    });
                }
                Answer::Unknown(why) => {
                    unknown[at] = true;
                    open.get_or_insert(why);
                }
            }
        }
        if let (None, Some(reason)) = (found, open) {
            self.not_checked(NotCheckedKey {
                rule: "slicing".to_owned(),
                element: element.to_owned(),
                value_set: None,
                reason: format!("{url}: {reason}"),
            });
            return Belonging::Unknown;
        }
        let default = || slicing.slices.iter().position(|slice| slice.name == "@default");
        found.or_else(default).map_or(Belonging::ToNone, Belonging::To)
    }

    fn belongs(&mut self, slice: &SliceRule, place: usize, instance: Instance<'r>) -> Answer {
        let tests = match &slice.belongs {
            Belongs::Undecidable(why) => return Answer::Undecidable(why.clone()),
            Belongs::At { from, until } if (*from as usize..*until as usize).contains(&place) => return Answer::Yes,
            Belongs::At { .. } | Belongs::Never => return Answer::No,
            Belongs::Tests(tests) => tests,
        };
        for test in tests {
            match self.passes(test, instance) {
                Ok(true) => {}
                Ok(false) => return Answer::No,
                Err(why) => return Answer::Unknown(why),
            }
        }
        Answer::Yes
    }

    fn passes(&mut self, test: &Test, instance: Instance<'r>) -> Result<bool, String> {
        let elsewhere = || "what tells the slices apart is behind a reference that leads elsewhere".to_owned();
        match test {
            Test::Value { path, expected } => {
                let Found::Values(values) = self.look(path, instance) else { return Err(elsewhere()) };
                self.any_met(expected, &values)
            }
            Test::Exists { path, is_there } => match self.look(path, instance) {
                Found::Values(values) => Ok(values.is_empty() != *is_there),
                Found::Elsewhere(_) => Err(elsewhere()),
            },
            Test::Type { path, codes } if path.is_empty() => Ok(codes.iter().any(|code| code == instance.type_code)),
            Test::Type { path, codes } => {
                let is_it = |name: &str| codes.iter().any(|code| code == name || code == "Resource");
                match self.look(path, instance) {
                    Found::Values(values) if values.is_empty() => Ok(false),
                    Found::Values(values) => Ok(self.types_of(path, instance, &values).iter().any(|name| is_it(name))),
                    Found::Elsewhere(Some(name)) => Ok(is_it(name)),
                    Found::Elsewhere(None) => Err(elsewhere()),
                }
            }
            Test::Profile { path, profiles } => {
                let Found::Values(values) = self.look(path, instance) else { return Err(elsewhere()) };
                for value in values {
                    let type_code = value.text("resourceType").unwrap_or(instance.type_code);
                    let inner = Instance { main: Some(value), companion: None, type_code, ..instance };
                    for url in profiles {
                        match self.meets(url, inner) {
                            Some(true) => return Ok(true),
                            Some(false) => {}
                            None => return Err(format!("the profile {url} is not loaded")),
                        }
                    }
                }
                Ok(false)
            }
        }
    }

    fn any_met(&mut self, expected: &Expected, values: &[Node<'r>]) -> Result<bool, String> {
        match expected {
            Expected::Pattern(pattern) => Ok(values.iter().any(|value| holds(pattern.root(), *value))),
            Expected::Code(binding) => {
                for value in values {
                    if self.has_code_of(binding, *value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// What a discriminator's path leads to.
    fn look(&self, path: &[PathStep], instance: Instance<'r>) -> Found<'r> {
        let mut values: Vec<Node<'r>> = instance.main.into_iter().collect();
        // The id and extensions of a primitive are beside it.
        let mut beside: Vec<Node<'r>> = instance.companion.into_iter().collect();
        for step in path {
            match step {
                PathStep::Child(name) => {
                    let holders: Vec<_> = values.into_iter().chain(beside.drain(..)).collect();
                    values = holders.iter().flat_map(|holder| children(*holder, name)).collect();
                    beside =
                        holders.iter().filter_map(|holder| holder.get(&format!("_{name}"))).flat_map(items).collect();
                }
                PathStep::Extension(url) => {
                    let holders = values.into_iter().chain(beside.drain(..));
                    let extensions = holders.filter_map(|holder| holder.get("extension")).flat_map(items);
                    values = extensions.filter(|e| e.text("url") == Some(url)).collect();
                }
                PathStep::Resolve => {
                    let mut targets = Vec::new();
                    for value in &values {
                        let Some(reference) = value.text("reference") else { continue };
                        match self.resolve(reference) {
                            Some(target) => targets.push(target),
                            None => return Found::Elsewhere(self.type_in(reference).or_else(|| value.text("type"))),
                        }
                    }
                    values = targets;
                }
                PathStep::OfType(code) => {
                    values.retain(|value| value.text("resourceType").is_none_or(|name| name == code));
                }
            }
        }
        Found::Values(values)
    }

    /// The types of what a path leads to: a resource says it itself, the type of an element is in its name.
    fn types_of(&self, path: &[PathStep], instance: Instance<'r>, values: &[Node<'r>]) -> Vec<String> {
        let said: Vec<String> = values.iter().filter_map(|v| v.text("resourceType")).map(str::to_owned).collect();
        if !said.is_empty() {
            return said;
        }
        let Some((PathStep::Child(name), before)) = path.split_last() else { return Vec::new() };
        let Found::Values(holders) = self.look(before, instance) else { return Vec::new() };
        let members = holders.iter().flat_map(|holder| holder.members());
        let suffixes = members.filter_map(|(key, _)| key.strip_prefix(name.as_str())).filter(|rest| !rest.is_empty());
        suffixes.flat_map(|rest| [rest.to_owned(), rest[..1].to_ascii_lowercase() + &rest[1..]]).collect()
    }
}

/// Whether one slice divides another: `nhs/verified` divides `nhs`.
fn is_within(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

/// The members of an object by an element's name, whatever type of a choice it is.
fn children<'r>(holder: Node<'r>, name: &str) -> Vec<Node<'r>> {
    if holder.kind() != NodeKind::Object {
        return Vec::new();
    }
    if let Some(exact) = holder.get(name) {
        return items(exact);
    }
    let is_type = |rest: &str| rest.starts_with(|c: char| c.is_ascii_uppercase());
    let found = holder.members().find(|(key, _)| key.strip_prefix(name).is_some_and(is_type));
    // Only a choice has a type behind its name; of others this finds `valueSet` for `value`, which no path asks for.
    found.map(|(_, node)| items(node)).unwrap_or_default()
}
