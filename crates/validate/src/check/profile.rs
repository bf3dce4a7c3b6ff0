//! A value against a profile's program: what the profile asks beyond the type.

use std::sync::Arc;

use epr_fhir::definitions::{BindingStrength, Max, Structure};
use epr_fhir::{Node, NodeKind};
use epr_fhirpath::{ElementNode, says_nothing};
use epr_model::Severity;

use super::NoProfile;
use super::coded::coded_as;
use super::walk::{Place, Walk};
use crate::finding::{Finding, Step};
use crate::invariant::Outcome;
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::profile::{JsonName, ProfileProgram, Rule, RuleId};
use crate::program::BindingProgram;
use crate::tally::BaseRule;

/// How deep profiles may ask for profiles of the same value: more is a definition that asks for itself.
const DEPTH_LIMIT: u32 = 40;

/// How many references are followed one after the other.
const FOLLOWING_LIMIT: u32 = 16;

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

/// How the findings about what the type asks for relate to those of a profile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The profile is what the resource is checked against; what its type found stands for the profile too.
    StandsIn,
    /// The profile is checked beside the type: what both ask for is told by both.
    IsBeside,
}

/// Findings that name the definition that asks: two definitions tell them twice. All others are told once.
const TOLD_BY_EACH: &[&str] = &[
    issues::VAL_MINIMUM,
    issues::VAL_MAXIMUM,
    issues::VAL_FIXED,
    issues::VAL_PATTERN,
    issues::VAL_TYPE,
    issues::VAL_SLICE_NONE,
    issues::VAL_SLICE_TWO,
    issues::VAL_SLICE_ORDER,
    issues::VAL_SLICE_UNDECIDABLE,
    issues::VAL_NO_VALUE,
];

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// The profiles that a resource claims, the ones assigned to its type, and those that its codes imply.
    ///
    /// `start` is how many findings there were before this resource.
    pub(super) fn profiles(&mut self, node: Node<'r>, type_name: &'r str, is_contained: bool, start: usize) {
        // What an invariant asks is about one profile, and the type: who claims another is judged by it elsewhere.
        if self.checker.nesting > 0 {
            return;
        }
        let program = self.checker.program;
        let outer = (self.n_base, self.base, self.is_echoing);
        self.n_base = self.issues.len();
        self.is_echoing = self.issues[start..].iter().any(|issue| issue.code == issues::VAL_MINIMUM);
        let mut done: Vec<&'r str> = Vec::new();
        if !is_contained && let Some(url) = program.assigned.get(type_name) {
            done.push(url);
            self.base = Base::StandsIn;
            self.claimed(node, type_name, url, &mut done);
            if program.definitions.stands_in(url) {
                self.not_checked(NotCheckedKey {
                    rule: "profile".to_owned(),
                    element: type_name.to_owned(),
                    value_set: None,
                    reason: format!("profile {url} is not installed; the project's own definition stands in for it"),
                });
            }
        }
        self.base = Base::IsBeside;
        let implied = super::implied::profile_of(node).filter(|_| type_name == "Observation");
        if let Some(url) = implied.filter(|url| !done.contains(url)) {
            done.push(url);
            self.claimed(node, type_name, url, &mut done);
        }
        let claimed = node.get("meta").and_then(|m| m.get("profile"));
        for profile in claimed.into_iter().flat_map(Node::items).filter_map(Node::as_str) {
            let url = profile.split('|').next().unwrap_or_default();
            let is_base = program.definitions.structure(profile).is_some_and(|s| !s.is_profile());
            if !(done.contains(&url) || is_base && url.rsplit('/').next() == Some(type_name)) {
                done.push(url);
                self.claimed(node, type_name, profile, &mut done);
            }
        }
        let n_base = self.n_base;
        (self.n_base, self.base, self.is_echoing) = outer;
        if self.issues.len() > n_base {
            self.tell_once(start);
        }
    }

    /// Drops what was told before: an element and its slices ask for much of the same, and so do profiles.
    fn tell_once(&mut self, start: usize) {
        let mut seen = std::collections::BTreeSet::new();
        let mut at = 0;
        self.issues.retain(|issue| {
            at += 1;
            let by = if TOLD_BY_EACH.contains(&issue.code) { issue.definition.clone() } else { String::new() };
            at <= start || seen.insert((issue.path.clone(), issue.code, issue.detail.clone(), by))
        });
    }

    /// One profile of a resource, by its canonical URL, and those that it imposes.
    fn claimed(&mut self, node: Node<'r>, type_name: &'r str, url: &str, done: &mut Vec<&'r str>) {
        match self.checker.profile(url) {
            Ok(profile) if profile.structure.type_name == type_name => {
                let instance =
                    Instance { main: Some(node), companion: None, type_code: type_name, index: None, of_type: None };
                self.apply(&profile, 0, instance);
                let structure: &'p Structure = profile.structure;
                for imposed in &structure.imposed {
                    if !done.contains(&imposed.as_str()) {
                        done.push(imposed);
                        self.base = Base::IsBeside;
                        self.claimed(node, type_name, imposed, done);
                    }
                }
            }
            Ok(profile) => {
                let (name, about) = (&profile.structure.url, &profile.structure.type_name);
                self.checker.tally.count(BaseRule::Profile, true);
                self.find(issues::VAL_PROFILE_TYPE, || {
                    format!("expected a resource of type {about} as the profile {name} is about it, found {type_name}")
                });
            }
            // The reference validator calls it an error too: what was given to be held against cannot be.
            Err(why @ NoProfile::WithoutSnapshot) => {
                self.checker.tally.count(BaseRule::Profile, true);
                self.find(issues::VAL_PROFILE_WITHOUT_SNAPSHOT, || {
                    format!("expected a profile that can be checked against: {url} {why}")
                });
            }
            // A canonical URL names a definition, not a person.
            Err(why @ NoProfile::NotLoaded) => self.not_checked(NotCheckedKey {
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
        if profile.structure.type_name != instance.type_code && !url.contains('#') {
            return Some(false);
        }
        let key = (instance.main.or(instance.companion).map_or(0, Node::address), profile.place);
        if let Some(known) = self.verdicts.get(&key) {
            return Some(*known);
        }
        // Who asks again while it is being found out asks in a circle, which breaks nothing.
        self.verdicts.insert(key, true);
        let n_before = self.issues.len();
        let n_base = std::mem::take(&mut self.n_base);
        self.checker.tally.quiet += 1;
        self.apply(&profile, 0, instance);
        self.checker.tally.quiet -= 1;
        self.n_base = n_base;
        let fails = self.issues[n_before..].iter().any(|issue| issue.severity >= Severity::Error);
        self.issues.truncate(n_before);
        self.verdicts.insert(key, !fails);
        Some(!fails)
    }

    /// Whether a resource meets a profile, and breaks nothing that its own type asks for.
    pub(super) fn meets_all(&mut self, url: &str, instance: Instance<'r>, place: Place) -> Option<bool> {
        let verdict = self.meets(url, instance)?;
        let Some(node) = instance.main.filter(|_| verdict) else { return Some(verdict) };
        let key = (node.address(), u32::MAX);
        if let Some(known) = self.verdicts.get(&key) {
            return Some(*known);
        }
        if self.following >= FOLLOWING_LIMIT {
            return Some(true);
        }
        self.verdicts.insert(key, true);
        let (n_before, n_references) = (self.issues.len(), self.facts.references.len());
        let outer = (std::mem::take(&mut self.n_base), self.base, self.is_echoing);
        self.checker.tally.quiet += 1;
        self.following += 1;
        self.any_resource(node, place);
        self.following -= 1;
        self.checker.tally.quiet -= 1;
        (self.n_base, self.base, self.is_echoing) = outer;
        let fails = self.issues[n_before..].iter().any(|issue| issue.severity >= Severity::Error);
        self.issues.truncate(n_before);
        self.facts.references.truncate(n_references);
        self.verdicts.insert(key, !fails);
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
            self.take_back(rule);
            for binding in &rule.bindings {
                self.profile_binding(rule, binding, main, instance.type_code);
            }
            self.target(rule, main, instance.type_code);
            if instance.type_code == "Narrative" {
                self.narrative_rule(rule, main);
            }
        } else {
            self.no_code(rule, instance);
            self.value_is_absent(rule, instance);
        }
        self.profile_invariants(rule, instance);
        for (code, profiles) in &rule.type_profiles {
            if *code == instance.type_code || *code == "Resource" {
                let outer = self.base;
                // The type of an element in a slice, or below another value's type, was looked at for somebody else.
                self.base = if rule.is_own { outer } else { Base::IsBeside };
                self.type_profile(profiles, instance);
                self.base = outer;
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
            if self.is_echoing {
                for child in &rule.echoes {
                    self.members(profile, *child, holder);
                }
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
            let is_told = self.base == Base::StandsIn && rule.is_own;
            let few = rule.min.filter(|min| n < *min && !(is_told && n < rule.base_min));
            let too_many = |max: &Max| !max.allows(n as usize);
            let many =
                rule.max.filter(|max| too_many(max) && !(is_told && rule.base_max.as_ref().is_some_and(too_many)));
            self.checker.tally.count(BaseRule::Cardinality, few.is_some() || many.is_some());
            if let Some(min) = few {
                let inside = inside(rule.id);
                self.find(issues::VAL_MINIMUM, || {
                    format!("expected at least {min} of {}{inside}, found {n}", rule.name)
                });
            }
            if let Some(max) = many {
                let inside = inside(rule.id);
                self.find(issues::VAL_MAXIMUM, || {
                    format!("expected {} of {}{inside}, found {n}", most(max), rule.name)
                });
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

    pub(super) fn allowed_type(&mut self, rule: &Rule<'p>, instance: Instance<'r>) {
        let Some(types) = &rule.types else { return };
        let failed = !types.contains(&instance.type_code);
        self.checker.tally.count(BaseRule::Profile, failed);
        if failed {
            let allowed = types.join(", ");
            let found = instance.type_code.to_owned();
            self.find(issues::VAL_TYPE, || format!("expected a value of type {allowed}, found {found}"));
            if let ([only], Some(main)) = (types.as_slice(), instance.main) {
                self.foreign_members(only, main);
            }
        }
    }

    /// What a value of a wrong type holds that the type asked for has not.
    fn foreign_members(&mut self, type_code: &str, main: Node<'r>) {
        let definitions = self.checker.program.definitions;
        let Some(structure) = definitions.structure(type_code) else { return };
        if main.kind() != NodeKind::Object || main.get("resourceType").is_some() {
            return;
        }
        for (name, value) in main.members() {
            let plain = name.strip_prefix('_').unwrap_or(name);
            if structure.children(&structure.type_name).any(|child| child.type_for(plain).is_some()) {
                continue;
            }
            let name = crate::finding::key_for_message(name);
            for index in 0..crate::discriminator::items(value).len() {
                self.find(issues::VAL_TYPE, || format!("expected an element of {type_code}, found {name} ({index})"));
            }
        }
    }

    fn no_code(&mut self, rule: &Rule<'p>, instance: Instance<'r>) {
        for binding in rule.bindings.iter().filter(|b| b.strength == BindingStrength::Required) {
            if instance.type_code == "code" {
                self.no_code_given(binding);
            }
        }
    }

    fn profile_binding(&mut self, rule: &Rule<'p>, binding: &BindingProgram, main: Node<'r>, type_code: &str) {
        // A value of a wrong type is read as the one type that is allowed: a text holds no coding.
        let coded = match rule.only_type {
            Some(only) if only != type_code && main.kind() != NodeKind::Object => coded_as(only),
            _ => coded_as(type_code),
        };
        self.bound(binding, coded, main);
    }

    /// A primitive that is there without its value.
    fn value_is_absent(&mut self, rule: &Rule<'p>, instance: Instance<'r>) {
        if !rule.must_have_value && rule.value_alternatives.is_empty() {
            return;
        }
        let extensions = instance.companion.and_then(|c| c.get("extension")).into_iter().flat_map(Node::items);
        let has_alternative =
            extensions.filter_map(|e| e.text("url")).any(|url| rule.value_alternatives.iter().any(|a| a == url));
        self.checker.tally.count(BaseRule::Profile, rule.must_have_value || !has_alternative);
        if rule.must_have_value {
            self.find(issues::VAL_NO_VALUE, || format!("expected a value of {}, found extensions only", rule.name));
        }
        if !rule.value_alternatives.is_empty() && !has_alternative {
            let allowed = rule.value_alternatives.join(", ");
            self.find(issues::VAL_NO_VALUE, || {
                format!("expected a value or one of the extensions {allowed}, found neither")
            });
        }
    }

    /// A binding of the profile takes the place of the type's: its extensible warning is taken back, and where the type
    /// stands in for the profile all of it. So do the targets of a reference.
    fn take_back(&mut self, rule: &Rule<'p>) {
        if self.n_base == 0 || rule.bindings.is_empty() && rule.target.is_none() {
            return;
        }
        let is_instead = self.base == Base::StandsIn && rule.is_own;
        let is_meant = |issue: &Finding| match issue.code {
            issues::VAL_BINDING_EXTENSIBLE => !rule.bindings.is_empty(),
            issues::VAL_BINDING => is_instead && !rule.bindings.is_empty(),
            issues::VAL_REFERENCE_TYPE => is_instead && rule.target.as_ref().is_some_and(|target| !target.is_of_type),
            _ => false,
        };
        if !self.issues[..self.n_base].iter().any(is_meant) {
            return;
        }
        let path = crate::finding::render(&self.steps);
        let mut at = 0;
        let n_base = self.n_base;
        let mut taken = Vec::new();
        self.issues.retain(|issue| {
            at += 1;
            let goes = at <= n_base && is_meant(issue) && issue.path == path;
            if goes {
                taken.push(issue.code);
            }
            !goes
        });
        self.n_base -= taken.len();
        for code in taken {
            self.checker.tally.take_back(match code {
                issues::VAL_BINDING_EXTENSIBLE => BaseRule::BindingExtensible,
                issues::VAL_BINDING => BaseRule::BindingRequired,
                _ => BaseRule::Reference,
            });
        }
    }

    fn profile_invariants(&mut self, rule: &Rule<'p>, instance: Instance<'r>) {
        if rule.invariants.is_empty() {
            return;
        }
        let program = self.checker.program;
        let element = match (instance.main, rule.home_path.contains('.')) {
            (Some(main), false) if main.get("resourceType").is_some() => {
                ElementNode::resource(main, Some(program.definitions))
            }
            (main, _) => ElementNode::new(main, instance.companion, rule.home, rule.home_path, instance.type_code),
        };
        let focus = self.focus.at(element);
        for invariant in &rule.invariants {
            let outcome = self.outcome(&invariant.test, &focus);
            if let Outcome::NotChecked(reason) = outcome {
                self.not_checked(NotCheckedKey {
                    rule: invariant.rule.to_string(),
                    element: rule.id.to_owned(),
                    value_set: None,
                    reason,
                });
                continue;
            }
            let failed = !matches!(outcome, Outcome::Holds);
            self.checker.tally.count_named(&invariant.rule, failed);
            if failed {
                self.broken(&invariant.key, &invariant.human, invariant.severity);
            }
        }
    }

    /// A value must meet one of the profiles of its type.
    fn type_profile(&mut self, profiles: &[String], instance: Instance<'r>) {
        for url in profiles {
            if let Err(why) = self.checker.profile(url) {
                self.checker.tally.count(BaseRule::Profile, true);
                self.find(issues::VAL_PROFILE_UNKNOWN, || format!("expected the profile {url} to be loaded: it {why}"));
            }
        }
        if let [only] = profiles {
            if let Ok(profile) = self.checker.profile(only) {
                self.apply_as_resource(&profile, instance);
            }
            return;
        }
        let is_resource = instance.main.is_some_and(|main| main.get("resourceType").is_some());
        let verdicts: Vec<Option<bool>> = profiles.iter().map(|url| self.meets(url, instance)).collect();
        let failed = !verdicts.contains(&Some(true));
        self.checker.tally.count(BaseRule::Profile, failed);
        if failed {
            let asked = profiles.join(", ");
            self.find(issues::VAL_TYPE_PROFILE, || {
                format!("expected a value that meets one of {asked}, found none met")
            });
            // Of a value it is told what each of them misses; of a resource only that none is met.
            for url in profiles.iter().filter(|_| !is_resource) {
                if let Ok(profile) = self.checker.profile(url) {
                    self.apply(&profile, 0, instance);
                }
            }
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
}

/// The values of an element in an object, with the ids and extensions of primitives beside them.
fn instances<'p: 'r, 'r>(rule: &Rule<'p>, holder: Node<'r>) -> Vec<Instance<'r>> {
    let mut found = Vec::new();
    let is_choice = rule.names.len() > 1 || rule.names.first().is_some_and(|n| n.name != rule.name);
    for JsonName { name, companion, type_code } in &rule.names {
        let (main, companion) = (holder.get(name), holder.get(companion));
        if main.is_none() && companion.is_none() || rule.names.len() > 1 && is_second(rule, holder, name) {
            continue;
        }
        let is_list = main.or(companion).is_some_and(|node| node.kind() == NodeKind::Array);
        // What has not the form of its type was told, and is no element to anybody.
        let is_complex = type_code.starts_with(|c: char| c.is_ascii_uppercase());
        let is_single = rule.base_max.is_some_and(|max| !max.is_list());
        if is_list && is_single {
            continue;
        }
        let items = |node: Option<Node<'r>>| -> Vec<Node<'r>> {
            node.into_iter().flat_map(crate::discriminator::items).collect()
        };
        let (mains, companions) = (items(main), items(companion));
        for i in 0..mains.len().max(companions.len()) {
            let at = |nodes: &[Node<'r>]| nodes.get(i).copied().filter(|node| !node.is_null());
            let (main, companion) = (at(&mains), at(&companions));
            let is_void = |main: Node<'_>| main.kind() != NodeKind::Object || says_nothing(main);
            if main.is_none() && companion.is_none() || is_complex && main.is_some_and(is_void) {
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

/// Whether another type of the choice stands before this one: that one alone is looked at.
fn is_second(rule: &Rule<'_>, holder: Node<'_>, name: &str) -> bool {
    let bare = |member: &str| member.strip_prefix('_').unwrap_or(member).to_owned();
    let first = holder.members().map(|(member, _)| bare(member)).find(|m| rule.names.iter().any(|n| n.name == *m));
    first.is_some_and(|first| first != name)
}

/// Where in a profile an element stands, for an element of a slice.
pub(super) fn inside(id: &str) -> String {
    if id.contains(':') { format!(" ({id})") } else { String::new() }
}

pub(super) fn most(max: Max) -> String {
    match max {
        Max::Many => "any number".to_owned(),
        Max::Count(max) => format!("at most {max}"),
    }
}
