//! A profile to a program: what its snapshot asks beyond the types that it constrains.
//!
//! The types themselves are checked by [`crate::program`]; a profile's program is the difference, so that nothing is
//! checked or told twice. It is made when a resource first names the profile (or an extension its definition), once a thread.

use std::collections::BTreeMap;

use epr_fhir::Resource;
use epr_fhir::definitions::{Binding, BindingStrength, Constraint, Definitions, Element, FixedValue, Max, Structure};

use crate::discriminator::{self, Belongs};
use crate::invariant;
use crate::program::{BindingProgram, InvariantProgram};

/// The place of a [`Rule`] in [`ProfileProgram::rules`].
pub(crate) type RuleId = u32;

/// What one profile, or the definition of one extension, asks beyond its type.
pub(crate) struct ProfileProgram<'d> {
    /// Its number among the profiles of a checker, by which visits are counted.
    pub(crate) place: u32,
    pub(crate) structure: &'d Structure,
    /// The root is the first.
    pub(crate) rules: Vec<Rule<'d>>,
}

/// What is asked of one element or slice.
#[derive(Default)]
pub(crate) struct Rule<'d> {
    /// Without `[x]`.
    pub(crate) name: &'d str,
    /// Its id in the profile, for the ledger.
    pub(crate) id: &'d str,
    /// Where the type defines it: what FHIRPath goes on from.
    pub(crate) home: Option<&'d Structure>,
    pub(crate) home_path: &'d str,
    /// How JSON names it: one name a type for a choice.
    pub(crate) names: Vec<JsonName<'d>>,
    /// Whether the check of the resource (or value) against its type looks at the same element: then what the type asks for
    /// by itself is told there. An element in a slice, or below a value's own type, is asked for once more.
    pub(crate) is_own: bool,
    /// What the type asks for by itself.
    pub(crate) base_min: u32,
    pub(crate) base_max: Option<Max>,
    /// At least so many, where it is more than none.
    pub(crate) min: Option<u32>,
    /// At most so many, where the profile allows fewer than the type.
    pub(crate) max: Option<Max>,
    /// The types that are left of a choice.
    pub(crate) types: Option<Vec<&'d str>>,
    /// The one type that is left, whoever tells of others.
    pub(crate) only_type: Option<&'d str>,
    pub(crate) fixed: Option<Given<'d>>,
    pub(crate) pattern: Option<Given<'d>>,
    pub(crate) max_length: Option<u32>,
    pub(crate) must_have_value: bool,
    /// The extensions of which a primitive without a value must have one.
    pub(crate) value_alternatives: &'d [String],
    pub(crate) min_value: Option<Given<'d>>,
    pub(crate) max_value: Option<Given<'d>>,
    pub(crate) bindings: Vec<BindingProgram>,
    pub(crate) invariants: Vec<InvariantProgram>,
    pub(crate) target: Option<TargetRule>,
    /// Type codes with the profiles of which a value of the type must meet one.
    pub(crate) type_profiles: Vec<(&'d str, Vec<String>)>,
    pub(crate) children: Vec<RuleId>,
    /// Children that ask for no more than their type does: looked at only where the type found something missing.
    pub(crate) echoes: Vec<RuleId>,
    pub(crate) slicing: Option<SlicingRule>,
    /// What is asked of a narrative, as [`Element`] has it.
    pub(crate) narrative_languages: &'d [String],
    pub(crate) narrative_source: Option<&'d str>,
}

/// A JSON name of an element, and the type that it stands for.
pub(crate) struct JsonName<'d> {
    pub(crate) name: String,
    /// `_` and the name.
    pub(crate) companion: String,
    pub(crate) type_code: &'d str,
}

/// A value that a profile gives, and its type.
pub(crate) struct Given<'d> {
    pub(crate) type_name: &'d str,
    pub(crate) value: Resource,
}

/// What a reference may lead to.
pub(crate) struct TargetRule {
    /// Canonical URLs of types or profiles; empty: any.
    pub(crate) profiles: Vec<String>,
    /// The resource types that they are about; empty where one of them is not loaded.
    pub(crate) types: Box<[String]>,
    /// Those of the profiles that are not loaded.
    pub(crate) unknown: Vec<String>,
    /// Whether the target may, or must, be contained, referenced or bundled; empty: any.
    pub(crate) aggregation: Vec<String>,
    /// Whether the type of the element asks for the same: then it has told what is wrong.
    pub(crate) is_of_type: bool,
}

/// How an element's repetitions are told apart.
pub(crate) struct SlicingRule {
    pub(crate) is_closed: bool,
    pub(crate) is_open_at_end: bool,
    /// A choice: where two slices take one value the later counts.
    pub(crate) is_choice: bool,
    pub(crate) is_ordered: bool,
    pub(crate) slices: Vec<SliceRule>,
}

/// One slice.
pub(crate) struct SliceRule {
    pub(crate) name: String,
    pub(crate) min: u32,
    pub(crate) max: Max,
    /// How it is told whether an item belongs to it.
    pub(crate) belongs: Belongs,
    pub(crate) rule: RuleId,
}

impl<'d> ProfileProgram<'d> {
    /// `element` is what it is about: the root of the structure, or one of its elements.
    pub(crate) fn compile(
        definitions: &'d Definitions,
        structure: &'d Structure,
        element: &'d Element,
        place: u32,
    ) -> Self {
        let mut compiler = Compiler { definitions, structure, rules: Vec::new(), by_id: BTreeMap::new() };
        compiler.rule(element);
        Self { place, structure, rules: compiler.rules }
    }
}

struct Compiler<'d> {
    definitions: &'d Definitions,
    structure: &'d Structure,
    rules: Vec<Rule<'d>>,
    by_id: BTreeMap<&'d str, RuleId>,
}

impl<'d> Compiler<'d> {
    fn rule(&mut self, element: &'d Element) -> RuleId {
        if let Some(known) = self.by_id.get(element.id.as_str()) {
            return *known;
        }
        let at = self.rules.len() as RuleId;
        self.rules.push(Rule::default());
        self.by_id.insert(&element.id, at);
        let mut rule = self.own(element);
        // Behind a content reference stands what the type asks for, not what the profile asks of the element referred to.
        for child in self.structure.children_of_id(&element.id).filter(|child| !self.structure.is_slice(child)) {
            let child = self.rule(child);
            if self.asks(child) {
                rule.children.push(child);
            } else if self.rules[child as usize].min.is_some() || !self.rules[child as usize].echoes.is_empty() {
                rule.echoes.push(child);
            }
        }
        rule.slicing = self.slicing(element);
        self.rules[at as usize] = rule;
        at
    }

    /// Whether a rule asks for anything.
    fn asks(&self, at: RuleId) -> bool {
        let rule = &self.rules[at as usize];
        rule.min.is_some_and(|min| min > rule.base_min)
            || rule.max.is_some()
            || rule.must_have_value
            || !rule.value_alternatives.is_empty()
            || rule.types.is_some()
            || rule.fixed.is_some()
            || rule.pattern.is_some()
            || rule.max_length.is_some()
            || rule.min_value.is_some()
            || rule.max_value.is_some()
            || !rule.bindings.is_empty()
            || !rule.invariants.is_empty()
            || rule.target.is_some()
            || !rule.type_profiles.is_empty()
            || !rule.children.is_empty()
            || rule.slicing.is_some()
            || !rule.narrative_languages.is_empty()
            || rule.narrative_source.is_some()
    }

    /// What the profile asks of the element itself, beyond its type.
    fn own(&self, element: &'d Element) -> Rule<'d> {
        let home = home(self.definitions, element);
        let base = home.map(|(_, base)| base);
        let name = element.name.strip_suffix("[x]").unwrap_or(&element.name);
        // That the value of an extension is of a right type is checked on every extension.
        let is_extension_value = element.base_path == "Extension.value[x]" && self.structure.type_name == "Extension";
        let is_own_value = is_extension_value && element.path == "Extension.value[x]";
        let counts = !self.structure.is_slice(element) && element.path.contains('.');
        let base_min = base.map_or(0, |base| base.min);
        let mut rule = Rule {
            name,
            id: &element.id,
            home: home.map(|(structure, _)| structure),
            home_path: home.map_or(&element.path, |(_, base)| &base.path),
            names: names(element, base, name),
            is_own: home.is_some_and(|(structure, _)| self.is_own(structure)) && !self.is_in_slice(element),
            base_min,
            base_max: base.map(|base| base.max),
            min: (counts && element.min > 0).then_some(element.min),
            max: (counts && stricter(element.max, base.map(|base| base.max))).then_some(element.max),
            types: narrowed(element, base).filter(|_| !is_own_value),
            only_type: if let [of] = element.types.as_slice() { Some(&of.code) } else { None },
            fixed: given(element.fixed.as_ref(), base.and_then(|base| base.fixed.as_ref())),
            pattern: given(element.pattern.as_ref(), base.and_then(|base| base.pattern.as_ref())),
            max_length: element.max_length.filter(|_| element.max_length != base.and_then(|base| base.max_length)),
            must_have_value: element.must_have_value,
            value_alternatives: &element.value_alternatives,
            min_value: given(element.min_value.as_ref(), None),
            max_value: given(element.max_value.as_ref(), None),
            bindings: bindings(element, base),
            narrative_languages: &element.narrative_languages,
            narrative_source: element.narrative_source.as_deref(),
            ..Rule::default()
        };
        rule.invariants = self.invariants(element, base);
        rule.target = self.target(element, base);
        rule.type_profiles = type_profiles(element, base);
        rule
    }

    fn invariants(&self, element: &'d Element, base: Option<&'d Element>) -> Vec<InvariantProgram> {
        let roots = element.types.iter().filter_map(|of| self.definitions.structure(&of.code)?.root());
        let known: Vec<&Constraint> = base.into_iter().chain(roots).flat_map(|e| &e.constraints).collect();
        let is_new = |constraint: &&Constraint| {
            !constraint.is_best_practice
                && !invariant::is_native(constraint)
                && !known.iter().any(|k| k.key == constraint.key && k.expression == constraint.expression)
        };
        let new = element.constraints.iter().filter(is_new);
        new.map(InvariantProgram::of).collect()
    }

    /// Whether the check against the type looks at the elements of a structure as those of the value itself.
    fn is_own(&self, home: &Structure) -> bool {
        home.type_name == self.structure.type_name || home.is_abstract
    }

    /// Whether an element is a slice, or stands in one.
    fn is_in_slice(&self, element: &Element) -> bool {
        let mut end = 0;
        element.id.split('.').any(|step| {
            end += step.len() + usize::from(end > 0);
            step.contains(':')
                && self.structure.element_by_id(&element.id[..end]).is_none_or(|owner| self.structure.is_slice(owner))
        })
    }

    fn target(&self, element: &Element, base: Option<&Element>) -> Option<TargetRule> {
        let reference = element.types.iter().find(|of| of.code == "Reference")?;
        let asked = |e: &Element| -> Vec<String> {
            let references = e.types.iter().filter(|of| of.code == "Reference");
            references.flat_map(|of| of.target_profiles.clone()).collect()
        };
        let is_of_type = base.is_some_and(|base| asked(base) == reference.target_profiles);
        if is_of_type && reference.aggregation.is_empty() {
            return None;
        }
        let mut types = Vec::new();
        let mut unknown = Vec::new();
        let mut is_any = false;
        for url in &reference.target_profiles {
            match self.definitions.structure(url) {
                None => unknown.push(url.clone()),
                Some(s) if s.type_name == "Resource" => is_any = true,
                Some(s) => types.push(s.type_name.clone()),
            }
        }
        types.dedup();
        let profiles = if is_any { Vec::new() } else { reference.target_profiles.clone() };
        let types = if is_any || !unknown.is_empty() { Vec::new() } else { types };
        let aggregation = reference.aggregation.clone();
        Some(TargetRule { types: types.into(), profiles, unknown, aggregation, is_of_type })
    }

    fn slicing(&mut self, element: &'d Element) -> Option<SlicingRule> {
        use epr_fhir::definitions::SlicingRules;
        let slices: Vec<&'d Element> = self.structure.slices(&element.id).collect();
        if slices.is_empty() {
            return None;
        }
        let slicing = element.slicing.as_ref();
        let rules = slicing.map_or(SlicingRules::Open, |s| s.rules);
        let mut rules_of_slices = Vec::with_capacity(slices.len());
        for (i, slice) in slices.iter().enumerate() {
            rules_of_slices.push(SliceRule {
                name: slice.slice_name.clone().unwrap_or_default(),
                min: slice.min,
                max: slice.max,
                belongs: discriminator::belongs(self.definitions, self.structure, slicing, &slices[..i], slice),
                rule: self.rule(slice),
            });
        }
        Some(SlicingRule {
            slices: rules_of_slices,
            is_closed: rules == SlicingRules::Closed,
            is_open_at_end: rules == SlicingRules::OpenAtEnd,
            is_ordered: slicing.is_some_and(|s| s.ordered),
            is_choice: element.is_choice(),
        })
    }
}

/// The element of a type that an element of a profile constrains.
pub(crate) fn home<'d>(definitions: &'d Definitions, element: &Element) -> Option<(&'d Structure, &'d Element)> {
    let path = if element.base_path.is_empty() { &element.path } else { &element.base_path };
    let structure = definitions.structure(path.split('.').next()?)?;
    Some((structure, structure.element(path)?))
}

fn names<'d>(element: &'d Element, base: Option<&'d Element>, name: &'d str) -> Vec<JsonName<'d>> {
    let json = |name: String, type_code| JsonName { companion: format!("_{name}"), name, type_code };
    if !element.is_choice() {
        let reference = element.content_reference.as_deref();
        let code = element.types.first().map(|of| of.code.as_str()).or(reference).unwrap_or_default();
        return vec![json(name.to_owned(), code)];
    }
    let types = &base.unwrap_or(element).types;
    types.iter().map(|of| json(format!("{name}{}", capitalised(&of.code)), &of.code)).collect()
}

fn stricter(max: Max, base: Option<Max>) -> bool {
    match (max, base) {
        (Max::Many, _) => false,
        (Max::Count(n), Some(Max::Count(base))) => n < base,
        (Max::Count(_), _) => true,
    }
}

/// The type codes that are left, where the type of the element has more.
fn narrowed<'d>(element: &'d Element, base: Option<&'d Element>) -> Option<Vec<&'d str>> {
    let base = base?;
    let left: Vec<&str> = element.types.iter().map(|of| of.code.as_str()).collect();
    // A resource of any type is narrowed by naming one.
    let has_fewer = base.types.iter().any(|of| !left.contains(&of.code.as_str()));
    (has_fewer && !left.is_empty() && !left.contains(&"Resource")).then_some(left)
}

fn given<'d>(value: Option<&'d FixedValue>, base: Option<&FixedValue>) -> Option<Given<'d>> {
    let value = value.filter(|value| base != Some(*value))?;
    Some(Given { type_name: &value.type_name, value: Resource::parse_json(&value.json).ok()? })
}

/// The bindings that are looked at and that the type has not.
fn bindings(element: &Element, base: Option<&Element>) -> Vec<BindingProgram> {
    let Some(binding) = &element.binding else { return Vec::new() };
    let known = base.and_then(|base| base.binding.as_ref());
    let same = |known: &Binding| known.strength == binding.strength && known.value_set == binding.value_set;
    let most = |binding: &Binding| binding.max_value_set.clone();
    let is_known = known.is_some_and(|known| same(known) && most(known) == most(binding));
    let value_set = binding.value_set.clone().filter(|_| binding.strength >= BindingStrength::Extensible && !is_known);
    value_set.into_iter().map(|value_set| BindingProgram::of(binding, element.id.clone(), value_set)).collect()
}

/// The profiles asked of a value's type. Those of extensions are their definitions, which every extension is checked by.
fn type_profiles<'d>(element: &'d Element, base: Option<&Element>) -> Vec<(&'d str, Vec<String>)> {
    let known = |code: &str, profiles: &[String]| {
        base.is_some_and(|base| base.types.iter().any(|of| of.code == code && of.profiles == profiles))
    };
    let types = element.types.iter().filter(|of| !of.profiles.is_empty() && of.code != "Extension");
    types.filter(|of| !known(&of.code, &of.profiles)).map(|of| (of.code.as_str(), of.profiles.clone())).collect()
}

pub(crate) fn capitalised(code: &str) -> String {
    let mut chars = code.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}
