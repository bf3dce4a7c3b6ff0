//! Questionnaires, and responses against theirs.
//!
//! A response names its questionnaire by canonical URL, which a loaded package or a supporting file must have, or by
//! `#id`. Without one nothing but its structure can be judged, and the ledger says so.
//!
//! | what you want to find | module |
//! |---|---|
//! | the items of a questionnaire, by linkId | `form` |
//! | a questionnaire by itself, and against those it derives from | `definition` |
//! | the items of a response: known, in place, required, repeated | `response` |
//! | one answer: its type and limits | `answer` |
//! | one answer: its options, value set, units | `options` |
//! | whether an item is enabled | `enable` |
//! | comparing values | `compare` |

mod answer;
mod compare;
mod definition;
mod enable;
mod form;
mod options;
mod response;

use std::sync::Arc;

use epr_fhir::{Node, Resource};
use epr_model::Severity;

use self::form::Form;
use self::response::Judge;
use super::walk::Walk;
use crate::finding::render_plain;
use crate::issues;
use crate::ledger::NotCheckedKey;

/// The rule of the ledger under which all of this is counted.
const RULE: &str = "questionnaire";

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// A QuestionnaireResponse against the questionnaire that it names.
    pub(super) fn questionnaire_response(&mut self, node: Node<'r>) {
        let Some(canonical) = node.text("questionnaire").filter(|text| !text.trim().is_empty()) else {
            self.without_questionnaire("no questionnaire is named");
            return;
        };
        if let Some(id) = canonical.strip_prefix('#') {
            let is_it = |n: &Node<'r>| n.text("id") == Some(id) && n.text("resourceType") == Some("Questionnaire");
            match node.get("contained").into_iter().flat_map(Node::items).find(is_it) {
                Some(questionnaire) => Judge::new(self, Form::of(questionnaire), node, node).run(),
                None => self.questionnaire_not_found(),
            }
            return;
        }
        match self.checker.questionnaire(canonical) {
            Some(questionnaire) => {
                let root = questionnaire.root();
                Judge::new(self, Form::of(root), root, node).run();
            }
            None => self.questionnaire_not_found(),
        }
    }

    fn questionnaire_not_found(&mut self) {
        self.push(
            issues::VAL_QUESTIONNAIRE_ABSENT,
            Severity::Warning,
            "expected the questionnaire among the definitions, found none of its name: the answers are not checked"
                .to_owned(),
        );
        self.without_questionnaire("the questionnaire is in no loaded package");
    }

    fn without_questionnaire(&mut self, reason: &str) {
        let element = render_plain(&self.steps);
        self.not_checked(NotCheckedKey { rule: RULE.to_owned(), element, value_set: None, reason: reason.to_owned() });
    }
}

impl super::Checker<'_> {
    /// A questionnaire of the loaded packages, read once.
    fn questionnaire(&mut self, canonical: &str) -> Option<Arc<Resource>> {
        if let Some(known) = self.questionnaires.get(canonical) {
            return known.clone();
        }
        let read = self.program.definitions.raw(canonical).and_then(|bytes| Resource::parse_json(bytes).ok());
        let found = read.filter(|r| r.root().text("resourceType") == Some("Questionnaire")).map(Arc::new);
        self.questionnaires.insert(canonical.into(), found.clone());
        found
    }
}

/// The items of a list that an element may have.
fn list<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    node.get(name).into_iter().flat_map(Node::items)
}

/// The extensions of a URL.
fn extensions<'a, 'u>(node: Node<'a>, url: &'u str) -> impl Iterator<Item = Node<'a>> + use<'a, 'u> {
    list(node, "extension").filter(move |extension| extension.text("url") == Some(url))
}

/// A choice's value: what follows `value` in the member's name, and the value.
fn value_of(node: Node<'_>) -> Option<(&str, Node<'_>)> {
    node.members().find_map(|(name, value)| Some((name.strip_prefix("value").filter(|t| !t.is_empty())?, value)))
}

/// The value of the first extension of a URL.
fn extension_value<'a>(node: Node<'a>, url: &str) -> Option<(&'a str, Node<'a>)> {
    extensions(node, url).next().and_then(value_of)
}

/// The text of a primitive; none of an object.
fn primitive_text(node: Node<'_>) -> Option<&str> {
    node.as_str().or_else(|| node.number_text()).or_else(|| node.as_bool().map(|b| if b { "true" } else { "false" }))
}
