//! `[rules]` of the project file: what becomes of what a rule finds, whether it is asked at all, and the numbers in it.
//!
//! `ID-03 = "hold"`, or a table: `ID-09 = { action = "deliver", max_age_years = 110 }`. Only hazards that validate alone
//! tells of can be switched off: on the others map and link depend, whoever reads their findings.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{anyhow, bail};
use epr_validate::RuleAction;
use epr_validate::rules::HAZARDS;
use epr_validate::rules::thresholds::Thresholds;
use epr_validate::stage::PROFILE_RULE;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// What a project says of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RuleEntry {
    pub(crate) action: Option<RuleAction>,
    /// By name, as written.
    pub(crate) numbers: BTreeMap<String, u64>,
}

/// The whole section, as stages take it.
pub(crate) struct Rules {
    pub(crate) actions: BTreeMap<String, RuleAction>,
    pub(crate) thresholds: Thresholds,
}

const ACTIONS: &[&str] = &["deliver", "hold", "stop", "off"];
/// Hazards that are told where they are met, before anything is validated: by map, and by link.
const TOLD_EARLIER: [(&str, &str); 5] =
    [("DE-01", "link"), ("ID-01", "map"), ("ID-03", "link"), ("ID-04", "link"), ("ID-10", "link")];

/// Checks names and bounds.
pub(crate) fn read(entries: &BTreeMap<String, RuleEntry>) -> anyhow::Result<Rules> {
    let codes = crate::commands::explain::all_codes();
    let mut rules = Rules { actions: BTreeMap::new(), thresholds: Thresholds::defaults() };
    for (rule, entry) in entries {
        if rule != PROFILE_RULE && !codes.iter().any(|doc| doc.code == rule) {
            bail!("rules.{rule}: there is no such rule; `epr explain {rule}` names those that are spelt like it");
        }
        if entry.action == Some(RuleAction::Off) {
            may_be_off(rule)?;
        }
        rules.actions.extend(entry.action.map(|action| (rule.clone(), action)));
        for (name, value) in &entry.numbers {
            rules.thresholds.set(rule, name, *value).map_err(|fault| anyhow!("rules.{rule}.{name}: {fault}"))?;
        }
    }
    Ok(rules)
}

fn may_be_off(rule: &str) -> anyhow::Result<()> {
    const INSTEAD: &str = "`deliver` tells it and holds nothing back";
    if let Some((_, stage)) = TOLD_EARLIER.iter().find(|(code, _)| *code == rule) {
        bail!("rules.{rule}: {stage} depends on it, so it cannot be switched off; {INSTEAD}");
    }
    if !HAZARDS.iter().any(|hazard| hazard.issue.code == rule) {
        bail!("rules.{rule}: only hazards can be switched off; {INSTEAD}");
    }
    Ok(())
}

impl<'de> Deserialize<'de> for RuleEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Entry)
    }
}

struct Entry;

impl<'de> Visitor<'de> for Entry {
    type Value = RuleEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`deliver`, `hold`, `stop` or `off`, or a table with `action` and the numbers of the rule")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RuleEntry, E> {
        Ok(RuleEntry { action: Some(action(text)?), numbers: BTreeMap::new() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RuleEntry, A::Error> {
        let mut entry = RuleEntry::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == "action" {
                entry.action = Some(action(&map.next_value::<String>()?)?);
            } else {
                entry.numbers.insert(name, map.next_value()?);
            }
        }
        Ok(entry)
    }
}

fn action<E: Error>(text: &str) -> Result<RuleAction, E> {
    match text {
        "deliver" => Ok(RuleAction::Deliver),
        "hold" => Ok(RuleAction::Hold),
        "stop" => Ok(RuleAction::Stop),
        "off" => Ok(RuleAction::Off),
        other => Err(E::unknown_variant(other, ACTIONS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Rules, String> {
        let entries = toml::from_str(text).map_err(|error| error.to_string())?;
        read(&entries).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rule_has_an_action_and_numbers_or_either() {
        let rules = of("ID-03 = \"hold\"\nAP-03 = \"off\"\nID-09 = { action = \"deliver\", max_age_years = 110 }\n\
                        profile = \"deliver\"\n[EN-02]\nmax_overlap_minutes = 5\n")
        .unwrap();
        let told: Vec<_> = rules.actions.iter().map(|(rule, action)| format!("{rule} {action:?}")).collect();
        assert_eq!(told, ["AP-03 Off", "ID-03 Hold", "ID-09 Deliver", "profile Deliver"]);
        let told: Vec<_> = rules.thresholds.tuned().into_iter().map(|t| (t.name, t.value)).collect();
        assert_eq!(told, [("max_overlap_minutes".to_owned(), 5), ("max_age_years".to_owned(), 110)]);
    }

    #[test]
    fn what_no_rule_has_is_refused() {
        for (text, expected) in [
            ("ID-99 = \"hold\"", "there is no such rule"),
            ("ID-09 = \"halt\"", "unknown variant `halt`"),
            ("ID-03 = \"off\"", "link depends on it"),
            ("profile = \"off\"", "only hazards can be switched off"),
            ("VAL0050 = \"off\"", "only hazards can be switched off"),
            ("ID-09 = { max_age_years = 20 }", "from 100 to 150"),
            ("ID-09 = { max_age_years = -1 }", "invalid value"),
            ("ID-09 = { max_age_years = \"old\" }", "invalid type"),
            ("ID-09 = { oldest = 110 }", "ID-09 has no `oldest`; it has `max_age_years`"),
        ] {
            let error = of(text).err().unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
