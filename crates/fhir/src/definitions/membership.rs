//! Whether a code belongs to a value set: yes, no, or cannot be said here.
//!
//! Nothing is expanded: the composition is asked for the one code, with three-valued logic, so that a value set of which a
//! part is unknown still gives an answer where that part does not matter.

use super::code_list::{CodeList, Completeness};
use super::{CodeSystem, ConceptSet, Content, Definitions, Filter, Membership, ValueSet, WhyUnknown, ecl, external};

/// The value sets that are being asked, innermost first: one that is asked again imports itself.
struct Trail<'t> {
    canonical: &'t str,
    importer: Option<&'t Trail<'t>>,
}

impl Trail<'_> {
    fn holds(&self, canonical: &str) -> bool {
        self.canonical == canonical || self.importer.is_some_and(|importer| importer.holds(canonical))
    }
}

impl Definitions {
    /// Whether a code belongs to a value set. `system` is `None` for a plain `code` element, whose system is implied.
    pub fn member(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership {
        self.member_at(&Trail { canonical: value_set, importer: None }, system, code)
    }

    /// Whether a code belongs to a value set that is in no package, such as one that a resource contains.
    pub fn member_of(&self, value_set: &ValueSet, system: Option<&str>, code: &str) -> Membership {
        let asked = Trail { canonical: "", importer: None };
        let is_in = |sets: &[ConceptSet]| any(sets.iter().map(|set| self.in_set(set, &asked, system, code)));
        if value_set.include.is_empty() {
            let unknown = Membership::Unknown(WhyUnknown::SystemIncomplete);
            return in_expansion(value_set, system, code).unwrap_or(unknown);
        }
        all([is_in(&value_set.include), not(is_in(&value_set.exclude))])
    }

    /// Whether a code is one of a code system's.
    pub fn has_code(&self, system: &str, code: &str) -> Membership {
        if let Some(list) = self.code_list(system) {
            return match (list.place(code), list.completeness()) {
                (Some(_), _) => Membership::In,
                (None, Completeness::Whole) => Membership::NotIn,
                (None, Completeness::Part) => Membership::Unknown(WhyUnknown::SystemIncomplete),
            };
        }
        if let Some(known) = external::contains(system, code) {
            return known;
        }
        let Some(found) = self.code_system(system) else {
            return Membership::Unknown(WhyUnknown::SystemNotLoaded);
        };
        match (found.position(code), found.content) {
            (Some(_), _) => Membership::In,
            (None, Content::Complete) => Membership::NotIn,
            (None, _) => Membership::Unknown(WhyUnknown::SystemIncomplete),
        }
    }

    fn member_at(&self, asked: &Trail<'_>, system: Option<&str>, code: &str) -> Membership {
        if asked.importer.is_some_and(|importer| importer.holds(asked.canonical)) {
            return Membership::Unknown(WhyUnknown::Circular);
        }
        let Some(value_set) = self.value_set(asked.canonical) else {
            return Membership::Unknown(WhyUnknown::ValueSetNotLoaded);
        };
        if value_set.is_active_only
            && let Some(found) = system.and_then(|system| self.code_system(system)?.concept(code))
            && found.is_inactive()
        {
            return Membership::NotIn;
        }
        let included = any(value_set.include.iter().map(|set| self.in_set(set, asked, system, code)));
        let composed = match included {
            Membership::NotIn => Membership::NotIn,
            _ => all([included, not(any(value_set.exclude.iter().map(|set| self.in_set(set, asked, system, code))))]),
        };
        if value_set.include.is_empty() || matches!(composed, Membership::Unknown(_)) {
            return in_expansion(value_set, system, code).unwrap_or(match composed {
                Membership::Unknown(why) => Membership::Unknown(why),
                // Neither composition nor expansion: nothing is known of it.
                _ => Membership::Unknown(WhyUnknown::SystemIncomplete),
            });
        }
        composed
    }

    fn in_set(&self, set: &ConceptSet, asked: &Trail<'_>, system: Option<&str>, code: &str) -> Membership {
        let imported = |system: Option<&str>| {
            all(set
                .value_sets
                .iter()
                .map(|value_set| self.member_at(&Trail { canonical: value_set, importer: Some(asked) }, system, code)))
        };
        let Some(own) = set.system.as_deref() else {
            return if set.value_sets.is_empty() { Membership::NotIn } else { imported(system) };
        };
        if system.is_some_and(|system| system != own) {
            return Membership::NotIn;
        }
        let listed = self.code_list(own);
        let selected = if !set.codes.is_empty() {
            self.is_listed(set, own, code)
        } else if let Some(list) = listed.filter(|_| !set.filters.is_empty()) {
            in_list(list, &set.filters, code)
        } else if set.filters.is_empty() {
            self.has_code(&versioned(own, set.version.as_deref(), self), code)
        } else {
            self.is_filtered(set, own, code)
        };
        all([selected, imported(Some(own))])
    }

    fn is_listed(&self, set: &ConceptSet, system: &str, code: &str) -> Membership {
        let listed = set.codes.contains(code)
            || (self.code_system(system).is_some_and(|system| !system.case_sensitive)
                && set.codes.iter().any(|listed| listed.eq_ignore_ascii_case(code)));
        if listed { Membership::In } else { Membership::NotIn }
    }

    fn is_filtered(&self, set: &ConceptSet, system: &str, code: &str) -> Membership {
        let Some(found) = self.code_system(&versioned(system, set.version.as_deref(), self)) else {
            return Membership::Unknown(WhyUnknown::SystemNotLoaded);
        };
        match (found.position(code), found.content) {
            // What a part of a system says of parents and properties may itself be partial.
            (_, Content::Fragment | Content::Example | Content::NotPresent | Content::Supplement) => {
                Membership::Unknown(WhyUnknown::SystemIncomplete)
            }
            (None, Content::Complete) => Membership::NotIn,
            (Some(at), Content::Complete) => all(set.filters.iter().map(|filter| passes(found, at, filter))),
        }
    }
}

/// The system with the version that the composition names, where that version is loaded; else without.
fn versioned<'s>(system: &'s str, version: Option<&str>, definitions: &Definitions) -> std::borrow::Cow<'s, str> {
    if let Some(version) = version {
        let exact = format!("{system}|{version}");
        if definitions.code_system(&exact).is_some() {
            return exact.into();
        }
    }
    system.into()
}

fn in_expansion(value_set: &ValueSet, system: Option<&str>, code: &str) -> Option<Membership> {
    let expansion = value_set.expansion.as_ref()?;
    let found = match system {
        Some(system) => expansion.codes.get(system).is_some_and(|codes| codes.contains(code)),
        None => expansion.codes.values().any(|codes| codes.contains(code)),
    };
    match (found, expansion.is_complete) {
        (true, _) => Some(Membership::In),
        (false, true) => Some(Membership::NotIn),
        (false, false) => None,
    }
}

fn passes(system: &CodeSystem, at: u32, filter: &Filter) -> Membership {
    let concept = &system.concepts[at as usize];
    let below = |upper: &str| system.position(upper).is_some_and(|upper| is_below(system, at, upper));
    let is_itself = concept.code == filter.value;
    let has = |value: &str| concept.properties.iter().any(|(name, own)| *name == filter.property && own == value);
    let is_about_the_code = matches!(filter.property.as_str(), "concept" | "code");
    let holds = match filter.op.as_str() {
        "is-a" if is_about_the_code => is_itself || below(&filter.value),
        "descendent-of" if is_about_the_code => !is_itself && below(&filter.value),
        "is-not-a" if is_about_the_code => !is_itself && !below(&filter.value),
        "generalizes" if is_about_the_code => {
            is_itself || system.position(&filter.value).is_some_and(|lower| is_below(system, lower, at))
        }
        "=" if is_about_the_code => is_itself,
        "in" if is_about_the_code => filter.value.split(',').any(|value| value.trim() == concept.code),
        "not-in" if is_about_the_code => filter.value.split(',').all(|value| value.trim() != concept.code),
        "child-of" if is_about_the_code => {
            concept.parents.iter().any(|parent| system.concepts[*parent as usize].code == filter.value)
        }
        "=" if matches!(filter.property.as_str(), "parent" | "subsumedBy") => {
            concept.parents.iter().any(|parent| system.concepts[*parent as usize].code == filter.value)
        }
        "regex" => return matches_whole(system, at, filter),
        "=" => has(&filter.value),
        "in" => filter.value.split(',').any(|value| has(value.trim())),
        "not-in" => !filter.value.split(',').any(|value| has(value.trim())),
        "exists" => {
            let exists = concept.properties.iter().any(|(name, _)| *name == filter.property);
            match filter.value.as_str() {
                "true" => exists,
                "false" => !exists,
                _ => return Membership::Unknown(WhyUnknown::FilterNotSupported),
            }
        }
        _ => return Membership::Unknown(WhyUnknown::FilterNotSupported),
    };
    if holds { Membership::In } else { Membership::NotIn }
}

/// Filters on a list that a user holds.
fn in_list(list: &CodeList, filters: &[Filter], code: &str) -> Membership {
    let Some(at) = list.place(code) else {
        return match list.completeness() {
            Completeness::Whole => Membership::NotIn,
            Completeness::Part => Membership::Unknown(WhyUnknown::SystemIncomplete),
        };
    };
    all(filters.iter().map(|filter| {
        let expression = match (filter.property.as_str(), filter.op.as_str()) {
            ("concept", "is-a") => format!("<< {}", filter.value),
            ("concept", "descendent-of") => format!("< {}", filter.value),
            ("concept", "child-of") => format!("<! {}", filter.value),
            ("concept", "in") => format!("^ {}", filter.value),
            ("constraint" | "expression" | "concept" | "code", "=") => filter.value.clone(),
            _ => return Membership::Unknown(WhyUnknown::FilterNotSupported),
        };
        ecl::holds(list, at, &expression)
    }))
}

/// A regular expression over the code or a property, matched from end to end.
fn matches_whole(system: &CodeSystem, at: u32, filter: &Filter) -> Membership {
    let concept = &system.concepts[at as usize];
    let built = regex::RegexBuilder::new(&format!("^(?:{})$", filter.value)).size_limit(1 << 20).build();
    let Ok(expression) = built else { return Membership::Unknown(WhyUnknown::FilterNotSupported) };
    let holds = if matches!(filter.property.as_str(), "concept" | "code") {
        expression.is_match(&concept.code)
    } else {
        concept.properties.iter().any(|(name, value)| *name == filter.property && expression.is_match(value))
    };
    if holds { Membership::In } else { Membership::NotIn }
}

/// Whether a concept has another among its ancestors; each is looked at once, so that a circle of parents ends.
fn is_below(system: &CodeSystem, lower: u32, upper: u32) -> bool {
    let mut seen = std::collections::HashSet::from([lower]);
    let mut open = vec![lower];
    while let Some(at) = open.pop() {
        for parent in &system.concepts[at as usize].parents {
            if *parent == upper {
                return true;
            }
            if seen.insert(*parent) {
                open.push(*parent);
            }
        }
    }
    false
}

pub(super) fn any(parts: impl IntoIterator<Item = Membership>) -> Membership {
    let mut sum = Membership::NotIn;
    for part in parts {
        match part {
            Membership::In => return Membership::In,
            Membership::Unknown(_) if sum == Membership::NotIn => sum = part,
            _ => {}
        }
    }
    sum
}

pub(super) fn all(parts: impl IntoIterator<Item = Membership>) -> Membership {
    not(any(parts.into_iter().map(not)))
}

fn not(part: Membership) -> Membership {
    match part {
        Membership::In => Membership::NotIn,
        Membership::NotIn => Membership::In,
        unknown @ Membership::Unknown(_) => unknown,
    }
}
