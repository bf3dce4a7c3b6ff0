//! Who became whom: the ids that link retired, and the records of which a person was composed.
//!
//! A composed Patient shows one value where its records had several, so the rules over Patients look at each record
//! as its own source has it, in `2-map`, and not at the composed one. What they find is told under the person's id.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use epr_fhir::Resource;
use epr_model::{Action, Issue, ResourceId, Stage};
use epr_run::parts::{self, PartReader};
use epr_run::records::{self, KeyRecord, LinkRecord};
use epr_run::{FinishedStage, RunError, StageContext};

use super::facts::Extracted;
use super::{Actions, Output, Settings};
use crate::rules::{self, RESOURCE_RULES};

/// What link decided.
#[derive(Debug, Default)]
pub(super) struct People {
    /// Retired id to person.
    links: HashMap<ResourceId, ResourceId>,
    persons: BTreeSet<ResourceId>,
}

impl People {
    pub(super) fn read(link: &FinishedStage) -> Result<Self, RunError> {
        let mut people = Self::default();
        for record in records::read::<LinkRecord>(link)? {
            let record = record?;
            people.persons.insert(record.person_id);
            people.links.insert(record.retired_id, record.person_id);
        }
        Ok(people)
    }

    /// The person that a mapped Patient is part of.
    pub(super) fn person(&self, id: ResourceId) -> ResourceId {
        self.links.get(&id).copied().unwrap_or(id)
    }

    /// Whether a Patient is composed of several, or one of those of which another is.
    pub(super) fn is_composed(&self, id: ResourceId) -> bool {
        self.persons.contains(&id) || self.links.contains_key(&id)
    }
}

/// What was found in the records of composed persons.
#[derive(Debug, Default)]
pub(super) struct OfRecords {
    /// By code: how often it was asked, and how often it found something.
    pub(super) counts: BTreeMap<&'static str, (u64, u64)>,
    /// Persons to hold for a rule that the project says holds.
    pub(super) holds: Vec<(ResourceId, &'static str)>,
}

/// Asks the rules over Patients of every mapped record of a composed person, and writes what they find.
pub(super) fn check_records(
    ctx: StageContext<'_>,
    people: &People,
    settings: &Settings<'_>,
    actions: &Actions<'_>,
    out: &mut Output,
) -> Result<OfRecords, RunError> {
    let mut found = OfRecords::default();
    let Some(map) = ctx.run.finished(Stage::Map)?.filter(|_| !people.persons.is_empty()) else { return Ok(found) };
    let lineages = lineages(&map, people)?;
    let mut issues: Vec<Issue> = Vec::new();
    let (mut resource, mut bytes, mut hazards) = (Resource::default(), Vec::new(), Vec::new());
    for path in parts::part_paths(&map, "Patient") {
        ctx.stop.check()?;
        let mut reader = PartReader::open(&path)?;
        while reader.next_into(&mut bytes)? {
            let id = epr_run::line::identity(&bytes).and_then(|i| i.id.parse::<ResourceId>().ok());
            let Some(id) = id.filter(|id| people.is_composed(*id)) else { continue };
            // What cannot be read was refused by link already.
            if resource.parse_json_into(&bytes).is_err() {
                continue;
            }
            let person = people.person(id);
            let settings = settings.of(lineages.get(&id).map(|l| l.table.as_ref()));
            for rule in RESOURCE_RULES.iter().filter(|r| rules::looks_at(**r, "Patient")) {
                hazards.clear();
                rule.check(resource.root(), settings, &mut hazards);
                let doc = rule.doc();
                let count = found.counts.entry(doc.issue.code).or_default();
                count.0 += 1;
                count.1 += u64::from(!hazards.is_empty());
                let holds = actions.of_hazard(doc.issue.code, doc.hazard) == super::RuleAction::Hold;
                if holds && !hazards.is_empty() {
                    found.holds.push((person, doc.issue.code));
                }
                for hazard in hazards.drain(..) {
                    let action = if holds { Action::Held } else { Action::Kept };
                    let mut issue = Issue::new(doc.issue.code, doc.issue.severity, action, Stage::Validate);
                    if let Some(lineage) = lineages.get(&id) {
                        lineage.set(&mut issue);
                    }
                    issue.resource_type = Some("Patient".to_owned());
                    issue.resource_id = Some(person);
                    issue.patient_key = Some(person);
                    issue.fhir_path = Some(format!("Patient.{}", hazard.path));
                    issue.shape = Some(hazard.detail);
                    issues.push(issue);
                }
            }
        }
    }
    issues.sort();
    issues.iter().try_for_each(|issue| out.push(issue))?;
    found.holds.sort();
    Ok(found)
}

struct Lineage {
    table: Arc<str>,
    map: Arc<str>,
    row_no: u64,
}

impl Lineage {
    fn set(&self, issue: &mut Issue) {
        let mut names = self.table.splitn(3, '/').map(str::to_owned);
        (issue.organisation, issue.system, issue.table) = (names.next(), names.next(), names.next());
        issue.row_no = Some(self.row_no);
        issue.map = Some(self.map.as_ref().to_owned());
    }
}

/// Where the records of composed persons came from.
fn lineages(map: &FinishedStage, people: &People) -> Result<HashMap<ResourceId, Lineage>, RunError> {
    let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let mut name = |text: String| names.entry(text).or_insert_with_key(|t| t.as_str().into()).clone();
    let mut lineages = HashMap::new();
    for key in records::read::<KeyRecord>(map)? {
        let key = key?;
        if key.resource_type == "Patient" && people.is_composed(key.id) {
            let lineage = Lineage { table: name(key.table), map: name(key.map), row_no: key.row_no };
            lineages.insert(key.id, lineage);
        }
    }
    Ok(lineages)
}

/// The patient of a resource: by R4's own elements, or the participant of an Appointment.
pub(super) fn patient_of(by_element: Option<ResourceId>, extracted: &Extracted) -> Option<ResourceId> {
    by_element.or(extracted.participant)
}
