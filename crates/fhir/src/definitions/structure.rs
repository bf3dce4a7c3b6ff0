//! What a type, resource or profile looks like: its elements in snapshot order, with their rules.
//!
//! After loading, `Structure::elements` is the whole snapshot, also where the package has a differential only. An element
//! stands before its children, these before its slices, and each slice before its own children:
//!
//! ```text
//! Patient.identifier                       path Patient.identifier        slicing Some
//! Patient.identifier.system                … children of the unsliced, where the profile says something of them
//! Patient.identifier:nhsNumber             path Patient.identifier        slice_name nhsNumber
//! Patient.identifier:nhsNumber.system      path Patient.identifier.system
//! ```
//!
//! A slice holds what the unsliced element asks for as well. `id` is unique, `path` repeats from slice to slice, so:
//!
//! | asked for | by |
//! |---|---|
//! | the unsliced element | [`Structure::element`] with its path |
//! | one element, in a slice or not | [`Structure::element_by_id`] |
//! | the slices of an element, or of a slice | [`Structure::slices`] |
//! | what stands below one element or slice | [`Structure::children_of_id`]; nothing where the profile says nothing below: its type does |
//! | the extension that an extension slice holds | [`Element::profile`]: the URL of the extension's definition |
//!
//! A choice keeps its path `Observation.value[x]`; what a profile asks of one of its types is the slice
//! `Observation.value[x]:valueQuantity`, whose `types` is that type alone.

use serde::{Deserialize, Serialize};

/// One StructureDefinition: a data type, a resource, an extension or a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// Canonical URL, without version.
    pub url: String,
    /// Business version, for `url|version`.
    pub version: Option<String>,
    /// Computer name, such as `UKCorePatient`.
    pub name: String,
    /// The type that is described or constrained, such as `Patient`.
    pub type_name: String,
    /// What kind of type it is.
    pub kind: StructureKind,
    /// Whether no instance may be of just this type.
    pub is_abstract: bool,
    /// Canonical URL of the structure that this one builds on.
    pub base: Option<String>,
    /// Whether it makes a new type or constrains one.
    pub derivation: Derivation,
    /// Where an extension may stand; empty for anything else.
    pub contexts: Vec<Context>,
    /// FHIRPath rules on the element that holds an extension.
    pub context_invariants: Vec<String>,
    /// Canonical URLs of the profiles that whoever meets this one must meet too (extension `structuredefinition-imposeProfile`).
    pub imposed: Vec<String>,
    /// The snapshot in its order, `[0]` being the root. Empty where the package has only a differential.
    pub elements: Vec<Element>,
    /// The differential in its order, kept only where there is no snapshot.
    pub differential: Vec<DifferentialElement>,
}

/// How much a snapshot holds: enough to number its parts before it is decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructureSize {
    /// Its elements.
    pub n_elements: u32,
    /// The types of its elements, together; one for an element that has none.
    pub n_types: u32,
    /// The rules of its elements, together.
    pub n_constraints: u32,
}

/// What kind of type a structure describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StructureKind {
    /// A primitive data type, such as `date`.
    Primitive,
    /// A complex data type, such as `HumanName`, or an extension.
    Complex,
    /// A resource.
    Resource,
    /// A logical model.
    Logical,
}

/// How a structure relates to its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Derivation {
    /// It has no base: `Element`, `Resource`.
    None,
    /// It makes a new type.
    Specialization,
    /// It is a profile.
    Constraint,
}

/// Where an extension may stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// `element`, `extension` or `fhirpath`.
    pub kind: String,
    /// The path, URL or expression.
    pub expression: String,
    /// The first release of FHIR, `4.0`, that the context is for.
    pub from: Option<String>,
    /// The last release of FHIR that the context is for.
    pub until: Option<String>,
}

/// One element of a differential: what it is called, and its JSON for [`Element::overlay`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferentialElement {
    /// `ElementDefinition.id`; empty where it has none.
    pub id: String,
    /// `ElementDefinition.path`.
    pub path: String,
    /// `ElementDefinition.sliceName`.
    pub slice_name: Option<String>,
    /// The ElementDefinition as written.
    pub json: Vec<u8>,
}

/// One ElementDefinition of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Unique within the structure, slices included: `Patient.identifier:nhsNumber.system`.
    pub id: String,
    /// The path: `Patient.identifier.system`.
    pub path: String,
    /// The last step of the path; `value[x]` for a choice.
    pub name: String,
    /// What it is, in a few words of English.
    pub short: String,
    /// At least so many.
    pub min: u32,
    /// At most so many.
    pub max: Max,
    /// Path of the element in the base definition, such as `Resource.id` for `Patient.id`.
    pub base_path: String,
    /// Whether the base definition lets it repeat, and so whether JSON writes an array, whatever `max` a profile gives.
    pub base_max: Max,
    /// The types it may have; empty for a content reference and for the root of a base type.
    pub types: Vec<TypeRef>,
    /// Path in the same structure whose children are also this one's, such as `Questionnaire.item`.
    pub content_reference: Option<String>,
    /// The exact value it must have.
    pub fixed: Option<FixedValue>,
    /// What its value must at least contain.
    pub pattern: Option<FixedValue>,
    /// The smallest value allowed.
    pub min_value: Option<FixedValue>,
    /// The largest value allowed.
    pub max_value: Option<FixedValue>,
    /// The longest text allowed, in characters.
    pub max_length: Option<u32>,
    /// Whether a primitive must have a value, extensions alone not being enough.
    pub must_have_value: bool,
    /// The extensions of which a primitive without a value must have one.
    pub value_alternatives: Vec<String>,
    /// The value set its codes come from.
    pub binding: Option<Binding>,
    /// FHIRPath rules.
    pub constraints: Vec<Constraint>,
    /// Keys of constraints, elsewhere, that concern it.
    pub conditions: Vec<String>,
    /// The name of the slice that it defines.
    pub slice_name: Option<String>,
    /// How its repetitions are sliced.
    pub slicing: Option<Slicing>,
    /// Whether it can change the meaning of what holds it.
    pub is_modifier: bool,
    /// Whether the profile asks systems to support it.
    pub must_support: bool,
    /// Whether it belongs to the summary.
    pub is_summary: bool,
    /// Whether XML writes it as an attribute.
    pub is_xml_attribute: bool,
    /// Which languages the sections of a narrative must have (extension `narrative-language-control`): `_no`, `_yes`,
    /// `_resource`, or a language.
    pub narrative_languages: Vec<String>,
    /// How grave it is that a part of a narrative does not say where it comes from (extension `narrative-source-control`).
    pub narrative_source: Option<String>,
}

/// How often an element may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Max {
    /// `*`
    Many,
    /// A number.
    Count(u32),
}

impl Default for Max {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl Max {
    /// Whether so many are allowed.
    pub fn allows(self, count: usize) -> bool {
        match self {
            Self::Many => true,
            Self::Count(max) => count <= max as usize,
        }
    }

    /// Whether more than one is allowed.
    pub fn is_list(self) -> bool {
        self != Self::Count(0) && self != Self::Count(1)
    }
}

/// A type that an element may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeRef {
    /// FHIR type name: `HumanName`, `string`; never a `http://hl7.org/fhirpath/…` URL.
    pub code: String,
    /// Profiles of which the value must meet one; `url#id` where it must meet what the profile asks of one of its elements.
    pub profiles: Vec<String>,
    /// For references: profiles of which the target must meet one.
    pub target_profiles: Vec<String>,
    /// For references to contained or bundled resources: `contained`, `referenced`, `bundled`; empty: any.
    pub aggregation: Vec<String>,
}

/// A value given by a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedValue {
    /// FHIR type name, such as `code` or `CodeableConcept`.
    pub type_name: String,
    /// The value as JSON bytes as written, quotes included.
    pub json: Vec<u8>,
}

/// Where an element's codes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// How binding the value set is.
    pub strength: BindingStrength,
    /// Canonical URL of the value set, with `|version` where written.
    pub value_set: Option<String>,
    /// The value set that holds even where the binding is weaker (extension `elementdefinition-maxValueSet`).
    pub max_value_set: Option<String>,
}

/// How binding a value set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BindingStrength {
    /// Shown as an example.
    Example,
    /// Encouraged.
    Preferred,
    /// To be used where a concept fits.
    Extensible,
    /// Always.
    Required,
}

/// A FHIRPath rule on an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraint {
    /// Its key, such as `pat-1`.
    pub key: String,
    /// Whether breaking it is an error.
    pub severity: ConstraintSeverity,
    /// What it asks, in English.
    pub human: String,
    /// FHIRPath; absent where only words (or XPath) exist.
    pub expression: Option<String>,
    /// Canonical URL of the structure that introduced it.
    pub source: Option<String>,
    /// Whether it is a best practice rather than a rule (extension `elementdefinition-bestpractice`).
    pub is_best_practice: bool,
}

/// How grave it is to break a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConstraintSeverity {
    /// An error.
    Error,
    /// A warning.
    Warning,
}

/// How repetitions of an element are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slicing {
    /// What tells them apart.
    pub discriminators: Vec<Discriminator>,
    /// Whether others may stand beside the slices.
    pub rules: SlicingRules,
    /// Whether the slices stand in order.
    pub ordered: bool,
}

/// What tells slices apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discriminator {
    /// How: by value, existence, pattern, type or profile.
    pub kind: DiscriminatorKind,
    /// Where: a restricted FHIRPath.
    pub path: String,
}

/// The ways to tell slices apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiscriminatorKind {
    /// By a value.
    Value,
    /// By whether an element is there.
    Exists,
    /// By a pattern.
    Pattern,
    /// By a type.
    Type,
    /// By the profile that is met.
    Profile,
    /// By its place in the list.
    Position,
}

/// Whether others may stand beside the slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlicingRules {
    /// No.
    Closed,
    /// Yes.
    Open,
    /// Only after the slices.
    OpenAtEnd,
}

impl Structure {
    /// The element at a path (`Patient.contact.name`, `Observation.value[x]`); of sliced ones the unsliced first.
    pub fn element(&self, path: &str) -> Option<&Element> {
        self.position(path).map(|at| &self.elements[at])
    }

    /// The direct children of the element at a path inside this structure, slices included, in snapshot order.
    ///
    /// Nothing where the children are in the element's type or behind a content reference: [`super::Definitions::child`] goes there.
    pub fn children(&self, path: &str) -> impl Iterator<Item = &Element> {
        let start = self.position(path).unwrap_or(self.elements.len());
        self.children_at(start)
    }

    /// The direct children of the element at an index of `elements`: for slices, where paths repeat.
    pub fn children_at(&self, index: usize) -> impl Iterator<Item = &Element> {
        let parent = self.elements.get(index).map_or("", |element| element.path.as_str());
        self.elements
            .iter()
            .skip(index + 1)
            .map_while(move |element| Some((element, below(&element.path, parent)?)))
            .filter(|(_, rest)| !rest.contains('.'))
            .map(|(element, _)| element)
    }

    /// The element with an id: `Patient.identifier:nhsNumber.value`. The id of what is in no slice is its path.
    pub fn element_by_id(&self, id: &str) -> Option<&Element> {
        self.position_of_id(id).map(|at| &self.elements[at])
    }

    /// The slices of the element with a path or id, in snapshot order; those of a slice (reslices) are asked for by its id.
    pub fn slices<'s>(&'s self, path_or_id: &'s str) -> impl Iterator<Item = &'s Element> {
        let is_slice = last_step(path_or_id).contains(':');
        let mark = if is_slice { '/' } else { ':' };
        self.elements.iter().filter(move |element| {
            let rest = element.id.strip_prefix(path_or_id).and_then(|rest| rest.strip_prefix(mark));
            rest.is_some_and(|rest| !rest.contains(['.', '/']))
        })
    }

    /// The direct children of the element with an id, slices included, in snapshot order.
    pub fn children_of_id<'s>(&'s self, id: &'s str) -> impl Iterator<Item = &'s Element> {
        let start = self.position_of_id(id).map_or(self.elements.len(), |at| at + 1);
        self.elements[start..]
            .iter()
            .map_while(move |element| Some((element, below(&element.id, id)?)))
            .filter(|(_, rest)| !rest.contains('.'))
            .map(|(element, _)| element)
    }

    /// Whether an element is one of the slices of another. Some profiles give the name of a slice to an element that nothing
    /// divides; such a one is the element itself.
    pub fn is_slice(&self, element: &Element) -> bool {
        let last = element.id.rfind('.').map_or(0, |dot| dot + 1);
        let mark = element.id[last..].rfind(['/', ':']).filter(|_| element.slice_name.is_some());
        mark.is_some_and(|mark| self.position_of_id(&element.id[..last + mark]).is_some())
    }

    /// The root element; absent where there is no snapshot.
    pub fn root(&self) -> Option<&Element> {
        self.elements.first()
    }

    /// Whether it is a profile (or extension) rather than a type.
    pub fn is_profile(&self) -> bool {
        self.derivation == Derivation::Constraint
    }

    /// How much its snapshot holds.
    pub fn size(&self) -> StructureSize {
        Self::size_of(&self.elements)
    }

    /// How much of the snapshot stands before the element at an index.
    pub fn size_before(&self, index: usize) -> StructureSize {
        Self::size_of(&self.elements[..index])
    }

    fn size_of(elements: &[Element]) -> StructureSize {
        elements.iter().fold(StructureSize::default(), |sum, element| StructureSize {
            n_elements: sum.n_elements + 1,
            n_types: sum.n_types + element.types.len().max(1) as u32,
            n_constraints: sum.n_constraints + element.constraints.len() as u32,
        })
    }

    /// The index in `elements` of the element at a path; of sliced ones that of the unsliced.
    pub fn position(&self, path: &str) -> Option<usize> {
        self.elements.iter().position(|element| element.path == path)
    }

    fn position_of_id(&self, id: &str) -> Option<usize> {
        self.elements.iter().position(|element| element.id == id)
    }
}

impl Element {
    /// Whether it is a choice of types, such as `value[x]`.
    pub fn is_choice(&self) -> bool {
        self.name.ends_with("[x]")
    }

    /// The one profile that its values must meet: for an extension slice, the URL of the extension it holds.
    pub fn profile(&self) -> Option<&str> {
        let mut profiles = self.types.iter().flat_map(|of| &of.profiles);
        let first = profiles.next()?;
        profiles.next().is_none().then_some(first)
    }

    /// Whether JSON writes it as an array.
    pub fn is_array(&self) -> bool {
        self.base_max.is_list()
    }

    /// The type that a JSON member name stands for: `valueQuantity` of `value[x]` is `Quantity`.
    ///
    /// `None` where the name is not this element's. For an element that is no choice: its type, empty for a content reference.
    pub fn type_for(&self, json_name: &str) -> Option<&str> {
        if let Some(stem) = self.name.strip_suffix("[x]") {
            let suffix = json_name.strip_prefix(stem)?;
            return self.types.iter().map(|of| of.code.as_str()).find(|code| is_capitalised(suffix, code));
        }
        (self.name == json_name).then(|| self.types.first().map_or("", |of| of.code.as_str()))
    }
}

fn last_step(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or(id)
}

/// What of a path stands below another: `name.given` of `Patient.name.given` below `Patient`.
fn below<'p>(path: &'p str, parent: &str) -> Option<&'p str> {
    path.strip_prefix(parent)?.strip_prefix('.')
}

fn is_capitalised(suffix: &str, code: &str) -> bool {
    let (Some(first), Some(code_first)) = (suffix.bytes().next(), code.bytes().next()) else { return false };
    first == code_first.to_ascii_uppercase() && suffix.as_bytes()[1..] == code.as_bytes()[1..]
}
