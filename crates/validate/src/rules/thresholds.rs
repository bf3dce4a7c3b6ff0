//! The numbers in rules that a project may change (`[rules]` in its file), each within bounds and with its unit in its name.
//!
//! What is no judgement stays in the rule: a pathway identifier has twenty characters, whatever a project thinks.

/// One number in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// The rule's id.
    pub rule: &'static str,
    /// The key in the project file, unit included.
    pub name: &'static str,
    pub default: u32,
    pub least: u32,
    pub most: u32,
}

const fn threshold(rule: &'static str, name: &'static str, default: u32, least: u32, most: u32) -> Threshold {
    Threshold { rule, name, default, least, most }
}

/// All of them, by rule and name. What each means stands on the page of its rule.
pub const THRESHOLDS: &[Threshold] = &[
    threshold("DA-02", "column_characters", 35, 10, 4000),
    threshold("DE-02", "max_hours_after_extract", 0, 0, 72),
    threshold("EN-02", "max_overlap_minutes", 0, 0, 1440),
    threshold("ID-09", "max_age_years", 120, 100, 150),
    threshold("ID-12", "max_mother_age_years", 60, 45, 80),
    threshold("ID-12", "min_mother_age_years", 10, 8, 20),
    threshold("ME-03", "rounding_per_mille", 1, 0, 100),
    threshold("RE-02", "max_minutes_before_specimen", 0, 0, 1440),
];

/// Why a number cannot be what a project makes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdFault {
    /// The rule has no such number.
    #[error("{rule} has no `{name}`; {}", known(rule))]
    Unknown {
        /// As the project has it.
        rule: String,
        /// As the project has it.
        name: String,
    },
    /// The number is too small or too large.
    #[error("{rule} takes a `{name}` from {least} to {most}")]
    OutOfRange {
        /// The rule's id.
        rule: &'static str,
        /// The key.
        name: &'static str,
        /// The smallest that it takes.
        least: u32,
        /// The largest.
        most: u32,
    },
}

fn known(rule: &str) -> String {
    let names: Vec<_> = THRESHOLDS.iter().filter(|t| t.rule == rule).map(|t| format!("`{}`", t.name)).collect();
    if names.is_empty() {
        "there is no number in it to change".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}

/// What rules compare with: the defaults, but for what the project changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// DA-02: the width of a legacy column of text.
    pub(crate) column_characters: u32,
    /// DE-02: how long after the extract a death may have been written down.
    pub(crate) max_hours_after_extract: u32,
    /// EN-02: how long an episode may go on when the next has begun.
    pub(crate) max_overlap_minutes: u32,
    /// ID-09: how old a person may be who is not known to be dead.
    pub(crate) max_age_years: u32,
    /// ID-12: how much older a mother may be than her child, and must be.
    pub(crate) max_mother_age_years: u32,
    pub(crate) min_mother_age_years: u32,
    /// ME-03: how far two doses may lie apart that say the same.
    pub(crate) rounding_per_mille: u32,
    /// RE-02: by how much the clocks of two systems may differ.
    pub(crate) max_minutes_before_specimen: u32,
}

/// A number that a project changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct TunedRule {
    pub rule: String,
    pub name: String,
    pub value: u32,
    pub default: u32,
}

impl Thresholds {
    /// The defaults.
    pub const fn defaults() -> Self {
        Self {
            column_characters: 35,
            max_hours_after_extract: 0,
            max_overlap_minutes: 0,
            max_age_years: 120,
            max_mother_age_years: 60,
            min_mother_age_years: 10,
            rounding_per_mille: 1,
            max_minutes_before_specimen: 0,
        }
    }

    /// Changes one number.
    ///
    /// # Errors
    /// [`ThresholdFault`] where the rule has no such number, or not in that size.
    pub fn set(&mut self, rule: &str, name: &str, value: u64) -> Result<(), ThresholdFault> {
        let unknown = || ThresholdFault::Unknown { rule: rule.to_owned(), name: name.to_owned() };
        let known = THRESHOLDS.iter().find(|t| t.rule == rule && t.name == name).ok_or_else(unknown)?;
        let within = u32::try_from(value).ok().filter(|value| (known.least..=known.most).contains(value));
        let Some(value) = within else {
            let Threshold { rule, name, least, most, .. } = *known;
            return Err(ThresholdFault::OutOfRange { rule, name, least, most });
        };
        *self.place(known.name).ok_or_else(unknown)? = value;
        Ok(())
    }

    /// What differs from the defaults, by rule and name.
    pub fn tuned(mut self) -> Vec<TunedRule> {
        let differs = |t: &Threshold| {
            let value = *self.place(t.name)?;
            let tuned = TunedRule { rule: t.rule.to_owned(), name: t.name.to_owned(), value, default: t.default };
            (value != t.default).then_some(tuned)
        };
        THRESHOLDS.iter().filter_map(differs).collect()
    }

    fn place(&mut self, name: &str) -> Option<&mut u32> {
        Some(match name {
            "column_characters" => &mut self.column_characters,
            "max_hours_after_extract" => &mut self.max_hours_after_extract,
            "max_overlap_minutes" => &mut self.max_overlap_minutes,
            "max_age_years" => &mut self.max_age_years,
            "max_mother_age_years" => &mut self.max_mother_age_years,
            "min_mother_age_years" => &mut self.min_mother_age_years,
            "rounding_per_mille" => &mut self.rounding_per_mille,
            "max_minutes_before_specimen" => &mut self.max_minutes_before_specimen,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::HAZARDS;

    #[test]
    fn each_number_has_its_default_its_place_and_a_line_on_the_page_of_its_rule() {
        assert!(THRESHOLDS.is_sorted_by_key(|t| (t.rule, t.name)));
        for t in THRESHOLDS {
            let mut all = Thresholds::defaults();
            assert_eq!(all.place(t.name).copied(), Some(t.default), "{}", t.name);
            assert!((t.least..=t.most).contains(&t.default), "{}", t.name);
            let page = HAZARDS.iter().find(|h| h.issue.code == t.rule).unwrap().issue.explanation;
            let told = format!("`{}` ({} to {}, default {})", t.name, t.least, t.most, t.default);
            assert!(page.contains(&told), "the page of {} does not say {told}", t.rule);
        }
        assert_eq!(Thresholds::defaults().tuned(), []);
    }

    #[test]
    fn a_number_is_changed_within_its_bounds_and_told() {
        let mut all = Thresholds::defaults();
        all.set("ID-09", "max_age_years", 110).unwrap();
        all.set("EN-02", "max_overlap_minutes", 1440).unwrap();
        let told: Vec<_> = all.tuned().into_iter().map(|t| (t.rule, t.value, t.default)).collect();
        assert_eq!(told, [("EN-02".to_owned(), 1440, 0), ("ID-09".to_owned(), 110, 120)]);
        for (rule, name, value, error) in [
            ("ID-09", "max_age_years", 99, "ID-09 takes a `max_age_years` from 100 to 150"),
            ("ID-09", "max_age_years", u64::MAX, "ID-09 takes a `max_age_years` from 100 to 150"),
            ("ID-09", "max_age_days", 1, "ID-09 has no `max_age_days`; it has `max_age_years`"),
            ("RT-05", "max_age_years", 1, "RT-05 has no `max_age_years`; there is no number in it to change"),
        ] {
            assert_eq!(all.set(rule, name, value).unwrap_err().to_string(), error);
        }
    }
}
