//! Link: one person, one record.
//!
//! In: the mapped resources (`2-map`) and what earlier runs decided (`state/`). Out: `3-link`, the same resources
//! with one Patient a person, every reference to a retired Patient replaced, and `links.parquet`,
//! `candidates.parquet`, `persons.parquet`. Parts in which nothing changes are hard links of the mapped ones.
//! Never here: a guess. Records are merged by the one rule of `matching` or not at all; what almost
//! agrees is a candidate for a person to decide, what contradicts itself is a hazard.
//!
//! Only the identity facts of Patients are held in memory, as hashes where they are names or postcodes.
//!
//! | what you want to find | module |
//! |---|---|
//! | what is compared | `facts`, [`name_fold`] |
//! | the rule, candidates and hazards | `matching` |
//! | which id a person has, now and in later runs | [`persons`] |
//! | one Patient composed of several | `merge` |
//! | retired ids replaced in place | [`replace`] |
//! | the stage's files written | `rewrite` |
//! | what can stop link | [`error`] |
//! | the codes of link's issues | [`issues`] |

pub mod error;
mod facts;
pub mod issues;
mod matching;
mod merge;
pub mod name_fold;
pub mod persons;
pub mod replace;
mod rewrite;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use epr_fhir::resource::Resource;
use epr_model::{Action, Issue, ResourceId, Stage};
use epr_run::folder::OldSignature;
use epr_run::ledger::ResourceLedger;
use epr_run::line;
use epr_run::parts::{PartReader, part_paths};
use epr_run::records::{self, CandidateRecord, KeyRecord, LinkRecord, PersonRecord, RecordWriter};
use epr_run::{FinishedStage, Manifest, RunError, Sha256Hex, StageContext, StageFolder};
use rayon::prelude::*;

pub use crate::error::LinkError;
use crate::facts::{Facts, Lineage};
pub use crate::issues::ISSUES;
use crate::issues::severity_of;
use crate::matching::{MERGED_ON, Matches};
pub use crate::persons::remember;
use crate::persons::{Assigned, Earlier};

/// What to link, and by which of the project's decisions.
#[derive(Debug, Clone)]
pub struct LinkInput {
    pub run_hash: Sha256Hex,
    pub old_signature: OldSignature,
    /// Sources (organisation, system) whose NHS numbers may identify a person without a verification status.
    /// A number that says of itself that it is not verified stays unverified there too.
    pub trusted: BTreeSet<(String, String)>,
    /// The project's `state/` folder, written by [`remember`], where persons are to keep the ids of earlier runs.
    pub state: Option<PathBuf>,
    pub retired: Retired,
    pub test_numbers: TestNumbers,
}

/// What becomes of a record whose id was retired (`[link] retired` in `epr.toml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// It is not delivered; its content stands in the person's record.
    Omit,
    /// It is delivered too, as inactive and linked with its person.
    Linked,
}

impl Retired {
    /// Reads the word in `epr.toml`; `None` for any other.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "omit" => Some(Self::Omit),
            "linked" => Some(Self::Linked),
            _ => None,
        }
    }
}

/// Whether a number of the test range (999…) may identify a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestNumbers {
    /// As any other number: for rehearsals and for sources of synthetic people.
    Identify,
    /// Never: records that share one are candidates.
    CandidatesOnly,
}

/// Links the mapped resources and writes `3-link`.
///
/// The result depends on the records alone: not on threads, nor on the order of parts or of rows in them.
pub fn run(ctx: StageContext<'_>, input: &LinkInput) -> Result<FinishedStage, LinkError> {
    let map = ctx.run.input(Stage::Map)?;
    let earlier = input.state.as_deref().map(Earlier::read).transpose()?.unwrap_or_default();
    let folder = ctx.run.begin(Stage::Link, input.old_signature)?;
    let facts = read_facts(ctx, &map, input)?;
    let matches = matching::match_all(&facts);
    let assigned = persons::assign(&facts, &matches, &earlier)?;
    let mut issues = issues_of_matching(&facts, &matches, &assigned);

    let rewritten = rewrite::rewrite(ctx, &rewrite::Plan::new(&map, &folder, &facts, &assigned, input.retired))?;
    issues.extend(rewritten.issues);
    issues.sort();

    let mut manifest = Manifest::new(Stage::Link, input.run_hash.clone());
    manifest.inputs.insert(Stage::Map.as_str().to_owned(), map.manifest_hash()?);
    // What `state` had to say is in links.parquet and persons.parquet; its hash is not named here, since a state
    // that changes nothing must change no byte of the run.
    for (kind, mapped) in &map.manifest().resources {
        let merged = if kind == "Patient" { rewritten.n_merged } else { 0 };
        // Patients are counted again, line by line; the ledger does not balance where map counted otherwise.
        let there = if kind == "Patient" { facts.len() as u64 } else { *mapped };
        let ledger = ResourceLedger { mapped: *mapped, merged, delivered: there - merged, ..ResourceLedger::default() };
        manifest.resources.insert(kind.clone(), ledger.delivered);
        manifest.ledgers.resources.insert(kind.clone(), ledger);
    }
    for issue in &issues {
        *manifest.issues.entry(issue.code.clone()).or_default() += 1;
    }
    write_all(&folder, &issues)?;
    write_all(&folder, &candidates(&matches, &assigned))?;
    write_all(&folder, &links(&facts, &matches, &assigned))?;
    write_all(&folder, &person_records(&assigned))?;
    Ok(folder.finish(manifest)?)
}

/// The facts of all Patients, ranked by organisation, system and id.
fn read_facts(ctx: StageContext<'_>, map: &FinishedStage, input: &LinkInput) -> Result<Vec<Facts>, LinkError> {
    let parts = part_paths(map, "Patient");
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let lineages = lineages(map)?;
    ctx.progress.begin("Patient: identities", Some(lineages.len() as u64), "resources");
    let read: Vec<Vec<Facts>> =
        parts.par_iter().map(|path| read_part(ctx, path, &lineages, input)).collect::<Result<_, _>>()?;
    ctx.progress.end();
    let mut facts: Vec<Facts> = read.into_iter().flatten().collect();
    facts.sort_by(|a, b| (a.lineage.source(), a.id).cmp(&(b.lineage.source(), b.id)));
    Ok(facts)
}

/// Where each Patient came from. Table names are few, so they are held once.
fn lineages(map: &FinishedStage) -> Result<HashMap<ResourceId, Lineage>, RunError> {
    let mut tables: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let mut lineages = HashMap::new();
    for key in records::read::<KeyRecord>(map)? {
        let key = key?;
        if key.resource_type == "Patient" {
            let table = tables.entry(key.table).or_insert_with_key(|name| name.as_str().into()).clone();
            lineages.insert(key.id, Lineage { table, row_no: key.row_no });
        }
    }
    Ok(lineages)
}

fn read_part(
    ctx: StageContext<'_>,
    path: &Path,
    lineages: &HashMap<ResourceId, Lineage>,
    input: &LinkInput,
) -> Result<Vec<Facts>, LinkError> {
    let mut reader = PartReader::open(path)?;
    let (mut bytes, mut resource, mut facts) = (Vec::new(), Resource::default(), Vec::new());
    let mut line = 0;
    while reader.next_into(&mut bytes)? {
        line += 1;
        if line % 1024 == 0 {
            ctx.stop.check()?;
            ctx.progress.advance(1024);
        }
        let id = id_of(&bytes).ok_or_else(|| LinkError::NotAResource { path: path.to_owned(), line })?;
        let lineage = lineages.get(&id).ok_or_else(|| LinkError::KeyMissing { path: path.to_owned(), line })?;
        resource.parse_json_into(&bytes).map_err(|source| LinkError::NotJson {
            path: path.to_owned(),
            line,
            source,
        })?;
        facts.push(Facts::read(id, lineage.clone(), resource.root(), input));
    }
    ctx.progress.advance(line % 1024);
    Ok(facts)
}

/// The id of a resource's bytes.
pub(crate) fn id_of(resource: &[u8]) -> Option<ResourceId> {
    line::identity(resource)?.id.parse().ok()
}

/// An issue about a Patient; its person is counted under the person's id.
pub(crate) fn issue(code: &'static str, action: Action, record: &Facts, person: ResourceId) -> Issue {
    let mut issue = Issue::new(code, severity_of(code), action, Stage::Link);
    let mut place = record.lineage.table.splitn(3, '/').map(str::to_owned);
    issue.organisation = place.next();
    issue.system = place.next();
    issue.table = place.next();
    issue.row_no = Some(record.lineage.row_no);
    issue.resource_type = Some("Patient".to_owned());
    issue.resource_id = Some(person);
    issue.patient_key = Some(person);
    issue
}

fn issues_of_matching(facts: &[Facts], matches: &Matches, assigned: &Assigned) -> Vec<Issue> {
    let of = |code, i: u32| issue(code, Action::Kept, &facts[i as usize], assigned.id_of[i as usize]);
    let number_path = |mut issue: Issue| {
        issue.fhir_path = Some("Patient.identifier".to_owned());
        issue
    };
    let mut in_hazard: BTreeSet<u32> = BTreeSet::new();
    let mut issues = Vec::new();
    for ((left, right), pair) in &matches.pairs {
        if pair.is_hazard() {
            in_hazard.extend([*left, *right]);
        } else {
            issues.push(of("LNK0101", *left));
        }
    }
    issues.extend(in_hazard.into_iter().map(|i| number_path(of("ID-03", i))));
    for (i, record) in facts.iter().enumerate() {
        if record.verified().count() > 1 {
            issues.push(number_path(of("ID-04", i as u32)));
        }
    }
    issues.extend(assigned.issues.iter().map(|(code, i)| of(code, *i)));
    for person in &assigned.composed {
        let founder = &facts[person.members[0] as usize];
        for member in &person.members[1..] {
            let givens = &facts[*member as usize].givens;
            let told = !givens.is_empty() && !founder.givens.is_empty();
            if told && !givens.iter().any(|given| founder.givens.contains(given)) {
                let mut issue = issue("LNK0103", Action::Merged, &facts[*member as usize], person.id);
                issue.fhir_path = Some("Patient.name.given".to_owned());
                issues.push(issue);
            }
        }
    }
    issues
}

fn candidates(matches: &Matches, assigned: &Assigned) -> Vec<CandidateRecord> {
    let mut candidates: Vec<CandidateRecord> = matches
        .pairs
        .iter()
        .map(|((left, right), pair)| {
            let (left, right) = (assigned.id_of[*left as usize], assigned.id_of[*right as usize]);
            CandidateRecord {
                left_id: left.min(right),
                right_id: left.max(right),
                evidence: pair.evidence.clone(),
                reason: pair.reason.to_owned(),
            }
        })
        .collect();
    candidates.sort();
    candidates
}

fn links(facts: &[Facts], matches: &Matches, assigned: &Assigned) -> Vec<LinkRecord> {
    let mut links = Vec::new();
    for person in &assigned.composed {
        let alone = person.members.len() == 1;
        for member in &person.members {
            let retired_id = facts[*member as usize].id;
            if retired_id != person.id {
                let evidence = if alone { "earlier-run" } else { MERGED_ON }.to_owned();
                links.push(LinkRecord { retired_id, person_id: person.id, evidence, decision: "automatic".to_owned() });
            }
        }
        debug_assert!(
            person.members.iter().all(|m| { matches.root[*m as usize] == matches.root[person.members[0] as usize] })
        );
    }
    links.sort();
    links
}

fn person_records(assigned: &Assigned) -> Vec<PersonRecord> {
    let mut ids = assigned.id_of.clone();
    ids.sort_unstable();
    let runs = ids.chunk_by(|a, b| a == b);
    runs.map(|run| PersonRecord { person_id: run[0], n_records: run.len() as u32 }).collect()
}

fn write_all<R: records::Record>(folder: &StageFolder, all: &[R]) -> Result<(), RunError> {
    let mut writer = RecordWriter::<R>::new(folder)?;
    all.iter().try_for_each(|record| writer.push(record))?;
    writer.finish().map(|_| ())
}
