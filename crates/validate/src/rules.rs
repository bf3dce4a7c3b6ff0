//! Hazard rules: what a profile allows and a clinician must still know of.
//!
//! One file a rule, with its page, its check and its tests. A rule that looks at one resource implements
//! [`ResourceRule`] and stands in [`RESOURCE_RULES`]; a run-wide one has a page in [`HAZARDS`] and is called by the
//! stage. Ids and severities: the project's rule catalogue; the severities are proposals for the safety officer.

pub mod al_01;
pub mod al_02;
pub mod al_03;
pub mod al_04;
pub mod al_05;
pub mod al_06;
pub mod ap_01;
pub mod ap_02;
pub mod ap_03;
pub mod ap_04;
pub mod co_01;
pub mod co_02;
pub mod co_03;
pub mod co_04;
pub mod da_01;
pub mod da_02;
pub mod da_03;
pub mod da_04;
pub mod da_05;
pub mod de_02;
pub mod de_03;
pub mod de_04;
pub mod do_01;
pub(crate) mod dose;
pub mod en_01;
pub mod en_02;
pub mod en_03;
pub mod en_04;
pub mod id_01;
pub mod id_02;
pub mod id_05;
pub mod id_06;
pub mod id_07;
pub mod id_08;
pub mod id_09;
pub mod id_10;
pub mod id_11;
pub mod id_12;
pub mod me_01;
pub mod me_02;
pub mod me_03;
pub mod me_04;
pub mod me_05;
mod nhs_identifier;
pub mod or_01;
pub mod re_01;
pub mod re_02;
pub(crate) mod reading;
pub mod rt_01;
pub mod rt_02;
pub mod rt_03;
pub mod rt_04;
pub mod rt_05;
mod sctid;
pub mod thresholds;

use epr_fhir::definitions::{Coding, Standing};
use epr_fhir::{Definitions, Node};
use epr_model::{IssueDoc, Severity};

pub use epr_model::hazard::HazardSeverity;

use self::thresholds::Thresholds;

/// The severity of the issue that a hazard raises.
pub const fn issue_severity(hazard: HazardSeverity) -> Severity {
    match hazard {
        HazardSeverity::Catastrophic | HazardSeverity::Major => Severity::Error,
        _ => Severity::Warning,
    }
}

/// The page of a hazard.
#[derive(Debug, Clone, Copy)]
pub struct HazardDoc {
    pub issue: IssueDoc,
    pub hazard: HazardSeverity,
}

impl HazardDoc {
    pub(crate) const fn new(
        id: &'static str,
        hazard: HazardSeverity,
        title: &'static str,
        explanation: &'static str,
    ) -> Self {
        Self { issue: IssueDoc { code: id, severity: issue_severity(hazard), title, explanation }, hazard }
    }
}

/// What the project says that rules depend on.
#[derive(Clone)]
pub struct RuleSettings<'a> {
    /// "Now", RFC 3339; its date is what rules compare with.
    pub as_of: String,
    /// Prefixes of the NHS number test range that stand for synthetic people.
    pub test_range: Vec<String>,
    /// Whether the project trusts the NHS numbers of the resource's source without a verification status.
    pub trusts_numbers: bool,
    /// The numbers in rules, as the project has them.
    pub thresholds: Thresholds,
    /// Where the lists of codes stand that the user holds.
    pub definitions: Option<&'a Definitions>,
}

impl RuleSettings<'_> {
    /// What a code is on the list that the user holds of its system; none where there is no such list.
    pub(crate) fn on_list(&self, system: &str, code: &str) -> Option<Standing> {
        let definitions = self.definitions?;
        definitions
            .code_lists()
            .any(|list| list.system() == system)
            .then(|| definitions.standing(Coding { system, code, version: None, display: None }, None))
    }
}

/// One thing that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HazardFinding {
    /// FHIRPath below the resource, with indices: `identifier[0].value`.
    pub path: String,
    /// What was expected and the shape of what is there; never a value.
    pub detail: String,
}

/// A rule that looks at one resource.
pub trait ResourceRule: Sync {
    fn doc(&self) -> &'static HazardDoc;
    /// The resource types that it looks at; [`ALL_TYPES`] for every one.
    fn types(&self) -> &'static [&'static str];
    fn check(&self, resource: Node<'_>, settings: &RuleSettings<'_>, out: &mut Vec<HazardFinding>);
}

/// What [`ResourceRule::types`] says of a rule that looks at all resources.
pub const ALL_TYPES: &[&str] = &[];

/// Whether a rule looks at resources of a type.
pub(crate) fn looks_at(rule: &dyn ResourceRule, resource_type: &str) -> bool {
    rule.types().is_empty() || rule.types().contains(&resource_type)
}

/// All rules that look at one resource, by id.
pub const RESOURCE_RULES: &[&dyn ResourceRule] = &[
    &al_02::Al02,
    &al_04::Al04,
    &ap_03::Ap03,
    &co_01::Co01,
    &co_02::Co02,
    &co_03::Co03,
    &da_01::Da01,
    &da_02::Da02,
    &de_02::De02,
    &do_01::Do01,
    &en_01::En01,
    &en_02::En02,
    &en_03::En03,
    &en_04::En04,
    &id_01::Id01,
    &id_02::Id02,
    &id_06::Id06,
    &id_07::Id07,
    &id_08::Id08,
    &id_09::Id09,
    &id_12::Id12,
    &me_02::Me02,
    &me_03::Me03,
    &me_04::Me04,
    &me_05::Me05,
    &or_01::Or01,
    &re_01::Re01,
    &re_02::Re02,
    &rt_02::Rt02,
    &rt_03::Rt03,
    &rt_05::Rt05,
];

/// The pages of all hazards of this crate, by id.
pub const HAZARDS: &[&HazardDoc] = &[
    &al_01::DOC,
    &al_02::DOC,
    &al_03::DOC,
    &al_04::DOC,
    &al_05::DOC,
    &al_06::DOC,
    &ap_01::DOC,
    &ap_02::DOC,
    &ap_03::DOC,
    &ap_04::DOC,
    &co_01::DOC,
    &co_02::DOC,
    &co_03::DOC,
    &co_04::DOC,
    &da_01::DOC,
    &da_02::DOC,
    &da_03::DOC,
    &da_04::DOC,
    &da_05::DOC,
    &de_02::DOC,
    &de_03::DOC,
    &de_04::DOC,
    &do_01::DOC,
    &en_01::DOC,
    &en_02::DOC,
    &en_03::DOC,
    &en_04::DOC,
    &id_01::DOC,
    &id_02::DOC,
    &id_05::DOC,
    &id_06::DOC,
    &id_07::DOC,
    &id_08::DOC,
    &id_09::DOC,
    &id_10::DOC,
    &id_11::DOC,
    &id_12::DOC,
    &me_01::DOC,
    &me_02::DOC,
    &me_03::DOC,
    &me_04::DOC,
    &me_05::DOC,
    &or_01::DOC,
    &re_01::DOC,
    &re_02::DOC,
    &rt_01::DOC,
    &rt_02::DOC,
    &rt_03::DOC,
    &rt_04::DOC,
    &rt_05::DOC,
];

#[cfg(test)]
pub(crate) fn found(rule: &dyn ResourceRule, json: &str) -> Vec<String> {
    found_where(rule, json, false)
}

#[cfg(test)]
pub(crate) fn found_where(rule: &dyn ResourceRule, json: &str, trusts_numbers: bool) -> Vec<String> {
    let (as_of, test_range) = ("2026-11-01T00:00:00Z".to_owned(), vec!["9990".to_owned()]);
    found_by(
        rule,
        json,
        &RuleSettings { as_of, test_range, trusts_numbers, thresholds: Thresholds::defaults(), definitions: None },
    )
}

/// With a list of a system's codes: lines of `code,display,inactive`.
#[cfg(test)]
pub(crate) fn found_with(rule: &dyn ResourceRule, json: &str, system: &str, lines: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.csv");
    std::fs::write(&path, format!("code,display,inactive\n{lines}")).unwrap();
    let mut definitions = Definitions::default();
    let whole = epr_fhir::definitions::Completeness::Whole;
    definitions.add_codes(epr_fhir::definitions::CodeList::read(system, &path, whole).unwrap());
    let (as_of, test_range) = ("2026-11-01T00:00:00Z".to_owned(), Vec::new());
    let definitions = Some(&definitions);
    let thresholds = Thresholds::defaults();
    found_by(rule, json, &RuleSettings { as_of, test_range, trusts_numbers: false, thresholds, definitions })
}

/// With a number of the rule changed.
#[cfg(test)]
pub(crate) fn found_tuned(rule: &dyn ResourceRule, json: &str, name: &str, value: u64) -> Vec<String> {
    let mut thresholds = Thresholds::defaults();
    thresholds.set(rule.doc().issue.code, name, value).unwrap();
    let (as_of, test_range) = ("2026-11-01T00:00:00Z".to_owned(), Vec::new());
    found_by(rule, json, &RuleSettings { as_of, test_range, trusts_numbers: false, thresholds, definitions: None })
}

#[cfg(test)]
fn found_by(rule: &dyn ResourceRule, json: &str, settings: &RuleSettings<'_>) -> Vec<String> {
    let resource = epr_fhir::Resource::parse_json(json.as_bytes()).unwrap();
    let mut out = Vec::new();
    rule.check(resource.root(), settings, &mut out);
    out.into_iter().map(|f| format!("{}: {}", f.path, f.detail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_page_under_its_own_id() {
        for hazard in HAZARDS {
            let code = hazard.issue.code;
            assert_eq!(epr_model::hazard::severity(code), Some(hazard.hazard), "{code} is not as the catalogue has it");
            assert!(crate::issues::explain(code).is_some(), "{code} has no page");
        }
        for rule in RESOURCE_RULES {
            assert!(HAZARDS.iter().any(|h| h.issue.code == rule.doc().issue.code));
        }
    }
}
