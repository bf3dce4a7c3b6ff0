//! OperationDefinition: the profiles of what goes in and comes out, and the parameters that they share.

use epr_fhir::Node;
use epr_fhir::definitions::{Element, Max, Structure};

use crate::check::walk::Walk;

/// How a parameter names several types before R5.
const ALLOWED_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/operationdefinition-allowed-type";

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    pub(super) fn operation_definition(&mut self, node: Node<'r>) {
        for (name, direction) in [("inputProfile", "in"), ("outputProfile", "out")] {
            let Some(url) = node.text(name) else { continue };
            let profile = self.checker.program.definitions.structure(url);
            let way = [(name, None)];
            let fits = profile.is_some_and(|profile| profile.type_name == "Parameters");
            if self.demand(&way, fits, || "expected a known profile on Parameters, found none".to_owned())
                && let Some(profile) = profile
            {
                self.parameters_of_profile(node, profile, direction);
            }
        }
    }

    /// What a slice of `Parameters.parameter` says of a parameter, the operation says too.
    fn parameters_of_profile(&mut self, node: Node<'r>, profile: &'p Structure, direction: &str) {
        for slice in profile.slices("Parameters.parameter") {
            let child = |name: &str| profile.children_of_id(&slice.id).find(|child| child.name == name);
            let fixed = child("name").and_then(|name| name.fixed.as_ref().or(name.pattern.as_ref()));
            let Some(name) = fixed.and_then(|value| std::str::from_utf8(&value.json).ok()) else { continue };
            let name = name.trim().trim_matches('"');
            let parameters = node.get("parameter").into_iter().flat_map(Node::items).enumerate();
            let found = parameters.into_iter().find(|(_, parameter)| {
                parameter.text("name") == Some(name) && parameter.text("use") == Some(direction)
            });
            let Some((at, parameter)) = found else { continue };
            let contents = ["value[x]", "resource", "part"];
            // A parameter holds one of the three: what must be there leaves no place for the others.
            let is_used = |name: &str| {
                let is_required = |other: &&str| *other != name && child(other).is_some_and(|other| other.min > 0);
                child(name).is_some_and(|own| own.max != Max::Count(0)) && !contents.iter().any(is_required)
            };
            let used: Vec<&Element> =
                contents[..2].iter().filter(|name| is_used(name)).filter_map(|name| child(name)).collect();
            self.one_parameter(at, parameter, slice, &used);
        }
    }

    fn one_parameter(&mut self, at: usize, parameter: Node<'r>, slice: &'p Element, contents: &[&'p Element]) {
        let way = [("parameter", Some(at))];
        let min = parameter.get("min").and_then(|min| min.number_text().or(min.as_str())).and_then(|t| t.parse().ok());
        self.demand(&way, min.is_none_or(|min: u32| min == slice.min), || {
            "expected the minimum that the profile has for this parameter, found another".to_owned()
        });
        let max = match parameter.text("max") {
            Some("*") => Some(Max::Many),
            Some(max) => max.parse().ok().map(Max::Count),
            None => None,
        };
        self.demand(&way, max.is_none_or(|max| max == slice.max), || {
            "expected the maximum that the profile has for this parameter, found another".to_owned()
        });
        let extensions = parameter.get("extension").into_iter().flat_map(Node::items);
        let mut allowed: Vec<&str> = extensions
            .filter(|extension| extension.text("url") == Some(ALLOWED_TYPE))
            .filter_map(|extension| extension.members().find(|(name, _)| name.starts_with("value"))?.1.as_str())
            .collect();
        if allowed.is_empty() {
            allowed.extend(parameter.text("type"));
        }
        let targets: Vec<&str> =
            parameter.get("targetProfile").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
        let (mut types, mut of_profile): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for of in contents.iter().flat_map(|content| &content.types) {
            types.push(&of.code);
            of_profile.extend(of.target_profiles.iter().map(String::as_str));
            self.demand(&way, allowed.contains(&of.code.as_str()), || {
                format!("expected the type {} too, which the profile allows, found it nowhere", of.code)
            });
        }
        for code in &allowed {
            self.demand(&way, types.contains(code), || "expected a type that the profile allows".to_owned());
        }
        for target in &targets {
            self.demand(&way, of_profile.contains(target), || "expected a target that the profile allows".to_owned());
        }
        if parameter.text("type").is_some_and(|code| code != "Element") {
            for target in of_profile {
                self.demand(&way, targets.contains(&target), || {
                    format!("expected the target {target} too, which the profile allows, found it nowhere")
                });
            }
        }
    }
}
