//! The walk through a resource: every member against its shape.

use std::collections::BTreeSet;
use std::rc::Rc;

use epr_fhir::definitions::{ConstraintSeverity, Max};
use epr_fhir::{Node, NodeKind, Resource};
use epr_fhirpath::{ElementNode, Focus};
use epr_model::{ResourceId, Severity, shape};

use super::Checker;
use super::bundle::BundleIndex;
use super::contained::Contained;
use super::profile::Base;
use crate::finding::{Facts, Finding, Findings, Step, key_for_message, render, render_plain};
use crate::hash::FastMap;
use crate::invariant::Outcome;
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::program::{ElementProgram, NameEntry, Program, Shape, ShapeId, What};
use crate::tally::{BASE_RULES, BaseRule};

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
    /// The Bundle around the resource at hand, and which of its entries that is.
    pub(super) bundle: Option<Rc<BundleIndex<'r>>>,
    pub(super) entry: Option<usize>,
    /// The entry of which it was told that it lacks a full URL.
    pub(super) told_entry: Option<usize>,
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
    /// The ids of the elements of the resource at hand.
    ids: BTreeSet<&'r str>,
    /// How what the type asks for relates to the profile that is being looked at.
    pub(super) base: Base,
    /// The type found something missing, which profiles may ask for as well.
    pub(super) is_echoing: bool,
    /// What is known already: whether the value at an address meets a profile.
    pub(super) verdicts: FastMap<(usize, u32), bool>,
    /// The object that holds what is being checked.
    pub(super) holder: Node<'r>,
    /// How many references were followed to get here.
    pub(super) following: u32,
    /// What links in the narrative of the resource at hand, and of the bundle around it, may lead to; made when asked.
    pub(super) link_ids: Option<BTreeSet<&'r str>>,
    pub(super) bundle_link_ids: Option<BTreeSet<&'r str>>,
}

/// What an object is the JSON of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectOf {
    Resource,
    Type,
    /// The id and extensions of a primitive.
    Companion,
}

/// How many elements an object has, ids among them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Children {
    pub(super) all: u32,
    pub(super) ids: u32,
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
    let mut walk = Walk::new(checker, root);
    walk.source_faults(resource);
    walk.any_resource(root, Place::Root);
    let (issues, mut facts) = (walk.issues, walk.facts);
    facts.n_references = facts.references.iter().filter(|r| r.to_id.parse::<ResourceId>().is_ok()).count() as u64;
    checker.tally.failed(&issues);
    Findings { issues, facts, not_checked: checker.tally.n_not_checked() - before }
}

impl<'c, 'p: 'r, 'r> Walk<'c, 'p, 'r> {
    /// A walk that has seen nothing yet; a `#id` is looked for in `container`.
    pub(super) fn new(checker: &'c mut Checker<'p>, container: Node<'r>) -> Self {
        let definitions = checker.program.definitions;
        Self {
            checker,
            steps: Vec::with_capacity(16),
            issues: Vec::new(),
            facts: Facts::default(),
            container,
            focus: Focus::on_resource(container, Some(definitions)),
            contained: Vec::new(),
            inside_contained: None,
            bundle: None,
            entry: None,
            told_entry: None,
            resource_at: (0, ""),
            around: Vec::new(),
            depth: 0,
            n_base: 0,
            definition: "",
            ids: BTreeSet::new(),
            base: Base::IsBeside,
            is_echoing: false,
            verdicts: FastMap::default(),
            holder: container,
            following: 0,
            link_ids: None,
            bundle_link_ids: None,
        }
    }
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn any_resource(&mut self, node: Node<'r>, place: Place) {
        if node.kind() != NodeKind::Object {
            self.wrong_form(node, "an object");
            return;
        }
        let start = self.issues.len();
        let Some(type_name) = node.text("resourceType") else {
            let found = node.get("resourceType").map_or("nothing".to_owned(), describe);
            self.find(issues::VAL_RESOURCE_TYPE, || format!("expected resourceType, found {found}"));
            return;
        };
        let all: &'p Program<'p> = self.checker.program;
        let Some(shape_id) = all.resources.get(type_name) else {
            self.find(issues::VAL_RESOURCE_TYPE, || {
                format!("expected a resource type of R4 in resourceType, found {}", shape::of_text(type_name))
            });
            return;
        };
        let shape = all.shape(*shape_id);
        if place == Place::Root {
            self.steps.push(Step { name: &shape.type_name, index: None, of_type: None });
            self.facts = facts_of(node);
        }
        let outer = (self.container, self.focus, self.inside_contained);
        let outer_definition = std::mem::replace(&mut self.definition, &shape.definition);
        let outer_resource = std::mem::replace(&mut self.resource_at, (self.steps.len(), type_name));
        let outer_bundle = self.enter_bundle(node, type_name, place);
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
            self.link_ids = None;
            let contained = self.contained_of(node);
            Some(std::mem::replace(&mut self.contained, contained))
        };
        let outer_ids = std::mem::take(&mut self.ids);
        self.object(*shape_id, node, ObjectOf::Resource);
        self.ids = outer_ids;
        self.invariants(&shape.invariants, element);
        self.contained_rules(node, matches!(place, Place::Contained(_)));
        self.type_rules(type_name, node);
        self.profiles(node, type_name, matches!(place, Place::Contained(_)), start);
        self.resource_at = outer_resource;
        self.definition = outer_definition;
        if let Some(frame) = frame {
            self.contained = frame;
        }
        (self.container, self.focus, self.inside_contained) = outer;
        if !matches!(place, Place::Contained(_)) {
            self.link_ids = None;
        }
        if let Some((bundle, entry, told_entry)) = outer_bundle {
            if type_name == "Bundle" {
                self.bundle_link_ids = None;
            }
            (self.bundle, self.entry, self.told_entry) = (bundle, entry, told_entry);
        }
    }

    /// Keeps what bundle the walk is in; gives what it was in before, where that changes.
    #[allow(clippy::type_complexity, reason = "three fields of the walk, given back as they were")]
    fn enter_bundle(
        &mut self,
        node: Node<'r>,
        type_name: &str,
        place: Place,
    ) -> Option<(Option<Rc<BundleIndex<'r>>>, Option<usize>, Option<usize>)> {
        let entry = match (place, self.steps.as_slice()) {
            (Place::Inside, [.., entry, resource]) if entry.name == "entry" && resource.name == "resource" => {
                entry.index
            }
            _ => None,
        };
        if type_name != "Bundle" && entry.is_none() {
            return None;
        }
        let outer = (self.bundle.clone(), self.entry, self.told_entry);
        self.entry = entry.map(|i| i as usize).filter(|_| type_name != "Bundle" && self.bundle.is_some());
        if type_name == "Bundle" {
            self.bundle = Some(Rc::new(BundleIndex::of(node)));
            self.bundle_link_ids = None;
        }
        Some(outer)
    }

    pub(super) fn object(&mut self, shape_id: ShapeId, node: Node<'r>, of: ObjectOf) -> Children {
        let program: &'p Program<'p> = self.checker.program;
        let shape = program.shape(shape_id);
        let outer_definition = std::mem::replace(&mut self.definition, &shape.definition);
        let base = self.checker.seen.len();
        self.checker.seen.resize(base + shape.elements.len(), (0, 0));
        let has_companions = node.members().any(|(name, _)| name.starts_with('_'));
        let holder = std::mem::replace(&mut self.holder, node);
        if shape.is_extension {
            self.around.push(node.text("url").unwrap_or_default());
        }
        let outer_ids = shape.is_snapshot.then(|| std::mem::take(&mut self.ids));
        let (mut n_members, mut n_unknown) = (0_u64, 0_u64);
        let mut children = Children::default();
        for (name, child) in node.members() {
            n_members += 1;
            let Some(entry) = shape.names.get(name) else {
                if !(of == ObjectOf::Resource && name == "resourceType") {
                    n_unknown += 1;
                    self.unknown_element(shape, name);
                    // A value in the wrong one of the two places is a value all the same.
                    children.all += u32::from(of == ObjectOf::Companion && name == "value");
                }
                continue;
            };
            if child.is_repeated() {
                self.repeated();
                continue;
            }
            if name == "id" && of != ObjectOf::Resource {
                self.element_id(child);
            }
            self.member(shape, *entry, has_companions.then_some(node), child, base);
        }
        self.checker.tally.add(BaseRule::UnknownElement, n_members.max(1), n_unknown);
        // An empty element of XML was told when it was read.
        if n_members == 0 && !node.is_from_xml() {
            self.find(issues::VAL_EMPTY, || "expected an object with members, found an empty one".to_owned());
        }
        for (element, cell) in shape.elements.iter().zip(&self.checker.seen[base..]) {
            children.all += cell.0;
            children.ids += if element.name == "id" { cell.0 } else { 0 };
        }
        if of == ObjectOf::Type && children.all == children.ids && n_members == u64::from(children.ids) && n_members > 0
        {
            self.broken("ele-1", "all elements must have a value or children", ConstraintSeverity::Error);
        }
        self.cardinality(shape, base);
        if let Some(ids) = outer_ids {
            self.ids = ids;
        }
        self.holder = holder;
        if shape.is_extension {
            self.around.pop();
            self.extension(shape, node, base);
        }
        self.checker.seen.truncate(base);
        self.definition = outer_definition;
        children
    }

    /// A member of a name that its object had before: the first is judged, this one is not.
    fn repeated(&mut self) {
        self.find(issues::VAL_DUPLICATE_KEY, || "expected each name once in an object, found one again".to_owned());
    }

    /// The id of an element: one of its kind inside the resource.
    fn element_id(&mut self, id: Node<'r>) {
        let Some(id) = id.as_str().filter(|id| !id.is_empty()) else { return };
        if !self.ids.insert(id) {
            self.find(issues::VAL_ELEMENT_ID, || {
                "expected an id that no other element of the resource has, found another's".to_owned()
            });
        }
    }

    fn unknown_element(&mut self, shape: &Shape, name: &str) {
        self.find(issues::VAL_UNKNOWN_ELEMENT, || {
            format!("expected an element of {}, found {}", shape.type_name, key_for_message(name))
        });
    }

    /// One member; `parent` is given only where the object has members that begin with `_`.
    fn member(&mut self, shape: &'p Shape, entry: NameEntry, parent: Option<Node<'r>>, child: Node<'r>, base: usize) {
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
        let cell = self.checker.seen[base + entry.element as usize];
        if element.is_choice {
            // The second type of a choice is not looked at, as if the element were unknown.
            let is_second = cell.0 > 0 && cell.1 != entry.value;
            self.checker.tally.count(BaseRule::Choice, is_second);
            if is_second {
                self.find_below(element, issues::VAL_CHOICE, || {
                    format!("expected one type of {}[x], found two", element.name)
                });
                return;
            }
        }
        let of_type = element.is_choice.then_some(value.type_code.as_str());
        self.steps.push(Step { name: &element.name, index: None, of_type });
        let n = if element.is_array { self.list(value, main, companion) } else { self.single(value, main, companion) };
        self.steps.pop();
        self.checker.seen[base + entry.element as usize] = (cell.0 + n, entry.value);
    }

    fn cardinality(&mut self, shape: &'p Shape, base: usize) {
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
        if ids.is_empty() {
            return;
        }
        let program: &'p Program<'p> = self.checker.program;
        let focus = self.focus.at(element);
        for &id in ids {
            let invariant = program.invariant(id);
            match self.outcome(&invariant.test, &focus) {
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
                    let rule = invariant.rule.to_string();
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
    fn find_below(&mut self, element: &'p ElementProgram, code: &'static str, detail: impl FnOnce() -> String) {
        self.steps.push(Step { name: &element.name, index: None, of_type: None });
        self.find(code, detail);
        self.steps.pop();
    }

    pub(super) fn push(&mut self, code: &'static str, severity: Severity, detail: String) {
        let definition = self.definition.to_owned();
        self.issues.push(Finding { code, severity, path: render(&self.steps), detail, definition });
    }
}

/// What a resource of a known type says of itself: its type, its id, and whom it is about.
pub(crate) fn facts_of(node: Node<'_>) -> Facts {
    let own = |name: &str| node.text(name).map(ToOwned::to_owned);
    let (resource_type, id) = (own("resourceType"), own("id"));
    let patient_id = if resource_type.as_deref() == Some("Patient") { id.clone() } else { patient_of(node) };
    Facts { resource_type, id, patient_id, ..Facts::default() }
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
