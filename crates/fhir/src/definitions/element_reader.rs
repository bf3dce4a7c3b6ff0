//! Reading StructureDefinition and ElementDefinition resources.

use super::structure::{
    Binding, BindingStrength, Constraint, ConstraintSeverity, Context, Derivation, DifferentialElement, Discriminator,
    DiscriminatorKind, Element, FixedValue, Max, Slicing, SlicingRules, Structure, StructureKind, TypeRef,
};
use crate::resource::{Node, NodeKind};

const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";
const BEST_PRACTICE: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice";
const MUST_HAVE_VALUE: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue";
const VALUE_ALTERNATIVES: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.valueAlternatives";
const PROFILE_ELEMENT: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element";
const VERSION_SPECIFIC: &str = "http://hl7.org/fhir/StructureDefinition/version-specific-use";
const IMPOSE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-imposeProfile";
const NARRATIVE_LANGUAGE: &str = "http://hl7.org/fhir/StructureDefinition/narrative-language-control";
const NARRATIVE_SOURCE: &str = "http://hl7.org/fhir/StructureDefinition/narrative-source-control";
const SYSTEM_TYPE: &str = "http://hl7.org/fhirpath/System.";

impl Structure {
    /// Reads a StructureDefinition resource. `None` where it has no URL or no type: such a one can never be asked for.
    pub fn read(resource: Node<'_>) -> Option<Self> {
        let url = resource.text("url")?.to_owned();
        let type_name = resource.text("type")?;
        // Logical models may give their type as a URL.
        let type_name = type_name.rsplit('/').next().unwrap_or(type_name).to_owned();
        let elements_of = |view: &str| resource.get(view).and_then(|view| view.get("element"));
        let mut elements: Vec<Element> =
            elements_of("snapshot").into_iter().flat_map(Node::items).map(Element::read).collect();
        let differential = if elements.is_empty() {
            elements_of("differential").into_iter().flat_map(Node::items).map(DifferentialElement::read).collect()
        } else {
            Vec::new()
        };
        for element in &mut elements {
            mend_r4(element);
        }
        Some(Self {
            version: owned(resource, "version"),
            name: owned(resource, "name").unwrap_or_default(),
            kind: match resource.text("kind") {
                Some("primitive-type") => StructureKind::Primitive,
                Some("complex-type") => StructureKind::Complex,
                Some("resource") => StructureKind::Resource,
                _ => StructureKind::Logical,
            },
            is_abstract: flag(resource, "abstract").unwrap_or(false),
            base: owned(resource, "baseDefinition"),
            derivation: match resource.text("derivation") {
                Some("constraint") => Derivation::Constraint,
                Some(_) => Derivation::Specialization,
                None => Derivation::None,
            },
            contexts: resource.get("context").into_iter().flat_map(Node::items).filter_map(Context::read).collect(),
            context_invariants: texts(resource, "contextInvariant"),
            imposed: extensions(resource, IMPOSE)
                .filter_map(|found| found.text("valueCanonical").or_else(|| found.text("valueUri")))
                .map(str::to_owned)
                .collect(),
            url,
            type_name,
            elements,
            differential,
        })
    }
}

/// Puts right what R4 4.0.1 is known to have wrong in its snapshots.
pub(super) fn mend_r4(element: &mut Element) {
    // The extension says `string` for the id of a resource; R4's text, and the later releases, say `id`.
    if element.base_path == "Resource.id"
        && let Some(first) = element.types.first_mut()
    {
        "id".clone_into(&mut first.code);
    }
    // The vital signs bind the units of a component to values of every type, codes and texts too: R4 means it of quantities,
    // and the reference validator asks no more than an extensible binding.
    if element.path == "Observation.component.value[x]"
        && let Some(binding) = &mut element.binding
        && binding.value_set.as_deref() == Some("http://hl7.org/fhir/ValueSet/ucum-vitals-common|4.0.1")
    {
        binding.strength = BindingStrength::Extensible;
    }
}

impl Context {
    fn read(node: Node<'_>) -> Option<Self> {
        let use_of = extension(node, VERSION_SPECIFIC);
        let release = |name: &str| {
            let part = extension(use_of?, name)?;
            part.text("valueCode").or_else(|| part.text("valueString")).map(str::to_owned)
        };
        Some(Self {
            from: release("startFhirVersion"),
            until: release("endFhirVersion"),
            kind: owned(node, "type")?,
            expression: owned(node, "expression")?,
        })
    }
}

impl DifferentialElement {
    fn read(node: Node<'_>) -> Self {
        Self {
            id: owned(node, "id").unwrap_or_default(),
            path: owned(node, "path").unwrap_or_default(),
            slice_name: owned(node, "sliceName"),
            json: node.raw().to_vec(),
        }
    }
}

impl Element {
    /// Reads an ElementDefinition that stands on its own, as in a snapshot.
    pub fn read(node: Node<'_>) -> Self {
        let mut element = Self::default();
        element.overlay(node);
        element
    }

    /// Lays an ElementDefinition of a differential over this one: what is given replaces, constraints and conditions are added.
    pub fn overlay(&mut self, node: Node<'_>) {
        for (member, value) in node.members() {
            match member {
                "id" => set(&mut self.id, value),
                "path" => {
                    set(&mut self.path, value);
                    self.name = self.path.rsplit('.').next().unwrap_or_default().to_owned();
                }
                "short" => set(&mut self.short, value),
                "sliceName" => self.slice_name = value.as_str().map(str::to_owned),
                "min" => self.min = number(value).unwrap_or(self.min),
                "max" => self.max = Max::read(value).unwrap_or(self.max),
                "base" => {
                    self.base_path = owned(value, "path").unwrap_or_default();
                    self.base_max = value.get("max").and_then(Max::read).unwrap_or_default();
                }
                "type" => self.types = value.items().filter_map(TypeRef::read).collect(),
                "contentReference" => {
                    self.content_reference =
                        value.as_str().and_then(|text| text.split_once('#')).map(|(_, id)| path_of_id(id));
                }
                "maxLength" => self.max_length = number(value),
                "mustHaveValue" => self.must_have_value = value.as_bool().unwrap_or(self.must_have_value),
                "valueAlternatives" => {
                    self.value_alternatives = value.items().filter_map(Node::as_str).map(str::to_owned).collect();
                }
                // R4 has what R5 says of values in extensions.
                "extension" => {
                    self.overlay_extensions(node);
                    self.overlay_narrative(value);
                }
                "binding" => self.binding = Binding::read(value),
                "constraint" => {
                    for constraint in value.items().filter_map(Constraint::read) {
                        self.constraints.retain(|known| known.key != constraint.key);
                        self.constraints.push(constraint);
                    }
                }
                "condition" => {
                    for condition in value.items().filter_map(Node::as_str) {
                        if !self.conditions.iter().any(|known| known == condition) {
                            self.conditions.push(condition.to_owned());
                        }
                    }
                }
                "slicing" => self.slicing = Some(Slicing::read(value)),
                "isModifier" => self.is_modifier = value.as_bool().unwrap_or(self.is_modifier),
                "mustSupport" => self.must_support = value.as_bool().unwrap_or(self.must_support),
                "isSummary" => self.is_summary = value.as_bool().unwrap_or(self.is_summary),
                "representation" => {
                    self.is_xml_attribute = value.items().any(|item| item.as_str() == Some("xmlAttr"));
                }
                _ => self.overlay_value(member, value),
            }
        }
    }

    fn overlay_extensions(&mut self, node: Node<'_>) {
        if let Some(must) = extension(node, MUST_HAVE_VALUE).and_then(|found| flag(found, "valueBoolean")) {
            self.must_have_value = must;
        }
        let named = extensions(node, VALUE_ALTERNATIVES).filter_map(|found| found.text("valueCanonical"));
        let named: Vec<String> = named.map(str::to_owned).collect();
        if !named.is_empty() {
            self.value_alternatives = named;
        }
    }

    /// What extensions ask of a narrative.
    fn overlay_narrative(&mut self, extensions: Node<'_>) {
        let values = |url: &'static str| {
            let of_url = extensions.items().filter(move |extension| extension.text("url") == Some(url));
            of_url.filter_map(|extension| extension.text("valueCode").or_else(|| extension.text("valueString")))
        };
        self.narrative_languages.extend(values(NARRATIVE_LANGUAGE).map(str::to_owned));
        if let Some(level) = values(NARRATIVE_SOURCE).next() {
            self.narrative_source = Some(level.to_owned());
        }
    }

    fn overlay_value(&mut self, member: &str, value: Node<'_>) {
        let places = [
            ("fixed", &mut self.fixed),
            ("pattern", &mut self.pattern),
            ("minValue", &mut self.min_value),
            ("maxValue", &mut self.max_value),
        ];
        for (stem, place) in places {
            let Some(suffix) = member.strip_prefix(stem) else { continue };
            if suffix.starts_with(|first: char| first.is_ascii_uppercase()) {
                *place = Some(FixedValue { type_name: type_of_suffix(suffix), json: value.raw().to_vec() });
            }
        }
    }
}

/// The type name behind the end of a choice member's name: `Code` is `code`, `CodeableConcept` stays.
fn type_of_suffix(suffix: &str) -> String {
    const PRIMITIVES: &[&str] = &[
        "Base64Binary",
        "Boolean",
        "Canonical",
        "Code",
        "Date",
        "DateTime",
        "Decimal",
        "Id",
        "Instant",
        "Integer",
        "Markdown",
        "Oid",
        "PositiveInt",
        "String",
        "Time",
        "UnsignedInt",
        "Uri",
        "Url",
        "Uuid",
    ];
    if PRIMITIVES.contains(&suffix) { suffix[..1].to_ascii_lowercase() + &suffix[1..] } else { suffix.to_owned() }
}

impl Max {
    fn read(node: Node<'_>) -> Option<Self> {
        match node.as_str()? {
            "*" => Some(Self::Many),
            text => text.parse().ok().map(Self::Count),
        }
    }
}

impl TypeRef {
    fn read(node: Node<'_>) -> Option<Self> {
        let code = node.text("code")?;
        let code = match code.strip_prefix(SYSTEM_TYPE) {
            Some(system_type) => extension(node, FHIR_TYPE)
                .and_then(|found| found.text("valueUrl").or_else(|| found.text("valueUri")))
                .map_or_else(|| type_of_suffix(system_type), str::to_owned),
            None => code.to_owned(),
        };
        Some(Self {
            code,
            profiles: profiles_of_elements(node, texts(node, "profile")),
            target_profiles: texts(node, "targetProfile"),
            aggregation: texts(node, "aggregation"),
        })
    }
}

/// A profile may be meant for one of its elements: `url#id`.
fn profiles_of_elements(node: Node<'_>, mut profiles: Vec<String>) -> Vec<String> {
    let beside = node.get("_profile").into_iter().flat_map(Node::items);
    for (profile, beside) in profiles.iter_mut().zip(beside) {
        if let Some(id) = extension(beside, PROFILE_ELEMENT).and_then(|found| found.text("valueString")) {
            *profile = format!("{profile}#{id}");
        }
    }
    profiles
}

impl Binding {
    fn read(node: Node<'_>) -> Option<Self> {
        let strength = match node.text("strength")? {
            "required" => BindingStrength::Required,
            "extensible" => BindingStrength::Extensible,
            "preferred" => BindingStrength::Preferred,
            _ => BindingStrength::Example,
        };
        let max_value_set = extension(node, MAX_VALUE_SET)
            .and_then(|found| found.text("valueCanonical").or_else(|| found.text("valueUri")))
            .map(str::to_owned);
        Some(Self { strength, value_set: owned(node, "valueSet"), max_value_set })
    }
}

impl Constraint {
    fn read(node: Node<'_>) -> Option<Self> {
        Some(Self {
            key: owned(node, "key")?,
            severity: match node.text("severity") {
                Some("warning") => ConstraintSeverity::Warning,
                _ => ConstraintSeverity::Error,
            },
            human: owned(node, "human").unwrap_or_default(),
            expression: owned(node, "expression"),
            source: owned(node, "source"),
            is_best_practice: extension(node, BEST_PRACTICE).and_then(|found| flag(found, "valueBoolean"))
                == Some(true),
        })
    }
}

impl Slicing {
    fn read(node: Node<'_>) -> Self {
        Self {
            discriminators: node
                .get("discriminator")
                .into_iter()
                .flat_map(Node::items)
                .filter_map(|discriminator| {
                    let kind = match discriminator.text("type")? {
                        "value" => DiscriminatorKind::Value,
                        "exists" => DiscriminatorKind::Exists,
                        "pattern" => DiscriminatorKind::Pattern,
                        "type" => DiscriminatorKind::Type,
                        "profile" => DiscriminatorKind::Profile,
                        "position" => DiscriminatorKind::Position,
                        _ => return None,
                    };
                    Some(Discriminator { kind, path: owned(discriminator, "path")? })
                })
                .collect(),
            rules: match node.text("rules") {
                Some("closed") => SlicingRules::Closed,
                Some("openAtEnd") => SlicingRules::OpenAtEnd,
                _ => SlicingRules::Open,
            },
            ordered: flag(node, "ordered").unwrap_or(false),
        }
    }
}

/// The path of an element id, which may name slices: `Provenance.agent` for `Provenance.agent:Author`.
fn path_of_id(id: &str) -> String {
    let steps: Vec<&str> = id.split('.').map(|step| step.split(':').next().unwrap_or(step)).collect();
    steps.join(".")
}

fn set(place: &mut String, value: Node<'_>) {
    if let Some(text) = value.as_str() {
        text.clone_into(place);
    }
}

fn number(value: Node<'_>) -> Option<u32> {
    value.number_text()?.parse().ok()
}

fn owned(node: Node<'_>, member: &str) -> Option<String> {
    node.text(member).map(str::to_owned)
}

fn flag(node: Node<'_>, member: &str) -> Option<bool> {
    node.get(member)?.as_bool()
}

fn texts(node: Node<'_>, member: &str) -> Vec<String> {
    let values = node.get(member).into_iter();
    // A lone text is let pass: STU3-style packages wrote `profile` so.
    values
        .flat_map(|value| if value.kind() == NodeKind::String { vec![value] } else { value.items().collect() })
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect()
}

fn extension<'a>(node: Node<'a>, url: &str) -> Option<Node<'a>> {
    extensions(node, url).next()
}

fn extensions<'a>(node: Node<'a>, url: &str) -> impl Iterator<Item = Node<'a>> {
    let all = node.get("extension").into_iter().flat_map(Node::items);
    all.filter(move |extension| extension.text("url") == Some(url))
}
