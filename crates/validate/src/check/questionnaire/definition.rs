//! A questionnaire by itself: what its items are enabled by; and against the questionnaires that it derives from.

use epr_fhir::Node;

use super::form::{Form, Item};
use super::{extension_value, list, primitive_text, value_of};
use crate::check::walk::Walk;
use crate::finding::Step;
use crate::issues;

const DERIVATION_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-derivationType";
const DERIVATION_TYPES: &str = "http://hl7.org/fhir/questionnaire-derivationType";

/// What a derived questionnaire may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Derivation {
    /// Add items.
    Extends,
    /// Have items of the other only.
    CompliesWith,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// What R4 asks of a questionnaire in words only.
    pub(in crate::check) fn questionnaire_rules(&mut self, node: Node<'r>) {
        let form = Form::of(node);
        for at in 0..form.items.len() as u32 {
            self.at_item(&form, at, |walk| walk.conditions(&form, at));
        }
        for (i, companion) in list(node, "_derivedFrom").enumerate() {
            let canonical = list(node, "derivedFrom").nth(i).and_then(Node::as_str);
            let Some((kind, canonical)) = derivation(companion).zip(canonical) else { continue };
            let Some(base) = self.checker.questionnaire(canonical) else { continue };
            let base = Form::of(base.root());
            for at in 0..form.items.len() as u32 {
                self.at_item(&form, at, |walk| walk.derived(form.item(at), &base, kind));
            }
        }
    }

    fn at_item(&mut self, form: &Form<'_>, at: u32, check: impl FnOnce(&mut Self)) {
        let n = self.steps.len();
        let mut next = Some(at);
        while let Some(place) = next {
            let item = form.item(place);
            self.steps.push(Step { name: "item", index: Some(item.place), of_type: None });
            next = item.parent;
        }
        self.steps[n..].reverse();
        check(self);
        self.steps.truncate(n);
    }

    fn conditions(&mut self, form: &Form<'_>, at: u32) {
        for condition in list(form.item(at).node, "enableWhen") {
            let found = match condition.text("question") {
                None => "none",
                Some(question) if form.has_below(at, question) => "an item below this one",
                Some(question) => match form.find(question) {
                    None => "no item of the questionnaire",
                    Some(target) if target == at => "this item itself",
                    Some(_) => continue,
                },
            };
            self.find(issues::VAL_QUESTIONNAIRE, || {
                format!("expected the linkId of another item in enableWhen.question, found {found}")
            });
        }
    }

    /// One item against the item of the same linkId in the questionnaire that this one derives from.
    fn derived(&mut self, item: &Item<'_>, base: &Form<'_>, kind: Derivation) {
        let Some(own) = base.find(item.link_id).map(|at| base.item(at).node) else {
            if kind == Derivation::CompliesWith {
                self.broken_derivation("an item that the other questionnaire has");
            }
            return;
        };
        let node = item.node;
        let says = |node: Node<'_>, name: &str| node.get(name).and_then(Node::as_bool);
        if node.get("type").is_some() && own.get("type").is_some() && node.text("type") != own.text("type") {
            self.broken_derivation("the type that the item has there");
        }
        if says(own, "repeats") != Some(true) && says(node, "repeats") == Some(true) {
            self.broken_derivation("an item that does not repeat, as there");
        }
        if says(own, "required") == Some(true) && says(node, "required") == Some(false) {
            self.broken_derivation("an item that is required, as there");
        }
        let length = |node: Node<'_>| node.get("maxLength").and_then(|v| v.number_text()?.parse::<u64>().ok());
        if let Some(most) = length(own)
            && length(node).is_none_or(|found| found > most)
        {
            self.broken_derivation("a maxLength no greater than there");
        }
        self.derived_options(node, own);
    }

    fn derived_options(&mut self, node: Node<'_>, own: Node<'_>) {
        let has = |node: Node<'_>, name: &str| node.get(name).is_some();
        if has(own, "answerOption") {
            if has(node, "answerValueSet") {
                self.broken_derivation("options, as there, and no value set");
            } else if list(node, "answerOption").next().is_none() {
                self.broken_derivation("options, as there");
            } else {
                let n_new = list(node, "answerOption").filter_map(value_of).filter(|value| !is_among(own, *value));
                for _ in 0..n_new.count() {
                    self.broken_derivation("options that the item has there");
                }
            }
        }
        if has(own, "answerValueSet") && has(node, "answerOption") {
            self.broken_derivation("a value set, as there, and no options");
        }
    }

    fn broken_derivation(&mut self, expected: &str) {
        self.find(issues::VAL_QUESTIONNAIRE_DERIVED, || format!("expected {expected}, found otherwise"));
    }
}

fn derivation(companion: Node<'_>) -> Option<Derivation> {
    let (_, coding) = extension_value(companion, DERIVATION_TYPE)?;
    match (coding.text("system"), coding.text("code")) {
        (Some(DERIVATION_TYPES), Some("extends")) => Some(Derivation::Extends),
        (Some(DERIVATION_TYPES), Some("compliesWith")) => Some(Derivation::CompliesWith),
        _ => None,
    }
}

fn is_among(own: Node<'_>, (type_name, value): (&str, Node<'_>)) -> bool {
    list(own, "answerOption").filter_map(value_of).any(|(own_type, option)| {
        let same = |name: &str| option.text(name) == value.text(name);
        own_type == type_name
            && match type_name {
                "Coding" => same("system") && same("version") && same("code"),
                "Reference" => same("reference"),
                _ => primitive_text(option) == primitive_text(value),
            }
    })
}
