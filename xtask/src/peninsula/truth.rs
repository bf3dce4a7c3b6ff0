//! The answer key: who the people are, where their records stand, which facts must not be lost, what was planted.
//!
//! Four CSV files in `truth/`, written as the exporters tell of their rows. `epr` never reads them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};
use csv::Writer;

use super::model::{Defect, Kind, Person, Registration, Row, System};

/// The facts that a migration must not lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Domain {
    Allergy,
    Alert,
    Rtt,
    Appointment,
    Spell,
}

impl Domain {
    fn code(self) -> &'static str {
        match self {
            Self::Allergy => "allergy",
            Self::Alert => "alert",
            Self::Rtt => "rtt",
            Self::Appointment => "appointment",
            Self::Spell => "spell",
        }
    }
}

/// Where a row stands: its table and its key columns, joined with `|`, as the staged table has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) system: System,
    pub(crate) table: &'a str,
    pub(crate) key: &'a str,
}

/// Writes the answer key and counts it.
pub(crate) struct Truth {
    persons: Writer<BufWriter<File>>,
    records: Writer<BufWriter<File>>,
    facts: Writer<BufWriter<File>>,
    defects: Writer<BufWriter<File>>,
    n_facts: u64,
    n_records_of_person: u32,
    pub(crate) counts: Counts,
}

/// What was written, for the summary.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) people: u64,
    /// By system.
    pub(crate) records: BTreeMap<System, u64>,
    pub(crate) facts: BTreeMap<&'static str, u64>,
    /// Planted defects by kind; one of two rows counts once.
    pub(crate) defects: BTreeMap<Kind, u64>,
}

impl Truth {
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let open = |name: &str, heads: &[&str]| -> Result<Writer<BufWriter<File>>> {
            let path = folder.join(name);
            let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
            let mut writer = Writer::from_writer(BufWriter::new(file));
            writer.write_record(heads)?;
            Ok(writer)
        };
        Ok(Self {
            persons: open("persons.csv", &["person", "founding_note", "n_records"])?,
            records: open(
                "records.csv",
                &["person", "organisation", "system", "table", "key", "has_nhs_number", "verified", "note"],
            )?,
            facts: open("facts.csv", &["fact", "person", "domain", "organisation", "system", "table", "key", "at"])?,
            defects: open(
                "defects.csv",
                &["kind", "organisation", "system", "table", "key", "person", "note", "defect"],
            )?,
            n_facts: 0,
            n_records_of_person: 0,
            counts: Counts::default(),
        })
    }

    /// A patient row. `note` says what is special about it: `meets the rule`, `no number`, `no family name`, …;
    /// [`rule_note`] gives the ordinary one. Where a planted defect spoils the identity, that is said instead. Records
    /// its registration's defect too.
    pub(crate) fn record(
        &mut self,
        person: &Person,
        registration: &Registration,
        at: At<'_>,
        note: &str,
    ) -> Result<()> {
        let has_number = if registration.nhs_number.is_some() { "true" } else { "false" };
        let spoilt = registration.defect.as_ref().filter(|defect| defect.of.is_none()).map(|defect| defect.kind);
        let is_valid = spoilt != Some(Kind::Id01);
        let verified = if registration.is_verified() && is_valid { "true" } else { "false" };
        let note = match spoilt {
            Some(Kind::Id01 | Kind::Id02 | Kind::Id03 | Kind::Id06 | Kind::Id08 | Kind::Id09) => {
                "planted: does not meet the rule"
            }
            _ => note,
        };
        let organisation = at.system.organisation().code();
        self.records.write_record([
            &name(person),
            organisation,
            at.system.name(),
            at.table,
            at.key,
            has_number,
            verified,
            note,
        ])?;
        self.n_records_of_person += 1;
        *self.counts.records.entry(at.system).or_default() += 1;
        self.defect(person, registration.defect.as_ref(), at)
    }

    /// A row of a fact: writes its defect, if it has one, and where `live_at` is given also the fact that must not
    /// be lost (an RFC 3339 instant or a date). A row of a patient who exists nowhere is no fact of a person.
    pub(crate) fn fact(
        &mut self,
        person: &Person,
        row: &Row,
        domain: Domain,
        at: At<'_>,
        live_at: Option<&str>,
    ) -> Result<()> {
        if let (Some(instant), None) = (live_at, row.orphan) {
            self.n_facts += 1;
            let organisation = at.system.organisation().code();
            let fact = format!("F{:07}", self.n_facts);
            let person = name(person);
            self.facts.write_record([
                fact.as_str(),
                &person,
                domain.code(),
                organisation,
                at.system.name(),
                at.table,
                at.key,
                instant,
            ])?;
            *self.counts.facts.entry(domain.code()).or_default() += 1;
        }
        self.defect(person, row.defect.as_ref(), at)
    }

    /// A row that carries a planted defect. Call it for rows of no domain above (problems, episodes, …); `record`
    /// and `fact` call it themselves.
    pub(crate) fn defect(&mut self, person: &Person, defect: Option<&Defect>, at: At<'_>) -> Result<()> {
        let Some(defect) = defect else { return Ok(()) };
        // Two rows of one defect stand under one name; either of them serves to find it.
        let id = format!("{}:{}", defect.kind.code(), name_of(defect.of.unwrap_or(person.number)));
        self.defects.write_record([
            defect.kind.code(),
            at.system.organisation().code(),
            at.system.name(),
            at.table,
            at.key,
            &name(person),
            defect.note,
            &id,
        ])?;
        if defect.of.is_none() {
            *self.counts.defects.entry(defect.kind).or_default() += 1;
        }
        Ok(())
    }

    /// Closes a person after all exporters have written them.
    pub(crate) fn person(&mut self, person: &Person) -> Result<()> {
        self.persons.write_record([&name(person), person.note, &self.n_records_of_person.to_string()])?;
        self.n_records_of_person = 0;
        self.counts.people += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Counts> {
        for writer in [&mut self.persons, &mut self.records, &mut self.facts, &mut self.defects] {
            writer.flush()?;
        }
        Ok(self.counts)
    }
}

/// What the automatic link rule can do with an ordinary record that has a family name and a birth date.
pub(crate) fn rule_note(registration: &Registration) -> &'static str {
    if registration.is_verified() {
        "meets the rule"
    } else if registration.nhs_number.is_some() {
        "number not verified"
    } else {
        "no number"
    }
}

fn name(person: &Person) -> String {
    name_of(person.number)
}

fn name_of(number: u64) -> String {
    format!("P{number:07}")
}
