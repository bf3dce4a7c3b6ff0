//! Answers against the options of their item, its value set, and its units.

use epr_fhir::Node;
use epr_fhir::definitions::{Membership, ValueSet, WhyUnknown};
use epr_model::Severity;

use super::form::Kind;
use super::response::Judge;
use super::{extension_value, extensions, list, primitive_text, value_of};
use crate::issues;

const EXCLUSIVE: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive";
const UNIT_OPTION: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption";
const UNIT_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-unitValueSet";

impl<'p: 'r, 'r> Judge<'_, '_, 'p, 'r, '_> {
    fn not_an_option(&mut self) {
        self.find(issues::VAL_ANSWER_OPTION, || "expected one of the item's options, found another".to_owned());
    }

    /// The answer to a choice; `n` is how many answers there are.
    pub(super) fn choice(&mut self, at: u32, type_name: &str, value: Node<'r>, n: usize) {
        let (item, is_open) = (self.form.item(at).node, self.form.item(at).kind == Kind::OpenChoice);
        if list(item, "answerOption").next().is_none() {
            if let (Some(canonical), "Coding") = (item.text("answerValueSet"), type_name) {
                self.coding_in_value_set(canonical, value);
            }
            return;
        }
        let mut options = list(item, "answerOption").filter_map(|option| Some((option, value_of(option)?)));
        if type_name == "Coding" {
            let chosen = options.find(|(_, (option_type, option))| {
                let is_same = |name: &str| option.text(name) == value.text(name);
                *option_type == "Coding" && is_same("system") && is_same("code")
            });
            let Some((option, _)) = chosen else { return self.not_an_option() };
            let is_exclusive = extension_value(option, EXCLUSIVE).and_then(|(_, v)| v.as_bool()) == Some(true);
            if is_exclusive && n != 1 {
                self.find(issues::VAL_ANSWER_OPTION, || {
                    format!("expected an exclusive option to be the only answer, found {n} answers")
                });
            }
            return;
        }
        // Of an open choice any text may be the answer.
        if type_name == "String" && is_open {
            return;
        }
        let text = primitive_text(value);
        if !options.any(|(_, (t, option))| t == type_name && primitive_text(option) == text) {
            self.not_an_option();
        }
    }

    /// Where an item other than a choice has options of its type, the answer is one of them.
    pub(super) fn option_of_type(&mut self, at: u32, type_name: &str, value: Node<'r>) {
        let item = self.form.item(at).node;
        let mut options = list(item, "answerOption").peekable();
        if options.peek().is_none() {
            return;
        }
        let text = primitive_text(value);
        if !options.filter_map(value_of).any(|(t, option)| t == type_name && primitive_text(option) == text) {
            self.not_an_option();
        }
    }

    /// The same, whatever the type of the options is.
    pub(super) fn same_as_an_option(&mut self, at: u32, value: Node<'r>) {
        let item = self.form.item(at).node;
        let mut options = list(item, "answerOption").peekable();
        if options.peek().is_none() {
            return;
        }
        let text = primitive_text(value);
        if !options.filter_map(value_of).any(|(_, option)| primitive_text(option) == text) {
            self.not_an_option();
        }
    }

    fn coding_in_value_set(&mut self, canonical: &str, coding: Node<'r>) {
        let (system, code) = (coding.text("system"), coding.text("code"));
        let found = match (system, code) {
            (Some(system), Some(code)) => self.member(canonical, Some(system), code),
            // A code without a system has no meaning of its own, whatever the value set lists.
            _ => self.without_system(canonical),
        };
        let definitions = self.walk.checker.program.definitions;
        let own = system.zip(code).and_then(|(system, code)| definitions.display(system, code));
        let is_other = |display: &str| own.is_some_and(|own| own.to_lowercase() != display.to_lowercase());
        match found {
            Membership::In if coding.text("display").is_some_and(is_other) => {
                self.find(issues::VAL_ANSWER_OPTION, || {
                    "expected the display that the code has in its system, found another".to_owned()
                });
            }
            // Whether the value set has a code of a system that nobody knows here is not said, even where it lists others.
            Membership::NotIn if system.is_some_and(|system| !definitions.knows_system(system)) => {
                self.judge(canonical, Membership::Unknown(WhyUnknown::SystemNotLoaded));
            }
            other => self.judge(canonical, other),
        }
    }

    pub(super) fn string_in_value_set(&mut self, at: u32, text: &str) {
        let Some(canonical) = self.form.item(at).node.text("answerValueSet") else { return };
        let found = self.member(canonical, None, text);
        self.judge(canonical, found);
    }

    /// The unit of a quantity, against a list of units, or a value set.
    pub(super) fn units(&mut self, at: u32, quantity: Node<'r>) {
        let item = self.form.item(at).node;
        let mut units = extensions(item, UNIT_OPTION).peekable();
        if units.peek().is_some() {
            let is_it = |(_, unit): (&str, Node<'_>)| {
                let same = |name: &str, own: &str| unit.text(name).is_none_or(|t| quantity.text(own) == Some(t));
                same("system", "system") && same("code", "code") && same("display", "unit")
            };
            if !units.filter_map(value_of).any(is_it) {
                self.find(issues::VAL_ANSWER_OPTION, || "expected a unit of the item's, found another".to_owned());
            }
        }
        if let Some(canonical) = extension_value(item, UNIT_VALUE_SET).and_then(|(_, v)| v.as_str()) {
            let found = match quantity.text("code") {
                Some(code) => self.member(canonical, Some(quantity.text("system").unwrap_or_default()), code),
                None if self.walk.checker.program.definitions.value_set(canonical).is_some() => Membership::NotIn,
                None => Membership::Unknown(WhyUnknown::ValueSetNotLoaded),
            };
            self.judge(canonical, found);
        }
    }

    fn judge(&mut self, canonical: &str, found: Membership) {
        match found {
            Membership::In => {}
            Membership::NotIn => self.find(issues::VAL_ANSWER_OPTION, || {
                "expected a code of the value set that the item names, found another".to_owned()
            }),
            Membership::Unknown(why) => {
                if why == WhyUnknown::ValueSetNotLoaded {
                    self.walk.push(
                        issues::VAL_QUESTIONNAIRE_ABSENT,
                        Severity::Warning,
                        "expected the item's value set among the definitions, found none of its name".to_owned(),
                    );
                }
                // A contained value set has no name of its own.
                let name = Some(canonical).filter(|c| !c.starts_with('#'));
                self.not_checked(&why.to_string(), name);
            }
        }
    }

    /// What is said of a code without a system: it is in no value set, unless nothing is known of what is in that.
    fn without_system(&self, canonical: &str) -> Membership {
        let definitions = self.walk.checker.program.definitions;
        let contained = canonical.strip_prefix('#').map(|id| self.contained(id));
        let read = contained.map(|node| node.map(ValueSet::read_contained));
        let value_set = read.as_ref().map_or_else(|| definitions.value_set(canonical), Option::as_ref);
        let Some(value_set) = value_set else { return Membership::Unknown(WhyUnknown::ValueSetNotLoaded) };
        let mut systems = value_set.include.iter().filter_map(|set| set.system.as_deref());
        if systems.all(|system| definitions.knows_system(system)) {
            Membership::NotIn
        } else {
            Membership::Unknown(WhyUnknown::SystemNotLoaded)
        }
    }

    fn contained(&self, id: &str) -> Option<Node<'_>> {
        let is_it = |n: &Node<'_>| n.text("id") == Some(id) && n.text("resourceType") == Some("ValueSet");
        list(self.container, "contained").find(is_it)
    }

    fn member(&self, canonical: &str, system: Option<&str>, code: &str) -> Membership {
        let definitions = self.walk.checker.program.definitions;
        let Some(id) = canonical.strip_prefix('#') else { return definitions.member(canonical, system, code) };
        let Some(node) = self.contained(id) else { return Membership::Unknown(WhyUnknown::ValueSetNotLoaded) };
        definitions.member_of(&ValueSet::read_contained(node), system, code)
    }
}
