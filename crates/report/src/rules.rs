//! What a code means to this project: its page, how badly its hazard can harm, and what was decided about it.

use std::collections::BTreeMap;
use std::str::FromStr;

use epr_model::{HazardSeverity, IssueDoc, Severity, hazard};
use serde::{Deserialize, Serialize};

/// What the project says of a rule that finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleSetting {
    /// The rule is not asked: what it would have found is not known.
    Off,
    /// The resource is delivered; the finding is told.
    Deliver,
    /// The resource is not delivered.
    Hold,
    /// The verdict is "not ready" until a signature waives the rule and its count.
    Stop,
}

impl RuleSetting {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Deliver => "deliver",
            Self::Hold => "hold",
            Self::Stop => "stop",
        }
    }
}

/// A text that is none of `deliver`, `hold`, `stop`, `off`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rule is set to `deliver`, `hold`, `stop` or `off`, not to `{0}`")]
pub struct NotARuleSetting(pub String);

impl FromStr for RuleSetting {
    type Err = NotARuleSetting;

    fn from_str(text: &str) -> Result<Self, NotARuleSetting> {
        [Self::Off, Self::Deliver, Self::Hold, Self::Stop]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| NotARuleSetting(text.to_owned()))
    }
}

/// All that is known of the codes beforehand.
pub(crate) struct Rules<'a> {
    docs: BTreeMap<&'a str, &'a IssueDoc>,
    hazards: &'a BTreeMap<String, HazardSeverity>,
    settings: &'a BTreeMap<String, RuleSetting>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(
        docs: &'a [IssueDoc],
        hazards: &'a BTreeMap<String, HazardSeverity>,
        settings: &'a BTreeMap<String, RuleSetting>,
    ) -> Self {
        Self { docs: docs.iter().map(|d| (d.code, d)).collect(), hazards, settings }
    }

    pub(crate) fn doc(&self, code: &str) -> Option<&'a IssueDoc> {
        self.docs.get(code).copied()
    }

    /// The sentence that a reader meets first, with a capital.
    pub(crate) fn title(&self, code: &str) -> String {
        let title = self.doc(code).map_or("a rule that has no page in this version", |d| d.title);
        let mut letters = title.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    /// The project's word, else the catalogue's; `None` for the program's own rules.
    pub(crate) fn hazard_severity(&self, code: &str) -> Option<HazardSeverity> {
        let proposed = || hazard::severity(code);
        self.hazards.get(code).copied().or_else(proposed)
    }

    /// What holds for a code: the project's word, else by kind (ARCHITECTURE.md, "Holds").
    pub(crate) fn setting(&self, code: &str, worst: Severity) -> RuleSetting {
        if let Some(setting) = self.settings.get(code) {
            return *setting;
        }
        match self.hazard_severity(code) {
            Some(severity) if severity >= HazardSeverity::Major => RuleSetting::Stop,
            None if is_profile_rule(code) && worst >= Severity::Error => RuleSetting::Hold,
            _ => RuleSetting::Deliver,
        }
    }
}

/// Whether a code is one of validate's own rules, as against a hazard.
pub(crate) fn is_profile_rule(code: &str) -> bool {
    code.strip_prefix("VAL").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_word_goes_before_the_rule_of_kind() {
        let hazards = BTreeMap::from([("ID-09".to_owned(), HazardSeverity::Considerable)]);
        let settings = BTreeMap::from([("ID-06".to_owned(), RuleSetting::Hold)]);
        let rules = Rules::new(&[], &hazards, &settings);
        assert_eq!(rules.setting("ID-03", Severity::Warning), RuleSetting::Stop);
        assert_eq!(rules.setting("ID-04", Severity::Warning), RuleSetting::Stop);
        assert_eq!(rules.setting("ID-06", Severity::Warning), RuleSetting::Hold);
        assert_eq!(rules.setting("ID-09", Severity::Error), RuleSetting::Deliver);
        assert_eq!(rules.setting("VAL0101", Severity::Error), RuleSetting::Hold);
        assert_eq!(rules.setting("VAL0101", Severity::Warning), RuleSetting::Deliver);
        assert_eq!(rules.setting("MAP0410", Severity::Error), RuleSetting::Deliver);
    }

    #[test]
    fn a_setting_that_is_none_is_refused_by_name() {
        let error = "halt".parse::<RuleSetting>().unwrap_err();
        assert_eq!(error.to_string(), "a rule is set to `deliver`, `hold`, `stop` or `off`, not to `halt`");
    }
}
