//! Conformance resources: what they say must fit together, and fit what they name.
//!
//! A definition that contradicts itself makes every check that uses it doubtful. What a resource names by its canonical
//! URL is looked for among the loaded definitions only; what is not there is not checked.

mod capability_statement;
mod code_system;
mod concept_map;
mod differential;
mod element_rules;
mod measure_report;
mod operation_definition;
mod search_parameter;
mod structure_definition;
mod value_set;

use epr_fhir::{Node, Resource};

use super::walk::Walk;
use crate::finding::Step;
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::tally::BaseRule;

/// One step below the resource at hand, with its place in a list.
type Way<'a> = (&'a str, Option<usize>);

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn conformance(&mut self, type_name: &str, node: Node<'r>) {
        match type_name {
            "CapabilityStatement" => self.capability_statement(node),
            "CodeSystem" => self.code_system(node),
            "ConceptMap" => self.concept_map(node),
            "MeasureReport" => self.measure_report(node),
            "OperationDefinition" => self.operation_definition(node),
            "SearchParameter" => self.search_parameter(node),
            "StructureDefinition" => self.structure_definition(node),
            "ValueSet" => self.value_set(node),
            _ => {}
        }
    }

    /// Counts a decision on a definition, and tells where it fails.
    fn demand(&mut self, way: &[Way<'static>], holds: bool, detail: impl FnOnce() -> String) -> bool {
        self.checker.tally.count(BaseRule::Conformance, !holds);
        if !holds {
            let before = self.steps.len();
            let steps = way.iter().map(|(name, at)| Step { name, index: at.map(|at| at as u32), of_type: None });
            self.steps.extend(steps);
            self.find(issues::VAL_CONFORMANCE, detail);
            self.steps.truncate(before);
        }
        holds
    }

    /// A definition that is kept as it was written, read; `None`, and a line in the ledger, where it is not loaded.
    fn named(&mut self, element: &str, canonical: &str) -> Option<Resource> {
        let read = self.checker.program.definitions.raw(canonical).and_then(|bytes| Resource::parse_json(bytes).ok());
        if read.is_none() {
            self.not_checked(NotCheckedKey {
                rule: "conformance".to_owned(),
                element: element.to_owned(),
                value_set: None,
                reason: "the definition that it names is in no loaded package".to_owned(),
            });
        }
        read
    }
}
