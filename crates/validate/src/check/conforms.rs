//! `conformsTo()` in invariants: whether an element meets a profile, found out by a walk of its own.
//!
//! What that walk finds is nobody's finding: the invariant that asks holds or does not. Where the walk finds no fault
//! but could not decide all of it, there is no answer, and the invariant is not checked; so is one that asks about
//! itself, however many rules it goes through.

use std::cell::RefCell;

use epr_fhir::Node;
use epr_fhirpath::{Conformance, ElementNode, Focus, Host};

use super::Checker;
use super::profile::Instance;
use super::walk::{Place, Walk};
use crate::invariant::{Compiled, Outcome};

/// How many walks may be open one inside the other.
const NESTING_LIMIT: u32 = 4;

/// What answers, while invariants of a resource are evaluated.
struct ByWalk<'p, 'r> {
    checker: RefCell<Box<Checker<'p>>>,
    /// The resource that a `#id` is looked for in.
    container: Node<'r>,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// Evaluates an invariant of a type or a profile.
    pub(super) fn outcome(&mut self, invariant: &Compiled, focus: &Focus<'r>) -> Outcome {
        let program = self.checker.program;
        let host = Host::with_definitions(Some(program.definitions));
        let nesting = self.checker.nesting + 1;
        if !invariant.asks_conformance() || nesting > NESTING_LIMIT {
            return invariant.test(&host, focus);
        }
        let checker = self.checker.nested.take();
        let checker = checker.unwrap_or_else(|| Box::new(Checker { nesting, ..Checker::new(program) }));
        let by_walk = ByWalk { checker: RefCell::new(checker), container: self.container };
        let outcome = invariant.test(&Host { conformance: Some(&by_walk), ..host }, focus);
        self.checker.nested = Some(by_walk.checker.into_inner());
        outcome
    }
}

impl Conformance for ByWalk<'_, '_> {
    fn conforms(&self, element: ElementNode<'_>, profile: &str) -> Option<bool> {
        let node = element.node();
        let type_code = element.type_code();
        let instance = Instance { main: node, companion: element.extra(), type_code, index: None, of_type: None };
        let mut checker = self.checker.try_borrow_mut().ok()?;
        let n_unknown = checker.tally.n_unknown();
        let mut walk = Walk::new(&mut checker, self.container);
        let answer = match node.filter(|node| node.get("resourceType").is_some()) {
            Some(resource) => {
                let place = walk.stands_at(resource);
                walk.meets_all(profile, instance, place)?
            }
            None => walk.meets(profile, instance)?,
        };
        (!answer || checker.tally.n_unknown() == n_unknown).then_some(answer)
    }
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// Where a resource stands that somebody asks about; its neighbours are then known, if it is contained.
    fn stands_at(&mut self, resource: Node<'r>) -> Place {
        let is_it = |other: Node<'_>| other.address() == resource.address();
        let mut contained = self.container.get("contained").into_iter().flat_map(Node::items);
        match contained.position(is_it) {
            Some(at) => {
                self.contained = self.contained_of(self.container);
                Place::Contained(at)
            }
            None if is_it(self.container) => Place::Root,
            None => Place::Inside,
        }
    }
}
