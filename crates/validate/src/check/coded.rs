//! Codes against value sets and code systems; the answers are kept, since a run asks few questions many times.
//!
//! What a code is in its own system (`standing`) is one question, asked of every coding; whether it is in the value set of
//! a binding is another. How many errors one fault makes is the reference validator's: a code that its system does not have
//! fails a required binding as well. Where a concept has a code of a system that is held elsewhere (SNOMED CT without a
//! list), the reference says nothing of the whole concept; what can be said is a warning here.
//!
//! Long because the forms in which a code comes (code, Coding, CodeableConcept, Quantity) ask the same questions in turn.

use epr_fhir::Node;
use epr_fhir::definitions::{BindingStrength, Coding, Definitions, Max, Membership, Standing, Structure, WhyUnknown};
use epr_model::Severity;

use super::extension::Stands;
use super::quantity::UCUM;
use super::value::written;
use super::walk::Walk;
use crate::finding::Step;
use crate::hash::FastMap;
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::primitive;
use crate::program::{BindingProgram, Coded, NO_ID, ValueProgram};
use crate::tally::{BASE_RULES, BaseRule, Tally};

/// Answers that one thread has had already.
pub(crate) struct Terms {
    /// For each binding, by `system NUL code`.
    answers: Vec<FastMap<Box<str>, Answer>>,
    /// For bindings that have no number, by `element NUL value set NUL system NUL code`.
    other_answers: FastMap<Box<str>, Answer>,
    /// What codes are in their systems, by `system NUL version NUL code NUL display`.
    standings: FastMap<Box<str>, Standing>,
    /// What is said of the system of a coding that no value set is asked about.
    free_systems: FastMap<Box<str>, Option<&'static str>>,
    /// Lines of the ledger for codes that were not looked up in their own system, by `element NUL system NUL why`.
    not_looked_up: FastMap<Box<str>, u32>,
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

impl Terms {
    pub(crate) fn new() -> Self {
        Self {
            answers: Vec::new(),
            other_answers: FastMap::default(),
            standings: FastMap::default(),
            free_systems: FastMap::default(),
            not_looked_up: FastMap::default(),
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

    /// The line of the ledger for codes of a system that were not looked up in it.
    fn not_looked_up(&mut self, tally: &mut Tally, element: &str, system: &str, why: &'static str) -> u32 {
        self.set_key(element, system);
        self.key.push('\0');
        self.key.push_str(why);
        if let Some(slot) = self.not_looked_up.get(self.key.as_str()) {
            return *slot;
        }
        let slot = tally.slot(NotCheckedKey {
            rule: BASE_RULES[BaseRule::Code as usize].to_owned(),
            element: element.to_owned(),
            value_set: None,
            reason: format!("code system {system} {why}"),
        });
        self.not_looked_up.insert(self.key.as_str().into(), slot);
        slot
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
        "code" | "string" | "uri" | "url" | "canonical" => Coded::Code,
        "Coding" => Coded::Coding,
        "CodeableConcept" => Coded::CodeableConcept,
        "Quantity" => Coded::Quantity,
        _ => Coded::No,
    }
}

/// What is known of one coding of a value.
#[derive(Clone, Copy)]
struct Judged {
    standing: Standing,
    answer: Option<Answer>,
    /// Its own system says that it is wrong, or does not know it at all.
    has_fault: bool,
}

/// A coding as it stands, with texts left out that are not there.
#[derive(Clone, Copy)]
struct Found<'r> {
    system: Option<&'r str>,
    version: Option<&'r str>,
    code: Option<&'r str>,
    display: Option<&'r str>,
}

impl<'r> Found<'r> {
    fn coding(node: Node<'r>) -> Self {
        let mut found = Self { system: None, version: None, code: None, display: None };
        for (name, value) in node.members() {
            let place = match name {
                "system" => &mut found.system,
                "version" => &mut found.version,
                "code" => &mut found.code,
                "display" => &mut found.display,
                _ => continue,
            };
            // White space alone says nothing, as the reference has it.
            *place = written(value).filter(|text| !text.trim().is_empty());
        }
        found
    }

    fn quantity(node: Node<'r>) -> Self {
        let text = |name: &str| node.get(name).and_then(written).filter(|text| !text.trim().is_empty());
        Self { system: text("system"), version: None, code: text("code"), display: None }
    }
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// The codes of a value: each against its code system, all of them against the element's binding.
    pub(super) fn codes(&mut self, value: &'p ValueProgram, node: Node<'r>) {
        let binding = value.binding.as_deref();
        match value.coded {
            Coded::No => {}
            Coded::Code => {
                if let (Some(binding), Some(code)) = (binding, written(node)) {
                    self.plain_code(binding, code);
                }
            }
            Coded::Coding if value.path == "CodeableConcept.coding" => {}
            Coded::Coding => self.coding_alone(&value.path, binding, Found::coding(node)),
            Coded::Quantity => self.coding_alone(&value.path, binding, Found::quantity(node)),
            Coded::CodeableConcept => self.concept(binding, node, Some(&value.path)),
        }
    }

    /// A bound code that is not given at all.
    pub(super) fn code_is_absent(&mut self, value: &'p ValueProgram) {
        let Some(binding) = value.binding.as_deref().filter(|_| value.coded == Coded::Code) else { return };
        if binding.strength == BindingStrength::Required {
            self.judge(binding, Answer::NotIn, Severity::Error, "no code");
        }
    }

    /// A value against a binding that a profile adds.
    pub(super) fn bound(&mut self, binding: &BindingProgram, coded: Coded, node: Node<'r>) {
        match coded {
            Coded::No => {}
            Coded::Code => {
                if let Some(code) = written(node) {
                    self.plain_code(binding, code);
                }
            }
            Coded::Coding => self.coding_bound(binding, Found::coding(node)),
            Coded::Quantity => self.coding_bound(binding, Found::quantity(node)),
            Coded::CodeableConcept => self.concept(Some(binding), node, None),
        }
    }

    /// A code that a profile's required binding asks for and that is not given.
    pub(super) fn no_code_given(&mut self, binding: &BindingProgram) {
        self.judge(binding, Answer::NotIn, Severity::Error, "no code");
    }

    /// Whether a value holds a code of a value set; an error says why that is not known.
    pub(super) fn has_code_of(&mut self, binding: &BindingProgram, node: Node<'r>) -> Result<bool, String> {
        let answer = if let Some(code) = node.as_str() {
            Some(self.answer(binding, None, code))
        } else if let Some(codings) = node.get("coding") {
            let mut best = None;
            for found in codings.items().map(Found::coding) {
                let Some(code) = found.code else { continue };
                best = Some(better(best, self.answer(binding, Some(found.system.unwrap_or_default()), code)));
            }
            best
        } else {
            let found = Found::coding(node);
            found.code.map(|code| self.answer(binding, Some(found.system.unwrap_or_default()), code))
        };
        match answer {
            Some(Answer::In) => Ok(true),
            Some(Answer::NotIn) | None => Ok(false),
            Some(Answer::NotChecked(_)) => Err(format!("codes of {} are not known", binding.value_set)),
        }
    }

    /// A code without a system: that of the value set is meant.
    fn plain_code(&mut self, binding: &BindingProgram, code: &str) {
        if binding.strength < BindingStrength::Extensible {
            return;
        }
        let answer = self.answer(binding, None, code);
        if answer.is_not_in() && binding.strength == BindingStrength::Required {
            // Before it is outside the value set it belongs to no system of it: two statements, as the reference has them.
            self.say_once(issues::VAL_CODE_SYSTEM, Severity::Error, || {
                format!("expected a code of a code system that value set {} names, found another", binding.value_set)
            });
        }
        self.judge(binding, answer, Severity::Error, "a code outside it");
    }

    /// A Coding or a Quantity that is in no CodeableConcept.
    fn coding_alone(&mut self, element: &str, binding: Option<&BindingProgram>, found: Found<'r>) {
        let (Some(system), Some(_)) = (found.system, found.code) else {
            if found.code.is_some() {
                self.push(issues::VAL_CODE_NOTE, Severity::Warning, NO_SYSTEM.to_owned());
            }
            return;
        };
        if let Some(binding) = binding {
            // In a CodeableConcept the reference lets these pass, as systems that nobody knows.
            let definitions = self.checker.program.definitions;
            if !primitive::is_absolute(system) {
                self.system_fault(Severity::Error, RELATIVE);
            } else if definitions.value_set(system).is_some() && !definitions.knows_system(system) {
                self.system_fault(Severity::Error, IS_VALUE_SET);
            }
            self.coding_told(element, found, Some(binding), Severity::Error);
            self.coding_bound(binding, found);
        } else if self.free_system(system) {
            self.coding_told(element, found, None, Severity::Error);
        }
    }

    /// A Coding or a Quantity against a binding; what its own system says of it was told already.
    fn coding_bound(&mut self, binding: &BindingProgram, found: Found<'r>) {
        let (Some(system), Some(code)) = (found.system, found.code) else { return };
        if binding.strength < BindingStrength::Extensible {
            return;
        }
        let judged = self.judged(binding, found);
        match judged.standing {
            Standing::HeldElsewhere => return self.held_elsewhere(binding, system, code),
            Standing::NoContent | Standing::NotInPart => return self.system_unknown(binding, system),
            Standing::NoVersion => {
                self.hl7_system(binding, system);
                return self.system_unknown(binding, system);
            }
            Standing::NoSystem => self.hl7_system(binding, system),
            _ => {}
        }
        let answer = match judged.answer {
            Some(Answer::In) | None if judged.has_fault => Answer::NotIn,
            Some(answer) => answer,
            None => return,
        };
        // Lists of units are never whole: a unit outside one is told, and holds nothing up, as with the reference offline.
        let most = if system == UCUM && !judged.has_fault { Severity::Warning } else { Severity::Error };
        self.judge(binding, answer, most, "a code outside it");
        if answer.is_not_in() {
            self.at_most(binding, |walk, most| walk.coding_bound(most, found));
        }
    }

    /// The codings of a CodeableConcept together against a binding, and each in its own system where `told_of` names the
    /// element of which that is told.
    fn concept(&mut self, binding: Option<&BindingProgram>, node: Node<'r>, told_of: Option<&str>) {
        let codings = node.get("coding").map_or_else(Vec::new, |c| c.items().map(Found::coding).collect());
        if codings.is_empty() {
            if let Some(binding) = binding.filter(|b| b.strength >= BindingStrength::Extensible) {
                self.judge(binding, Answer::NotIn, Severity::Error, "no code");
                self.at_most(binding, |walk, most| walk.concept(Some(most), node, None));
            }
            return;
        }
        let held_elsewhere = |found: &Found<'_>| {
            found.system.is_some_and(|system| self.checker.program.definitions.is_held_elsewhere(system))
        };
        let severity = if codings.iter().any(held_elsewhere) { Severity::Warning } else { Severity::Error };
        if let Some(element) = told_of {
            for (at, found) in codings.iter().enumerate() {
                self.steps.push(Step { name: "coding", index: Some(at as u32), of_type: None });
                match (found.system, found.code) {
                    (Some(_), Some(_)) => self.coding_told(element, *found, binding, severity),
                    (None, Some(_)) => self.push(issues::VAL_CODE_NOTE, Severity::Warning, NO_SYSTEM.to_owned()),
                    _ => {}
                }
                self.steps.pop();
            }
        }
        let Some(binding) = binding.filter(|b| b.strength >= BindingStrength::Extensible) else { return };
        let (mut best, mut has_fault, mut is_unknown) = (None, false, false);
        let (mut unresolved, mut is_part) = (Vec::new(), false);
        for (at, found) in codings.iter().enumerate() {
            let Some(code) = found.code else { continue };
            let Some(system) = found.system else {
                best = Some(better(best, Answer::NotIn));
                continue;
            };
            let judged = self.judged(binding, *found);
            has_fault |= judged.has_fault;
            is_part |= judged.standing == Standing::NotInPart;
            let answer = match judged.standing {
                // Whether another version has the code says nothing of this one.
                Standing::NoVersion => {
                    Answer::NotChecked(self.slot(binding, WhyUnknown::SystemNotLoaded, Some(system)))
                }
                _ => judged.answer.unwrap_or(Answer::NotIn),
            };
            let is_absent = matches!(judged.standing, Standing::NoSystem | Standing::NoVersion | Standing::NoContent);
            is_unknown |=
                judged.standing == Standing::NoVersion || is_absent && matches!(answer, Answer::NotChecked(_));
            if is_absent {
                unresolved.push((at, system));
            }
            if severity == Severity::Warning && judged.standing == Standing::HeldElsewhere {
                // A code that nobody here knows is never the reason of a failure.
                let known = if answer.is_not_in() { None } else { Some(answer) };
                best = known.map(|known| better(best, known)).or(best);
                if best.is_none() {
                    best = Some(self.answer(binding, Some(system), code));
                }
                continue;
            }
            best = Some(better(best, answer));
        }
        let is_in = matches!(best, Some(Answer::In));
        if !is_in {
            for (at, system) in &unresolved {
                self.steps.push(Step { name: "coding", index: Some(*at as u32), of_type: None });
                self.hl7_system(binding, system);
                self.steps.pop();
            }
        }
        has_fault |= !is_in && !unresolved.is_empty();
        let answer = match best {
            _ if is_unknown && !is_in => {
                return self.system_unknown(binding, unresolved.first().map_or("", |(_, system)| system));
            }
            Some(Answer::In) if has_fault && binding.strength == BindingStrength::Required => Answer::NotIn,
            Some(Answer::NotIn) if is_part => return,
            Some(answer) => answer,
            None => Answer::NotIn,
        };
        self.judge(binding, answer, severity, "codes outside it only");
        if answer.is_not_in() && severity == Severity::Error {
            self.at_most(binding, |walk, most| walk.concept(Some(most), node, None));
        }
    }

    /// What an extensible binding allows at most, asked where no code is of the binding's own value set.
    fn at_most(&mut self, binding: &BindingProgram, ask: impl FnOnce(&mut Self, &BindingProgram)) {
        if let Some(most) = &binding.most {
            ask(self, most);
        }
    }

    /// A coding in a binding's value set and in its own system; nothing is told.
    fn judged(&mut self, binding: &BindingProgram, found: Found<'r>) -> Judged {
        let (Some(system), Some(code)) = (found.system, found.code) else {
            return Judged { standing: Standing::Known, answer: None, has_fault: false };
        };
        let standing = self.standing(Some(binding), found);
        let has_fault = matches!(standing, Standing::Unknown | Standing::WrongDisplay | Standing::Supplement);
        Judged { standing, answer: Some(self.answer(binding, Some(system), code)), has_fault }
    }

    /// What a code is in its own code system; answers are kept by system, version, code and display.
    fn standing(&mut self, binding: Option<&BindingProgram>, found: Found<'r>) -> Standing {
        let (Some(system), Some(code)) = (found.system, found.code) else { return Standing::Known };
        let definitions: &'p Definitions = self.checker.program.definitions;
        let terms = &mut self.checker.terms;
        terms.key.clear();
        for part in [Some(system), found.version, Some(code), found.display] {
            terms.key.push_str(part.unwrap_or_default());
            terms.key.push('\0');
        }
        let coding = Coding { system, version: found.version, code, display: found.display };
        let standing = if let Some(known) = terms.standings.get(terms.key.as_str()) {
            *known
        } else {
            let standing = definitions.standing(coding, None);
            terms.standings.insert(terms.key.as_str().into(), standing);
            standing
        };
        if let (Standing::WrongDisplay, Some(display)) = (standing, found.display) {
            let language = self.container.text("language");
            if language.is_some() {
                let again = definitions.standing(coding, language);
                if again != Standing::WrongDisplay {
                    return again;
                }
            }
            if binding.is_some_and(|b| definitions.is_display_of(&b.value_set, system, code, display)) {
                return Standing::Known;
            }
        }
        standing
    }

    /// Tells what a coding's own system says of it.
    fn coding_told(&mut self, element: &str, found: Found<'r>, binding: Option<&BindingProgram>, severity: Severity) {
        let Some(system) = found.system else { return };
        let standing = self.standing(binding, found);
        let is_checked =
            matches!(standing, Standing::Known | Standing::Inactive | Standing::WrongDisplay | Standing::Unknown);
        self.checker.tally.coded(system, is_checked);
        if is_checked {
            let failed = severity == Severity::Error && matches!(standing, Standing::WrongDisplay | Standing::Unknown);
            self.checker.tally.count(BaseRule::Code, failed);
        }
        if let Some(why) = why_not_looked_up(standing) {
            let checker = &mut *self.checker;
            let slot = checker.terms.not_looked_up(&mut checker.tally, element, system, why);
            checker.tally.not_checked(slot);
        }
        let definitions: &'p Definitions = self.checker.program.definitions;
        match standing {
            Standing::Known
            | Standing::NotInPart
            | Standing::HeldElsewhere
            | Standing::NoContent
            | Standing::NoVersion => {}
            Standing::NoSystem => {
                if self.unknown_by_id(found, system) {
                    self.push(
                        issues::VAL_UNKNOWN_CODE,
                        severity,
                        "expected a code of the code system that has this id, found another".to_owned(),
                    );
                }
            }
            Standing::Supplement => {
                self.system_fault(severity, "expected a code system in system, found a supplement to one");
            }
            Standing::Inactive => self.push(
                issues::VAL_CODE_NOTE,
                Severity::Warning,
                format!("expected a code of {system} that is in use, found one that is not any more"),
            ),
            Standing::Unknown => self.push(
                issues::VAL_UNKNOWN_CODE,
                severity,
                format!("expected a code of {}, found another", named(definitions, system)),
            ),
            Standing::WrongDisplay => self.push(
                issues::VAL_DISPLAY,
                severity,
                format!("expected a display that {} gives for the code, found another", named(definitions, system)),
            ),
        }
    }

    /// Whether a relative system is the id of a code system that has not the code: the reference looks it up by that.
    fn unknown_by_id(&self, found: Found<'_>, system: &str) -> bool {
        let definitions = self.checker.program.definitions;
        if system.contains([':', '/']) {
            return false;
        }
        let bases = ["http://terminology.hl7.org/CodeSystem/", "http://hl7.org/fhir/"];
        let urls = bases.map(|base| format!("{base}{system}"));
        let Some(url) = urls.iter().find(|url| definitions.code_system(url).is_some()) else { return false };
        let Some(code) = found.code else { return false };
        let coding = Coding { system: url, version: None, code, display: None };
        definitions.standing(coding, None) == Standing::Unknown
    }

    /// What is said of the system of a coding that no binding is about; `false` where its code is not looked at.
    fn free_system(&mut self, system: &str) -> bool {
        let terms = &mut self.checker.terms;
        let fault = if let Some(known) = terms.free_systems.get(system) {
            *known
        } else {
            let fault = free_system_fault(self.checker.program.definitions, system);
            terms.free_systems.insert(system.into(), fault);
            fault
        };
        if let Some(fault) = fault {
            self.system_fault(Severity::Error, fault);
        }
        fault.is_none()
    }

    fn system_fault(&mut self, severity: Severity, fault: &'static str) {
        self.checker.tally.count(BaseRule::Code, severity == Severity::Error);
        self.push(issues::VAL_CODE_SYSTEM, severity, fault.to_owned());
    }

    /// A required binding allows no system of HL7's own that nobody knows.
    fn hl7_system(&mut self, binding: &BindingProgram, system: &str) {
        let is_hl7 = system.starts_with("http://hl7.org/fhir") || system.starts_with("http://terminology.hl7.org");
        if is_hl7 && binding.strength == BindingStrength::Required {
            self.say_once(issues::VAL_CODE_SYSTEM, Severity::Error, || {
                format!("expected a code system of a loaded package in system, found {system}")
            });
        }
    }

    /// A finding that is told once however many bindings find it.
    fn say_once(&mut self, code: &'static str, severity: Severity, detail: impl FnOnce() -> String) {
        let (path, detail) = (crate::finding::render(&self.steps), detail());
        let is_told =
            |issue: &crate::finding::Finding| issue.code == code && issue.path == path && issue.detail == detail;
        if !self.issues.iter().any(is_told) {
            self.push(code, severity, detail);
        }
    }

    /// A code of a system that only servers and holders of a list know, against a binding.
    fn held_elsewhere(&mut self, binding: &BindingProgram, system: &str, code: &str) {
        let answer = self.answer(binding, Some(system), code);
        self.judge(binding, answer, Severity::Warning, "a code outside it");
    }

    fn system_unknown(&mut self, binding: &BindingProgram, system: &str) {
        let slot = self.slot(binding, WhyUnknown::SystemNotLoaded, Some(system));
        self.checker.tally.not_checked(slot);
    }

    /// `most` is how severe a finding may be at most; an extensible binding gives warnings anyway.
    fn judge(&mut self, program: &BindingProgram, answer: Answer, most: Severity, found: &'static str) {
        let (rule, code, severity) = match program.strength {
            BindingStrength::Required => (BaseRule::BindingRequired, issues::VAL_BINDING, most),
            _ => (BaseRule::BindingExtensible, issues::VAL_BINDING_EXTENSIBLE, Severity::Warning),
        };
        match answer {
            Answer::In => self.checker.tally.count(rule, false),
            Answer::NotChecked(slot) => self.checker.tally.not_checked(slot),
            Answer::NotIn => {
                self.checker.tally.count(rule, true);
                self.push(code, severity, format!("expected a code of value set {}, found {found}", program.value_set));
            }
        }
    }

    fn answer(&mut self, binding: &BindingProgram, system: Option<&str>, code: &str) -> Answer {
        let terms = &mut self.checker.terms;
        terms.key.clear();
        if binding.id == NO_ID {
            terms.key.push_str(&binding.element);
            terms.key.push('\0');
            terms.key.push_str(&binding.value_set);
            terms.key.push('\0');
        }
        if let Some(system) = system {
            terms.key.push_str(system);
            terms.key.push('\0');
        }
        terms.key.push_str(code);
        if binding.id != NO_ID && terms.answers.len() <= binding.id as usize {
            terms.answers.resize_with(binding.id as usize + 1, FastMap::default);
        }
        let answers = match binding.id {
            NO_ID => &terms.other_answers,
            id => &terms.answers[id as usize],
        };
        if let Some(answer) = answers.get(terms.key.as_str()) {
            return *answer;
        }
        let key: Box<str> = terms.key.as_str().into();
        let answer = match self.checker.program.definitions.member(&binding.value_set, system, code) {
            Membership::In => Answer::In,
            Membership::NotIn => Answer::NotIn,
            Membership::Unknown(why) => Answer::NotChecked(self.slot(binding, why, system)),
        };
        let terms = &mut self.checker.terms;
        match binding.id {
            NO_ID => terms.other_answers.insert(key, answer),
            id => terms.answers[id as usize].insert(key, answer),
        };
        answer
    }

    fn slot(&mut self, binding: &BindingProgram, why: WhyUnknown, system: Option<&str>) -> u32 {
        self.checker.tally.slot(NotCheckedKey {
            rule: "binding".to_owned(),
            element: binding.element.clone(),
            value_set: Some(binding.value_set.clone()),
            reason: reason(why, system),
        })
    }
}

impl Answer {
    fn is_not_in(self) -> bool {
        matches!(self, Self::NotIn)
    }
}

const RELATIVE: &str = "expected an absolute URL in system, found a relative one";
const IS_VALUE_SET: &str = "expected a code system in system, found a value set";
const NO_SYSTEM: &str = "expected a system beside the code, without which the code says nothing, found none";

/// A system by its URL where a package names it: what stands in data may be anything.
fn named<'a>(definitions: &'a Definitions, system: &str) -> &'a str {
    definitions.code_system(system).map_or("its code system", |system| system.url.as_str())
}

/// Why a system can be none of a coding that no binding is about.
fn free_system_fault(definitions: &Definitions, system: &str) -> Option<&'static str> {
    const KNOWN: &[&str] = &[
        "http://snomed.info/sct",
        "http://loinc.org",
        "http://unitsofmeasure.org",
        "http://www.nlm.nih.gov/research/umls/rxnorm",
    ];
    let is_hl7 = ["http://hl7.org/fhir", "https://hl7.org/fhir", "http://www.hl7.org/fhir", "https://www.hl7.org/fhir"]
        .iter()
        .any(|base| system.starts_with(base));
    if !["http:", "https:", "urn:"].iter().any(|scheme| system.starts_with(scheme)) {
        return Some(RELATIVE);
    }
    if definitions.value_set(system).is_some() {
        return Some(IS_VALUE_SET);
    }
    if definitions.knows_system(system) {
        return None;
    }
    if system.starts_with("http://build.fhir.org") || system.starts_with("https://build.fhir.org") {
        return Some("expected the URL of a code system in system, found a page of the build of FHIR");
    }
    if is_hl7 {
        let is_free = system.starts_with("http://hl7.org/fhir/sid/") || system.starts_with("http://hl7.org/fhir/test");
        return (!is_free).then_some("expected a code system that HL7 defines in system, found another");
    }
    if KNOWN.iter().any(|known| system != *known && system.starts_with(known)) {
        return Some("expected the plain URL of the code system in system, found more behind it");
    }
    if let Some(rest) = system.strip_prefix("https:") {
        let plain = format!("http:{rest}");
        if KNOWN.contains(&plain.as_str()) || definitions.code_system(&plain).is_some() {
            return Some("expected a system that begins with http:, found https:");
        }
    }
    None
}

/// Why a code was not looked up in its own system, as the ledger says it after the system's name.
fn why_not_looked_up(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::HeldElsewhere | Standing::NoSystem => Some("is not loaded"),
        Standing::NoVersion => Some("is loaded in another version"),
        Standing::NoContent => Some("is loaded without its codes"),
        Standing::NotInPart => Some("is loaded in part only"),
        Standing::Known | Standing::Inactive | Standing::WrongDisplay | Standing::Unknown | Standing::Supplement => {
            None
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
