//! Value sets: what their filters ask must be possible in the code system that they filter.

use std::collections::BTreeSet;

use epr_fhir::Node;
use epr_fhir::definitions::{CodeSystem, Coding, Content, Definitions, Standing};

use super::Way;
use crate::check::walk::Walk;
use crate::primitive::{self, PrimitiveKind};

const PARAMETER: &str = "http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter";
const EXPRESSION: &str = "http://hl7.org/fhir/StructureDefinition/cqf-expression";
/// Operators on concepts in R4.
const ON_CONCEPTS: &[&str] = &["=", "in", "is-a", "descendent-of", "is-not-a", "generalizes", "not-in"];
/// How a value that is compared may begin.
const COMPARISONS: &[&str] = &["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// What the value of a filter is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A code of the system.
    OwnCode,
    /// A code, of whatever list.
    Code,
    Coding,
    Bool,
    DateTime,
    Decimal,
    Integer,
    Text,
}

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn value_set(&mut self, node: Node<'r>) {
        self.expansion_versions(node);
        let Some(compose) = node.get("compose") else { return };
        let parameters: Vec<&str> = extensions(node, PARAMETER).filter_map(parameter_name).collect();
        for list in ["include", "exclude"] {
            for (i, set) in compose.get(list).into_iter().flat_map(Node::items).enumerate() {
                let Some(system) = set.text("system") else { continue };
                let way = [("compose", None), (list, Some(i))];
                let bare = system.split_once('|').filter(|(_, version)| !version.is_empty());
                self.demand(&way, bare.is_none(), || {
                    "expected the version of the system in version, found it behind the system's URL".to_owned()
                });
                let system = system.split('|').next().unwrap_or(system);
                self.system_of_set(&way, system);
                for (j, filter) in set.get("filter").into_iter().flat_map(Node::items).enumerate() {
                    self.filter(&[way[0], way[1], ("filter", Some(j))], system, filter, &parameters);
                }
            }
        }
    }

    /// A system that is expanded without a version is used in one version at most.
    fn expansion_versions(&mut self, node: Node<'r>) {
        let Some(expansion) = node.get("expansion") else { return };
        let of = |name: &'static str| expansion.get(name).into_iter().flat_map(Node::items);
        let used: BTreeSet<&str> = of("parameter")
            .filter(|parameter| parameter.text("name") == Some("used-codesystem"))
            .filter_map(|parameter| parameter.members().find(|(name, _)| name.starts_with("value"))?.1.as_str())
            .collect();
        let unversioned: BTreeSet<&str> = of("contains")
            .filter(|code| code.text("version").is_none())
            .filter_map(|code| code.text("system"))
            .collect();
        for system in unversioned {
            let versions = used.iter().filter(|used| used.split('|').next() == Some(system)).count();
            self.demand(&[("expansion", None)], versions < 2, || {
                format!("expected one version of {system}, found {versions} and codes that name none")
            });
        }
    }

    fn system_of_set(&mut self, way: &[Way<'static>], system: &str) {
        let definitions: &'p Definitions = self.checker.program.definitions;
        match definitions.code_system(system) {
            Some(found) => {
                self.demand(way, found.content != Content::Supplement, || {
                    "expected a code system in system, found a supplement to one".to_owned()
                });
            }
            None => {
                self.demand(way, definitions.value_set(system).is_none(), || {
                    "expected a code system in system, found a value set".to_owned()
                });
            }
        }
    }

    fn filter(&mut self, way: &[Way<'static>], system: &str, filter: Node<'r>, parameters: &[&str]) {
        let definitions: &'p Definitions = self.checker.program.definitions;
        let (Some(property), op) = (filter.text("property"), filter.text("op").unwrap_or_default()) else { return };
        if definitions.is_held_elsewhere(system) && property != "inactive" {
            return;
        }
        let Some((kind, operators)) = rules(definitions.code_system(system), property) else { return };
        self.demand(way, operators.is_empty() || op.is_empty() || operators.contains(&op), || {
            format!("expected one of {} in op for this property, found another", operators.join(", "))
        });
        let expression = filter.get("_value").and_then(|value| extensions(value, EXPRESSION).next());
        let Some(value) = filter.text("value") else {
            match expression.and_then(|expression| expression.get("valueExpression")) {
                Some(expression) => self.filter_expression(way, expression, parameters),
                None => {
                    self.demand(way, false, || "expected a value or an expression for it, found neither".to_owned());
                }
            }
            return;
        };
        self.demand(way, expression.is_none(), || "expected a value or an expression for it, found both".to_owned());
        match op {
            "exists" => {
                self.demand(way, matches!(value, "true" | "false"), || {
                    "expected true or false as the value of exists, found another".to_owned()
                });
            }
            "regex" => {
                self.demand(way, regex::Regex::new(value).is_ok(), || {
                    "expected a regular expression as the value, found another text".to_owned()
                });
                self.demand(way, property != "concept", || {
                    "expected a property other than concept for a regular expression".to_owned()
                });
            }
            "in" | "not-in" => value.split(',').for_each(|value| self.filter_value(way, system, kind, value)),
            _ => self.filter_value(way, system, kind, value),
        }
    }

    fn filter_expression(&mut self, way: &[Way<'static>], expression: Node<'r>, parameters: &[&str]) {
        let is_path = expression.text("language") == Some("text/fhirpath");
        if !self.demand(way, is_path, || "expected an expression in text/fhirpath, found another language".to_owned()) {
            return;
        }
        let Some(text) = expression.text("expression") else { return };
        if !self.demand(way, epr_fhirpath::parse(text).is_ok(), || "expected FHIRPath, found another text".to_owned()) {
            return;
        }
        let is_known = |name: &str| parameters.contains(&name);
        for name in constants(text) {
            self.demand(way, is_known(name), || {
                "expected parameters of the value set in the expression, found another name after %".to_owned()
            });
        }
    }

    fn filter_value(&mut self, way: &[Way<'static>], system: &str, kind: Kind, value: &str) {
        let definitions: &'p Definitions = self.checker.program.definitions;
        let is_code = |system, code| {
            let standing = definitions.standing(Coding { system, version: None, code, display: None }, None);
            !matches!(standing, Standing::Unknown)
        };
        let compared = COMPARISONS.iter().find_map(|sign| value.strip_prefix(sign)).unwrap_or(value);
        let (holds, expected) = match kind {
            Kind::Text => return,
            Kind::Code => (value.trim() == value, "a code"),
            Kind::OwnCode => (value.trim() == value && is_code(system, value), "a code of the system"),
            Kind::Bool => (matches!(value, "true" | "false"), "true or false"),
            Kind::DateTime => (!primitive::check(PrimitiveKind::DateTime, compared).has_error(), "a dateTime"),
            Kind::Decimal => (!primitive::check(PrimitiveKind::Decimal, compared).has_error(), "a decimal"),
            Kind::Integer => (!primitive::check(PrimitiveKind::Integer, compared).has_error(), "an integer"),
            Kind::Coding => match coding(value) {
                Some((system, code)) => (is_code(system, code), "a code that its system has"),
                None => (false, "system#code"),
            },
        };
        self.demand(way, holds, || format!("expected {expected} as the value of the filter, found another"));
    }
}

/// What a filter on a property compares with, and the operators that it takes (none: any). `None`: the property is unknown,
/// or is text.
fn rules<'a>(system: Option<&'a CodeSystem>, property: &str) -> Option<(Kind, Vec<&'a str>)> {
    let mut operators: Vec<&str> = Vec::new();
    if let Some(system) = system {
        operators.extend(system.filters.get(property).into_iter().flatten().map(String::as_str));
        if let Some(declared) = system.property_types.get(property) {
            let kind = match declared.as_str() {
                "boolean" => Kind::Bool,
                "code" => Kind::Code,
                "Coding" => Kind::Coding,
                "dateTime" => Kind::DateTime,
                "decimal" => Kind::Decimal,
                "integer" => Kind::Integer,
                _ => return None,
            };
            return Some((kind, operators));
        }
    }
    let kind = match property {
        "concept" | "code" => {
            operators.extend(ON_CONCEPTS);
            operators.extend((property == "code").then_some("regex"));
            Kind::OwnCode
        }
        "status" | "synonym" => Kind::Code,
        "inactive" | "notSelectable" => Kind::Bool,
        "effectiveDate" | "deprecationDate" | "retirementDate" => Kind::DateTime,
        "itemWeight" => Kind::Decimal,
        "parent" | "child" | "partOf" if system.is_some_and(|system| system.has_hierarchy_meaning) => Kind::OwnCode,
        _ if !operators.is_empty() => Kind::Text,
        _ => return None,
    };
    Some((kind, operators))
}

fn extensions<'r>(node: Node<'r>, url: &'static str) -> impl Iterator<Item = Node<'r>> {
    let all = node.get("extension").into_iter().flat_map(Node::items);
    all.filter(move |extension| extension.text("url") == Some(url))
}

fn parameter_name(extension: Node<'_>) -> Option<&str> {
    extensions(extension, "name").next()?.members().find(|(name, _)| name.starts_with("value"))?.1.as_str()
}

/// `system#code`, or `system|code` as older value sets have it.
fn coding(value: &str) -> Option<(&str, &str)> {
    let (system, code) = value.rsplit_once('#').or_else(|| value.rsplit_once('|'))?;
    let system = system.split('|').next().unwrap_or(system);
    (system.contains(':') && !code.is_empty()).then_some((system, code))
}

/// The names after `%` in an expression, texts in it left out.
fn constants(expression: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (i, part) in expression.split('\'').enumerate() {
        if i % 2 == 1 {
            continue;
        }
        for rest in part.split('%').skip(1) {
            let rest = rest.strip_prefix('`').unwrap_or(rest);
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(rest.len());
            found.push(&rest[..end]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_after_a_percent_sign_are_found_outside_texts() {
        assert_eq!(constants("%a-b and '100% x' or %c.d"), ["a-b", "c"]);
    }

    #[test]
    fn a_coding_is_written_with_a_number_sign() {
        assert_eq!(coding("http://a.b/c#d"), Some(("http://a.b/c", "d")));
        assert_eq!(coding("http://a.b/c|1.0#d"), Some(("http://a.b/c", "d")));
        assert_eq!(coding("d"), None);
    }
}
