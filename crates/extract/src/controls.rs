//! Controls: what a source itself counts, whatever a mapping makes of it.
//!
//! A spec says which staged rows are live allergies, alerts, future appointments, open RTT pathways, current
//! inpatients, current medicines and letters. Extract counts them while it stages, so the count knows no mapping, and validate compares the output
//! with it, row by row. The conditions are decided once for each table; a row costs a comparison or two.
//!
//! | what you want to find | where |
//! |---|---|
//! | the types of a control; its columns against a schema | here |
//! | the keys under `controls:`, and their faults | [`read`] |
//! | texts and typed cells to an instant or a day | [`time`] |
//! | what of a row must reach the output unchanged (`keeps:`) | [`keep`] |
//! | staged rows to `1-extract/<source>/controls.parquet` and `keeps.parquet` | [`count`] |

pub mod count;
pub mod keep;
pub mod read;
pub mod time;

use epr_model::Domain;
use epr_model::schema::TableSchema;

use crate::spec::SpecFault;
use crate::spec::fault::nearest;
use time::TimeReader;

/// The domains in which a source can be counted: those whose loss the hazard rules look for.
pub const DOMAINS: [Domain; 7] = [
    Domain::Allergy,
    Domain::Alert,
    Domain::Appointment,
    Domain::Rtt,
    Domain::Spell,
    Domain::Medication,
    Domain::Document,
];

/// One entry of `controls:`.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlSpec {
    pub domain: Domain,
    pub table: Named,
    /// All must hold.
    pub when: Vec<When>,
    /// Counted where this is blank, cannot be read, or is after the run's `as_of`.
    pub open: Option<TimeColumn>,
    pub at: Option<TimeColumn>,
    /// Counted only where `at` is after the run's `as_of`, or cannot be read: what cannot be read is not left out.
    pub future: bool,
    pub specialty: Option<Named>,
    pub place: Option<Named>,
    pub pathway: Option<Named>,
    /// The columns that hold the key of the patient's own row.
    pub patient: Vec<Named>,
    /// What of the row must reach the output unchanged.
    pub keeps: Vec<keep::Keep>,
    /// An entry of `controls:`; one of `keeps:` is not counted.
    pub is_counted: bool,
}

/// A name in a spec, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// A condition on one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    pub column: Named,
    /// Texts as staged; an empty one is null or blank.
    pub values: Vec<String>,
    /// None of the values, instead of one of them.
    pub is_not: bool,
}

/// A column that says when.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeColumn {
    pub column: Named,
    pub reader: TimeReader,
}

impl ControlSpec {
    /// Every column that the control speaks of.
    pub fn columns(&self) -> impl Iterator<Item = &Named> {
        let times = [&self.open, &self.at].into_iter().flatten().map(|t| &t.column);
        let single = [&self.specialty, &self.place, &self.pathway].into_iter().flatten();
        let kept = self.keeps.iter().flat_map(|k| &k.columns);
        self.when.iter().map(|w| &w.column).chain(times).chain(single).chain(&self.patient).chain(kept)
    }
}

/// What is wrong with the tables and columns that controls name, where the schema is known.
pub fn check(controls: &[ControlSpec], tables: &[TableSchema]) -> Vec<SpecFault> {
    let mut faults = Vec::new();
    let mut fault = |at: &Named, message: String, help: Option<&str>| {
        let help = help.map(|n| format!("did you mean `{n}`?"));
        faults.push(SpecFault { line: at.line, column: at.column, message, help });
    };
    for control in controls {
        let Some(table) = tables.iter().find(|t| t.name == control.table.name) else {
            let meant = nearest(&control.table.name, tables.iter().map(|t| t.name.as_str()));
            fault(&control.table, format!("there is no table `{}` under `tables`", control.table.name), meant);
            continue;
        };
        for column in control.columns().filter(|c| table.column(&c.name).is_none()) {
            let meant = nearest(&column.name, table.columns.iter().map(|c| c.name.as_str()));
            fault(column, format!("the table `{}` has no column `{}`", table.name, column.name), meant);
        }
    }
    faults
}
