//! Definitions to a [`Program`].
//!
//! Types are compiled as R4 has them, each part when a resource first has it. What profiles ask beyond that is compiled by [`crate::profile`].

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use epr_fhir::Resource;
use epr_fhir::definitions::{BindingStrength, Constraint, Definitions, Element, FixedValue, Structure, StructureKind};

use crate::check::coded_as;
use crate::hash::FastMap;
use crate::invariant;
use crate::primitive::PrimitiveKind;
use crate::profile::capitalised;
use crate::program::{
    BindingProgram, Coded, DataType, ElementProgram, InvariantProgram, NameEntry, Program, Shape, ShapeId, TypeStart,
    Types, ValueProgram, What,
};

/// Why no program could be made.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error(
        "the loaded packages have no snapshot of `{type_name}`; load hl7.fhir.r4.core@4.0.1 (`epr packages install`)"
    )]
    NoBase { type_name: String },
}

/// The base of all R4 canonical URLs.
const R4: &str = "http://hl7.org/fhir/StructureDefinition/";

impl<'d> Program<'d> {
    /// Numbers all types of the definitions; `profiles` assigns a profile to a type by its canonical URL.
    ///
    /// A profile that is not loaded, or has no snapshot, is not an error: its type is checked against R4 alone and
    /// the ledger says that the profile was not checked.
    pub fn compile(definitions: &'d Definitions, profiles: &BTreeMap<String, String>) -> Result<Self, CompileError> {
        let mut types = Types::default();
        let (mut n_shapes, mut n_values, mut n_invariants) = (0, 0, 0);
        for (name, (structure, size)) in definitions.types() {
            if size.n_elements == 0 {
                continue;
            }
            types.by_name.insert(name.to_owned(), types.starts.len() as u32);
            types.starts.push(TypeStart { structure, shapes: n_shapes, values: n_values, invariants: n_invariants });
            n_shapes += size.n_elements;
            n_values += size.n_types;
            n_invariants += size.n_constraints;
        }
        let shape_of = |name: &str| types.named(name).map(|start| start.shapes).ok_or_else(|| no_base(name));
        let element_shape = shape_of("Element")?;
        let resources = definitions.resource_types().map(|name| Ok((name.to_owned(), shape_of(name)?)));
        let resources: FastMap<_, _> = resources.collect::<Result<_, CompileError>>()?;
        if resources.is_empty() {
            return Err(no_base("Patient"));
        }
        Ok(Self {
            definitions,
            types,
            shapes: (0..n_shapes).map(|_| OnceLock::new()).collect(),
            invariants: (0..n_invariants).map(|_| OnceLock::new()).collect(),
            resources,
            element_shape,
            assigned: profiles.iter().map(|(name, url)| (name.clone(), url.clone())).collect(),
            n_values,
            n_bindings: AtomicU32::new(0),
        })
    }

    /// A shape; compiled where it is the first time.
    pub(crate) fn shape(&self, id: ShapeId) -> &Shape {
        self.shapes[id as usize].get_or_init(|| {
            let start = self.types.of_shape(id);
            let structure = self.definitions.numbered(start.structure);
            Box::new(Compiler { program: self, structure, start }.shape((id - start.shapes) as usize))
        })
    }

    /// The number of one binding more.
    pub(crate) fn number_binding(&self) -> u32 {
        self.n_bindings.fetch_add(1, Ordering::Relaxed)
    }
}

fn no_base(type_name: &str) -> CompileError {
    CompileError::NoBase { type_name: type_name.to_owned() }
}

/// Resources that are known by a URL of their own, or that extensions treat so (SpecimenDefinition, which has no `url` in
/// R4): what the context `CanonicalResource` means. Source: FHIR R4, the pattern "canonical resource".
pub(crate) const CANONICAL: &[&str] = &[
    "ActivityDefinition",
    "CapabilityStatement",
    "ChargeItemDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "EffectEvidenceSynthesis",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "GraphDefinition",
    "ImplementationGuide",
    "Library",
    "Measure",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "PlanDefinition",
    "Questionnaire",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "RiskEvidenceSynthesis",
    "SearchParameter",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "TerminologyCapabilities",
    "TestScript",
    "ValueSet",
];

/// Compiles the shapes of one type.
struct Compiler<'p> {
    program: &'p Program<'p>,
    structure: &'p Structure,
    start: TypeStart,
}

impl Compiler<'_> {
    /// The shape of the children of the element at an index. Shapes name each other by number only, so none waits for another.
    fn shape(&self, index: usize) -> Shape {
        let structure = self.structure;
        let parent = &structure.elements[index];
        let path = parent.path.as_str();
        let children = structure.children_at(index).filter(|e| e.slice_name.is_none());
        let elements: Vec<_> = children.map(|element| self.element(element)).collect();
        let names = names_of(&elements);
        let is_root = index == 0;
        let is_resource = is_root && structure.kind == StructureKind::Resource;
        Shape {
            type_name: if is_root { structure.type_name.clone() } else { path.to_owned() },
            definition: structure.url.clone(),
            elements,
            names,
            invariants: if is_resource { self.invariants_of(parent, None) } else { Box::default() },
            is_extension: is_root && structure.type_name == "Extension",
            is_snapshot: path == "StructureDefinition.snapshot",
        }
    }

    /// The number of the shape of an element of this structure.
    fn own_shape(&self, path: &str) -> Option<ShapeId> {
        Some(self.start.shapes + self.structure.position(path)? as u32)
    }

    /// The type of a name, or of the definition that has it as its URL.
    fn type_of(&self, type_code: &str) -> Option<TypeStart> {
        let types = &self.program.types;
        types.named(type_code).or_else(|| types.named(&self.program.definitions.structure(type_code)?.type_name))
    }

    fn element(&self, element: &Element) -> ElementProgram {
        let structure = self.structure;
        let name = element.name.strip_suffix("[x]").unwrap_or(&element.name);
        // The same element, as far as it has a number: slices have left.
        let at = structure.position(&element.path).unwrap_or_default();
        let place = self.start.values + structure.size_before(at).n_types;
        let values = if let Some(path) = &element.content_reference {
            let target = structure.element(path).unwrap_or(element);
            let shape = self.own_shape(path).or_else(|| self.own_shape(&element.path));
            let shape = What::Object(shape.unwrap_or(self.start.shapes));
            vec![self.value(place, element, name.to_owned(), &target.path, shape, &[])]
        } else {
            let numbered = element.types.iter().zip(place..);
            numbered
                .filter_map(|(of, place)| {
                    let json_name =
                        if element.is_choice() { format!("{name}{}", capitalised(&of.code)) } else { name.to_owned() };
                    let what = self.what(element, &of.code)?;
                    Some(self.value(place, element, json_name, &of.code, what, &of.target_profiles))
                })
                .collect()
        };
        ElementProgram {
            name: name.to_owned(),
            min: element.min,
            max: element.max,
            is_array: element.is_array(),
            is_choice: element.is_choice(),
            values,
        }
    }

    fn what(&self, element: &Element, type_code: &str) -> Option<What> {
        if let Some(kind) = PrimitiveKind::of_type(type_code) {
            return Some(What::Primitive(kind));
        }
        if matches!(type_code, "Resource" | "DomainResource") {
            return Some(What::AnyResource);
        }
        if self.structure.children(&element.path).next().is_some() {
            return self.own_shape(&element.path).map(What::Object);
        }
        let of = self.type_of(type_code)?;
        let is_resource = self.program.resources.contains_key(type_code);
        Some(if is_resource { What::AnyResource } else { What::Object(of.shapes) })
    }

    fn value(
        &self,
        place: u32,
        element: &Element,
        json_name: String,
        type_code: &str,
        what: What,
        target_profiles: &[String],
    ) -> ValueProgram {
        let own = match what {
            What::AnyResource => None,
            // What refers to another element has the rules of that element: `Questionnaire.item.item` those of an item.
            _ => match &element.content_reference {
                Some(path) => self.structure.position(path).map(|at| self.constraints_of(at)),
                None => self.type_of(type_code).map(|of| {
                    let root = self.program.definitions.numbered(of.structure).root();
                    (of.invariants, root.map_or(&[][..], |root| &root.constraints))
                }),
            },
        };
        let coded = coded_as(type_code);
        let binding = if coded == Coded::No { None } else { self.binding(element, type_code) };
        ValueProgram {
            place,
            structure: self.start.structure,
            path: element.path.clone(),
            companion_name: format!("_{json_name}"),
            json_name,
            type_code: type_code.to_owned(),
            what,
            coded,
            is_reference: type_code == "Reference",
            binding,
            invariants: self.invariants_of(element, own),
            targets: self.targets(target_profiles),
            fixed: of_type(element.fixed.as_ref(), type_code),
            pattern: of_type(element.pattern.as_ref(), type_code),
            max_length: element.max_length,
            is_resource_id: is_own_element(self.structure, element, "id"),
            is_canonical_url: is_own_element(self.structure, element, "url")
                && CANONICAL.contains(&self.structure.type_name.as_str()),
            data_type: match type_code {
                "Identifier" => Some(DataType::Identifier),
                "Attachment" => Some(DataType::Attachment),
                _ => None,
            },
        }
    }

    fn binding(&self, element: &Element, type_code: &str) -> Option<Box<BindingProgram>> {
        let binding = element.binding.as_ref()?;
        let value_set = binding.value_set.clone()?;
        // Texts and addresses are bound loosely in definitional resources; only what is required is a check there.
        let lowest = match type_code {
            "string" | "uri" | "url" | "canonical" => BindingStrength::Required,
            "code" => BindingStrength::Extensible,
            // Of a preferred one nothing is asked but its texts.
            _ => BindingStrength::Preferred,
        };
        if binding.strength < lowest {
            return None;
        }
        let id = self.program.number_binding();
        Some(Box::new(BindingProgram { id, ..BindingProgram::of(binding, element.path.clone(), value_set) }))
    }

    /// The type names behind target profiles; empty where any resource may stand.
    fn targets(&self, profiles: &[String]) -> Box<[String]> {
        let definitions = self.program.definitions;
        let mut names: Vec<String> = Vec::with_capacity(profiles.len());
        for profile in profiles {
            let known =
                profile.strip_prefix(R4).filter(|name| definitions.structure(name).is_some_and(|s| !s.is_profile()));
            let name = known.or_else(|| definitions.structure(profile).map(|s| s.type_name.as_str()));
            match name {
                // An unknown profile may be of any type: nothing can be said.
                None | Some("Resource" | "DomainResource") => return Box::default(),
                Some(name) => names.push(name.to_owned()),
            }
        }
        names.into_boxed_slice()
    }

    /// The rules of the element at an index, and the number of the first.
    fn constraints_of(&self, index: usize) -> (u32, &[Constraint]) {
        let first = self.start.invariants + self.structure.size_before(index).n_constraints;
        (first, &self.structure.elements[index].constraints)
    }

    /// The invariants of an element and its type, each once; those that the check does by itself are left to it.
    fn invariants_of(&self, element: &Element, own: Option<(u32, &[Constraint])>) -> Box<[u32]> {
        let at = self.structure.position(&element.path).unwrap_or_default();
        let mut ids: Vec<u32> = Vec::new();
        for (first, constraints) in std::iter::once(self.constraints_of(at)).chain(own) {
            self.add_invariants(first, constraints, &mut ids);
        }
        ids.into_boxed_slice()
    }

    fn add_invariants(&self, first: u32, constraints: &[Constraint], ids: &mut Vec<u32>) {
        for (constraint, id) in constraints.iter().zip(first..) {
            if constraint.is_best_practice || invariant::is_native(constraint) {
                continue;
            }
            let text = constraint.expression.as_deref();
            let is_it = |id: &u32| {
                let known = self.program.invariant(*id);
                known.key == constraint.key && known.test.text() == text
            };
            if ids.iter().any(is_it) {
                continue;
            }
            self.program.invariants[id as usize].get_or_init(|| Box::new(InvariantProgram::of(constraint)));
            ids.push(id);
        }
    }
}

/// Whether an element is the one of this name directly below a resource.
fn is_own_element(structure: &Structure, element: &Element, name: &str) -> bool {
    structure.kind == StructureKind::Resource
        && element.path.strip_prefix(&*structure.type_name).and_then(|rest| rest.strip_prefix('.')) == Some(name)
}

fn names_of(elements: &[ElementProgram]) -> FastMap<Box<str>, NameEntry> {
    let mut names = FastMap::default();
    for (e, element) in elements.iter().enumerate() {
        for (v, value) in element.values.iter().enumerate() {
            let entry = NameEntry { element: e as u16, value: v as u16, is_companion: false };
            names.insert(value.json_name.as_str().into(), entry);
            if matches!(value.what, What::Primitive(_)) {
                names.insert(value.companion_name.as_str().into(), NameEntry { is_companion: true, ..entry });
            }
        }
    }
    names
}

/// A value of a definition, read, where it is of the type that is being compiled.
fn of_type(value: Option<&FixedValue>, type_code: &str) -> Option<Resource> {
    let value = value.filter(|v| v.type_name == type_code)?;
    Resource::parse_json(&value.json).ok()
}
