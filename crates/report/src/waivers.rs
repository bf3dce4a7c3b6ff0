//! `waivers.csv`: which finding of a rule somebody answers for by name, for how many patients, and until when.

use std::io::Read;
use std::path::PathBuf;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One waiver. It covers `rule` for at most `count` patients (findings, where no patient is known), and runs out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    pub rule: String,
    /// What it is limited to, in words; empty for the whole run.
    #[serde(default)]
    pub scope: String,
    pub count: u64,
    pub reason: String,
    /// Who answers for it.
    pub name: String,
    /// The last day on which it holds, `yyyy-mm-dd`.
    pub expires_on: String,
}

/// A waivers file that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum WaiverError {
    #[error("could not read {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: csv::Error,
    },
    #[error("{path} has the columns `{found}`; it needs rule,patients,reason,name,expires_on (and may have scope)")]
    Columns { path: PathBuf, found: String },
    #[error("{path}, line {line}: {what}; nothing was signed")]
    Line { path: PathBuf, line: u64, what: String },
}

/// Reads a waivers file: columns `rule,patients,reason,name,expires_on`, in any order, and `scope` where wanted.
///
/// `path` is for messages only. A waiver without a reason, a name or a day on which it ends is refused.
pub fn read(path: impl Into<PathBuf>, content: impl Read) -> Result<Vec<Waiver>, WaiverError> {
    let path = path.into();
    let unreadable = |source| WaiverError::Unreadable { path: path.clone(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(content);
    let heads = reader.headers().map_err(unreadable)?.clone();
    let position = |name: &str| heads.iter().position(|h| h == name);
    let known = ["rule", "patients", "reason", "name", "expires_on", "scope"];
    let needed: Option<Vec<usize>> = known[..5].iter().map(|n| position(n)).collect();
    let Some(needed) = needed.filter(|_| heads.iter().all(|h| known.contains(&h))) else {
        return Err(WaiverError::Columns { path, found: heads.iter().collect::<Vec<_>>().join(",") });
    };
    let mut waivers = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |i: usize| record.get(i).unwrap_or_default().to_owned();
        let fault = |what: String| WaiverError::Line { path: path.clone(), line, what };
        let count = cell(needed[1]);
        let waiver = Waiver {
            rule: cell(needed[0]),
            scope: position("scope").map(cell).unwrap_or_default(),
            count: count.parse().map_err(|_| fault("`patients` is not a whole number".to_owned()))?,
            reason: cell(needed[2]),
            name: cell(needed[3]),
            expires_on: cell(needed[4]),
        };
        check(&waiver).map_err(fault)?;
        waivers.push(waiver);
    }
    Ok(waivers)
}

/// What every waiver needs, wherever it comes from.
pub(crate) fn check(waiver: &Waiver) -> Result<(), String> {
    for (what, text) in [("rule", &waiver.rule), ("reason", &waiver.reason), ("name", &waiver.name)] {
        if text.trim().is_empty() {
            return Err(format!("`{what}` is empty"));
        }
    }
    match waiver.expires_on.parse::<Date>() {
        Ok(date) if date.to_string() == waiver.expires_on => Ok(()),
        _ => Err("`expires_on` is not a day written yyyy-mm-dd".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Waiver>, String> {
        read("waivers.csv", text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn columns_stand_in_any_order() {
        let waivers =
            of("name,rule,expires_on,patients,reason\nDr A. Example,ID-03,2026-12-31,17,known twins\n").unwrap();
        assert_eq!(waivers[0].rule, "ID-03");
        assert_eq!(waivers[0].count, 17);
        assert_eq!(waivers[0].scope, "");
    }

    #[test]
    fn a_waiver_without_an_end_a_reason_or_a_number_is_refused_with_its_line() {
        let head = "rule,patients,reason,name,expires_on\nAL-02,1,r,n,2026-01-01\n";
        let of_line = |line: &str| of(&format!("{head}{line}\n")).unwrap_err();
        assert_eq!(
            of_line("ID-03,x,r,n,2026-01-01"),
            "waivers.csv, line 3: `patients` is not a whole number; nothing was signed"
        );
        assert_eq!(of_line("ID-03,1,,n,2026-01-01"), "waivers.csv, line 3: `reason` is empty; nothing was signed");
        assert_eq!(
            of_line("ID-03,1,r,n,31/12/2026"),
            "waivers.csv, line 3: `expires_on` is not a day written yyyy-mm-dd; nothing was signed"
        );
    }

    #[test]
    fn an_unknown_or_missing_column_is_named() {
        let error = of("rule,patient,reason,name,expires_on\n").unwrap_err();
        assert!(error.contains("rule,patient,reason,name,expires_on"), "{error}");
        assert!(of("rule,patients,reason,name,expires_on,until\n").is_err());
    }
}
