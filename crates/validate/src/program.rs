//! A checking program: what the definitions ask for, resolved once, so that the check looks nothing up by path.
//!
//! Each type, and each element that has children of its own, becomes a [`Shape`]: its members by JSON name, with
//! cardinality, types, bindings and invariants as numbers into the program's tables.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

use epr_fhir::Resource;
use epr_fhir::definitions::{
    Binding, BindingStrength, Constraint, ConstraintSeverity, Definitions, Max, StructureNumber,
};

use crate::hash::FastMap;
use crate::invariant::Compiled;
use crate::primitive::PrimitiveKind;
use crate::tally::BASE_RULES;

/// The number of a [`Shape`]: that of the element whose children it has, among the elements of all types.
pub(crate) type ShapeId = u32;

/// Everything that [`crate::check`] needs, shared by all threads.
///
/// All numbers are those of definitions in the order of type names; so they do not depend on what is met, or when, or by
/// which thread. What stands behind a number is compiled when it is first met: a file has few of R4's types.
pub struct Program<'d> {
    pub(crate) definitions: &'d Definitions,
    pub(crate) types: Types,
    pub(super) shapes: Vec<OnceLock<Box<Shape>>>,
    pub(super) invariants: Vec<OnceLock<Box<InvariantProgram>>>,
    /// The resource types.
    pub(crate) resources: FastMap<String, ShapeId>,
    /// The `id` and `extension` of a primitive.
    pub(crate) element_shape: ShapeId,
    /// The profile that each resource type is checked against, beside those that a resource claims.
    pub(crate) assigned: FastMap<String, String>,
    /// How many [`ValueProgram`]s there can be.
    pub(crate) n_values: u32,
    /// How many bindings have a number so far.
    pub(super) n_bindings: AtomicU32,
}

/// Where the numbers of each type begin.
#[derive(Default)]
pub(crate) struct Types {
    pub(super) starts: Vec<TypeStart>,
    /// Places in `starts`.
    pub(super) by_name: FastMap<String, u32>,
}

/// The first numbers of one type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypeStart {
    pub(super) structure: StructureNumber,
    pub(super) shapes: u32,
    pub(super) values: u32,
    pub(super) invariants: u32,
}

impl Types {
    pub(super) fn named(&self, name: &str) -> Option<TypeStart> {
        self.by_name.get(name).map(|at| self.starts[*at as usize])
    }

    /// The type that has a shape.
    pub(super) fn of_shape(&self, shape: ShapeId) -> TypeStart {
        self.starts[self.starts.partition_point(|start| start.shapes <= shape) - 1]
    }
}

/// The members that an object may have.
pub(crate) struct Shape {
    pub(crate) type_name: String,
    /// The canonical URL of the definition of the type.
    pub(crate) definition: String,
    pub(crate) elements: Vec<ElementProgram>,
    pub(crate) names: FastMap<Box<str>, NameEntry>,
    /// Those of a resource as such.
    pub(crate) invariants: Box<[u32]>,
    pub(crate) is_extension: bool,
    /// `StructureDefinition.snapshot`, which has the ids of the differential once more.
    pub(crate) is_snapshot: bool,
}

/// What a JSON name stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameEntry {
    pub(crate) element: u16,
    pub(crate) value: u16,
    /// `_birthDate`: the id and extensions of a primitive.
    pub(crate) is_companion: bool,
}

/// One element of a shape.
pub(crate) struct ElementProgram {
    /// Without `[x]`.
    pub(crate) name: String,
    pub(crate) min: u32,
    pub(crate) max: Max,
    pub(crate) is_array: bool,
    pub(crate) is_choice: bool,
    /// One for each type that it may have.
    pub(crate) values: Vec<ValueProgram>,
}

/// One type of an element, and what is asked of a value of it.
pub(crate) struct ValueProgram {
    /// Its number in the program, by which visits are counted.
    pub(crate) place: u32,
    /// Where the element is defined: what FHIRPath goes on from.
    pub(crate) structure: StructureNumber,
    pub(crate) path: String,
    pub(crate) json_name: String,
    /// `_` and the name.
    pub(crate) companion_name: String,
    pub(crate) type_code: String,
    pub(crate) what: What,
    pub(crate) coded: Coded,
    pub(crate) is_reference: bool,
    pub(crate) binding: Option<Box<BindingProgram>>,
    pub(crate) invariants: Box<[u32]>,
    /// Resource types that a reference may lead to; empty: any.
    pub(crate) targets: Box<[String]>,
    pub(crate) fixed: Option<Resource>,
    pub(crate) pattern: Option<Resource>,
    pub(crate) max_length: Option<u32>,
    /// The id of a resource, which is never blank.
    pub(crate) is_resource_id: bool,
    /// The URL by which a definition is known, which is absolute.
    pub(crate) is_canonical_url: bool,
    /// What the specification asks of the type in words.
    pub(crate) data_type: Option<DataType>,
}

/// Types with rules of their own, see [`crate::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataType {
    Identifier,
    Attachment,
}

/// What a value is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Primitive(PrimitiveKind),
    Object(ShapeId),
    /// A resource of whatever type it says it is.
    AnyResource,
}

/// How a value holds codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coded {
    No,
    Code,
    Coding,
    CodeableConcept,
    Quantity,
}

/// The number of a binding that has none.
pub(crate) const NO_ID: u32 = u32::MAX;

/// A binding that is looked at.
pub(crate) struct BindingProgram {
    /// By which a checker keeps answers, and nothing else: the order in which they are met.
    pub(crate) id: u32,
    pub(crate) element: String,
    pub(crate) strength: BindingStrength,
    pub(crate) value_set: String,
    /// The value set to which codes must belong that are not in the extensible one.
    pub(crate) most: Option<Box<BindingProgram>>,
}

impl BindingProgram {
    /// That of an element, with what it allows at most.
    pub(crate) fn of(binding: &Binding, element: String, value_set: String) -> Self {
        let most = binding.max_value_set.clone().filter(|_| binding.strength == BindingStrength::Extensible);
        let most = most.map(|most| Box::new(Self::new(element.clone(), BindingStrength::Required, most)));
        Self { most, ..Self::new(element, binding.strength, value_set) }
    }

    pub(crate) fn new(element: String, strength: BindingStrength, value_set: String) -> Self {
        Self { id: NO_ID, element, strength, value_set, most: None }
    }
}

/// One invariant.
pub(crate) struct InvariantProgram {
    pub(crate) key: String,
    /// Its name in the ledger.
    pub(crate) rule: Box<str>,
    pub(crate) severity: ConstraintSeverity,
    pub(crate) human: String,
    pub(crate) test: Compiled,
}

impl InvariantProgram {
    pub(crate) fn of(constraint: &Constraint) -> Self {
        Self {
            key: constraint.key.clone(),
            rule: format!("invariant:{}", constraint.key).into(),
            severity: constraint.severity,
            human: constraint.human.clone(),
            test: Compiled::new(constraint.expression.as_deref()),
        }
    }
}

impl Program<'_> {
    /// The shapes that were met.
    pub(crate) fn met(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.iter().filter_map(|shape| shape.get().map(Box::as_ref))
    }

    /// An invariant that a compiled shape names.
    pub(crate) fn invariant(&self, id: u32) -> &InvariantProgram {
        self.invariants[id as usize].get().expect("an invariant is compiled before the shape that names it")
    }

    /// How many rules are counted: base rules, then invariants.
    pub(crate) fn n_rules(&self) -> usize {
        BASE_RULES.len() + self.invariants.len()
    }

    /// The name of a rule by its place in a tally; `None` for an invariant that was never met.
    pub(crate) fn rule(&self, at: usize) -> Option<String> {
        match at.checked_sub(BASE_RULES.len()) {
            None => Some(BASE_RULES[at].to_owned()),
            Some(id) => self.invariants.get(id)?.get().map(|invariant| invariant.rule.to_string()),
        }
    }
}
