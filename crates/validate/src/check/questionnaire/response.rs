//! The items of a response: known, in their place and order, answered where they must be, not repeated where they may not.

use std::collections::HashMap;

use epr_fhir::Node;
use epr_model::Severity;
use regex::Regex;

use super::enable::{Given, Pair};
use super::form::{Form, Kind};
use super::{RULE, extension_value, list};
use crate::check::walk::Walk;
use crate::finding::{Step, render_plain};
use crate::issues;
use crate::ledger::NotCheckedKey;

const MIN_OCCURS: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs";
const MAX_OCCURS: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs";

/// One response against its questionnaire.
pub(super) struct Judge<'j, 'c, 'p, 'r, 'q> {
    pub(super) walk: &'j mut Walk<'c, 'p, 'r>,
    pub(super) form: Form<'q>,
    /// The resource in which value sets named `#id` are looked for.
    pub(super) container: Node<'q>,
    pub(super) response: Node<'r>,
    pub(super) given: Given<'r>,
    /// What conditions of enableWhen came to, by condition and by the group that they look into.
    pub(super) conditions: HashMap<(usize, usize), bool>,
    /// The patterns of items, compiled; `None` where one cannot be.
    pub(super) patterns: HashMap<u32, Option<Regex>>,
    /// A response that is not yet complete may lack answers.
    is_complete: bool,
}

impl<'j, 'c, 'p: 'r, 'r, 'q> Judge<'j, 'c, 'p, 'r, 'q> {
    pub(super) fn new(walk: &'j mut Walk<'c, 'p, 'r>, form: Form<'q>, container: Node<'q>, response: Node<'r>) -> Self {
        Self {
            walk,
            form,
            container,
            response,
            given: Given::of(response),
            conditions: HashMap::new(),
            patterns: HashMap::new(),
            is_complete: matches!(response.text("status"), Some("completed" | "amended")),
        }
    }

    pub(super) fn run(mut self) {
        let before = self.walk.issues.len();
        self.items(None, self.response, &mut Vec::new());
        let failed = self.walk.issues[before..].iter().any(|i| i.severity >= Severity::Error);
        self.walk.checker.tally.count_named(RULE, failed);
    }

    /// The items in an element of the response, against those below an item of the questionnaire.
    fn items(&mut self, parent: Option<u32>, element: Node<'r>, around: &mut Vec<Pair<'r>>) {
        let mut given: HashMap<u32, Vec<(u32, Node<'r>)>> = HashMap::new();
        let mut last = 0;
        for (n, item) in list(element, "item").enumerate() {
            let n = n as u32;
            let Some(link_id) = item.text("linkId").filter(|link| !link.trim().is_empty()) else {
                self.find(issues::VAL_ANSWER_PLACE, || "expected a linkId on each item, found one without".to_owned());
                continue;
            };
            let found = self.form.find(link_id);
            // The map of siblings is keyed by the questionnaire's own text.
            let at_home = found.and_then(|at| self.form.child(parent, self.form.item(at).link_id));
            if let Some(at) = at_home {
                let place = self.form.item(at).place;
                if place < last {
                    self.find(issues::VAL_ANSWER_PLACE, || {
                        format!("expected items in the order of the questionnaire, found item {n} after a later one")
                    });
                }
                last = place;
                given.entry(at).or_default().push((n, item));
            } else if let Some(at) = found {
                self.find(issues::VAL_ANSWER_PLACE, || {
                    format!("expected item {n} where the questionnaire has it, found it in another group")
                });
                self.step("item", n);
                around.push((at, item));
                self.item(at, item, around);
                around.pop();
                self.walk.steps.pop();
            } else {
                self.find(issues::VAL_ANSWER_PLACE, || {
                    format!("expected a linkId of the questionnaire on item {n}, found another")
                });
            }
        }
        for i in 0..self.form.children(parent).len() {
            let at = self.form.children(parent)[i];
            self.items_of(at, given.get(&at).map_or(&[][..], Vec::as_slice), around);
        }
    }

    /// What answers one item of the questionnaire, within one group.
    fn items_of(&mut self, at: u32, given: &[(u32, Node<'r>)], around: &mut Vec<Pair<'r>>) {
        if given.is_empty() {
            if self.form.item(at).required && self.is_enabled(at, around) {
                self.missing(at);
            }
            return;
        }
        if !self.is_enabled(at, around) {
            for (n, item) in given {
                // An item without answers is as good as none.
                if list(*item, "answer").next().is_some() || list(*item, "item").next().is_some() {
                    self.step("item", *n);
                    self.find(issues::VAL_ANSWER_DISABLED, || {
                        "expected no answer, since the item is not enabled, found one".to_owned()
                    });
                    self.walk.steps.pop();
                }
            }
        }
        if given.len() > 1 && !self.form.item(at).repeats {
            let path = self.form.path(at);
            self.find(issues::VAL_ANSWER_COUNT, || format!("expected one item for {path}, found {}", given.len()));
        }
        for (n, item) in given {
            self.step("item", *n);
            around.push((at, *item));
            self.item(at, *item, around);
            around.pop();
            self.walk.steps.pop();
        }
    }

    fn missing(&mut self, at: u32) {
        let severity = if self.is_complete { Severity::Error } else { Severity::Warning };
        let detail = format!("expected an answer to the required {}, found none", self.form.path(at));
        self.walk.push(issues::VAL_ANSWER_REQUIRED, severity, detail);
    }

    /// One item of the response.
    fn item(&mut self, at: u32, element: Node<'r>, around: &mut Vec<Pair<'r>>) {
        let (node, kind) = (self.form.item(at).node, self.form.item(at).kind);
        let text = element.text("text").filter(|text| !text.is_empty());
        if text.is_some() && text != node.text("text") {
            self.find(issues::VAL_ANSWER_TEXT, || "expected the questionnaire's text, found another".to_owned());
        }
        let answers: Vec<Node<'r>> = list(element, "answer").collect();
        if answers.is_empty()
            && self.form.item(at).required
            && kind != Kind::Group
            && (!self.is_complete || self.is_enabled(at, around))
        {
            self.missing(at);
        }
        self.counts(at, answers.len());
        for (n, answer) in answers.iter().enumerate() {
            if matches!(kind, Kind::Group | Kind::Display) {
                self.find(issues::VAL_ANSWER_PLACE, || {
                    "expected no answer to an item that asks nothing, found one".to_owned()
                });
            }
            self.step("answer", n as u32);
            self.answer(at, *answer, answers.len());
            if kind != Kind::Group {
                self.items(Some(at), *answer, around);
            }
            self.walk.steps.pop();
        }
        let n_items = list(element, "item").count();
        match kind {
            Kind::None => {
                self.find(issues::VAL_ANSWER_PLACE, || "expected the questionnaire to give a type".to_owned());
            }
            Kind::Group => {
                if self.form.item(at).required && n_items == 0 {
                    self.find(issues::VAL_ANSWER_REQUIRED, || {
                        "expected items in the required group, found none".to_owned()
                    });
                }
                self.items(Some(at), element, around);
            }
            _ if n_items > 0 => self.find(issues::VAL_ANSWER_PLACE, || {
                "expected items below a question inside its answer, found them beside it".to_owned()
            }),
            _ => {}
        }
    }

    fn counts(&mut self, at: u32, n: usize) {
        let (node, repeats) = (self.form.item(at).node, self.form.item(at).repeats);
        if n > 1 && !repeats {
            self.find(issues::VAL_ANSWER_COUNT, || format!("expected one answer, found {n}"));
        }
        let limit = |url: &str| {
            let value = extension_value(node, url)?.1.number_text()?.parse::<usize>();
            value.ok()
        };
        if let Some(most) = limit(MAX_OCCURS).filter(|most| n > *most) {
            self.find(issues::VAL_ANSWER_COUNT, || format!("expected at most {most} answers, found {n}"));
        }
        if let Some(least) = limit(MIN_OCCURS).filter(|least| n < *least) {
            self.find(issues::VAL_ANSWER_COUNT, || format!("expected at least {least} answers, found {n}"));
        }
    }

    pub(super) fn step(&mut self, name: &'static str, index: u32) {
        self.walk.steps.push(Step { name, index: Some(index), of_type: None });
    }

    pub(super) fn find(&mut self, code: &'static str, detail: impl FnOnce() -> String) {
        self.walk.find(code, detail);
    }

    pub(super) fn not_checked(&mut self, reason: &str, value_set: Option<&str>) {
        let key = NotCheckedKey {
            rule: RULE.to_owned(),
            element: render_plain(&self.walk.steps),
            value_set: value_set.map(ToOwned::to_owned),
            reason: reason.to_owned(),
        };
        self.walk.not_checked(key);
    }
}
