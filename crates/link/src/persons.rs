//! Which id a person has, this time and every time.
//!
//! A person keeps the id of an earlier run, whoever joins. A new person has the id of its founding record: the
//! first by organisation, system and id. Within one system the design says "key" where this says id: both are
//! arbitrary but fixed orders of the same records, and since the id is a function of the key, the same records
//! give the same founder; only which of two records of one system founds a person may differ.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use epr_model::ResourceId;
use epr_run::records::{LinkRecord, PersonRecord, Record, RecordReader, RecordWriter};
use epr_run::{FinishedStage, RunError};

use crate::LinkError;
use crate::facts::Facts;
use crate::matching::Matches;

/// Who was whom in earlier runs.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    /// Retired id to person.
    links: HashMap<ResourceId, ResourceId>,
    persons: HashSet<ResourceId>,
}

impl Earlier {
    /// Reads `links.parquet` and `persons.parquet` of the project's `state/`; a file that is not there yet is empty.
    pub(crate) fn read(state: &Path) -> Result<Self, RunError> {
        let mut earlier = Self::default();
        for link in read_if_there::<LinkRecord>(state)? {
            earlier.persons.insert(link.person_id);
            earlier.links.insert(link.retired_id, link.person_id);
        }
        for person in read_if_there::<PersonRecord>(state)? {
            earlier.persons.insert(person.person_id);
        }
        Ok(earlier)
    }
}

/// Keeps what a finished link stage decided in the project's `state/`, for the runs to come.
///
/// What earlier runs knew of records that this run did not see stays. Each file is replaced whole.
pub fn remember(link: &FinishedStage, state: &Path) -> Result<(), RunError> {
    fs::create_dir_all(state).map_err(RunError::io("create", state))?;
    let mut persons: BTreeSet<ResourceId> = BTreeSet::new();
    let mut seen: HashSet<ResourceId> = HashSet::new();
    for person in read_if_there::<PersonRecord>(link.path())? {
        persons.insert(person.person_id);
        seen.insert(person.person_id);
    }
    let mut links: Vec<LinkRecord> = read_if_there(link.path())?;
    seen.extend(links.iter().map(|link| link.retired_id));
    links.extend(read_if_there::<LinkRecord>(state)?.into_iter().filter(|link| !seen.contains(&link.retired_id)));
    links.sort();
    let old = read_if_there::<PersonRecord>(state)?.into_iter().map(|person| person.person_id);
    persons.extend(old.filter(|id| !seen.contains(id)));
    write_whole(state, &links)?;
    // The number of records is this run's business; state keeps only that the person exists.
    let persons: Vec<_> = persons.into_iter().map(|person_id| PersonRecord { person_id, n_records: 0 }).collect();
    write_whole(state, &persons)
}

fn read_if_there<R: Record>(folder: &Path) -> Result<Vec<R>, RunError> {
    let path = folder.join(R::FILE);
    if path.is_file() { RecordReader::at(&path)?.collect() } else { Ok(Vec::new()) }
}

fn write_whole<R: Record>(folder: &Path, records: &[R]) -> Result<(), RunError> {
    let temporary = folder.join(format!(".{}.partial", R::FILE));
    let mut writer = RecordWriter::at(&temporary)?;
    records.iter().try_for_each(|record| writer.push(record))?;
    writer.finish()?;
    fs::rename(&temporary, folder.join(R::FILE)).map_err(RunError::io("rename into place", &temporary))
}

/// A person whose record is composed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: ResourceId,
    /// Places in the ranked facts. The first is the founding record: its values stand where only one can, and
    /// the person's record is written in its place.
    pub(crate) members: Vec<u32>,
}

/// The ids of all persons.
pub(crate) struct Assigned {
    /// For each record, its person's id.
    pub(crate) id_of: Vec<ResourceId>,
    /// The persons that are not simply one record with its own id, in order of their first record.
    pub(crate) composed: Vec<Person>,
    /// Issue codes, each with the record that it is about.
    pub(crate) issues: Vec<(&'static str, u32)>,
}

/// Gives each person its id.
pub(crate) fn assign(facts: &[Facts], matches: &Matches, earlier: &Earlier) -> Result<Assigned, LinkError> {
    let current = current_ids(facts)?;
    let mut clusters: Vec<(u32, Vec<u32>)> = Vec::new();
    let mut at: HashMap<u32, usize> = HashMap::new();
    for (i, root) in matches.root.iter().enumerate() {
        let next = clusters.len();
        let cluster = *at.entry(*root).or_insert(next);
        if cluster == next {
            clusters.push((*root, Vec::new()));
        }
        clusters[cluster].1.push(i as u32);
    }
    let mut assigned = Assigned {
        id_of: vec![ResourceId::from_bytes([0; 16]); facts.len()],
        composed: Vec::new(),
        issues: Vec::new(),
    };
    let mut taken: HashSet<ResourceId> = HashSet::new();
    for (root, members) in clusters {
        let id = person_id(facts, &members, matches, earlier, &current, &mut taken, &mut assigned.issues);
        for member in &members {
            assigned.id_of[*member as usize] = id;
        }
        if members.len() == 1 && id == facts[root as usize].id {
            continue;
        }
        let mut members = members;
        if let Some(place) = members.iter().position(|m| facts[*m as usize].id == id) {
            members[..=place].rotate_right(1);
        }
        assigned.composed.push(Person { id, members });
    }
    assigned.issues.sort_unstable();
    Ok(assigned)
}

/// Where each id is among the facts.
fn current_ids(facts: &[Facts]) -> Result<HashMap<ResourceId, u32>, LinkError> {
    let mut current = HashMap::with_capacity(facts.len());
    for (i, record) in facts.iter().enumerate() {
        if current.insert(record.id, i as u32).is_some() {
            return Err(LinkError::SameId { id: record.id.to_string() });
        }
    }
    Ok(current)
}

fn person_id(
    facts: &[Facts],
    members: &[u32],
    matches: &Matches,
    earlier: &Earlier,
    current: &HashMap<ResourceId, u32>,
    taken: &mut HashSet<ResourceId>,
    issues: &mut Vec<(&'static str, u32)>,
) -> ResourceId {
    let id = |member: &u32| facts[*member as usize].id;
    let mut known = members.iter().filter(|m| earlier.persons.contains(&id(m)));
    let mut chosen = known.next().map(id);
    issues.extend(known.map(|member| ("LNK0105", *member)));
    for member in members {
        let Some(person) = earlier.links.get(&id(member)).copied() else { continue };
        match current.get(&person) {
            // The person is here and among these members: then it has spoken for itself.
            Some(place) if matches.root[*place as usize] == matches.root[*member as usize] => {}
            None if chosen == Some(person) => {}
            None if chosen.is_some() => issues.push(("LNK0105", *member)),
            None if taken.insert(person) => chosen = Some(person),
            Some(_) | None => issues.push(("LNK0104", *member)),
        }
    }
    chosen.unwrap_or_else(|| id(&members[0]))
}
