//! Where a reference may lead, by a profile: the resource at its end is followed inside the resource and its bundle.

use epr_fhir::Node;
use epr_fhirpath::ElementNode;
use epr_model::Severity;

use super::profile::Instance;
use super::walk::{Place, Walk};
use crate::issues;
use crate::ledger::NotCheckedKey;
use crate::profile::{Rule, TargetRule};
use crate::tally::BaseRule;

/// The base of HL7's canonical URLs: of a type by itself it is not told again that the target breaks it.
const HL7: &str = "http://hl7.org/fhir/StructureDefinition/";

impl<'p: 'r, 'r> Walk<'_, 'p, 'r> {
    /// Where a reference leads, as far as it can be followed: into the resource itself and the bundle around it.
    pub(super) fn target(&mut self, rule: &Rule<'p>, main: Node<'r>, type_code: &str) {
        let Some(target) = rule.target.as_ref().filter(|_| type_code == "Reference") else { return };
        let Some(reference) = main.text("reference") else { return };
        let found = self.resolve(reference);
        self.aggregation(target, reference, found.is_some());
        if target.is_of_type {
            return;
        }
        let Some(node) = found else {
            self.target_elsewhere(rule, target, reference);
            return;
        };
        if target.profiles.is_empty() {
            return;
        }
        for url in &target.unknown {
            self.find(issues::VAL_PROFILE_UNKNOWN, || {
                format!("expected the profile {url} to be loaded: it is in no loaded package")
            });
        }
        let type_name = node.text("resourceType").unwrap_or_default();
        let definitions = self.checker.program.definitions;
        let is_of_type = |url: &&String| definitions.structure(url).is_some_and(|s| s.type_name == type_name);
        let matching: Vec<&String> = target.profiles.iter().filter(is_of_type).collect();
        let is_wrong_type = matching.is_empty();
        self.checker.tally.count(BaseRule::Reference, is_wrong_type);
        if is_wrong_type {
            let allowed = if target.types.is_empty() { "another type".to_owned() } else { target.types.join(", ") };
            let found = if self.checker.program.resources.contains_key(type_name) { type_name } else { "another" };
            self.find(issues::VAL_REFERENCE_TYPE, || {
                format!("expected a reference to {allowed}, found one to {found}")
            });
            return;
        }
        let instance = Instance { main: Some(node), companion: None, type_code: type_name, index: None, of_type: None };
        let outer = self.focus;
        let element = ElementNode::resource(node, Some(definitions));
        self.focus = if reference.starts_with('#') { outer.on_contained(element) } else { outer.on_entry(element) };
        let place = self.place_of(reference);
        let verdicts: Vec<Option<bool>> = matching.iter().map(|url| self.meets_all(url, instance, place)).collect();
        self.focus = outer;
        let failed = verdicts.iter().all(|verdict| *verdict == Some(false));
        self.checker.tally.count(BaseRule::Profile, failed);
        if failed && !matching.iter().all(|url| url.starts_with(HL7)) {
            let asked = target.profiles.join(", ");
            self.find(issues::VAL_TYPE_PROFILE, || {
                format!("expected a reference to a resource that meets one of {asked}, found one that meets none")
            });
        }
    }

    /// Where the target of a reference stands.
    fn place_of(&self, reference: &str) -> Place {
        let Some(id) = reference.strip_prefix('#').filter(|id| !id.is_empty()) else { return Place::Inside };
        let mut contained = self.container.get("contained").into_iter().flat_map(Node::items);
        contained.position(|c| c.text("id") == Some(id)).map_or(Place::Inside, Place::Contained)
    }

    /// Whether the target may be contained, in the same bundle, or elsewhere.
    fn aggregation(&mut self, target: &TargetRule, reference: &str, is_found: bool) {
        if target.aggregation.is_empty() {
            return;
        }
        let is_contained = reference.starts_with('#');
        let failed = !target.aggregation.iter().any(|mode| match mode.as_str() {
            "contained" => is_contained,
            "bundled" => is_found && !is_contained,
            _ => !is_contained,
        });
        self.checker.tally.count(BaseRule::Reference, failed);
        if failed {
            let allowed = target.aggregation.join(", ");
            self.find(issues::VAL_AGGREGATION, || {
                let found = match (is_contained, is_found) {
                    (true, _) => "contained",
                    (false, true) => "bundled",
                    (false, false) => "elsewhere",
                };
                format!("expected the target to be {allowed}, found it {found}")
            });
        }
    }

    /// A target elsewhere is checked by itself where its type has one of the profiles assigned; else nobody does. Its type
    /// is what the reference says, which nobody has looked at: a wrong one is a warning.
    fn target_elsewhere(&mut self, rule: &Rule<'p>, target: &TargetRule, reference: &str) {
        let known = self.type_in(reference);
        if let Some(known) = known.filter(|known| !target.types.is_empty() && !target.types.iter().any(|t| t == known))
        {
            let allowed = target.types.join(", ");
            let detail = format!("expected a reference to {allowed}, found one that says it leads to {known}");
            self.checker.tally.count(BaseRule::Reference, true);
            self.push(issues::VAL_REFERENCE_TYPE, Severity::Warning, detail);
            return;
        }
        let assigned = known.and_then(|name| self.checker.program.assigned.get(name));
        if target.profiles.is_empty() || assigned.is_some_and(|url| target.profiles.contains(url)) {
            return;
        }
        let definitions = self.checker.program.definitions;
        if target.profiles.iter().all(|url| definitions.structure(url).is_some_and(|s| !s.is_profile())) {
            return;
        }
        self.not_checked(NotCheckedKey {
            rule: "target-profile".to_owned(),
            element: rule.id.to_owned(),
            value_set: None,
            reason: "the reference leads out of what is checked here".to_owned(),
        });
    }
}
