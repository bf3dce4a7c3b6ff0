//! Codes against value sets and code systems; the answers are kept, since a run asks few questions many times.

use epr_fhir::Node;
use epr_fhir::definitions::{
    BindingStrength, CodeSystem, Content, Definitions, Max, Membership, Structure, WhyUnknown,
};
use epr_model::Severity;

use super::walk::Walk;
use crate::hash::FastMap;
use crate::issues;
use crate::program::{Coded, ValueProgram};
use crate::tally::{BaseRule, NotCheckedKey, Tally};

/// Answers that one thread has had already.
pub(crate) struct Terms<'p> {
    /// For each binding, by `system NUL code`.
    answers: Vec<FastMap<Box<str>, Answer>>,
    systems: FastMap<Box<str>, Option<&'p CodeSystem>>,
    extensions: FastMap<Box<str>, Option<ExtensionProgram>>,
    unknown_extensions: FastMap<Box<str>, u32>,
    key: String,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    In,
    NotIn,
    /// The line of the ledger that says why.
    NotChecked(u32),
}

/// What an extension's definition says of its value.
pub(crate) struct ExtensionProgram {
    pub(crate) value_types: Vec<String>,
    pub(crate) needs_value: bool,
}

impl<'p> Terms<'p> {
    pub(crate) fn new(n_bindings: usize) -> Self {
        Self {
            answers: (0..n_bindings).map(|_| FastMap::default()).collect(),
            systems: FastMap::default(),
            extensions: FastMap::default(),
            unknown_extensions: FastMap::default(),
            key: String::new(),
        }
    }

    /// The definition of an extension; `None` where no loaded package has a snapshot of it.
    pub(crate) fn extension(&mut self, definitions: &Definitions, url: &str) -> Option<&ExtensionProgram> {
        if !self.extensions.contains_key(url) {
            let made = definitions.structure(url).filter(|s| s.type_name == "Extension").and_then(extension_program);
            self.extensions.insert(url.into(), made);
        }
        self.extensions.get(url)?.as_ref()
    }

    /// The line of the ledger for an extension that nothing defines.
    pub(crate) fn unknown_extension(&mut self, tally: &mut Tally, url: &str) -> u32 {
        if let Some(slot) = self.unknown_extensions.get(url) {
            return *slot;
        }
        let slot = tally.slot(NotCheckedKey {
            rule: "extension".to_owned(),
            element: "Extension".to_owned(),
            value_set: None,
            reason: format!("extension {url} is in no loaded package"),
        });
        self.unknown_extensions.insert(url.into(), slot);
        slot
    }

    /// A code system that is loaded whole.
    fn system(&mut self, definitions: &'p Definitions, url: &str) -> Option<&'p CodeSystem> {
        if let Some(known) = self.systems.get(url) {
            return *known;
        }
        let system = definitions.code_system(url).filter(|s| s.content == Content::Complete);
        self.systems.insert(url.into(), system);
        system
    }
}

fn extension_program(structure: &Structure) -> Option<ExtensionProgram> {
    structure.root()?;
    let value = structure.element("Extension.value[x]")?;
    let allowed = value.max != Max::Count(0);
    Some(ExtensionProgram {
        value_types: if allowed { value.types.iter().map(|t| t.code.clone()).collect() } else { Vec::new() },
        needs_value: allowed && value.min > 0,
    })
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// The codes of a value: each against its code system, all of them against the element's binding.
    pub(super) fn codes(&mut self, value: &'p ValueProgram<'p>, node: Node<'r>) {
        match value.coded {
            Coded::No => {}
            Coded::Code => {
                if let (Some(binding), Some(code)) = (value.binding, node.as_str()) {
                    let answer = self.answer(binding, None, code);
                    self.judge(binding, answer, || "a code outside it");
                }
            }
            Coded::Coding => {
                self.coding(node);
                if let (Some(binding), Some(code)) = (value.binding, node.text("code")) {
                    let answer = self.answer(binding, Some(node.text("system").unwrap_or_default()), code);
                    self.judge(binding, answer, || "a code outside it");
                }
            }
            Coded::CodeableConcept => self.concept(value, node),
            Coded::Quantity => {
                if let (Some(binding), Some(code)) = (value.binding, node.text("code")) {
                    let answer = self.answer(binding, Some(node.text("system").unwrap_or_default()), code);
                    self.judge(binding, answer, || "a unit outside it");
                }
            }
        }
    }

    /// A bound code that is not given at all.
    pub(super) fn code_is_absent(&mut self, value: &'p ValueProgram<'p>) {
        let Some(binding) = value.binding.filter(|_| value.coded == Coded::Code) else { return };
        if self.checker.program.bindings[binding as usize].strength == BindingStrength::Required {
            self.judge(binding, Answer::NotIn, || "no code");
        }
    }

    fn concept(&mut self, value: &'p ValueProgram<'p>, node: Node<'r>) {
        let codings = node.get("coding").into_iter().flat_map(Node::items);
        let Some(binding) = value.binding else { return };
        let mut best = None;
        for coding in codings {
            let Some(code) = coding.text("code") else { continue };
            let answer = self.answer(binding, Some(coding.text("system").unwrap_or_default()), code);
            best = match (best, answer) {
                (Some(Answer::In), _) | (_, Answer::In) => Some(Answer::In),
                (Some(Answer::NotChecked(slot)), _) | (_, Answer::NotChecked(slot)) => Some(Answer::NotChecked(slot)),
                _ => Some(Answer::NotIn),
            };
        }
        match best {
            None => self.judge(binding, Answer::NotIn, || "no code"),
            Some(answer) => self.judge(binding, answer, || "codes outside it only"),
        }
    }

    /// One Coding against its own code system.
    fn coding(&mut self, node: Node<'r>) {
        let (Some(system), Some(code)) = (node.text("system"), node.text("code")) else { return };
        let definitions: &'p Definitions = self.checker.program.definitions;
        let known = self.checker.terms.system(definitions, system);
        self.checker.tally.coded(system, known.is_some());
        let Some(known) = known else { return };
        let failed = known.concept(code).is_none();
        self.checker.tally.count(BaseRule::Code, failed);
        if failed {
            self.find(issues::VAL_UNKNOWN_CODE, || format!("expected a code of {}, found another", known.url));
        }
    }

    fn judge(&mut self, binding: u32, answer: Answer, found: impl FnOnce() -> &'static str) {
        let program = &self.checker.program.bindings[binding as usize];
        let (rule, code, severity) = match program.strength {
            BindingStrength::Required => (BaseRule::BindingRequired, issues::VAL_BINDING, Severity::Error),
            _ => (BaseRule::BindingExtensible, issues::VAL_BINDING_EXTENSIBLE, Severity::Warning),
        };
        match answer {
            Answer::In => self.checker.tally.count(rule, false),
            Answer::NotChecked(slot) => self.checker.tally.not_checked(slot),
            Answer::NotIn => {
                self.checker.tally.count(rule, true);
                self.push(
                    code,
                    severity,
                    format!("expected a code of value set {}, found {}", program.value_set, found()),
                );
            }
        }
    }

    fn answer(&mut self, binding: u32, system: Option<&str>, code: &str) -> Answer {
        let terms = &mut self.checker.terms;
        terms.key.clear();
        if let Some(system) = system {
            terms.key.push_str(system);
            terms.key.push('\0');
        }
        terms.key.push_str(code);
        let answers = &mut terms.answers[binding as usize];
        if let Some(answer) = answers.get(terms.key.as_str()) {
            return *answer;
        }
        let program = self.checker.program;
        let bound = &program.bindings[binding as usize];
        let answer = match program.definitions.member(&bound.value_set, system, code) {
            Membership::In => Answer::In,
            Membership::NotIn => Answer::NotIn,
            Membership::Unknown(why) => Answer::NotChecked(self.checker.tally.slot(NotCheckedKey {
                rule: "binding".to_owned(),
                element: bound.element.clone(),
                value_set: Some(bound.value_set.clone()),
                reason: reason(why, system),
            })),
        };
        answers.insert(terms.key.as_str().into(), answer);
        answer
    }
}

/// Why membership is not known; a code system is named by its URL.
fn reason(why: WhyUnknown, system: Option<&str>) -> String {
    match (why, system.filter(|s| !s.is_empty())) {
        (WhyUnknown::SystemNotLoaded, Some(system)) => format!("code system {system} is not loaded"),
        (WhyUnknown::SystemIncomplete, Some(system)) => format!("code system {system} is loaded in part only"),
        _ => why.to_string(),
    }
}
