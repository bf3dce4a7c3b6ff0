//! Codes against value sets and code systems; the answers are kept, since a run asks few questions many times.

use epr_fhir::Node;
use epr_fhir::definitions::{
    BindingStrength, CodeSystem, Content, Definitions, Max, Membership, Structure, WhyUnknown,
};
use epr_model::Severity;

use super::extension::Stands;
use super::walk::Walk;
use crate::hash::FastMap;
use crate::issues;
use crate::program::{BindingProgram, Coded, ValueProgram};
use crate::tally::{BaseRule, NotCheckedKey, Tally};

/// Answers that one thread has had already.
pub(crate) struct Terms<'p> {
    /// For each binding, by `system NUL code`.
    answers: Vec<FastMap<Box<str>, Answer>>,
    /// For the bindings of profiles, by `element NUL value set NUL system NUL code`.
    profile_answers: FastMap<Box<str>, Answer>,
    systems: FastMap<Box<str>, Option<&'p CodeSystem>>,
    extensions: FastMap<Box<str>, Option<ExtensionProgram>>,
    unknown_extensions: FastMap<Box<str>, u32>,
    /// Whether an extension may stand at a place, by `url NUL place`.
    places: FastMap<Box<str>, Stands>,
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
    pub(crate) is_modifier: bool,
    pub(crate) value_types: Vec<String>,
    pub(crate) needs_value: bool,
}

impl<'p> Terms<'p> {
    pub(crate) fn new(n_bindings: usize) -> Self {
        Self {
            answers: (0..n_bindings).map(|_| FastMap::default()).collect(),
            profile_answers: FastMap::default(),
            systems: FastMap::default(),
            extensions: FastMap::default(),
            unknown_extensions: FastMap::default(),
            places: FastMap::default(),
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

    /// Whether an extension may stand at a place, where that was asked before.
    pub(super) fn place(&mut self, url: &str, place: &str) -> Option<Stands> {
        self.set_key(url, place);
        self.places.get(self.key.as_str()).copied()
    }

    pub(super) fn keep_place(&mut self, url: &str, place: &str, stands: Stands) {
        self.set_key(url, place);
        self.places.insert(self.key.as_str().into(), stands);
    }

    fn set_key(&mut self, first: &str, second: &str) {
        self.key.clear();
        self.key.push_str(first);
        self.key.push('\0');
        self.key.push_str(second);
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
    let root = structure.root()?;
    let value = structure.element("Extension.value[x]")?;
    let allowed = value.max != Max::Count(0);
    Some(ExtensionProgram {
        is_modifier: root.is_modifier,
        value_types: if allowed { value.types.iter().map(|t| t.code.clone()).collect() } else { Vec::new() },
        needs_value: allowed && value.min > 0,
    })
}

/// How a value of a type holds codes.
pub(crate) fn coded_as(type_code: &str) -> Coded {
    match type_code {
        "code" | "string" | "uri" => Coded::Code,
        "Coding" => Coded::Coding,
        "CodeableConcept" => Coded::CodeableConcept,
        "Quantity" => Coded::Quantity,
        _ => Coded::No,
    }
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

    /// A value against a binding that a profile adds.
    pub(super) fn bound(&mut self, binding: &BindingProgram, coded: Coded, node: Node<'r>) {
        let found = match coded {
            Coded::No => return,
            Coded::CodeableConcept => "codes outside it only",
            Coded::Quantity => "a unit outside it",
            Coded::Code | Coded::Coding => "a code outside it",
        };
        match self.best_answer(binding, coded, node) {
            Some(answer) => self.judge_bound(binding, answer, || found),
            // A text alone is no code; where a Coding or a Quantity has none, nothing is said of it.
            None if coded == Coded::CodeableConcept => self.judge_bound(binding, Answer::NotIn, || "no code"),
            None => {}
        }
    }

    /// A code that a profile's required binding asks for and that is not given.
    pub(super) fn no_code_given(&mut self, binding: &BindingProgram) {
        self.judge_bound(binding, Answer::NotIn, || "no code");
    }

    /// Whether a value holds a code of a value set; an error says why that is not known.
    pub(super) fn has_code_of(&mut self, binding: &BindingProgram, node: Node<'r>) -> Result<bool, String> {
        let coded = if node.as_str().is_some() {
            Coded::Code
        } else if node.get("coding").is_some() {
            Coded::CodeableConcept
        } else {
            Coded::Coding
        };
        match self.best_answer(binding, coded, node) {
            Some(Answer::In) => Ok(true),
            Some(Answer::NotIn) | None => Ok(false),
            Some(Answer::NotChecked(_)) => Err(format!("codes of {} are not known", binding.value_set)),
        }
    }

    /// The best answer for the codes of a value; `None` where it has none.
    fn best_answer(&mut self, binding: &BindingProgram, coded: Coded, node: Node<'r>) -> Option<Answer> {
        let coded_pair = |node: Node<'r>| Some((Some(node.text("system").unwrap_or_default()), node.text("code")?));
        match coded {
            Coded::No => None,
            Coded::Code => Some(self.profile_answer(binding, None, node.as_str()?)),
            Coded::Coding | Coded::Quantity => {
                let (system, code) = coded_pair(node)?;
                Some(self.profile_answer(binding, system, code))
            }
            Coded::CodeableConcept => {
                let mut best = None;
                for coding in node.get("coding").into_iter().flat_map(Node::items) {
                    let Some((system, code)) = coded_pair(coding) else { continue };
                    best = Some(better(best, self.profile_answer(binding, system, code)));
                }
                best
            }
        }
    }

    fn profile_answer(&mut self, binding: &BindingProgram, system: Option<&str>, code: &str) -> Answer {
        let key = [&binding.element, &binding.value_set, system.unwrap_or("\u{1}"), code].join("\0");
        if let Some(known) = self.checker.terms.profile_answers.get(key.as_str()) {
            return *known;
        }
        let answer = self.ask(binding, system, code);
        self.checker.terms.profile_answers.insert(key.into(), answer);
        answer
    }

    fn concept(&mut self, value: &'p ValueProgram<'p>, node: Node<'r>) {
        let codings = node.get("coding").into_iter().flat_map(Node::items);
        let Some(binding) = value.binding else { return };
        let mut best = None;
        for coding in codings {
            let Some(code) = coding.text("code") else { continue };
            let answer = self.answer(binding, Some(coding.text("system").unwrap_or_default()), code);
            best = Some(better(best, answer));
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
        let program: &'p BindingProgram = &self.checker.program.bindings[binding as usize];
        self.judge_bound(program, answer, found);
    }

    fn judge_bound(&mut self, program: &BindingProgram, answer: Answer, found: impl FnOnce() -> &'static str) {
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
        let key: Box<str> = terms.key.as_str().into();
        let bound: &'p BindingProgram = &self.checker.program.bindings[binding as usize];
        let answer = self.ask(bound, system, code);
        self.checker.terms.answers[binding as usize].insert(key, answer);
        answer
    }

    fn ask(&mut self, bound: &BindingProgram, system: Option<&str>, code: &str) -> Answer {
        match self.checker.program.definitions.member(&bound.value_set, system, code) {
            Membership::In => Answer::In,
            Membership::NotIn => Answer::NotIn,
            Membership::Unknown(why) => Answer::NotChecked(self.checker.tally.slot(NotCheckedKey {
                rule: "binding".to_owned(),
                element: bound.element.clone(),
                value_set: Some(bound.value_set.clone()),
                reason: reason(why, system),
            })),
        }
    }
}

/// Of two answers for codes of one concept the one that counts: that it is in, else that it is not known.
fn better(best: Option<Answer>, answer: Answer) -> Answer {
    match (best, answer) {
        (Some(Answer::In), _) | (_, Answer::In) => Answer::In,
        (Some(Answer::NotChecked(slot)), _) | (_, Answer::NotChecked(slot)) => Answer::NotChecked(slot),
        _ => Answer::NotIn,
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
