//! The generator's answer key: four CSV files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use epr_model::ResourceId;

use super::outcome::Outcome;

/// A source row: where it stands, and its key columns joined with `|`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// `<organisation>/<system>/<table>`.
    pub(crate) table: String,
    pub(crate) key: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.key)
    }
}

/// A patient row of a person.
pub(crate) struct Record {
    pub(crate) row: Row,
    /// Verified number, date of birth and a shared family name: link must join it with the others that do.
    pub(crate) meets_the_rule: bool,
}

/// Something that a migration must not lose.
pub(crate) struct Fact {
    pub(crate) domain: String,
    pub(crate) row: Row,
    /// An RFC 3339 instant, or a date.
    at: String,
}

pub(crate) struct Defect<'t> {
    pub(crate) kind: &'t str,
    /// One, or the two of which either serves.
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Truth {
    records: Vec<(String, Record)>,
    all_persons: Vec<String>,
    facts: Vec<Fact>,
    defects: Vec<(String, String, Row)>,
}

impl Truth {
    pub(crate) fn read(folder: &Path) -> Self {
        let lines = |name: &str| -> Vec<BTreeMap<String, String>> {
            let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
            reader.deserialize().map(Result::unwrap).collect()
        };
        let row = |l: &BTreeMap<String, String>| Row {
            table: format!("{}/{}/{}", l["organisation"], l["system"], l["table"]),
            key: l["key"].clone(),
        };
        let records = lines("records.csv");
        let record = |l: &BTreeMap<String, String>| {
            let record = Record { row: row(l), meets_the_rule: l["note"].contains("meets the rule") };
            (l["person"].clone(), record)
        };
        Self {
            all_persons: lines("persons.csv").iter().map(|l| l["person"].clone()).collect(),
            records: records.iter().map(record).collect(),
            facts: lines("facts.csv")
                .iter()
                .map(|l| Fact { domain: l["domain"].clone(), row: row(l), at: l["at"].clone() })
                .collect(),
            defects: lines("defects.csv").iter().map(|l| (l["defect"].clone(), l["kind"].clone(), row(l))).collect(),
        }
    }

    /// Each person with his or her patient rows.
    pub(crate) fn persons(&self) -> BTreeMap<&str, Vec<&Record>> {
        let mut persons: BTreeMap<&str, Vec<&Record>> =
            self.all_persons.iter().map(|p| (p.as_str(), Vec::new())).collect();
        for (person, record) in &self.records {
            persons.get_mut(person.as_str()).expect("a record is somebody's").push(record);
        }
        persons
    }

    /// Whether a record of the person cannot be linked by the automatic rule: it may stand alone.
    pub(crate) fn has_unlinked_record(&self, person: &str) -> bool {
        self.records.iter().any(|(p, r)| p == person && !r.meets_the_rule)
    }

    pub(crate) fn facts(&self) -> &[Fact] {
        &self.facts
    }

    pub(crate) fn defects(&self) -> Vec<Defect<'_>> {
        let mut defects: BTreeMap<&str, Defect<'_>> = BTreeMap::new();
        for (id, kind, row) in &self.defects {
            defects.entry(id).or_insert_with(|| Defect { kind, rows: Vec::new() }).rows.push(row.clone());
        }
        defects.into_values().collect()
    }

    /// Patients that hold the records of two people.
    pub(crate) fn shared_patients(&self, outcome: &Outcome) -> Vec<ResourceId> {
        let mut owners: BTreeMap<ResourceId, BTreeSet<&str>> = BTreeMap::new();
        for (person, record) in &self.records {
            if let Some(id) = outcome.patient_of(&record.row) {
                owners.entry(id).or_default().insert(person);
            }
        }
        owners.into_iter().filter(|(_, people)| people.len() > 1).map(|(id, _)| id).collect()
    }
}

impl Fact {
    pub(crate) fn resource_type(&self) -> &'static str {
        match self.domain.as_str() {
            "allergy" => "AllergyIntolerance",
            "alert" => "Flag",
            "appointment" => "Appointment",
            "rtt" => "EpisodeOfCare",
            "spell" => "Encounter",
            other => panic!("`{other}` is no domain of the answer key"),
        }
    }

    /// Whether a hazard is about facts of this domain.
    pub(crate) fn is_hit_by(&self, kind: &str) -> bool {
        match kind.split('-').next() {
            Some("AL") if kind == "AL-06" => self.domain == "alert",
            Some("AL") => self.domain == "allergy",
            Some("AP") => self.domain == "appointment",
            Some("RT") => self.domain == "rtt",
            Some("EN") => self.domain == "spell",
            _ => false,
        }
    }

    /// Whether a delivered time is the fact's: the same instant, or the same day where one of them has no time.
    pub(crate) fn is_at(&self, delivered: &str) -> bool {
        match (self.at.parse::<jiff::Timestamp>(), delivered.parse::<jiff::Timestamp>()) {
            (Ok(mine), Ok(theirs)) => mine == theirs,
            _ => self.at.get(..10) == delivered.get(..10),
        }
    }
}
