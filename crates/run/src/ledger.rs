//! The three ledgers. A stage whose ledger does not balance fails (exit 5).

use std::collections::BTreeMap;

use epr_model::{ControlOutcome, Domain, RowOutcome};
use serde::{Deserialize, Serialize};

/// A ledger line that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger of {what} does not balance: {left} on the left, {right} on the right")]
pub struct Imbalance {
    pub what: String,
    pub left: u64,
    pub right: u64,
}

/// The ledgers that one stage can vouch for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledgers {
    /// (1) map × row, from stage map.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<MapLedger>,
    /// (2) table, from stage map.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableLedger>,
    /// (3) resources by type: stage link knows merged, validate knows held, load knows the rest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceLedger>,
    /// The sources' own counts: extract knows how many, validate what became of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlLedger>,
}

impl Ledgers {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn check(&self) -> Result<(), Imbalance> {
        self.maps.iter().try_for_each(MapLedger::check)?;
        self.tables.iter().try_for_each(TableLedger::check)?;
        self.resources.iter().try_for_each(|(kind, ledger)| ledger.check(kind))?;
        self.controls.iter().try_for_each(ControlLedger::check)
    }
}

/// Rows that a source counts in a domain = delivered + held + refused + superseded + repeated + lost + changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlLedger {
    pub organisation: String,
    pub system: String,
    pub table: String,
    pub domain: Domain,
    pub rows: u64,
    /// Absent before validate, which alone knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<BTreeMap<ControlOutcome, u64>>,
}

impl ControlLedger {
    pub fn check(&self) -> Result<(), Imbalance> {
        let Some(outcomes) = &self.outcomes else { return Ok(()) };
        let what =
            || format!("control {} of {}/{}/{}", self.domain.as_str(), self.organisation, self.system, self.table);
        balance(what, self.rows, outcomes.values().sum())
    }
}

/// Rows in scope = mapped + refused + excluded + superseded + repeated + empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapLedger {
    /// `<ods>/<system>/<map>`.
    pub map: String,
    pub organisation: String,
    pub system: String,
    pub table: String,
    pub domain: Domain,
    pub in_scope: u64,
    pub mapped: u64,
    pub refused: u64,
    pub excluded: u64,
    pub superseded: u64,
    pub repeated: u64,
    pub empty: u64,
    /// Resources made from the mapped rows.
    pub n_resources: u64,
    /// Who answers for the map, as its `safety:` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl MapLedger {
    /// Counts one row.
    pub fn count(&mut self, outcome: RowOutcome, n_resources: u64) {
        let cell = match outcome {
            RowOutcome::Mapped => &mut self.mapped,
            RowOutcome::Refused => &mut self.refused,
            RowOutcome::Excluded => &mut self.excluded,
            RowOutcome::Superseded => &mut self.superseded,
            RowOutcome::Repeated => &mut self.repeated,
            RowOutcome::Empty => &mut self.empty,
        };
        *cell += 1;
        self.n_resources += n_resources;
    }

    /// Rows by outcome, in the order of [`RowOutcome::ALL`].
    pub fn outcomes(&self) -> [(RowOutcome, u64); RowOutcome::ALL.len()] {
        RowOutcome::ALL.map(|outcome| {
            let n = match outcome {
                RowOutcome::Mapped => self.mapped,
                RowOutcome::Refused => self.refused,
                RowOutcome::Excluded => self.excluded,
                RowOutcome::Superseded => self.superseded,
                RowOutcome::Repeated => self.repeated,
                RowOutcome::Empty => self.empty,
            };
            (outcome, n)
        })
    }

    pub fn check(&self) -> Result<(), Imbalance> {
        let right = self.outcomes().into_iter().map(|(_, n)| n).sum();
        balance(|| format!("map {}", self.map), self.in_scope, right)
    }
}

/// Rows = in scope of at least one map + look-up only + not used, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableLedger {
    pub organisation: String,
    pub system: String,
    pub table: String,
    pub rows: u64,
    pub in_scope: u64,
    pub lookup_only: u64,
    pub not_used: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl TableLedger {
    pub fn check(&self) -> Result<(), Imbalance> {
        let what = || format!("table {}/{}/{}", self.organisation, self.system, self.table);
        balance(what, self.rows, self.in_scope + self.lookup_only + self.not_used)
    }
}

/// mapped = delivered + merged + held; delivered = confirmed + unchanged + rejected + in doubt + edited + blocked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLedger {
    pub mapped: u64,
    pub merged: u64,
    pub held: u64,
    pub delivered: u64,
    /// What the target said of the delivered ones; absent before the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_target: Option<TargetLedger>,
}

/// What became of the delivered resources at the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetLedger {
    pub confirmed: u64,
    pub unchanged: u64,
    pub rejected: u64,
    pub in_doubt: u64,
    /// Edited at the target since the last load, and not overwritten.
    pub edited: u64,
    /// Waiting for a resource that the target rejected.
    pub blocked: u64,
}

impl ResourceLedger {
    pub fn check(&self, kind: &str) -> Result<(), Imbalance> {
        balance(|| format!("{kind} resources"), self.mapped, self.delivered + self.merged + self.held)?;
        let Some(t) = &self.at_target else { return Ok(()) };
        let right = t.confirmed + t.unchanged + t.rejected + t.in_doubt + t.edited + t.blocked;
        balance(|| format!("{kind} resources at the target"), self.delivered, right)
    }
}

fn balance(what: impl FnOnce() -> String, left: u64, right: u64) -> Result<(), Imbalance> {
    if left == right { Ok(()) } else { Err(Imbalance { what: what(), left, right }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_without_an_outcome_is_found() {
        let mut ledger = MapLedger {
            map: "rk9/ipm/patient".to_owned(),
            organisation: "RK9".to_owned(),
            system: "ipm".to_owned(),
            table: "PATIENTS".to_owned(),
            domain: Domain::Pmi,
            in_scope: 2,
            mapped: 0,
            refused: 0,
            excluded: 0,
            superseded: 0,
            repeated: 0,
            empty: 0,
            n_resources: 0,
            owner: None,
        };
        ledger.count(RowOutcome::Mapped, 1);
        let imbalance = ledger.check().unwrap_err();
        assert_eq!(
            imbalance.to_string(),
            "the ledger of map rk9/ipm/patient does not balance: 2 on the left, 1 on the right"
        );
        ledger.count(RowOutcome::Empty, 0);
        assert_eq!(ledger.check(), Ok(()));
    }

    #[test]
    fn a_resource_that_the_target_never_answered_for_is_found() {
        let ledger = ResourceLedger {
            mapped: 3,
            merged: 1,
            held: 0,
            delivered: 2,
            at_target: Some(TargetLedger { confirmed: 1, ..TargetLedger::default() }),
        };
        assert_eq!(ledger.check("Patient").unwrap_err().what, "Patient resources at the target");
    }
}
