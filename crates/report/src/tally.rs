//! One pass over the findings of all stages: counted by code, listed in `issues.csv`, gathered by resource.
//!
//! Memory grows with codes, maps and people, not with findings: distinct people are bits, distinct places and the
//! resources of `outcomes.ndjson` are put aside on disk ([`crate::spill`]).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use epr_model::{Action, Issue, ResourceId, Severity, Stage};
use epr_run::{FinishedStage, RunError, StageContext, StageFolder, records};

use crate::ReportError;
use crate::issue_list::IssueList;
use crate::outcomes::OutcomeFile;
use crate::patients::{People, PeopleSet};
use crate::rules::Rules;
use crate::spill::Spill;

/// Examples that a finding shows.
pub(crate) const EXAMPLES: usize = 3;

/// The severities, as an index into arrays of four.
pub(crate) const SEVERITIES: [Severity; 4] =
    [Severity::Information, Severity::Warning, Severity::Error, Severity::Fatal];

const ACTIONS: usize = Action::ALL.len();

/// What a distinct place of a code is: the unit of its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PlaceKind {
    /// A row of a staged table, by map where a map found it.
    Row,
    Resource,
    /// The run as a whole: an absent optional table, an absent package.
    Run,
}

/// Where findings of a code were: decides what their number is a part of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ground {
    Map(String),
    Table { organisation: String, system: String, table: String },
    Type(String),
}

/// All findings of one code.
#[derive(Debug)]
pub(crate) struct CodeTally {
    pub(crate) worst: Severity,
    pub(crate) n: u64,
    pub(crate) actions: [u64; ACTIONS],
    /// The cells of severity × action in which it is.
    pub(crate) cells: BTreeSet<(Severity, Action)>,
    pub(crate) kinds: BTreeSet<PlaceKind>,
    pub(crate) grounds: BTreeSet<Ground>,
    pub(crate) people: PeopleSet,
    /// By organisation and map.
    pub(crate) splits: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) examples: Vec<Issue>,
    pub(crate) n_places: u64,
}

impl CodeTally {
    fn new(severity: Severity) -> Self {
        Self {
            worst: severity,
            n: 0,
            actions: [0; ACTIONS],
            cells: BTreeSet::new(),
            kinds: BTreeSet::new(),
            grounds: BTreeSet::new(),
            people: PeopleSet::default(),
            splits: BTreeMap::new(),
            examples: Vec::new(),
            n_places: 0,
        }
    }
}

/// One cell of severity × action.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) n: u64,
    pub(crate) people: PeopleSet,
}

/// A map's line at which values were degraded, defaulted or omitted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChangeKey {
    pub(crate) map: String,
    pub(crate) map_line: Option<u32>,
    pub(crate) action: Action,
    pub(crate) code: String,
    pub(crate) element: String,
}

/// The result of the pass.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) codes: BTreeMap<String, CodeTally>,
    pub(crate) n: u64,
    pub(crate) by_severity: [u64; 4],
    /// By severity, then action.
    pub(crate) grid: [[Cell; ACTIONS]; 4],
    pub(crate) changed: BTreeMap<ChangeKey, u64>,
    /// People with a finding of any severity.
    pub(crate) people: PeopleSet,
    /// People with a finding of severity error or fatal.
    pub(crate) people_with_error: PeopleSet,
    /// Staged tables (organisation, system, table) that extract could not read without an error.
    pub(crate) broken_tables: BTreeSet<(String, String, String)>,
}

/// Reads the findings of `stages` in order.
pub(crate) fn read(
    ctx: StageContext<'_>,
    stages: &[FinishedStage],
    rules: &Rules<'_>,
    people: &mut People,
    out: &StageFolder,
) -> Result<Tally, ReportError> {
    let total = stages.iter().map(records::count::<Issue>).sum::<Result<u64, _>>()?;
    ctx.progress.begin("findings", Some(total), "findings");
    let mut list = IssueList::new(out)?;
    let mut outcomes = OutcomeFile::new(out)?;
    let mut places = Spill::new(out, ".places")?;
    let mut tally = Tally::default();
    let mut numbers = Vec::new();
    for stage in stages {
        for issue in records::read::<Issue>(stage)? {
            let issue = issue?;
            list.push(&issue)?;
            outcomes.push(&issue, people)?;
            let index = tally.count(&issue, people, &mut numbers);
            if let Some(key) = place_key(&issue) {
                places.push(key, &index.to_le_bytes())?;
            }
            if tally.n.is_multiple_of(8192) {
                ctx.stop.check()?;
                ctx.progress.advance(8192);
            }
        }
    }
    list.finish()?;
    outcomes.finish(rules)?;
    tally.count_places(places, &numbers)?;
    ctx.progress.advance(total % 8192);
    ctx.progress.end();
    Ok(tally)
}

impl Tally {
    /// Counts one finding; returns the number of its code, in the order of first appearance.
    fn count(&mut self, issue: &Issue, people: &mut People, numbers: &mut Vec<String>) -> u32 {
        self.n += 1;
        let (severity, action) = (issue.severity as usize, issue.action as usize);
        self.by_severity[severity] += 1;
        let cell = &mut self.grid[severity][action];
        cell.n += 1;
        let number = issue.patient_key.map(|p| people.number(p));
        if let Some(number) = number {
            cell.people.insert(number);
            self.people.insert(number);
            if issue.severity >= Severity::Error {
                self.people_with_error.insert(number);
            }
        }
        self.count_change(issue);
        self.count_broken_table(issue);
        if !self.codes.contains_key(&issue.code) {
            self.codes.insert(issue.code.clone(), CodeTally::new(issue.severity));
            numbers.push(issue.code.clone());
        }
        let code = self.codes.get_mut(&issue.code).expect("put there above");
        code.count(issue, number);
        // A run has some tens of codes; the list is short.
        numbers.iter().position(|c| *c == issue.code).expect("put there above") as u32
    }

    fn count_change(&mut self, issue: &Issue) {
        if !matches!(issue.action, Action::Degraded | Action::Defaulted | Action::Omitted) {
            return;
        }
        let key = ChangeKey {
            map: issue.map.clone().unwrap_or_default(),
            map_line: issue.map_line,
            action: issue.action,
            code: issue.code.clone(),
            element: issue.fhir_path.as_deref().map(without_indices).unwrap_or_default(),
        };
        *self.changed.entry(key).or_default() += 1;
    }

    fn count_broken_table(&mut self, issue: &Issue) {
        if issue.stage == Stage::Extract && issue.severity >= Severity::Error {
            let text = |t: &Option<String>| t.clone().unwrap_or_default();
            self.broken_tables.insert((text(&issue.organisation), text(&issue.system), text(&issue.table)));
        }
    }

    fn count_places(&mut self, places: Spill, numbers: &[String]) -> Result<(), RunError> {
        let mut counts = vec![0_u64; numbers.len()];
        places.drain(|same_place| {
            // Sorted by body, so the findings of one code at one place stand together.
            for same_code in same_place.chunk_by(|a, b| a.body == b.body) {
                let index = same_code[0].body.try_into().map_or(0, u32::from_le_bytes);
                counts[index as usize] += 1;
            }
            Ok::<_, RunError>(())
        })?;
        for (code, n) in numbers.iter().zip(counts) {
            self.codes.get_mut(code).expect("numbered when counted").n_places = n;
        }
        Ok(())
    }
}

impl CodeTally {
    fn count(&mut self, issue: &Issue, person: Option<u32>) {
        self.n += 1;
        self.worst = self.worst.max(issue.severity);
        self.actions[issue.action as usize] += 1;
        if let Some(number) = person {
            self.people.insert(number);
        }
        self.kinds.insert(place_kind(issue));
        if let Some(ground) = ground(issue)
            && !self.grounds.contains(&ground)
        {
            self.grounds.insert(ground);
        }
        let map = issue.map.as_deref().or(issue.table.as_deref()).unwrap_or_default();
        let known = self.splits.get_mut(issue.organisation.as_deref().unwrap_or_default()).and_then(|m| m.get_mut(map));
        if let Some(n) = known {
            *n += 1;
        } else {
            let maps = self.splits.entry(issue.organisation.clone().unwrap_or_default()).or_default();
            maps.insert(map.to_owned(), 1);
        }
        self.cells.insert((issue.severity, issue.action));
        if self.examples.len() < EXAMPLES {
            self.examples.push(issue.clone());
        }
    }
}

fn place_kind(issue: &Issue) -> PlaceKind {
    let early = issue.stage <= Stage::Map;
    match (early, issue.row_no, issue.resource_id) {
        (true, Some(_), _) | (false, Some(_), None) => PlaceKind::Row,
        (_, _, Some(_)) => PlaceKind::Resource,
        (_, None, None) => PlaceKind::Run,
    }
}

fn ground(issue: &Issue) -> Option<Ground> {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    match place_kind(issue) {
        PlaceKind::Run => None,
        PlaceKind::Resource => Some(Ground::Type(text(&issue.resource_type))),
        PlaceKind::Row => Some(match &issue.map {
            Some(map) => Ground::Map(map.clone()),
            None => Ground::Table {
                organisation: text(&issue.organisation),
                system: text(&issue.system),
                table: text(&issue.table),
            },
        }),
    }
}

/// The same for all findings at one place; `None` where the run as a whole is the place.
fn place_key(issue: &Issue) -> Option<[u8; 16]> {
    match place_kind(issue) {
        PlaceKind::Run => None,
        PlaceKind::Resource => issue.resource_id.map(|id| *ResourceId::as_bytes(&id)),
        PlaceKind::Row => {
            let place = (&issue.organisation, &issue.system, &issue.table, &issue.map, issue.row_no);
            let half = |seed: u8| {
                let mut hasher = DefaultHasher::new();
                (seed, place).hash(&mut hasher);
                hasher.finish().to_le_bytes()
            };
            let mut key = [0; 16];
            key[..8].copy_from_slice(&half(0));
            key[8..].copy_from_slice(&half(1));
            Some(key)
        }
    }
}

/// `Patient.name[0].given[1]` gives `Patient.name.given`, so that lines are counted by element.
pub(crate) fn without_indices(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        let Some((inside, tail)) = after.split_once(']') else { break };
        // A slice name is part of the element; a position is not.
        if !inside.bytes().all(|b| b.is_ascii_digit()) {
            text.push('[');
            text.push_str(inside);
            text.push(']');
        }
        rest = tail;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_and_slices_stay() {
        assert_eq!(without_indices("Patient.name[0].given[12]"), "Patient.name.given");
        assert_eq!(without_indices("Patient.identifier[nhsNumber].value"), "Patient.identifier[nhsNumber].value");
        assert_eq!(without_indices("Patient.birthDate"), "Patient.birthDate");
    }
}
