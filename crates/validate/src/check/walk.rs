//! The walk through a resource: every member against its shape.

use epr_fhir::definitions::{ConstraintSeverity, Max};
use epr_fhir::{Node, NodeKind, Resource};
use epr_fhirpath::{ElementNode, Focus, Host};
use epr_model::{Severity, shape};

use super::Checker;
use super::reference::Contained;
use crate::finding::{Facts, Finding, Findings, Step, key_for_message, render, render_plain};
use crate::invariant::Outcome;
use crate::issues;
use crate::program::{ElementProgram, NameEntry, Program, Shape, ShapeId, What};
use crate::tally::{BASE_RULES, BaseRule, NotCheckedKey};

/// One walk: what is around the node at hand, and what was found so far.
pub(super) struct Walk<'c, 'p, 'r> {
    pub(super) checker: &'c mut Checker<'p>,
    pub(super) steps: Vec<Step<'p>>,
    pub(super) issues: Vec<Finding>,
    pub(super) facts: Facts,
    /// The resource that a `#id` is looked for in.
    pub(super) container: Node<'r>,
    /// Where invariants begin; its element is set at each evaluation.
    pub(super) focus: Focus<'r>,
    pub(super) contained: Vec<Contained<'r>>,
    /// The place in `contained` of the contained resource that the walk is in.
    pub(super) inside_contained: Option<usize>,
    /// The walk is in a Bundle, where a reference may be a search.
    pub(super) in_bundle: bool,
    /// The outermost resource, in whose entries references are looked for.
    pub(super) root: Node<'r>,
    /// How many steps lead to the resource at hand, and its type.
    pub(super) resource_at: (usize, &'r str),
    /// The URLs of the extensions that the walk is in.
    pub(super) around: Vec<&'r str>,
    /// How many rules of profiles are being applied one inside the other.
    pub(super) depth: u32,
    /// How many of the findings are of the check against the type, while profiles are looked at; else 0.
    pub(super) n_base: usize,
    /// The definition that asks for what is being checked.
    pub(super) definition: &'p str,
}

/// Where a resource stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Contained(usize),
    Inside,
}

pub(super) fn run<'p: 'r, 'r>(checker: &mut Checker<'p>, resource: &'r Resource) -> Findings {
    let before = checker.tally.n_not_checked();
    let root = resource.root();
    let definitions = checker.program.definitions;
    let mut walk = Walk {
        checker,
        steps: Vec::with_capacity(16),
        issues: Vec::new(),
        facts: Facts::default(),
        container: root,
        focus: Focus::on_resource(root, Some(definitions)),
        contained: Vec::new(),
        inside_contained: None,
        in_bundle: false,
        root,
        resource_at: (0, ""),
        around: Vec::new(),
        depth: 0,
        n_base: 0,
        definition: "",
    };
    walk.source_faults(resource);
    walk.any_resource(root, Place::Root);
    let (issues, facts) = (walk.issues, walk.facts);
    checker.tally.failed(&issues);
    Findings { issues, facts, not_checked: checker.tally.n_not_checked() - before }
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn any_resource(&mut self, node: Node<'r>, place: Place) {
        if node.kind() != NodeKind::Object {
            self.wrong_form(node, "an object");
            return;
        }
        let Some(type_name) = node.text("resourceType") else {
            let found = node.get("resourceType").map_or("nothing".to_owned(), describe);
            self.find(issues::VAL_RESOURCE_TYPE, || format!("expected resourceType, found {found}"));
            return;
        };
        let all: &'p Program<'p> = self.checker.program;
        let Some(program) = all.resources.get(type_name) else {
            self.find(issues::VAL_RESOURCE_TYPE, || {
                format!("expected a resource type of R4 in resourceType, found {}", shape::of_text(type_name))
            });
            return;
        };
        if place == Place::Root {
            let name = &all.shapes[program.shape as usize].type_name;
            self.steps.push(Step { name, index: None, of_type: None });
            self.root_facts(node, type_name);
            self.in_bundle = type_name == "Bundle";
        }
        let outer = (self.container, self.focus, self.inside_contained);
        let outer_definition = std::mem::replace(&mut self.definition, all.shapes[program.shape as usize].definition);
        let outer_resource = std::mem::replace(&mut self.resource_at, (self.steps.len(), type_name));
        let element = ElementNode::resource(node, Some(all.definitions));
        let frame = if let Place::Contained(index) = place {
            self.inside_contained = Some(index);
            self.focus = self.focus.on_contained(element);
            None
        } else {
            if place == Place::Inside {
                self.focus = self.focus.on_entry(element);
            }
            self.container = node;
            self.inside_contained = None;
            Some(std::mem::replace(&mut self.contained, Contained::of(node)))
        };
        self.object(program.shape, node, true);
        self.invariants(&program.invariants, element);
        self.contained_rules(node, matches!(place, Place::Contained(_)));
        self.type_rules(type_name, node);
        self.profiles(node, type_name, matches!(place, Place::Contained(_)));
        self.resource_at = outer_resource;
        self.definition = outer_definition;
        if let Some(frame) = frame {
            self.contained = frame;
        }
        (self.container, self.focus, self.inside_contained) = outer;
    }

    fn root_facts(&mut self, node: Node<'r>, type_name: &str) {
        let id = node.text("id");
        self.facts.resource_type = Some(type_name.to_owned());
        self.facts.id = id.map(ToOwned::to_owned);
        self.facts.patient_id = if type_name == "Patient" { id.map(ToOwned::to_owned) } else { patient_of(node) };
    }

    pub(super) fn object(&mut self, shape_id: ShapeId, node: Node<'r>, is_resource: bool) {
        if node.kind() != NodeKind::Object {
            self.wrong_form(node, "an object");
            return;
        }
        let program: &'p Program<'p> = self.checker.program;
        let shape = &program.shapes[shape_id as usize];
        let outer_definition = std::mem::replace(&mut self.definition, shape.definition);
        let base = self.checker.seen.len();
        self.checker.seen.resize(base + shape.elements.len(), (0, 0));
        let has_companions = node.members().any(|(name, _)| name.starts_with('_'));
        if shape.is_extension {
            self.around.push(node.text("url").unwrap_or_default());
        }
        let (mut n_members, mut n_unknown) = (0_u64, 0_u64);
        let mut only_id = true;
        for (name, child) in node.members() {
            if child.is_repeated() {
                continue;
            }
            n_members += 1;
            let Some(entry) = shape.names.get(name) else {
                if !(is_resource && name == "resourceType") {
                    n_unknown += 1;
                    self.unknown_element(shape, name);
                }
                continue;
            };
            only_id &= name == "id";
            self.member(shape, *entry, has_companions.then_some(node), child, base);
        }
        self.checker.tally.add(BaseRule::UnknownElement, n_members.max(1), n_unknown);
        if n_members == 0 {
            self.find(issues::VAL_EMPTY, || "expected an object with members, found an empty one".to_owned());
        } else if only_id && n_unknown == 0 && !is_resource {
            self.broken("ele-1", "all elements must have a value or children", ConstraintSeverity::Error);
        }
        self.cardinality(shape, base);
        if shape.is_extension {
            self.around.pop();
            self.extension(shape, node, base);
        }
        self.checker.seen.truncate(base);
        self.definition = outer_definition;
    }

    fn unknown_element(&mut self, shape: &Shape<'_>, name: &str) {
        self.find(issues::VAL_UNKNOWN_ELEMENT, || {
            format!("expected an element of {}, found {}", shape.type_name, key_for_message(name))
        });
    }

    /// One member; `parent` is given only where the object has members that begin with `_`.
    fn member(
        &mut self,
        shape: &'p Shape<'p>,
        entry: NameEntry,
        parent: Option<Node<'r>>,
        child: Node<'r>,
        base: usize,
    ) {
        let element = &shape.elements[entry.element as usize];
        let value = &element.values[entry.value as usize];
        let (main, companion) = if entry.is_companion {
            if parent.is_some_and(|p| p.get(&value.json_name).is_some()) {
                // Both are looked at when the walk meets the value itself.
                return;
            }
            (None, Some(child))
        } else if matches!(value.what, What::Primitive(_)) {
            (Some(child), parent.and_then(|p| p.get(&value.companion_name)))
        } else {
            (Some(child), None)
        };
        let of_type = element.is_choice.then_some(value.type_code.as_str());
        self.steps.push(Step { name: &element.name, index: None, of_type });
        let n = if element.is_array { self.list(value, main, companion) } else { self.single(value, main, companion) };
        self.steps.pop();
        let cell = &mut self.checker.seen[base + entry.element as usize];
        let two_choices = element.is_choice && cell.0 > 0 && cell.1 != entry.value;
        // Two types of one choice are one fault, not a cardinality fault beside it.
        *cell = (if two_choices { cell.0 } else { cell.0 + n }, entry.value);
        if element.is_choice {
            self.checker.tally.count(BaseRule::Choice, two_choices);
            if two_choices {
                self.find(issues::VAL_CHOICE, || format!("expected one type of {}[x], found two", element.name));
            }
        }
    }

    fn cardinality(&mut self, shape: &'p Shape<'p>, base: usize) {
        let mut n_failed = 0;
        for (i, element) in shape.elements.iter().enumerate() {
            let n = self.checker.seen[base + i].0;
            if n < element.min {
                n_failed += 1;
                self.find_below(element, issues::VAL_MINIMUM, || {
                    format!("expected at least {} of {}, found {n}", element.min, element.name)
                });
            } else if !element.max.allows(n as usize) {
                n_failed += 1;
                self.find_below(element, issues::VAL_MAXIMUM, || {
                    let most = match element.max {
                        Max::Many => "any number".to_owned(),
                        Max::Count(max) => format!("at most {max}"),
                    };
                    format!("expected {most} of {}, found {n}", element.name)
                });
            }
        }
        self.checker.tally.add(BaseRule::Cardinality, shape.elements.len() as u64, n_failed);
    }

    /// Evaluates invariants on an element.
    pub(super) fn invariants(&mut self, ids: &'p [u32], element: ElementNode<'r>) {
        let program: &'p Program<'p> = self.checker.program;
        let host = Host::with_definitions(Some(program.definitions));
        for &id in ids {
            let invariant = &program.invariants[id as usize];
            match invariant.test.test(&host, &self.focus.at(element)) {
                Outcome::Holds => self.checker.tally.count_at(BASE_RULES.len() + id as usize, false),
                Outcome::Fails => {
                    self.checker.tally.count_at(BASE_RULES.len() + id as usize, true);
                    self.broken(&invariant.key, &invariant.human, invariant.severity);
                }
                Outcome::NoAnswer => {
                    self.checker.tally.count_at(BASE_RULES.len() + id as usize, true);
                    let human = format!(
                        "{} (it gives no answer here: dates of different precision, or nothing to judge)",
                        invariant.human
                    );
                    self.broken(&invariant.key, &human, invariant.severity);
                }
                Outcome::NotChecked(reason) => {
                    let element = render_plain(&self.steps);
                    let rule = format!("invariant:{}", invariant.key);
                    self.not_checked(NotCheckedKey { rule, element, value_set: None, reason });
                }
            }
        }
    }

    /// An invariant that does not hold, at the node at hand.
    pub(super) fn broken(&mut self, key: &str, human: &str, severity: ConstraintSeverity) {
        let (code, severity) = match severity {
            ConstraintSeverity::Error => (issues::VAL_INVARIANT, Severity::Error),
            ConstraintSeverity::Warning => (issues::VAL_INVARIANT_WARNING, Severity::Warning),
        };
        self.push(code, severity, format!("{key}: {human}"));
    }

    pub(super) fn not_checked(&mut self, key: NotCheckedKey) {
        let slot = self.checker.tally.slot(key);
        self.checker.tally.not_checked(slot);
    }

    pub(super) fn wrong_form(&mut self, node: Node<'r>, expected: &str) {
        let code = if node.is_null() { issues::VAL_NULL } else { issues::VAL_JSON_FORM };
        self.find(code, || format!("expected {expected}, found {}", describe(node)));
    }

    /// An error at the node at hand.
    pub(super) fn find(&mut self, code: &'static str, detail: impl FnOnce() -> String) {
        self.push(code, Severity::Error, detail());
    }

    /// An error about an element that the object at hand should have.
    fn find_below(&mut self, element: &'p ElementProgram<'p>, code: &'static str, detail: impl FnOnce() -> String) {
        self.steps.push(Step { name: &element.name, index: None, of_type: None });
        self.find(code, detail);
        self.steps.pop();
    }

    pub(super) fn push(&mut self, code: &'static str, severity: Severity, detail: String) {
        let definition = self.definition.to_owned();
        self.issues.push(Finding { code, severity, path: render(&self.steps), detail, definition });
    }
}

/// The Patient that a resource is about, by the elements that R4 uses for it.
fn patient_of(node: Node<'_>) -> Option<String> {
    super::PATIENT_ELEMENTS.iter().find_map(|name| {
        let reference = node.get(name)?.text("reference")?;
        Some(reference.strip_prefix("Patient/")?.split('/').next()?.to_owned())
    })
}

/// What a JSON value is, without the value.
pub(super) fn describe(node: Node<'_>) -> String {
    match node.kind() {
        NodeKind::Object => "an object".to_owned(),
        NodeKind::Array => "an array".to_owned(),
        NodeKind::Bool => "true or false".to_owned(),
        NodeKind::Null => "null".to_owned(),
        NodeKind::Number => format!("a number, {}", shape::of_text(node.number_text().unwrap_or_default())),
        NodeKind::String => format!("a text of {}", shape::of_text(node.as_str().unwrap_or_default())),
    }
}
