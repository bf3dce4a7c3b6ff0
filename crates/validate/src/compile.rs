//! Definitions to a [`Program`].
//!
//! Every resource type is compiled as R4 has it. What profiles ask beyond that is compiled by [`crate::profile`].

use std::collections::BTreeMap;

use epr_fhir::Resource;
use epr_fhir::definitions::{BindingStrength, Constraint, Definitions, Element, FixedValue, Structure, StructureKind};

use crate::check::coded_as;
use crate::hash::FastMap;
use crate::invariant;
use crate::primitive::PrimitiveKind;
use crate::profile::capitalised;
use crate::program::{
    BindingProgram, Coded, DataType, ElementProgram, InvariantProgram, NameEntry, Program, ResourceProgram, Shape,
    ShapeId, ValueProgram, What,
};
use crate::tally::BASE_RULES;

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
    /// Compiles all resource types of the definitions; `profiles` assigns a profile to a type by its canonical URL.
    ///
    /// A profile that is not loaded, or has no snapshot, is not an error: its type is checked against R4 alone and
    /// the ledger says that the profile was not checked.
    pub fn compile(definitions: &'d Definitions, profiles: &BTreeMap<String, String>) -> Result<Self, CompileError> {
        // To decode the definitions takes as long as to compile them: another thread begins at the other end.
        let ahead = || {
            let names: Vec<&str> = definitions.resource_types().collect();
            for name in names.into_iter().rev() {
                definitions.structure(name);
            }
        };
        rayon::join(|| Self::compile_all(definitions, profiles), ahead).0
    }

    fn compile_all(definitions: &'d Definitions, profiles: &BTreeMap<String, String>) -> Result<Self, CompileError> {
        let mut compiler = Compiler {
            definitions,
            shapes: Vec::new(),
            by_path: FastMap::default(),
            bindings: Vec::new(),
            invariants: Vec::new(),
            by_invariant: FastMap::default(),
            n_values: 0,
        };
        let element_shape = compiler.type_shape("Element").ok_or_else(|| no_base("Element"))?;
        let mut resources = FastMap::default();
        for name in definitions.resource_types() {
            let base = definitions.structure(name).filter(|s| s.root().is_some()).ok_or_else(|| no_base(name))?;
            let program = compiler.resource(base);
            resources.insert(name.to_owned(), program);
        }
        if resources.is_empty() {
            return Err(no_base("Patient"));
        }
        let names = BASE_RULES.iter().map(|&r| r.to_owned());
        let rules = names.chain(compiler.invariants.iter().map(|i| i.rule.to_string())).collect();
        Ok(Self {
            definitions,
            shapes: compiler.shapes.into_iter().map(|s| s.expect("every reserved shape is filled")).collect(),
            resources,
            element_shape,
            bindings: compiler.bindings,
            invariants: compiler.invariants,
            rules,
            n_values: compiler.n_values,
            assigned: profiles.iter().map(|(name, url)| (name.clone(), url.clone())).collect(),
        })
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

struct Compiler<'d> {
    definitions: &'d Definitions,
    shapes: Vec<Option<Shape<'d>>>,
    /// By structure URL and path.
    by_path: FastMap<(String, String), ShapeId>,
    bindings: Vec<BindingProgram>,
    invariants: Vec<InvariantProgram>,
    /// By key and expression.
    by_invariant: FastMap<(String, String), u32>,
    n_values: u32,
}

impl<'d> Compiler<'d> {
    fn resource(&mut self, structure: &'d Structure) -> ResourceProgram {
        let root = structure.root().expect("only structures with a snapshot are compiled");
        let shape = self.shape(structure, &root.path);
        let invariants = self.invariants_of([root.constraints.as_slice()]);
        ResourceProgram { shape, invariants }
    }

    /// The shape of a data type by its name.
    fn type_shape(&mut self, type_code: &str) -> Option<ShapeId> {
        let structure = self.definitions.structure(type_code)?;
        let root = structure.root()?;
        Some(self.shape(structure, &root.path))
    }

    /// The shape of an element's children inside one structure; made once.
    fn shape(&mut self, structure: &'d Structure, path: &str) -> ShapeId {
        let key = (structure.url.clone(), path.to_owned());
        if let Some(id) = self.by_path.get(&key) {
            return *id;
        }
        // The number is taken before the children are compiled: types contain themselves.
        let id = self.shapes.len() as ShapeId;
        self.shapes.push(None);
        self.by_path.insert(key, id);
        let elements: Vec<_> =
            structure.children(path).filter(|e| e.slice_name.is_none()).map(|e| self.element(structure, e)).collect();
        let names = names_of(&elements);
        let is_extension = structure.type_name == "Extension" && !path.contains('.');
        let type_name = if path.contains('.') { path.to_owned() } else { structure.type_name.clone() };
        let is_snapshot = path == "StructureDefinition.snapshot";
        self.shapes[id as usize] =
            Some(Shape { type_name, definition: &structure.url, elements, names, is_extension, is_snapshot });
        id
    }

    fn element(&mut self, structure: &'d Structure, element: &'d Element) -> ElementProgram<'d> {
        let name = element.name.strip_suffix("[x]").unwrap_or(&element.name);
        let values = if let Some(path) = &element.content_reference {
            let target = structure.element(path).unwrap_or(element);
            let shape = self.shape(structure, path);
            vec![self.value(structure, element, name.to_owned(), &target.path, What::Object(shape), &[])]
        } else {
            let types: Vec<_> = element.types.iter().collect();
            types
                .into_iter()
                .filter_map(|of| {
                    let json_name =
                        if element.is_choice() { format!("{name}{}", capitalised(&of.code)) } else { name.to_owned() };
                    let what = self.what(structure, element, &of.code)?;
                    Some(self.value(structure, element, json_name, &of.code, what, &of.target_profiles))
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

    fn what(&mut self, structure: &'d Structure, element: &Element, type_code: &str) -> Option<What> {
        if let Some(kind) = PrimitiveKind::of_type(type_code) {
            return Some(What::Primitive(kind));
        }
        if matches!(type_code, "Resource" | "DomainResource") {
            return Some(What::AnyResource);
        }
        if structure.children(&element.path).next().is_some() {
            return Some(What::Object(self.shape(structure, &element.path)));
        }
        if let Some(shape) = self.type_shape(type_code) {
            let resource = self.definitions.resource_types().any(|r| r == type_code);
            return Some(if resource { What::AnyResource } else { What::Object(shape) });
        }
        None
    }

    fn value(
        &mut self,
        structure: &'d Structure,
        element: &'d Element,
        json_name: String,
        type_code: &str,
        what: What,
        target_profiles: &[String],
    ) -> ValueProgram<'d> {
        let own = match what {
            What::AnyResource => &[][..],
            // What refers to another element has the rules of that element: `Questionnaire.item.item` those of an item.
            _ => match &element.content_reference {
                Some(path) => structure.element(path),
                None => self.definitions.structure(type_code).and_then(Structure::root),
            }
            .map_or(&[][..], |home| &home.constraints),
        };
        let coded = coded_as(type_code);
        let binding = if coded == Coded::No { None } else { self.binding(element, type_code) };
        let place = self.n_values;
        self.n_values += 1;
        ValueProgram {
            place,
            structure,
            path: element.path.clone(),
            companion_name: format!("_{json_name}"),
            json_name,
            type_code: type_code.to_owned(),
            what,
            coded,
            is_reference: type_code == "Reference",
            binding,
            invariants: self.invariants_of([element.constraints.as_slice(), own]),
            targets: self.targets(target_profiles),
            fixed: of_type(element.fixed.as_ref(), type_code),
            pattern: of_type(element.pattern.as_ref(), type_code),
            max_length: element.max_length,
            is_resource_id: is_own_element(structure, element, "id"),
            is_canonical_url: is_own_element(structure, element, "url")
                && CANONICAL.contains(&structure.type_name.as_str()),
            data_type: match type_code {
                "Identifier" => Some(DataType::Identifier),
                "Attachment" => Some(DataType::Attachment),
                _ => None,
            },
        }
    }

    fn binding(&mut self, element: &Element, type_code: &str) -> Option<u32> {
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
        let id = self.bindings.len() as u32;
        self.bindings.push(BindingProgram { id, ..BindingProgram::of(binding, element.path.clone(), value_set) });
        Some(id)
    }

    /// The type names behind target profiles; empty where any resource may stand.
    fn targets(&self, profiles: &[String]) -> Box<[String]> {
        let mut names: Vec<String> = Vec::with_capacity(profiles.len());
        for profile in profiles {
            let known = profile
                .strip_prefix(R4)
                .filter(|name| self.definitions.structure(name).is_some_and(|s| !s.is_profile()));
            let name = known.or_else(|| self.definitions.structure(profile).map(|s| s.type_name.as_str()));
            match name {
                // An unknown profile may be of any type: nothing can be said.
                None | Some("Resource" | "DomainResource") => return Box::default(),
                Some(name) => names.push(name.to_owned()),
            }
        }
        names.into_boxed_slice()
    }

    /// The invariants of an element and its type, each once; those that the check does by itself are left to it.
    fn invariants_of<'c>(&mut self, lists: impl IntoIterator<Item = &'c [Constraint]>) -> Box<[u32]> {
        let mut ids: Vec<u32> = Vec::new();
        for constraint in lists.into_iter().flatten() {
            if constraint.is_best_practice || invariant::is_native(&constraint.key) {
                continue;
            }
            let id = self.invariant(constraint);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.into_boxed_slice()
    }

    fn invariant(&mut self, constraint: &Constraint) -> u32 {
        let expression = constraint.expression.clone().unwrap_or_default();
        let key = (constraint.key.clone(), expression);
        if let Some(id) = self.by_invariant.get(&key) {
            return *id;
        }
        let id = self.invariants.len() as u32;
        self.invariants.push(InvariantProgram::of(constraint));
        self.by_invariant.insert(key, id);
        id
    }
}

/// Whether an element is the one of this name directly below a resource.
fn is_own_element(structure: &Structure, element: &Element, name: &str) -> bool {
    structure.kind == StructureKind::Resource
        && element.path.strip_prefix(&*structure.type_name).and_then(|rest| rest.strip_prefix('.')) == Some(name)
}

fn names_of(elements: &[ElementProgram<'_>]) -> FastMap<Box<str>, NameEntry> {
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
