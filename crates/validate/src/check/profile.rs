//! A value against a profile's program: what the profile asks beyond the type.

use std::sync::Arc;

use epr_fhir::definitions::{BindingStrength, Max};
use epr_fhir::{Node, NodeKind};
use epr_fhirpath::{ElementNode, Host};
use epr_model::Severity;

use super::coded::coded_as;
use super::value::{equal, holds};
use super::walk::{Walk, describe};
use crate::finding::{Finding, Step};
use crate::invariant::Outcome;
use crate::issues;
use crate::profile::{Given, JsonName, ProfileProgram, Rule, RuleId};
use crate::program::BindingProgram;
use crate::tally::{BaseRule, NotCheckedKey};

/// How deep profiles may ask for profiles of the same value: more is a definition that asks for itself.
const DEPTH_LIMIT: u32 = 40;

/// One value: its JSON, the id and extensions of a primitive, its type.
#[derive(Clone, Copy)]
pub(super) struct Instance<'r> {
    pub(super) main: Option<Node<'r>>,
    pub(super) companion: Option<Node<'r>>,
    pub(super) type_code: &'r str,
    /// Its place in the array, where there is one.
    pub(super) index: Option<u32>,
    /// The type chosen, where the element is a choice.
    pub(super) of_type: Option<&'r str>,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// The profiles that a resource claims, and the ones assigned to its type.
    pub(super) fn profiles(&mut self, node: Node<'r>, type_name: &'r str, is_contained: bool) {
        let program = self.checker.program;
        self.n_base = self.issues.len();
        let mut done: Vec<&str> = Vec::new();
        if !is_contained && let Some(url) = program.assigned.get(type_name) {
            done.push(url);
            self.claimed(node, type_name, url);
            if program.definitions.stands_in(url) {
                self.not_checked(NotCheckedKey {
                    rule: "profile".to_owned(),
                    element: type_name.to_owned(),
                    value_set: None,
                    reason: format!("profile {url} is not installed; the project's own definition stands in for it"),
                });
            }
        }
        let claimed = node.get("meta").and_then(|m| m.get("profile"));
        for profile in claimed.into_iter().flat_map(Node::items).filter_map(Node::as_str) {
            let url = profile.split('|').next().unwrap_or_default();
            let is_base = program.definitions.structure(profile).is_some_and(|s| !s.is_profile());
            if !(done.contains(&url) || is_base && url.rsplit('/').next() == Some(type_name)) {
                done.push(url);
                self.claimed(node, type_name, profile);
            }
        }
        let implied = super::implied::profile_of(node).filter(|_| type_name == "Observation");
        if let Some(url) = implied.filter(|url| !done.contains(url)) {
            self.claimed(node, type_name, url);
        }
        let n_before = std::mem::take(&mut self.n_base);
        if self.issues.len() > n_before {
            // An element and its slices ask for much of the same; it is told once.
            let mut seen = std::collections::BTreeSet::new();
            let mut at = 0;
            self.issues.retain(|issue| {
                at += 1;
                at <= n_before || seen.insert((issue.path.clone(), issue.code, issue.detail.clone()))
            });
        }
    }

    /// One profile of a resource, by its canonical URL.
    fn claimed(&mut self, node: Node<'r>, type_name: &'r str, url: &str) {
        match self.checker.profile(url) {
            Ok(profile) if profile.structure.type_name == type_name => {
                let instance =
                    Instance { main: Some(node), companion: None, type_code: type_name, index: None, of_type: None };
                self.apply(&profile, 0, instance);
            }
            Ok(profile) => {
                let (name, about) = (&profile.structure.url, &profile.structure.type_name);
                self.checker.tally.count(BaseRule::Profile, true);
                self.find(issues::VAL_PROFILE_TYPE, || {
                    format!("expected a resource of type {about} as the profile {name} is about it, found {type_name}")
                });
            }
            // A canonical URL names a definition, not a person.
            Err(why) => self.not_checked(NotCheckedKey {
                rule: "profile".to_owned(),
                element: type_name.to_owned(),
                value_set: None,
                reason: format!("profile {} {why}", url.split('|').next().unwrap_or_default()),
            }),
        }
    }

    /// Whether a value meets a profile; nothing of what is found is told or counted. `None`: it cannot be said.
    pub(super) fn meets(&mut self, url: &str, instance: Instance<'r>) -> Option<bool> {
        let definitions = self.checker.program.definitions;
        if let Some(structure) = definitions.structure(url)
            && !structure.is_profile()
        {
            return Some(structure.type_name == instance.type_code || structure.type_name == "Resource");
        }
        let profile = self.checker.profile(url).ok()?;
        if profile.structure.type_name != instance.type_code {
            return Some(false);
        }
        let n_before = self.issues.len();
        let n_base = std::mem::take(&mut self.n_base);
        self.checker.tally.quiet += 1;
        self.apply(&profile, 0, instance);
        self.checker.tally.quiet -= 1;
        self.n_base = n_base;
        let fails = self.issues[n_before..].iter().any(|issue| issue.severity >= Severity::Error);
        self.issues.truncate(n_before);
        Some(!fails)
    }

    /// A value against one rule of a profile, and what is below it against the rules below.
    pub(super) fn apply(&mut self, profile: &Arc<ProfileProgram<'p>>, at: RuleId, instance: Instance<'r>) {
        if self.depth > DEPTH_LIMIT {
            return;
        }
        self.depth += 1;
        self.checker.tally.visit_profile(profile.place, at);
        let outer_definition = std::mem::replace(&mut self.definition, &profile.structure.url);
        let rule = &profile.rules[at as usize];
        if let Some(main) = instance.main {
            self.given(rule, main, instance.type_code);
            self.take_back_warning(rule);
            for binding in &rule.bindings {
                self.profile_binding(binding, main, instance.type_code);
            }
            self.target(rule, main, instance.type_code);
        } else {
            self.no_code(rule, instance);
        }
        self.profile_invariants(rule, instance);
        for (code, profiles) in &rule.type_profiles {
            if *code == instance.type_code || *code == "Resource" {
                self.type_profile(profiles, instance);
            }
        }
        let holder = instance.main.filter(|main| main.kind() == NodeKind::Object).or(instance.companion);
        if let Some(holder) = holder {
            let outer = self.focus;
            if at > 0 && holder.get("resourceType").is_some() {
                let element = ElementNode::resource(holder, Some(self.checker.program.definitions));
                let is_contained = rule.name == "contained";
                self.focus = if is_contained { outer.on_contained(element) } else { outer.on_entry(element) };
            }
            for child in &rule.children {
                self.members(profile, *child, holder);
            }
            self.focus = outer;
        }
        self.definition = outer_definition;
        self.depth -= 1;
    }

    /// The values of one element of an object: their number, their types, each by itself, and the slices.
    fn members(&mut self, profile: &Arc<ProfileProgram<'p>>, at: RuleId, holder: Node<'r>) {
        let rule = &profile.rules[at as usize];
        let instances = instances(rule, holder);
        self.steps.push(Step { name: rule.name, index: None, of_type: None });
        let n = instances.len() as u32;
        if rule.min.is_some() || rule.max.is_some() {
            // What the type asks for by itself is told by itself.
            let few = rule.min.filter(|min| n < *min && n >= rule.base_min);
            let many = rule.max.filter(|max| !max.allows(n as usize));
            self.checker.tally.count(BaseRule::Cardinality, few.is_some() || many.is_some());
            if let Some(min) = few {
                self.find(issues::VAL_MINIMUM, || format!("expected at least {min} of {}, found {n}", rule.name));
            }
            if let Some(max) = many {
                self.find(issues::VAL_MAXIMUM, || format!("expected {} of {}, found {n}", most(max), rule.name));
            }
        }
        for instance in &instances {
            self.stand_at(*instance);
            self.allowed_type(rule, *instance);
            self.apply(profile, at, *instance);
        }
        self.stand_at(Instance { main: None, companion: None, type_code: "", index: None, of_type: None });
        if rule.slicing.is_some() {
            self.slices(profile, at, &instances);
        }
        self.steps.pop();
    }

    /// Sets the last step of the way to one of the values of its element.
    pub(super) fn stand_at(&mut self, instance: Instance<'r>) {
        let Some(step) = self.steps.last_mut() else { return };
        step.index = instance.index;
        step.of_type = None;
        if let (Some(of_type), Some(known)) =
            (instance.of_type, self.checker.program.definitions.structure(instance.type_code))
            && known.type_name == of_type
        {
            step.of_type = Some(&known.type_name);
        }
    }

    fn allowed_type(&mut self, rule: &Rule<'p>, instance: Instance<'r>) {
        let Some(types) = &rule.types else { return };
        let failed = !types.contains(&instance.type_code);
        self.checker.tally.count(BaseRule::Profile, failed);
        if failed {
            let allowed = types.join(", ");
            let found = instance.type_code.to_owned();
            self.find(issues::VAL_TYPE, || format!("expected a value of type {allowed}, found {found}"));
        }
    }

    fn given(&mut self, rule: &Rule<'p>, main: Node<'r>, type_code: &str) {
        let is_of_type = |given: &&Given<'_>| given.type_name == type_code || rule.names.len() == 1;
        if let Some(fixed) = rule.fixed.as_ref().filter(is_of_type) {
            let failed = !equal(fixed.value.root(), main);
            self.checker.tally.count(BaseRule::Fixed, failed);
            if failed {
                self.find(issues::VAL_FIXED, || {
                    format!("expected the fixed value of the definition, found {}", describe(main))
                });
            }
        }
        if let Some(pattern) = rule.pattern.as_ref().filter(is_of_type) {
            let failed = !holds(pattern.value.root(), main);
            self.checker.tally.count(BaseRule::Pattern, failed);
            if failed {
                self.find(issues::VAL_PATTERN, || {
                    "expected what the definition's pattern holds, found it lacking".to_owned()
                });
            }
        }
        if let (Some(max), Some(text)) = (rule.max_length, main.as_str()) {
            let n = text.chars().count();
            self.checker.tally.count(BaseRule::Length, n > max as usize);
            if n > max as usize {
                self.find(issues::VAL_LENGTH, || format!("expected at most {max} characters, found {n}"));
            }
        }
        for (limit, is_least) in [(&rule.min_value, true), (&rule.max_value, false)] {
            if let Some(limit) = limit.as_ref().filter(is_of_type) {
                self.limit(rule, limit, is_least, main);
            }
        }
    }

    /// A number, or a quantity of the same unit, against the least or largest value allowed.
    fn limit(&mut self, rule: &Rule<'p>, limit: &Given<'_>, is_least: bool, main: Node<'r>) {
        let number = |node: Node<'_>| {
            let digits = node.number_text()?;
            digits.parse().or_else(|_| rust_decimal::Decimal::from_scientific(digits)).ok()
        };
        let (asked, mut of) = (limit.value.root(), (number(limit.value.root()), number(main)));
        if asked.get("value").is_some() && ["system", "code"].iter().all(|m| asked.text(m) == main.text(m)) {
            of = (asked.get("value").and_then(number), main.get("value").and_then(number));
        }
        let (Some(limit), Some(found)) = of else {
            self.not_checked(NotCheckedKey {
                rule: "limit".to_owned(),
                element: rule.id.to_owned(),
                value_set: None,
                reason: "limits of dates, and of quantities in another unit, are not compared by this version"
                    .to_owned(),
            });
            return;
        };
        let failed = if is_least { found < limit } else { found > limit };
        self.checker.tally.count(BaseRule::Profile, failed);
        if failed {
            let which = if is_least { "at least the least" } else { "at most the largest" };
            self.find(issues::VAL_LIMIT, || {
                format!("expected {which} value that the definition allows, found another")
            });
        }
    }

    fn no_code(&mut self, rule: &Rule<'p>, instance: Instance<'r>) {
        for binding in rule.bindings.iter().filter(|b| b.strength == BindingStrength::Required) {
            if instance.type_code == "code" {
                self.no_code_given(binding);
            }
        }
    }

    fn profile_binding(&mut self, binding: &BindingProgram, main: Node<'r>, type_code: &str) {
        self.bound(binding, coded_as(type_code), main);
    }

    /// A binding of the profile takes the place of the type's extensible one, whose warning is taken back.
    fn take_back_warning(&mut self, rule: &Rule<'p>) {
        if self.n_base == 0 || rule.bindings.is_empty() {
            return;
        }
        let is_warning = |issue: &Finding| issue.code == issues::VAL_BINDING_EXTENSIBLE;
        if !self.issues[..self.n_base].iter().any(is_warning) {
            return;
        }
        let path = crate::finding::render(&self.steps);
        let found = self.issues[..self.n_base].iter().position(|issue| is_warning(issue) && issue.path == path);
        if let Some(at) = found {
            self.issues.remove(at);
            self.n_base -= 1;
            self.checker.tally.take_back(BaseRule::BindingExtensible);
        }
    }

    fn profile_invariants(&mut self, rule: &Rule<'p>, instance: Instance<'r>) {
        if rule.invariants.is_empty() {
            return;
        }
        let program = self.checker.program;
        let host = Host::with_definitions(Some(program.definitions));
        let element = match (instance.main, rule.home_path.contains('.')) {
            (Some(main), false) if main.get("resourceType").is_some() => {
                ElementNode::resource(main, Some(program.definitions))
            }
            (main, _) => ElementNode::new(main, instance.companion, rule.home, rule.home_path, instance.type_code),
        };
        for invariant in &rule.invariants {
            let outcome = invariant.test.test(&host, &self.focus.at(element));
            if let Outcome::NotChecked(reason) = outcome {
                self.not_checked(NotCheckedKey {
                    rule: format!("invariant:{}", invariant.key),
                    element: rule.id.to_owned(),
                    value_set: None,
                    reason,
                });
                continue;
            }
            let failed = !matches!(outcome, Outcome::Holds);
            self.checker.tally.count_named(&format!("invariant:{}", invariant.key), failed);
            if failed {
                self.broken(&invariant.key, &invariant.human, invariant.severity);
            }
        }
    }

    /// A value must meet one of the profiles of its type.
    fn type_profile(&mut self, profiles: &[String], instance: Instance<'r>) {
        if let [only] = profiles {
            match self.checker.profile(only) {
                Ok(profile) => self.apply_as_resource(&profile, instance),
                Err(why) => self.type_profile_not_checked(only, why),
            }
            return;
        }
        let verdicts: Vec<Option<bool>> = profiles.iter().map(|url| self.meets(url, instance)).collect();
        if verdicts.contains(&Some(true)) {
            self.checker.tally.count(BaseRule::Profile, false);
        } else if let Some(unknown) = verdicts.iter().position(Option::is_none) {
            self.type_profile_not_checked(&profiles[unknown], "is in no loaded package");
        } else {
            self.checker.tally.count(BaseRule::Profile, true);
            let asked = profiles.join(", ");
            self.find(issues::VAL_TYPE_PROFILE, || {
                format!("expected a value that meets one of {asked}, found none met")
            });
        }
    }

    /// A resource inside another is the one that invariants of its profile are about.
    fn apply_as_resource(&mut self, profile: &Arc<ProfileProgram<'p>>, instance: Instance<'r>) {
        let outer = self.focus;
        if let Some(main) = instance.main.filter(|main| main.get("resourceType").is_some()) {
            self.focus = self.focus.on_entry(ElementNode::resource(main, Some(self.checker.program.definitions)));
        }
        self.apply(profile, 0, instance);
        self.focus = outer;
    }

    fn type_profile_not_checked(&mut self, url: &str, why: &str) {
        let element = crate::finding::render_plain(&self.steps);
        self.not_checked(NotCheckedKey {
            rule: "profile".to_owned(),
            element,
            value_set: None,
            reason: format!("profile {url} {why}"),
        });
    }

    /// Where a reference leads, as far as it can be followed: into the resource itself and the bundle around it.
    fn target(&mut self, rule: &Rule<'p>, main: Node<'r>, type_code: &str) {
        let Some(target) = rule.target.as_ref().filter(|_| type_code == "Reference") else { return };
        let Some(reference) = main.text("reference") else { return };
        let found = self.resolve(reference);
        let known_type = found.and_then(|node| node.text("resourceType")).or_else(|| self.type_in(reference));
        if let Some(known_type) = known_type {
            let failed = !target.types.is_empty() && !target.types.iter().any(|t| t == known_type);
            self.checker.tally.count(BaseRule::Reference, failed);
            if failed {
                let allowed = target.types.join(", ");
                let known_type = known_type.to_owned();
                self.find(issues::VAL_REFERENCE_TYPE, || {
                    format!("expected a reference to {allowed}, found one to {known_type}")
                });
                return;
            }
        }
        if target.profiles.is_empty() {
            return;
        }
        let Some(node) = found else {
            self.target_not_followed(rule, known_type, &target.profiles);
            return;
        };
        let instance = Instance {
            main: Some(node),
            companion: None,
            type_code: known_type.unwrap_or_default(),
            index: None,
            of_type: None,
        };
        let outer = self.focus;
        self.focus = self.focus.on_contained(ElementNode::resource(node, Some(self.checker.program.definitions)));
        let verdicts: Vec<Option<bool>> = target.profiles.iter().map(|url| self.meets(url, instance)).collect();
        self.focus = outer;
        let failed = verdicts.iter().all(|verdict| *verdict == Some(false));
        self.checker.tally.count(BaseRule::Profile, failed);
        if failed {
            let asked = target.profiles.join(", ");
            self.find(issues::VAL_TYPE_PROFILE, || {
                format!("expected a reference to a resource that meets one of {asked}, found one that meets none")
            });
        }
    }

    /// A target elsewhere is checked by itself where its type has one of the profiles assigned; else nobody does.
    fn target_not_followed(&mut self, rule: &Rule<'p>, known_type: Option<&str>, profiles: &[String]) {
        let assigned = known_type.and_then(|name| self.checker.program.assigned.get(name));
        if assigned.is_some_and(|url| profiles.contains(url)) {
            return;
        }
        self.not_checked(NotCheckedKey {
            rule: "target-profile".to_owned(),
            element: rule.id.to_owned(),
            value_set: None,
            reason: "the reference leads out of what is checked here".to_owned(),
        });
    }
}

/// The values of an element in an object, with the ids and extensions of primitives beside them.
fn instances<'p: 'r, 'r>(rule: &Rule<'p>, holder: Node<'r>) -> Vec<Instance<'r>> {
    let mut found = Vec::new();
    let is_choice = rule.names.len() > 1 || rule.names.first().is_some_and(|n| n.name != rule.name);
    for JsonName { name, companion, type_code } in &rule.names {
        let (main, companion) = (holder.get(name), holder.get(companion));
        if main.is_none() && companion.is_none() {
            continue;
        }
        let is_list = main.or(companion).is_some_and(|node| node.kind() == NodeKind::Array);
        let items = |node: Option<Node<'r>>| -> Vec<Node<'r>> {
            node.into_iter().flat_map(crate::discriminator::items).collect()
        };
        let (mains, companions) = (items(main), items(companion));
        for i in 0..mains.len().max(companions.len()) {
            let at = |nodes: &[Node<'r>]| nodes.get(i).copied().filter(|node| !node.is_null());
            let (main, companion) = (at(&mains), at(&companions));
            if main.is_none() && companion.is_none() {
                continue;
            }
            // A resource says itself what it is.
            let said = main
                .filter(|_| matches!(*type_code, "Resource" | "DomainResource"))
                .and_then(|m| m.text("resourceType"));
            found.push(Instance {
                main,
                companion,
                type_code: said.unwrap_or(type_code),
                index: is_list.then_some(i as u32),
                of_type: is_choice.then_some(*type_code),
            });
        }
    }
    found
}

pub(super) fn most(max: Max) -> String {
    match max {
        Max::Many => "any number".to_owned(),
        Max::Count(max) => format!("at most {max}"),
    }
}
