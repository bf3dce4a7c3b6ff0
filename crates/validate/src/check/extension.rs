//! Extensions by their definitions: what they hold, and where they may stand.
//!
//! Source: FHIR R4, extensibility, "Defining extensions"; StructureDefinition.context and contextInvariant.

use epr_fhir::Node;
use epr_fhir::definitions::{ConstraintSeverity, Context, Definitions, Structure};
use epr_fhirpath::{ElementNode, Host, Item, Verdict};

use super::profile::{Base, Instance};
use super::walk::Walk;
use crate::compile::CANONICAL;
use crate::finding::render_plain;
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::profile::capitalised;
use crate::program::Shape;
use crate::tally::BaseRule;

const HL7: &str = "http://hl7.org/fhir/StructureDefinition/";
/// HL7's own tools mark their definitions with these; no package defines them all.
const TOOLS: &str = "http://hl7.org/fhir/tools/StructureDefinition/";
/// The package that defines the extensions that R4 itself does not.
const EXTENSION_PACKAGE: &str = "hl7.fhir.uv.extensions";
/// Where in R4 any extension may stand: values that a definition gives.
const ANY_EXTENSION: &[&str] =
    &["ElementDefinition.example.value", "ElementDefinition.fixed", "ElementDefinition.pattern"];

/// Whether an extension may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    Right,
    Wrong,
    /// Its definition says it in a way that cannot be decided here.
    Unknown,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// An extension has either a value or extensions; where its definition is loaded, it is checked against it.
    pub(super) fn extension(&mut self, shape: &'p Shape, node: Node<'r>, base: usize) {
        let seen = |name: &str| {
            shape.elements.iter().position(|e| e.name == name).map_or((0, 0), |i| self.checker.seen[base + i])
        };
        let (value, nested) = (seen("value"), seen("extension").0);
        if (value.0 > 0) == (nested > 0) {
            self.broken("ext-1", "must have either extensions or value[x], not both", ConstraintSeverity::Error);
        }
        let Some(written) = node.text("url") else {
            self.find(issues::VAL_EXTENSION_URL, || "expected the URL of the extension, found none".to_owned());
            return;
        };
        if !is_absolute(written) {
            // A relative URL is a part of the extension around it, which defines it.
            let is_part = self.steps.len() > 1 && is_extension_step(self.steps[self.steps.len() - 2].name);
            if !is_part {
                self.find(issues::VAL_EXTENSION_URL, || "expected an absolute URL, found a relative one".to_owned());
            }
            return;
        }
        let value_type = shape.elements.iter().find(|e| e.name == "value").filter(|_| value.0 > 0);
        let value_type = value_type.map(|e| e.values[usize::from(value.1)].type_code.as_str());
        let is_modifier = self.steps.last().is_some_and(|s| s.name == "modifierExtension");
        let definitions: &'p Definitions = self.checker.program.definitions;
        let url = written.split('|').next().unwrap_or(written);
        let Some(known) = self.checker.terms.extension(definitions, url) else {
            self.unknown_extension(url, is_modifier);
            return;
        };
        // The one definition that names types otherwise than they are written.
        let is_type_name = url == "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
        let is_right = |t: &str| known.value_types.iter().any(|k| k == t) || is_type_name && matches!(t, "uri" | "url");
        let failed = value_type.is_some_and(|t| !is_right(t));
        let missing = value_type.is_none() && !known.value_types.is_empty() && (nested == 0 || known.needs_value);
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
        if written != url {
            self.find(issues::VAL_EXTENSION_URL, || "expected a URL without a version, found one with it".to_owned());
        }
        self.stands(url);
        if let Ok(profile) = self.checker.profile(url) {
            let instance =
                Instance { main: Some(node), companion: None, type_code: "Extension", index: None, of_type: None };
            let outer = std::mem::replace(&mut self.base, Base::IsBeside);
            self.apply(&profile, 0, instance);
            self.base = outer;
            self.parts(profile.structure, node);
        }
    }

    /// An extension that nothing loaded defines: an error, unless it may be defined where nobody looked.
    fn unknown_extension(&mut self, url: &str, is_modifier: bool) {
        let slot = self.checker.terms.unknown_extension(&mut self.checker.tally, url);
        self.checker.tally.not_checked(slot);
        let is_example = ["example.org", "acme.com", "nema.org"].iter().any(|host| url.contains(host));
        let packages = self.checker.program.definitions.packages();
        let has_all = packages.iter().any(|package| package.id.starts_with(EXTENSION_PACKAGE));
        // Elements of other releases are extensions by rule; their package is seldom loaded.
        let is_of_release = url.strip_prefix("http://hl7.org/fhir/").is_some_and(|rest| {
            rest.as_bytes().get(1) == Some(&b'.') && rest.contains("/StructureDefinition/extension-")
        });
        let is_hl7 = url.starts_with(HL7) && !has_all || url.starts_with(TOOLS) || is_of_release;
        if is_example || is_hl7 || url == "http://hl7.org/fhir/StructureDefinition/structuredefinition-expression" {
            if is_modifier {
                let detail = "expected a modifier extension whose definition is loaded, found another".to_owned();
                self.push(issues::VAL_MODIFIER, epr_model::Severity::Warning, detail);
            }
            return;
        }
        self.find(issues::VAL_EXTENSION_UNKNOWN, || "expected an extension that is defined, found another".to_owned());
    }

    /// An extension of parts has only the parts that its definition names.
    fn parts(&mut self, structure: &Structure, node: Node<'r>) {
        let Some(extensions) = node.get("extension") else { return };
        let named = |url: &str| {
            let mut urls = structure.elements.iter().filter(|e| e.path == "Extension.extension.url");
            urls.any(|e| {
                e.fixed.as_ref().is_some_and(|f| {
                    f.json.strip_prefix(b"\"").and_then(|j| j.strip_suffix(b"\"")) == Some(url.as_bytes())
                })
            })
        };
        for (index, part) in extensions.items().enumerate() {
            let Some(url) = part.text("url").filter(|url| !is_absolute(url)) else { continue };
            if !named(url) {
                self.find(issues::VAL_EXTENSION_PART, || {
                    format!("expected a part that the definition of the extension names, found another at {index}")
                });
            }
        }
    }

    /// Whether the extension at hand may stand where it stands.
    fn stands(&mut self, url: &str) {
        let definitions: &'p Definitions = self.checker.program.definitions;
        let Some(structure) = definitions.structure(url) else { return };
        let (start, type_name) = self.resource_at;
        let steps = &self.steps[start..self.steps.len() - 1];
        if let [only] = steps
            && only.name == "id"
        {
            self.checker.tally.count(BaseRule::ExtensionContext, true);
            self.find(issues::VAL_EXTENSION_CONTEXT, || {
                "expected no extension on the id of a resource, found one".to_owned()
            });
            return;
        }
        let place = format!("{type_name}.{}", render_plain(steps));
        let stands = if let Some(known) = self.checker.terms.place(url, &place) {
            known
        } else {
            let around = self.around.last().copied().filter(|_| self.is_in_extension());
            let places = places(definitions, type_name, steps);
            let (stands, is_of_place) = self.may_stand(structure, &places, around);
            // Inside another extension the answer depends on that one's URL, which the place does not tell.
            if around.is_none() && is_of_place {
                self.checker.terms.keep_place(url, &place, stands);
            }
            stands
        };
        if stands == Stands::Unknown {
            self.context_not_checked(url);
            return;
        }
        let failed = stands == Stands::Wrong;
        self.checker.tally.count(BaseRule::ExtensionContext, failed);
        if failed {
            let allowed: Vec<&str> = structure.contexts.iter().map(|c| c.expression.as_str()).collect();
            self.find(issues::VAL_EXTENSION_CONTEXT, || {
                format!("expected the extension at {}, found it elsewhere", allowed.join(", "))
            });
        } else {
            self.context_invariants(structure);
        }
    }

    fn context_not_checked(&mut self, url: &str) {
        self.not_checked(NotCheckedKey {
            rule: "extension-context".to_owned(),
            element: "Extension".to_owned(),
            value_set: None,
            reason: format!("where the extension {url} may stand is not decided here"),
        });
    }

    /// Whether what holds the extension at hand is an extension, or the value of one.
    fn is_in_extension(&self) -> bool {
        let n = self.steps.len();
        let is_extension = |back: usize| n > back && is_extension_step(self.steps[n - 1 - back].name);
        is_extension(1) || n > 2 && self.steps[n - 2].name == "value" && is_extension(2)
    }

    /// Whether one of an extension's contexts is met; and whether the answer depends on the place only.
    fn may_stand(&mut self, structure: &'p Structure, places: &[String], around: Option<&str>) -> (Stands, bool) {
        if places.iter().any(|place| ANY_EXTENSION.contains(&place.as_str())) {
            return (Stands::Right, true);
        }
        let mut stands = Stands::Wrong;
        let mut is_of_place = true;
        for context in mended(structure) {
            let is_met = match context.kind.as_str() {
                "extension" => Some(around == Some(context.expression.as_str())),
                "element" => {
                    is_of_place &= !context.expression.contains('#');
                    self.is_place(&context.expression, places)
                }
                _ => {
                    is_of_place = false;
                    self.is_selected(&context.expression)
                }
            };
            match is_met {
                Some(true) => return (Stands::Right, is_of_place),
                Some(false) => {}
                None => stands = Stands::Unknown,
            }
        }
        (stands, is_of_place)
    }

    /// Whether an element's name, or a profile and an element of it, is the place.
    fn is_place(&mut self, expression: &str, places: &[String]) -> Option<bool> {
        let (profile, name) = match expression.split_once('#') {
            Some((profile, name)) => (Some(profile), name),
            None => (None, expression.strip_prefix(HL7).unwrap_or(expression)),
        };
        let is_canonical = name == "CanonicalResource" && places.iter().any(|p| CANONICAL.contains(&p.as_str()));
        if matches!(name, "Element" | "Any") || is_canonical {
            return Some(true);
        }
        if !places.iter().any(|place| place == name) {
            return Some(false);
        }
        let Some(profile) = profile else { return Some(true) };
        let type_name = self.resource_at.1;
        if profile.strip_prefix(HL7) == Some(type_name) {
            return Some(true);
        }
        let resource = self.focus.resource.node()?;
        let instance =
            Instance { main: Some(resource), companion: None, type_code: type_name, index: None, of_type: None };
        self.meets(profile, instance)
    }

    /// Whether what holds the extension is among what an expression selects in the resource.
    fn is_selected(&self, expression: &str) -> Option<bool> {
        let expression = epr_fhirpath::compile(expression).ok()?;
        let host = Host::with_definitions(Some(self.checker.program.definitions));
        let selected = expression.evaluate(&host, self.focus.at(self.focus.resource)).ok()?;
        if selected.not_checked.is_some() {
            return None;
        }
        let holder = self.holder.address();
        let is_it = |node: Option<Node<'_>>| node.is_some_and(|node| node.address() == holder);
        Some(selected.items.iter().any(|item| matches!(item, Item::Element(e) if is_it(e.node()) || is_it(e.extra()))))
    }

    /// What the definition of an extension asks of what holds it.
    fn context_invariants(&mut self, structure: &'p Structure) {
        for text in &structure.context_invariants {
            let host = Host::with_definitions(Some(self.checker.program.definitions));
            let holder = ElementNode::new(Some(self.holder), None, None, "", "");
            let verdict = epr_fhirpath::compile(text).map(|expression| expression.check(&host, &self.focus.at(holder)));
            match verdict {
                Ok(Verdict::True) => self.checker.tally.count(BaseRule::ExtensionContext, false),
                Ok(Verdict::False | Verdict::Empty) => {
                    self.checker.tally.count(BaseRule::ExtensionContext, true);
                    self.find(issues::VAL_EXTENSION_CONTEXT, || {
                        format!("expected of what holds the extension that {text}, found it otherwise")
                    });
                    return;
                }
                _ => self.context_not_checked(&structure.url),
            }
        }
    }
}

fn is_extension_step(name: &str) -> bool {
    matches!(name, "extension" | "modifierExtension")
}

/// Whether a URL says by itself where it leads: a lower-case scheme, and something after it without a space.
fn is_absolute(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    is_scheme && !rest.is_empty() && !rest.contains(' ')
}

/// The contexts of an extension for R4, where its definition is known to say less than is meant.
fn mended(structure: &Structure) -> Vec<Context> {
    let release = "4.0";
    let is_for_r4 = |context: &&Context| {
        context.from.as_deref().is_none_or(|from| from <= release)
            && context.until.as_deref().is_none_or(|until| release <= until)
    };
    let mut contexts: Vec<Context> = structure.contexts.iter().filter(is_for_r4).cloned().collect();
    let element = |expression: &str| Context {
        kind: "element".to_owned(),
        expression: expression.to_owned(),
        from: None,
        until: None,
    };
    match structure.url.strip_prefix(HL7).unwrap_or_default() {
        "structuredefinition-fhir-type" | "regex" => contexts.push(element("ElementDefinition.type")),
        "structuredefinition-normative-version"
        | "capabilitystatement-expectation"
        | "capabilitystatement-prohibited" => contexts.push(element("Element")),
        _ => {}
    }
    contexts
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
        paths.extend(child.element.content_reference.clone());
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
