//! Whether an item is enabled: `enableWhen`, or an expression.
//!
//! The answers that count are those of the group, repeated or not, that has both the item and the question in it; where
//! there is no such group, those of the whole response.

use std::collections::HashMap;

use epr_fhir::Node;
use epr_fhirpath::{Focus, Host, Verdict};

use super::form::Form;
use super::response::Judge;
use super::{compare, extension_value, list};

/// Extensions that hold a FHIRPath expression over the response.
const EXPRESSIONS: &[&str] = &[
    "http://phr.kanta.fi/StructureDefinition/fiphr-ext-questionnaire-enablewhen",
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression",
];

/// An item of the questionnaire and the item of the response that answers it.
pub(super) type Pair<'r> = (u32, Node<'r>);

/// The items of a response by linkId, each with the range of items below it.
pub(super) struct Given<'r> {
    by_link: HashMap<&'r str, Vec<(u32, Node<'r>)>>,
    ranges: HashMap<usize, (u32, u32)>,
    n: u32,
}

impl<'r> Given<'r> {
    pub(super) fn of(response: Node<'r>) -> Self {
        let mut given = Self { by_link: HashMap::new(), ranges: HashMap::new(), n: 0 };
        given.read(response);
        given
    }

    /// The depth of a resource is limited where it is read, so this ends.
    fn read(&mut self, holder: Node<'r>) {
        for item in list(holder, "item") {
            let start = self.n;
            self.n += 1;
            if let Some(link_id) = item.text("linkId") {
                self.by_link.entry(link_id).or_default().push((start, item));
            }
            self.read(item);
            for answer in list(item, "answer") {
                self.read(answer);
            }
            self.ranges.insert(item.address(), (start, self.n));
        }
    }

    /// The items of a linkId within an item (itself among them), or in the whole response.
    fn within(&self, scope: Scope<'r>, link_id: &str) -> &[(u32, Node<'r>)] {
        let Some(all) = self.by_link.get(link_id) else { return &[] };
        let (start, end) = match scope {
            Scope::Nothing => return &[],
            Scope::Response => return all,
            Scope::Within(node) => self.ranges.get(&node.address()).copied().unwrap_or_default(),
        };
        &all[all.partition_point(|(at, _)| *at < start)..all.partition_point(|(at, _)| *at < end)]
    }
}

impl<'p: 'r, 'r> Judge<'_, '_, 'p, 'r, '_> {
    pub(super) fn is_enabled(&mut self, at: u32, around: &[Pair<'r>]) -> bool {
        let node = self.form.item(at).node;
        if let Some(value) = EXPRESSIONS.iter().find_map(|url| extension_value(node, url)) {
            return self.expression_holds(value);
        }
        let mut conditions = list(node, "enableWhen");
        let Some(first) = conditions.next() else { return true };
        let mut rest = conditions.peekable();
        let behaviour = node.text("enableBehavior");
        if rest.peek().is_none() {
            return self.condition_holds(at, first, around);
        }
        let all: Vec<Node<'_>> = std::iter::once(first).chain(rest).collect();
        match behaviour {
            Some("any") => all.into_iter().any(|condition| self.condition_holds(at, condition, around)),
            Some("all") => all.into_iter().all(|condition| self.condition_holds(at, condition, around)),
            // Which of the two is meant must be said; without it no item is taken to be hidden.
            _ => true,
        }
    }

    fn expression_holds(&mut self, (type_name, value): (&str, Node<'_>)) -> bool {
        let text = match type_name {
            "Expression" if value.text("language") == Some("text/fhirpath") => value.text("expression"),
            _ => value.as_str(),
        };
        let compiled = text.ok_or_else(|| "enableWhen uses another language than FHIRPath".to_owned());
        let compiled = compiled.and_then(|t| epr_fhirpath::compile(t).map_err(|e| format!("enableWhen: {e}")));
        let verdict = compiled.and_then(|expression| {
            let definitions = Some(self.walk.checker.program.definitions);
            let host = Host::with_definitions(definitions);
            match expression.check(&host, &Focus::on_resource(self.response, definitions)) {
                Verdict::True => Ok(true),
                Verdict::False | Verdict::Empty => Ok(false),
                Verdict::NotChecked(why) => Err(format!("enableWhen: {why}")),
            }
        });
        verdict.unwrap_or_else(|reason| {
            self.not_checked(&reason, None);
            true
        })
    }

    fn condition_holds(&mut self, at: u32, condition: Node<'_>, around: &[Pair<'r>]) -> bool {
        let question = condition.text("question").unwrap_or_default();
        let target = self.form.find(question);
        let scope = target.map_or(Scope::Nothing, |target| Scope::of(&self.form, at, target, around));
        let key = (condition.address(), scope.key());
        if let Some(known) = self.conditions.get(&key) {
            return *known;
        }
        let holds = self.ask(condition, question, scope);
        self.conditions.insert(key, holds);
        holds
    }

    fn ask(&mut self, condition: Node<'_>, question: &str, scope: Scope<'r>) -> bool {
        let items = self.given.within(scope, question);
        let answers = || items.iter().flat_map(|(_, item)| list(*item, "answer"));
        let operator = condition.text("operator").unwrap_or_default();
        let expected = condition.members().find_map(|(name, v)| Some((name.strip_prefix("answer")?, v)));
        if operator == "exists" {
            let is_answered = answers().any(|answer| answer.members().next().is_some());
            return expected.and_then(|(_, value)| value.as_bool()).is_some_and(|wanted| wanted == is_answered);
        }
        let Some((type_name, expected)) = expected else { return false };
        answers().filter_map(super::value_of).any(|(found_type, found)| {
            found_type == type_name && compare::meets(operator, type_name, found, expected) == Some(true)
        })
    }
}

/// Where the answers are that count.
#[derive(Debug, Clone, Copy)]
enum Scope<'r> {
    /// The question is out of reach.
    Nothing,
    Response,
    Within(Node<'r>),
}

impl<'r> Scope<'r> {
    fn of(form: &Form<'_>, at: u32, target: u32, around: &[Pair<'r>]) -> Self {
        let Some(group) = form.common(at, target) else { return Self::Response };
        let found = around.iter().rev().find(|(place, _)| *place == group);
        found.map_or(Self::Nothing, |(_, node)| Self::Within(*node))
    }

    /// What tells it from others in one response.
    fn key(self) -> usize {
        match self {
            Self::Nothing => usize::MAX,
            Self::Response => usize::MAX - 1,
            Self::Within(node) => node.address(),
        }
    }
}
