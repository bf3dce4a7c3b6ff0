//! The 5×5 matrix of DCB0129, and where the hazards that were found stand in it.
//!
//! The program proposes how badly a hazard can harm, and counts the patients. How likely harm is, and whether the
//! rating is acceptable, is the clinical safety officer's to say: so a hazard stands in a column, never in a cell.
//!
//! Source of the ratings: the risk matrix of DCB0129 as published with UK Core's hazard log.

use std::collections::BTreeMap;

use epr_model::{HazardSeverity, hazard};

use crate::figures::{Finding, MatrixColumn, MatrixRow, RiskMatrix};
use crate::numbers::Count;
use crate::patients::PeopleSet;
use crate::tally::Tally;

/// Likelihood, with the words that define it, and the rating under each severity from minor to catastrophic.
const ROWS: [(&str, &str, [u8; 5]); 5] = [
    ("Very high", "certain or almost certain", [3, 4, 4, 5, 5]),
    ("High", "not certain, but very possible", [2, 3, 3, 4, 5]),
    ("Medium", "possible", [2, 2, 3, 3, 4]),
    ("Low", "could occur, but mostly will not", [1, 2, 2, 3, 4]),
    ("Very low", "negligible", [1, 1, 2, 2, 3]),
];

const SEVERITIES: [HazardSeverity; 5] = [
    HazardSeverity::Minor,
    HazardSeverity::Significant,
    HazardSeverity::Considerable,
    HazardSeverity::Major,
    HazardSeverity::Catastrophic,
];

/// The lowest and the highest rating that a hazard of this severity can be given.
pub(crate) fn range(severity: HazardSeverity) -> (u8, u8) {
    let column = severity as usize;
    (ROWS[4].2[column], ROWS[0].2[column])
}

/// The matrix with the hazards of this run above its columns; people are counted once in each column.
pub(crate) fn matrix(findings: &[Finding], tally: &Tally, patients: u64) -> RiskMatrix {
    let mut people: BTreeMap<HazardSeverity, PeopleSet> = BTreeMap::new();
    let mut codes: BTreeMap<HazardSeverity, Vec<String>> = BTreeMap::new();
    let mut n: BTreeMap<HazardSeverity, u64> = BTreeMap::new();
    for finding in findings {
        let Some(severity) = finding.hazard_severity else { continue };
        if let Some(code) = tally.codes.get(&finding.code) {
            people.entry(severity).or_default().add_all(&code.people);
        }
        codes.entry(severity).or_default().push(finding.code.clone());
        *n.entry(severity).or_default() += finding.findings.n;
    }
    // By id, as people look for them; how grave each is, its column says.
    for of_one in codes.values_mut() {
        of_one.sort();
    }
    let n_found = codes.values().map(|c| c.len() as u64).sum();
    let n_hazards = Count::new(n_found, hazard::HAZARDS.len() as u64, "hazards");
    let columns = SEVERITIES
        .into_iter()
        .map(|severity| MatrixColumn {
            severity,
            codes: codes.remove(&severity).unwrap_or_default(),
            patients: Count::new(people.get(&severity).map_or(0, PeopleSet::len), patients, "patients"),
            findings: Count::new(n.get(&severity).copied().unwrap_or(0), tally.n, "findings"),
        })
        .collect();
    let rows = ROWS
        .into_iter()
        .map(|(likelihood, means, ratings)| MatrixRow {
            likelihood: likelihood.to_owned(),
            means: means.to_owned(),
            ratings: ratings.to_vec(),
        })
        .collect();
    RiskMatrix { n_hazards, columns, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_never_falls_with_severity_or_likelihood() {
        for (_, _, ratings) in ROWS {
            assert!(ratings.windows(2).all(|w| w[0] <= w[1]), "{ratings:?}");
        }
        for column in 0..5 {
            assert!(ROWS.windows(2).all(|w| w[0].2[column] >= w[1].2[column]), "column {column}");
        }
        assert_eq!(range(HazardSeverity::Minor), (1, 3));
        assert_eq!(range(HazardSeverity::Catastrophic), (3, 5));
    }
}
