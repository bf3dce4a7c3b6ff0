//! Extensions by their definitions: what they hold, and where they may stand.

use epr_fhir::Node;
use epr_fhir::definitions::{ConstraintSeverity, Context, Definitions};
use epr_model::Severity;

use super::profile::Instance;
use super::walk::Walk;
use crate::finding::render_plain;
use crate::issues;
use crate::profile::capitalised;
use crate::program::Shape;
use crate::tally::{BaseRule, NotCheckedKey};

const HL7: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Resources that define something rather than tell of somebody.
const DEFINITIONS: &[&str] = &[
    "CodeSystem",
    "ConceptMap",
    "NamingSystem",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
];

/// Whether an extension may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    Right,
    Wrong,
    /// Its definition says it in FHIRPath only, or names a place that R4 does not have.
    Unknown,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// An extension has either a value or extensions; where its definition is loaded, it is checked against it.
    pub(super) fn extension(&mut self, shape: &'p Shape<'p>, node: Node<'r>, base: usize) {
        let seen = |name: &str| {
            shape.elements.iter().position(|e| e.name == name).map_or((0, 0), |i| self.checker.seen[base + i])
        };
        let (value, nested) = (seen("value"), seen("extension").0);
        if (value.0 > 0) == (nested > 0) {
            self.broken("ext-1", "must have either extensions or value[x], not both", ConstraintSeverity::Error);
        }
        let Some(url) = node.text("url") else { return };
        // A relative URL is a part of the extension around it, which defines it.
        if !url.contains(':') {
            return;
        }
        let value_type = shape.elements.iter().find(|e| e.name == "value").filter(|_| value.0 > 0);
        let value_type = value_type.map(|e| e.values[usize::from(value.1)].type_code.as_str());
        let is_modifier = self.steps.last().is_some_and(|s| s.name == "modifierExtension");
        let Some(known) = self.checker.terms.extension(self.checker.program.definitions, url) else {
            if is_modifier {
                let detail = "expected a modifier extension whose definition is loaded, found another".to_owned();
                self.push(issues::VAL_MODIFIER, Severity::Warning, detail);
            }
            let slot = self.checker.terms.unknown_extension(&mut self.checker.tally, url);
            self.checker.tally.not_checked(slot);
            return;
        };
        let failed = value_type.is_some_and(|t| !known.value_types.iter().any(|k| k == t));
        let missing = known.needs_value && value_type.is_none();
        let allowed = known.value_types.join(", ");
        let must_modify = known.is_modifier;
        self.checker.tally.count(BaseRule::ExtensionType, failed || missing);
        if failed {
            let found = value_type.unwrap_or_default();
            self.find(issues::VAL_EXTENSION_TYPE, || {
                if allowed.is_empty() {
                    format!("expected extensions and no value, found a value of type {found}")
                } else {
                    format!("expected a value of type {allowed}, found {found}")
                }
            });
        } else if missing {
            self.find(issues::VAL_EXTENSION_TYPE, || format!("expected a value of type {allowed}, found none"));
        }
        if must_modify != is_modifier {
            let (right, wrong) =
                if must_modify { ("modifierExtension", "extension") } else { ("extension", "modifierExtension") };
            self.find(issues::VAL_EXTENSION_MODIFIER, || format!("expected it in {right}, found it in {wrong}"));
        }
        self.stands(url);
        if let Ok(profile) = self.checker.profile(url) {
            let instance =
                Instance { main: Some(node), companion: None, type_code: "Extension", index: None, of_type: None };
            self.apply(&profile, 0, instance);
            self.parts(&profile.rules[0].children, &profile, node);
        }
    }

    /// An extension of parts has only the parts that its definition names.
    fn parts(
        &mut self,
        children: &[crate::profile::RuleId],
        profile: &crate::profile::ProfileProgram<'p>,
        node: Node<'r>,
    ) {
        let rules = children.iter().map(|child| &profile.rules[*child as usize]);
        let Some(slicing) = rules.filter(|rule| rule.name == "extension").find_map(|rule| rule.slicing.as_ref()) else {
            return;
        };
        let is_known = |url: &str| slicing.slices.iter().any(|slice| profile.is_part(slice.rule, url));
        let extensions = node.get("extension").into_iter().flat_map(Node::items);
        let n_unknown =
            extensions.filter_map(|e| e.text("url")).filter(|url| !url.contains(':') && !is_known(url)).count();
        if n_unknown > 0 {
            self.find(issues::VAL_EXTENSION_PART, || {
                format!("expected only the parts that the definition of the extension names, found {n_unknown} others")
            });
        }
    }

    /// Whether the extension at hand may stand where it stands.
    fn stands(&mut self, url: &str) {
        let definitions: &'p Definitions = self.checker.program.definitions;
        let Some(structure) = definitions.structure(url).filter(|s| !s.contexts.is_empty()) else { return };
        let (start, type_name) = self.resource_at;
        let steps = &self.steps[start..self.steps.len() - 1];
        let place = format!("{type_name}.{}", render_plain(steps));
        let stands = if let Some(known) = self.checker.terms.place(url, &place) {
            known
        } else {
            let around = self.around.last().copied();
            let places = places(definitions, type_name, steps);
            let stands = match may_stand(&structure.contexts, &places, around) {
                // HL7's definitions use HL7's own extensions in more places than these say.
                Stands::Wrong if url.starts_with(HL7) && DEFINITIONS.contains(&type_name) => Stands::Unknown,
                stands => stands,
            };
            // Inside another extension the answer depends on that one's URL, which the place does not tell.
            if around.is_none() {
                self.checker.terms.keep_place(url, &place, stands);
            }
            stands
        };
        match stands {
            Stands::Unknown => self.not_checked(NotCheckedKey {
                rule: "extension-context".to_owned(),
                element: "Extension".to_owned(),
                value_set: None,
                reason: format!("where the extension {url} may stand is not decided here"),
            }),
            stands => {
                let failed = stands == Stands::Wrong;
                self.checker.tally.count(BaseRule::ExtensionContext, failed);
                if failed {
                    let allowed: Vec<&str> = structure.contexts.iter().map(|c| c.expression.as_str()).collect();
                    self.find(issues::VAL_EXTENSION_CONTEXT, || {
                        format!("expected the extension at {}, found it elsewhere", allowed.join(", "))
                    });
                }
            }
        }
    }
}

/// The names by which definitions may mean the element that holds an extension: its paths, its types, what these build on.
fn places(definitions: &Definitions, type_name: &str, steps: &[crate::finding::Step<'_>]) -> Vec<String> {
    let Some(mut structure) = definitions.structure(type_name) else { return Vec::new() };
    let mut path = type_name.to_owned();
    let mut type_code = type_name.to_owned();
    let mut paths = vec![path.clone()];
    for step in steps {
        let json_name = match step.of_type {
            Some(of_type) => format!("{}{}", step.name, capitalised(of_type)),
            None => step.name.to_owned(),
        };
        let longer: Vec<String> = paths.iter().map(|known| format!("{known}.{}", step.name)).collect();
        let Some(child) = definitions.child(structure, &path, &type_code, &json_name) else { return longer };
        paths = longer;
        if step.of_type.is_some() {
            paths.extend(paths.clone().iter().map(|known| format!("{known}[x]")));
        }
        paths.push(child.element.path.clone());
        paths.push(child.element.base_path.clone());
        structure = child.structure;
        path.clone_from(&child.element.path);
        child.type_code.clone_into(&mut type_code);
        // Paths may begin at any type on the way.
        paths.push(type_code.clone());
    }
    let mut of = definitions.structure(&type_code);
    while let Some(known) = of {
        paths.push(known.type_name.clone());
        of = known.base.as_deref().and_then(|base| definitions.structure(base));
    }
    paths
}

fn may_stand(contexts: &[Context], places: &[String], around: Option<&str>) -> Stands {
    let mut stands = Stands::Wrong;
    for context in contexts {
        let expression = context.expression.rsplit_once('#').map_or(context.expression.as_str(), |(_, id)| id);
        let expression = expression.strip_prefix(HL7).unwrap_or(expression);
        let found = match context.kind.as_str() {
            "extension" => around.is_some_and(|url| url == context.expression),
            // `Element` means any element, and a resource too.
            "element" => expression == "Element" || places.iter().any(|place| place == expression),
            _ => {
                stands = Stands::Unknown;
                false
            }
        };
        // A name that is no path of R4 is one of another release or of a profile: nothing can be said.
        if expression.contains(':') {
            stands = Stands::Unknown;
        }
        if found {
            return Stands::Right;
        }
    }
    stands
}
