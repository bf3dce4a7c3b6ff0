//! Items to slices: which one each belongs to, and how many each has.

use std::sync::Arc;

use epr_fhir::{Node, NodeKind};

use super::profile::{Instance, most};
use super::value::{equal, holds};
use super::walk::Walk;
use crate::discriminator::{Expected, PathStep, Test, items};
use crate::issues;
use crate::profile::{ProfileProgram, RuleId, SliceRule, SlicingRule};
use crate::tally::{BaseRule, NotCheckedKey};

/// Where an item belongs.
enum Belonging {
    /// To the slice at this place.
    To(usize),
    ToNone,
    /// It cannot be said.
    Unknown,
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
        let mut members: Vec<Vec<Instance<'r>>> = slicing.slices.iter().map(|_| Vec::new()).collect();
        let mut unknown = vec![false; slicing.slices.len()];
        let (mut last, mut has_open_item) = (0, false);
        for instance in instances {
            self.stand_at(*instance);
            match self.slice_of(rule.id, &profile.structure.url, slicing, *instance, &mut unknown) {
                Belonging::To(found) => {
                    members[found].push(*instance);
                    self.order(slicing, found, &mut last, has_open_item);
                }
                Belonging::ToNone => {
                    has_open_item = true;
                    // A type that the profile does not allow was told as such.
                    let is_told = rule.types.as_ref().is_some_and(|types| !types.contains(&instance.type_code));
                    let failed = slicing.is_closed && !is_told;
                    self.checker.tally.count(BaseRule::Slicing, failed);
                    if failed {
                        let names: Vec<&str> = slicing.slices.iter().map(|s| s.name.as_str()).collect();
                        self.find(issues::VAL_SLICE_NONE, || {
                            format!("expected an item of one of the slices {}, found one of none", names.join(", "))
                        });
                    }
                }
                Belonging::Unknown => {}
            }
        }
        self.stand_at(Instance { main: None, companion: None, type_code: "", index: None, of_type: None });
        for ((slice, members), unknown) in slicing.slices.iter().zip(&members).zip(unknown) {
            self.slice_count(rule.name, slice, members.len(), unknown);
            for instance in members {
                self.stand_at(*instance);
                self.apply(&profile, slice.rule, *instance);
            }
            self.stand_at(Instance { main: None, companion: None, type_code: "", index: None, of_type: None });
            self.slices(&profile, slice.rule, members);
        }
    }

    fn slice_count(&mut self, name: &str, slice: &SliceRule, n: usize, unknown: bool) {
        let few = n < slice.min as usize && !unknown;
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

    fn order(&mut self, slicing: &SlicingRule, found: usize, last: &mut usize, has_open_item: bool) {
        let out_of_order = slicing.is_ordered && found < *last;
        let after_open = slicing.is_open_at_end && has_open_item;
        if out_of_order || after_open {
            let name = &slicing.slices[found].name;
            self.find(issues::VAL_SLICE_ORDER, || {
                let what = if out_of_order { "the order of the definition" } else { "items of no slice at the end" };
                format!("expected {what}, found an item of the slice {name} after others")
            });
        }
        *last = found.max(*last);
    }

    /// The slice of an item.
    fn slice_of(
        &mut self,
        element: &str,
        url: &str,
        slicing: &SlicingRule,
        instance: Instance<'r>,
        unknown: &mut [bool],
    ) -> Belonging {
        let mut found: Option<usize> = None;
        let mut open = None;
        for (at, slice) in slicing.slices.iter().enumerate() {
            if slice.name == "@default" {
                continue;
            }
            match self.belongs(slice, instance) {
                Ok(true) if found.is_some() => {
                    self.checker.tally.count(BaseRule::Slicing, true);
                    let (first, second) = (&slicing.slices[found.unwrap_or(at)].name, &slice.name);
                    self.find(issues::VAL_SLICE_TWO, || {
                        format!("expected an item of one slice, found one of both {first} and {second}")
                    });
                }
                Ok(true) => found = Some(at),
                Ok(false) => {}
                Err(reason) => {
                    unknown[at] = true;
                    open.get_or_insert(reason);
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

    fn belongs(&mut self, slice: &SliceRule, instance: Instance<'r>) -> Result<bool, String> {
        for test in slice.tests.as_ref().map_err(Clone::clone)? {
            if !self.passes(test, instance)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn passes(&mut self, test: &Test, instance: Instance<'r>) -> Result<bool, String> {
        let elsewhere = || "what tells the slices apart is behind a reference that leads elsewhere".to_owned();
        match test {
            Test::Value { path, expected, needs_all } => {
                let Found::Values(values) = self.look(path, instance) else { return Err(elsewhere()) };
                for one in expected {
                    let met = self.any_met(one, &values)?;
                    if met != *needs_all {
                        return Ok(met);
                    }
                }
                Ok(*needs_all)
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
            Expected::Exact(exact) => Ok(values.iter().any(|value| equal(exact.root(), *value))),
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
